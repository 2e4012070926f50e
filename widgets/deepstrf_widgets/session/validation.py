"""What a session is given, checked: each argument in the form that the session keeps, or an error that names it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from deepstrf.models.prefiltering import get_CFs
from deepstrf.stimuli import Spectrogram

__all__ = [
    "checked_cf",
    "checked_dt",
    "checked_like",
    "checked_names",
    "checked_responses",
    "checked_stimulus",
    "refuse_beside_session",
]

SAME = 1e-4
"""Relative difference of bin widths or centre frequencies below which they are the same: float32 and rounded files."""


def checked_dt(dt_ms: float) -> float:
    """Bin width in ms as a float."""
    if isinstance(dt_ms, bool) or not isinstance(dt_ms, (int, float, np.number)):
        raise TypeError(f"dt_ms must be a number of ms, got {dt_ms!r}")
    if not (np.isfinite(dt_ms) and dt_ms > 0):
        raise ValueError(f"dt_ms must be positive and finite in ms, got {dt_ms}")
    return float(dt_ms)


def checked_stimulus(stimulus: Tensor, F: int | None) -> Tensor:
    """Stimulus as a batch (B, 1, F, T) of its own; ``F`` is what the model wants, None where it takes any."""
    if not isinstance(stimulus, Tensor):
        raise TypeError(f"stimulus must be a Spectrogram or a Tensor, got {type(stimulus).__name__}")
    if stimulus.ndim == 2:
        stimulus = stimulus[None, None]
    elif stimulus.ndim == 3:
        stimulus = stimulus[None]
    if stimulus.ndim != 4 or stimulus.shape[1] != 1 or 0 in stimulus.shape:
        raise ValueError(
            f"stimulus must have shape (F, T), (1, F, T) or (B, 1, F, T), nothing empty, got {tuple(stimulus.shape)}"
        )
    if F is not None and stimulus.shape[2] != F:
        raise ValueError(f"stimulus must have the model's F = {F} frequency bands, got {stimulus.shape[2]}")
    if not stimulus.is_floating_point() or not bool(torch.isfinite(stimulus).all()):
        raise ValueError("stimulus must hold finite floating-point numbers, got NaN, infinity or another type")
    return stimulus.detach().clone()


def checked_like(stimulus: Spectrogram | Tensor, cf_hz: NDArray[np.float64], dt_ms: float) -> Tensor:
    """Another stimulus as a batch (B, 1, F, T) of its own, with these bands and this bin width."""
    if not isinstance(stimulus, Spectrogram):
        return checked_stimulus(stimulus, len(cf_hz))
    if not math.isclose(stimulus.dt_ms, dt_ms, rel_tol=SAME):
        raise ValueError(f"stimulus must have bins of {dt_ms:g} ms as the first one, got {stimulus.dt_ms:g} ms")
    batch, theirs = checked_stimulus(stimulus.values, len(cf_hz)), stimulus.cf_hz.double().numpy()
    if not np.allclose(theirs, cf_hz, rtol=SAME, atol=0):
        raise ValueError(
            f"stimulus must have the centre frequencies of the first one, {cf_hz[0]:.5g} to {cf_hz[-1]:.5g} Hz, "
            f"got {theirs[0]:.5g} to {theirs[-1]:.5g} Hz"
        )
    return batch


def checked_cf(cf_hz: ArrayLike | None, F: int) -> NDArray[np.float64]:
    """Centre frequencies (F,) in Hz; without any the default axis, with a warning."""
    if cf_hz is None:
        warnings.warn(
            f"cf_hz was not given: {F} mel-spaced bands from 500 to 20000 Hz are assumed", UserWarning, stacklevel=3
        )
        cf_hz = get_CFs(500.0, 20000.0, F, "mel")
    try:
        cf = np.asarray(cf_hz, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"cf_hz must be an array of frequencies in Hz, got {cf_hz!r}") from error
    if cf.shape != (F,):
        raise ValueError(f"cf_hz must have one frequency per band, shape ({F},), got {cf.shape}")
    if not np.all(np.isfinite(cf)) or np.any(cf <= 0) or np.any(np.diff(cf) <= 0):
        raise ValueError(f"cf_hz must be positive and strictly ascending in Hz, got {cf}")
    return cf


def checked_responses(responses: Tensor, stimulus: Tensor, N: int) -> Tensor:
    """Recorded responses as (B, N, R, T) of their own, in the type of the stimulus."""
    if not isinstance(responses, Tensor):
        raise TypeError(f"responses must be a Tensor, got {type(responses).__name__}")
    if responses.ndim == 2:
        responses = responses[None, :, None]
    elif responses.ndim == 3:
        responses = responses[None]
    B, _, _, T = stimulus.shape
    if responses.ndim != 4 or (responses.shape[0], responses.shape[1], responses.shape[3]) != (B, N, T):
        raise ValueError(
            f"responses must have shape (B, N, R, T) = ({B}, {N}, R, {T}) (or (N, R, T), (N, T) for one sound), "
            f"got {tuple(responses.shape)}"
        )
    if responses.shape[2] == 0:
        raise ValueError("responses must hold at least one repeat R, got 0")
    if bool(torch.isinf(responses).any()):
        raise ValueError("responses must be finite or NaN (missing), got infinity")
    return responses.detach().clone().to(stimulus)


def checked_names(names: Sequence[str] | None, N: int) -> list[str]:
    """One name a neuron."""
    if names is None:
        return [f"neuron {n}" for n in range(N)]
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"neuron_names must be a sequence of names, got {names!r}")
    names = [str(name) for name in names]
    if len(names) != N:
        raise ValueError(f"neuron_names must have one name per neuron ({N}), got {len(names)}")
    return names


def refuse_beside_session(**given: object) -> None:
    """Raise TypeError when anything is given together with a session, which has it all."""
    if any(argument is not None for argument in given.values()):
        *first, last = given
        raise TypeError(f"{', '.join(first)} and {last} must not be given with a LiveSession")
