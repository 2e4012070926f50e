"""Constrained parameters: one raw tensor, one transform with its inverse, one property in natural units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.deprecation import keywords

__all__ = [
    "FRACTION",
    "MIN_SIGMA",
    "POSITIVE",
    "WIDTH",
    "Constraint",
    "NaturalProperty",
    "a_to_d",
    "as_float_tensor",
    "d_to_a",
    "d_to_tau",
    "inverse_softplus",
    "learnable_fraction",
    "natural_property",
    "raw_to_sigma",
    "sigma_to_raw",
    "softplus",
    "tau_to_d",
    "w_to_p",
]

LEAST_SLOPE_AT = 0.01
MIN_SIGMA = 0.27
"""Smallest standard deviation of a Gaussian on the kernel grid, in bins (Khalfaoui-Hassani et al. 2023)."""

FloatLike = float | Sequence[float] | np.ndarray | Tensor


def as_float_tensor(values: FloatLike, argument: str, dtype: torch.dtype | None = None) -> Tensor:
    """Tensor of ``values`` in ``dtype``; if None, a tensor keeps its float type, all else gets torch's default one.

    Raises
    ------
    TypeError
        ``values`` are no numbers; ``argument`` is what the message calls them.
    """
    if isinstance(values, Tensor) and values.is_floating_point():
        return values if dtype is None else values.to(dtype)
    try:
        return torch.as_tensor(values, dtype=dtype or torch.get_default_dtype())
    except (TypeError, ValueError, RuntimeError):
        kind = type(values).__name__
        raise TypeError(
            f"{argument} must be a number, a sequence, an array or a tensor of numbers, got {kind}"
        ) from None


def _checked(values: FloatLike, allowed: Callable[[Tensor], Tensor], argument: str, rule: str) -> Tensor:
    """Tensor of ``values``; ValueError naming the first one that breaks the rule (NaN always does)."""
    tensor = as_float_tensor(values, argument)
    obeys = allowed(tensor.detach())
    if not obeys.is_meta and not bool(obeys.all()):
        raise ValueError(f"{argument} {rule}, got {tensor.detach()[~obeys].reshape(-1)[0].item():g}")
    return tensor


# Each pair below is a transform from raw to natural units and its inverse. The inverses take a float, a sequence, an
# array or a tensor of any shape, return a tensor of that shape, and raise ValueError for a value (also NaN) that no raw
# value gives; ``argument`` is what the message calls it.


@keywords()
def softplus(raw: Tensor) -> Tensor:
    """``log(1 + exp(raw))`` without a cut-over to the straight line, so that it has an exact inverse.

    Parameters
    ----------
    raw : Tensor, shape (...)
        Any finite value.

    Returns
    -------
    Tensor, shape (...)
        Positive.
    """
    return torch.logaddexp(raw, raw.new_zeros(()))


@keywords()
def inverse_softplus(y: FloatLike, argument: str = "y") -> Tensor:
    """Raw value whose softplus is ``y``, positive and finite: ``y + log(1 - exp(-y))``, also for tiny and huge ``y``.

    Examples
    --------
    >>> round(softplus(inverse_softplus(0.25)).item(), 6)
    0.25
    """
    y = _checked(y, lambda v: (v > 0) & (v < torch.inf), argument, "must be positive and finite")
    return y + torch.log(-torch.expm1(-y))


@keywords()
def d_to_a(d: Tensor) -> Tensor:
    """Fraction in (0, 1] of each raw value: ``1/(1 + d^2)``. Inverse: `a_to_d`."""
    return 1.0 / (1.0 + d * d)


@keywords()
def a_to_d(a: FloatLike, argument: str = "a") -> Tensor:
    """Raw value, at least 0, of each decay per time bin ``a`` in (0, 1]: ``sqrt(1/a - 1)``. Inverse of `d_to_a`."""
    a = _checked(a, lambda v: (v > 0) & (v <= 1), argument, "must lie in (0, 1]")
    return torch.sqrt((1.0 - a) / a)


def learnable_fraction(d: Tensor) -> Tensor:
    """`d_to_a`, with the slope that it has at 0.01 for smaller ``|d|``: at 0 its own is 0, and nothing would learn."""
    fraction = d_to_a(d)
    slope = -2 * LEAST_SLOPE_AT / (1 + LEAST_SLOPE_AT**2) ** 2
    return torch.where(d.abs() < LEAST_SLOPE_AT, fraction.detach() + slope * (d - d.detach()), fraction)


def learnable_rate(d: Tensor) -> Tensor:
    """Rate ``log(1 + d^2)`` of which `d_to_a` is the decay, ``exp(-rate)``, with a slope as of `learnable_fraction`."""
    rate = torch.log1p(d.square())
    slope = 2 * LEAST_SLOPE_AT / (1 + LEAST_SLOPE_AT**2)
    return torch.where(d.abs() < LEAST_SLOPE_AT, rate.detach() + slope * (d - d.detach()), rate)


@keywords()
def w_to_p(w: FloatLike, argument: str = "w") -> Tensor:
    """Raw value of each weight of the past ``w`` in (0, 1], by the formula of `a_to_d`."""
    return a_to_d(w, argument)


@keywords()
def raw_to_sigma(raw: Tensor) -> Tensor:
    """Standard deviation in bins of each raw width: ``|raw| + 0.27``. Inverse: `sigma_to_raw`."""
    return raw.abs() + MIN_SIGMA


@keywords()
def sigma_to_raw(sigma: FloatLike, argument: str = "sigma") -> Tensor:
    """Raw width, at least 0, of each standard deviation of at least 0.27 bins. Inverse of `raw_to_sigma`."""
    rule = f"must be at least {MIN_SIGMA} bins"
    # The bound is compared after rounding to the tensor's own type: float32(0.27) is allowed in float32.
    sigma = _checked(sigma, lambda v: v >= torch.tensor(MIN_SIGMA, dtype=v.dtype, device=v.device), argument, rule)
    return (sigma - MIN_SIGMA).clamp_min(0.0)


@keywords()
def d_to_tau(d: Tensor) -> Tensor:
    """Memory in frames of each raw value: ``1 + d^2``. Inverse: `tau_to_d`."""
    return 1.0 + d * d


@keywords()
def tau_to_d(tau: FloatLike, argument: str = "tau") -> Tensor:
    """Raw value, at least 0, of each memory of at least 1 frame: ``sqrt(tau - 1)``. Inverse of `d_to_tau`."""
    return torch.sqrt(_checked(tau, lambda v: (v >= 1) & (v < torch.inf), argument, "must be at least 1 frame") - 1.0)


@keywords()
@dataclass(frozen=True)
class Constraint:
    """Transform from a raw tensor to natural units, and its inverse, whose second argument is a name for errors."""

    to_natural: Callable[[Tensor], Tensor]
    to_raw: Callable[[FloatLike, str], Tensor]


POSITIVE = Constraint(softplus, inverse_softplus)
FRACTION = Constraint(d_to_a, a_to_d)
WIDTH = Constraint(raw_to_sigma, sigma_to_raw)


class NaturalProperty(property):
    """A property that `natural_property` has made, with the raw tensor and the constraint behind it."""

    raw_name: str
    constraint_of: Callable[[nn.Module], Constraint | None]


def natural_property(name: str, raw_name: str, constraint: Constraint, doc: str, *, only_if: str | None = None) -> Any:
    """Property that shows the raw tensor ``raw_name`` of a module in natural units, and sets it from them.

    Reading applies ``constraint.to_natural`` to the live tensor (None when the module has none), so gradients and
    replaced parameters are seen. Writing checks the values, inverts them and fills the raw tensor in place.

    Parameters
    ----------
    name : str
        Name of the property, for its messages.
    raw_name : str
        Attribute that holds the raw tensor.
    constraint : Constraint
        Transform and inverse.
    doc : str
        Docstring of the property.
    only_if : str, optional
        Attribute of the module; when it is False the raw tensor is itself in natural units.
    """

    def constraint_of(module: nn.Module) -> Constraint | None:
        return constraint if only_if is None or getattr(module, only_if) else None

    def read(module: nn.Module) -> Tensor | None:
        raw = getattr(module, raw_name)
        if raw is None or constraint_of(module) is None:
            return raw
        return constraint.to_natural(raw)

    def write(module: nn.Module, values: FloatLike) -> None:
        raw = getattr(module, raw_name)
        if raw is None:
            raise ValueError(f"{type(module).__name__} was built without {raw_name}, so it cannot be set")
        with torch.no_grad():
            natural = as_float_tensor(values, name, raw.dtype).to(raw.device)
            if natural.dim() and natural.shape != raw.shape:
                raise ValueError(f"{name} must be a number or {tuple(raw.shape)}, got {tuple(natural.shape)}")
            raw.copy_(natural if constraint_of(module) is None else constraint.to_raw(natural, name))

    made = NaturalProperty(read, write, doc=doc)
    made.raw_name, made.constraint_of, made.__doc__ = raw_name, constraint_of, doc
    return made
