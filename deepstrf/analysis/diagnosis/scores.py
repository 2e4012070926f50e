"""Checks of how well a model predicts: better than noise allows, or better on what it was fitted to."""

from __future__ import annotations

import math
from collections.abc import Collection
from statistics import NormalDist

import torch
from torch import Tensor

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.sample import Sample
from deepstrf.metrics import compute_CCmax, corrcoef

FALSE_ALARM = 0.001
"""Probability that chance alone makes a check speak, about any of the neurons."""

BLOCKS = 20
"""Pieces of time that are left out one at a time, to see how far a score is chance: long enough to be independent, and
enough of them for a standard error that is within about 16 % (1 / sqrt(2 * 19))."""

KEPT = 0.5
"""Share of the variance explained in training that must be explained on other sounds too: with less, most of what the
model knows of its training data is their noise."""

EXCESS = 0.1
"""How much more variance than the signal's a prediction may explain. A fit of P parameters on n bins explains P/n of
the noise by chance, which is below this from ten bins per parameter on where signal and noise are alike."""


def above_ceiling(sample: Sample, skip: Collection[int], where: str) -> list[Finding]:
    r"""A finding for each neuron whose prediction explains more than repeats of the sound have in common.

    With the means :math:`y_1, y_2` of two halves of the trials the signal power is :math:`S = \mathrm{cov}(y_1, y_2)`,
    and a prediction p explains :math:`E = \mathrm{cov}(p, y)^2 / \mathrm{var}(p) \le S`, up to chance. How far
    :math:`E - (1 + EXCESS) S` is chance follows from leaving out blocks of time.
    """
    responses = sample.responses
    if responses is None or responses.shape[2] < 2:
        return []
    explained, signal, noise = explained_and_signal(sample, responses)
    excess = explained - (1 + EXCESS) * signal
    p = sample.rates
    whole, error = excess[:, 0], torch.maximum(standard_error(excess[:, 1:]), (1 + EXCESS) * noise[:, 0])
    found = []
    for i in beyond_chance(whole, error, p.shape[0], skip):
        ceiling = float(compute_CCmax(responses[:, i : i + 1])[0])
        score = float(corrcoef(sample.predicted[:, i : i + 1], responses[:, i : i + 1]))
        sentence = (
            f"On {where} it correlates {score:.2f} with the mean of {responses.shape[2]} trials, of which noise leaves "
            f"only {ceiling:.2f} to be predicted: it knows more than the sound tells. Look for responses that leak "
            "into the stimulus, or score it on sounds that it was not fitted to."
        )
        found.append(Finding("above_ceiling", i, sentence, {"score": score, "ceiling": ceiling}))
    return found


def explained_and_signal(sample: Sample, responses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Signed variance that a prediction explains, signal power, and its error by independent noise, (N, 1 + BLOCKS).

    In all, then without each of the blocks. With the means :math:`y_1, y_2` of two halves of the trials (N, R, bins)
    the signal power is :math:`\mathrm{cov}(y_1, y_2)`.
    """
    p = sample.rates
    first, second = (sample.in_all_bins(half.nanmean(2)) for half in (responses[:, :, 0::2], responses[:, :, 1::2]))
    products = (p, first, second, p * p, p * first, p * second, first * second, first * first, second * second)
    n, m_p, m_1, m_2, pp, p1, p2, ab, aa, bb = block_sums(first + second, p, products)
    signal = ab / n - m_1 * m_2 / n**2
    explained = (p1 + p2) / (2 * n) - m_p * (m_1 + m_2) / (2 * n**2)
    variance = pp / n - (m_p / n).square()
    # Sparse spikes may never coincide, and then no block differs from the others: the error of a covariance of
    # independent noise is the least there is.
    noise = ((aa / n - (m_1 / n).square()) * (bb / n - (m_2 / n).square()) / n).clamp(min=0).sqrt()
    return explained * explained.abs() / variance, signal, noise


def overfitting(train: Sample, held_out: Sample, skip: Collection[int]) -> list[Finding]:
    """A finding for each neuron of whose explained variance less than ``KEPT`` is left on sounds that were held out.

    Both scores are correlations with single trials, so that they compare however many trials either side has.
    """
    if train.responses is None or held_out.responses is None:
        return []
    (a, a_error), (b, b_error) = _trial_score(train, train.responses), _trial_score(held_out, held_out.responses)
    # A prediction that is upside down on both has learnt no noise.
    lost = torch.where(a > 0, KEPT**0.5 * a - b, torch.nan)
    error = (KEPT * a_error.square() + b_error.square()).sqrt()
    found = []
    for i in beyond_chance(lost, error, len(a), skip):
        fitted, new = float(a[i]), float(b[i])
        sentence = (
            f"It correlates {fitted:.2f} with single trials of the sounds it was fitted to, and {new:.2f} with those "
            "held out: it has learnt their noise. Fit with early stopping, a prior (smoothness, sparsity), fewer "
            "parameters or more sounds."
        )
        found.append(Finding("overfitting", i, sentence, {"train": fitted, "held_out": new}))
    return found


def _trial_score(sample: Sample, responses: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation (N,) of the prediction with single trials, pooled over them, and its standard error."""
    p = sample.rates
    trials = sample.in_all_bins((~responses.isnan()).sum(2))
    total, square = sample.in_all_bins(responses.nansum(2)), sample.in_all_bins(responses.square().nansum(2))
    there = torch.where(trials > 0, 0.0, torch.nan)
    _, n, sp, sy, spp, syy, spy = block_sums(there, p, (trials, p * trials, total, p * p * trials, square, p * total))
    covariance = spy / n - sp * sy / n**2
    variances = (spp / n - (sp / n).square()) * (syy / n - (sy / n).square())
    r = torch.where(variances > 0, covariance / variances.clamp(min=1e-300).sqrt(), torch.nan)
    return r[:, 0], standard_error(r[:, 1:])


def block_sums(there: Tensor, p: Tensor, values: tuple[Tensor, ...]) -> list[Tensor]:
    """Number of bins, and sums of ``values`` (N, bins): in all, then without each of the blocks, (N, 1 + BLOCKS) each.

    Only bins in which ``there`` and the prediction ``p`` are finite count. Every neuron's own recorded time is cut into
    ``BLOCKS`` pieces of the same length; a neuron with fewer bins than pieces has NaN, and no check speaks about it.
    """
    used = there.isfinite() & p.isfinite()
    count = used.double().cumsum(1)
    block = ((count - 1).clamp(min=0) * BLOCKS / count[:, -1:].clamp(min=1)).long().clamp(max=BLOCKS - 1)
    sums = []
    for value in (torch.ones_like(p), *values):
        parts = torch.zeros(len(p), BLOCKS, dtype=torch.float64)
        parts = parts.scatter_add(1, block, torch.where(used, value, 0.0))
        whole = parts.sum(1, keepdim=True)
        every = torch.cat([whole, whole - parts], 1)
        sums.append(torch.where(count[:, -1:] < BLOCKS, torch.nan, every))
    return sums


def standard_error(replicates: Tensor) -> Tensor:
    """Jackknife's standard error (N,) from the values (N, G) without each block."""
    G = replicates.shape[1]
    return ((G - 1) / G * (replicates - replicates.mean(1, keepdim=True)).square().sum(1)).sqrt()


def beyond_chance(value: Tensor, error: Tensor, tests: int, skip: Collection[int]) -> list[int]:
    """Neurons whose ``value`` is above 0 by more than chance among so many tests makes it."""
    limit = NormalDist().inv_cdf(1 - FALSE_ALARM / tests)
    return [n for n in (value > limit * error).nonzero()[:, 0].tolist() if n not in skip]


def as_normal(t: float, freedom: int) -> float:
    """The normal deviate that is as rare as Student's t (Wallace 1959, Ann. Math. Statist. 30:1124)."""
    return (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
