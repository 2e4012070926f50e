"""The panel that opens a network: what it answers, how quickly, and that it leaves the session as it is."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from deepstrf.analysis import DynamicSTRF
from deepstrf.demo import load_demo
from deepstrf.models import NeuralModel
from deepstrf.models.audio import StateNet
from deepstrf_widgets import explore

F, DT_MS = 34, 5.0
CF_HZ = 500 * 2 ** (np.arange(F) / 6)


def sound(length=400, seed=0):
    return 30 * torch.rand(2, 1, F, length, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def recurrent():
    torch.manual_seed(0)
    model = StateNet(F, 1, out_neurons=3).eval()
    explorer = explore(model, sound(), cf_hz=CF_HZ, dt_ms=DT_MS, figures=False, sounds=False)
    yield explorer
    explorer.close()


def opened(explorer):
    """The panel, and the messages that it sends from now on with their first buffer as numbers."""
    panel, sent = explorer.panel("inside"), []

    def send(content, buffers=None):
        sent.append((content, np.frombuffer(buffers[0], "<f4") if buffers else None))

    panel.send = send
    return panel, sent


def ask(panel, **message):
    panel._received(panel, message, [])
    panel.wait()


def test_the_field_at_the_cursor_is_the_gradient_there_and_comes_within_50_ms(recurrent):
    recurrent.neuron, recurrent.sound = 1, 1
    panel, sent = opened(recurrent)
    for frame in (30, 200, 201, 399):
        began = time.process_time()
        ask(panel, type="moment", frame=frame)
        seconds = time.process_time() - began
    assert seconds <= 0.05
    model = recurrent.session.snapshot().copied_model()
    message, field = sent[-1]
    expected = DynamicSTRF(model, sound()[1:], 1)([(0, 399)])[0, 0]
    lags = message["shape"][1]
    assert message["shape"] == [F, lags]
    # No more lags than matter: what is left out is next to nothing.
    assert expected[:, :-lags].square().sum() <= 0.01 * expected.square().sum()
    expected = expected[:, -lags:]
    assert message["stamp"] == panel.stamp
    assert np.abs(field - expected.numpy().ravel()).max() <= 5e-3 * np.abs(field).max()
    assert not recurrent.session.edited()


def test_an_edit_another_neuron_and_another_sound_change_the_field():
    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
    panel, sent = opened(explorer)
    ask(panel, type="moment", frame=300)
    explorer.session.set("strf.weight", 0.0, neuron=0, channel="ON", gaussian=0)
    ask(panel, type="moment", frame=300)
    explorer.neuron = 2
    ask(panel, type="moment", frame=300)
    stamps, fields = zip(*((message["stamp"], field) for message, field in sent), strict=True)
    assert len(set(stamps)) == 3
    assert not np.array_equal(fields[0], fields[1])
    assert not np.array_equal(fields[1], fields[2])
    explorer.close()


def test_filters_keep_the_neuron_that_they_were_looked_for_when_another_comes_on_screen(recurrent):
    panel, sent = opened(recurrent)
    asked = panel._stamp_of(recurrent.session.snapshot())
    panel._received(panel, {"type": "subspace"}, [])
    recurrent.neuron = 1
    panel.wait()
    assert panel.stamp != asked
    assert [message["stamp"] for message, _ in sent if message["type"] == "subspace"] == [asked]


def test_filters_their_shares_and_the_model_rebuilt_from_them_on_bins_that_were_not_used(recurrent):
    panel, sent = opened(recurrent)
    ask(panel, type="subspace")
    message, filters = sent[-1]
    assert message["type"] == "subspace"
    assert len(filters) == len(message["shares"]) * np.prod(message["shape"])
    assert not bool((panel.subspace.moments[:, 1] // 50 % 4 == 3).any())
    ask(panel, type="rebuild", k=5)
    message = sent[-1][0]
    assert message["bins"] == 2 * 100
    assert message["r"] >= 0.95
    assert message["r_model"] is None
    assert panel.error == ""
    ask(panel, type="rebuild", k=11)
    assert "k must be 1 to 10 filters, got 11" in panel.error


def test_the_wanted_sound_forms_step_by_step_and_can_be_stopped_and_put_on_the_bench(recurrent):
    panel, sent = opened(recurrent)
    panel._received(panel, {"type": "wanted", "against": 2, "rms": 3.0}, [])
    while not sent:
        assert panel.busy or panel._background._thread.is_alive()
    panel._received(panel, {"type": "cancel"}, [])
    panel.wait()
    last, values = sent[-1]
    assert last["done"]
    assert last["step"] < 150
    assert last["response"] > last["silence"]
    assert np.sqrt(np.square(values).mean()) <= 3.0 * 1.001
    ask(panel, type="hear")
    now = recurrent.session.stimulus[0, 0]
    assert np.array_equal(now[:, : now.shape[1] // 2].numpy().ravel(), values)
    assert not recurrent.session.on_first_stimulus


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"type": "moment", "frame": -1}, "frame must be a whole number from 0, got -1"),
        ({"type": "moment"}, "frame must be a whole number"),
        ({"type": "wanted", "against": 3}, "against must be the number of a neuron or null, got 3"),
        ({"type": "wanted", "against": 0}, "against must be another neuron than 0"),
        ({"type": "wanted", "rms": "loud"}, "rms must be a number"),
        ({"type": "wanted", "rms": -2}, "rms_db must be a positive level"),
        ({"type": "rebuild", "k": 1}, "k must come after a subspace"),
        ({"type": "hear"}, "no sound was found yet"),
        ({"type": "switch", "name": "heads", "part": 0, "on": False, "gesture": "a"}, "got 'ablation.heads'"),
        ({"type": "switch", "name": "bands", "part": 99, "on": False, "gesture": "a"}, "must lie within its shape"),
        ({"type": "switch", "name": "bands", "part": 0, "on": 1, "gesture": "a"}, "name, on and gesture must be"),
        ({"type": "guess"}, "type must be one of moment, subspace"),
        ("hello", "type must be one of"),
    ],
)
def test_bad_messages_are_refused(recurrent, message, text):
    panel, sent = opened(recurrent)
    panel._received(panel, message, [])
    panel.wait()
    assert text in panel.error
    assert sent == []


def test_parts_are_switched_by_a_drag_which_is_one_undo_entry(recurrent):
    panel, sent = opened(recurrent)
    session = recurrent.session
    assert [(part["name"], len(part["on"])) for part in panel.parts] == [("bands", F), ("units", 70), ("memory", 1)]
    assert panel.parts[0]["labels"][0] == "0.5 kHz"
    ask(panel, type="moment", frame=100)
    for part in (3, 4, 5):
        ask(panel, type="switch", name="bands", part=part, on=False, gesture="a")
    ask(panel, type="switch", name="bands", part=None, on=False, gesture="a")
    assert panel.parts[0]["on"] == "111000" + "1" * (F - 6)
    assert recurrent.info["restrictions"].startswith("ablated: bands")
    ask(panel, type="moment", frame=100)
    fields = [field.reshape(F, -1) for _, field in sent]
    assert fields[0][3:6].any()
    assert not fields[1][3:6].any()
    ask(panel, type="switch", name="memory", part=0, on=False, gesture="b")
    ask(panel, type="switch", name="memory", part=None, on=False, gesture="b")
    session.undo()
    session.undo()
    assert "0" not in "".join(part["on"] for part in panel.parts)
    session.redo()
    ask(panel, type="all_on")
    assert session.ablated == ""
    session.undo()
    assert session.ablated.startswith("bands")


def test_a_moment_outside_the_sound_and_a_neuron_at_the_end_of_its_curve_are_said():
    demo = load_demo()
    with torch.no_grad():
        demo.model.readout.strf.kernel.weight.zero_()
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
    panel, sent = opened(explorer)
    ask(panel, type="moment", frame=10**6)
    assert "a bin below" in sent[-1][0]["text"]
    ask(panel, type="subspace")
    assert "depends on the sound at none" in panel.error
    assert panel.busy == ""
    explorer.close()


class Mean(NeuralModel):
    """Level of the sound: a model of no known kind."""

    def forward(self, x):
        return x.mean(2, keepdim=True)


def test_a_model_that_is_not_known_to_take_spectrograms_has_no_such_panel():
    explorer = explore(Mean(1), sound(), cf_hz=CF_HZ, figures=False, sounds=False)
    assert "inside" not in explorer.can_open
    with pytest.raises(ValueError, match="must be an AudioEncodingModel that takes spectrograms, got Mean"):
        explorer.panel("inside")
    explorer.close()


def test_a_closed_panel_ends_what_it_began(recurrent):
    panel, _sent = opened(recurrent)
    panel._received(panel, {"type": "wanted"}, [])
    recurrent.close()
    panel.wait()
    assert not panel._background._thread.is_alive()
