"""A user edits the demo in JupyterLab: mouse and keyboard reach the kernel, both figures follow, undo takes it back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import nbformat
import pytest
from playwright.sync_api import expect

from tests.benchmarks.bench_minutes import KINDS, act
from tests.browser.bench_page import CURVES, FIELD, ROOT, BenchPage
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage

pytestmark = pytest.mark.browser

LOAD = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
bench
"""
PLACE = ("strf.center_hz", "strf.center_ms")
FIRST = (0, 0, 0)


@pytest.fixture
def bench(run_cells: Callable[..., NotebookPage]) -> Iterator[BenchPage]:
    """The demo's bench with its Plotly figure, its first Gaussian selected; the browser reports no error."""
    notebook = run_cells("bench.ipynb", LOAD)
    notebook.bring(ROOT)
    bench = BenchPage(notebook)
    bench.wait_for_plot()
    bench.handle().click()
    bench.page.mouse.move(2, 2)
    bench.settle()
    yield bench
    assert notebook.console_errors == []
    assert notebook.blocked == []


def neuron_traits(bench: BenchPage) -> dict[str, object]:
    """All that an edit changes and an undo must bring back: values, traits, pictures."""
    return {
        "values": [bench.value(name, FIRST) for name in PLACE],
        "traits": bench.trait_digest("gaussians", "kernel", "rate"),
        "field": bench.picture(FIELD),
        "curves": bench.picture(CURVES),
    }


def test_mouse_drag_reaches_python_and_both_figures_and_undo_takes_it_back(bench: BenchPage) -> None:
    before, plotted = neuron_traits(bench), bench.plotted()
    bench.drag(-60, 25)
    after = neuron_traits(bench)
    assert {name for name in before if before[name] != after[name]} == set(before)
    assert after["values"][0] < before["values"][0]  # type: ignore[index]  # downwards: a lower frequency
    assert after["values"][1] > before["values"][1]  # type: ignore[index]  # to the left: a longer lag
    spoken = float(bench.handle().get_attribute("aria-valuenow") or "nan")
    assert spoken == pytest.approx(after["values"][0], rel=1e-3)  # type: ignore[index]  # spoken with four digits
    bench.wait_until_plotted(bench.rate())
    assert bench.plotted() != plotted

    assert bench.notebook.kernel_eval("bench.session.can_undo") is True
    bench.button("Undo").click()
    bench.page.mouse.move(2, 2)
    bench.settle()
    assert neuron_traits(bench) == before
    assert bench.notebook.kernel_eval("[bench.session.can_undo, bench.session.edited()]") == [False, False]
    bench.wait_until_plotted(bench.rate())
    assert bench.plotted() == plotted

    bench.button("Redo").click()
    bench.page.mouse.move(2, 2)
    bench.settle()
    assert neuron_traits(bench) == after


def test_keyboard_moves_the_same_handle_and_undo_takes_it_back(bench: BenchPage) -> None:
    before = neuron_traits(bench)
    bench.handle().focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "+"):
        bench.page.keyboard.press(key)
    bench.page.wait_for_function("() => !document.querySelector('.db-toolbar button[title^=Undo]').disabled")
    bench.settle()
    frequency, lag = (bench.value(name, FIRST) for name in PLACE)
    assert frequency > before["values"][0]  # type: ignore[index]
    assert lag > before["values"][1]  # type: ignore[index]
    assert bench.picture(FIELD) != before["field"]
    assert bench.picture(CURVES) != before["curves"]
    bench.handle().focus()
    while bench.notebook.kernel_eval("bench.session.can_undo"):
        bench.page.keyboard.press("Control+z")
        bench.settle()
    after = neuron_traits(bench)
    assert after["values"] == before["values"]
    assert after["traits"] == before["traits"]
    assert after["curves"] == before["curves"]


def test_edit_from_python_shows_in_the_browser(bench: BenchPage) -> None:
    before = bench.picture(FIELD), bench.picture(CURVES)
    bench.notebook.kernel_eval("bench.session.set('strf.center_hz', 2500.0, (0, 0, 0))")
    bench.page.wait_for_function(
        "() => document.querySelector('[data-handle=center][data-gaussian=\"0\"]').ariaValueNow === '2500'"
    )
    bench.settle()
    assert bench.picture(FIELD) != before[0]
    assert bench.picture(CURVES) != before[1]


def test_browser_that_reloads_shows_the_edited_state(bench: BenchPage) -> None:
    bench.drag(-60, 25)
    edited = bench.value("strf.center_hz", FIRST)
    bench.notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    bench.notebook.open("bench.ipynb")
    bench.notebook.bring(ROOT)
    spoken = float(bench.handle().get_attribute("aria-valuenow") or "nan")
    assert spoken == pytest.approx(edited, rel=1e-3)


SHOWN_THOUGH_HIDDEN = f"""() => [...document.querySelectorAll("{ROOT} [hidden]")]
  .filter((element) => getComputedStyle(element).display !== "none").map((element) => element.className)"""


def test_benches_far_down_a_notebook_come_up_whole(open_page: Callable[..., NotebookPage], server: Server) -> None:
    # JupyterLab takes what is far from the screen out of the page, and puts it back when it comes near.
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    far = "explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)"
    cells = [code(LOAD.replace("\nbench\n", "\n"))]
    for _ in range(3):
        cells += [text("words\n\n" * 30), code(far)]
    written = nbformat.v4.new_notebook(cells=[*cells, text("words\n\n" * 30)])
    written.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(written, server.folder / "far_down.ipynb")
    notebook = open_page(1280, 1000)
    notebook.open("far_down.ipynb")
    notebook.run_all()
    assert notebook.page.locator(ROOT).count() == 3
    for number in range(3):
        bench = notebook.page.locator(ROOT).nth(number)
        bench.scroll_into_view_if_needed()
        expect(bench.locator("[data-handle=center]").first).to_be_visible()
        assert notebook.page.evaluate(SHOWN_THOUGH_HIDDEN) == []


LIVE_FIGURES = "sum(type(w).__name__ == 'FiguresPanel' and w.comm is not None for w in __import__('gc').get_objects())"


def test_a_cell_that_is_run_again_and_again_leaves_no_figures_behind(bench: BenchPage) -> None:
    for _ in range(4):
        bench.notebook.run_all()
        bench.notebook.bring(ROOT)
        bench.wait_for_plot()
        bench.settle()
    assert bench.notebook.kernel_eval(LIVE_FIGURES) == 1
    bench.notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    bench.notebook.open("bench.ipynb")
    bench.notebook.bring(ROOT)
    bench.wait_for_plot()
    bench.drag(-60, 25)
    assert bench.value("strf.center_ms", FIRST) > 0


@pytest.mark.parametrize(
    ("stage", "parameters"),
    [("prefilter", ["prefilter.tau_on_ms"]), ("activation", ["activation.b", "activation.beta"])],
)
def test_every_stage_reaches_python_and_undo_takes_it_back(bench: BenchPage, stage: str, parameters: list[str]) -> None:
    def values() -> list[float]:
        read = "[*explorer.session.value(name).ravel()]".replace("explorer", bench.name)
        return list(bench.notebook.kernel_eval(f"[float(v) for name in {parameters!r} for v in {read}]"))

    before, curves = values(), bench.picture(CURVES)
    bench.page.locator(f"{ROOT} [data-tab={stage}]").click()
    slider = bench.page.locator(f"{ROOT} [role=tabpanel]:not([hidden]) [role=slider]").first
    spoken = slider.get_attribute("aria-valuetext")
    slider.focus()
    for _ in range(3):
        bench.page.keyboard.press("Shift+ArrowUp")
    bench.page.wait_for_function("() => !document.querySelector('.db-toolbar button[title^=Undo]').disabled")
    bench.settle()
    expect(slider).not_to_have_attribute("aria-valuetext", str(spoken))  # texts follow a few times a second
    assert values() != before
    assert bench.picture(CURVES) != curves
    bench.page.keyboard.press("Control+z")
    bench.settle()
    assert values() == before
    assert bench.picture(CURVES) == curves


def test_the_sound_is_played_with_a_cursor_that_runs(bench: BenchPage) -> None:
    cursor = bench.page.locator(f"{ROOT} .db-cursor")
    assert not cursor.is_visible()
    bench.page.locator(f"{ROOT} .db-play").click()
    place = "() => new DOMMatrix(getComputedStyle(document.querySelector('.db-cursor')).transform).e"
    bench.page.wait_for_function(f"() => ({place})() > 60")
    first = float(bench.page.evaluate(place))
    bench.page.wait_for_function(f"(first) => ({place})() > first + 20", arg=first)
    bench.page.locator(f"{ROOT} .db-play").click()
    bench.page.mouse.move(2, 2)
    cursor.wait_for(state="hidden")


def test_each_gesture_of_the_ten_minutes_finds_its_controls(bench: BenchPage) -> None:
    draw = random.Random(0)
    for kind in ("drag", *sorted(set(KINDS))):
        act(bench, draw, kind)
