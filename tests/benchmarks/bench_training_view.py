"""How much the live view slows a fit: alone, with the view, and with the view on screen in JupyterLab.

    python tests/benchmarks/bench_training_view.py [--rounds 3] [--threads 0] [--no-bars] [--json FILE]

Needs Chromium. The three take turns within one kernel, for a population (119 LN neurons) and for a small fit. Prints
the seconds of an epoch (mean over the fit but its first epoch, median over the rounds) and the median of the rounds'
ratios to the fit alone. The fit rests until the figure is on screen: what that takes happens once, and is printed
apart. The exit status is 1 when a bar is missed, 2 without Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.browser.lab import CHROMIUM_ARGS, OUR_JUPYTER, find_chromium, serve  # noqa: E402
from tests.browser.notebook import NotebookPage, write_notebook  # noqa: E402

MOST = 1.05
POPULATION = {"neurons": 119, "minutes": 2.0, "lags": 20, "epochs": 10}
SMALL = {"neurons": 3, "minutes": 0.5, "lags": 8, "epochs": 150}
MODES = ("alone", "view", "page")
DONE = "() => document.querySelector('.bench-says')?.textContent.includes('done')"

SETUP = """
import sys, threading, time
sys.path[:0] = {paths!r}
import ipywidgets, torch
import deepstrf_widgets
from deepstrf.models import LinearNonlinear
from deepstrf.training import Fitter
from tests.benchmarks.bench_fit import BANDS, recording
if {threads}:
    torch.set_num_threads({threads})
box = ipywidgets.VBox()
says = ipywidgets.HTML()
says.add_class("bench-says")
found = {{}}

def measured(mode, train, validation, lags, epochs):
    torch.manual_seed(0)
    model = LinearNonlinear(BANDS, lags, out_neurons=train.responses.shape[1])
    fitter = Fitter(epochs=epochs, patience=epochs, progress=False)
    if mode == "alone":
        history, built_s, paintings, cost_s = fitter.fit(model, train, validation), 0.0, 0, 0.0
    else:
        view = deepstrf_widgets.train(fitter, model, train, validation)
        built_s = paintings = cost_s = 0
        controls = view._controls
        if mode == "page":
            view.pause()
            came = threading.Event()
            controls.painted.observe(lambda _: came.set(), "value")
            begun = time.monotonic()
            box.children = [view]
            came.wait(120)
            built_s = time.monotonic() - begun
            view.resume()
        before = controls.sent.value
        history = view.wait()
        paintings, cost_s = controls.sent.value - before, view._painter.cost_s
        box.children = []
        view.close()
    seconds = [record.seconds for record in history.records[1:]]
    return {{"epoch_s": sum(seconds) / len(seconds), "built_s": built_s, "paintings": paintings, "cost_s": cost_s}}

def run(neurons, minutes, lags, epochs, rounds):
    parts = recording(neurons, minutes).split(0.8, 0.2)
    found["rounds"] = []
    for number in range(rounds):
        modes = {modes!r} if number % 2 == 0 else {modes!r}[::-1]
        found["rounds"].append({{mode: measured(mode, *parts, lags, epochs) for mode in modes}})
    says.value = "done"

def begin(**settings):
    says.value = ""
    threading.Thread(target=run, kwargs=settings, daemon=True).start()

ipywidgets.VBox([says, box])
"""


def measure(size: dict[str, Any], rounds: int, notebook: NotebookPage) -> list[dict[str, dict[str, float]]]:
    """What each mode took in each round."""
    notebook.kernel_eval(f"begin(**{size!r}, rounds={rounds})")
    notebook.page.wait_for_function(DONE, timeout=1_800_000)
    return list(notebook.kernel_eval("found['rounds']"))


def show(name: str, size: dict[str, Any], rounds: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Ratio of each mode to the fit alone; prints them."""
    print(f"{name}: {size['neurons']} neurons, {size['minutes']:g} min, {size['epochs']} epochs, {len(rounds)} rounds")
    ratios = {}
    for mode in MODES:
        epochs = [one[mode]["epoch_s"] for one in rounds]
        each = [one[mode]["epoch_s"] / one["alone"]["epoch_s"] for one in rounds]
        ratios[mode] = statistics.median(each)
        all_of_them = ", ".join(f"{ratio:.3f}" for ratio in each)
        print(
            f"  {mode:6s} {statistics.median(epochs) * 1e3:9.1f} ms/epoch   x{ratios[mode]:.3f} ({all_of_them})", end=""
        )
        if mode == "page":
            page = [one[mode] for one in rounds]
            print(f"   {statistics.median(one['paintings'] for one in page):g} paintings of", end=" ")
            print(f"{statistics.median(one['cost_s'] for one in page):.2f} s;", end=" ")
            print(f"figure on screen after {', '.join(format(one['built_s'], '.1f') for one in page)} s", end="")
        print()
    return ratios


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 1 when a bar is missed, 2 without Chromium, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="torch's threads in the kernel; 0 leaves them")
    parser.add_argument("--only", choices=("population", "small"))
    parser.add_argument("--no-bars", action="store_true", help="print only; exit status 0")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium: install it (Debian: apt-get install chromium) or name it with CHROMIUM", file=sys.stderr)
        return 2
    cells = SETUP.format(paths=[str(ROOT), str(ROOT / "widgets")], threads=options.threads, modes=MODES)
    sizes = {"population": POPULATION, "small": SMALL}
    found = {}
    with (
        tempfile.TemporaryDirectory() as home,
        sync_playwright() as playwright,
        serve(Path(home), environment=OUR_JUPYTER) as server,
    ):
        write_notebook(server.folder / "training.ipynb", cells)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        notebook = NotebookPage(page, server, watch_requests=False)
        notebook.open("training.ipynb")
        notebook.hide_side_bar()
        notebook.run_all()
        print(f"{os.cpu_count()} cores, {notebook.kernel_eval('torch.get_num_threads()')} threads", end="")
        print(f"; load {os.getloadavg()[0]:.1f}")
        for name, size in sizes.items():
            if options.only in (None, name):
                found[name] = measure(size, options.rounds, notebook)
        notebook.shut_down()
        browser.close()
    slowest = max(max(show(name, sizes[name], rounds).values()) for name, rounds in found.items())
    print(f"at most x{MOST}: {'yes' if slowest <= MOST else 'NO'}; load {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 0 if options.no_bars or slowest <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
