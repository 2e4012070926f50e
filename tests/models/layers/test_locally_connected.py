"""Local connections: against a loop over positions, channels and taps, and against Conv1d."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deepstrf.models.layers import LocallyConnected1d
from deepstrf.models.layers.locally_connected import PRODUCT_FROM_BATCH
from tests.models.layers.memory import largest_tensor
from tests.models.layers.plain import locally_connected_by_position
from tests.tolerances import assert_close

batches = st.sampled_from([1, PRODUCT_FROM_BATCH - 1, PRODUCT_FROM_BATCH, 20])


@given(
    batch=batches,
    size=st.integers(7, 20),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
def test_against_a_loop_over_positions(
    batch: int,
    size: int,
    channels: tuple[int, int],
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    bias: bool,
) -> None:
    C_in, C_out = channels
    layer = LocallyConnected1d(size, C_in, C_out, kernel_size, stride, padding, dilation, bias).double()
    x = torch.randn(batch, C_in, size, dtype=torch.float64)
    y = layer(x)
    assert y.shape == nn.Conv1d(C_in, C_out, kernel_size, stride, padding, dilation)(x.float()).shape
    expected = locally_connected_by_position(x, layer.weights, layer.biases, kernel_size, stride, padding, dilation)
    assert_close(y, expected)


@pytest.mark.parametrize("batch", [2, 50])
def test_with_shared_weights_it_is_a_convolution(batch: int) -> None:
    conv = nn.Conv1d(2, 3, 4, stride=2, padding=1).double()
    layer = LocallyConnected1d(15, 2, 3, 4, stride=2, padding=1).double()
    with torch.no_grad():
        layer.weights.copy_(conv.weight.reshape(3, 8, 1).expand_as(layer.weights))
        layer.biases.copy_(conv.bias.unsqueeze(1).expand_as(layer.biases))
    x = torch.randn(batch, 2, 15, dtype=torch.float64)
    assert_close(layer(x), conv(x))


@pytest.mark.parametrize("batch", [2, 12])
def test_gradients_of_both_ways(batch: int) -> None:
    layer = LocallyConnected1d(9, 2, 2, 3, stride=2, dilation=2).double()
    x = torch.randn(batch, 2, 9, dtype=torch.float64, requires_grad=True)
    leaves = [x, layer.weights, layer.biases]
    upstream = torch.randn(batch, 2, 3, dtype=torch.float64)
    expected = torch.autograd.grad(
        locally_connected_by_position(x, layer.weights, layer.biases, 3, 2, 0, 2), leaves, upstream
    )
    for gradient, theirs in zip(torch.autograd.grad(layer(x), leaves, upstream), expected, strict=True):
        assert_close(gradient, theirs)


@pytest.mark.parametrize("batch", [2, 12, 50])
def test_both_ways_agree(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = LocallyConnected1d(15, 2, 3, 4, stride=2, padding=1).double()
    x = torch.randn(batch, 2, 15, dtype=torch.float64)
    module = sys.modules[LocallyConnected1d.__module__]
    monkeypatch.setattr(module, "MOST_PRODUCTS", dict.fromkeys((True, False), 0))
    by_products = layer(x)
    monkeypatch.setattr(module, "MOST_PRODUCTS", dict.fromkeys((True, False), 10**9))
    assert_close(layer(x), by_products)


@pytest.mark.parametrize("batch", [31, 32, 400])
def test_no_copy_of_the_weights_for_every_row(batch: int) -> None:
    layer = LocallyConnected1d(120, 16, 16, 9)
    x = torch.randn(batch, 16, 120)
    patches = batch * 16 * 9 * layer.output_size
    assert largest_tensor(lambda: layer(x)) <= max(patches, layer.weights.numel())
    assert largest_tensor(lambda: layer(x).sum().backward()) <= max(patches, layer.weights.numel())


def test_tensors_and_their_first_values() -> None:
    layer = LocallyConnected1d(34, 2, 7, 7, stride=3)
    assert layer.weights.shape == (7, 14, 10)
    assert layer.biases.shape == (7, 10)
    bound = 14**-0.5
    for tensor in (layer.weights, layer.biases):
        assert 0.8 * bound < tensor.abs().max() <= bound
    assert set(LocallyConnected1d(34, 1, 1, 7, bias=False).state_dict()) == {"weights"}
    assert "34, 2 -> 7, kernel_size=7, stride=3" in repr(layer)


def test_errors() -> None:
    sizes = {"input_size": 9, "in_channels": 1, "out_channels": 1, "kernel_size": 3, "stride": 1, "dilation": 1}
    for name in sizes:
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            LocallyConnected1d(**{**sizes, name: 0})
    with pytest.raises(ValueError, match="padding must be at least 0, got -1"):
        LocallyConnected1d(9, 1, 1, 3, padding=-1)
    with pytest.raises(ValueError, match=r"kernel_size must span at most .* = 9 positions, got 11 \(kernel_size 6"):
        LocallyConnected1d(9, 1, 1, 6, dilation=2)
    layer = LocallyConnected1d(9, 2, 1, 3)
    for shape in ((4, 2, 8), (4, 1, 9), (2, 9)):
        with pytest.raises(ValueError, match=rf"x must have shape \(B, 2, 9\), got \({shape[0]}, {shape[1]}"):
            layer(torch.zeros(shape))
