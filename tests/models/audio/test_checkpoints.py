"""Every model of the zoo comes back from its folder whatever modules it was given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.audio import AudioEncodingModel, DNet, Linear, LinearNonlinear, NetworkReceptiveField
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from tests.models.audio.zoo import MAKERS, PREFILTERS, F, N, every_prefilter, named

T, H = 5, 4

KERNELS: dict[str, Callable[[int, int], nn.Module | None]] = {
    "free": lambda C, out: None,
    "Gaussians": lambda C, out: ParametricSTRF(F, T, C, out, num_gaussians=2),
    "Gaussians without bias": lambda C, out: ParametricSTRF(F, T, C, out, bias=False),
    "separable": lambda C, out: SeparableSTRF(F, T, C, out),
    "one convolution": lambda C, out: nn.Conv2d(C, out, (F, T), bias=False),
    "two convolutions": lambda C, out: nn.Sequential(nn.Conv2d(C, 3, (F, 1)), nn.Conv2d(3, out, (1, T), bias=False)),
}
ACTIVATIONS: dict[str, Callable[[], nn.Module | None]] = {
    "default": lambda: None,
    "sigmoid": lambda: ParametricSigmoid(N, bias=False),
    "double exponential": lambda: ParametricDoubleExponential(N, non_negative_output=False),
    "softplus": lambda: ParametricSoftplus(N, non_negative_output=False),
    "torch": lambda: nn.Softplus(beta=2.0),
    "torch with parameters": lambda: nn.Sequential(nn.PReLU(), nn.Hardtanh(-0.5, 3.0)),
}
WITH_KERNEL: dict[str, Callable[..., AudioEncodingModel]] = {
    "Linear": lambda **kwargs: Linear(F, T, out_neurons=N, **kwargs),
    "LinearNonlinear": lambda **kwargs: LinearNonlinear(F, T, out_neurons=N, **kwargs),
    "NetworkReceptiveField": lambda **kwargs: NetworkReceptiveField(F, T, out_neurons=N, n_hidden=H, **kwargs),
    "DNet": lambda **kwargs: DNet(F, T, out_neurons=N, n_hidden=H, init_tau=3.0, **kwargs),
}
WITHOUT_KERNEL = [name for name in MAKERS if name.partition("-")[0] not in WITH_KERNEL]


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def some_activations(*indices: int) -> list[str]:
    """Two of the activations, others for other indices: every pair of an activation and another choice occurs."""
    names = list(ACTIVATIONS)
    return [names[sum(indices) % len(names)], names[(sum(indices) + 3) % len(names)]]


def assert_comes_back(build: Callable[..., AudioEncodingModel], folder: Path, **kwargs: Any) -> None:
    """Save, load without any argument, and compare the two on a sound; a warning is an error."""
    model = build(**kwargs)
    x = torch.rand(2, 1, F, 12)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.rand_like(parameter))
        model.train()(x)  # statistics of a batch norm
        loaded = type(model).from_pretrained(model.save_pretrained(folder))
        assert repr(loaded) == repr(model.eval())
        assert loaded._init_kwargs == model._init_kwargs
        assert torch.equal(loaded(x), model(x))


@pytest.mark.parametrize("name", WITH_KERNEL)
@pytest.mark.parametrize("kernel", KERNELS)
@every_prefilter
def test_models_with_a_receptive_field(name: str, kernel: str, prefilter: str, tmp_path: Path) -> None:
    channels = 2 if prefilter == "AdapTrans" else 1
    out = N if name.startswith("Linear") else H
    for activation in some_activations(list(KERNELS).index(kernel), list(PREFILTERS).index(prefilter)):
        assert_comes_back(
            WITH_KERNEL[name],
            tmp_path / activation,
            prefiltering=PREFILTERS[prefilter](),
            kernel=KERNELS[kernel](channels, out),
            output_activation=ACTIVATIONS[activation](),
        )


@pytest.mark.parametrize("name", [named(name) for name in WITHOUT_KERNEL])
@every_prefilter
def test_other_models(name: str, prefilter: str, tmp_path: Path) -> None:
    for activation in some_activations(list(PREFILTERS).index(prefilter)):
        assert_comes_back(
            MAKERS[name],
            tmp_path / activation,
            prefiltering=PREFILTERS[prefilter](),
            output_activation=ACTIVATIONS[activation](),
        )
