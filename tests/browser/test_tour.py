"""The tour as a visitor of Binder runs it: Binder's start script and layout, behind a base path as on a JupyterHub.

It runs once; then light and dark, wide and narrow. Pictures are kept in artefacts/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.bench_page import PLOT, BenchPage
from tests.browser.bench_page import ROOT as BENCH
from tests.browser.lab import ROOT, Server, own_folders, serve
from tests.browser.notebook import READY, SECOND, NotebookPage

pytestmark = pytest.mark.browser

TOUR = "notebooks/00_tour.ipynb"
WORKSPACE = ROOT / "binder" / "tour.jupyterlab-workspace"
LAYOUT = """() => {
  const shell = window.jupyterapp.shell;
  const open = [...shell.widgets('main')].map((widget) => widget.context?.path);
  return { open, left: !shell.leftCollapsed, right: !shell.rightCollapsed };
}"""
MARGIN_PX = 1  # of rounding


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Server]:
    """A server behind /user/x/, started and laid out as Binder does."""
    command = [sys.executable, "-m", "jupyterlab", "workspaces", "import", str(WORKSPACE)]
    subprocess.run(command, env=own_folders(tmp_path), check=True, capture_output=True)
    with serve(tmp_path, base="/user/x/", before=[str(ROOT / "binder" / "start")]) as running:
        shutil.copytree(ROOT / "notebooks", running.folder / "notebooks")
        yield running


def test_tour_opens_alone_runs_and_fits(chromium: Browser, hub: Server, keep: Callable[..., Path]) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    notebook = NotebookPage(page, hub)
    page.goto(hub.url(f"lab/tree/{TOUR}"))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECOND)
    page.evaluate(READY)
    assert page.evaluate(LAYOUT) == {"open": [TOUR], "left": False, "right": False}
    notebook.run_all()
    assert notebook.kernel_eval("__import__('os').environ['OMP_NUM_THREADS']") == "1"
    for width in (1280, 800):
        for dark in (False, True):
            page.set_viewport_size({"width": width, "height": 1000})
            notebook.use_theme(dark)
            look(notebook, f"{width}-{'dark' if dark else 'light'}", keep)
    assert notebook.console_errors == []
    assert notebook.blocked == []
    notebook.shut_down()


def look(notebook: NotebookPage, name: str, keep: Callable[..., Path]) -> None:
    """The bench fits its cell and is edited there, in the present width and theme; two pictures are kept."""
    bench = BenchPage(notebook)
    notebook.bring(BENCH)
    bench.wait_for_plot()
    bench.settle()
    keep(notebook, f"tour-bench-{name}")
    overflow = bench.page.locator(BENCH).first.evaluate("(root) => root.scrollWidth - root.clientWidth")
    assert overflow <= MARGIN_PX, name

    spoken = bench.handle().get_attribute("aria-valuetext")
    bench.handle().scroll_into_view_if_needed()
    bench.drag(-30, 15)
    expect(bench.handle(), name).not_to_have_attribute("aria-valuetext", str(spoken))  # a few times a second
    bench.button("Undo").click()
    bench.page.wait_for_function(
        "([handle, spoken]) => document.querySelector(handle).getAttribute('aria-valuetext') === spoken",
        arg=[f"{BENCH} [data-handle=center][data-gaussian='0']", spoken],
    )
    notebook.bring(PLOT)
    bench.settle()
    keep(notebook, f"tour-figures-{name}")
