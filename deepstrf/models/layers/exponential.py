"""Truncated exponential averages along time, with the first sample as the past before the recording."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["exponential_average", "exponential_taps", "geometric_sum"]


def geometric_sum(a: Tensor, terms: int) -> Tensor:
    """``1 + a + ... + a^(terms-1)`` by repeated doubling: exact at a = 1 and differentiable everywhere.

    Parameters
    ----------
    a : Tensor, shape (...)
    terms : int
        Number of terms, at least 0.

    Returns
    -------
    Tensor, shape (...)
    """
    total, power = torch.zeros_like(a), torch.ones_like(a)
    for bit in f"{terms:b}":
        total, power = total * (1.0 + power), power * power
        if bit == "1":
            total, power = total + power, power * a
    return total


def exponential_taps(a: Tensor, taps: int) -> Tensor:
    """Unnormalised exponential kernel, ``[a^(taps-1), ..., a, 1]``: the last tap is the most recent sample.

    Parameters
    ----------
    a : Tensor, shape (F,)
        Decay per time bin, in (0, 1].
    taps : int
        Kernel length in frames.

    Returns
    -------
    Tensor, shape (F, taps)
    """
    lags = torch.arange(taps - 1, -1, -1, dtype=a.dtype, device=a.device)
    return a.unsqueeze(-1) ** lags


def exponential_average(x: Tensor, a: Tensor, kernel_size: int) -> Tensor:
    """Exponential average of the past of each band: lags 1 to K-1, weights ``a^(lag-1)`` summing to one.

    Parameters
    ----------
    x : Tensor, shape (B, F, T)
        Signal; before its first sample it is taken to have had that value for ever.
    a : Tensor, shape (F,)
        Decay per time bin, in (0, 1].
    kernel_size : int
        Taps K of the filter this average belongs to, the current bin included; at least 2.

    Returns
    -------
    Tensor, shape (B, F, T)
    """
    taps = exponential_taps(a, kernel_size - 1)
    kernel = taps / geometric_sum(a, kernel_size - 1).unsqueeze(-1)
    past = functional.pad(x, (kernel_size - 1, 0), mode="replicate")[..., :-1]
    return functional.conv1d(past, kernel.unsqueeze(1).to(x.dtype), groups=x.shape[1])
