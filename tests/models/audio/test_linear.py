"""The STRF models against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from deepstrf.models.audio import DNet, Linear, LinearNonlinear, NetworkReceptiveField
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from tests.models.audio.zoo import PREFILTERS, F, make
from tests.tolerances import assert_close


def drive(kernel: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """``sum_{c,f,lag} kernel[n, c, f, T-1-lag] x[c, f, t-lag] + bias[n]``, one bin and one lag at a time."""
    T = kernel.shape[-1]
    y = bias.view(1, -1, 1).repeat(x.shape[0], 1, x.shape[-1])
    for t in range(x.shape[-1]):
        for lag in range(min(T, t + 1)):
            y[:, :, t] += torch.einsum("ncf,bcf->bn", kernel[..., T - 1 - lag], x[..., t - lag])
    return y.unsqueeze(2)


@pytest.mark.parametrize("prefilter", list(PREFILTERS))
def test_linear_is_its_effective_receptive_field(prefilter: str) -> None:
    model = make("Linear", prefilter).double()
    x = torch.rand(2, 1, F, 15).double()
    kernel, bias = model.effective_STRF()
    with torch.no_grad():
        assert_close(model(x), drive(kernel, bias, model.prefiltering(x)))


def test_linear_nonlinear_is_a_softplus_of_the_drive() -> None:
    model = make("LinearNonlinear").double()
    x = torch.rand(2, 1, F, 15).double()
    kernel, bias = model.effective_STRF()
    with torch.no_grad():
        beta, b = (v.view(1, -1, 1, 1) for v in (model.readout.activation.beta, model.readout.activation.b))
        assert_close(model(x), torch.log1p(torch.exp(beta * drive(kernel, bias, x))) / beta + b)


def test_receptive_fields_by_polarity() -> None:
    model = make("LinearNonlinear", "AdapTrans")
    whole = model.STRF_weight()
    assert whole.shape == (3, 2, F, 5)
    assert torch.equal(model.STRF_weight("ON"), whole[:, 0])
    assert torch.equal(model.STRF_weight("OFF"), whole[:, 1])
    assert torch.equal(model.effective_STRF("OFF")[0], model.effective_STRF()[0][:, 1])
    with pytest.raises(ValueError, match=r"polarity must be None, .*got 'both'"):
        model.STRF_weight("both")


def test_a_negative_batch_norm_gain_flips_the_effective_field_only() -> None:
    model = Linear(F, 5, out_neurons=2).eval()
    with torch.no_grad():
        model.readout.bn.weight.copy_(torch.tensor([1.0, -2.0]))
    ratio = model.effective_STRF()[0] / model.STRF_weight()
    # Running variance 1 in a fresh batch norm: gain = gamma / sqrt(1 + eps).
    assert_close(ratio[0], torch.full_like(ratio[0], 1 / math.sqrt(1 + 1e-5)))
    assert_close(ratio[1], torch.full_like(ratio[1], -2 / math.sqrt(1 + 1e-5)))


def test_the_activation_is_chosen_by_the_class() -> None:
    assert type(LinearNonlinear(F, 5, out_neurons=2, output_activation=nn.ReLU()).readout.activation) is nn.ReLU
    assert isinstance(LinearNonlinear(F, 5, out_neurons=2), Linear)


@pytest.mark.parametrize("cls", [NetworkReceptiveField, DNet])
@pytest.mark.parametrize("kernel", [ParametricSTRF, SeparableSTRF])
def test_hidden_receptive_fields(cls: type, kernel: type) -> None:
    given = kernel(F, 5, 1, 4)
    model = cls(F, 5, out_neurons=3, n_hidden=4, kernel=given)
    assert_close(model.hidden_STRF_weight(), given.build_kernel())
    assert not model.hidden_STRF_weight().requires_grad
    with pytest.raises(ValueError, match="n_hidden must be at least 1, got 0"):
        cls(F, 5, out_neurons=3, n_hidden=0)


def test_network_receptive_field_by_hand() -> None:
    model = make("NetworkReceptiveField").double()
    x = torch.rand(2, 1, F, 9).double()
    conv, norm = model.core[0].kernel, model.core[1].ln
    with torch.no_grad():
        h = drive(conv.weight, conv.bias, x).squeeze(2)
        h = (h - h.mean(1, keepdim=True)) / (h.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        h = torch.tanh(h * norm.weight.view(1, -1, 1) + norm.bias.view(1, -1, 1))
        y = torch.einsum("nh,bht->bnt", model.readout.fc.weight, h) + model.readout.fc.bias.view(1, -1, 1)
        expected = model.readout.activation(y.transpose(1, 2)).transpose(1, 2).unsqueeze(2)
        assert_close(model(x), expected)


def test_dnet_by_hand() -> None:
    model = make("DNet").double()
    x = torch.rand(2, 1, F, 9).double()
    conv, norm, decay = model.core[0].kernel, model.core[1].ln, model.core[3]
    assert decay.kernel_size == 14  # round(7 init_tau), init_tau = 2
    with torch.no_grad():
        h = drive(conv.weight, conv.bias, x).squeeze(2)
        h = (h - h.mean(1, keepdim=True)) / (h.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
        h = torch.sigmoid(h * norm.weight.view(1, -1, 1) + norm.bias.view(1, -1, 1))
        a = decay.d**2 / (1 + decay.d**2)
        taps = torch.stack([a**lag for lag in range(14)])
        taps = taps / taps.sum(0)
        smooth = torch.zeros_like(h)
        for t in range(9):
            for lag in range(14):
                smooth[:, :, t] += taps[lag] * h[:, :, max(t - lag, 0)]
        expected = torch.einsum("nh,bht->bnt", model.readout.fc.weight, smooth)
        assert_close(model(x), (expected + model.readout.fc.bias.view(1, -1, 1)).unsqueeze(2))


@pytest.mark.parametrize("init_tau", [1.0, 0.5, float("inf"), float("nan")])
def test_dnet_refuses_a_time_constant(init_tau: float) -> None:
    with pytest.raises(ValueError, match=f"init_tau must be above 1 frame, got {init_tau}"):
        DNet(init_tau=init_tau)
