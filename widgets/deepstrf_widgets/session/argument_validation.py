"""Arguments of a session, checked: each in the form that the session keeps, or an error that names it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from deepstrf.arguments import as_tensor, checked_names
from deepstrf.datasets import Recording
from deepstrf.deprecation import did_you_mean
from deepstrf.models import NeuralModel
from deepstrf.models.prefiltering import get_CFs
from deepstrf.models.recorded_axes import SPIKES, RecordedAxes
from deepstrf.stimuli import Spectrogram
from deepstrf.user_warning import warn_user

from .events import Edit
from .parameters import Index, Parameter, channel_names

__all__ = [
    "SessionInputs",
    "Sound",
    "as_batch",
    "checked_edits",
    "checked_inputs",
    "checked_sound",
    "named_index",
    "neuron_index",
    "refuse_beside_session",
]

SAME = 1e-4
"""Relative difference of bin widths or centre frequencies below which they are the same: float32 and rounded files."""

Sound = Recording | Spectrogram | ArrayLike | Tensor
"""What may be played: arrays and tensors have shape (F, T), (1, F, T) or (B, 1, F, T)."""


class SessionInputs(NamedTuple):
    """Stimuli (B, 1, F, T), responses (B, N, R, T) or None, and what belongs to their axes.

    ``sounds`` are the names of the stimuli, ``bins`` their lengths: what follows is padding.
    """

    stimulus: Tensor
    responses: Tensor | None
    unit: str
    sounds: tuple[str, ...]
    bins: tuple[int, ...]
    dt_ms: float
    cf_hz: NDArray[np.float64]
    neuron_names: list[str]
    delay_ms: float
    response_unit: str


def checked_inputs(
    model: NeuralModel,
    stimulus: Sound,
    responses: ArrayLike | Tensor | None,
    *,
    dt_ms: float | None,
    cf_hz: ArrayLike | None,
    neuron_names: Sequence[str] | None,
) -> SessionInputs:
    """Arguments of a session in the type and on the device of the model; see `LiveSession` for their meaning.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; the message names it.
    """
    if not isinstance(model, NeuralModel):
        raise TypeError(f"model must be a deepstrf NeuralModel, got {type(model).__name__}")
    known = model.axes
    unit, delay_ms, response_unit = "", 0.0, SPIKES
    if isinstance(stimulus, Recording):
        _refuse_responses(responses)
        response_unit = stimulus.response_unit
        responses = stimulus.responses
        neuron_names = stimulus.neuron_names if neuron_names is None else neuron_names
    elif known is not None:
        response_unit = known.response_unit
        neuron_names = known.neuron_names if neuron_names is None else neuron_names
    if isinstance(stimulus, (Recording, Spectrogram)):
        dt_ms = stimulus.dt_ms if dt_ms is None else dt_ms
        cf_hz = stimulus.cf_hz if cf_hz is None else cf_hz
        unit, delay_ms = _unit(stimulus), stimulus.delay_ms
    elif known is not None:
        unit, delay_ms = known.unit, known.delay_ms
        dt_ms = known.dt_ms if dt_ms is None else dt_ms
        cf_hz = known.cf_hz if cf_hz is None else cf_hz
    dt_ms = _checked_dt(5.0 if dt_ms is None else dt_ms)
    tensors = (*model.parameters(), *model.buffers())
    reference = next((one for one in tensors if one.is_floating_point()), torch.empty(0))
    batch = as_batch(stimulus, getattr(model, "F", None)).to(reference)
    N = int(model.O)
    recorded = None if responses is None else _checked_responses(responses, batch, N)
    cf, names = _checked_cf(cf_hz, batch.shape[2]), _checked_names(neuron_names, N)
    if known is not None:
        _doubt_axes(known, dt_ms, cf)
    return SessionInputs(batch, recorded, unit, *_sounds_of(stimulus, batch), dt_ms, cf, names, delay_ms, response_unit)


def _doubt_axes(known: RecordedAxes, dt_ms: float, cf_hz: NDArray[np.float64]) -> None:
    """Warn where a stimulus has other bins or bands than the recording that the model was fitted to."""
    if not math.isclose(dt_ms, known.dt_ms, rel_tol=SAME):
        warn_user(
            f"the model was fitted to bins of {known.dt_ms:g} ms, the stimulus has bins of {dt_ms:g} ms: its lags and "
            "time constants mean other times here",
        )
    if len(known.cf_hz) == len(cf_hz) and not np.allclose(cf_hz, known.cf_hz, rtol=SAME, atol=0):
        warn_user(
            f"the model was fitted to bands from {known.cf_hz[0]:.5g} to {known.cf_hz[-1]:.5g} Hz, the stimulus has "
            f"bands from {cf_hz[0]:.5g} to {cf_hz[-1]:.5g} Hz: its fields mean other frequencies here",
        )


def checked_edits(edits: Iterable[Edit]) -> list[Edit]:
    """The edits, each with a name, a value and an index.

    Raises
    ------
    TypeError
        Something else: a text would be its letters, and an empty one no edits at all.
    """
    rule = "edits must be a list of triples (name, value, index)"
    if isinstance(edits, (str, bytes, Mapping)) or not isinstance(edits, Iterable):
        raise TypeError(f"{rule}, got {type(edits).__name__}; a text that holds a state is set as explorer.state")
    taken = list(edits)
    for number, edit in enumerate(taken, 1):
        if not isinstance(edit, (tuple, list)) or len(edit) != 3:
            raise TypeError(f"{rule}, got {edit!r:.60} as number {number}")
    return [Edit(*edit) for edit in taken]


def checked_sound(stimulus: Sound, responses: ArrayLike | Tensor | None, first: SessionInputs) -> SessionInputs:
    """Another stimulus with the bands and bins of the ``first`` one, its responses or None, and its unit.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; the message names it.
    """
    unit = first.unit
    if isinstance(stimulus, Recording):
        _refuse_responses(responses)
        responses = stimulus.responses
    if isinstance(stimulus, (Recording, Spectrogram)):
        unit = _unit(stimulus)
        if not math.isclose(stimulus.dt_ms, first.dt_ms, rel_tol=SAME):
            raise ValueError(
                f"stimulus must have bins of {first.dt_ms:g} ms as the first one, got {stimulus.dt_ms:g} ms"
            )
    batch = as_batch(stimulus, len(first.cf_hz)).to(first.stimulus)
    if isinstance(stimulus, (Recording, Spectrogram)):
        cf_hz = stimulus.cf_hz.double().numpy()
        if not np.allclose(cf_hz, first.cf_hz, rtol=SAME, atol=0):
            raise ValueError(
                "stimulus must have the centre frequencies of the first one, "
                f"{first.cf_hz[0]:.5g} to {first.cf_hz[-1]:.5g} Hz, got {cf_hz[0]:.5g} to {cf_hz[-1]:.5g} Hz"
            )
    recorded = None if responses is None else _checked_responses(responses, batch, len(first.neuron_names))
    names, bins = _sounds_of(stimulus, batch)
    return first._replace(stimulus=batch, responses=recorded, unit=unit, sounds=names, bins=bins)


def _sounds_of(stimulus: Sound, batch: Tensor) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and lengths of the sounds of a batch; without names "sound 1", "sound 2"."""
    if isinstance(stimulus, Recording):
        return tuple(stimulus.stimulus_names), tuple(stimulus.bins)
    return tuple(f"sound {b}" for b in range(1, len(batch) + 1)), (batch.shape[3],) * len(batch)


def neuron_index(names: Sequence[str], neuron: int | str, argument: str = "neuron") -> int:
    """Number of a neuron, counted from 0, which is given by its number or its name; ``argument`` is for the errors.

    Raises
    ------
    TypeError
        It is neither an integer nor a text.
    IndexError
        There are not so many neurons.
    ValueError
        No neuron is called that, or more than one; the message names the nearest name.

    Examples
    --------
    >>> neuron_index(["a1", "a2"], "a2"), neuron_index(["a1", "a2"], 0)
    (1, 0)
    """
    if isinstance(neuron, str):
        numbers = [number for number, name in enumerate(names) if name == neuron]
        if len(numbers) > 1:
            raise ValueError(f"{argument} must be a number where {argument}s share a name: {neuron!r} are {numbers}")
        if not numbers:
            raise ValueError(
                f"{argument} must be one of the {len(names)} names, such as {names[0]!r}, or a number from 0, "
                f"got {neuron!r}{did_you_mean(neuron, names)}"
            )
        return numbers[0]
    if isinstance(neuron, bool) or not isinstance(neuron, Integral):
        raise TypeError(f"{argument} must be an integer or a name, got {neuron!r}")
    if not 0 <= neuron < len(names):
        raise IndexError(f"{argument} must lie in [0, {len(names) - 1}], got {neuron}")
    return int(neuron)


def named_index(
    parameter: Parameter,
    index: Index,
    neuron_names: Sequence[str],
    neuron: int | str | None,
    channel: int | str | None,
    gaussian: int | None,
) -> Index:
    """Index of a parameter that is given as a tuple, or by neuron, channel and Gaussian.

    Raises
    ------
    TypeError
        Both are given, the parameter has no such axis, or an axis with several entries before a named one is left out.
    IndexError, ValueError
        There is no such neuron, channel or Gaussian; the message names it.
    """
    given = (("neuron", neuron), ("channel", channel), ("gaussian", gaussian))
    named = {axis: value for axis, value in given if value is not None}
    if not named:
        return index
    if index != ():
        raise TypeError(f"{parameter.name} takes an index or {', '.join(named)}, got both")
    unknown = [axis for axis in named if axis not in parameter.axes]
    if unknown:
        known = ", ".join(parameter.axes) or "no neuron: its index counts bands"
        raise TypeError(f"{parameter.name} has no {unknown[0]}, it has {known}")
    found: list[int] = []
    for axis in parameter.axes[: 1 + max(map(parameter.axes.index, named))]:
        size = parameter.shape[len(found)]
        if axis not in named and size > 1:
            raise TypeError(f"{axis} must be given with {', '.join(named)}: {parameter.name} has {size} of it")
        names = {"neuron": neuron_names, "channel": channel_names(size)}.get(axis, range(size))
        found.append(neuron_index([str(name) for name in names], named.get(axis, 0), axis))
    return tuple(found)


def refuse_beside_session(**arguments: object) -> None:
    """Raise TypeError where an argument stands beside a session, which has it already."""
    if any(argument is not None for argument in arguments.values()):
        *first, last = arguments
        raise TypeError(f"{', '.join(first)} and {last} must not be given with a LiveSession")


def _refuse_responses(responses: object) -> None:
    if responses is not None:
        raise TypeError("responses must not be given with a Recording, which has them")


def _unit(stimulus: Recording | Spectrogram) -> str:
    return (stimulus.spectrogram(0) if isinstance(stimulus, Recording) else stimulus).unit


def as_batch(stimulus: Sound, F: int | None) -> Tensor:
    """Stimuli as a batch (B, 1, F, T) of their own; ``F`` is what the model wants, None where it takes any."""
    if isinstance(stimulus, Recording):
        stimulus = stimulus.stimuli
    batch = as_tensor("stimulus", stimulus.values if isinstance(stimulus, Spectrogram) else stimulus)
    if batch.ndim == 2:
        batch = batch[None, None]
    elif batch.ndim == 3:
        batch = batch[None]
    if batch.ndim != 4 or batch.shape[1] != 1 or 0 in batch.shape:
        raise ValueError(
            f"stimulus must have shape (F, T), (1, F, T) or (B, 1, F, T), nothing empty, got {tuple(batch.shape)}"
        )
    if F is not None and batch.shape[2] != F:
        raise ValueError(f"stimulus must have the model's F = {F} frequency bands, got {batch.shape[2]}")
    if not batch.is_floating_point():
        raise ValueError(f"stimulus must hold finite floating-point numbers, got {batch.dtype}: convert it to float")
    if strange := int((~torch.isfinite(batch)).sum()):
        raise ValueError(f"stimulus must hold finite floating-point numbers, got {strange} that are NaN or infinity")
    return batch.detach().clone()


def _checked_dt(dt_ms: float) -> float:
    if isinstance(dt_ms, bool) or not isinstance(dt_ms, (int, float, np.number)):
        raise TypeError(f"dt_ms must be a number of ms, got {dt_ms!r}")
    if not (np.isfinite(dt_ms) and dt_ms > 0):
        raise ValueError(f"dt_ms must be positive and finite in ms, got {dt_ms}")
    return float(dt_ms)


def _checked_cf(cf_hz: ArrayLike | None, F: int) -> NDArray[np.float64]:
    """Centre frequencies (F,) in Hz; without any the default axis, with a warning."""
    if cf_hz is None:
        warn_user(f"cf_hz was not given: {F} mel-spaced bands from 500 to 20000 Hz are assumed")
        cf_hz = get_CFs(500.0, 20000.0, F, "mel")
    try:
        cf = as_tensor("cf_hz", cf_hz).detach().cpu().double().numpy()
    except TypeError:
        raise TypeError(f"cf_hz must be an array of frequencies in Hz, got {cf_hz!r}") from None
    if cf.shape != (F,):
        raise ValueError(f"cf_hz must have one frequency per band, shape ({F},), got {cf.shape}")
    if not np.all(np.isfinite(cf)) or np.any(cf <= 0) or np.any(np.diff(cf) <= 0):
        raise ValueError(f"cf_hz must be positive and strictly ascending in Hz, got {cf}")
    return cf


def _checked_responses(responses: ArrayLike | Tensor, stimulus: Tensor, N: int) -> Tensor:
    """Recorded responses as (B, N, R, T) of their own, in the type of the stimulus."""
    recorded = as_tensor("responses", responses)
    if recorded.ndim == 2:
        recorded = recorded[None, :, None]
    elif recorded.ndim == 3:
        recorded = recorded[None]
    B, _, _, T = stimulus.shape
    if recorded.ndim != 4 or (recorded.shape[0], recorded.shape[1], recorded.shape[3]) != (B, N, T):
        raise ValueError(
            f"responses must have shape (B, N, R, T) = ({B}, {N}, R, {T}) (or (N, R, T), (N, T) for one sound), "
            f"got {tuple(recorded.shape)}"
        )
    if recorded.shape[2] == 0:
        raise ValueError("responses must hold at least one repeat R, got 0")
    if bool(torch.isinf(recorded).any()):
        raise ValueError("responses must be finite or NaN (missing), got infinity")
    return recorded.detach().clone().to(stimulus)


def _checked_names(names: Sequence[str] | None, N: int) -> list[str]:
    """One name a neuron."""
    if names is None:
        return [f"neuron {n}" for n in range(1, N + 1)]
    found = checked_names("neuron_names", names)
    if len(found) != N:
        raise ValueError(f"neuron_names must have one name per neuron ({N}), got {len(found)}")
    return found
