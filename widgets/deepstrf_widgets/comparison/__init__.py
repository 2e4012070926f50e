"""Two models of the same neurons beside each other."""

from .other_model import OtherModel
from .panel import ComparisonPanel

__all__ = ["ComparisonPanel", "OtherModel"]
