"""The explorer outside JupyterLab: it opens whole, is dragged, the kernel answers, and it has the theme of its host."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.bench_page import ROOT
from tests.browser.lab import free_port, own_folders, serve
from tests.browser.notebook import NotebookPage, write_notebook
from tests.browser.test_keys import CELLS, RECORD

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXPLORE = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore

demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names)
"""
MARIMO = f"""
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
{EXPLORE.replace(chr(10), chr(10) + "    ")}
    mo.ui.anywidget(bench)
    return
"""
START_SECONDS = 60
WHOLE_MS = 60_000


@contextlib.contextmanager
def started(command: list[str], folder: Path, address: str) -> Iterator[None]:
    """The host as long as the context lasts, from when it answers at ``address``."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=own_folders(folder), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=10):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def drag_and_look(page: Page) -> None:
    """A user drags a Gaussian: the browser moves it at once, the kernel makes it one step of the history."""
    root = page.locator(ROOT).first
    root.wait_for(timeout=WHOLE_MS)
    page.locator(f"{ROOT} [data-graph=response] .main-svg").first.wait_for(state="attached", timeout=WHOLE_MS)
    handle = page.locator(f"{ROOT} [data-handle=center][data-gaussian='0']").first
    handle.scroll_into_view_if_needed()
    before, box = handle.get_attribute("aria-valuetext"), handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y + 20, steps=8)
    expect(handle).not_to_have_attribute("aria-valuetext", str(before))  # texts follow a few times a second
    page.mouse.up()
    page.mouse.move(2, 2)
    undo = page.locator(f"{ROOT} .db-toolbar button[title^=Undo]").first
    page.locator(f"{ROOT} .db-toolbar button[title^=Undo]:not([disabled])").first.wait_for()
    undo.click()
    page.locator(f"{ROOT} .db-toolbar button[title^=Redo]:not([disabled])").first.wait_for()
    expect(handle).to_have_attribute("aria-valuetext", str(before))  # with the next frame
    assert root.evaluate("(root) => root.__bench.pending()") == 0


def test_marimo(chromium: Browser, tmp_path: Path) -> None:
    pytest.importorskip("marimo")
    (tmp_path / "app.py").write_text(MARIMO)
    port = free_port()
    options = ["--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}/"
    with started([sys.executable, "-m", "marimo", "run", "app.py", *options], tmp_path, address):
        page = chromium.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        page.goto(address)
        drag_and_look(page)
        assert page.locator(ROOT).first.evaluate("(root) => root.getRootNode() instanceof ShadowRoot")
        page.close()


def test_voila(chromium: Browser, tmp_path: Path) -> None:
    pytest.importorskip("voila")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"{EXPLORE}bench")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "bench.ipynb")
    port = free_port()
    options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    address = f"http://127.0.0.1:{port}/"
    with started([sys.executable, "-m", "voila", "bench.ipynb", *options], tmp_path, f"{address}voila/static/voila.js"):
        page = chromium.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        page.goto(address)
        drag_and_look(page)
        page.close()


def test_notebook_7(chromium: Browser, tmp_path: Path) -> None:
    pytest.importorskip("notebook")
    with serve(tmp_path, app="notebook") as server:
        write_notebook(server.folder / "bench.ipynb", f"{EXPLORE}bench")
        page = chromium.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        notebook = NotebookPage(page, server)
        notebook.open("bench.ipynb")
        notebook.console_errors.clear()  # Notebook 7 has one of its own when it starts
        notebook.run_all()
        drag_and_look(page)
        assert notebook.console_errors == []
        assert notebook.blocked == []
        notebook.shut_down()


def test_the_oldest_jupyterlab(chromium: Browser, tmp_path: Path) -> None:
    """``OLDEST_LAB`` names the Python of an environment with the lowest versions."""
    python = os.environ.get("OLDEST_LAB")
    if not python:
        pytest.skip("OLDEST_LAB names no Python with the lowest versions; `make lowest` leaves one")
    with serve(tmp_path, python=str(Path(python).absolute())) as server:
        write_notebook(server.folder / "bench.ipynb", "1 + 1", f"{EXPLORE}bench", "2 + 2")
        page = chromium.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        notebook = NotebookPage(page, server)
        notebook.open("bench.ipynb")
        notebook.run_all()
        drag_and_look(page)
        before = page.evaluate(CELLS)
        page.evaluate(RECORD)
        handle = page.locator(f"{ROOT} [data-handle=center]").first
        for key in "xbmdd00":
            handle.focus()
            page.keyboard.press(key)
        assert page.evaluate("() => window.ran") == []
        assert page.evaluate(CELLS) == before
        page.keyboard.press("Control+s")
        page.wait_for_function("() => window.ran.includes('docmanager:save')")
        assert notebook.console_errors == []
        assert notebook.blocked == []
        notebook.shut_down()
