"""What a fit finds when sounds of unequal length share a batch, against equal sounds and batches of one.

    python tests/benchmarks/padding_table.py

Four simulated neurons, six loud sounds of 40 s in all: of equal length, of 1 to 15 s, and of equal length with a third
of the bins missing. Every fit takes as many steps. The field of a fit is compared with that of the equal sounds in one
batch, the explained variance, on other sounds, with that of batches of one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from deepstrf.datasets import Recording
from deepstrf.metrics import fve
from deepstrf.models import LinearNonlinear
from deepstrf.simulate import SimulatedPopulation, random_chords, simulate_population, strf_correlation
from deepstrf.training import Fitter, predict

NEURONS, BANDS, LAGS, RATE_HZ, MAX_HZ, DT_MS = 4, 12, 10, 8000, 3800.0, 10.0
EQUAL, UNEQUAL = (667,) * 6, (100, 150, 250, 500, 1500, 1500)
STEPS, LOUDER_DB = 240, 60.0
Pair = tuple[torch.Tensor, torch.Tensor]


class Row(NamedTuple):
    """One fit: correlation of its fields with those of equal sounds, and variance explained on other sounds."""

    field: float
    explained: float


def neurons() -> SimulatedPopulation:
    """Their responses to twelve sounds of 15 s."""
    chords = random_chords(180, RATE_HZ, max_hz=MAX_HZ, seed=1)
    sounds = [np.concatenate(chords[3 * b : 3 * b + 3]) for b in range(12)]
    return simulate_population(
        NEURONS, sounds=sounds, trials=4, snr=0.5, n_lags=LAGS, dt_ms=DT_MS, n_bands=BANDS, max_hz=MAX_HZ,
        sample_rate_hz=RATE_HZ, seed=3,
    )  # fmt: skip


def cut(recording: Recording, bins: tuple[int, ...]) -> Pair:
    """The first sounds, ended after so many bins: silence in the stimuli, NaN in the responses."""
    T = max(bins)
    stimuli = recording.stimuli[: len(bins), ..., :T] + LOUDER_DB
    responses = recording.responses[: len(bins), ..., :T].clone()
    for b, n in enumerate(bins):
        stimuli[b, ..., n:], responses[b, ..., n:] = 0.0, torch.nan
    responses[..., : LAGS - 1] = torch.nan  # whose window holds the silence before the sound
    return stimuli, responses


def with_gaps(stimuli: torch.Tensor, responses: torch.Tensor) -> Pair:
    """The same with a block of a third of each sound missing, at another place in each."""
    responses = responses.clone()
    T = responses.shape[-1]
    for b in range(len(responses)):
        start = b * T // (2 * len(responses))
        responses[b, ..., start : start + T // 3] = torch.nan
    return stimuli, responses


def rows() -> dict[str, Row]:
    """Every fit of the table, by name."""
    recording = neurons()
    test, expected, equal = recording.stimuli[6:] + LOUDER_DB, recording.expected[6:], cut(recording, EQUAL)
    expected[..., : LAGS - 1] = torch.nan
    data = {"equal": equal, "unequal": cut(recording, UNEQUAL), "with gaps": with_gaps(*equal)}
    models = {}
    for name, pair in data.items():
        for batch in (6, 1):
            torch.manual_seed(0)
            model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS)
            epochs = STEPS if batch == 6 else STEPS // 6
            Fitter(epochs=epochs, batch_size=batch, progress=False).fit(model, pair)
            models[f"{name}, batches of {batch}"] = model
    reference = models["equal, batches of 6"].effective_STRF()[0]
    return {
        name: Row(
            strf_correlation(model.effective_STRF()[0], reference).mean().item(),
            fve(predict(model, test), expected).item(),
        )
        for name, model in models.items()
    }


def main() -> None:
    """Print the table."""
    print(f"{'sounds':28}{'r of the field':>16}{'fve':>8}")
    for name, row in rows().items():
        print(f"{name:28}{row.field:16.3f}{row.explained:8.3f}")


if __name__ == "__main__":
    main()
