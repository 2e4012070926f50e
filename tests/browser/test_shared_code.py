"""JupyterLab gets the code of the benches once for a kernel, and shows them where it has lost it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import WebSocket, expect

from deepstrf_widgets.bundle import bundle_text
from tests.browser.lab import Server
from tests.browser.notebook import READY, NotebookPage, write_notebook

pytestmark = pytest.mark.browser

IMPORT = "from deepstrf.demo import load_demo\nfrom deepstrf_widgets import explore\ndemo = load_demo()"
BENCH = "bench = explore(demo.model, demo.stimulus, demo.responses, figures=False); bench"
HANDLE = ".deepstrf-bench .db-handle"


(PIECE, *_) = re.findall(r"[\w=.;,(){}]{60,}", bundle_text("bench.js"))
"""Of the code of the bench, as it also stands in JSON: without quotes."""


class Frames:
    """What a page receives by websockets, and sends."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.received: list[bytes] = []
        self.sent: list[bytes] = []
        notebook.page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.received.append(_bytes(data)))
        socket.on("framesent", lambda data: self.sent.append(_bytes(data)))


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def with_text(frames: list[bytes], text: str) -> int:
    """How many messages have it."""
    return sum(text.encode() in data for data in frames)


def test_the_code_of_three_benches_comes_once(open_page: Callable[..., NotebookPage], server: Server) -> None:
    write_notebook(server.folder / "shared.ipynb", IMPORT, BENCH, BENCH, BENCH)
    notebook = open_page()
    frames = Frames(notebook)
    notebook.open("shared.ipynb")
    notebook.run_all()
    shown = notebook.page.locator(".deepstrf-bench").filter(has=notebook.page.locator(".db-handle"))
    expect(shown).to_have_count(3)
    assert with_text(frames.received, PIECE) == 1
    assert not notebook.console_errors


def test_a_bench_whose_code_was_closed_asks_for_it(open_page: Callable[..., NotebookPage], server: Server) -> None:
    write_notebook(server.folder / "closed.ipynb", IMPORT, BENCH)
    notebook = open_page()
    frames = Frames(notebook)
    notebook.open("closed.ipynb")
    notebook.run_all()
    notebook.page.wait_for_selector(HANDLE)
    styled = notebook.page.evaluate(STYLES)
    assert "db-handle" in styled
    assert with_text(frames.sent, ASKED) == 0
    notebook.kernel_eval("bench._code.close()")
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook.page.reload()
    notebook.page.wait_for_selector(HANDLE)
    notebook.page.evaluate(READY)
    assert with_text(frames.sent, ASKED) == 1
    assert notebook.page.evaluate(STYLES) == styled
    notebook.page.locator(HANDLE).first.focus()
    notebook.page.keyboard.press("ArrowUp")
    notebook.wait_for_kernel("bench.edited")
    assert not notebook.console_errors


def test_a_page_that_is_loaded_again_asks_once_for_all_widgets(
    open_page: Callable[..., NotebookPage], server: Server
) -> None:
    write_notebook(server.folder / "again.ipynb", IMPORT, BENCH.replace("figures=False", "gallery=True"))
    notebook = open_page()
    frames = Frames(notebook)
    notebook.open("again.ipynb")
    notebook.run_all()
    notebook.page.wait_for_selector(HANDLE)
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook.kernel_eval("bench.sounds.status")  # a panel that no browser has opened has no layout yet
    before = with_text(frames.received, STATES)
    notebook.page.reload()
    notebook.page.wait_for_selector(HANDLE)
    # Without that message JupyterLab waits for four seconds, and asks each widget.
    assert with_text(frames.received, STATES) == before + 1
    assert not notebook.console_errors


ASKED, STATES = '{"type":"code"}', "update_states"
STYLES = """() => [...document.head.querySelectorAll("style")]
  .map(({ textContent }) => textContent).filter((text) => text.includes(".deepstrf-bench")).join("")"""
