"""Kernels without subnormal numbers: what is left out changes no value and no gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.models.layers import gaussian_mixture_kernel
from deepstrf.models.layers.decay import decay_kernel
from deepstrf.models.layers.exponential import FEW_POWERS, exponential_past
from tests.tolerances import assert_close

TINY = torch.finfo(torch.float32).tiny  # the smallest normal number


def subnormal(x: torch.Tensor) -> torch.Tensor:
    return (x != 0) & (x.abs() < TINY)


@given(a=st.floats(0.0, 1.0), kernel_size=st.integers(FEW_POWERS + 2, 700))
def test_exponential_kernels_hold_no_subnormal_numbers_and_keep_their_values(a: float, kernel_size: int) -> None:
    decay = torch.tensor([a])
    powers = torch.tensor(a, dtype=torch.float64) ** torch.arange(kernel_size - 1, -1, -1, dtype=torch.float64)
    for taps, exact in (
        (decay_kernel(decay, kernel_size, True), powers / powers.sum()),
        (decay_kernel(decay, kernel_size, False), powers),
        (exponential_past(decay, kernel_size), powers[1:] / powers[1:].sum()),
    ):
        assert not subnormal(taps).any()
        # A rounding of a by 2^-24 of itself moves a^k by k times as much.
        torch.testing.assert_close(taps[0].double(), exact, rtol=1e-4, atol=2e-24)


def test_short_kernels_are_left_as_they_are() -> None:
    a = torch.tensor([0.25])
    kernel = decay_kernel(a, FEW_POWERS, False)
    assert torch.equal(kernel[0], 0.25 ** torch.arange(FEW_POWERS - 1, -1, -1))
    assert not subnormal(kernel).any()


@given(centre=st.floats(-5.0, 45.0), raw=st.floats(0.0, 3.0))
def test_gaussian_kernels_hold_no_subnormal_numbers_and_keep_their_values(centre: float, raw: float) -> None:
    P = torch.full((2, 1, 1, 1), centre)
    kernel, exact = (
        gaussian_mixture_kernel(P.to(t), torch.full_like(P, raw, dtype=t), torch.ones(1, 1, 1, dtype=t), 40, 34)
        for t in (torch.float32, torch.float64)
    )
    assert not subnormal(kernel).any()
    assert_close(kernel, exact, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_those_of_the_plain_taps(dtype: torch.dtype) -> None:
    a = torch.tensor([0.05, 0.3, 0.9], dtype=dtype, requires_grad=True)
    plain = a.unsqueeze(-1) ** torch.arange(99, -1, -1, dtype=dtype)
    upstream = torch.randn(3, 100, dtype=dtype)
    (expected,) = torch.autograd.grad(plain / plain.sum(-1, keepdim=True), a, upstream)
    (gradient,) = torch.autograd.grad(decay_kernel(a, 100, True), a, upstream)
    assert_close(gradient, expected)
