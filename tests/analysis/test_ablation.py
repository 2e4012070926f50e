"""Parts switched off: against the same model computed without them, and nothing else changes."""

import copy

import pytest
import torch
from torch import nn

from deepstrf.analysis import DynamicSTRF, ablated, add_switches, switches
from deepstrf.models.audio import ConvNet2D, DNet, Linear, LinearNonlinear, StateNet, Transformer
from deepstrf.models.prediction import predict
from deepstrf.models.prefiltering import make_prefiltering

F, T, L = 16, 12, 60


def sounds(count=2, seed=0):
    return 10 * torch.rand(count, 1, F, L, generator=torch.Generator().manual_seed(seed))


def built(kind):
    torch.manual_seed(1)
    return {
        "Linear": lambda: Linear(F, T, out_neurons=3),
        "adapted LN": lambda: LinearNonlinear(F, T, out_neurons=3, prefiltering=make_prefiltering("adaptrans", F, 5.0)),
        "DNet": lambda: DNet(F, T, out_neurons=3),
        "ConvNet2D": lambda: ConvNet2D(F, out_neurons=3),
        "GRU": lambda: StateNet(F, 1, out_neurons=3),
        "LSTM": lambda: StateNet(F, 1, out_neurons=3, rnn_type="LSTM"),
        "LMU": lambda: StateNet(F, 1, out_neurons=3, rnn_type="LMU"),
        "Transformer": lambda: Transformer(F, out_neurons=3, n_heads=4, n_layers=2, context_window=10),
    }[kind]().eval()


KINDS = ["Linear", "adapted LN", "DNet", "ConvNet2D", "GRU", "LSTM", "LMU", "Transformer"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_switches_that_are_on_answers_as_before_and_its_weights_are_the_same(kind):
    model, x = built(kind), sounds()
    before, names = predict(model, x), list(model.state_dict())
    made = ablated(model, {})
    assert torch.equal(predict(made, x), before)
    assert list(made.state_dict()) == names
    assert not any(name.startswith("switch_") for name, _ in model.named_buffers())
    add_switches(made)
    add_switches(made)  # twice is once
    off = ablated(made, {"bands": [2]})
    assert torch.equal(predict(ablated(model, {"bands": [2]}), x), predict(off, x))


@pytest.mark.parametrize("kind", KINDS)
def test_bands_that_are_off_are_silent(kind):
    model, x = built(kind), sounds()
    silent = x.clone()
    silent[:, :, 3:6] = 0
    assert torch.allclose(predict(ablated(model, {"bands": range(3, 6)}), x), predict(model, silent), atol=1e-6)


def test_a_channel_that_is_off_adds_nothing():
    model, x = built("adapted LN"), sounds()
    without = copy.deepcopy(model)
    with torch.no_grad():
        without.readout.strf.kernel.weight[:, 1] = 0
    for name in ("OFF", 1):
        assert torch.allclose(predict(ablated(model, {"channels": name}), x), predict(without, x), atol=1e-6)


@pytest.mark.parametrize("kind", ["DNet", "ConvNet2D", "GRU", "Transformer"])
def test_units_that_are_off_are_not_read_out(kind):
    model, x = built(kind), sounds()
    without = copy.deepcopy(model)
    first = next(module for module in without.readout.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        first.weight[:, [0, 4]] = 0
    assert torch.allclose(predict(ablated(model, {"units": [0, 4]}), x), predict(without, x), atol=1e-6)


def test_a_head_that_is_off_attends_to_nothing():
    model, x = built("Transformer"), sounds()
    assert {k: s.count for k, s in switches(model).items() if k[:5] == "heads"} == {"heads_1": 4, "heads_2": 4}
    without = copy.deepcopy(model)
    attention = without.tsfm.layers[1].self_attn
    size = attention.embed_dim // 4
    with torch.no_grad():
        attention.out_proj.weight[:, 2 * size : 3 * size] = 0
    assert torch.allclose(predict(ablated(model, {"heads_2": 2}), x), predict(without, x), atol=1e-6)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "LMU", "DNet"])
def test_without_memory_a_frame_is_met_as_if_it_were_the_first(kind):
    model, x = built(kind), sounds(1)
    found = predict(ablated(model, {"memory": 0}), x)
    assert not torch.allclose(found, predict(model, x), atol=1e-5)
    if kind == "DNet":  # its first layer sees lags of its own
        without = copy.deepcopy(model)
        without.core = without.core[:3]
        assert torch.allclose(found, predict(without, x), atol=1e-6)
    else:
        alone = [predict(model, x[..., t : t + 1])[0, :, 0, 0] for t in (0, 7, L - 1)]
        assert torch.allclose(found[0, :, 0][:, [0, 7, L - 1]], torch.stack(alone, 1), atol=1e-6)


def test_gradients_of_what_is_off_are_zero_in_dynamic_fields_and_gradient_maps():
    model = ablated(built("adapted LN"), {"bands": [4], "channels": "ON"})
    assert not DynamicSTRF(model, sounds())([(0, 50)])[0, 0, 4].any()
    maps = model.STRF_gradmap(sounds(1), per_channel=True)
    assert not maps[:, 0].any()
    assert not maps[:, 1, 4].any()
    assert maps[:, 1, 5].any()
    recurrent = ablated(built("GRU"), {"bands": [4]})  # whose maps of many bins are streamed without switches
    assert not recurrent.STRF_gradmap(sounds(1), window=5, bins="all")[..., 4, :].any()


def test_a_model_with_switches_is_not_streamed_past_them():
    with pytest.raises(NotImplementedError, match="can be switched off is not streamed"):
        ablated(built("GRU"), {}).stream()


def test_copies_listen_to_their_own_switches():
    one = ablated(built("GRU"), {})
    other = copy.deepcopy(one)
    other.prefiltering.switch_bands[:] = 0
    assert not torch.equal(predict(one, sounds()), predict(other, sounds()))
    assert bool((one.prefiltering.switch_bands == 1).all())


@pytest.mark.parametrize(
    ("off", "message"),
    [
        ({"heads": 0}, r"off must name parts of this model \(bands, units, memory\), got 'heads'"),
        ({"bands": 16}, r"bands must be numbers of 0 \.\. 15, got 16"),
        ({"bands": [-1]}, "bands must be at least 0, got -1"),
        ({"memory": 1}, r"memory must be numbers of 0 \.\. 0, got 1"),
    ],
)
def test_parts_that_there_are_not_are_refused_by_name(off, message):
    with pytest.raises(ValueError, match=message):
        ablated(built("GRU"), off)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="model must be a NeuralModel, got Linear"):
        switches(nn.Linear(2, 2))
