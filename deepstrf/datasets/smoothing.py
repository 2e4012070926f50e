"""Responses smoothed over time, gaps respected."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

WINDOWS = ("hann", "gaussian")
REACH_IN_SIGMA = 3.0


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
    half = _falling_half(window, width_ms / dt_ms).to(responses)
    reach = len(half) - 1
    weights = torch.cat([half.flip(0), half[:0] if causal else half[1:]])
    recorded = ~responses.isnan()
    pair = torch.stack([responses.nan_to_num(nan=0.0), recorded.to(responses.dtype)]).reshape(
        -1, 1, responses.shape[-1]
    )
    padded = functional.pad(pair, (reach, 0 if causal else reach))
    total, weight = functional.conv1d(padded, weights.view(1, 1, -1)).reshape(2, *responses.shape)
    return torch.where(recorded, total / torch.where(recorded, weight, 1.0), torch.nan)


def _falling_half(window: str, width_bins: float) -> Tensor:
    """Weights of lags 0, 1, ... of a window that is symmetric about lag 0; the largest is 1."""
    if window == "hann":
        reach = max(round((width_bins - 1) / 2), 0)
        return torch.cos(torch.arange(reach + 1, dtype=torch.float64) * (math.pi / 2 / (reach + 1))).square()
    if window == "gaussian":
        lags = torch.arange(math.ceil(REACH_IN_SIGMA * width_bins) + 1, dtype=torch.float64)
        return torch.exp(-0.5 * (lags / width_bins).square())
    raise ValueError(f"window must be one of {', '.join(map(repr, WINDOWS))}, got {window!r}")
