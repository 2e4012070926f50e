"""Many fits in JupyterLab: the table fills while the cell runs, failures show tracebacks, rows open benches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Server
from tests.browser.notebook import SECOND, NotebookPage, write_notebook
from tests.browser.test_accessibility import axe  # noqa: F401

pytestmark = pytest.mark.browser

SETUP = """
import time
from pathlib import Path
from deepstrf.models import LinearNonlinear
from deepstrf.simulate import simulate_population
from deepstrf.training import FitRecipe, Fitter, fit_jobs, fit_many
from deepstrf_widgets import FitTable

data = simulate_population(2, seconds=30, n_bands=12, max_hz=4000.0, sample_rate_hz=8000, n_lags=10)
recipe = FitRecipe(LinearNonlinear(12, 10, out_neurons=2), Fitter(epochs=2, progress=False))

def held(train, validation, *, seed):
    while not Path("go").exists():
        time.sleep(0.05)  # looks again
    return recipe(train, validation, seed=seed)

def broken(train, validation, *, seed):
    raise ValueError("these <b>sounds</b> cannot be fitted")

jobs = fit_jobs({"LN": recipe, "broken": broken, "held": held}, data, folds=2)
table = FitTable()
"""
FITS = "results = fit_many(jobs, progress=table, together=1)"
ROW = ".db-view-fits tbody tr[data-job='{}']"


def test_rows_follow_the_fits_and_open_the_bench(
    open_page: Callable[..., NotebookPage],
    server: Server,
    keep: Callable[..., Path],
    axe: Path,  # noqa: F811
) -> None:
    write_notebook(server.folder / "fits.ipynb", SETUP, FITS)
    notebook = open_page(1280, 1000)
    page = notebook.page
    notebook.open("fits.ipynb")
    notebook.hide_side_bar()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    # The third recipe waits for the test: the cell is still running.
    state = page.locator(".db-fits-state")
    expect(state).to_contain_text("4 of 6 done · 2 failed · best LN", timeout=60 * SECOND)
    expect(page.locator(ROW.format(0))).to_have_attribute("data-state", "done")
    expect(page.locator(ROW.format(4))).to_have_attribute("data-state", "waiting")
    page.locator(ROW.format(2)).get_by_role("button").click()
    expect(page.locator(".db-fits-error")).to_contain_text("ValueError: these <b>sounds</b> cannot be fitted")
    keep(notebook, "fits")
    page.add_script_tag(path=axe)
    assert page.evaluate("() => axe.run('.db-view-fits').then((found) => found.violations.map((one) => one.id))") == []
    # A kernel that is busy answers when the cell has ended.
    page.locator(ROW.format(1)).get_by_role("button").click()
    (server.folder / "go").touch()
    expect(state).to_contain_text("6 of 6 done · 2 failed", timeout=60 * SECOND)
    expect(page.locator(ROW.format(4))).to_have_attribute("data-state", "done")
    expect(page.locator(".db-view-explorer .db-toolbar").first).to_be_visible(timeout=60 * SECOND)
    expect(page.locator(ROW.format(1))).to_have_attribute("aria-current", "true")
    page.locator(ROW.format(4)).get_by_role("button").click()
    expect(page.locator(ROW.format(4))).to_have_attribute("aria-current", "true", timeout=60 * SECOND)
    assert notebook.kernel_eval("len(results)") == 6
    assert notebook.console_errors == []
