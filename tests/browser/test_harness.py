"""The browser harness itself, on a notebook with the smallest widget there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

COUNTER = '''
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = """
    export default { render({ model, el }) {
      const button = document.createElement("button");
      button.className = "counter";
      const show = () => { button.textContent = String(model.get("value")); };
      button.addEventListener("click", () => { model.set("value", model.get("value") + 1); model.save_changes(); });
      model.on("change:value", show);
      show();
      el.append(button);
    } };
    """
    value = traitlets.Int(0).tag(sync=True)

counter = Counter()
counter
'''


def test_click_reaches_python_and_a_trait_reaches_the_browser(
    open_page: Callable[..., NotebookPage], server: Server
) -> None:
    write_notebook(server.folder / "counter.ipynb", COUNTER)
    notebook = open_page()
    notebook.open("counter.ipynb")
    notebook.run_all()
    button = notebook.bring(".counter")
    button.click()
    button.click()
    notebook.page.wait_for_function("document.querySelector('.counter').textContent === '2'")
    assert notebook.kernel_eval("counter.value") == 2
    assert notebook.kernel_eval("setattr(counter, 'value', 7)") is None
    notebook.page.wait_for_function("document.querySelector('.counter').textContent === '7'")
    assert notebook.blocked == []
    assert notebook.console_errors == []


def test_failing_cell_is_reported(open_page: Callable[..., NotebookPage], server: Server) -> None:
    write_notebook(server.folder / "failing.ipynb", "1 / 0")
    notebook = open_page()
    notebook.open("failing.ipynb")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        notebook.run_all()


def test_request_to_another_host_is_blocked_and_recorded(
    open_page: Callable[..., NotebookPage], server: Server
) -> None:
    write_notebook(
        server.folder / "outside.ipynb",
        "from IPython.display import HTML\n"
        'HTML(\'<img src="http://outside.invalid/x.png"><img src="http://192.0.2.1/x.png">\')',
    )
    notebook = open_page()
    notebook.open("outside.ipynb")
    failed: list[str | None] = []
    notebook.page.on("requestfailed", lambda request: failed.append(request.failure))
    notebook.run_all()
    notebook.page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-RenderedHTML img')].every((img) => img.complete)"
    )
    assert sorted(notebook.blocked) == ["http://192.0.2.1/x.png", "http://outside.invalid/x.png"]
    assert failed == ["net::ERR_NAME_NOT_RESOLVED"] * 2  # nothing was sent
