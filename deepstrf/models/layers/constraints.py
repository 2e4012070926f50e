"""Constrained parameters: one raw tensor, one transform with its inverse, one property in natural units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "FRACTION",
    "MIN_SIGMA",
    "POSITIVE",
    "TIME_CONSTANT",
    "WEIGHT",
    "WIDTH",
    "Constraint",
    "a_to_d",
    "as_float_tensor",
    "d_to_a",
    "d_to_tau",
    "inverse_softplus",
    "natural_property",
    "raw_to_sigma",
    "sigma_to_raw",
    "softplus",
    "tau_to_d",
    "w_to_p",
]

MIN_SIGMA = 0.27
"""Smallest standard deviation of a Gaussian on the kernel grid, in bins (Khalfaoui-Hassani et al. 2023)."""

FloatLike = float | Sequence[float] | np.ndarray | Tensor


def as_float_tensor(values: FloatLike) -> Tensor:
    """Floating-point tensor of ``values``: a tensor keeps its float type, all else gets torch's default one."""
    if isinstance(values, Tensor) and values.is_floating_point():
        return values
    return torch.as_tensor(values, dtype=torch.get_default_dtype())


def _checked(values: FloatLike, allowed: Callable[[Tensor], Tensor], argument: str, rule: str) -> Tensor:
    """Tensor of ``values``; ValueError naming the first one that breaks the rule (NaN always does)."""
    tensor = as_float_tensor(values)
    obeys = allowed(tensor.detach())
    if not bool(obeys.all()):
        raise ValueError(f"{argument} {rule}, got {tensor.detach()[~obeys].reshape(-1)[0].item():g}")
    return tensor


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


def inverse_softplus(y: FloatLike) -> Tensor:
    """Raw value whose softplus is ``y``: ``y + log(1 - exp(-y))``, accurate for tiny and for huge ``y``.

    Parameters
    ----------
    y : float, sequence, ndarray or Tensor, shape (...)
        Positive.

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    ValueError
        A value is not a positive finite number.

    Examples
    --------
    >>> round(softplus(inverse_softplus(0.25)).item(), 6)
    0.25
    """
    y = _checked(y, lambda v: (v > 0) & (v < torch.inf), "y", "must be positive and finite")
    return y + torch.log(-torch.expm1(-y))


def d_to_a(d: Tensor) -> Tensor:
    """Fraction in (0, 1] of each raw value: ``1/(1 + d^2)``. Inverse: `a_to_d`."""
    return 1.0 / (1.0 + d * d)


def a_to_d(a: FloatLike) -> Tensor:
    """Raw value of each decay factor ``a``: ``sqrt(1/a - 1)``. Inverse: `d_to_a`.

    Parameters
    ----------
    a : float, sequence, ndarray or Tensor, shape (...)
        Decay per time bin, in (0, 1].

    Returns
    -------
    Tensor, shape (...)
        Non-negative.

    Raises
    ------
    ValueError
        A value lies outside (0, 1] or is NaN.
    """
    return _fraction_to_raw(a, "a")


def w_to_p(w: FloatLike) -> Tensor:
    """Raw value of each weight of the past ``w``: ``sqrt(1/w - 1)``. Inverse: `d_to_a`.

    Parameters
    ----------
    w : float, sequence, ndarray or Tensor, shape (...)
        Weight of the past average, in (0, 1].

    Returns
    -------
    Tensor, shape (...)
        Non-negative.

    Raises
    ------
    ValueError
        A value lies outside (0, 1] or is NaN.
    """
    return _fraction_to_raw(w, "w")


def _fraction_to_raw(values: FloatLike, argument: str) -> Tensor:
    fraction = _checked(values, lambda v: (v > 0) & (v <= 1), argument, "must lie in (0, 1]")
    return torch.sqrt((1.0 - fraction) / fraction)


def raw_to_sigma(raw: Tensor) -> Tensor:
    """Standard deviation in bins of each raw width: ``|raw| + 0.27``. Inverse: `sigma_to_raw`."""
    return raw.abs() + MIN_SIGMA


def sigma_to_raw(sigma: FloatLike) -> Tensor:
    """Raw width of each standard deviation: ``sigma - 0.27``. Inverse: `raw_to_sigma`.

    Parameters
    ----------
    sigma : float, sequence, ndarray or Tensor, shape (...)
        Standard deviation in bins, at least 0.27.

    Returns
    -------
    Tensor, shape (...)
        Non-negative.

    Raises
    ------
    ValueError
        A value is below 0.27 or NaN.
    """
    rule = f"must be at least {MIN_SIGMA} bins"
    # The bound is compared after rounding to the tensor's own type: float32(0.27) is allowed in float32.
    sigma = _checked(sigma, lambda v: v >= torch.tensor(MIN_SIGMA, dtype=v.dtype, device=v.device), "sigma", rule)
    return (sigma - MIN_SIGMA).clamp_min(0.0)


def d_to_tau(d: Tensor) -> Tensor:
    """Time constant in frames of each raw value: ``1 + d^2``. Inverse: `tau_to_d`."""
    return 1.0 + d * d


def tau_to_d(tau: FloatLike) -> Tensor:
    """Raw value of each time constant in frames: ``sqrt(tau - 1)``. Inverse: `d_to_tau`.

    Parameters
    ----------
    tau : float, sequence, ndarray or Tensor, shape (...)
        Time constant in frames, at least 1.

    Returns
    -------
    Tensor, shape (...)
        Non-negative.

    Raises
    ------
    ValueError
        A value is below 1 frame or NaN.
    """
    return torch.sqrt(_checked(tau, lambda v: (v >= 1) & (v < torch.inf), "tau", "must be at least 1 frame") - 1.0)


@dataclass(frozen=True)
class Constraint:
    """A transform from a raw tensor to natural units, and its inverse."""

    to_natural: Callable[[Tensor], Tensor]
    to_raw: Callable[[FloatLike], Tensor]


POSITIVE = Constraint(softplus, inverse_softplus)
FRACTION = Constraint(d_to_a, a_to_d)
WEIGHT = Constraint(d_to_a, w_to_p)
WIDTH = Constraint(raw_to_sigma, sigma_to_raw)
TIME_CONSTANT = Constraint(d_to_tau, tau_to_d)


def natural_property(raw_name: str, constraint: Constraint, doc: str, *, only_if: str | None = None) -> Any:
    """Property that shows the raw tensor ``raw_name`` of a module in natural units, and sets it from them.

    Reading applies ``constraint.to_natural`` to the live tensor (None when the module has none), so gradients and
    replaced parameters are seen. Writing checks the values, inverts them and fills the raw tensor in place.

    Parameters
    ----------
    raw_name : str
        Attribute that holds the raw tensor.
    constraint : Constraint
        Transform and inverse.
    doc : str
        Docstring of the property.
    only_if : str, optional
        Attribute of the module; when it is False the raw tensor is itself in natural units.
    """

    def constrained(module: nn.Module) -> bool:
        return only_if is None or bool(getattr(module, only_if))

    def read(module: nn.Module) -> Tensor | None:
        raw = getattr(module, raw_name)
        if raw is None or not constrained(module):
            return raw
        return constraint.to_natural(raw)

    def write(module: nn.Module, values: FloatLike) -> None:
        raw = getattr(module, raw_name)
        if raw is None:
            raise ValueError(f"{type(module).__name__} was built without {raw_name}, so it cannot be set")
        with torch.no_grad():
            natural = torch.as_tensor(values, dtype=raw.dtype, device=raw.device)
            raw.copy_(constraint.to_raw(natural) if constrained(module) else natural)

    return property(read, write, doc=doc)
