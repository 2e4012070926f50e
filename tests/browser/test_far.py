"""A link with 200 ms of round trip: whatever a user did in a hurry, browser and kernel end alike."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.benchmarks.delay_proxy import delayed
from tests.browser.bench_page import CURVES, FIELD, ROOT, BenchPage
from tests.browser.lab import Server
from tests.browser.notebook import SECOND, NotebookPage, write_notebook

pytestmark = pytest.mark.browser

LOAD = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
bench
"""
ROUND_TRIP_MS = 200
GAUSSIANS = 4
SPOKEN = f"""() => [...document.querySelectorAll("{ROOT} .db-strf [role=slider]")]
  .map((handle) => handle.ariaLabel + " " + handle.ariaValueText)"""


def hurry(bench: BenchPage, seed: int, acts: int) -> None:
    """Make so many gestures, drawn by chance, without waiting for any answer."""
    draw, page = random.Random(seed), bench.page
    for _ in range(acts):
        kind = draw.choice(["drag", "drag", "drag", "key", "key", "undo", "redo", "cancel", "revert", "neuron"])
        handle = bench.handle(draw.randrange(GAUSSIANS))
        if kind in ("drag", "cancel"):
            box = handle.bounding_box()
            if box is None:
                continue
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + draw.uniform(-80, 80), y + draw.uniform(-80, 80), steps=draw.randrange(1, 15))
            if kind == "cancel":
                page.keyboard.press("Escape")
            page.mouse.up()
        elif kind == "key":
            handle.focus()
            for _ in range(draw.randrange(1, 5)):
                page.keyboard.press(draw.choice(["ArrowLeft", "ArrowUp", "Shift+ArrowDown", "+", "-"]))
        elif kind in ("undo", "redo"):
            page.keyboard.press("Control+z" if kind == "undo" else "Control+Shift+z")
        elif kind == "revert":
            # An answer may disable the button at any moment: a click that finds it so does nothing.
            bench.button("Revert neuron").evaluate("(button) => button.click()")
        elif kind == "neuron":
            button = page.get_by_role("button", name=draw.choice(["Next neuron", "Previous neuron"]))
            if button.is_enabled():
                button.click()


def on_screen(bench: BenchPage) -> dict[str, object]:
    """What is shown and spoken of the neuron."""
    bench.page.mouse.move(2, 2)
    bench.page.evaluate("() => document.activeElement?.blur()")
    bench.settle()
    return {
        "spoken": bench.page.evaluate(SPOKEN),
        "field": bench.picture(FIELD),
        "curves": bench.picture(CURVES),
        "score": bench.page.locator(f"{ROOT} .db-score").inner_text(),
    }


@pytest.mark.parametrize("seed", [1])
def test_browser_and_kernel_end_alike(open_page: Callable[..., NotebookPage], server: Server, seed: int) -> None:
    write_notebook(server.folder / "far.ipynb", LOAD)
    notebook = open_page(1280, 1000)
    with delayed(server.port, ROUND_TRIP_MS) as port:
        notebook.open("far.ipynb", port=port)
        notebook.run_all()
        notebook.bring(ROOT)
        notebook.page.set_default_timeout(20 * SECOND)
        bench = BenchPage(notebook)
        bench.handle().click()
        hurry(bench, seed, 30)
        ended = on_screen(bench)
        assert bench.page.locator(f"{ROOT} [role=alert]:visible").count() == 0
        assert notebook.kernel_eval("bench.session.can_undo or bench.session.can_redo")
        notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        # The same kernel, in a browser that is near and knows nothing of what happened.
        notebook.open("far.ipynb")
        notebook.bring(ROOT)
        assert on_screen(bench) == ended
    assert notebook.console_errors == []
