"""A fit in a background thread and its live view: losses, scores and parameters as they form."""

from .view import TrainingView, train

__all__ = ["TrainingView", "train"]
