"""Ten minutes of edits in a real JupyterLab: do browser and kernel grow?

    python tests/benchmarks/bench_minutes.py [--minutes 10] [--warm-up 2] [--json FILE]

Edits by mouse and keyboard in all three editors, undo and redo, other neurons, another stimulus, light and dark theme,
over and over. Every half minute the page's heap and nodes are counted after a collection, and the kernel's memory is
read. Prints them over time; the exit status is 1 when the nodes have grown by more than 2 %, or one of the other two by
more than 10 %, since the warm-up (straight lines through the later readings), 2 without Chromium. Linux only: the
kernel's memory comes from ``/proc``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from playwright.sync_api import CDPSession, Page, sync_playwright  # noqa: E402

from tests.browser.bench_page import ROOT, BenchPage  # noqa: E402
from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, find_chromium, serve  # noqa: E402
from tests.browser.notebook import SECOND, NotebookPage, write_notebook  # noqa: E402

MOST_GROWTH = {"page_mb": 0.10, "nodes": 0.02, "kernel_mb": 0.10}
EVERY_S = 30.0
CELL = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
bench
"""
RESIDENT_KIB = """next(int(line.split()[1]) for line in
 __import__("pathlib").Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))"""
COLLECT = "__import__('gc').collect()"
TABS = ("Adaptation", "Receptive field", "Output curve")
KINDS = ("drag", "drag", "drag", "keys", "undo", "redo", "neuron", "revert", "sound")
KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown")


class Reading(NamedTuple):
    """Memory at one moment."""

    minutes: float
    page_mb: float
    nodes: int
    listeners: int
    kernel_mb: float


def growth(minutes: Sequence[float], values: Sequence[float]) -> float:
    """Growth of a straight line through the values over the time they span, as a share of where it begins."""
    slope, start = np.polyfit(np.asarray(minutes) - minutes[0], values, 1)
    return float(slope * (minutes[-1] - minutes[0]) / start)


def act(bench: BenchPage, draw: random.Random, kind: str) -> None:
    """Make a gesture of this kind, drawn by chance, and wait for the answer."""
    page: Page = bench.page
    if kind == "drag":
        page.get_by_role("tab", name=draw.choice(TABS)).click()
        handles = page.locator(f"{ROOT} [role=tabpanel]:visible [role=slider]:visible")
        box = handles.nth(draw.randrange(handles.count())).bounding_box()
        if box is not None:
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.mouse.down()
            page.mouse.move(box["x"] + draw.uniform(-60, 60), box["y"] + draw.uniform(-60, 60), steps=20)
            page.mouse.up()
    elif kind == "keys":
        handle = page.locator(f"{ROOT} [role=tabpanel]:visible [role=slider]:visible").first
        handle.focus()
        for _ in range(10):
            page.keyboard.press(draw.choice(KEYS))
    elif kind in ("undo", "redo", "revert"):
        button = bench.button({"undo": "Undo", "redo": "Redo", "revert": "Revert neuron"}[kind])
        if button.is_enabled():
            button.click()
    elif kind == "neuron":
        button = page.get_by_role("button", name=draw.choice(["Next neuron", "Previous neuron"]))
        if button.is_enabled():
            button.click()
    else:
        bench.notebook.kernel_eval(
            f"setattr(bench.sounds.choice, 'value', {draw.choice(['first', 'tone', 'noise'])!r})"
        )
    bench.settle()


def rest(bench: BenchPage) -> None:
    """Bring the bench to where every reading is taken: another neuron or sound has other nodes, without any growth."""
    bench.notebook.kernel_eval("(setattr(bench.sounds.choice, 'value', 'first'), setattr(bench, 'neuron', 0))")
    bench.notebook.use_theme(False)
    bench.page.get_by_role("tab", name=TABS[1]).click()
    bench.page.mouse.move(2, 2)
    bench.settle()


def read(bench: BenchPage, session: CDPSession, since: float) -> Reading:
    """Memory now, after page and kernel have collected what is not referenced."""
    bench.notebook.kernel_eval(COLLECT)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")
    counted = session.send("Memory.getDOMCounters")
    kernel = bench.notebook.kernel_eval(RESIDENT_KIB)
    minutes = (time.monotonic() - since) / 60
    return Reading(minutes, heap["usedSize"] / 1e6, counted["nodes"], counted["jsEventListeners"], kernel * 1024 / 1e6)


def measure(bench: BenchPage, minutes: float) -> list[Reading]:
    """Readings over so many minutes of work."""
    session = bench.page.context.new_cdp_session(bench.page)
    draw, begun, dark = random.Random(0), time.monotonic(), False
    readings: list[Reading] = []
    while not readings or readings[-1].minutes < minutes:
        rest(bench)
        readings.append(read(bench, session, begun))
        print("{:5.1f} min   page {:6.1f} MB, {:6d} nodes, {:5d} listeners   kernel {:6.1f} MB".format(*readings[-1]))
        dark = not dark
        bench.notebook.use_theme(dark)
        until = time.monotonic() + EVERY_S
        while time.monotonic() < until:
            act(bench, draw, draw.choice(KINDS))
    return readings


def main() -> int:
    """Exit status; the readings are printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=2.0, help="minutes before the growth counts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium: install it or name it with CHROMIUM", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        with serve(Path(home), environment=OUR_JUPYTER) as server:
            write_notebook(server.folder / "minutes.ipynb", CELL)
            notebook = NotebookPage(browser.new_page(viewport={"width": 1280, "height": 1000}), server, False)
            notebook.page.set_default_timeout(60 * SECOND)
            notebook.open("minutes.ipynb")
            notebook.run_all()
            notebook.bring(ROOT)
            bench = BenchPage(notebook)
            bench.wait_for_plot()
            readings = measure(bench, options.minutes)
            notebook.shut_down()
        browser.close()
    later = [reading for reading in readings if reading.minutes >= options.warm_up]
    found = {
        name: growth([r.minutes for r in later], [getattr(r, name) for r in later])
        for name in ("page_mb", "nodes", "listeners", "kernel_mb")
    }
    if options.json:
        options.json.write_text(json.dumps({"readings": readings, "growth": found}, indent=1))
    for name, share in found.items():
        print(f"{name:10s} {100 * share:+6.1f} % after the first {options.warm_up:g} min")
    return int(any(found[name] > most for name, most in MOST_GROWTH.items()))


if __name__ == "__main__":
    sys.exit(main())
