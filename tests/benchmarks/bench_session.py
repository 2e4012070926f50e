"""What an edit of one neuron costs in a live session, against a forward pass of the whole model.

    python tests/benchmarks/bench_session.py [--neurons 119] [--frames 12000] [--repeats 7]

An edit is a new value of one Gaussian and the new rate of its neuron. Prints the median times and their ratio; the exit
status is 1 when an edit costs more than a twentieth of the forward pass.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "widgets")]

import numpy as np  # noqa: E402
import torch  # noqa: E402

from deepstrf.demo.population import build_model  # noqa: E402
from deepstrf_widgets import LiveSession  # noqa: E402

BAR = 20.0
NEURON = 5
EDITS = 9  # of each parameter, in each repeat: an edit is short, so it is timed more often than the pass
CF_HZ = np.geomspace(500, 20000, 34)
VALUES = {
    "strf.center_hz": (1000.0, 8000.0),
    "strf.center_ms": (10.0, 100.0),
    "strf.sigma_oct": (0.2, 1.0),
    "strf.sigma_ms": (5.0, 40.0),
    "strf.weight": (-1.0, 1.0),
}


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def measure(neurons: int, frames: int, repeats: int) -> tuple[float, float]:
    """Median seconds of a forward pass of all neurons, and of an edit of one with its rate."""
    torch.manual_seed(0)
    model = build_model(neurons).eval()
    session = LiveSession(model, 60 * torch.rand(34, frames), dt_ms=5.0, cf_hz=CF_HZ)
    values = {name: iter(np.linspace(*ends, (repeats + 1) * EDITS)) for name, ends in VALUES.items()}

    def edit(name: str) -> None:
        session.set(name, next(values[name]), (NEURON, 0, 0))
        session.rate(NEURON)

    @torch.no_grad()
    def forward() -> None:
        session.model(session.stimulus)

    passes, edits = [], []
    for repeat in range(repeats + 1):
        times = [seconds(forward)], [seconds(partial(edit, name)) for name in VALUES for _ in range(EDITS)]
        if repeat:  # the first one warms up
            passes += times[0]
            edits += times[1]
    with torch.no_grad():
        fresh = session.model(session.stimulus)[:, NEURON, 0]
    torch.testing.assert_close(session.rate(NEURON), fresh, rtol=1e-4, atol=1e-5)
    return statistics.median(passes), statistics.median(edits)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--neurons", type=int, default=119)
    parser.add_argument("--frames", type=int, default=12_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(arguments)
    whole, edit = measure(options.neurons, options.frames, options.repeats)
    ratio = whole / edit
    print(f"{options.neurons} neurons, {options.frames} frames, {torch.get_num_threads()} threads")
    print(f"forward pass of all neurons: {1e3 * whole:.1f} ms")
    print(f"edit of one neuron and its rate: {1e3 * edit:.2f} ms")
    print(f"ratio: {ratio:.1f} (at least {BAR:g})")
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
