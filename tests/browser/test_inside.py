"""The panel that opens a network, in JupyterLab: the field follows the pointer, filters and wanted sound come in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.bench_page import CURVES, ROOT, open_panel
from tests.browser.conftest import screenshot
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

LOAD = """
import torch
from deepstrf.demo import load_demo
from deepstrf.models.audio import StateNet
from deepstrf_widgets import explore
demo = load_demo()
torch.manual_seed(0)
model = StateNet(34, 1, out_neurons=6).eval()
bench = explore(model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False)
bench
"""
PANEL = f"{ROOT} .db-view-inside"
FRAME = f"() => Number(document.querySelector('{PANEL} [data-frame]')?.dataset.frame ?? -1)"


def test_a_network_is_opened_by_hand(open_page: Callable[..., NotebookPage], server: Server) -> None:
    write_notebook(server.folder / "inside.ipynb", LOAD)
    notebook = open_page(1280, 1000)
    notebook.open("inside.ipynb")
    notebook.hide_side_bar()
    notebook.run_all()
    notebook.bring(ROOT)
    page = notebook.page
    open_panel(page, "Inside the network")
    page.wait_for_function(f"() => ({FRAME})() >= 0")
    first = page.evaluate(FRAME)
    box = page.locator(CURVES).first.bounding_box()
    assert box is not None
    for share in (0.3, 0.4, 0.5, 0.6):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_function(f"(first) => {{ const at = ({FRAME})(); return at > 0 && at !== first; }}", arg=first)
    expect(page.locator(PANEL).get_by_text("A gradient, not a weight")).to_be_visible()

    page.get_by_role("button", name="Find the filters").click()
    expect(page.locator(f"{PANEL} [data-rebuilt]")).to_have_attribute("data-rebuilt", "3", timeout=60_000)
    expect(page.locator(f"{PANEL} .db-inside-filter")).to_have_count(10)

    page.get_by_role("button", name="Find it").click()
    expect(page.locator(f"{PANEL} [data-step]")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(f"{PANEL} [data-done]")).to_be_visible(timeout=30_000)
    page.locator(PANEL).scroll_into_view_if_needed()
    screenshot(notebook, "inside")
    page.get_by_role("button", name="Put on the bench").click()
    notebook.wait_for_kernel("not bench.session.on_first_stimulus")
    assert notebook.console_errors == []


BESIDE = """
from deepstrf.demo import load_demo
from deepstrf_widgets import LiveSession, explore
demo, other = load_demo(), load_demo()
edited = LiveSession(other.model, demo.stimulus, demo.responses, copy_model=False)
edited.set("strf.weight", 0.0, (3, 0))
ab = explore(demo.model, demo.stimulus, demo.responses, figures=False, other=other.model)
ab
"""
COMPARED = f"{ROOT} .db-view-comparison"
FIRST_ROW = f"{COMPARED} tbody tr:first-child"


def test_a_click_on_a_score_difference_leads_to_the_neuron_and_to_where_the_models_differ(
    open_page: Callable[..., NotebookPage], server: Server
) -> None:
    write_notebook(server.folder / "beside.ipynb", BESIDE)
    notebook = open_page(1280, 1000)
    notebook.open("beside.ipynb")
    notebook.hide_side_bar()
    notebook.run_all()
    notebook.bring(ROOT)
    page = notebook.page
    open_panel(page, "Compare")
    page.locator(f"{COMPARED} [data-column=gain] button").click()
    expect(page.locator(FIRST_ROW)).to_have_attribute("data-neuron", "3")  # the one whose field was emptied
    page.locator(f"{FIRST_ROW} td").last.click()
    notebook.wait_for_kernel("ab.neuron == 3")
    expect(page.locator(f"{COMPARED} [data-neuron='3']")).to_have_attribute("aria-current", "true")
    moment = page.locator(f"{COMPARED} [data-frame]").first
    frame = notebook.kernel_eval("int((ab.session.rate(3) - edited.rate(3)).flatten().abs().argmax())")
    expect(moment).to_have_attribute("data-frame", str(frame))
    moment.click()
    expect(moment).to_have_attribute("aria-current", "true")
    screenshot(notebook, "beside")
    assert notebook.console_errors == []
