"""The gallery in the kernel: pictures, read-outs, order, what the browser may set, and following the session."""

import asyncio
import math
import re
from pathlib import Path

import anywidget
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.analysis import bandwidth, best_frequency, latency, on_off_index, separability_index
from deepstrf.datasets import Recording
from deepstrf_widgets import BenchWidget, Explorer, Gallery, gallery
from deepstrf_widgets.neuron_gallery.tuning_table import COLUMNS, FEW, MEASURES, SORTS, TuningTable

DATA = Path(__file__).resolve().parents[3] / "widgets" / "src" / "gallery" / "data.ts"
MANY = FEW + 4


@pytest.fixture
def make(make_session):
    """``make(kernel, ..., neurons=3, options={})``: a gallery that is closed at the end."""
    made = []

    def build(*args, options=None, **kwargs):
        made.append(Gallery(make_session(*args, **kwargs), **(options or {})))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def sent(monkeypatch):
    """What every gallery sends: the rows and kernels of each message, "all" for the whole arrays."""
    messages = []

    def send(self, content, buffers=None):
        rows = np.frombuffer(buffers[0], "<f4").reshape(-1, len(COLUMNS))
        kernels = np.frombuffer(buffers[1], np.int8).reshape(-1, *self.kernels.shape[1:])
        np.testing.assert_array_equal(rows, self.table[content["rows"]])
        np.testing.assert_array_equal(kernels, self.kernels[content["kernels"]])
        messages.append((content["rows"], content["kernels"]))

    plain = Gallery.send_state

    def send_state(self, key=None):
        if key == ("kernels", "table"):
            messages.append("all")
        plain(self, key)

    monkeypatch.setattr(Gallery, "send", send)
    monkeypatch.setattr(Gallery, "send_state", send_state)
    return messages


def column(one, name):
    return one.readouts()[name]


def weights(one):
    """The receptive fields as the browser receives them."""
    return one.kernels / 127 * one.table[:, COLUMNS.index("peak"), None, None, None]


def assert_shows(one, fields):
    """Pictures within half a step of their scale; read-outs of the channel that excites most, or else weighs most."""
    found = one.readouts()
    fields = fields.float()
    step = fields.abs().amax((1, 2, 3)) / 127
    assert (np.abs(weights(one) - fields.numpy()) <= step.numpy()[:, None, None, None] * 0.501).all()
    for n, field in enumerate(fields):
        excited = bool((field > 0).any())
        main = max(field, key=lambda channel: float((channel if excited else channel.abs()).max()))
        cf_hz, dt_ms = torch.as_tensor(one.session.cf_hz), one.session.dt_ms
        expected = {
            "best_frequency_hz": best_frequency(main, cf_hz),
            "latency_ms": latency(main, dt_ms),
            "bandwidth_oct": bandwidth(main, cf_hz),
            "separability": separability_index(main),
        }
        if len(field) == 2:
            expected["on_off"] = on_off_index(field)
        for name, value in expected.items():
            assert found[name][n] == pytest.approx(float(value), rel=1e-5, nan_ok=True), (n, name)
        score = one.session.score(n)
        assert found["score"][n] == pytest.approx(math.nan if score is None else score, abs=1e-5, nan_ok=True)


# -- pictures and read-outs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["gaussians", "full", "separable"])
@pytest.mark.parametrize("neurons", [3, MANY])
def test_shows_the_receptive_fields_of_the_session(make, kernel, neurons):
    one = make(kernel, neurons=neurons)
    assert_shows(one, one.session.model.readout.STRF_weight())
    assert column(one, "edited").tolist() == [False] * neurons
    assert one.info == {
        "model": "LinearNonlinear",
        "n_neurons": neurons,
        "n_channels": 2,
        "n_bands": 5,
        "n_lags": 4,
        "dt_ms": 5.0,
        "delay_ms": 0.0,
        "channel_names": ["ON", "OFF"],
        "has_scores": True,
        "has_other": False,
        "kernels_given": False,
    }
    assert one.names == [f"neuron {n}" for n in range(1, neurons + 1)]


def test_one_channel_and_no_responses_leave_their_columns_empty(make):
    one = make("full", None, responses=False)
    assert one.info["channel_names"] == ["input"]
    assert (one.info["has_scores"], np.isnan(column(one, "on_off")).all()) == (False, True)
    assert np.isnan(column(one, "score")).all()


def test_with_gain_the_fields_are_those_that_the_drive_sees(make):
    one = make("full", options={"with_gain": True})
    effective, _ = one.session.model.readout.effective_STRF()
    assert_shows(one, effective)
    one.with_gain = False
    assert_shows(one, one.session.model.readout.STRF_weight())


def test_the_old_name_of_with_gain_works_and_warns(make_session):
    session = make_session("full")
    with pytest.warns(DeprecationWarning, match=r"gallery\(folded=\) is called gallery\(with_gain=\) now") as caught:
        one = gallery(session, folded=True)
    assert (one.with_gain, caught[0].filename) == (True, __file__)
    with pytest.warns(DeprecationWarning, match=r"Gallery\.folded is called Gallery\.with_gain now") as caught:
        one.folded = False
    assert (one.with_gain, caught[0].filename) == (False, __file__)
    one.close()


def test_trained_shows_the_session_as_it_began(make):
    one = make()
    before = one.session.model.readout.STRF_weight()
    one.session.set("strf.center_hz", 600.0, (0, 0, 0))
    one.trained = True
    assert (np.abs(weights(one) - before.float().numpy()) < 0.01 * before.abs().max().item()).all()
    assert column(one, "score")[0] == pytest.approx(one.session.trained_score(0), abs=1e-6)
    assert column(one, "edited").tolist() == [False] * 3
    one.session.set("strf.center_hz", 15000.0, (1, 0, 0))
    kernels = one.kernels.copy()
    one.refresh()
    np.testing.assert_array_equal(one.kernels, kernels)
    one.trained = False
    assert column(one, "edited").tolist() == [True, True, False]
    assert_shows(one, one.session.model.readout.STRF_weight())


def test_fields_that_are_zero_or_not_finite_have_no_read_outs(make_session):
    session = make_session("full")
    weight = session.model.readout.strf.kernel.weight.detach()
    with torch.no_grad():
        weight[0] = 0
        weight[1, 0, 0, 0] = math.nan
        weight[2] = -weight[2].abs()
    session.refresh()
    one = Gallery(session)
    assert one.kernels[:2].tolist() == np.zeros_like(one.kernels[:2]).tolist()
    found = one.readouts()
    for name in ("best_frequency_hz", "latency_ms", "bandwidth_oct", "separability", "on_off"):
        assert np.isnan(found[name][:2]).all(), name
    # Nothing excites the third: no best frequency; it has a separability all the same, of its largest channel.
    assert np.isnan(found["best_frequency_hz"][2])
    strongest = max(weight[2, :, :, :], key=lambda channel: float(channel.abs().max()))
    assert found["separability"][2] == pytest.approx(float(separability_index(strongest)), rel=1e-5)
    one.close()


def test_given_kernels_are_shown_for_a_model_without(make_model, make_stimulus):
    from deepstrf.models import NetworkReceptiveField
    from deepstrf_widgets import LiveSession

    model = NetworkReceptiveField(5, 4, out_neurons=3, prefiltering=make_model().prefiltering.float()).eval()
    session = LiveSession(model, make_stimulus(dtype=torch.float32), cf_hz=np.geomspace(500, 16000, 5))
    with pytest.raises(ValueError, match=r"session must .* kernels be given, got NetworkReceptiveField"):
        Gallery(session)
    maps = torch.randn(3, 1, 5, 4)
    one = Gallery(session, kernels=maps)
    assert_shows(one, maps)
    assert one.info["kernels_given"] is True
    with pytest.raises(ValueError, match="trained must be False where kernels are given, got True"):
        one.trained = True
    assert one.trained is False
    one.close()


def test_read_outs_are_columns_for_a_table(make):
    found = make().readouts()
    assert list(found) == ["neuron", "name", *COLUMNS]
    assert {len(values) for values in found.values()} == {3}
    found["score"][:] = 9
    assert not (make().readouts()["score"] == 9).any()


# -- order ---------------------------------------------------------------------------------------------------------

values = st.lists(st.one_of(st.just(math.nan), st.integers(-3, 3).map(float)), min_size=3, max_size=3)
ends = st.one_of(st.none(), st.integers(-3, 3).map(float))


@given(values=values, descending=st.booleans(), low=ends, high=ends, sort=st.sampled_from(MEASURES))
def test_order_is_that_of_a_slow_sort(make_session, values, descending, low, high, sort):
    table = TuningTable(make_session())
    table.table[:, COLUMNS.index(sort)] = values
    rows = [(value, n) for n, value in enumerate(values)]
    if low is not None or high is not None:
        inside = (-math.inf if low is None else low, math.inf if high is None else high)
        rows = [(value, n) for value, n in rows if inside[0] <= value <= inside[1]]
        ranges = {sort: (low, high)}
    else:
        ranges = {}
    defined = [row for row in rows if not math.isnan(row[0])]
    expected = sorted(defined, key=lambda row: (-row[0] if descending else row[0], row[1]))
    # Without a range those without a value stay, at the end; with one whose ends are both open they go.
    expected += [row for row in rows if math.isnan(row[0])]
    assert table.order(sort, descending, "", ranges).tolist() == [n for _, n in expected]


def test_names_are_sorted_with_their_numbers_and_found_by_every_word(make_model, make_stimulus):
    names = ["unit 20", "unit 3", "Unit 2 <b>"]
    one = gallery(make_model(), make_stimulus(), cf_hz=np.geomspace(500, 16000, 5), neuron_names=names, sort="name")
    assert one.shown.tolist() == [2, 1, 0]
    one.descending = True
    assert one.shown.tolist() == [0, 1, 2]
    one.sort, one.descending, one.search = "index", False, "UNIT <B>"
    assert one.shown.tolist() == [2]
    one.search = "1"  # the number of the first, and part of the name of none else
    assert one.shown.tolist() == [0]
    one.close()


def test_ranges_choose_neurons(make):
    one = make(neurons=MANY)
    score = column(one, "score")
    middle = float(np.median(score))
    one.ranges = {"score": (middle, None)}
    assert one.ranges == {"score": [middle, None]}
    assert one.shown.tolist() == np.flatnonzero(score >= middle).tolist()
    one.sort = "score"
    assert score[one.shown].tolist() == sorted(score[score >= middle].tolist())


# -- what may be set -----------------------------------------------------------------------------------------------

WRONG = {
    "selected": (3, r"selected must lie in \[0, 2\], got 3"),
    "channel": (2, r"channel must be a whole number in \[0, 1\], got 2"),
    "columns": (-1, r"columns must be a whole number in \[0, 100\], got -1"),
    "sort": ("size", "sort must be one of index, name, .*, got 'size'"),
    "ranges": ({"score": (1, 0)}, r"ranges\['score'\] must hold the lowest value first, got \(1, 0\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_by_name(make, name):
    value, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        make(options={name: value})
    one = make()
    before = getattr(one, name)
    with pytest.raises(ValueError, match=message):
        setattr(one, name, value)
    assert getattr(one, name) == before


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"size": (0, 1)}, r"ranges must name read-outs \(best_frequency_hz, .*\), got 'size'"),
        ({"score": 1}, r"ranges\['score'\] must be two finite numbers, or None for no end, got 1"),
        ({"score": (0, math.inf)}, r"ranges\['score'\] must be two finite numbers.*, got \(0, inf\)"),
        ({"score": (True, None)}, r"ranges\['score'\] must be two finite numbers.*, got \(True, None\)"),
    ],
)
def test_wrong_ranges_are_refused(make, ranges, message):
    with pytest.raises(ValueError, match=message):
        make(options={"ranges": ranges})


def test_wrong_arguments(make_session, make_model, make_stimulus):
    with pytest.raises(TypeError, match="session must be a LiveSession, got str"):
        Gallery("model")
    session = make_session()
    with pytest.raises(ValueError, match=r"kernels must have shape .*\(3, C, 5, T\), got \(3, 1, 4, 4\)"):
        Gallery(session, kernels=np.zeros((3, 1, 4, 4)))
    with pytest.raises(ValueError, match="kernels must hold finite floating-point numbers"):
        Gallery(session, kernels=torch.full((3, 1, 5, 4), math.nan))
    with pytest.raises(TypeError, match="must not be given with a LiveSession"):
        gallery(session, dt_ms=5.0)
    with pytest.raises(TypeError, match="model must be a deepstrf NeuralModel or a LiveSession, got int"):
        gallery(3)
    with pytest.raises(TypeError, match="stimulus must be given with responses, got None"):
        gallery(make_model(), responses=torch.zeros(3, 30))


def test_a_gallery_takes_a_recording_arrays_and_a_name(make_model, make_stimulus, make_responses):
    model, cf_hz = make_model(), np.geomspace(500, 16000, 5)
    stimulus, responses = make_stimulus(), make_responses().double()
    recording = Recording(stimulus, responses, dt_ms=5.0, cf_hz=torch.from_numpy(cf_hz))
    made = [
        gallery(model, recording, selected="neuron 3"),
        gallery(model, stimulus.numpy(), responses.numpy(), cf_hz=cf_hz, selected="neuron 3"),
        gallery(model, stimulus, responses, cf_hz=cf_hz, selected=2),
    ]
    for one in made:
        assert one.selected == 2
        np.testing.assert_array_equal(column(one, "score"), column(made[-1], "score"))
        one.close()
    with pytest.raises(ValueError, match=r"selected must be one of the 3 names, .* got 'neuron 6': did you mean"):
        gallery(model, recording, selected="neuron 6")


def test_a_model_alone_is_shown_without_scores(make_model):
    model = make_model("full")
    one = gallery(model, cf_hz=np.geomspace(500, 16000, 5), dt_ms=2.0)
    assert_shows(one, model.readout.STRF_weight())
    assert (one.info["has_scores"], one.info["dt_ms"]) == (False, 2.0)
    one.close()


def test_the_browser_sets_its_traits(make):
    one = make()
    one.set_state({"sort": "score", "descending": True, "ranges": {"score": [-1, None]}, "channel": 1, "selected": 2})
    assert (one.sort, one.descending, one.channel, one.selected, one.error) == ("score", True, 1, 2, "")
    assert one.ranges == {"score": [-1.0, None]}


@pytest.mark.parametrize(
    "state",
    [
        {"selected": 99},
        {"selected": "0"},
        {"selected": None},
        {"sort": "size"},
        {"sort": 3},
        {"ranges": [1]},
        {"ranges": {"score": [None, "1"]}},
        {"search": 5},
        {"kernels": b""},
        {"table": 0},
        {"info": {}},
        {"nothing": 1},
        {"trained": "yes"},
    ],
)
def test_what_the_browser_may_not_set_is_an_error_and_undone(make, state, monkeypatch):
    one = make()
    kernels, table, back = one.kernels, one.table, []
    monkeypatch.setattr(Gallery, "send_state", lambda self, key=None: back.extend(key))
    before = one.get_state([name for name in one.keys if name != "error"])
    one.set_state({"sort": "name", **state} if "sort" not in state else state)
    assert one.error != ""
    assert one.get_state([name for name in one.keys if name != "error"]) == before
    assert one.kernels is kernels
    assert one.table is table
    assert set(state) & set(one.keys) <= set(back)


@pytest.mark.parametrize("content", [None, 3, [], {}, {"type": "edit"}, {"type": ["ready"]}, {"type": "x" * 999}])
def test_unknown_messages_are_errors(make, sent, content):
    one = make()
    sent.clear()
    one._received(one, content, [])
    assert one.error.startswith("type of a message must be ready, got ")
    assert len(one.error) < 200
    assert sent == []


# -- following the session -----------------------------------------------------------------------------------------


def test_a_settled_edit_sends_its_neuron_alone(make, sent):
    one = make(neurons=MANY)
    one.refresh()
    sent.clear()
    one.session.set("strf.center_hz", 600.0, (7, 0, 0))
    assert sent == [([7], [7])]
    assert column(one, "edited").nonzero()[0].tolist() == [7]
    assert_shows(one, one.session.model.readout.STRF_weight())
    one.session.undo()
    assert sent[1:] == [([7], [7])]
    assert not column(one, "edited").any()
    assert_shows(one, one.session.model.readout.STRF_weight())


def test_a_gesture_sends_nothing_until_it_settles(make, sent):
    one = make()
    sent.clear()
    session = one.session
    for value in (600.0, 700.0):
        session.apply([("strf.center_hz", value, (1, 0, 0))], "drag", settled=False)
    assert sent == []
    session.apply([], "drag", settled=True)
    assert sent == [([1], [1])]
    assert_shows(one, session.model.readout.STRF_weight())


def test_an_output_curve_changes_a_score_and_no_picture(make, sent):
    one = make(activation="sigmoid")
    sent.clear()
    for parameter in one.session.parameters.values():
        if parameter.stage == "rate":
            one.session.set(parameter.name, parameter.read((2,)) + 0.1, (2,))
    assert set(map(str, sent)) == {"([2], [])"}
    assert_shows(one, one.session.model.readout.STRF_weight())


@pytest.mark.parametrize("neurons", [3, MANY])
def test_the_prefilter_changes_scores_only(make, sent, neurons):
    one = make(neurons=neurons)
    sent.clear()
    one.session.set("prefilter.w", 0.3, (0,))
    ((rows, kernels),) = sent
    assert (rows, kernels) == (list(range(neurons)), [])
    assert not column(one, "edited").any()
    assert_shows(one, one.session.model.readout.STRF_weight())


def test_many_changed_pictures_are_sent_as_a_whole(make, sent):
    one = make("full", neurons=MANY)
    sent.clear()
    one.session.set("strf.kernel", one.session.value("strf.kernel")[:, :, ::-1].copy())
    assert sent == ["all"]
    assert_shows(one, one.session.model.readout.STRF_weight())
    one.session.revert()
    assert sent == ["all", "all"]
    one._received(one, {"type": "ready"}, [])
    assert sent == ["all", "all"]


def test_a_browser_that_connects_later_gets_what_was_sent_before(make, sent):
    one = make(neurons=MANY)
    one.session.set("strf.center_hz", 600.0, (7, 0, 0))
    sent.clear()
    one._received(one, {"type": "ready"}, [])
    # The scores of all had come after the state.
    assert sent == [(list(range(MANY)), [7])]


def test_the_state_holds_the_present_arrays(make):
    one = make()
    one.session.set("strf.center_hz", 600.0, (1, 0, 0))
    state = one.get_state(("kernels", "table"))
    assert state["kernels"] == one.kernels.tobytes()
    np.testing.assert_array_equal(np.frombuffer(state["table"], "<f4").reshape(3, -1), one.table)
    assert_shows(one, one.session.model.readout.STRF_weight())


def test_in_a_running_loop_the_scores_are_sent_after_the_pictures(make_session, sent):
    async def main():
        one = Gallery(make_session())
        assert sent == []
        assert np.isnan(one.table[:, COLUMNS.index("score")]).all()
        for value in (600.0, 700.0):
            one.session.set("strf.center_hz", value, (1, 0, 0))
        assert sent == []
        for _ in range(200):
            await asyncio.sleep(0.01)
            if sent:
                break
        assert sent == [([0, 1, 2], [1])]
        # Whoever reads need not wait.
        one.session.set("strf.center_hz", 800.0, (1, 0, 0))
        assert_shows(one, one.session.model.readout.STRF_weight())
        one.session.set("strf.center_hz", 900.0, (1, 0, 0))
        one.close()
        before = len(sent)
        await asyncio.sleep(0.1)
        assert len(sent) == before

    asyncio.run(main())


def test_closing_ends_everything(make_session):
    session = make_session()
    one, bench = Gallery(session), BenchWidget(session)
    one.link(bench)
    one.close()
    kernels = one.kernels.copy()
    session.set("strf.center_hz", 600.0, (1, 0, 0))
    bench.neuron = 2
    np.testing.assert_array_equal(one.kernels, kernels)
    assert one.selected == 0
    bench.close()


# -- the link ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
def test_linked_views_show_the_same_neuron(make, whole):
    one = make()
    other = Explorer(one.session, neuron=1, figures=False) if whole else BenchWidget(one.session, neuron=1)
    bench = other.bench if whole else other
    link = one.link(other)
    assert one.selected == 1
    one.selected = 2
    assert bench.of_neuron == bench.neuron == 2
    bench.neuron = 0
    assert one.selected == 0
    link.unlink()
    bench.neuron = 1
    assert one.selected == 0
    other.close()


def test_links_to_something_else_are_refused(make, make_session):
    one = make()
    with pytest.raises(TypeError, match="other must be a BenchWidget or an Explorer, got int"):
        one.link(3)
    bench = BenchWidget(make_session(neurons=4))
    with pytest.raises(ValueError, match="other must have 3 neurons as the gallery has, got 4"):
        one.link(bench)
    bench.close()


# -- page and kernel agree -----------------------------------------------------------------------------------------


def listed(name):
    """The texts of ``export const NAME = [...]``, the measures spelled out."""
    body = re.search(rf"export const {name} = \[(.*?)\] as const;", DATA.read_text(encoding="utf-8"), re.DOTALL).group(
        1
    )
    texts = re.findall(r'"(\w+)"', body)
    return [*listed("MEASURES"), *texts] if "...MEASURES" in body else texts


def test_typescript_has_the_same_traits_columns_and_orders():
    own = set(Gallery.class_trait_names(sync=True)) - set(anywidget.AnyWidget.class_trait_names(sync=True))
    assert set(listed("GALLERY_TRAITS")) == {name for name in own if not name.startswith("_")}
    assert tuple(listed("GALLERY_WRITTEN")) == Gallery.BROWSER_SETS
    assert tuple(listed("MEASURES")) == MEASURES
    assert tuple(listed("TABLE_COLUMNS")) == COLUMNS
    orders = re.search(r"export type Sort = (.*);", DATA.read_text(encoding="utf-8")).group(1)
    assert (*re.findall(r'"(\w+)"', orders), *MEASURES) == SORTS


def test_info_has_the_fields_that_typescript_reads(make):
    body = re.search(r"export interface GalleryInfo {(.*?)\n}", DATA.read_text(encoding="utf-8"), re.DOTALL).group(1)
    assert set(re.findall(r"^\s*(\w+): ", body, re.MULTILINE)) == set(make().info)


def test_repr_is_stable(make):
    assert repr(make()) == "Gallery(LiveSession(LinearNonlinear, 3 neurons, 5 bands x 30 bins))"
