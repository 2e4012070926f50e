"""How many threads torch works with: one while a small answer is computed, none kept idle beside a background fit."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread", "rest_threads"]

OMP_PAUSE_SOFT = 1  # OpenMP 5.0, section 3.2.43


_lock = threading.Lock()
_inside = 0
_outside = 0
"""Threads that torch had before the first of those that are now inside `one_thread`."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, as many as before outside, also where several threads are inside at once.

    The number is one for the process, and each thread takes a copy of it when it first computes: whoever asked for it
    while another is inside would take that one's 1 for what was before, and leave it there for good.

    The computations of an answer are small, and the browser needs the other cores during a gesture: torch's threads
    then wait for one another. On two busy cores the kernel of one neuron took 0.08 ms with one thread, 47 ms with two.
    """
    global _inside, _outside
    with _lock:
        if _inside == 0:
            _outside = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            torch.set_num_threads(_outside)


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
