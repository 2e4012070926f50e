"""Other sounds for the neurons of a session: synthetic ones, sound files, a spectrogram painted by the user."""

from .panel import StimulusPanel
from .spectrogram_painter import SpectrogramPainter

__all__ = ["SpectrogramPainter", "StimulusPanel"]
