"""Responses smoothed over time, gaps respected."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import at_least_float32

NUMBERS_AT_ONCE = 2**20
WINDOWS = ("hann", "gaussian")
REACH_IN_SIGMA = 3.0


@keywords()
def smooth_responses(
    responses: Tensor, dt_ms: float, width_ms: float, *, window: str = "hann", causal: bool = False
) -> Tensor:
    r"""Responses averaged over neighbouring bins with the weights of a window.

    :math:`y_t = \sum_j w_j x_{t-j} / \sum_j w_j` over the bins that were recorded: a constant response stays what it
    is, also at the ends and beside gaps, and NaN stays NaN. Trials and their mean may be smoothed in either order.

    Parameters
    ----------
    responses : Tensor, shape (..., T)
        NaN where nothing was recorded.
    dt_ms : float
        Bin width, ms, positive.
    width_ms : float
        Of a Hann window, its length, taken as the nearest odd number of bins (its ends, which are zero, not counted);
        of a Gaussian, its standard deviation (cut at 3 of them). Positive.
    window : {"hann", "gaussian"}
    causal : bool
        False: the window is centred on the current bin, and the result knows the future. True: only the half of it that
        lies in the past, the current bin having the largest weight; the response is then delayed by the mean lag of
        that half.

    Returns
    -------
    Tensor, shape (..., T)

    Raises
    ------
    TypeError
        ``responses`` is not a floating-point tensor.
    ValueError
        Unknown window, or a width that is not positive.

    Examples
    --------
    >>> smooth_responses(torch.tensor([0.0, 0.0, 4.0, 0.0, 0.0]), 5.0, 15.0).tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    if not isinstance(responses, Tensor) or not responses.is_floating_point():
        kind = responses.dtype if isinstance(responses, Tensor) else type(responses).__name__
        raise TypeError(f"responses must be a floating-point tensor, got {kind}")
    for name, value in (("dt_ms", dt_ms), ("width_ms", width_ms)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be positive (ms), got {value}")
    half = _falling_half(window, width_ms / dt_ms, max(responses.shape[-1], 1)).tolist()
    rows = responses.reshape(-1, responses.shape[-1])
    smoothed = torch.empty_like(rows)
    bins = min(max(rows.shape[1], 1), NUMBERS_AT_ONCE)
    for row, start in itertools.product(
        range(0, len(rows), max(1, NUMBERS_AT_ONCE // bins)), range(0, rows.shape[1], bins)
    ):
        part = slice(row, row + max(1, NUMBERS_AT_ONCE // bins)), slice(start, start + bins)
        smoothed[part] = _averaged(rows[part[0]], start, start + bins, half, causal).to(rows.dtype)
    return smoothed.reshape(responses.shape)


def _averaged(rows: Tensor, start: int, stop: int, half: Sequence[float], causal: bool) -> Tensor:
    """Weighted means (rows, bins) of the bins from ``start`` to ``stop``."""
    first, last = max(0, start - len(half) + 1), min(rows.shape[1], stop if causal else stop + len(half) - 1)
    near = at_least_float32(rows[:, first:last])
    there = ~near.isnan()
    near, recorded = near.nan_to_num(nan=0.0), there.to(near.dtype)
    start, stop = start - first, min(stop, rows.shape[1]) - first
    total, weight = near[:, start:stop] * half[0], recorded[:, start:stop] * half[0]
    for lag, w in enumerate(half[1:], start=1):
        for shift in (lag,) if causal else (lag, -lag):
            low, high = max(start - shift, 0), min(stop - shift, near.shape[1])
            if low < high:
                to = slice(low + shift - start, high + shift - start)
                total[:, to].add_(near[:, low:high], alpha=w)
                weight[:, to].add_(recorded[:, low:high], alpha=w)
    here = there[:, start:stop]
    return torch.where(here, total / torch.where(here, weight, 1.0), torch.nan)


def _falling_half(window: str, width_bins: float, most: int) -> Tensor:
    """Weights of lags 0, 1, ... of a window that is symmetric about lag 0, of ``most`` at most; the largest is 1."""
    if window == "hann":
        reach = max(round((width_bins - 1) / 2), 0)
        lags = torch.arange(min(reach + 1, most), dtype=torch.float64)
        return torch.cos(lags * (math.pi / 2 / (reach + 1))).square()
    if window == "gaussian":
        lags = torch.arange(min(math.ceil(REACH_IN_SIGMA * width_bins) + 1, most), dtype=torch.float64)
        return torch.exp(-0.5 * (lags / width_bins).square())
    raise ValueError(f"window must be one of {', '.join(map(repr, WINDOWS))}, got {window!r}")
