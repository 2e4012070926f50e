"""How a model was built, in a form that fits in a JSON file, and how to build it again.

Plain arguments are kept as they are. Modules given as arguments (prefilters, receptive-field kernels, activations) are
kept as class name plus constructor arguments and rebuilt from the registry and the table below: a file can only ever
name a class that stands in one of them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from ..activations import ELEMENTWISE
from ..registry import KERNELS, OUTPUT_CURVES, PREFILTERS

__all__ = ["Construction", "NotEncodable", "arguments_for", "decode_module", "encode_module", "to_json", "unfit"]


class NotEncodable(TypeError):  # noqa: N818 - reads as what it states
    """The value cannot be written into a checkpoint's JSON."""


# Of torch.nn: their constructor arguments are attributes of the same name, but for those that are not kept.
_TORCH_CLASSES = (*ELEMENTWISE, nn.PReLU, nn.Conv2d)
_NOT_KEPT = {"inplace", "init", "padding_mode"}


def _known_class(name: str) -> type[nn.Module] | None:
    """The class with that name which a file may name."""
    own = (cls for cls in (*OUTPUT_CURVES, *PREFILTERS, *KERNELS) if hasattr(cls, "config"))
    return next((cls for cls in (*own, *_TORCH_CLASSES) if cls.__name__ == name), None)


def to_json(value: Any, *, finite: bool = True) -> Any:
    """``value`` in the types that JSON knows: NumPy scalars become Python's, tuples become lists.

    Raises
    ------
    NotEncodable
        Something in it is of another type, a dictionary key is not a string, or a number is not finite
        (``finite=False`` lets such numbers through).

    Examples
    --------
    >>> to_json({"kernel": (3, np.int64(9))})
    {'kernel': [3, 9]}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise NotEncodable(f"{value} has no place in JSON")
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(item, finite=finite) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: to_json(item, finite=finite) for key, item in value.items()}
    raise NotEncodable(f"a {type(value).__name__} has no place in JSON")


def encode_module(module: nn.Module) -> dict[str, Any]:
    """Class name and constructor arguments of ``module``, as ``{"class": ..., "kwargs": {...}}``.

    A Sequential is written as ``{"class": "Sequential", "modules": [...]}``. Its weights are no part of it.

    Raises
    ------
    NotEncodable
        Its class (exactly: a subclass is another class) is not in the table, or an argument does not fit JSON.
    """
    cls = type(module)
    name = cls.__name__
    if cls is nn.Sequential:
        return {"class": "Sequential", "modules": [encode_module(part) for part in module.children()]}
    if _known_class(name) is not cls:
        raise NotEncodable(f"a {name} cannot be rebuilt from a file")
    config = getattr(module, "config", None)
    if callable(config):
        return {"class": name, "kwargs": to_json(config())}
    kept = vars(module).keys() - _NOT_KEPT
    kwargs = {argument: getattr(module, argument) for argument in inspect.signature(cls).parameters if argument in kept}
    if isinstance(module, nn.Conv2d):
        kwargs["bias"] = module.bias is not None
    return {"class": name, "kwargs": to_json(kwargs)}


def decode_module(spec: Any) -> nn.Module:
    """Fresh module of the class and with the arguments that `encode_module` wrote.

    Raises
    ------
    ValueError
        ``spec`` is not of that form, names a class outside the table, or has arguments which the class refuses.
    """
    name = spec.get("class") if isinstance(spec, Mapping) else None
    if name == "Sequential" and isinstance(spec.get("modules"), list):
        return nn.Sequential(*(decode_module(part) for part in spec["modules"]))
    kwargs = spec.get("kwargs") if name is not None else None
    if not isinstance(name, str) or not isinstance(kwargs, Mapping):
        raise ValueError(f"a module must be written as class and kwargs, got {spec!r}")
    cls = _known_class(name)
    if cls is None:
        raise ValueError(f"{name!r} is not a module class that a checkpoint may name")
    try:
        return cls(
            **{
                key: tuple(value) if cls is nn.Conv2d and isinstance(value, list) else value
                for key, value in kwargs.items()
            }
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be built from {dict(kwargs)!r}: {error}") from error


@dataclass(frozen=True)
class Construction:
    """The arguments one model was built from, sorted by how a file can hold them."""

    kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments that are JSON already, defaults included."""
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Modules given as arguments, as `encode_module` writes them."""
    unsaved: dict[str, str] = field(default_factory=dict)
    """Arguments that no file can hold, with the reason."""
    unsaved_values: dict[str, Any] = field(default_factory=dict)
    """What they were."""

    @classmethod
    def record(cls, init: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Construction | None:
        """What a call ``init(self, *args, **kwargs)`` was given, by argument name; None when it does not fit ``init``.

        Extra keyword arguments stand beside the named ones; extra positional ones are a list under their own name.
        """
        signature = inspect.signature(init)
        try:
            bound = signature.bind(None, *args, **kwargs)
        except TypeError:
            return None
        bound.apply_defaults()
        given: dict[str, Any] = {}
        for index, (name, parameter) in enumerate(signature.parameters.items()):
            if index == 0:
                continue
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                given.update(bound.arguments[name])
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL or bound.arguments[name]:
                given[name] = bound.arguments[name]
        construction = cls()
        for name, value in given.items():
            try:
                if isinstance(value, nn.Module):
                    construction.modules[name] = encode_module(value)
                else:
                    construction.kwargs[name] = to_json(value)
            except NotEncodable as reason:
                construction.unsaved[name] = str(reason)
                construction.unsaved_values[name] = value
        return construction


def unfit(init: Callable[..., None], values: Mapping[str, Any]) -> str:
    """What keeps ``init`` from being called with ``values``, in words; empty when nothing does."""
    parameters = list(inspect.signature(init).parameters.values())[1:]
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD}
    unknown = [] if takes_any else sorted(set(values) - names)
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        parameter.name
        for parameter in parameters
        if parameter.kind not in optional
        and parameter.default is inspect.Parameter.empty
        and parameter.name not in values
    ]
    faults = [f"unknown argument {name!r}" for name in unknown] + [
        f"no value for argument {name!r}" for name in missing
    ]
    return ", ".join(faults)


def arguments_for(init: Callable[..., None], values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments that give ``values`` back to ``init`` (which `unfit` found in order)."""
    signature = inspect.signature(init)
    parameters = list(signature.parameters.values())[1:]
    left = dict(values)
    arguments = {parameter.name: left.pop(parameter.name) for parameter in parameters if parameter.name in left}
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments[parameter.name] = left
    bound = inspect.BoundArguments(signature.replace(parameters=parameters), arguments)
    return bound.args, bound.kwargs
