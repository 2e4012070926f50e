"""A small simulated population, models of it that nothing is wrong with, and how a fault is planted in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.models import LinearNonlinear
from deepstrf.simulate import SimulatedPopulation, simulate_population

BANDS, LAGS, NEURONS, DT_MS = 10, 8, 4, 10.0
SICK = 2
"""The neuron that faults are planted in."""


@cache
def simulate(**options: Any) -> SimulatedPopulation:
    """Four neurons, ten bands, bins of 10 ms, four trials; tests must not change it."""
    settings = {"seconds": 30, "trials": 4, "seed": 1, "sample_rate_hz": 8000, "n_bands": BANDS, "max_hz": 4000.0}
    return simulate_population(NEURONS, **{**settings, "dt_ms": DT_MS, "n_lags": LAGS, **options})


def healthy(output: str = "softplus", **options: Any) -> LinearNonlinear:
    """The neurons themselves, as a model that may be changed: three Gaussians each."""
    model = simulate(output=output, **options).model
    copied = LinearNonlinear(
        BANDS,
        LAGS,
        out_neurons=NEURONS,
        kernel=type(model.readout.strf.kernel)(**model.readout.strf.kernel.config()),
        output_activation=type(model.readout.activation)(**model.readout.activation.config()),
    )
    copied.load_state_dict(model.state_dict())
    return copied.eval().requires_grad_(False)


def with_free_kernel(model: LinearNonlinear) -> LinearNonlinear:
    """The same neurons with a kernel that is free in every band and lag."""
    free = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS)
    free.readout.activation = model.readout.activation
    free.readout.bn = model.readout.bn
    with torch.no_grad():
        free.readout.strf.kernel.weight.copy_(model.readout.strf.STRF_weight())
        free.readout.strf.kernel.bias.copy_(model.readout.strf.STRF_bias())
    return free.eval().requires_grad_(False)


@contextmanager
def planting(model: nn.Module) -> Iterator[nn.Module]:
    """The readout of a model, whose tensors may be written inside."""
    with torch.no_grad():
        yield model.readout  # type: ignore[misc]


def drive(model: LinearNonlinear, stimuli: Tensor) -> Tensor:
    """Input of the output curve, (N, bins)."""
    with torch.no_grad():
        return model.readout.bn(model.readout.strf(stimuli).squeeze(2)).transpose(0, 1).flatten(1)
