"""Sounds of one's own: what they become, what the panel says, and that a session, a bench and an explorer follow."""

import io
import re

import numpy as np
import pytest
import soundfile
import torch

from deepstrf.demo import load_demo
from deepstrf.models.prefiltering import get_CFs
from deepstrf.stimuli import log_mel_spectrogram
from deepstrf_widgets import LiveSession, StimulusPanel, explore
from deepstrf_widgets.session.edited_model import FitUnderWayError
from deepstrf_widgets.stimulus import catalogue
from deepstrf_widgets.stimulus.catalogue import AFTER_S, BEFORE_S, SOUNDS, bands_of, sound_from_bytes, synthetic_sound
from tests.resident import peak_bytes

CF_HZ = get_CFs(500.0, 20000.0, 34, "mel").double().numpy()


def wav(seconds=0.5, rate=44100, frequency=3000.0, kind="WAV"):
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=kind)
    return wave, file.getvalue()


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture
def session(demo):
    return LiveSession(demo.model, demo.stimulus, demo.responses)


@pytest.fixture
def panel(session):
    made = StimulusPanel(session)
    yield made
    made.close()


def put(panel, content, name="mine.wav"):
    """What the button in the browser does."""
    panel.upload._received(panel.upload, {"type": "file", "name": name, "size": len(content)}, [memoryview(content)])


# -- sounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["mel", "erb", "greenwood"])
def test_bands_of_a_scale_are_found_again(scale):
    want = {"n_bands": 20, "min_hz": 200.0, "max_hz": 8000.0, "scale": scale}
    assert bands_of(get_CFs(200.0, 8000.0, 20, scale).double().numpy()) == want


def test_bands_of_no_scale_are_refused():
    with pytest.raises(ValueError, match=r"cf_hz must be equally spaced on one of the scales mel, .* got 3 bands"):
        bands_of(np.array([500.0, 600.0, 20000.0]))


def test_a_tone_is_silent_before_and_after_and_loudest_in_its_band():
    made = synthetic_sound("tone", {"freq_hz": 5000.0, "duration_s": 0.3}, CF_HZ, 5.0)
    first, last = round(1000 * BEFORE_S / 5), round(1000 * (BEFORE_S + 0.3) / 5)
    assert made.values.shape == (34, last + round(1000 * AFTER_S / 5))
    # A bin sees the 10 ms before its end: the sound reaches one bin further.
    assert made.values[:, :first].max() == 0
    assert made.values[:, last + 1 :].max() == 0
    middle = made.values[:, (first + last) // 2]
    assert int(middle.argmax()) == int(np.abs(CF_HZ - 5000).argmin())
    # -20 dB re full scale stand 60 dB above the floor of -80 dB, over all bands together.
    assert 10 * (10 ** (middle.double() / 10)).sum().log10().item() == pytest.approx(60.0, abs=0.2)


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("bands", [(500.0, 20000.0, 34), (100.0, 4000.0, 12), (2000.0, 70000.0, 20)])
def test_every_sound_fits_every_session(name, bands):
    cf_hz = get_CFs(*bands, "mel").double().numpy()
    values = {k: min(max(v.value, bands[0]), bands[1]) for k, v in SOUNDS[name].knobs.items() if v.log}
    made = synthetic_sound(name, values, cf_hz, 5.0)
    np.testing.assert_allclose(made.cf_hz, cf_hz, rtol=1e-5)
    assert made.dt_ms == 5.0
    assert made.values.max() > 20


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("bell", {}, "name must be one of tone, noise, sweep, ripple, chord, got 'bell'"),
        ("tone", {"pitch": 3.0}, "values must be of freq_hz, duration_s, level_db, got pitch"),
        ("noise", {"min_hz": 9000.0, "max_hz": 800.0}, "max_hz must lie in"),
    ],
)
def test_a_wrong_sound_is_named(name, values, message):
    with pytest.raises(ValueError, match=message):
        synthetic_sound(name, values, CF_HZ, 5.0)


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_file_is_what_its_waveform_is(kind):
    wave, content = wav(kind=kind)
    made = sound_from_bytes(content, "a/b/mine.wav", CF_HZ, 5.0)
    want = log_mel_spectrogram(np.round(wave * 2**15) / 2**15, 44100.0)
    assert made.name == "mine.wav"
    # 16 bits: half a step of 2^-15, some 90 dB below the tone.
    loud = want.values > 20
    torch.testing.assert_close(made.values[loud], want.values[loud], atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"^my<i>\.wav is empty: it has 0 bytes$"),
        (b"no sound at all", r"^my<i>\.wav is not a sound that can be read"),
        (wav()[1][:9000], r"^my<i>\.wav is cut short: its header promises 35144 bytes"),
        (wav(61.0, 8000)[1], r"^my<i>\.wav is too long: 61\.0 s, the limit max_s is 60 s$"),
        (b"\0" * 32_000_001, r"^my<i>\.wav is too large: 32\.0 MB, the limit is 32 MB: cut it, or "),
    ],
)
def test_a_bad_file_is_refused_by_its_name(content, message):
    with pytest.raises(ValueError, match=message):
        sound_from_bytes(content, "my<i>.wav", CF_HZ, 5.0)


# -- the panel ----------------------------------------------------------------------------------------------------


def test_a_chosen_sound_is_played_and_follows_its_sliders(panel, session):
    assert session.on_first_stimulus
    panel.choice.value = "tone"
    assert list(panel.knobs) == ["freq_hz", "duration_s", "level_db"]
    panel.knobs["freq_hz"].value = 1000.0
    want = synthetic_sound("tone", {"freq_hz": 1000.0}, session.cf_hz, 5.0)
    assert torch.equal(session.stimulus[0, 0], want.values)
    assert panel.message == ""
    assert "nothing was recorded to this sound" in panel.status
    assert session.score(0) is None


def test_knobs_of_frequency_stay_within_the_bands(panel, session):
    panel.choice.value = "noise"
    for name in ("min_hz", "max_hz"):
        slider = panel.knobs[name]
        assert slider.base**slider.min == pytest.approx(session.cf_hz[0])
        assert slider.base**slider.max == pytest.approx(session.cf_hz[-1])
        assert "(Hz)" in slider.description


def test_settings_that_make_no_sound_are_reported_and_the_stimulus_stays(panel, session):
    panel.choice.value = "noise"
    heard = session.stimulus
    panel.knobs["min_hz"].value = 20000.0
    assert panel.message.startswith("Noise burst: max_hz must lie in")
    assert panel.message == panel.status
    assert session.stimulus is heard
    panel.knobs["min_hz"].value = 800.0
    assert panel.message == ""
    assert session.stimulus is not heard


def test_the_first_stimulus_returns_with_its_score(panel, session):
    score = session.score(0)
    panel.choice.value = "ripple"
    panel.choice.value = "first"
    assert session.on_first_stimulus
    assert session.score(0) == score
    assert panel.knobs == {}
    assert "recorded" not in panel.status


def test_the_panel_shows_that_another_sound_was_chosen_elsewhere(panel, session):
    """In a cell, or in a second panel: what this one chose last is no longer the stimulus."""
    other = StimulusPanel(session)
    panel.choice.value = "tone"
    assert "another sound is played, chosen elsewhere" in other.status
    late = StimulusPanel(session)
    assert "another sound is played, chosen elsewhere" in late.status
    late.close()
    other.choice.value = "noise"
    assert "another sound is played, chosen elsewhere" in panel.status
    notified = []
    session.observe(notified.append)
    other.choice.value = "first"
    assert panel.choice.value == "first"
    assert "elsewhere" not in panel.status
    assert len(notified) == 1  # the stimulus was set once
    other.close()


def test_the_panel_follows_when_python_restores_the_first_stimulus(panel, session):
    panel.choice.value = "chord"
    session.set_stimulus()
    assert panel.choice.value == "first"


def test_a_file_from_the_browser_is_played(panel, session):
    panel.choice.value = "file"
    assert panel.panel("file") is panel.upload
    _, content = wav()
    put(panel, content)
    want = sound_from_bytes(content, "mine.wav", session.cf_hz, 5.0)
    assert torch.equal(session.stimulus[0, 0], want.values)
    assert "mine.wav: 0.50 s" in panel.status


def test_a_low_sample_rate_is_played_and_its_silent_bands_are_reported(panel):
    panel.choice.value = "file"
    put(panel, wav(rate=16000)[1])
    assert panel.message == ""
    assert "a sound at 16000 Hz holds nothing above 8000 Hz" in panel.status


def test_a_bad_file_is_reported_as_text_and_the_stimulus_stays(panel, session):
    panel.choice.value = "file"
    heard = session.stimulus
    put(panel, b"no sound", name="<b>bold.wav")
    assert panel.message.startswith("<b>bold.wav is not a sound that can be read")
    assert panel.status == panel.message  # the browser shows it as text
    assert session.stimulus is heard


def test_a_file_that_the_browser_refused_is_reported_with_its_size(panel, session):
    panel.choice.value = "file"
    assert panel.upload.info["max_bytes"] == 32_000_000
    panel.upload._received(panel.upload, {"type": "file", "name": "<i>.wav", "size": 70_000_000}, [])
    assert panel.message.startswith("<i>.wav is too large: 70.0 MB, the limit is 32 MB: cut it, or")
    assert panel.message.endswith("hand it over with session.set_stimulus(...)")
    assert panel.status == panel.message
    assert session.on_first_stimulus


@pytest.mark.parametrize(
    ("content", "buffers", "message"),
    [
        (None, [], "a message must be an object of type file, got None"),
        ({"type": "paint"}, [], "a message must be an object of type file, got {'type': 'paint'}"),
        ({"type": "file", "name": 3, "size": 1}, [b"1"], "name must be that of a file, got 3"),
        ({"type": "file", "name": "a", "size": -1}, [b"1"], "size must be a number of bytes, got -1"),
        ({"type": "file", "name": "a", "size": 1}, [], "a file must come as one buffer, got []"),
        ({"type": "file", "name": "a", "size": 1}, ["a"], "a file must come as one buffer, got ['a']"),
        ({"type": "file", "name": "a", "size": 1, "at": -1}, [b"1"], "at must be a number of bytes, got -1"),
        (
            {"type": "file", "name": "a", "size": 9, "at": 4},
            [b"1"],
            "a came as a part at byte 4 of 9 after 0 bytes: choose it again",
        ),
        (
            {"type": "file", "name": "a", "size": 1},
            [b"12"],
            "a came as a part at byte 0 of 1 after 0 bytes: choose it again",
        ),
    ],
)
def test_a_malformed_file_message_is_reported(panel, session, content, buffers, message):
    panel.upload._received(panel.upload, content, buffers)
    assert panel.message == message
    assert session.on_first_stimulus


def test_a_file_that_comes_in_parts_is_put_together(panel, session, monkeypatch):
    panel.choice.value = "file"
    got = []
    monkeypatch.setattr(panel.upload, "_on_file", lambda name, content: got.append((name, content)))
    receive = panel.upload._received
    receive(panel.upload, {"type": "file", "name": "left.wav", "size": 9, "at": 0}, [b"0123"])
    for at, part in ((0, b"0123"), (4, b"4567"), (8, b"8")):
        receive(panel.upload, {"type": "file", "name": "a.wav", "size": 9, "at": at}, [memoryview(part)])
    assert got == [("a.wav", b"012345678")]


def test_a_session_of_other_bands_has_no_panel(make_session):
    with pytest.raises(ValueError, match="cf_hz must be equally spaced"):
        StimulusPanel(make_session())
    with pytest.raises(TypeError, match="session must be a LiveSession, got str"):
        StimulusPanel("session")


def test_its_text_is_short(panel):
    text = "StimulusPanel(LiveSession(LinearNonlinear, 6 neurons, 34 bands x 1000 bins), 'first')"
    assert repr(panel) == text


def test_a_closed_panel_no_longer_follows(session):
    made = StimulusPanel(session)
    made.choice.value = "tone"
    made.close()
    session.set_stimulus()
    assert made.choice.value == "tone"
    assert session.on_first_stimulus


# -- the explorer -------------------------------------------------------------------------------------------------


def test_the_explorer_offers_the_panel_and_opens_it_on_request(session):
    explorer = explore(session)
    assert isinstance(explorer.sounds, StimulusPanel)
    assert "sounds" in explorer.can_open
    assert "sounds" not in explorer.panels
    explorer.close()
    bare = explore(session, sounds=False)
    assert bare.sounds is None
    assert "sounds" not in bare.can_open
    bare.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "type must be choose, turn or panel, got None"),
        ({"type": "choose", "value": "bell"}, "value"),
        ({"type": "turn", "knob": "pitch", "value": 1.0}, "knob must be one of freq_hz, duration_s, level_db, got"),
        ({"type": "turn", "knob": "freq_hz", "value": float("nan")}, "value must be a finite number, got nan"),
        ({"type": "turn", "knob": "freq_hz", "value": "4"}, "value must be a finite number, got '4'"),
        ({"type": "panel", "panel": "gallery"}, "panel must be one of file, paint, got 'gallery'"),
    ],
)
def test_a_malformed_message_is_refused_and_the_sound_stays(panel, session, content, message):
    panel.choice.value = "tone"
    heard = session.stimulus
    panel._received(panel, content, [])
    assert message in panel.error
    assert session.stimulus is heard


def test_the_browser_chooses_and_turns(panel, session):
    panel._received(panel, {"type": "choose", "value": "tone"}, [])
    panel._received(panel, {"type": "turn", "knob": "freq_hz", "value": 1000.0}, [])
    want = synthetic_sound("tone", {"freq_hz": 1000.0}, session.cf_hz, 5.0)
    assert torch.equal(session.stimulus[0, 0], want.values)
    assert panel.sliders[0]["value"] == 1000.0
    assert panel.chosen == "tone"


def test_the_figures_show_the_sound_on_screen(session):
    explorer = explore(session)
    figures = explorer.figure_widget()
    explorer.sounds.choice.value = "tone"
    want = {trace.name: trace for trace in explorer.figure().data}
    shown = {trace.name: trace for trace in figures.data if trace.visible}
    assert shown.keys() == want.keys()
    assert "recorded" not in shown
    for name, trace in shown.items():
        for key in ("x", "z" if trace.type == "heatmap" else "y"):
            np.testing.assert_array_equal(trace[key], want[name][key], err_msg=f"{name} {key}")
    explorer.sounds.choice.value = "first"
    back = {trace.name: trace for trace in figures.data if trace.visible}
    assert "recorded" in back
    assert len(back["model"].y) == 1000
    explorer.close()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (24, 1, r"^mine\.wav is too long: 529200\.0 s, the limit max_s is 60 s$"),
        (24, 2**31 - 1, r"^mine\.wav: waveform must last at least one bin of 5\.0 ms"),
        (24, 0, r"^mine\.wav is not a sound that can be read"),
        (40, 2**32 - 2, r"^mine\.wav is cut short: its header promises"),
    ],
)
def test_a_wrong_header_is_refused_in_one_sentence_and_takes_no_memory(panel, session, field, value, message):
    """A rate of 100 MHz made 9.5 GB of one MB, and the browser showed no error."""
    content = bytearray(wav(seconds=12.0)[1])
    content[field : field + 4] = value.to_bytes(4, "little")
    panel.choice.value = "file"
    peak, _ = peak_bytes(lambda: put(panel, bytes(content)))
    assert re.search(message, panel.message)
    assert "\n" not in panel.message
    assert peak < 2**28
    assert session.on_first_stimulus


def test_an_error_of_the_disk_or_a_fit_under_way_is_shown_too(panel, session, monkeypatch):
    panel.choice.value = "file"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(catalogue.tempfile, "TemporaryDirectory", full)
    put(panel, wav()[1])
    assert "No space left on device" in panel.message
    monkeypatch.undo()

    def fitted(*_, **__):
        raise FitUnderWayError("the model is being fitted")

    monkeypatch.setattr(session, "set_stimulus", fitted)
    put(panel, wav()[1])
    assert panel.message == "the model is being fitted"
    panel.choice.value = "tone"
    assert panel.message.endswith("the model is being fitted")


def test_a_sound_beyond_the_limit_is_refused_with_a_way_out_that_there_is():
    content = bytearray(wav(seconds=12.0)[1])
    content[24:28] = (100_000_000).to_bytes(4, "little")
    cf_hz = get_CFs(500.0, 8000.0, 34, "mel").double().numpy()
    with pytest.raises(
        ValueError, match=r"^a\.wav: a Fourier transform .* GB; in Python, spectrogram_from_wav takes max_"
    ):
        sound_from_bytes(bytes(content), "a.wav", cf_hz, 5.0)
