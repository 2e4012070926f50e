"""The explorer: its arguments, its figures that follow the session, and how often they are painted."""

import asyncio
import base64
import gc
import gzip
import json
import weakref
import zlib
from contextlib import closing

import ipywidgets
import numpy as np
import pytest
import traitlets

from deepstrf.demo import load_demo
from deepstrf.models import LinearNonlinear, StateNet
from deepstrf_widgets import BenchWidget, Edit, Explorer, Gallery, LiveSession, explore
from deepstrf_widgets.bundle import bundle_text
from deepstrf_widgets.figures import neuron_figure
from deepstrf_widgets.session.serialization import state_text

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


@pytest.fixture
def shown(session):
    explorer = explore(session)
    yield explorer
    explorer.close()


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def assert_up_to_date(explorer, figures):
    """The figure widget holds what a new figure of the present state would."""
    on_screen = traces(figures)
    for name, trace in traces(explorer.figure()).items():
        key = "z" if trace.type == "heatmap" else "y"
        np.testing.assert_array_equal(on_screen[name][key], trace[key], err_msg=name)


# -- what it is made of -------------------------------------------------------------------------------------------


def test_a_model_is_copied_and_a_session_shared(make_model, make_stimulus, make_responses, session):
    model = make_model()
    explorer = explore(
        model, make_stimulus(), make_responses(), dt_ms=4.0, cf_hz=CF_HZ, neuron_names=list("abc"), neuron=1
    )
    assert explorer.session.model is not model
    assert (explorer.session.dt_ms, explorer.session.neuron_names, explorer.neuron) == (4.0, ["a", "b", "c"], 1)
    assert explorer.bench is explorer
    assert isinstance(explorer, BenchWidget)
    assert explorer.bench.session is explorer.session
    other = explore(session)
    assert other.session is session
    explorer.close()
    other.close()


def test_repr_is_short_and_stable(shown):
    text = "Explorer(LiveSession(LinearNonlinear, 3 neurons, 5 bands x 30 bins), neuron=0)"
    assert repr(shown) == repr(shown) == text
    shown.neuron = 2
    assert repr(shown) == text.replace("neuron=0", "neuron=2")


def test_the_demo_can_be_explored():
    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
    assert explorer.session.stimulus_unit == "dB"
    assert explorer.bench.info["neuron_names"] == demo.neuron_names
    assert explorer.bench.score > 0.5  # a fitted model on the sound whose spikes it knows
    explorer.close()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"stimulus": None}, TypeError, "stimulus must be given with a model, got None"),
        ({"model": "LN"}, TypeError, "model must be a deepstrf NeuralModel, got str"),
        ({"neuron": 7}, IndexError, r"neuron must lie in \[0, 2\], got 7"),
        ({"neuron": "neuron 9"}, ValueError, r"neuron must be one of the 3 names, .* got 'neuron 9': did you mean"),
        ({"locked": ["strf"]}, TypeError, r"explore\(\) has no argument 'locked': did you mean 'lock'\?"),
        ({"sound": 3}, IndexError, r"sound must lie in \[0, 0\], got 3"),
        ({"dt_ms": -5}, ValueError, "dt_ms must be positive and finite in ms, got -5"),
        ({"cf_hz": [1.0]}, ValueError, r"cf_hz must have one frequency per band, shape \(5,\), got \(1,\)"),
    ],
)
def test_a_wrong_argument_is_named(make_model, make_stimulus, wrong, error, message):
    given = {"model": make_model(), "stimulus": make_stimulus(), "cf_hz": CF_HZ, **wrong}
    with pytest.raises(error, match=message):
        explore(**given)
    gc.collect()  # what is half built must go quietly


@pytest.mark.parametrize("name", ["stimulus", "responses", "dt_ms", "cf_hz", "neuron_names"])
def test_a_session_has_everything_already(session, make_stimulus, name):
    with pytest.raises(TypeError, match=r"stimulus, responses, .* must not be given with a LiveSession"):
        explore(session, **{name: make_stimulus()})


def test_a_wrong_neuron_is_refused(shown):
    with pytest.raises(IndexError, match=r"neuron must lie in \[0, 2\], got 5"):
        shown.neuron = 5
    assert shown.neuron == 0


@pytest.mark.parametrize("value", [5, -1, "x", 1.5, None, True])
def test_a_browser_that_names_no_neuron_is_told(shown, value):
    shown.set_state({"neuron": value})
    assert shown.error.startswith("neuron must ")
    assert shown.neuron == 0


def test_the_widgets_of_a_session_take_a_neuron_by_name(session):
    bench, gallery = BenchWidget(session), Gallery(session)
    bench.neuron, gallery.selected = "neuron 2", np.str_("neuron 3")
    assert (bench.neuron, gallery.selected) == (1, 2)
    with pytest.raises(ValueError, match=r"selected must be one of the 3 names, .* got 'neurn 1': did you mean"):
        gallery.selected = "neurn 1"
    assert gallery.selected == 2
    bench.close()
    gallery.close()


def test_neurons_go_by_name(session, tmp_path):
    explorer = explore(session, neuron="neuron 3", gallery=True, figures=False)
    assert explorer.neuron == explorer.gallery.selected == 2
    explorer.neuron = "neuron 2"
    assert explorer.bench.neuron == 1
    assert explorer.figure("neuron 1").layout.title.text.startswith("neuron 1")
    assert explorer.figure().layout.title.text.startswith("neuron 2")
    assert neuron_figure(session, "neuron 3").layout.title.text.startswith("neuron 3")
    page = explorer.save_html(tmp_path / "bench.html", neurons=["neuron 3", 0]).read_text(encoding="utf-8")
    assert '"neuron_names": ["neuron 3", "neuron 1"]' in page
    page = explorer.save_html(tmp_path / "bench.html", neurons="neuron 2").read_text(encoding="utf-8")
    assert '"neuron_names": ["neuron 2"]' in page
    with pytest.raises(ValueError, match=r"neurons must be at least one and all different, got \['neuron 2', 1\]"):
        explorer.save_html(tmp_path / "bench.html", neurons=["neuron 2", 1])
    with pytest.raises(ValueError, match=r"neuron must be one of the 3 names, such as 'neuron 1', .* got 'x'"):
        explorer.neuron = "x"
    explorer.close()


def test_undo_redo_revert_and_save(shown, tmp_path):
    session = shown.session
    session.set("strf.weight", 4.0)
    shown.undo()
    assert not session.edited()
    shown.redo()
    assert (session.value("strf.weight") == 4.0).all()
    shown.revert(["strf.bias"])
    assert (session.value("strf.weight") == 4.0).all()
    shown.revert()
    assert not session.edited()
    shown.undo()
    model = LinearNonlinear.from_pretrained(shown.save_pretrained(tmp_path / "model"))
    assert (LiveSession(model, session.stimulus, cf_hz=CF_HZ).value("strf.weight") == 4.0).all()


# -- one widget ---------------------------------------------------------------------------------------------------


class Browser:
    """One view of an explorer: it opens panels and keeps what they are sent."""

    def __init__(self, explorer, client="browser"):
        self.explorer, self.client, self.sent = explorer, client, []
        send = explorer.send

        def record(content, buffers=None):
            self.sent.append((content, [bytes(part) for part in buffers or []]))
            send(content, buffers)

        explorer.send = record

    def tell(self, panel, data, buffers=()):
        message = {"type": "panel", "panel": panel, "client": self.client, "data": data}
        self.explorer._received(self.explorer, message, list(buffers))

    def got(self, panel, method):
        return [
            (content["data"], parts)
            for content, parts in self.sent
            if content.get("type") == "panel" and content["panel"] == panel and content["data"]["method"] == method
        ]


def test_an_explorer_is_one_widget_for_the_browser(session):
    before = set(ipywidgets.widgets.widget._instances)
    explorer = explore(session, gallery=True)
    browser = Browser(explorer)
    for name in explorer.can_open:
        browser.tell(name, {"method": "open"})
        ((opened, _),) = browser.got(name, "opened")
        assert not [key for key in opened["state"] if key.startswith("_")]
    new = [type(one) for key, one in ipywidgets.widgets.widget._instances.items() if key not in before]
    # Each object has a class of its own, to which anywidget adds traits.
    assert [issubclass(kind, Explorer) for kind in new if kind is not ipywidgets.Layout] == [True]
    explorer.close()


def test_a_page_that_is_loaded_again_is_told_of_no_panel_but_of_those_shown_alone(session):
    explorer = explore(session, gallery=True)
    panels = {explorer.gallery.model_id, explorer.panel("findings").model_id}

    def told():
        return {*ipywidgets.Widget.get_manager_state()["state"]}

    assert explorer.model_id in told()
    assert not panels & told()
    explorer.gallery._repr_mimebundle_()
    assert panels & told() == {explorer.gallery.model_id}
    explorer.close()
    assert not panels & told()


def test_a_closed_explorer_opens_no_panels():
    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, gallery=True)
    assert "sounds" in explorer.can_open
    explorer.close()
    before = set(ipywidgets.widgets.widget._instances)
    assert explorer.sounds is None
    for name in set(explorer.can_open) - {"gallery"}:
        with pytest.raises(ValueError, match=rf"the explorer is closed, so {name} cannot be opened: open another"):
            explorer.panel(name)
    assert explorer.panel("gallery").comm is None
    assert set(ipywidgets.widgets.widget._instances) == before


def test_a_panel_gets_its_state_and_its_code_and_is_told_of_changes(session):
    explorer = explore(session, gallery=True)
    browser = Browser(explorer)
    browser.tell("gallery", {"method": "open"})
    ((opened, parts),) = browser.got("gallery", "opened")
    assert opened["state"]["selected"] == 0
    assert parts[opened["buffer_paths"].index(["kernels"])] == explorer.gallery.kernels.tobytes()
    browser.tell("gallery", {"method": "module"})
    ((answer, (packed,)),) = browser.got("gallery", "module")
    assert answer["module"] == opened["module"]
    assert gzip.decompress(packed).decode() == bundle_text("gallery.js")
    browser.tell("gallery", {"method": "update", "state": {"selected": 2}, "buffer_paths": []})
    assert explorer.neuron == 2
    explorer.neuron = 1
    assert browser.got("gallery", "update")[-1][0]["state"] == {"selected": 1}
    explorer.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"panel": "clock"},
            "panel must be one of play, figures, sounds, gallery, inside, comparison, findings, got 'clock'",
        ),
        ({"client": 3}, "client must be a name, got 3"),
        ({"data": None}, "method must be one of open, module, update, custom, got None"),
        ({"data": {"method": "shout"}}, "method must be one of open, module, update, custom, got 'shout'"),
    ],
)
def test_a_malformed_message_to_a_panel_is_refused(shown, change, message):
    asked = {"type": "panel", "panel": "sounds", "client": "a", "data": {"method": "open"}}
    shown._received(shown, asked | change, [])
    assert message in shown.error


def test_which_panels_are_open_is_a_trait(session):
    explorer = explore(session)
    assert explorer.panels == ["figures"]
    explorer.set_state({"panels": ["figures", "findings"]})
    assert explorer.panels == ["figures", "findings"]
    with pytest.raises(traitlets.TraitError):
        explorer.panels = ["clock"]
    explorer.close()
    bare = explore(session, figures=False)
    assert bare.panels == []
    bare.close()


def test_a_panel_can_be_shown_alone_too(session):
    explorer = explore(session, gallery=True)
    bundle, _ = explorer.gallery._repr_mimebundle_()
    model = bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert model == explorer.gallery.model_id
    assert explorer.gallery.comm._own is not None
    explorer.close()


# -- traits to observe and link -----------------------------------------------------------------------------------


def test_neuron_score_state_and_edited_can_be_observed_and_linked(make_session):
    one, other = explore(make_session(), figures=False), explore(make_session(), figures=False)
    notified = []
    one.observe(lambda change: notified.append(change["name"]), ("neuron", "score", "state", "edited"))
    links = [traitlets.link((one, name), (other, name)) for name in ("neuron", "state")]
    one.session.set("strf.weight", 2.0, (0, 0, 0))
    one.refresh()
    assert {"state", "edited"} <= set(notified)
    assert other.state == one.state != ""
    assert other.session.value("strf.weight", (0, 0, 0)) == 2.0
    one.neuron = "neuron 3"
    assert other.neuron == 2
    one.undo()
    assert not other.session.edited()
    for link in links:
        link.unlink()
    one.close()
    other.close()


def test_a_state_can_be_set(shown):
    shown.session.set("strf.weight", 4.0)
    edited = shown.state
    shown.undo()
    shown.state = edited
    assert (shown.session.value("strf.weight") == 4.0).all()
    with pytest.raises(ValueError, match="state"):
        shown.state = "nonsense"


def test_a_state_holds_what_is_on_screen_and_may_be_an_address(shown, make_session):
    """Its numbers are told to observers; another bench shows what it has of them."""
    told = []
    shown.observe(lambda change: told.append(change.new), "state")
    shown.neuron, shown.channel = 2, 1
    assert told[-1] == shown.state
    with closing(explore(make_session())) as other:
        other.restore(f"https://somewhere/page.html?x=1#{shown.state.replace('=', '%3D')}")
        assert (other.neuron, other.channel) == (2, 1)
        other.restore("https://somewhere/page.html#bench-3=" + state_text(other.session, {"neuron": 1}))
        assert other.neuron == 1
        other.state = state_text(other.session)
        assert (other.neuron, other.channel) == (0, 0)
        other.state = state_text(other.session, {"neuron": 1, "sound": 7})
        assert (other.neuron, other.sound) == (1, 0)


@pytest.mark.parametrize("view", [[1], {"neuron": -1}, {"neuron": True}, {"sound": 0.5}, "x"])
def test_a_state_with_no_numbers_of_what_is_on_screen_is_an_error_and_changes_nothing(shown, view):
    data = zlib.compress(json.dumps({"neurons": 3, "edits": [["strf.weight", [0, 0, 0], 4.0]], "view": view}).encode())
    with pytest.raises(ValueError, match=r"state must be a text from explorer\.state"):
        shown.restore("deepstrf1:" + base64.urlsafe_b64encode(data).decode())
    assert not shown.session.edited()


# -- figures ------------------------------------------------------------------------------------------------------


def arrays_of(browser, kind):
    """The last figure, or the last values, that the panel was sent, by name."""
    contents = [(data["content"], parts) for data, parts in browser.got("figures", "custom")]
    content, parts = [one for one in contents if one[0]["type"] == kind][-1]
    return content, {
        one["name"]: np.frombuffer(part, "<f4").reshape(one["shape"])
        for one, part in zip(content["arrays"], parts, strict=True)
    }


def draw(browser):
    browser.tell("figures", {"method": "open"})
    browser.tell("figures", {"method": "custom", "content": {"type": "figure"}})


def test_the_figure_holds_what_the_plain_one_does(shown):
    browser = Browser(shown)
    draw(browser)
    content, arrays = arrays_of(browser, "figure")
    plain = traces(shown.figure())
    assert arrays.keys() == plain.keys()
    for name, trace in plain.items():
        np.testing.assert_allclose(arrays[name], trace["z" if trace.type == "heatmap" else "y"], rtol=1e-6)
    assert content["lanes"][0]["name"] == "stimulus"


def test_arrays_of_the_figure_are_in_no_trait(shown):
    draw(Browser(shown))
    held = {name: value for name, value in shown.panel("figures").get_state().items() if isinstance(value, bytes)}
    assert held == {}


def test_a_settled_edit_sends_only_what_has_changed(shown):
    browser = Browser(shown)
    draw(browser)
    shown.session.set("strf.weight", 2.0, (0, 0, 0))
    _, arrays = arrays_of(browser, "values")
    assert "model" in arrays
    assert "stimulus" not in arrays
    assert "ON" not in arrays
    plain = traces(shown.figure())
    np.testing.assert_allclose(arrays["model"], plain["model"].y, rtol=1e-6)


def test_the_end_of_a_gesture_that_another_one_has_interrupted_is_drawn_within_0_3_s(shown):
    browser = Browser(shown)
    draw(browser)

    async def gesture():
        loop = asyncio.get_running_loop()
        move(shown.session, 0.5)
        # Of another neuron: it settles, and then the end of the first gesture names nothing any more.
        shown.session.apply([Edit("strf.weight", 0.25, (1, 0, 0))], "other", settled=True)
        notified = []
        stop = shown.session.observe(notified.append)
        shown.session.apply([], "drag", settled=True)
        stop()
        assert not notified[0].touches(0)
        handle = shown.panel("figures")._timer.handle
        assert handle.when() <= loop.time() + 0.3
        while shown.panel("figures")._timer.handle is not None:
            await asyncio.sleep(0.01)
        _, arrays = arrays_of(browser, "values")
        np.testing.assert_allclose(arrays["model"], traces(shown.figure())["model"].y, rtol=1e-6)

    asyncio.run(asyncio.wait_for(gesture(), 60))


def test_another_neuron_and_another_sound_are_drawn(shown):
    browser = Browser(shown)
    draw(browser)
    shown.neuron = 2
    content, arrays = arrays_of(browser, "values")
    assert content["neuron"] == 2
    np.testing.assert_allclose(arrays["model"], traces(shown.figure())["model"].y, rtol=1e-6)
    shown.session.set_stimulus(shown.session.stimulus[..., :20])
    _, arrays = arrays_of(browser, "figure")
    assert arrays["model"].shape == (20,)


def test_a_figure_that_began_without_responses_gets_them(make_session, make_responses):
    session = make_session(responses=None)
    explorer = explore(session)
    browser = Browser(explorer)
    draw(browser)
    assert "recorded" not in arrays_of(browser, "figure")[1]
    session.set_stimulus(session.stimulus, make_responses())
    assert "recorded" in arrays_of(browser, "figure")[1]
    explorer.close()


def test_a_closed_panel_and_a_hidden_explorer_send_nothing(shown):
    browser = Browser(shown)
    draw(browser)
    shown.panels = []
    sent = len(browser.sent)
    shown.session.set("strf.weight", 2.0, (0, 0, 0))
    assert [one for one in browser.sent[sent:] if one[0].get("panel") == "figures"] == []


def test_a_figure_widget_follows(shown):
    figures = shown.figure_widget()
    assert_up_to_date(shown, figures)
    before = traces(figures)["model"].y
    shown.session.set("strf.weight", 2.0, (0, 0, 0))
    assert not np.array_equal(traces(figures)["model"].y, before)
    assert_up_to_date(shown, figures)
    shown.session.set("prefilter.w", 0.3)
    assert_up_to_date(shown, figures)
    shown.undo()
    shown.undo()
    np.testing.assert_array_equal(traces(figures)["model"].y, before)
    shown.neuron = 2
    assert_up_to_date(shown, figures)
    assert figures.layout.title.text.startswith("neuron 3 · r ")
    fixed = shown.figure_widget("neuron 2")
    shown.neuron = 0
    assert fixed.layout.title.text.startswith("neuron 2")


def move(session, weight, *, settled=False):
    session.apply([Edit("strf.weight", weight, (0, 0, 0))], "drag", settled=settled)


def test_a_gallery_without_fields_is_refused_and_leaves_nothing_with_the_session(make_stimulus):
    session = LiveSession(
        StateNet(5, 4, out_neurons=3, kernel_size=3, stride=1).double(), make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ
    )
    with pytest.raises(ValueError, match="receptive fields, or kernels be given, got StateNet without"):
        explore(session, gallery=True)
    assert not session._edited.observers


def test_a_gallery_chooses_the_neuron_and_goes_with_the_explorer(session):
    explorer = explore(session, figures=False, gallery=True, neuron=1)
    assert explorer.panels == ["gallery"]
    assert explorer.gallery.selected == 1
    explorer.gallery.selected = 2
    assert explorer.neuron == 2
    explorer.neuron = 0
    assert explorer.gallery.selected == 0
    explorer.close()
    assert len(session._edited.observers) == 0


def test_what_is_closed_is_gone():
    # The browser's code is passed as text: anywidget keeps a reference to every widget whose code is a file.
    def opened_and_closed():
        demo = load_demo()
        explorer = explore(demo.model, demo.stimulus, demo.responses, gallery=True)
        for chosen in ("paint", "tone", "file"):
            explorer.sounds.choice.value = chosen
        explorer.figure_widget()
        draw(Browser(explorer))
        explorer.diagnose().close()
        parts = explorer, explorer.session, explorer.bench, explorer.gallery, explorer.sounds, explorer.sounds.painter
        explorer.close()
        return [weakref.ref(part) for part in parts]

    opened_and_closed()
    gc.collect()
    before = len(ipywidgets.widgets.widget._instances)
    kept = opened_and_closed()
    gc.collect()
    assert len(ipywidgets.widgets.widget._instances) == before
    assert [one() for one in kept] == [None] * len(kept)
