"""Observers of a session: each is called with every change, in their order, outside the session's lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from deepstrf.locking import locked

from .events import Change

__all__ = ["Observers"]

THREAD_NAME = "observers of a session"

PATIENCE_S = 0.05
"""So long a thread calls observers for what other threads change meanwhile, before another thread takes over."""


class Observer:
    """A callback, and the changes that it has not been called with yet, by version."""

    def __init__(self, callback: Callable[[Change], None], merged: bool) -> None:
        self.callback = callback
        self.waiting: dict[int, Change] = {}
        self.busy_with = 0
        self._merged = merged

    def put(self, change: Change) -> None:
        """Let a change wait, as one with those that wait already where they are to be merged."""
        if not self._merged:
            self.waiting[change.version] = change
            return
        begun = {version: one for version, one in self.waiting.items() if version == self.busy_with}
        for other in (one for version, one in self.waiting.items() if version not in begun):
            change = other.merged_with(change)
        # In one step: an interrupt must not lose what waited.
        self.waiting = {**begun, change.version: change}


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
        self._newest = 0
        self._newest_by: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._observers)

    @locked
    def add(self, callback: Callable[[Change], None], *, merged: bool = False) -> Callable[[], None]:
        """Call ``callback`` after every change, or with all that wait as one; returns a function that ends this."""
        observer = Observer(callback, merged)
        self._observers = (*self._observers, observer)
        return lambda: self._remove(observer)

    @locked
    def _remove(self, observer: Observer) -> None:
        self._observers = tuple(one for one in self._observers if one is not observer)

    def put(self, change: Change) -> None:
        """Note a change for all observers; putting it again changes nothing. The lock must be held."""
        for observer in self._observers:
            observer.put(change)
        self._newest = self._newest_by[threading.get_ident()] = change.version
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
        newest, patience_ends = self._newest, time.monotonic() + PATIENCE_S
        while (following := self._next(caller)) is not None:
            observer, version, change = following
            is_late = not nothing_waits and version > newest and time.monotonic() > patience_ends
            if is_late and not self._waits_of(threading.get_ident()):
                self._calling = None
                rest = partial(self._call_until, nothing_waits=True)
                threading.Thread(target=rest, name=THREAD_NAME, daemon=True).start()
                break
            try:
                observer.callback(change)
            except Exception as error:  # noqa: BLE001 - raised when all have been called
                first = first or error
            self._called(observer, version)
        if first is not None:
            raise first

    @locked
    def _waits_of(self, thread: int) -> bool:
        """Whether a change that this thread has made waits, one of an observer that edits."""
        oldest = min((next(iter(one.waiting)) for one in self._observers if one.waiting), default=self._newest + 1)
        return self._newest_by.get(thread, 0) >= oldest

    @locked
    def _next(self, caller: object) -> tuple[Observer, int, Change] | None:
        """Who must be called next with which version; None when nobody, or another thread calls them already."""
        if self._calling not in (None, caller):
            return None
        behind = [(*next(iter(one.waiting.items())), one) for one in self._observers if one.waiting]
        self._calling = caller if behind else None
        self._waiting = bool(behind)
        if not behind:
            return None
        version, change, observer = min(behind, key=lambda one: one[0])
        observer.busy_with = version
        return observer, version, change

    @locked
    def _called(self, observer: Observer, version: int) -> None:
        observer.waiting.pop(version, None)
