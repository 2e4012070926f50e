"""Every sound of a folder predicted without it: ``python tests/benchmarks/left_out_sounds.py FOLDER [--models ridge]``.

Ridge regression, the default fits of a full field and of eight Gaussians, and kernel ridge regression of each neuron
that `deepstrf.datasets.RecordingFolder` reads, by `deepstrf.training.cross_validate` with one sound left out at a time;
responses are smoothed with a Hann window of 25 ms. What a recipe chooses (penalties, range, sharpness, when to
stop) it chooses inside the other sounds; ``--choose`` also chooses a smoothness of the fits, on three inner folds. Each
row: correlation over all bins of all sounds, of each neuron, and seconds of processor time. Some minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import nn

from deepstrf.datasets import Recording, RecordingFolder
from deepstrf.metrics import compute_CCmax
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from deepstrf.training import FitRecipe, Recipe, cross_validate, kernel_ridge, ridge

LAGS, GAUSSIANS, SMOOTHED_MS = 20, 8, 25.0
SMOOTHNESS = (0.03, 0.1, 0.3)


def ridge_of(train: Recording, validation: Recording | None, *, seed: int) -> nn.Module:
    """Ridge regression on all sounds that it gets."""
    return ridge(train, LAGS)


def kernel_ridge_of(train: Recording, validation: Recording | None, *, seed: int) -> nn.Module:
    """Kernel ridge regression on all sounds that it gets."""
    return kernel_ridge(train, LAGS, seed=seed)


def field(bands: int, neurons: int, gaussians: int = 0) -> nn.Module:
    """An LN model with a full field, or with Gaussians."""
    kernel = ParametricSTRF(bands, LAGS, 1, neurons, num_gaussians=gaussians) if gaussians else None
    return LinearNonlinear(bands, LAGS, out_neurons=neurons, kernel=kernel)


def recipes(recording: Recording) -> dict[str, tuple[Recipe, float | None]]:
    """Each recipe, and the share of the sounds that it gets to stop by."""
    made: Callable[..., Any] = partial(field, len(recording.cf_hz), len(recording.neuron_names))
    return {
        "ridge": (ridge_of, None),
        "LN": (FitRecipe(made), 0.2),
        "8 Gaussians": (FitRecipe(partial(made, GAUSSIANS)), 0.2),
        "kernel ridge": (kernel_ridge_of, None),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--folds", type=int, help="parts of several sounds instead of one sound at a time")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--bands", type=int, default=24)
    parser.add_argument("--max-hz", type=float, default=16000.0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    recording = RecordingFolder(given.folder, late_spikes="drop", n_bands=given.bands, max_hz=given.max_hz).smoothed(
        SMOOTHED_MS
    )
    ceiling = compute_CCmax(recording.responses, reduction="none")
    print("| model | " + " | ".join(recording.neuron_names) + " | seconds |")
    print("|---" * (len(recording.neuron_names) + 2) + "|")
    print("| noise ceiling | " + " | ".join(f"{r:.3f}" for r in ceiling.tolist()) + " | |", flush=True)
    for name, (recipe, validation) in recipes(recording).items():
        if given.models is not None and name not in given.models:
            continue
        began = time.process_time()
        choose = {"smoothness": SMOOTHNESS} if given.choose and isinstance(recipe, FitRecipe) else None
        found = cross_validate(recipe, recording, folds=given.folds, validation=validation, choose=choose)
        cells = " | ".join(f"{r:.3f}" for r in found.scores["r"].mean(0).tolist())
        print(f"| {name} | {cells} | {time.process_time() - began:.0f} |", flush=True)


if __name__ == "__main__":
    main()
