"""Posterior of fields: coverage, several trials, gaps, two channels, reduced directions, silent bands, refusals."""

from __future__ import annotations

import copy
import math
import time

import pytest
import scipy.stats
import torch
from torch import nn

from deepstrf.analysis import best_frequency
from deepstrf.datasets import Recording
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.activations import ParametricSigmoid
from deepstrf.models.audio import StateNet
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate import poisson_spikes, strf_correlation
from deepstrf.training import (
    Band,
    DrawnBand,
    FieldBand,
    Fitter,
    benjamini_hochberg,
    posterior,
    posterior_mean,
    ridge,
)
from deepstrf.training.confidence import t_two_sided
from tests.training.conftest import BANDS, LAGS, NEURONS, new_model, simulate

#: Share of weights inside that 95 % intervals of three neurons of 80 weights keep, whatever the condition.
INSIDE = 0.88


def unit(fields):
    return fields / fields.flatten(1).norm(dim=1)[:, None, None, None]


def fitted(data, model=None, **options):
    model = new_model() if model is None else model
    Fitter(epochs=40, progress=False, **options).fit(model, data)
    return model


def inside(found, truth):
    low, high = found["strf"].interval()
    return ((low <= unit(truth)) & (unit(truth) <= high)).float().mean().item()


@pytest.fixture(scope="module")
def minute():
    population = simulate(60.0, snr=0.4)
    return population, fitted(population)


def test_the_posterior_covers_the_truth_and_its_mean_is_nearer_than_the_fit(minute):
    population, model = minute
    before = {name: x.clone() for name, x in model.state_dict().items()}
    found = posterior(model, population, progress=False)
    assert all(torch.equal(before[name], x) for name, x in model.state_dict().items())
    assert inside(found, population.strf) > INSIDE
    fit, mean = (strf_correlation(x, population.strf) for x in (model.effective_STRF()[0], found.fields))
    assert mean.mean() > fit.mean()
    assert found["strf"].estimate.flatten(1).norm(dim=1).tolist() == pytest.approx([1.0] * NEURONS, rel=1e-5)
    assert found["best_frequency"].estimate.shape == (NEURONS, 1)
    low, high = found["best_frequency"].interval()
    true = best_frequency(population.strf, population.cf_hz)
    assert ((low <= true) & (true <= high)).float().mean() > 0.6
    assert ((found.noise > 0.7) & (found.noise < 1.3)).all()
    assert "Posterior(" in repr(found)


@pytest.mark.slow
def test_more_data_make_it_narrower_and_it_still_covers():
    errors = []
    for seconds in (40.0, 160.0):
        population = simulate(seconds, snr=0.2)
        found = posterior(fitted(population), population, progress=False)
        assert inside(found, population.strf) > INSIDE
        errors.append(found["strf"].standard_error.median())
    assert errors[1] < 0.75 * errors[0]


def test_several_trials_count_as_so_much_more_data(minute):
    """Eight trials against two of the same neurons and sounds: less error, and the same noise of a trial."""
    population, _ = minute
    found = {}
    for trials in (2, 8):
        y = poisson_spikes(population.expected, trials, seed=1)
        data = Recording(population.stimuli, y, dt_ms=population.dt_ms, cf_hz=population.cf_hz)
        found[trials] = posterior(fitted(data), data, progress=False)
        assert inside(found[trials], population.strf) > INSIDE
        assert ((found[trials].noise > 0.7) & (found[trials].noise < 1.3)).all()
    large = unit(population.strf).abs() > 0.5 * unit(population.strf).abs().amax((1, 2, 3), keepdim=True)
    few, many = (found[trials]["strf"].standard_error[large].median() for trials in (2, 8))
    assert 1.3 < few / many < 2.2  # twice, were there no prior


def test_missing_bins_and_trials_are_left_out(minute):
    """What a recording lacks changes nothing, whether it is NaN or not there."""
    population, model = minute
    y = population.responses.clone()
    y[0] = torch.nan
    y[2, :, :, 100:] = torch.nan
    y[:, 1, 1] = torch.nan
    gaps = posterior(model, (population.stimuli, y), progress=False)
    kept = posterior(model, (population.stimuli[1:], y[1:]), progress=False)
    torch.testing.assert_close(gaps.fields, kept.fields, rtol=1e-4, atol=1e-5)
    assert gaps.keys() == {"strf"}
    whole = posterior(model, (population.stimuli, population.responses), progress=False)
    assert (gaps["strf"].standard_error.median() > whole["strf"].standard_error.median()).all()
    assert inside(gaps, population.strf) > INSIDE


@pytest.mark.slow
def test_two_channels_each_have_their_own_region():
    """ON excites at one place and OFF at another; the truth is known."""
    population = simulate(90.0)
    front = make_prefiltering("adaptrans", BANDS, population.dt_ms, max_freq=4000.0)
    truth = LinearNonlinear(BANDS, LAGS, out_neurons=2, prefiltering=front).eval()
    f, t = torch.arange(BANDS)[:, None], torch.arange(LAGS)[None]
    with torch.no_grad():
        kernel = truth.readout.strf.kernel.weight.zero_()
        for n, (on, off) in enumerate([((2, 5), (7, 4)), ((6, 6), (4, 3))]):
            for channel, (band, lag), size in ((0, on, 1.0), (1, off, 0.7)):
                kernel[n, channel] = size * torch.exp(-((f - band) ** 2) / 4 - (t - lag) ** 2 / 3)
        drive = truth.readout.strf(truth.prefiltered(population.stimuli)).squeeze(2)
        truth.readout.bn.running_mean.copy_(drive.mean((0, 2)))
        truth.readout.bn.running_var.copy_(drive.var((0, 2)))
        rate = truth(population.stimuli) * 0.3
    data = Recording(population.stimuli, poisson_spikes(rate, 3, seed=0), dt_ms=10.0, cf_hz=population.cf_hz)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=2, prefiltering=copy.deepcopy(front))
    model.prefiltering.requires_grad_(False)
    fitted(data, model)
    found = posterior(model, data, progress=False)
    assert found["strf"].estimate.shape == (2, 2, BANDS, LAGS)
    assert inside(found, truth.effective_STRF()[0]) > INSIDE
    assert strf_correlation(found.fields, truth.effective_STRF()[0]).min() > 0.93
    low, high = found["best_frequency"].interval()
    true = best_frequency(truth.effective_STRF()[0], population.cf_hz)
    assert ((low <= true) & (true <= high)).float().mean() >= 0.75


def test_directions_that_the_sounds_hardly_know_are_left_to_the_prior(minute, monkeypatch):
    """With a fifth of the directions the posterior is wider, and not wrong."""
    population, model = minute
    whole = posterior(model, population, progress=False)
    monkeypatch.setattr("deepstrf.training.field_posterior.MOST_DIRECTIONS", 24)
    few = posterior(model, population, progress=False)
    assert few["strf"].standard_error.median() > whole["strf"].standard_error.median()
    assert inside(few, population.strf) > INSIDE


def test_bands_without_sound_are_zero_and_without_interval(minute):
    population, _ = minute
    x = population.stimuli.clone()
    x[:, :, 7:] = 0.0
    data = Recording(x, population.responses, dt_ms=10.0, cf_hz=population.cf_hz)
    found = posterior(fitted(data), data, progress=False)
    assert found.fields[:, :, 7:].abs().max() == 0
    assert found["strf"].standard_error[:, :, 7:].isnan().all()
    assert found["strf"].standard_error[:, :, :7].isfinite().all()
    assert (found["best_frequency"].interval()[1] <= population.cf_hz[6] * 1.1).all()


def test_a_silent_neuron_has_no_posterior_and_the_others_do(minute):
    population, model = minute
    y = population.responses.clone()
    y[:, 1] = 0.0
    data = Recording(population.stimuli, y, dt_ms=10.0, cf_hz=population.cf_hz)
    found = posterior(model, data, progress=False)
    for band in found.values():
        assert band.estimate[1].isnan().all()
        assert band.estimate[[0, 2]].isfinite().any()
        assert all(end[1].isnan().all() for end in band.interval())
    assert found.noise.isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("unit_of", [200.0, 0.01])
def test_the_unit_of_the_responses_does_not_matter(minute, unit_of):
    """Spikes per bin, per second, or anything in proportion."""
    population, _ = minute
    found = []
    for factor in (1.0, unit_of):
        data = (population.stimuli, population.responses * factor)
        model = ridge(data, LAGS, smoothness=None)
        found.append(posterior(model, data, progress=False)["strf"])
    torch.testing.assert_close(found[0].estimate, found[1].estimate, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[0].standard_error, found[1].standard_error, rtol=0.02, atol=1e-4)


def test_a_linear_model_has_a_posterior_too(minute):
    population, _ = minute
    model = ridge(population, LAGS)
    assert isinstance(model, Linear)
    found = posterior(model, population, progress=False)
    assert strf_correlation(found.fields, population.strf).min() > 0.8


def test_the_curve_of_a_neuron_is_free_too():
    population = simulate(60.0, snr=0.4, output="sigmoid")
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, output_activation=ParametricSigmoid(NEURONS))
    found = posterior(fitted(population, model), population, progress=False)
    assert inside(found, population.strf) > INSIDE
    assert (found["strf"].standard_error.isfinite()).all()


def test_the_mean_as_a_model_predicts_as_it_says(minute):
    population, model = minute
    found = posterior(model, population, progress=False)
    mean = posterior_mean(model, population, progress=False)
    torch.testing.assert_close(mean.effective_STRF()[0], found.fields, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(mean(population.stimuli), found.model(population.stimuli))
    rates = population.expected

    def error(of):
        return (of.eval()(population.stimuli) - rates).square().mean().item()

    assert error(mean) < error(model)


def test_a_posterior_says_who_it_is_not_for(minute):
    population, model = minute
    with pytest.raises(TypeError, match=r"model must be an LN model .*, got StateNet; .*jackknife takes any model"):
        posterior(StateNet(BANDS, out_neurons=NEURONS, temporal_window_size=LAGS), population)
    other = copy.deepcopy(model)
    other.readout.activation = type("Own", (nn.Module,), {"forward": lambda self, x: x.clamp(min=0)})()
    with pytest.raises(TypeError, match="treat every neuron by itself, got Own"):
        posterior(other, population)
    with pytest.raises(ValueError, match="data must have the 3 neurons of the model, got 2"):
        posterior(model, population.select(neurons=[0, 1]))
    with pytest.raises(ValueError, match="must move at least one band"):
        posterior(model, (torch.ones_like(population.stimuli), population.responses))
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 1"):
        posterior(model, population, draws=5, progress=False)["strf"].interval(1)


@pytest.mark.slow
def test_thirty_four_bands_and_twenty_lags_take_less_than_twenty_fits():
    population = simulate(60.0, n_bands=34, n_lags=20, snr=0.4)
    model = LinearNonlinear(34, 20, out_neurons=NEURONS)
    began = time.perf_counter()
    Fitter(epochs=20, progress=False).fit(model, population)
    fit = time.perf_counter() - began
    posterior(model, population, progress=False)
    assert time.perf_counter() - began - fit < 20 * fit


# -- what is certain --------------------------------------------------------------------------------------------------


def test_benjamini_hochberg_is_scipys():
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        p = torch.rand(300, generator=g, dtype=torch.float64) ** 3
        assert torch.equal(
            benjamini_hochberg(p, 0.1), torch.tensor(scipy.stats.false_discovery_control(p.numpy()) <= 0.1)
        )
    assert not benjamini_hochberg(torch.full((3, 2), torch.nan)).any()
    assert benjamini_hochberg(torch.zeros(3, 2)).all()


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 10])
def test_tails_of_students_t_are_scipys(degrees):
    t = torch.linspace(-8, 8, 41, dtype=torch.float64)
    expected = 2 * scipy.stats.t.sf(t.abs().numpy(), degrees)
    torch.testing.assert_close(t_two_sided(t, degrees), torch.tensor(expected), rtol=1e-6, atol=1e-9)


def test_p_values_follow_from_estimate_and_error():
    band = FieldBand(torch.tensor([[[[1.96, 0.0, -3.0]]]]), torch.tensor([[[[1.0, 1.0, torch.nan]]]]))
    p = band.p_values.flatten()
    assert p[:2].tolist() == pytest.approx([0.05, 1.0], abs=1e-4)
    assert p[2].isnan()
    replicates = torch.randn(6, 4)
    jack = Band(replicates.mean(0) + 1, replicates)
    t = jack.estimate / jack.standard_error
    assert jack.p_values.tolist() == pytest.approx(2 * scipy.stats.t.sf(t.abs().numpy(), 5), rel=1e-4)


def test_an_undefined_width_counts_as_infinite():
    draws = torch.cat([torch.full((30, 1, 1), 1.0), torch.full((70, 1, 1), math.inf)])
    low, high = DrawnBand(torch.ones(1, 1), draws).interval()
    assert (low.item(), high.item()) == (1.0, math.inf)


def test_of_the_weights_that_are_called_certain_few_are_wrong(minute):
    population, model = minute
    band = posterior(model, population, progress=False)["strf"]
    for n in range(NEURONS):
        certain = benjamini_hochberg(band.p_values[n])
        assert certain.sum() >= 5
        truth = population.strf[n][certain]
        assert (truth.sign() == band.estimate[n][certain].sign()).float().mean() > 0.95
