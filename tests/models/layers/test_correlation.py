"""Correlation with a quick backward pass: values and derivatives of torch's convolution, and when it is left out."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional
from torch.nn.utils import parametrizations

from deepstrf.models.layers import CausalSTRFConv, ParametricSTRF
from deepstrf.models.layers.correlation import MOST_OUTPUTS, correlate, is_plain


def tensors(N=2, C=2, F=3, L=4, T=7, B=2, dtype=torch.float64):
    torch.manual_seed(0)
    shapes = (B, C, F, T + L - 1), (N, C, F, L), (N,)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def name_of(y):
    return y.grad_fn.name()


@pytest.mark.parametrize("sizes", [{}, {"N": 1}, {"L": 1}, {"T": 1}, {"F": 1, "C": 1}, {"B": 1, "N": MOST_OUTPUTS}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_those_of_conv2d_and_gradients_equal_its_gradients(sizes, dtype):
    x, weight, bias = tensors(**sizes, dtype=dtype)
    one, other = correlate(x, weight, bias), functional.conv2d(x, weight, bias)
    assert "_Correlation" in name_of(one)
    assert torch.equal(one, other)
    seed = torch.randn_like(one)
    for a, b in zip(*(torch.autograd.grad(y, (x, weight, bias), seed) for y in (one, other)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own, at its start
def test_derivatives_of_first_and_second_order():
    inputs = tensors(N=2, C=1, F=2, L=3, T=4)
    assert gradcheck(correlate, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(correlate, inputs)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_gradient_that_is_not_needed_is_not_computed(missing):
    inputs = tensors()
    inputs[missing] = inputs[missing].detach()
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    grads = [torch.autograd.grad(f(*inputs).square().sum(), wanted) for f in (correlate, functional.conv2d)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_no_bias():
    x, weight, _ = tensors()
    torch.testing.assert_close(correlate(x, weight), functional.conv2d(x, weight))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_transforms_of_torch_func():
    x, weight, bias = (tensor.detach() for tensor in tensors())
    many = torch.stack([weight, 2 * weight, -weight])

    def loss(f, w):
        return f(x, w, bias).square().sum()

    for f in (torch.func.grad, torch.func.jacrev, torch.func.jacfwd):
        mine, plain = (torch.func.vmap(f(lambda w, g=g: loss(g, w)))(many) for g in (correlate, functional.conv2d))
        torch.testing.assert_close(mine, plain)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        (tensors(N=MOST_OUTPUTS + 1), "many outputs"),
        ([tensor.to(torch.bfloat16) for tensor in tensors()], "half precision"),
        ([tensors()[0].detach()[:, :, :, :], *tensors(F=2)[1:]], "a kernel that does not span the bands"),
    ],
)
def test_torch_does_what_it_does_better_or_alone(inputs, why):
    assert "Convolution" in name_of(correlate(*inputs)), why


@pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of the checks of shapes
def test_a_traced_model_can_be_saved(tmp_path):
    strf = CausalSTRFConv(3, 4, 1, 2)
    traced = torch.jit.trace(strf, torch.rand(1, 1, 3, 9))
    torch.jit.save(traced, tmp_path / "traced.pt")
    x = torch.rand(1, 1, 3, 9)
    assert torch.equal(torch.jit.load(tmp_path / "traced.pt")(x), strf(x))


@pytest.mark.parametrize("kernel", [None, ParametricSTRF(3, 4, 1, 2)])
def test_layers_take_the_quick_way(kernel):
    y = CausalSTRFConv(3, 4, 1, 2, kernel)(torch.rand(1, 1, 3, 9))
    assert "_Correlation" in name_of(y)


def hooked(kernel):
    kernel.register_forward_hook(lambda _module, _inputs, output: 2 * output)
    return kernel


def pre_hooked(kernel):
    kernel.register_forward_pre_hook(lambda _module, inputs: (2 * inputs[0],))
    return kernel


def patched(kernel):
    plain = kernel.forward
    kernel.forward = lambda x: 2 * plain(x)
    return kernel


class Doubled(nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


def subclass(kernel):
    other = Doubled(1, 2, (3, 4))
    other.load_state_dict(kernel.state_dict())
    return other


def normed(kernel):
    return parametrizations.weight_norm(kernel)


def dilated(_kernel):
    return nn.Conv2d(1, 2, (3, 2), dilation=(1, 3))


@pytest.mark.parametrize("change", [hooked, pre_hooked, patched, subclass, normed, dilated])
def test_a_kernel_that_is_more_than_a_convolution_is_called(change):
    torch.manual_seed(0)
    kernel = change(nn.Conv2d(1, 2, (3, 4)))
    assert not is_plain(kernel)
    strf, x = CausalSTRFConv(3, 4, 1, 2, kernel), torch.rand(1, 1, 3, 9)
    with torch.no_grad():
        expected = copy.deepcopy(kernel)(strf.pad(x))
    assert torch.equal(strf(x), expected)


def test_backward_hooks_are_called():
    strf, seen = CausalSTRFConv(3, 4, 1, 2), []
    strf.kernel.register_full_backward_hook(lambda *_: seen.append(True))
    strf(torch.rand(1, 1, 3, 9, requires_grad=True)).sum().backward()
    assert seen == [True]
