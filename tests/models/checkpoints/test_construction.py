"""Modules as class name and arguments: what is written can be built again, and nothing else."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.checkpoints.construction import NotEncodable, decode_module, encode_module
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, make_prefiltering

MODULES = [
    AdapTrans([0.5, 0.25], [0.75, 0.5], kernel_size=5),
    AdapTrans([0.5, 0.25], [0.75, 0.5], kernel_size=3, learnable=False),
    ICAdaptation([0.5, 0.25], kernel_size=4),
    make_prefiltering("adaptrans", 4, 5.0),
    ParametricSTRF(3, 4, 2, 5, num_gaussians=2, bias=False),
    SeparableSTRF(3, 4, 2, 5),
    ParametricSigmoid(3, bias=False),
    ParametricDoubleExponential(3, non_negative_output=False),
    ParametricSoftplus(3),
    nn.CELU(0.7),
    nn.Conv2d(2, 4, (3, 1), stride=(1, 1), groups=2, bias=False),
    nn.ELU(0.5),
    nn.GELU("tanh"),
    nn.Hardtanh(-0.5, 2.0),
    nn.Identity(),
    nn.LeakyReLU(0.3),
    nn.PReLU(3),
    nn.RReLU(0.1, 0.2),
    nn.Threshold(0.1, -0.5),
    nn.Hardshrink(0.3),
    nn.Softshrink(0.3),
    nn.ReLU(),
    nn.Sigmoid(),
    nn.Softplus(2.0, 30.0),
    nn.Tanh(),
    nn.Sequential(nn.Conv2d(1, 2, (3, 1)), nn.Sequential(nn.Conv2d(2, 2, (1, 4)), nn.Tanh())),
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_a_module_comes_back_through_json(module: nn.Module) -> None:
    again = decode_module(json.loads(json.dumps(encode_module(module))))
    assert type(again) is type(module)
    assert repr(again) == repr(module)
    assert encode_module(again) == encode_module(module)
    again.load_state_dict(module.state_dict())
    learnable = [name for name, _ in module.named_parameters()]
    assert [name for name, _ in again.named_parameters()] == learnable


def test_every_elementwise_activation_of_torch_is_known() -> None:
    """All classes of torch.nn that give a tensor of the shape they take, built with their defaults if they have any."""
    others = {"GLU", "MultiheadAttention", "Softmax", "Softmax2d", "Softmin", "LogSoftmax"}  # they mix elements
    arguments = {"Threshold": (0.1, 0.0)}
    for name in set(torch.nn.modules.activation.__all__) - others:
        module = getattr(nn, name)(*arguments.get(name, ()))
        assert type(decode_module(encode_module(module))) is type(module)


def test_a_subclass_is_another_class() -> None:
    class Tanh(nn.Tanh):
        """Same name, other class."""

    for module in (Tanh(), nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1))):
        with pytest.raises(NotEncodable, match="cannot be rebuilt from a file"):
            encode_module(module)


def test_values_are_those_of_the_original() -> None:
    module = AdapTrans([0.5, 0.25], [0.75, 0.5], kernel_size=5)
    again = decode_module(encode_module(module))
    x = torch.rand(2, 1, 2, 9)
    assert torch.equal(again(x), module(x))
