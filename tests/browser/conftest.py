"""Fixtures of the browser tests: one Jupyter server and one Chromium, a fresh page per test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import deepstrf
from deepstrf_widgets import explore
from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, ROOT, Server, find_chromium, serve
from tests.browser.notebook import SECOND, NotebookPage

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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab with the server extension on, in folders of its own."""
    with serve(tmp_path_factory.mktemp("lab"), environment=OUR_JUPYTER) as running:
        yield running


@pytest.fixture
def open_page(
    chromium: Browser, server: Server, request: pytest.FixtureRequest
) -> Iterator[Callable[..., NotebookPage]]:
    """Function (width, height) -> a fresh page, at whose end nothing may have asked for another host or failed."""
    opened: list[NotebookPage] = []

    def make(width: int = 1280, height: int = 900) -> NotebookPage:
        page = chromium.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page.set_default_timeout(30 * SECOND)
        opened.append(NotebookPage(page, server))
        return opened[-1]

    yield make
    for number, notebook in enumerate(opened):
        if request.node.stash.get(FAILED, False):
            screenshot(notebook, f"failed-{request.node.name}-{number}")
        notebook.shut_down()


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


@pytest.fixture
def saved_bench(tmp_path: Path) -> Path:
    """The demo's bench as a file without a kernel."""
    demo = deepstrf.load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
    path = explorer.save_html(tmp_path / "demo.html")
    explorer.close()
    return path
