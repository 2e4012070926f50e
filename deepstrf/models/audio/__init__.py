"""The model zoo: published encoding models of auditory neurons, one a file."""

from .audio_model import AudioEncodingModel
from .convnet2d import ConvNet2D
from .dnet import DNet
from .kernel_regression import KernelRegression
from .linear import Linear
from .linear_nonlinear import LinearNonlinear
from .network_receptive_field import NetworkReceptiveField
from .statenet import StateNet
from .transformer import Transformer

__all__ = [
    "AudioEncodingModel",
    "ConvNet2D",
    "DNet",
    "KernelRegression",
    "Linear",
    "LinearNonlinear",
    "NetworkReceptiveField",
    "StateNet",
    "Transformer",
]
