"""Settings of a fit and their rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.arguments import check_choice
from deepstrf.deprecation import keywords
from deepstrf.metrics import corrcoef
from deepstrf.short_repr import short_repr
from deepstrf.training.progress import Progress

STARTS = ("auto", "data", "model")


class Metric(Protocol):
    """A loss or a score of `deepstrf.metrics`, or anything that is called alike."""

    def __call__(self, pred: Tensor, gt: Tensor, /, *, reduction: str) -> Tensor:
        """One value for each neuron, (N,), NaN for a neuron without data, when ``reduction`` is "none"."""


@runtime_checkable
class NamesParameters(Protocol):
    """An optimizer to be, which wants the parameters of a model with their names."""

    def for_names(self, named: list[tuple[str, nn.Parameter]], /) -> torch.optim.Optimizer:
        """Optimizer of these parameters."""


OptimizerOf = Callable[[list[nn.Parameter]], torch.optim.Optimizer] | NamesParameters


@keywords()
@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit; `deepstrf.training.Fitter` says what each of them does."""

    epochs: int = 200
    batch_size: int = 2
    optimizer: OptimizerOf | None = None
    schedule: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler] | None = None
    loss: Metric | None = None
    score: Metric = corrcoef
    patience: int | None = None
    smoothness: float | tuple[float, float] | None = None
    sparsity: float = 0.0
    skip_bins: int = 0
    start: str = "auto"
    baseline: bool = True
    seed: int = 0
    progress: bool = True
    callbacks: Sequence[Callable[[Progress], None]] = ()
    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        check_choice(STARTS, start=self.start)
        if self.skip_bins < 0:
            raise ValueError(f"skip_bins must be at least 0, got {self.skip_bins}")
        for name in ("smoothness", "sparsity"):
            value = getattr(self, name)
            if value is not None and not all(0 <= one < np.inf for one in np.atleast_1d(value)):
                raise ValueError(f"{name} must be at least 0 and finite, got {value}")
        if self.smoothness is not None and np.size(self.smoothness) > 2:
            raise ValueError(f"smoothness must be one number or two, frequency and time, got {self.smoothness}")
