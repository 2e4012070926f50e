"""Readouts: order of their steps, receptive fields with and without the batch norm, and errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepstrf.models.activations import ParametricSoftplus
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.readouts import LinearReadout, STRFReadout
from tests.tolerances import assert_close

F, T, N = 4, 5, 3
KERNELS = {
    "conv": lambda C: None,
    "conv without bias": lambda C: nn.Conv2d(C, N, (F, T), bias=False),
    "gaussians": lambda C: ParametricSTRF(F, T, C, N, 2),
    "separable": lambda C: SeparableSTRF(F, T, C, N),
    "two convs": lambda C: nn.Sequential(nn.Conv2d(C, 6, (F, 1)), nn.Conv2d(6, N, (1, T), groups=3)),
}
every_kernel = pytest.mark.parametrize("kernel", list(KERNELS))


def fitted(kernel: str = "conv", C_in: int = 2, activation: nn.Module | None = None) -> STRFReadout:
    """A readout in evaluation mode whose batch norm has statistics of its own; the second gain is negative."""
    readout = STRFReadout(F, T, C_in, N, kernel=KERNELS[kernel](C_in), activation=activation).double().eval()
    with torch.no_grad():
        readout.bn.running_mean.copy_(torch.tensor([0.3, -1.0, 2.0]))
        readout.bn.running_var.copy_(torch.tensor([0.5, 2.0, 1.0]))
        readout.bn.weight.copy_(torch.tensor([1.5, -0.7, 0.2]))
        readout.bn.bias.copy_(torch.tensor([0.1, 0.2, -0.4]))
    return readout


def drive_by_loop(x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Sum over channels, bands and lags, written out: (B, N, T_in)."""
    B, _, _, T_in = x.shape
    y = bias.view(1, N, 1).repeat(B, 1, T_in)
    for t in range(T_in):
        for lag in range(min(T, t + 1)):
            y[:, :, t] += torch.einsum("bcf,ncf->bn", x[..., t - lag], kernel[..., T - 1 - lag])
    return y


@every_kernel
def test_effective_receptive_field_is_what_the_neuron_computes(kernel: str) -> None:
    readout = fitted(kernel, activation=ParametricSoftplus(N))
    x = torch.rand(2, 2, F, 12, dtype=torch.float64)
    drive = drive_by_loop(x, *readout.effective_STRF())
    expected = readout.activation(drive.transpose(1, 2)).transpose(1, 2).unsqueeze(2)
    assert_close(readout(x), expected)


@every_kernel
def test_a_negative_gain_flips_the_effective_receptive_field(kernel: str) -> None:
    readout = fitted(kernel)
    weight, (effective, _) = readout.STRF_weight(), readout.effective_STRF()
    gain = torch.tensor([1.5, -0.7, 0.2]).double() / torch.sqrt(torch.tensor([0.5, 2.0, 1.0]).double() + 1e-5)
    assert_close(effective, weight * gain.view(N, 1, 1, 1))
    assert (effective[1] * weight[1] <= 0).all()


def test_batch_norm_without_learnable_gain() -> None:
    readout = fitted()
    readout.bn = nn.BatchNorm1d(N, affine=False).double().eval()
    readout.bn.running_mean += 0.5
    x = torch.rand(1, 2, F, 12, dtype=torch.float64)
    assert_close(readout(x).squeeze(2), drive_by_loop(x, *readout.effective_STRF()))
    readout.bn = nn.BatchNorm1d(N, track_running_stats=False).double()
    with pytest.raises(ValueError, match=r"bn must track running statistics.*got None"):
        readout.effective_STRF()


def test_polarity_selects_a_channel() -> None:
    readout = fitted()
    weight = readout.STRF_weight()
    kernel, bias = readout.effective_STRF()
    assert weight.shape == (N, 2, F, T)
    for channel, names in enumerate((("ON", "On", "on", 0), ("OFF", "Off", "off", 1))):
        for name in names:
            assert torch.equal(readout.STRF_weight(name), weight[:, channel])
            one, same_bias = readout.effective_STRF(name)
            assert torch.equal(one, kernel[:, channel])
            assert torch.equal(same_bias, bias)


def test_polarity_errors() -> None:
    single = fitted(C_in=1)
    assert single.STRF_weight("ON").shape == (N, F, T)
    for polarity in ("OFF", 1):
        with pytest.raises(ValueError, match=rf"polarity {polarity!r} needs 2 input channels, got C_in = 1"):
            single.STRF_weight(polarity)
    for bad in ("both", 2, ["ON"]):
        with pytest.raises(ValueError, match=r"polarity must be None, 'ON' \(or 0\) or 'OFF' \(or 1\), got"):
            fitted().effective_STRF(bad)


def test_what_is_returned_is_a_detached_copy() -> None:
    readout = fitted()
    for tensor in (readout.STRF_weight(), *readout.effective_STRF()):
        assert not tensor.requires_grad
        before = {name: value.clone() for name, value in readout.state_dict().items()}
        tensor.zero_()
        assert all(torch.equal(value, before[name]) for name, value in readout.state_dict().items())


def test_tensor_names_of_the_receptive_field_readout() -> None:
    names = set(STRFReadout(F, T, 2, N, activation=ParametricSoftplus(N)).state_dict())
    bn = {f"bn.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    activation = {"activation._raw_beta", "activation._raw_b"}
    assert names == {"strf.kernel.weight", "strf.kernel.bias"} | bn | activation


def test_batch_statistics_are_used_in_training_only() -> None:
    readout = STRFReadout(F, T, 1, N).train()
    y = readout(torch.rand(3, 1, F, 50))
    assert_close(y.mean(dim=(0, 2, 3)), torch.zeros(N))
    assert_close(y.var(dim=(0, 2, 3), correction=0), torch.ones(N), torch.bfloat16)


@pytest.mark.parametrize("hidden", [None, 6])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_readout_by_hand(hidden: int | None, bias: bool) -> None:
    readout = LinearReadout(F, N, hidden=hidden, activation=ParametricSoftplus(N), bias=bias)
    x = torch.randn(2, F, 7)
    layers = [readout.fc] if hidden is None else [readout.fc[0], readout.fc[2]]
    expected = torch.empty(2, N, 1, 7)
    for t in range(7):
        y = x[:, :, t]
        for depth, layer in enumerate(layers):
            if depth:
                y = torch.where(y > 0, y, 0.1 * y)
            y = y @ layer.weight.T + (layer.bias if bias else 0.0)
        expected[:, :, 0, t] = readout.activation(y)
    assert_close(readout(x), expected)
    assert torch.equal(readout(x), readout(x.unsqueeze(2)))
    assert ("fc.bias" in readout.state_dict()) == (bias and hidden is None)


def test_shapes_that_do_not_fit() -> None:
    readout = LinearReadout(F, N)
    for shape in ((2, F + 1, 7), (2, F, 2, 7), (F, 7)):
        with pytest.raises(
            ValueError, match=rf"x must have shape \(B, {F}, T\) or \(B, {F}, 1, T\), got \({shape[0]}, "
        ):
            readout(torch.zeros(shape))
    for name, sizes in {"in_features": (0, 1), "out_neurons": (1, 0), "hidden": (1, 1, 0)}.items():
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            LinearReadout(*sizes)
    with pytest.raises(ValueError, match=rf"x must have shape \(B, 2, {F}, T\), got \(1, 1, {F}, 9\)"):
        fitted()(torch.zeros(1, 1, F, 9, dtype=torch.float64))
