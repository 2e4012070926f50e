"""What of a model is switched off, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from deepstrf.analysis import CHANNELS

__all__ = ["ablation_text"]

Values = NDArray[np.float64]


def ablation_text(switches: Mapping[str, Values], cf_hz: Values) -> str:
    """Part of a sentence such as "bands 1-2.3 kHz, OFF, units 3-4", counted from 1; empty where all are on.

    Parameters
    ----------
    switches : mapping of str to ndarray
        Value of each switch by the name of the parts, 1 where they are on.
    cf_hz : ndarray, shape (F,)
        Of the bands.
    """
    said = []
    for name, values in switches.items():
        off = np.flatnonzero(values < 1).tolist()
        if not off:
            continue
        if name.startswith("memory"):
            said.append(name.replace("_", " of layer "))
        elif name == "channels" and len(values) == len(CHANNELS):
            said += [CHANNELS[part] for part in off]
        elif name == "bands":
            said += [f"bands {_khz(cf_hz[first])}-{_khz(cf_hz[last])} kHz" for first, last in _runs(off)]
        else:
            runs = ", ".join(str(a + 1) if a == b else f"{a + 1}-{b + 1}" for a, b in _runs(off))
            said.append(f"{name.replace('_', ' of layer ')} {runs}")
    return ", ".join(said)


def _khz(hz: float) -> str:
    return f"{hz / 1000:.3g}"


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]
