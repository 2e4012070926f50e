"""Two models of the same neurons: who is matched with whom, fields, moments, scores, and that nothing is kept."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from traitlets import TraitError

from deepstrf.demo import load_demo
from deepstrf.models.audio import LinearNonlinear, StateNet
from deepstrf.models.recorded_axes import RecordedAxes
from deepstrf_widgets import LiveSession, explore, gallery
from deepstrf_widgets.comparison.other_model import OtherModel, matched
from deepstrf_widgets.comparison.panel import largest_differences


@pytest.fixture(scope="module")
def demo():
    return load_demo()


def changed(model, scale=0.5):
    torch.manual_seed(0)
    other = LiveSession(model, torch.zeros(34, 60), cf_hz=np.geomspace(500, 20000, 34)).model
    with torch.no_grad():
        other.readout.strf.kernel.weight[2] *= scale
    return other


def reordered(model, order):
    """The model, its six neurons now in this order."""
    with torch.no_grad():
        for tensor in [*model.readout.parameters(), *model.readout.buffers()]:
            axis = next((axis for axis in (0, 1) if tensor.dim() > axis and tensor.shape[axis] == 6), None)
            if axis is not None:
                tensor.copy_(tensor.index_select(axis, torch.tensor(order)))
    return model


def compared(demo, other, **options):
    explorer = explore(
        demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False, sounds=False,
        other=other, **options,
    )  # fmt: skip
    panel, sent = explorer.panel("comparison"), []
    panel.send = lambda content, buffers=(): sent.append((content, [np.frombuffer(b, "<f4") for b in buffers]))
    panel._received(panel, {"type": "ready"}, [])
    return explorer, panel, sent


def test_another_version_differs_where_it_was_changed_and_nowhere_else(demo):
    other = changed(demo.model)
    explorer, panel, sent = compared(demo, other, neuron=2)
    assert [row["gain"] == 0 for row in panel.rows] == [True, True, False, True, True, True]
    assert panel.rows[2]["a"] == pytest.approx(explorer.session.score(2), abs=1e-5)
    message, (one, two) = sent[-1]
    assert message["kind"] == "weights × gain"
    assert np.allclose(two, 0.5 * one, atol=1e-6)
    difference = explorer.session.rate(2)[0] - LiveSession(other, demo.stimulus).rate(2)[0]
    assert panel.moments[0]["frame"] == int(difference.abs().argmax())
    assert panel.moments[0]["difference"] == pytest.approx(float(difference[panel.moments[0]["frame"]]), rel=1e-4)
    rate = np.frombuffer(explorer.other_rate, "<f4")
    assert np.allclose(rate, LiveSession(other, demo.stimulus).rate(2)[0], atol=1e-5)
    assert explorer.other_name == "LinearNonlinear"
    panel._received(panel, {"type": "choose", "neuron": 4}, [])
    panel.refresh()
    assert explorer.neuron == 4
    assert panel.moments == []
    explorer.close()


def test_edits_of_the_bench_move_a_and_trained_is_what_it_was_before_them(demo):
    explorer, panel, sent = compared(demo, "trained")
    assert panel.moments == []
    assert "6 of 6 neurons matched by name" in panel.info["matching"]
    explorer.session.set("strf.weight", 0.0, neuron=0, channel="ON", gaussian=0)
    panel.refresh()
    assert panel.moments
    assert panel.rows[0]["b"] == pytest.approx(explorer.session.trained_score(0), abs=1e-5)
    assert panel.rows[0]["gain"] == pytest.approx(
        explorer.session.score(0) - explorer.session.trained_score(0), abs=1e-5
    )
    one, two = sent[-1][1]
    assert not np.allclose(one, two)
    explorer.session.undo()
    panel.refresh()
    assert panel.moments == []
    explorer.close()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_models_of_other_architecture_windows_and_dtype_are_compared_by_gradients(demo, dtype):
    torch.manual_seed(0)
    other = StateNet(34, 1, out_neurons=6).eval().to(dtype)
    explorer, panel, sent = compared(demo, other)
    message, (one, two) = sent[-1]
    assert message["kind"] == "gradients around the mean sound"
    assert message["shape"][:2] == [1, 34]
    assert len(one) == len(two) == np.prod(message["shape"])
    expected = demo.model.STRF_gradmap(
        demo.stimulus.values[None, None].mean(3, keepdim=True).expand(-1, -1, -1, 400), neurons=[0]
    )
    assert np.allclose(one.reshape(34, -1)[:, -40:], expected[0, 0], atol=1e-3 * float(expected.abs().max()))
    assert panel.rows[3]["b"] is not None
    assert "matched by number, as not both have names" in panel.info["matching"]
    explorer.close()


def test_a_shorter_window_is_filled_at_its_far_end(demo):
    torch.manual_seed(0)
    one = LinearNonlinear(34, 12, out_neurons=2)
    two = LinearNonlinear(34, 20, out_neurons=2)
    session = LiveSession(one, demo.stimulus)
    fields = OtherModel(session, two).fields(session.snapshot(), 1)
    assert fields[0].shape == fields[1].shape == (1, 34, 20)
    assert not fields[0][..., :8].any()


def test_neurons_in_another_order_are_matched_by_their_names_and_what_is_left_is_named():
    partner, said = matched(["a", "b", "c"], ["c", "x", "a"], named=True)
    assert partner == [2, None, 0]
    assert said == "2 of 3 neurons matched by name; A alone has b; B alone has x"
    partner, said = matched(["a", "a", "c"], ["c", "x"], named=True)
    assert partner == [0, 1, None]
    assert said == "matched by number, as a stands for several neurons; A has 3 neurons, B 2"


@pytest.mark.parametrize("of", ["model", "session"])
@pytest.mark.parametrize("names", [["1", "2", "3", "4", "5", "6"], ["neuron 6", "neuron 5", "4", "3", "2", "1"]])
def test_numbered_names_are_none_and_neurons_then_go_by_number(demo, of, names):
    """Numbers, as neurons without names get them, in whatever order: no two recordings mean the same by them."""
    other = changed(demo.model)
    bands = tuple(float(hz) for hz in demo.stimulus.cf_hz)
    other.axes = RecordedAxes(demo.stimulus.dt_ms, bands, tuple(names), 0.0, "dB", "spikes")
    if of == "session":
        other = LiveSession(other, demo.stimulus, neuron_names=names)
    named = [f"cell {name}" for name in "abcdef"]
    for ours in (named, names, names[::-1]):
        compared = OtherModel(LiveSession(demo.model, demo.stimulus, demo.responses, neuron_names=ours), other)
        assert compared.partner == [0, 1, 2, 3, 4, 5]
        assert compared.matching == "matched by number, as not both have names"


def test_a_session_in_another_order_gives_the_right_neurons(demo):
    order = [3, 1, 5, 0, 4, 2]
    other = reordered(changed(demo.model, 1.0), order)
    theirs = LiveSession(other, demo.stimulus, neuron_names=[demo.neuron_names[n] for n in order])
    explorer, panel, _sent = compared(demo, theirs)
    assert all(row["gain"] == pytest.approx(0, abs=1e-5) for row in panel.rows)
    theirs = LiveSession(other, demo.stimulus, neuron_names=["x", *(demo.neuron_names[n] for n in order[1:])])
    explorer.close()
    explorer, panel, sent = compared(demo, theirs, neuron=3)
    assert panel.rows[3]["b"] is None
    assert sent[-1][0]["text"] == "B has no such neuron"
    assert explorer.other_rate == b""
    explorer.close()


def test_another_sound_is_compared_too(demo):
    explorer, panel, _sent = compared(demo, changed(demo.model), neuron=2)
    explorer.session.set_stimulus(60 * torch.rand(34, 90))
    panel.refresh()
    assert len(np.frombuffer(explorer.other_rate, "<f4")) == 90
    assert all(moment["frame"] < 90 for moment in panel.moments)
    assert panel.rows[2]["gain"] is None  # nothing was recorded to it
    explorer.close()


def test_moments_are_apart_and_the_largest_comes_first():
    difference = torch.zeros(200)
    difference[[10, 12, 100, 199]] = torch.tensor([1.0, 0.9, -3.0, 0.5])
    found = largest_differences(difference, 5.0)
    assert [(one["frame"], one["difference"]) for one in found] == [(100, -3.0), (10, 1.0), (199, 0.5)]
    assert largest_differences(torch.full((3,), torch.nan), 5.0) == []


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (3, TypeError, 'other must be a NeuralModel, a LiveSession or "trained", got int'),
        ("before", TypeError, "got str"),
        (LinearNonlinear(20, 9, out_neurons=6), ValueError, "other must answer the sounds of the session: "),
    ],
)
def test_what_cannot_be_compared_is_refused(demo, other, error, message):
    with pytest.raises(error, match=message):
        explore(demo.model, demo.stimulus, demo.responses, other=other)


def test_without_another_model_there_is_no_such_panel(demo):
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
    assert "comparison" not in explorer.can_open
    with pytest.raises(ValueError, match="comparison needs a second model"):
        explorer.panel("comparison")
    explorer.close()


def test_a_closed_comparison_is_gone(demo):
    explorer, panel, _sent = compared(demo, "trained")
    held = weakref.ref(explorer.other), weakref.ref(panel)
    explorer.close()
    del explorer, panel, _sent
    gc.collect()
    assert [one() for one in held] == [None, None]


# -- in the gallery --------------------------------------------------------------------------------------------------


def test_the_gallery_has_the_difference_of_the_scores_of_neurons_of_one_name_sorts_by_it_and_a_click_goes_there(demo):
    """B has the neurons in another order, and not the last one: matched by number all differences would be others."""
    order = [4, 2, 0, 5, 3, 1]
    model = changed(demo.model)
    with torch.no_grad():
        model.readout.strf.kernel.weight[4] *= -0.2
    there = LiveSession(model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
    names = ["x" if n == 5 else demo.neuron_names[n] for n in order]
    other = LiveSession(reordered(model, order), demo.stimulus, neuron_names=names)
    explorer = explore(
        demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False, sounds=False,
        other=other,
    )  # fmt: skip
    gallery = explorer.panel("gallery")
    expected = [explorer.session.score(n) - there.score(n) for n in range(5)] + [np.nan]
    found = gallery.readouts()["score_gain"]
    assert found == pytest.approx(np.array(expected), abs=1e-5, nan_ok=True)
    assert np.abs(found[[2, 4]]).min() > 0.004
    gallery.sort, gallery.descending = "score_gain", True
    largest = int(np.nanargmax(np.array(expected)))
    assert (gallery.shown[0], gallery.shown[-1]) == (largest, 5)
    gallery.selected = largest
    assert explorer.neuron == largest
    gallery.ranges = {"score_gain": (0.004, None)}
    assert set(gallery.shown) == {n for n in range(5) if expected[n] >= 0.004}
    # It follows the edits of A, and B stays.
    before = explorer.session.score(0)
    explorer.session.set("strf.weight", 0.0, neuron=0, channel="ON", gaussian=0)
    gallery.refresh()
    after = gallery.readouts()["score_gain"]
    assert after[0] - found[0] == pytest.approx(explorer.session.score(0) - before, abs=1e-5)
    assert after[1] == found[1]
    explorer.close()


def test_without_a_second_model_the_gallery_neither_sorts_nor_filters_by_a_difference(demo):
    with pytest.raises(TraitError, match="sort must be no score_gain without a second model: give other=model_b"):
        gallery(demo.model, demo.stimulus, demo.responses, sort="score_gain")
    one = gallery(demo.model, demo.stimulus, demo.responses)
    with pytest.raises(TraitError, match="ranges must be no score_gain"):
        one.ranges = {"score_gain": (0, None)}
    assert np.isnan(one.readouts()["score_gain"]).all()
    one.close()
    beside = gallery(demo.model, demo.stimulus, demo.responses, other="trained", sort="score_gain")
    assert beside.readouts()["score_gain"].tolist() == [0.0] * 6
    beside.close()
