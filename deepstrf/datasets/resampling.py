"""Signals brought into bins of another width."""

from __future__ import annotations

import torch
from torch import Tensor

HOWS = ("sum", "mean")
EDGE = 1e-6
"""Of a sample: edges this close to each other are one edge."""


def resampled(values: Tensor, dt_ms: float, new_dt_ms: float, bins: int, how: str, *, least: float = 0.5) -> Tensor:
    r"""Values in ``bins`` bins of ``new_dt_ms`` from values in bins of ``dt_ms``, both from time 0.

    A sample spreads evenly over its bin. A new bin is the integral of what lies in it ("sum", as counts), or that over
    the length of what was recorded in it ("mean"). Where the old samples are wider than the new bins, "mean"
    interpolates linearly between their middles instead, so that there are no steps.

    Parameters
    ----------
    values : Tensor, shape (..., T)
        NaN where nothing was recorded.
    dt_ms, new_dt_ms : float
        ms.
    bins : int
        Of the result.
    how : {"sum", "mean"}
    least : float
        Share of a new bin that must have been recorded for a mean; else it is NaN, as a sum is that lacks anything.

    Returns
    -------
    Tensor, shape (..., bins)
    """
    recorded = ~values.isnan()
    filled = torch.where(recorded, values, 0.0).double()
    step = new_dt_ms / dt_ms
    edges = torch.arange(bins + 1, dtype=torch.float64) * step
    amount = _integral(filled, edges).diff()
    there = _integral(recorded.double(), edges).diff()
    known = there >= step * (1.0 if how == "sum" else least) - EDGE
    if how == "sum":
        result = amount
    elif step < 1:
        result, known = _between_middles(filled, recorded, (edges[:-1] + step / 2))
    else:
        result = amount / there.clamp(min=EDGE)
    return torch.where(known, result, torch.nan).to(values.dtype)


def _integral(values: Tensor, edges: Tensor) -> Tensor:
    """Sum of the values from 0 up to each edge, which counts in samples."""
    total = torch.nn.functional.pad(values.cumsum(-1), (1, 0))
    T = values.shape[-1]
    near = edges.round()
    edges = torch.where((edges - near).abs() < EDGE, near, edges).clamp(max=T)
    whole = edges.floor().long()
    part = (edges - whole) * values[..., whole.clamp(max=T - 1)]
    return total[..., whole] + part


def _between_middles(values: Tensor, recorded: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Linear interpolation at places in samples (the middle of sample i is i + 1/2), and where it is known."""
    T = values.shape[-1]
    inside = (at >= 0) & (at <= T)
    at = (at - 0.5).clamp(0, T - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=T - 1)
    share = at - low
    # Beside a gap the sample that is there holds as far as it reaches.
    both = recorded[..., low] & recorded[..., high]
    nearest = torch.where(share < 0.5, low, high)
    result = torch.where(both, values[..., low] * (1 - share) + values[..., high] * share, values[..., nearest])
    return result, inside & (both | recorded[..., nearest])
