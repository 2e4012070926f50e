"""The explorer: its arguments, its figures that follow the session, and how often they are painted."""

import asyncio
import gc
import weakref

import ipywidgets
import numpy as np
import pytest

from deepstrf.demo import load_demo
from deepstrf.models import LinearNonlinear, StateNet
from deepstrf_widgets import BenchWidget, Edit, Explorer, LiveSession, explore
from deepstrf_widgets.explorer import explorer as module
from deepstrf_widgets.figures import neuron_figure

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


@pytest.fixture
def shown(session):
    explorer = explore(session)
    yield explorer
    explorer.close()


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def assert_up_to_date(explorer):
    """The figure on screen holds what a new one of the present state would."""
    on_screen = traces(explorer.figures)
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
    assert explorer.children == (explorer.bench,)
    assert isinstance(explorer.bench, BenchWidget)
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
        ({"neuron": "neuron 8"}, ValueError, r"neuron must be one of the 3 names, .* got 'neuron 8': did you mean"),
        ({"locked": ["strf"]}, TypeError, r"explore\(\) has no argument 'locked': did you mean 'lock'\?"),
        ({"sound": 3}, ValueError, r"sound must be an integer in \[0, 0\], got 3"),
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


def test_neurons_go_by_name(session, tmp_path):
    explorer = explore(session, neuron="neuron 2", gallery=True, figures=False)
    assert explorer.neuron == explorer.gallery.selected == 2
    explorer.neuron = "neuron 1"
    assert explorer.bench.neuron == 1
    assert explorer.figure("neuron 0").layout.title.text.startswith("neuron 0")
    assert explorer.figure().layout.title.text.startswith("neuron 1")
    assert neuron_figure(session, "neuron 2").layout.title.text.startswith("neuron 2")
    page = explorer.save_html(tmp_path / "bench.html", neurons=["neuron 2", 0]).read_text(encoding="utf-8")
    assert '"neuron_names": ["neuron 2", "neuron 0"]' in page
    page = explorer.save_html(tmp_path / "bench.html", neurons="neuron 1").read_text(encoding="utf-8")
    assert '"neuron_names": ["neuron 1"]' in page
    with pytest.raises(ValueError, match=r"neurons must be at least one and all different, got \['neuron 1', 1\]"):
        explorer.save_html(tmp_path / "bench.html", neurons=["neuron 1", 1])
    with pytest.raises(ValueError, match=r"neuron must be one of the 3 names, such as 'neuron 0', .* got 'x'"):
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


# -- figures ------------------------------------------------------------------------------------------------------


def test_figures_are_built_once_and_follow(shown):
    assert shown.figures is None
    shown.show_figures()
    figures = shown.figures
    assert shown.children == (shown.bench, figures)
    assert_up_to_date(shown)
    before = traces(figures)["model"].y
    shown.session.set("strf.weight", 2.0, (0, 0, 0))
    shown.show_figures()
    assert shown.figures is figures
    assert not np.array_equal(traces(figures)["model"].y, before)
    assert_up_to_date(shown)
    shown.session.set("prefilter.w", 0.3)
    assert_up_to_date(shown)
    shown.undo()
    shown.undo()
    np.testing.assert_array_equal(traces(figures)["model"].y, before)
    shown.neuron = 2
    assert_up_to_date(shown)
    assert figures.layout.title.text.startswith("neuron 2 · r ")


def test_an_edit_of_another_neuron_paints_nothing(shown, monkeypatch):
    shown.show_figures()
    painted = []
    monkeypatch.setattr(shown, "_repaint", lambda: painted.append(1))
    shown.session.set("strf.weight", 2.0, (1,))
    assert painted == []
    shown.session.set("strf.weight", 2.0, (0,))
    assert painted == [1]


def test_figures_are_built_when_the_bench_is_shown_and_are_as_wide(session):
    with_figures, without = explore(session), explore(session, figures=False)
    for explorer in (with_figures, without):
        explorer.bench.set_state({"width": 700})
    assert with_figures.figures.layout.width == 700
    assert without.figures is None
    with_figures.bench.set_state({"width": 900})
    assert with_figures.figures.layout.width == 900
    with_figures.bench.set_state({"width": 0})  # the last view has gone, and with it the figures
    assert with_figures.figures is None
    assert with_figures.children == (with_figures.bench,)
    with_figures.bench.set_state({"width": 800})
    assert with_figures.figures.layout.width == 800
    with_figures.bench.set_state({"width": 20})
    assert with_figures.figures.layout.width is None  # measured while hidden: Plotly chooses
    with_figures.close()
    without.close()


def test_on_a_running_loop_the_figures_are_built_later(session, monkeypatch):
    async def wait_for_figures():
        explorer = explore(session)
        come = asyncio.Event()
        explorer.observe(lambda _change: come.set(), "children")
        explorer.bench.set_state({"width": 700})
        assert explorer.figures is None
        await asyncio.wait_for(come.wait(), 60)
        assert_up_to_date(explorer)
        explorer.close()

    asyncio.run(wait_for_figures())


def test_a_closed_explorer_builds_no_figures(session):
    explorer = explore(session)
    explorer.close()
    explorer.show_figures()
    assert explorer.figures is None
    assert len(session._edited.observers) == 0
    explorer.close()


def move(session, weight, *, settled=False):
    session.apply([Edit("strf.weight", weight, (0, 0, 0))], "drag", settled=settled)


def test_a_gesture_paints_the_figure_now_and_then_and_at_its_end(shown, monkeypatch):
    shown.show_figures()
    painted = []
    repaint = Explorer._repaint

    async def gesture():
        news = asyncio.Event()

        def count(explorer):
            repaint(explorer)
            painted.append(loop.time())
            news.set()

        async def next_paint():
            await asyncio.wait_for(news.wait(), 10)
            news.clear()

        monkeypatch.setattr(shown, "_repaint", lambda: count(shown))
        loop = asyncio.get_running_loop()
        for step in range(60):
            move(shown.session, 0.01 * step)
            if step == 0:
                begun, first = loop.time(), shown._repaint_timer.handle
            await asyncio.sleep(0)
        assert shown._repaint_timer.handle is first
        assert first.when() == pytest.approx(begun + module.LIVE_FIGURE_S, abs=0.5)
        # The end does not wait for that time.
        move(shown.session, 1.0, settled=True)
        assert first.cancelled()
        await next_paint()
        assert_up_to_date(shown)
        # A hand that goes on: each of these waits for the one before.
        monkeypatch.setattr(module, "LIVE_FIGURE_S", 0.05)
        for _ in range(2):
            for step in range(10):
                move(shown.session, 0.1 * step)
            await next_paint()
        assert len(painted) == 3
        assert painted[2] - painted[1] >= 0.05

    asyncio.run(gesture())


def test_the_end_of_a_gesture_that_another_one_has_interrupted_paints_the_figure_within_0_3_s(shown):
    shown.show_figures()

    async def gesture():
        loop = asyncio.get_running_loop()
        move(shown.session, 0.5)
        # Of another neuron: it settles, and then the end of the first gesture names nothing any more.
        shown.session.apply([Edit("strf.weight", 0.25, (1, 0, 0))], "other", settled=True)
        told = []
        stop = shown.session.observe(told.append)
        shown.session.apply([], "drag", settled=True)
        stop()
        assert not told[0].touches(0)
        assert shown._repaint_timer.handle.when() <= loop.time() + 0.3
        while shown._behind:
            await asyncio.sleep(0.01)
        assert_up_to_date(shown)

    asyncio.run(asyncio.wait_for(gesture(), 60))


def test_a_closed_explorer_paints_no_more(session):
    async def close():
        explorer = explore(session)
        explorer.show_figures()
        move(session, 1.0)
        pending = explorer._repaint_timer.handle
        explorer.close()
        assert pending.cancelled()
        move(session, 2.0, settled=True)
        assert explorer._repaint_timer.handle is None

    asyncio.run(close())


def test_a_gallery_without_fields_is_refused_and_leaves_nothing_with_the_session(make_stimulus):
    session = LiveSession(
        StateNet(5, 4, out_neurons=3, kernel_size=3, stride=1).double(), make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ
    )
    with pytest.raises(ValueError, match="receptive fields, or kernels be given, got StateNet without"):
        explore(session, gallery=True)
    assert not session._edited.observers


def test_a_gallery_chooses_the_neuron_and_goes_with_the_explorer(session):
    explorer = explore(session, figures=False, gallery=True, neuron=1)
    assert explorer.children == (explorer.bench, explorer.gallery)
    assert explorer.gallery.selected == 1
    explorer.gallery.selected = 2
    assert explorer.neuron == 2
    explorer.neuron = 0
    assert explorer.gallery.selected == 0
    explorer.close()
    assert len(session._edited.observers) == 0


def test_what_is_closed_is_gone():
    # The page's code is given as text: anywidget would keep every widget that it has told of a file.
    def opened_and_closed():
        demo = load_demo()
        explorer = explore(demo.model, demo.stimulus, demo.responses, gallery=True)
        for chosen in ("paint", "tone", "file"):
            explorer.sounds.choice.value = chosen
        explorer.show_figures()
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
