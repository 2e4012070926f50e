"""The live bench: edit the parameters of a neuron model in the browser and watch its response."""

from __future__ import annotations

import importlib
from typing import Any

from deepstrf.deprecation import moved_modules

_NAMES = {
    "bench": (
        "ActivationEditor",
        "AdapTransEditor",
        "BenchWidget",
        "ResponseView",
        "STRFEditor",
        "save_html",
        "save_module",
    ),
    "explorer": ("Explorer", "explore"),
    "figures": ("neuron_figure",),
    "fits": ("FitTable",),
    "neuron_gallery": ("Gallery", "gallery"),
    "pictures": (
        "Picture",
        "bars_picture",
        "curve_picture",
        "lines_picture",
        "raster_picture",
        "scatter_picture",
        "spectrogram_picture",
        "stack_picture",
        "strf_picture",
    ),
    "play": ("PlaySettings", "Player"),
    "prediction": ("DrawnPrediction",),
    "session": ("Change", "Edit", "Explanation", "LiveSession"),
    "stimulus": ("SpectrogramPainter", "StimulusPanel"),
    "training": ("train",),
}
_BENCHES = ("ActivationEditor", "AdapTransEditor", "BenchWidget", "Explorer", "ResponseView", "STRFEditor", "explore")
"""Names with which a cell that imports them also sends the code of the bench: the cell that shows one need not wait."""
_HOMES = {name: room for room, names in _NAMES.items() for name in names}

__all__ = ["pictures", *_HOMES]

moved_modules(
    {
        f"{__name__}.{old}": f"{__name__}.{new}"
        for old, new in {
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
    if name in _NAMES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        if name in _BENCHES:
            importlib.import_module(f"{__name__}.bench").BenchWidget.send_code()
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
