"""Recordings: stimuli and the responses of neurons to them, read from files and made ready for a fit."""

from deepstrf.datasets.array_files import read_arrays
from deepstrf.datasets.catalogue import fetch
from deepstrf.datasets.crcns import read_crcns_aa
from deepstrf.datasets.fields import linear_from_field
from deepstrf.datasets.folder import RecordingFolder
from deepstrf.datasets.nems import read_nems
from deepstrf.datasets.nwb import read_nwb
from deepstrf.datasets.phy import read_phy
from deepstrf.datasets.recording import Recording, collate
from deepstrf.datasets.smoothing import smooth_responses
from deepstrf.datasets.spikes import align, count_spikes, spike_times

__all__ = [
    "Recording",
    "RecordingFolder",
    "align",
    "collate",
    "count_spikes",
    "fetch",
    "linear_from_field",
    "read_arrays",
    "read_crcns_aa",
    "read_nems",
    "read_nwb",
    "read_phy",
    "smooth_responses",
    "spike_times",
]
