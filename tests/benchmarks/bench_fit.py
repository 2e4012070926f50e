"""What an epoch of fitting an LN population costs.

    OMP_NUM_THREADS=2 python tests/benchmarks/bench_fit.py [--neurons 119] [--minutes 20] [--lags 20] [--epochs 3]

The responses are Poisson counts in bins of 5 ms to stimuli of 5 s; nine tenths train, one tenth validates. Prints the
seconds of each epoch (training, validation, and keeping the best weights), with a checkpoint and without.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from deepstrf.datasets import Recording
from deepstrf.models import LinearNonlinear
from deepstrf.models.prefiltering import get_CFs, make_prefiltering
from deepstrf.training import Fitter

BANDS, DT_MS, SOUND_BINS, MIN_HZ, MAX_HZ = 34, 5.0, 1000, 500.0, 20000.0


def recording(neurons: int, minutes: float) -> Recording:
    """Random stimuli, and counts about a rate that does not depend on them: the cost is the same."""
    generator = torch.Generator().manual_seed(0)
    sounds = round(minutes * 60_000 / (DT_MS * SOUND_BINS))
    stimuli = 60 * torch.rand(sounds, 1, BANDS, SOUND_BINS, generator=generator)
    rate = torch.full((sounds, neurons, 1, SOUND_BINS), 0.1)
    responses = torch.poisson(rate, generator=generator)
    return Recording(stimuli, responses, dt_ms=DT_MS, cf_hz=get_CFs(MIN_HZ, MAX_HZ, BANDS, "mel"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=119)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--lags", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--adaptation", action="store_true", help="AdapTrans before the receptive fields, learnt too")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    train, validation = recording(options.neurons, options.minutes).split(0.9, 0.1)
    print(f"{options.neurons} neurons, {options.minutes:g} min, {BANDS} bands, {options.lags} lags,", end=" ")
    print(f"adaptation {options.adaptation}, {options.device}, {torch.get_num_threads()} threads")
    for with_checkpoint in (False, True):
        torch.manual_seed(0)
        prefilter = make_prefiltering("adaptrans", BANDS, DT_MS, MIN_HZ, MAX_HZ) if options.adaptation else None
        model = LinearNonlinear(BANDS, options.lags, out_neurons=options.neurons, prefiltering=prefilter)
        fitter = Fitter(epochs=options.epochs, progress=False)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "fit.pt" if with_checkpoint else None
            history = fitter.fit(model.to(options.device), train, validation, checkpoint=file)
        seconds = [record.seconds for record in history.records]
        print(f"checkpoint {with_checkpoint}: {statistics.median(seconds):.2f} s per epoch (median of", end=" ")
        print(f"{', '.join(f'{s:.2f}' for s in seconds)})")


if __name__ == "__main__":
    main()
