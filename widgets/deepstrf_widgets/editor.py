"""One stage of a model alone, without the response beside it."""

from __future__ import annotations

import traitlets

from .bench import BenchWidget

__all__ = ["ActivationEditor", "AdapTransEditor", "STRFEditor"]


class AdapTransEditor(BenchWidget):
    """Time constants and weights of the adaptation over frequency. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("adaptation").tag(sync=True)


class STRFEditor(BenchWidget):
    """Heatmap of one neuron's STRF with a handle on every Gaussian. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("strf").tag(sync=True)


class ActivationEditor(BenchWidget):
    """Output curve of one neuron over what its drive does. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("activation").tag(sync=True)
