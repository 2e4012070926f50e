"""Plotly figures of a session: stimulus, response and receptive field of one neuron, with bands of confidence."""

from .confidence import Confidence
from .neuron_figure import neuron_figure

__all__ = ["Confidence", "neuron_figure"]
