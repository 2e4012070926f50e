"""The first layer of a network in the coordinates of standardised sounds."""

import copy
from functools import partial

import pytest
import torch

from deepstrf.metrics import mse_loss
from deepstrf.models import LinearNonlinear
from deepstrf.models.audio import ConvNet2D, DNet, NetworkReceptiveField, StateNet, Transformer
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.training import Fitter
from deepstrf.training.batches import Examples
from deepstrf.training.input_scale import first_layer, standardised_layer, start_standardised
from tests.training.conftest import BANDS, LAGS, NEURONS

MODELS = {
    "nrf": partial(NetworkReceptiveField, BANDS, LAGS),
    "dnet": partial(DNet, BANDS, LAGS),
    "convnet": partial(ConvNet2D, BANDS),
    "transformer": partial(Transformer, BANDS),
    "two patches": partial(Transformer, BANDS, freq_patch_size=5),
    "LC": partial(StateNet, BANDS),
    "FC": partial(StateNet, BANDS, connectivity="FC"),
    "CONV": partial(StateNet, BANDS, connectivity="CONV"),
}


def made(name, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MODELS[name](out_neurons=NEURONS, **options).double()


def examples(parts):
    return Examples.of((parts[0].stimuli.double(), parts[0].responses.double()), "train")


def outputs_of(layer, model, stimuli):
    seen = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    model.eval()(stimuli)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("prefilter", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_layer_with_the_drawn_weights_answers_as_if_the_sound_were_standardised(parts, name, prefilter):
    options = {"prefiltering": make_prefiltering("adaptrans", BANDS, 10.0)} if prefilter else {}
    model, reference = made(name, **options), made(name, **options)
    layer = standardised_layer(model, examples(parts))
    start_standardised(layer)
    stimuli = parts[0].stimuli.double()
    with torch.no_grad():
        heard = model.prefiltered(stimuli)
        mean, sd = heard.mean((0, 2, 3)).view(1, -1, 1, 1), heard.std((0, 2, 3)).view(1, -1, 1, 1)
        past = (heard[..., 30:] - mean) / sd  # far from the zeros before the sound
        reference.prefiltering = torch.nn.Identity()
        got = outputs_of(first_layer(model), model, stimuli)
        expected = outputs_of(first_layer(reference), reference, past)
    if not name.isupper():
        torch.testing.assert_close(got[..., -300:], expected[..., -300:], atol=1e-8, rtol=1e-6)
    else:  # frame by frame, (B T, ...)
        frames = got.unflatten(0, (len(stimuli), -1))[:, 30:]
        torch.testing.assert_close(frames, expected.unflatten(0, (len(stimuli), -1)), atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_what_others_write_to_the_layer_stands_once_it_is_read(parts, name):
    """Of all that the layer holds; without reading, its coordinates bring the old weights back."""
    model = made(name)
    layer = standardised_layer(model, examples(parts))
    own = [one for one in (layer.of_weight, layer.of_bias) if one is not None]
    before, wanted = [one.detach().clone() for one in own], [torch.full_like(one, 0.25) for one in own]
    assert all(layer.is_of(one.detach()) for one in own)
    assert not layer.is_of(before[0])
    for read, expected in ((False, before), (True, wanted)):
        with torch.no_grad():
            for one, value in zip(own, wanted, strict=True):
                one.copy_(value)
        if read:
            layer.read()
        layer.write()
        for one, value in zip(own, expected, strict=True):
            torch.testing.assert_close(one.detach(), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_is_that_by_the_coordinates(parts, name):
    """Reference: the layer's function written in the coordinates, by autograd."""
    model, train = made(name), examples(parts)
    layer = standardised_layer(model, train)
    x, y = train.stimuli[:1, ..., :60], train.target[:1, ..., :60]
    mse_loss(model.eval()(x), y).backward()
    layer.take_gradient()
    names = {id(p): n for n, p in model.named_parameters()}
    weight, bias = (p.detach().clone().requires_grad_() for p in (layer.weight, layer.bias))
    own = weight / layer.sd
    written = {names[id(layer.of_weight)]: own, names[id(layer.of_bias)]: bias - layer._at_mean(own)}
    mse_loss(torch.func.functional_call(model, written, (x,)), y).backward()
    torch.testing.assert_close(layer.weight.grad, weight.grad)
    torch.testing.assert_close(layer.bias.grad, bias.grad)
    before = copy.deepcopy(model.state_dict())
    layer.write()
    assert all(torch.allclose(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["nrf", "LC"])
def test_louder_sounds_are_fitted_alike(parts, name):
    """The same recording with another reference level, and in bels: a fit must not depend on either."""
    losses = []
    for gain, offset in ((1.0, 0.0), (1.0, 60.0), (0.1, -3.0)):
        model = made(name)
        stimuli = gain * parts[0].stimuli.double() + offset
        fitter = Fitter(epochs=2, progress=False, smoothness=0.0, skip_bins=30)
        losses.append(fitter.fit(model, (stimuli, parts[0].responses.double())).train_loss[-1])
    torch.testing.assert_close(losses[1], losses[0], rtol=0.02, atol=0)
    torch.testing.assert_close(losses[2], losses[0], rtol=0.02, atol=0)


def test_only_free_layers_of_networks_have_such_coordinates(parts):
    assert first_layer(LinearNonlinear(BANDS, LAGS)) is None
    frozen = made("nrf")
    frozen.core.requires_grad_(False)
    assert first_layer(frozen) is None


@pytest.mark.parametrize("name", ["dnet", "LC"])
def test_a_fit_of_a_network_resumes_to_the_same_bits(parts, tmp_path, name):
    fit = partial(Fitter, progress=False)
    whole, halved, rest = (made(name) for _ in range(3))
    train, validation = ((part.stimuli.double(), part.responses.double()) for part in parts)
    fit(epochs=3).fit(whole, train, validation)
    fit(epochs=2).fit(halved, train, validation, checkpoint=tmp_path / "fit.pt")
    fit(epochs=3).fit(rest, train, validation, checkpoint=tmp_path / "fit.pt")
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True))
