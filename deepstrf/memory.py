"""How much memory one object may take, and the sentence that refuses more before any of it is taken."""

from __future__ import annotations

import math

from deepstrf.arguments import check_numbers

__all__ = ["GB", "LIMIT_GB", "check_memory"]

GB = 2**30
"""Bytes."""

LIMIT_GB = 2.0
"""What every function with an argument ``max_gb`` allows for one object unless it is given more."""


def check_memory(what: str, needed: float, max_gb: float = LIMIT_GB, *, raised_by: str = "max_gb") -> None:
    """Raise ValueError unless ``needed`` bytes are at most ``max_gb`` times 2^30.

    Parameters
    ----------
    what : str
        Subject of the message: the file, and what in it is so large.
    needed : float
        Bytes.
    max_gb : float
        Positive.
    raised_by : str
        The argument of the caller by which its user allows more.

    Examples
    --------
    >>> check_memory("song.wav", 9.5 * GB)
    Traceback (most recent call last):
        ...
    ValueError: song.wav needs 9.5 GB of memory, limit 2 GB; raise it with max_gb=10
    """
    check_numbers("must be a positive number of GB", lambda x: x > 0, max_gb=max_gb)
    if not needed <= max_gb * GB:
        size = needed / GB
        shown = f"{size:.2g}" if size < 10 else f"{size:.0f}" if size < 1e6 else f"{size:.1e}"
        enough = f"{math.ceil(size)}" if size < 1e6 else "..."
        raise ValueError(f"{what} needs {shown} GB of memory, limit {max_gb:g} GB; raise it with {raised_by}={enough}")
