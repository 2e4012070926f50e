"""A drag in JupyterLab while cells read, edit, are interrupted and run again: nothing is wrong, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.bench_page import PAINTED, ROOT, BenchPage, open_panel
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

LOAD = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
"""
# Keeps every state of the session, so that answers can be compared with a fresh forward pass of one of them.
RECORD = """
import tempfile, torch
from deepstrf.models import NeuralModel
edited, states, answers = bench.session._edited, {}, []
carry_out = edited._carry_out

def record(plan=None):
    if plan is not None:
        carry_out(plan)
    state = edited.state
    states[state.version] = {name: tensor.clone() for name, tensor in state.twin.tensors.items()}

edited._carry_out = record
record()

def read(neuron):
    first = bench.session.version
    rate = bench.session.rate(neuron)
    answers.append((neuron, first, bench.session.version, rate))

def faults():
    fresh, session, found = load_demo().model.eval(), bench.session, []
    def rates(tensors):
        fresh.load_state_dict(tensors)
        with torch.no_grad():
            return fresh(session.stimulus)[:, :, 0]
    known = {}
    for neuron, first, last, rate in answers[:: max(1, len(answers) // 150)]:
        for version in range(first, last + 1):
            if version not in known:
                known[version] = rates(states[version])
            if torch.allclose(known[version][:, neuron], rate, rtol=1e-4, atol=1e-5):
                break
        else:
            found.append(f"neuron {neuron} at {first} to {last}")
    whole = {name: tensor.shape for name, tensor in session.model.state_dict().items()}
    if whole != {name: tensor.shape for name, tensor in fresh.state_dict().items()}:
        found.append("other shapes")
    with tempfile.TemporaryDirectory() as folder:
        again = type(session.model).from_pretrained(session.save_pretrained(folder + "/saved")).eval()
    with torch.no_grad():
        if not torch.allclose(again(session.stimulus), session.model.eval()(session.stimulus), atol=1e-6):
            found.append("another model comes back")
    return found
bench
"""
READ = "for number in range(700): read(number % 6)"
EDIT = """
for number in range(150):
    bench.session.set("activation.beta", 1.0 + number / 100, (1,))
    read(1)
    if number % 5 == 4: bench.session.undo()
"""
FOREVER = """
while True:
    bench.session.set("activation.beta", 1.5, (1,)); bench.session.undo(); bench.session.redo(); read(1)
"""
READ_FOR_STEPS = """
number, until = 0, bench.player.steps + 20
while number < 300 or bench.player.steps < until:
    read(number % 6)
    number += 1
"""
START = """(code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  window.cells ??= [];
  window.cells.push(kernel.requestExecute({ code }).done.then((reply) => reply.content.ename ?? reply.content.status));
}"""
ENDED = "() => Promise.race([Promise.all(window.cells ?? []), new Promise((go) => setTimeout(go, 30, null))])"
INTERRUPT = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()"
RUN_ALL = "() => { window.cells = [window.jupyterapp.commands.execute('notebook:run-all-cells')]; }"


@pytest.fixture
def bench(open_page: Callable[..., NotebookPage], server: Server) -> BenchPage:
    """The demo's bench, whose session keeps all of its states."""
    write_notebook(server.folder / "threads.ipynb", LOAD + RECORD)
    notebook = open_page(1280, 1000)
    notebook.open("threads.ipynb")
    notebook.run_all()
    notebook.bring(ROOT)
    bench = BenchPage(notebook)
    bench.settle()
    return bench


def drag_until(bench: BenchPage, ended: Callable[[int], bool], most: int = 2000) -> int:
    """Drag a Gaussian around, until ``ended(moves)``; the number of moves."""
    box = bench.handle().bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    bench.page.mouse.move(x, y)
    bench.page.mouse.down()
    for move in range(1, most):
        bench.page.mouse.move(x - 40 + 4 * (move % 20), y + 2 * (move % 13))
        if ended(move):
            break
    else:
        raise TimeoutError(f"the cell has not ended after {most} moves")
    bench.page.mouse.up()
    bench.page.mouse.move(2, 2)
    return move


def by_dragging(bench: BenchPage) -> int:
    """How many states came from the drag: their neuron 0 differs from the state before."""
    name = "readout.strf.kernel.P"
    # An interrupt within the record itself leaves one state out.
    pairs = "[(states[v - 1], states[v]) for v in list(states) if v - 1 in states]"
    steps = f"sum(not torch.equal(a['{name}'][:, 0], b['{name}'][:, 0]) for a, b in {pairs})"
    return int(bench.notebook.kernel_eval(steps))


def test_a_cell_reads_during_a_drag(bench: BenchPage) -> None:
    bench.page.evaluate(START, READ)
    drag_until(bench, lambda move: move >= 100 and bench.page.evaluate(ENDED) == ["ok"])
    bench.settle()
    assert bench.notebook.kernel_eval("len(answers)") == 700
    assert bench.notebook.kernel_eval("faults()") == []
    assert by_dragging(bench) > 3
    assert bench.notebook.console_errors == []


def test_two_cells_and_a_drag_edit_and_read(bench: BenchPage) -> None:
    bench.page.evaluate(START, EDIT)
    bench.page.evaluate(START, READ)
    drag_until(bench, lambda move: move >= 100 and bench.page.evaluate(ENDED) == ["ok", "ok"])
    bench.settle()
    assert bench.notebook.kernel_eval("len(answers)") == 850
    assert bench.notebook.kernel_eval("faults()") == []
    assert by_dragging(bench) > 3
    assert bench.notebook.console_errors == []


def test_a_cell_that_edits_is_interrupted_during_a_drag(bench: BenchPage) -> None:
    for _ in range(3):
        bench.page.evaluate("() => { window.cells = []; }")
        bench.page.evaluate(START, FOREVER)

        def ended(move: int) -> bool:
            if move == 25:
                bench.page.evaluate(INTERRUPT)
            return move > 25 and bench.page.evaluate(ENDED) == ["KeyboardInterrupt"]

        drag_until(bench, ended)
        bench.settle()
        assert bench.notebook.kernel_eval("faults()") == []
    assert by_dragging(bench) > 3
    bench.notebook.kernel_eval("[bench.session.undo() for _ in range(5)] and None")
    assert bench.notebook.kernel_eval("faults()") == []


def test_all_cells_run_again_twice_during_a_drag(bench: BenchPage) -> None:
    def ended(move: int) -> bool:
        if move in (10, 25):
            bench.page.evaluate(RUN_ALL)
        return move > 40 and bench.page.evaluate(ENDED) == [True]

    drag_until(bench, ended)
    explorers = "sum(type(o).__name__ == 'Explorer' and not o.closed for o in __import__('gc').get_objects())"
    assert bench.notebook.kernel_eval(explorers) == 1
    bench.notebook.bring(ROOT)
    bench.settle()
    assert bench.page.locator(ROOT).count() == 1
    states = int(bench.notebook.kernel_eval("len(states)"))
    bench.drag(-60, 25)
    assert bench.notebook.kernel_eval("len(states)") > states
    bench.page.evaluate(START, READ)
    drag_until(bench, lambda move: move >= 10 and (bench.page.evaluate(ENDED) or [])[-1:] == ["ok"])
    bench.settle()
    assert bench.notebook.kernel_eval("faults()") == []
    assert not [text for text in bench.notebook.console_errors if "Cannot send" in text]


def test_a_cell_reads_beside_play(bench: BenchPage) -> None:
    """A fit moves the session in a thread of its own while a cell reads: 300 times, and through 20 steps at least."""
    bench.notebook.kernel_eval("bench.player.new_start(1)")
    open_panel(bench.page, "Fit")
    bench.button("Play").click()
    bench.notebook.wait_for_kernel("bench.player.steps > 2")
    bench.page.evaluate(START, READ_FOR_STEPS)
    bench.page.evaluate("() => { Promise.all(window.cells).then((ends) => { window.ends = ends; }); }")
    assert bench.page.wait_for_function("() => window.ends").json_value() == ["ok"]
    assert bench.notebook.kernel_eval("bench.player.state") == "playing"
    bench.button("Pause").click()
    bench.button("Play").wait_for()
    bench.settle()
    assert bench.notebook.kernel_eval("len(answers)") >= 300
    assert bench.notebook.kernel_eval("len({first for _, first, _, _ in answers})") > 5
    assert bench.notebook.kernel_eval("faults()") == []
    assert bench.notebook.console_errors == []


TWO_BENCHES = """
import torch
from deepstrf.demo import load_demo
from deepstrf_widgets import LiveSession, explore
demo = load_demo()
model = demo.model.eval()
sessions = [
    LiveSession(model, demo.stimulus, demo.responses, copy_model=False) for _ in range(2)
]
benches = [explore(session, figures=False, sounds=False) for session in sessions]

def faults():
    with torch.no_grad():
        fresh = model(sessions[0].stimulus)[:, :, 0]
    found = []
    for number, session in enumerate(sessions):
        if not all(torch.allclose(session.rate(n), fresh[:, n], rtol=1e-4, atol=1e-5) for n in range(6)):
            found.append(f"session {number} gives another rate")
    values = [{name: session.value(name).tolist() for name in session.parameters} for session in sessions]
    if values[0] != values[1]:
        found.append("the sessions differ")
    return found
"""
BOTH_IDLE = f"""() => [...document.querySelectorAll("{ROOT}")].every(
  (root) => root.__bench.pending() === 0 && root.querySelector(".db-dragging") === null)"""
HANDLES = f"""() => [...document.querySelectorAll("{ROOT}")].map((root) => {{
  const field = root.querySelector(".db-strf .db-picture").getBoundingClientRect();
  return [...root.querySelectorAll("[data-handle=center]")].map((handle) => {{
    const box = handle.getBoundingClientRect();
    return [Math.round(box.x - field.x), Math.round(box.y - field.y)];
  }});
}})"""
AGREE = f"() => {{ const [one, other] = ({HANDLES})(); return JSON.stringify(one) === JSON.stringify(other); }}"


def test_two_benches_on_one_model_are_dragged_in_turn(open_page: Callable[..., NotebookPage], server: Server) -> None:
    """Two sessions write to one model: each takes over what the other has done, as an undo entry of its own."""
    write_notebook(server.folder / "two.ipynb", TWO_BENCHES, "benches[0]", "benches[1]")
    notebook = open_page(1280, 1000)
    notebook.open("two.ipynb")
    notebook.run_all()
    page = notebook.page
    page.wait_for_function(f"""() => document.querySelectorAll("{ROOT} [data-handle=center]").length >= 4""")

    def settled() -> None:
        page.wait_for_function(BOTH_IDLE)
        page.evaluate(PAINTED)

    start = notebook.kernel_eval("model.readout.strf.kernel.P.tolist()")
    for turn in range(4):
        settled()
        handle = page.locator(ROOT).nth(turn % 2).locator("[data-handle=center][data-gaussian='0']").first
        handle.scroll_into_view_if_needed()
        before = notebook.kernel_eval("model.readout.strf.kernel.P.tolist()")
        box = handle.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 30 + 20 * turn, y + 12, steps=15)
        page.mouse.up()
        settled()
        assert notebook.kernel_eval("model.readout.strf.kernel.P.tolist()") != before
        # The other session notices at its next read, and its bench follows.
        assert notebook.kernel_eval("faults()") == []
        page.wait_for_function(AGREE)
    for session in (1, 0):
        while notebook.kernel_eval(f"sessions[{session}].can_undo"):
            notebook.kernel_eval(f"sessions[{session}].undo() and None")
        assert notebook.kernel_eval("faults()") == []
        assert notebook.kernel_eval("model.readout.strf.kernel.P.tolist()") == start
    page.wait_for_function(AGREE)
    assert notebook.console_errors == []
