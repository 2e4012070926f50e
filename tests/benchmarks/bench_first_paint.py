"""How long after its cell is run the bench is first painted, in a real JupyterLab: with Plotly's graphs and without.

    python tests/benchmarks/bench_first_paint.py [--rounds 5]

The libraries are imported by an earlier cell, as in the notebooks; the first of the rounds, which also fills the
browser's caches, is left out. Needs Chromium and a machine with nothing else running.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, Server, find_chromium, serve  # noqa: E402
from tests.browser.notebook import NotebookPage, write_notebook  # noqa: E402

IMPORTS = "from deepstrf.demo import load_demo\nfrom deepstrf_widgets import explore\ndemo = load_demo()"
EXPLORE = "explore(demo.model, demo.stimulus, demo.responses{options})"
# The end of the first frame in which receptive field, sound and response have been drawn as large as their places are.
# Before it some frames draw into canvases that have no place yet, and show nothing.
WATCH = """() => {
  const drawn = new Set(), context = CanvasRenderingContext2D.prototype;
  for (const name of ["fillRect", "drawImage", "putImageData", "stroke", "fill"]) {
    const plain = context[name];
    context[name] = function (...args) { drawn.add(this.canvas); return plain.apply(this, args); };
  }
  const stands = (place) => {
    const canvas = document.querySelector(`.deepstrf-bench ${place}`);
    const [width, room] = [canvas?.width, canvas?.clientWidth * devicePixelRatio];
    return drawn.has(canvas) && room > 0 && Math.abs(width - room) <= 1;
  };
  const framed = () => {
    if ([".db-strf .db-stage > .db-canvas", ".db-spectrogram", ".db-curves"].every(stands)) {
      window.__painted = performance.now();
    } else watch();
  };
  // A task that a frame posts runs once that frame has been painted, also what was drawn in it after this callback.
  const watch = () => requestAnimationFrame(() => scheduler.postTask(framed, { priority: "user-blocking" }));
  watch();
}"""
RUN = """async () => {
  const begun = performance.now();
  window.__painted = undefined;
  window.jupyterapp.commands.execute("notebook:run-cell");
  while (window.__painted === undefined) await new Promise(requestAnimationFrame);
  return window.__painted - begun;
}"""
SECOND_CELL = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = 0;
  await window.jupyterapp.commands.execute("notebook:run-cell");
  notebook.activeCellIndex = 1;
}"""


def first_paint_ms(browser: Browser, server: Server, name: str) -> float:
    """From running the cell to the first painted frame of the bench."""
    notebook = NotebookPage(browser.new_page(viewport={"width": 1280, "height": 720}), server, watch_requests=False)
    notebook.page.set_default_timeout(120_000)
    notebook.open(name)
    notebook.page.evaluate(SECOND_CELL)
    notebook.page.evaluate(WATCH)
    time_ms: float = notebook.page.evaluate(RUN)
    notebook.shut_down()
    return time_ms


def main(arguments: list[str] | None = None) -> int:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGS)
        with serve(Path(folder), environment=OUR_JUPYTER) as server:
            for title, options in (("with graphs", ""), ("without graphs", ", figures=False")):
                write_notebook(server.folder / "first.ipynb", IMPORTS, EXPLORE.format(options=options))
                times = [first_paint_ms(browser, server, "first.ipynb") for _ in range(rounds + 1)][1:]
                shown = ", ".join(f"{one:.0f}" for one in times)
                print(f"{title}: {statistics.median(times):.0f} ms (median of {shown})", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
