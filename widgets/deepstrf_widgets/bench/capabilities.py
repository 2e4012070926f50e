"""Description of the stages of a model for the browser: which editor fits each, and whether it can compute them all."""

from __future__ import annotations

from typing import Any

from torch import nn

from deepstrf.models import NeuralModel
from deepstrf.models.audio.audio_model import AudioEncodingModel
from deepstrf.models.readouts import STRFReadout
from deepstrf.models.registry import KERNELS, PREFILTERS, UNKNOWN, Layer, curve_kind, kernel_entry
from deepstrf.models.switches import has_switches

from ..session.model_copy import runs_as_written
from ..session.parameters import Parameter
from ..session.staged_forward import StagedForward, affine_of

__all__ = ["activation_slot", "is_local", "prefilter_slot", "receptive_field_kind"]


def receptive_field_kind(chain: StagedForward, parameters: dict[str, Parameter]) -> str:
    """Kind of receptive field: "gaussians", "separable", "full" (also one to look at only), "gradient" or "none"."""
    readout = chain.model.readout
    if isinstance(readout, STRFReadout) and any(name.startswith("strf.") for name in parameters):
        return kernel_entry(readout.strf.kernel).kind
    if chain.kernel(0) is not None:
        return "full"
    return "none" if chain.gradient_map(0) is None else "gradient"


def prefilter_slot(model: NeuralModel, parameters: dict[str, Parameter]) -> dict[str, Any]:
    """Kind, name, editable rows and number of taps of the prefilter, and whether the browser can compute it."""
    prefilter = model.prefiltering
    return {
        "kind": PREFILTERS.get(type(prefilter), Layer()).kind,
        "label": type(prefilter).__name__,
        "rows": [name for name in parameters if name.startswith("prefilter.")],
        "taps": int(getattr(prefilter, "kernel_size", 1)),
        "local": _is_local_prefilter(model),
    }


def _is_local_prefilter(model: NeuralModel) -> bool:
    """Whether the browser can compute what the prefilter makes of the stimulus, whatever comes behind it."""
    prefilter = model.prefiltering
    return (
        PREFILTERS.get(type(prefilter), Layer()).kind != UNKNOWN
        and type(model.wav2spec) is nn.Identity
        and type(model).prefiltered in (NeuralModel.prefiltered, AudioEncodingModel.prefiltered)
        and runs_as_written(prefilter)
        and not has_switches(prefilter)
    )


def activation_slot(model: NeuralModel, parameters: dict[str, Parameter]) -> dict[str, Any]:
    """Kind, name and editable parameters of the output curve; "other" where the browser does not know it."""
    readout = model.readout
    activation = readout.activation if isinstance(readout, STRFReadout) else None
    return {
        "kind": UNKNOWN if activation is None else curve_kind(activation),
        "label": "" if activation is None else type(activation).__name__,
        "names": [name.split(".")[1] for name in parameters if name.startswith("activation.")],
    }


def is_local(chain: StagedForward) -> bool:
    """Whether the browser knows every step: prefilter, receptive field, batch norm, output curve, and nothing else."""
    model, readout = chain.model, chain.model.readout
    if not isinstance(readout, STRFReadout) or chain.form.whole or not runs_as_written(model):
        return False
    kernel = readout.strf.kernel
    return (
        chain.form.drive_by_neuron
        and type(kernel) in KERNELS
        and kernel_entry(kernel).kind != UNKNOWN
        and bool(affine_of(model, 0).numel())
        and _is_local_prefilter(model)
        and type(model.core) is nn.Identity
        and curve_kind(readout.activation) != UNKNOWN
    )
