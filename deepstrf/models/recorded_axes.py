"""What the axes of a model's stimuli and responses stand for, as the recording had them that it was fitted to."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from deepstrf.deprecation import keywords

__all__ = ["SPIKES", "RecordedAxes"]

SPIKES = "spikes/bin"
"""Unit of responses that are counts of spikes."""


@keywords()
@dataclass(frozen=True)
class RecordedAxes:
    """Units and names that a recording gives to a model, kept as ``model.axes`` and in its checkpoints.

    Parameters
    ----------
    dt_ms : float
        Bin width, ms.
    cf_hz : tuple of float
        Centre frequencies of the F bands, Hz, ascending.
    neuron_names : tuple of str
        Of the N neurons.
    delay_ms : float
        Of the stimuli, ms, as in `deepstrf.stimuli.Spectrogram`.
    unit, response_unit : str
        Of the stimuli, and of the responses.

    Raises
    ------
    ValueError
        A width, a frequency or a delay that is not as said.
    """

    dt_ms: float
    cf_hz: tuple[float, ...]
    neuron_names: tuple[str, ...]
    delay_ms: float = 0.0
    unit: str = "dB"
    response_unit: str = SPIKES

    def __post_init__(self) -> None:
        if not 0 < self.dt_ms < math.inf:
            raise ValueError(f"dt_ms must be positive and finite (ms), got {self.dt_ms}")
        if not math.isfinite(self.delay_ms):
            raise ValueError(f"delay_ms must be finite (ms), got {self.delay_ms}")
        pairs = zip((0.0, *self.cf_hz), (*self.cf_hz, math.inf), strict=True)
        if not self.cf_hz or not all(low < high for low, high in pairs):
            raise ValueError(f"cf_hz must be positive, finite and ascending (Hz), got {list(self.cf_hz)}")

    def __repr__(self) -> str:
        low, high = self.cf_hz[0], self.cf_hz[-1]
        return (
            f"RecordedAxes({len(self.cf_hz)} bands {low:.0f}-{high:.0f} Hz, bins of {self.dt_ms:g} ms, "
            f"{len(self.neuron_names)} neurons, {self.response_unit})"
        )

    def to_json(self) -> dict[str, Any]:
        """As numbers, text and lists."""
        return {**asdict(self), "cf_hz": list(self.cf_hz), "neuron_names": list(self.neuron_names)}

    @classmethod
    def from_json(cls, values: Any) -> RecordedAxes:
        """What `to_json` made.

        Raises
        ------
        ValueError
            It was something else.
        """
        texts = ("unit", "response_unit")
        try:
            found = cls(
                dt_ms=float(values["dt_ms"]),
                cf_hz=tuple(float(one) for one in values["cf_hz"]),
                neuron_names=tuple(values["neuron_names"]),
                delay_ms=float(values["delay_ms"]),
                **{name: values[name] for name in texts},
            )
        except (TypeError, KeyError, OverflowError, ValueError) as error:
            raise ValueError(f"no axes of a recording: {type(error).__name__}: {error}") from error
        if not all(isinstance(one, str) for one in (*found.neuron_names, found.unit, found.response_unit)):
            raise ValueError("no axes of a recording: names and units must be text")
        return found
