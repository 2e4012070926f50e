"""Receptive-field layers: orientation, kernels against plain forms, single neurons, composition, and errors."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from deepstrf.models.layers import (
    CausalSTRFConv,
    ParametricSTRF,
    SeparableSTRF,
    gaussian_mixture_kernel,
    separable_kernel,
)
from tests.models.layers.memory import largest_tensor
from tests.models.layers.plain import gaussian_mixture_on_dense_grid
from tests.tolerances import assert_close

F, T = 4, 5
KERNELS = {
    "conv": lambda C, N: nn.Conv2d(C, N, (F, T)),
    "gaussians": lambda C, N: ParametricSTRF(F, T, C, N, 3),
    "separable": lambda C, N: SeparableSTRF(F, T, C, N),
    "frequency then time": lambda C, N: nn.Sequential(nn.Conv2d(C, 6, (F, 1)), nn.Conv2d(6, N, (1, T))),
    "time then frequency": lambda C, N: nn.Sequential(nn.Conv2d(C, N, (1, T), groups=C), nn.Conv2d(N, N, (F, 1))),
    "depthwise": lambda C, N: nn.Sequential(
        nn.Conv2d(C, N, (F, 1), bias=False), nn.Conv2d(N, N, (1, T), groups=N, bias=False)
    ),
    "grouped conv": lambda C, N: nn.Conv2d(C, N, (F, T), groups=2, bias=False),
    "dilated conv": lambda C, N: nn.Conv2d(C, N, (F, 3), dilation=(1, 2)),
    "two broad convs": lambda C, N: nn.Sequential(nn.Conv2d(C, 3, (2, 2)), nn.Conv2d(3, N, (3, 4))),
}
every_kernel = pytest.mark.parametrize("kernel", list(KERNELS))


def test_the_last_tap_is_the_current_bin() -> None:
    layer = CausalSTRFConv(1, 4, 1, 1, bias=False)
    with torch.no_grad():
        layer.kernel.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4))
    impulse = torch.zeros(1, 1, 1, 8)
    impulse[..., 2] = 1.0
    assert layer(impulse).flatten().tolist() == [0, 0, 4, 3, 2, 1, 0, 0]


@every_kernel
def test_weight_and_bias_reproduce_the_layer(kernel: str) -> None:
    layer = CausalSTRFConv(F, T, 2, 4, kernel=KERNELS[kernel](2, 4)).double()
    weight, bias = layer.STRF_weight(), layer.STRF_bias()
    assert weight.shape == (4, 2, F, T)
    assert bias.shape == (4,)
    x = torch.randn(3, 2, F, 9, dtype=torch.float64)
    padded = torch.cat([torch.zeros(3, 2, F, T - 1, dtype=torch.float64), x], dim=-1)
    expected = torch.empty(3, 4, 1, 9, dtype=torch.float64)
    for t in range(9):
        expected[..., 0, t] = torch.einsum("bcfk,ocfk->bo", padded[..., t : t + T], weight) + bias
    assert_close(layer(x), expected)
    assert not weight.requires_grad
    assert not bias.requires_grad
    weight.zero_()
    assert layer.STRF_weight().any()


def test_kernels_without_a_known_receptive_field() -> None:
    for kernel, name in ((nn.Identity(), "Identity"), (nn.Sequential(nn.Conv2d(1, 1, 2)), "Sequential")):
        layer = CausalSTRFConv(F, T, 1, 1, kernel=kernel)
        for method in (layer.STRF_weight, layer.STRF_bias):
            with pytest.raises(NotImplementedError, match=f"no receptive field is known for .* of type {name}"):
                method()
    strided, padded = {"stride": (1, 2)}, {"padding": (0, 1)}
    for sizes, options in (((F, T), strided), ((F, T), padded)):
        with pytest.raises(NotImplementedError, match="of type Conv2d"):
            CausalSTRFConv(F, T, 1, 1, kernel=nn.Conv2d(1, 1, sizes, **options)).STRF_weight()


@pytest.mark.parametrize(("C_in", "C_out", "G"), [(1, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize(("bands", "taps"), [(1, 1), (6, 9), (9, 6)])
def test_gaussians_against_the_dense_grid(C_in: int, C_out: int, G: int, bands: int, taps: int) -> None:
    kernel = ParametricSTRF(bands, taps, C_in, C_out, G).double()
    with torch.no_grad():
        kernel.SIG.uniform_(-2.0, 2.0)
    dense = gaussian_mixture_on_dense_grid(kernel.P, kernel.SIG, kernel.weight, bands, taps)
    assert_close(kernel.build_kernel(), dense)
    leaves = [kernel.P, kernel.SIG, kernel.weight]
    upstream = torch.randn_like(dense)
    ours = torch.autograd.grad(kernel.build_kernel(), leaves, upstream)
    theirs = torch.autograd.grad(dense, leaves, upstream)
    for gradient, expected in zip(ours, theirs, strict=True):
        assert_close(gradient, expected)


@given(
    f=st.floats(-500.0, 500.0),
    t=st.floats(-500.0, 500.0),
    raw=st.floats(-30.0, 30.0),
    weight=st.floats(-5.0, 5.0),
)
def test_a_gaussian_has_unit_mass_wherever_it_lies(f: float, t: float, raw: float, weight: float) -> None:
    P = torch.tensor([f, t], dtype=torch.float64).view(2, 1, 1, 1).requires_grad_()
    SIG = torch.full((2, 1, 1, 1), raw, dtype=torch.float64)
    kernel = gaussian_mixture_kernel(P, SIG, torch.full((1, 1, 1), weight, dtype=torch.float64), 8, 6)
    assert kernel.shape == (1, 1, 8, 6)
    assert_close(kernel.sum(), weight)
    (gradient,) = torch.autograd.grad((kernel * torch.arange(48.0).view(8, 6)).sum(), P)
    assert gradient.isfinite().all()


def test_a_centre_off_the_grid_keeps_its_gradient_and_a_moved_peak() -> None:
    # At the starting width 1.27 the mixture pulls a centre 20 bins away back towards a target on the grid.
    P = torch.tensor([25.0, 2.0]).view(2, 1, 1, 1).requires_grad_()
    kernel = gaussian_mixture_kernel(P, torch.ones(2, 1, 1, 1), torch.ones(1, 1, 1), 6, 5)
    kernel[0, 0, 0].sum().backward()
    assert P.grad is not None
    assert P.grad[0] < 0  # lowering the centre raises the mass of band 0
    peaked = gaussian_mixture_kernel(
        torch.tensor([4.0, 1.0]).view(2, 1, 1, 1), torch.zeros(2, 1, 1, 1), torch.ones(1, 1, 1), 6, 5
    )
    assert peaked[0, 0].argmax() == 4 * 5 + 1


def test_no_array_over_grid_and_gaussians_together() -> None:
    """Bands x taps x Gaussians for every channel pair would be G times the kernel."""
    kernel = ParametricSTRF(34, 40, 2, 15, num_gaussians=30)
    size = 34 * 40 * 2 * 15
    along_one_axis = 40 * 2 * 15 * 30
    assert largest_tensor(kernel.build_kernel) <= max(size, along_one_axis)
    assert largest_tensor(lambda: kernel.build_kernel().sum().backward()) <= max(size, along_one_axis)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_off_the_grid_the_plain_form_divides_zero_by_zero_and_this_one_does_not(dtype: torch.dtype) -> None:
    # 40 widths away: exp(-40^2 / 2) = exp(-800) is zero in float64 (from exp(-746) on), in float32 from exp(-104) on.
    P = torch.tensor([-40.0, 2.0], dtype=dtype).view(2, 1, 1, 1)
    SIG, weight = torch.full((2, 1, 1, 1), 0.73, dtype=dtype), torch.ones(1, 1, 1, dtype=dtype)
    assert gaussian_mixture_on_dense_grid(P, SIG, weight, 6, 5).isnan().all()
    P.requires_grad_()
    kernel = gaussian_mixture_kernel(P, SIG, weight, 6, 5)
    assert_close(kernel.sum(), 1.0, dtype)
    kernel[0, 0, 0].sum().backward()
    # Nearly all mass lies in band 0; moving the centre up, towards the grid, moves some of it to band 1.
    assert P.grad is not None
    assert P.grad[0] < 0


def test_separable_kernel_is_the_outer_product() -> None:
    layer = SeparableSTRF(F, T, 2, 3)
    expected = torch.einsum("oif,oit->oift", layer.weight_f[..., 0], layer.weight_t[:, :, 0])
    assert_close(layer.build_kernel(), expected)
    assert torch.equal(layer.build_kernel("cpu"), separable_kernel(layer.weight_f, layer.weight_t))


def test_initial_values_lie_where_the_docstring_says() -> None:
    gaussians = ParametricSTRF(34, 9, 2, 60, 4)
    assert gaussians.P.shape == gaussians.SIG.shape == (2, 60, 2, 4)
    assert gaussians.weight.shape == (60, 2, 4)
    separable = SeparableSTRF(34, 9, 2, 60)
    bounds = {
        (0.0, 33.0): gaussians.P[0],
        (0.0, 8.0): gaussians.P[1],
        (-1.0, 1.0): gaussians.bias,
        # Kaiming-uniform with a = sqrt 5 is uniform within 1/sqrt(fan in).
        (-((2 * 4) ** -0.5), (2 * 4) ** -0.5): gaussians.weight,
        (-((2 * 34) ** -0.5), (2 * 34) ** -0.5): separable.weight_f,
        (-((2 * 9) ** -0.5), (2 * 9) ** -0.5): separable.weight_t,
        (-((2 * 34 * 9) ** -0.5), (2 * 34 * 9) ** -0.5): separable.bias,
    }
    for (low, high), values in bounds.items():
        margin = 0.1 * (high - low)
        assert low <= values.min() < low + margin
        assert high - margin < values.max() <= high
    assert (gaussians.SIG == 1).all()
    assert set(ParametricSTRF(3, 3, 1, 1, bias=False).state_dict()) == {"P", "SIG", "weight"}
    assert set(SeparableSTRF(3, 3, 1, 1, bias=False).state_dict()) == {"weight_f", "weight_t"}


@pytest.mark.parametrize("kernel", ["conv", "gaussians", "separable"])
def test_the_tensors_of_one_neuron_give_that_neuron(kernel: str) -> None:
    layer = KERNELS[kernel](2, 4)
    x = torch.randn(1, 2, F, 20)
    y = layer(x)
    for n in range(4):
        one = {
            name: tensor[:, n : n + 1] if name in ("P", "SIG") else tensor[n : n + 1]
            for name, tensor in layer.named_parameters()
        }
        assert_close(functional_call(layer, one, (x,)), y[:, n : n + 1])


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda: ParametricSTRF(5, 7, 1, 3), "kernel must be made for F = 6, got a ParametricSTRF for F = 5"),
        (lambda: ParametricSTRF(6, 5, 1, 3), "kernel must be made for T = 7, got a ParametricSTRF for T = 5"),
        (lambda: SeparableSTRF(6, 7, 2, 3), "kernel must be made for C_in = 1, got a SeparableSTRF for C_in = 2"),
        (lambda: SeparableSTRF(6, 7, 1, 4), "kernel must be made for C_out = 3, got a SeparableSTRF for C_out = 4"),
        (lambda: nn.Conv2d(1, 3, (6, 5)), "kernel must be made for T = 7, got a Conv2d for T = 5"),
        (lambda: nn.Conv2d(1, 3, (6, 3), dilation=(1, 2)), "kernel must be made for T = 7, got a Conv2d for T = 5"),
        (lambda: nn.Conv2d(1, 2, (6, 7)), "kernel must be made for C_out = 3, got a Conv2d for C_out = 2"),
    ],
)
def test_a_kernel_of_another_size_is_refused(kernel: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CausalSTRFConv(6, 7, 1, 3, kernel=kernel())


@pytest.mark.parametrize(
    "kernel",
    [
        nn.Conv2d(1, 3, (6, 4), dilation=(1, 2)),
        nn.Sequential(nn.Conv2d(1, 2, (6, 1)), nn.Conv2d(2, 3, (1, 7))),
        nn.Conv2d(1, 3, (8, 7), padding=(1, 0)),
    ],
)
def test_kernels_of_the_right_size_but_other_taps_are_taken(kernel: nn.Module) -> None:
    assert CausalSTRFConv(6, 7, 1, 3, kernel=kernel)(torch.rand(1, 1, 6, 9)).shape == (1, 3, 1, 9)


def test_errors() -> None:
    for layer, sizes in (
        (ParametricSTRF, {"F": 3, "T": 3, "C_in": 1, "C_out": 1, "num_gaussians": 1}),
        (SeparableSTRF, {"F": 3, "T": 3, "C_in": 1, "C_out": 1}),
        (CausalSTRFConv, {"F": 3, "T": 3, "C_in": 1, "C_out": 1}),
    ):
        for name in sizes:
            with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
                layer(**{**sizes, name: 0})
            with pytest.raises(TypeError, match=f"{name} must be an int, got float"):
                layer(**{**sizes, name: 2.0})
    with pytest.raises(TypeError, match=r"kernel must be an nn.Module or None, got str"):
        CausalSTRFConv(F, T, 1, 1, kernel="gaussians")  # type: ignore[arg-type]
    layer = CausalSTRFConv(F, T, 2, 3)
    for shape in ((1, 2, F + 1, 9), (1, 1, F, 9), (2, F, 9)):
        with pytest.raises(ValueError, match=rf"x must have shape \(B, 2, {F}, T\), got \({shape[0]}, "):
            layer(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gaussians_are_computed_in_float32(dtype: torch.dtype) -> None:
    kernel = ParametricSTRF(34, 40, 2, 3, num_gaussians=4).to(dtype)
    tensors = kernel.P, kernel.SIG, kernel.weight
    expected = gaussian_mixture_kernel(*(tensor.float() for tensor in tensors), 34, 40)
    found = gaussian_mixture_kernel(*tensors, 34, 40)
    assert found.dtype == dtype
    assert torch.equal(found, expected.to(dtype))  # rounded once, at the end
