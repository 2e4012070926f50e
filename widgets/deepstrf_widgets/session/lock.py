"""The lock of all sessions that edit one model.

Methods that hold it copy and write tensors, for microseconds; they run no forward pass and call no observer.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

__all__ = ["lock_of"]

_LOCKS: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()


def lock_of(model: nn.Module) -> Any:
    """The lock of all sessions that edit one model: an RLock, of which a thread can ask whether it holds it."""
    return _LOCKS.setdefault(model, threading.RLock())
