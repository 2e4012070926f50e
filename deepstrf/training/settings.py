"""Settings of a fit and their rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.arguments import check_choice, check_sizes, whole_number
from deepstrf.deprecation import keywords
from deepstrf.metrics import corrcoef
from deepstrf.short_repr import short_repr
from deepstrf.training.progress import Progress

STARTS = ("auto", "data", "model")
CALLED = {
    "optimizer": "partial(torch.optim.Adam, lr=0.01), which is given the parameters",
    "schedule": "partial(torch.optim.lr_scheduler.StepLR, step_size=10), which is given the optimizer",
    "loss": "deepstrf.metrics.mse_loss",
    "score": "deepstrf.metrics.corrcoef",
}
"""Settings that are called, and an example of each."""

LIKE_TORCH = {"MSELoss": "deepstrf.metrics.mse_loss", "PoissonNLLLoss": "deepstrf.metrics.poisson_loss"}
"""What stands here for modules of torch, which average over neurons and do not leave out NaN."""


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
ScheduleOf = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]


def _check_metric(name: str, value: Any, example: str) -> None:
    """Raise TypeError where a loss or a score cannot be called as ``value(pred, gt, reduction="none")``."""
    kind = value.__name__ if isinstance(value, type) else type(value).__name__
    takes = not isinstance(value, type)
    if takes:
        try:
            inspect.signature(value.forward if isinstance(value, nn.Module) else value).bind(0, 0, reduction="none")
        except TypeError:
            takes = False
        except ValueError:  # written in C, and says nothing of what it takes
            pass
    if not takes:
        shown = kind if kind != "function" else value.__name__
        raise TypeError(
            f'{name} must give one value for each neuron, {name}(pred, gt, reduction="none"), which {shown} does not '
            f"take: give {LIKE_TORCH.get(kind, example)}, or a function of your own"
        )


@keywords()
@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit; `deepstrf.training.Fitter` says what each of them does."""

    epochs: int = 200
    batch_size: int = 2
    optimizer: OptimizerOf | None = None
    schedule: ScheduleOf | None = None
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
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name))
        check_choice(STARTS, start=self.start)
        check_sizes(0, skip_bins=self.skip_bins, seed=self.seed)
        for name, example in CALLED.items():
            value = getattr(self, name)
            if not (value is None or callable(value) or (name == "optimizer" and isinstance(value, NamesParameters))):
                raise TypeError(f"{name} must be a callable such as {example}, got {type(value).__name__} {value!r}")
            if name in ("loss", "score") and value is not None:
                _check_metric(name, value, example)
        if not isinstance(self.callbacks, Sequence) or not all(map(callable, self.callbacks)):
            raise TypeError(f"callbacks must be a sequence of callables, such as [print], got {self.callbacks!r}")
        for name in ("smoothness", "sparsity"):
            value = getattr(self, name)
            if value is not None and np.asarray(value).dtype.kind not in "iuf":
                raise TypeError(f"{name} must be a number{' or two' * (name == 'smoothness')}, got {value!r}")
            if value is not None and not all(0 <= one < np.inf for one in np.atleast_1d(value)):
                raise ValueError(f"{name} must be at least 0 and finite, got {value}")
        if self.smoothness is not None and np.size(self.smoothness) > 2:
            raise ValueError(f"smoothness must be one number or two, frequency and time, got {self.smoothness}")
