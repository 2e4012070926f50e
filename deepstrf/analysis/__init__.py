"""What a receptive field says about its neuron: where it is tuned, how sharply, how fast, and to which modulations."""

from deepstrf.analysis.modulation import (
    ModulationTransfer,
    direction_index,
    modulation_transfer,
)
from deepstrf.analysis.tuning import (
    bandwidth,
    best_frequency,
    latency,
    on_off_index,
    separability_index,
)

__all__ = [
    "ModulationTransfer",
    "bandwidth",
    "best_frequency",
    "direction_index",
    "latency",
    "modulation_transfer",
    "on_off_index",
    "separability_index",
]
