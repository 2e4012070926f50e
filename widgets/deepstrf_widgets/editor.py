"""The receptive-field editor alone, without the response beside it."""

from __future__ import annotations

import traitlets

from .bench import BenchWidget

__all__ = ["STRFEditor"]


class STRFEditor(BenchWidget):
    """Heatmap of one neuron's STRF with a handle on every Gaussian. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("strf").tag(sync=True)
