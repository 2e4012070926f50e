"""Raw tensors and natural units: every transform against its inverse, at the ends of its range, and the errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deepstrf.models.layers import (
    MIN_SIGMA,
    ParametricSTRF,
    a_to_d,
    d_to_a,
    d_to_tau,
    inverse_softplus,
    raw_to_sigma,
    sigma_to_raw,
    softplus,
    tau_to_d,
    w_to_p,
)
from deepstrf.models.layers.constraints import POSITIVE, natural_property
from tests.tolerances import assert_close


def double(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@given(y=st.floats(1e-300, 1e300))
def test_softplus_and_its_inverse_in_float64(y: float) -> None:
    assert_close(softplus(inverse_softplus(double(y))) / y, double(1.0))


@given(y=st.floats(2.0**-120, 2.0**100, width=32))
def test_softplus_and_its_inverse_in_float32(y: float) -> None:
    raw = inverse_softplus(torch.tensor(y))
    assert raw.dtype == torch.float32
    # raw is about log y for a tiny y, and a rounding of raw by 2^-24 |raw| moves y by that fraction of itself.
    assert softplus(raw).item() == pytest.approx(y, rel=2e-5)


@given(raw=st.floats(-600.0, 600.0))
def test_softplus_is_the_logarithm_it_is_named_after(raw: float) -> None:
    expected = math.log1p(math.exp(-abs(raw))) + max(raw, 0.0)
    assert_close(softplus(double(raw)), double(expected))


@given(a=st.floats(1e-12, 1.0))
def test_fractions(a: float) -> None:
    assert_close(a_to_d(double(a)), double(math.sqrt(1 / a - 1)), torch.float32)
    assert_close(d_to_a(a_to_d(double(a))), double(a))
    assert_close(d_to_a(w_to_p(double(a))), double(a))
    assert_close(d_to_a(a_to_d([a])), torch.tensor([a]))


@given(sigma=st.floats(MIN_SIGMA, 1e6), sign=st.sampled_from([-1.0, 1.0]))
def test_widths(sigma: float, sign: float) -> None:
    assert_close(raw_to_sigma(sign * sigma_to_raw(double(sigma))), double(sigma))


@given(tau=st.floats(1.0, 1e6))
def test_time_constants(tau: float) -> None:
    assert_close(d_to_tau(tau_to_d(double(tau))), double(tau))


def test_the_smallest_width_is_allowed_in_float32_too() -> None:
    assert sigma_to_raw(torch.tensor([MIN_SIGMA])).item() == 0.0
    assert sigma_to_raw(MIN_SIGMA).item() == 0.0


@pytest.mark.parametrize(
    ("inverse", "bad", "message"),
    [
        (inverse_softplus, 0.0, "y must be positive and finite, got 0"),
        (inverse_softplus, math.inf, "y must be positive and finite, got inf"),
        (a_to_d, 1.25, r"a must lie in \(0, 1\], got 1.25"),
        (a_to_d, 0.0, r"a must lie in \(0, 1\], got 0"),
        (w_to_p, -0.5, r"w must lie in \(0, 1\], got -0.5"),
        (sigma_to_raw, 0.25, "sigma must be at least 0.27 bins, got 0.25"),
        (tau_to_d, 0.5, "tau must be at least 1 frame, got 0.5"),
        (tau_to_d, math.nan, "tau must be at least 1 frame, got nan"),
    ],
)
def test_values_without_a_raw_value(inverse: Callable[..., torch.Tensor], bad: float, message: str) -> None:
    for kind in (bad, [bad], torch.tensor([[bad]])):
        with pytest.raises(ValueError, match=message):
            inverse(kind)


class Positive(nn.Module):
    """One constrained parameter, and one that is only constrained on request."""

    x = natural_property("x", "_raw_x", POSITIVE, "Positive.")
    y = natural_property("y", "_raw_y", POSITIVE, "Positive if strict.", only_if="strict")

    def __init__(self, strict: bool) -> None:
        super().__init__()
        self.strict = strict
        self._raw_x = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self._raw_y = nn.Parameter(torch.zeros(2, dtype=torch.float64))


def test_a_natural_property_reads_sets_and_passes_gradients() -> None:
    module = Positive(strict=False)
    parameter = module._raw_x
    assert_close(module.x, torch.full((2,), math.log(2.0)).double(), torch.float32)
    module.x = [1e-9, 3.0]
    assert module._raw_x is parameter
    assert_close(module.x, [1e-9, 3.0])
    module.x.sum().backward()
    assert_close(parameter.grad, torch.sigmoid(parameter))
    module.y = [-2.0, 5.0]
    assert_close(module.y, [-2.0, 5.0])
    strict = Positive(strict=True)
    with pytest.raises(ValueError, match=r"^y must be positive and finite, got -2$"):
        strict.y = [-2.0, 5.0]
    assert_close(strict._raw_y, [0.0, 0.0])
    assert Positive.x.__doc__ == "Positive."


def test_what_a_natural_property_refuses() -> None:
    module = Positive(strict=False)
    with pytest.raises(ValueError, match=r"^x must be a number or \(2,\), got \(3,\)$"):
        module.x = [1.0, 2.0, 3.0]
    with pytest.raises(TypeError, match=r"^x must be a number, a sequence, an array or a tensor of numbers, got str$"):
        module.x = "wide"
    assert_close(module._raw_x, [0.0, 0.0])
    module.x = 2.0
    assert_close(module.x, [2.0, 2.0])


def test_widths_of_a_kernel_are_set_in_bins() -> None:
    kernel = ParametricSTRF(6, 5, 1, 2, 3)
    kernel.sigma = torch.full((2, 2, 1, 3), 1.5)
    assert_close(kernel.SIG, torch.full((2, 2, 1, 3), 1.23))
    assert_close(kernel.sigma, torch.full((2, 2, 1, 3), 1.5))
