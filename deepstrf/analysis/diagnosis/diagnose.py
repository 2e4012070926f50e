"""Everything that is suspicious in a trained model, in one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor, nn

from deepstrf.analysis.axes import check_dt
from deepstrf.analysis.diagnosis.agreement import disagreements, not_counts
from deepstrf.analysis.diagnosis.evidence import Interval, misread_tuning, silent_bands, uncertain_tuning
from deepstrf.analysis.diagnosis.finding import Diagnosis, Finding
from deepstrf.analysis.diagnosis.gaussians import off_grid, overlapping
from deepstrf.analysis.diagnosis.peaks import misplaced_peaks
from deepstrf.analysis.diagnosis.rates import curve_ends, dead_or_saturated, not_finite_rates, sees_future
from deepstrf.analysis.diagnosis.sample import Sample, sample_of
from deepstrf.analysis.diagnosis.scores import above_ceiling, overfitting
from deepstrf.analysis.diagnosis.steadiness import unsteady
from deepstrf.analysis.diagnosis.tensors import exploding, flipped_sign, not_finite_tensors
from deepstrf.arguments import check_has_weights, checked_names
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.models.readouts import STRFReadout, check_batch_norm
from deepstrf.stimuli import Spectrogram


@keywords()
def diagnose(
    model: nn.Module,
    stimulus: Recording | Spectrogram | ArrayLike,
    responses: ArrayLike | None = None,
    *,
    held_out: Recording | tuple[Any, Any] | None = None,
    confidence: Mapping[str, Interval] | None = None,
    dt_ms: float | None = None,
    cf_hz: Tensor | None = None,
    neuron_names: Sequence[str] | None = None,
) -> Diagnosis:
    """What is suspicious in a trained model, the worst first, each with its evidence and what to do about it.

    ================ ======================================================================= =====================
    kind             what was seen                                                           needs
    ================ ======================================================================= =====================
    not_finite       NaN or infinity in a parameter, a buffer or a response
    sees_future      a response that changes when only the sound after it does
    dead             a response that is constant, or as good as
    upside_down      a prediction that falls where more was recorded                         responses
    other_neuron     a recorded response that another neuron's prediction fits far better    responses
    other_sound      recorded responses that predictions for other sounds fit far better     responses
    shifted          a recorded response earlier or later than the sound or the prediction   responses
    exploding        a parameter far larger than the other neurons' or than it begins
    saturated        a response at an end of its output curve most of the time               a curve with an end
    not_counts       recorded responses: constant, negative, clipped, too many, copied       responses
    unsteady         recorded responses that end, or drift, over the sounds in their order   responses
    poor_score       a prediction far under the noise ceiling, or under a linear field       responses
    off_level        a prediction whose mean is wrong, or right in shape and wrong in size   responses
    above_ceiling    a prediction better than the noise of the trials allows                 two trials
    overfitting      most of the explained variance gone on sounds that were held out        ``held_out``
    uncertain_tuning a best frequency or latency that may lie nearly anywhere on its axis    ``confidence``
    misread_tuning   a field with its peak at a frequency that the data speak against        responses, bands in Hz
    off_grid         a Gaussian centred beyond the bands or lags of its field                Gaussians
    silent_bands     bands of the field that the sounds never move                           an STRF readout
    overlapping      two Gaussians of one field in one place and of one size                 Gaussians
    flipped_sign     a receptive field that the batch norm turns into its negative           an STRF readout
    ================ ======================================================================= =====================

    What does not apply to a model is left out. A neuron whose numbers are not finite is looked at no further, one with
    an error or a warning of its own is not held against the recording too, and of what disagrees with the recording the
    most likely cause is named alone: mend it, and look again. The limits are constants of the modules of
    `deepstrf.analysis.diagnosis`, each with its reason.

    Parameters
    ----------
    model : Module
        Maps (B, 1, F, T) to (B, N, 1, T). It is run in evaluation mode and left as it is.
    stimulus : Recording, Spectrogram, or Tensor or array of shape (B, 1, F, T) or (F, T)
        Sounds to play; with ``held_out``, those that the model was fitted to.
    responses : Tensor or array, shape (B, N, R, T), optional
        Recorded responses to them, (N, R, T) for one sound, NaN where nothing was recorded. Not with a Recording,
        which has them.
    held_out : Recording, or tuple of such a stimulus and its responses, optional
        Sounds that the model was not fitted to, with their responses. Scores are then held against the noise ceiling
        here, since a fit is expected to know some of the noise of its own data.
    confidence : mapping of str to Band, optional
        ``"best_frequency"`` in Hz and ``"latency"`` in ms, as `deepstrf.training.posterior` and `jackknife` give them.
        Without them a field's peak is only compared with that of a smooth field that explains the responses: that finds
        peaks in the wrong band, and says nothing of how sure the others are.
    dt_ms : float, optional
        Bin width in ms, for the sentences; a Recording or a Spectrogram brings it along.
    cf_hz : Tensor, shape (F,), optional
        Centre frequencies in Hz, ascending, for the width of the axis; likewise.
    neuron_names : sequence of str, optional
        For the table; a Recording brings them along.

    Returns
    -------
    Diagnosis
        A tuple of `Finding`; printed, a table.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; the message names it.

    Examples
    --------
    >>> import deepstrf
    >>> demo = deepstrf.load_demo()
    >>> diagnose(demo.model, demo.stimulus, demo.responses)
    Diagnosis: nothing suspicious
    >>> demo.model.readout.bn.weight.data[2] *= -1
    >>> finding, = diagnose(demo.model, demo.stimulus, demo.responses)
    >>> finding.kind, finding.neuron, finding.evidence["score"] < 0
    ('upside_down', 2, True)
    >>> finding, = diagnose(demo.model, demo.stimulus)
    >>> finding.kind, finding.neuron, finding.parameter
    ('flipped_sign', 2, 'readout.bn.weight')
    """
    check_has_weights(model=model)
    if isinstance(readout := getattr(model, "readout", None), STRFReadout):
        check_batch_norm(readout)
    if dt_ms is not None:
        check_dt(dt_ms)
    sample = sample_of(model, "stimulus", stimulus, responses, dt_ms)
    N = sample.predicted.shape[1]
    names = neuron_names
    if names is None and isinstance(stimulus, Recording):
        names = stimulus.neuron_names
    if names is not None:
        names = checked_names("neuron_names", names)
    if names is not None and len(names) != N:
        raise ValueError(f"neuron_names must have one name per neuron ({N}), got {len(names)}")

    if cf_hz is None and isinstance(stimulus, (Recording, Spectrogram)):
        cf_hz = stimulus.cf_hz

    found = not_finite_tensors(model)
    found += not_finite_rates(sample, {finding.neuron for finding in found})
    sick = {finding.neuron for finding in found}
    skip = set(range(N)) if None in sick else {n for n in sick if n is not None}
    found += sees_future(model, sample, skip)
    other = None if held_out is None else _held_out_sample(model, held_out, sample.dt_ms)
    floor, _, _ = curve_ends(model, N)
    strange = {one.neuron: one for part in (sample, other) if part for one in not_counts(part, floor, skip)}
    found += strange.values()
    found += dead_or_saturated(model, sample, skip, strange)
    found += exploding(model) + off_grid(model, sample.dt_ms) + overlapping(model)
    flipped = flipped_sign(model)
    found += silent_bands(model, sample, cf_hz)
    judged = sample if other is None else other
    where = "these sounds" if other is None else "the held-out sounds"
    ailing = skip | {one.neuron for one in strange.values() if one.neuron is not None}
    found += {one.neuron: one for one in _unsteady(sample, other, ailing)}.values()
    found += above_ceiling(judged, skip, where)
    if other is not None:
        found += overfitting(sample, other, skip)
    mind = {finding.neuron for finding in found if finding.severity != "note"}
    silent = skip | (set(range(N)) if None in mind else {n for n in mind if n is not None})
    found += disagreements(judged, silent, where, fitted=None if other is None else sample)
    upside_down = {finding.neuron for finding in found if finding.kind == "upside_down"}
    found += [finding for finding in flipped if finding.neuron not in upside_down]
    if confidence is not None:
        found += uncertain_tuning(confidence, sample, N, _lags(model), cf_hz)
        found += misread_tuning(confidence, model, sample, cf_hz)
    if confidence is None or "best_frequency" not in confidence:
        found += misplaced_peaks(model, sample, cf_hz, silent)
    return Diagnosis(found, names)


def _unsteady(sample: Sample, held_out: Sample | None, skip: Collection[int]) -> list[Finding]:
    found = unsteady(sample, skip, "these sounds" if held_out is None else "the sounds that it was fitted to")
    return found if held_out is None else unsteady(held_out, skip, "the held-out sounds") + found


def _lags(model: nn.Module) -> int | None:
    readout = getattr(model, "readout", None)
    return readout.STRF_weight().shape[-1] if isinstance(readout, STRFReadout) else None


def _held_out_sample(model: nn.Module, held_out: Recording | tuple[Any, Any], dt_ms: float | None) -> Sample:
    if isinstance(held_out, Recording):
        return sample_of(model, "held_out", held_out)
    if isinstance(held_out, tuple) and len(held_out) == 2:
        return sample_of(model, "held_out", *held_out, dt_ms=dt_ms)
    raise TypeError(f"held_out must be a Recording or (stimuli, responses), got {type(held_out).__name__}")
