"""Checks of a prediction against the recording: too bad, out of step, of another neuron or sound, off its level."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from statistics import NormalDist

import torch
from torch import Tensor

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.linear_baseline import baseline
from deepstrf.analysis.diagnosis.sample import Sample
from deepstrf.analysis.diagnosis.scores import (
    BLOCKS,
    FALSE_ALARM,
    as_normal,
    beyond_chance,
    block_sums,
    explained_and_signal,
    standard_error,
)
from deepstrf.metrics import compute_CCmax

LEAST_OF_SIGNAL = 0.25
"""Share of the signal's variance (what repeats have in common) under which a prediction is too bad: CCnorm 0.5. LN
models of auditory neurons reach 0.6 to 0.8 (Rahman et al. 2019, PNAS 116:20442; Thorson et al. 2015)."""

LEAST_OF_OTHER = 0.5
"""Share of what something simpler explains (a linear field; the same prediction at another time, or of another neuron)
under which a prediction is too bad. Two fits of one neuron differ by far less."""

NEARLY_OF_OTHER = 0.9
"""The same where two neurons seem to have changed places: both are better explained by others than by their own."""

AS_WELL = 0.9
"""Share of a prediction's correlation with its own response from which on a response may be a copy of that one."""

LEVEL_SHARE = 0.5
"""Share of the explained variance that a wrong mean and a wrong gain may cost."""

MEAN_SHARE = 0.25
"""Of the recorded mean (of responses that go below zero, of their standard deviation): a predicted mean that is off by
less is no matter, however sure that is. Neurons change their rate by as much from one sound or hour to the next."""

BLOCK_BINS = 5
"""In blocks of fewer bins a mean is not judged: neighbouring bins hear the same sound and are no independent news."""

SHIFT_MS, SHIFT_BINS = 500.0, 100
"""How far apart sound and response may have come: half a second, or so many bins where their width is not known."""

LEAST_EVENTS = 20
"""Changes from bin to bin of a trial that no other trial repeats by chance."""

LEAST_HALF = 50
"""Bins of half a sound: in fewer, chance decides which prediction suits a response best."""

MOST_STEP = 1.5
"""Steps in which responses come from which on they are no counts. (Means of trials come in steps below 1.)"""

LEAST_ABOVE = 30
"""Bins of single trials in which more than the largest count was expected: by chance none comes with exp(-30)."""

COUNTS_PER_S = 1000.0
"""No neuron fires more often in the mean: with a refractory period of 1 ms it cannot."""


def not_counts(sample: Sample, floor: Tensor, skip: Collection[int]) -> list[Finding]:
    """A finding for each neuron whose recorded responses are negative, constant, or far too many to be spike counts.

    ``floor`` (N,) is the least that the output curve can say.
    """
    y = sample.mean_response
    if y is None:
        return []
    responses = sample.responses
    assert responses is not None
    negative = ((responses < 0).sum((0, 2, 3)) / (~responses.isnan()).sum((0, 2, 3)).clamp(min=1)).double().cpu()
    bins = (~y.isnan()).sum(1)
    mean, low, high = y.nanmean(1), y.nan_to_num(torch.inf).amin(1), y.nan_to_num(-torch.inf).amax(1)
    moving = bool((sample.stimuli != sample.stimuli.flatten()[0]).any())
    found = []
    for n in range(len(y)):
        if n in skip or bins[n] == 0:
            continue
        if low[n] == high[n] and bins[n] > SHIFT_BINS and moving:
            sentence = (
                f"What was recorded from it is {float(low[n]):.3g} in all of its {int(bins[n])} bins: there is nothing "
                "to predict. Look at the file it was read from, or leave it out."
            )
            found.append(Finding("not_counts", n, sentence, {"value": float(low[n]), "bins": int(bins[n])}))
        elif negative[n] > 0 and floor[n] >= 0:
            sentence = (
                f"Its recorded responses are negative in {float(negative[n]):.0%} of the bins, and its model cannot go "
                f"below {float(floor[n]):.2g}: they are no spike counts (z-scored? a potential?). Give spike counts, "
                "or a model without an output curve and the mse loss."
            )
            found.append(Finding("not_counts", n, sentence, {"negative": float(negative[n]), "floor": float(floor[n])}))
        elif (pair := _same_trials(responses[:, n])) is not None:
            sentence = (
                f"Its trials {pair[0] + 1} and {pair[1] + 1} are the same in every bin: one may be a copy of the "
                "other, and the noise ceiling and CCnorm then say nothing. Look at the table that they were read from."
            )
            found.append(Finding("not_counts", n, sentence, {"trial": pair[0], "other": pair[1]}))
        elif (step := _step(responses[:, n])) > MOST_STEP:
            unit = "" if sample.dt_ms is None else f" (spikes/s would come in steps of {1000 / sample.dt_ms:g})"
            sentence = (
                f"Its recorded responses come in steps of {step:.4g}{unit}, and spike counts in steps of 1. Divide "
                "them by it: losses and scores of counts take a response for what it says."
            )
            found.append(Finding("not_counts", n, sentence, {"step": step}))
        elif (clipped := _clipped(responses[:, n], sample.predicted[:, n, 0])) is not None:
            most, times, expected = clipped
            due = "" if math.isnan(expected) else f", where {expected:.0f} with more were to be expected"
            sentence = (
                f"Its recorded responses are {most:.4g} in {times} bins of single trials and more in none{due}: they "
                "may have been clipped. Look at the range of the amplifier and of the file's numbers, and at how "
                "spikes were counted."
            )
            evidence = {"most": most, "times": times} | ({"expected_above": expected} if due else {})
            found.append(Finding("not_counts", n, sentence, evidence))
        elif sample.dt_ms is not None and mean[n] * 1000 / sample.dt_ms > COUNTS_PER_S:
            per_s = float(mean[n]) * 1000 / sample.dt_ms
            sentence = (
                f"Its recorded responses have the mean {float(mean[n]):.3g} in bins of {sample.dt_ms:g} ms: as spike "
                f"counts that is {per_s:.3g} spikes/s, and no neuron fires so often. If they are spikes/s, multiply "
                f"them by {sample.dt_ms / 1000:g} s; else say their unit when you write about them."
            )
            found.append(Finding("not_counts", n, sentence, {"mean": float(mean[n]), "per_s": per_s}))
    return found


def _same_trials(y: Tensor) -> tuple[int, int] | None:
    """Two trials of (B, R, T) that were recorded in the same bins and are equal in all, though both vary; or None."""
    trials = y.transpose(0, 1).flatten(1)
    events = trials.diff(dim=1).nan_to_num(0.0).ne(0).sum(1)
    for i in range(len(trials)):
        for j in range(i):
            if events[i] >= LEAST_EVENTS and torch.equal(trials[i].nan_to_num(-1.0), trials[j].nan_to_num(-1.0)):
                return j, i
    return None


def _clipped(y: Tensor, p: Tensor) -> tuple[float, int, float] | None:
    """Where responses (B, R, T) were cut off: the largest value, how often it comes, and how often more was expected.

    ``p`` (B, T) is predicted. Of counts, Poisson's law with the predicted means tells how many lie above the largest;
    where it holds at and below that, and none lies above, they were cut off there. (Refractory neurons are rarer than
    Poisson's before they end. Of counts of at most 1 nothing can be said.) Of other numbers, the largest comes again
    and again, and the one below it does not.
    """
    there = ~y.isnan() & (y.isfinite().any(1, keepdim=True))
    values, counts = y[there].unique(return_counts=True)
    if len(values) < 3 or int(counts[-1]) < LEAST_EVENTS:
        return None
    most, top = float(values[-1]), int(counts[-1])
    if not bool((values == values.round()).all()):
        piled = top > 2 * int(counts[-2]) + 4 * math.sqrt(top + 4 * int(counts[-2])) and _step(y) == 0.0
        return (most, top, math.nan) if piled else None
    trials = there.sum(1)
    total = (p * trials).sum()
    if most < 2 or float(values[0]) < 0 or not bool((p >= 0).all()) or not bool(total > 0):
        return None
    mean = p.double() * float(y[there].sum()) / float(total)

    def at_least(count: float) -> float:
        return float((trials * torch.special.gammainc(torch.tensor(count, dtype=torch.float64), mean)).sum())

    above, at, below = at_least(most + 1), at_least(most), at_least(most - 1) - at_least(most)
    seen = int((y[there] == most - 1).sum())
    cut = above > LEAST_ABOVE and top > 0.7 * at and 0.5 * below < seen < 2 * below
    return (most, top, above) if cut else None


def _step(y: Tensor) -> float:
    """The least positive value, where all recorded ones are whole multiples of it, and not all the same; else 0."""
    values = y[y > 0].double()
    if len(values) == 0:
        return 0.0
    step = float(values.min())
    multiples = values / step
    whole = bool(((multiples - multiples.round()).abs() < 0.01).all())
    return step if whole and (float(values.max()) > step or bool((y == 0).any())) else 0.0


def disagreements(sample: Sample, skip: Collection[int], where: str, *, fitted: Sample | None = None) -> list[Finding]:
    """At most one finding for each neuron whose prediction disagrees with what was recorded: its most likely cause.

    That is the one with the best score, where several would explain it.

    ``fitted`` has the sounds from which the linear baseline learns, where ``sample`` was held out; else it predicts
    each fifth of the time from the others.
    """
    y = sample.mean_response
    if y is None or not bool(y.isfinite().any()):
        return []
    N = len(y)
    p = sample.rates
    r, r_parts = correlation(p, y)
    found: dict[int, Finding] = {}

    def still(candidates: Collection[int]) -> list[int]:
        return [n for n in candidates if n not in skip and n not in found]

    for n in still(beyond_chance(-r, standard_error(r_parts), N, skip)):
        sentence = (
            f"On {where} it correlates {float(r[n]):.2f} with what was recorded: where it predicts more, less comes. "
            "Look for a sign that was turned round, of the kernel, of the gain or of the responses."
        )
        found[n] = Finding("upside_down", n, sentence, {"score": float(r[n])})
    elsewhere = another_neuron(p, y, r, r_parts, skip, where) + out_of_step(sample, y, r, r_parts, skip, where)
    elsewhere += another_sound(sample, y, skip, where) + some_sounds_out_of_step(sample, y, skip, where)
    for finding in sorted(elsewhere, key=lambda one: -abs(one.evidence["best_score"])):
        found.setdefault(int(finding.neuron or 0), finding)
    linear = baseline(sample, fitted)
    if linear is not None:
        other, other_parts = correlation(linear, y)
        lost, lost_parts = LEAST_OF_OTHER**0.5 * other - r, LEAST_OF_OTHER**0.5 * other_parts - r_parts
        for n in still(beyond_chance(lost, standard_error(lost_parts), N, skip)):
            sentence = (
                f"On {where} it correlates {float(r[n]):.2f} with what was recorded, where a plain linear field "
                f"reaches {float(other[n]):.2f}: the fit has not got there. Start it from the data, fit it for longer "
                "or with other rates, and compare it with deepstrf.training.ridge."
            )
            found[n] = Finding("poor_score", n, sentence, {"score": float(r[n]), "linear": float(other[n])})
    for finding in far_under_ceiling(sample, r, skip, where):
        found.setdefault(int(finding.neuron or 0), finding)
    for n, finding in off_level(p, y, skip, where).items():
        found.setdefault(n, finding)
    for n, finding in wrong_mean(p, y, skip, where).items():
        found.setdefault(n, finding)
    return [found[n] for n in sorted(found)]


def correlation(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Correlation of prediction and response (N, bins) in each row, (N,), and without each block of time (N, G)."""
    _, n, m_p, m_y, pp, yy, py = block_sums(y, p, (torch.ones_like(p), p, y, p * p, y * y, p * y))
    covariance = py / n - m_p * m_y / n**2
    variances = (pp / n - (m_p / n).square()) * (yy / n - (m_y / n).square())
    r = torch.where(variances > 1e-24 * (pp * yy / n**2), covariance / variances.clamp(min=1e-300).sqrt(), torch.nan)
    return r[:, 0], r[:, 1:]


def another_neuron(
    p: Tensor, y: Tensor, r: Tensor, r_parts: Tensor, skip: Collection[int], where: str
) -> list[Finding]:
    """Findings about responses that the prediction of another neuron explains far better than their own does.

    Either two neurons or more have changed places, or one response is a copy of another.
    """
    N = len(p)
    there = y.isfinite()
    mask, values = there.double(), y.nan_to_num(0.0)
    usable = p.isfinite().all(1)
    q = torch.where(usable[:, None], p, 0.0)
    q = q - q.mean(1, keepdim=True)
    n = mask.sum(1)
    m_p, pp, py = q @ mask.T / n, q.square() @ mask.T / n, q @ values.T / n
    m_y, yy = values.sum(1) / n, values.square().sum(1) / n
    variances = (pp - m_p.square()) * (yy - m_y.square())
    matrix = torch.where(variances > 1e-24 * pp * yy, (py - m_p * m_y) / variances.clamp(min=1e-300).sqrt(), -torch.inf)
    matrix = torch.where(usable[:, None], matrix, -torch.inf)
    best, other = matrix.nan_to_num(nan=-torch.inf).max(0)
    rows = [i for i in range(N) if int(other[i]) != i and best[i] > max(float(r[i].nan_to_num(0.0)), 0.0)]
    if not rows:
        return []
    score, parts = correlation(p[other[rows]], y[rows])

    def better(share: float) -> list[int]:
        lost = share**0.5 * score - r[rows]
        return beyond_chance(lost, standard_error(share**0.5 * parts - r_parts[rows]), N * N, ())

    displaced = {rows[k] for k in better(NEARLY_OF_OTHER)}
    twice = {rows[k] for k in better(LEAST_OF_OTHER)}
    found = []
    for k, i in enumerate(rows):
        j = int(other[i])
        swapped = i in displaced and j in displaced
        copied = i in twice and not score[k] < AS_WELL * r[j]
        if i in skip or not (swapped or copied):
            continue
        sentence = (
            f"On {where} the prediction of neuron {j + 1} correlates {float(score[k]):.2f} with its recorded response, "
            f"its own {float(r[i]):.2f}: the response may belong to the other. Compare the order of the neurons in the "
            "recording with that of the model."
        )
        evidence = {"score": float(r[i]), "other": j, "best_score": float(score[k])}
        found.append(Finding("other_neuron", i, sentence, evidence))
    return found


def another_sound(sample: Sample, y: Tensor, skip: Collection[int], where: str) -> list[Finding]:
    """Findings about responses that the predictions for other sounds explain far better than those for their own.

    Which sound suits each response is looked up in the first halves of the sounds, and judged in what follows.
    """
    sounds, N = _sounds(sample), len(y)
    half = min(len(bins) for bins in sounds) // 2
    if len(sounds) < 2 or half < LEAST_HALF:
        return []
    p, first = sample.rates, torch.stack([bins[:half] for bins in sounds])
    moved, place = torch.full_like(p, torch.nan), torch.zeros(N, len(sounds), dtype=torch.long)
    for n in range(N):
        alike = _correlations(p[n][first], y[n][first])
        # Where nothing goes together, a sound stays its own.
        place[n] = torch.where(alike.amax(1) > alike.diagonal(), alike.argmax(1), torch.arange(len(sounds)))
        for b, bins in enumerate(sounds):
            there = sounds[int(place[n, b])]
            size = min(len(bins), len(there))
            moved[n, bins[half:size]] = p[n, there[half:size]]
    rest = torch.where(moved.isfinite(), y, torch.nan)
    (own, own_parts), (score, parts) = correlation(p, rest), correlation(moved.nan_to_num(0.0), rest)
    lost, error = LEAST_OF_OTHER**0.5 * score - own, standard_error(LEAST_OF_OTHER**0.5 * parts - own_parts)
    found = []
    for n in beyond_chance(lost, error, N, skip):
        away = [b for b in range(len(sounds)) if int(place[n, b]) != b]
        if not away or not bool(score[n] > 0):
            continue
        b = away[0]
        sentence = (
            f"On {where} its recorded responses to {len(away)} of {len(sounds)} sounds go with the predictions for "
            f"others: that to sound {b + 1} with sound {int(place[n, b]) + 1} (correlation {float(score[n]):.2f}, as "
            f"it stands {float(own[n]):.2f}). Compare the order of the sounds in the recording with that of the "
            "stimuli."
        )
        evidence = {"sounds": len(away), "score": float(own[n]), "best_score": float(score[n])}
        found.append(Finding("other_sound", n, sentence, evidence))
    return found


def _correlations(p: Tensor, y: Tensor) -> Tensor:
    """Correlation of each response (B, bins) with each prediction, (B, B); -1 where one does not vary or is unknown."""
    unit = []
    for x in (y, p):
        x = x - x.mean(1, keepdim=True)
        unit.append(x / x.norm(dim=1, keepdim=True).clamp(min=1e-12))
    return (unit[0] @ unit[1].T).nan_to_num(nan=-1.0)


def out_of_step(
    sample: Sample, y: Tensor, r: Tensor, r_parts: Tensor, skip: Collection[int], where: str
) -> list[Finding]:
    """Findings about responses that come earlier or later than they should.

    Either the prediction fits at another time; or, where it does not fit at all, the recent sound of some band fits
    best at a lag that no causal field of half a second has.
    """
    N, dt_ms = len(y), sample.dt_ms
    longest = max(len(bins) for bins in _sounds(sample))
    reach = min(SHIFT_BINS if dt_ms is None else max(2, round(SHIFT_MS / dt_ms)), longest // 2)
    if reach < 2:
        return []
    place, shifted_p = torch.zeros(N, dtype=torch.long), sample.rates.clone()
    cross = _lagged(sample, sample.rates, y, reach)
    found: list[Finding] = []
    for n in range(N):
        if n in skip or not bool(cross[n].isfinite().all()):
            continue
        place[n] = int(cross[n].argmax()) - reach
        shifted_p[n] = _shifted(sample, sample.rates[n], int(place[n]))
    moved = torch.where(shifted_p.isfinite(), y, torch.nan)
    score, parts = correlation(shifted_p.nan_to_num(0.0), moved)
    lost = LEAST_OF_OTHER**0.5 * score - r
    error = standard_error(LEAST_OF_OTHER**0.5 * parts - r_parts)
    lost = torch.where(place == 0, -1.0, lost.nan_to_num(-1.0))
    early = set(beyond_chance(lost, error, N * 2 * reach, skip))
    for n in sorted(early):
        k = int(place[n])
        sentence = (
            f"On {where} its recorded response comes {sample.bins(abs(k))} {'later' if k > 0 else 'earlier'} than "
            f"predicted: there it correlates {float(score[n]):.2f}, as it stands {float(r[n]):.2f}. Look at the onsets "
            "that the recording was aligned by."
        )
        evidence = {"shift_bins": k, "score": float(r[n]), "best_score": float(score[n])}
        found.append(Finding("shifted", n, sentence, evidence))
    unexplained = [n for n in range(N) if n not in skip and n not in early and not bool(r[n] > 0.1)]
    x = sample.stimuli[:, 0].movedim(1, 0)[:, sample.inside].double()
    for n in unexplained:
        by_band = _lagged(sample, x, y[n].expand(len(x), -1), reach).abs().nan_to_num(0.0)
        band, lag = divmod(int(by_band.argmax()), by_band.shape[1])
        k = lag - reach
        if k >= 0:
            continue
        before = _shifted(sample, x[band], k)
        inner = by_band[:, reach:].argmax()
        causal_band, causal_lag = divmod(int(inner), by_band.shape[1] - reach)
        causal = _shifted(sample, x[causal_band], causal_lag)
        used = torch.where(before.isfinite() & causal.isfinite(), y[n], torch.nan)[None]
        (ahead,), ahead_parts = correlation(before.nan_to_num(0.0)[None], used)
        (behind,), behind_parts = correlation(causal.nan_to_num(0.0)[None], used)
        gain = LEAST_OF_OTHER**0.5 * ahead.abs() - behind.abs()
        error = standard_error(LEAST_OF_OTHER**0.5 * ahead_parts.abs() - behind_parts.abs())
        if beyond_chance(gain[None], error, N * 2 * reach * len(x), ()):
            sentence = (
                f"On {where} its recorded response goes with the sound that comes {sample.bins(-k)} after it "
                f"(correlation {float(ahead):.2f} with a band), and hardly with the sound before it "
                f"({float(behind):.2f}): no neuron can. Look at the onsets that the recording was aligned by."
            )
            evidence = {"shift_bins": k, "score": float(r[n]), "best_score": float(ahead)}
            found.append(Finding("shifted", n, sentence, evidence))
    return found


def some_sounds_out_of_step(sample: Sample, y: Tensor, skip: Collection[int], where: str) -> list[Finding]:
    """Findings about responses to some of the sounds that all come earlier or later than predicted, by as much.

    By how much, and to which sounds, is looked up in one half of each sound and judged in the other, both ways.
    """
    sounds, p, N = _sounds(sample), sample.rates, len(y)
    half = min(len(bins) for bins in sounds) // 2
    reach = min(SHIFT_BINS if sample.dt_ms is None else max(2, round(SHIFT_MS / sample.dt_ms)), half // 4)
    if len(sounds) < 2 or half < LEAST_HALF:
        return []
    moved, shifts = p.clone(), torch.zeros(N, 2, len(sounds), dtype=torch.long)
    counts = torch.zeros(p.shape[1], dtype=torch.bool)
    for bins in sounds:
        counts[bins[reach : len(bins) - reach]] = True
    for n in (n for n in range(N) if n not in skip):
        for h in range(2):
            looked_up = [bins[:half] if h == 0 else bins[half:] for bins in sounds]
            shifts[n, h] = _shift_of_some([p[n, bins] for bins in looked_up], [y[n, bins] for bins in looked_up], reach)
            for b, bins in enumerate(sounds):
                judged = slice(half, None) if h == 0 else slice(None, half)
                moved[n, bins[judged]] = p[n, bins].roll(int(shifts[n, h, b]))[judged]
    rest = torch.where(counts & y.isfinite(), y, torch.nan)
    (own, own_parts), (score, parts) = correlation(p, rest), correlation(moved, rest)
    lost, error = NEARLY_OF_OTHER**0.5 * score - own, standard_error(NEARLY_OF_OTHER**0.5 * parts - own_parts)
    found = []
    for n in beyond_chance(lost, error, N, skip):
        k = int(shifts[n].flatten()[shifts[n].flatten().abs().argmax()])
        away = (shifts[n] == k).any(0).nonzero().flatten().tolist()
        if k == 0 or not bool(score[n] > 0):
            continue
        sentence = (
            f"On {where} its recorded responses to some of the sounds ({len(away)} of {len(sounds)}, the first of them "
            f"sound {away[0] + 1}) come {sample.bins(abs(k))} {'later' if k > 0 else 'earlier'} than predicted: there "
            f"it correlates {float(score[n]):.2f}, as it stands {float(own[n]):.2f}. Look at the onsets that these "
            "were aligned by."
        )
        evidence = {"shift_bins": k, "sounds": len(away), "score": float(own[n]), "best_score": float(score[n])}
        found.append(Finding("shifted", n, sentence, evidence))
    return found


def _shift_of_some(p: Sequence[Tensor], y: Sequence[Tensor], reach: int) -> Tensor:
    """By how many bins each response comes later than predicted, (B,): 0, or the same number for some of them."""
    by_sound = torch.stack([_aligned(*both, reach) for both in zip(p, y, strict=True)])
    gain = (by_sound - by_sound[:, reach, None]).clamp(min=0).sum(0)
    k = int(gain.argmax())
    return torch.where(by_sound[:, k] > by_sound[:, reach], k - reach, 0)


def _aligned(p: Tensor, y: Tensor, reach: int) -> Tensor:
    """Correlation (2 reach + 1,) of p at t with y at t + k, both (bins,), for k from -reach; 0 where one is unknown."""
    windows = y.nan_to_num(0.0).unfold(0, len(y) - 2 * reach, 1)
    there = y.isfinite().unfold(0, len(y) - 2 * reach, 1).all(1)
    middle = p[reach : len(p) - reach].expand(len(windows), -1)
    return torch.where(there, _row_correlation(middle, windows), 0.0)


def _row_correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    return ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-12)).nan_to_num(0.0)


def _sounds(sample: Sample) -> list[Tensor]:
    """Places of each sound's bins in the rows of `Sample.rates`."""
    places = torch.full(sample.inside.shape, -1)
    places[sample.inside] = torch.arange(int(sample.inside.sum()))
    return [row[row >= 0] for row in places]


def _lagged(sample: Sample, x: Tensor, y: Tensor, reach: int) -> Tensor:
    """Correlation (N, 2 reach + 1) of x at t with y at t + k, both (N, bins), for k from -reach; sounds do not mix."""
    there = x.isfinite() & y.isfinite()
    n = there.sum(1, keepdim=True).clamp(min=1)
    a, b = (torch.where(there, z, 0.0) for z in (x, y))
    a, b = (torch.where(there, z - z.sum(1, keepdim=True) / n, 0.0) for z in (a, b))
    total = torch.zeros(len(x), 2 * reach + 1, dtype=torch.float64)
    for bins in _sounds(sample):
        size = len(bins) + reach
        spectrum = torch.fft.rfft(a[:, bins], n=size).conj() * torch.fft.rfft(b[:, bins], n=size)
        cross = torch.fft.irfft(spectrum, n=size)
        total += torch.cat([cross[:, -reach:], cross[:, : reach + 1]], 1)
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return total / torch.where(scale > 0, scale, torch.nan)[:, None]


def _shifted(sample: Sample, x: Tensor, k: int) -> Tensor:
    """Values (bins,) of x k bins earlier, within each sound; NaN where there are none."""
    moved = torch.full_like(x, torch.nan)
    for bins in _sounds(sample):
        if abs(k) < len(bins):
            there, here = (bins[: len(bins) - k], bins[k:]) if k >= 0 else (bins[-k:], bins[:k])
            moved[here] = x[there]
    return moved


def far_under_ceiling(sample: Sample, r: Tensor, skip: Collection[int], where: str) -> list[Finding]:
    """Findings about predictions that leave most of what repeats have in common unexplained."""
    responses = sample.responses
    if responses is None or responses.shape[2] < 2:
        return []
    explained, signal, noise = explained_and_signal(sample, responses)
    missing = LEAST_OF_SIGNAL * signal - explained
    error = torch.maximum(standard_error(missing[:, 1:]), LEAST_OF_SIGNAL * noise[:, 0])
    found = []
    for n in beyond_chance(missing[:, 0], error, len(r), skip):
        ceiling = float(compute_CCmax(responses[:, n : n + 1])[0])
        sentence = (
            f"On {where} it correlates {float(r[n]):.2f} with the mean of {responses.shape[2]} trials, where "
            f"{ceiling:.2f} is possible: most of what the sound does to it is not in the model. Fit it for longer, "
            "from other first values, or with a model that adapts or has a longer memory."
        )
        found.append(Finding("poor_score", n, sentence, {"score": float(r[n]), "ceiling": ceiling}))
    return found


def off_level(p: Tensor, y: Tensor, skip: Collection[int], where: str) -> dict[int, Finding]:
    """A finding for each neuron whose prediction has the right shape, and the wrong mean or size."""
    _, n, m_p, m_y, pp, py = block_sums(y, p, (torch.ones_like(p), p, y, p * p, p * y))
    variance, covariance = pp / n - (m_p / n).square(), py / n - m_p * m_y / n**2
    explained = covariance * covariance.abs() / variance.clamp(min=1e-300)
    slope = covariance / variance.clamp(min=1e-300)
    cost = ((m_p - m_y) / n).square() + variance * (1 - slope).square()
    excess = cost - LEVEL_SHARE * explained
    right = set(beyond_chance(explained[:, 0], standard_error(explained[:, 1:]), len(p), skip))
    found = {}
    for i in beyond_chance(excess[:, 0], standard_error(excess[:, 1:]), len(p), skip):
        if i in right:
            predicted, recorded, k = float(m_p[i, 0] / n[i, 0]), float(m_y[i, 0] / n[i, 0]), float(slope[i, 0])
            sentence = (
                f"On {where} its prediction has the mean {predicted:.2g} where {recorded:.2g} was recorded, and "
                f"{1 / k if k else math.inf:.2g} times its size: right in shape, wrong in level, which no correlation "
                "sees. Look at the level of the sound (dB, calibration), at the unit of the responses, and at "
                "`deepstrf.metrics.fve`."
            )
            found[i] = Finding("off_level", i, sentence, {"mean": predicted, "recorded_mean": recorded, "slope": k})
    return found


def wrong_mean(p: Tensor, y: Tensor, skip: Collection[int], where: str) -> dict[int, Finding]:
    """A finding for each neuron whose predicted mean is off by more than chance and `MEAN_SHARE`, whatever its shape.

    Chance is what the response does beside the prediction, whatever size that has: its error between blocks of time,
    and at least that of independent bins; of rates, with as many more events as the prediction has more than came
    (where few come, they scatter less than those that should have come).
    """
    _, n, m_p, m_y, pp, yy, py = block_sums(y, p, (torch.ones_like(p), p, y, p * p, y * y, p * y))
    m_p, m_y = m_p / n, m_y / n
    covariance, variance = (py / n - m_p * m_y)[:, :1], (pp / n - m_p.square())[:, :1]
    slope = torch.where(variance > 0, covariance / variance.clamp(min=1e-300), 0.0)
    left = ((yy / n - m_y.square())[:, :1] - slope * covariance).clamp(min=0)
    blocks = standard_error((m_y - slope * m_p)[:, 1:])
    limit = NormalDist().inv_cdf(1 - FALSE_ALARM / 2 / len(p))
    found = {}
    for i in (i for i in range(len(p)) if i not in skip and bool(m_p[i].isfinite().all())):
        predicted, recorded, spread = float(m_p[i, 0]), float(m_y[i, 0]), float(left[i])
        rates = bool((y[i].nan_to_num(0.0) >= 0).all())
        scale = recorded if rates else math.sqrt(float(yy[i, 0] / n[i, 0]) - recorded**2)
        if not scale > 0 or n[i, 0] < BLOCKS * BLOCK_BINS or abs(predicted - recorded) < MEAN_SHARE * scale:
            continue
        events = max(1.0, predicted / recorded) if rates else 1.0
        error = max(float(blocks[i]), math.sqrt(spread * events / float(n[i, 0])))
        if as_normal(abs(predicted - recorded) / max(error, 1e-300), BLOCKS - 1) < limit:
            continue
        by = f", {predicted / recorded - 1:+.0%}" if rates else ""
        sentence = (
            f"On {where} its prediction has the mean {predicted:.2g} where {recorded:.2g} was recorded{by}, and chance "
            f"leaves an error of {error:.1g}: wrong in level, which no correlation sees. Look at the level of the "
            "sound (dB, calibration), at the unit of the responses, and at the baseline of the output curve."
        )
        evidence = {"mean": predicted, "recorded_mean": recorded, "error": error}
        found[i] = Finding("off_level", i, sentence, evidence)
    return found
