"""A fit in JupyterLab: a user pauses it, looks back, lets it go on, stops it, and takes another epoch's weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.bench_page import PLOT, PLOT_SECONDS
from tests.browser.lab import Server
from tests.browser.notebook import SECOND, NotebookPage, write_notebook

pytestmark = pytest.mark.browser

EPOCHS = 3000  # more than the test lasts: the user stops it
SETUP = """
import deepstrf_widgets
from deepstrf.models import LinearNonlinear
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter
hearing = {"n_bands": 20, "max_hz": 4000.0, "sample_rate_hz": 8000, "n_lags": 20}
train, validation = simulate_population(3, seconds=60, adaptation="adaptrans", trials=4, **hearing).split(0.8, 0.2)
prefilter = make_prefiltering("adaptrans", 20, 5.0, 500.0, 4000.0)
model = LinearNonlinear(20, 20, out_neurons=3, prefiltering=prefilter)
"""
FIT = f"""
view = deepstrf_widgets.train(model, Fitter(epochs={EPOCHS}, patience={EPOCHS}), train, validation)
view
"""
TITLE = f"{PLOT} .g-gtitle"
WIDTH = f"() => document.querySelector('{PLOT} .main-svg').getBoundingClientRect().width"
ROOM = f"() => document.querySelector('{PLOT}').closest('.jp-OutputArea-output').getBoundingClientRect().width"
SAME = """view.model.state_dict().keys() == view._fit.status().weights[{epoch}].keys() and all(
    (a == b).all().item() for a, b in zip(view.model.state_dict().values(),
    view._fit.status().weights[{epoch}].values()))"""


def test_pause_scrub_stop_restore(
    open_page: Callable[..., NotebookPage], server: Server, keep: Callable[..., Path]
) -> None:
    write_notebook(server.folder / "training.ipynb", SETUP, FIT)
    notebook = open_page(1280, 1000)
    page = notebook.page
    notebook.open("training.ipynb")
    notebook.hide_side_bar()
    notebook.run_all()
    # The buttons are there before the figure.
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_text("Paused.")).to_be_visible()
    assert notebook.kernel_eval("view.state") == "paused"
    page.wait_for_selector(f"{PLOT} .main-svg", timeout=PLOT_SECONDS * SECOND)
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(f"() => /epoch ([2-9]|[1-9][0-9]+)$/.test(document.querySelector('{TITLE}').textContent)")

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    last = notebook.kernel_eval("view.epoch")
    expect(page.locator(TITLE)).to_have_text(f"neuron_001 · after epoch {last}")
    page.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(TITLE)).to_have_text(f"neuron_001 · after epoch {last - 1}")
    assert notebook.kernel_eval("view.epoch") == last - 1
    page.locator(".widget-dropdown select").select_option("neuron_002")
    expect(page.locator(TITLE)).to_have_text(f"neuron_002 · after epoch {last - 1}")
    page.keyboard.press("ArrowRight")

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped by hand. The model has the weights of epoch")).to_be_visible()
    best = notebook.kernel_eval("view.wait().best_epoch")
    assert notebook.kernel_eval(SAME.format(epoch=best))
    notebook.kernel_eval("setattr(view, 'epoch', 1)")
    expect(page.locator(TITLE)).to_have_text("neuron_002 · after epoch 1")
    page.get_by_role("button", name="Restore this epoch").click()
    expect(page.get_by_text("The model has the weights of epoch 1.")).to_be_visible()
    assert notebook.kernel_eval(SAME.format(epoch=1))
    page.get_by_role("button", name="Show the best").click()
    expect(page.locator(TITLE)).to_have_text(f"neuron_002 · after epoch {best}")

    for width, dark in ((1280, False), (800, False), (800, True), (1280, True)):
        page.set_viewport_size({"width": width, "height": 1000})
        notebook.use_theme(dark)
        page.locator(PLOT).evaluate("(plot) => plot.scrollIntoView({ block: 'end' })")
        page.wait_for_function(f"() => Math.abs(({WIDTH})() - ({ROOM})()) < 40")
        expect(page.locator("#jupyterlab-splash")).to_have_count(0)  # of the change of theme
        keep(notebook, f"training-{width}-{'dark' if dark else 'light'}")

    notebook.kernel_eval("view.close()")
    expect(page.locator(PLOT)).to_have_count(0)
    assert notebook.console_errors == []
    assert notebook.blocked == []
