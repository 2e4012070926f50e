"""Which models are being fitted, and whose turn it is to touch their weights."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import nn

from deepstrf.locking import locked

__all__ = ["Turns", "turns_of", "under_way"]


class Turns:
    """Turns at the weights of a model that is being fitted, in the order in which they were asked for.

    A step of the optimizer takes one, and so does whoever reads the weights from another thread: these are then the
    weights between two steps. The thread whose turn it is may take another one within.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._queue: deque[object] = deque()
        self._owner: int | None = None
        self.thread = threading.current_thread()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Inside, it is the turn of this thread."""
        if self._owner == threading.get_ident():
            yield
            return
        turn = object()
        try:
            try:
                self._wait_for(turn)
                yield
            finally:
                self._give_back(turn)
        finally:
            # Again, if an interrupt came before it: nobody else would ever have a turn.
            self._give_back(turn)

    @locked
    def _wait_for(self, turn: object) -> None:
        self._queue.append(turn)
        self._changed.wait_for(lambda: self._queue[0] is turn)
        self._owner = threading.get_ident()

    @locked
    def _give_back(self, turn: object) -> None:
        if self._owner == threading.get_ident():
            self._owner = None
        if turn in self._queue:
            self._queue.remove(turn)
        self._changed.notify_all()


_FITS: WeakKeyDictionary[nn.Module, Turns] = WeakKeyDictionary()


def turns_of(model: nn.Module) -> Turns | None:
    """Turns at the weights of a model that is being fitted; None for any other."""
    return _FITS.get(model) if len(_FITS) else None


@contextmanager
def under_way(model: nn.Module) -> Iterator[Turns]:
    """Turns at the weights of ``model``, which is being fitted inside.

    RuntimeError where another thread is fitting it: two fits would take each other's weights for their own.
    """
    turns = Turns()
    other = _FITS.setdefault(model, turns)
    if other is not turns:
        if other.thread is not threading.current_thread() and other.thread.is_alive():
            raise RuntimeError(
                f"model must be fitted by one thread at a time, and {other.thread.name} is fitting this "
                f"{type(model).__name__}: wait for it, or fit a copy, copy.deepcopy(model)"
            )
        _FITS[model] = turns
    try:
        yield turns
    finally:
        if _FITS.get(model) is turns:
            del _FITS[model]
