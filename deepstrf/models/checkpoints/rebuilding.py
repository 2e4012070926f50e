"""Whether a model built again from its recorded arguments is the same function: what is swapped or changed after the
construction stands in no file. And whether a model that a file describes responds at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.memory import check_memory

from ..prediction import evaluating

__all__ = ["check_responds", "check_same_function"]

PLAIN = (bool, int, float, str, tuple, list, type(None))
NO_SETTINGS = frozenset(("training", "inplace"))
LONGEST_SOUND = 256
RELATIVE = 1e-3
FAILURES = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, LookupError, ArithmeticError)


def check_responds(model: Any, max_gb: float) -> None:
    """Raise ValueError with the reason unless a model that takes a spectrogram responds to one, bin for bin."""
    bins = _bins(model)
    if bins is None:
        return
    check_memory("the input of one short response", 4.0 * model.F * bins, max_gb)
    try:
        shape = tuple(_response(model, bins).shape)
    except FAILURES as error:
        raise ValueError(f"it gives no response to a sound: {str(error).partition(chr(10))[0]}") from error
    if shape != (expected := (1, model.O, 1, bins)):
        raise ValueError(f"its response to {bins} bins must have the shape {expected}, got {shape}")


def check_same_function(model: nn.Module, rebuilt: nn.Module) -> None:
    """Raise ValueError that names the first difference between a model and the one that loading it would give.

    Compared are the modules with their settings and hooks, the buffers that no state dict holds, and the responses to a
    seeded sound, where the models take a spectrogram.
    """
    difference = next(_differences(model, rebuilt), None)
    if difference:
        raise ValueError(
            f"this {type(model).__name__} would not come back from a checkpoint: {difference}. Give its constructor "
            "what it should be built from, or save the state_dict() together with your own code"
        )


def _differences(model: nn.Module, rebuilt: nn.Module) -> Iterator[str]:
    ours, theirs = dict(model.named_modules()), dict(rebuilt.named_modules())
    for name in (*ours, *(name for name in theirs if name not in ours)):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None or type(one) is not type(other):
            yield f"{name or 'it'} is {_a(one)}, where its constructor arguments give {_a(other)}"
            return
        yield from _differences_of(name or type(model).__name__, one, other)
    state = model.state_dict().keys()
    buffers = dict(rebuilt.named_buffers())
    for name, buffer in model.named_buffers():
        if name not in state and not _equal(buffer, buffers.get(name)):
            yield f"its buffer {name} has been changed, and is not part of its state_dict()"
    if not _equal(_answer(model), _answer(rebuilt)) and not _equal(_seeded(model), _seeded(rebuilt)):
        yield "with the same weights it gives other responses than the model built from its constructor arguments"


def _differences_of(name: str, one: nn.Module, other: nn.Module) -> Iterator[str]:
    """Hooks, and settings of the classes of torch and of this library."""
    for hooks in ("_forward_hooks", "_forward_pre_hooks"):
        if len(getattr(one, hooks)) != len(getattr(other, hooks)):
            yield f"{name} has forward hooks (pruning and normalisation of weights add such too)"
    if "forward" in vars(one):
        yield f"{name} has a forward() of its own"
    if type(one).__module__.partition(".")[0] not in ("torch", "deepstrf"):
        return
    for setting, value in vars(one).items():
        if setting[0] != "_" and setting not in NO_SETTINGS and isinstance(value, PLAIN):
            given = vars(other).get(setting, value)
            if value != given and not (value != value and given != given):
                yield f"{name}.{setting} is {value!r}, where its constructor arguments give {given!r}"


def _bins(model: Any) -> int | None:
    """Length of the seeded sound, None for a model that takes no spectrogram."""
    bands, lags = getattr(model, "F", None), getattr(model, "T", 1)
    if type(getattr(model, "wav2spec", None)) is not nn.Identity or not isinstance(bands, (int, np.integer)):
        return None
    return min(2 * int(lags) + 8, LONGEST_SOUND)


def _response(model: Any, bins: int) -> Tensor:
    """Response to a seeded sound."""
    like = next((one for one in model.parameters() if one.is_floating_point()), torch.empty(0))
    sound = 40 * torch.rand(1, 1, int(model.F), bins, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(model):
        return model(sound.to(like.device, like.dtype))


def _answer(model: nn.Module) -> Tensor | str:
    """Response to a seeded sound, or the name of the error."""
    bins = _bins(model)
    if bins is None:
        return "takes no spectrogram"
    try:
        return _response(model, bins)
    except FAILURES as error:
        return type(error).__name__


def _seeded(model: nn.Module) -> Tensor | str:
    """The same for a model that draws random numbers to respond."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _answer(model)


def _equal(one: Any, other: Any) -> bool:
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        return not isinstance(one, Tensor) and not isinstance(other, Tensor) and one == other
    if one.shape != other.shape:
        return False
    one, other = (x.detach().cpu().to(torch.float64) for x in (one, other))
    scale = float(one.nan_to_num(0.0, 0.0, 0.0).abs().max()) if one.numel() else 0.0
    return torch.allclose(one, other, rtol=0.0, atol=RELATIVE * scale, equal_nan=True)


def _a(module: nn.Module | None) -> str:
    return "missing" if module is None else f"a {type(module).__name__}"
