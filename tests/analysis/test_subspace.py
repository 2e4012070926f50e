"""Dynamic receptive fields against gradient maps, and the filters of neurons whose filters are planted."""

import math
import time

import pytest
import torch
from torch import nn

from deepstrf.analysis import DynamicSTRF, subspace
from deepstrf.models.audio import (
    AudioEncodingModel,
    DNet,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    StateNet,
    Transformer,
)
from deepstrf.models.layers import CausalSTRFConv
from deepstrf.models.prefiltering import AdapTrans, make_prefiltering
from deepstrf.stimuli import Spectrogram

F, T, L = 16, 12, 400


def sounds(count: int = 2, length: int = L, seed: int = 0) -> torch.Tensor:
    return 10 * torch.rand(count, 1, F, length, generator=torch.Generator().manual_seed(seed))


def field(band: float, lag: float) -> torch.Tensor:
    bands, lags = torch.arange(F)[:, None], torch.arange(T - 1, -1, -1)
    one = torch.exp(-0.5 * ((bands - band) / 1.5) ** 2 - 0.5 * ((lags - lag) / 1.5) ** 2)
    return one / one.norm()


class Energy(AudioEncodingModel):
    """Sum of the squares of two filters' outputs, each about what steady sound of 5 dB gives."""

    class Squares(nn.Module):
        def forward(self, x):
            steady = 5 * torch.stack([field(4, 3), field(11, 7)]).sum((1, 2))
            return (x - steady[:, None]).square().sum(1)[:, None, None]

    def __init__(self):
        super().__init__(F, T, 1)
        conv = CausalSTRFConv(F, T, 1, 2, bias=False)
        with torch.no_grad():
            conv.kernel.weight.copy_(torch.stack([field(4, 3), field(11, 7)])[:, None])
        self.core, self.readout = conv, nn.Sequential(nn.Flatten(2), self.Squares())


def linear_nonlinear() -> LinearNonlinear:
    torch.manual_seed(0)
    model = LinearNonlinear(F, T, out_neurons=2).eval()
    with torch.no_grad():
        model.readout.strf.kernel.weight[1, 0] = 0.3 * field(5, 4)
    return model


def built(kind: str) -> AudioEncodingModel:
    torch.manual_seed(1)
    return {
        "LN": lambda: LinearNonlinear(F, T, out_neurons=3),
        "adapted LN": lambda: LinearNonlinear(F, T, out_neurons=3, prefiltering=make_prefiltering("adaptrans", F, 5.0)),
        "DNet": lambda: DNet(F, T, out_neurons=3),
        "StateNet": lambda: StateNet(F, 1, out_neurons=3),
        "Transformer": lambda: Transformer(F, out_neurons=3, context_window=10),
    }[kind]().eval()


@pytest.mark.parametrize("kind", ["LN", "adapted LN", "DNet", "StateNet", "Transformer"])
def test_fields_are_those_of_the_gradient_map_whatever_the_model(kind):
    model, x = built(kind), sounds()
    fields = DynamicSTRF(model, x, neuron=1, window=T)
    bins = [0, 3, 50, 222, L - 1]
    found = fields([(1, t) for t in bins])
    expected = model.STRF_gradmap(x[1:], window=T, bins=bins, neurons=[1])[:, 0]
    assert found.shape == (5, 1, F, T)
    assert (found - expected).abs().max() <= 2e-3 * expected.abs().max()


def test_the_model_is_left_as_it_is():
    model = built("DNet").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    subspace(model, sounds(), n_moments=50)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_neuron_with_an_output_curve_has_one_filter_and_it_is_its_field():
    model, x = linear_nonlinear(), sounds()
    seconds = []
    for _ in range(2):  # a busy machine only ever adds
        began = time.process_time()
        found = subspace(model, x, neuron=1, n_moments=1000, n_filters=5)
        seconds.append(time.process_time() - began)
    assert min(seconds) <= 3
    assert found.shares[0] >= 0.95
    assert torch.nn.functional.cosine_similarity(found.filters[0, 0].flatten(), field(5, 4).flatten(), dim=0) > 0.999
    assert found.fidelity(sounds(seed=9), 1) >= 0.95


def test_a_linear_neuron_has_one_filter_though_its_field_never_changes():
    model = Linear(F, T)
    assert subspace(model, sounds(), n_moments=100).shares[0] > 0.999


def test_an_energy_neuron_has_two_filters():
    model = Energy().eval()
    found = subspace(model, sounds(), n_filters=4)
    assert found.shares[:2].sum() >= 0.95
    assert found.shares[1] >= 0.2
    planted = torch.stack([field(4, 3), field(11, 7)]).flatten(1)
    inside = planted @ found.filters[:2].flatten(1).T  # both span the same plane
    assert inside.square().sum(1).sqrt().min() > 0.99
    x = sounds(seed=9)
    assert found.fidelity(x, 1) < 0.9
    assert found.fidelity(x, 2) >= 0.95


def test_filters_are_orthogonal_and_shares_fall():
    found = subspace(built("StateNet"), sounds(), n_filters=6, window=T)
    filters = found.filters.flatten(1)
    assert torch.allclose(filters @ filters.T, torch.eye(6), atol=1e-4)
    assert bool((found.shares.diff() <= 0).all())
    assert found.shares.sum() <= 1 + 1e-5


def test_a_recurrent_neuron_is_rebuilt_from_five_filters_on_sounds_not_seen():
    model = built("StateNet")
    found = subspace(model, sounds(8), n_filters=5, window=T)
    assert found.fidelity(sounds(seed=9), 5) >= 0.95


def test_projections_are_those_of_the_sound_under_the_filters():
    x = sounds()
    found = subspace(built("LN"), x, n_filters=2, n_moments=20)
    b, t = found.moments[7].tolist()
    expected = (found.filters * x[b, 0, :, t - T + 1 : t + 1]).sum((1, 2, 3))
    assert torch.allclose(found.projections[7], expected, rtol=1e-4)


def test_the_surface_holds_mean_responses():
    found = subspace(Energy().eval(), sounds(), n_filters=2)
    surface = found.surface(cells=8)
    assert surface.rate.shape == surface.count.shape == (8, 8)
    assert torch.equal(surface.rate.isnan(), surface.count == 0)
    assert surface.count.sum() >= 0.95 * len(found.moments)
    # A bowl: lower in the middle than at the rim.
    assert surface.rate[3:5, 3:5].nanmean() < 0.2 * surface.rate[surface.count > 0].max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron": 3}, r"neuron must lie in -3 \.\. 2, got 3"),
        ({"n_filters": 0}, "n_filters must be at least 1, got 0"),
        ({"n_moments": 0}, "n_moments must be at least 1"),
        ({"stimulus": torch.zeros(2, 1, 5, 9)}, r"stimulus must have shape \(B, 1, 16, L\)"),
        ({"stimulus": torch.full((F, 30), math.nan)}, "stimulus must be finite, got 480 values"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        subspace(**{"model": built("LN"), "stimulus": sounds(), **change})


def test_moments_near_the_start_of_a_sound_share_backward_passes(monkeypatch):
    model = built("adapted LN")
    fields = DynamicSTRF(model, sounds(1), 0)
    assert fields.reach > 2 * T  # it remembers long
    passes, real = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **options: passes.append(1) or real(*args, **options))
    found = fields([(0, t) for t in range(L)])
    assert len(passes) <= 2 * 12  # each is counted by the mode that handles rectifiers, too
    monkeypatch.undo()
    expected = model.STRF_gradmap(sounds(1), bins=[2, 40, 131, L - 1], neurons=[0])[:, 0]
    assert (found[[2, 40, 131, L - 1]] - expected).abs().max() <= 2e-3 * expected.abs().max()


def test_moments_are_drawn_from_the_given_ones_alone():
    given = [(1, t) for t in range(50, 90)] + [(0, 399)]
    found = subspace(built("LN"), sounds(), n_moments=900, moments=given)
    assert {tuple(moment) for moment in found.moments.tolist()} == set(given)
    assert len(subspace(built("LN"), sounds(), n_moments=7, moments=torch.tensor(given)).moments) == 7
    for moments, message in (([], "at least one"), ([(0, 400)], "got \\(0, 400\\)"), ([(0, 5)], "a bin of 11 .. 399")):
        with pytest.raises(ValueError, match=message):
            subspace(built("LN"), sounds(), moments=moments)


def test_fields_that_span_fewer_axes_than_filters_are_completed_by_orthogonal_ones():
    found = subspace(Linear(F, T), sounds(), n_moments=100, n_filters=6)
    filters = found.filters.flatten(1)
    assert torch.allclose(filters @ filters.T, torch.eye(6), atol=1e-5)
    assert found.shares[1:].max() < 1e-6


def test_what_is_no_audio_model_is_refused():
    with pytest.raises(TypeError, match="model must be an AudioEncodingModel, got Linear"):
        subspace(nn.Linear(2, 2), sounds())


def test_a_silent_neuron_is_refused_with_what_to_do():
    model = linear_nonlinear()
    with torch.no_grad():
        model.readout.strf.kernel.weight.zero_()
    with pytest.raises(ValueError, match=r"depends on the sound at none of 50 moments.*diagnose"):
        subspace(model, sounds(), n_moments=50)


def test_more_filters_than_there_are_cannot_be_asked_for():
    found = subspace(built("LN"), sounds(), n_filters=2, n_moments=50)
    with pytest.raises(ValueError, match="n_filters must be at most 2, got 3"):
        found.predict(sounds(), 3)


def test_moments_outside_the_sounds_are_refused():
    fields = DynamicSTRF(built("LN"), sounds())
    for moment in ((2, 0), (0, L), (-1, 0)):
        with pytest.raises(ValueError, match=r"moments must be pairs of a sound below 2 and a bin below 400"):
            fields([moment])


def test_a_spectrogram_and_a_short_sound_are_taken():
    model = built("LN")
    short = Spectrogram(sounds()[0, 0, :, :5], torch.linspace(200.0, 9000.0, F), 5.0)
    assert DynamicSTRF(model, short)([(0, 4)]).shape == (1, 1, F, 5)
    assert subspace(model, short).filters.shape[-1] == 5


@pytest.mark.parametrize("kind", ["linear", "network", "recurrent"])
def test_stages_behind_a_long_adaptation_see_its_end_alone_and_give_the_same_fields(kind):
    torch.manual_seed(0)
    front = AdapTrans([0.9] * 8, [0.8] * 8, kernel_size=60)
    model = {
        "linear": lambda: LinearNonlinear(8, 5, out_neurons=2, prefiltering=front),
        "network": lambda: NetworkReceptiveField(8, 5, out_neurons=2, n_hidden=3, prefiltering=front),
        "recurrent": lambda: StateNet(8, out_neurons=2, prefiltering=front),
    }[kind]().eval()
    sound = 10 * torch.rand(3, 1, 8, 200)
    moments = [(0, 3), (1, 50), (1, 199), (2, 120), (0, 199)]
    fields = DynamicSTRF(model, sound, 1)
    assert fields._after_prefilter <= fields.reach
    assert kind == "recurrent" or fields._after_prefilter == 5 < fields.reach
    whole = DynamicSTRF(model, sound, 1)
    whole._after_prefilter = whole.reach
    found, expected = fields(moments), whole(moments)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-3 * expected.abs().max().item())
    model.register_forward_pre_hook(lambda module, arguments: None)  # what stands around the stages is not passed by
    assert DynamicSTRF(model, sound, 1)._after_prefilter == fields.reach
