"""The live bench: edit the parameters of a neuron model by hand and watch its response."""

from .bench import BenchWidget
from .editor import STRFEditor
from .explorer import Explorer, explore
from .response import ResponseView
from .session import Change, Edit, LiveSession

__all__ = ["BenchWidget", "Change", "Edit", "Explorer", "LiveSession", "ResponseView", "STRFEditor", "explore"]
