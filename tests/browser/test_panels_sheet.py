"""Every panel at five widths in both themes: nothing is cut or over another, and one picture shows all.

A quick part by default, two widths in one theme; all of it with PANELS=whole.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

from tests.browser.bench_page import ROOT, BenchPage, open_panel
from tests.browser.conftest import ARTEFACTS
from tests.browser.lab import ROOT as CHECKOUT
from tests.browser.notebook import SECOND, NotebookPage

pytestmark = pytest.mark.browser

TALL = 7000
WHOLE = os.environ.get("PANELS") == "whole"
WIDTHS = (360, 460, 750, 1024, 1280) if WHOLE else (360, 750)
PANELS = ("Fit", "Sounds", "All neurons", "Compare", "Findings", "Figures")
AXE = CHECKOUT / "widgets" / "node_modules" / "axe-core" / "axe.min.js"
# One cell: JupyterLab takes cells out of the page that are out of view.
CELL = """
import torch
from IPython.display import display
from deepstrf.demo import load_demo
from deepstrf.models.audio import StateNet
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, other="trained",
    figures=False)
bench.session.set("strf.weight", 0.5, (0, 0, 0))
torch.manual_seed(0)
network = StateNet(34, 1, out_neurons=6).eval()
inner = explore(network, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
inner.panels = ["inside"]
display(bench, inner)
"""
TWO = f"""() => document.querySelectorAll('{ROOT}.db-view-explorer').length === 2
  && document.querySelector('{ROOT} .db-view-inside .db-switch') !== null"""

# In every view within a width: what reaches beyond it, texts that are cut, and controls that lie over one another.
FAULTS = """() => {
  const found = [];
  const name = (e) => `${e.className?.baseVal ?? e.className ?? ''}<${e.tagName.toLowerCase()}> `
    + `"${(e.textContent || e.getAttribute('aria-label') || '').trim().slice(0, 24)}"`;
  for (const view of document.querySelectorAll('.deepstrf-bench')) {
    const own = (e) => e.closest('.deepstrf-bench') === view;
    const quiet = '.db-hidden, .db-options, dialog, .js-plotly-plot, [hidden], .db-handles, .db-picture';
    const seen = (e) => own(e) && e.checkVisibility() && !e.closest(quiet);
    const frame = view.getBoundingClientRect();
    const kind = [...view.classList].find((one) => one.startsWith('db-view-'));
    const say = (text) => found.push(`${kind}: ${text}`);
    if (view.scrollWidth > view.clientWidth + 1) say(`${view.scrollWidth} px in ${view.clientWidth}`);
    const all = [...view.querySelectorAll('*')].filter(seen);
    for (const e of all) {
      const box = e.getBoundingClientRect();
      if (box.width && (box.left < frame.left - 1 || box.right > frame.right + 1)) say(`outside: ${name(e)}`);
      const style = getComputedStyle(e);
      const scrolls = /auto|scroll/.test(style.overflowX);
      if (scrolls && e.scrollWidth > e.clientWidth + 1) say(`scrolls sideways: ${name(e)}`);
      const text = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (text && e.scrollWidth > e.clientWidth + 1 && style.overflowX === 'hidden'
        && style.textOverflow !== 'ellipsis') say(`cut: ${name(e)}`);
      if (e.matches('button, h3, h4, th, .db-title') && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
        say(`cut: ${name(e)}`);
    }
    // A part of a pixel too little cuts the last number of a score.
    for (const e of all.filter((one) => one.matches('.db-score-row'))) {
      const text = document.createRange();
      text.selectNodeContents(e);
      const [inner, outer] = [text, e].map((one) => one.getBoundingClientRect());
      if (inner.right > outer.right + 0.01 || inner.left < outer.left - 0.01) say(`cut: ${name(e)}`);
    }
    for (const plot of view.querySelectorAll('.js-plotly-plot:has(.legend)')) {
      const [a, b] = ['.gtitle', '.legend'].map((one) => plot.querySelector(one).getBoundingClientRect());
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const along = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (own(plot) && across > 1 && along > 1) say('legend over title');
    }
    for (const e of all.filter((one) => one.matches('.db-button > svg')))
      if (getComputedStyle(e).fill !== 'none') say(`filled: ${name(e.parentElement)}`);
    const controls = all.filter((e) => e.matches('button, input, select, output, h3, h4, label > span, td'))
      .filter((e) => !e.closest('.db-stage, .db-time-stage, .db-plot'))
      .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
    for (const [i, [one, a]] of controls.entries()) {
      for (const [other, b] of controls.slice(i + 1, i + 60)) {
        if (one.contains(other) || other.contains(one)) continue;
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const along = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && along > 1) say(`${name(one)} over ${name(other)}`);
      }
    }
  }
  return [...new Set(found)];
}"""
# What a menu shows must lie within its view, or nobody reads it.
MENUS = """() => {
  const found = [];
  for (const opener of document.querySelectorAll('.deepstrf-bench [aria-haspopup]')) {
    if (!opener.checkVisibility()) continue;
    opener.click();
    const menu = opener.parentElement.querySelector('.db-options');
    const [box, frame] = [menu, opener.closest('.deepstrf-bench')].map((one) => one.getBoundingClientRect());
    const name = opener.getAttribute('aria-label');
    if (!menu.checkVisibility()) found.push(`menu stays closed: ${name}`);
    if (box.left < frame.left || box.right > frame.right || menu.scrollWidth > menu.clientWidth + 1)
      found.push(`menu from ${box.left - frame.left} to ${box.right - frame.left} of ${frame.width} px: ${name}`);
    opener.click();
  }
  return found;
}"""
WIDE = """(width) => {
  for (const output of document.querySelectorAll('.jp-OutputArea-output:has(.deepstrf-bench)')) {
    output.style.width = `${width}px`;
    output.style.flex = 'none';
    output.style.overflow = 'visible';
  }
}"""
SHOWN = "(all) => all.filter((one) => one.checkVisibility()).length"
RESTS = """async () => {
  const height = () => document.querySelector('.deepstrf-bench').scrollHeight;
  for (let same = 0, last = 0, tries = 0; same < 6 && tries < 200; tries++) {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
    same = height() === last ? same + 1 : 0;
    last = height();
  }
}"""


@pytest.fixture
def bench(run_cells: Callable[..., NotebookPage]) -> Iterator[BenchPage]:
    """A bench with a second model, whose panels are all open."""
    notebook = run_cells("sheet.ipynb", CELL, width=1700, height=1000)
    notebook.hide_side_bar()
    notebook.bring(ROOT)
    bench = BenchPage(notebook)
    for name in PANELS:
        open_panel(bench.page, name)
    bench.wait_for_plot()
    notebook.bring(f"{ROOT} .db-view-inside")
    bench.page.wait_for_function(TWO, timeout=60 * SECOND)
    bench.settle()
    yield bench
    assert notebook.console_errors == []


def test_every_panel_fits_every_width_in_both_themes_and_axe_finds_nothing_serious(bench: BenchPage) -> None:
    page, notebook = bench.page, bench.notebook
    page.add_script_tag(path=AXE)
    rows: list[list[Image.Image]] = []
    faults: dict[str, list[str]] = {}
    for dark in (False, True) if WHOLE else (False,):
        notebook.use_theme(dark)
        rows.append([])
        for width in WIDTHS:
            where = f"{width} px, {'dark' if dark else 'light'}"
            page.evaluate(WIDE, width)
            faults[where] = _faults_at_rest(page) + page.evaluate(MENUS)
            if not WHOLE:
                continue
            # What is out of view would not be in the picture.
            page.set_viewport_size({"width": 1700, "height": TALL})
            rows[-1].append(_under_another(page.locator(f"{ROOT}.db-view-explorer").all()))
            page.set_viewport_size({"width": 1700, "height": 1000})
        faults[f"axe, {'dark' if dark else 'light'}"] = _serious(page)
    notebook.use_theme(False)
    if WHOLE:
        _sheet(rows)
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    faults["right to left"] = _faults_at_rest(page)
    page.evaluate("() => { document.documentElement.dir = 'ltr'; }")
    page.emulate_media(media="print")
    faults["print"] = _faults_at_rest(page)
    closing = page.locator(f"{ROOT} .db-panel-head > .db-button").evaluate_all(SHOWN)
    page.emulate_media(media="screen", forced_colors="active")
    faults["forced colours"] = _faults_at_rest(page)
    card = page.locator(f"{ROOT} .db-card[aria-selected=true]").first
    chosen = card.evaluate("(card) => getComputedStyle(card).outline")
    page.emulate_media(forced_colors="none")
    assert closing == 0
    assert "solid 2px" in chosen
    told = [f"{where}: {fault}" for where, found in faults.items() for fault in found]
    assert not told, "\n".join(told)


def _faults_at_rest(page: Page) -> list[str]:
    """What is cut or over another once the height of the bench has come to rest."""
    page.evaluate(RESTS)
    return list(page.evaluate(FAULTS))


def _serious(page: Page) -> list[str]:
    """What axe-core finds in any bench or panel: rule, severity and the first elements."""
    found = page.evaluate(f"async () => (await axe.run('{ROOT}')).violations")
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def _under_another(benches: list[Locator]) -> Image.Image:
    """One picture of several elements."""
    pictures = [Image.open(io.BytesIO(bench.screenshot(timeout=60 * SECOND))) for bench in benches]
    made = Image.new("RGB", (max(one.width for one in pictures), sum(one.height for one in pictures)), "#888888")
    for i, one in enumerate(pictures):
        made.paste(one, (0, sum(above.height for above in pictures[:i])))
    return made


def _sheet(rows: list[list[Image.Image]]) -> None:
    """One picture of all: a row for each theme, a column for each width."""
    gap = 16
    width = max(sum(one.width + gap for one in row) for row in rows)
    heights = [max(one.height for one in row) + gap for row in rows]
    sheet = Image.new("RGB", (width, sum(heights)), "#888888")
    for i, row in enumerate(rows):
        x = 0
        for one in row:
            sheet.paste(one, (x, sum(heights[:i])))
            x += one.width + gap
    ARTEFACTS.mkdir(exist_ok=True)
    sheet.save(ARTEFACTS / "panels-sheet.png")
