"""What can be edited, saved and shown of a layer: one entry for each output curve, prefilter and kernel.

Checkpoints, diagnosis, the parameter table of a session and the browser read these entries. A new layer is its module,
an entry here and, for the browser to compute it, its formula in ``widgets/src/math``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .activations import ELEMENTWISE, ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from .layers import MIN_SIGMA, ParametricSTRF, SeparableSTRF
from .prefiltering import AdapTrans, ICAdaptation, ShortTermPlasticity

__all__ = [
    "BIAS",
    "KERNELS",
    "OUTPUT_CURVES",
    "PREFILTERS",
    "UNKNOWN",
    "Column",
    "Kernel",
    "Layer",
    "OutputCurve",
    "Scale",
    "curve_kind",
    "is_pointwise",
    "kernel_entry",
    "neuron_axes_of",
]

Array = NDArray[np.float64]
Scale = tuple[Callable[[Array, float], Array], Callable[[Array, float], Array]]
Ends = tuple[Tensor | float, Tensor | float, Tensor | float]

UNKNOWN = "other"
"""Kind of a layer whose formula the browser does not have."""

RATE, DRIVE, PER_DRIVE = "rate", "a.u.", "per a.u."
MAX_TAU_MS = 10_000.0
MIN_W = 1e-3
MIN_U, MAX_U = 1e-6, 10.0


def _time_constant(decay: Array, dt_ms: float) -> Array:
    """``-dt/log(decay)``; no decay at all is an infinite time constant."""
    rate = -np.log(decay)
    return np.divide(dt_ms, rate, out=np.full_like(rate, np.inf), where=rate > 0)


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
    limits : tuple of float, or callable ``limits(module, dt_ms)``, optional
        Lowest and highest value that an edit may set; None: what the module itself allows.
    scale : tuple of two callables, optional
        ``shown(values, dt_ms)`` of the attribute's values, and its inverse, where they are not shown as they are.
    part : int, optional
        Index on the first axis of the tensor, where several columns share it.
    view : callable, optional
        View of the tensor with the axes of the values, where it has others.
    by_row : bool
        Whether it is painted: runs of values along the last axis are set at once, and undo keeps whole rows.
    """

    name: str
    meaning: str
    note: str = ""
    symbol: str = ""
    unit: str = ""
    attribute: str = ""
    limits: tuple[float, float] | Callable[[Any, float], tuple[float, float]] | None = None
    scale: Scale | None = None
    part: int | None = None
    view: Callable[[Tensor], Tensor] | None = None
    by_row: bool = False


@dataclass(frozen=True)
class Layer:
    """A kind of layer: what the browser calls it, and what of it can be edited, in the order of the parameter table.

    ``fits(module)`` says whether the formula of that kind holds for a module.
    """

    kind: str = UNKNOWN
    columns: tuple[Column, ...] = ()
    fits: Callable[[Any], bool] = field(default=lambda _module: True, kw_only=True)


@dataclass(frozen=True)
class OutputCurve(Layer):
    """An output curve, which treats every neuron by itself.

    Attributes
    ----------
    formula : str
        Of the rate, in the symbols of the columns; a module without its baseline lacks that summand.
    ends : callable
        Floor and ceiling of the curves of a module (infinite where there is none), and the drive over which a curve
        without a ceiling leaves its floor.
    """

    formula: str = ""
    ends: Callable[[Any], Ends] = lambda _curve: (-torch.inf, torch.inf, 0.0)


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
}


def _tau(name: str, meaning: str, attribute: str) -> Column:
    """Column of the time constants of decays per bin."""
    scale = (_time_constant, lambda tau_ms, dt_ms: np.asarray(np.exp(-dt_ms / tau_ms)))
    note, limits = "time constant of adaptation in ms", lambda _module, dt_ms: (0.1 * dt_ms, MAX_TAU_MS)
    return Column(name, meaning, note, "τ", "ms", attribute, limits, scale)


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
    ShortTermPlasticity: Layer(
        "plasticity",
        (
            _tau("tau_ms", "recovery", "a"),
            Column("u", "strength", "share used up, per bin and unit of the spectrogram", limits=(MIN_U, MAX_U)),
        ),
    ),
}


@dataclass(frozen=True)
class Kernel(Layer):
    """A receptive-field kernel; ``neurons_second`` are the tensors whose second axis counts the neurons."""

    neurons_second: tuple[str, ...] = ()


BIAS = Column("bias", "bias")
"""Of every kernel; no editor shows it."""

# Gaussians in units of the grid, bands and frames: a session shows them in Hz, octaves and ms.
KERNELS: dict[type, Kernel] = {
    ParametricSTRF: Kernel(
        "gaussians",
        (
            Column("band", "centre", "", "", "bands", "P", lambda kernel, _dt: (0.0, kernel.F - 1.0), part=0),
            Column("frame", "centre", "", "", "frames", "P", lambda kernel, _dt: (0.0, kernel.T - 1.0), part=1),
            Column("sigma_bands", "width", "", "", "bands", "sigma", lambda k, _dt: (MIN_SIGMA, float(k.F)), part=0),
            Column("sigma_frames", "width", "", "", "frames", "sigma", lambda k, _dt: (MIN_SIGMA, float(k.T)), part=1),
            Column("weight", "weight"),
            BIAS,
        ),
        neurons_second=("P", "SIG"),
    ),
    SeparableSTRF: Kernel(
        "separable",
        (
            Column("factor_f", "frequency profile", attribute="weight_f", view=lambda w: w.flatten(2), by_row=True),
            Column("factor_t", "time profile", attribute="weight_t", view=lambda w: w.flatten(2), by_row=True),
            BIAS,
        ),
    ),
    nn.Conv2d: Kernel(
        "full",
        (Column("kernel", "weights", attribute="weight", by_row=True), BIAS),
        fits=lambda kernel: kernel.groups == 1 and kernel.dilation == (1, 1),
    ),
}


def kernel_entry(kernel: nn.Module) -> Kernel:
    """Entry of a kernel, or of the class that it derives from; one without columns where none fits."""
    found = (entry for cls, entry in KERNELS.items() if isinstance(kernel, cls) and entry.fits(kernel))
    return next(found, Kernel())


def neuron_axes_of(module: nn.Module, n_neurons: int) -> dict[str, int]:
    """Axis that counts the neurons, for each tensor of a layer (parameters and buffers) that has one."""
    second = kernel_entry(module).neurons_second
    tensors = (*module.named_parameters(), *module.named_buffers())
    axes = ((name, int(name in second), tensor.shape) for name, tensor in tensors)
    return {name: axis for name, axis, shape in axes if shape[axis : axis + 1] == (n_neurons,)}


def curve_kind(activation: nn.Module) -> str:
    """Kind of an output curve; "other" where the browser does not have its formula."""
    entry = OUTPUT_CURVES.get(type(activation), OutputCurve())
    return entry.kind if entry.fits(activation) else UNKNOWN


def is_pointwise(activation: nn.Module) -> bool:
    """Whether an output curve is known to treat every neuron by itself."""
    return type(activation) in (*OUTPUT_CURVES, *ELEMENTWISE)
