"""What is opened is closed: with its owner, when a constructor fails, and once only."""

import asyncio
import copy
import gc
import re
import threading
import weakref

import ipywidgets
import pytest

import deepstrf_widgets
from deepstrf.demo import load_demo
from deepstrf.training import Fitter
from deepstrf_widgets import BenchWidget, Explorer, Gallery, LiveSession, SpectrogramPainter, StimulusPanel, lifetime
from deepstrf_widgets.lifetime import Owner, Timer
from deepstrf_widgets.stimulus.file_button import SoundFile

INSTANCES = ipywidgets.widgets.widget._instances


class Panel(Owner):
    """No widget; notes in which order its parts are closed."""

    def __init__(self, closed, *, fails=False):
        self.log = closed
        self.first = self.own(Part("first", closed))
        self.own(lambda: closed.append("function"))
        self.box = self.own(ipywidgets.HBox([ipywidgets.Button(), ipywidgets.VBox([ipywidgets.HTML()])]))
        self.last = self.own(Part("last", closed))
        if fails:
            raise ValueError("no")


class Part:
    def __init__(self, name, closed):
        self.name, self.log = name, closed

    def close(self):
        self.log.append(self.name)


def test_parts_are_closed_once_the_last_one_first():
    before, log = len(INSTANCES), []
    panel = Panel(log)
    assert not panel.closed
    panel.close_owned(panel.last)
    assert log == ["last"]
    panel.close()
    panel.close()
    assert panel.closed
    assert log == ["last", "function", "first"]
    assert len(INSTANCES) == before


def test_an_owner_whose_constructor_fails_is_closed():
    before, log = len(INSTANCES), []
    with pytest.raises(ValueError, match="no"):
        Panel(log, fails=True)
    assert log == ["last", "function", "first"]
    assert len(INSTANCES) == before


def test_a_part_that_cannot_be_closed_keeps_no_other_open():
    log = []
    panel = Panel(log)

    def fail():
        raise OSError("stuck")

    panel.own(fail)
    with pytest.raises(OSError, match="stuck"):
        panel.close()
    panel.close()
    assert log == ["last", "function", "first"]


def test_a_timer_calls_once_after_its_last_start():
    async def main():
        called = asyncio.Event()
        timer = Timer(called.set)
        timer.start(1000.0)
        first = timer.handle
        timer.start(0.0)
        assert first.cancelled()
        await asyncio.wait_for(called.wait(), 10)
        assert timer.handle is None
        called.clear()
        timer.start(0.0)
        timer.close()
        timer.close()
        await asyncio.sleep(0.01)
        assert not called.is_set()

    asyncio.run(main())


def test_a_timer_without_a_loop_calls_at_once():
    called = []
    Timer(lambda: called.append(1)).start(1000.0)
    assert called == [1]


# -- every widget of the package ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture
def session(demo):
    return LiveSession(demo.model, demo.stimulus, demo.responses)


def train(demo):
    data = demo.stimulus, demo.responses
    return deepstrf_widgets.train(demo.model, Fitter(epochs=1), data)


MADE = {
    "bench": lambda session, _demo: BenchWidget(session),
    "gallery": lambda session, _demo: Gallery(session),
    "painter": lambda session, _demo: SpectrogramPainter(session),
    "file": lambda _session, _demo: SoundFile(print, print),
    "panel": lambda session, _demo: StimulusPanel(session),
    "explorer": lambda session, _demo: Explorer(session, gallery=True),
    "training": lambda _session, demo: train(demo),
}


def fail(*_args, **_kwargs):
    raise RuntimeError("planted")


@pytest.mark.parametrize("name", MADE)
def test_a_constructor_that_fails_late_leaves_nothing_open(session, demo, name, monkeypatch):
    begun = len(INSTANCES)
    monkeypatch.setattr(LiveSession, "observe", fail)
    if name in ("painter", "file"):
        monkeypatch.setattr(ipywidgets.Widget, "on_msg", fail)
    with pytest.raises(RuntimeError, match="planted"):
        MADE[name](session, demo)
    assert len(INSTANCES) == begun
    assert len(session._edited.observers) == 0


def test_a_diagnosis_that_fails_late_leaves_its_explorer(session, monkeypatch):
    explorer = Explorer(session, figures=False)
    begun = len(INSTANCES)
    monkeypatch.setattr(session, "observe", fail)
    with pytest.raises(RuntimeError, match="planted"):
        explorer.diagnose()
    assert len(INSTANCES) == begun
    assert not explorer.closed
    explorer.close()


@pytest.mark.parametrize("name", MADE)
def test_close_may_be_called_twice_and_leaves_nothing_open(session, demo, name):
    begun = len(INSTANCES)
    made = MADE[name](session, demo)
    assert len(INSTANCES) > begun
    made.close()
    made.close()
    assert len(INSTANCES) == begun
    assert len(session._edited.observers) == 0


@pytest.mark.parametrize("name", ["bench", "gallery", "painter", "file"])
def test_an_unknown_keyword_names_the_nearest(session, demo, name):
    kind = {"bench": BenchWidget, "gallery": Gallery, "painter": SpectrogramPainter, "file": SoundFile}[name]
    given = (print, print) if name == "file" else (session,)
    begun = len(INSTANCES)
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\(\) has no argument 'lay_out': did you mean 'layout'\?$"):
        kind(*given, lay_out={})
    assert len(INSTANCES) == begun


def test_a_misspelt_argument_of_the_bench_or_the_gallery_is_refused(session):
    with pytest.raises(TypeError, match=r"BenchWidget\(\) has no argument 'locked': did you mean 'lock'\?"):
        BenchWidget(session, locked=["prefilter"])
    with pytest.raises(TypeError, match=r"Gallery\(\) has no argument 'decending': did you mean 'descending'\?"):
        deepstrf_widgets.gallery(session, decending=True)


# -- what the browser may set -------------------------------------------------------------------------------------

REFUSED = {
    "a trait of the kernel": ({"info": {}}, "the browser may set neuron, sound, channel, selected, .*, got info"),
    "bytes": ({"rate": b"1234"}, "the browser may set .*, got rate"),
    "no trait": ({"nothing": 1}, "the browser may set .*, got nothing"),
    "a wrong type": ({"neuron": "1"}, "neuron"),
    "out of range": ({"channel": 9}, r"channel must lie in \[0, 1\], got 9"),
    "no such stage": ({"stage": "readout"}, "stage"),
    "no such lane": ({"lanes": ["drive", "rate"]}, "lanes"),
    "a good one beside a bad one": ({"selected": 0, "neuron": -1}, r"neuron must lie in \[0, 5\], got -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_browser_may_not_set_is_an_error_and_undone(session, case, monkeypatch):
    state, message = REFUSED[case]
    bench, back = BenchWidget(session, neuron=2), []
    before = bench.get_state([name for name in bench.keys if name != "error"])
    monkeypatch.setattr(BenchWidget, "send_state", lambda self, key=None: back.append(key))
    bench.set_state(state)
    assert re.search(message, bench.error)
    assert bench.get_state([name for name in bench.keys if name != "error"]) == before
    assert [name for name in state if name in bench.keys] in back
    bench.set_state({"neuron": 3})
    assert (bench.error, bench.neuron) == ("", 3)
    bench.close()


def test_a_refused_trait_leaves_the_error_of_an_edit(session):
    bench = BenchWidget(session)
    bench.error = "strf.weight must be finite, got nan"
    bench.set_state({"width": 700})
    assert bench.error == "strf.weight must be finite, got nan"
    bench.close()


class Shell:
    """What the lifetimes use of IPython's shell: the request that is carried out, and the outputs that are kept."""

    def __init__(self):
        self.user_ns, self.user_ns_hidden, self.displayhook = {"_oh": {}, "_": ""}, {"_": ""}, self
        self.parent_header = None

    def run(self, cell, run):
        metadata = {} if cell is None else {"cellId": cell}
        self.parent_header = {"header": {"msg_id": run}, "metadata": metadata}

    def show(self, value):
        number = len(self.user_ns["_oh"])
        self.user_ns["_oh"][number] = self.user_ns[f"_{number}"] = self.user_ns["_"] = value


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(lifetime, "ipython_shell", lambda: shell)
    monkeypatch.setattr(lifetime, "_MADE", {})
    return shell


def test_a_cell_that_is_run_again_replaces_what_it_had_made(shell):
    logs = [], [], [], []
    shell.run("a", "1")
    first, second = Panel(logs[0]), Panel(logs[1])
    shell.show(first)
    assert not logs[0]  # one run of a cell may make several
    shell.run("b", "2")
    other = Panel(logs[2])
    shell.run("a", "3")
    again = Panel(logs[3])
    assert [panel.closed for panel in (first, second, other, again)] == [True, True, False, False]
    assert shell.user_ns == {"_oh": {}, "_": ""}
    for panel in (other, again):
        panel.close()


def test_where_the_front_end_names_no_cell_nothing_is_replaced(shell):
    panels = []
    for number in range(3):
        shell.run(None, str(number))
        panels.append(Panel([]))
    shell.parent_header = {}
    panels.append(Panel([]))
    assert not any(panel.closed for panel in panels)
    for panel in panels:
        panel.close()


def test_a_cell_that_fails_when_it_is_run_again_has_nothing_left(shell):
    shell.run("a", "1")
    first = Panel([])
    shell.run("a", "2")
    with pytest.raises(ValueError, match="no"):
        Panel([], fails=True)
    assert first.closed
    shell.run("a", "3")
    Panel([]).close()


def test_what_is_made_inside_another_is_the_other_ones(shell, session):
    shell.run("a", "1")
    bench = BenchWidget(session)
    shell.run("b", "2")
    explorer = Explorer(session, figures=False, sounds=False)
    assert len(lifetime._MADE["b"][1]) == 1
    shell.run("b", "3")
    again = Explorer(session, figures=False, sounds=False)
    assert explorer.closed
    assert explorer.bench.closed
    assert not bench.closed
    assert not again.bench.closed
    session.set("strf.weight", 0.25, (0, 0, 0))
    assert again.bench.comm is not None
    for one in (again, bench):
        one.close()


def test_a_training_cell_that_is_run_again_stops_its_fit_and_keeps_no_weights(shell, demo):
    model, begun = copy.deepcopy(demo.model).requires_grad_(True), threading.Event()
    data = demo.stimulus, demo.responses
    shell.run("a", "1")
    view = deepstrf_widgets.train(model, Fitter(epochs=100_000, callbacks=[lambda _: begun.set()]), data)
    assert begun.wait(60)
    shell.run("a", "2")
    again = deepstrf_widgets.train(model, Fitter(epochs=2), data)  # of the same model, which nobody fits any more
    assert view.history.stopped == "stopped by hand"
    assert len(view.player.trail) == 0
    assert len(view.history.records)
    again.wait(60)
    again.close()


def test_a_figure_that_was_closed_is_gone(session):
    explorer = Explorer(session, sounds=False)
    figures = weakref.ref(explorer.figure_widget())
    explorer.close()
    del explorer
    gc.collect()
    assert figures() is None
