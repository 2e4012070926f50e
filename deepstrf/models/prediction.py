"""The response of a model as it is in evaluation mode, with no trace left in the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from deepstrf.arguments import as_tensor, check_has_weights
from deepstrf.deprecation import keywords

from .protocols import SpectrogramModel, Streamable

__all__ = ["as_model_takes", "evaluating", "predict"]


@contextmanager
def evaluating(model: nn.Module | Streamable | SpectrogramModel) -> Iterator[None]:
    """Evaluation mode inside the ``with`` block; afterwards every submodule is in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@keywords()
def predict(model: nn.Module, stimuli: Tensor | ArrayLike, *, batch_size: int = 16) -> Tensor:
    """Response (B, N, 1, T) of a model in evaluation mode, some stimuli at a time, without gradients.

    Parameters
    ----------
    model : Module
        Its mode is left as it was.
    stimuli : Tensor or array, shape (B, 1, F, T)
        On any device, of any floating-point type: each batch is converted to those of the model.
    batch_size : int
        Stimuli at a time, at least 1.

    Returns
    -------
    Tensor, shape (B, N, 1, T)
        Where ``stimuli`` are.

    Raises
    ------
    TypeError
        ``model`` is no module (but its class, for instance), or its weights have shapes alone (device "meta").
    """
    check_has_weights(model=model)
    sounds = as_tensor("stimuli", stimuli)
    with torch.no_grad(), evaluating(model):
        return torch.cat([model(as_model_takes(model, x)).to(sounds.device) for x in sounds.split(batch_size)])


def as_model_takes(model: nn.Module, x: Tensor) -> Tensor:
    """``x`` on the device and in the type of the model's parameters."""
    parameter = next(model.parameters(), None)
    return x if parameter is None else x.to(parameter.device, parameter.dtype)
