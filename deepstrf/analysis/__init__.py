"""What a fitted model says about its neurons: tuning, filters, and what is suspicious."""

from deepstrf.analysis.ablation import CHANNELS, Switch, ablated, add_switches, switches, without_switches
from deepstrf.analysis.diagnosis import Diagnosis, Finding, diagnose
from deepstrf.analysis.dynamic_strf import DynamicSTRF
from deepstrf.analysis.modulation import (
    ModulationTransfer,
    direction_index,
    modulation_transfer,
)
from deepstrf.analysis.subspace import ResponseSurface, Subspace, subspace
from deepstrf.analysis.tuning import (
    bandwidth,
    best_frequency,
    latency,
    on_off_index,
    separability_index,
)
from deepstrf.analysis.wanted_sound import WantedSound, wanted_sound

__all__ = [
    "CHANNELS",
    "Diagnosis",
    "DynamicSTRF",
    "Finding",
    "ModulationTransfer",
    "ResponseSurface",
    "Subspace",
    "Switch",
    "WantedSound",
    "ablated",
    "add_switches",
    "bandwidth",
    "best_frequency",
    "diagnose",
    "direction_index",
    "latency",
    "modulation_transfer",
    "on_off_index",
    "separability_index",
    "subspace",
    "switches",
    "wanted_sound",
    "without_switches",
]
