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

__all__ = [
    "__version__",
    "analysis",
    "datasets",
    "demo",
    "load_demo",
    "metrics",
    "models",
    "simulate",
    "stimuli",
    "training",
    "utils",
]

__version__ = "0.1.0"


def load_demo(*args: Any, **kwargs: Any) -> Any:
    """Everything the tour needs to start: see `deepstrf.demo.load_demo`, to which all arguments go."""
    from deepstrf.demo import load_demo as load

    return load(*args, **kwargs)


def __getattr__(name: str) -> Any:
    """Subpackages on first use, so that ``import deepstrf`` alone loads neither torch nor anything else."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
