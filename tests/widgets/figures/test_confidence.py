"""How sure a fit is, drawn: which weights are pale, what is written below, and what an edit does to both."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from deepstrf.models import NetworkReceptiveField
from deepstrf.training import Band, FieldBand
from deepstrf_widgets import LiveSession, explore
from deepstrf_widgets.figures.confidence import Confidence, with_interval
from deepstrf_widgets.figures.neuron_figure import UNSURE_OPACITY, figure_updates, neuron_figure

N, C, F, T, G = 3, 2, 5, 4, 10
FIELDS = ("STRF, ON", "STRF, OFF")
HALF_OVER_ERROR = 2.2622
"""Quantile 0.975 of Student's t with 9 degrees of freedom, from tables."""


def band_with(estimate: torch.Tensor, error: torch.Tensor) -> Band:
    """Band whose jackknife error is ``error``: half of the replicates above the estimate, half below."""
    step = error * math.sqrt(1 / (G - 1))
    signs = torch.tensor([1.0, -1.0] * (G // 2)).view(G, *[1] * estimate.ndim)
    return Band(estimate, estimate + signs * step)


@pytest.fixture
def bands():
    estimate = torch.ones(N, C, F, T)
    estimate[..., 1] = -1.0
    error = torch.full_like(estimate, 0.1)
    error[1, 0, 2] = 0.5  # 1.13 to either side: the interval holds 0
    error[1, 1, 4, 3] = torch.nan
    one = torch.ones(N, C)
    return {
        "strf": band_with(estimate, error),
        "best_frequency": band_with(4091.0 * one, 130.0 * one),
        "latency": band_with(15.2 * one, 3.0 * one),
        "bandwidth": band_with(0.75 * one, torch.nan * one),
        "of_my_own": band_with(one, one),
    }


def unsure_cells() -> np.ndarray:
    cells = np.zeros((C, F, T), dtype=bool)
    cells[0, 2] = cells[1, 4, 3] = True
    return cells


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def lines(figure):
    return {one.name: one.text for one in figure.layout.annotations if (one.name or "").startswith("tuning")}


def test_the_error_of_the_helper_is_what_it_says():
    band = band_with(torch.tensor([1.0]), torch.tensor([0.5]))
    torch.testing.assert_close(band.standard_error, torch.tensor([0.5]))
    low, high = band.interval(0.95)
    torch.testing.assert_close(high - low, torch.tensor([HALF_OVER_ERROR]), rtol=1e-3, atol=0)


def test_weights_that_are_not_certain_are_pale(session, bands):
    confidence = Confidence(bands, session)
    plain, figure = (traces(neuron_figure(session, 1, **more)) for more in ({}, {"confidence": confidence}))
    assert set(figure) - set(plain) == {"STRF, ON, unsure", "STRF, OFF, unsure"}
    for name, where in zip(("STRF, ON", "STRF, OFF"), unsure_cells(), strict=True):
        sure, pale = figure[name], figure[f"{name}, unsure"]
        np.testing.assert_array_equal(np.isnan(sure.z), where)
        np.testing.assert_array_equal(np.isnan(pale.z), ~where)
        np.testing.assert_array_equal(np.where(where, pale.z, sure.z), plain[name].z)
        assert pale.opacity == UNSURE_OPACITY < 1
        assert (pale.zmin, pale.zmax) == (sure.zmin, sure.zmax)
        assert (pale.xaxis, pale.yaxis) == (sure.xaxis, sure.yaxis)
        assert pale.showscale is False


def test_the_tuning_is_written_with_its_intervals(session, bands):
    figure = neuron_figure(session, 0, confidence=Confidence(bands, session))
    # 4091 +- 2.262 x 130 Hz, 15.2 +- 2.262 x 3 ms
    text = "best frequency 4.1 kHz [3.8, 4.4]<br>latency 15 ms [8, 22]<br>bandwidth 0.75 oct<br>"
    text += "faded: within the scatter of such fits"
    assert lines(figure) == {"tuning of STRF, ON": text, "tuning of STRF, OFF": text}
    assert figure.layout.height > neuron_figure(session, 0).layout.height
    json.dumps(json.loads(figure.to_json()), allow_nan=False)


def test_bands_of_one_thing_alone(session, bands):
    figure = neuron_figure(session, 0, confidence=Confidence({"latency": bands["latency"]}, session))
    assert lines(figure)["tuning of STRF, ON"] == "latency 15 ms [8, 22]"
    assert not any("unsure" in name for name in traces(figure))
    figure = neuron_figure(session, 0, confidence=Confidence({"strf": bands["strf"]}, session))
    assert lines(figure)["tuning of STRF, ON"] == "faded: within the scatter of such fits"


def test_a_tuning_that_does_not_exist_is_not_written(session, bands):
    bands["best_frequency"].estimate[0] = torch.nan
    text = lines(neuron_figure(session, 0, confidence=Confidence(bands, session)))["tuning of STRF, ON"]
    assert text.startswith("latency 15 ms [8, 22]<br>bandwidth 0.75 oct<br>faded")


def test_a_field_under_edit_is_drawn_in_full_with_a_note(session, bands):
    confidence = Confidence(bands, session)
    session.set("strf.weight", 3.0, (1, 0, 0))
    figure = neuron_figure(session, 1, confidence=confidence)
    for name in ("STRF, ON", "STRF, OFF"):
        assert not np.isnan(traces(figure)[name].z).any()
        assert np.isnan(traces(figure)[f"{name}, unsure"].z).all()
    assert "edited: intervals as trained" in lines(figure)["tuning of STRF, ON"]
    other = neuron_figure(session, 0, confidence=confidence)
    assert "edited" not in lines(other)["tuning of STRF, ON"]
    session.undo()
    session.set("prefilter.w", 0.3)  # the field itself stays as it was fitted
    assert "edited" not in lines(neuron_figure(session, 1, confidence=confidence))["tuning of STRF, ON"]


def test_updates_are_what_a_new_figure_would_show(session, bands):
    confidence = Confidence(bands, session)
    updates = figure_updates(session, 1, confidence=confidence)
    figure = neuron_figure(session, 1, confidence=confidence)
    parts = {**traces(figure), **{one.name: one for one in figure.layout.annotations if one.name}}
    assert set(updates) == set(parts) - {"stimulus"}
    for name, values in updates.items():
        for key, value in values.items():
            np.testing.assert_array_equal(parts[name][key], value, err_msg=f"{name} {key}")


@pytest.mark.parametrize("kernel", ["full", "separable"])
def test_one_channel(make_session, kernel):
    session = make_session(kernel, None)
    one = torch.ones(N, 1)
    bands = {
        "strf": band_with(torch.ones(N, 1, F, T), torch.ones(N, 1, F, T)),
        "latency": band_with(5.0 * one, 4.0 * one),
        "bandwidth": band_with(2.0 * one, 0.2 * one),
    }
    figure = neuron_figure(session, 0, confidence=Confidence(bands, session))
    assert np.isnan(traces(figure)["STRF"].z).all()
    assert not np.isnan(traces(figure)["STRF, unsure"].z).any()
    # 5 - 2.262 x 4 ms is before the sound: a latency cannot be.
    text = "latency 5 ms [0, 14] · bandwidth 2.0 oct [1.5, 2.5]<br>faded: within the scatter of such fits"
    assert lines(figure) == {"tuning of STRF": text}


def of_posterior(estimate: torch.Tensor, error: float) -> dict[str, object]:
    return {"strf": FieldBand(estimate, torch.full_like(estimate, error))}


def test_a_posterior_is_drawn_at_unit_norm_and_fades_what_may_be_zero(session):
    """Of forty p-values, 38 of zero and two of 1e-4 and .04: the second alone would be an interval without zero."""
    estimate = torch.zeros(N, C, F, T)
    estimate[:, 0, 1, 2], estimate[:, 0, 2, 2] = 3.9, 2.05
    figure = neuron_figure(session, 1, confidence=Confidence(of_posterior(estimate, 1.0), session))
    sure = ~np.isnan(traces(figure)["STRF, ON"].z)
    assert np.argwhere(sure).tolist() == [[1, 2]]
    assert np.isnan(traces(figure)["STRF, OFF"].z).all()
    text = lines(figure)["tuning of STRF, ON"]
    assert text == "at unit norm; faded: may be zero (of the rest at most 5% are)"
    shown = traces(figure)
    field = np.stack([np.nan_to_num(shown[name].z) + np.nan_to_num(shown[f"{name}, unsure"].z) for name in FIELDS])
    assert np.linalg.norm(field) == pytest.approx(1, abs=1e-3)
    kernel = session.live.kernel(1).detach().numpy()
    np.testing.assert_allclose(field, kernel / np.linalg.norm(kernel), atol=1e-3)


# -- the explorer ---------------------------------------------------------------------------------------------------


def assert_up_to_date(explorer, figures):
    fresh = explorer.figure()
    assert lines(figures) == lines(fresh)
    on_screen = traces(figures)
    assert set(on_screen) == set(traces(fresh))
    for name, trace in traces(fresh).items():
        key = "z" if trace.type == "heatmap" else "y"
        np.testing.assert_array_equal(on_screen[name][key], trace[key], err_msg=name)


def test_the_figure_on_screen_follows_neuron_and_edits(session, bands):
    explorer = explore(session, confidence=bands)
    assert explorer.confidence is bands
    figures = explorer.figure_widget()
    assert_up_to_date(explorer, figures)
    explorer.neuron = 1
    assert_up_to_date(explorer, figures)
    assert np.isnan(traces(figures)["STRF, ON"].z).any()
    session.set("strf.weight", 2.0, (1, 0, 0))
    assert_up_to_date(explorer, figures)
    assert not np.isnan(traces(figures)["STRF, ON"].z).any()
    explorer.undo()
    assert_up_to_date(explorer, figures)
    assert "faded" in lines(figures)["tuning of STRF, ON"]
    explorer.close()


def test_the_bench_has_what_its_figure_has(session, bands):
    """Of the neuron on screen, until the bands are taken away."""
    explorer = explore(session, confidence=bands, neuron=1)
    try:
        np.testing.assert_array_equal(np.frombuffer(explorer.unsure, "<f4").reshape(C, F, T) != 0, unsure_cells())
        assert explorer.certainty["pale"] == "faded: within the scatter of such fits"
        assert explorer.certainty["readouts"][0] == [
            "best frequency 4.1 kHz [3.8, 4.4]",
            "latency 15 ms [8, 22]",
            "bandwidth 0.75 oct",
        ]
        explorer.neuron = 0
        assert np.frombuffer(explorer.unsure, "<f4").any() == explorer._confidence.unsure(0).any()
        explorer.confidence = {"latency": bands["latency"]}
        assert (explorer.unsure, explorer.certainty["pale"]) == (b"", "")
        assert explorer.certainty["edited"] == "edited: intervals as trained"
        assert explorer.certainty["readouts"] == [["latency 15 ms [8, 22]"]] * 2
        explorer.confidence = None
        assert (explorer.unsure, explorer.certainty) == (b"", {})
    finally:
        explorer.close()


def test_bands_can_be_set_and_removed(session, bands):
    explorer = explore(session)
    assert explorer.confidence is None
    sent = []
    explorer.send = lambda content, buffers=None: sent.append(content["data"].get("content"))
    panel = explorer.panel("figures")
    panel._received(panel, {"type": "figure"}, [])
    assert sent[-1]["tuning"] == {}
    explorer.confidence = bands
    assert sent[-1]["tuning"]
    assert "STRF, ON, unsure" in {one["name"] for one in sent[-1]["arrays"]}
    with pytest.raises(ValueError, match=r"confidence\['strf'\] must have shape"):
        explorer.confidence = {"strf": band_with(torch.ones(1, C, F, T), torch.ones(1, C, F, T))}
    assert explorer.confidence is bands
    explorer.confidence = None
    assert sent[-1]["tuning"] == {}
    explorer.close()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (3, TypeError, "confidence must be a mapping of str to Band, got int"),
        ({}, ValueError, r"confidence must have one of \['strf', 'best_frequency', 'latency', 'bandwidth'\], got \[\]"),
        ({"strf": torch.ones(N, C, F, T)}, TypeError, r"confidence\['strf'\] must be a Band, got Tensor"),
        (
            {"latency": band_with(torch.ones(N), torch.ones(N))},
            ValueError,
            r"confidence\['latency'\] must have shape \(3, 2\), got \(3,\)",
        ),
    ],
)
def test_a_wrong_argument_is_named(session, wrong, error, message):
    with pytest.raises(error, match=message):
        explore(session, confidence=wrong)


def test_a_model_without_fields_has_none_to_be_sure_of(make_stimulus, bands):
    session = LiveSession(
        NetworkReceptiveField(F, T, out_neurons=N).eval(), make_stimulus(), cf_hz=[1e2, 2e2, 3e2, 4e2, 5e2]
    )
    with pytest.raises(ValueError, match=r"confidence must be of a model with receptive fields, got .* NetworkRecept"):
        explore(session, confidence=bands)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (4.0912, 3.81, 4.37, "4.1 kHz [3.8, 4.4]"),
        (4.0912, 4.071, 4.111, "4.09 kHz [4.07, 4.11]"),
        (15.2, 8.0, 22.4, "15 kHz [8, 22]"),
        (0.2, -0.4, 0.8, "0.2 kHz [-0.4, 0.8]"),
        (3.0, -0.04, 6.0, "3 kHz [0, 6]"),
        (4.0, 4.0, 4.0, "4.00 kHz [4.00, 4.00]"),
        (4.0, -math.inf, math.inf, "4 kHz"),
        (4.0, 3.2, math.inf, "4 kHz [3.2, ∞]"),
    ],
)
def test_as_many_digits_as_the_interval_leaves(value, low, high, text):
    assert with_interval(value, low, high, "kHz") == text
