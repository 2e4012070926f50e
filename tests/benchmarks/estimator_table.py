"""Fields of recorded neurons, four ways: ``python tests/benchmarks/estimator_table.py FOLDER``.

Ridge, the default fit of a full field, the mean of its posterior, and the default fit of eight Gaussians, on a folder
that `deepstrf.datasets.RecordingFolder` reads. Each row: correlation with the mean response of sounds that no fit has
seen, over three folds of the sounds, and what the estimate took (the posterior: beyond the fit that it starts from).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from deepstrf.datasets import Recording, RecordingFolder
from deepstrf.metrics import corrcoef
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prediction import predict
from deepstrf.training import Fitter, posterior_mean, ridge

FOLDS, GAUSSIANS = 3, 8
Estimators = dict[str, Callable[[Recording, Recording], nn.Module]]


def estimators(n_lags: int) -> Estimators:
    """Each takes training and validation data, and gives a model."""
    full: dict[int, nn.Module] = {}

    def fit(train: Recording, validation: Recording, kernel: nn.Module | None = None) -> nn.Module:
        torch.manual_seed(0)
        model = LinearNonlinear(len(train.cf_hz), n_lags, out_neurons=len(train.neuron_names), kernel=kernel)
        Fitter(progress=False).fit(model, train, validation)
        return model

    def field(train: Recording, validation: Recording) -> nn.Module:
        full[id(train)] = fit(train, validation)
        return full[id(train)]

    def gaussians(train: Recording, validation: Recording) -> nn.Module:
        kernel = ParametricSTRF(len(train.cf_hz), n_lags, 1, len(train.neuron_names), num_gaussians=GAUSSIANS)
        return fit(train, validation, kernel)

    return {
        "ridge": lambda train, _: ridge(train, n_lags),
        "full field": field,
        "posterior mean": lambda train, _: posterior_mean(full[id(train)], train, progress=False),
        f"{GAUSSIANS} Gaussians": gaussians,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="spikes and stimuli")
    parser.add_argument("--bands", type=int, default=24)
    parser.add_argument("--max-hz", type=float, default=16000.0)
    parser.add_argument("--lags", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = RecordingFolder(options.folder, late_spikes="drop", n_bands=options.bands, max_hz=options.max_hz)
    scores: dict[str, list[torch.Tensor]] = {}
    seconds: dict[str, float] = {}
    for fold in range(FOLDS):
        order = [b for b in range(len(whole)) if b % FOLDS != fold]
        held_out = [b for b in range(len(whole)) if b % FOLDS == fold]
        train, validation, test = (whole.select(stimuli=part) for part in (order[:-2], order[-2:], held_out))
        for name, estimate in estimators(options.lags).items():
            began = time.perf_counter()
            model = estimate(train, validation)
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
            r = corrcoef(predict(model, test.stimuli), test.responses, reduction="none")
            scores.setdefault(name, []).append(r)
    print("| estimate | " + " | ".join(whole.neuron_names) + " | seconds a fold |")
    print("|---" * (len(whole.neuron_names) + 2) + "|")
    for name, parts in scores.items():
        means = torch.stack(parts).nanmean(0).tolist()
        print(f"| {name} | " + " | ".join(f"{r:.3f}" for r in means) + f" | {seconds[name] / FOLDS:.1f} |", flush=True)


if __name__ == "__main__":
    main()
