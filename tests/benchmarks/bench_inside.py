"""Bars of the bench on networks: dynamic STRF, subspace, wanted sound, and memory of comparisons opened and closed.

python tests/benchmarks/bench_inside.py, with nothing else running.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import torch

from deepstrf.analysis import DynamicSTRF, subspace, wanted_sound
from deepstrf.demo import load_demo
from deepstrf.models.audio import StateNet
from deepstrf_widgets import explore

FRAME_MS, SUBSPACE_S, WANTED_S, LEAK = 50.0, 3.0, 10.0, 0.05
TIMES = 20


def seconds(function: Callable[[], object]) -> float:
    """Seconds that a call takes, the better of two."""
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return min(taken)


def resident_mb() -> float:
    """Memory of this process, MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def open_and_close(other: StateNet) -> None:
    """A bench that compares the demo with another model, its panels used, and its end."""
    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False, other=other)
    comparison, inside = explorer.panel("comparison"), explorer.panel("inside")
    comparison._received(comparison, {"type": "ready"}, [])
    inside._received(inside, {"type": "moment", "frame": 300}, [])
    explorer.session.ablate("channels", "OFF")
    explorer.session.undo()
    explorer.neuron = 3
    explorer.close()


def main() -> None:
    torch.manual_seed(0)
    network, demo = StateNet(34, 1, out_neurons=6).eval(), load_demo()
    fields = DynamicSTRF(network, demo.stimulus, 0, window=40)
    frame = 1000 * max(seconds(lambda t=t: fields([(0, t)])) for t in (100, 500, 900))
    rows = [("dynamic STRF of StateNet, ms", frame, FRAME_MS)]
    for name, model in (("StateNet", network), ("demo with AdapTrans", demo.model)):
        rows.append(
            (f"subspace of {name}, s", seconds(lambda model=model: subspace(model, demo.stimulus, 2)), SUBSPACE_S)
        )
    rows.append(("wanted sound of the demo, s", seconds(lambda: wanted_sound(demo.model, 2)), WANTED_S))
    used = []
    for _ in range(TIMES):
        open_and_close(network)
        gc.collect()
        used.append(resident_mb())
    rows.append((f"memory after {TIMES} comparisons, of that after 3, less 1", used[-1] / used[2] - 1, LEAK))
    for name, found, bar in rows:
        print(f"{name:60} {found:8.3g}  bar {bar:g}{'' if found <= bar else '  ABOVE'}")


if __name__ == "__main__":
    main()
