"""The exponential filter: both ways of computing it against a loop over lags, and against each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deepstrf.models.layers import exponential
from deepstrf.models.layers.exponential import (
    RECURSION_FROM_TAPS,
    exponential_filter,
    exponential_filter_by_recursion,
    exponential_filter_by_taps,
    exponential_kernel,
    geometric_sum,
)
from tests.models.layers.plain import exponential_filter_by_loop
from tests.tolerances import assert_close

Way = Callable[..., Tensor]
WAYS: dict[str, Way] = {"taps": exponential_filter_by_taps, "recursion": exponential_filter_by_recursion}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def settings(C: int, F: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Decays up to 1, and gains of both signs, each (C, F)."""
    a = torch.rand(C, F, dtype=dtype) * 0.5 + 0.5
    a[0, 0] = 1.0
    return [a, torch.randn(C, F, dtype=dtype), torch.randn(C, F, dtype=dtype)]


@every_way
@pytest.mark.parametrize("kernel_size", [2, 3, 7, 40])
@pytest.mark.parametrize("T", [1, 2, 7, 33])
def test_against_a_loop_over_lags(way: Way, kernel_size: int, T: int) -> None:
    x = torch.randn(2, 3, T, dtype=torch.float64)
    a, present, past = settings(2, 3)
    expected = exponential_filter_by_loop(x, a, present, past, kernel_size)
    assert_close(way(x, a, present, past, kernel_size), expected)


@given(
    T=st.integers(1, 1200),
    kernel_size=st.integers(RECURSION_FROM_TAPS // 2, 1300),
    lowest=st.floats(0.01, 1.0),
    C=st.integers(1, 3),
)
def test_both_ways_agree_in_values_and_gradients(T: int, kernel_size: int, lowest: float, C: int) -> None:
    torch.manual_seed(T)
    inputs = [torch.randn(2, 2, T, dtype=torch.float64), *settings(C, 2)]
    inputs[1] = torch.linspace(lowest, 1.0, 2 * C, dtype=torch.float64).view(C, 2)
    results = []
    upstream = torch.randn(2, C, 2, T, dtype=torch.float64)
    for way in WAYS.values():
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        y = way(*leaves, kernel_size)
        results.append([y, *torch.autograd.grad(y, leaves, upstream)])
    for by_taps, by_recursion in zip(*results, strict=True):
        # Each number is a sum over up to T bins of terms of order one, some of which cancel to nothing.
        assert_close(by_recursion / T, by_taps / T)


@pytest.mark.parametrize("kernel_size", [2, 30, 90, 200])
def test_gradients_of_the_recursion(kernel_size: int) -> None:
    x = torch.randn(1, 2, 100, dtype=torch.float64)
    leaves = [tensor.requires_grad_() for tensor in (x, *settings(1, 2))]
    assert torch.autograd.gradcheck(lambda *t: exponential_filter_by_recursion(*t, kernel_size), leaves, fast_mode=True)


def test_the_recursion_is_exact_to_a_millionth_in_float32() -> None:
    x = torch.rand(2, 34, 1000)
    tau = torch.linspace(48.4, 216.6, 34) / 5
    a = torch.exp(-1 / tau).unsqueeze(0)
    present, past = torch.ones(1, 34), torch.full((1, 34), -0.75)
    exact = exponential_filter_by_taps(x.double(), a.double(), present.double(), past.double(), 651)
    assert (exponential_filter_by_recursion(x, a, present, past, 651) - exact).abs().max() < 1e-6


def test_a_long_recording_with_no_decay_stays_accurate_in_float32() -> None:
    """At a = 1 the recursion subtracts two growing sums: the worst case of its truncation."""
    x = torch.rand(1, 1, 20000)
    one = torch.ones(1, 1)
    average = exponential_filter_by_recursion(x, one, 0 * one, one, 201)
    padded = torch.nn.functional.pad(x.double(), (200, 0), mode="replicate")
    exact = padded.unfold(-1, 200, 1)[..., :-1, :].mean(-1).unsqueeze(1)
    assert (average - exact).abs().max() < 1e-4


@every_way
@pytest.mark.parametrize("kernel_size", [3, 70, 300])
def test_the_future_changes_nothing_bit_for_bit(way: Way, kernel_size: int) -> None:
    x = torch.rand(2, 3, 250)
    changed = x.clone()
    changed[..., 101:] = torch.randn(2, 3, 149) * 1e4
    parameters = settings(2, 3, torch.float32)
    before, after = (way(signal, *parameters, kernel_size)[..., :101] for signal in (x, changed))
    assert torch.equal(before, after)


def test_kernel_is_the_response_to_an_impulse() -> None:
    a, present, past = settings(2, 3)
    impulse = torch.zeros(1, 3, 20, dtype=torch.float64)
    impulse[..., 6] = 1.0
    response = exponential_filter(impulse, a, present, past, 9)
    assert_close(response[0, :, :, 6:15], exponential_kernel(a, present, past, 9).flip(-1))
    assert not response[..., :6].any()
    assert not response[..., 15:].any()


@given(a=st.floats(0.0, 1.0), terms=st.integers(0, 900))
def test_geometric_sum(a: float, terms: int) -> None:
    expected = torch.full((terms,), a, dtype=torch.float64).pow(torch.arange(terms)).sum()
    assert_close(geometric_sum(torch.tensor(a, dtype=torch.float64), terms), expected)


def test_gradient_of_the_geometric_sum_where_the_closed_form_has_none() -> None:
    a = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    # d/da sum a^i = sum i a^(i-1): at 1 it is 1 + 2 + ... + 9 = 45, at 0 it is 1.
    (gradient,) = torch.autograd.grad(geometric_sum(a, 10).sum(), a)
    assert_close(gradient[:2], [45.0, 1.0])
    assert torch.autograd.gradcheck(lambda t: geometric_sum(t, 10), a)


def test_the_way_is_chosen_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name, way in WAYS.items():
        monkeypatch.setattr(exponential, way.__name__, lambda *t, name=name, way=way: called.append(name) or way(*t))
    parameters = [tensor.float() for tensor in settings(1, 34)]
    for T, kernel_size in ((1000, 651), (1000, 8), (20, 651)):
        exponential_filter(torch.rand(1, 34, T), *parameters, kernel_size)
    assert called == ["recursion", "taps", "taps"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    inputs = [torch.rand(4, 34, 700).to(dtype), *(tensor.to(dtype) for tensor in settings(2, 34))]
    y = exponential_filter(*inputs, 651)
    assert y.dtype == dtype
    assert torch.equal(y, exponential_filter(*(tensor.float() for tensor in inputs), 651).to(dtype))
