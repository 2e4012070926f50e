"""A lock that no interrupt leaves locked, and the methods that hold it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import nn

__all__ = ["lock_of", "locked"]

Method = TypeVar("Method", bound=Callable[..., Any])

_LOCKS: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()


def lock_of(model: nn.Module) -> Any:
    """The lock of all sessions that edit one model: an RLock, of which a thread can ask whether it holds it."""
    return _LOCKS.setdefault(model, threading.RLock())


def locked(method: Method) -> Method:
    """The method of an object with a ``_lock``, one thread at a time.

    Such methods copy and write tensors, for microseconds; they run no forward pass and call no observer.

    An interrupt between the last line of a ``with`` and its exit leaves the lock held, so a ``finally`` around it
    releases what is still held. One interrupt cannot hit both.
    """

    @functools.wraps(method)
    def holding(self: Any, *args: Any, **kwargs: Any) -> Any:
        lock = self._lock
        if lock._is_owned():  # the outermost method releases
            return method(self, *args, **kwargs)
        try:
            with lock:
                return method(self, *args, **kwargs)
        finally:
            while lock._is_owned():
                lock.release()

    return holding  # type: ignore[return-value]
