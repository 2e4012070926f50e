"""How well an LN model predicts the sounds of a recording that it was not fitted on.

    python tests/benchmarks/fit_recording.py FOLDER [--adaptation adaptrans] [--lags 10] [--seed 0]

FOLDER is one that `deepstrf.datasets.RecordingFolder` reads. Each sound is left out once; of the others one says when
to stop and the rest are fitted. Prints, for each unit, the mean over the left-out sounds of the correlation with the
smoothed response, of its noise-corrected value, and of what a linear model with ridge regression reaches.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor

from deepstrf.datasets import Recording, RecordingFolder
from deepstrf.metrics import corrcoef, normalized_corrcoef
from deepstrf.models import LinearNonlinear
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.training import Fitter, predict

BANDS, MIN_HZ, MAX_HZ, SMOOTHING_MS = 24, 500.0, 16000.0, 25.0
RIDGE = (1e2, 1e3, 1e4, 1e5, 1e6)


def fitted(train: Recording, validation: Recording, lags: int, adaptation: str | None, seed: int) -> LinearNonlinear:
    """LN model with the fitter's defaults."""
    torch.manual_seed(seed)
    prefilter = None
    if adaptation is not None:
        prefilter = make_prefiltering(adaptation, BANDS, train.dt_ms, MIN_HZ, MAX_HZ)
    model = LinearNonlinear(BANDS, lags, out_neurons=len(train.neuron_names), prefiltering=prefilter)
    print(Fitter(seed=seed, progress=False).fit(model, train, validation))
    return model


def lagged(recording: Recording, lags: int) -> Tensor:
    """The last ``lags`` bins of every band, for each bin of each stimulus, and a one: (bins, F lags + 1), float64."""
    padded = torch.nn.functional.pad(recording.stimuli[:, 0], (lags - 1, 0)).double()
    rows = padded.unfold(-1, lags, 1).permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], 1)


def ridge(train: Recording, validation: Recording, test: Recording, lags: int) -> Tensor:
    """Response to the test stimuli (B, N, 1, T) of ridge regression, its strength chosen on the validation stimuli."""
    x, y = lagged(train, lags), train.responses.nanmean(2).transpose(1, 2).flatten(0, 1).double()
    recorded = ~y.isnan().any(1)
    x, y = x[recorded], y[recorded]
    gram, eye = x.T @ x, torch.eye(x.shape[1], dtype=x.dtype)
    eye[-1, -1] = 0

    def predicted(weights: Tensor, part: Recording) -> Tensor:
        flat = (lagged(part, lags) @ weights).float()
        return flat.view(len(part), -1, y.shape[1]).transpose(1, 2).unsqueeze(2)

    candidates = [torch.linalg.solve(gram + strength * eye, x.T @ y) for strength in RIDGE]
    best = max(candidates, key=lambda w: corrcoef(predicted(w, validation), validation.responses).item())
    return predicted(best, test)


def main() -> None:
    """Fit, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--adaptation", choices=["adaptrans", "icadaptation"])
    parser.add_argument("--lags", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    raw = RecordingFolder(options.folder, late_spikes="drop", n_bands=BANDS, min_hz=MIN_HZ, max_hz=MAX_HZ)
    recording = raw.smoothed(SMOOTHING_MS)
    print(recording)
    reached: dict[str, list[Tensor]] = {"LN": [], "LN, noise-corrected": [], "ridge": []}
    for b in range(len(recording)):
        rest = [i for i in range(len(recording)) if i != b]
        keep = rest.pop(b % len(rest))
        train, validation, test = (recording.select(stimuli=part) for part in (rest, [keep], [b]))
        model = fitted(train, validation, options.lags, options.adaptation, options.seed)
        pred = predict(model, test.stimuli)
        reached["LN"].append(corrcoef(pred, test.responses, reduction="none"))
        reached["LN, noise-corrected"].append(normalized_corrcoef(pred, test.responses, reduction="none"))
        pred = ridge(train, validation, test, options.lags)
        reached["ridge"].append(corrcoef(pred, test.responses, reduction="none"))
    for name, values in reached.items():
        means = torch.stack(values).nanmean(0).tolist()
        print(
            f"{name:20s}",
            *(f"{unit}: {r:.3f}" for unit, r in zip(recording.neuron_names, means, strict=True)),
            sep="  ",
        )


if __name__ == "__main__":
    main()
