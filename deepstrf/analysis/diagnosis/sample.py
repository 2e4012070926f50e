"""Sounds, the response of a model to them, and the recorded response: computed once for all checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.arguments import as_tensor, check_floating
from deepstrf.datasets import Recording
from deepstrf.metrics.pooling import check_responses
from deepstrf.models.prediction import predict
from deepstrf.stimuli import Spectrogram

FRAMES_AT_ONCE = 16384
"""Frames in one call of the model: a long recording need not fit in memory at once."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Response of a model to some sounds, beside the recorded one.

    Attributes
    ----------
    stimuli : Tensor, shape (B, 1, F, T)
    predicted : Tensor, shape (B, N, 1, T)
        In evaluation mode, float32 at least.
    responses : Tensor, shape (B, N, R, T), or None
        NaN where nothing was recorded.
    inside : bool Tensor, shape (B, T)
        False after the end of a shorter stimulus.
    dt_ms : float or None
        Bin width, ms, where it is known.
    """

    stimuli: Tensor
    predicted: Tensor
    responses: Tensor | None
    inside: Tensor
    dt_ms: float | None

    @cached_property
    def rates(self) -> Tensor:
        """Predicted response (N, bins) in every bin of every sound, float64."""
        return self.in_all_bins(self.predicted[:, :, 0])

    @cached_property
    def mean_response(self) -> Tensor | None:
        """Mean recorded response (N, bins) in the same bins, NaN where nothing was recorded."""
        return None if self.responses is None else self.in_all_bins(self.responses.nanmean(2))

    def in_all_bins(self, x: Tensor) -> Tensor:
        """Values (B, N, T) in every bin of every sound, (N, bins), float64."""
        return x.transpose(0, 1)[:, self.inside].double()

    def bins(self, count: float) -> str:
        """A number of time bins in words, also in ms where the bin width is known."""
        bins = f"{count:.3g} bin{'s' * (count != 1)}"
        return bins if self.dt_ms is None else f"{bins} ({count * self.dt_ms:.3g} ms)"


def sample_of(model: nn.Module, name: str, stimulus: Any, responses: Any = None, dt_ms: float | None = None) -> Sample:
    """Response of ``model`` to the data that error messages call ``name``.

    Raises
    ------
    TypeError, ValueError
        The data are of another kind or shape, are not finite, or do not fit the model or one another.
    """
    bins = None
    if isinstance(stimulus, Recording):
        if responses is not None:
            raise TypeError("responses must not be given with a Recording, which has them")
        responses, bins, dt_ms = stimulus.responses, stimulus.bins, stimulus.dt_ms
        stimulus = stimulus.stimuli
    elif isinstance(stimulus, Spectrogram):
        dt_ms = stimulus.dt_ms if dt_ms is None else dt_ms
        stimulus = stimulus.values
    stimulus = as_tensor(name, stimulus).detach()
    check_floating(**{name: stimulus})
    stimuli = stimulus[(None,) * max(0, 4 - stimulus.ndim)] if stimulus.ndim >= 2 else stimulus
    if stimuli.ndim != 4 or stimuli.shape[1] != 1 or 0 in stimuli.shape:
        raise ValueError(f"{name} must have shape (B, 1, F, T) or (F, T), nothing empty, got {tuple(stimulus.shape)}")
    if not bool(stimuli.isfinite().all()):
        raise ValueError(f"{name} must be finite, got {int((~stimuli.isfinite()).sum())} values that are not")
    predicted = predict(model, stimuli.cpu(), batch_size=max(1, FRAMES_AT_ONCE // stimuli.shape[-1]))
    B, _, _, T = stimuli.shape
    if predicted.ndim != 4 or (predicted.shape[0], predicted.shape[2], predicted.shape[3]) != (B, 1, T):
        raise ValueError(f"model must answer with shape (B, N, 1, T) = ({B}, N, 1, {T}), got {tuple(predicted.shape)}")
    predicted = predicted.to(torch.promote_types(predicted.dtype, torch.float32))
    if responses is not None:
        responses = as_tensor(f"responses of {name}", responses).detach()
        if responses.ndim == 3 and B == 1:
            responses = responses[None]
        check_responses(responses, f"responses of {name}")
        N = predicted.shape[1]
        if (responses.shape[0], responses.shape[1], responses.shape[3]) != (B, N, T):
            raise ValueError(
                f"responses of {name} must have shape (B, N, R, T) = ({B}, {N}, R, {T}), got {tuple(responses.shape)}"
            )
        responses = responses.to(predicted)
    return Sample(stimuli, predicted, responses, _inside(stimuli, responses, bins), dt_ms)


def _inside(stimuli: Tensor, responses: Tensor | None, bins: tuple[int, ...] | None) -> Tensor:
    """Bins (B, T) up to the end of each stimulus; where that is not known, up to the last recorded bin."""
    B, _, _, T = stimuli.shape
    count = torch.arange(1, T + 1)
    if bins is None:
        if responses is None:
            return torch.ones(B, T, dtype=torch.bool)
        recorded = (~responses.isnan()).flatten(1, 2).any(1).cpu()
        last = (recorded * count).amax(-1)
        # A stimulus without any recording counts to its end.
        last = torch.where(last > 0, last, T)
    else:
        last = torch.tensor(bins)
    return count <= last[:, None]
