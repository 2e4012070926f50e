"""A painted spectrogram: what the kernel takes from the browser and refuses; it becomes the stimulus."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.demo import load_demo
from deepstrf.stimuli import Spectrogram
from deepstrf_widgets import LiveSession, SpectrogramPainter, StimulusPanel, explore
from deepstrf_widgets.message_parsing import MessageError
from deepstrf_widgets.stimulus.spectrogram_painter import parse_paint

INFO = {"n_bands": 3, "max_frames": 40, "low": 0.0, "high": 90.0, "unit": "dB"}
GOOD = {"type": "paint", "client": "page", "seq": 4, "start": 2, "n_frames": 20, "settled": True}


def frames(values):
    return np.asarray(values, dtype="<f4").tobytes()


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture
def session(demo):
    return LiveSession(demo.model, demo.stimulus, demo.responses)


@pytest.fixture
def painter(session):
    made = SpectrogramPainter(session)
    yield made
    made.close()


def sends(painter, monkeypatch):
    """What the painter sends to the browser from now on."""
    sent = []
    monkeypatch.setattr(painter, "send", lambda content, buffers=None: sent.append((content, buffers)))
    return sent


def stroke(painter, values, start=0, n_frames=None, *, settled=True, seq=1):
    total = painter.painting.shape[1] if n_frames is None else n_frames
    content = {"type": "paint", "client": "page", "seq": seq, "start": start, "n_frames": total, "settled": settled}
    painter._received(painter, content, [memoryview(frames(values))])


# -- messages -----------------------------------------------------------------------------------------------------


def test_a_message_is_parsed_to_frames():
    values = np.arange(6.0).reshape(3, 2)
    request = parse_paint(GOOD, [memoryview(frames(values))], INFO, 20)
    np.testing.assert_array_equal(request.values, values)
    assert (request.start, request.n_frames, request.settled) == (2, 20, True)


@pytest.mark.parametrize(
    ("change", "values", "message"),
    [
        ({"n_frames": 0}, [1, 2, 3], r"n_frames must be 1 to 40 frames, got 0$"),
        ({"n_frames": 41}, [1, 2, 3], r"n_frames must be 1 to 40 frames, got 41$"),
        ({"n_frames": "20"}, [1, 2, 3], r"n_frames must be 1 to 40 frames, got '20'$"),
        ({"n_frames": 21}, [1, 2, 3], r"values must be all 21 frames where n_frames was 20 before, got 1$"),
        ({"start": 20}, [1, 2, 3], r"start must be a frame, 0 to 19, got 20$"),
        ({"start": -1}, [1, 2, 3], r"start must be a frame, 0 to 19, got -1$"),
        ({"start": True}, [1, 2, 3], r"start must be a frame, 0 to 19, got True$"),
        ({"start": 19}, [1] * 6, r"values must be 1 to 1 frames of 3 float32 \(12 bytes each\), got 24 bytes$"),
        ({"settled": 1}, [1, 2, 3], r"settled must be true or false, got 1$"),
        ({}, [], r"values must be 1 to 18 frames of 3 float32 \(12 bytes each\), got 0 bytes$"),
        ({}, [1, 2], r"values must be 1 to 18 frames of 3 float32 \(12 bytes each\), got 8 bytes$"),
        ({}, [1, np.nan, 2], r"values must be finite, got nan$"),
        ({}, [1, 2, -np.inf], r"values must be finite, got -inf$"),
        ({}, [1, 2, -0.5], r"values must lie in \[0, 90\] dB, got -0\.5$"),
        ({}, [1, 90.5, 2], r"values must lie in \[0, 90\] dB, got 90\.5$"),
    ],
)
def test_a_wrong_message_is_named(change, values, message):
    with pytest.raises(MessageError, match=message):
        parse_paint({**GOOD, **change}, [frames(values)], INFO, 20)


@pytest.mark.parametrize("buffers", [None, [], [frames([1, 2, 3])] * 2, ["text"]])
def test_values_must_be_one_buffer(buffers):
    with pytest.raises(MessageError, match="values must come as one float32 buffer, got "):
        parse_paint(GOOD, buffers, INFO, 20)


@pytest.fixture(scope="module")
def kept(demo):
    made = SpectrogramPainter(LiveSession(demo.model, demo.stimulus))
    yield made
    made.close()


ODD = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(-(2**60), 2**60), st.text(max_size=9), st.lists(st.none())
)
# A frame of 34 bands has 136 bytes: none of these is a number of whole frames.
RAW = st.binary(max_size=999).filter(lambda raw: len(raw) % 136 != 0)
BUFFERS = st.one_of(st.none(), st.lists(RAW, max_size=2), st.lists(st.text(max_size=3), max_size=2))


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from(["type", "start", "n_frames", "settled", None]), odd=ODD, buffers=BUFFERS)
def test_broken_messages_get_an_error_each_and_change_nothing(kept, field, odd, buffers):
    painting, heard, sent = kept.painting.copy(), kept.session.stimulus, []
    content = {"type": "paint", "client": "page", "seq": 9, "start": 0, "n_frames": 200, "settled": False}
    content = odd if field is None else {**content, field: odd}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "send", lambda content, buffers=None: sent.append(content))
        kept._received(kept, content, buffers)
    assert [one["type"] for one in sent] == ["error"]
    assert sent[0]["text"] == kept.error != ""
    np.testing.assert_array_equal(kept.painting, painting)
    assert kept.session.stimulus is heard


# -- painting -----------------------------------------------------------------------------------------------------


def test_the_levels_lie_between_silence_and_above_the_loudest(painter, demo):
    loudest = float(demo.stimulus.values.max())
    info = painter.info
    assert (info["low"], info["high"]) == (0.0, pytest.approx(loudest + 20))
    assert info["loud"] == pytest.approx(loudest)
    assert (info["unit"], info["n_bands"], info["dt_ms"], info["max_frames"]) == ("dB", 34, 5.0, 12000)
    assert painter.painting.shape == (34, 200)
    assert painter.painting.dtype == np.float32
    assert not painter.painting.any()


def test_levels_of_another_unit_keep_its_range(demo):
    # From -2 to 3 the half of the range is 2.5.
    values = torch.linspace(-2.0, 3.0, 34 * 50).reshape(34, 50)
    session = LiveSession(demo.model, Spectrogram(values, demo.stimulus.cf_hz, 5.0, unit="z"))
    painter = SpectrogramPainter(session)
    assert (painter.info["low"], painter.info["high"], painter.info["unit"]) == (-2.0, 5.5, "z")
    assert (painter.painting == -2.0).all()
    painter.close()


def test_a_stroke_is_played_while_it_runs_and_at_its_end(painter, session, demo, monkeypatch):
    sent, changes = sends(painter, monkeypatch), []
    session.observe(changes.append)
    stroke(painter, np.full((34, 5), 40.0), 30, settled=False, seq=1)
    stroke(painter, np.full((34, 5), 50.0), 33, seq=2)
    want = np.zeros((34, 200), np.float32)
    want[:, 30:33], want[:, 33:38] = 40, 50
    np.testing.assert_array_equal(painter.painting, want)
    np.testing.assert_array_equal(session.stimulus[0, 0].numpy(), want)
    fresh = LiveSession(demo.model, Spectrogram(torch.from_numpy(want), demo.stimulus.cf_hz, 5.0))
    for neuron in range(session.n_neurons):
        assert torch.equal(session.rate(neuron), fresh.rate(neuron))
    assert [(change.settled, change.stimulus, change.source is painter) for change in changes] == [
        (False, True, True),
        (True, True, True),
    ]
    assert [content for content, _ in sent] == [
        {"type": "painted", "client": "page", "seq": 1, "settled": False},
        {"type": "painted", "client": "page", "seq": 2, "settled": True},
    ]


def test_another_length_is_sent_with_all_frames(painter, session):
    values = np.full((34, 300), 12.0, np.float32)
    stroke(painter, values, n_frames=300)
    assert session.stimulus.shape == (1, 1, 34, 300)
    np.testing.assert_array_equal(painter.painting, values)
    # What the browser sent is the kernel's own now.
    stroke(painter, np.full((34, 1), 3.0), 299, 300)
    assert painter.painting[0, 299] == 3.0


def test_a_stimulus_does_not_change_with_the_next_stroke(painter, session):
    stroke(painter, np.full((34, 1), 40.0))
    heard = session.stimulus
    stroke(painter, np.full((34, 1), 70.0))
    assert heard[0, 0, 0, 0] == 40.0


def test_a_browser_gets_the_whole_painting(painter, monkeypatch):
    stroke(painter, np.full((34, 2), 40.0), 7)
    assert painter.get_state("cells") == {"cells": painter.painting.tobytes()}
    sent = sends(painter, monkeypatch)
    painter._received(painter, {"type": "ready"}, [])
    assert sent == [({"type": "cells"}, [painter.painting.tobytes()])]


def test_the_stimulus_before_can_be_copied(painter, session, demo, monkeypatch):
    sent = sends(painter, monkeypatch)
    stroke(painter, np.full((34, 1), 40.0))
    stroke(painter, np.full((34, 1), 50.0))
    painter._received(painter, {"type": "copy"}, [])
    np.testing.assert_array_equal(painter.painting, demo.stimulus.values.numpy())
    assert sent[-1] == ({"type": "cells"}, [demo.stimulus.values.numpy().tobytes()])
    assert torch.equal(session.stimulus[0, 0], demo.stimulus.values)
    assert not session.on_first_stimulus
    # Another one since: that one; louder than may be painted, it is cut.
    session.set_stimulus(Spectrogram(torch.full((34, 9), 300.0), demo.stimulus.cf_hz, 5.0))
    painter.copy_stimulus()
    assert painter.painting.shape == (34, 9)
    assert (painter.painting == np.float32(painter.info["high"])).all()


def test_a_sound_of_a_batch_is_the_one_on_screen(demo):
    values = demo.stimulus.values
    session = LiveSession(demo.model, torch.stack([values, values / 2])[:, None], cf_hz=demo.stimulus.cf_hz)
    explorer = explore(session, sound=1, figures=False)
    explorer.sounds.painter.copy_stimulus()
    assert torch.equal(session.stimulus[0, 0], values / 2)
    explorer.close()


def test_an_error_is_shown_until_the_next_stroke(painter, monkeypatch):
    sent = sends(painter, monkeypatch)
    stroke(painter, np.full((34, 1), 400.0), seq=8)
    want = "values must lie in [0, 85.6195] dB, got 400"
    assert (painter.error, sent[-1][0]) == (want, {"type": "error", "client": "page", "seq": 8, "text": want})
    stroke(painter, np.full((34, 1), 40.0))
    assert painter.error == ""


def test_the_browser_sets_no_trait_of_the_painter(painter):
    info = dict(painter.info)
    painter.set_state({"info": {}, "cells": b"", "view": "strf"})
    assert painter.error == "the browser may set no trait, got cells, info, view"
    assert (painter.info, painter.view) == (info, "paint")


def test_one_frame_of_one_neuron_is_counted_right(painter, session):
    stroke(painter, np.zeros((34, 1)), n_frames=1)
    assert repr(painter) == "SpectrogramPainter(34 bands x 1 frame, 0 to 85.6 dB)"
    with pytest.raises(TypeError, match="session must be a LiveSession, got str"):
        SpectrogramPainter("session")


# -- the panel ----------------------------------------------------------------------------------------------------


def test_the_panel_plays_the_painting_and_restores_the_first_stimulus(session):
    panel = StimulusPanel(session)
    score = session.score(0)
    panel.choice.value = "paint"
    assert panel.panel("paint") is panel.painter
    assert session.stimulus.shape == (1, 1, 34, 200)
    assert session.score(0) is None
    assert "1.00 s · nothing was recorded to this sound" in panel.status
    stroke(panel.painter, np.full((34, 300), 12.0), n_frames=300)
    assert "1.50 s" in panel.status
    assert panel.choice.value == "paint"
    panel.choice.value = "first"
    assert session.on_first_stimulus
    assert session.score(0) == score
    # The painting is still there.
    panel.choice.value = "paint"
    assert (session.stimulus == 12.0).all()
    panel.close()


def test_another_panel_shows_that_a_painting_is_played(session):
    panel, other = StimulusPanel(session), StimulusPanel(session)
    panel.choice.value = "paint"
    assert "another sound is played, chosen elsewhere" in other.status
    panel.close()
    other.close()


def test_old_names_of_the_painter_work_and_warn(painter, session, demo):
    with pytest.warns(DeprecationWarning, match=r"SpectrogramPainter\.hear is called SpectrogramPainter\.play now"):
        painter.hear()
    assert not session.stimulus.any()
    with pytest.warns(DeprecationWarning, match=r"SpectrogramPainter\.take is called .*\.copy_stimulus now"):
        painter.take()
    assert torch.equal(session.stimulus[0, 0], demo.stimulus.values)
