"""Whether a fit that is killed at random moments always resumes to the same weights.

    python tests/benchmarks/kill_fits.py [--kills 10] [--seed 0]

A process fits with a checkpoint and is killed (SIGKILL) at a random moment, also while it writes; another one goes on
from there, and so forth. The last one finishes. Its weights and history are compared, bit for bit, with those of a fit
that nothing interrupted. The exit status is 1 when they differ.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from deepstrf.training import Fitter, History, Progress
from tests.training.conftest import new_model, simulate

EPOCHS = 600


class Bomb:
    """Kills this process some seconds after the first epoch."""

    def __init__(self, seconds: float) -> None:
        self.timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGKILL))

    def __call__(self, progress: Progress) -> None:
        if not self.timer.is_alive():
            self.timer.start()


def fit(checkpoint: Path | None, *bombs: Bomb) -> tuple[torch.nn.Module, History]:
    """Some seconds of fitting."""
    train, validation = simulate(20.0).split(0.7, 0.3)
    model = new_model()
    fitter = Fitter(epochs=EPOCHS, patience=EPOCHS, progress=False, callbacks=bombs)
    return model, fitter.fit(model, train, validation, checkpoint=checkpoint)


def main() -> int:
    """Kill, resume and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--die", nargs=2, metavar=("CHECKPOINT", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.die:
        fit(Path(options.die[0]), Bomb(float(options.die[1])))
        return 0
    moments = random.Random(options.seed)
    killed = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fit.pt"
        for _ in range(options.kills):
            command = [sys.executable, __file__, "--die", str(file), str(moments.uniform(0.0, 0.5))]
            killed += subprocess.run(command, check=False).returncode == -signal.SIGKILL
            epochs = len(torch.load(file, weights_only=True)["history"]["records"]) if file.exists() else 0
            print(f"killed {killed} times, {epochs} of {EPOCHS} epochs done")
        resumed, resumed_history = fit(file)
    whole, whole_history = fit(None)
    same = all(
        torch.equal(a, b) for a, b in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True)
    )
    same &= torch.equal(resumed_history.score, whole_history.score) and len(whole_history) == EPOCHS
    print(f"{resumed_history}\nthe same weights and history: {same}")
    return 0 if same and killed == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
