"""The wanted sound of neurons whose fields are planted, and its limits."""

import math
import time

import pytest
import torch

from deepstrf.analysis import wanted_sound
from deepstrf.models.audio import LinearNonlinear, StateNet
from deepstrf.models.prefiltering import get_CFs, make_prefiltering

F, T = 34, 40
CF = get_CFs(500, 20000, F, "mel").double()


def planted(prefilter: str = "none", places=((20, 9), (8, 15)), inhibition: bool = True) -> LinearNonlinear:
    """Neurons with an excitatory Gaussian each at these (band, lag), and an inhibitory one beside it."""
    torch.manual_seed(0)
    prefiltering = None if prefilter == "none" else make_prefiltering(prefilter, F, 5.0)
    model = LinearNonlinear(F, T, out_neurons=len(places), prefiltering=prefiltering).eval()
    bands, lags = torch.arange(F)[:, None], torch.arange(T - 1, -1, -1)
    with torch.no_grad():
        for neuron, (band, lag) in enumerate(places):
            field = torch.exp(-0.5 * ((bands - band) / 1.5) ** 2 - 0.5 * ((lags - lag) / 1.5) ** 2)
            if inhibition:
                field = field - 0.7 * torch.exp(-0.5 * ((bands - band - 5) / 1.5) ** 2 - 0.5 * ((lags - lag) / 2) ** 2)
            model.readout.strf.kernel.weight[neuron] = 0
            model.readout.strf.kernel.weight[neuron, 0] = 0.05 * field
    return model


def peak(values: torch.Tensor) -> tuple[float, int]:
    """Octaves of the loudest band and lag of the loudest bin, before the end."""
    band, bin_ = divmod(int(values.argmax()), values.shape[1])
    return math.log2(CF[band]), values.shape[1] - 1 - bin_


@pytest.mark.parametrize("prefilter", ["none", "adaptrans"])
@pytest.mark.parametrize("neuron", [0, 1])
def test_it_lies_at_the_best_band_and_lag_of_a_planted_neuron(prefilter, neuron):
    band, lag = ((20, 9), (8, 15))[neuron]
    began = time.process_time()
    found = wanted_sound(planted(prefilter), neuron)
    assert time.process_time() - began <= 10
    octaves, at_lag = peak(found.values)
    assert abs(octaves - math.log2(CF[band])) <= 0.25
    assert abs(at_lag - lag) <= 1
    assert found.response > found.silence


def test_sound_is_where_the_field_is_positive_and_nowhere_else():
    model = planted()
    values = wanted_sound(model, 0).values[:, -T:]
    field = model.readout.strf.kernel.weight[0, 0].detach()
    assert torch.corrcoef(torch.stack([values.flatten(), field.clamp(min=0).flatten()]))[0, 1] >= 0.95
    assert values[field < -0.01].mean() < 0.1 * values[field > 0.01].mean()


def test_limits_are_kept_and_louder_limits_give_more():
    model, quiet, loud = planted(), [], []
    wanted_sound(model, 0, rms_db=1.0, peak_db=20.0, callback=quiet.append, steps=40)
    wanted_sound(model, 0, rms_db=2.0, peak_db=40.0, callback=loud.append, steps=40)
    for sound in quiet:
        assert sound.values.min() >= 0
        assert sound.values.max() <= 20.001
        assert sound.values.square().mean().sqrt() <= 1.001
    assert loud[-1].response > quiet[-1].response


def test_what_tells_two_neurons_apart_drives_the_first_alone():
    model = planted(places=((20, 9), (23, 9)), inhibition=False)
    alone, apart = wanted_sound(model, 0), wanted_sound(model, 0, against=1)
    assert peak(apart.values)[0] < math.log2(CF[21])
    both = [model(one.values[None, None])[0, :, 0, -1].detach() for one in (alone, apart)]
    assert both[1][0] - both[1][1] > both[0][0] - both[0][1]
    assert apart.response == pytest.approx((both[1][0] - both[1][1]).item(), rel=1e-4)


def test_the_ascent_can_be_watched_and_ended():
    seen = []

    def watch(sound):
        seen.append(sound)
        return sound.step < 5

    best = wanted_sound(planted(), 0, callback=watch)
    assert [sound.step for sound in seen] == [0, 1, 2, 3, 4, 5]
    assert best.response == max(sound.response for sound in seen)


def test_any_model_is_taken_and_left_as_it_is():
    torch.manual_seed(1)
    model = StateNet(F, 1, out_neurons=3).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = wanted_sound(model, 1, steps=15, n_bins=40)
    assert found.values.shape == (F, 40)
    assert found.response > found.silence
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_same_seed_gives_the_same_sound():
    one, two = (wanted_sound(planted(), 0, steps=5, seed=3).values for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron": 2}, r"neuron must lie in -2 \.\. 1, got 2"),
        ({"against": 0}, "against must be another neuron than 0"),
        ({"against": 7}, r"against must lie in -2 \.\. 1, got 7"),
        ({"rms_db": 0.0}, "rms_db must be a positive level"),
        ({"smooth_bins": -1.0}, "smooth_bins must be at least 0"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"n_bins": 0}, "n_bins must be at least 1"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        wanted_sound(**{"model": planted(), "neuron": 0, **change})


def test_a_neuron_that_nothing_moves_is_refused_with_what_to_do():
    model = planted()
    with torch.no_grad():
        model.readout.strf.kernel.weight.zero_()
    with pytest.raises(ValueError, match=r"neuron 0 does not move with noise of up to 20 dB rms.*diagnose"):
        wanted_sound(model, 0)
