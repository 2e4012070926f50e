"""The list of what is suspicious in JupyterLab: its rows can be read in both themes, and Show jumps to the neuron."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.bench_page import ROOT
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

PLANT = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
readout = demo.model.readout
for tensor in (readout.bn.weight, readout.bn.running_mean, readout.strf.kernel.weight, readout.strf.kernel.bias):
    tensor.data[1] *= -1
demo.model.readout.strf.kernel.P.data[0, 4, 1, 2] = 50.0
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False, sounds=False)
bench
"""
LOOK = "found = bench.diagnose()\nfound"
ROW = ".jp-OutputArea-output:has(button:text('Look again'))"
# Colours of the text and of the ground below it, as the browser computes them.
COLOURS = """(text) => {
  let ground = text;
  const clear = () => getComputedStyle(ground).backgroundColor.endsWith(", 0)");
  while (clear() && ground.parentElement) ground = ground.parentElement;
  const numbers = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
  return [getComputedStyle(text).color, getComputedStyle(ground).backgroundColor].map(numbers);
}"""
ENOUGH = 4.5  # WCAG 2.2, 1.4.3


def luminance(colour: list[float]) -> float:
    linear = [c / 255 / 12.92 if c <= 0.04045 * 255 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_rows_are_read_in_both_themes_and_jump(open_page: Callable[..., NotebookPage], server: Server) -> None:
    write_notebook(server.folder / "diagnosis.ipynb", PLANT, LOOK)
    notebook = open_page(1280, 1000)
    notebook.open("diagnosis.ipynb")
    notebook.run_all()
    notebook.bring(ROOT)
    page = notebook.page
    text = page.locator(ROW).get_by_text("Gaussian 3 of OFF")
    text.scroll_into_view_if_needed()
    for dark in (False, True):
        notebook.use_theme(dark)
        assert contrast(*text.evaluate(COLOURS)) >= ENOUGH
    show = page.get_by_role("button", name="Show", exact=True)
    expect(show).to_have_count(2)
    show.nth(1).click()
    page.wait_for_function("() => document.querySelector('.deepstrf-bench').textContent.includes('of 6')")
    page.wait_for_function("() => document.querySelector('.deepstrf-bench').__bench.pending() === 0")
    assert notebook.kernel_eval("bench.neuron") == 1
    show.nth(0).click()
    page.locator(f"{ROOT} [data-gaussian='2'].db-selected").first.wait_for(state="attached")
    assert notebook.kernel_eval("[bench.neuron, bench.bench.channel, bench.bench.selected]") == [4, 1, 2]
    notebook.kernel_eval("bench.revert() or bench.session.set('strf.center_hz', 4000.0, (4, 1, 2))")
    page.get_by_text("the model has been edited since").wait_for()
    page.get_by_role("button", name="Look again").click()
    page.locator(ROW).get_by_text("Gaussian 3 of OFF").wait_for(state="detached")
    expect(show).to_have_count(1)
    assert notebook.console_errors == []
    assert notebook.blocked == []
