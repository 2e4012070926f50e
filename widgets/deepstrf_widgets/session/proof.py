"""How a model may be computed: what its parts promise, compared with its own forward pass."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from deepstrf.models import NeuralModel
from deepstrf.models.readouts import STRFReadout

from .model_copy import own_tensors
from .staged_forward import COMPOSED, Form, StagedForward, correlate

__all__ = ["hooked", "proven_form"]

EXCERPT = 64
"""Bins, beyond the taps of the receptive field, on which stages are compared with the model."""

TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}
"""Differences up to so much of the largest value are rounding; of other types 1e-2."""

CALLED_AS_IT_IS = Form("whole", shareable=True)

ERRORS = (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError, AttributeError, KeyError)
"""What a module raises that is called in a way, or a type, that it was not made for."""


def proven_form(model: NeuralModel, stimulus: Tensor) -> Form:
    """How ``model`` may be computed on sounds like ``stimulus`` (B, 1, F, T).

    Receptive field and stages are run on the first bins of the stimulus and on noise of the same size, for the first
    and the last neuron, and compared with the model's kernel and with its forward pass. What disagrees is computed in a
    way that asks less of the model, in the end by that forward pass itself. The model is copied, not called.
    """
    form = Form.of(model)
    if not isinstance(model.readout, STRFReadout):
        return form if form.shareable else replace(form, varies=not repeats(model, stimulus[:1]))
    taps = int(getattr(model.readout.strf, "T", 1))
    real = stimulus[:1, ..., : taps + EXCERPT]
    noise = torch.rand(real.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(real)
    sounds = (real, real.min() + (real.max() - real.min()) * noise)
    # In float64 and both at once, where the model can, so that no rounding hides a difference or looks like one.
    precise = own_tensors(model).double()
    try:
        trials = [Trial(precise, torch.cat(sounds).double())]
    except ERRORS:
        trials = [Trial(model, sound) for sound in sounds]
    if not all(trial.field_agrees(form) for trial in trials):
        form = replace(form, field=COMPOSED, drive_by_neuron=False)
        if not all(trial.field_agrees(form) for trial in trials):
            form = replace(form, field="")
    if not form.whole and not all(trial.rate_agrees(form) for trial in trials):
        form = replace(form, whole=_reason(model), drive_by_neuron=False, rate_by_neuron=False)
    return form if form.shareable else replace(form, varies=not repeats(model, sounds[0]))


def repeats(model: NeuralModel, sound: Tensor) -> bool:
    """Whether a model gives the same answer again: it may be random, or count how often it is called."""
    called = copy.deepcopy(model)
    first, second = (StagedForward(called, sound, CALLED_AS_IT_IS).respond(sound.clone()) for _ in range(2))
    return first.shape == second.shape and _close(first.flatten(1), second.flatten(1))


class Trial:
    """A model on short sounds: its answer (B, N, T), against what its stages make of them."""

    def __init__(self, model: NeuralModel, sound: Tensor) -> None:
        self.model, self.sound = model, sound
        self._by_form: dict[Form, StagedForward] = {}
        self.answer = StagedForward(model, sound).respond(sound)[:, :, 0]

    def _stages(self, form: Form) -> StagedForward:
        return self._by_form.setdefault(form, StagedForward(self.model, self.sound, form))

    def field_agrees(self, form: Form) -> bool:
        """Whether the receptive field, correlated with the sound, gives what the kernel gives."""
        stages = self._stages(form)
        strf = cast(STRFReadout, self.model.readout).strf
        try:
            padded = stages._padded()
            linear = stages._usable(strf.kernel)(stages._input(padded))[:, :, 0]
            fields = {neuron: stages._kernel(neuron) for neuron in self._neurons()}
            bias = getattr(strf.kernel, "bias", None)
            bias = bias if isinstance(bias, Tensor) else strf.STRF_bias()
            return all(
                field is not None and _close(correlate(padded, field) + bias[neuron], linear[:, neuron])
                for neuron, field in fields.items()
            )
        except ERRORS:
            return False

    def rate_agrees(self, form: Form) -> bool:
        """Whether the stages give what the forward pass gives."""
        stages = self._stages(form)
        try:
            return all(_close(stages.rate(neuron), self.answer[:, neuron]) for neuron in self._neurons())
        except ERRORS:
            return False

    def _neurons(self) -> set[int]:
        return {0, self.answer.shape[1] - 1}


def _close(one: Tensor, other: Tensor) -> bool:
    """Whether two answers (B, T) agree, to each sound by itself."""
    if one.shape != other.shape:
        return False
    tolerance = TOLERANCES.get(other.dtype, 1e-2)
    one, other = one.nan_to_num(), other.nan_to_num()  # a fit that failed leaves NaN
    return bool(((one - other).abs().amax(-1) <= tolerance * other.abs().amax(-1)).all())


def hooked(model: nn.Module) -> Iterator[str]:
    """What stands between the parts of a model and the formulas of their types, each as a few words."""
    for name, module in model.named_modules():
        where = name or type(model).__name__
        if module._forward_hooks or module._forward_pre_hooks:
            yield f"{where} has a forward hook"
        if "forward" in vars(module):
            yield f"{where} has a forward of its own"
        if name and not type(module).__module__.startswith(("torch.", "deepstrf.")):
            yield f"{where} is a {type(module).__name__}"


def _reason(model: NeuralModel) -> str:
    found = next(hooked(model), "")
    return "its stages do not add up to its forward pass" + (f" ({found})" if found else "")
