"""Exponential decay: taps worked out by hand, layouts, gain, and errors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.models.layers import LearnableExponentialDecay, tau_to_d
from deepstrf.models.layers.decay import decay_filter
from tests.models.layers.plain import decay_by_convolution
from tests.tolerances import assert_close


def test_taps_worked_out_by_hand() -> None:
    # d = 1: tau = 2, a = 1/2, and five taps 1/16 .. 1 that sum to 31/16.
    taps = torch.tensor([1, 2, 4, 8, 16], dtype=torch.float64) / 16
    layer = LearnableExponentialDecay(1, 5, init_tau=2.0, decay_input=False)
    assert_close(layer.d, [1.0], torch.float32)
    assert_close(layer.build_kernel(), taps.view(1, 1, 5), torch.float32)
    assert_close(LearnableExponentialDecay(1, 5).build_kernel(), taps.view(1, 1, 5) * 16 / 31, torch.float32)


@given(tau=st.floats(1.0, 500.0), kernel_size=st.integers(1, 200))
def test_unit_gain_for_every_time_constant_and_length(tau: float, kernel_size: int) -> None:
    layer = LearnableExponentialDecay(1, kernel_size).double()
    with torch.no_grad():
        layer.d.copy_(tau_to_d(torch.tensor([tau], dtype=torch.float64)))
    assert_close(layer.tau(), [tau])
    assert_close(layer.build_kernel().sum(), torch.tensor(1.0))
    constant = torch.full((1, 1, 300), 3.0, dtype=torch.float64)
    assert_close(layer(constant), constant)


@given(tau=st.floats(1.001, 500.0))
def test_after_the_time_constant_a_tap_has_fallen_to_1_over_e(tau: float) -> None:
    layer = LearnableExponentialDecay(1, 20, decay_input=False).double()
    with torch.no_grad():
        layer.d.copy_(tau_to_d(torch.tensor([tau], dtype=torch.float64)))
    now, before = layer.build_kernel()[0, 0, -1].item(), layer.build_kernel()[0, 0, -2].item()
    # Taps fall by before / now with each frame; what is called tau is their sum over the first, 1 / (1 - before / now).
    assert (before / now) ** layer.time_constant().item() == pytest.approx(1 / math.e)
    assert layer.tau().item() == pytest.approx(1 / (1 - before / now), rel=1e-6)


def test_without_memory_the_time_constant_is_zero() -> None:
    layer = LearnableExponentialDecay(2, 5)
    torch.nn.init.zeros_(layer.d)
    assert layer.time_constant().tolist() == [0, 0]


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize(("kernel_size", "T"), [(1, 5), (2, 5), (9, 5), (14, 300), (200, 600)])
def test_output_is_the_convolution_with_the_kernel(decay_input: bool, kernel_size: int, T: int) -> None:
    layer = LearnableExponentialDecay(20, kernel_size, decay_input=decay_input).double()
    with torch.no_grad():
        layer.d.uniform_(-3.0, 3.0)
    x = torch.randn(4, 20, T, dtype=torch.float64)
    expected = decay_by_convolution(x, layer.d, kernel_size)
    if not decay_input:
        a = layer.d**2 / (1 + layer.d**2)
        expected = expected * sum(a**lag for lag in range(kernel_size)).unsqueeze(-1)
    assert_close(layer(x), expected)


def test_the_output_has_the_layout_of_the_input() -> None:
    layer = LearnableExponentialDecay(3, 4)
    x = torch.rand(2, 3, 9)
    y = layer(x)
    assert y.shape == (2, 3, 9)
    assert torch.equal(layer(x.unsqueeze(1)), y.unsqueeze(1))
    assert torch.equal(layer(x.unsqueeze(2)), y.unsqueeze(2))


def test_no_memory_at_the_shortest_time_constant() -> None:
    layer = LearnableExponentialDecay(2, 6)
    torch.nn.init.zeros_(layer.d)
    x = torch.rand(1, 2, 9)
    assert torch.equal(layer(x), x)
    layer(x).sum().backward()
    assert layer.d.grad is not None
    assert layer.d.grad.isfinite().all()


def test_the_first_time_constant_is_the_one_asked_for() -> None:
    layer = LearnableExponentialDecay(7, 5, init_tau=3.5)
    assert list(layer.state_dict()) == ["d"]
    assert_close(layer.tau(), torch.full((7,), 3.5))


def test_errors() -> None:
    for bad in (1.0, 0.0, float("nan")):
        with pytest.raises(ValueError, match=f"init_tau must be above 1 frame, got {bad}"):
            LearnableExponentialDecay(3, 4, init_tau=bad)
    with pytest.raises(ValueError, match="kernel_size must be at least 1, got 0"):
        LearnableExponentialDecay(3, 0)
    with pytest.raises(ValueError, match="input_size must be at least 1, got -2"):
        LearnableExponentialDecay(-2, 4)
    layer = LearnableExponentialDecay(3, 4)
    for shape in ((2, 4, 9), (2, 1, 4, 9), (2, 4, 1, 9), (2, 2, 3, 9), (2, 3, 2, 9), (3, 9), (1, 1, 1, 3, 9)):
        with pytest.raises(ValueError, match=rf"x must have shape .*\(B, 3, T\), got \({shape[0]}, {shape[1]}"):
            layer(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kernel_size", [5, 651])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype, kernel_size: int) -> None:
    x, a = torch.rand(4, 34, 700).to(dtype), torch.linspace(0.5, 0.99, 34).to(dtype)
    y = decay_filter(x, a, kernel_size, True)
    assert y.dtype == dtype
    assert torch.equal(y, decay_filter(x.float(), a.float(), kernel_size, True).to(dtype))
