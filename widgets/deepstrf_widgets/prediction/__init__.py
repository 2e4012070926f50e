"""A response that the user draws by hand before it is shown."""

from .drawn import DrawnPrediction

__all__ = ["DrawnPrediction"]
