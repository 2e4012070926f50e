"""Checks of the arguments of public functions: their type, their range, the choices.

Every message names the argument, the rule, and what arrived.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.user_warning import warn_user

__all__ = [
    "as_axis",
    "as_tensor",
    "check_choice",
    "check_floating",
    "check_has_values",
    "check_has_weights",
    "check_modules",
    "check_numbers",
    "check_sizes",
    "checked_names",
    "doubt_units",
    "whole_number",
]

HIGHEST_TAKEN_FOR_KHZ = 100.0
"""No cochlea's axis ends below 100 Hz, and few go beyond 100 kHz."""

LEAST_DT_MS, MOST_DT_MS = 0.06, 999.0
"""Bins of 1 to 50 ms written in seconds lie below, in microseconds above."""


def whole_number(name: str, value: Any, minimum: int | None = 1) -> int:
    """``value`` as a Python int.

    Raises
    ------
    TypeError
        It is not an integer (NumPy's count as such, a bool does not).
    ValueError
        It is below ``minimum``; None sets no limit.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(value).__name__}") from None
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    return number


def check_sizes(minimum: int | None = 1, **sizes: Any) -> None:
    """Raise as `whole_number` unless every one of ``sizes`` is an int of at least ``minimum``."""
    for name, size in sizes.items():
        whole_number(name, size, minimum)


def check_numbers(rule: str, allowed: Callable[[Any], bool], **numbers: Any) -> None:
    """Raise TypeError unless every argument is a number, ValueError with the ``rule`` unless it is ``allowed``.

    ``allowed`` should be a comparison that is False for NaN.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, Real):
            raise TypeError(f"{name} must be a number, got {type(number).__name__}")
        if not allowed(number):
            raise ValueError(f"{name} {rule}, got {number}")


def checked_names(name: str, names: Any) -> list[str]:
    """Names as Python's text, in their order; whole numbers become text too.

    Raises
    ------
    TypeError
        They are no sequence, array or index of text or whole numbers: a set has no order, one text is not several.

    Examples
    --------
    >>> checked_names("neuron_names", np.array(["a1", "a2"]))
    ['a1', 'a2']
    """
    ordered = isinstance(names, Iterable) and not isinstance(names, (str, bytes, Set, Mapping, Iterator))
    if not ordered:
        raise TypeError(f"{name} must be a sequence of names, got {names!r}")
    found = list(names)
    for one in found:
        if isinstance(one, bool) or not isinstance(one, (str, Integral)):
            raise TypeError(f"{name} must be text, got {type(one).__name__} {one!r}")
    return [str(one) for one in found]


def check_choice(choices: Collection[str], error: type[Exception] = ValueError, **chosen: Any) -> None:
    """Raise ``error`` unless every argument is one of the words ``choices``."""
    for name, choice in chosen.items():
        if not isinstance(choice, str) or choice not in choices:
            raise error(f"{name} must be one of {list(choices)}, got {choice!r}")


def check_modules(**modules: Any) -> None:
    """Raise TypeError unless every argument is None or a module (an object, not its class)."""
    for name, module in modules.items():
        if module is not None and not isinstance(module, nn.Module):
            raise TypeError(f"{name} must be an nn.Module or None, got {type(module).__name__}")


def check_has_weights(**models: Any) -> None:
    """Raise TypeError unless every argument is a module, not its class, whose parameters and buffers have values."""
    for name, model in models.items():
        if isinstance(model, type) and issubclass(model, nn.Module):
            raise TypeError(f"{name} must be a model, got the class {model.__name__}: call it with its sizes")
        if not isinstance(model, nn.Module):
            raise TypeError(f"{name} must be an nn.Module, got {type(model).__name__}")
        without = next((key for key, one in _tensors_of(model) if one.is_meta), None)
        if without is not None:
            raise TypeError(
                f"{name} must have weights, got one on the device 'meta', where {without} has a shape alone: "
                "build it on a processor, or give it values with load_state_dict(state, assign=True)"
            )


def _tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def check_floating(**tensors: Any) -> None:
    """Raise TypeError unless every argument is a floating-point tensor."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            way_out = ": convert it with .float()" if isinstance(tensor, Tensor) else ""
            raise TypeError(f"{name} must be a floating-point tensor, got {kind}{way_out}")


def check_has_values(name: str, tensor: Tensor) -> None:
    """Raise TypeError unless a tensor holds a real number in each of its places."""
    if tensor.is_meta:
        raise TypeError(f"{name} must hold numbers, got a tensor on the device 'meta', which has a shape alone")
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, got the layout {tensor.layout}: convert it with .to_dense()")
    if tensor.is_complex():
        raise TypeError(f"{name} must be real numbers, got {tensor.dtype}: give .abs() or .real")


def doubt_units(cf_hz: Tensor, dt_ms: float) -> None:
    """Warn where centre frequencies look like kHz, or a bin width like seconds or microseconds."""
    if cf_hz.numel() and cf_hz.max() <= HIGHEST_TAKEN_FOR_KHZ:
        warn_user(
            f"cf_hz ends at {cf_hz.max().item():g} Hz, below what is heard: if it is in kHz, give cf_hz * 1000",
        )
    if not LEAST_DT_MS <= dt_ms <= MOST_DT_MS:
        meant = f"seconds, give {1000 * dt_ms:g}" if dt_ms < LEAST_DT_MS else f"microseconds, give {dt_ms / 1000:g}"
        warn_user(f"dt_ms is {dt_ms:g} ms: if it is in {meant}")


def as_axis(name: str, values: Any) -> Tensor:
    """`as_tensor` of the places along an axis, such as centre frequencies; whole numbers become floats."""
    axis = as_tensor(name, values).detach()
    return axis.float() if axis.dtype in (torch.uint8, torch.int16, torch.int32, torch.int64) else axis


def as_tensor(name: str, values: Any) -> Tensor:
    """``values`` as a tensor: a tensor itself, or what NumPy reads (arrays, lists, what xarray and pandas hold).

    An array is copied only where torch cannot share it. Masked values of NumPy's masked arrays become NaN.

    Raises
    ------
    TypeError
        They are no array of real numbers.

    Examples
    --------
    >>> as_tensor("stimulus", [[1.0, 2.0]]).dtype
    torch.float64
    """
    if isinstance(values, Tensor):
        return values
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        values = np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    try:
        array = np.asarray(values)
        kind = f"{type(values).__name__} of dtype {array.dtype}" if array.dtype.kind not in "biuf" else ""
    except (TypeError, ValueError):  # rows of unequal length
        kind = type(values).__name__
    if kind:
        raise TypeError(f"{name} must be a tensor or an array of numbers, got {kind}")
    # Torch takes neither the other byte order nor longer floats, and warns of arrays that may not be written.
    plain = np.dtype(np.float64) if array.dtype.kind == "f" and array.itemsize > 8 else array.dtype.newbyteorder("=")
    if array.dtype.kind == "u" and array.itemsize > 1:
        plain = np.dtype(np.int64)
    return torch.from_numpy(np.require(array, plain, ["C", "W"]))
