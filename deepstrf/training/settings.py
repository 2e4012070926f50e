"""Settings of a fit and their rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.metrics import corrcoef, poisson_loss
from deepstrf.short_repr import short_repr
from deepstrf.training.progress import Progress

ADAM = partial(torch.optim.Adam, lr=0.01)


class Metric(Protocol):
    """A loss or a score of `deepstrf.metrics`, or anything that is called alike."""

    def __call__(self, pred: Tensor, gt: Tensor, /, *, reduction: str) -> Tensor:
        """One value for each neuron, (N,), NaN for a neuron without data, when ``reduction`` is "none"."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit; `deepstrf.training.Fitter` says what each of them does."""

    epochs: int = 200
    batch_size: int = 2
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer] = ADAM
    schedule: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler] | None = None
    loss: Metric = poisson_loss
    score: Metric = corrcoef
    patience: int = 10
    smoothness: float | tuple[float, float] = 0.1
    sparsity: float = 0.0
    skip_bins: int = 0
    seed: int = 0
    progress: bool = True
    callbacks: Sequence[Callable[[Progress], None]] = ()
    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.skip_bins < 0:
            raise ValueError(f"skip_bins must be at least 0, got {self.skip_bins}")
        for name in ("smoothness", "sparsity"):
            if not all(0 <= value < np.inf for value in np.atleast_1d(getattr(self, name))):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        if np.size(self.smoothness) > 2:
            raise ValueError(f"smoothness must be one number or two, frequency and time, got {self.smoothness}")
