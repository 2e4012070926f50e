"""A fit finds the receptive fields of neurons that were simulated: signal-to-noise ratio 1, five minutes, one trial."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import pytest
import torch

from deepstrf.datasets import RecordingFolder
from deepstrf.metrics import corrcoef
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate import SimulatedPopulation, simulate_population, strf_correlation
from deepstrf.training import Fitter, predict

BANDS, LAGS, NEURONS = 20, 20, 8
HEARING: dict[str, Any] = {"n_bands": BANDS, "max_hz": 4000.0}


@cache
def simulate(**options: Any) -> SimulatedPopulation:
    settings = {"seconds": 300, "snr": 1.0, "n_lags": LAGS, "sample_rate_hz": 8000, "seed": 3, **HEARING}
    return simulate_population(NEURONS, **{**settings, **options})


def fit(data, kernel=None, prefiltering=None, **options):
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, kernel=kernel, prefiltering=prefiltering)
    train, validation = data.split(0.9, 0.1)
    Fitter(progress=False, **{"epochs": 12, **options}).fit(model, train, validation)
    return model


@pytest.mark.parametrize("strf", ["gaussian", "gabor"])
def test_a_free_kernel_finds_the_fields(strf):
    population = simulate(strf=strf)
    model = fit(population)
    assert (strf_correlation(model.effective_STRF()[0], population.strf) >= 0.95).all()


def test_gaussians_find_the_fields():
    population = simulate()
    kernel = ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=6)
    kernel.SIG.data.fill_(4.0)
    model = fit(population, kernel, optimizer=partial(torch.optim.Adam, lr=0.1))
    assert (strf_correlation(model.effective_STRF()[0], population.strf) >= 0.95).all()


def test_on_and_off_fields_behind_adaptation():
    """Twice the parameters, and neighbouring bands that adapt alike: four trials, and a lower bar for the hardest."""
    population = simulate(adaptation="adaptrans", trials=4)
    prefilter = make_prefiltering("adaptrans", BANDS, 5.0, 500.0, 4000.0, learnable=False)
    model = fit(population, prefiltering=prefilter, epochs=8)
    found = strf_correlation(model.effective_STRF()[0], population.strf)
    assert found.mean() >= 0.95
    assert (found >= 0.9).all()


def test_from_simulated_neurons_to_a_folder_to_a_prediction(tmp_path):
    """The whole way: simulate, write, read, fit, and predict the rate of a sound that was left out."""
    population = simulate(seconds=60, snr=0.3)
    data = RecordingFolder(population.write(tmp_path / "recording"), **HEARING)
    rest, left_out = data.split(0.9, 0.1, seed=1)
    model = fit(rest)
    expected = predict(population.model, left_out.stimuli)
    reached = corrcoef(predict(model, left_out.stimuli), expected, reduction="none")
    assert reached.mean() >= 0.9
