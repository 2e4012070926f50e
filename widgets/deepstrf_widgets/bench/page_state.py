"""State of a session for the browser: a description of the model, and one neuron as bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepstrf.models.registry import BIAS, KERNELS, UNKNOWN

from ..session.evidence import heard_by, silence_text
from ..session.explanation import Explanation
from ..session.model_copy import runs_as_written
from ..session.parameters import Index, Parameter, channel_names
from ..session.reading import Snapshot
from ..session.scores import Score
from ..session.staged_forward import StagedForward, affine_of
from .capabilities import activation_slot, is_local, prefilter_slot, receptive_field_kind
from .spikes import recorded_spikes

__all__ = [
    "as_bytes",
    "changed_arrays",
    "explanation_message",
    "fit_of",
    "json_number",
    "kernel_names",
    "model_info",
    "moved_arrays",
    "neuron_traits",
    "sound_score",
]


def as_bytes(values: Tensor | np.ndarray) -> bytes:
    """Little-endian float32 in C order, as the browser reads it."""
    if isinstance(values, Tensor):
        values = values.detach().to("cpu", torch.float32).numpy()
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def json_number(value: float | None) -> float | None:
    """The number for JSON, which knows neither NaN nor infinity: then None."""
    return None if value is None or not math.isfinite(value) else round(value, 6)


def _field(chain: StagedForward, neuron: int) -> Tensor | None:
    """Receptive field that the browser shows of a neuron, or its gradient map, (C, F, T)."""
    kernel = chain.kernel(neuron)
    return chain.gradient_map(neuron) if kernel is None else kernel


def model_info(session: Snapshot, locked: Iterable[str], sound: int) -> dict[str, Any]:
    """Value of the trait ``info``: the model and the sound on screen, whichever neuron is."""
    kernel = _field(session.live, 0)
    C, F, T = (1, session.stimulus.shape[2], 1) if kernel is None else kernel.shape
    names = session.parameters
    kind = receptive_field_kind(session.live, names)
    table = [p for p in names.values() if p.name != "strf.bias"]
    activation = activation_slot(session.model, names)
    # A curve with hooks, or what a model does after it, is not the formula of its class.
    if session.live.form.whole or not runs_as_written(session.model.readout):
        activation["kind"] = UNKNOWN
    # As they are: the browser clamps to them, and one that was rounded could be refused.
    limits = {p.grid.name: [float(limit) for limit in p.grid.limits((0,))] for p in table}
    return {
        "model": type(session.model).__name__,
        "n_neurons": session.n_neurons,
        "n_bands": F,
        "n_lags": T,
        "n_channels": C,
        "n_gaussians": names["strf.weight"].shape[2] if kind == "gaussians" else 0,
        "n_frames": session.sound_bins[sound],
        "sound": sound,
        "n_sounds": len(session.stimulus),
        "sound_names": session.sound_names,
        "dt_ms": session.dt_ms,
        "delay_ms": session.delay_ms,
        "kind": kind,
        "columns": [{"name": name, "shape": list(names[name].shape[1:])} for name in _columns(names.values(), kind)],
        "channel_names": channel_names(C),
        "neuron_names": session.neuron_names,
        "stimulus_unit": session.stimulus_unit,
        "rate_unit": session.response_unit,
        "has_responses": session.responses is not None,
        "score_over": "all",
        "n_trials": 0 if session.responses is None else session.responses.shape[2],
        "prefilter": prefilter_slot(session.model, names),
        "activation": activation,
        "local": is_local(session.live),
        "locked": sorted(names[name].grid.name for name in locked),
        "limits": limits,
        "restrictions": session.restrictions,
        "unheard": _unheard(session, (C, F, T)),
    }


def _unheard(session: Snapshot, shape: tuple[int, ...]) -> dict[str, Any]:
    """Bands of the fields that have met no sound, the first frames that none has, and how many there are in words."""
    heard = heard_by(session)
    if heard is None or heard.shape != shape:
        return {"rows": [], "frames": 0, "text": ""}
    silent = (~heard.any(2)).flatten().nonzero()[:, 0].tolist()
    met = heard.flatten(0, 1).any(0).nonzero()[:, 0]
    return {"rows": silent, "frames": int(met[0]), "text": silence_text(session)}


def kernel_names(parameters: Iterable[Parameter], kind: str) -> list[str]:
    """Names of the parameters of a receptive field, its bias aside, where it is of that kind."""
    entry = next(entry for entry in KERNELS.values() if entry.kind == kind)
    columns = {f"strf.{column.name}" for column in entry.columns if column is not BIAS}
    return [parameter.name for parameter in parameters if parameter.grid.name in columns]


def _values(session: Snapshot, names: Iterable[str], index: Index, trained: bool) -> list[np.ndarray]:
    """Values of some parameters in units of the grid; NaN for trained ones of a layer that has replaced another."""
    now = {name: session.value(name, index, grid=True) for name in names}
    if not trained:
        return list(now.values())
    known = session.trained_parameters
    return [
        session.trained_value(name, index, grid=True) if name in known else np.full_like(value, np.nan)
        for name, value in now.items()
    ]


def _gaussians(session: Snapshot, neuron: int, *, trained: bool = False) -> bytes:
    """The columns of every Gaussian (C, G, 5); nothing for another field."""
    names = kernel_names(session.parameters.values(), "gaussians")
    return as_bytes(np.stack(_values(session, names, (neuron,), trained), axis=-1)) if names else b""


def _columns(parameters: Iterable[Parameter], kind: str) -> list[str]:
    """Names of the columns that ``factors`` holds: of every kernel that is made from fewer numbers but Gaussians."""
    made = kind not in ("gaussians", "full") and any(entry.kind == kind != UNKNOWN for entry in KERNELS.values())
    return kernel_names(parameters, kind) if made else []


def _factors(session: Snapshot, neuron: int, *, trained: bool = False) -> bytes:
    """The columns of a kernel one after the other, such as frequency profiles (C, F), then time profiles (C, T)."""
    names = _columns(session.parameters.values(), receptive_field_kind(session.live, session.parameters))
    return b"".join(as_bytes(column) for column in _values(session, names, (neuron,), trained))


def _prefilter(session: Snapshot, *, trained: bool = False) -> bytes:
    names = [name for name in session.parameters if name.startswith("prefilter.")]
    return as_bytes(np.stack(_values(session, names, (), trained))) if names else b""


def _activation(session: Snapshot, neuron: int, *, trained: bool = False) -> bytes:
    names = [name for name in session.parameters if name.startswith("activation.")]
    return as_bytes(np.array(_values(session, names, (neuron,), trained)))


def changed_arrays(session: Snapshot, sound: int, neuron: int, names: Iterable[str]) -> dict[str, bytes]:
    """Arrays that differ after the named parameters have changed."""
    stages = {name.split(".")[0] for name in names}
    parts = {}
    if "strf" in stages:
        kernel = _field(session.live, neuron)
        parts["gaussians"] = _gaussians(session, neuron)
        parts["kernel"] = b"" if kernel is None else as_bytes(kernel)
        parts["affine"] = as_bytes(affine_of(session.model, neuron))
        if factors := _factors(session, neuron):
            parts["factors"] = factors
    if "prefilter" in stages:
        parts["prefilter"] = _prefilter(session)
    if "activation" in stages:
        parts["activation"] = _activation(session, neuron)
    return {**parts, "rate": as_bytes(session.rate(neuron)[sound, : session.sound_bins[sound]])}


def moved_arrays(session: Snapshot, sound: int, neuron: int, *, local: bool) -> dict[str, bytes]:
    """Arrays of a neuron that a fit has moved: without field and response where the browser computes them itself."""
    if not local:
        return changed_arrays(session, sound, neuron, ("strf", "prefilter", "activation"))
    parts = {"gaussians": _gaussians(session, neuron), "factors": _factors(session, neuron)}
    if not any(parts.values()):
        kernel = _field(session.live, neuron)
        parts["kernel"] = b"" if kernel is None else as_bytes(kernel)
    return {
        **{name: part for name, part in parts.items() if part},
        "affine": as_bytes(affine_of(session.model, neuron)),
        "prefilter": _prefilter(session),
        "activation": _activation(session, neuron),
    }


def sound_score(session: Snapshot, neuron: int, sound: int, *, trained: bool = False) -> float | None:
    """Correlation over one sound of several; None where there is one."""
    if len(session.stimulus) == 1:
        return None
    return json_number(session.scores(neuron, trained=trained, sound=sound).r)


def fit_of(score: Score) -> dict[str, Any]:
    """Value of the trait ``fit``: what of a score is not blind to gain and offset."""
    return {
        "explained": json_number(score.explained),
        "normalized_explained": json_number(score.normalized_explained),
        "rate_bias": json_number(score.rate_bias),
        "mismatch": score.mismatch,
    }


def _trials_of(session: Snapshot, neuron: int, sound: int, bins: int) -> Tensor | None:
    return None if session.responses is None else session.responses[sound, neuron, :, :bins]


def explanation_message(found: Explanation) -> tuple[dict[str, Any], list[bytes]]:
    """An explanation for the browser, and its arrays: the stretch of sound, then the products."""

    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    fields = {
        "neuron": found.neuron,
        "frame": found.frame,
        "shape": list(found.field.shape),
        "channel_names": list(found.channel_names),
        "sums": [plain(value) for value in found.sums],
        **{name: plain(getattr(found, name)) for name in ("bias", "gain", "offset", "drive", "rate")},
        "is_gradient": found.is_gradient,
    }
    return fields, [as_bytes(found.stretch), as_bytes(found.products)]


def neuron_traits(session: Snapshot, sound: int, neuron: int) -> dict[str, Any]:
    """Values of all traits that belong to one neuron, its trials aside."""
    trained_kernel = _field(session.trained, neuron)
    psth, bins = session.psth(neuron), session.sound_bins[sound]
    return {
        "factors": b"",
        **changed_arrays(session, sound, neuron, ("strf", "prefilter", "activation")),
        "of_neuron": neuron,
        "trained_prefilter": _prefilter(session, trained=True),
        "trained_activation": _activation(session, neuron, trained=True),
        "trained_affine": as_bytes(affine_of(session.trained.model, neuron)),
        "trained_gaussians": _gaussians(session, neuron, trained=True),
        "trained_factors": _factors(session, neuron, trained=True),
        "trained_kernel": b"" if trained_kernel is None else as_bytes(trained_kernel),
        "trained_rate": as_bytes(session.trained.rate(neuron)[sound, :bins]),
        "psth": b"" if psth is None else as_bytes(psth[sound, :bins]),
        "spikes": as_bytes(recorded_spikes(_trials_of(session, neuron, sound, bins))),
        "score": json_number(session.score(neuron)),
        "sound_score": sound_score(session, neuron, sound),
        "trained_sound_score": sound_score(session, neuron, sound, trained=True),
        "trained_score": json_number(session.trained_score(neuron)),
        "normalized_score": json_number(session.normalized_score(neuron)),
        "trained_normalized_score": json_number(session.trained_normalized_score(neuron)),
        "fit": fit_of(session.scores(neuron)),
        "trained_fit": fit_of(session.scores(neuron, trained=True)),
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "edited": session.edited(neuron),
    }
