"""The live bench: edit the parameters of a neuron model by hand and watch its response."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deepstrf.deprecation import moved_modules

if TYPE_CHECKING:
    from .bench import ActivationEditor, AdapTransEditor, BenchWidget, ResponseView, STRFEditor
    from .explorer import Explorer, explore
    from .neuron_gallery import Gallery, gallery
    from .session import Change, Edit, LiveSession
    from .stimulus import SpectrogramPainter, StimulusPanel
    from .training import TrainingView, train

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

_ROOMS = {
    "ActivationEditor": "bench",
    "AdapTransEditor": "bench",
    "BenchWidget": "bench",
    "Change": "session",
    "Edit": "session",
    "Explorer": "explorer",
    "Gallery": "neuron_gallery",
    "LiveSession": "session",
    "ResponseView": "bench",
    "STRFEditor": "bench",
    "SpectrogramPainter": "stimulus",
    "StimulusPanel": "stimulus",
    "TrainingView": "training",
    "explore": "explorer",
    "gallery": "neuron_gallery",
    "train": "training",
}

moved_modules(
    {
        f"{__name__}.{old}": f"{__name__}.{new}"
        for old, new in {
            "background_fit": "training.background_fit",
            "changes": "session",
            "confidence": "figures",
            "diagnosis": "explorer.diagnosis",
            "editor": "bench",
            "edits": "session.serialization",
            "gallery_view": "neuron_gallery",
            "own_sounds": "stimulus.catalogue",
            "page": "bench",
            "parameters": "session.parameters",
            "response": "bench",
            "spectrogram_painter": "stimulus",
            "stimulus_panel": "stimulus",
            "training_view": "training",
            "tuning_table": "neuron_gallery.tuning_table",
            "units": "session.units",
        }.items()
    }
)


def __getattr__(name: str) -> Any:
    """Public names on first use: Jupyter's server loads `deepstrf_widgets.server` and must not pay for torch."""
    if name in _ROOMS:
        return getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
