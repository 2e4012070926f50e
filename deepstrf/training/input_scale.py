"""Steps of a network's first layer as if its sounds had mean 0 and variance 1, while the model goes on to take dB.

Sounds in dB have a mean several times their scatter, in which steps of one size for all weights go astray: what the
first layer learns about the scatter, it has to undo in its bias. The optimizer is therefore given other coordinates of
the same layer, ``v = s w`` and ``c = b + sum(m w)``, those of a layer that sees ``(x - m) / s``. The model itself never
differs from one that takes dB: it is saved, exported and shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from deepstrf.models.audio import ConvNet2D, NetworkReceptiveField, StateNet, Transformer
from deepstrf.models.layers import LocallyConnected1d
from deepstrf.training.batches import Examples
from deepstrf.training.starts import heard_by

FirstLayer = nn.Conv1d | nn.Conv2d | nn.Linear | LocallyConnected1d


def first_layer(model: nn.Module) -> FirstLayer | None:
    """The layer of a network that sees the sounds (after the prefilter); None where it is not known or not free."""
    parts: Iterable[nn.Module] = ()
    if isinstance(model, Transformer):
        parts = [model.patchify]
    elif isinstance(model, StateNet):
        parts = model.encoder_layers.children()
    elif isinstance(model, ConvNet2D):
        parts = model.core.children()
    elif isinstance(model, NetworkReceptiveField):
        parts = [model.core[0].kernel]  # type: ignore[list-item]
    layer = next((part for part in parts if isinstance(part, FirstLayer)), None)
    if layer is None or not all(parameter.requires_grad for parameter in layer.parameters()):
        return None
    return layer if getattr(layer, "groups", 1) == 1 else None


class StandardisedLayer:
    """Weights and bias of a first layer in the coordinates of standardised sounds.

    Parameters
    ----------
    layer : Module
    mean, sd : Tensor, shape (C,)
        Of each channel of the sounds.
    """

    def __init__(self, layer: FirstLayer, mean: Tensor, sd: Tensor) -> None:
        local = isinstance(layer, LocallyConnected1d)
        self.of_weight = layer.get_parameter("weights" if local else "weight")
        bias = layer._parameters.get("biases" if local else "bias")
        self.of_bias: nn.Parameter | None = bias
        inputs = self.of_weight.shape[1]
        # Of a convolution the second axis counts channels, of the others all inputs, channel after channel.
        shape = (1, inputs, *[1] * (self.of_weight.dim() - 2))
        self.mean, self.sd = (x.to(self.of_weight).repeat_interleave(inputs // len(x)).view(shape) for x in (mean, sd))
        self.weight = nn.Parameter(torch.empty_like(self.of_weight))
        self.bias = None if bias is None else nn.Parameter(torch.empty_like(bias))
        self.read()

    def _at_mean(self, weight: Tensor) -> Tensor:
        """What the layer adds to its bias when its input is the mean."""
        places = 1 if self.of_bias is None else self.of_bias.dim() - 1  # biases of local filters have a place, too
        return (weight * self.mean).sum(tuple(range(1, weight.dim() - places)))

    def replaced(self, parameter: nn.Parameter) -> nn.Parameter:
        """What an optimizer is given in place of a parameter of the model."""
        if parameter is self.of_weight:
            return self.weight
        return self.bias if parameter is self.of_bias and self.bias is not None else parameter

    def is_of(self, tensor: Tensor) -> bool:
        """Whether a tensor is the weight or the bias of the layer, or a view of all of it."""
        own = (self.of_weight, self.of_bias)
        return any(one is not None and one.data_ptr() == tensor.data_ptr() for one in own)

    def read(self) -> None:
        """Take these coordinates from the layer, as others have written it."""
        with torch.no_grad():
            self.weight.copy_(self.of_weight * self.sd)
            if self.of_bias is not None and self.bias is not None:
                self.bias.copy_(self.of_bias + self._at_mean(self.of_weight))

    def write(self) -> None:
        """Put these coordinates into the layer."""
        with torch.no_grad():
            weight = self.weight / self.sd
            self.of_weight.copy_(weight)
            if self.of_bias is not None and self.bias is not None:
                self.of_bias.copy_(self.bias - self._at_mean(weight))

    def take_gradient(self) -> None:
        """Put the gradient that the layer has into these coordinates."""
        gradient = self.of_weight.grad
        if gradient is None:
            self.weight.grad = None
            return
        if self.of_bias is not None and self.bias is not None and self.of_bias.grad is not None:
            self.bias.grad = self.of_bias.grad
            by_bias = self.of_bias.grad
            missing = gradient.dim() - by_bias.dim()
            by_bias = by_bias.view(len(by_bias), *[1] * missing, *by_bias.shape[1:])
            gradient = gradient - by_bias * self.mean
        self.weight.grad = gradient / self.sd

    def clear_gradient(self) -> None:
        """Forget the gradient of the layer."""
        self.of_weight.grad = None
        if self.of_bias is not None:
            self.of_bias.grad = None

    def tensors(self) -> list[Tensor]:
        """The coordinates."""
        return [x.detach() for x in (self.weight, self.bias) if x is not None]

    def load(self, tensors: object) -> None:
        """Take coordinates that `tensors` gave; ValueError where they are those of another layer."""
        mine = self.tensors()
        if not isinstance(tensors, list) or [x.shape for x in mine] != [getattr(x, "shape", None) for x in tensors]:
            raise ValueError("its first layer is not that of this model")
        for one, other in zip(mine, tensors, strict=True):
            one.copy_(other)


def standardised_layer(model: nn.Module, train: Examples) -> StandardisedLayer | None:
    """The first layer of a network in the coordinates of its sounds, or None where it is not known."""
    layer = first_layer(model)
    if layer is None:
        return None
    heard = heard_by(model, train)
    inside = torch.arange(heard.shape[-1]) < torch.tensor(train.bins)[:, None]
    values = heard.transpose(1, 3)[inside.to(heard.device)]  # (bins, F, C)
    mean, sd = values.mean((0, 1)), values.std((0, 1))
    return StandardisedLayer(layer, mean, torch.where(sd > 0, sd, 1.0))


def start_standardised(layer: StandardisedLayer) -> None:
    """Give the layer the weights that its constructor drew, as weights for standardised sounds."""
    with torch.no_grad():
        layer.weight.copy_(layer.of_weight)
        if layer.bias is not None and layer.of_bias is not None:
            layer.bias.copy_(layer.of_bias)
    layer.write()
