"""Poisson spikes, and the signal-to-noise ratio that they have."""

from __future__ import annotations

import torch
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import check_responses


@keywords()
def poisson_spikes(rate: Tensor, trials: int, *, seed: int = 0) -> Tensor:
    """Spike counts (B, N, R, T) of R independent trials, Poisson about a rate.

    Parameters
    ----------
    rate : Tensor, shape (B, N, 1, T)
        Expected spikes per bin, at least 0; NaN where nothing is recorded, which stays NaN.
    trials : int
        R, at least 1.
    seed : int

    Raises
    ------
    TypeError
        ``rate`` is not a floating-point tensor.
    ValueError
        Wrong shape, a negative rate, or no trial.

    Examples
    --------
    >>> poisson_spikes(torch.full((1, 2, 1, 50), 0.2), 10).shape
    torch.Size([1, 2, 10, 50])
    """
    check_responses(rate, "rate")
    if rate.shape[2] != 1:
        raise ValueError(f"rate must have shape (B, N, 1, T), got {tuple(rate.shape)}")
    if bool((rate < 0).any()) or bool(rate.isinf().any()):
        raise ValueError(f"rate must be finite and at least 0 spikes per bin, got {rate.nan_to_num(0.0).min():g}")
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    repeated = rate.detach().cpu().expand(-1, -1, trials, -1)
    counts = torch.poisson(repeated.nan_to_num(0.0), generator=torch.Generator().manual_seed(seed))
    return torch.where(repeated.isnan(), torch.nan, counts)


@keywords()
def expected_snr(rate: Tensor) -> Tensor:
    r"""Signal power over noise power that Poisson spikes about a rate have, for each neuron.

    The signal power is the variance over time of the rate, the noise power the mean over time of the variance of a
    single trial, which for Poisson counts is the rate itself: :math:`SNR = \mathrm{var}_t(\lambda) /
    \bar\lambda`, both within each stimulus and averaged with its bins as weights. It is what
    ``deepstrf.metrics.snr(..., pooling="sounds")`` estimates from trials. It belongs to one trial and one bin width,
    and grows in proportion to the rate.

    Parameters
    ----------
    rate : Tensor, shape (B, N, 1, T)
        Expected spikes per bin; NaN where nothing is recorded.

    Returns
    -------
    Tensor, shape (N,)
        NaN for a neuron that never fires.

    Raises
    ------
    TypeError, ValueError
        ``rate`` is not a floating-point tensor of that shape.

    References
    ----------
    Sahani & Linden (2003), NIPS 15:125.
    """
    check_responses(rate, "rate")
    if rate.shape[2] != 1:
        raise ValueError(f"rate must have shape (B, N, 1, T), got {tuple(rate.shape)}")
    rate = rate[:, :, 0].double()
    bins = (~rate.isnan()).sum(-1)
    mean = rate.nanmean(-1, keepdim=True)
    variance = (rate - mean).square().nansum(-1) / (bins - 1).clamp(min=1)
    weight = bins * (bins >= 2)
    signal, noise = ((x.nan_to_num(0.0) * weight).sum(0) for x in (variance, mean[..., 0]))
    return torch.where(noise > 0, signal / noise, torch.nan).float()
