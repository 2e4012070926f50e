"""Between the times of spikes and their counts in bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deepstrf.arguments import check_numbers
from deepstrf.deprecation import keywords

if TYPE_CHECKING:
    import pandas as pd

EDGE_BINS = 1e-6
"""A spike this close before an edge belongs to the next bin: 0.57 s is 113.99999999999999 bins of 5 ms."""


@keywords()
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


@keywords()
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


def overlapping(start_s: np.ndarray, end_s: np.ndarray, slack_s: float) -> int:
    """How many presentations begin before another one has ended, by more than ``slack_s``: spikes there count twice."""
    order = np.argsort(start_s, kind="stable")
    until_s = np.maximum.accumulate(end_s[order])[:-1]
    return int((start_s[order][1:] < until_s - slack_s).sum())


@keywords()
def align(
    spikes: Mapping[str, Sequence[float] | np.ndarray],
    onsets_s: Sequence[float] | np.ndarray,
    stimuli: Sequence[str],
    *,
    before_ms: float = 0.0,
    after_ms: float,
) -> pd.DataFrame:
    """Rows of a table as `RecordingFolder` reads it, from spike times on the clock of the session.

    Parameters
    ----------
    spikes : mapping of str to sequence of float
        Times of the spikes of each unit, s, in any order.
    onsets_s : sequence of float
        When each sound began, on the same clock, s.
    stimuli : sequence of str
        Which sound it was; its r-th presentation is trial r, from 0.
    before_ms, after_ms : float
        How much time around each onset to keep, ms, at least 0 and positive; ``after_ms`` is that of the sounds.

    Returns
    -------
    DataFrame
        Columns unit, stimulus, trial, time_s from the onset; ``frame.to_csv("spikes.csv", index=False)`` writes it.

    Raises
    ------
    ValueError
        There is no unit, not one stimulus for each onset, a time that is not finite, or a setting is not as said.

    Examples
    --------
    >>> align({"u": [10.02, 10.9, 12.03]}, [10.0, 12.0], ["a", "a"], after_ms=500).to_numpy().tolist()
    [['u', 'a', 0, 0.02], ['u', 'a', 1, 0.03]]
    """
    import pandas as pd

    onsets = np.asarray(onsets_s, dtype=np.float64)
    if onsets.ndim != 1 or len(onsets) != len(stimuli):
        raise ValueError(f"stimuli must name one sound for each of {onsets.size} onsets, got {len(stimuli)}")
    check_numbers("must be at least 0 ms", lambda x: 0 <= x < np.inf, before_ms=before_ms)
    check_numbers("must be positive (ms)", lambda x: 0 < x < np.inf, after_ms=after_ms)
    trial = pd.Series(list(stimuli), dtype="object").groupby(list(stimuli)).cumcount().to_numpy()
    frames = []
    for unit, times_s in spikes.items():
        times = np.sort(np.asarray(times_s, dtype=np.float64).reshape(-1))
        if not (np.isfinite(times).all() and np.isfinite(onsets).all()):
            raise ValueError(f"spikes and onsets_s must be finite, got other times for unit {unit!r}")
        first = np.searchsorted(times, onsets - before_ms / 1000)
        count = np.searchsorted(times, onsets + after_ms / 1000) - first
        place = np.repeat(np.arange(len(onsets)), count)
        spike = np.arange(len(place)) + np.repeat(first - (np.cumsum(count) - count), count)
        # Nanoseconds are kept; what lies beyond them is rounding of the difference.
        seconds = np.round(times[spike] - onsets[place], 9)
        frames.append(
            pd.DataFrame(
                {
                    "unit": [unit] * len(place),
                    "stimulus": [stimuli[int(i)] for i in place],
                    "trial": trial[place],
                    "time_s": seconds,
                }
            )
        )
    if not frames:
        raise ValueError("spikes must hold the times of at least one unit, got none")
    return pd.concat(frames, ignore_index=True)
