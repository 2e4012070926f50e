"""One small instance of every model, for the batteries that all of them must pass."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepstrf.models.audio import (
    AudioEncodingModel,
    ConvNet2D,
    DNet,
    KernelRegression,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    StateNet,
    Transformer,
)
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, ShortTermPlasticity

F, N = 12, 3

Maker = Callable[..., AudioEncodingModel]

needs_mambapy = pytest.mark.skipif(importlib.util.find_spec("mambapy") is None, reason="mambapy is not installed")

MAKERS: dict[str, Maker] = {
    "Linear": lambda **kwargs: Linear(F, 5, out_neurons=N, **kwargs),
    "LinearNonlinear": lambda **kwargs: LinearNonlinear(F, 5, out_neurons=N, **kwargs),
    "LinearNonlinear-parametric": lambda prefiltering=None, **kwargs: LinearNonlinear(
        F,
        5,
        out_neurons=N,
        kernel=ParametricSTRF(F, 5, getattr(prefiltering, "out_channels", 1), N),
        prefiltering=prefiltering,
        **kwargs,
    ),
    "KernelRegression": lambda **kwargs: KernelRegression(F, 5, out_neurons=N, n_points=6, **kwargs),
    "NetworkReceptiveField": lambda **kwargs: NetworkReceptiveField(F, 5, out_neurons=N, n_hidden=4, **kwargs),
    "DNet": lambda **kwargs: DNet(F, 5, out_neurons=N, n_hidden=4, **kwargs),
    "ConvNet2D": lambda **kwargs: ConvNet2D(F, out_neurons=N, c_hidden=4, kernel_size=(3, 4), n_hidden=5, **kwargs),
    "Transformer": lambda **kwargs: Transformer(
        F, temporal_window_size=5, out_neurons=N, embedding_dim=8, n_heads=2, **kwargs
    ),
    "Transformer-windowed": lambda **kwargs: Transformer(
        F,
        temporal_window_size=5,
        out_neurons=N,
        embedding_dim=8,
        n_heads=2,
        n_layers=2,
        context_window=6,
        time_patch_size=3,
        freq_patch_size=4,
        **kwargs,
    ),
    "StateNet-LC": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, **kwargs),
    "StateNet-FC": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, connectivity="FC", **kwargs),
    "StateNet-CONV": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, connectivity="CONV", **kwargs),
    "StateNet-LSTM": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, rnn_type="LSTM", **kwargs),
    "StateNet-RNN": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, rnn_type="RNN", **kwargs),
    "StateNet-LMU": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, rnn_type="LMU", **kwargs),
    "StateNet-Mamba": lambda **kwargs: StateNet(F, 5, out_neurons=N, hidden_channels=2, rnn_type="Mamba", **kwargs),
}

PREFILTERS: dict[str, Callable[[], nn.Module | None]] = {
    "none": lambda: None,
    "AdapTrans": lambda: AdapTrans(torch.linspace(0.5, 0.9, F), torch.linspace(0.6, 0.9, F), kernel_size=20),
    "ICAdaptation": lambda: ICAdaptation(torch.linspace(0.5, 0.9, F), kernel_size=20),
    "ShortTermPlasticity": lambda: ShortTermPlasticity(torch.linspace(0.5, 0.9, F), torch.linspace(0.05, 0.5, F)),
}


class Framing(nn.Module):
    """A front end: the power in F bands of frames of 8 samples, (B, samples) to (B, 1, F, samples / 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.randn(F, 8))

    def forward(self, waveform: Tensor) -> Tensor:
        return torch.einsum("fs,bts->bft", self.filters, waveform.unfold(-1, 8, 8)).square().unsqueeze(1)


def named(name: str) -> Any:
    """The name as a test parameter that is skipped when an optional package is missing."""
    return pytest.param(name, marks=[needs_mambapy] if name.endswith("Mamba") else [])


every_model = pytest.mark.parametrize("name", [named(name) for name in MAKERS])
every_prefilter = pytest.mark.parametrize("prefilter", list(PREFILTERS))


def make(name: str, prefilter: str = "none", **kwargs: Any) -> AudioEncodingModel:
    """A model of the zoo whose weights and batch statistics are unlike fresh ones, in evaluation mode."""
    model = MAKERS[name](prefiltering=PREFILTERS[prefilter](), **kwargs)
    model.train()
    with torch.no_grad():
        model(torch.rand(2, 1, F, 10) if type(model.wav2spec) is nn.Identity else torch.rand(2, 80))
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()
