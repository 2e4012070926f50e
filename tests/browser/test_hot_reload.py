"""With ``ANYWIDGET_HMR=1`` what is changed in TypeScript and CSS reaches an open notebook."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.bench_page import ROOT as BENCH
from tests.browser.bench_page import BenchPage
from tests.browser.lab import OUR_JUPYTER, ROOT, serve
from tests.browser.notebook import SECOND, NotebookPage, write_notebook
from tests.widgets.test_bundle import find_node

pytestmark = pytest.mark.browser

LOAD = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, figures=False)
bench
"""
UNDO = f"{BENCH} .db-toolbar button[title^='Undo']"


@pytest.fixture
def widgets(tmp_path: Path) -> Path:
    """A copy of ``widgets/``, so that the sources of the checkout stay as they are."""
    copy = tmp_path / "widgets"
    for folder in ("src", "deepstrf_widgets"):
        shutil.copytree(ROOT / "widgets" / folder, copy / folder)
    for name in ("build.mjs", "package.json", "tsconfig.json"):
        shutil.copy(ROOT / "widgets" / name, copy)
    (copy / "node_modules").symlink_to(ROOT / "widgets" / "node_modules")
    return copy


@contextlib.contextmanager
def watching(widgets: Path) -> Iterator[None]:
    """The build, which builds again after every change."""
    command = [find_node(), "build.mjs", "--watch"]
    with subprocess.Popen(command, cwd=widgets, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any("watching for changes" in line for line in process.stderr or ())
            yield
        finally:
            process.terminate()


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_typescript_and_css_reach_an_open_notebook(chromium: Browser, widgets: Path, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    environment = {**OUR_JUPYTER, "ANYWIDGET_HMR": "1", "PYTHONPATH": f"{widgets}:{ROOT}"}
    with serve(tmp_path / "lab", environment=environment) as server, watching(widgets):
        write_notebook(server.folder / "hot.ipynb", LOAD)
        notebook = NotebookPage(chromium.new_page(), server)
        notebook.open("hot.ipynb")
        notebook.run_all()
        notebook.bring(UNDO)
        bench = BenchPage(notebook)
        bench.settle()
        page = notebook.page

        with (widgets / "src" / "bench" / "bench.css").open("a", encoding="utf-8") as style:
            style.write("\n.deepstrf-bench .db-toolbar { outline: 3px solid rgb(1, 2, 3); }\n")
        page.wait_for_function(
            "(bar) => getComputedStyle(document.querySelector(bar)).outlineColor === 'rgb(1, 2, 3)'",
            arg=f"{BENCH} .db-toolbar",
            timeout=30 * SECOND,
        )

        replace(widgets / "src" / "bench" / "toolbar.ts", '"Undo', '"Undo what was done')
        page.wait_for_selector(f"{BENCH} .db-toolbar button[title^='Undo what was done']", timeout=30 * SECOND)
        bench.settle()
        bench.handle().scroll_into_view_if_needed()
        bench.drag(-30, 15)
        bench.settle()
        assert notebook.kernel_eval("bench.session.can_undo")
        assert notebook.console_errors == []
        notebook.shut_down()
