"""The spikes of recorded trials, bin by bin, in a form that is small: what a playing sound lets one hear."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["MOST_SPIKES", "recorded_spikes"]

MOST_SPIKES = 20_000
"""Of all trials together: the first ones are sent, whole."""

MOST_TRIALS = 64
LARGEST_CODE = 2**24
"""Up to here float32, in which they travel, holds every whole number."""


def recorded_spikes(trials: Tensor | None, most: int = MOST_SPIKES) -> Tensor:
    """Number of trials, then ``trial * T + bin`` of every spike in them, as float32; empty where nothing was counted.

    Parameters
    ----------
    trials : Tensor, shape (R, T), optional
        Recorded responses; NaN where nothing was recorded. Others than counts of spikes give an empty tensor.
    most : int
        Largest number of spikes; the first trial is there whatever it has.
    """
    nothing = torch.zeros(0)
    if trials is None or trials.numel() == 0:
        return nothing
    T = trials.shape[1]
    found = trials[: max(1, min(MOST_TRIALS, LARGEST_CODE // T))].detach().cpu().double()
    values = torch.where(found.isnan(), 0.0, found).numpy()
    if T > LARGEST_CODE or not (np.isfinite(values) & (values >= 0) & (values == np.floor(values))).all():
        return nothing
    together = values.sum(1).cumsum()
    R = max(1, int((together <= most).sum()))
    codes = np.repeat(np.arange(R * T), values[:R].astype(int).ravel())
    return torch.from_numpy(np.concatenate([[R], codes]).astype(np.float32))
