"""A fit that kills its own process: ``python killed_fit.py CHECKPOINT EPOCH BATCH``; the test runs it, then resumes."""

from __future__ import annotations

import os
import signal
import sys
from functools import cache, partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deepstrf.datasets import Recording
from deepstrf.training import Fitter, History, Progress
from tests.training.conftest import new_model, simulate


class Killer:
    """Ends the process without a chance to tidy up, in one batch of one epoch; in batch 0, after the epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = epoch, batch

    def __call__(self, progress: Progress) -> None:
        if self.at == (progress.epoch, 0):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_batch(self, progress: Progress) -> None:
        if self.at == (progress.epoch, progress.batch):
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def data() -> list[Recording]:
    """Training and validation."""
    return simulate(20.0).split(0.7, 0.3)


def fit(checkpoint: Path | None, *killers: Killer) -> tuple[torch.nn.Module, History]:
    """The same fit, every time: with a schedule, dropout, and a validation set that ends it."""
    train, validation = data()
    model = new_model(prefiltering=torch.nn.Dropout(0.05))
    fitter = Fitter(
        epochs=9,
        batch_size=1,
        patience=4,
        start="model",  # from data it ends sooner
        progress=False,
        optimizer=partial(torch.optim.AdamW, lr=0.02),
        schedule=partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9),
        callbacks=killers,
    )
    return model, fitter.fit(model, train, validation, checkpoint=checkpoint)


if __name__ == "__main__":
    torch.set_num_threads(1)
    fit(Path(sys.argv[1]), Killer(int(sys.argv[2]), int(sys.argv[3])))
