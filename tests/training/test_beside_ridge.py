"""No model stays below ridge regression without a word."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from deepstrf.metrics import corrcoef
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter, predict, ridge
from deepstrf.training.linear_regression import SMOOTHNESS, _prior_basis, _squared_exponential

BANDS, LAGS, NEURONS = 8, 12, 3
SHORT = {"patience": 2, "progress": False}


@pytest.fixture(scope="module")
def parts():
    neurons = simulate_population(
        NEURONS,
        seconds=30,
        trials=3,
        snr=0.5,
        sample_rate_hz=8000,
        n_bands=BANDS,
        max_hz=4000.0,
        n_lags=LAGS,
        dt_ms=10.0,
        seed=3,
    )
    return neurons.split(0.6, 0.4)


class Silent(nn.Module):
    """A model that has not got anywhere: its response follows one band, and hardly."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((NEURONS, 1, 1), 1e-3))

    def forward(self, x):
        return 0.5 + self.gain * x[:, :, :1]


def test_a_model_that_stays_below_ridge_warns_and_says_so(parts):
    train, validation = parts
    with pytest.warns(UserWarning, match=r"worse than a linear field does: score .*, ridge regression 0\.\d{3}"):
        history = Fitter(epochs=4, **SHORT).fit(Silent(), train, validation)
    assert history.is_below_ridge
    assert f"below ridge regression, {history.ridge_score:.3f}" in repr(history)


def test_what_ridge_reaches_is_the_score_of_ridge(parts):
    train, validation = parts
    history = Fitter(epochs=2, progress=False).fit(LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS), train, validation)
    model = ridge(train, LAGS)
    expected = corrcoef(predict(model, validation.stimuli), validation.responses, reduction="none")
    torch.testing.assert_close(history.ridge, expected, atol=1e-5, rtol=0)
    assert not history.is_below_ridge
    assert "ridge" not in repr(history)


@pytest.mark.parametrize("data", ["arrays", "a score of its own"])
def test_arrays_without_octaves_and_scores_of_other_scales_compare_too(parts, data):
    train, validation = parts
    settings = dict(SHORT)
    if data == "arrays":
        train, validation = ((part.stimuli, part.responses) for part in parts)
    else:
        settings["score"] = lambda pred, gt, reduction: -100 * (1 - corrcoef(pred, gt, reduction=reduction))
    with pytest.warns(UserWarning, match="ridge"):
        history = Fitter(epochs=3, **settings).fit(Silent(), train, validation)
    assert history.ridge.shape == (NEURONS,)


def test_no_comparison_where_it_was_not_asked_for_or_the_fit_was_stopped(parts):
    train, validation = parts
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = Fitter(epochs=4, baseline=False, **SHORT).fit(Silent(), train, validation)
        short = Fitter(epochs=1, **SHORT).fit(Silent(), train, validation)
        stopped = Fitter(epochs=4, callbacks=[lambda progress: progress.stop("enough")], **SHORT)
        assert stopped.fit(Silent(), train, validation).stopped == "enough"
        assert Fitter(epochs=3, **SHORT).fit(Silent(), train).ridge is None
    assert quiet.ridge is None
    assert short.is_below_ridge


@pytest.mark.parametrize("kernel", ["free", "gaussians", "separable"])
def test_good_fits_raise_no_alarm(parts, kernel):
    train, validation = parts
    layer = {
        "free": None,
        "gaussians": ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=4),
        "separable": SeparableSTRF(BANDS, LAGS, 1, NEURONS),
    }[kernel]
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, kernel=layer)
    history = Fitter(epochs=12, progress=False).fit(model, train, validation)
    assert history.ridge is not None
    assert history.best.score > 0.98 * history.ridge_score


def test_a_neuron_that_was_not_recorded_counts_nowhere(parts):
    train, validation = parts
    gaps = [replace_responses(part) for part in (train, validation)]
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS)
    history = Fitter(epochs=2, progress=False).fit(model, *gaps)
    assert history.ridge[1].isnan()
    assert history.ridge_score == pytest.approx(history.ridge[[0, 2]].mean().item())


def replace_responses(part):
    responses = part.responses.clone()
    responses[:, 1] = torch.nan
    return part.stimuli, responses


def test_settings_of_a_resumed_fit_may_ask_for_the_comparison_or_not(parts, tmp_path):
    train, validation = parts
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS)
    fitter = Fitter(epochs=1, progress=False, baseline=False)
    fitter.fit(model, train, validation, checkpoint=tmp_path / "fit")
    history = replace(fitter, epochs=2, baseline=True).fit(model, train, validation, checkpoint=tmp_path / "fit")
    assert history.ridge is not None


def test_fields_of_many_bands_and_short_bins_are_found_among_smooth_ones():
    """256 bands and 100 lags: the fields of the prior are far fewer than the weights, and span the same covariance."""
    cf = 2.0 ** torch.linspace(9, 14, 256, dtype=torch.float64)
    basis = _prior_basis((cf, 1.0), torch.ones(1, 256, dtype=torch.bool), 100, SMOOTHNESS)
    rank = int((basis.size[0] > 0).sum())
    assert rank < 256 * 100 / 20
    fields = basis.fields(torch.eye(rank, dtype=torch.float64))[:, 0]
    at = torch.tensor([3, 100, 200])
    made = torch.einsum("rft,rgt->fg", fields[:, at], fields[:, at]) / 100
    torch.testing.assert_close(made, _squared_exponential(cf.log2()[at], SMOOTHNESS[0]), atol=5e-3, rtol=0)


@pytest.mark.parametrize("axes", [True, False])
def test_a_start_of_very_many_weights_takes_no_longer_than_a_fit(parts, axes, monkeypatch):
    train, validation = parts
    if not axes:
        train, validation = ((part.stimuli, part.responses) for part in parts)
    monkeypatch.setattr("deepstrf.training.starts.MOST_WEIGHTS", 100)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS)
    history = Fitter(epochs=2, progress=False).fit(model, train, validation)
    assert history.best.score > 0.9 * history.ridge_score > 0.3
