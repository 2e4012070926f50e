"""Models without a receptive field of their own, opened: what one neuron responds to, moment by moment and in all."""

from .panel import InsidePanel

__all__ = ["InsidePanel"]
