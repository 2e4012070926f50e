"""Losses and scores of a fit, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import summary
from deepstrf.short_repr import short_repr

CLEARLY = 0.02
"""Share of ridge regression's score by which a fit must miss it to be called worse."""


@keywords()
@dataclass(frozen=True, eq=False)
class EpochRecord:
    """Losses and scores of one epoch, for each neuron (N,).

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss : Tensor, shape (N,)
        Mean over the epoch's batches as they were met, without priors; NaN for a neuron without data.
    validation_loss, scores : Tensor, shape (N,), or None
        After the epoch, in evaluation mode; None without validation data.
    learning_rate : float
        Of the first group of parameters.
    seconds : float
        What the epoch took, evaluation included.
    counted : Tensor, shape (N,), or None
        Neurons that have had a score in this or an earlier epoch; of these, one without a score counts as 0 in the
        mean. None counts those with a score.
    """

    epoch: int
    train_loss: Tensor
    validation_loss: Tensor | None
    scores: Tensor | None
    learning_rate: float
    seconds: float
    counted: Tensor | None = None
    __repr__ = short_repr

    @property
    def score(self) -> float:
        """Mean score of the neurons that count; NaN when none does."""
        return self.score_over(self.counted)

    def score_over(self, counted: Tensor | None) -> float:
        """Mean score of the neurons of ``counted`` (N,): one whose prediction became constant lowers it."""
        if self.scores is None:
            return torch.nan
        scores = self.scores
        if counted is not None:
            scores = torch.where(counted, scores.nan_to_num(nan=0.0), torch.nan)
        return scores.nanmean().item()


@keywords()
@dataclass(eq=False)
class History:
    """Records of the epochs so far, and which was best.

    Attributes
    ----------
    records : list of EpochRecord
    best_epoch : int
        With validation data the epoch of the highest mean score, else the last; 0 before there is one.
    stopped : str
        Why the fit ended; empty while it has not.
    ridge : Tensor, shape (N,), or None
        Validation scores of ridge regression, which a fit should reach; None without validation data, with
        ``baseline=False`` and before the end. Not kept in checkpoints.
    """

    records: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = ""

    def __post_init__(self) -> None:
        self.ridge: Tensor | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        parts = [f"{len(self)} epochs"]
        if self.best is not None:
            score = "" if self.best.scores is None else f", score {summary(self.best.scores)}"
            parts.append(f"best {self.best_epoch}: train loss {self.best.train_loss.nanmean():.4g}{score}")
        if self.is_below_ridge:
            parts.append(f"below ridge regression, {self.ridge_score:.3f}")
        return f"History({'; '.join([*parts, *filter(None, [self.stopped])])})"

    @property
    def best(self) -> EpochRecord | None:
        """Record of the best epoch, None before the first."""
        return self.records[self.best_epoch - 1] if self.best_epoch else None

    @property
    def train_loss(self) -> Tensor:
        """Mean training loss of each epoch, (E,)."""
        return _means(record.train_loss for record in self.records)

    @property
    def validation_loss(self) -> Tensor:
        """Mean validation loss of each epoch, (E,); NaN without validation data."""
        return _means(record.validation_loss for record in self.records)

    @property
    def score(self) -> Tensor:
        """Mean score of each epoch over the same neurons, (E,); NaN without validation data."""
        counted = self.records[-1].counted if self.records else None
        return torch.tensor([record.score_over(counted) for record in self.records])

    @property
    def ridge_score(self) -> float:
        """Mean validation score of ridge regression over the neurons that count in `score`; NaN where not known."""
        if self.ridge is None or self.best is None or self.best.scores is None:
            return torch.nan
        counted = self.best.counted if self.best.counted is not None else ~self.best.scores.isnan()
        return torch.where(counted, self.ridge.nan_to_num(nan=0.0), torch.nan).nanmean().item()

    @property
    def is_below_ridge(self) -> bool:
        """Whether the best epoch is clearly worse than ridge regression."""
        return self.best is not None and self.best.score < self.ridge_score - CLEARLY * abs(self.ridge_score)

    def state_dict(self) -> dict[str, Any]:
        """The history in plain types, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> History:
        """The history that gave this state."""
        return cls(**{**state, "records": [EpochRecord(**record) for record in state["records"]]})


def _means(values: Iterable[Tensor | None]) -> Tensor:
    return torch.tensor([torch.nan if x is None else x.nanmean().item() for x in values])
