"""Encoding models and the parts they are made of."""

from .audio import (
    AudioEncodingModel,
    ConvNet2D,
    DNet,
    KernelRegression,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    StateNet,
    Transformer,
)
from .neural_model import NeuralModel
from .recorded_axes import RecordedAxes

__all__ = [
    "AudioEncodingModel",
    "ConvNet2D",
    "DNet",
    "KernelRegression",
    "Linear",
    "LinearNonlinear",
    "NetworkReceptiveField",
    "NeuralModel",
    "RecordedAxes",
    "StateNet",
    "Transformer",
]
