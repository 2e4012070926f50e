"""Recipes that worker processes load: they log each fit, fail, and kill their worker."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from deepstrf.datasets import Recording
from tests.training.test_cross_validation import Instant, least_squares


@dataclass(frozen=True)
class Logged:
    """Least squares that writes a line for each fit begun, and may kill its process at a seed, once or always."""

    log: str
    kill_at: int = -1
    always: bool = False

    def __call__(self, train: Recording, validation: Recording | None, *, seed: int) -> nn.Module:
        """The model."""
        with open(self.log, "a") as file:
            file.write(f"{seed} {torch.get_num_threads()}\n")
        marker = Path(f"{self.log}.killed")
        if seed == self.kill_at and (self.always or not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        model = least_squares(train, validation, seed=seed)
        return Instant(model.weights.detach() + seed)


@dataclass(frozen=True)
class Slow:
    """Least squares that tells its process, and then waits until a file says that it may go on."""

    folder: str

    def __call__(self, train: Recording, validation: Recording | None, *, seed: int) -> nn.Module:
        """The model."""
        with open(f"{self.folder}/log", "a") as file:
            file.write(f"{seed} {os.getpid()}\n")
        while not Path(self.folder, "go").exists():
            time.sleep(0.02)  # looks again
        return least_squares(train, validation, seed=seed)


def failing(train: Recording, validation: Recording | None, *, seed: int) -> nn.Module:
    """An error."""
    raise ZeroDivisionError(f"seed {seed} cannot be fitted")
