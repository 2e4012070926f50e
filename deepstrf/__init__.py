"""Encoding models of auditory neurons, from the sound to the firing rate of each cell.

One legend of axis letters serves every docstring:

======  ==============================================================
letter  axis
======  ==============================================================
B       batch: stimuli or excerpts
N       neurons
R       repeats of one stimulus
T       time bins (of a signal) or taps (of a kernel; the last is lag 0)
F       frequency bands, from low to high
C       channels; after an ON/OFF prefilter 0 is ON and 1 is OFF
G       Gaussians of a parametric receptive field
H       hidden units
K       taps of a filter
======  ==============================================================

Models take (B, 1, F, T) and give (B, N, 1, T); responses are (B, N, R, T) with NaN where nothing was recorded.
"""

from __future__ import annotations

import importlib
from typing import Any

from deepstrf.deprecation import moved_modules

__version__ = "0.1.0"

_MOVED = {
    "deepstrf.models.construction": "deepstrf.models.checkpoints.construction",
    "deepstrf.models.gradient_maps": "deepstrf.models.audio.gradient_maps",
    "deepstrf.utils": "deepstrf.models.checkpoints",
    "deepstrf.utils.file_set": "deepstrf.models.checkpoints.atomic_files",
    "deepstrf.utils.hub": "deepstrf.models.checkpoints",
    "deepstrf.utils.model_card": "deepstrf.models.checkpoints.model_card",
}
moved_modules(_MOVED)

_NAMES = {
    "analysis": ("diagnose",),
    "datasets": ("Recording", "RecordingFolder", "fetch", "linear_from_field", "read_nems", "read_nwb"),
    "demo": ("load_demo",),
    "metrics": (),
    "models": (
        "AudioEncodingModel",
        "ConvNet2D",
        "DNet",
        "Linear",
        "LinearNonlinear",
        "NetworkReceptiveField",
        "NeuralModel",
        "StateNet",
        "Transformer",
    ),
    "simulate": ("simulate_population",),
    "stimuli": ("Spectrogram", "log_mel_spectrogram", "read_wav", "spectrogram_from_wav"),
    "training": ("Fitter", "compare", "cross_validate", "jackknife", "predict"),
}
_HOMES = {name: room for room, names in _NAMES.items() for name in names}

__all__ = ["__version__", *_NAMES, *_HOMES]


def __getattr__(name: str) -> Any:
    """Rooms, and the names most used from them, on first use: ``import deepstrf`` alone loads no torch."""
    if name in _NAMES or f"{__name__}.{name}" in _MOVED:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
