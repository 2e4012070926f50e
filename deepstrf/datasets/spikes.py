"""Between the times of spikes and their counts in bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EDGE_BINS = 1e-6
"""A spike this close before an edge belongs to the next bin: 0.57 s is 113.99999999999999 bins of 5 ms."""


def count_spikes(times_s: Sequence[float] | np.ndarray, bins: int, dt_ms: float) -> np.ndarray:
    """How many spikes fall into each bin, bin t being [t, t+1) ``dt_ms``; float32, (bins,).

    Parameters
    ----------
    times_s : sequence of float or ndarray, shape (spikes,)
        Seconds from the onset of the sound, in any order, at least 0. What follows the last bin is left out.
    bins : int
        At least 1.
    dt_ms : float
        Bin width, ms, positive.

    Raises
    ------
    ValueError
        A time is negative, NaN or infinite, or ``bins`` or ``dt_ms`` is too small.

    Examples
    --------
    >>> count_spikes([0.001, 0.004, 0.012], 3, dt_ms=5.0).tolist()
    [2.0, 0.0, 1.0]
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    if not (dt_ms > 0 and np.isfinite(dt_ms)):
        raise ValueError(f"dt_ms must be positive (ms), got {dt_ms}")
    times = np.asarray(times_s, dtype=np.float64).reshape(-1)
    bad = times[~(np.isfinite(times) & (times >= 0))]
    if bad.size:
        raise ValueError(f"times_s must be finite and at least 0 s, got {bad[0]:g}")
    places = np.floor(times * 1000 / dt_ms + EDGE_BINS)
    return np.bincount(places[places < bins].astype(np.int64), minlength=bins).astype(np.float32)


def spike_times(counts: np.ndarray, dt_ms: float) -> np.ndarray:
    """Times in s, ascending, that `count_spikes` counts as ``counts``: those of a bin are spread evenly over it.

    Parameters
    ----------
    counts : ndarray, shape (bins,)
        Whole numbers of at least 0.
    dt_ms : float
        Bin width, ms, positive.

    Raises
    ------
    ValueError
        A count is negative or not a whole number (NaN is not), or ``dt_ms`` is not positive.

    Examples
    --------
    >>> spike_times(np.array([2.0, 0.0, 1.0]), dt_ms=5.0).tolist()
    [0.00125, 0.00375, 0.0125]
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not (dt_ms > 0 and np.isfinite(dt_ms)):
        raise ValueError(f"dt_ms must be positive (ms), got {dt_ms}")
    bad = counts[~((counts >= 0) & (counts == np.round(counts)))]
    if bad.size:
        raise ValueError(f"counts must be whole numbers of at least 0, got {bad[0]:g}")
    whole = counts.astype(np.int64)
    bin_of = np.repeat(np.arange(len(whole)), whole)
    rank = np.arange(len(bin_of)) - np.repeat(np.cumsum(whole) - whole, whole)
    return (bin_of + (rank + 0.5) / np.maximum(whole[bin_of], 1)) * (dt_ms / 1000)
