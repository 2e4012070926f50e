"""The model zoo: published encoding models of auditory neurons, one a file."""

from .audio_model import AudioEncodingModel
from .linear import Linear
from .linear_nonlinear import LinearNonlinear

__all__ = ["AudioEncodingModel", "Linear", "LinearNonlinear"]
