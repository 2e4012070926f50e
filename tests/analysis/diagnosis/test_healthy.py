"""Nothing is found in models that nothing is wrong with."""

from __future__ import annotations

import pytest
import torch

from deepstrf.analysis import diagnose
from deepstrf.demo import load_demo
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter
from tests.analysis.diagnosis.population import BANDS, LAGS, NEURONS, healthy, simulate
from tests.models.audio.zoo import F, every_model, every_prefilter, make


def test_the_demo():
    demo = load_demo()
    for model in (demo.model, demo.truth):
        assert not diagnose(model, demo.stimulus, demo.responses)
        assert not diagnose(model, demo.stimulus)


@pytest.mark.parametrize("output", ["softplus", "sigmoid", "double_exponential"])
@pytest.mark.parametrize("strf", ["gaussian", "gabor"])
def test_the_truth_about_its_own_recording(output, strf):
    population = simulate(output=output, strf=strf)
    train, test = population.split(0.5, 0.5)
    assert not diagnose(population.model, population)
    assert not diagnose(population.model, train, held_out=test)


@pytest.mark.parametrize(("seed", "trials"), [(1081, 1), (1084, 3)])
def test_the_truth_about_a_recording_that_tells_little(seed, trials):
    """Without a margin the peaks of three and of five of the six fields were called misplaced."""
    population = simulate_population(
        6, seconds=5, trials=trials, snr=0.05, strf="gabor", seed=seed, n_bands=20, max_hz=16000.0,
        sample_rate_hz=32000, dt_ms=5.0,
    )  # fmt: skip
    assert not diagnose(population.model, population)


@pytest.mark.parametrize("kernel", ["free", "gaussians", "separable"])
@pytest.mark.parametrize(("trials", "snr"), [(1, 1.0), (4, 0.2)])
def test_a_fresh_fit(kernel, trials, snr):
    population = simulate(seconds=60, trials=trials, snr=snr, seed=2)
    train, validation, test = population.split(0.6, 0.2, 0.2)
    layer = {
        "free": lambda: None,
        "gaussians": lambda: ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=3),
        "separable": lambda: SeparableSTRF(BANDS, LAGS, 1, NEURONS),
    }[kernel]()
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, kernel=layer)
    fitter = Fitter(epochs=60, progress=False)  # after eight the level is off, and said to be
    if kernel == "gaussians":  # from random places they end below a linear field, and are said to
        model.readout.strf.kernel.load_state_dict(population.model.readout.strf.kernel.state_dict())
    fitter.fit(model, train, validation)
    assert not diagnose(model, train, held_out=test)


@every_model
@every_prefilter
def test_the_zoo(name, prefilter):
    # Decibels: at levels of 0 to 1 dB the untrained network behind a depressing synapse hardly varies.
    assert not diagnose(make(name, prefilter), 10 * torch.rand(2, 1, F, 120))


def test_the_model_is_left_as_it_was():
    model = healthy().requires_grad_(True).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    numbers = torch.get_rng_state()
    diagnose(model, simulate())
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), numbers)


def test_unrecorded_bins_are_ignored():
    population = simulate()
    responses = population.responses.clone()
    responses[:, 1] = torch.nan
    responses[2:, 3] = torch.nan
    responses[:, 0, 1:] = torch.nan
    assert not diagnose(population.model, population.stimuli, responses)
    assert not diagnose(
        population.model, population.stimuli, responses, held_out=(population.stimuli, population.responses)
    )


def test_the_silence_after_a_short_stimulus_does_not_count():
    population = simulate()
    stimuli, responses = (x.clone() for x in (population.stimuli, population.responses))
    stimuli[1:, ..., 30:] = 0.0
    responses[1:, ..., 30:] = torch.nan
    short = type(population).__mro__[1](
        stimuli, responses, dt_ms=population.dt_ms, cf_hz=population.cf_hz, bins=[stimuli.shape[-1], *[30] * 5]
    )
    assert not diagnose(population.model, short)
    assert not diagnose(population.model, stimuli, responses)


@pytest.mark.parametrize("bins", [1, 2, 3, 30])
def test_very_short_sounds_give_no_findings(bins):
    model, sound = healthy(), simulate().stimuli[:1, ..., 200 : 200 + bins]
    responses = simulate().responses[:1, ..., 200 : 200 + bins]
    assert not diagnose(model, sound, responses, held_out=(sound, responses))


@pytest.mark.parametrize("bins", [4, 5, 19])
def test_scores_on_fewer_bins_than_an_error_needs_raise_no_alarm(bins):
    """Of 2,000 neurons whose every trial is a Poisson draw from the prediction, chance gives none or two."""
    torch.manual_seed(0)
    rates = torch.rand(1, 2000, 1, bins)

    class Truth(torch.nn.Module):
        def forward(self, sound):
            return rates.expand(len(sound), -1, -1, -1)

    sound, trials = torch.rand(1, 1, 3, bins), torch.poisson(0.5 * rates.expand(1, 2000, 4, bins))
    more = torch.poisson(0.5 * rates.expand(1, 2000, 4, bins))
    found = [*diagnose(Truth(), sound, trials), *diagnose(Truth(), sound, trials, held_out=(sound, more))]
    assert not [finding for finding in found if finding.kind in ("above_ceiling", "overfitting")]


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_a_constant_sound_makes_no_neuron_dead(level):
    assert not diagnose(healthy(), torch.full((2, 1, simulate().stimuli.shape[2], 400), level))


def test_other_types_and_forms_of_data():
    model, population = healthy(), simulate()
    sound = population.spectrogram(0)
    assert not diagnose(model, sound, population.responses[:1])
    assert not diagnose(model, sound.values)
    assert not diagnose(model.double(), population)
    assert not diagnose(model, population.stimuli.double(), population.responses.double())
    arrays = population.stimuli.double().numpy(), population.responses.double().numpy()
    assert not diagnose(model, *arrays, held_out=arrays)
    assert not diagnose(model, sound, population.responses[0].numpy())
