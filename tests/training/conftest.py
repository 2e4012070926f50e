"""A small simulated recording, and the fits on it that several tests look at."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from deepstrf.datasets import Recording
from deepstrf.models import LinearNonlinear
from deepstrf.simulate import SimulatedPopulation, simulate_population
from deepstrf.training import Fitter

BANDS, LAGS, NEURONS = 10, 8, 3

quick_fitter = partial(Fitter, epochs=4, progress=False, start="model", baseline=False)


def simulate(seconds: float = 30.0, **options: Any) -> SimulatedPopulation:
    """Three neurons, ten bands, bins of 10 ms."""
    settings = {"sample_rate_hz": 8000, "n_bands": BANDS, "max_hz": 4000.0, "dt_ms": 10.0, "n_lags": LAGS, "trials": 2}
    return simulate_population(NEURONS, seconds=seconds, **{**settings, **options})


def new_model(seed: int = 0, **options: Any) -> LinearNonlinear:
    """LN model for `simulate`'s recordings, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LinearNonlinear(BANDS, LAGS, **{"out_neurons": NEURONS, **options})


@pytest.fixture(scope="session")
def population() -> SimulatedPopulation:
    return simulate()


@pytest.fixture(scope="session")
def parts(population: SimulatedPopulation) -> list[Recording]:
    """Training and validation."""
    return population.split(0.67, 0.33)
