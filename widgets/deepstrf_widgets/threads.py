"""How threads share the processor: how many torch works with, and how long one waits for Python beside a fit."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from deepstrf.locking import locked

__all__ = ["one_thread", "rest_threads", "short_turns"]

OMP_PAUSE_SOFT = 1  # OpenMP 5.0, section 3.2.43
TURN_S = 0.0005
"""How long a thread then waits before it asks for Python's lock, which one of 5 ms holds by default."""


class _Threads:
    """Who is inside `one_thread`, and how many threads torch had before the first of them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._inside: frozenset[tuple[int, object]] = frozenset()
        self._outside = 0

    @locked
    def enter(self, who: object) -> None:
        if not self._inside:
            self._outside = torch.get_num_threads()
        self._inside |= {(threading.get_ident(), who)}
        torch.set_num_threads(1)

    @locked
    def leave(self, who: object) -> None:
        here = threading.get_ident()
        if (here, who) in self._inside:
            self._inside -= {(here, who)}
            # What encloses this block in the same thread is still to have one: a fit ran on with two after its first
            # picture, and each waited for the other wherever another program had a core.
            if all(thread != here for thread, _ in self._inside):
                torch.set_num_threads(self._outside)


_THREADS = _Threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, as many as before outside, also where several threads are inside at once.

    The number is one for the process, and each thread takes a copy of it when it first computes: whoever asked for it
    while another is inside would take that one's 1 for what was before, and leave it there for good.

    The computations of an answer are small, and the browser needs the other cores during a gesture: torch's threads
    then wait for one another. On two busy cores the kernel of one neuron took 0.08 ms with one thread, 47 ms with two.
    """
    who = object()
    try:
        _THREADS.enter(who)
        yield
    finally:
        _THREADS.leave(who)


def rest_threads() -> None:
    """End the idle OpenMP threads of the calling thread; they start again on demand.

    Each thread that runs torch has OpenMP threads of its own. Where all together are more than the cores, GNU's OpenMP
    no longer waits for them actively: a fit beside the kernel's main thread, which had two idle ones, took twice as
    long. Without such a library, or on Windows, nothing happens.
    """
    if sys.platform == "win32":
        return
    pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
    if pause is not None:
        pause(OMP_PAUSE_SOFT)


class _Turns:
    """Who has asked for short turns of Python's threads, and how long these were before."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._inside: frozenset[object] = frozenset()
        self._before = self._set = sys.getswitchinterval()

    @locked
    def enter(self, who: object) -> None:
        if not self._inside:
            self._before = sys.getswitchinterval()
        self._inside |= {who}
        if self._before > TURN_S:
            sys.setswitchinterval(TURN_S)
        self._set = sys.getswitchinterval()

    @locked
    def leave(self, who: object) -> None:
        if who in self._inside:
            self._inside -= {who}
            # One that the user has set meanwhile stays.
            if not self._inside and sys.getswitchinterval() == self._set != self._before:
                sys.setswitchinterval(self._before)


_TURNS = _Turns()


@contextmanager
def short_turns() -> Iterator[None]:
    """Python's threads wait for one another a tenth as long inside, as long as before outside.

    Each message of a browser takes several turns of the kernel's threads. Beside a fit, which takes Python's lock for
    every small operation, each turn began after the interval of 5 ms, and a picture came after several of them.
    """
    who = object()
    try:
        _TURNS.enter(who)
        yield
    finally:
        _TURNS.leave(who)
