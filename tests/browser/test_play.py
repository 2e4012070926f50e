"""Play in JupyterLab: a fit moves the handles, the hand wins, pins hold, and undo takes the run back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.bench_page import ROOT, BenchPage, open_panel
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

BENCH = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False)
bench.player.new_start(1)
bench
"""
VALUES = "{name: bench.session.value(name, grid=True).tolist() for name in bench.session.parameters}"
PLACES = f"""() => [...document.querySelectorAll("{ROOT} .db-centre")].map((handle) => {{
  const box = handle.getBoundingClientRect();
  return [box.x, box.y];
}})"""
MOVES = f"""(before) => ({PLACES})().some(([x, y], i) => Math.hypot(x - before[i][0], y - before[i][1]) > 3)"""


def test_play_hold_pin_pause_undo(
    open_page: Callable[..., NotebookPage], server: Server, keep: Callable[[NotebookPage, str], Path]
) -> None:
    write_notebook(server.folder / "play.ipynb", BENCH)
    notebook = open_page(1280, 720)
    page = notebook.page
    notebook.open("play.ipynb")
    notebook.run_all()
    page.wait_for_selector(f"{ROOT} .db-centre:visible")
    bench = BenchPage(notebook)
    start = notebook.kernel_eval(VALUES)
    open_panel(page, "Fit")

    # A fit moves the handles, and the panel tells how far it is.
    before = page.evaluate(PLACES)
    bench.button("Play").click()
    page.wait_for_function(MOVES, arg=before)
    page.wait_for_function("() => /Playing · step [0-9]+ · [0-9.]+ steps/.test(document.body.textContent)")
    keep(notebook, "playing")

    # What is grabbed stays, though the hand does not move it; all else goes on.
    box = bench.handle(1).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 20, steps=6)
    held = bench.handle(1).bounding_box()
    before = page.evaluate(PLACES)
    page.wait_for_function(MOVES, arg=before)
    assert bench.handle(1).bounding_box() == held
    page.mouse.up()
    page.keyboard.press("p")
    expect(bench.handle(1)).to_have_class(re.compile("db-pinned"))
    pinned = notebook.kernel_eval("[bench.session.value(n, i).item() for n, i in bench.player.pins]")
    assert len(pinned) == 5
    before = page.evaluate(PLACES)
    page.wait_for_function(MOVES, arg=before)
    keep(notebook, "pinned")

    # Paused, browser and kernel hold the same; undo takes all of it back.
    bench.button("Pause").click()
    bench.button("Play").wait_for()
    assert notebook.kernel_eval("[bench.session.value(n, i).item() for n, i in bench.player.pins]") == pinned
    bench.settle()
    page.wait_for_function("() => document.querySelector('.db-play-state').textContent.includes('Paused')")
    for step in ("3", "0"):
        page.locator(".db-play-scrub").fill(step)
        page.wait_for_function(f"() => document.querySelector('.db-play-state').textContent.includes('step {step}')")
    bench.button("Undo").click()
    bench.settle()
    assert notebook.kernel_eval(VALUES) == start
