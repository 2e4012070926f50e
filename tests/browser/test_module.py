"""The bench as an ES module, loaded by a bare page and in a shadow tree: no kernel, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, expect

from deepstrf.demo import load_demo
from deepstrf_widgets import BenchWidget, LiveSession, save_module
from tests.browser.lab import serving
from tests.browser.notebook import SECOND

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><div id="plain"></div><div id="shadow"></div><script type="module">
import bench from "./bench.mjs";
bench.render({ el: document.getElementById("plain") });
const el = document.createElement("div");
document.getElementById("shadow").attachShadow({ mode: "open" }).append(el);
window.stop = bench.render({ model: null, el });
</script>"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    demo = load_demo()
    sounds = demo.stimulus.values.reshape(1, 1, *demo.stimulus.values.shape[-2:])
    stimuli = torch.cat([sounds, sounds.flip(-1)])
    session = LiveSession(demo.model, stimuli, dt_ms=demo.stimulus.dt_ms, cf_hz=demo.stimulus.cf_hz)
    save_module(BenchWidget(session), tmp_path / "bench.mjs")
    (tmp_path / "index.html").write_text(PAGE)
    with serving(tmp_path) as address:
        yield address


def test_a_bare_page_loads_the_module_and_says_why_the_response_is_high(chromium: Browser, address: str) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/index.html")
    page.wait_for_selector("#plain .db-handle", timeout=30 * SECOND)
    page.locator("#plain .db-sound button").nth(1).click()
    expect(page.locator("#plain .db-sound input")).to_have_value("2")
    page.locator("#plain .db-curves").click(position={"x": 200, "y": 60})
    expect(page.locator("#plain .db-why-sum")).to_contain_text("= drive")
    expect(page.locator("#shadow .deepstrf-bench")).to_be_visible()
    page.locator("#plain .db-handle").first.focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("() => location.hash.startsWith('#deepstrf1:')")
    # The second bench of a page says so in its link.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#shadow button[title^='Copy the address']").click()
    expect(page.locator("#shadow button[title=Copied]")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"{address}/index.html#bench-2=deepstrf1:")
    page.evaluate("window.stop()")
    expect(page.locator("#shadow .deepstrf-bench")).to_have_count(0)
    assert complaints == []
    page.close()
