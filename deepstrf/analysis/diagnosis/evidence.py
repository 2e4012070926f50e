"""Checks of what the data can say about a field at all: bands without sound, tuning that may lie anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.sample import Sample
from deepstrf.analysis.tuning import best_frequency
from deepstrf.models.readouts import STRFReadout
from deepstrf.stimuli.evidence import heard_weights, moving_bands

LEAST_BINS = 200
"""A shorter sound is no sample of what a recording plays."""

WIDE = 0.8
"""Share of its axis from which on an interval says that the tuning may lie anywhere."""

ASIDE = 1.0
"""Widths of the interval, and bands, by which a peak must lie outside to be called another one: fits scatter too."""

LEVEL = 0.95
OCTAVES, MILLISECONDS = "octaves", "ms"


class Interval(Protocol):
    """A read-out of each field, (N, C), and the interval that holds it; see `deepstrf.training.Band`."""

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Lower and upper end, (N, C) each."""


def silent_bands(model: nn.Module, sample: Sample, cf_hz: Tensor | None) -> list[Finding]:
    """A finding about the model where the sounds never move some of the bands of its receptive fields."""
    readout = getattr(model, "readout", None)
    still = ~moving_bands(sample.stimuli, sample.inside.sum(1).tolist())[0].cpu()
    F, count = len(still), int(still.sum())
    if not isinstance(readout, STRFReadout) or not 0 < count < F or int(sample.inside.sum()) < LEAST_BINS:
        return []
    field = readout.STRF_weight().detach().abs().double().cpu()
    bands = still.nonzero()[:, 0]
    where = _spans(bands, cf_hz)
    ruled = 0
    if field.ndim == 4 and field.shape[2] == F:
        ruled = int((field[:, :, still].amax((1, 2, 3)) > field[:, :, ~still].amax((1, 2, 3))).sum())
    ruling = f" The largest weight of {ruled} of {len(field)} fields stands there." if ruled else ""
    sentence = (
        f"These sounds never move {count} of {F} bands ({where}): weights there are the start of the fit or its prior, "
        f"not a finding.{ruling} Leave them out of pictures and read-outs "
        "(`deepstrf.stimuli.moving_bands`), or choose bands where there is sound."
    )
    evidence = {"bands": count, "of": F, "fields_ruled": ruled}
    return [Finding("silent_bands", None, sentence, evidence)]


def _spans(bands: Tensor, cf_hz: Tensor | None) -> str:
    """Runs of neighbouring bands in words: "bands 1 to 4, 13" or with their frequencies."""
    runs: list[list[int]] = []
    for band in bands.tolist():
        if runs and band == runs[-1][-1] + 1:
            runs[-1].append(band)
        else:
            runs.append([band])

    def named(band: int) -> str:
        return str(band + 1) if cf_hz is None else f"{float(cf_hz[band]) / 1000:.3g}"

    text = ", ".join(named(run[0]) + (f" to {named(run[-1])}" if len(run) > 1 else "") for run in runs[:4])
    text += ", …" if len(runs) > 4 else ""
    return f"bands {text}" if cf_hz is None else f"{text} kHz"


def uncertain_tuning(
    confidence: Mapping[str, Interval], sample: Sample, n_neurons: int, n_lags: int | None, cf_hz: Tensor | None
) -> list[Finding]:
    """A finding for each neuron whose best frequency or latency may lie nearly anywhere.

    Raises
    ------
    ValueError
        A band is of another number of neurons.
    """
    axes = {}
    if cf_hz is not None:
        axes["best_frequency"] = (float((cf_hz[-1] / cf_hz[0]).log2()), OCTAVES)
    if n_lags is not None and sample.dt_ms is not None:
        axes["latency"] = ((n_lags - 1) * sample.dt_ms, MILLISECONDS)
    found = []
    for name, (axis, unit) in axes.items():
        if name not in confidence or axis <= 0:
            continue
        low, high = (end.double().cpu() for end in confidence[name].interval(LEVEL))
        if low.ndim == 0 or len(low) != n_neurons:
            raise ValueError(f"confidence[{name!r}] must have one row per neuron ({n_neurons}), got {tuple(low.shape)}")
        width = (high.clamp(min=1e-9).log2() - low.clamp(min=1e-9).log2()) if unit == OCTAVES else high - low
        width = width.reshape(n_neurons, -1).nan_to_num(0.0)
        # The channel that is known best: a neuron need not have a tuning in each.
        narrowest = torch.where(width > 0, width, torch.inf).amin(1)
        for n in ((narrowest >= WIDE * axis) & narrowest.isfinite()).nonzero()[:, 0].tolist():
            label = name.replace("_", " ")
            sentence = (
                f"The {LEVEL:.0%} interval of its {label} is {float(narrowest[n]):.2g} {unit} wide, of an axis of "
                f"{axis:.2g}: these data do not say where it is tuned. Do not read its peak; record more, or leave it "
                "out of summaries."
            )
            evidence = {"width": float(narrowest[n]), "axis": axis}
            found.append(Finding("uncertain_tuning", n, sentence, evidence))
    return found


def misread_tuning(
    confidence: Mapping[str, Interval], model: nn.Module, sample: Sample, cf_hz: Tensor | None
) -> list[Finding]:
    """A finding for each neuron whose field has its peak at a frequency that the data speak against.

    Of the channel with the largest peak. Where bands go together in the sounds, a field may stand in either of them,
    as a few Gaussians do, and predict as well.
    """
    readout = getattr(model, "readout", None)
    if "best_frequency" not in confidence or cf_hz is None or not isinstance(readout, STRFReadout):
        return []
    with torch.no_grad():
        field = readout.effective_STRF()[0].double().cpu()
    low, high = (end.double().cpu() for end in confidence["best_frequency"].interval(LEVEL))
    if field.shape[2] != len(cf_hz) or low.shape != field.shape[:2]:
        return []
    heard = heard_weights(sample.stimuli, field.shape[-1], sample.inside.sum(1).tolist())[:1].cpu()
    field = torch.where(heard, field, 0.0)
    channel = field.amax((2, 3)).argmax(1, keepdim=True)
    peak, low, high = (x.gather(1, channel)[:, 0].log2() for x in (best_frequency(field, cf_hz.cpu()), low, high))
    octaves = cf_hz.double().cpu().log2()
    band = octaves.diff()[torch.bucketize(peak, octaves[1:-1])]
    outside = torch.maximum(low - peak, peak - high) > ASIDE * torch.maximum(high - low, band)
    found = []
    for n in outside.nonzero()[:, 0].tolist():
        at, ends = float(peak[n].exp2()), [float(end[n].exp2()) for end in (low, high)]
        sentence = (
            f"Its field has its peak at {at:.3g} Hz, but by these data its best frequency lies between {ends[0]:.3g} "
            f"and {ends[1]:.3g} Hz ({LEVEL:.0%} interval): sounds whose bands go together let a field stand in another "
            "band. Read its tuning off the estimate beside the interval (`deepstrf.training.posterior`), not the field."
        )
        found.append(Finding("misread_tuning", n, sentence, {"peak_hz": at, "low_hz": ends[0], "high_hz": ends[1]}))
    return found
