"""The live bench: edit the parameters of a neuron model by hand and watch its response."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bench import BenchWidget
    from .changes import Change, Edit
    from .editor import ActivationEditor, AdapTransEditor, STRFEditor
    from .explorer import Explorer, explore
    from .gallery_view import Gallery, gallery
    from .response import ResponseView
    from .session import LiveSession
    from .spectrogram_painter import SpectrogramPainter
    from .stimulus_panel import StimulusPanel
    from .training_view import TrainingView, train

__all__ = [
    "ActivationEditor",
    "AdapTransEditor",
    "BenchWidget",
    "Change",
    "Edit",
    "Explorer",
    "Gallery",
    "LiveSession",
    "ResponseView",
    "STRFEditor",
    "SpectrogramPainter",
    "StimulusPanel",
    "TrainingView",
    "explore",
    "gallery",
    "train",
]

_HOMES = {
    "ActivationEditor": "editor",
    "AdapTransEditor": "editor",
    "BenchWidget": "bench",
    "Change": "changes",
    "Edit": "changes",
    "Explorer": "explorer",
    "Gallery": "gallery_view",
    "LiveSession": "session",
    "ResponseView": "response",
    "STRFEditor": "editor",
    "SpectrogramPainter": "spectrogram_painter",
    "StimulusPanel": "stimulus_panel",
    "TrainingView": "training_view",
    "explore": "explorer",
    "gallery": "gallery_view",
    "train": "training_view",
}


def __getattr__(name: str) -> Any:
    """Public names on first use: Jupyter's server loads `deepstrf_widgets.server` and must not pay for torch."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
