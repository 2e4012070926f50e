"""The bench as one HTML file, opened from the disk: no server, no kernel, no network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, expect

import deepstrf
from deepstrf_widgets import explore
from deepstrf_widgets.session.serialization import changed_values
from tests.browser.bench_page import CURVES, FIELD, ROOT, BenchPage
from tests.browser.notebook import SECOND

pytestmark = pytest.mark.browser

MOST_BYTES = 3_000_000
FIRST_PAINT_MS = 1000
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


def test_a_saved_page_is_edited_without_a_kernel(chromium: Browser, saved_bench: Path) -> None:
    assert saved_bench.stat().st_size <= MOST_BYTES
    page = chromium.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    paints = []
    for _ in range(3):  # the least of them: what else runs on the machine only adds to it
        page.goto(saved_bench.as_uri())
        page.wait_for_selector(f"{ROOT} .db-handle", timeout=30 * SECOND)
        paints.append(page.evaluate(FIRST_PAINT))
    assert min(paints) < FIRST_PAINT_MS
    bench = BenchPage(SimpleNamespace(page=page))  # type: ignore[arg-type]  # there is no notebook around it
    bench.settle()
    start = [bench.picture(canvas) for canvas in (FIELD, CURVES)]
    bench.drag(-60, -40)
    edited = [bench.picture(canvas) for canvas in (FIELD, CURVES)]
    assert edited[0] != start[0]
    assert edited[1] != start[1]
    assert bench.button("Undo").is_enabled()
    bench.handle().focus()
    page.keyboard.press("Control+z")
    bench.settle()
    assert [bench.picture(canvas) for canvas in (FIELD, CURVES)] == start
    page.keyboard.press("Control+Shift+Z")
    bench.settle()
    assert [bench.picture(canvas) for canvas in (FIELD, CURVES)] == edited
    page.locator(f"{ROOT} [title^='Next']").first.click()
    bench.settle()
    assert bench.picture(FIELD) != edited[0]
    assert set(asked) == {saved_bench.as_uri()}
    assert complaints == []
    page.close()


def test_the_address_holds_the_state_that_the_explorer_has(chromium: Browser, tmp_path: Path) -> None:
    """Both ways, for a page with some of the neurons; back and a foreign state leave the page whole."""
    demo = deepstrf.load_demo()
    explorers = [explore(demo.model, demo.stimulus, demo.responses, figures=False) for _ in range(2)]
    explorer, other = explorers
    address = explorer.save_html(tmp_path / "some.html", neurons=[3, 1]).as_uri()
    page = chromium.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page.goto(address)
    page.wait_for_selector(f"{ROOT} .db-handle", timeout=30 * SECOND)
    bench = BenchPage(SimpleNamespace(page=page))  # type: ignore[arg-type]  # there is no notebook around it
    bench.settle()
    start = bench.picture(FIELD)
    bench.drag(-60, -40)
    page.wait_for_function("() => location.hash.startsWith('#deepstrf1:')")
    edited, link = bench.picture(FIELD), page.url
    other.restore(link)
    assert other.neuron == 3
    assert other.session.edited()
    moved = [edit for edit in changed_values(other.session) if edit.index[0] == 3]
    assert {edit.name for edit in moved} >= {"strf.center_hz", "strf.center_ms"}
    # What Python writes opens the page as it is there; the link's own text does, too.
    for hash_text in (other.state, link.partition("#")[2]):
        fresh = chromium.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        fresh.goto(f"{address}#{hash_text}")
        fresh.wait_for_selector(f"{ROOT} .db-toolbar button[title^='Undo']:enabled", timeout=30 * SECOND)
        opened = BenchPage(SimpleNamespace(page=fresh))  # type: ignore[arg-type]
        opened.settle()
        assert opened.picture(FIELD) == edited
        fresh.close()
    for damage in ("deepstrf1:AAAA", "deepstrf1:" + "A" * 70_000, "elsewhere"):
        page.evaluate("(text) => { location.hash = text; }", damage)
        expect(page.locator(f"{ROOT} .db-message")).to_contain_text("nothing has been changed")
        assert bench.picture(FIELD) == edited
    for _ in range(3):
        page.go_back()
    page.wait_for_function("(link) => location.href === link", arg=link)
    bench.button("Undo").click()
    bench.settle()
    assert bench.picture(FIELD) == start
    page.wait_for_function("() => location.hash === ''")
    page.close()
    for each in explorers:
        each.close()
