"""Methods that one thread runs at a time, and that no interrupt leaves locked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["locked", "locked_by"]

Method = TypeVar("Method", bound=Callable[..., Any])


def locked_by(name: str) -> Callable[[Method], Method]:
    """Decorator for methods of objects whose attribute ``name`` is an RLock: one thread at a time.

    An interrupt between the last line of a ``with`` and its exit leaves the lock held, and so does one on the way into
    a ``threading.Condition``: a ``finally`` around it releases what is still held. One interrupt cannot hit both. A
    method may wait on a Condition of the same lock.
    """

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def holding(self: Any, *args: Any, **kwargs: Any) -> Any:
            lock = getattr(self, name)
            if lock._is_owned():  # the outermost method releases
                return method(self, *args, **kwargs)
            try:
                with lock:
                    return method(self, *args, **kwargs)
            finally:
                while lock._is_owned():
                    lock.release()

        return holding  # type: ignore[return-value]

    return decorate


locked = locked_by("_lock")
