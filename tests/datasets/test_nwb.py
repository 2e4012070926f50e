"""A recording in an NWB file that the test writes."""

import builtins
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
import soundfile
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
        session_description="test", identifier="id", session_start_time=datetime(2024, 1, 1, tzinfo=UTC)
    )
    low = np.round(sound() * 2**15).astype(np.int16)
    high = np.stack([sound(0.25, 2000.0)] * 2, axis=1) * 4
    file.add_stimulus_template(pynwb.TimeSeries(name="low", data=low, unit="a.u.", rate=float(rates[0])))
    if "high" not in skip:
        even = np.arange(len(high)) / RATE_HZ
        timing = {0: {"timestamps": even}, -1: {"timestamps": even**2}}.get(rates[1], {"rate": float(rates[1])})
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
    with pytest.raises(ValueError, match=r"stimulus_column must be a column of .*'sound_name', .*\], got 'stimulus'"):
        read(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": ("trials",)}, r"a\.nwb must have a table of trials, got none"),
        ({"skip": ("units",)}, r"a\.nwb must have a table of units, got none"),
        ({"skip": ("high",)}, r"a\.nwb: there is no sound 'high' among its stimuli, \['low'\]"),
        ({"rates": (RATE_HZ, 16000)}, r"same sample rate, but 'low' has 8000 Hz and 'high' has 16000 Hz"),
        (
            {"rates": (RATE_HZ, -1)},
            r"sound 'high' must have a sampling rate or timestamps at even distances: resample it",
        ),
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

    def without_h5py(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_h5py)
    with pytest.raises(ImportError, match=r"read_nwb needs the package h5py: pip install 'deepstrf-lab\[nwb\]'"):
        read(path)


def edited(path, change):
    """The file after ``change(root)``, where root is the file as h5py has it."""
    with h5py.File(path, "r+") as root:
        change(root)
    return path


def test_the_onset_may_stand_in_a_column_of_its_own(tmp_path):
    def add_onsets(root):
        trials = root["intervals/trials"]
        trials["stim_on"] = trials["start_time"][:]
        trials["start_time"][:] -= 5
        trials["stop_time"][:] -= 0.0

    path = edited(write(tmp_path / "a.nwb"), add_onsets)
    whole = read(write(tmp_path / "b.nwb")).responses
    assert torch.equal(read(path, onset="stim_on").responses.nan_to_num(-1), whole.nan_to_num(-1))
    with pytest.warns(UserWarning, match=r"a\.nwb: no spike lies within a sound; if one of the columns \['stim_on'\]"):
        assert read(path).responses.nansum() == 0
    with pytest.raises(ValueError, match=r"onset must be a column of the trials in .*'stim_on', .*, got 'onset'"):
        read(path, onset="onset")


def test_catch_trials_are_left_out_with_a_count_and_a_stop_of_nan_is_the_end_of_the_sound(tmp_path):
    def change(root):
        trials = root["intervals/trials"]
        trials["stimulus"][3] = "None"
        trials["stop_time"][0] = np.nan

    with pytest.warns(UserWarning, match=r"a\.nwb: 1 of 4 trials name no sound \('None'\) and are left out"):
        data = read(edited(write(tmp_path / "a.nwb"), change))
    assert data.responses.shape[2] == 2
    assert not data.responses[0].isnan().any()
    assert data.responses[0, 0].sum(-1).tolist() == [3, 1]


def test_times_that_count_from_each_trial_are_noticed(tmp_path):
    path = write(tmp_path / "a.nwb", spikes={7: [0.1, 0.2], 9: [0.3]})
    with pytest.warns(
        UserWarning, match=r"no spike lies within a sound: do the spike times count from the start of each"
    ):
        read(path)
    with pytest.warns(UserWarning, match=r"no spike lies within a sound: the trials lie between 10 and 13 s"):
        read(write(tmp_path / "b.nwb", spikes={7: [100.1, 100.2], 9: [100.3]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: root["units"].pop("spike_times"), r"units must have spike_times, got .*no sorted spikes"),
        (
            lambda root: root["units/spike_times_index"].write_direct(np.array([5, 3], np.uint8)),
            "row 1: it must ascend",
        ),
        (
            lambda root: root["intervals/trials/start_time"].write_direct(np.full(4, np.nan)),
            "row 0: start_time and sto",
        ),
        (lambda root: replace(root, "units/spike_times", np.full(9, np.nan)), "times of unit '7' must be finite"),
        (lambda root: replace(root, "units/spike_times", [b"a"] * 9), r"units/spike_times must be a list of numbers"),
        (
            lambda root: replace(root, "intervals/trials/stop_time", np.ones(3)),
            "columns must be equally long, got 4 of",
        ),
        (lambda root: replace(root, "stimulus/presentation/high/data", np.zeros((0, 2))), "data must hold samples"),
        (lambda root: root["stimulus/templates"].pop("low"), r"there is no sound 'low' among its stimuli, \['high'\]"),
        (lambda root: huge(root, "stimulus/templates/low/data"), r"low/data: 1000000000000 numbers needs 7451 GB"),
        (
            lambda root: huge(root, "units/spike_times_index"),
            "needs 7451 GB of memory, limit 2 GB; raise it with max_gb",
        ),
        (
            lambda root: outside(root, "stimulus/templates/low/data"),
            "lies in another file, '/dev/zero', which is not re",
        ),
    ],
)
def test_damage_is_named_by_its_place(tmp_path, change, message):
    with pytest.raises(ValueError, match=rf"a\.nwb.*{message}|{message}.*a\.nwb"):
        read(edited(write(tmp_path / "a.nwb"), change))


def replace(root, place, values):
    attributes = dict(root[place].attrs)
    del root[place]
    root[place] = values
    root[place].attrs.update({name: value for name, value in attributes.items() if name in ("conversion", "unit")})


def huge(root, place):
    del root[place]
    root.create_dataset(place, shape=(10**12,), dtype="f8", chunks=(2**16,))


def outside(root, place):
    del root[place]
    root.create_dataset(place, shape=(4000,), dtype="f4", external=[("/dev/zero", 0, 16000)])


def test_what_is_no_hdf5_is_named(tmp_path):
    whole = write(tmp_path / "a.nwb").read_bytes()
    for content in (b"", b"not HDF5 at all" * 99, whole[: len(whole) // 2]):
        (tmp_path / "a.nwb").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.nwb: the file cannot be read as NWB \(HDF5\)"):
            read(tmp_path / "a.nwb")


def test_units_go_by_number_too(tmp_path):
    path = write(tmp_path / "a.nwb")
    for neurons in ("9", 9, [9], np.array([9]), ["9"]):
        assert read(path, neurons=neurons).neuron_names == ("9",)


def plain(data):
    return [(data[b][0], data[b][1].nan_to_num(nan=-1.0)) for b in range(len(data))]


def test_a_sound_with_timestamps_at_even_distances_is_one_with_a_rate(tmp_path):
    timed, rated = read(write(tmp_path / "a.nwb", rates=(RATE_HZ, 0))), read(write(tmp_path / "b.nwb"))
    for one, other in zip(plain(timed), plain(rated), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("ending", [".wav", ".FLAC", ""])
def test_trials_name_sounds_of_the_file_with_or_without_ending_in_any_letters(tmp_path, monkeypatch, ending):
    monkeypatch.setattr("tests.datasets.test_nwb.TRIALS", [(name.upper() + ending, at) for name, at in TRIALS])
    named = read(write(tmp_path / "a.nwb"))
    monkeypatch.undo()
    assert named.stimulus_names == ("LOW" + ending, "HIGH" + ending)
    for one, other in zip(plain(named), plain(read(write(tmp_path / "b.nwb"))), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


def test_a_rate_of_zero_and_an_index_beyond_its_data_are_damage(tmp_path):
    for change, message in (
        (lambda h: h["stimulus/templates/low/starting_time"].attrs.__setitem__("rate", 0.0), "rate must be above 0 Hz"),
        (
            lambda h: h["units/spike_times_index"].__setitem__(1, 99),
            r"units/spike_times_index, row 1: it must ascend from 0 to the 9 values of units/spike_times, got 99",
        ),
    ):
        path = write(tmp_path / "a.nwb")
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(ValueError, match=message):
            read(path)


@pytest.mark.parametrize("held", ["spike_times", "obs_intervals"])
def test_a_number_in_the_place_of_a_list_is_named(tmp_path, held):
    path = write(tmp_path / "a.nwb", observed={7: [[9.0, 10.2525], [12.0, 14.0]], 9: [[10.9, 11.6]]})
    with h5py.File(path, "r+") as file:
        del file["units"][held]
        file["units"][held] = 3.0
    with pytest.raises(ValueError, match=rf"a\.nwb, units/{held} must"):
        read(path)


def test_sounds_that_overlap_and_trials_that_stop_before_their_sound_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.datasets.test_nwb.TRIALS", [("low", 10.0), ("high", 10.2), ("low", 12.0), ("low", 13.0)])
    with pytest.warns(UserWarning, match="1 of 4 sounds begin before another one has ended, and spikes there count"):
        read(write(tmp_path / "a.nwb"))
    monkeypatch.undo()
    path = write(tmp_path / "b.nwb")
    with h5py.File(path, "r+") as file:
        file["intervals/trials/stop_time"][2] = 11.5
    with pytest.warns(UserWarning, match="1 of 4 trials stop before their start_time and are left out"):
        assert read(path)[0][1].shape[1] == 2


def test_a_spectrogram_in_the_place_of_a_waveform_is_noticed(tmp_path):
    path = write(tmp_path / "a.nwb", skip=("high",))
    with h5py.File(path, "r+") as file:
        data = file["stimulus/templates/low/data"]
        attributes, values = dict(data.attrs), data[:]
        del file["stimulus/templates/low/data"]
        made = file.create_dataset("stimulus/templates/low/data", data=np.stack([values] * 30, 1))
        made.attrs.update(attributes)
        file["intervals/trials/stimulus"][1] = "none"
    with (
        pytest.warns(UserWarning, match="1 of 4 trials name no sound"),
        pytest.warns(UserWarning, match="the mean of 30 channels is taken for the waveform"),
    ):
        read(path)


def write_outside(path, table="presentations", names=("low.wav", "HIGH", "low.wav"), units=("A1", "A2")):
    """File that only names its sounds, in a table of its own, with names of the units in a column."""
    file = pynwb.NWBFile(session_description="t", identifier="i", session_start_time=datetime(2024, 1, 1, tzinfo=UTC))
    intervals = pynwb.epoch.TimeIntervals(name=table, description="what was played")
    intervals.add_column(name="stimulus", description="file of the sound")
    for i, name in enumerate(names):
        intervals.add_row(start_time=10.0 + i, stop_time=10.5 + i, stimulus=name)
    file.add_time_intervals(intervals)
    file.add_unit_column(name="unit_name", description="name")
    for i, unit in enumerate(units):
        file.add_unit(spike_times=[10.02 + i, 12.1], unit_name=unit)
    with pynwb.NWBHDF5IO(str(path), mode="w") as io:
        io.write(file)
    folder = path.parent / "sounds"
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "low.wav", sound(), RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "high.flac", sound(0.25, 2000.0), RATE_HZ)
    return path


def test_presentations_in_a_table_of_their_own_with_sounds_in_files_and_named_units(tmp_path):
    path = write_outside(tmp_path / "a.nwb")
    options = {"trials": "presentations", "stimuli": tmp_path / "sounds", "unit_column": "unit_name"}
    data = read(path, **options)
    assert data.neuron_names == ("A1", "A2")
    assert data.stimulus_names == ("low.wav", "HIGH")
    assert torch.equal(data[0][0][0], log_mel_spectrogram(sound(), RATE_HZ, **SETTINGS).values)
    assert [one.nonzero().flatten().tolist() for one in data[0][1][:, 0]] == [[4], []]
    assert [one.nonzero().flatten().tolist() for one in data[0][1][:, 1]] == [[20], [20]]
    assert data[1][1][1, 0].nonzero().flatten().tolist() == [4]
    assert read(path, **options, neurons="A2").neuron_names == ("A2",)


def test_what_is_not_found_outside_is_said_with_the_way_out(tmp_path):
    path = write_outside(tmp_path / "a.nwb")
    options = {"trials": "presentations", "stimuli": tmp_path / "sounds", "unit_column": "unit_name"}
    for changed, error, message in (
        ({"trials": "trials"}, ValueError, r"got none at intervals/trials: trials= names one of \['presentations'\]"),
        ({"stimuli": None}, ValueError, r"no sound 'low\.wav' among its stimuli, \[\]; stimuli= names the folder"),
        ({"stimuli": tmp_path}, FileNotFoundError, r"a\.nwb: there is no sound .*low\.wav"),
        (
            {"unit_column": "name"},
            ValueError,
            r"unit_column must be a column of the units in .*'unit_name'\], got 'name'",
        ),
    ):
        with pytest.raises(error, match=message):
            read(path, **{**options, **changed})
    twice = write_outside(tmp_path / "b.nwb", units=("A1", "A1"))
    with pytest.raises(ValueError, match="units/unit_name must name each unit differently, got 'A1' twice"):
        read(twice, **options)
