"""Keys pressed in a bench: none cuts a cell or restarts the kernel; save, run, find and the palette go on working."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.bench_page import open_panel
from tests.browser.lab import OUR_JUPYTER, Server, serve
from tests.browser.notebook import SECOND, NotebookPage, write_notebook

pytestmark = pytest.mark.browser

CELL = """
import deepstrf
from deepstrf_widgets import explore
demo = deepstrf.load_demo()
explorer = explore(demo.model, demo.stimulus, demo.responses, gallery=True, figures=False)
explorer
"""
RECORD = """() => {
  window.ran = [];
  window.jupyterapp.commands.commandExecuted.connect((_, { id }) => window.ran.push(id));
}"""
DOCUMENTED = "() => window.jupyterapp.commands.keyBindings.map((binding) => binding.keys)"
CELLS = """() => {
  const { model } = window.jupyterapp.shell.currentWidget.content;
  return [...model.cells].map((cell) => cell.type);
}"""
PLACES = {
    # The first: keys on a Gaussian remove it, and its numbers with it.
    "a number": ".db-strf .db-number",
    "a Gaussian": ".db-strf [data-handle=center]",
    "a tab": ".db-tab[aria-selected=true]",
    "a button": ".db-toolbar button:not([disabled])",
    "the response": ".db-time-stage",
    "the bench itself": ".deepstrf-bench:not(.db-view-gallery)",
    "the gallery": ".db-view-gallery .db-grid",
    "the gallery's order": ".db-view-gallery select",
    "the panels' button": ".db-panels-menu > button",
    "the painting": ".db-view-paint [role=slider]",
    # The last: a letter chooses a sound that begins with it.
    "the sounds' choice": ".db-view-sounds > select",
}
PRESSED = {"ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Backspace", "Delete", "Home", "End", "Enter"}
HOST = {
    "Control+s": ["docmanager:save"],
    "Shift+Enter": ["notebook:run-cell-and-select-next", "runmenu:run"],
    "Control+Shift+c": ["apputils:activate-command-palette"],
    "Control+f": ["documentsearch:start"],
}


def is_plain(key: str) -> bool:
    """Whether a key of Lumino's is a letter, digit, sign or movement, with or without Shift."""
    *modifiers, last = key.split()
    return set(modifiers) <= {"Shift"} and (len(last) == 1 or last in PRESSED) and key != "Shift Enter"


def typed(key: str) -> str:
    """Lumino's "Shift A" as Playwright's "Shift+A"."""
    *modifiers, last = key.split()
    return "+".join([*modifiers, last.lower() if len(last) == 1 and not modifiers else last])


@pytest.fixture(scope="module", params=["lab", "notebook"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab, and Notebook 7."""
    if request.param == "notebook":
        pytest.importorskip("notebook")
    with serve(tmp_path_factory.mktemp(request.param), app=request.param, environment=OUR_JUPYTER) as running:
        yield running


@pytest.fixture
def notebook(host: Server, chromium: Browser) -> Iterator[NotebookPage]:
    """A notebook with an explorer in the second of three cells, its painting open, whose host tells what it runs."""
    write_notebook(host.folder / "keys.ipynb", "1 + 1", CELL, "2 + 2")
    page = chromium.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page.set_default_timeout(30 * SECOND)
    notebook = NotebookPage(page, host)
    notebook.open("keys.ipynb")
    notebook.console_errors.clear()  # Notebook 7 has one of its own when it starts
    notebook.run_all()
    page.set_default_timeout(30 * SECOND)
    notebook.bring(".deepstrf-bench")
    open_panel(page, "Sounds")
    page.get_by_label("sound", exact=True).select_option("Paint")
    page.locator(PLACES["the painting"]).first.wait_for()
    page.evaluate(RECORD)
    yield notebook
    assert notebook.console_errors == []
    notebook.shut_down()


def shown(page: Page, selector: str) -> Locator:
    """The element, a Gaussian selected: the numbers are those of one."""
    page.locator(PLACES["a Gaussian"]).first.focus()
    found = page.locator(selector).first
    found.wait_for()
    return found


def test_no_letter_or_digit_runs_a_command_of_the_host(
    notebook: NotebookPage, keep: Callable[[NotebookPage, str], Path]
) -> None:
    page = notebook.page
    documented = {tuple(keys) for keys in page.evaluate(DOCUMENTED)}
    plain = sorted(keys for keys in documented if all(is_plain(key) for key in keys))
    assert {("X",), ("D", "D"), ("0", "0"), ("B",), ("M",), ("Shift M",)} <= set(plain)
    before = page.evaluate(CELLS)
    for place, selector in PLACES.items():
        found = shown(page, selector)
        for keys in plain:
            for key in keys:
                found.focus()
                page.keyboard.press(typed(key))
            assert page.evaluate("() => window.ran") == [], f"{keys} on {place}"
        assert page.evaluate(CELLS) == before, place
    keep(notebook, f"keys-{notebook.server.notebooks.split('/')[0]}")


def test_commands_of_the_host_that_users_rely_on_still_run(notebook: NotebookPage) -> None:
    page = notebook.page

    def press(pressed: str, place: str) -> None:
        shown(page, PLACES[place]).focus()
        page.evaluate("() => { window.ran.length = 0; }")
        page.keyboard.press(pressed)
        page.wait_for_function("(wanted) => window.ran.some((id) => wanted.includes(id))", arg=HOST[pressed])
        page.keyboard.press("Escape")

    for place in PLACES:
        for pressed in ("Control+s", "Control+Shift+c", "Control+f"):
            press(pressed, place)
    # It makes a new bench, in which no painting is open.
    for place in ("the painting", "a Gaussian", "a number", "the gallery"):
        press("Shift+Enter", place)
