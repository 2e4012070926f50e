"""Loss, optimizer and settings that suit a model and its data, for what a `Fitter` leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.deprecation import keywords
from deepstrf.metrics import mse_loss, poisson_loss
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.registry import OUTPUT_CURVES
from deepstrf.short_repr import short_repr
from deepstrf.training.settings import Metric, OptimizerOf, ScheduleOf
from deepstrf.training.starts import output_curve, strf_readout
from deepstrf.user_warning import warn_user

FIELD_PATIENCE, NETWORK_PATIENCE = 10, 30
FIELD_STEP, GAUSSIAN_STEP, NETWORK_STEP, RECURRENT_STEP = 0.01, 0.05, 1e-3, 6e-3
WARM_UP_EPOCHS, FIRST_SHARE = 10, 0.05
"""Epochs over which the steps of a recurrent network grow to their size, and what share of it they begin with. A minute
of sound makes three batches: in steps of 0.001 the score still grew after 120 epochs, and full steps of 0.004 from the
first on threw the outputs so far off that they never came back."""
SMOOTHNESS = 0.1
LEAST_MEAN = 0.1
"""Standard deviations: responses with negative values and a mean below this are about 0, as z-scores are."""
MOST_NAMED = 5
LEAST_SPREAD = 0.01
"""SD of a band. With fields of 0.1 (root mean square) the drive then has ten times the SD of the norm's epsilon."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a fit that depend on the model and its data."""

    loss: Metric
    optimizer: OptimizerOf
    patience: int
    smoothness: float | tuple[float, float]
    schedule: ScheduleOf | None = None

    def is_of(self, make: Any) -> bool:
        """Whether an optimizer to be is this recipe's, given by itself or by `Fitter.for_model`."""
        own = self.optimizer
        if isinstance(make, partial) and isinstance(own, partial):
            return (make.func, make.args, make.keywords) == (own.func, own.args, own.keywords)
        return make is own


@keywords()
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
    no smoothness prior; networks take AdamW in steps of 0.001 and more patience, recurrent ones in steps that grow to
    0.006.
    """
    kernels = [name for name, module in model.named_modules() if isinstance(module, ParametricSTRF)]
    loss = default_loss(model, responses)
    if strf_readout(model) is None:
        if is_recurrent(model):
            make = partial(torch.optim.AdamW, lr=RECURRENT_STEP)
            warm_up = partial(torch.optim.lr_scheduler.LinearLR, start_factor=FIRST_SHARE, total_iters=WARM_UP_EPOCHS)
            return Recipe(loss, make, NETWORK_PATIENCE, SMOOTHNESS, warm_up)
        return Recipe(loss, partial(torch.optim.AdamW, lr=NETWORK_STEP), NETWORK_PATIENCE, SMOOTHNESS)
    if kernels:
        trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        placed = [f"{kernel}.{part}".lstrip(".") for kernel in kernels for part in ("P", "SIG")]
        steps = {name: GAUSSIAN_STEP for name in placed if name in trainable}
        return Recipe(loss, StepSizes(torch.optim.Adam, FIELD_STEP, steps), FIELD_PATIENCE, 0.0)
    return Recipe(loss, partial(torch.optim.Adam, lr=FIELD_STEP), FIELD_PATIENCE, SMOOTHNESS)


def is_recurrent(model: nn.Module) -> bool:
    """Whether a model says that it has a state which takes time to settle, or has a recurrent layer of torch."""
    return getattr(model, "settling_bins", 0) > 0 or any(isinstance(one, nn.RNNBase) for one in model.modules())


def default_loss(model: nn.Module, responses: Tensor) -> Metric:
    """`poisson_loss` where neither output nor responses can be negative, else `mse_loss`.

    A ReLU takes the squared error too: no spike may come where its rate is exactly 0, and it has no slope to leave 0.
    """
    rates = cannot_be_negative(model) and not isinstance(output_curve(model), nn.ReLU)
    return poisson_loss if rates and not bool((responses < 0).any()) else mse_loss


def cannot_be_negative(model: nn.Module) -> bool:
    """Whether the output curve of a model is known, and never gives a negative value."""
    curve = output_curve(model)
    entry = None if curve is None else OUTPUT_CURVES.get(type(curve))
    if curve is None or entry is None or getattr(curve, "non_negative_output", True) is False:
        return False
    lowest = entry.ends(curve)[0]
    return bool((torch.as_tensor(lowest) >= 0).all())


def check_can_follow(model: nn.Module, responses: Tensor, target: Tensor, names: Sequence[str] | None = None) -> None:
    """Refuse responses that a model cannot fit, and warn where it can fit a part of them only.

    Parameters
    ----------
    model : Module
    responses : Tensor, shape (B, N, R, T)
        NaN where nothing was recorded.
    target : Tensor, shape (B, N, 1, T)
        Their mean over trials.
    names : sequence of str, optional
        Of the N neurons.

    Raises
    ------
    ValueError
        A response is infinite, none varies, or the mean response of a neuron is not above 0 where the model's is.
    """
    infinite = responses.isinf()
    if bool(infinite.any()):
        where = _named(infinite.any(0).flatten(1).any(1), names)
        raise ValueError(f"responses must be finite, or NaN where nothing was recorded, got infinite ones of {where}")
    bins = target.transpose(0, 1).flatten(1).double()
    recorded = ~bins.isnan()
    mean = bins.nanmean(1)
    spread = (bins - mean[:, None]).square().nanmean(1).sqrt()
    rounding = 1e-6 * bins.abs().nan_to_num().amax(1)
    still = recorded.any(1) & ~(spread > rounding)
    if bool((still | ~recorded.any(1)).all()):
        raise ValueError("responses must vary in time, got none that does: there is nothing to fit")
    if bool(still.any()):
        warn_user(f"responses of {_named(still, names)} never vary: nothing of them is learnt")
    _check_range(model, mean, ~still & recorded.any(1), names)
    if not cannot_be_negative(model):
        return
    lowest = bins.nan_to_num(nan=torch.inf).amin(1)
    curve = type(output_curve(model)).__name__
    signed = f"ParametricSoftplus({len(bins)}, non_negative_output=False)"
    way_out = f"give the model output_activation={signed}, or add a baseline to the responses"
    below = ~still & (lowest < 0) & (mean < LEAST_MEAN * spread)
    if bool(below.any()):
        raise ValueError(
            f"responses must be rates for this model, whose output curve {curve} never goes below 0; those of "
            f"{_named(below, names)} lie about 0 or below it (down to {lowest[below].min().item():g}): {way_out}"
        )
    some = ~still & (lowest < 0)
    if bool(some.any()):
        warn_user(
            f"responses of {_named(some, names)} go below 0 (down to {lowest[some].min().item():g}), where the output "
            f"curve {curve} of this model cannot follow: {way_out}",
        )


def _check_range(model: nn.Module, mean: Tensor, varies: Tensor, names: Sequence[str] | None) -> None:
    """Refuse mean responses (N,) that lie beyond the ends of a curve without parameters, as of a sigmoid's 0 to 1."""
    curve = output_curve(model)
    entry = None if curve is None else OUTPUT_CURVES.get(type(curve))
    if curve is None or entry is None or next(curve.parameters(), None) is not None:
        return
    low, high, _ = (float(end) for end in entry.ends(curve))
    beyond = varies & ~((mean > low) & (mean < high))
    # Below 0 the message about rates, which follows, says more.
    if bool(beyond.any()) and bool((mean[beyond] >= high).any()):
        kind = type(curve).__name__
        raise ValueError(
            f"responses must be in reach of the model, whose output curve {kind} goes from {low:g} to {high:g}; the "
            f"mean response of {_named(beyond & (mean >= high), names)} is up to {mean[beyond].max().item():g}: give "
            f"the model output_activation=ParametricSigmoid({len(mean)}), whose range is fitted, or scale the responses"
        )


def warn_of_precision(model: nn.Module) -> None:
    """Warn of parameters in half precision, whose rounding swallows steps of 0.01 and less."""
    half = {p.dtype for p in model.parameters() if p.requires_grad and p.dtype in (torch.float16, torch.bfloat16)}
    if half:
        kind = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in half))
        warn_user(
            f"parameters in {kind} have two or three digits, and small steps are lost: fit the model in float32 "
            "(model.float()) and convert it afterwards",
        )


def warn_of_tiny_sounds(model: nn.Module, stimuli: Tensor) -> None:
    """Warn of sounds whose variance is lost beside the epsilon of the batch norm that follows a receptive field."""
    spread = stimuli.double().std(-1, correction=0).max().item()
    if strf_readout(model) is not None and 0 < spread < LEAST_SPREAD:
        warn_user(
            f"stimuli vary by {spread:.2g} (SD of the liveliest band), which is lost beside the epsilon of the batch "
            f"norm and beside the steps of the optimizer: give levels in dB, or multiply them by {1 / spread:.1g}",
        )


def _named(which: Tensor, names: Sequence[str] | None) -> str:
    """How many neurons, and the first of them."""
    chosen = which.nonzero().flatten().tolist()
    first = ", ".join(repr(names[n]) if names else str(n) for n in chosen[:MOST_NAMED])
    return f"{len(chosen)} of {len(which)} neurons ({first}{', ...' if len(chosen) > MOST_NAMED else ''})"


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
