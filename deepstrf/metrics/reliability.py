"""What repeats of a stimulus say about a neuron before any model does: signal, noise, and the best score possible.

``responses`` is (B,N,R,T) with NaN for what is missing; ``mask`` is a boolean tensor that broadcasts to it and chooses
bins among those recorded. All results are per neuron, (N,), unless reduced.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from deepstrf.arguments import check_sizes
from deepstrf.metrics.pooling import at_least_float32, check_reduction, check_responses, reduce_neurons, valid_bins

MAX_SPLITS = 126
"""Half-splits that are averaged: all of them up to 8 repeats and for 10, a random choice beyond."""


class PairMoments(NamedTuple):
    """Second moments over pairs of repeats, pooled over stimuli, (N,) each, in units of ``scale`` squared."""

    signal: Tensor
    noise: Tensor
    pred_covariance: Tensor
    pred_variance: Tensor
    scale: Tensor


class _Standardised(NamedTuple):
    """Responses ``z`` (B,N,R,T) less the neuron's mean, over its ``scale`` (N,), 0 where not ``valid``.

    The scale is the largest deviation from the middle, or NaN for a neuron that never varies. ``complete``: nothing is
    missing, so that sums need no mask.
    """

    z: Tensor
    valid: Tensor
    complete: bool
    scale: Tensor


def _standardise(responses: Tensor, mask: Tensor | None) -> _Standardised:
    check_responses(responses)
    valid = valid_bins(responses, mask)
    complete = bool(valid.all())
    responses = at_least_float32(responses)
    missing = None if complete else ~valid
    low = responses if missing is None else responses.masked_fill(missing, torch.inf)
    high = responses if missing is None else responses.masked_fill(missing, -torch.inf)
    low, high = low.flatten(2).amin(-1).amin(0), high.flatten(2).amax(-1).amax(0)
    varies = low < high
    middle = torch.where(varies, low / 2 + high / 2, 0.0)[:, None, None]
    scale = torch.where(varies, high / 2 - low / 2, torch.nan)
    z = (responses - middle).div_(torch.where(varies, scale, 1.0)[:, None, None])
    if missing is not None:
        z = z.masked_fill_(missing, 0.0)
    count = valid.flatten(2).sum(-1).sum(0).clamp(min=1)
    z = z.sub_((z.flatten(2).sum(-1).sum(0) / count)[:, None, None])
    if missing is not None:
        z = z.masked_fill_(missing, 0.0)
    return _Standardised(z, valid, complete, scale)


def _sum_over_shared(x: Tensor, present: Tensor | None, repeats: int) -> Tensor:
    """Sum (..., R, R) of the rows r of ``x`` (..., R or 1, T) over the bins that repeat r' has too; None: has all."""
    if present is None:
        return x.sum(-1, keepdim=True).expand(*x.shape[:-2], repeats, repeats)
    return (x @ present.mT).expand(*x.shape[:-2], repeats, repeats)


def _pair_sums(data: _Standardised) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums over the bins that repeats r and r' share, each (..., R, R): 1, z_r, z_r squared, z_r z_r'."""
    z, repeats = data.z, data.z.shape[2]
    present = None if data.complete else data.valid.to(z.dtype)
    ones = torch.ones_like(z[:, :, :1]) if present is None else present
    of_one, of_z, of_square = (_sum_over_shared(x, present, repeats) for x in (ones, z, z.square()))
    return of_one, of_z, of_square, z @ z.mT


def pooled_pair_moments(responses: Tensor, *, mask: Tensor | None = None, pred: Tensor | None = None) -> PairMoments:
    r"""Signal and noise power from all pairs of repeats, and how a prediction varies with them.

    For a pair r, r' of repeats of a stimulus, over the bins that both have:
    :math:`\mathrm{cov}(y_r, y_{r'})` is the signal, :math:`\mathrm{var}(y_r - y_{r'})/2` the noise,
    :math:`\mathrm{cov}(\hat r, (y_r + y_{r'})/2)` and :math:`\mathrm{var}(\hat r)` the prediction's terms. Pairs are
    averaged with their degrees of freedom as weights, then stimuli with the bins that have at least two repeats.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
    mask : bool Tensor, optional
        Bins to use.
    pred : Tensor, shape (B,N,1,T), optional
        Without it the prediction's terms are NaN.
    """
    data = _standardise(responses, mask)
    z, valid, repeats = data.z, data.valid, data.z.shape[2]
    bins, total, square, product = _pair_sums(data)
    used = ~torch.eye(repeats, dtype=torch.bool, device=z.device) & (bins >= 2)
    n = bins.clamp(min=1)
    dof = torch.where(used, bins - 1, 0.0).sum((-1, -2))
    recorded = (valid.sum(2) >= 2).sum(-1) * (dof > 0)
    weight = recorded / (dof.clamp(min=1) * recorded.sum(0).clamp(min=1))
    weight = torch.where(recorded.sum(0) > 0, weight, torch.nan)

    def pooled(sums_of_products: Tensor) -> Tensor:
        return (torch.where(used, sums_of_products, 0.0).sum((-1, -2)) * weight).sum(0)

    signal = pooled(product - total * total.mT / n)
    noise = pooled((square + square.mT) / 2 - product - (total - total.mT).square() / (2 * n))
    noise = _exactly_zero_where_repeats_agree(noise.clamp(min=0), data)
    if pred is None:
        nothing = torch.full_like(signal, torch.nan)
        return PairMoments(signal, noise, nothing, nothing, data.scale)
    p = _standardise(pred, valid.any(2, keepdim=True))
    present = None if data.complete else valid.to(z.dtype)
    p_present = p.z if present is None else p.z * present
    p_bins = _sum_over_shared(p_present, present, repeats)
    p_square = _sum_over_shared(p_present * p.z, present, repeats)
    covariance = _sum_over_shared(p.z * z, present, repeats)
    covariance = pooled((covariance + covariance.mT) / 2 - p_bins * (total + total.mT) / (2 * n))
    variance = pooled(p_square - p_bins.square() / n)
    unit = torch.where(p.scale > 0, 1.0, torch.nan)
    return PairMoments(signal, noise, covariance * unit, variance * unit, data.scale)


def _exactly_zero_where_repeats_agree(noise: Tensor, data: _Standardised) -> Tensor:
    """Noise power with the rounding error taken out of cells whose repeats are all the same."""
    suspects = (noise < 1e3 * torch.finfo(noise.dtype).eps).nonzero()[:, 0]
    if suspects.numel() == 0:
        return noise
    z, valid = data.z[:, suspects], data.valid[:, suspects]
    spread = torch.where(valid, z, -torch.inf).amax(2) - torch.where(valid, z, torch.inf).amin(2)
    agree = (spread <= 0).all(-1).all(0)
    return noise.index_put((suspects,), torch.where(agree, 0.0, noise[suspects]))


def signal_power(responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none") -> Tensor:
    r"""Variance over time of the part of the response that repeats, without bias.

    :math:`SP = (R\, \mathrm{var}_t(\bar y) - \overline{\mathrm{var}_t(y_r)}) / (R - 1)` for each stimulus, which is the
    mean covariance of all pairs of repeats and is computed as such over the bins that each pair shares; stimuli are
    averaged with their number of bins as weights. Variances have the divisor T - 1.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
        Recorded repeats, NaN where missing.
    mask : bool Tensor, optional
        Bins to use.
    reduction : {"none", "mean", "sum"}
        Over neurons, leaving out those without a value.

    Returns
    -------
    Tensor, shape (N,) or ()
        In the square of the response's unit; under zero by chance when there is no signal; NaN without two repeats
        that share two bins.

    Raises
    ------
    ValueError
        Wrong shape or reduction.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    References
    ----------
    Sahani & Linden (2003).
    """
    check_reduction(reduction)
    moments = pooled_pair_moments(responses, mask=mask)
    return reduce_neurons(moments.signal * _square_or_zero(moments.scale), reduction)


def noise_power(responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none") -> Tensor:
    r"""Variance over time of what does not repeat, :math:`NP = \overline{\mathrm{var}_t(y_r)} - SP`.

    Computed as half the variance of the difference of two repeats, averaged as in :func:`signal_power`; it is never
    negative, and exactly 0 when all repeats are the same. Parameters, results and errors as there.

    References
    ----------
    Sahani & Linden (2003).
    """
    check_reduction(reduction)
    moments = pooled_pair_moments(responses, mask=mask)
    return reduce_neurons(moments.noise * _square_or_zero(moments.scale), reduction)


def snr(responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none") -> Tensor:
    """Signal power over noise power of each neuron, without unit; inf for a cell without noise, NaN for a constant one.

    Under zero by chance when there is no signal. Parameters and errors as in :func:`signal_power`.

    References
    ----------
    Sahani & Linden (2003).
    """
    check_reduction(reduction)
    moments = pooled_pair_moments(responses, mask=mask)
    return reduce_neurons(moments.signal / moments.noise, reduction)


def _square_or_zero(scale: Tensor) -> Tensor:
    """Square of the scale; 0 for a neuron that never varies, whose powers are zero."""
    return scale.nan_to_num(nan=0.0).square()


def _number_of_half_splits(repeats: int) -> int:
    k = repeats // 2
    return math.comb(repeats, k) * math.comb(repeats - k, k) // 2


def half_splits(repeats: int, *, n_splits: int = MAX_SPLITS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of the repeats for every split: boolean (S,R) twice, each row with ``repeats // 2`` True.

    All splits when there are at most ``n_splits`` of them (the order of the repeats then does not matter), else a
    random choice drawn from ``seed``. With an odd number one repeat stays out of each split.

    Raises
    ------
    TypeError, ValueError
        A number is no int, or ``repeats`` is below 2, ``n_splits`` below 1 or ``seed`` below 0.

    Examples
    --------
    >>> a, b = half_splits(4)
    >>> a.shape, bool((a ^ b).all())
    (torch.Size([3, 4]), True)
    """
    check_sizes(2, repeats=repeats)
    check_sizes(n_splits=n_splits)
    check_sizes(0, seed=seed)
    k = repeats // 2
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    if _number_of_half_splits(repeats) <= n_splits:
        for first in itertools.combinations(range(repeats), k):
            rest = [r for r in range(repeats) if r not in first]
            pairs += [(first, second) for second in itertools.combinations(rest, k) if first < second]
    else:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(n_splits):
            order = tuple(torch.randperm(repeats, generator=generator).tolist())
            pairs.append((order[:k], order[k : 2 * k]))
    a, b = torch.zeros(2, len(pairs), repeats, dtype=torch.bool)
    for i, (first, second) in enumerate(pairs):
        a[i, list(first)] = True
        b[i, list(second)] = True
    return a, b


def _correlation(n: Tensor, sx: Tensor, sy: Tensor, sxx: Tensor, syy: Tensor, sxy: Tensor) -> Tensor:
    """Pearson correlation from sums, NaN where a variance is within the rounding error of its sum of squares."""
    n = n.clamp(min=1)
    vx, vy = sxx - sx.square() / n, syy - sy.square() / n
    rounding = 64 * torch.finfo(sxx.dtype).eps
    defined = (vx > rounding * sxx) & (vy > rounding * syy)
    # Two roots rather than the root of a product: squares of squares of tiny responses would underflow.
    value = (sxy - sx * sy / n) / (torch.where(defined, vx, 1.0).sqrt() * torch.where(defined, vy, 1.0).sqrt())
    return torch.where(defined, value.clamp(-1, 1), torch.nan)


def _split_correlations(z: Tensor, valid: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Correlation of the two half-means of every split, pooled over stimuli and bins: (N,S).

    Where the recorded repeats of a stimulus all have the same bins, the half-means need no pass over time: their sums
    follow from the products of repeats. The other neurons take the same sums bin by bin, split by split.
    """
    repeat_has, bin_has = valid.any(-1), valid.any(2)
    rectangular = (valid == (repeat_has[..., None] & bin_has[:, :, None])).flatten(2).all(-1).all(0)
    out = z.new_full((z.shape[1], a.shape[0]), torch.nan)
    if rectangular.any():
        every = bool(rectangular.all())
        zr = z if every else z[:, rectangular]
        has, bins = repeat_has[:, rectangular, None], bin_has[:, rectangular].sum(-1, keepdim=True)
        gram, total = zr @ zr.mT, zr.sum(-1, keepdim=True)
        if has.all():  # every stimulus then has the same weights, and their sums can be added first
            has, bins, gram, total = (x.sum(0, keepdim=True) for x in (has, bins, gram, total))
            has = has[:, :1] > 0
        wa, wb = ((half & has).to(z.dtype) for half in (a, b))
        ca, cb = wa.sum(-1, keepdim=True), wb.sum(-1, keepdim=True)
        both = (ca > 0) & (cb > 0)
        wa, wb = wa * both / ca.clamp(min=1), wb * both / cb.clamp(min=1)
        ga, gb = wa @ gram, wb @ gram
        sums = ((wa @ total)[..., 0], (wb @ total)[..., 0], (ga * wa).sum(-1), (gb * wb).sum(-1), (ga * wb).sum(-1))
        out[rectangular] = _correlation((both[..., 0] * bins).sum(0), *(s.sum(0) for s in sums))
    ragged = ~rectangular
    if ragged.any():
        zr, present = z[:, ragged], valid[:, ragged].to(z.dtype)
        for i, (half_a, half_b) in enumerate(zip(a.to(z.dtype), b.to(z.dtype), strict=True)):
            ca, cb = (torch.einsum("r,bnrt->bnt", half, present) for half in (half_a, half_b))
            both = (ca > 0) & (cb > 0)
            x, y = (
                torch.einsum("r,bnrt->bnt", half, zr) * both / count.clamp(min=1)
                for half, count in ((half_a, ca), (half_b, cb))
            )
            sums = (x, y, x * x, y * y, x * y)
            out[ragged, i] = _correlation(both.sum((0, 2)), *(s.sum((0, 2)) for s in sums))
    return out


def _sorted_by_content(z: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The repeats of each neuron in an order that follows from what they hold, not from how they came.

    The key is a sum of a repeat's bins with fixed random weights: repeats with the same key are the same.
    """
    B, _, R, T = z.shape
    weights = torch.rand(B, 1, 1, T, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(z)
    order = (z * weights).sum((0, -1)).argsort(-1)[None, :, :, None].expand(B, -1, R, T)
    return z.gather(2, order), valid.gather(2, order)


def compute_CCmax(
    responses: Tensor,
    *,
    mask: Tensor | None = None,
    n_splits: int = MAX_SPLITS,
    seed: int = 0,
    reduction: str = "none",
) -> Tensor:
    r"""Highest correlation that any prediction can be expected to reach with the mean response of each neuron.

    :math:`CC_{max} = \sqrt{m c / (1 + (m-1) c)}` with c the correlation of the means of two halves of k repeats,
    averaged over half-splits, and m = R/k. For even R, m = 2 and this is the formula of Hsu et al.; for odd R it
    corrects for the repeat that a split leaves out. The order of the repeats does not matter.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
        Recorded repeats, NaN where missing.
    mask : bool Tensor, optional
        Bins to use.
    n_splits, seed : int
        As in :func:`half_splits`.
    reduction : {"none", "mean", "sum"}
        Over neurons, leaving out those without a value.

    Returns
    -------
    Tensor, shape (N,) or ()
        In [0, 1]; 0 where the halves do not correlate positively; NaN for R = 1, or a half that never varies.

    Raises
    ------
    ValueError
        Wrong shape, reduction or number of splits.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    References
    ----------
    Hsu, Borst & Theunissen (2004); Schoppe et al. (2016).
    """
    check_reduction(reduction)
    z, valid, _, scale = _standardise(responses, mask)
    repeats = z.shape[2]
    if repeats == 1:
        return reduce_neurons(torch.full_like(scale, torch.nan), reduction)
    a, b = half_splits(repeats, n_splits=n_splits, seed=seed)
    if _number_of_half_splits(repeats) > n_splits:  # a choice of splits would depend on the order
        z, valid = _sorted_by_content(z, valid)
    c = _split_correlations(z, valid, a.to(z.device), b.to(z.device)).nanmean(-1)
    m = repeats / (repeats // 2)
    positive = c.clamp(min=0)
    return reduce_neurons((m * positive / (1 + (m - 1) * positive)).sqrt(), reduction)


def compute_TTRC(responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none") -> Tensor:
    """Trial-to-trial response correlation: mean Pearson correlation of all pairs of repeats, for each neuron.

    Stimuli and bins are pooled, over the bins that the two repeats share; a repeat that never varies has no
    correlation and is left out.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
        Recorded repeats, NaN where missing.
    mask : bool Tensor, optional
        Bins to use.
    reduction : {"none", "mean", "sum"}
        Over neurons, leaving out those without a value.

    Returns
    -------
    Tensor, shape (N,) or ()
        In [-1, 1]; NaN without a pair.

    Raises
    ------
    ValueError
        Wrong shape or reduction.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.
    """
    check_reduction(reduction)
    data = _standardise(responses, mask)
    n, total, square, product = (s.sum(0) for s in _pair_sums(data))
    r = _correlation(n, total, total.mT, square, square.mT, product)
    upper = torch.triu_indices(n.shape[-1], n.shape[-1], offset=1, device=n.device)
    return reduce_neurons(r[:, upper[0], upper[1]].nanmean(-1), reduction)
