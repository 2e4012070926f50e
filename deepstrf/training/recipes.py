"""Loss, optimizer and settings that suit a model and its data, for what a `Fitter` was not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.metrics import mse_loss, poisson_loss
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.registry import OUTPUT_CURVES
from deepstrf.short_repr import short_repr
from deepstrf.training.settings import Metric, OptimizerOf
from deepstrf.training.starts import output_curve, strf_readout

FIELD_PATIENCE, NETWORK_PATIENCE = 10, 30
FIELD_STEP, GAUSSIAN_STEP, NETWORK_STEP = 0.01, 0.05, 1e-3
SMOOTHNESS = 0.1


@dataclass(frozen=True)
class Recipe:
    """The settings of a fit that depend on the model and its data."""

    loss: Metric
    optimizer: OptimizerOf
    patience: int
    smoothness: float | tuple[float, float]


@dataclass(frozen=True)
class StepSizes:
    """Optimizer whose parameters have different step sizes, by their names in the model.

    Parameters
    ----------
    optimizer : callable
        Class of `torch.optim`, or a partial of one.
    lr : float
        Of all parameters that no pattern names.
    by_name : mapping of str to float
        Step size for the names that match a pattern, such as ``{"*.kernel.P": 0.05, "prefiltering.*": 0.001}``; the
        first that matches counts.
    """

    optimizer: Any
    lr: float
    by_name: Mapping[str, float]
    __repr__ = short_repr

    def for_names(self, named: list[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Optimizer of the parameters; ValueError where a pattern names none of them."""
        sizes = {name: self.lr for name, _ in named}
        for pattern, lr in reversed(list(self.by_name.items())):
            matching = [name for name, _ in named if fnmatchcase(name, pattern)]
            if not matching:
                raise ValueError(f"by_name must name parameters, {pattern!r} matches none of {list(sizes)}")
            sizes.update(dict.fromkeys(matching, lr))
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in named:
            groups.setdefault(sizes[name], []).append(parameter)
        made: torch.optim.Optimizer = self.optimizer(
            [{"params": group, "lr": lr} for lr, group in groups.items()], lr=self.lr
        )
        return made


def recipe_for(model: nn.Module, responses: Tensor) -> Recipe:
    """Settings that train a model of the library decently on a recording of some minutes.

    Receptive fields that a batch norm follows take Adam in steps of 0.01, Gaussians of 0.05 bins in place and width and
    no smoothness prior; networks take AdamW in steps of 0.001 and more patience.
    """
    kernels = [name for name, module in model.named_modules() if isinstance(module, ParametricSTRF)]
    loss = default_loss(model, responses)
    if strf_readout(model) is None:
        return Recipe(loss, partial(torch.optim.AdamW, lr=NETWORK_STEP), NETWORK_PATIENCE, SMOOTHNESS)
    if kernels:
        trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        placed = [f"{kernel}.{part}".lstrip(".") for kernel in kernels for part in ("P", "SIG")]
        steps = {name: GAUSSIAN_STEP for name in placed if name in trainable}
        return Recipe(loss, StepSizes(torch.optim.Adam, FIELD_STEP, steps), FIELD_PATIENCE, 0.0)
    return Recipe(loss, partial(torch.optim.Adam, lr=FIELD_STEP), FIELD_PATIENCE, SMOOTHNESS)


def default_loss(model: nn.Module, responses: Tensor) -> Metric:
    """`poisson_loss` where neither output nor responses can be negative, else `mse_loss`."""
    return poisson_loss if cannot_be_negative(model) and not bool((responses < 0).any()) else mse_loss


def cannot_be_negative(model: nn.Module) -> bool:
    """Whether the output curve of a model is known, and never gives a negative value."""
    curve = output_curve(model)
    entry = None if curve is None else OUTPUT_CURVES.get(type(curve))
    if curve is None or entry is None or getattr(curve, "non_negative_output", True) is False:
        return False
    lowest = entry.ends(curve)[0]
    return bool((torch.as_tensor(lowest) >= 0).all())


def check_loss(loss: Metric, model: nn.Module, responses: Tensor) -> None:
    """ValueError where a loss of the library is not defined for a model's output or for the responses."""
    if (loss.func if isinstance(loss, partial) else loss) is not poisson_loss:
        return
    if isinstance(loss, partial) and loss.keywords.get("log_input"):
        return
    lowest = responses[~responses.isnan()].min().item()
    if lowest < 0:
        raise ValueError(
            f"loss must suit the responses: poisson_loss is for counts and rates of at least 0, got values down to "
            f"{lowest:g}; leave loss=None, or take mse_loss"
        )
    curve = output_curve(model)
    if curve is not None and type(curve) in OUTPUT_CURVES and not cannot_be_negative(model):
        raise ValueError(
            f"loss must suit the model's output: poisson_loss is for rates of at least 0, and a {type(model).__name__} "
            f"with the output curve {type(curve).__name__} can go below 0; leave loss=None, take mse_loss, or give the "
            "model an output_activation such as ParametricSoftplus"
        )
