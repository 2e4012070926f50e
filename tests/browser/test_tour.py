"""The tour as a visitor runs it: every cell, in light and dark, wide and narrow; pictures are kept in artefacts/."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.bench_page import PLOT, ROOT, BenchPage
from tests.browser.lab import ROOT as CHECKOUT
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage

pytestmark = pytest.mark.browser

TOUR = CHECKOUT / "notebooks" / "00_tour.ipynb"
MARGIN_PX = 1  # of rounding


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_tour_runs_and_fits(
    width: int, dark: bool, open_page: Callable[..., NotebookPage], server: Server, keep: Callable[..., Path]
) -> None:
    shutil.copy(TOUR, server.folder)
    notebook = open_page(width, 1000)
    notebook.open(TOUR.name)
    notebook.hide_side_bar()
    notebook.use_theme(dark)
    notebook.run_all()
    bench = BenchPage(notebook)
    notebook.bring(ROOT)
    bench.wait_for_plot()
    bench.settle()
    look = f"{width}-{'dark' if dark else 'light'}"
    keep(notebook, f"tour-bench-{look}")
    overflow = bench.page.locator(ROOT).first.evaluate("(root) => root.scrollWidth - root.clientWidth")
    assert overflow <= MARGIN_PX

    spoken = bench.handle().get_attribute("aria-valuetext")
    bench.handle().scroll_into_view_if_needed()
    bench.drag(-30, 15)
    assert bench.handle().get_attribute("aria-valuetext") != spoken
    bench.button("Undo").click()
    bench.page.wait_for_function(
        "([handle, spoken]) => document.querySelector(handle).getAttribute('aria-valuetext') === spoken",
        arg=[f"{ROOT} [data-handle=center][data-gaussian='0']", spoken],
    )
    notebook.bring(PLOT)
    bench.settle()
    keep(notebook, f"tour-figures-{look}")
    assert notebook.console_errors == []
    assert notebook.blocked == []
