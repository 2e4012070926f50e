"""Output nonlinearities with one set of parameters per neuron, on the last axis of their input.

Each module holds raw tensors and calls the pure function of the same name. Values and gradients are finite for every
finite input.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_sizes
from deepstrf.deprecation import keywords

from .layers.as_built import mark_as_built
from .layers.configured import Configured
from .layers.constraints import POSITIVE, inverse_softplus, natural_property

__all__ = [
    "ELEMENTWISE",
    "MIN_SHARPNESS",
    "MIN_WIDTH",
    "ParametricDoubleExponential",
    "ParametricSigmoid",
    "ParametricSoftplus",
    "parametric_double_exponential",
    "parametric_sigmoid",
    "parametric_softplus",
]

# Of torch.nn: in evaluation mode they treat every element by itself.
ELEMENTWISE: tuple[type[nn.Module], ...] = (
    nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Identity, nn.LeakyReLU,
    nn.LogSigmoid, nn.Mish, nn.RReLU, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softshrink,
    nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Threshold,
)  # fmt: skip

MIN_WIDTH = 1e-4
"""Smallest |d| with which the sigmoid is computed (input units): its slope is then 2500 b."""

MIN_SHARPNESS = 1e-6
"""Smallest beta with which the softplus is computed (1 / input units)."""

LARGEST_INPUT = 1e30
"""A softplus' ``beta x`` above this counts as this, so that its value is finite for every finite input."""

SOFTPLUS_LINEAR_ABOVE = 50.0
"""Where softplus(z) and z are the same number, float64 included: exp(-50) = 2e-22."""


@keywords()
def parametric_sigmoid(x: Tensor, b: Tensor, c: Tensor, d: Tensor, a: Tensor | None = None) -> Tensor:
    r"""Sigmoid of each neuron, :math:`b\,\sigma((x - c)/d) + a`.

    Parameters
    ----------
    x : Tensor, shape (..., N)
        Drive.
    b, c, d : Tensor, shape (N,)
        Dynamic range, inflection point, width (inverse gain). ``|d|`` below 1e-4 counts as 1e-4 with the same sign, so
        that d may pass through zero; its gradient is then taken at 1e-4.
    a : Tensor, shape (N,), optional
        Baseline.

    Returns
    -------
    Tensor, shape (..., N)

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280.
    """
    floor = torch.where(d < 0, -1.0, 1.0).to(d.dtype) * MIN_WIDTH
    width = d + (torch.where(d.abs() < MIN_WIDTH, floor, d) - d).detach()
    gain = 1 / width
    return _scaled(torch.sigmoid((x - c) * gain), b, a)


@keywords()
def parametric_double_exponential(x: Tensor, a: Tensor, k: Tensor, s: Tensor, b: Tensor | None = None) -> Tensor:
    r"""Double exponential of each neuron, :math:`a\,\exp(-\exp(k x - s)) + b`.

    Parameters
    ----------
    x : Tensor, shape (..., N)
        Drive.
    a, k, s : Tensor, shape (N,)
        Saturated rate, gain (negative for a response that rises with x), threshold.
    b : Tensor, shape (N,), optional
        Baseline.

    Returns
    -------
    Tensor, shape (..., N)

    Notes
    -----
    The inner exponent is capped where its exponential would overflow; ``exp(-exp(.))`` is zero long before.

    References
    ----------
    Thorson, Liénard & David (2015), PLOS Comput. Biol. 11:e1004628.
    """
    exponent = k * x - s
    largest = math.log(torch.finfo(exponent.dtype).max) - 1.0
    return _scaled(torch.exp(-torch.exp(exponent.clamp(max=largest))), a, b)


@keywords()
def parametric_softplus(x: Tensor, beta: Tensor, b: Tensor | None = None) -> Tensor:
    r"""Softplus of each neuron, :math:`\log(1 + e^{\beta x})/\beta + b`.

    Parameters
    ----------
    x : Tensor, shape (..., N)
        Drive.
    beta : Tensor, shape (N,)
        Sharpness, positive; below 1e-6 it counts as 1e-6, and ``beta x`` above 1e30 as 1e30.
    b : Tensor, shape (N,), optional
        Baseline.

    Returns
    -------
    Tensor, shape (..., N)
    """
    beta = beta.clamp_min(MIN_SHARPNESS)
    width, largest = 1 / beta, min(LARGEST_INPUT, torch.finfo(x.dtype).max)
    # No name holds beta x: its memory serves the next array.
    return _scaled(functional.softplus((beta * x).clamp(max=largest), threshold=SOFTPLUS_LINEAR_ABOVE), width, b)


def _scaled(y: Tensor, gain: Tensor, baseline: Tensor | None) -> Tensor:
    """``gain * y + baseline`` in one pass over ``y``."""
    return gain * y if baseline is None else torch.addcmul(baseline, gain, y)


class _PerNeuron(Configured):
    """What the three nonlinearities share: N parameter sets, of which some can be kept positive."""

    arguments = ("num_features", "non_negative_output")

    def __init__(self, num_features: int, non_negative_output: bool) -> None:
        super().__init__()
        check_sizes(num_features=num_features)
        self.num_features = int(num_features)
        self.non_negative_output = bool(non_negative_output)

    def _uniform(self, low: float, high: float, *, positive: bool = False) -> nn.Parameter:
        """Parameter (N,) whose natural value is uniform in [low, high]; stored through the inverse if positive."""
        values = torch.empty(self.num_features).uniform_(low, high)
        return nn.Parameter(inverse_softplus(values) if positive else values)

    def _check_last_axis(self, x: Tensor, parameter: Tensor) -> None:
        if x.dim() < 1 or x.shape[-1] != parameter.shape[0]:
            raise ValueError(f"x must have shape (..., {parameter.shape[0]}), neurons last, got {tuple(x.shape)}")


class _Saturating(_PerNeuron):
    """What the two saturating nonlinearities share: an amplitude, and a baseline that can be left out."""

    def __init__(self, num_features: int, bias: bool, non_negative_output: bool) -> None:
        super().__init__(num_features, non_negative_output)
        self.has_baseline = bool(bias)

    def _amplitude(self) -> nn.Parameter:
        return self._uniform(0.5, 1.5, positive=self.non_negative_output)

    def _baseline(self) -> nn.Parameter | None:
        lowest = 0.2 if self.non_negative_output else 0.0
        return self._uniform(lowest, 1.0, positive=self.non_negative_output) if self.has_baseline else None

    def config(self) -> dict[str, Any]:
        """Constructor arguments, JSON-able."""
        return {
            "num_features": self.num_features,
            "bias": self.has_baseline,
            "non_negative_output": self.non_negative_output,
        }


@keywords()
class ParametricSigmoid(_Saturating):
    """Saturating sigmoid with four parameters per neuron (see `parametric_sigmoid`).

    Parameters
    ----------
    num_features : int
        Neurons N.
    bias : bool
        Add the baseline ``a``.
    non_negative_output : bool
        Keep ``b`` and ``a`` positive by storing them through a softplus, for rates; False stores them as they are, for
        signals that may be negative.

    Raises
    ------
    ValueError
        ``num_features`` is below 1.

    Notes
    -----
    Input and output (..., N). Parameters, each (N,): ``c`` starts in U(-0.5, 0.5), ``d`` in U(0.5, 1.5), and through
    ``_raw_b`` and ``_raw_a``: b in U(0.5, 1.5), a in U(0.2, 1) (signed: U(0, 1)).

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280.
    """

    a = natural_property("a", "_raw_a", POSITIVE, "Baseline (N,); None without bias.", only_if="non_negative_output")
    b = natural_property("b", "_raw_b", POSITIVE, "Dynamic range (N,).", only_if="non_negative_output")

    def __init__(self, num_features: int, bias: bool = True, non_negative_output: bool = True) -> None:
        super().__init__(num_features, bias, non_negative_output)
        self.c = self._uniform(-0.5, 0.5)
        self.d = self._uniform(0.5, 1.5)
        self._raw_b = self._amplitude()
        self._raw_a = self._baseline()
        mark_as_built(self)

    def forward(self, x: Tensor) -> Tensor:
        """Response of each neuron to its drive; ValueError unless the last axis is N."""
        self._check_last_axis(x, self.c)
        return parametric_sigmoid(x, self.b, self.c, self.d, self.a)


@keywords()
class ParametricDoubleExponential(_Saturating):
    """Saturating double exponential with four parameters per neuron (see `parametric_double_exponential`).

    Parameters
    ----------
    num_features : int
        Neurons N.
    bias : bool
        Add the baseline ``b``.
    non_negative_output : bool
        As for `ParametricSigmoid`, of ``a`` and ``b``.

    Raises
    ------
    ValueError
        ``num_features`` is below 1.

    Notes
    -----
    Input and output (..., N). Parameters, each (N,): ``k`` starts in U(-1.5, -0.5), so that every neuron begins as a
    rising function of its drive, ``s`` in U(0.5, 1.5), and through ``_raw_a`` and ``_raw_b``: a in U(0.5, 1.5), b in
    U(0.2, 1) (signed: U(0, 1)).

    References
    ----------
    Thorson, Liénard & David (2015), PLOS Comput. Biol. 11:e1004628.
    """

    a = natural_property("a", "_raw_a", POSITIVE, "Saturated rate (N,).", only_if="non_negative_output")
    b = natural_property("b", "_raw_b", POSITIVE, "Baseline (N,); None without bias.", only_if="non_negative_output")

    def __init__(self, num_features: int, bias: bool = True, non_negative_output: bool = True) -> None:
        super().__init__(num_features, bias, non_negative_output)
        self.k = self._uniform(-1.5, -0.5)
        self.s = self._uniform(0.5, 1.5)
        self._raw_a = self._amplitude()
        self._raw_b = self._baseline()
        mark_as_built(self)

    def forward(self, x: Tensor) -> Tensor:
        """Response of each neuron to its drive; ValueError unless the last axis is N."""
        self._check_last_axis(x, self.k)
        return parametric_double_exponential(x, self.a, self.k, self.s, self.b)


@keywords()
class ParametricSoftplus(_PerNeuron):
    """Softplus with a sharpness and a baseline per neuron, unbounded above (see `parametric_softplus`).

    Parameters
    ----------
    num_features : int
        Neurons N.
    non_negative_output : bool
        Keep ``b`` positive by storing it through a softplus, for rates; False stores it as it is, for signals that may
        be negative. The sharpness is positive in both cases.

    Raises
    ------
    ValueError
        ``num_features`` is below 1.

    Notes
    -----
    Input and output (..., N). Parameters, each (N,): ``_raw_beta`` starts in U(5, 6); ``_raw_b`` in U(-5, -3)
    (signed: U(-0.1, 0.1)).

    References
    ----------
    Dugas, Bengio, Bélisle, Nadeau & Garcia (2001), NIPS 13, for the curve.
    """

    beta = natural_property("beta", "_raw_beta", POSITIVE, "Sharpness (N,), positive.")
    b = natural_property("b", "_raw_b", POSITIVE, "Baseline (N,).", only_if="non_negative_output")

    def __init__(self, num_features: int, non_negative_output: bool = True) -> None:
        super().__init__(num_features, non_negative_output)
        self._raw_beta = self._uniform(5.0, 6.0)
        self._raw_b = self._uniform(-5.0, -3.0) if non_negative_output else self._uniform(-0.1, 0.1)
        mark_as_built(self)

    def forward(self, x: Tensor) -> Tensor:
        """Response of each neuron to its drive; ValueError unless the last axis is N."""
        self._check_last_axis(x, self._raw_beta)
        return parametric_softplus(x, self.beta, self.b)
