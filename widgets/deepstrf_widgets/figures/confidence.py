"""How sure a fit is of the fields and of their tuning, ready to be drawn: which weights fade, and what is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.training import Interval, benjamini_hochberg

from ..session.reading import Reading

__all__ = ["Confidence"]

LEVEL = 0.95
EDITED = "edited: intervals as trained"
MISTAKES = 0.05
"""Share of the weights in full colour that may be zero."""

# Read-outs of `deepstrf.training.posterior` and `jackknife`: label, unit, and the unit of the band over it.
READOUTS = {
    "best_frequency": ("best frequency", "kHz", 1e-3),
    "latency": ("latency", "ms", 1.0),
    "bandwidth": ("bandwidth", "oct", 1.0),
}


@keywords()
class Confidence:
    """Bands of a fit, checked against the session that shows them.

    Parameters
    ----------
    bands : mapping of str to Band
        What :func:`deepstrf.training.posterior` or :func:`deepstrf.training.jackknife` returns: ``"strf"``
        (N, C, F, T), and ``"best_frequency"`` in Hz, ``"latency"`` in ms and ``"bandwidth"`` in octaves, (N, C) each,
        as far as they are there. Others are not drawn.
    session : LiveSession
        Of the model that was fitted.

    Raises
    ------
    TypeError, ValueError
        ``confidence`` is no such mapping, has nothing that can be drawn, or is of another model.
    """

    def __init__(self, bands: Mapping[str, Interval], session: Reading) -> None:
        if not isinstance(bands, Mapping):
            raise TypeError(f"confidence must be a mapping of str to Band, got {type(bands).__name__}")
        kernel = session.live.kernel(0)
        if kernel is None:
            raise ValueError(
                "confidence must be of a model with receptive fields, "
                f"got a session of a {type(session.model).__name__} without"
            )
        self.bands = bands
        shapes = {
            "strf": (session.n_neurons, *kernel.shape),
            **dict.fromkeys(READOUTS, (session.n_neurons, len(kernel))),
        }
        drawn = [name for name in shapes if name in bands]
        if not drawn:
            raise ValueError(f"confidence must have one of {list(shapes)}, got {list(bands)}")
        for name in drawn:
            band = bands[name]
            if not (callable(getattr(band, "interval", None)) and hasattr(band, "estimate")):
                raise TypeError(f"confidence[{name!r}] must be a Band, got {type(band).__name__}")
            if band.estimate.shape != shapes[name]:
                raise ValueError(
                    f"confidence[{name!r}] must have shape {shapes[name]}, got {tuple(band.estimate.shape)}"
                )
        self._unsure: NDArray[np.bool_] | None = None
        self.unit_norm = bool(getattr(bands.get("strf"), "unit_norm", False))
        if "strf" in bands:
            self._unsure = np.stack([unsure.numpy() for unsure in _unsure(bands["strf"])])

    @property
    def faded(self) -> str:
        """What it means that a weight is pale, below fields as they are drawn with these bands."""
        return f"at unit norm; {self.meaning}" if self.unit_norm else self.meaning

    @property
    def meaning(self) -> str:
        """The same without a word about the size of the field."""
        if self.unit_norm:
            return f"faded: may be zero (of the rest at most {MISTAKES:.0%} are)"
        return "faded: within the scatter of such fits"

    def unsure(self, neuron: int) -> NDArray[np.bool_] | None:
        """Weights (C, F, T) of one neuron that are not certain; None without bands of the field."""
        return None if self._unsure is None else self._unsure[neuron]

    def readouts(self, neuron: int, channel: int) -> list[str]:
        """Each read-out of a field with its interval, such as "best frequency 4.1 kHz [3.8, 4.4]"."""
        texts = []
        for name, (label, unit, factor) in READOUTS.items():
            if name in self.bands:
                band = self.bands[name]
                # None can be negative, but the quantile of a symmetric distribution may be.
                low, high = (float(end[neuron, channel].clamp(min=0)) * factor for end in band.interval(LEVEL))
                value = float(band.estimate[neuron, channel]) * factor
                if math.isfinite(value):
                    texts.append(f"{label} {with_interval(value, low, high, unit)}")
        return texts

    def edited(self, session: Reading, neuron: int) -> bool:
        """Whether the receptive field of a neuron differs from the fitted one, to which the bands belong."""
        live, trained = session.live.kernel(neuron), session.trained.kernel(neuron)
        return live is not None and trained is not None and not torch.equal(live, trained)


def _unsure(band: Interval) -> Iterator[Tensor]:
    """Weights (C, F, T) of each neuron that are not certain: a weight without an interval never is."""
    p_values = getattr(band, "p_values", None)
    if p_values is None:
        low, high = band.interval(LEVEL)
        yield from (~((low > 0) | (high < 0))).cpu()
    else:
        yield from (~benjamini_hochberg(one, MISTAKES) for one in p_values.cpu())


def with_interval(value: float, low: float, high: float, unit: str) -> str:
    """A number with its interval, both with the digits that the interval leaves: "4.1 kHz [3.8, 4.4]".

    Without an interval three digits, and nothing in brackets; an end that may lie anywhere beyond is infinite.

    Examples
    --------
    >>> with_interval(4.0912, 3.81, 4.37, "kHz"), with_interval(15.2, 8.0, 22.4, "ms")
    ('4.1 kHz [3.8, 4.4]', '15 ms [8, 22]')
    >>> with_interval(0.75, math.nan, math.nan, "oct")
    '0.75 oct'
    """
    width = high - low
    if math.isfinite(low) and high == math.inf:
        return f"{value:.3g} {unit} [{low:.2g}, ∞]"
    if not math.isfinite(width):
        return f"{value:.3g} {unit}"
    # At least three steps from one end to the other.
    digits = max(0, -math.floor(math.log10(width / 3))) if width > 0 else 2
    rounded = (f"{round(x, digits) + 0.0:.{digits}f}" for x in (value, low, high))  # never -0
    return "{} {} [{}, {}]".format(next(rounded), unit, *rounded)
