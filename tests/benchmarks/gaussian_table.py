"""Gaussians beside a free field, both by default, on simulated neurons or a folder of recordings.

    python tests/benchmarks/gaussian_table.py [FOLDER] [--folds 3] [--seeds 5] [--neurons 24] [--seconds 60]

Held-out correlation, its spread over the seeds of weights and order, and processor time, with and without adaptation.
Without a folder: neurons whose fields are Gaussians, Gabors or damped oscillations, without adaptation.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from deepstrf.datasets import Recording, RecordingFolder
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter
from tests.benchmarks.recipes_table import ADAPTATIONS, BANDS, Row, models, score, split

TRUTHS = ("gaussian", "gabor", "oscillation")


def simulated(truth: str, neurons: int, seconds: float) -> Recording:
    """Neurons with fields of one family."""
    return simulate_population(
        neurons, seconds=seconds, trials=4, snr=0.2, strf=truth, n_bands=BANDS, max_hz=16000.0, sample_rate_hz=32000,
        dt_ms=5.0, seed=11,
    )  # fmt: skip


def compared(recording: Recording, kind: str, *, folds: int, seeds: int) -> dict[str, Row]:
    """Rows of the free field and of the Gaussians: scores (folds times seeds, N), seconds of a fit."""
    found = {}
    for name, shown in (("LinearNonlinear", "free field"), ("Gaussians", "8 Gaussians")):
        scores, spent = [], 0.0
        for fold in range(folds):
            train, validation, test = split(recording, fold)
            of_seeds = []
            for seed in range(seeds):
                torch.manual_seed(seed)
                model, began = models(recording, kind)[name](), time.process_time()
                Fitter(seed=seed, progress=False).fit(model, train, validation)
                spent += time.process_time() - began
                of_seeds.append(score(model, test))
            scores.append(torch.stack(of_seeds))
        folds_by_seeds = torch.stack(scores)
        found[shown] = Row(folds_by_seeds.mean(0), spent / folds / seeds)
    return found


def show(title: str, found: dict[str, Row]) -> None:
    """Print two rows and how they compare."""
    for name, row in found.items():
        means = " ".join(f"{x:.3f}" for x in row.scores.mean(0).tolist()[:2])
        spreads = " ".join(f"{x:.3f}" for x in (row.scores.amax(0) - row.scores.amin(0)).tolist()[:2])
        print(
            f"{title:34}{name:12}{row.scores.mean():8.3f}  {means}   spread {spreads} {row.seconds:7.1f} s", flush=True
        )


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--neurons", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=100.0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if given.folder:
        recording = RecordingFolder(given.folder, late_spikes="drop", n_bands=BANDS, max_hz=20000.0)
        for kind in ADAPTATIONS:
            show(f"{given.folder.name}, {kind}", compared(recording, kind, folds=given.folds, seeds=given.seeds))
        return
    for truth in TRUTHS:
        recording = simulated(truth, given.neurons, given.seconds)
        show(f"{truth} fields", compared(recording, "none", folds=given.folds, seeds=given.seeds))


if __name__ == "__main__":
    main()
