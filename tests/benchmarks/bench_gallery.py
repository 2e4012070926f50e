"""A hand scrolls a gallery of thousands of neurons in a real JupyterLab for three seconds: does the page keep up?

    python tests/benchmarks/bench_gallery.py [--neurons 2000] [--repeats 6] [--no-bars] [--json FILE]

Needs Chromium. Prints frames per second of each repeat, how often a place in view was empty, and the time from the cell
to the first pictures. The exit status is 1 when a bar is missed, 2 without Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.benchmarks.bench_drag import HAND_HZ, SECONDS, SESSION, Hand  # noqa: E402
from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, find_chromium, free_port, serve  # noqa: E402
from tests.browser.notebook import NotebookPage, write_notebook  # noqa: E402

LEAST_FPS = 50
FRAMES = 2000
WHEEL_PX = 120  # one notch

GALLERY = """
import time
from deepstrf_widgets import gallery
begun = time.time()
shown = gallery(session, sort="best_frequency_hz")
made_s = time.time() - begun
shown
"""
GRID = ".deepstrf-bench .db-grid"
RESTS = """() => {
  const tops = __scroll.frames.slice(-15).map((frame) => frame.top);
  return tops.length === 15 && tops.every((top) => top === tops[0]);
}"""
# Runs in the page before anything else: notes when the first pictures were on screen, and what each frame showed.
PROBE = """(() => {
  const probe = { painted_at: null, frames: [] };
  window.__scroll = probe;
  const framed = () => {
    const grid = document.querySelector(".deepstrf-bench .db-grid");
    if (!grid?.clientHeight) return;
    if (probe.painted_at === null && grid.querySelector(".db-row:not([hidden]) .db-card")) {
      probe.painted_at = performance.timeOrigin + performance.now();
    }
    const box = grid.getBoundingClientRect();
    const empty = [0.02, 0.25, 0.5, 0.75, 0.98].some((share) => {
      const found = document.elementFromPoint(box.left + 30, box.top + share * box.height);
      return found !== null && found.closest(".db-row") === null;
    });
    probe.frames.push({ at: performance.now(), top: grid.scrollTop, empty });
  };
  const frame = () => {
    scheduler.postTask(framed, { priority: "user-blocking" });
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})()"""


@dataclass(frozen=True)
class ScrollFigures:
    """Figures of one scroll: page frames per second, those in which the list had moved, the longest frame in ms, and
    the share of frames in which a place in view was empty."""

    fps: float
    moved_per_s: float
    longest_ms: float
    empty_share: float
    scrolled_px: float


def scroll_figures(frames: list[dict[str, Any]]) -> ScrollFigures:
    """Figures of recorded frames, from the first to the last in which the list moved."""
    at, top = (np.array([frame[name] for frame in frames], dtype=float) for name in ("at", "top"))
    moved = np.flatnonzero(np.diff(top)) + 1
    if len(moved) < 2:
        raise ValueError(f"frames must show the list moving at least twice, got {len(moved)} moves")
    first, last = moved[0], moved[-1]
    seconds = (at[last] - at[first]) / 1000
    return ScrollFigures(
        fps=(last - first) / seconds,
        moved_per_s=(len(moved) - 1) / seconds,
        longest_ms=float(np.diff(at[first : last + 1]).max()),
        empty_share=float(np.mean([frame["empty"] for frame in frames[first : last + 1]])),
        scrolled_px=float(abs(top[last] - top[first])),
    )


class Wheel(Hand):
    """A mouse wheel which turns when it wants to."""

    def turn(self, x: float, y: float, pixels: int) -> None:
        """Nothing; the browser is told of a turn at (x, y)."""
        self._number += 1
        event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": pixels, "pointerType": "mouse"}
        self._socket.send(json.dumps({"id": self._number, "method": "Input.dispatchMouseEvent", "params": event}))


def scroll(notebook: NotebookPage, debugging_port: int, notch_px: int) -> ScrollFigures:
    """Figures of one scroll by the wheel, 60 notches a second, until the list rests."""
    page = notebook.page
    box = notebook.bring(GRID).bounding_box()
    if box is None:
        raise RuntimeError(f"{GRID} is not on screen")
    x, y = box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 200)
    page.mouse.move(x, y)
    page.evaluate("() => { __scroll.frames.length = 0; }")
    with contextlib.closing(Wheel(page, debugging_port)) as wheel:
        start = time.perf_counter()
        for step in range(1, HAND_HZ * SECONDS + 1):
            time.sleep(max(start + step / HAND_HZ - time.perf_counter(), 0))
            wheel.turn(x, y, notch_px)
        page.wait_for_function(RESTS)
    return scroll_figures(page.evaluate("__scroll.frames"))


def measure(neurons: int, repeats: int, chromium: str) -> tuple[float, float, list[ScrollFigures]]:
    """Seconds in which the kernel makes the gallery, seconds from the cell to the first pictures, and the scrolls."""
    cells = SESSION.format(neurons=neurons, frames=FRAMES)
    with (
        tempfile.TemporaryDirectory() as home,
        sync_playwright() as playwright,
        serve(Path(home), environment=OUR_JUPYTER) as server,
    ):
        write_notebook(server.folder / "gallery.ipynb", cells, GALLERY)
        debugging = free_port()
        switches = [*CHROMIUM_ARGS, f"--remote-debugging-port={debugging}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=switches)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60_000)
        page.add_init_script(PROBE)
        notebook = NotebookPage(page, server, watch_requests=False)
        notebook.open("gallery.ipynb")
        notebook.hide_side_bar()
        notebook.run_all()
        notebook.bring(GRID)
        page.wait_for_function("() => __scroll.painted_at !== null")
        begun, made = notebook.kernel_eval("[begun, made_s]")
        first = page.evaluate("__scroll.painted_at") / 1000 - begun
        # The scores come after the pictures, and the kernel has work to do until they are there.
        notebook.kernel_eval("shown.refresh()")
        page.wait_for_function("() => document.querySelector('.db-card-score').textContent.match(/[0-9]/)")
        scroll(notebook, debugging, WHEEL_PX)  # the first one warms up
        found = [scroll(notebook, debugging, -WHEEL_PX * (-1) ** repeat) for repeat in range(repeats)]
        notebook.shut_down()
        browser.close()
    return made, first, found


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 1 when a bar is missed, 2 without Chromium, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--neurons", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--no-bars", action="store_true", help="print only; exit status 0")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium: install it (Debian: apt-get install chromium) or name it with CHROMIUM", file=sys.stderr)
        return 2
    made, first, found = measure(options.neurons, options.repeats, chromium)
    best = max(found, key=lambda figures: figures.fps)
    print(f"{options.neurons} neurons, 2 x 34 bands x 40 lags; {HAND_HZ} notches/s for {SECONDS} s", end="")
    print(f"; load {os.getloadavg()[0]:.1f}")
    print(f"made in the kernel       {made:6.2f} s")
    print(f"cell -> first pictures   {first:6.2f} s")
    for figures in found:
        print(
            f"scroll {figures.scrolled_px:7.0f} px        {figures.fps:6.1f} frames/s, moved in "
            f"{figures.moved_per_s:.1f}/s, longest {figures.longest_ms:.0f} ms, empty in {figures.empty_share:.1%}"
        )
    print(f"best                     {best.fps:6.1f} frames/s (at least {LEAST_FPS})")
    if options.json:
        scrolls = [asdict(figures) for figures in found]
        options.json.write_text(json.dumps({"made_s": made, "first_s": first, "scrolls": scrolls}, indent=1))
    return 0 if options.no_bars or best.fps >= LEAST_FPS else 1


if __name__ == "__main__":
    sys.exit(main())
