"""Parts of a recording from arrays that users have: which axis is which, checked against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepstrf.arguments import as_tensor, check_choice, check_numbers
from deepstrf.datasets.parts import Part
from deepstrf.datasets.resampling import HOWS, resampled
from deepstrf.stimuli import Spectrogram


def parts_of_arrays(
    stimulus: Any, responses: Any, cf_hz: Tensor, dt_ms: float, response_dt_ms: float | None, resample: str | None
) -> tuple[list[Part], int]:
    """Parts, and the number of neurons; arguments and errors as of `Recording.from_arrays`."""
    check_numbers("must be positive (ms)", lambda x: 0 < x < math.inf, dt_ms=dt_ms)
    other_rate = response_dt_ms is not None and not math.isclose(response_dt_ms, dt_ms, rel_tol=1e-9)
    if response_dt_ms is not None:
        check_numbers("must be positive (ms)", lambda x: 0 < x < math.inf, response_dt_ms=response_dt_ms)
    if other_rate and resample is None:
        raise ValueError(
            f"resample must be 'sum' (spike counts) or 'mean' (rates, continuous signals) where response_dt_ms, "
            f"{response_dt_ms:g} ms, is not dt_ms, {dt_ms:g} ms; got None"
        )
    if resample is not None:
        check_choice(HOWS, resample=resample)
    sounds, one = _sounds(stimulus, len(cf_hz))
    answers = [responses] if one and _is_one(responses) else _answers(responses, len(sounds), _many_axes(stimulus))
    whole: list[Tensor] = []
    for b, (sound, answer) in enumerate(zip(sounds, answers, strict=True)):
        where = "responses" if one else f"responses to stimulus {b}"
        response = _trials(where, answer)
        T = sound.shape[-1]
        if other_rate and response_dt_ms is not None and resample is not None:
            response = resampled(response, response_dt_ms, dt_ms, T, resample)
        elif response.shape[-1] != T:
            swapped = "; their first axis has that length: swap the axes" if T in response.shape[:-1] else ""
            raise ValueError(
                f"{where} must have the T = {T} bins of the stimulus in the last axis, got {tuple(response.shape)}"
                f"{swapped or '; response_dt_ms= names their own rate, NaN fills what was not recorded'}"
            )
        if whole and len(response) != len(whole[0]):
            raise ValueError(
                f"{where} must have the N = {len(whole[0])} neurons of the first, got {tuple(response.shape)}; NaN "
                "stands for neurons that were not recorded"
            )
        whole.append(response)
    return [Part.compact(sound, response) for sound, response in zip(sounds, whole, strict=True)], len(whole[0])


def _many_axes(stimulus: Any) -> bool:
    """Whether several sounds came as one array."""
    return not isinstance(stimulus, Spectrogram) and hasattr(stimulus, "shape")


def _is_one(responses: Any) -> bool:
    """Whether these are responses to one sound, not a sequence of one."""
    if isinstance(responses, (list, tuple)):
        try:
            depth = as_tensor("responses", responses).ndim
        except TypeError:
            return False
        return not (len(responses) == 1 and hasattr(responses[0], "shape")) and depth <= 3
    return getattr(responses, "ndim", 0) <= 3


def _sounds(stimulus: Any, F: int) -> tuple[list[Tensor], bool]:
    """Spectrograms (1, F, T_b), and whether one was given without an axis of stimuli."""
    if isinstance(stimulus, Spectrogram):
        return [_sound("stimulus", stimulus.values, F)], True
    if isinstance(stimulus, (list, tuple)) and stimulus and not _is_plain(stimulus):
        return [_sound(f"stimulus {b}", _values(one), F) for b, one in enumerate(stimulus)], False
    array = as_tensor("stimulus", stimulus)
    if array.ndim == 2:
        return [_sound("stimulus", array, F)], True
    if array.ndim in (3, 4) and len(array):
        return [_sound(f"stimulus {b}", one, F) for b, one in enumerate(array)], False
    raise ValueError(
        f"stimulus must be an array (F, T), (B, F, T) or (B, 1, F, T), or a list of (F, T_b), got {tuple(array.shape)}"
    )


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether lists of numbers stand for one (F, T)."""
    return not hasattr(values[0], "shape") and not isinstance(values[0], Spectrogram) and _depth(values) == 2


def _depth(values: Any) -> int:
    return 1 + _depth(values[0]) if isinstance(values, (list, tuple)) and values else 0


def _values(one: Any) -> Any:
    return one.values if isinstance(one, Spectrogram) else one


def _sound(where: str, values: Any, F: int) -> Tensor:
    """One spectrogram (1, F, T)."""
    array = as_tensor(where, values)
    array = array if array.is_floating_point() else array.float()
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    if array.ndim != 2 or 0 in array.shape or len(array) != F:
        swapped = ": (T, F)? Give its transpose" if array.ndim == 2 and array.shape[1] == F else ""
        raise ValueError(
            f"{where} must have shape (F, T) with the F = {F} bands of cf_hz, got {tuple(array.shape)}{swapped}"
        )
    if not bool(array.isfinite().all()):
        raise ValueError(f"{where} must be finite, got {int((~array.isfinite()).sum())} values that are not")
    return array[None]


def _answers(responses: Any, B: int, from_array: bool) -> Sequence[Any]:
    """Responses to each of B sounds."""
    if hasattr(responses, "shape"):
        array = as_tensor("responses", responses)
        if array.ndim == 3 and from_array:
            raise ValueError(
                f"responses to several sounds must be (B, N, R, T), or a list with one array for each sound, "
                f"got {tuple(array.shape)}: list(responses) says that the first axis is that of the sounds"
            )
        if array.ndim not in (3, 4):
            raise ValueError(f"responses to {B} sounds must be (B, N, R, T) or a list, got {tuple(array.shape)}")
        responses = list(array)
    if not isinstance(responses, Sequence) or len(responses) != B:
        got = len(responses) if isinstance(responses, Sequence) else type(responses).__name__
        raise ValueError(f"responses must be one array for each of {B} stimuli, got {got}")
    return responses


def _trials(where: str, values: Any) -> Tensor:
    """Responses (N, R, T) to one sound."""
    array = as_tensor(where, values)
    array = array if array.is_floating_point() else array.float()
    if array.ndim == 1:
        array = array[None]
    if array.ndim == 2:
        array = array[:, None]
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"{where} must have shape (T,), (N, T) or (N, R, T), got {tuple(array.shape)}")
    if bool(torch.isinf(array).any()):
        raise ValueError(f"{where} must be finite or NaN, got {int(array.isinf().sum())} infinite values")
    return array
