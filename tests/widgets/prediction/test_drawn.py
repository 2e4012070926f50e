"""A response that is drawn before it is shown: what the browser may set, how it is scored, what Python may draw."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from deepstrf.stimuli import Spectrogram
from deepstrf_widgets import DrawnPrediction
from deepstrf_widgets.prediction import drawn

N = 20
SOURCE = Path(__file__).resolve().parents[3] / "widgets" / "src" / "prediction" / "prediction.ts"


@pytest.fixture
def plot():
    made = DrawnPrediction(N, high=60.0, unit="dB", title="ON")
    yield made
    made.close()


def raw(values):
    return np.asarray(values, dtype="<f4").tobytes()


def test_the_page_reads_the_fields_and_traits_that_there_are(plot):
    text = SOURCE.read_text(encoding="utf-8")
    body = re.search(r"export interface PredictionInfo {(.*?)\n}", text, re.DOTALL).group(1)
    assert set(re.findall(r"^  (\w+): ", body, re.MULTILINE)) == set(plot.info)
    assert set(re.findall(r'model\.[gs]et\("(\w+)"', text)) <= set(plot.trait_names(sync=True))


def test_what_the_browser_draws_arrives_and_nothing_else_may_be_set(plot):
    plot.set_state({"drawn": memoryview(raw([5.0] * N))})
    np.testing.assert_array_equal(plot.values, np.full(N, 5.0))
    plot.set_state({"truth": memoryview(raw([5.0] * N))})
    assert "the browser may set drawn, got truth" in plot.error
    assert not plot.revealed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0] * (N - 1), r"drawn must be 20 float32 \(80 bytes\), got 76 bytes"),
        ([1.0] * (N - 1) + [60.5], r"drawn must lie in \[0, 60\] dB, got 60.5"),
        ([1.0] * (N - 1) + [math.inf], r"drawn must lie in \[0, 60\] dB, got inf"),
        ([-0.5] * N, r"drawn must lie in \[0, 60\] dB, got -0.5"),
    ],
)
def test_a_drawing_that_cannot_be_is_refused(plot, values, message):
    before = plot.drawn
    plot.set_state({"drawn": memoryview(raw(values))})
    assert re.search(message, plot.error)
    assert plot.drawn == before


def test_a_drawing_made_before_the_truth_was_shown_stays(plot):
    plot.draw([0], [5.0])
    plot.reveal(np.linspace(0, 60, N))
    plot.set_state({"drawn": memoryview(raw(np.linspace(0, 60, N)))})
    assert "drawn must stay as it was when the truth was shown" in plot.error
    with pytest.raises(ValueError, match="the truth is shown: make a new plot"):
        plot.draw([0], [5.0])
    plot.clear()
    assert not plot.revealed
    assert np.isnan(plot.values).all()


@pytest.fixture
def run_cell(monkeypatch):
    def run(cell, number):
        monkeypatch.setattr(drawn, "running_cell", lambda: (cell, number))

    monkeypatch.setattr(drawn, "_UNFINISHED", {})
    return run


def make(title="ON"):
    return DrawnPrediction(N, high=60.0, unit="dB", title=title)


def test_a_cell_that_is_run_again_keeps_the_drawing_until_the_truth_is_shown(run_cell):
    run_cell("a", "1")
    plot, other = make(), make("OFF")
    plot.set_state({"drawn": memoryview(raw([5.0] * N))})
    run_cell("a", "2")
    plot, other = make(), make("OFF")
    assert plot.values[0] == 5.0
    assert np.isnan(other.values).all()
    plot.reveal(np.linspace(0, 60, N))
    plot.close()
    run_cell("a", "3")
    assert np.isnan(make().values).all()
    run_cell("b", "4")
    assert np.isnan(make("OFF").values).all()


def test_two_alike_plots_of_one_cell_keep_a_drawing_each(run_cell):
    run_cell("a", "1")
    plots = make(), make()
    for plot, value in zip(plots, (5.0, 6.0), strict=True):
        assert np.isnan(plot.values).all()
        plot.draw([0], [value])
    run_cell("a", "2")
    assert [make().values[0], make().values[0]] == [5.0, 6.0]


def test_the_message_of_a_stroke_passes_the_check_of_the_protocol(plot):
    def message(paths):
        state = {} if paths else {"error": ""}
        data = {"method": "update", "state": state, "buffer_paths": paths}
        return {"content": {"data": data}, "buffers": [memoryview(raw([5.0] * N))]}

    plot._handle_msg(message([["drawn"]]))
    np.testing.assert_array_equal(plot.values, np.full(N, 5.0))
    assert not plot.error
    plot._handle_msg(message([["truth"]]))
    assert 'buffer_paths must be empty or [["drawn"]], got' in plot.error
    assert not plot.revealed


def test_python_draws_lines_between_points(plot):
    plot.draw([0, 45, 50], torch.tensor([10.0, 10.0, 40.0]))
    np.testing.assert_array_equal(plot.values, [10.0] * 10 + [40.0] * 10)


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([0, 5], [1.0], "times_ms must rise, one for each of 1 values"),
        ([5, 0], [1.0, 1.0], "times_ms must rise"),
        ([], [], "times_ms must rise"),
        ([0], [math.nan], r"values must lie in \[0, 60\] dB, got nan"),
        ([0], [-1.0], r"values must lie in \[0, 60\] dB, got -1"),
    ],
)
def test_points_that_make_no_line_are_refused(plot, times, values, message):
    with pytest.raises(ValueError, match=message):
        plot.draw(times, values)


def test_the_score_is_that_of_numpy_over_what_was_drawn(plot):
    rng = np.random.default_rng(0)
    truth, drawn = rng.uniform(0, 60, N), rng.uniform(0, 60, N).astype("<f4")
    drawn[15:] = np.nan
    plot.drawn = raw(drawn)
    score = plot.score(truth)
    assert score.r == pytest.approx(np.corrcoef(drawn[:15], truth[:15])[0, 1], abs=1e-6)
    left = ((drawn[:15] - truth[:15]) ** 2).sum() / ((truth[:15] - truth[:15].mean()) ** 2).sum()
    assert score.explained == pytest.approx(1 - left, abs=1e-5)
    assert score.share == 0.75
    assert not plot.revealed


def test_nothing_and_a_flat_line_have_no_correlation(plot):
    truth = np.linspace(0, 60, N)
    assert math.isnan(plot.score(truth).r)
    assert plot.score(truth).share == 0
    plot.draw([0], [30.0])
    assert math.isnan(plot.score(truth).r)
    assert plot.score(truth).explained <= 0
    assert plot.reveal(truth).share == 1
    assert plot.said == "Shown. "


def test_a_sound_and_curves_are_shown_from_the_start():
    sound = Spectrogram(torch.rand(3, N), torch.tensor([500.0, 1000.0, 2000.0]), 10.0, "dB", "noise")
    plot = DrawnPrediction(sound=sound, given={"level": torch.ones(N)}, high=1.0)
    assert (plot.info["n_bins"], plot.info["dt_ms"], plot.info["n_bands"]) == (N, 10.0, 3)
    assert np.frombuffer(plot.sound, "<f4").reshape(3, N) == pytest.approx(sound.values.numpy())
    assert plot.given == raw([1.0] * N)
    assert repr(plot) == "DrawnPrediction(20 bins, 0 % drawn; drawing needs a running kernel)"
    plot.close()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, TypeError, "n_bins must be given where there is no sound"),
        ({"n_bins": 1}, ValueError, "n_bins must be an int of at least 2, got 1"),
        ({"n_bins": 5, "low": 3.0, "high": 3.0}, ValueError, "low must lie below high, both finite, got 3.0 and 3.0"),
        ({"n_bins": 5, "high": math.inf}, ValueError, "low must lie below high"),
        ({"n_bins": 5, "dt_ms": 0.0}, ValueError, "dt_ms must be above 0 ms, got 0"),
        ({"n_bins": 5, "sound": 3}, TypeError, "sound must be a Spectrogram, got int"),
        ({"n_bins": 5, "given": {"level": [1, 2]}}, ValueError, r"level must be 5 finite numbers, got shape \(2,\)"),
        ({"n_bins": 5, "titel": "x"}, TypeError, "no argument 'titel'.*title"),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        DrawnPrediction(**{"high": 1.0, **options})
