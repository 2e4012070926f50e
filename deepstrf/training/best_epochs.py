"""The weights of each neuron's own best epoch."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.training.progress import Progress

__all__ = ["BestEpochs", "EpochsOfEach"]


class BestEpochs:
    """Callback of a fit that keeps the weights of every epoch in which a neuron's validation score was its best."""

    def __init__(self) -> None:
        self.states: dict[int, dict[str, Any]] = {}
        self.best: Tensor | None = None
        self.epoch_of: Tensor | None = None

    def __call__(self, progress: Progress) -> None:
        """Look at the epoch that has ended."""
        record = progress.history.records[-1]
        if record.scores is None:
            return
        scores = record.scores.nan_to_num(nan=-torch.inf)
        if self.best is None or self.epoch_of is None:
            self.best, self.epoch_of = torch.full_like(scores, -torch.inf), torch.full(scores.shape, record.epoch)
            better = torch.ones_like(scores, dtype=torch.bool)
        else:
            better = scores > self.best
        if bool(better.any()):
            self.states[record.epoch] = copy.deepcopy(progress.model.state_dict())
            self.best = torch.where(better, scores, self.best)
            self.epoch_of = torch.where(better, record.epoch, self.epoch_of)
            used = set(self.epoch_of.tolist())
            self.states = {epoch: state for epoch, state in self.states.items() if epoch in used}


class EpochsOfEach(nn.Module):
    """Response (B, N, 1, T) in which each neuron has the weights of its own best epoch."""

    def __init__(self, model: nn.Module, watched: BestEpochs) -> None:
        super().__init__()
        if watched.epoch_of is None:
            raise ValueError("watched must have seen a fit with validation data, got none")
        self.models = nn.ModuleList()
        self.neurons: list[Tensor] = []
        for epoch, state in watched.states.items():
            one = copy.deepcopy(model)
            one.load_state_dict(state)
            self.models.append(one.eval())
            self.neurons.append((watched.epoch_of == epoch).nonzero()[:, 0])

    def forward(self, x: Tensor) -> Tensor:
        """Response of the models together."""
        answers = [model(x) for model in self.models]
        whole = answers[0].clone()
        for answer, neurons in zip(answers, self.neurons, strict=True):
            whole[:, neurons] = answer[:, neurons]
        return whole
