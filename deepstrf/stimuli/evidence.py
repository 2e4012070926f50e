"""Which bands of a set of sounds move at all: of the others no response says anything."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deepstrf.deprecation import keywords

LEAST_SHARE = 0.05
"""Standard deviation of a band, as a share of the largest, from which on it counts as moving."""

ROUNDING = 1e-12
"""Of the mean variance of the bands."""


@keywords()
def moving_bands(stimuli: Tensor, bins: Sequence[int] | None = None) -> Tensor:
    """Whether each band of each channel moves in some of the sounds, (C, F) bool.

    It does when its standard deviation over all bins is at least 0.05 of the largest of its channel. A receptive
    field's weights on a band that does not move are the start of the fit, or its prior, and no finding.

    Parameters
    ----------
    stimuli : Tensor, shape (B, C, F, T)
    bins : sequence of int, optional
        Length of each sound; None says that all have T bins.

    Examples
    --------
    >>> sounds = torch.zeros(1, 1, 3, 8)
    >>> sounds[0, 0, 1, ::2] = 60.0
    >>> moving_bands(sounds).tolist()
    [[False, True, False]]
    """
    B, _, _, T = stimuli.shape
    lengths = torch.full((B,), T) if bins is None else torch.as_tensor(list(bins))
    inside = (torch.arange(T) < lengths[:, None]).to(stimuli.device)[:, None, None]
    count = int(inside.sum())
    # Squares of very large and very small levels have no place in float32.
    size = stimuli.abs().max()
    stimuli = stimuli / torch.where(size > 0, size, 1)
    mean = torch.where(inside, stimuli, 0.0).sum((0, 3), keepdim=True) / count
    variance = torch.where(inside, stimuli - mean, 0.0).square().sum((0, 3)) / count
    largest = variance.amax(-1, keepdim=True)
    return (variance >= LEAST_SHARE**2 * largest) & (largest > 0)


@keywords()
def moving_bands_of_each(stimuli: Tensor, recorded: Tensor, n_lags: int) -> Tensor:
    """Whether each band of each channel moves in what a neuron's receptive field sees, (N, C, F) bool.

    As `moving_bands`, in those bins of the sounds that lie up to ``n_lags`` bins back from one in which the neuron was
    recorded. All False for a neuron that never was.

    Parameters
    ----------
    stimuli : Tensor, shape (B, C, F, T)
    recorded : bool Tensor, shape (B, N, T)
    n_lags : int
        Taps of the field.
    """
    _, C, F, _ = stimuli.shape
    later = functional.pad(recorded.float(), (0, n_lags - 1))  # halves have no pooling on a processor
    seen = functional.max_pool1d(later, n_lags, stride=1).double()
    x = stimuli.double().flatten(1, 2)
    x = x - x.mean((0, 2), keepdim=True)  # variances of numbers that are about 0 lose nothing to rounding
    count = seen.sum((0, 2)).clamp(min=1)[:, None]
    total, squares = (torch.einsum("bnt,bdt->nd", seen, one) / count for one in (x, x.square()))
    variance = (squares - total.square()).view(-1, C, F)
    largest = variance.amax(-1, keepdim=True)
    return (variance >= LEAST_SHARE**2 * largest) & (largest > ROUNDING * x.square().mean())


@keywords()
def heard_weights(stimuli: Tensor, n_lags: int, bins: Sequence[int] | None = None) -> Tensor:
    """Which weights of a receptive field have met a sound that moves at all, (C, F, n_lags) bool, lag 0 last.

    Those of `moving_bands`, up to the lag of the longest sound. Of the others the data say nothing.

    Parameters
    ----------
    stimuli : Tensor, shape (B, C, F, T)
        Input of the field: after the prefilter, where there is one.
    n_lags : int
        Taps of the field.
    bins : sequence of int, optional
        Length of each sound; None says that all have T bins.
    """
    longest = stimuli.shape[-1] if bins is None else max(bins)
    lag = torch.arange(n_lags - 1, -1, -1, device=stimuli.device)
    return moving_bands(stimuli, bins)[..., None] & (lag < longest)
