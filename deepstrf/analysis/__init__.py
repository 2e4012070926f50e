"""What a fitted receptive field says about its neuron, and what is suspicious in a fitted model."""

from deepstrf.analysis.diagnosis import Diagnosis, Finding, diagnose
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
    "Diagnosis",
    "Finding",
    "ModulationTransfer",
    "bandwidth",
    "best_frequency",
    "diagnose",
    "direction_index",
    "latency",
    "modulation_transfer",
    "on_off_index",
    "separability_index",
]
