"""StateNet: its encoder by hand, the choices it offers, and its recurrent layers."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from deepstrf.models.audio import StateNet
from deepstrf.models.audio.mamba import mamba_frames, mamba_sequence, new_mamba
from tests.models.audio.zoo import F, make, needs_mambapy
from tests.tolerances import assert_close


def test_locally_connected_gru_by_hand() -> None:
    model = make("StateNet-LC").double()
    x = torch.rand(2, 1, F, 6).double()
    layer, norm = model.encoder_layers[0], model.encoder_layers[1].ln
    frames = torch.zeros(2, 6, 2, 2, dtype=torch.float64)
    with torch.no_grad():
        for t in range(6):
            for channel in range(2):
                for position in range(2):
                    patch = x[:, 0, 3 * position : 3 * position + 7, t]
                    weights = layer.weights[channel, :, position]
                    frames[:, t, channel, position] = patch @ weights + layer.biases[channel, position]
        centred = frames - frames.mean(2, keepdim=True)
        spread = (centred.square().mean(2, keepdim=True) + norm.eps).sqrt()
        h = torch.sigmoid(centred / spread * norm.weight.view(1, 1, 2, 1) + norm.bias.view(1, 1, 2, 1))
        hidden, _ = model.rnn(h.reshape(2, 6, 4))
        expected = model.readout.activation(model.readout.fc(hidden)).transpose(1, 2).unsqueeze(2)
        assert_close(model(x), expected)


@pytest.mark.parametrize(("connectivity", "layer"), [("FC", nn.Linear), ("CONV", nn.Conv1d)])
def test_every_encoder_makes_the_same_features(connectivity: str, layer: type) -> None:
    model = StateNet(connectivity=connectivity)
    assert model.H == 70
    assert any(type(part) is layer for part in model.encoder_layers)


@pytest.mark.parametrize(("rnn_type", "layer"), [("GRU", nn.GRU), ("LSTM", nn.LSTM), ("RNN", nn.RNN)])
def test_recurrent_layers_of_torch(rnn_type: str, layer: type) -> None:
    model = StateNet(rnn_type=rnn_type)
    assert type(model.rnn) is layer
    assert (model.rnn.input_size, model.rnn.hidden_size, model.rnn.batch_first) == (70, 70, True)


def test_unknown_choices_list_the_known_ones() -> None:
    with pytest.raises(NotImplementedError, match=r"rnn_type must be one of .*'GRU', 'LSTM', .*'Mamba'.*'S5'"):
        StateNet(rnn_type="S5")
    with pytest.raises(NotImplementedError, match=r"connectivity must be one of .*'LC', 'FC', 'CONV'.*got 'dense'"):
        StateNet(connectivity="dense")


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="kernel_size must be at most F = 6 bands, got 7"):
        StateNet(6)
    with pytest.raises(ValueError, match="hidden_channels must be at least 1, got 0"):
        StateNet(hidden_channels=0)
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        StateNet(stride=0)


def test_every_forward_pass_starts_from_the_zero_state() -> None:
    model = make("StateNet-LC")
    x = torch.rand(1, 1, F, 9)
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
    assert model.detach() is None  # type: ignore[func-returns-value]


def test_without_mambapy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mambapy.mamba", None)
    with pytest.raises(ImportError, match=r"rnn_type 'Mamba' needs the package mambapy.*deepstrf-lab\[mamba\]"):
        StateNet(rnn_type="Mamba")


@needs_mambapy
def test_gradients_of_mamba_are_those_of_its_recurrence() -> None:
    """The parallel scan has a backward pass of its own; one frame after the other, autograd needs none."""
    block = new_mamba(6).double()
    x = torch.rand(2, 9, 6, dtype=torch.float64, requires_grad=True)
    leaves, upstream = [x, *block.parameters()], torch.randn(2, 9, 6, dtype=torch.float64)
    whole = torch.autograd.grad(mamba_sequence(block, x), leaves, upstream)
    by_frames = torch.autograd.grad(mamba_frames(block, x)[0], leaves, upstream)
    for gradient, expected in zip(whole, by_frames, strict=True):
        assert_close(gradient, expected, torch.float32)  # the block computes exp(A_log) in float32


@needs_mambapy
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mamba_frame_by_frame_equals_the_whole_sequence(dtype: torch.dtype) -> None:
    block = new_mamba(6).to(dtype)
    x = torch.rand(2, 11, 6).to(dtype)
    with torch.no_grad():
        whole = mamba_sequence(block, x)
        first, state = mamba_frames(block, x[:, :4])
        rest, _ = mamba_frames(block, x[:, 4:], state)
    assert whole.dtype == dtype
    assert_close(torch.cat([first, rest], dim=1), whole)
