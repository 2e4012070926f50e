"""Checks of a model's response: not finite, dead, at an end of the output curve, dependent on the future."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.sample import Sample, predict
from deepstrf.models.registry import OUTPUT_CURVES, OutputCurve

DEAD_VARIATION = 1e-3
"""Standard deviation of a response, over its mean, under which nothing in it can be seen: Poisson spikes of r <= 1 per
bin then have the signal-to-noise ratio 1e-6 r, and it takes a million bins, well over an hour of 5 ms, to notice."""

AT_THE_END = 0.01
"""Fraction of a curve's range (for a softplus, of its largest slope) within which a response is at its end: the slope,
and with it every gradient, is then a few per cent of the largest at most."""

CEILING_SHARE = 0.5
"""Share of the bins at the upper end from which on a neuron is saturated: most of the time."""

FLOOR_SHARE = 0.999
"""The same for the lower end, where sparse neurons rightly are most of the time: of a minute in bins of 5 ms, a dozen
bins are left to learn from."""

EXCERPT_BINS = 256
CUTS = 4
SUMMED_TERMS = 1000
"""Rounding errors of a sum of so many terms are allowed before a change counts as one."""


def not_finite_rates(sample: Sample, known: Collection[int | None]) -> list[Finding]:
    """A finding for each neuron whose response is NaN or infinite, unless its tensors are ``known`` to be."""
    if None in known:
        return []
    wrong = (~sample.rates.isfinite()).sum(1)
    bins = sample.rates.shape[1]
    return [
        Finding(
            "not_finite",
            n,
            f"Its response is NaN or infinite in {int(wrong[n])} of {bins} bins, with parameters that are finite: "
            "something overflows or is divided by zero on the way. Look for large weights and levels.",
            {"bins": int(wrong[n]), "of": bins},
        )
        for n in wrong.nonzero()[:, 0].tolist()
        if n not in known
    ]


def dead_or_saturated(
    model: nn.Module, sample: Sample, skip: Collection[int], strange: Collection[int | None] = ()
) -> list[Finding]:
    """Findings about neurons whose response is constant, or at an end of their output curve most of the time.

    What was recorded of ``strange`` neurons has no known unit, and is no measure of what a constant is.
    """
    x = sample.rates
    mean, deviation = x.mean(1), x.std(1, correction=0)
    typical = deviation[deviation.isfinite()]
    scale = torch.maximum(mean.abs(), typical.median() if len(typical) else deviation.new_zeros(()))
    variation = recorded_variation(sample)
    if variation is not None:
        variation[[n for n in strange if n is not None]] = 0.0
        scale = torch.maximum(scale, variation.nan_to_num(0.0))
    constant = deviation <= DEAD_VARIATION * scale
    levels = sample.stimuli[:, 0].movedim(1, 2)[sample.inside]
    if bool((levels == levels[0]).all()):
        # Silence, a steady sound, a single bin: these leave the response of a good model the same, too.
        constant = torch.zeros_like(constant)
    low, high, room = curve_ends(model, x.shape[0])
    at_floor = (x <= low[:, None] + room[:, None]).double().mean(1)
    at_ceiling = (x >= high[:, None] - room[:, None]).double().mean(1)
    silent = recorded_silence(sample)
    found = []
    for n in range(x.shape[0]):
        if n in skip:
            continue
        level = f"{float(mean[n]):.2g}"
        if at_ceiling[n] > CEILING_SHARE:
            share = float(at_ceiling[n])
            sentence = (
                f"Its response is at the ceiling of its output curve ({float(high[n]):.2g}) in {share:.0%} of the "
                "bins, where it neither tells sounds apart nor learns. Raise its threshold or amplitude, and fit again."
            )
            evidence = {"share": share, "ceiling": float(high[n])}
            found.append(Finding("saturated", n, sentence, evidence, _curve(model)))
        elif constant[n]:
            sentence = (
                f"Its response stays at {level} (standard deviation {float(deviation[n]):.1g}) whatever is played. "
                "Look at its threshold and at its weights, and fit it again from other first values."
            )
            evidence = {"mean": float(mean[n]), "deviation": float(deviation[n]), "scale": float(scale[n])}
            found.append(Finding("dead", n, sentence, evidence))
        elif at_floor[n] > FLOOR_SHARE and at_floor[n] > silent[n]:
            share = float(at_floor[n])
            sentence = (
                f"Its response is at the floor of its output curve ({float(low[n]):.2g}) in {share:.2%} of the bins, "
                "where it does not learn. Lower its threshold, and fit again."
            )
            found.append(Finding("saturated", n, sentence, {"share": share, "floor": float(low[n])}, _curve(model)))
    return found


def _curve(model: nn.Module) -> str | None:
    """Name of the first parameter of the output curve, where it has one."""
    activation = getattr(getattr(model, "readout", None), "activation", None)
    names = [] if activation is None else [name for name, _ in activation.named_parameters()]
    return f"readout.activation.{names[0]}" if names else None


def curve_ends(model: nn.Module, n_neurons: int) -> tuple[Tensor, Tensor, Tensor]:
    """Floor and ceiling of each neuron's output curve (infinite where it has none), and how near counts as there.

    Three tensors (N,), float64. A softplus is at its floor where its slope is under ``AT_THE_END`` of the largest,
    which is ``AT_THE_END / beta`` above; a ReLU where it is 0.
    """
    curve = getattr(getattr(model, "readout", None), "activation", None)
    ends = OUTPUT_CURVES.get(type(curve), OutputCurve()).ends(curve)
    low, high, width = (torch.as_tensor(end, dtype=torch.float64).detach().cpu().expand(n_neurons) for end in ends)
    return low, high, AT_THE_END * torch.where(high.isfinite() & low.isfinite(), high - low, width)


def recorded_variation(sample: Sample) -> Tensor | None:
    """Standard deviation (N,) over time of the mean recorded response; NaN where nothing was recorded."""
    mean = sample.mean_response
    if mean is None:
        return None
    return (mean.square().nanmean(1) - mean.nanmean(1).square()).clamp(min=0).sqrt()


def recorded_silence(sample: Sample) -> Tensor:
    """Share (N,) of the recorded bins in which the mean response is at its lowest; 0 where nothing was recorded."""
    mean = sample.mean_response
    if mean is None:
        return torch.zeros(sample.predicted.shape[1])
    lowest = mean.nan_to_num(torch.inf).amin(1, keepdim=True)
    count = (~mean.isnan()).sum(1).clamp(min=1)
    return (mean == lowest).sum(1) / count


def sees_future(model: nn.Module, sample: Sample, skip: Collection[int]) -> list[Finding]:
    """Findings about responses that change when only the sound after them does: one for the model where all do.

    A busy excerpt is played several times: as it is, and with everything after a cut replaced by silence, or by the
    loudest level there is.
    """
    x = busiest_excerpt(sample)
    L = x.shape[-1]
    cuts = sorted({max(1, L * (i + 1) // (CUTS + 1)) for i in range(CUTS)})
    if L < 2:
        return []
    quiet, loud = float(x.min()), float(x.max())
    levels = (quiet, loud if loud > quiet else quiet + 1.0)
    versions = [x, *(torch.cat([x[..., :t], torch.full_like(x[..., t:], v)], -1) for t in cuts for v in levels)]
    answers = predict(model, torch.cat(versions))[:, :, 0].double()
    base, changed = answers[0], answers[1:]
    rounding = SUMMED_TERMS * torch.finfo(next((p.dtype for p in model.parameters()), x.dtype)).eps
    difference = (changed - base).abs().nan_to_num(0.0)
    before = torch.arange(L) < torch.tensor([t for t in cuts for _ in levels])[:, None]
    difference = torch.where(before[:, None], difference, 0.0)
    scale = base.nan_to_num(0.0).abs().amax(1)
    leaked = difference > rounding * scale[:, None]
    neurons = [n for n in leaked.any(-1).any(0).nonzero()[:, 0].tolist() if n not in skip]
    ahead = [
        max(t - int(leaked[i, n].nonzero()[0]) for i, t in enumerate(_twice(cuts)) if bool(leaked[i, n].any()))
        for n in neurons
    ]
    largest = [float(difference[:, n].max() / scale[n].clamp(min=torch.finfo(torch.float64).tiny)) for n in neurons]
    N = base.shape[0]
    if len(neurons) == N > 1:
        return [_future(sample, None, max(ahead), max(largest))]
    return [_future(sample, n, a, c) for n, a, c in zip(neurons, ahead, largest, strict=True)]


def _twice(cuts: list[int]) -> list[int]:
    return [t for t in cuts for _ in range(2)]


def _future(sample: Sample, neuron: int | None, ahead: int, change: float) -> Finding:
    whose = "Every response" if neuron is None else "Its response"
    sentence = (
        f"{whose} changes, by up to {change:.1%} of its peak, when only the sound after it does, from up to "
        f"{sample.bins(ahead)} ahead: no neuron can. Look for a kernel that is centred or padded on the right, or "
        "for a norm or a recurrence that runs over all of time."
    )
    return Finding("sees_future", neuron, sentence, {"bins_ahead": ahead, "relative_change": change})


def busiest_excerpt(sample: Sample) -> Tensor:
    """Piece (1, 1, F, L) of the stimuli with the largest variance over time, L at most ``EXCERPT_BINS``."""
    T = sample.stimuli.shape[-1]
    L = min(T, EXCERPT_BINS)
    starts = range(0, T - L + 1, max(1, L // 2))
    pieces = [(b, s) for b in range(len(sample.stimuli)) for s in starts if bool(sample.inside[b, s + L - 1])]
    if not pieces:  # every sound is shorter than that
        b = int(sample.inside.sum(1).argmax())
        return sample.stimuli[b : b + 1, ..., : int(sample.inside[b].sum())]
    b, s = max(pieces, key=lambda at: float(sample.stimuli[at[0], ..., at[1] : at[1] + L].var(-1, correction=0).sum()))
    return sample.stimuli[b : b + 1, ..., s : s + L]
