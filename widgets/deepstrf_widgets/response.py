"""The response view alone: what the neuron hears and what it answers."""

from __future__ import annotations

import traitlets

from .bench import BenchWidget

__all__ = ["ResponseView"]


class ResponseView(BenchWidget):
    """Predicted (and recorded) response of one neuron under the spectrogram. See :class:`BenchWidget`."""

    view = traitlets.Unicode("response").tag(sync=True)
