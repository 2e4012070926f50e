"""The Plotly figure of a neuron: what it draws is what the session says, always in the same words."""

import json

import numpy as np
import pytest
import torch

from deepstrf.metrics import corrcoef, normalized_corrcoef
from deepstrf.models import NetworkReceptiveField
from deepstrf_widgets import LiveSession
from deepstrf_widgets.figures.neuron_figure import figure_updates, neuron_figure
from deepstrf_widgets.figures.style import load_plotly

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def assert_drawn(values, expected):
    """Equal but for rounding to five digits of the largest value: half a unit of the last; NaN where there is none."""
    expected = np.asarray(expected, dtype=np.float64)
    half = 0.5 * 10.0 ** (np.ceil(np.log10(np.nanmax(np.abs(expected)))) - 5)
    np.testing.assert_allclose(np.asarray(values, dtype=np.float64), expected, rtol=0, atol=half * (1 + 1e-6))


def axis_of(figure, trace, letter):
    return figure.layout[f"{letter}axis{getattr(trace, f'{letter}axis')[1:]}"]


def test_every_trace_shows_the_session(make_session):
    session = make_session(sounds=2)
    session.set("strf.weight", 0.7, (1,))
    drawn = traces(neuron_figure(session, 1, sound=1))
    lanes = ["stimulus", "ON", "OFF", "drive", "trials", "recorded", "trained", "model", "residual"]
    assert list(drawn) == [*lanes, "STRF, ON", "STRF, OFF"]
    assert_drawn(drawn["stimulus"].z, session.stimulus[1, 0])
    on, off = session.model.prefiltered(session.stimulus).detach()[1]
    assert_drawn(drawn["ON"].z, on)
    assert_drawn(drawn["OFF"].z, off)
    assert_drawn(drawn["recorded"].y, session.responses[1, 1].mean(0))
    rate = session.model(session.stimulus).detach()[1, 1, 0]
    assert_drawn(drawn["model"].y, rate)
    assert_drawn(drawn["residual"].y, session.responses[1, 1].mean(0) - rate)
    np.testing.assert_array_equal(drawn["trials"].z, session.responses[1, 1])
    assert drawn["trials"].y0 == 1
    activation, session.model.readout.activation = session.model.readout.activation, torch.nn.Identity()
    assert_drawn(drawn["drive"].y, session.model(session.stimulus).detach()[1, 1, 0])
    session.model.readout.activation = activation
    assert_drawn(drawn["trained"].y, session.trained.rate(1)[1])
    assert not np.array_equal(drawn["trained"].y, drawn["model"].y)
    kernel = session.model.STRF_weight()[1]
    peak = float(kernel.abs().max())
    for name, channel in zip(("STRF, ON", "STRF, OFF"), kernel, strict=True):
        assert_drawn(drawn[name].z, channel)
        assert drawn[name].zmax == -drawn[name].zmin == pytest.approx(peak, rel=1e-4)


def test_axes_are_in_s_khz_and_ms(session):
    figure = neuron_figure(session, 0)
    drawn = traces(figure)
    for name in ("stimulus", "ON", "OFF"):
        np.testing.assert_allclose(drawn[name].x, np.arange(30) * 0.005, atol=1e-12)
        np.testing.assert_allclose(drawn[name].y, CF_HZ / 1e3)
        assert axis_of(figure, drawn[name], "y").title.text == "kHz"
        assert axis_of(figure, drawn[name], "y").type == "log"
    for name in ("recorded", "trained", "model", "residual"):
        np.testing.assert_allclose(drawn[name].x, np.arange(30) * 0.005, atol=1e-12)
        assert axis_of(figure, drawn[name], "y").title.text == "spikes/bin"
    assert axis_of(figure, drawn["drive"], "y").title.text == "a.u."
    assert axis_of(figure, drawn["trials"], "y").title.text == "trial"
    assert axis_of(figure, drawn["residual"], "x").title.text == "time (s)"  # the lowest
    for name in ("STRF, ON", "STRF, OFF"):
        assert tuple(drawn[name].x) == (15.0, 10.0, 5.0, 0.0)  # the last tap is now
        assert axis_of(figure, drawn[name], "x").title.text == "lag (ms)"
        assert axis_of(figure, drawn[name], "x").autorange == "reversed"
        assert axis_of(figure, drawn[name], "y").title.text == "kHz"


def test_the_title_has_the_name_as_text_and_the_scores(make_session, make_stimulus, make_responses):
    session = make_session()
    session.neuron_names[1] = "<b>one</b>"
    r = corrcoef(session.rate(1)[:, None, None], session.responses[:, 1:2], reduction="none").item()
    cc = normalized_corrcoef(session.rate(1)[:, None, None], session.responses[:, 1:2], reduction="none").item()
    assert neuron_figure(session, 1).layout.title.text == f"&lt;b&gt;one&lt;/b&gt; · r {r:.2f} · CCnorm {cc:.2f}"
    session.set_stimulus(make_stimulus(), make_responses(repeats=1))
    assert session.normalized_score(1) is None
    assert "CCnorm" not in neuron_figure(session, 1).layout.title.text
    session.set_stimulus(make_stimulus(frames=31))
    assert neuron_figure(session, 0).layout.title.text == "neuron 1"


def test_all_time_axes_move_together(session):
    figure = neuron_figure(session, 0)
    drawn = traces(figure)
    last = drawn["residual"].xaxis
    others = ("stimulus", "ON", "OFF", "drive", "trials", "recorded", "model")
    assert [axis_of(figure, drawn[name], "x").matches for name in others] == [last] * len(others)


@pytest.mark.parametrize(
    ("kernel", "prefilter", "names"),
    [
        ("full", None, ["stimulus", "drive", "trained", "model", "STRF"]),
        ("separable", "icadaptation", ["stimulus", "drive", "trained", "model", "STRF"]),
        ("full", "adaptrans", ["stimulus", "ON", "OFF", "drive", "trained", "model", "STRF, ON", "STRF, OFF"]),
    ],
)
def test_other_models_draw_what_they_have(make_session, kernel, prefilter, names):
    assert list(traces(neuron_figure(make_session(kernel, prefilter, responses=False), 0))) == names


def test_a_model_without_kernel_draws_no_kernel(make_stimulus):
    model = NetworkReceptiveField(5, 4, out_neurons=3).double().eval()
    figure = neuron_figure(LiveSession(model, make_stimulus(), cf_hz=CF_HZ), 2)
    assert list(traces(figure)) == ["stimulus", "trained", "model"]


def test_the_same_state_gives_the_same_text(session):
    first = neuron_figure(session, 0).to_json()
    assert neuron_figure(session, 0).to_json() == first
    session.set("strf.weight", 3.0, (0,))
    assert neuron_figure(session, 0).to_json() != first
    session.undo()
    assert neuron_figure(session, 0).to_json() == first
    load_plotly()
    assert neuron_figure(session, 0).to_json() == first


def test_numbers_are_short(session):
    rate = session.rate(0)[0]
    drawn = traces(neuron_figure(session, 0))["model"].y
    digits = 5 - int(np.ceil(np.log10(float(rate.abs().max()))))
    np.testing.assert_array_equal(drawn, rate.numpy().round(digits))


def test_updates_are_what_a_new_figure_would_show(session):
    session.set("prefilter.w", 0.3)
    updates, drawn = figure_updates(session, 2), traces(neuron_figure(session, 2))
    assert set(updates) == set(drawn) - {"stimulus"}
    for name, values in updates.items():
        for key, value in values.items():
            np.testing.assert_array_equal(drawn[name][key], value, err_msg=f"{name} {key}")


def test_a_figure_changes_nothing(session, state, same):
    begin = state(session.model)
    neuron_figure(session, 0)
    assert same(state(session.model), begin)


def test_missing_bins_stay_missing(make_model, make_stimulus, make_responses):
    responses = make_responses()
    responses[:, :, :, 7:9] = torch.nan
    session = LiveSession(make_model(), make_stimulus(), responses, cf_hz=CF_HZ)
    figure = neuron_figure(session, 0)
    assert np.isnan(traces(figure)["recorded"].y).nonzero()[0].tolist() == [7, 8]
    json.dumps(json.loads(figure.to_json()), allow_nan=False)


def test_tiny_flat_and_infinite_values_can_be_drawn(make_session):
    session = make_session("full", None, "identity", dtype=torch.float32)
    session.set("strf.kernel", 3e-7, (0,))
    drawn = traces(neuron_figure(session, 0))["STRF"]
    assert (drawn.zmin, drawn.zmax) == (pytest.approx(-3e-7), pytest.approx(3e-7))
    session.set("strf.kernel", 0.0, (0,))
    assert traces(neuron_figure(session, 0))["STRF"].zmax == 1.0
    session.model.readout.strf.kernel.weight.data[0] = 3e38  # larger than any edit may be
    session.refresh()
    assert not session.rate(0).isfinite().all()
    json.loads(neuron_figure(session, 0).to_json())


@pytest.mark.parametrize(
    ("neuron", "sound", "message"),
    [(3, 0, r"neuron must lie in \[0, 2\], got 3"), (-1, 0, "got -1"), (0, 1, r"sound must lie in \[0, 0\], got 1")],
)
def test_what_does_not_exist_is_named(session, neuron, sound, message):
    with pytest.raises(IndexError, match=message):
        neuron_figure(session, neuron, sound=sound)
