"""A user paints receptive fields in JupyterLab: strokes reach the kernel, undo and Escape take them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.bench_page import FIELD, ROOT, BenchPage
from tests.browser.lab import Server
from tests.browser.notebook import NotebookPage, write_notebook

pytestmark = pytest.mark.browser

LOAD = """
import torch
from deepstrf.demo import load_demo
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import SeparableSTRF
from deepstrf_widgets import explore
demo = load_demo()
torch.manual_seed(0)
readout = demo.model.readout
N, C, F, T = readout.STRF_weight().shape
kernel = SeparableSTRF(F, T, C, N) if {separable} else None
model = LinearNonlinear(
    F, T, out_neurons=N, kernel=kernel, prefiltering=demo.model.prefiltering, output_activation=readout.activation
).eval()
with torch.no_grad():
    model.readout.bn.weight.fill_(0.5)
bench = explore(model, demo.stimulus, demo.responses, figures=False)
bench
"""
STAGE = f"{ROOT} .db-strf .db-stage"


def opened(open_page: Callable[..., NotebookPage], server: Server, *, separable: bool, width: int) -> BenchPage:
    write_notebook(server.folder / "painting.ipynb", LOAD.format(separable=separable))
    notebook = open_page(width, 1000)
    notebook.open("painting.ipynb")
    notebook.hide_side_bar()
    notebook.run_all()
    notebook.bring(ROOT)
    bench = BenchPage(notebook)
    bench.settle()
    return bench


def stroke(bench: BenchPage, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press, draw and stay pressed; places are shares of the stage."""
    box = bench.page.locator(STAGE).bounding_box()
    (x0, y0), (x1, y1) = ((box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end))
    bench.page.mouse.move(x0, y0)
    bench.page.mouse.down()
    bench.page.mouse.move(x1, y1, steps=8)


def test_a_stroke_reaches_the_kernel_as_one_gesture(
    open_page: Callable[..., NotebookPage], server: Server, keep: Callable[[NotebookPage, str], Path]
) -> None:
    bench = opened(open_page, server, separable=False, width=1280)
    weights = "bench.session.value('strf.kernel', (0, 0)).ravel().tolist()"
    evaluate = bench.notebook.kernel_eval
    before, start = evaluate(weights), bench.picture(FIELD)
    tools, stage = (bench.page.locator(f"{ROOT} .db-strf {part}").bounding_box() for part in (".db-brush", ".db-stage"))
    assert stage["x"] <= tools["x"]
    assert tools["y"] + tools["height"] <= stage["y"]
    stroke(bench, (0.4, 0.3), (0.6, 0.5))
    bench.page.mouse.up()
    bench.settle()
    after, painted = evaluate(weights), bench.picture(FIELD)
    risen = [one > other for one, other in zip(after, before, strict=True)]
    assert 30 < sum(risen) < 400
    assert all(one >= other for one, other in zip(after, before, strict=True))
    assert painted != start
    assert evaluate("len(bench.session._edited.state.history.done)") == 1
    bench.button("Undo").click()
    bench.settle()
    assert evaluate(weights) == before
    stroke(bench, (0.3, 0.6), (0.6, 0.6))
    bench.page.keyboard.press("Escape")
    bench.page.mouse.up()
    bench.settle()
    assert evaluate(weights) == before
    assert evaluate("bench.session.can_undo") is False
    bench.page.locator(f"{ROOT} .db-strf button:text('Gradient')").click()
    bench.page.wait_for_function("() => document.querySelectorAll('.db-strf .db-plot:not([hidden])').length === 2")
    keep(bench.notebook, "painting-gradient")
    assert evaluate("len(bench.bench.gradient)") == 4 * 2 * len(before)
    assert bench.notebook.console_errors == []


def test_a_profile_is_drawn_anew(
    open_page: Callable[..., NotebookPage], server: Server, keep: Callable[[NotebookPage, str], Path]
) -> None:
    bench = opened(open_page, server, separable=True, width=860)
    profile = "bench.session.value('strf.factor_t', (0, 0)).tolist()"
    before = bench.notebook.kernel_eval(profile)
    stroke(bench, (0.5, 0.76), (0.7, 0.76))
    bench.page.mouse.up()
    bench.settle()
    after = bench.notebook.kernel_eval(profile)
    changed = [i for i, (one, other) in enumerate(zip(after, before, strict=True)) if one != other]
    assert 5 < len(changed) < 25
    assert changed == list(range(changed[0], changed[-1] + 1))
    assert max(after[i] for i in changed[2:-2]) - min(after[i] for i in changed[2:-2]) < 1e-6
    bench.notebook.use_theme(dark=True)
    for name in ("With gain", "Gradient"):
        bench.page.locator(f"{ROOT} .db-strf button:text('{name}')").click()
    bench.page.wait_for_function("() => document.querySelectorAll('.db-strf .db-plot:not([hidden])').length === 2")
    bench.settle()
    keep(bench.notebook, "painting-profiles")
    assert bench.notebook.console_errors == []
