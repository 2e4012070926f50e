"""Standard errors against closed forms, and against the scatter of repeated experiments."""

import math
from functools import partial

import pytest
import scipy.stats
import torch
from torch import nn

from deepstrf.metrics import mse_loss
from deepstrf.models.audio import StateNet
from deepstrf.simulate import poisson_spikes
from deepstrf.training import Band, Fitter, jackknife
from deepstrf.training.confidence import t_quantile, time_blocks
from tests.training.conftest import BANDS, NEURONS, new_model, quick_fitter, simulate


class Mean(nn.Module):
    """Predicts one number for each neuron, whatever the sound."""

    def __init__(self, neurons):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(neurons))

    def forward(self, x):
        return self.level.view(1, -1, 1, 1).expand(len(x), -1, 1, x.shape[-1])


def mean_fitter(**options):
    """One step of gradient descent leads from anywhere to the mean: the gradient is twice the distance."""
    return Fitter(
        epochs=1, batch_size=100, loss=mse_loss, smoothness=0.0, progress=False,
        optimizer=partial(torch.optim.SGD, lr=0.5), **options,
    )  # fmt: skip


@pytest.mark.parametrize(("stimuli", "blocks"), [(6, 6), (6, 3), (2, 6), (1, 12)])
def test_the_error_of_a_mean_is_that_of_the_textbook(stimuli, blocks):
    """For blocks of equal length: the standard deviation of the blocks' means over the root of their number."""
    x, y = torch.rand(stimuli, 1, 2, 60 // stimuli), torch.randn(stimuli, 3, 1, 60 // stimuli, dtype=torch.float64)
    model = Mean(3).double()
    fitter = mean_fitter()
    fitter.fit(model, (x, y))
    (band,) = jackknife(
        fitter, model, (x, y), blocks=blocks, readouts={"level": lambda m: m.level}, refit=fitter
    ).values()
    means = y[:, :, 0].transpose(0, 1).reshape(3, blocks, -1).mean(-1)
    assert torch.allclose(band.estimate, y.mean((0, 2, 3)))
    assert band.replicates.shape == (blocks, 3)
    assert torch.allclose(band.standard_error, means.std(1) / math.sqrt(blocks))


def test_blocks_cut_the_recorded_time_into_equal_pieces():
    target = torch.zeros(3, 2, 1, 10)
    target[1, ..., 6:] = torch.nan
    target[2, 0] = torch.nan  # the other neuron was recorded
    block = time_blocks(target, 4)
    assert (block[1, 6:] == -1).all()
    recorded = block[block >= 0]
    assert len(recorded) == 26
    assert torch.equal(recorded, recorded.sort().values)
    assert sorted(recorded.bincount().tolist()) == [6, 6, 7, 7]
    assert torch.equal(time_blocks(torch.zeros(4, 1, 1, 5), 2), torch.tensor([0, 0, 1, 1])[:, None].expand(4, 5))


def test_errors_of_fields_are_the_scatter_of_repeated_experiments():
    """The same neurons and sounds, other spikes: eight recordings, each fitted; and the jackknife of the first two."""
    population = simulate(30.0, snr=0.5)
    fitter = Fitter(epochs=15, progress=False)
    fields, errors = [], []
    for seed in range(8):
        data = population.stimuli, poisson_spikes(population.expected, 2, seed=seed)
        fitter.fit(model := new_model(), data)
        fields.append(model.effective_STRF()[0])
        if seed < 2:
            errors.append(jackknife(fitter, model, data, blocks=6)["strf"].standard_error)
    scatter = torch.stack(fields).square().mean(0) - torch.stack(fields).mean(0).square()
    ratio = (torch.stack(errors).square().mean() / (scatter.mean() * 8 / 7)).sqrt().item()
    assert 0.8 < ratio < 1.25


def test_the_usual_read_outs_of_a_recording(population):
    fitter = quick_fitter(epochs=15)
    fitter.fit(model := new_model(), population)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    bands = jackknife(fitter, model, population, blocks=4)
    assert list(bands) == ["strf", "best_frequency", "latency", "bandwidth"]
    assert torch.equal(bands["strf"].estimate, model.effective_STRF()[0])
    assert bands["strf"].replicates.shape == (4, NEURONS, 1, BANDS, 8)
    for name in ("best_frequency", "latency", "bandwidth"):
        assert bands[name].estimate.shape == (NEURONS, 1)
    assert (bands["best_frequency"].standard_error < 300).all()  # Hz, of 500 to 4000
    assert (bands["latency"].standard_error < 10).all()  # ms, a bin
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert list(jackknife(fitter, model, (population.stimuli, population.responses), blocks=2)) == ["strf"]


def test_intervals():
    band = Band(torch.tensor([1.0, 5.0]), torch.tensor([[0.0, 5.0], [1.0, math.nan], [2.0, 5.0]]))
    assert band.standard_error[0].item() == pytest.approx(math.sqrt(2 / 3 * 2))
    assert band.standard_error[1].isnan()
    low, high = band.interval(0.9)
    half = scipy.stats.t.ppf(0.95, 2) * math.sqrt(4 / 3)
    assert (low[0].item(), high[0].item()) == pytest.approx((1 - half, 1 + half), rel=0.02)
    for level in (0, 1.0, math.nan):
        with pytest.raises(ValueError, match=rf"level must lie in \(0, 1\), got {level}"):
            band.interval(level)


@pytest.mark.parametrize("degrees", [4, 5, 9, 19, 100])
@pytest.mark.parametrize("probability", [0.025, 0.5, 0.84, 0.95, 0.975])
def test_quantiles_of_students_t(degrees, probability):
    assert t_quantile(probability, degrees) == pytest.approx(
        scipy.stats.t.ppf(probability, degrees), rel=0.01, abs=1e-9
    )


def test_the_bar(population, capsys):
    fitter = quick_fitter(epochs=1)
    fitter.fit(model := new_model(), population)
    jackknife(fitter, model, population, blocks=2, refit=fitter)
    assert capsys.readouterr().err == ""
    jackknife(Fitter(epochs=1), model, population, blocks=2, refit=fitter)
    assert "2/2" in capsys.readouterr().err


def test_errors(population):
    fitter = quick_fitter()
    for blocks in (1, 3001):
        with pytest.raises(ValueError, match=rf"blocks must lie in \[2, 3000\], the number of .* bins, got {blocks}"):
            jackknife(fitter, new_model(), population, blocks=blocks)
    model = StateNet(BANDS, out_neurons=NEURONS)
    with pytest.raises(TypeError, match="readouts must be given for a StateNet, which has no effective_STRF"):
        jackknife(fitter, model, population)
