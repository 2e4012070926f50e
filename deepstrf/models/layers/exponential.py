"""The present of each band against the exponential average of its past: a filter whose cost need not grow with taps.

The signal before the recording is its first sample, repeated. Two functions compute the same filter: one multiplies tap
by tap, the other runs the recursion that an exponential obeys; `exponential_filter` picks the faster by size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deepstrf.arguments import whole_number
from deepstrf.deprecation import keywords

__all__ = [
    "HALF_PRECISION",
    "MOST_TAPS",
    "causal_filter",
    "checked_taps",
    "decaying_powers",
    "exponential_filter",
    "exponential_filter_by_recursion",
    "exponential_filter_by_taps",
    "exponential_kernel",
    "exponential_past",
    "geometric_sum",
    "recursion_pays",
]

MOST_TAPS = 1_000_000
"""Of a filter: more than an hour of frames of 5 ms, and little memory all the same."""


def checked_taps(kernel_size: int, minimum: int) -> int:
    """The number of taps of a filter, as a Python int; errors as `whole_number`, ValueError above ``MOST_TAPS`` too."""
    taps = whole_number("kernel_size", kernel_size, minimum)
    if taps > MOST_TAPS:
        raise ValueError(f"kernel_size must be at most {MOST_TAPS} frames, got {taps}")
    return taps


HALF_PRECISION = (torch.float16, torch.bfloat16)
"""Types in which long sums lose too much: they are computed in float32."""

LEAST_POWER = 1e-24
"""Smallest power of a decay that a tap is given: far under a rounding of the largest, 1, in float64 too."""

FEW_POWERS = 64
"""Up to so many, none is subnormal unless the decay per bin is under a quarter: to look costs more than it saves."""

BLOCK = 32
"""Bins that one triangular product of the recursion covers; 16 and 64 were measured slower."""

RECURSION_FROM_TAPS = 130
"""Taps, those of all settings together, from which the recursion can be faster than the convolution."""

RECURSION_FROM_PRODUCTS = 1_000_000
"""Multiplications of the convolution below which the recursion's fixed cost is not worth paying."""


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


def decaying_powers(a: Tensor, count: int) -> Tensor:
    """``a^(count-1), ..., a, 1``, with zeros in the place of powers under 1e-24.

    Powers of a fast decay run through the subnormal numbers (under 1e-38 in float32). A processor takes about a
    hundred times as long over one of them: a few dozen among the taps of a long kernel made its convolution six times
    as slow.

    Parameters
    ----------
    a : Tensor, shape (...)
        In [0, 1].
    count : int

    Returns
    -------
    Tensor, shape (..., count)
    """
    powers = a.unsqueeze(-1) ** torch.arange(count - 1, -1, -1, dtype=a.dtype, device=a.device)
    return functional.threshold(powers, LEAST_POWER, 0.0) if count > FEW_POWERS else powers


def exponential_past(a: Tensor, kernel_size: int) -> Tensor:
    """Weights of lags K-1 .. 1 in the average of the past, ``a^(lag-1)`` over their sum.

    Parameters
    ----------
    a : Tensor, shape (...)
        Decay per time bin, in (0, 1].
    kernel_size : int
        Taps K, the current bin included.

    Returns
    -------
    Tensor, shape (..., K-1)
    """
    weights = decaying_powers(a, kernel_size - 1)
    return weights / weights.sum(-1, keepdim=True)


@keywords()
def exponential_kernel(a: Tensor, present: Tensor, past: Tensor, kernel_size: int) -> Tensor:
    """Kernels of `exponential_filter`, last tap the current bin: ``[past * average over lags K-1 .. 1, present]``.

    Parameters
    ----------
    a, present, past : Tensor, shape (...)
        Decay per time bin in (0, 1], gain of the current bin, gain of the average of the past.
    kernel_size : int
        Taps K, the current bin included, at least 1.

    Returns
    -------
    Tensor, shape (..., K)
    """
    weights = past.unsqueeze(-1) * exponential_past(a, kernel_size)
    return torch.cat([weights, present.unsqueeze(-1)], dim=-1)


@keywords()
def exponential_filter(x: Tensor, a: Tensor, present: Tensor, past: Tensor, kernel_size: int) -> Tensor:
    r"""Present and exponentially averaged past of each band, for C gain settings at once.

    :math:`y_{c,f}(t) = present_{c,f}\,x_f(t) + past_{c,f} \sum_{j=1}^{K-1} a_{c,f}^{j-1} x_f(t-j) / S_{c,f}` with
    :math:`S = \sum_{i=0}^{K-2} a^i` and :math:`x(t) = x(0)` for negative t.

    Parameters
    ----------
    x : Tensor, shape (B, F, T)
        Signal of each band, T at least 1.
    a, present, past : Tensor, shape (C, F)
        Decay per time bin in (0, 1], gain of the current bin, gain of the average of the past.
    kernel_size : int
        Taps K, the current bin included, at least 1.

    Returns
    -------
    Tensor, shape (B, C, F, T)
        Computed in float32 where the inputs are float16 or bfloat16, and returned in their dtype.

    Notes
    -----
    The path depends on the sizes alone, so the result does not depend on whether gradients are asked for.

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280; Rançon, Masquelier & Cottereau (2024), PLOS Comput. Biol.
    20:e1012288.
    """
    if x.dtype in HALF_PRECISION:
        y = exponential_filter(x.float(), a.float(), present.float(), past.float(), kernel_size)
        return y.to(x.dtype)
    way = exponential_filter_by_recursion if recursion_pays(x, len(a), kernel_size) else exponential_filter_by_taps
    return way(x, a, present, past, kernel_size)


def recursion_pays(x: Tensor, settings: int, kernel_size: int) -> bool:
    """Whether for (B, F, T), C settings and K taps the recursion was measured to be faster than the convolution."""
    reach = min(kernel_size, x.shape[-1])
    return settings * reach >= RECURSION_FROM_TAPS and x.numel() * reach >= RECURSION_FROM_PRODUCTS


def exponential_filter_by_taps(x: Tensor, a: Tensor, present: Tensor, past: Tensor, kernel_size: int) -> Tensor:
    """`exponential_filter` as a depthwise convolution with the taps written out: cost grows with min(K, T)."""
    return torch.stack(causal_filter(x, exponential_kernel(a, present, past, kernel_size).unbind()), dim=1)


def causal_filter(x: Tensor, kernels: Sequence[Tensor]) -> list[Tensor]:
    """Each band filtered by its own kernel, once per setting, with the first sample repeated before the recording.

    Parameters
    ----------
    x : Tensor, shape (B, F, T)
    kernels : sequence of Tensor, shape (F, K)
        One per setting; last tap the current bin.

    Returns
    -------
    list of Tensor, shape (B, F, T)
        One per setting: torch has no fast depthwise convolution with several outputs per input.
    """
    (F, K), T = kernels[0].shape, x.shape[-1]
    if K <= T:
        padded = functional.pad(x, (K - 1, 0), mode="replicate")
        return [functional.conv1d(padded, kernel.unsqueeze(1), groups=F) for kernel in kernels]
    # Beyond T taps a kernel only ever meets the first sample, repeated.
    first = x[..., :1]
    padded = functional.pad(x - first, (T - 1, 0))
    return [
        functional.conv1d(padded, kernel[:, -T:].unsqueeze(1), groups=F) + kernel.sum(-1, keepdim=True) * first
        for kernel in kernels
    ]


def exponential_filter_by_recursion(x: Tensor, a: Tensor, present: Tensor, past: Tensor, kernel_size: int) -> Tensor:
    """`exponential_filter` as a first-order recursion, truncated after K taps: cost does not grow with K.

    With y = x - x(0) the past before the recording is zero, and the sum over lags 1 to K-1 is
    ``s(t-1) - a^(K-1) s(t-K)`` where ``s(t) = y(t) + a s(t-1)``. As a nears 1 both terms grow with T / K and their
    difference loses digits: in float32, at T = 8000 and a = 0.9999, values keep six digits, gradients by ``a`` three.
    """
    T, terms = x.shape[-1], kernel_size - 1
    first = x[..., :1]
    before = functional.pad(x[..., :-1] - first, (1, 0))
    total = _decaying_sum(before, a, past / geometric_sum(a, terms))
    if terms < T:
        expired = functional.pad(total[..., :-terms], (terms, 0))
        total = torch.addcmul(total, -(a**terms).unsqueeze(-1), expired)
    total = total + past.unsqueeze(-1) * first.unsqueeze(1)
    return torch.addcmul(total, present.unsqueeze(-1), x.unsqueeze(1))


def _decaying_sum(y: Tensor, a: Tensor, gain: Tensor) -> Tensor:
    """``gain * sum over j >= 0 of a^j y(t-j)`` with zeros before the first sample, by blocks.

    Inside a block a triangular product does all bins at once; the value at the end of each block is carried into the
    next ones by the same sum over blocks, whose decay is a^BLOCK.

    Parameters
    ----------
    y : Tensor, shape (B, F, T)
    a, gain : Tensor, shape (C, F)

    Returns
    -------
    Tensor, shape (B, C, F, T)
    """
    (B, F, T), C = y.shape, a.shape[0]
    size = min(BLOCK, T)
    blocks = -(-T // size)
    powers = a.unsqueeze(-1) ** torch.arange(size + 1, dtype=a.dtype, device=a.device)
    triangle = _toeplitz(gain.unsqueeze(-1) * powers[..., :size]).permute(1, 2, 0, 3).reshape(F, size, C * size)
    padded = functional.pad(y, (0, blocks * size - T)).view(B, F, blocks, size)
    inside = torch.bmm(padded.transpose(0, 1).reshape(F, B * blocks, size), triangle).view(F, B, blocks, C, size)
    if blocks > 1:
        ends = inside[:, :, :-1, :, -1].permute(1, 3, 0, 2).reshape(B, C * F, blocks - 1)
        decay = powers[..., size].reshape(1, C * F)
        carried = _decaying_sum(ends, decay, torch.ones_like(decay)).view(B, C, F, blocks - 1)
        carried = functional.pad(carried, (1, 0)).permute(2, 0, 3, 1).unsqueeze(-1)
        inside = torch.addcmul(inside, carried, powers[..., 1:].transpose(0, 1)[:, None, None])
    return inside.permute(1, 3, 0, 2, 4).reshape(B, C, F, blocks * size)[..., :T]


def _toeplitz(column: Tensor) -> Tensor:
    """Matrix whose entry (i, j) is ``column[j - i]`` for j >= i and zero below, shape (..., L, L)."""
    L = column.shape[-1]
    return functional.pad(column, (L - 1, 0)).unfold(-1, L, 1).flip(-2)
