"""How fast a fit plays: steps against the bare loop, pictures in a browser, frames and a drag beside it, memory.

    python tests/benchmarks/bench_play.py [--no-browser] [--json FILE]

On the demo (6 neurons, 5 s) and on a population (119 neurons, 2,000 frames). The bare loop is the same `Fitter` on the
same data without a session, on one thread, as the player computes. Needs a machine with nothing else running. The exit
status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from deepstrf.demo import load_demo  # noqa: E402
from deepstrf.models import LinearNonlinear  # noqa: E402
from deepstrf.models.layers import ParametricSTRF  # noqa: E402
from deepstrf.models.prefiltering import make_prefiltering  # noqa: E402
from deepstrf_widgets import BenchWidget, LiveSession, Player, PlaySettings  # noqa: E402
from deepstrf_widgets.play.player import recording_of  # noqa: E402
from deepstrf_widgets.play.settings import data_of, fitter_of  # noqa: E402
from deepstrf_widgets.session.model_copy import private_copy  # noqa: E402

LEAST_RATIO, LEAST_STEPS, LEAST_PICTURES, MOST_GROWTH = 0.8, 20.0, 30.0, 0.05
CELL = """
from tests.benchmarks.bench_play import {name} as session_of
from deepstrf_widgets import explore
bench = explore(session_of(), figures=False, sounds=False)
bench.player.new_start(1)
bench
"""
COUNT = """async ([seconds, knob]) => {
  const root = document.querySelector('.deepstrf-bench');
  const place = () => [...root.querySelectorAll(knob)].map((one) => one.style.transform).join();
  let pictures = 0, frames = 0, before = place();
  const begun = performance.now();
  while (performance.now() - begun < 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    frames += 1;
    const now = place();
    if (now !== before) pictures += 1;
    before = now;
  }
  return [pictures / seconds, frames / seconds];
}"""
FIRST = """async (knob) => {
  const root = document.querySelector('.deepstrf-bench');
  const place = () => [...root.querySelectorAll(knob)].map((one) => one.style.transform).join();
  const before = place(), begun = performance.now();
  while (place() === before) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def demo() -> LiveSession:
    """The demo's session."""
    one = load_demo()
    return LiveSession(one.model, one.stimulus, one.responses)


def population() -> LiveSession:
    """119 neurons with eight Gaussians each, on 2,000 frames."""
    torch.manual_seed(0)
    kernel = ParametricSTRF(34, 40, 2, 119, num_gaussians=4)
    model = LinearNonlinear(
        34, 40, out_neurons=119, kernel=kernel, prefiltering=make_prefiltering("adaptrans", 34, 5.0)
    )
    stimulus = 30 + 20 * torch.randn(1, 1, 34, 2000)
    responses = torch.poisson(torch.rand(1, 119, 3, 2000))
    return LiveSession(model.eval(), stimulus, responses, cf_hz=np.geomspace(500, 20000, 34))


def repaints_of_a_drag(page: Any, seconds: float = 3.0) -> float:
    """Frames a second in which the first handle is elsewhere, while the mouse draws it in a circle."""
    handle = page.locator(".deepstrf-bench .db-centre:visible").first
    handle.evaluate("(one) => { one.dataset.watched = ''; }")
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(f"(given) => {{ window.__count = ({COUNT})(given); }}", [seconds, "[data-watched]"])
    begun = time.perf_counter()
    while (now := time.perf_counter() - begun) < seconds:
        page.mouse.move(x + 20 * math.sin(6 * now), y + 20 * math.cos(6 * now) - 20)
    pictures, _ = page.evaluate("window.__count")
    page.mouse.up()
    return float(pictures)


class Stop:
    """Ends a fit after two epochs and so many more, for which it takes the time."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.begun = self.ended = (0.0, 0.0)

    def __call__(self, progress: Any) -> None:
        """After an epoch."""
        now = time.process_time(), time.perf_counter()
        if progress.epoch == 2:
            self.begun = now
        if progress.epoch == self.epochs + 2:
            self.ended = now
            progress.stop()


def speeds(session: LiveSession, steps: int) -> dict[str, float]:
    """Steps a second of the bare loop, and of a player whose session a bench shows."""
    model = private_copy(session.model)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    train, held_out = data_of(PlaySettings(), recording_of(session), None)
    responses = train.responses  # type: ignore[union-attr]
    torch.set_num_threads(1)
    stop = Stop(steps)
    fitter_of(PlaySettings(), model, responses, stop).prepare(model, train, held_out).to_the_end()
    bench, player = BenchWidget(session), Player(session)
    player.step(2)
    begun = time.process_time(), time.perf_counter()
    player.step(steps)
    ended = time.process_time(), time.perf_counter()
    player.close()
    bench.close()
    bare, played = (steps / (b - a) for a, b in ((stop.begun[1], stop.ended[1]), (begun[1], ended[1])))
    by_cpu = (stop.ended[0] - stop.begun[0]) / max(ended[0] - begun[0], 1e-9)
    return {"bare_per_s": bare, "played_per_s": played, "ratio": played / bare, "ratio_of_cpu_time": by_cpu}


def resident_mb() -> float:
    """Memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1000


def growth_over_runs(runs: int = 20) -> float:
    """By how much the memory has grown after the last run against that after the third."""
    session = demo()
    player, used = Player(session), []
    for _ in range(runs):
        player.step(20)
        player.reset()
        gc.collect()
        used.append(resident_mb())
    player.close()
    return used[-1] / used[2] - 1


def in_browser(name: str) -> dict[str, float]:
    """Pictures and animation frames a second while it plays, and frames while nothing does."""
    from playwright.sync_api import sync_playwright

    from tests.browser.bench_page import ROOT, BenchPage
    from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, find_chromium, serve
    from tests.browser.notebook import NotebookPage, write_notebook

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGS)
        with serve(Path(folder), environment=OUR_JUPYTER) as server:
            write_notebook(server.folder / "play.ipynb", CELL.format(name=name))
            notebook = NotebookPage(browser.new_page(viewport={"width": 1280, "height": 720}), server, False)
            notebook.open("play.ipynb")
            notebook.run_all()
            page = notebook.page
            page.wait_for_selector(f"{ROOT} .db-centre:visible")
            bench = BenchPage(notebook)
            every = ".db-centre"
            _, still = page.evaluate(COUNT, [3, every])
            alone = repaints_of_a_drag(page)
            bench.button("Play").click()
            first = page.evaluate(FIRST, every)
            begun, before = time.perf_counter(), notebook.kernel_eval("bench.player.steps")
            pictures, frames = page.evaluate(COUNT, [5, every])
            steps = (notebook.kernel_eval("bench.player.steps") - before) / (time.perf_counter() - begun)
            beside = repaints_of_a_drag(page)
        browser.close()
    return {
        "first_picture_ms": first,
        "pictures_per_s": pictures,
        "frames_per_s": frames,
        "frames_at_rest": still,
        "steps_per_s": steps,
        "repaints_of_a_drag": beside,
        "repaints_of_a_drag_without_play": alone,
    }


def main() -> int:
    """Print all figures, and 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found: dict[str, Any] = {"demo": speeds(demo(), 100), "population": speeds(population(), 8)}
    found["memory_growth"] = growth_over_runs()
    missed = [name for name in ("demo", "population") if found[name]["ratio"] < LEAST_RATIO]
    if found["demo"]["played_per_s"] < LEAST_STEPS:
        missed.append("steps of the demo")
    if found["memory_growth"] > MOST_GROWTH:
        missed.append("memory")
    if not chosen.no_browser:
        found["browser"] = {name: in_browser(name) for name in ("demo", "population")}
        if found["browser"]["demo"]["pictures_per_s"] < LEAST_PICTURES:
            missed.append("pictures of the demo")
        for name, seen in found["browser"].items():
            if seen["frames_per_s"] < LEAST_RATIO * seen["frames_at_rest"]:
                missed.append(f"frames of the {name}")
            if seen["repaints_of_a_drag"] < LEAST_RATIO * seen["repaints_of_a_drag_without_play"]:
                missed.append(f"the hand in the {name}")
    print(json.dumps(found, indent=2))
    print(f"missed: {', '.join(missed)}" if missed else "all bars are met")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
