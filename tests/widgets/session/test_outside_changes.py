"""What others do to a session's model: noticed by the next read, passed to the observers, and one undo entry."""

import copy
import warnings
from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn

from deepstrf.models.activations import ParametricSigmoid
from deepstrf.training import Fitter
from deepstrf_widgets import BenchWidget, Gallery, LiveSession
from deepstrf_widgets.session import edited_model, watch
from deepstrf_widgets.session.edited_model import FitUnderWayError

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


def step(optimizer, **options):
    def act(model):
        chosen = optimizer(model.parameters(), **options)

        def closure():
            chosen.zero_grad()
            loss = model(torch.ones(1, 1, 5, 12, dtype=torch.float64)).square().sum()
            loss.backward()
            return loss

        chosen.step(closure)

    return act


def weight(model):
    return model.readout.strf.kernel.weight


def scaled(model):
    named = model.state_dict().items()
    return {name: tensor * 1.1 if tensor.is_floating_point() else tensor for name, tensor in named}


def assign(model):
    model.load_state_dict(scaled(model), assign=True)


def load(model):
    model.load_state_dict(scaled(model))


def scale_in_place(model):
    with torch.no_grad():
        weight(model).mul_(1.5)


def scale_detached(model):
    weight(model).detach().mul_(1.5)


def other_data(model):
    weight(model).data = weight(model).data * 1.5


def other_vector(model):
    vector = nn.utils.parameters_to_vector(model.parameters()).detach()
    nn.utils.vector_to_parameters(vector * 1.1, model.parameters())


def other_parameter(model):
    model.readout.strf.kernel.weight = nn.Parameter(weight(model).detach() * 1.5)


def statistics(model):
    with torch.no_grad():
        model.readout.bn.running_mean.add_(1.0)


NOTICED = {
    "SGD": step(torch.optim.SGD, lr=0.1),
    "SGD foreach": step(torch.optim.SGD, lr=0.1, foreach=True),
    "Adam": step(torch.optim.Adam),
    "AdamW": step(torch.optim.AdamW),
    "LBFGS": step(torch.optim.LBFGS),
    "load_state_dict": load,
    "load_state_dict(assign=True)": assign,
    "in place": scale_in_place,
    "detached": scale_detached,
    "other data": other_data,
    "vector_to_parameters": other_vector,
    "another parameter": other_parameter,
    "statistics": statistics,
}


@pytest.fixture
def shared(make_model, make_stimulus, make_responses):
    """A session that edits the caller's model itself, everything computed."""
    session = LiveSession(make_model(), make_stimulus(), make_responses(), dt_ms=5.0, cf_hz=CF_HZ, copy_model=False)
    for neuron in range(3):
        session.score(neuron)
    return session


@pytest.mark.parametrize("name", NOTICED)
def test_a_change_is_noticed_by_the_next_read_and_can_be_undone(shared, assert_fresh, state, name):
    before, rate, notified = state(shared.model), shared.rate(1).clone(), []
    shared.observe(notified.append)
    NOTICED[name](shared.model)
    assert_fresh(shared, range(3))
    assert not torch.equal(shared.rate(1), rate)
    assert [(change.neurons, change.settled) for change in notified] == [(None, True)]
    after = state(shared.model)
    shared.undo()
    assert all(torch.equal(before[key], tensor) for key, tensor in state(shared.model).items())
    assert torch.equal(shared.rate(1), rate)
    assert not shared.can_undo
    shared.redo()
    assert all(torch.equal(after[key], tensor) for key, tensor in state(shared.model).items())
    assert_fresh(shared, range(3))


def copy_data(model):
    weight(model).data.copy_(weight(model).data * 1.5)


def numpy_view(model):
    weight(model).detach().numpy()[...] *= 1.5


def train_mode(model):
    model.train()
    model(torch.rand(1, 1, 5, 40, dtype=torch.float64))
    model.eval()


UNSEEN = {
    "data copied": copy_data,
    "NumPy": numpy_view,
    "batch norm in train mode": train_mode,
}
if "fused" in signature(torch.optim.SGD).parameters:  # not in torch 2.2
    UNSEEN["fused optimizer"] = step(torch.optim.SGD, lr=0.1, fused=True)
USES = {
    "edit": lambda session: session.set("strf.bias", 0.3, (2,)),
    "undo": lambda session: session.undo(),
    "revert": lambda session: session.revert(["strf.bias"], (2,)),
    "refresh": lambda session: session.refresh(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", UNSEEN)
def test_what_torch_does_not_count_is_noticed_by_the_next_gesture(shared, assert_fresh, name, use):
    shared.set("strf.weight", 0.5, (0, 0, 0))
    before = shared.value("strf.weight", (1,))
    UNSEEN[name](shared.model)
    USES[use](shared)
    assert_fresh(shared, range(3))
    while shared.can_undo:
        shared.undo()
    np.testing.assert_array_equal(shared.value("strf.weight", (1,)), before)
    assert not shared.edited()
    assert_fresh(shared, range(3))


def test_changes_in_a_row_are_one_entry_and_edits_stand_between(shared):
    for _ in range(3):
        scale_in_place(shared.model)
        shared.rate(0)
    shared.set("strf.bias", 0.3, (2,))
    scale_in_place(shared.model)
    steps = 0
    while shared.can_undo:
        shared.undo()
        steps += 1
    assert steps == 3
    assert not shared.edited()


def test_observers_are_not_called_where_nothing_has_changed(shared):
    notified = []
    shared.observe(notified.append)
    version = shared.version
    with torch.no_grad():
        weight(shared.model).mul_(1.0)
    shared.rate(0)
    shared.set("strf.bias", shared.value("strf.bias", (2,)), (2,))
    assert (len(notified), shared.version) == (1, version + 1)


def test_a_write_that_changes_no_value_is_compared_once(shared, monkeypatch):
    compared = []

    def same_values(one, other):
        compared.append(one)
        return watch.same_values(one, other)

    monkeypatch.setattr(edited_model, "same_values", same_values)
    with torch.no_grad():
        weight(shared.model).mul_(1.0)
    assert not shared.can_undo
    assert compared
    compared.clear()
    assert not shared.can_undo
    assert not compared


@pytest.mark.parametrize("act", ["set", "undo"])
def test_a_read_after_an_edit_of_the_session_itself_compares_nothing(shared, monkeypatch, act):
    shared.set("strf.weight", 0.5, (0, 0, 0))
    if act == "undo":
        shared.undo()
    monkeypatch.setattr(edited_model, "same_values", lambda *_: pytest.fail("its own edit is taken for another's"))
    for neuron in range(3):
        shared.rate(neuron)


def test_a_model_that_has_lost_its_values_is_read_and_noticed_once(shared):
    with torch.no_grad():
        weight(shared.model)[1] = torch.nan
    notified = []
    shared.observe(notified.append)
    assert shared.rate(1).isnan().any()
    shared.set("strf.bias", 0.3, (2,))
    shared.undo()
    assert len(notified) == 3
    shared.undo()
    assert shared.rate(1).isfinite().all()


@pytest.mark.parametrize("act", [lambda model: model.double(), lambda model: model.float()], ids=["double", "float"])
def test_another_type_of_numbers_is_followed(make_model, make_stimulus, assert_fresh, act):
    model = make_model(dtype=torch.float32)
    session = LiveSession(model, make_stimulus(dtype=torch.float32), dt_ms=5.0, cf_hz=CF_HZ, copy_model=False)
    session.set("strf.weight", 0.5, (0, 0, 0))
    act(session.model)
    session.set("strf.weight", 0.7, (1, 0, 0))
    assert session.model.readout.strf.kernel.weight[1, 0, 0].item() == pytest.approx(0.7)
    assert session.rate(0).shape == (1, 30)


def test_entries_end_where_tensors_get_another_type(make_model, make_stimulus):
    model = make_model(dtype=torch.float32)
    session = LiveSession(model, make_stimulus(dtype=torch.float32), dt_ms=5.0, cf_hz=CF_HZ, copy_model=False)
    session.set("strf.weight", 0.5, (0, 0, 0))
    assert session.can_undo
    model.double()
    assert not session.can_undo


def test_other_modules_hooks_and_forwards_are_followed(shared, assert_fresh):
    readout = shared.model.readout
    readout.activation = nn.Softplus()
    assert not [name for name in shared.parameters if name.startswith("activation.")]
    assert_fresh(shared, range(3))
    handle = readout.activation.register_forward_hook(lambda _module, _input, output: 2 * output)
    assert_fresh(shared, range(3))
    handle.remove()
    assert_fresh(shared, range(3))
    assert shared.live.staged
    plain = readout.bn.forward
    readout.bn.forward = lambda x: plain(x) + 1
    with pytest.warns(UserWarning, match="computed as a whole, .*readout.bn has a forward of its own"):
        assert not shared.live.staged
    with torch.no_grad():
        fresh = shared.model(shared.stimulus)[:, :, 0]
    torch.testing.assert_close(shared.rate(2), fresh[:, 2])
    del readout.bn.forward
    assert_fresh(shared, range(3))
    shared.set("strf.weight", 0.5, (0, 0, 0))
    assert_fresh(shared, range(3))


def test_parameters_that_are_gone_are_among_the_names_of_the_change(shared):
    notified, before = [], set(shared.parameters)
    shared.observe(notified.append)
    shared.model.readout.activation = nn.Softplus()
    shared.rate(0)
    assert notified[-1].names == before > set(shared.parameters)


@pytest.mark.parametrize("setting", ["eps", "beta"])
def test_settings_of_torchs_modules_are_followed(shared, assert_fresh, setting):
    readout = shared.model.readout
    readout.activation = nn.Softplus()
    before = shared.rate(0).clone()
    setattr(*{"eps": (readout.bn, "eps", 2.0), "beta": (readout.activation, "beta", 3.0)}[setting])
    assert not torch.equal(shared.rate(0), before)
    assert_fresh(shared, range(3))
    assert shared.live.staged


def test_refresh_finds_what_leaves_no_mark(shared, assert_fresh):
    class Louder(nn.Module):
        factor = 1.0

        def forward(self, x):
            return self.factor * x

    shared.model.readout.activation = Louder()
    assert_fresh(shared, range(3))
    shared.model.readout.activation.factor = 3.0
    shared.refresh()
    assert_fresh(shared, range(3))


def test_a_model_with_other_neurons_is_refused(shared, make_model):
    other = make_model(neurons=2)
    shared.model.O, shared.model.readout = other.O, other.readout
    with pytest.raises(ValueError, match=r"session\.model must keep its 3 neurons, got 2: open another session"):
        shared.rate(0)


def test_two_sessions_of_one_model_follow_each_other(make_model, make_stimulus, assert_fresh):
    model = make_model()
    one, other = (LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ, copy_model=False) for _ in range(2))
    one.set("strf.weight", 0.5, (0, 0, 0))
    assert_fresh(other, range(3))
    other.set("strf.weight", 0.7, (1, 0, 0))
    assert_fresh(one, range(3))
    one.undo()
    assert_fresh(other, range(3))
    assert one.value("strf.weight", (1, 0, 0)) == other.trained_value("strf.weight", (1, 0, 0))


def test_bench_and_gallery_follow(shared):
    bench, gallery = BenchWidget(shared, neuron=1), Gallery(shared)
    scale_in_place(shared.model)
    rate = shared.rate(1)[0].float().numpy()
    np.testing.assert_array_equal(np.frombuffer(bench.rate, "<f4"), rate)
    assert gallery.readouts()["peak"][1] == pytest.approx(float(shared.live.kernel(1).abs().max()), rel=1e-6)
    shared.model.readout.activation = nn.Tanh()
    shared.rate(1)
    assert bench.info["activation"]["label"] == "Tanh"
    bench.close()
    gallery.close()


def test_a_bench_shows_no_trained_values_of_a_layer_that_has_replaced_another(shared):
    """It has a column that the trained curve has not, of which there is no value to read."""
    bench = BenchWidget(shared, neuron=1)
    curve = shared.model.readout.activation = ParametricSigmoid(3)
    shared.rate(1)
    names = [name for name in shared.parameters if name.startswith("activation.")]
    assert "activation.a" not in shared.trained_parameters
    shown = dict(zip(names, np.frombuffer(bench.activation, "<f4"), strict=True))
    trained = dict(zip(names, np.frombuffer(bench.trained_activation, "<f4"), strict=True))
    assert shown["activation.a"] == pytest.approx(curve.a[1].item())
    assert np.isnan(trained["activation.a"])
    assert trained["activation.b"] == pytest.approx(shared.trained_value("activation.b", (1,)).item())
    bench.close()


class At:
    """A callback of a fit that does something after the first batch."""

    def __init__(self, act):
        self.act, self.done = act, False

    def __call__(self, progress):
        pass

    def on_batch(self, _progress):
        if not self.done:
            self.done = True
            self.act()


def test_while_a_fit_runs_reads_see_its_steps_and_edits_are_refused(make_session):
    session = make_session()
    seen = []

    def look():
        seen.append(session.rate(0).clone())
        with torch.no_grad():
            seen.append(copy.deepcopy(session.model).eval()(session.stimulus)[:, 0, 0])
        for edit in (
            lambda: session.set("strf.weight", 0.5, (0, 0, 0)),
            session.undo,
            session.revert,
        ):
            with pytest.raises(
                FitUnderWayError, match=r"session\.model is being fitted: edit it when the fit has ended"
            ):
                edit()
        session.set_stimulus(session.stimulus[..., :20])
        session.set_stimulus()

    rate, trained = session.rate(0).clone(), session.model
    data = session.stimulus, session.responses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Fitter(epochs=2, progress=False, callbacks=[At(look)]).fit(session.model, data)
    torch.testing.assert_close(seen[0], seen[1])
    assert not torch.equal(seen[0], rate)
    assert session.model is trained
    session.set("strf.weight", 0.5, (0, 0, 0))
    session.undo()
    session.undo()
    assert torch.equal(session.rate(0), rate)
    assert not session.can_undo


def test_a_bench_says_why_it_does_not_edit_during_a_fit(make_session, monkeypatch):
    session = make_session()
    bench, sent = BenchWidget(session), []
    monkeypatch.setattr(bench, "send", lambda content, buffers=None: sent.append(content))
    content = {"type": "undo", "client": "page", "seq": 1}
    act = At(lambda: bench._received(None, content, []))
    Fitter(epochs=1, progress=False, callbacks=[act]).fit(session.model, (session.stimulus, session.responses))
    errors = [message["text"] for message in sent if message["type"] == "error"]
    assert errors == ["session.model is being fitted: edit it when the fit has ended, or stop the fit"]
    bench.close()
