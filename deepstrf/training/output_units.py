"""Steps of gains, shifts and output curves in units of each neuron's response, so that the unit decides nothing.

The step of an adaptive optimizer has one size, whatever the gradient. Taken on the gain of a neuron whose responses are
of the order of 0.0001, a step of 0.01 throws the fit out; of the order of 100, the gain stays where it began. The
optimizer is therefore given the same parameters as those of a model of responses of an ordinary size, and the loss in
units of what a constant prediction loses. The model itself gives responses in their own unit at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.models.readouts import LinearReadout, STRFReadout
from deepstrf.training.output_start import Scale, into_units, out_of_units, units_of


def is_adaptive(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the steps of an optimizer do not grow with the gradient (Adam and its kin, which divide by its size)."""
    return all("eps" in group for group in optimizer.param_groups)


class OutputUnits:
    """Which parameters of a model are in units of the response, and in which.

    Parameters
    ----------
    sizes : mapping of str to (Tensor, bool)
        Of a parameter its unit, of a shape that broadcasts, and whether it is the raw value of a positive quantity,
        which the unit then divides.
    """

    def __init__(self, sizes: Mapping[str, tuple[Tensor, bool]]) -> None:
        self.sizes = dict(sizes)

    @classmethod
    def of(cls, model: nn.Module, target: Tensor) -> OutputUnits:
        """Those of a model's readout, for mean responses (B, N, 1, T); neurons that never vary have a unit of 1."""
        readout = getattr(model, "readout", model)
        if not isinstance(readout, (STRFReadout, LinearReadout)):
            return cls({})
        drive, of_curve = units_of(readout.activation, Scale(target))
        sizes: dict[int, tuple[Tensor, bool]] = {}
        if isinstance(readout, STRFReadout):
            last: nn.Module = readout.bn
        else:
            last = [module for module in readout.fc.modules() if isinstance(module, nn.Linear)][-1]
        for tensor in last.parameters(recurse=False):
            if len(tensor) == len(drive):
                sizes[id(tensor)] = (drive.view(-1, *[1] * (tensor.dim() - 1)), False)
        for name, parameter in readout.activation.named_parameters():
            if name in of_curve:
                sizes[id(parameter)] = of_curve[name]
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        return cls({name: sizes[id(parameter)] for name, parameter in named.items() if id(parameter) in sizes})

    @classmethod
    def stacked(cls, several: Sequence[OutputUnits]) -> OutputUnits:
        """Those of alike models whose parameters are stacked along a first axis."""
        first = several[0].sizes
        return cls({name: (torch.stack([one.sizes[name][0] for one in several]), first[name][1]) for name in first})

    def rows(self, which: Tensor) -> OutputUnits:
        """Those of some of the stacked models."""
        return OutputUnits({name: (size[which.to(size.device)], raw) for name, (size, raw) in self.sizes.items()})

    @contextmanager
    def taken(self, tensors: Mapping[str, Tensor]) -> Iterator[None]:
        """Inside, parameters and their gradients are in these units; what does not change there keeps its bits."""
        before: dict[str, tuple[Tensor, Tensor]] = {}
        try:
            with torch.no_grad():
                for name, (size, raw) in self.sizes.items():
                    tensor = tensors[name]
                    value = tensor.detach().clone()
                    wide = torch.promote_types(value.dtype, torch.float32)
                    size = size.to(value.device, wide)
                    inside = into_units(value.to(wide), size, raw)
                    if tensor.grad is not None:
                        slope = size
                        if raw:
                            slope = size * (_log_slope(inside) - _log_slope(value.to(wide))).exp()
                        tensor.grad.mul_(slope)
                    tensor.copy_(inside)
                    before[name] = (value, tensor.detach().clone())
            yield
        finally:
            with torch.no_grad():
                for name, (value, inside) in before.items():
                    tensor, (size, raw) = tensors[name], self.sizes[name]
                    wide = torch.promote_types(value.dtype, torch.float32)
                    size, moved = size.to(value.device, wide), tensor.to(wide)
                    outside = out_of_units(moved, size, raw)
                    tensor.copy_(torch.where(tensor == inside, value, outside.to(value.dtype)))


def _log_slope(raw: Tensor) -> Tensor:
    """Logarithm of the slope of softplus."""
    return functional.logsigmoid(raw)
