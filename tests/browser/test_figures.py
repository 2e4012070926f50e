"""The Plotly panel in JupyterLab: never empty, moved by the user, right when it rests, in the bench's colours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.bench_page import ROOT, BenchPage
from tests.browser.notebook import SECOND, NotebookPage

pytestmark = pytest.mark.browser

CELL = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
bench
"""
RUNS = 20 if os.environ.get("FIGURES") == "whole" else 2
SLOWER = 6
"""How many times slower the browser's processor is made while cells run."""

# At rest the line moves with every move of the hand, which is far more than ten a second, and settles within 0.3 s; the
# tests share their machine, where the bench itself may paint no more often.
LEAST_SHARE, LEAST_RATE, MOST_SETTLE_MS = 0.9, 5, 1000
MOVES = 40

PANEL = f"{ROOT} .db-view-figures"
LIVE = f"{PANEL} canvas.db-graph-live"
GRAPHS = ["stimulus", "ON", "OFF", "drive", "trials", "response", "residual", "STRF, ON", "STRF, OFF"]
TRACES = """() => Object.fromEntries([...document.querySelectorAll('[data-graph]')].map((at) => [
  at.dataset.graph,
  (at.data ?? []).filter((trace) => (trace.y?.length ?? trace.z?.length ?? 0) > 0).map((trace) => trace.name),
]))"""
WHOLE = f"(graphs) => {{ const found = ({TRACES})(); return graphs.every((name) => found[name]?.length > 0); }}"
COUNTERS = f"() => ({{...document.querySelector('{PANEL}').__figures, at: performance.now()}})"
LINE_COLOUR = """() => [...document.querySelectorAll('[data-graph=response]')][0]
  .data.find((trace) => trace.name === 'model').line.color"""
MODEL_COLOUR = f"""() => {{
  const painter = document.createElement('canvas').getContext('2d');
  const root = document.querySelector('{PANEL}');
  painter.fillStyle = getComputedStyle(root).getPropertyValue('--db-model');
  return painter.fillStyle;
}}"""

# Seconds at which the cursor stands in each graph over time, and in the bench; null where it is not to be seen.
CURSORS = f"""() => {{
  const graphs = [...document.querySelectorAll('{PANEL} [data-graph]')]
    .filter((at) => !at.dataset.graph.startsWith('STRF'));
  const times = graphs.map((at) => {{
    const line = at.querySelector('.db-time-cursor');
    const {{ _offset, _length, range: [from, to] }} = at._fullLayout.xaxis;
    return line.checkVisibility() ? from + (to - from) * (parseFloat(line.style.left) - _offset) / _length : null;
  }});
  const bench = document.querySelector('{ROOT} .db-time-readout').textContent;
  const at = document.querySelector('{ROOT} .db-cursor').checkVisibility() ? parseFloat(bench) : null;
  const pinned = document.querySelector('{ROOT} .db-moment')?.getAttribute('aria-valuenow');
  return {{ times, bench: at, pinned }};
}}"""
# All within a pixel of one another, and elsewhere than they were.
TOGETHER = f"""(was) => {{
  const {{ times, bench }} = ({CURSORS})();
  return bench !== null && times.length === 7 && Math.abs(bench - was) > 0.1
    && times.every((time) => time !== null && Math.abs(time - bench) < 0.02);
}}"""


@pytest.fixture
def bench(run_cells: Callable[..., NotebookPage]) -> Iterator[BenchPage]:
    notebook = run_cells("figures.ipynb", CELL)
    notebook.bring(ROOT)
    bench = BenchPage(notebook)
    bench.page.wait_for_function(WHOLE, arg=GRAPHS, timeout=60 * SECOND)
    yield bench
    assert notebook.console_errors == []
    assert notebook.blocked == []


def test_run_all_on_a_slow_machine_finds_the_traces_each_time(bench: BenchPage) -> None:
    notebook, page = bench.notebook, bench.page
    throttle = page.context.new_cdp_session(page)
    throttle.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    for _ in range(RUNS):
        notebook.run_all()
        notebook.bring(PANEL)
        page.wait_for_function(WHOLE, arg=GRAPHS, timeout=120 * SECOND)
        assert page.evaluate(TRACES)["response"] == ["recorded", "trained", "model"]
    throttle.send("Emulation.setCPUThrottlingRate", {"rate": 1})


def test_the_line_follows_the_drag_and_settles_within_0_3_s(bench: BenchPage) -> None:
    page = bench.page
    notebook = bench.notebook
    bench.handle().scroll_into_view_if_needed()
    box = bench.handle().bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 3, y)
    begun = page.evaluate(COUNTERS)
    for step in range(MOVES):
        page.mouse.move(x - 20 - step % 7, y + 10 + step % 5)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    ended = page.evaluate(COUNTERS)
    assert page.locator(LIVE).is_visible()
    page.mouse.up()
    page.wait_for_function(f"(before) => ({COUNTERS})().settled > before", arg=ended["settled"])
    settled = page.evaluate(COUNTERS)["at"]
    updates = ended["live"] - begun["live"]
    rate = updates / (ended["at"] - begun["at"]) * 1000
    print(f"{updates} updates for {MOVES} moves, {rate:.1f} a second, settled after {settled - ended['at']:.0f} ms")
    assert updates >= LEAST_SHARE * MOVES
    assert rate >= LEAST_RATE
    assert settled - ended["at"] <= MOST_SETTLE_MS
    bench.page.mouse.move(2, 2)
    bench.settle()
    bench.wait_until_plotted(bench.rate())
    assert page.locator(LIVE).count() == 0
    assert page.locator("[data-moving]").count() == 0
    assert notebook.kernel_eval("bench.session.can_undo") is True


def test_the_panel_follows_the_theme_shares_nothing_and_closes_by_one_click(
    bench: BenchPage, keep: Callable[[NotebookPage, str], Path]
) -> None:
    notebook, page = bench.notebook, bench.page
    for dark in (False, True):
        notebook.use_theme(dark)
        page.wait_for_function(f"() => ({LINE_COLOUR})() === ({MODEL_COLOUR})()")
        notebook.bring(PANEL)
        keep(notebook, f"figures-{'dark' if dark else 'light'}")
    notebook.use_theme(False)
    titles = page.locator(".modebar-btn").evaluate_all("(all) => all.map((button) => button.dataset.title ?? '')")
    assert titles
    assert not [title for title in titles if "hart" in title or "cloud" in title or "hare" in title]
    page.locator(f"{ROOT} button[title='Close figures']").click()
    page.wait_for_function("() => document.querySelector('.js-plotly-plot') === null")
    assert page.evaluate("() => document.activeElement.title").startswith("Panels:")
    notebook.wait_for_kernel("bench.panels == []")
    assert page.evaluate("() => globalThis.Plotly === undefined")


def test_a_browser_that_reloads_has_the_figures(bench: BenchPage) -> None:
    bench.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    bench.notebook.open("figures.ipynb")
    bench.notebook.bring(ROOT)
    bench.page.wait_for_function(WHOLE, arg=GRAPHS, timeout=60 * SECOND)


def test_time_axes_move_together(bench: BenchPage) -> None:
    page = bench.page
    graph = bench.notebook.bring("[data-graph=response]")
    box = graph.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    same = """() => {
      const ranges = [...document.querySelectorAll('[data-graph]')]
        .filter((at) => !at.dataset.graph.startsWith('STRF'))
        .map((at) => at.layout.xaxis.range.map((end) => Math.round(1e4 * end)));
      return ranges[0][1] - ranges[0][0] < 20000 && new Set(ranges.map(String)).size === 1;
    }"""
    page.wait_for_function(same)


def test_one_time_cursor_in_bench_and_figures_moved_from_either(bench: BenchPage) -> None:
    page = bench.page
    stage = bench.notebook.bring(f"{ROOT} .db-time-stage")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"])
    page.wait_for_function(TOGETHER, arg=-1)
    by_bench = page.evaluate(CURSORS)["bench"]
    graph = bench.notebook.bring("[data-graph=response]")
    over = graph.bounding_box()
    assert over is not None
    page.mouse.move(over["x"] + 0.25 * over["width"], over["y"] + 0.5 * over["height"])
    page.wait_for_function(TOGETHER, arg=by_bench)
    # It stays: what the bench paints does not take it away.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate(TOGETHER, by_bench)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function(f"() => ({CURSORS})().pinned")
    page.mouse.move(2, 2)
    page.wait_for_function(f"() => ({CURSORS})().bench === null")
    left = page.evaluate(CURSORS)
    assert left["times"] == pytest.approx([float(left["pinned"]) * 0.005] * 7, abs=0.02)
