"""What repeats of a stimulus say about a neuron before any model does: signal, noise, and the best score possible.

``responses`` is (B,N,R,T) with NaN for what is missing; ``mask`` is a boolean tensor that broadcasts to it and chooses
bins among those recorded. All results are per neuron, (N,), unless reduced.
"""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from deepstrf.arguments import check_choice, check_sizes
from deepstrf.deprecation import keywords
from deepstrf.memory import GB, LIMIT_GB
from deepstrf.metrics.pooling import (
    POOLINGS,
    at_least_float32,
    by_neurons,
    check_reduction,
    check_responses,
    reduce_neurons,
    valid_bins,
)
from deepstrf.user_warning import warn_user

MAX_SPLITS = 126
"""Half-splits that are averaged: all of them up to 8 repeats and for 10, a random choice beyond."""

MANY_REPEATS = 40
"""Half-splits of so many repeats are 7e10, more than anybody asks for."""

ROUNDED = 0.01
"""Share of the noise power that the rounding of the responses themselves may make up."""

ROUNDING = 1e3
"""Share of the noise power, in units of the type's resolution, up to which a power is rounding error."""


class PairMoments(NamedTuple):
    """Second moments over pairs of repeats, pooled over stimuli, (N,) each, in units of ``scale`` squared.

    ``chance`` is the standard error of ``signal`` for repeats that share nothing; NaN unless it was wanted.
    """

    signal: Tensor
    noise: Tensor
    pred_covariance: Tensor
    pred_variance: Tensor
    chance: Tensor
    scale: Tensor

    def significant(self, level: float | None) -> Tensor:
        """Whether the signal power of each neuron stands above its rounding error, and above chance at ``level``."""
        rounding = ROUNDING * torch.finfo(self.signal.dtype).eps * self.noise
        if level is None:
            return self.signal > rounding
        return self.signal > torch.maximum(rounding, NormalDist().inv_cdf(1 - level) * self.chance)


class _Standardised(NamedTuple):
    """Responses ``z`` (B,N,R,T) less the neuron's mean, over its ``scale`` (N,), 0 where not ``valid``.

    The scale is the largest deviation from the middle, or NaN for a neuron that never varies. ``complete``: nothing is
    missing, so that sums need no mask. ``step`` (N,) is the distance of two numbers of the responses' type at the
    largest of them, over the scale.
    """

    z: Tensor
    valid: Tensor
    complete: bool
    scale: Tensor
    step: Tensor


def _standardise(responses: Tensor, mask: Tensor | None) -> _Standardised:
    check_responses(responses)
    valid = valid_bins(responses, mask)
    complete = bool(valid.all())
    resolution = torch.finfo(responses.dtype).eps
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
    step = resolution * torch.where(varies, torch.maximum(high.abs(), low.abs()) / scale, 0.0)
    return _Standardised(z, valid, complete, scale, step)


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


def pooled_pair_moments(
    responses: Tensor,
    *,
    mask: Tensor | None = None,
    pred: Tensor | None = None,
    pooling: str = "bins",
    chance: bool = False,
) -> PairMoments:
    r"""Signal and noise power from all pairs of repeats, and how a prediction varies with them.

    For a pair r, r' of repeats of a stimulus, over the bins that both have:
    :math:`\mathrm{cov}(y_r, y_{r'})` is the signal, :math:`\mathrm{var}(y_r - y_{r'})/2` the noise,
    :math:`\mathrm{cov}(\hat r, (y_r + y_{r'})/2)` and :math:`\mathrm{var}(\hat r)` the prediction's terms. Pairs are
    averaged with their degrees of freedom as weights. Stimuli are averaged with their bins as weights
    (``pooling="sounds"``); or they are one long stimulus (``"bins"``), to whose variance the differences between the
    stimuli's means belong. What the noise adds to those differences is estimated from the repeats and taken out.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
    mask : bool Tensor, optional
        Bins to use.
    pred : Tensor, shape (B,N,1,T), optional
        Without it the prediction's terms are NaN.
    pooling : {"bins", "sounds"}
    chance : bool
        Compute also the standard error of the signal power of repeats that share nothing.
    """
    check_choice(POOLINGS, pooling=pooling)
    check_responses(responses)

    def of_neurons(mask: Tensor | None, *tensors: Tensor) -> PairMoments:
        *pred, responses = tensors
        return _pair_moments(responses, mask, pred[0] if pred else None, pooling, chance)

    tensors = (responses,) if pred is None else (pred, responses)
    return PairMoments(*by_neurons(of_neurons, mask, *tensors))


def _pair_moments(
    responses: Tensor, mask: Tensor | None, pred: Tensor | None, pooling: str, chance: bool
) -> PairMoments:
    data = _standardise(responses, mask)
    z, valid, repeats = data.z, data.valid, data.z.shape[2]
    bins, total, square, product = _pair_sums(data)
    used = ~torch.eye(repeats, dtype=torch.bool, device=z.device) & (bins >= 2)
    n = bins.clamp(min=1)

    def over_pairs(values: Tensor) -> Tensor:
        return torch.where(used, values, 0.0).sum((-1, -2))

    dof, shared = over_pairs(bins - 1), over_pairs(bins).clamp(min=1)
    repeated = valid & (valid.sum(2, keepdim=True) >= 2)
    recorded = (repeated.any(2).sum(-1) * (dof > 0)).to(z.dtype)
    whole = recorded.sum(0)
    degrees, divisor = (recorded, whole) if pooling == "sounds" else ((recorded - 1).clamp(min=0), whole - 1)
    weight = torch.where(whole > 0, degrees / (dof.clamp(min=1) * divisor.clamp(min=1)), torch.nan)
    between = recorded * (1 - recorded / whole.clamp(min=1)) / divisor.clamp(min=1) * (pooling == "bins")

    def pooled(sums_of_products: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Covariance: within stimuli from its sums, between them from the sums ``x``, ``y`` over the pairs' bins."""
        within = (over_pairs(sums_of_products) * weight).sum(0)
        if pooling == "sounds":
            return within
        x, y = over_pairs(x) / shared, over_pairs(y) / shared
        means = (recorded * x * y).sum(0) - (recorded * x).sum(0) * (recorded * y).sum(0) / whole.clamp(min=1)
        return within + means / divisor.clamp(min=1)

    # Variance of one repeat's mean; of the mean over all repeats, of which there are `effective`.
    of_one = over_pairs((total - total.mT).square() / (2 * n)) / shared
    effective = repeated.flatten(2).sum(-1) * over_pairs(used.to(z.dtype)) / shared
    of_mean = of_one / effective.clamp(min=1)
    signal = pooled(product - total * total.mT / n, total, total) - (between * of_mean).sum(0)
    noise = (over_pairs((square + square.mT) / 2 - product - (total - total.mT).square() / (2 * n)) * weight).sum(0)
    noise = _exactly_zero_where_repeats_agree((noise + (between * of_one).sum(0)).clamp(min=0), data)
    _warn_of_rounded_responses(data.step, noise)
    nothing = torch.full_like(signal, torch.nan)
    by_chance = nothing
    if chance:
        variance = (2 * over_pairs(_chance_products(data, bins)) * weight.square()).sum(0)
        if pooling == "bins":
            pairs = (effective * (effective - 1)).clamp(min=1)
            variance = variance + (2 * between.square() * of_one.square() / pairs).sum(0)
            size = recorded.square() * of_mean / (whole * divisor).clamp(min=1)
            variance = variance + 2 * (size.sum(0).square() - size.square().sum(0))
        by_chance = variance.sqrt()
    if pred is None:
        return PairMoments(signal, noise, nothing, nothing, by_chance, data.scale)
    p = _standardise(pred, valid.any(2, keepdim=True))
    present = None if data.complete else valid.to(z.dtype)
    p_present = p.z if present is None else p.z * present
    p_bins = _sum_over_shared(p_present, present, repeats)
    p_square = _sum_over_shared(p_present * p.z, present, repeats)
    covariance = _sum_over_shared(p.z * z, present, repeats)
    covariance = pooled((covariance + covariance.mT) / 2 - p_bins * (total + total.mT) / (2 * n), p_bins, total)
    variance = pooled(p_square - p_bins.square() / n, p_bins, p_bins)
    unit = torch.where(p.scale > 0, 1.0, torch.nan)
    return PairMoments(signal, noise, covariance * unit, variance * unit, by_chance, data.scale)


def _warn_of_rounded_responses(step: Tensor, noise: Tensor) -> None:
    """Warn where the responses were rounded so coarsely that their noise (N,) is in part that of rounding."""
    rounded = (noise > 0) & (step.square() / 12 > ROUNDED * noise)
    if bool(rounded.any()):
        warn_user(
            f"responses of {int(rounded.sum())} of {len(rounded)} neurons lie so far from 0 that their type rounds "
            "them by steps which count as noise: take the offset off in float64, before they become float32 or less"
        )


def _chance_products(data: _Standardised, bins: Tensor) -> Tensor:
    """Mean square of the sum of products of two repeats when one is shifted in a circle by chance, (B,N,R,R).

    The mean over all shifts follows from the power spectra (Parseval). It holds for noise of any correlation in time.
    """
    counts = data.valid.sum(-1)
    mean = data.z.sum(-1) / counts.clamp(min=1)
    centred = data.z - mean[..., None]
    if not data.complete:
        centred = centred * data.valid
    power = torch.fft.rfft(centred).abs().square()
    T = centred.shape[-1]
    both_sides = torch.full((power.shape[-1],), 2.0 / T, dtype=power.dtype, device=power.device)
    both_sides[0] /= 2
    if T % 2 == 0:
        both_sides[-1] /= 2
    return ((power * both_sides) @ power.mT) * bins / (counts[..., None] * counts[:, :, None]).clamp(min=1)


def _exactly_zero_where_repeats_agree(noise: Tensor, data: _Standardised) -> Tensor:
    """Noise power with the rounding error taken out of cells whose repeats are all the same."""
    suspects = (noise < ROUNDING * torch.finfo(noise.dtype).eps).nonzero()[:, 0]
    if suspects.numel() == 0:
        return noise
    z, valid = data.z[:, suspects], data.valid[:, suspects]
    spread = torch.where(valid, z, -torch.inf).amax(2) - torch.where(valid, z, torch.inf).amin(2)
    agree = (spread <= 0).all(-1).all(0)
    return noise.index_put((suspects,), torch.where(agree, 0.0, noise[suspects]))


@keywords()
def signal_power(
    responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none", pooling: str = "bins"
) -> Tensor:
    r"""Variance of the part of the response that repeats, without bias.

    :math:`SP = (R\, \mathrm{var}_t(\bar y) - \overline{\mathrm{var}_t(y_r)}) / (R - 1)` for each stimulus, which is the
    mean covariance of all pairs of repeats and is computed as such over the bins that each pair shares. Variances have
    the divisor T - 1.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
        Recorded repeats, NaN where missing.
    mask : bool Tensor, optional
        Bins to use.
    reduction : {"none", "mean", "sum"}
        Over neurons, leaving out those without a value.
    pooling : {"bins", "sounds"}
        Of several stimuli. ``"bins"`` takes all bins as one long stimulus, as a correlation does: a response that
        differs between stimuli is signal. ``"sounds"`` averages the power within each stimulus, as published, with
        their number of bins as weights.

    Returns
    -------
    Tensor, shape (N,) or ()
        In the square of the response's unit; under zero by chance when there is no signal; NaN without two repeats
        that share two bins.

    Raises
    ------
    ValueError
        Wrong shape, reduction or pooling.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    References
    ----------
    Sahani & Linden (2003).
    """
    check_reduction(reduction)
    moments = pooled_pair_moments(responses, mask=mask, pooling=pooling)
    return reduce_neurons(moments.signal * _square_or_zero(moments.scale), reduction)


@keywords()
def noise_power(
    responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none", pooling: str = "bins"
) -> Tensor:
    r"""Variance of what does not repeat, :math:`NP = \overline{\mathrm{var}_t(y_r)} - SP`.

    Computed as half the variance of the difference of two repeats, averaged as in :func:`signal_power`; it is never
    negative, and exactly 0 when all repeats are the same. Parameters, results and errors as there.

    References
    ----------
    Sahani & Linden (2003).
    """
    check_reduction(reduction)
    moments = pooled_pair_moments(responses, mask=mask, pooling=pooling)
    return reduce_neurons(moments.noise * _square_or_zero(moments.scale), reduction)


@keywords()
def snr(responses: Tensor, *, mask: Tensor | None = None, reduction: str = "none", pooling: str = "bins") -> Tensor:
    """Signal power over noise power of each neuron, without unit; inf for a cell without noise, NaN for a constant one.

    Under zero by chance when there is no signal. Parameters and errors as in :func:`signal_power`.

    References
    ----------
    Sahani & Linden (2003).
    """
    check_reduction(reduction)
    moments = pooled_pair_moments(responses, mask=mask, pooling=pooling)
    return reduce_neurons(moments.signal / moments.noise, reduction)


def _square_or_zero(scale: Tensor) -> Tensor:
    """Square of the scale; 0 for a neuron that never varies, whose powers are zero."""
    return scale.nan_to_num(nan=0.0).square()


def _number_of_half_splits(repeats: int) -> int:
    """Exactly for as many repeats as anybody lists all splits of; of more, as many as of those."""
    repeats = min(repeats, MANY_REPEATS)
    k = repeats // 2
    return math.comb(repeats, k) * math.comb(repeats - k, k) // 2


@keywords()
def half_splits(repeats: int, *, n_splits: int = MAX_SPLITS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two disjoint halves of the repeats for every split: boolean (S,R) twice, each row with ``repeats // 2`` True.

    All splits when there are at most ``n_splits`` of them (the order of the repeats then does not matter), else a
    random choice drawn from ``seed``. With an odd number one repeat stays out of each split.

    Raises
    ------
    TypeError, ValueError
        A number is no int, or ``repeats`` is below 2, ``n_splits`` below 1 or ``seed`` below 0; or the splits need
        more than 2 GB of memory.

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
    possible = _number_of_half_splits(repeats)
    size = 2.0 * min(possible, n_splits) * repeats
    if size > LIMIT_GB * GB:
        raise ValueError(
            f"n_splits must leave the splits of {repeats} repeats within {LIMIT_GB:g} GB of memory, got {n_splits}: "
            f"give at most {int(LIMIT_GB * GB / 2 / repeats)}"
        )
    if possible > n_splits:
        generator = torch.Generator().manual_seed(seed)
        a, b = torch.zeros(2, n_splits, repeats, dtype=torch.bool)
        for i in range(n_splits):
            order = torch.randperm(repeats, generator=generator)
            a[i, order[:k]] = True
            b[i, order[k : 2 * k]] = True
        return a, b
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for first in itertools.combinations(range(repeats), k):
        rest = [r for r in range(repeats) if r not in first]
        pairs += [(first, second) for second in itertools.combinations(rest, k) if first < second]
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


def _sorted_by_content(z: Tensor) -> Tensor:
    """The repeats (B,n,R,T) of each neuron in an order that follows from what they hold, not from how they came.

    The key is a sum of a repeat's bins with fixed random weights: repeats with the same key are the same.
    """
    B, _, R, T = z.shape
    weights = torch.rand(B, 1, 1, T, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(z)
    return z.gather(2, (z * weights).sum((0, -1)).argsort(-1)[None, :, :, None].expand(B, -1, R, T))


def _ceiling_by_splits(z: Tensor, bins: Tensor, pooling: str, n_splits: int, seed: int) -> Tensor:
    """CCmax (n,) of neurons that have all repeats of ``z`` (B,n,R,T) in all their ``bins`` (B,n), from half-splits.

    The half-means need no pass over time: their sums follow from the products of repeats.
    """
    repeats = z.shape[2]
    a, b = (half.to(z) / (repeats // 2) for half in half_splits(repeats, n_splits=n_splits, seed=seed))
    if _number_of_half_splits(repeats) > n_splits:  # a choice of splits would depend on the order
        z = _sorted_by_content(z)
    gram, total = z @ z.mT, z.sum(-1)
    if pooling == "sounds":
        gram, total = gram - total[..., None] * total[..., None, :] / bins.clamp(min=1)[..., None, None], total * 0
    gram, total = gram.sum(0), total.sum(0)
    ga, gb = a @ gram, b @ gram
    sums = (total @ a.mT, total @ b.mT, (ga * a).sum(-1), (gb * b).sum(-1), (ga * b).sum(-1))
    c = _correlation(bins.sum(0)[:, None], *sums).nanmean(-1).clamp(min=0)
    m = repeats / (repeats // 2)
    return (m * c / (1 + (m - 1) * c)).sqrt()


def _ceiling_by_bins(z: Tensor, valid: Tensor, pooling: str) -> Tensor:
    """CCmax (n,) where bins differ in their repeats: signal variance over variance of the mean, all from single bins.

    The mean product of two repeats of a bin is free of noise, whatever their number. Bins with one repeat have the same
    signal, and the noise of one.
    """
    count = valid.sum(2)
    used = count >= 2
    total, square = z.sum(2), z.square().sum(2)
    mean = torch.where(used, total / count.clamp(min=1), 0.0)
    product = torch.where(used, (total.square() - square) / (count * (count - 1)).clamp(min=1), 0.0)
    n, first, second, signal = (x.sum(-1) for x in (used, mean, mean.square(), product))
    if pooling == "bins":
        n, first, second, signal = (x.sum(0, keepdim=True) for x in (n, first, second, signal))
    of_mean = first.square() / n.clamp(min=1)
    variance, signal, second = (second - of_mean).sum(0), (signal - of_mean).sum(0), second.sum(0)
    defined = variance > 64 * torch.finfo(z.dtype).eps * second
    # Noise of a mean goes with one over its repeats.
    noisy = 1 / count.clamp(min=1).to(z.dtype)
    shares = [torch.where(bins, noisy, 0.0).sum((0, 2)) / bins.sum((0, 2)).clamp(min=1) for bins in (used, count >= 1)]
    noise = (variance - signal).clamp(min=0) * shares[1] / shares[0].clamp(min=torch.finfo(z.dtype).tiny)
    signal = signal.clamp(min=0)
    return torch.where(defined, signal / torch.where(defined, signal + noise, 1.0), torch.nan).clamp(0, 1).sqrt()


@keywords()
def compute_CCmax(
    responses: Tensor,
    *,
    mask: Tensor | None = None,
    n_splits: int = MAX_SPLITS,
    seed: int = 0,
    reduction: str = "none",
    pooling: str = "bins",
) -> Tensor:
    r"""Highest correlation that any prediction can be expected to reach with the mean response of each neuron.

    :math:`CC_{max} = \sqrt{m c / (1 + (m-1) c)}` with c the correlation of the means of two halves of k repeats,
    averaged over half-splits, and m = R/k. For even R, m = 2 and this is the formula of Hsu et al.; for odd R it
    corrects for the repeat that a split leaves out. The order of the repeats does not matter.

    Where bins differ in their repeats (stimuli repeated unequally often, trials of unequal length, gaps), halves of a
    bin would differ in their noise. There :math:`CC_{max}^2` is the variance of the signal over that of the mean
    response, with the mean product of two repeats of a bin for the square of its signal. Bins with one repeat count
    with the signal of the others and the noise of one repeat.

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
    pooling : {"bins", "sounds"}
        Correlation over all bins, or over deviations from each stimulus' mean.

    Returns
    -------
    Tensor, shape (N,) or ()
        In [0, 1]; 0 where the halves do not correlate positively; NaN for R = 1, or a half that never varies.

    Raises
    ------
    ValueError
        Wrong shape, reduction, pooling or number of splits.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    References
    ----------
    Hsu, Borst & Theunissen (2004); Schoppe et al. (2016).
    """
    check_reduction(reduction)
    check_choice(POOLINGS, pooling=pooling)
    check_sizes(n_splits=n_splits)
    check_sizes(0, seed=seed)
    check_responses(responses)
    (ceilings,) = by_neurons(
        lambda mask, responses: (_ceilings(responses, mask, n_splits, seed, pooling),), mask, responses
    )
    return reduce_neurons(ceilings, reduction)


def _ceilings(responses: Tensor, mask: Tensor | None, n_splits: int, seed: int, pooling: str) -> Tensor:
    data = _standardise(responses, mask)
    z, valid, scale = data.z, data.valid, data.scale
    repeat_has, bin_has = valid.any(-1).any(0), valid.any(2)
    alike = (valid == (repeat_has[:, :, None] & bin_has[:, :, None])).flatten(2).all(-1).all(0)
    repeats = repeat_has.sum(-1)
    out = torch.full_like(scale, torch.nan)
    for count in repeats[alike & (repeats >= 2)].unique().tolist():
        chosen = alike & (repeats == count)
        of_chosen = z[:, chosen][:, repeat_has[chosen]].view(len(z), int(chosen.sum()), count, -1)
        out[chosen] = _ceiling_by_splits(of_chosen, bin_has[:, chosen].sum(-1), pooling, n_splits, seed)
    if not bool(alike.all()):
        out[~alike] = _ceiling_by_bins(z[:, ~alike], valid[:, ~alike], pooling)
    return out


@keywords()
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
    check_responses(responses)

    def of_neurons(mask: Tensor | None, responses: Tensor) -> tuple[Tensor]:
        n, total, square, product = (s.sum(0) for s in _pair_sums(_standardise(responses, mask)))
        r = _correlation(n, total, total.mT, square, square.mT, product)
        upper = torch.triu_indices(n.shape[-1], n.shape[-1], offset=1, device=n.device)
        return (r[:, upper[0], upper[1]].nanmean(-1),)

    (correlations,) = by_neurons(of_neurons, mask, responses)
    return reduce_neurons(correlations, reduction)
