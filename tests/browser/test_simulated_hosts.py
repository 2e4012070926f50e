"""Themes and addresses as VS Code, Colab, marimo and MyST give them, simulated in a page of ours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser

from deepstrf.demo import load_demo
from deepstrf_widgets import explore
from tests.browser.bench_page import FIELD, ROOT, BenchPage
from tests.browser.notebook import SECOND

pytestmark = pytest.mark.browser

# What a webview has: another base address, and scripts from blobs alone.
PAGE = """<!doctype html><html {html}><head><base href="https://webview.invalid/">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:">
</head><body {body}><div id="cell"></div><div id="shadow"></div></body></html>"""
SHOW = """async (code) => {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { default: bench } = await import(url);
  const place = document.getElementById("cell");
  bench.render({ el: place.appendChild(document.createElement("div")) });
  const inside = document.getElementById("shadow").attachShadow({ mode: "open" });
  bench.render({ el: inside.appendChild(document.createElement("div")) });
}"""
DARK = """() => [document.getElementById("cell"), document.getElementById("shadow").shadowRoot]
  .map((at) => getComputedStyle(at.querySelector(".deepstrf-bench")).getPropertyValue("--db-dark").trim() === "1")"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    demo = load_demo()
    path: Path = tmp_path_factory.mktemp("module") / "bench.mjs"
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False)
    explorer.save_module(path, neurons=[0], dtype="float16")
    explorer.close()
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("html", "body", "scheme", "dark", "roots"),
    [
        ("", 'class="vscode-dark"', "light", True, 1),
        ("", 'class="vscode-light"', "dark", False, 1),
        ('theme="dark"', "", "light", True, 1),
        ("", 'class="dark dark-theme" data-theme="dark"', "light", True, 2),
        ("", 'class="light light-theme" data-theme="light"', "dark", False, 2),
        ('class="dark"', "", "light", True, 1),
        ("", "", "dark", True, 2),
    ],
    ids=["VS Code dark", "VS Code light", "Colab dark", "marimo dark", "marimo light", "MyST dark", "no host"],
)
def test_the_theme_of_hosts_that_are_simulated(
    chromium: Browser, code: str, html: str, body: str, scheme: Any, dark: bool, roots: int
) -> None:
    page = chromium.new_page(viewport={"width": 1100, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_content(PAGE.format(html=html, body=body))
    page.evaluate(SHOW, code)
    page.wait_for_selector(f"#cell {ROOT} .db-handle", timeout=30 * SECOND)
    # marimo puts its widgets into shadow trees, VS Code, Colab and MyST do not.
    assert page.evaluate(DARK)[:roots] == roots * [dark]
    if "vscode-dark" in body:
        bench = BenchPage(SimpleNamespace(page=page))  # type: ignore[arg-type]  # there is no notebook around it
        before = bench.picture(FIELD)
        bench.drag(-40, -30)
        after = bench.picture(FIELD)
        assert after != before
        page.evaluate("() => { document.body.className = 'vscode-light'; }")
        bench.settle()
        assert page.evaluate(DARK)[0] is False
        assert bench.picture(FIELD) != after  # painted anew
    assert complaints == []
    page.close()
