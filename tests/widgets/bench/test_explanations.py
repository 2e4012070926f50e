"""The browser asks why a response is as high as it is: the kernel's half."""

import numpy as np
import pytest
import torch

from deepstrf.models import StateNet
from deepstrf_widgets import BenchWidget, LiveSession


@pytest.fixture
def asked(monkeypatch):
    """``asked(widget, frame, trained=False)``: the answer, with its two arrays."""

    def ask(widget, frame, **fields):
        sent = []
        monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append((content, buffers)))
        request = {"type": "explain", "client": "page", "seq": 3, "frame": frame, "trained": False, **fields}
        widget._received(widget, request, [])
        [(content, buffers)] = sent
        return content, [np.frombuffer(buffer, "<f4") for buffer in buffers or []]

    return ask


@pytest.mark.parametrize("activation", ["softplus", "gelu"])
def test_the_answer_is_the_explanation_of_the_neuron_and_sound_on_screen(make_session, asked, activation):
    session = make_session(activation=activation, sounds=2)
    widget = BenchWidget(session, neuron=2, sound=1)
    session.set("strf.weight", 2.0, (2, 0, 0))
    for trained in (False, True):
        content, (stretch, products) = asked(widget, 12, trained=trained)
        wanted = session.explain(2, 12.5 * session.dt_ms, sound=1, trained=trained)
        np.testing.assert_array_equal(stretch, wanted.stretch.float().flatten())
        np.testing.assert_array_equal(products, wanted.products.float().flatten())
        assert (content["neuron"], content["frame"], content["text"]) == (2, 12, "")
        assert content["shape"] == list(wanted.field.shape)
        assert content["sums"] == list(wanted.sums)
        assert content["drive"] == wanted.drive
    widget.close()


def test_it_disturbs_neither_edits_nor_undo(session, asked):
    widget = BenchWidget(session)
    before = session.version, widget.revision, dict(widget._newest)
    asked(widget, 0)
    assert (session.version, widget.revision, widget._newest) == before
    assert not session.can_undo
    widget.close()


def test_a_bin_outside_the_sound_and_a_recurrent_model_are_answered_with_the_reason(session, asked):
    widget = BenchWidget(session)
    content, arrays = asked(widget, 30)
    assert "time_ms must lie in" in content["text"]
    assert arrays == []
    widget.close()
    torch.manual_seed(0)
    model = StateNet(16, 9, out_neurons=2)
    recurrent = BenchWidget(LiveSession(model, torch.rand(16, 60), cf_hz=np.geomspace(500, 8000, 16)))
    content, _ = asked(recurrent, 30)
    assert "StateNet is recurrent" in content["text"]
    recurrent.close()


def test_every_bin_is_the_one_that_was_asked_for(make_model, asked):
    # 0.1 ms and its kind are no exact numbers: a bin must not slip into the one before it.
    sound = torch.rand(1, 1, 5, 200, dtype=torch.float64)
    session = LiveSession(make_model(), sound, dt_ms=0.1, cf_hz=np.geomspace(500, 8000, 5))
    widget = BenchWidget(session)
    assert [asked(widget, frame)[0]["frame"] for frame in range(200)] == list(range(200))
    widget.close()
