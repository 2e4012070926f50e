"""Whether a recording stayed the same while it was made: a neuron that was lost, a rate that drifts."""

from __future__ import annotations

from collections.abc import Collection
from statistics import NormalDist

import torch
from torch import Tensor

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.sample import Sample
from deepstrf.analysis.diagnosis.scores import FALSE_ALARM, as_normal

LEAST_EXPECTED = 50
"""Responses other than the resting one that a silent stretch would have had, from which on it is no chance: of Poisson
events none comes with the probability exp(-50), of bursts of ten with exp(-5) still under a hundredth."""

LEAST_SOUNDS = 6
"""Of which a drift is told: a line, the level of the sounds, and three sounds that scatter about them."""

LEAST_DRIFT = 0.5
"""Change of the rate from the first sound to the last, over the mean: half of it or more."""


MOST_SHARED = 0.5
"""Share of the variance of the sounds' levels that may go with their order: with more, nothing tells the two apart."""


def unsteady(sample: Sample, skip: Collection[int], where: str) -> list[Finding]:
    """A finding for each neuron that is silent from some sound on (or up to some), or whose rate drifts over sounds."""
    responses = sample.responses
    if responses is None or len(sample.stimuli) < 2:
        return []
    found = []
    for n in range(responses.shape[1]):
        if n not in skip and bool(sample.predicted[:, n].isfinite().all()):
            totals = _of_each_sound(sample, responses[:, n], sample.predicted[:, n, 0])
            finding = _lost(n, *totals, where) or _drifting(n, *totals[:2], _levels(sample), responses.shape[1], where)
            found += [finding] if finding else []
    return found


def _of_each_sound(sample: Sample, y: Tensor, p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over bins and trials of each sound, (B,): recorded, predicted, and how often something came.

    ``y`` (B, R, T) is recorded, ``p`` (B, T) predicted. A sound that was not recorded has NaN.
    """
    there = ~y.isnan() & sample.inside[:, None]
    values = torch.where(there, y, 0.0).double()
    rest = torch.where(there, y, torch.inf).amin()
    recorded = there.flatten(1).any(1)
    sums = (values, there * p[:, None].double(), (there & (y > rest)).double())
    total, expected, events = (torch.where(recorded, x.sum((1, 2)), torch.nan) for x in sums)
    return total, expected, events


def _levels(sample: Sample) -> Tensor:
    """Mean level (B,) of each sound."""
    inside = sample.inside[:, None]
    return torch.where(inside, sample.stimuli[:, 0], 0.0).double().sum((1, 2)) / inside.expand_as(
        sample.stimuli[:, 0]
    ).sum((1, 2))


def _lost(n: int, total: Tensor, expected: Tensor, events: Tensor, where: str) -> Finding | None:
    """Where nothing came in all of the last sounds, or of the first, though the others make one expect much."""
    played = (~total.isnan()).nonzero().flatten().tolist()
    for order, word in ((played[::-1], "last"), (played, "first")):
        silent = next((i for i, b in enumerate(order) if events[b] > 0), len(order))
        if not 0 < silent < len(order):
            continue
        before, after = order[silent:], order[:silent]
        share = float(expected[after].sum() / expected[before].sum().clamp(min=1e-300))
        due = share * float(events[before].sum())
        if due > LEAST_EXPECTED:
            sentence = (
                f"On {where} nothing was recorded from it in the {word} {silent} of {len(order)} sounds, where "
                f"{due:.3g} responses were to be expected by those to the others: it may have been lost, or found "
                "late. Put NaN in place of what was not recorded."
            )
            return Finding("unsteady", n, sentence, {"silent_sounds": silent, "of": len(order), "expected": due})
    return None


def _drifting(n: int, total: Tensor, expected: Tensor, level: Tensor, tests: int, where: str) -> Finding | None:
    """Where the ratio of recorded and predicted rate goes with the order of the sounds, whatever their levels.

    Least squares, with the square root of the expected rate as the error of each sound, and Student's t.
    """
    played = ~total.isnan()
    y, p, level = total[played], expected[played], level[played]
    B = len(y)
    if B < LEAST_SOUNDS or not bool((p > 0).all()) or not bool(y.sum() > 0):
        return None
    order = torch.linspace(-0.5, 0.5, B, dtype=torch.float64)
    scatter = level.std(correction=0)
    terms = [torch.ones_like(order), order]
    if float(scatter) > 1e-6 * float(level.abs().max()):
        level = (level - level.mean()) / scatter
        if float((level * order).mean().square() / order.square().mean()) > MOST_SHARED:
            return None
        terms.append(level)
    X = torch.stack(terms, 1) * p.sqrt()[:, None]
    inverse = torch.linalg.pinv(X.T @ X)
    weights = inverse @ X.T @ (y / p.sqrt())
    left = (y / p.sqrt() - X @ weights).square().sum() / (B - len(terms))
    gain, slope, error = float(weights[0]), float(weights[1]), float((left * inverse[1, 1]).sqrt())
    if not LEAST_DRIFT * gain <= abs(slope) <= 2 * gain:  # beyond that a rate would be negative at one end
        return None
    if as_normal(abs(slope) / max(error, 1e-300), B - len(terms)) < NormalDist().inv_cdf(1 - FALSE_ALARM / 2 / tests):
        return None
    first, last = (f"{(gain + sign * slope / 2) / gain:.0%}" for sign in (-1, 1))
    sentence = (
        f"On {where} its recorded rate, over the predicted one, goes from {first} of its mean in the first sound to "
        f"{last} in the last: the recording drifts, or the sounds change in their order in a way that the model does "
        "not know. Look at the spikes' amplitudes over time, and mix the sounds before they are split."
    )
    return Finding("unsteady", n, sentence, {"change": slope / gain, "sounds": B})
