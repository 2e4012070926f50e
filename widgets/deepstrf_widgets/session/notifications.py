"""Observers of a session: each is called with every change, in their order, outside the session's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .events import Change
from .lock import locked

__all__ = ["Observers"]


class Observer:
    """A callback, and the changes that it has not been called with yet, by version."""

    def __init__(self, callback: Callable[[Change], None]) -> None:
        self.callback = callback
        self.waiting: dict[int, Change] = {}


class Observers:
    """Who wants to be called after each change of a session.

    One thread at a time calls them, also with the changes that other threads have made meanwhile: nobody waits for an
    observer but the thread that calls it, so that observers may read, edit, and end themselves.

    Parameters
    ----------
    lock : RLock
        Of the session; no observer is called while it is held.
    """

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._observers: tuple[Observer, ...] = ()
        self._calling: object = None
        self._waiting = False

    def __len__(self) -> int:
        return len(self._observers)

    @locked
    def add(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``callback`` after every change; returns a function that ends this."""
        observer = Observer(callback)
        self._observers = (*self._observers, observer)
        return lambda: self._remove(observer)

    @locked
    def _remove(self, observer: Observer) -> None:
        self._observers = tuple(one for one in self._observers if one is not observer)

    def put(self, change: Change) -> None:
        """Note a change for all observers; putting it again changes nothing. The lock must be held."""
        for observer in self._observers:
            observer.waiting[change.version] = change
        self._waiting = True

    def call(self) -> None:
        """Call the observers with what they have not been called with, the oldest change first.

        An exception of one is raised when all have been called. An interrupt is raised at once: the one that it came in
        is called again with the same change the next time.
        """
        if not self._waiting or self._lock._is_owned():
            return
        caller = object()
        try:
            self._call_as(caller)
        finally:
            if self._calling is caller:
                self._calling = None

    def _call_as(self, caller: object) -> None:
        first: Exception | None = None
        while (observer := self._next(caller)) is not None:
            version = next(iter(observer.waiting))
            try:
                observer.callback(observer.waiting[version])
            except Exception as error:  # noqa: BLE001 - raised when all have been called
                first = first or error
            observer.waiting.pop(version, None)
        if first is not None:
            raise first

    @locked
    def _next(self, caller: object) -> Observer | None:
        """Who must be called next; None when there is none, or another call of :meth:`call` is under way."""
        if self._calling not in (None, caller):
            return None
        behind = [observer for observer in self._observers if observer.waiting]
        self._calling = caller if behind else None
        self._waiting = bool(behind)
        return min(behind, key=lambda observer: next(iter(observer.waiting))) if behind else None
