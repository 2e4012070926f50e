"""The static site as a web server gives it: a drag on its first page, and a notebook's bench alive in its page."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.bench_page import CURVES, FIELD, ROOT, BenchPage
from tests.browser.lab import serving
from tests.browser.notebook import SECOND

pytestmark = pytest.mark.browser

SCRIPT = Path(__file__).parents[2] / "docs" / "make_site.py"
SET_UP = "get_ipython().displayhook.do_full_cache = False"  # as a lesson does
CELL = """
from deepstrf.demo import load_demo
from deepstrf_widgets import LiveSession, STRFEditor
demo = load_demo()
_ = 44_100  # a variable of the lesson, which IPython then leaves alone
STRFEditor(LiveSession(demo.model, demo.stimulus))
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    spec = importlib.util.spec_from_file_location("make_site", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    site = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site)
    folder = tmp_path_factory.mktemp("site")
    lesson = folder / "lesson.ipynb"
    cell = nbformat.v4.new_code_cell(CELL)
    # As it is stored: a view that needs a kernel, beside its text.
    cell.outputs = [
        nbformat.v4.new_output("display_data", {site.WIDGET: {"model_id": "x"}, "text/plain": "the editor"})
    ]
    title = nbformat.v4.new_markdown_cell("# What a <neuron> hears")
    nbformat.write(nbformat.v4.new_notebook(cells=[title, nbformat.v4.new_code_cell(SET_UP), cell]), lesson)
    out = folder / "out"
    out.mkdir()
    site.first_page(out, [lesson])
    site.notebook_page(lesson, out)
    with serving(out) as address:
        yield address


def test_a_drag_on_the_first_page_moves_field_and_response(chromium: Browser, address: str) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    bench = _bench(page)
    before = [bench.picture(canvas) for canvas in (FIELD, CURVES)]
    bench.drag(-60, -40)
    after = [bench.picture(canvas) for canvas in (FIELD, CURVES)]
    assert before[0] != after[0]
    assert before[1] != after[1]
    # Its lesson is a page with a live bench, where the notebook had a view that needs a kernel.
    page.get_by_role("link", name="What a <neuron> hears").click()
    assert page.get_by_text("the editor").count() == 0
    bench = _bench(page)
    before = [bench.picture(FIELD)]
    bench.drag(-40, -30)
    assert bench.picture(FIELD) != before[0]
    page.get_by_role("navigation", name="Site").get_by_role("link").click()
    page.get_by_role("heading", name="The course").wait_for()
    assert complaints == []
    page.close()


def _bench(page: Page) -> BenchPage:
    """The bench of a page, once it can be dragged."""
    page.wait_for_selector(f"{ROOT} .db-handle", timeout=30 * SECOND)
    bench = BenchPage(SimpleNamespace(page=page))  # type: ignore[arg-type]  # there is no notebook around it
    bench.handle().scroll_into_view_if_needed()
    bench.settle()
    return bench
