"""What ridge regression reaches on the sounds that end a fit: below it, a model has not earned its parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.training.batches import Examples
from deepstrf.training.linear_regression import RidgeFields
from deepstrf.training.settings import Metric
from deepstrf.training.starts import Axes, ridge_start, strf_readout

MEMORY_MS, MEMORY_BINS = 100.0, 20
"""How far back the linear field looks, where the model has none of its own: ms, or bins of unknown width."""


def ridge_scores(
    model: nn.Module,
    train: Examples,
    validation: Examples,
    axes: Axes | None,
    score: Metric,
    fields: RidgeFields | None = None,
) -> Tensor | None:
    """Scores (N,) on the validation sounds of linear fields of the sounds as they are; None where sounds have no bands.

    The fields have as many lags as those of the model, or reach 100 ms back.

    Parameters
    ----------
    fields : RidgeFields, optional
        Of ``train``, where they are known already.
    """
    if train.stimuli.dim() != 4 or validation.stimuli.shape[1:3] != train.stimuli.shape[1:3]:
        return None
    if fields is None:
        fields = ridge_start(train.stimuli, train, lags_of(model, axes), axes)
    kernel, sounds = fields.kernel, validation.stimuli.double().cpu()
    padded = functional.pad(sounds, (kernel.shape[-1] - 1, 0))
    drive = functional.conv2d(padded, kernel).squeeze(2)
    pred = (drive + (fields.mean_rate - fields.mean_drive)[:, None]).unsqueeze(2)
    with torch.no_grad():
        return score(pred.to(validation.responses), validation.responses, reduction="none").cpu()


def lags_of(model: nn.Module, axes: Axes | None) -> int:
    """Bins that the receptive fields of a model look back, or 100 ms."""
    readout = strf_readout(model)
    if readout is not None:
        return readout.strf.T
    return MEMORY_BINS if axes is None else max(2, round(MEMORY_MS / axes[1]))
