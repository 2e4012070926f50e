"""Output nonlinearities against their formulas, at extreme inputs, one neuron at a time, and their errors."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from deepstrf.models.activations import (
    MIN_WIDTH,
    ParametricDoubleExponential,
    ParametricSigmoid,
    ParametricSoftplus,
    parametric_double_exponential,
    parametric_sigmoid,
    parametric_softplus,
)
from tests.tolerances import assert_close

N = 4
KINDS = {
    "sigmoid": lambda **options: ParametricSigmoid(N, **options),
    "double exponential": lambda **options: ParametricDoubleExponential(N, **options),
    "softplus": lambda **options: ParametricSoftplus(N, **options),
}
every_kind = pytest.mark.parametrize("kind", list(KINDS))
EXTREMES = [
    0.0,
    -0.0,
    1e-45,
    1.0,
    -1.0,
    20.0,
    50.0,
    88.0,
    89.0,
    -104.0,
    710.0,
    -1e4,
    1e20,
    -1e20,
    3.4e38,
    -3.4e38,
    1.7e308,
    -1.7e308,
]


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_values_follow_the_formulas() -> None:
    x = torch.linspace(-3, 3, 13, dtype=torch.float64).unsqueeze(1)
    b, c, d, a = numbers(2.0, 0.5), numbers(0.3, -0.4), numbers(0.7, -1.1), numbers(0.1, 0.2)
    assert_close(parametric_sigmoid(x, b, c, d, a), b / (1 + torch.exp(-(x - c) / d)) + a)
    assert_close(parametric_sigmoid(x, b, c, d), b / (1 + torch.exp(-(x - c) / d)))
    k, s = numbers(-1.2, 0.8), numbers(0.6, -0.2)
    assert_close(parametric_double_exponential(x, a, k, s, b), a * torch.exp(-torch.exp(k * x - s)) + b)
    assert_close(parametric_double_exponential(x, a, k, s), a * torch.exp(-torch.exp(k * x - s)))
    beta = numbers(5.0, 0.3)
    assert_close(parametric_softplus(x, beta, b), torch.log(1 + torch.exp(beta * x)) / beta + b)
    assert_close(parametric_softplus(x, beta), torch.log(1 + torch.exp(beta * x)) / beta)


@every_kind
@pytest.mark.parametrize("signed", [False, True])
def test_modules_agree_with_the_pure_functions(kind: str, signed: bool) -> None:
    layer = KINDS[kind](non_negative_output=not signed).double()
    x = torch.randn(2, 5, N, dtype=torch.float64)

    def natural(raw: torch.Tensor) -> torch.Tensor:
        return raw if signed else torch.log1p(torch.exp(raw))

    if isinstance(layer, ParametricSigmoid):
        expected = parametric_sigmoid(x, natural(layer._raw_b), layer.c, layer.d, natural(layer._raw_a))
    elif isinstance(layer, ParametricDoubleExponential):
        expected = parametric_double_exponential(x, natural(layer._raw_a), layer.k, layer.s, natural(layer._raw_b))
    else:
        expected = parametric_softplus(x, torch.log1p(torch.exp(layer._raw_beta)), natural(layer._raw_b))
    assert_close(layer(x), expected)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_and_gradients_are_finite_for_every_finite_input(kind: str, dtype: torch.dtype) -> None:
    layer = KINDS[kind]()
    with torch.no_grad():
        for name, raw in layer.named_parameters():
            raw.copy_(torch.tensor([3.0, -3.0, 0.0, 1e-3]) if name != "_raw_b" else torch.tensor([1.0, 2.0, -9.0, 0.0]))
    layer = layer.to(dtype)
    for value in EXTREMES:
        value = max(min(value, torch.finfo(dtype).max), torch.finfo(dtype).min)
        x = torch.full((2, N), value, dtype=dtype, requires_grad=True)
        y = layer(x)
        y.sum().backward()
        for name, tensor in {"y": y, "x": x.grad, **{n: p.grad for n, p in layer.named_parameters()}}.items():
            assert tensor is not None
            assert tensor.isfinite().all(), f"{name} at x = {value}: {tensor}"
        layer.zero_grad()


def test_limits_far_from_the_threshold() -> None:
    one = torch.ones(1)
    big, small = torch.tensor([3e38]), torch.tensor([-3e38])
    assert parametric_sigmoid(big, 2 * one, one, one, one) == 3.0
    assert parametric_sigmoid(small, 2 * one, one, one, one) == 1.0
    assert parametric_double_exponential(big, 2 * one, -one, one, one) == 3.0
    assert parametric_double_exponential(small, 2 * one, -one, one, one) == 1.0
    assert parametric_softplus(big, 5 * one) == 1e30 / (5 * one)
    assert_close(parametric_softplus(big / 1e10, 5 * one), big / 1e10)
    assert parametric_softplus(small, 5 * one, one) == 1.0


def test_a_sigmoid_of_no_width_keeps_a_slope_to_leave_by() -> None:
    # |d| counts as MIN_WIDTH: a step at c; at x = c + MIN_WIDTH the value is sigmoid(1).
    for raw, sign in ((0.0, 1.0), (1e-9, 1.0), (-1e-9, -1.0)):
        d = torch.tensor([raw], dtype=torch.float64, requires_grad=True)
        x = numbers(MIN_WIDTH)
        y = parametric_sigmoid(x, numbers(1.0), numbers(0.0), d)
        assert_close(y, torch.sigmoid(numbers(sign)))
        y.backward()
        # d/dd sigmoid(x/d) = -x/d^2 sigma (1 - sigma), at d = sign * MIN_WIDTH
        slope = torch.sigmoid(numbers(1.0)) * torch.sigmoid(numbers(-1.0))
        assert_close(d.grad, -slope / MIN_WIDTH)


def test_the_softplus_joins_its_straight_line() -> None:
    beta = numbers(1.0)
    z = torch.linspace(49, 51, 101, dtype=torch.float64).unsqueeze(1).requires_grad_()
    y = parametric_softplus(z, beta)
    assert_close(y, torch.logaddexp(z, torch.zeros_like(z)))
    y.sum().backward()
    assert_close(z.grad, torch.ones_like(z))


@every_kind
@given(raw=st.floats(-60.0, 60.0), x=st.floats(-1e3, 1e3))
def test_non_negative_output_is_never_negative(kind: str, raw: float, x: float) -> None:
    layer = KINDS[kind]().double()
    with torch.no_grad():
        for tensor in layer.parameters():
            tensor.fill_(raw)
    assert (layer(torch.full((1, N), x, dtype=torch.float64)) >= 0).all()


def test_initial_values_lie_where_the_docstring_says() -> None:
    n = 500
    ranges: dict[nn.Module, dict[str, tuple[float, float]]] = {
        ParametricSigmoid(n): {"c": (-0.5, 0.5), "d": (0.5, 1.5), "b": (0.5, 1.5), "a": (0.2, 1.0)},
        ParametricSigmoid(n, non_negative_output=False): {"_raw_b": (0.5, 1.5), "_raw_a": (0.0, 1.0)},
        ParametricDoubleExponential(n): {"k": (-1.5, -0.5), "s": (0.5, 1.5), "a": (0.5, 1.5), "b": (0.2, 1.0)},
        ParametricDoubleExponential(n, non_negative_output=False): {"_raw_a": (0.5, 1.5), "_raw_b": (0.0, 1.0)},
        ParametricSoftplus(n): {"_raw_beta": (5.0, 6.0), "_raw_b": (-5.0, -3.0)},
        ParametricSoftplus(n, non_negative_output=False): {"_raw_beta": (5.0, 6.0), "_raw_b": (-0.1, 0.1)},
    }
    for layer, expected in ranges.items():
        for name, (low, high) in expected.items():
            values = getattr(layer, name)
            assert values.shape == (n,)
            margin = 1e-5
            assert low - margin <= values.min() < low + 0.1 * (high - low), name
            assert high - 0.1 * (high - low) < values.max() <= high + margin, name


def test_every_neuron_starts_as_a_rising_function() -> None:
    x = torch.linspace(-4, 4, 50).unsqueeze(1).expand(50, N)
    for kind in KINDS.values():
        assert (torch.diff(kind()(x), dim=0) >= 0).all()
        assert (kind()(x)[-1] > kind()(x)[0]).all()


def test_tensor_names_with_and_without_a_baseline() -> None:
    assert set(ParametricSigmoid(N).state_dict()) == {"c", "d", "_raw_b", "_raw_a"}
    assert set(ParametricSigmoid(N, bias=False).state_dict()) == {"c", "d", "_raw_b"}
    assert set(ParametricDoubleExponential(N).state_dict()) == {"k", "s", "_raw_a", "_raw_b"}
    assert set(ParametricDoubleExponential(N, bias=False).state_dict()) == {"k", "s", "_raw_a"}
    assert set(ParametricSoftplus(N).state_dict()) == {"_raw_beta", "_raw_b"}
    assert ParametricSigmoid(N, bias=False).a is None
    assert ParametricDoubleExponential(N, bias=False).b is None


@every_kind
@pytest.mark.parametrize("signed", [False, True])
def test_natural_values_that_are_set_are_read_back(kind: str, signed: bool) -> None:
    layer = KINDS[kind](non_negative_output=not signed)
    names = ["beta", "b"] if kind == "softplus" else ["a", "b"]
    values = torch.tensor([1e-6, 0.3, 2.0, 60.0])
    for name in names:
        setattr(layer, name, values)
        assert_close(getattr(layer, name), values)
    if signed:
        layer.b = -values
        assert_close(layer.b, -values)
    else:
        with pytest.raises(ValueError, match=r"^b must be positive and finite, got -1$"):
            layer.b = [-1.0] * N


def test_a_baseline_that_does_not_exist_cannot_be_set() -> None:
    with pytest.raises(ValueError, match="ParametricSigmoid was built without _raw_a"):
        ParametricSigmoid(N, bias=False).a = [1.0] * N


@every_kind
def test_the_tensors_of_one_neuron_give_that_neuron(kind: str) -> None:
    layer = KINDS[kind]()
    x = torch.randn(2, 7, N)
    for n in range(N):
        one = {name: tensor[n : n + 1] for name, tensor in layer.named_parameters()}
        assert_close(functional_call(layer, one, (x[..., n : n + 1],)), layer(x)[..., n : n + 1])


@every_kind
def test_shapes_that_do_not_fit(kind: str) -> None:
    layer = KINDS[kind]()
    for shape in ((2, N + 1), (N, 2, 1), ()):
        message = f"x must have shape (..., {N}), neurons last, got {shape}"
        with pytest.raises(ValueError, match=re.escape(message)):
            layer(torch.zeros(shape))
    assert layer(torch.zeros(N)).shape == (N,)
    with pytest.raises(ValueError, match="num_features must be at least 1, got 0"):
        type(layer)(0)
    with pytest.raises(TypeError, match="num_features must be an int, got float"):
        type(layer)(2.0)


def test_configuration_names_every_option() -> None:
    for bias, non_negative in itertools.product([True, False], repeat=2):
        layer = ParametricSigmoid(N, bias=bias, non_negative_output=non_negative)
        assert layer.config() == {"num_features": N, "bias": bias, "non_negative_output": non_negative}
        assert repr(layer) == f"ParametricSigmoid(num_features=4, bias={bias}, non_negative_output={non_negative})"
