"""What Binder opens: its start script and its layout, behind a base path as on a JupyterHub."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.bench_page import ROOT as BENCH
from tests.browser.bench_page import BenchPage
from tests.browser.lab import ROOT, Server, own_folders, serve
from tests.browser.notebook import READY, SECOND, NotebookPage

pytestmark = pytest.mark.browser

WORKSPACE = ROOT / "binder" / "tour.jupyterlab-workspace"
TOUR = "notebooks/00_tour.ipynb"
LAYOUT = """() => {
  const shell = window.jupyterapp.shell;
  const open = [...shell.widgets('main')].map((widget) => widget.context?.path);
  return { open, left: !shell.leftCollapsed, right: !shell.rightCollapsed };
}"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Server]:
    """A server behind /user/x/, started and laid out as Binder does."""
    command = [sys.executable, "-m", "jupyterlab", "workspaces", "import", str(WORKSPACE)]
    subprocess.run(command, env=own_folders(tmp_path), check=True, capture_output=True)
    with serve(tmp_path, base="/user/x/", before=[str(ROOT / "binder" / "start")]) as running:
        shutil.copytree(ROOT / "notebooks", running.folder / "notebooks")
        yield running


def test_tour_opens_alone_and_runs_behind_a_base_path(chromium: Browser, hub: Server) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    notebook = NotebookPage(page, hub)
    page.goto(hub.url(f"lab/tree/{TOUR}"))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECOND)
    page.evaluate(READY)
    assert page.evaluate(LAYOUT) == {"open": [TOUR], "left": False, "right": False}
    notebook.run_all()
    notebook.bring(BENCH)
    BenchPage(notebook).settle()
    assert notebook.kernel_eval("__import__('os').environ['OMP_NUM_THREADS']") == "1"
    assert notebook.console_errors == []
    assert notebook.blocked == []
    notebook.shut_down()
