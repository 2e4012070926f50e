"""Gain, shift and output curve of each neuron from its responses and its drive, so that a fit begins at their scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.layers.constraints import softplus
from deepstrf.models.registry import OUTPUT_CURVES, PER_DRIVE, RATE

BASELINE_SHARE = 0.05
"""Baseline of a rate, as a share of its mean."""

SHARPNESS = 2.0
"""Sharpness of a softplus times its mean output: its bend is about as wide as the mean rate is high."""

RANGE = 4.0
"""Range of a saturating curve over the mean of a rate, and over the SD of a signed response."""

SLOPE_SHARE = 0.5
"""Scatter of a first prediction over the scale of the response, where nothing is known of how the two go together."""

STEPS, MOST_VALUES = 40, 400_000

GROUPS, LEAST_IN_A_GROUP = 512, 8
"""Groups of bins with nearly the same drive, whose means say as much of a curve as all bins do; and bins in each."""

LEVEL_STEP = 0.3
"""First step of the levels of a signed curve, in SDs of the response."""

ORDINARY = 0.1
"""Spikes in a bin of some ms, the responses for which the step sizes of the recipes were chosen."""

IN_THE_UNIT_OF_THE_RESPONSE = (ParametricSoftplus, nn.Identity, nn.ReLU, nn.LeakyReLU)
"""Curves whose drive has the unit of the response: the same curve serves a drive of any size."""

Loss = Callable[[Tensor, Tensor], Tensor]


class Scale:
    """Level and size of each neuron's response, (N,), and which neurons have a response that varies.

    Parameters
    ----------
    target : Tensor, shape (B, N, 1, T)
        Mean response, NaN where missing.
    """

    def __init__(self, target: Tensor) -> None:
        values = target.double().transpose(0, 1).flatten(1)
        self.mean = values.nanmean(1)
        squares = (values - self.mean[:, None]).square().nanmean(1)
        self.sd = squares.sqrt()
        smallest = torch.finfo(target.dtype).eps * self.mean.abs()
        self.varies = self.sd.isfinite() & (self.sd > smallest)
        self.mean = torch.where(self.varies, self.mean, 1.0)
        self.sd = torch.where(self.varies, self.sd, 1.0)


def units_of(curve: nn.Module, scale: Scale) -> tuple[Tensor, dict[str, tuple[Tensor, bool]]]:
    """Unit (N,) of each neuron's drive, and those of a curve's parameters, by name, that are in units of the response.

    Beside each unit stands whether the parameter is the raw value of a positive quantity, which the unit then divides.
    Neurons that never vary have a unit of 1.
    """
    positive = bool(getattr(curve, "non_negative_output", isinstance(curve, nn.ReLU)))
    response = torch.where(scale.varies, (scale.mean.abs() if positive else scale.sd) / ORDINARY, 1.0)
    response = response.clamp(min=torch.finfo(torch.float32).tiny * 1e6)
    drive = response if isinstance(curve, IN_THE_UNIT_OF_THE_RESPONSE) else torch.ones_like(response)
    units: dict[str, tuple[Tensor, bool]] = {}
    entry, powers = OUTPUT_CURVES.get(type(curve)), {RATE: response, PER_DRIVE: 1 / drive}
    for column in () if entry is None else entry.columns:
        raw = f"_raw_{column.name}"
        if column.note in powers and getattr(curve, raw, None) is not None:
            units[raw] = (powers[column.note], column.note == PER_DRIVE or positive)
    return drive, units


def into_units(value: Tensor, unit: Tensor, raw: bool) -> Tensor:
    """A parameter in a unit; where it is the raw value of a positive quantity, that of the quantity over the unit."""
    return _divided(value, unit) if raw else value / unit


def out_of_units(value: Tensor, unit: Tensor, raw: bool) -> Tensor:
    """Inverse of `into_units`."""
    return _divided(value, 1 / unit) if raw else value * unit


def _divided(raw: Tensor, size: Tensor) -> Tensor:
    """``r`` with ``softplus(r) = softplus(raw) / size``."""
    small = raw < -20.0  # there softplus is an exponential, and its inverse a logarithm
    value = softplus(torch.where(small, 0.0, raw)) / size
    return torch.where(small, raw - size.log(), value + torch.log(-torch.expm1(-value)))


def scale_curve(curve: nn.Module, scale: Scale) -> None:
    """Set an output curve of the library, for the neurons that vary, so that its bend lies at their mean response.

    Curves of a positive output are scaled by the mean rate, signed ones by the SD of the response around its mean.
    Curves without such parameters stay as they are.
    """
    if not isinstance(curve, (ParametricSoftplus, ParametricSigmoid, ParametricDoubleExponential)):
        return
    size = scale.mean.abs() if curve.non_negative_output else 2 * scale.sd
    size = size.clamp(min=torch.finfo(torch.float32).tiny * 1e3)
    low = BASELINE_SHARE * size if curve.non_negative_output else scale.mean - size
    if isinstance(curve, ParametricSoftplus):
        values = {"beta": SHARPNESS / size, "b": low}
    elif isinstance(curve, ParametricSigmoid):
        values = {"a": low, "b": RANGE * size, "c": torch.zeros_like(size), "d": torch.ones_like(size)}
    else:
        values = {"a": RANGE * size, "b": low, "k": -torch.ones_like(size), "s": torch.zeros_like(size)}
    with torch.no_grad():
        for name, value in values.items():
            present = getattr(curve, name)
            if present is not None and all(parameter.requires_grad for parameter in curve.parameters()):
                put = torch.where(scale.varies.to(present.device), value.to(present), present.detach())
                if isinstance(present, nn.Parameter):
                    present.copy_(put)
                else:
                    setattr(curve, name, put)


def point_of_rest(curve: nn.Module, scale: Scale) -> tuple[Tensor, Tensor]:
    """Drive (N,) at which each neuron's curve gives its mean response, or comes nearest to it, and the slope there.

    The curve is looked up on a grid, so that any curve will do that treats each neuron by itself.
    """
    parameter = next(curve.parameters(), None)
    size = torch.maximum(scale.mean.abs(), scale.sd)
    grid = torch.sinh(torch.linspace(-16, 16, 6401, dtype=torch.float64))[:, None] * 1e-4 * size.clamp(min=1e-12)
    # Curves of the library know the response's scale, plain ones have a scale of 1.
    grid = torch.cat([grid, torch.linspace(-20, 20, 4001, dtype=torch.float64)[:, None].expand(-1, len(size))])
    grid = grid.sort(0).values
    with torch.no_grad():
        heights = curve(grid if parameter is None else grid.to(parameter)).double().cpu()
    wanted = torch.where(scale.varies, scale.mean, heights[len(heights) // 2])
    miss = (heights - wanted).abs()
    at = miss.argmin(0)
    below, above = (at - 1).clamp(min=0), (at + 1).clamp(max=len(grid) - 1)
    take = torch.arange(len(size))
    run = (grid[above, take] - grid[below, take]).clamp(min=1e-300)
    return grid[at, take], (heights[above, take] - heights[below, take]) / run


def fit_gain_and_curve(
    drive: Tensor,
    target: Tensor,
    gain: Tensor,
    shift: Tensor,
    curve: nn.Module,
    loss: Loss,
    *,
    free_curve: bool,
    pooled: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gain and shift (N,) of a drive, after L-BFGS on them and on the parameters of the curve, which are left there.

    Neurons share nothing, so that one step of all is one of each. Where the loss did not fall, all stays as it was.

    Parameters
    ----------
    drive : Tensor, shape (B, N, T)
        With mean 0 and variance 1 of each neuron.
    target : Tensor, shape (B, N, 1, T)
    gain, shift : Tensor, shape (N,)
        Where the search starts.
    curve : Module
        Applied with neurons on the last axis.
    loss : callable
        ``loss(pred, target)``, (N,), in comparable units for all neurons.
    free_curve : bool
        Whether the parameters of the curve are searched too.
    pooled : bool
        Whether the loss, but for a constant, is that of the mean response of bins with the same drive, as the squared
        error and the Poisson likelihood are: bins of nearly the same drive are then taken together.
    """
    stride = max(1, drive.numel() // MOST_VALUES)
    drive, target = drive[..., ::stride], target[..., ::stride]
    if pooled:
        drive, target = _of_like_drive(drive, target)
    drive = drive.transpose(1, 2)
    tensors = [gain, shift, *(curve.parameters() if free_curve else ())]
    before = [tensor.detach().clone() for tensor in tensors]
    size = gain.abs().clamp(min=1e-12)
    names = [name for name, _ in curve.named_parameters()] if free_curve else []
    _, sized = units_of(curve, Scale(target))
    sizes = [(size, False), (size, False), *(sized.get(name) for name in names)]
    inside = [
        value if by is None else into_units(value, by[0].to(value), by[1])
        for value, by in zip(before, sizes, strict=True)
    ]
    # Gain and shift are then near 1, all parameters but signed levels near 1 or logarithmic.
    steps = [1.0, 1.0] + [
        LEVEL_STEP * ORDINARY if by is not None and not by[1] else value.abs().clamp(min=1.0)
        for value, by in zip(inside[2:], sizes[2:], strict=True)
    ]
    moves = [torch.zeros_like(tensor, requires_grad=True) for tensor in tensors]

    def moved_tensors() -> list[Tensor]:
        now = (value + step * move for value, step, move in zip(inside, steps, moves, strict=True))
        return [
            value if by is None else out_of_units(value, by[0].to(value), by[1])
            for value, by in zip(now, sizes, strict=True)
        ]

    def losses() -> Tensor:
        now = moved_tensors()
        moved = torch.func.functional_call(curve, dict(zip(names, now[2:], strict=True)), (drive * now[0] + now[1],))
        return loss(moved.transpose(1, 2).unsqueeze(2), target)

    search = torch.optim.LBFGS(moves, max_iter=STEPS, history_size=8, line_search_fn="strong_wolfe")

    def closure() -> float:
        search.zero_grad()
        total = losses().nansum()
        total.backward()
        return total.item() if math.isfinite(total.item()) else torch.inf

    with torch.no_grad():
        start = losses()
    search.step(closure)
    with torch.no_grad():
        end = losses()
        better = (end <= start) & end.isfinite()
        after = [
            torch.where(better, value, old) if old.shape == better.shape else old
            for old, value in zip(before, moved_tensors(), strict=True)
        ]
        for parameter, value in zip(tensors[2:], after[2:], strict=True):
            parameter.copy_(value)
    return after[0], after[1]


def _of_like_drive(drive: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Means of drive (1, N, G) and target (1, N, 1, G) over groups of as many bins, in the order of the drive.

    The bins themselves where a neuron with a response has few.
    """
    N = drive.shape[1]
    values, response = drive.transpose(0, 1).flatten(1), target.transpose(0, 1).flatten(1)
    there = ~response.isnan() & values.isfinite()
    count = there.sum(1)
    if bool(((count > 0) & (count < LEAST_IN_A_GROUP * GROUPS)).any()):
        return drive, target
    order = torch.where(there, values, torch.inf).argsort(1)
    ends = torch.arange(GROUPS + 1, device=count.device) * count[:, None] // GROUPS

    def means(x: Tensor) -> Tensor:
        sums = functional.pad(torch.where(there, x, 0.0).double().gather(1, order).cumsum(1), (1, 0))
        return (sums.gather(1, ends).diff() / ends.diff()).to(x).view(1, N, GROUPS)

    return means(values).nan_to_num(nan=0.0), means(response).unsqueeze(2)
