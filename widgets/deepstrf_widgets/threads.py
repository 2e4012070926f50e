"""How many threads torch works with: one while a small answer is computed, none kept idle beside a background fit."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread", "rest_threads"]

OMP_PAUSE_SOFT = 1  # OpenMP 5.0, section 3.2.43


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, as many as before outside.

    The computations of an answer are small, and the browser needs the other cores during a gesture: torch's threads
    then wait for one another. On two busy cores the kernel of one neuron took 0.08 ms with one thread, 47 ms with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
