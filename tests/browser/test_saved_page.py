"""The bench as one HTML file, opened from the disk: no server, no kernel, no network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser

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
    page.goto(saved_bench.as_uri())
    page.wait_for_selector(f"{ROOT} .db-handle", timeout=30 * SECOND)
    assert page.evaluate(FIRST_PAINT) < FIRST_PAINT_MS
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
    assert asked == [saved_bench.as_uri()]
    assert complaints == []
    page.close()
