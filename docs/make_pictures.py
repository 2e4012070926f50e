"""Makes the pictures of the README from a real JupyterLab: ``python docs/make_pictures.py``. Needs Chromium."""

from __future__ import annotations

import io
import math
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from tests.browser.bench_page import ROOT, BenchPage  # noqa: E402
from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, find_chromium, serve  # noqa: E402
from tests.browser.notebook import NotebookPage, write_notebook  # noqa: E402

CELL = """
from deepstrf.demo import load_demo
from deepstrf_widgets import explore
demo = load_demo()
bench = explore(demo.model, demo.stimulus, demo.responses, neuron_names=demo.neuron_names, figures=False, sounds=False)
bench
"""
STRONGEST = "int(abs(bench.session.value('strf.weight', (0, 0))).argmax())"
FRAMES, FRAME_MS = 36, 70
WIDTH_PX = 820
REACH_PX = (-70, 60)


def picture(page: Page) -> Image.Image:
    """The bench as it is on screen."""
    return Image.open(io.BytesIO(page.locator(ROOT).screenshot())).convert("RGB")


def main() -> None:
    """Write ``bench.png`` and ``drag.webp`` beside this file."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGS))
        with serve(Path(home), environment=OUR_JUPYTER) as server:
            write_notebook(server.folder / "bench.ipynb", CELL)
            notebook = NotebookPage(browser.new_page(viewport={"width": 1280, "height": 900}), server)
            notebook.open("bench.ipynb")
            notebook.hide_side_bar()
            notebook.run_all()
            notebook.bring(ROOT)
            bench = BenchPage(notebook)
            strongest = notebook.kernel_eval(STRONGEST)
            bench.handle(strongest).click()
            bench.settle()
            box = bench.handle(strongest).bounding_box()
            if box is None:
                raise RuntimeError("the strongest Gaussian is not on screen")
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            mouse, shots = bench.page.mouse, []
            mouse.move(x, y)
            mouse.down()
            for step in range(FRAMES):
                angle = 2 * math.pi * step / FRAMES
                # A round that begins and ends where the neuron was trained.
                mouse.move(x + REACH_PX[0] * math.sin(angle), y + REACH_PX[1] * (1 - math.cos(angle)) / 2, steps=3)
                bench.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))")
                shots.append(picture(bench.page))
            shots[FRAMES // 3].save(HERE / "bench.png", optimize=True)
            mouse.up()
            notebook.shut_down()
        browser.close()
    small = [
        shot.resize((WIDTH_PX, round(WIDTH_PX * shot.height / shot.width)), Image.Resampling.LANCZOS) for shot in shots
    ]
    small[0].save(
        HERE / "drag.webp", save_all=True, append_images=small[1:], duration=FRAME_MS, loop=0, quality=70, method=6
    )


if __name__ == "__main__":
    main()
