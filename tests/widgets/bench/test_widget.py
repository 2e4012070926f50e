"""The kernel's half of the bench: traits, answers, bursts, several pages and several widgets on one session."""

import asyncio
import gc
import json
import time

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

from deepstrf.models import ConvNet2D, LinearNonlinear, NeuralModel
from deepstrf.models.activations import ParametricSoftplus
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import AdapTrans, ShortTermPlasticity, make_prefiltering
from deepstrf_widgets import (
    ActivationEditor,
    AdapTransEditor,
    BenchWidget,
    LiveSession,
    Player,
    ResponseView,
    STRFEditor,
)
from deepstrf_widgets.bench import widget as bench
from deepstrf_widgets.session import parameters
from deepstrf_widgets.session.reading import MAX_RECENT

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])
GAUSSIANS = [f"strf.{name}" for name in ("center_hz", "center_ms", "sigma_oct", "sigma_ms", "weight")]


class Page:
    """What one page sees of a widget, and what it sends. ``client`` is its name."""

    def __init__(self, widget, monkeypatch, client="page"):
        self.widget, self.client, self.seq = widget, client, 0
        self.got = []
        self.news = asyncio.Event()

        def send(content, buffers=None):
            self.got.append((content, [np.frombuffer(buffer, "<f4") for buffer in buffers or []]))
            self.news.set()

        monkeypatch.setattr(widget, "send", send)

    def request(self, content, *values, seq=None, client=None):
        if seq is None:
            self.seq += 1
        content = {"client": client or self.client, "seq": self.seq if seq is None else seq, **content}
        self.widget._received(self.widget, content, [np.array(values, "<f4").tobytes()])

    def edit(self, value, *, name="strf.weight", index=(0, 0, 0), phase="move", gesture="drag", **kwargs):
        edits = [{"name": name, "index": list(index)}]
        self.request({"type": "edit", "gesture": gesture, "phase": phase, "edits": edits}, value, **kwargs)

    async def answer(self):
        """The next message; what comes later waits."""
        await asyncio.wait_for(self.news.wait(), 10)
        self.news.clear()
        return self.got[-1][0]


@pytest.fixture
def widget(session):
    made = BenchWidget(session)
    yield made
    made.close()


@pytest.fixture
def page(widget, monkeypatch):
    return Page(widget, monkeypatch)


def array(data):
    return np.frombuffer(data, "<f4")


def assert_shows(widget, neuron):
    """Every trait is what the session says of the neuron, in float32."""
    session = widget.session
    assert widget.of_neuron == widget.neuron == neuron
    for prefix, value, chain in (
        ("", session.value, session.live),
        ("trained_", session.trained_value, session.trained),
    ):
        gaussians = np.stack([value(name, (neuron,), grid=True) for name in GAUSSIANS], axis=-1)
        np.testing.assert_array_equal(array(getattr(widget, f"{prefix}gaussians")), gaussians.astype("f4").reshape(-1))
        kernel = chain.kernel(neuron).float().flatten()
        np.testing.assert_array_equal(array(getattr(widget, f"{prefix}kernel")), kernel)
        np.testing.assert_array_equal(array(getattr(widget, f"{prefix}rate")), chain.rate(neuron)[widget.sound].float())
    np.testing.assert_array_equal(array(widget.psth), session.psth(neuron)[widget.sound].float())
    assert widget.score == pytest.approx(session.score(neuron), abs=1e-6)
    assert widget.trained_score == pytest.approx(session.trained_score(neuron), abs=1e-6)
    state = (session.can_undo, session.can_redo, session.edited(neuron))
    assert (widget.can_undo, widget.can_redo, widget.edited) == state


# -- traits -------------------------------------------------------------------------------------------------------


def test_traits_hold_the_neuron_on_screen(make_session):
    session = make_session(sounds=2)
    widget = BenchWidget(session, neuron=np.int64(2), sound=1)
    assert_shows(widget, 2)
    np.testing.assert_array_equal(array(widget.cf_hz), CF_HZ.astype("f4"))
    np.testing.assert_array_equal(array(widget.stimulus), session.stimulus[1, 0].float().flatten())
    widget.close()


def test_a_neuron_may_be_named(session):
    widget = BenchWidget(session, neuron="neuron 3")
    assert_shows(widget, 2)
    widget.close()


def test_info_describes_the_session(widget):
    limits = widget.info["limits"]
    assert limits["strf.band"] == [0.0, 4.0]
    assert limits["strf.frame"] == [0.0, 3.0]
    assert limits["strf.sigma_bands"] == [0.27, 5.0]
    assert limits["strf.sigma_frames"] == [0.27, 4.0]
    assert limits["strf.weight"] == [-1e9, 1e9]
    sizes = ("n_neurons", "n_bands", "n_lags", "n_channels", "n_gaussians", "n_frames", "dt_ms")
    assert [widget.info[name] for name in sizes] == [3, 5, 4, 2, 2, 30, 5.0]
    assert (widget.info["kind"], widget.info["channel_names"]) == ("gaussians", ["ON", "OFF"])
    assert widget.info["neuron_names"] == ["neuron 1", "neuron 2", "neuron 3"]
    assert widget.info["has_responses"] is True


@pytest.mark.parametrize(("kernel", "kind"), [("full", "full"), ("separable", "separable")])
def test_other_kernels_have_no_gaussians(make_session, kernel, kind):
    widget = BenchWidget(make_session(kernel, None, responses=False))
    assert (widget.info["kind"], widget.info["n_gaussians"]) == (kind, 0)
    free = {"full": {"strf.kernel"}, "separable": {"strf.factor_f", "strf.factor_t"}}[kernel]
    assert {name for name in widget.info["limits"] if name.startswith("strf.")} == free
    profiles = [widget.session.value(f"strf.factor_{axis}", (0,)).ravel() for axis in "ft" if kernel == "separable"]
    expected = np.concatenate([[], *profiles]).astype("f4")
    np.testing.assert_array_equal(array(widget.factors), expected)
    np.testing.assert_array_equal(array(widget.trained_factors), expected)
    assert widget.info["channel_names"] == ["input"]
    assert widget.gaussians == widget.trained_gaussians == widget.psth == b""
    assert len(array(widget.kernel)) == 5 * 4
    assert widget.score is None
    widget.close()


def test_the_gradient_map_is_computed_while_it_is_shown(make_session, monkeypatch):
    session = make_session("full", "adaptrans", "sigmoid")
    widget = BenchWidget(session)
    assert (widget.show_gradient, widget.gradient) == (False, b"")
    session.set("strf.kernel", 0.5, (0, 0, 0, 0))
    assert widget.gradient == b""
    widget.show_gradient = True
    # d rate / d drive times the gain times the weights: the sigmoid's slope at the drive of the steady mean sound.
    before = array(widget.gradient)
    ratio = before / session.live.kernel(0).float().flatten().numpy()
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    session.set("strf.kernel", 0.25, (0, 0, 0, 0))
    widget.refresh()
    after = array(widget.gradient)
    assert after[0] != before[0]
    np.testing.assert_array_equal(after, session.live.gradient_map(0).float().flatten())
    widget.neuron = 2
    np.testing.assert_array_equal(array(widget.gradient), session.live.gradient_map(2).float().flatten())
    widget.show_gradient = False
    assert widget.gradient == b""
    widget.close()


def test_a_stroke_is_one_gesture_of_runs(make_session, monkeypatch):
    widget = BenchWidget(make_session("full", None))
    page = Page(widget, monkeypatch)
    session = widget.session
    before = session.value("strf.kernel")

    def stroke(runs, phase):
        edits = [{"name": "strf.kernel", "index": [0, 0, f, t], "count": len(v)} for f, t, v in runs]
        content = {"type": "edit", "gesture": "one", "phase": phase, "edits": edits}
        page.request(content, *[v for _, _, values in runs for v in values])

    stroke([(1, 0, [0.5, 0.25]), (2, 1, [4.0])], "move")
    stroke([(1, 1, [1.0, 2.0, 3.0])], "end")
    after = before.copy()
    after[0, 0, 1], after[0, 0, 2, 1] = [0.5, 1, 2, 3], 4
    np.testing.assert_array_equal(session.value("strf.kernel"), after)
    assert [(content["parts"], buffers) for content, buffers in page.got] == [([], []), ([], [])]
    np.testing.assert_array_equal(array(widget.kernel), after[0].ravel())
    assert widget.factors == b""
    session.undo()
    np.testing.assert_array_equal(session.value("strf.kernel"), before)
    assert (session.can_undo, session.can_redo) == (False, True)
    session.redo()
    np.testing.assert_array_equal(session.value("strf.kernel"), after)
    widget.close()


def test_the_profiles_of_a_product_are_in_the_answer(make_session, monkeypatch):
    widget = BenchWidget(make_session("separable", None, "gelu"))
    page = Page(widget, monkeypatch)
    page.edit(2.5, name="strf.factor_t", index=(0, 0, 1))
    content, buffers = page.got[-1]
    assert content["parts"] == ["gaussians", "kernel", "affine", "factors", "rate"]
    assert buffers[3][5 + 1] == 2.5
    np.testing.assert_allclose(buffers[1].reshape(5, 4)[:, 1], 2.5 * buffers[3][:5], rtol=1e-6)
    widget.close()


def test_a_cancelled_stroke_is_no_entry(make_session, monkeypatch):
    widget = BenchWidget(make_session("full", None, dtype=torch.float32))
    page = Page(widget, monkeypatch)
    was = widget.session.value("strf.kernel", (0, 0, 1)).tolist()
    for first, values, phase in ((0, [7, 8], "move"), (1, [5, 6, 5], "move"), (0, was, "end")):
        edits = [{"name": "strf.kernel", "index": [0, 0, 1, first], "count": len(values)}]
        page.request({"type": "edit", "gesture": "one", "phase": phase, "edits": edits}, *values)
    assert page.got[-1][0]["type"] == "answer"
    assert not widget.session.can_undo
    widget.close()


def test_a_run_beyond_its_row_is_refused(make_session, monkeypatch):
    widget = BenchWidget(make_session("full", None))
    page = Page(widget, monkeypatch)
    edits = [{"name": "strf.kernel", "index": [0, 0, 1, 2], "count": 3}]
    page.request({"type": "edit", "gesture": "one", "phase": "end", "edits": edits}, 1, 2, 3)
    assert "strf.kernel at index (0, 0, 1, 2) must have shape (), got (3,)" in page.got[-1][0]["text"]
    widget.close()


def test_a_model_without_kernel_shows_its_response_and_a_gradient_map(make_model, make_stimulus):
    from deepstrf.models import NetworkReceptiveField

    model = NetworkReceptiveField(5, 4, out_neurons=3, prefiltering=make_model().prefiltering).double().eval()
    widget = BenchWidget(LiveSession(model, make_stimulus(), cf_hz=CF_HZ), neuron=1)
    assert (widget.info["kind"], widget.info["n_channels"], widget.info["n_lags"]) == ("gradient", 2, 4)
    np.testing.assert_array_equal(array(widget.rate), widget.session.rate(1)[0].float())
    # Central differences of the response to a steady sound, band by band, lag by lag, after the prefilter.
    steady = model.prefiltered(make_stimulus().mean(3, keepdim=True).expand(-1, -1, -1, 8)).detach()
    model.prefiltering = torch.nn.Identity()
    step = 1e-5
    want = np.empty((2, 5, 4))
    for c, f, lag in np.ndindex(want.shape):
        ends = []
        for sign in (1, -1):
            nudged = steady.clone()
            nudged[0, c, f, 4 + lag] += sign * step
            with torch.no_grad():
                ends.append(model(nudged)[0, 1, 0, -1])
        want[c, f, lag] = (ends[0] - ends[1]) / (2 * step)
    assert np.abs(want).max() > 0
    np.testing.assert_allclose(array(widget.kernel).reshape(want.shape), want, atol=1e-6 * np.abs(want).max())
    np.testing.assert_array_equal(array(widget.trained_kernel), array(widget.kernel))
    before = widget.kernel
    widget.session.set("prefilter.w", 0.1)
    assert widget.kernel != before
    assert array(widget.trained_kernel).tolist() == np.frombuffer(before, "<f4").tolist()
    widget.close()


def test_a_model_without_lags_has_no_map(make_stimulus):
    class Loudness(NeuralModel):
        def __init__(self):
            super().__init__(out_neurons=2)

        def forward(self, x):
            return x.mean(2, keepdim=True).expand(-1, 2, 1, -1)

    widget = BenchWidget(LiveSession(Loudness(), make_stimulus(), cf_hz=CF_HZ))
    assert widget.info["kind"] == "none"
    assert widget.kernel == b""
    np.testing.assert_array_equal(array(widget.rate), widget.session.rate(1)[0].float())
    widget.close()


def test_a_score_that_is_not_defined_is_none(make_model, make_stimulus):
    widget = BenchWidget(LiveSession(make_model(), make_stimulus(), torch.full((3, 30), torch.nan), cf_hz=CF_HZ))
    assert widget.score is None
    assert np.isnan(array(widget.psth)).all()
    widget.close()


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        (BenchWidget, "explorer"),
        (AdapTransEditor, "prefilter"),
        (STRFEditor, "strf"),
        (ActivationEditor, "activation"),
        (ResponseView, "response"),
    ],
)
def test_each_view_names_itself(session, kind, view):
    widget = kind(session)
    assert widget.view == view
    assert repr(widget) == f"{kind.__name__}({session!r}, neuron=0)"
    widget.close()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"session": "s"}, TypeError, "session must be a LiveSession, got str"),
        ({"neuron": 3}, IndexError, r"neuron must lie in \[0, 2\], got 3"),
        ({"neuron": 1.0}, TypeError, "neuron must be an integer or a name, got 1.0"),
        ({"neuron": "neuron 8"}, ValueError, r"neuron must be one of the 3 names, .* got 'neuron 8': did you mean"),
        ({"sound": 1}, IndexError, r"sound must lie in \[0, 0\], got 1"),
        ({"sound": True}, TypeError, r"sound must be an integer or a name, got True"),
    ],
)
def test_a_wrong_argument_is_named_and_leaves_no_observer(session, wrong, error, message):
    with pytest.raises(error, match=message):
        BenchWidget(**{"session": session, **wrong})
    gc.collect()  # what is half built must go quietly
    assert len(session._edited.observers) == 0


# -- requests -----------------------------------------------------------------------------------------------------


def test_an_edit_is_answered_with_the_state_of_the_session(make_session, monkeypatch):
    session = make_session("gaussians", "adaptrans", "gelu")
    page = Page(BenchWidget(session), monkeypatch)
    page.edit(0.75, index=(0, 1, 1))
    assert session.value("strf.weight", (0, 1, 1)) == 0.75
    (answer, buffers) = page.got[-1]
    assert answer["type"] == "answer"
    assert (answer["client"], answer["seq"], answer["neuron"], answer["settled"]) == ("page", 1, 0, False)
    assert (answer["can_undo"], answer["can_redo"]) == (True, False)
    assert answer["score"] == pytest.approx(session.score(0), abs=1e-6)
    assert answer["work_ms"] >= 0
    parts = dict(zip(answer["parts"], buffers, strict=True))
    np.testing.assert_array_equal(parts["kernel"], session.live.kernel(0).float().flatten())
    np.testing.assert_array_equal(parts["rate"], session.rate(0)[0].float())
    assert parts["gaussians"].reshape(2, 2, 5)[1, 1, 4] == 0.75
    page.widget.close()


class Line:
    """What leaves for the browser: sizes of custom messages and of trait updates in bytes, and which traits."""

    def __init__(self, widget, monkeypatch):
        self.answers, self.updates, self.traits = [], [], []

        def send(message, buffers=None):
            size = len(json.dumps(message)) + sum(len(memoryview(buffer).cast("B")) for buffer in buffers or [])
            if message["method"] == "custom":
                self.answers.append(size)
            else:
                self.updates.append(size)
                self.traits.append({*message["state"], *(path[0] for path in message.get("buffer_paths", []))})

        monkeypatch.setattr(widget, "_send", send)


@pytest.mark.parametrize("seconds", [10, 60])
def test_while_the_browser_computes_a_drag_an_answer_has_no_arrays_and_its_end_has_them_once(seconds, monkeypatch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        front = make_prefiltering("adaptrans", 34, 5.0)
        kernel = ParametricSTRF(34, 40, 2, 1, num_gaussians=16)
        model = LinearNonlinear(
            34, 40, out_neurons=1, kernel=kernel, prefiltering=front, output_activation=ParametricSoftplus(1)
        )
    stimulus = 60 * torch.rand(34, 200 * seconds, generator=torch.Generator().manual_seed(1))
    responses = torch.rand(1, 200 * seconds, generator=torch.Generator().manual_seed(2))
    session = LiveSession(model, stimulus, responses, cf_hz=np.geomspace(500, 20000, 34))
    widget = BenchWidget(session)
    assert widget.info["local"]
    page = Page(widget, monkeypatch)
    monkeypatch.undo()
    line = Line(widget, monkeypatch)
    for step in range(5):
        place = [{"name": f"strf.{name}", "index": [0, 1, 7]} for name in ("band", "frame")]
        content = {"type": "edit", "gesture": "drag", "phase": "move", "edits": place}
        page.request(content, 10.0 + step, 20.5 - step)
    assert len(line.answers) == 5
    assert max(line.answers) <= 1000
    assert line.updates == []
    page.request({"type": "edit", "gesture": "drag", "phase": "end", "edits": []})
    assert line.answers[-1] <= 1000
    (traits,) = line.traits
    assert {"gaussians", "kernel", "rate", "revision"} <= traits
    assert not {name for name in traits if name.startswith("trained") or name in ("stimulus", "psth", "prefilter")}
    page.request({"type": "undo"})
    assert {"gaussians", "kernel", "rate", "revision"} <= line.traits[-1]
    assert not {name for name in line.traits[-1] if name.startswith("trained")}
    widget.close()


def test_a_repeated_request_is_answered_with_all_arrays(widget, page):
    page.edit(0.75)
    assert page.got[-1][0]["parts"] == []
    page.edit(0.75, seq=1)
    content, buffers = page.got[-1]
    assert content["parts"] == ["gaussians", "kernel", "affine", "prefilter", "activation", "rate"]
    np.testing.assert_array_equal(buffers[-1], widget.session.rate(0)[0].float())
    assert_shows(widget, 0)


def test_an_answer_names_the_revision_of_the_traits_that_hold_it(widget, page):
    before = widget.revision
    page.edit(0.75)
    assert (page.got[-1][0]["revision"], widget.revision) == (before, before)
    page.edit(0.5, phase="end")
    assert page.got[-1][0]["revision"] == widget.revision > before


def test_a_change_from_elsewhere_during_a_drag_comes_with_its_arrays(widget, page):
    page.edit(0.75)
    widget.session.set("activation.beta", 2.0)
    content, buffers = page.got[-1]
    assert (content["client"], content["parts"]) == ("", ["activation", "rate"])
    np.testing.assert_array_equal(buffers[-1], widget.session.rate(0)[0].float())
    page.edit(0.5)
    assert page.got[-1][0]["parts"] == []


def test_traits_wait_for_the_end_of_a_gesture(widget, page):
    before = widget.rate
    page.edit(0.75)
    assert widget.rate == before
    assert not widget.can_undo
    page.request({"type": "edit", "gesture": "drag", "phase": "end", "edits": []})
    assert page.got[-1][0]["settled"]
    assert_shows(widget, 0)
    assert widget.rate != before


def test_a_gesture_longer_than_the_session_remembers_sends_nothing_anew(widget, page):
    page.edit(0.5)
    before = widget.revision

    for step in range(MAX_RECENT + 1):
        page.edit(step / MAX_RECENT)

    assert widget.revision == before


def test_undo_redo_and_revert_from_the_browser(widget, page):
    trained = widget.session.trained_value("strf.weight", (0, 0, 0))
    for value, gesture in ((1.0, "a"), (2.0, "a"), (3.0, "b")):
        page.edit(value, gesture=gesture, phase="end" if value > 1 else "move")
    expected = {"undo": [2.0, trained, trained], "redo": [2.0, 3.0, 3.0]}
    for kind, values in expected.items():
        for value in values:
            page.request({"type": kind})
            assert page.got[-1][0]["settled"]
            assert widget.session.value("strf.weight", (0, 0, 0)) == value
            assert_shows(widget, 0)
    page.request({"type": "revert", "names": ["strf.weight"], "index": [0]})
    assert widget.session.value("strf.weight", (0, 0, 0)) == trained
    assert_shows(widget, 0)


def test_two_browsers_may_use_one_id_for_a_gesture(widget, page):
    page.edit(1.0)
    page.edit(2.0, client="other", seq=1)
    widget.session.undo()
    assert widget.session.value("strf.weight", (0, 0, 0)) == 1.0


def test_a_request_that_is_sent_again_is_answered_but_not_applied(widget, page):
    page.edit(1.0, seq=4)
    widget.session.set("strf.weight", 9.0, (0, 0, 0))
    page.edit(1.0, seq=4)
    page.edit(1.0, seq=2)
    assert widget.session.value("strf.weight", (0, 0, 0)) == 9.0
    for answer, _ in page.got[-2:]:
        assert (answer["type"], answer["client"], answer["seq"], answer["settled"]) == ("answer", "page", 4, True)
    page.request({"type": "undo"}, seq=5)
    page.request({"type": "undo"}, seq=5)
    assert widget.session.value("strf.weight", (0, 0, 0)) == 1.0


def test_an_edit_on_its_way_converts_no_units(widget, page, monkeypatch):
    for name in ("band_to_hz", "hz_to_band", "octaves_per_band", "frame_to_lag_ms", "lag_ms_to_frame"):
        monkeypatch.setattr(parameters, name, lambda *_args, name=name: pytest.fail(f"{name} was called"))
    names = ("strf.band", "strf.frame", "strf.sigma_bands", "strf.sigma_frames", "strf.weight")
    for phase in ("move", "move"):  # its end also writes all edits down as a text, in Hz and ms
        edits = [{"name": name, "index": [0, 1, 1]} for name in names]
        page.request({"type": "edit", "gesture": "drag", "phase": phase, "edits": edits}, 2.5, 1.25, 1.5, 0.75, 0.5)
        assert page.got[-1][0]["type"] == "answer"
    values = [float(widget.session.value(name, (0, 1, 1), grid=True)) for name in GAUSSIANS]
    assert values == pytest.approx([2.5, 1.25, 1.5, 0.75, 0.5], rel=1e-6)


@pytest.mark.parametrize("name", ["strf.center_hz", "strf.sigma_oct", "strf.colour"])
def test_only_names_of_the_grid_are_known_on_the_wire(widget, page, name):
    page.edit(1.0, name=name)
    known = "activation.b, activation.beta, "
    assert page.got[-1][0]["text"].startswith(f"name must be one of this model's parameters ({known}")
    page.request({"type": "revert", "names": [name], "index": [0, 0, 0]})
    assert page.got[-1][0]["text"].endswith(f"got {name!r}")
    assert not widget.session.can_undo


def test_each_browser_has_its_own_sequence_numbers(widget, page):
    page.edit(1.0, seq=10)
    page.edit(2.0, seq=1, client="other")
    assert widget.session.value("strf.weight", (0, 0, 0)) == 2.0
    assert page.got[-1][0]["client"] == "other"


def test_an_error_names_the_request_and_is_cleared_by_a_good_one(widget, page):
    page.edit(99999.0, name="strf.band")
    (error, _) = page.got[-1]
    assert (error["type"], error["client"], error["seq"]) == ("error", "page", 1)
    assert error["text"] == widget.error == "strf.band must lie in [0, 4] bands, got 99999"
    page.edit(1.0, phase="end")
    assert widget.error == ""
    page.edit(1.0, name="strf.colour")
    assert widget.error.startswith("name must be one of this model's parameters (activation.b,")


def test_a_hidden_bench_sends_nothing_and_is_right_when_it_is_shown(widget, page):
    widget.set_state({"width": 700})
    widget.set_state({"width": 0})
    before = widget.gaussians
    widget.session.set("strf.weight", 2.0, (0, 0, 0))
    assert page.got == []
    assert widget.gaussians == before
    widget.set_state({"width": 700})
    assert_shows(widget, 0)
    widget.session.set("strf.weight", 3.0, (0, 0, 0))
    assert len(page.got) == 1
    assert_shows(widget, 0)


@pytest.mark.parametrize(("name", "value", "low", "high"), [("channel", -3, 0, 1), ("selected", 99, -1, 1)])
def test_a_choice_that_there_is_not_is_refused(widget, name, value, low, high):
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError, match=rf"{name} must lie in \[{low}, {high}\], got {value}"):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_the_neuron_may_be_changed_from_the_browser(widget, page):
    widget.set_state({"neuron": 2})
    assert_shows(widget, 2)
    page.edit(0.5, index=(2, 0, 0), phase="end")
    assert page.got[-1][0]["neuron"] == 2
    assert_shows(widget, 2)
    assert widget.edited
    widget.neuron = 1
    assert_shows(widget, 1)
    assert not widget.edited


@pytest.mark.parametrize("neuron", [3, -1, 10**9])
def test_a_neuron_that_does_not_exist_is_refused(widget, neuron):
    widget.neuron = 1
    sent = []
    widget.comm.send = lambda data=None, buffers=None, **_: sent.append(data)
    widget.set_state({"neuron": neuron})
    assert widget.error == f"neuron must lie in [0, 2], got {neuron}"
    assert_shows(widget, 1)
    assert any(data["state"].get("neuron") == 1 for data in sent if data["method"] == "update")


# -- bursts, on a running loop ------------------------------------------------------------------------------------


@pytest.fixture
def queued(monkeypatch):
    """However long a test takes, a request counts as one that waited behind the answer before it."""
    monkeypatch.setattr(bench, "QUEUED_S", 3600.0)


def test_a_single_request_is_answered_at_once(widget, monkeypatch):
    async def alone():
        page = Page(widget, monkeypatch)
        page.edit(1.0)
        assert [content["seq"] for content, _ in page.got] == [1]
        assert widget._answer_timer.handle is None

    asyncio.run(alone())


def test_requests_that_wait_behind_an_answer_get_one_answer(widget, monkeypatch, queued):
    async def burst():
        page = Page(widget, monkeypatch)
        page.edit(0.5)
        assert [content["seq"] for content, _ in page.got] == [1]
        page.got.clear()
        page.news.clear()
        for value in (1.0, 2.0, 3.0, 4.0, 5.0):
            page.edit(value)
        assert page.got == []
        assert widget.session.value("strf.weight", (0, 0, 0)) == 5.0
        answer = await page.answer()
        assert (answer["seq"], answer["settled"]) == (6, False)
        assert answer["score"] == pytest.approx(widget.session.score(0), abs=1e-6)
        page.edit(6.0, phase="end")
        answer = await page.answer()
        assert (answer["seq"], answer["settled"]) == (7, True)
        assert len(page.got) == 2
        assert widget._answer_timer.handle is None
        assert_shows(widget, 0)

    asyncio.run(burst())


def test_each_browser_of_a_burst_is_answered(widget, monkeypatch, queued):
    async def burst():
        page = Page(widget, monkeypatch)
        widget._answered_at = time.perf_counter()
        page.edit(1.0, client="a", seq=3)
        page.edit(2.0, client="b", seq=8, phase="end")
        page.edit(3.0, client="a", seq=4)
        await page.answer()
        answers = {content["client"]: (content["seq"], content["settled"]) for content, _ in page.got}
        assert answers == {"a": (4, False), "b": (8, True)}
        assert len(page.got) == 2

    asyncio.run(burst())


def test_an_error_does_not_wait_for_the_burst(widget, monkeypatch, queued):
    async def burst():
        page = Page(widget, monkeypatch)
        widget._answered_at = time.perf_counter()
        page.edit(1.0)
        page.edit(float("nan"))
        assert [content["type"] for content, _ in page.got] == ["error"]
        page.news.clear()
        assert (await page.answer())["type"] == "answer"
        assert widget.session.value("strf.weight", (0, 0, 0)) == 1.0

    asyncio.run(burst())


def test_a_closed_widget_answers_no_burst(session, monkeypatch, queued):
    async def burst():
        widget = BenchWidget(session)
        widget._answered_at = time.perf_counter()
        page = Page(widget, monkeypatch)
        page.edit(1.0)
        pending = widget._answer_timer.handle
        widget.close()
        assert pending.cancelled()
        assert widget._answer_timer.handle is None

    asyncio.run(burst())


# -- several widgets ----------------------------------------------------------------------------------------------


def test_two_widgets_on_one_session_stay_in_step(session, monkeypatch):
    editor, view = STRFEditor(session), ResponseView(session)
    hand, eye = Page(editor, monkeypatch, "hand"), Page(view, monkeypatch, "eye")
    hand.edit(0.5)
    ((seen, buffers),) = eye.got
    assert (seen["type"], seen["client"], seen["settled"]) == ("answer", "", False)
    np.testing.assert_array_equal(buffers[-1], session.rate(0)[0].float())
    hand.edit(0.75, phase="end")
    assert_shows(editor, 0)
    assert_shows(view, 0)
    eye.request({"type": "undo"})
    assert_shows(editor, 0)
    assert_shows(view, 0)
    assert not editor.edited
    assert len(hand.got) == len(eye.got) == 3
    for widget in (editor, view):
        widget.close()


def test_a_change_in_python_reaches_the_browser(widget, page):
    widget.session.set("activation.beta", 2.0)
    assert page.got[-1][0]["settled"]
    assert_shows(widget, 0)
    widget.session.undo()
    assert_shows(widget, 0)


def test_a_closed_widget_no_longer_follows(session, monkeypatch):
    widget = BenchWidget(session)
    page = Page(widget, monkeypatch)
    before = widget.rate
    widget.close()
    session.set("strf.weight", 4.0)
    assert page.got == []
    assert widget.rate == before
    assert len(session._edited.observers) == 0
    widget.close()


def test_browser_receives_what_cannot_be_edited_and_why(session):
    widget = BenchWidget(session)
    assert widget.info["restrictions"] == session.restrictions == ""
    kernel = session.model.readout.strf.kernel
    kernel.forward = type(kernel).forward.__get__(kernel)  # as a notebook patches a layer
    with pytest.warns(UserWarning, match="has a forward of its own"):
        session.refresh()
    widget.refresh()
    assert widget.info["restrictions"] == session.restrictions
    assert "strf.weight" in session.restrictions
    assert "cannot be edited" in session.restrictions
    widget.close()


# -- edits that outlive the kernel --------------------------------------------------------------------------------


def test_the_browser_keeps_all_edits_as_a_text_and_another_bench_puts_them_back(
    page, widget, make_session, monkeypatch
):
    assert widget.edits == ""
    page.edit(0.75, phase="end")
    page.edit(0.25, index=(2, 0, 0), gesture="other", phase="end")
    text = widget.edits
    assert text.startswith("deepstrf1:")
    fresh = BenchWidget(make_session())
    next_page = Page(fresh, monkeypatch)
    next_page.request({"type": "restore", "state": text})
    for index in ((0, 0, 0), (2, 0, 0)):
        assert fresh.session.value("strf.weight", index) == widget.session.value("strf.weight", index)
    assert next_page.got[-1][0]["type"] == "answer"
    assert (fresh.edits, fresh.edited) == (text, True)
    next_page.request({"type": "undo"})
    assert (fresh.edits, fresh.session.edited()) == ("", False)
    fresh.close()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "state must be a text, got None"),
        ("deepstrf1:x", "state must be a text from explorer.state"),
        ("", "state must be a text from explorer.state"),
    ],
)
def test_edits_that_cannot_be_put_back_are_refused(page, widget, state, message):
    page.request({"type": "restore", "state": state})
    assert page.got[-1][0]["type"] == "error"
    assert message in widget.error
    assert not widget.session.edited()


def test_edits_of_locked_parameters_are_not_put_back(session, make_session, monkeypatch):
    session.set("strf.weight", 0.75, (0, 0, 0))
    free = BenchWidget(session)
    locked = BenchWidget(make_session(), lock=["strf"])
    page = Page(locked, monkeypatch)
    page.request({"type": "restore", "state": free.edits})
    assert "strf.weight is locked in this bench" in locked.error
    assert not locked.session.edited()
    free.close()
    locked.close()


def test_a_depression_is_computed_and_edited_in_the_browser(monkeypatch):
    prefilter = ShortTermPlasticity([0.9] * 5, [0.01] * 5)
    model = LinearNonlinear(5, 4, out_neurons=2, prefiltering=prefilter)
    widget = BenchWidget(LiveSession(model, torch.rand(5, 40), dt_ms=5.0, cf_hz=CF_HZ))
    assert widget.info["local"]
    assert widget.info["prefilter"]["kind"] == "plasticity"
    assert widget.info["prefilter"]["rows"] == ["prefilter.tau_ms", "prefilter.u"]
    assert widget.info["limits"]["prefilter.u"] == [1e-6, 10.0]
    shown = np.frombuffer(widget.prefilter, "<f4").reshape(2, 5)
    assert shown == pytest.approx(np.repeat([[-5 / np.log(0.9)], [0.01]], 5, axis=1), rel=1e-5)
    page = Page(widget, monkeypatch)
    page.edit(0.5, name="prefilter.u", index=(1,), phase="end")
    assert widget.error == ""
    assert widget.session.model.prefiltering.u[1].item() == pytest.approx(0.5, rel=1e-6)
    widget.close()


class Halved(AdapTrans):
    """A prefilter that does something else than its class."""

    def forward(self, spectro_in):
        return super().forward(spectro_in) / 2


def test_the_browser_adapts_before_layers_that_only_the_kernel_knows():
    stimulus = torch.rand(12, 60, generator=torch.Generator().manual_seed(0))

    def slot(change=None, **arguments):
        prefilter = make_prefiltering("adaptrans", 12, 5.0)
        if change:
            change(prefilter)
        model = ConvNet2D(12, (3, 3), c_hidden=2, n_hidden=2, out_neurons=2, prefiltering=prefilter, **arguments)
        widget = BenchWidget(LiveSession(model.eval(), stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 8000, 12)))
        widget.close()
        assert not widget.info["local"]
        return widget.info["prefilter"]

    assert slot()["local"]
    assert slot(lambda prefilter: setattr(prefilter, "__class__", Halved))["kind"] == "other"
    assert not slot(lambda prefilter: setattr(prefilter, "__class__", Halved))["local"]
    assert not slot(lambda prefilter: prefilter.register_forward_hook(lambda *_: None))["local"]
    assert not slot(lambda prefilter: prefilter.register_buffer("switch_channels", torch.ones(2)))["local"]
    assert not slot(wav2spec=nn.ReLU())["local"]


# -- a page that goes while it holds a handle ------------------------------------------------------------------------


@pytest.fixture
def fitted(make_session, monkeypatch):
    """A widget, its page and a fit whose steps but the last are pictures; a page that is silent for two is gone."""
    widget = BenchWidget(make_session(dtype=torch.float32))
    for name in ("SHORTEST_S", "PICTURE_REST", "PATIENCE_S", "GONE_S"):
        monkeypatch.setattr(bench, name, 0.0)
    player = Player(widget.session)
    yield widget, Page(widget, monkeypatch), player
    player.close()
    widget.close()


def test_what_a_page_held_that_says_nothing_any_more_moves_again(fitted):
    widget, page, player = fitted
    page.edit(0.25)
    player.step(2)
    assert widget.session.value("strf.weight", (0, 0, 0)) == 0.25
    player.step(2)
    assert widget.session.value("strf.weight", (0, 0, 0)) != 0.25


def test_what_a_page_holds_that_answers_pictures_never_moves(fitted):
    widget, page, player = fitted
    page.edit(0.25)
    for _ in range(5):
        before = widget._painted_number
        player.step(2)
        assert widget._painted_number > before
        page.request({"type": "painted"}, seq=widget._painted_number)
    assert widget.session.value("strf.weight", (0, 0, 0)) == 0.25


def test_a_page_lets_go_of_what_it_holds_when_its_last_view_goes(fitted):
    widget, page, player = fitted
    widget.width = 600
    page.edit(0.25)
    widget.width = 0
    player.step(2)
    assert widget.session.value("strf.weight", (0, 0, 0)) != 0.25


def test_a_page_that_goes_leaves_what_another_holds(fitted):
    widget, page, player = fitted
    page.edit(0.25)
    page.edit(0.5, index=(0, 0, 1), client="other", seq=1)
    for _ in range(5):
        player.step(2)
        page.request({"type": "painted"}, client="other", seq=widget._painted_number)
    assert widget.session.value("strf.weight", (0, 0, 0)) != 0.25
    assert widget.session.value("strf.weight", (0, 0, 1)) == 0.5
