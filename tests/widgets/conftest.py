"""Small models and sessions of every kind that the bench can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf.models import LinearNonlinear, NeuralModel
from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf_widgets import LiveSession

F, T, N, FRAMES, DT_MS = 5, 4, 3, 30, 5.0
CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])  # no even spacing: a slip of one band shows
KERNELS = ("gaussians", "full", "separable")
PREFILTERS = ("adaptrans", "icadaptation", None)
ACTIVATIONS: dict[str, Callable[[int], torch.nn.Module]] = {
    "softplus": ParametricSoftplus,
    "sigmoid": ParametricSigmoid,
    "double_exponential": ParametricDoubleExponential,
    "signed_sigmoid": lambda n: ParametricSigmoid(n, non_negative_output=False),
    "identity": lambda _n: torch.nn.Identity(),
    "relu": lambda _n: torch.nn.ReLU(),
    "gelu": lambda _n: torch.nn.GELU(),  # only torch computes it, the browser does not
}


def build_model(
    kernel: str = "gaussians",
    prefilter: str | None = "adaptrans",
    activation: str = "softplus",
    *,
    neurons: int = N,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> NeuralModel:
    """LN model in evaluation mode whose batch norm is not the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        front = None if prefilter is None else make_prefiltering(prefilter, F, DT_MS)
        channels = 2 if prefilter == "adaptrans" else 1
        layer = {
            "gaussians": lambda: ParametricSTRF(F, T, channels, neurons, num_gaussians=2),
            "separable": lambda: SeparableSTRF(F, T, channels, neurons),
            "full": lambda: None,
        }[kernel]()
        model = LinearNonlinear(
            F,
            T,
            out_neurons=neurons,
            kernel=layer,
            prefiltering=front,
            output_activation=ACTIVATIONS[activation](neurons),
        )
        bn = model.readout.bn
        for tensor in (bn.weight, bn.bias, bn.running_mean):
            torch.nn.init.uniform_(tensor, -1.0, 1.0)
        torch.nn.init.uniform_(bn.running_var, 0.5, 2.0)
    return model.to(dtype).eval()


def build_stimulus(sounds: int = 1, *, dtype: torch.dtype = torch.float64, frames: int = FRAMES) -> torch.Tensor:
    return torch.rand(sounds, 1, F, frames, generator=torch.Generator().manual_seed(1), dtype=dtype) * 10


def build_responses(sounds: int = 1, neurons: int = N, repeats: int = 3, frames: int = FRAMES) -> torch.Tensor:
    """Trials of neurons that follow the sound: without a signal there is no CCnorm."""
    generator = torch.Generator().manual_seed(2)
    rates = 6 * torch.rand(sounds, neurons, 1, frames, generator=generator)
    return torch.poisson(rates.expand(-1, -1, repeats, -1).contiguous(), generator=generator)


def build_session(*model_args: Any, sounds: int = 1, responses: bool = True, **model_kwargs: Any) -> LiveSession:
    model = build_model(*model_args, **model_kwargs)
    dtype = next(model.parameters()).dtype
    recorded = build_responses(sounds, int(model.O)) if responses else None
    return LiveSession(model, build_stimulus(sounds, dtype=dtype), recorded, dt_ms=DT_MS, cf_hz=CF_HZ)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., NeuralModel]:
    """``make_model(kernel, prefilter, activation, neurons=3, dtype=float64)``."""
    return build_model


@pytest.fixture(scope="session")
def make_session() -> Callable[..., LiveSession]:
    """``make_session(kernel, prefilter, activation, sounds=1, responses=True)``."""
    return build_session


@pytest.fixture(scope="session")
def make_stimulus() -> Callable[..., torch.Tensor]:
    return build_stimulus


@pytest.fixture(scope="session")
def make_responses() -> Callable[..., torch.Tensor]:
    return build_responses


@pytest.fixture
def session(make_session: Callable[..., LiveSession]) -> LiveSession:
    """Three neurons with two Gaussians for each of ON and OFF, in float64."""
    return make_session()


def same_state(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def state_copy(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="session")
def state() -> Callable[[torch.nn.Module], dict[str, torch.Tensor]]:
    """``state(model)``: a copy of its state dict."""
    return state_copy


@pytest.fixture(scope="session")
def same() -> Callable[[dict[str, torch.Tensor], dict[str, torch.Tensor]], bool]:
    """``same(state, state)``: equal bit for bit."""
    return same_state


@torch.no_grad()
def rounding_of_rates(session: LiveSession) -> torch.Tensor:
    """How far two float32 computations of each neuron's response may lie apart, (N,).

    A sum of n terms is right within n roundings of the sum of their sizes, which the result may be much smaller than
    where the terms cancel; batch norm and output curve multiply that by their slopes.
    """
    readout, eps = session.model.readout, torch.finfo(torch.float32).eps
    padded = readout.strf.pad(session.model.prefiltered(session.stimulus)).abs()
    kernel = readout.STRF_weight().to(padded)
    bn, bias = readout.bn, getattr(readout.strf.kernel, "bias", None)
    sizes = torch.nn.functional.conv2d(padded, kernel.abs()).amax((0, 2, 3))
    sizes = sizes + (0 if bias is None else bias.abs()) + bn.running_mean.abs()
    gain = (bn.weight / (bn.running_var + bn.eps).sqrt()).abs()
    sizes = sizes * gain + bn.bias.abs()
    drive = bn(readout.strf(session.model.prefiltered(session.stimulus))[:, :, 0]).transpose(1, 2)
    with torch.enable_grad():
        drive.requires_grad_()
        slope = torch.autograd.grad(readout.activation(drive).sum(), drive)[0].abs().amax((0, 1))
    rates = readout.activation(drive).abs().amax((0, 1))
    return 2 * (kernel[0].numel() + 8) * eps * (sizes * slope + rates)


def assert_rates_are_fresh(session: LiveSession, neurons: Iterable[int]) -> None:
    with torch.no_grad():
        fresh = session.model(session.stimulus)[:, :, 0]
    exact = fresh.dtype == torch.float64
    rounding = None if exact else rounding_of_rates(session)
    for neuron in neurons:
        scale = float(fresh[:, neuron].abs().max()) or 1.0
        tolerance = 1e-10 * scale if rounding is None else float(rounding[neuron])
        difference = float((session.rate(neuron) - fresh[:, neuron]).abs().max())
        assert difference <= tolerance, (neuron, difference, tolerance)


@pytest.fixture(scope="session")
def assert_fresh() -> Callable[[LiveSession, Iterable[int]], None]:
    """``assert_fresh(session, neurons)``: their rates are those of a forward pass of the edited model."""
    return assert_rates_are_fresh
