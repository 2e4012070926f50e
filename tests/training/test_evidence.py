"""Bands that no sound moves: their weights are no finding."""

from __future__ import annotations

import copy

import pytest
import torch

from deepstrf.analysis import best_frequency
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import SeparableSTRF
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.stimuli import heard_weights, moving_bands
from deepstrf.stimuli.evidence import moving_bands_of_each
from deepstrf.training import Fitter
from deepstrf.training.fit_together import fit_together
from tests.training.conftest import BANDS, LAGS, simulate


def test_a_band_moves_when_its_scatter_is_a_share_of_the_largest():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, 4, 500, generator=g) * torch.tensor([10.0, 0.6, 0.3, 0.0])[:, None] + 40
    x[1, 0, 3, 100:] = 1e3  # after the end of a sound
    assert moving_bands(x, [500, 100]).tolist() == [[True, True, False, False]] * 2
    assert moving_bands(x)[0].tolist() != moving_bands(x, [500, 100])[0].tolist()
    assert not moving_bands(torch.ones(1, 1, 3, 9)).any()


def test_lags_beyond_the_longest_sound_have_met_none():
    x = torch.zeros(2, 2, 3, 50)
    x[0, 0, :2, :20:2] = 1.0
    x[1, 1, 2, :9:3] = 1.0
    heard = heard_weights(x, 25, [20, 9])
    assert heard.shape == (2, 3, 25)
    assert heard[0, :, -20:].all(-1).tolist() == [True, True, False]
    assert heard[1, :, -20:].all(-1).tolist() == [False, False, True]
    assert not heard[..., :5].any()


@pytest.mark.parametrize("adaptation", [None, "adaptrans"])
@pytest.mark.parametrize("smoothness", [0.0, 0.1])
def test_weights_on_bands_that_the_sound_never_moves_are_zero_after_a_fit(adaptation, smoothness):
    """Real songs leave the highest bands silent; their random start ruled best frequency and colour scale."""
    neurons = simulate(20.0, snr=2.0)
    x = neurons.stimuli.clone()
    x[:, :, 7:] = 0.0
    torch.manual_seed(1)
    front = None if adaptation is None else make_prefiltering(adaptation, BANDS, 10.0, max_freq=4000.0)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=3, prefiltering=front)
    assert model.readout.strf.kernel.weight[:, :, 7:].abs().min() > 0
    Fitter(epochs=3, smoothness=smoothness, progress=False).fit(model, (x, neurons.responses))
    field = model.effective_STRF()[0]
    assert field[:, :, 7:].abs().max() == 0
    assert field[:, :, :7].abs().amax((1, 2, 3)).min() > 0
    assert (best_frequency(field, neurons.cf_hz) < neurons.cf_hz[6:8].mean()).all()  # the peak lies between bands


def test_bands_that_move_for_each_neuron_are_those_of_the_bins_that_its_field_sees():
    x = torch.full((2, 1, 3, 60), 40.0)
    x[:, 0, 0] += torch.randn(2, 60, generator=torch.Generator().manual_seed(0))
    x[1, 0, 1, 10:20:2] += 5.0
    x[0, 0, 2] += 0.01
    recorded = torch.zeros(2, 4, 60, dtype=torch.bool)
    recorded[0, 0] = True  # never under the second sound
    recorded[1, 1, 22:] = True  # sees the end of what moves band 1, with five lags
    recorded[1, 2, 30:] = True  # does not
    moving = moving_bands_of_each(x, recorded, 5)
    assert moving.tolist() == [[[True, False, False]], [[True, True, False]], [[True, False, False]], [[False] * 3]]
    both = moving_bands_of_each(x, torch.ones(2, 1, 60, dtype=torch.bool), 5)
    assert torch.equal(both[0], moving_bands(x))


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("kernel", ["free", "separable"])
@pytest.mark.parametrize("adaptation", [None, "adaptrans"])
def test_weights_on_bands_that_never_move_while_a_neuron_is_recorded_are_zero_after_a_fit(kernel, adaptation, together):
    """Of neurons that were recorded under other sounds; a smoothness prior drew those weights up to 0.7 of the peak."""
    neurons = simulate(20.0, snr=2.0)
    x, y = neurons.stimuli.repeat(2, 1, 1, 1).clone(), neurons.responses.repeat(2, 1, 1, 1).clone()
    B = len(neurons.stimuli)
    x[:B, :, 7:] = 0.0
    y[B:, 1] = torch.nan
    channels = 1 if adaptation is None else 2
    layer = SeparableSTRF(BANDS, LAGS, channels, 3) if kernel == "separable" else None
    front = None if adaptation is None else make_prefiltering(adaptation, BANDS, 10.0, max_freq=4000.0)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=3, kernel=layer, prefiltering=front)
    fitter = Fitter(epochs=3, progress=False)
    if together:
        runs = [fitter.prepare(one, (x, y)) for one in (model, copy.deepcopy(model))]
        assert all(error is None for _, error, _ in fit_together(runs))
    else:
        fitter.fit(model, (x, y))
    field = model.effective_STRF()[0]
    assert field[1, :, 7:].abs().max() == 0
    assert field[[0, 2], :, 7:].abs().amax((1, 2, 3)).min() > 0
    assert field[:, :, :7].abs().amax((1, 2, 3)).min() > 0


def test_a_field_that_was_fitted_before_keeps_what_it_knows():
    neurons = simulate(20.0, snr=2.0)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=3)
    Fitter(epochs=1, progress=False).fit(model, neurons)
    x = neurons.stimuli.clone()
    x[:, :, 7:] = 0.0
    Fitter(epochs=1, smoothness=0.0, progress=False).fit(model, (x, neurons.responses))
    assert model.effective_STRF()[0][:, :, 7:].abs().max() > 0
