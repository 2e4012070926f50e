"""A recording of many sounds: which is on screen, its own length, name and score."""

import numpy as np
import pytest
import torch
import traitlets

from deepstrf import Recording
from deepstrf.metrics import corrcoef
from deepstrf_widgets import BenchWidget, LiveSession, explore, neuron_figure

BINS = [30, 12, 21]
CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


def array(data):
    return np.frombuffer(data, "<f4")


@pytest.fixture
def recording(make_stimulus, make_responses):
    stimuli, responses = make_stimulus(3).float(), make_responses(3).float()
    for b, bins in enumerate(BINS):
        stimuli[b, ..., bins:] = 0
        responses[b, ..., bins:] = np.nan
    names = ["birdsong", "speech", "rain"]
    return Recording(stimuli, responses, dt_ms=5.0, cf_hz=torch.tensor(CF_HZ), stimulus_names=names, bins=BINS)


@pytest.fixture
def session(make_model, recording):
    return LiveSession(make_model(dtype=torch.float32), recording)


def test_a_chosen_sound_is_shown_over_its_own_length(session, recording):
    bench = BenchWidget(session, neuron=1, sound="speech")
    bench.lanes = ["trials"]
    for sound in (1, 2, 0):
        bench.sound = sound
        n = BINS[sound]
        assert (bench.info["sound"], bench.info["n_frames"], bench.info["n_sounds"]) == (sound, n, 3)
        assert bench.info["sound_names"] == ["birdsong", "speech", "rain"]
        np.testing.assert_array_equal(array(bench.stimulus).reshape(5, n), recording.stimuli[sound, 0, :, :n])
        np.testing.assert_array_equal(array(bench.rate), session.rate(1)[sound, :n])
        np.testing.assert_array_equal(array(bench.trained_rate), session.trained.rate(1)[sound, :n])
        np.testing.assert_array_equal(array(bench.psth), session.psth(1)[sound, :n])
        np.testing.assert_array_equal(array(bench.trials).reshape(3, n), recording.responses[sound, 1, :, :n])
    bench.close()


def test_the_score_of_a_sound_is_that_of_its_bins(session, recording):
    bench = BenchWidget(session, neuron=2, sound=1)
    n = BINS[1]
    wanted = corrcoef(session.rate(2)[1:2, None, None, :n], recording.responses[1:2, 2:3, :, :n], reduction="none")
    assert bench.sound_score == pytest.approx(float(wanted[0]), abs=1e-5)
    assert session.scores(2, sound="speech").r == pytest.approx(bench.sound_score, abs=1e-5)
    assert bench.score == pytest.approx(session.score(2), abs=1e-5)
    assert bench.score != pytest.approx(bench.sound_score, abs=1e-3)
    session.set("strf.weight", -2.0, (2, 0, 0))
    bench.refresh()
    assert bench.sound_score == pytest.approx(session.scores(2, sound=1).r, abs=1e-5)
    assert bench.trained_sound_score == pytest.approx(float(wanted[0]), abs=1e-5)
    bench.close()


def test_of_one_sound_there_is_no_score_of_its_own(make_session):
    bench = BenchWidget(make_session())
    assert (bench.info["n_sounds"], bench.sound_score) == (1, None)
    bench.close()


def test_sounds_without_names_are_numbered_and_names_that_repeat_are_refused(make_session):
    session = make_session(sounds=3)
    assert session.sound_names == ["sound 1", "sound 2", "sound 3"]
    assert session.sound_index("sound 2") == 1
    played = session._edited.state.played
    session._edited.state = session._edited.state.__class__(
        **{**vars(session._edited.state), "played": played.__class__(**{**vars(played), "sounds": ("a", "a", "b")})}
    )
    with pytest.raises(ValueError, match=r"sound must be a number where sounds share a name: 'a' are \[0, 1\]"):
        session.sound_index("a")
    bench = BenchWidget(session, sound=1)
    assert bench.info["sound_names"] == ["a", "a", "b"]
    bench.close()


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_sound_that_there_is_not_is_refused(session, wrong):
    bench = BenchWidget(session, sound=2)
    with pytest.raises(traitlets.TraitError, match=r"sound must lie in \[0, 2\]"):
        bench.sound = wrong
    assert bench.sound == 2
    bench.close()


def test_another_stimulus_with_fewer_sounds_leaves_the_last_of_them(session, make_stimulus):
    bench = BenchWidget(session, sound=2)
    session.set_stimulus(make_stimulus(frames=17).float())
    assert (bench.sound, session.sound_names, session.sound_bins) == (0, ["sound 1"], [17])
    bench.refresh()
    assert (bench.info["sound"], bench.info["n_sounds"], bench.info["n_frames"]) == (0, 1, 17)
    session.set_stimulus()
    bench.refresh()
    assert (bench.info["n_sounds"], bench.info["n_frames"]) == (3, BINS[0])
    bench.close()


def test_explanations_end_with_the_sound(session):
    assert session.explain(0, 59.0, sound="speech").frame == 11
    with pytest.raises(ValueError, match=r"time_ms must lie in \[0, 60\) ms"):
        session.explain(0, 60.0, sound="speech")


def test_figures_and_pictures_end_with_the_sound(session):
    figure = neuron_figure(session, 0, sound=1)
    lengths = {len(trace.x) for trace in figure.data if trace.name in ("model", "recorded", "stimulus")}
    assert lengths == {12}
    explorer = explore(session, sound="rain", figures=False)
    assert explorer.sound == 2
    explorer.sound = session.sound_index("speech")
    assert (explorer.bench.sound, len(explorer.figure().data[0].x)) == (1, 12)
    explorer.close()


def test_six_hundred_sounds_are_chosen_one_by_one(make_model, make_stimulus):
    session = LiveSession(make_model(), make_stimulus(600, frames=8), dt_ms=5.0, cf_hz=CF_HZ)
    bench = BenchWidget(session, sound=599)
    bench.sound = 300
    np.testing.assert_array_equal(array(bench.stimulus), session.stimulus[300, 0].float().flatten())
    assert bench.info["n_sounds"] == 600
    bench.close()
