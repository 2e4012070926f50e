"""What can be edited, saved and shown of a layer: one entry for each output curve and each prefilter.

Checkpoints, diagnosis, the parameter table of a session and the browser read these entries. A new layer is its module,
an entry here and, for the browser to compute it, its formula in ``widgets/src/math``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from .prefiltering import AdapTrans, ICAdaptation

__all__ = ["OUTPUT_CURVES", "PREFILTERS", "Column", "Layer", "OutputCurve", "Scale"]

Array = NDArray[np.float64]
Ends = tuple[Tensor | float, Tensor | float, Tensor | float]

UNKNOWN = "other"
"""Kind of a layer whose formula the browser does not have."""

RATE, DRIVE, PER_DRIVE = "rate", "a.u.", "per a.u."
MAX_TAU_MS = 10_000.0
MIN_W = 1e-3


@dataclass(frozen=True)
class Scale:
    """A quantity that is shown in place of the one which the module holds, given the width of a time bin in ms."""

    to_shown: Callable[[Array, float], Array]
    to_module: Callable[[Array, float], Array]


def _time_constant(decay: Array, dt_ms: float) -> Array:
    """``-dt/log(decay)``; no decay at all is an infinite time constant."""
    rate = -np.log(decay)
    return np.divide(dt_ms, rate, out=np.full_like(rate, np.inf), where=rate > 0)


TIME_CONSTANT = Scale(_time_constant, lambda tau_ms, dt_ms: np.asarray(np.exp(-dt_ms / tau_ms)))


@dataclass(frozen=True)
class Column:
    """One parameter of a layer: the values of all neurons (of a prefilter: bands) in natural units.

    Attributes
    ----------
    name : str
        For example ``beta`` of ``activation.beta``.
    meaning, note, symbol : str
        What it is called on screen, its unit or a remark there ("rate" stands for the unit of the response), and its
        symbol (the name where it is empty).
    unit : str
        Unit in code and messages, empty when dimensionless.
    attribute : str
        Property or tensor of the module that holds it; the name where it is empty.
    limits : tuple of float, or callable of the width of a time bin in ms, optional
        Lowest and highest value that an edit may set; None: what the module itself allows.
    scale : Scale, optional
        Where it is not the attribute itself that is shown.
    """

    name: str
    meaning: str
    note: str = ""
    symbol: str = ""
    unit: str = ""
    attribute: str = ""
    limits: tuple[float, float] | Callable[[float], tuple[float, float]] | None = None
    scale: Scale | None = None


@dataclass(frozen=True)
class Layer:
    """A kind of layer: what the browser calls it, and what of it can be edited, in the order of the parameter table."""

    kind: str = UNKNOWN
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class OutputCurve(Layer):
    """An output curve.

    Attributes
    ----------
    formula : str
        Of the rate, in the symbols of the columns; a module without its baseline lacks that summand.
    ends : callable
        Floor and ceiling of the curves of a module (infinite where there is none), and the drive over which a curve
        without a ceiling leaves its floor.
    pointwise : bool
        Whether every neuron is treated by itself. A curve that mixes them (a softmax) is given all.
    fits : callable
        Whether the formula of ``kind`` holds for a module.
    """

    formula: str = ""
    ends: Callable[[Any], Ends] = lambda _curve: (-torch.inf, torch.inf, 0.0)
    pointwise: bool = True
    fits: Callable[[Any], bool] = lambda _curve: True


def _levels(baseline: Tensor | None, range_: Tensor) -> Ends:
    floor = torch.zeros_like(range_) if baseline is None else baseline
    return torch.minimum(floor, floor + range_), torch.maximum(floor, floor + range_), 0.0


OUTPUT_CURVES: dict[type, OutputCurve] = {
    ParametricSoftplus: OutputCurve(
        "softplus",
        (Column("beta", "sharpness", PER_DRIVE, "β"), Column("b", "baseline", RATE)),
        "log(1 + exp(β x)) / β + b",
        ends=lambda curve: (curve.b, torch.inf, 1 / curve.beta),
    ),
    ParametricSigmoid: OutputCurve(
        "sigmoid",
        (
            Column("a", "baseline", RATE),
            Column("b", "range", RATE),
            Column("c", "threshold", DRIVE),
            Column("d", "width", DRIVE),
        ),
        "b σ((x − c) / d) + a",
        ends=lambda curve: _levels(curve.a, curve.b),
    ),
    ParametricDoubleExponential: OutputCurve(
        "double_exponential",
        (
            Column("a", "range", RATE),
            Column("b", "baseline", RATE),
            Column("k", "gain", "per a.u., negative where the curve rises"),
            Column("s", "offset", "gain times threshold"),
        ),
        "a exp(−exp(k x − s)) + b",
        ends=lambda curve: _levels(curve.b, curve.a),
    ),
    nn.Identity: OutputCurve("plain_identity"),
    nn.ReLU: OutputCurve("plain_relu", ends=lambda _curve: (0.0, torch.inf, 0.0)),
    nn.Sigmoid: OutputCurve("plain_sigmoid", ends=lambda _curve: (0.0, 1.0, 0.0)),
    nn.Softplus: OutputCurve(
        "plain_softplus",
        ends=lambda curve: (0.0, torch.inf, 1 / curve.beta),
        fits=lambda curve: (curve.beta, curve.threshold) == (1, 20),
    ),
    nn.Tanh: OutputCurve("plain_tanh", ends=lambda _curve: (-1.0, 1.0, 0.0)),
    **dict.fromkeys((nn.ELU, nn.GELU, nn.LeakyReLU, nn.SiLU), OutputCurve()),
}


def _tau_limits(dt_ms: float) -> tuple[float, float]:
    return 0.1 * dt_ms, MAX_TAU_MS


def _tau(name: str, meaning: str, attribute: str) -> Column:
    note = "time constant of adaptation in ms"
    return Column(name, meaning, note, "τ", "ms", attribute, _tau_limits, TIME_CONSTANT)


PREFILTERS: dict[type, Layer] = {
    nn.Identity: Layer("none"),
    AdapTrans: Layer(
        "adaptrans",
        (
            _tau("tau_on_ms", "ON", "a_on"),
            _tau("tau_off_ms", "OFF", "a_off"),
            Column("w", "w", "weight of the past", limits=(MIN_W, 1.0)),
        ),
    ),
    ICAdaptation: Layer("ic", (_tau("tau_ms", "", "a"),)),
}


def curve_kind(activation: nn.Module) -> str:
    """Kind of an output curve; "other" where the browser does not have its formula."""
    entry = OUTPUT_CURVES.get(type(activation), OutputCurve())
    return entry.kind if entry.fits(activation) else UNKNOWN


def is_pointwise(activation: nn.Module) -> bool:
    """Whether an output curve is known to treat every neuron by itself."""
    entry = OUTPUT_CURVES.get(type(activation))
    return entry is not None and entry.pointwise
