"""Another sound for the same edited model: the session, its bench, gallery and figures follow; edits stay."""

import asyncio
import base64
import json
import re

import numpy as np
import pytest
import torch

from deepstrf.datasets import Recording
from deepstrf.datasets.source import Source
from deepstrf.metrics import corrcoef
from deepstrf.models import StateNet
from deepstrf.stimuli import Spectrogram
from deepstrf_widgets import Gallery, LiveSession, explore
from deepstrf_widgets.bench.html_export import save_html
from deepstrf_widgets.bench.widget import BenchWidget

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


def heard(values, *, cf_hz=CF_HZ, dt_ms=5.0, unit="dB"):
    return Spectrogram(values, torch.as_tensor(cf_hz), dt_ms, unit=unit)


def test_edits_and_their_history_stay_and_the_rates_are_those_to_the_new_sound(session, make_stimulus, assert_fresh):
    session.set("strf.weight", 3.0, (1, 0))
    other = make_stimulus(2, frames=47) + 1
    session.set_stimulus(other)
    assert torch.equal(session.stimulus, other)
    assert session.rate(0).shape == (2, 47)
    assert_fresh(session, range(3))
    assert not session.on_first_stimulus
    with torch.no_grad():
        as_trained = session.trained.model(other)[:, 1, 0]
    assert torch.allclose(session.trained.rate(1), as_trained, rtol=1e-10, atol=0)
    session.undo()
    assert torch.equal(session.rate(1), session.trained.rate(1))


def test_without_responses_there_is_no_score_and_with_them_there_is(session, make_stimulus, make_responses):
    session.set_stimulus(make_stimulus(frames=40))
    assert session.score(0) is None
    assert session.psth(0) is None
    recorded = make_responses(frames=40)
    session.set_stimulus(make_stimulus(frames=40), recorded)
    want = corrcoef(session.rate(2)[:, None, None], recorded[:, 2:3].double(), reduction="none").item()
    assert session.score(2) == pytest.approx(want, abs=1e-12)


def test_the_first_sound_comes_back_with_its_responses(session, make_stimulus):
    stimulus, rate, score = session.stimulus.clone(), session.rate(0).clone(), session.score(0)
    session.set_stimulus(make_stimulus(frames=12))
    session.set_stimulus()
    assert session.on_first_stimulus
    assert torch.equal(session.stimulus, stimulus)
    assert torch.equal(session.rate(0), rate)
    assert session.score(0) == score


def test_the_source_is_that_of_the_recording_and_of_no_other_sound(make_model, make_stimulus, make_responses):
    recording = Recording(make_stimulus(), make_responses(), dt_ms=5.0, cf_hz=CF_HZ)
    recording.source = Source("aa1", "Zebra finch", "own account", "CRCNS terms of use", "A (2011)")
    session = LiveSession(make_model(), recording)
    assert session.source == recording.source
    session.set_stimulus(make_stimulus(frames=12))
    assert session.source is None
    session.set_stimulus()
    assert session.source == recording.source


def test_a_spectrogram_brings_its_unit(session):
    session.set_stimulus(heard(torch.rand(5, 20), unit="phon"))
    assert session.stimulus_unit == "phon"
    session.set_stimulus(torch.rand(5, 20))
    assert session.stimulus_unit == "phon"
    session.set_stimulus()
    assert session.stimulus_unit == ""


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"stimulus": "tone"}, TypeError, "stimulus must be a tensor or an array of numbers, got str"),
        ({"stimulus": torch.rand(4, 20)}, ValueError, "stimulus must have the model's F = 5 frequency bands, got 4"),
        ({"stimulus": torch.full((5, 20), torch.nan)}, ValueError, "stimulus must hold finite"),
        ({"stimulus": heard(torch.rand(5, 20), dt_ms=1.0)}, ValueError, "bins of 5 ms as the first one, got 1 ms"),
        (
            {"stimulus": heard(torch.rand(5, 20), cf_hz=CF_HZ * 1.01)},
            ValueError,
            "centre frequencies of the first one, 500 to 16000 Hz, got 505 to 16160 Hz",
        ),
        (
            {"stimulus": torch.rand(5, 20), "responses": torch.rand(3, 21)},
            ValueError,
            r"responses must have shape \(B, N, R, T\) = \(1, 3, R, 20\)",
        ),
        ({"responses": torch.rand(3, 20)}, TypeError, "responses must be given with their stimulus"),
    ],
)
def test_a_wrong_sound_is_named_and_changes_nothing(session, wrong, error, message):
    stimulus, rate, notified = session.stimulus, session.rate(0), []
    session.observe(notified.append)
    with pytest.raises(error, match=message):
        session.set_stimulus(**wrong)
    assert session.stimulus is stimulus
    assert session.rate(0) is rate
    assert notified == []


def test_a_model_without_stages_takes_a_new_stimulus_too(make_stimulus, assert_fresh):
    session = LiveSession(
        StateNet(5, 4, out_neurons=3, kernel_size=3, stride=1).double(), make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ
    )
    session.set_stimulus(make_stimulus(frames=55))
    assert_fresh(session, range(3))


def test_the_bench_sends_the_length_before_a_response_to_it(make_session, make_stimulus, monkeypatch):
    widget = BenchWidget(make_session(sounds=2), neuron=1, sound=1)
    order = []
    widget.observe(lambda change: order.append(change["name"]), ["info", "stimulus", "rate", "psth", "score"])
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: order.append(content["parts"]))
    other = make_stimulus(frames=41)
    widget.session.set_stimulus(other)
    assert widget.sound == 0
    assert widget.info["n_frames"] == 41
    assert widget.info["has_responses"] is False
    np.testing.assert_array_equal(np.frombuffer(widget.stimulus, "<f4"), other.float().flatten())
    np.testing.assert_array_equal(np.frombuffer(widget.rate, "<f4"), widget.session.rate(1)[0].float())
    assert (widget.psth, widget.score) == (b"", None)
    assert order[0] == "info"
    assert order[1] == "stimulus"
    assert order.index("rate") < order.index([])  # the answer itself brings no array once more
    widget.close()


def test_a_bench_without_a_view_catches_up(session, make_stimulus):
    widget = BenchWidget(session)
    widget.set_state({"width": 700})
    widget.set_state({"width": 0})
    session.set_stimulus(make_stimulus(frames=41))
    assert widget.info["n_frames"] == 30
    widget.set_state({"width": 700})
    assert widget.info["n_frames"] == 41
    assert len(widget.rate) == 4 * 41
    widget.close()


def test_figures_and_saved_pages_follow_a_cell_that_sets_fewer_sounds(make_session, make_stimulus, tmp_path):
    async def cell():
        explorer = explore(make_session(sounds=2), sound=1, sounds=False)
        explorer.session.set_stimulus(make_stimulus(frames=41))
        figure, path = explorer.figure(), explorer.save_html(tmp_path / "bench.html")
        explorer.close()
        return figure, page_data_of(path)

    figure, page = asyncio.run(cell())
    drawn = {trace.name: trace for trace in figure.data}
    assert len(drawn["model"].y) == 41
    assert page["info"]["n_frames"] == 41
    assert len(base64.b64decode(page["stimulus"])) == 4 * 5 * 41
    assert {len(base64.b64decode(neuron["rate"])) for neuron in page["neurons"]} == {4 * 41}


def test_a_page_saved_in_the_cell_of_an_edit_holds_the_edit(session, tmp_path):
    async def cell():
        widget = BenchWidget(session)
        session.set("prefilter.tau_on_ms", 77.0, (2,))
        path = save_html(widget, tmp_path / "bench.html")
        widget.close()
        return path

    rows = np.frombuffer(base64.b64decode(page_data_of(asyncio.run(cell()))["prefilter"]), "<f4")
    assert 77.0 in rows.round(3)


def page_data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="deepstrf-bench-data">(.*?)</script>', text, re.DOTALL)[1])


def test_a_neuron_chosen_right_after_a_sound_has_its_own_colour_scale(session, make_stimulus):
    async def cell():
        explorer = explore(session, sounds=False)
        figures = explorer.figure_widget()
        session.set_stimulus(make_stimulus(frames=41))
        explorer.neuron = 2
        (following,) = explorer._following
        assert following._timer.handle is not None  # one repaint for both
        following._timer.handle.cancel()
        following._repaint()
        on_screen = {trace.name: (trace.zmin, trace.zmax) for trace in figures.data if trace.type == "heatmap"}
        explorer.close()
        return on_screen

    on_screen = asyncio.run(cell())
    peak = float(session.live.kernel(2).abs().max())
    fields = [ends for name, ends in on_screen.items() if name.startswith("STRF")]
    assert fields
    for low, high in fields:
        assert (low, high) == pytest.approx((-peak, peak), rel=1e-4)  # five digits are sent


def test_a_gallery_of_the_trained_fields_scores_another_sound_too(session, make_stimulus, make_responses):
    shown = Gallery(session, trained=True)
    session.set_stimulus(make_stimulus(frames=41), make_responses(frames=41))
    want = [session.trained_score(n) for n in range(3)]
    np.testing.assert_allclose(shown.readouts()["score"], want, rtol=1e-6)
    shown.close()


def test_the_gallery_scores_what_is_recorded_to_the_sound_on_screen(session, make_stimulus, make_responses):
    shown = Gallery(session)
    before = shown.readouts()["score"]
    assert np.isfinite(before).all()
    session.set_stimulus(make_stimulus(frames=41))
    assert np.isnan(shown.readouts()["score"]).all()
    session.set_stimulus(make_stimulus(frames=41), make_responses(frames=41))
    want = [session.score(n) for n in range(3)]
    np.testing.assert_allclose(shown.readouts()["score"], want, rtol=1e-6)
    session.set_stimulus()
    np.testing.assert_array_equal(shown.readouts()["score"], before)
    shown.close()


def test_the_old_names_work_and_warn(make_session, make_stimulus):
    session = make_session("full", None, "softplus")
    with pytest.warns(DeprecationWarning, match=r"LiveSession\.hear is called LiveSession\.set_stimulus now"):
        session.hear(2 * make_stimulus())
    assert torch.equal(session.stimulus, 2 * make_stimulus())
    with pytest.warns(DeprecationWarning, match=r"first_sound is called LiveSession\.on_first_stimulus now"):
        assert not session.first_sound
