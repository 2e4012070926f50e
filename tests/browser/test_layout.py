"""The bench fits the screens that people have: nothing is cut, and field and response are in view together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.bench_page import ROOT
from tests.browser.conftest import ARTEFACTS
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

WIDTHS = (360, 460, 600, 750, 1024, 1280, 1920)
PADDING = 34
"""What a saved page leaves beside the bench, both sides together: its own margin and the border of the bench."""

# What of the bench reaches beyond it, texts that are cut without an ellipsis, and controls that lie over one another,
# in what is painted: observers of sizes answer after a click, before the next frame.
FAULTS = """async () => {
  await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
  const root = document.querySelector('.deepstrf-bench');
  const seen = (e) => e.checkVisibility() && !e.closest('.db-hidden, .db-options, dialog');
  const frame = root.getBoundingClientRect();
  const found = [];
  const name = (e) => `${e.className || e.tagName} "${e.textContent.trim().slice(0, 20)}"`;
  for (const e of root.querySelectorAll('button, input, output, h3, .db-overlay, .db-legend, canvas')) {
    if (!seen(e)) continue;
    const box = e.getBoundingClientRect();
    if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push(`outside: ${name(e)}`);
    if (e.matches('button, h3') && e.scrollWidth > e.clientWidth + 1) found.push(`cut: ${name(e)}`);
  }
  const model = root.querySelector('.db-model-name');
  if (model && seen(model) && model.clientWidth < 36) found.push(`one letter: ${name(model)}`);
  for (const e of root.querySelectorAll('.db-score-row, .db-tuning')) {
    if (seen(e) && e.scrollWidth > e.clientWidth + 1) found.push(`cut: ${name(e)}`);
  }
  const heads = '.db-header :is(button, input, output), .db-head :is(button, h3), .db-tab';
  const controls = [...root.querySelectorAll(heads)].filter(seen)
    .map((e) => [e, e.getBoundingClientRect()]);
  for (const [i, [one, a]] of controls.entries()) {
    for (const [other, b] of controls.slice(i + 1)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const along = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && along > 1) found.push(`${name(one)} over ${name(other)}`);
    }
  }
  if (root.scrollWidth > root.clientWidth) found.push(`${root.scrollWidth} px in ${root.clientWidth}`);
  return found;
}"""
ADAPTATION_AND_RESPONSE_IN_VIEW = """() => {
  const { top, bottom } = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
  return [".db-adapt .db-stage", ".db-adapted", ".db-curves"].every((part) => {
    const box = document.querySelector(`.deepstrf-bench ${part}`).getBoundingClientRect();
    return box.height > 50 && box.top >= top - 1 && box.bottom <= bottom + 1;
  });
}"""
BOXES = """() => Object.fromEntries([
  '.db-strf', '.db-response', '.db-strf .db-stage', '.db-curves', '.db-header',
].map((one) => {
  const { left, right, top, bottom } = document.querySelector(`.deepstrf-bench ${one}`).getBoundingClientRect();
  return [one, { left, right, top, bottom }];
}))"""


@pytest.fixture
def open_saved(chromium: Browser, saved_bench: Path) -> Iterator[Callable[..., Page]]:
    """Function (width of the bench, ratio, dark) -> the saved page, its first Gaussian selected."""
    pages: list[Page] = []

    def make(width: int, ratio: float = 1.0, dark: bool = False) -> Page:
        size = {"width": width + PADDING, "height": 720}
        scheme: Any = "dark" if dark else "light"
        page = chromium.new_page(viewport=size, device_scale_factor=ratio, color_scheme=scheme, reduced_motion="reduce")
        pages.append(page)
        page.goto(saved_bench.as_uri())
        page.locator(f"{ROOT} [data-handle=center]").first.focus()
        page.wait_for_selector(f"{ROOT} .db-strf .db-number")
        return page

    yield make
    for page in pages:
        page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("ratio", [1.0, 1.25, 2.0])
def test_nothing_is_cut_or_lies_over_another(open_saved: Callable[..., Page], width: int, ratio: float) -> None:
    page = open_saved(width, ratio)
    for stage in ("prefilter", "activation", "strf"):
        page.locator(f"{ROOT} [data-tab={stage}]").click()
        assert page.evaluate(FAULTS) == [], stage
    boxes = page.evaluate(BOXES)
    beside = boxes[".db-response"]["left"] >= boxes[".db-strf"]["right"]
    assert beside is (width >= 750)
    if width >= 750:
        assert boxes[".db-header"]["bottom"] - boxes[".db-header"]["top"] < 40  # one row
        rows = page.locator(f"{ROOT} .db-strf .db-form-head .db-button")
        assert len({round(top) for top in rows.evaluate_all("(all) => all.map((one) => one.offsetTop)")}) == 1
        last = page.locator(f"{ROOT} .db-tab").last.bounding_box()
        title = page.locator(f"{ROOT} .db-response .db-title").first.bounding_box()
        assert last is not None
        assert title is not None
        assert title["x"] - (last["x"] + last["width"]) >= 12
    ARTEFACTS.mkdir(exist_ok=True)
    if ratio == 1.0:
        page.screenshot(path=ARTEFACTS / f"layout-{width}.png", full_page=True)


@pytest.mark.parametrize("width", [360, 750, 1280])
def test_dark_pages_fit_as_well(open_saved: Callable[..., Page], width: int) -> None:
    page = open_saved(width, dark=True)
    assert page.evaluate(FAULTS) == []
    page.screenshot(path=ARTEFACTS / f"layout-{width}-dark.png", full_page=True)


def test_field_and_response_are_in_view_together_on_a_laptop_beside_the_file_browser(
    open_page: Callable[..., NotebookPage], server: Server, keep: Callable[[NotebookPage, str], Path]
) -> None:
    cell = """
import deepstrf
from deepstrf_widgets import explore
demo = deepstrf.load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
bench
"""
    write_notebook(server.folder / "laptop.ipynb", cell)
    notebook = open_page(1280, 720)
    notebook.open("laptop.ipynb")
    notebook.run_all()
    page = notebook.page
    assert page.locator(".jp-FileBrowser").is_visible()
    notebook.bring(ROOT)
    page.locator(f"{ROOT} [data-handle=center]").first.focus()
    page.locator(f"{ROOT} .db-panels").evaluate("(panels) => panels.scrollIntoView({ block: 'start' })")
    boxes = page.evaluate(BOXES)
    view = page.locator(".jp-WindowedPanel-outer").first.bounding_box()
    assert view is not None
    for part in (".db-strf .db-stage", ".db-curves"):
        assert boxes[part]["top"] >= view["y"] - 1, part
        assert boxes[part]["bottom"] <= view["y"] + view["height"] + 1, part
    assert boxes[".db-response"]["left"] >= boxes[".db-strf"]["right"]
    assert page.evaluate(FAULTS) == []
    for dark in (False, True):
        notebook.use_theme(dark)
        keep(notebook, f"laptop-{'dark' if dark else 'light'}")
    notebook.use_theme(False)
    page.locator(f"{ROOT} [role=tab]", has_text="Adaptation").click()
    page.locator(f"{ROOT} .db-adapted").wait_for()
    page.locator(f"{ROOT} .db-panels").evaluate("(panels) => panels.scrollIntoView({ block: 'start' })")
    page.wait_for_function(ADAPTATION_AND_RESPONSE_IN_VIEW)
    caption = page.locator(f"{ROOT} .db-adapt-caption > span")
    assert caption.evaluate_all("(parts) => parts.every((part) => part.scrollWidth <= part.offsetWidth + 1)")
    assert page.locator(f"{ROOT} .db-adapt-caption").evaluate("(all) => all.scrollWidth <= all.clientWidth + 1")


def test_the_bench_fills_the_screen_and_leaves_it(open_saved: Callable[..., Page]) -> None:
    page = open_saved(1024)
    page.locator(f"{ROOT} button[title='Full screen']").click()
    page.wait_for_function(f"() => document.fullscreenElement === document.querySelector('{ROOT}')")
    assert page.evaluate(FAULTS) == []
    page.locator(f"{ROOT} button[title^='Leave full']").click()
    page.wait_for_function("() => document.fullscreenElement === null")


def test_a_page_from_right_to_left_has_its_axes_from_left_to_right(open_saved: Callable[..., Page]) -> None:
    page = open_saved(1024)
    before = page.evaluate(BOXES)
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    page.wait_for_function(f"() => getComputedStyle(document.querySelector('{ROOT}')).direction === 'ltr'")
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(BOXES) == before


def test_what_is_printed_is_as_wide_as_what_was_painted(open_saved: Callable[..., Page]) -> None:
    page = open_saved(1024)
    canvas = f"() => document.querySelector('{ROOT} .db-strf .db-stage .db-canvas').clientWidth"
    before = page.evaluate(canvas)
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 900})
    assert page.evaluate(canvas) == before
    assert page.locator(f"{ROOT} .db-toolbar").is_hidden()
    page.emulate_media(media="screen")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(f"(before) => ({canvas})() !== before", arg=before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_are_seen_in_forced_colours(chromium: Browser, saved_bench: Path, scheme: Any) -> None:
    page = chromium.new_page(
        viewport={"width": 1280, "height": 720}, forced_colors="active", color_scheme=scheme, reduced_motion="reduce"
    )
    page.goto(saved_bench.as_uri())
    page.wait_for_selector(f"{ROOT} [data-handle=center]")
    # Brightness of the darkest and of the brightest opaque pixel of the curve, and that of the ground.
    seen = page.evaluate("""() => {
      const canvas = document.querySelector('.deepstrf-bench .db-curves');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const brightness = [];
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 250) brightness.push(data[i] + data[i + 1] + data[i + 2]);
      }
      const ground = getComputedStyle(document.querySelector('.deepstrf-bench')).backgroundColor;
      const [r, g, b] = ground.match(/[0-9.]+/g).map(Number);
      return [Math.min(...brightness), Math.max(...brightness), r + g + b];
    }""")
    darkest, brightest, ground = seen
    assert max(abs(darkest - ground), abs(brightest - ground)) > 400
    page.screenshot(path=ARTEFACTS / f"forced-colours-{scheme}.png")
    page.close()
