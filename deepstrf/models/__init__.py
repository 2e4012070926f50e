"""Encoding models and the parts they are made of."""

from .audio import AudioEncodingModel, Linear, LinearNonlinear
from .neural_model import NeuralModel

__all__ = ["AudioEncodingModel", "Linear", "LinearNonlinear", "NeuralModel"]
