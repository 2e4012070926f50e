"""The gallery in JupyterLab: it chooses what a linked bench shows, follows its edits, and orders as Python does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bench_page import PAINTED
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook
from tests.browser.test_accessibility import axe, complaints  # noqa: F401

pytestmark = pytest.mark.browser

NEURONS = 119
LOAD = f"""
import numpy as np
import torch
from deepstrf.demo.population import build_model
from deepstrf_widgets import LiveSession, explore, gallery
torch.manual_seed(0)
model = build_model({NEURONS}).eval()
stimulus = 60 * torch.rand(34, 400)
with torch.no_grad():
    rate = model(stimulus[None, None])[0, :, 0]
responses = rate + torch.linspace(0.1, 3, {NEURONS})[:, None] * rate.std(1, keepdim=True) * torch.randn(rate.shape)
names = [f"unit {{n}}" for n in range({NEURONS})]
names[3] = "<img src=x onerror=alert(1)>"
session = LiveSession(model, stimulus, responses, dt_ms=5.0, cf_hz=np.geomspace(500, 20000, 34), neuron_names=names)
every = gallery(session)
every
"""
LINKED = """
bench = explore(session, figures=False)
link = every.link(bench)
bench
"""
ROOT = ".db-view-gallery"
GRID = f"{ROOT} .db-grid"
ORDER = f"() => [...document.querySelector('{ROOT}').__gallery.order]"
PICTURES = f"""() => [...document.querySelectorAll('{ROOT} .db-pictures canvas:not([hidden])')]
  .map((canvas) => canvas.style.top + canvas.toDataURL()).sort()"""
WRONG_ORDER = f"""() => {{
  const select = document.querySelector("{ROOT} select");
  select.append(new Option("size", "size"));
  select.value = "size";
  select.dispatchEvent(new Event("change"));
}}"""
ROWS_IN_VIEW = """(grid) => {
  grid.scrollIntoView();
  const box = grid.getBoundingClientRect();
  const at = (share) => document.elementFromPoint(box.left + 40, box.top + share * box.height);
  return [0.02, 0.5, 0.98].map((share) => at(share).closest(".db-row") !== null);
}"""
CARDS = f"{GRID} [role=option]:visible"
MARGIN_PX = 1  # of rounding


@pytest.fixture
def opened(open_page: Callable[..., NotebookPage], server: Server) -> Iterator[Callable[..., NotebookPage]]:
    """Function (*cells) -> a notebook with a gallery and these cells, run; at the end no page has seen an error."""
    pages: list[NotebookPage] = []

    def make(*more: str) -> NotebookPage:
        write_notebook(server.folder / "gallery.ipynb", LOAD, *more)
        pages.append(open_page(1280, 1000))
        pages[-1].open("gallery.ipynb")
        pages[-1].hide_side_bar()
        pages[-1].run_all()
        pages[-1].bring(GRID)
        # The scores come after the pictures.
        pages[-1].page.wait_for_function(f"() => /r 0/.test(document.querySelector('{GRID}').textContent)")
        return pages[-1]

    yield make
    for page in pages:
        assert page.console_errors == []
        assert page.blocked == []


def card(notebook: NotebookPage, neuron: int) -> Locator:
    return notebook.page.locator(f"{GRID} [role=option][id$='-{neuron}']:visible")


def assert_same_order(notebook: NotebookPage) -> list[int]:
    """The numbers of the neurons shown, as page and kernel agree on them."""
    expected = notebook.page.evaluate(ORDER)
    # The browser sorts at once, the kernel when the message has come.
    notebook.wait_for_kernel(f"every.shown.tolist() == {expected}")
    expect(notebook.page.locator(f"{ROOT} .db-count")).to_have_text(f"{len(expected)} of {NEURONS} shown")
    return list(expected)


def test_order_is_that_of_the_kernel(opened: Callable[..., NotebookPage]) -> None:
    notebook = opened()
    page = notebook.page
    options = page.locator(f"{ROOT} select[aria-label='Sorted by'] option")
    orders = options.evaluate_all("(all) => all.map((option) => option.value)")
    assert len(orders) == 8
    seen = set()
    for order in orders:
        page.locator(f"{ROOT} select[aria-label='Sorted by']").select_option(order)
        for _ in range(2):
            seen.add(tuple(assert_same_order(notebook)))
            page.locator(f"{ROOT} .db-sort button").click()
    # Those by number and by name differ in the neuron that has no number in its name.
    assert len(seen) == 2 * len(orders)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("score r, at least").fill("0.5")
    page.get_by_label("best frequency, at most (kHz)").fill("5")
    chosen = assert_same_order(notebook)
    assert 0 < len(chosen) < NEURONS
    page.get_by_label("Find neurons by number or name").fill("unit 1")
    assert 0 < len(assert_same_order(notebook)) < len(chosen)
    notebook.kernel_eval("[setattr(every, 'ranges', {'score': (0.9, None)}), setattr(every, 'search', '')]")
    expect(page.get_by_label("score r, at least")).to_have_value("0.9")
    assert_same_order(notebook)

    page.evaluate(WRONG_ORDER)
    expect(page.locator(f"{ROOT} .db-message")).to_contain_text("sort must be one of")
    expect(page.locator(f"{ROOT} select").first).to_have_value(notebook.kernel_eval("every.sort"))


def test_linked_bench_and_gallery_follow_each_other(opened: Callable[..., NotebookPage]) -> None:
    notebook = opened(LINKED)
    page = notebook.page
    chooser = page.locator(".db-neuron .db-combo")
    card(notebook, 7).click()
    expect(chooser).to_have_value("8 · unit 7")
    assert notebook.kernel_eval("[every.selected, bench.neuron]") == [7, 7]
    page.locator(GRID).focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(chooser).to_have_value("10 · unit 9")
    page.keyboard.press("End")
    expect(card(notebook, NEURONS - 1)).to_be_visible()
    notebook.kernel_eval("setattr(bench, 'neuron', 2)")
    expect(page.locator(f"{GRID} [aria-selected=true]:visible")).to_contain_text("3 · unit 2")
    expect(card(notebook, 3)).to_contain_text("4 · <img src=x onerror=alert(1)>")

    before, text = page.evaluate(PICTURES), card(notebook, 1).inner_text()
    notebook.kernel_eval("session.set('strf.weight', 3.0, (1, 0, 0))")
    marked = page.locator(f"{GRID} .db-edited:visible")
    expect(marked).to_have_count(1)
    page.evaluate(PAINTED)
    after = page.evaluate(PICTURES)
    # A canvas holds the pictures of one row.
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    assert card(notebook, 1).inner_text() != text
    notebook.kernel_eval("session.undo()")
    expect(marked).to_have_count(0)
    page.evaluate(PAINTED)
    assert page.evaluate(PICTURES) == before


def test_two_displays_stay_in_step(opened: Callable[..., NotebookPage]) -> None:
    notebook = opened("every")
    both = notebook.page.locator(ROOT)
    expect(both).to_have_count(2)
    notebook.kernel_eval("session.set('strf.weight', 3.0, (1, 0, 0))")
    fields = both.get_by_label("Find neurons by number or name")
    fields.first.fill("unit 1")
    # By name 1, 10 to 19, 21 to 91 in tens, and all from 100 on; the numbers on screen are larger by one.
    shown = sum("1" in str(neuron) or "1" in str(neuron + 1) for neuron in range(NEURONS))
    expect(both.locator(".db-count")).to_have_text([f"{shown} of {NEURONS} shown"] * 2)
    expect(fields.nth(1)).to_have_value("unit 1")
    expect(both.locator(".db-edited:visible")).to_have_count(2)
    # The second came when the scores had been sent.
    expect(both.nth(1).locator("[role=option]:visible").first).to_contain_text(re.compile(r"r [01]\.\d\d"))


def test_looks_and_what_axe_core_says_of_them(
    opened: Callable[..., NotebookPage],
    keep: Callable[..., Path],
    axe: Path,  # noqa: F811
) -> None:
    notebook = opened()
    page, grid = notebook.page, notebook.page.locator(GRID)
    page.add_script_tag(path=axe)
    page.get_by_role("button", name="Filters").click()
    card(notebook, 4).click()
    for width, dark in ((1280, False), (1280, True), (800, True), (800, False)):
        page.set_viewport_size({"width": width, "height": 1000})
        notebook.use_theme(dark)
        page.locator(ROOT).evaluate("(root) => root.scrollIntoView()")
        card(notebook, 1).hover()
        expect(page.locator(f"{ROOT} .db-details")).to_contain_text("2 · unit 1: best frequency ")
        page.evaluate(PAINTED)
        assert complaints(page) == []
        keep(notebook, f"gallery-{width}-{'dark' if dark else 'light'}")
        assert page.locator(ROOT).evaluate("(root) => root.scrollWidth - root.clientWidth") <= MARGIN_PX
        for share in (0.9, 0.35, 1.0, 0.0):
            grid.evaluate("(grid, share) => { grid.scrollTop = share * grid.scrollHeight; }", share)
            page.evaluate(PAINTED)
            assert grid.evaluate(ROWS_IN_VIEW) == [True, True, True]
            places = [int(one.get_attribute("aria-posinset") or 0) for one in page.locator(CARDS).all()]
            assert len(set(places)) == len(places)
            assert 0 < len(places) < NEURONS
