"""axe-core reports no violation in any stage of the bench, light or dark, nor in its dialog."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.bench_page import ROOT
from tests.browser.lab import ROOT as CHECKOUT
from tests.browser.notebook import SECOND

pytestmark = pytest.mark.browser

AXE = CHECKOUT / "widgets" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def axe() -> Path:
    """The script of axe-core; without it the tests are skipped, and fail where CI is true."""
    if not AXE.is_file():
        message = "no axe-core: run `npm ci` in widgets/"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return AXE


def complaints(page: Any) -> list[str]:
    """What axe-core finds inside the bench: rule, severity and the first element."""
    found = page.evaluate(f"() => axe.run('{ROOT}')")
    assert len(found["passes"]) > 10  # it has looked at something; behind an open dialog everything is inert
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_stage_is_accessible(chromium: Browser, saved_bench: Path, axe: Path, scheme: str) -> None:
    # The page forbids scripts from elsewhere, axe-core included.
    page = chromium.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page.goto(saved_bench.as_uri())
    page.wait_for_selector(f"{ROOT} .db-handle", timeout=30 * SECOND)
    page.add_script_tag(path=axe)
    page.locator(f"{ROOT} [data-gaussian='0'][data-handle=center]").click()
    for stage in ("strf", "prefilter", "activation"):
        page.locator(f"{ROOT} [data-tab={stage}]").click()
        page.locator(f"{ROOT} [role=tabpanel]:not([hidden])").wait_for()
        assert complaints(page) == [], stage
    page.keyboard.press("?")
    page.locator(f"{ROOT} dialog[open]").wait_for()
    assert complaints(page) == []
    page.close()
