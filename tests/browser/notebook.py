"""A notebook open in JupyterLab, as a user sees and operates it, and what its kernel says."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import ConsoleMessage, Locator, Page

from tests.browser.lab import Server

SECOND = 1000
KERNEL_SECONDS, POLL_MS = 20, 50
RUN_SECONDS = 120

# Runs in the page: the promise of a notebook whose kernel answers.
READY = """async () => {
  await window.jupyterapp.restored;
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
}"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)"
ERRORS = """() => {
  const found = [];
  for (const cell of window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells) {
    for (const output of cell.outputs ?? []) {
      if (output.output_type === "error") found.push(output.ename + ": " + output.evalue);
    }
  }
  return found;
}"""
EVALUATE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const request = kernel.requestExecute({
    code: "", silent: false, store_history: false, user_expressions: { value: code },
  });
  const reply = await request.done;
  return reply.content.user_expressions.value;
}"""
THEME = """async (name) => {
  await window.jupyterapp.commands.execute("apputils:change-theme", { theme: name });
}"""


@dataclass
class NotebookPage:
    """One notebook in one browser page.

    ``console_errors`` are the page's errors, and ``blocked`` the requests to another host than 127.0.0.1, which fail:
    `CHROMIUM_ARGS` leave Chromium no other. Watching each request costs time: a benchmark goes without. They are not
    routed through Python, which would switch the browser's cache off.
    """

    page: Page
    server: Server
    watch_requests: bool = True
    console_errors: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.page.on("websocket", lambda socket: self._on_socket(socket.url))
        if self.watch_requests:
            self.page.on("request", lambda request: self._on_request(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_socket(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            self.blocked.append(url)

    def _on_request(self, url: str) -> None:
        if urlsplit(url).hostname not in ("127.0.0.1", None):  # None: blob and data addresses
            self.blocked.append(url)

    def open(self, name: str, *, port: int | None = None) -> None:
        """Open the notebook; afterwards it is on screen and its kernel answers."""
        self.page.goto(self.server.url(f"{self.server.notebooks}{name}?reset", port))
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=RUN_SECONDS * SECOND)
        self.page.evaluate(READY)

    def shut_down(self) -> None:
        """End the notebook's kernel and close the page."""
        self.page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
        self.page.close()

    def hide_side_bar(self) -> None:
        """Hide the side bar: the file browser leaves its width to the notebook, as on a narrow screen it must."""
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def use_theme(self, dark: bool) -> None:
        """Switch JupyterLab to its dark or its light theme."""
        self.page.evaluate(THEME, "JupyterLab Dark" if dark else "JupyterLab Light")
        self.page.wait_for_selector(f"body[data-jp-theme-light={'false' if dark else 'true'}]", state="attached")
        # Its splash screen fades for 200 ms; another change meanwhile makes JupyterLab remove it twice.
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def run_all(self) -> None:
        """Run every cell; none may fail."""
        self.page.set_default_timeout(RUN_SECONDS * SECOND)
        self.page.evaluate(RUN_ALL)
        errors = self.page.evaluate(ERRORS)
        if errors:
            raise RuntimeError(f"cells failed: {errors}")

    def kernel_eval(self, expression: str) -> Any:
        """Value of a Python expression in the notebook's kernel, by way of JSON."""
        reply = self.page.evaluate(EVALUATE, f"__import__('json').dumps({expression})")
        if reply["status"] != "ok":
            raise RuntimeError(f"{expression}: {reply.get('ename')}: {reply.get('evalue')}")
        return json.loads(ast.literal_eval(reply["data"]["text/plain"]))

    def wait_for_kernel(self, condition: str) -> None:
        """Wait until the Python expression ``condition`` is true; the kernel evaluates it every 50 ms."""
        for _ in range(int(1000 * KERNEL_SECONDS / POLL_MS)):
            if self.kernel_eval(f"bool({condition})"):
                return
            self.page.wait_for_timeout(POLL_MS)
        raise TimeoutError(f"{condition} must become true within {KERNEL_SECONDS} s")

    def bring(self, selector: str) -> Locator:
        """The first element of ``selector``, scrolled into view by a user, whom the course no longer leads back."""
        found = self.page.locator(selector).first
        found.wait_for(state="visible", timeout=RUN_SECONDS * SECOND)
        self.page.evaluate("document.dispatchEvent(new WheelEvent('wheel'))")
        found.scroll_into_view_if_needed()
        return found


def write_notebook(path: Path, *cells: str) -> None:
    """Make ``path`` a notebook with the given code cells, not yet run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
