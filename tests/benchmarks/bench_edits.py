"""Time of an edit in process, of two versions in one run: ``python tests/benchmarks/bench_edits.py BEFORE``.

``BEFORE`` is a checkout of the version to compare with. Each version has a process of its own, on one thread, and the
two take turns of some tens of milliseconds in random order, so that whatever else the machine does slows both; what
counts is the time of the thread, without that of other processes. The same random values are set in both. The exit
status is 1 where the median or the 95 % quantile of an edit has grown by more than its bar.

    edit      ``session.apply([Edit(...)], gesture)``, then ``session.rate(neuron)``
    answer    a request of the browser as the bench receives it, to the message that answers it
    session   a new LiveSession of the demo, without a bar: it proves its stages first
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TURNS = 40
BAR, CURVE_BAR = 1.05, 1.2
PARAMETERS = {  # per model: name, index, lowest and highest value, edits in a turn
    "strf": ("strf.weight", (3, 0, 0), 0.1, 1.0, 25),
    "prefilter": ("prefilter.w", (7,), 0.3, 0.9, 10),
    "curve": ("activation.beta", (3,), 1.0, 5.0, 50),
}
SESSIONS = 2
"""New sessions in a turn."""


def operations() -> dict[str, Callable[[random.Random], Iterator[float]]]:
    """What is timed, by name: each yields the seconds of a turn's edits."""
    import torch

    import deepstrf
    from deepstrf.demo.population import build_model
    from deepstrf_widgets import BenchWidget, Edit, LiveSession

    torch.set_num_threads(1)
    torch.manual_seed(0)
    demo = deepstrf.load_demo()
    many, sound = build_model(119).eval(), 60 * torch.rand(34, 2000)
    responses = torch.poisson(torch.full((119, 4, 2000), 0.3))
    sessions = {
        "6 x 1000": LiveSession(demo.model, demo.stimulus, demo.responses),
        "119 x 2000": LiveSession(many, sound, responses, dt_ms=5.0, cf_hz=np.geomspace(500, 20000, 34)),
    }
    made: dict[str, Callable[[random.Random], Iterator[float]]] = {}

    def edit(session: LiveSession, stage: str, draw: random.Random) -> Iterator[float]:
        name, index, low, high, count = PARAMETERS[stage]
        for _ in range(count):
            change = Edit(name, draw.uniform(low, high), index)
            begun = time.thread_time()
            session.apply([change], "gesture")
            session.rate(3)
            yield time.thread_time() - begun

    def answer(widget: Any, sent: list[Any], stage: str, draw: random.Random) -> Iterator[float]:
        name, index, low, high, count = PARAMETERS[stage]
        edits = [{"name": name, "index": list(index)}]
        for _ in range(count):
            widget.requests += 1
            request = {"type": "edit", "client": "browser", "seq": widget.requests, "gesture": stage, "phase": "move"}
            values = np.float32(draw.uniform(low, high)).tobytes()
            sent.clear()
            begun = time.thread_time()
            widget._received(widget, {**request, "edits": edits}, [values])
            yield time.thread_time() - begun
            assert [message["type"] for message in sent] == ["answer"], sent

    def new(_draw: random.Random) -> Iterator[float]:
        for _ in range(SESSIONS):
            begun = time.thread_time()
            LiveSession(demo.model, demo.stimulus, demo.responses)
            yield time.thread_time() - begun

    for size, session in sessions.items():
        widget, sent = BenchWidget(session, neuron=3), []
        widget.requests = 0
        widget.send = lambda content, buffers=None, sent=sent: sent.append(content)
        for stage in PARAMETERS:
            made[f"{size} {stage} edit"] = lambda draw, s=session, stage=stage: edit(s, stage, draw)
            made[f"{size} {stage} answer"] = lambda draw, w=widget, g=sent, stage=stage: answer(w, g, stage, draw)
    made["session"] = new
    return made


def work() -> None:
    """Time what the lines of the standard input ask for: a name and a seed each."""
    made = operations()
    print(json.dumps(list(made)), flush=True)
    for line in sys.stdin:
        name, seed = json.loads(line)
        print(json.dumps(list(made[name](random.Random(seed)))), flush=True)


class Version:
    """A process with one version of the code."""

    def __init__(self, tree: Path) -> None:
        paths = os.pathsep.join([str(tree), str(tree / "widgets")])
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        )
        self.names: list[str] = self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the process of a version ended: see its error above")
        return json.loads(line)

    def time(self, name: str, seed: int) -> list[float]:
        """Seconds of each edit of a turn."""
        assert self.process.stdin is not None
        print(json.dumps([name, seed]), file=self.process.stdin, flush=True)
        return list(self._line())

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def compare(before: Path, turns: int, only: str) -> list[str]:
    """What has grown by more than its bar; the table is printed."""
    versions = [Version(before), Version(ROOT)]
    order = random.Random(0)
    grown = []
    print(f"{'':26s}{'before':>18s}{'now':>18s}{'ratio':>14s}   of median / 95 % in us")
    try:
        for name in (one for one in versions[1].names if only in one):
            for version in versions:
                version.time(name, 0)
            times: list[list[float]] = [[], []]
            for turn in range(turns):
                for which in order.sample((0, 1), 2):
                    times[which] += versions[which].time(name, turn)
            figures = [1e6 * np.quantile(seconds, (0.5, 0.95)) for seconds in times]
            ratios = figures[1] / figures[0]
            both = "".join(f"{a:9.0f} /{b:7.0f}" for a, b in figures)
            print(f"{name:26s}{both}{ratios[0]:8.3f} /{ratios[1]:6.3f}", flush=True)
            bar = CURVE_BAR if "curve" in name else BAR
            if name != "session" and ratios.max() > bar:
                grown.append(f"{name}: must grow to at most {bar} x, got {ratios.max():.3f}")
    finally:
        for version in versions:
            version.end()
    return grown


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--only", default="", help="part of the names to time")
    options = parser.parse_args()
    grown = compare(options.before.resolve(), options.turns, options.only)
    print("\n".join(grown))
    return 1 if grown else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
    else:
        sys.exit(main())
