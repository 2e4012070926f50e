"""What every layer promises, checked in the same way for all: a layer joins by adding a line to CASES."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.layers import (
    CausalLayerNorm,
    CausalSTRFConv,
    LearnableExponentialDecay,
    LocallyConnected1d,
    ParametricSTRF,
    SeparableSTRF,
    SinusoidalPositionalEncoding,
)
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, ShortTermPlasticity
from deepstrf.models.readouts import LinearReadout, STRFReadout
from tests.layouts import layouts_of
from tests.tolerances import assert_close

T = 11
A_VALUES = [0.5, 0.8, 0.95, 1.0]


class Case(NamedTuple):
    """A layer, the shape of one input without its batch axis, that of one output, and where time stands in both."""

    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    time: int | None = -1


def trained(readout: STRFReadout) -> STRFReadout:
    """The readout with batch-norm statistics and gains that are not the initial ones, some of them negative."""
    with torch.no_grad():
        readout.bn.running_mean.normal_()
        readout.bn.running_var.uniform_(0.5, 2.0)
        readout.bn.weight.copy_(torch.tensor([1.5, -0.7, 0.2]))
    return readout


CASES = {
    "ICAdaptation": Case(lambda: ICAdaptation(A_VALUES, 5), (1, 4, T), (1, 4, T)),
    "ShortTermPlasticity": Case(lambda: ShortTermPlasticity([0.2, 0.5, 0.9, 0.99], [0.5] * 4), (1, 4, T), (1, 4, T)),
    "AdapTrans": Case(lambda: AdapTrans(A_VALUES[:3], [0.75, 0.3, 0.9], 5), (1, 3, T), (2, 3, T)),
    "AdapTrans fixed": Case(lambda: AdapTrans(A_VALUES, [1.0] * 4, 2, learnable=False), (1, 4, T), (2, 4, T)),
    "CausalLayerNorm channels": Case(lambda: CausalLayerNorm(3), (3, 2, T), (3, 2, T)),
    "CausalLayerNorm bands": Case(lambda: CausalLayerNorm(4, dim=-2), (2, 4, T), (2, 4, T)),
    "CausalSTRFConv": Case(lambda: CausalSTRFConv(4, 5, 2, 3), (2, 4, T), (3, 1, T)),
    "CausalSTRFConv Gaussians": Case(
        lambda: CausalSTRFConv(4, 5, 2, 3, kernel=ParametricSTRF(4, 5, 2, 3, num_gaussians=2)), (2, 4, T), (3, 1, T)
    ),
    "CausalSTRFConv separable": Case(
        lambda: CausalSTRFConv(4, 5, 2, 3, kernel=SeparableSTRF(4, 5, 2, 3)), (2, 4, T), (3, 1, T)
    ),
    "ParametricSTRF": Case(lambda: ParametricSTRF(4, 5, 2, 3, 2), (2, 4, T + 4), (3, 1, T), time=None),
    "ParametricSTRF no bias": Case(lambda: ParametricSTRF(4, 5, 1, 2, bias=False), (1, 4, 5), (2, 1, 1), time=None),
    "SeparableSTRF": Case(lambda: SeparableSTRF(4, 5, 2, 3), (2, 4, T + 4), (3, 1, T), time=None),
    "LearnableExponentialDecay": Case(lambda: LearnableExponentialDecay(3, 5), (1, 3, T), (1, 3, T)),
    "LearnableExponentialDecay unscaled": Case(
        lambda: LearnableExponentialDecay(3, 4, init_tau=5.0, decay_input=False), (3, 1, T), (3, 1, T)
    ),
    "LocallyConnected1d": Case(
        lambda: LocallyConnected1d(9, 2, 3, 3, stride=2, padding=1, dilation=2), (2, 9), (3, 4), time=None
    ),
    "SinusoidalPositionalEncoding": Case(lambda: SinusoidalPositionalEncoding(6), (T, 6), (T, 6), time=-2),
    "ParametricSigmoid": Case(lambda: ParametricSigmoid(3), (T, 3), (T, 3), time=-2),
    "ParametricSigmoid signed": Case(lambda: ParametricSigmoid(3, False, False), (T, 3), (T, 3), time=-2),
    "ParametricDoubleExponential": Case(lambda: ParametricDoubleExponential(3), (T, 3), (T, 3), time=-2),
    "ParametricDoubleExponential signed": Case(
        lambda: ParametricDoubleExponential(3, False, False), (T, 3), (T, 3), time=-2
    ),
    "ParametricSoftplus": Case(lambda: ParametricSoftplus(3), (T, 3), (T, 3), time=-2),
    "ParametricSoftplus signed": Case(lambda: ParametricSoftplus(3, False), (T, 3), (T, 3), time=-2),
    "STRFReadout": Case(
        lambda: trained(STRFReadout(4, 5, 2, 3, activation=ParametricSigmoid(3))), (2, 4, T), (3, 1, T)
    ),
    "LinearReadout": Case(lambda: LinearReadout(4, 3), (4, T), (3, 1, T)),
    "LinearReadout hidden": Case(
        lambda: LinearReadout(4, 3, hidden=5, activation=ParametricSoftplus(3)), (4, 1, T), (3, 1, T)
    ),
}


def for_cases(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [CASES[name] for name in names], ids=names)


every_case = for_cases(list(CASES))


def sample(case: Case, batch: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(batch, *case.input_shape, dtype=torch.float64).to(dtype)


@every_case
def test_shapes_and_independence_of_the_batch(case: Case) -> None:
    layer = case.build().eval()
    x = sample(case)
    y = layer(x)
    assert y.shape == (3, *case.output_shape)
    for row in range(3):
        assert_close(layer(x[row : row + 1]), y[row : row + 1])


def resized(shape: tuple[int, ...], time: int | None, length: int) -> tuple[int, ...]:
    """The shape with another number of time bins, where the layer has a time axis."""
    if time is None:
        return shape
    return tuple(length if axis == len(shape) + time else size for axis, size in enumerate(shape))


@every_case
@settings(max_examples=12)
@given(data=st.data())
def test_any_batch_length_dtype_and_layout(case: Case, data: st.DataObject) -> None:
    batch, length = data.draw(st.integers(1, 4), "batch"), data.draw(st.integers(1, 40), "length")
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32, torch.bfloat16]), "dtype")
    layer = case.build().eval()
    x = torch.rand(batch, *resized(case.input_shape, case.time, length), dtype=torch.float64).to(dtype)
    y = layer.to(dtype)(data.draw(layouts_of(x), "layout"))
    assert y.dtype == dtype
    assert y.shape == (batch, *resized(case.output_shape, case.time, length))
    exact = layer.double()(x.double())  # of the parameters and inputs as rounded
    scale = exact.abs().max().clamp_min(1e-3)
    assert_close(y.double() / scale, exact / scale, dtype)


@every_case
def test_gradients(case: Case) -> None:
    layer = case.build().eval().double()
    names = [name for name, _ in layer.named_parameters()]
    parameters = [tensor.detach().requires_grad_() for tensor in layer.parameters()]
    x = sample(case, 1, torch.float64).requires_grad_()

    def forward(x: Tensor, *parameters: Tensor) -> Tensor:
        return functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(forward, (x, *parameters))


@every_case
def test_state_dict_round_trip(case: Case) -> None:
    layer = case.build().eval()
    torch.manual_seed(1)
    other = case.build().eval()
    other.load_state_dict(layer.state_dict())
    x = sample(case)
    assert torch.equal(other(x), layer(x))


@for_cases([name for name, case in CASES.items() if hasattr(case.build(), "config")])
def test_rebuilt_from_its_configuration(case: Case) -> None:
    layer = case.build()
    other = type(layer)(**json.loads(json.dumps(layer.config())))
    assert other.config() == layer.config()
    assert str(other) == str(layer)
    other.load_state_dict(layer.state_dict())
    x = sample(case)
    assert torch.equal(other(x), layer(x))


@for_cases([name for name, case in CASES.items() if case.time is not None])
def test_the_future_changes_nothing_bit_for_bit(case: Case) -> None:
    assert case.time is not None
    layer = case.build().eval()
    x = sample(case)
    changed = x.clone()
    now = 5
    future = changed.narrow(case.time, now + 1, T - now - 1)
    future.copy_(torch.randn_like(future) * 100)
    seen, seen_changed = (layer(signal).narrow(case.time, 0, now + 1) for signal in (x, changed))
    assert torch.equal(seen, seen_changed)


@every_case
def test_every_tensor_stays_on_the_device(case: Case) -> None:
    """On the meta device an operation that mixes in a CPU tensor of its own fails."""
    y = case.build().eval().to("meta")(sample(case).to("meta"))
    assert y.device.type == "meta"
    assert y.shape == (3, *case.output_shape)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_case
def test_a_cuda_device(case: Case) -> None:
    layer = case.build().eval().double()
    x = sample(case, dtype=torch.float64)
    expected = layer(x)
    assert_close(layer.to("cuda")(x.to("cuda")).cpu(), expected)
