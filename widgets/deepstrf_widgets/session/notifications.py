"""Observers of a session: each is called with every change, in their order, outside the session's lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from .events import Change
from .lock import locked

__all__ = ["Observers"]

THREAD_NAME = "observers of a session"

PATIENCE_S = 0.05
"""So long a thread calls observers for what other threads change meanwhile, before another thread takes over."""


class Observer:
    """A callback, and the changes that it has not been called with yet, by version."""

    def __init__(self, callback: Callable[[Change], None]) -> None:
        self.callback = callback
        self.waiting: dict[int, Change] = {}
        self.made_by: dict[int, int] = {}


class Observers:
    """Who wants to be called after each change of a session.

    One thread at a time calls them: only the thread that calls an observer waits for it, so that observers may
    read, edit, and end themselves. What other threads change meanwhile is left to another thread after a moment, or
    a thread that makes one change would call the observers for as long as another one makes more of them.

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
            observer.made_by[change.version] = threading.get_ident()
        self._waiting = True

    def call(self) -> None:
        """Call the observers with what they have not been called with, the oldest change first.

        An exception of one is raised when all have been called. An interrupt is raised at once: the one that it came in
        is called again with the same change the next time.
        """
        if not self._waiting or self._lock._is_owned():
            return
        self._call_until()

    def _call_until(self, *, nothing_waits: bool = False) -> None:
        caller = object()
        try:
            self._call_as(caller, nothing_waits)
        finally:
            if self._calling is caller:
                self._calling = None

    def _call_as(self, caller: object, nothing_waits: bool) -> None:
        first: Exception | None = None
        newest: int | None = None
        patience_ends = time.monotonic() + PATIENCE_S
        while (observer := self._next(caller)) is not None:
            if newest is None:
                newest = max(version for one in self._observers for version in list(one.waiting))
            version = next(iter(observer.waiting))
            is_late = not nothing_waits and version > newest and time.monotonic() > patience_ends
            if is_late and not self._waits_of(threading.get_ident()):
                self._calling = None
                rest = partial(self._call_until, nothing_waits=True)
                threading.Thread(target=rest, name=THREAD_NAME, daemon=True).start()
                break
            try:
                observer.callback(observer.waiting[version])
            except Exception as error:  # noqa: BLE001 - raised when all have been called
                first = first or error
            observer.made_by.pop(version, None)
            observer.waiting.pop(version, None)
        if first is not None:
            raise first

    def _waits_of(self, thread: int) -> bool:
        """Whether a change that this thread has made waits, one of an observer that edits."""
        return any(made == thread for observer in self._observers for made in list(observer.made_by.values()))

    @locked
    def _next(self, caller: object) -> Observer | None:
        """Who must be called next; None when there is none, or another call of :meth:`call` is under way."""
        if self._calling not in (None, caller):
            return None
        behind = [observer for observer in self._observers if observer.waiting]
        self._calling = caller if behind else None
        self._waiting = bool(behind)
        return min(behind, key=lambda observer: next(iter(observer.waiting))) if behind else None
