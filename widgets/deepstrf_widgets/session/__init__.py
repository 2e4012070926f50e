"""A model under edit, without any user interface: parameters in natural units, undo, staged forward pass, scores."""

from .events import Change, Edit
from .explanation import Explanation
from .session import LiveSession

__all__ = ["Change", "Edit", "Explanation", "LiveSession"]
