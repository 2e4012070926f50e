"""Fixtures of the browser tests: one Jupyter server and one Chromium, a fresh page or freshly run cells per test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

import deepstrf
from deepstrf_widgets import explore
from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, ROOT, Server, find_chromium, serve
from tests.browser.notebook import SECOND, NotebookPage, write_notebook

ARTEFACTS = ROOT / "artefacts"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one the tests are skipped, and fail where CI is true."""
    path = find_chromium()
    if path is None:
        message = "no Chromium: install it (Debian: apt-get install chromium) or name it with CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def cache(chromium: Browser) -> Iterator[BrowserContext]:
    """A context whose pages share what they have loaded: JupyterLab's megabytes of code are compiled once."""
    context = chromium.new_context(reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab with the server extension on, in folders of its own."""
    with serve(tmp_path_factory.mktemp("lab"), environment=OUR_JUPYTER) as running:
        yield running


def fresh_page(cache: BrowserContext, server: Server, width: int, height: int) -> NotebookPage:
    """A page of this size, not yet at any notebook."""
    page = cache.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.set_default_timeout(30 * SECOND)
    return NotebookPage(page, server)


@pytest.fixture
def open_page(
    cache: BrowserContext, server: Server, request: pytest.FixtureRequest
) -> Iterator[Callable[..., NotebookPage]]:
    """Function (width, height) -> a fresh page, at whose end nothing may have asked for another host or failed."""
    opened: list[NotebookPage] = []

    def make(width: int = 1280, height: int = 900) -> NotebookPage:
        opened.append(fresh_page(cache, server, width, height))
        return opened[-1]

    yield make
    for number, notebook in enumerate(opened):
        if request.node.stash.get(FAILED, False):
            screenshot(notebook, f"failed-{request.node.name}-{number}")
        notebook.shut_down()


@pytest.fixture(scope="module")
def _kept_pages() -> Iterator[dict[str, NotebookPage]]:
    """Notebooks that stay open for all tests of a module, by name."""
    pages: dict[str, NotebookPage] = {}
    yield pages
    for notebook in pages.values():
        notebook.shut_down()


@pytest.fixture
def run_cells(
    cache: BrowserContext, server: Server, _kept_pages: dict[str, NotebookPage], request: pytest.FixtureRequest
) -> Iterator[Callable[..., NotebookPage]]:
    """Function (name, *cells, width, height) -> a notebook whose cells have just run, without errors of its past.

    The notebook and its kernel are opened once for a module, and anew after a test that failed. Its cells run for each
    test: models, sessions and widgets are new.
    """
    used: list[str] = []

    def make(name: str, *cells: str, width: int = 1280, height: int = 1000) -> NotebookPage:
        used.append(name)
        notebook = _kept_pages.get(name)
        if notebook is None:
            write_notebook(server.folder / name, *cells)
            notebook = _kept_pages[name] = fresh_page(cache, server, width, height)
            notebook.open(name)
        notebook.page.set_viewport_size({"width": width, "height": height})
        notebook.page.mouse.move(2, 2)
        notebook.console_errors.clear()
        notebook.blocked.clear()
        notebook.run_all()
        return notebook

    yield make
    if request.node.stash.get(FAILED, False):
        for name in used:
            screenshot(_kept_pages[name], f"failed-{request.node.name}-{name}")
            _kept_pages.pop(name).shut_down()


@pytest.fixture
def keep() -> Callable[[NotebookPage, str], Path]:
    """Function (page, name) -> path of a picture of the page in ``artefacts/``."""
    return screenshot


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember a failure, so that the page's fixture keeps a picture of it."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


def screenshot(notebook: NotebookPage, name: str) -> Path:
    """Path of a picture of the page in ``artefacts/``."""
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    notebook.page.screenshot(path=path)
    return path


@pytest.fixture(scope="session")
def saved_bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's bench as a file without a kernel."""
    demo = deepstrf.load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
    path = explorer.save_html(tmp_path_factory.mktemp("saved") / "demo.html")
    explorer.close()
    return path
