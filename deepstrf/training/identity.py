"""What makes a fit this one and no other, in words that can be compared and shown."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from deepstrf.training.settings import FitSettings

__all__ = [
    "Identity",
    "described",
    "difference",
    "digest",
    "identity_of_model",
    "identity_of_optimizer",
    "identity_of_settings",
]

Identity = dict[str, Any]
"""Texts by name; where there are many, a title and texts by name: ``{"title": ..., "parts": {...}}``."""

FREE = frozenset(("epochs", "patience", "baseline", "progress", "callbacks"))
"""Settings that may be another when a fit is resumed."""
NO_SETTINGS = frozenset(("training", "inplace")) | vars(nn.Module()).keys()
OURS = ("deepstrf", "torch")
DEEPEST = 8


def digest(*tensors: Tensor) -> str:
    """Hash of the values, shapes and types of tensors, of any type."""
    made = hashlib.sha256()
    for tensor in tensors:
        made.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        if tensor.numel():
            values = tensor.detach().cpu().to_dense().contiguous().reshape(-1)
            made.update(values.view(torch.uint8).numpy().data)
    return made.hexdigest()


def described(value: Any, depth: int = 0) -> str:
    """Text that is the same for the same value in another process, and another for another.

    Arrays are described by shape and digest; functions that are not of this library or torch by their name and a
    digest of their code, with the constants, defaults and closures that it reads; other objects by class and
    attributes.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if depth > DEEPEST:
        return type(value).__qualname__
    if isinstance(value, (Tensor, np.ndarray)):
        return _array(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {described(item, depth + 1)}" for key, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(described(item, depth + 1) for item in value)) + "}"
    if isinstance(value, (list, tuple)):
        items = [described(item, depth + 1) for item in value]
        return f"[{', '.join(items)}]" if isinstance(value, list) else f"({', '.join(items)})"
    if isinstance(value, partial):
        given = [value.args] if value.args else []
        return " ".join(described(part, depth + 1) for part in (value.func, *given, value.keywords))
    if isinstance(value, types.MethodType):
        return f"{value.__func__.__qualname__} of {described(value.__self__, depth + 1)}"
    if isinstance(value, types.FunctionType):
        return _function(value, depth)
    if isinstance(value, nn.Module):
        return described(identity_of_model(value), depth + 1)
    if isinstance(value, (type, types.BuiltinFunctionType)) or not hasattr(value, "__dict__"):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return f"{type(value).__qualname__}({described(vars(value), depth + 1)})"


def _array(values: Tensor | np.ndarray) -> str:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "biufc":
            return f"array {described(values.tolist(), DEEPEST - 1)}"
        values = torch.from_numpy(np.ascontiguousarray(values))
    return f"{tuple(values.shape)} {str(values.dtype).removeprefix('torch.')}, digest {digest(values)[:12]}"


def _function(function: types.FunctionType, depth: int) -> str:
    name = function.__qualname__
    if function.__module__.partition(".")[0] in OURS:
        return name
    made = hashlib.sha256(described([function.__defaults__, function.__kwdefaults__], depth + 1).encode())
    for cell in function.__closure__ or ():
        try:
            made.update(described(cell.cell_contents, depth + 1).encode())
        except ValueError:  # not bound yet
            continue
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        constants = [constant for constant in code.co_consts if not isinstance(constant, types.CodeType)]
        made.update(code.co_code + described([constants, code.co_names], depth + 1).encode())
        for used in code.co_names:
            read = function.__globals__.get(used)
            if isinstance(read, (bool, int, float, str, tuple, np.generic, Tensor, np.ndarray, types.FunctionType)):
                made.update(described(read, depth + 1).encode())
    return f"{name} (code {made.hexdigest()[:8]})"


def identity_of_settings(settings: FitSettings) -> Identity:
    """Every setting that must be the same, but for those that make objects: optimizer and schedule."""
    values = {one.name: getattr(settings, one.name) for one in fields(settings)}
    return {
        name: repr(described(value)) if callable(value) else described(value)
        for name, value in values.items()
        if name not in FREE | {"optimizer", "schedule"}
    }


def identity_of_optimizer(
    optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler | None
) -> Identity:
    """Classes and options of an optimizer and its schedule, both at their start."""
    groups = optimizer.state_dict()["param_groups"]
    options = {
        (name if len(groups) == 1 else f"{name} of group {i}"): described(len(value) if name == "params" else value)
        for i, group in enumerate(groups)
        for name, value in group.items()
        if name != "initial_lr"  # the schedule's
    }
    return {
        "schedule": {
            "title": type(schedule).__qualname__,
            "parts": dict(_settings_of(schedule)) if schedule is not None else {},
        },
        "optimizer": {"title": type(optimizer).__qualname__, "parts": options},
    }


def _settings_of(schedule: Any) -> Iterator[tuple[str, str]]:
    for name, value in vars(schedule).items():
        if name == "_schedulers":
            parts = {
                str(i): {"class": type(one).__qualname__, **dict(_settings_of(one))} for i, one in enumerate(value)
            }
            yield "schedulers", described(parts)
        elif name[0] != "_" and not isinstance(value, torch.optim.Optimizer) and name != "step":
            yield name, described(value)


def identity_of_model(model: nn.Module) -> Identity:
    """Class and settings of every module, and shape and type of every tensor; of those that no fit changes the values.

    Running statistics of norms change, so their values say nothing of the architecture.
    """
    parts: dict[str, str] = {}
    for name, module in model.named_modules():
        hooks = len(module._forward_hooks) + len(module._forward_pre_hooks)
        parts[name or "it"] = _class_and_settings(module) + (f" with {hooks} forward hooks" if hooks else "")
        own = f"{name}." if name else ""
        for key, parameter in module._parameters.items():
            if parameter is not None:
                text = f"{tuple(parameter.shape)} {str(parameter.dtype).removeprefix('torch.')}"
                parts[own + key] = f"{text}, fitted" if parameter.requires_grad else f"{_array(parameter)}, not fitted"
        for key, buffer in module._buffers.items():
            if buffer is not None and not _is_running(module, key):
                parts[own + key] = _array(buffer)
    return {"title": type(model).__qualname__, "parts": parts}


def _is_running(module: nn.Module, buffer: str) -> bool:
    """Whether a buffer is one that training changes: statistics of a norm, vectors of a spectral norm."""
    if isinstance(module, _NormBase):
        return buffer in ("running_mean", "running_var", "num_batches_tracked")
    return type(module).__name__ == "_SpectralNorm" or buffer.endswith(("_u", "_v"))


def _class_and_settings(module: nn.Module) -> str:
    settings = []
    for name, value in vars(module).items():
        plain = isinstance(value, (bool, int, float, str, np.generic, type(None)))
        telling = (tuple, list, dict, Tensor, np.ndarray, types.FunctionType, partial)
        if name not in NO_SETTINGS and (plain or (name[0] != "_" and isinstance(value, telling))):
            settings.append(f"{name}={described(value)}")
    return f"{type(module).__qualname__}({', '.join(settings)})"


def difference(theirs: Identity, ours: Identity) -> str:
    """What differs first between two identities, in words; empty when nothing does."""
    for name in (*ours, *(name for name in theirs if name not in ours)):
        one, other = theirs.get(name, "absent"), ours.get(name, "absent")
        if one != other:
            shown, here = _shown(one, other)
            return f"its {name} is {shown}, here it is {here}"
    return ""


MOST_PARTS, MOST_LETTERS = 3, 300


def _shown(one: Any, other: Any) -> tuple[str, str]:
    """Both, short: of two with one title the parts that differ."""
    if isinstance(one, str) or isinstance(other, str):
        return _short(str(one)), _short(str(other))
    if one["title"] != other["title"]:
        return repr(one["title"]), repr(other["title"])
    a, b = one["parts"], other["parts"]
    names = [name for name in (*b, *(name for name in a if name not in b)) if a.get(name) != b.get(name)]
    return tuple(  # type: ignore[return-value]
        f"{x['title']!r} with "
        + ", ".join(f"{name!r}: {_short(x['parts'].get(name, 'absent'))}" for name in names[:MOST_PARTS])
        for x in (one, other)
    )


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."
