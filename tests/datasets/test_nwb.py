"""A recording in an NWB file that the test writes."""

import builtins
from datetime import datetime, timezone

import numpy as np
import pytest
import torch

from deepstrf.datasets import count_spikes, read_nwb
from deepstrf.stimuli import log_mel_spectrogram
from tests.datasets.conftest import RATE_HZ, SETTINGS, sound

pynwb = pytest.importorskip("pynwb")

TRIALS = [("low", 10.0), ("high", 11.0), ("low", 12.0), ("low", 13.0)]
SPIKES = {7: [10.001, 10.004, 10.4999, 10.7, 12.25, 13.1], 9: [11.0123, 11.2, 12.0]}


def write(
    path, *, spikes=SPIKES, observed=None, stop_after_s=0.5, column="stimulus", rates=(RATE_HZ, RATE_HZ), skip=()
):
    """File with sounds low (0.5 s, 16-bit) and high (0.25 s, float, two channels), four trials and two units."""
    file = pynwb.NWBFile(
        session_description="test", identifier="id", session_start_time=datetime(2024, 1, 1, tzinfo=timezone.utc)
    )
    low = np.round(sound() * 2**15).astype(np.int16)
    high = np.stack([sound(0.25, 2000.0)] * 2, axis=1) * 4
    file.add_stimulus_template(pynwb.TimeSeries(name="low", data=low, unit="a.u.", rate=float(rates[0])))
    if "high" not in skip:
        timing = {"rate": float(rates[1])} if rates[1] else {"timestamps": np.arange(len(high)) / RATE_HZ}
        file.add_stimulus(pynwb.TimeSeries(name="high", data=high, unit="Pa", conversion=0.25, **timing))
    if "trials" not in skip:
        file.add_trial_column(name=column, description="name of the sound")
        for name, start_s in TRIALS:
            file.add_trial(start_time=start_s, stop_time=start_s + stop_after_s, **{column: name})
    if "units" not in skip:
        for unit, times in spikes.items():
            spans = {} if observed is None else {"obs_intervals": observed[unit]}
            file.add_unit(id=unit, spike_times=times, **spans)
    with pynwb.NWBHDF5IO(str(path), mode="w") as io:
        io.write(file)
    return path


def read(path, **options):
    return read_nwb(path, **{**SETTINGS, **options})


def test_trials_and_sounds(tmp_path):
    data = read(write(tmp_path / "a.nwb"))
    assert data.neuron_names == ("7", "9")
    assert data.stimulus_names == ("low", "high")
    assert data.bins == (100, 50)
    quantised = np.round(sound() * 2**15) / 2**15
    assert torch.equal(data[0][0][0], log_mel_spectrogram(quantised, RATE_HZ, **SETTINGS).values)
    assert torch.allclose(
        data[1][0][0], log_mel_spectrogram(sound(0.25, 2000.0), RATE_HZ, **SETTINGS).values, atol=1e-4
    )
    assert data.responses.shape == (2, 2, 3, 100)
    low = data[0][1]
    for r, start_s in enumerate((10.0, 12.0, 13.0)):
        for n, times in enumerate(SPIKES.values()):
            within = [t - start_s for t in times if 0 <= t - start_s < 0.5]
            assert low[n, r].tolist() == count_spikes(within, 100, 5.0).tolist()
    assert low[0, 0, 0] == 2
    assert low[1, 1, 0] == 1  # a spike at the very onset
    high = data[1][1]
    assert high[1, 0].nonzero().flatten().tolist() == [2, 40]
    assert high[:, 1:].isnan().all()  # presented once


def test_what_was_not_observed_is_nan(tmp_path):
    observed = {7: [[9.0, 10.2525], [12.0, 14.0]], 9: [[10.9, 11.6]]}
    data = read(write(tmp_path / "a.nwb", observed=observed))
    low, high = data[0][1], data[1][1]
    assert low[0, 0].isnan().tolist() == [False] * 50 + [True] * 50
    assert not low[0, 1:].isnan().any()
    assert low[1].isnan().all()
    assert high[0].isnan().all()
    assert not high[1, 0].isnan().any()


def test_bins_after_the_end_of_a_trial_are_nan(tmp_path):
    data = read(write(tmp_path / "a.nwb", stop_after_s=0.301))
    assert data[0][1][0, 0].isnan().tolist() == [False] * 60 + [True] * 40
    assert not data[1][1][0, 0].isnan().any()


def test_selection_of_units_and_another_column(tmp_path):
    path = write(tmp_path / "a.nwb", column="sound_name")
    data = read(path, neurons=["9"], stimulus_column="sound_name")
    assert data.neuron_names == ("9",)
    with pytest.raises(ValueError, match=r"neurons must be among those of .*, \['7', '9'\], got '1'"):
        read(path, neurons=["1"], stimulus_column="sound_name")
    with pytest.raises(ValueError, match=r"stimulus_column must be a column of .* 'sound_name'\], got 'stimulus'"):
        read(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": ("trials",)}, r"a\.nwb must have a table of trials, got none"),
        ({"skip": ("units",)}, r"a\.nwb must have a table of units, got none"),
        ({"skip": ("high",)}, r"a\.nwb: there is no sound 'high' among its stimuli, \['low'\]"),
        ({"rates": (RATE_HZ, 16000)}, r"same sample rate, but 'low' has 8000 Hz and 'high' has 16000 Hz"),
        ({"rates": (RATE_HZ, 0)}, r"sound 'high' must have a sampling rate, got timestamps"),
        ({"rates": (800, 800)}, r"sound 'low': min_hz must lie below half the sample rate, 400 Hz"),
        ({"observed": {7: [[0.0, 1.0]], 9: [[0.0, 1.0]]}}, r"holds no trial in which a unit was observed"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path / "a.nwb", **options))


def test_a_missing_file_and_a_missing_package(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*b\.nwb"):
        read(tmp_path / "b.nwb")
    path = write(tmp_path / "a.nwb")
    real_import = builtins.__import__

    def without_pynwb(name, *args, **kwargs):
        if name == "pynwb":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pynwb)
    with pytest.raises(ImportError, match=r"read_nwb needs the package pynwb: pip install 'deepstrf-lab\[nwb\]'"):
        read(path)
