"""A folder of sounds and tables is read as it stands, and what is wrong with it is said."""

import errno
import os
import shutil

import numpy as np
import pytest
import soundfile
import torch

from deepstrf.datasets import Recording, RecordingFolder, collate
from deepstrf.stimuli import log_mel_spectrogram
from tests.datasets.conftest import RATE_HZ, SETTINGS, sound

SPIKES = """unit,stimulus,trial,time_s
u2,a.wav,0,0.001
u2,a.wav,0,0.004
u2,a.wav,2,0.4999
u1,b.wav,1,0.0123
u1,a,0,0.1
u1,a,1,0.2
"""
TRIALS = """trial,unit,stimulus
0,u1,a.wav
1,u1,a.wav
1,u1,b.wav
0,u2,a.wav
2,u2,a.wav
0,u2,b.wav
"""


def read(folder, **options):
    return RecordingFolder(folder, **{**SETTINGS, **options})


def test_spectrograms_are_those_of_the_sounds(make_folder):
    data = read(make_folder(SPIKES), dt_ms=10.0)
    assert data.stimulus_names == ("a", "b")
    assert data.dt_ms == 10.0
    assert data.bins == (50, 25)
    for b, waveform in enumerate((sound(), sound(0.25, 2000.0))):
        expected = log_mel_spectrogram(waveform, RATE_HZ, dt_ms=10.0, **SETTINGS)
        assert torch.equal(data[b][0][0], expected.values)
        assert torch.equal(data.cf_hz, expected.cf_hz)
    assert [path.name for path in data.sound_paths] == ["a.wav", "b.wav"]
    assert repr(data).startswith("RecordingFolder(2 stimuli, 0.75 s in bins of 10 ms, 5 bands 500-3000 Hz, 2 neurons")


def test_listed_trials_are_what_was_recorded(make_folder):
    data = read(make_folder(SPIKES, TRIALS))
    assert data.neuron_names == ("u1", "u2")
    assert data.responses.shape == (2, 2, 3, 100)
    a, b = data[0][1], data[1][1]
    # Numbers 0, 1, 2 of a become repeats 0, 1, 2; numbers 0, 1 of b repeats 0, 1.
    there = ~a.isnan().all(-1)
    assert there.tolist() == [[True, True, False], [True, False, True]]
    assert (~b.isnan().all(-1)).tolist() == [[False, True, False], [True, False, False]]
    assert a[0, 0].nonzero().flatten().tolist() == [20]
    assert a[1, 0].nonzero().flatten().tolist() == [0]
    assert a[1, 0, 0] == 2
    assert a[1, 2].nonzero().flatten().tolist() == [99]
    assert b[0, 1].nonzero().flatten().tolist() == [2]
    assert b[1, 0].abs().sum() == 0  # listed, and silent


def test_without_a_list_trials_follow_from_the_spikes(make_folder):
    data = read(make_folder(SPIKES))
    assert data.neuron_names == ("u2", "u1")
    a, b = data[0][1], data[1][1]
    # u2 has numbers 0 and 2, u1 has 0 and 1 (1 with b as well); stimulus a has 0, 1, 2 and b has 1.
    assert (~a.isnan().all(-1)).tolist() == [[True, False, True], [True, True, False]]
    assert (~b.isnan().all(-1))[:, 0].tolist() == [False, True]  # u2 never fired with b
    assert b.shape == (2, 3, 50)


def test_a_trial_without_spikes_counts_when_the_unit_has_its_number_elsewhere(make_folder):
    spikes = "unit,stimulus,trial,time_s\nu,a,0,0.1\nu,a,1,0.1\nu,b,0,0.1\nv,b,1,0.1\n"
    b = read(make_folder(spikes))[1][1]
    assert b[0, 1].abs().sum() == 0


def test_selection_of_units(make_folder):
    data = read(make_folder(SPIKES, TRIALS), neurons=["u2"])
    assert data.neuron_names == ("u2",)
    assert data.responses.shape[1:3] == (1, 2)
    with pytest.raises(ValueError, match=r"neurons must be among those of .*recording, \['u1', 'u2'\], got 'u9'"):
        read(data.folder, neurons=["u9"])
    with pytest.raises(ValueError, match=r"neurons must name at least one of .*, got none"):
        read(data.folder, neurons=[])


def test_late_spikes_are_an_error_or_dropped(make_folder):
    folder = make_folder(SPIKES + "u1,b,1,0.2501\n")
    with pytest.raises(ValueError, match=r"spikes\.csv, row 8: time_s must not exceed .* b, 0\.25 s, got 0\.2501;"):
        read(folder)
    assert torch.equal(
        read(folder, late_spikes="drop")[1][1].nan_to_num(-1), read(make_folder(SPIKES))[1][1].nan_to_num(-1)
    )
    with pytest.raises(ValueError, match=r"late_spikes must be one of \['error', 'drop'\], got 'ignore'"):
        read(folder, late_spikes="ignore")


def test_a_late_spike_of_another_unit_does_not_matter(make_folder):
    assert read(make_folder(SPIKES + "u1,b,1,0.3\n"), neurons=["u2"]).neuron_names == ("u2",)


def test_spikes_after_the_last_whole_bin_are_in_no_bin(make_folder):
    spikes = "unit,stimulus,trial,time_s\nu,c,0,0.1\nu,c,0,0.503\n"
    data = read(make_folder(spikes, c=sound(0.504)))
    assert data.bins == (100,)
    assert data.responses.nansum() == 1


def test_a_byte_order_mark_and_spaces_do_no_harm(make_folder):
    data = read(make_folder("\ufeff" + SPIKES.replace("u1,b.wav,1", " u1 , b.wav , 1 ")))
    assert data.neuron_names == ("u2", "u1")


SPIKE = "unit,stimulus,trial,time_s\nu,a,0,0.1\n"


@pytest.mark.parametrize(
    ("spikes", "trials", "error", "message"),
    [
        (None, None, FileNotFoundError, r"spikes\.csv is missing: it must be a table with the columns unit,stimulus,t"),
        ("", None, ValueError, r"spikes\.csv is empty: its first row must be unit,stimulus,trial,time_s"),
        (SPIKE[:27], None, ValueError, r"spikes\.csv holds no spikes, and there is no trials\.csv: nothing to read"),
        (SPIKE, "", ValueError, r"trials\.csv is empty: its first row must be unit,stimulus,trial$"),
        (SPIKE[:27], "unit,stimulus,trial\n", ValueError, r"trials\.csv holds no trials: nothing to read"),
        (
            SPIKE.replace("trial", "repeat"),
            None,
            ValueError,
            r"spikes\.csv lacks the column 'trial': its first row must",
        ),
        ("unit,stimulus,trial\n", None, ValueError, r"lacks the column 'time_s': .* unit,stimulus,trial,time_s, got"),
        (SPIKE.replace(",", "-"), None, ValueError, r"lacks the column 'unit': .* got 'unit-stimulus-trial-time_s'"),
        (SPIKE + "u,a,0\n", None, ValueError, r"spikes\.csv, row 3: time_s must be a finite .*, got an empty cell"),
        (SPIKE + "u,a,0,1,2\n", None, ValueError, r"spikes\.csv, row 3: there must be 4 values, got"),
        (SPIKE + "u,c,0,0.1\n", None, FileNotFoundError, r"spikes\.csv, row 3: there is no sound .*c\.wav"),
        (
            SPIKE + "u,../a,0,0.1\n",
            None,
            ValueError,
            r"row 3: stimulus must be the name of a file in stimuli/, got '\.",
        ),
        (SPIKE + "u,,0,0.1\n", None, ValueError, r"row 3: stimulus must not be empty"),
        (SPIKE + ",a,0,0.1\n", None, ValueError, r"row 3: unit must not be empty"),
        (SPIKE + "u,a,0.5,0.1\n", None, ValueError, r"row 3: trial must be a whole number, got 0\.5"),
        (SPIKE + "u,a,0,soon\n", None, ValueError, r"row 3: time_s must be a finite number of seconds, got 'soon'"),
        (SPIKE + "u,a,0,-0.002\n", None, ValueError, r"row 3: time_s must be at least 0 s, got -0\.002"),
        (SPIKE + "u,a,0,nan\n", None, ValueError, r"row 3: time_s must be a finite number of seconds, got 'nan'"),
        (SPIKE, "unit,stimulus,trial\nu,a,0\nu,a.wav,0\n", ValueError, r"trials\.csv, row 3 repeats row 2: u, a, 0"),
        (
            SPIKE,
            "unit,stimulus,trial\nu,a,1\n",
            ValueError,
            r"spikes\.csv, row 2: trials\.csv does not list trial 0 of unit 'u' with a$",
        ),
        (SPIKE, "unit,stimulus,trial\nu,c,0\n", FileNotFoundError, r"trials\.csv, row 2: there is no sound .*c\.wav"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(make_folder, spikes, trials, error, message):
    with pytest.raises(error, match=message):
        read(make_folder(spikes, trials))


def test_errors_of_the_sounds(make_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        read(tmp_path / "nowhere")
    folder = make_folder(SPIKES)
    with pytest.raises(ValueError, match=r"a\.wav: n_bands must be at least 2, got 1"):
        read(folder, n_bands=1)
    soundfile.write(folder / "stimuli" / "b.wav", sound(0.25), 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"same sample rate, but .*a\.wav has 8000 Hz and .*b\.wav has 16000 Hz"):
        read(folder)
    (folder / "stimuli" / "b.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"b\.wav is empty: it has 0 bytes"):
        read(folder)


def counted(neurons=3, repeats=4):
    """A recording of spike counts on two sounds, with trials missing here and there."""
    rng = np.random.default_rng(2)
    waveforms = [sound(0.3), sound(0.2, 1500.0)]
    items = []
    for waveform in waveforms:
        spectrogram = log_mel_spectrogram(waveform, RATE_HZ, **SETTINGS)
        y = torch.from_numpy(rng.poisson(0.7, (neurons, repeats, spectrogram.values.shape[1])).astype(np.float32))
        items.append((spectrogram.values[None], y))
    items[0][1][1, 2] = torch.nan
    items[1][1][2, 3] = torch.nan
    items[1][1][0, 1] = 0.0  # silent, but there
    x, y = collate(items)
    recording = Recording(
        x, y, dt_ms=5.0, cf_hz=spectrogram.cf_hz, stimulus_names=["x", "y"], bins=[len(i[0][0, 0]) for i in items]
    )
    return recording, waveforms


def test_what_was_written_reads_back_equal(tmp_path):
    recording, waveforms = counted()
    folder = RecordingFolder.write(tmp_path / "new" / "folder", recording, waveforms, RATE_HZ)
    back = read(folder)
    assert (back.neuron_names, back.stimulus_names, back.bins) == (
        recording.neuron_names,
        recording.stimulus_names,
        recording.bins,
    )
    assert torch.equal(back.stimuli, recording.stimuli)
    assert torch.equal(back.responses.nan_to_num(-1), recording.responses.nan_to_num(-1))


def test_writing_refuses_what_a_folder_cannot_hold(tmp_path):
    recording, waveforms = counted()
    write = RecordingFolder.write
    with pytest.raises(ValueError, match="waveforms must be one sound for each of 2 stimuli, got 1"):
        write(tmp_path, recording, waveforms[:1], RATE_HZ)
    with pytest.raises(ValueError, match=r"waveforms must last as long .* 0\.3 s for 'x', got 0\.2 s"):
        write(tmp_path, recording, waveforms[::-1], RATE_HZ)
    with pytest.raises(ValueError, match=r"recording must hold spike counts: in trial 0 of 'neuron 1' with 'x', coun"):
        write(tmp_path, recording.smoothed(15.0), waveforms, RATE_HZ)
    recording.responses[0, 0, 0, 7] = torch.nan
    with pytest.raises(ValueError, match=r"must hold whole trials, got 1 gaps in trial 0 of 'neuron 1' with 'x'"):
        write(tmp_path, recording, waveforms, RATE_HZ)
    assert not any(tmp_path.iterdir())


def test_writing_does_not_replace_a_recording(tmp_path):
    recording, waveforms = counted()
    RecordingFolder.write(tmp_path, recording, waveforms, RATE_HZ)
    with pytest.raises(FileExistsError, match=r"spikes\.csv exists: choose another folder"):
        RecordingFolder.write(tmp_path, recording, waveforms, RATE_HZ)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x", "../y"], r"'\.\./y' holds '/'"),
        (["x", "/y"], "'/y' holds '/'"),
        (["x", "a\\b"], r"holds '\\\\'"),
        (["x", ".."], "'..' (begins or ends|leads to another folder)"),
        (["x", ""], "'' is empty"),
        (["x", "con"], "'con' is a word that Windows keeps for itself"),
        (["x", "Aux.b"], "'Aux.b' is a word that Windows keeps"),
        (["x", "y "], "'y ' begins or ends with a blank"),
        (["x", "y" * 252], "is longer than 255 bytes with its ending, 256"),
        (["x", "é" * 126], "is longer than 255 bytes with its ending, 256"),
        (["x", "X"], "must differ in more than capitals or the form of accents.* got 'x' and 'X'"),
        (["é", "e\u0301"], "must differ in more than capitals or the form of accents"),
        (["x", "e\u0301"], r"stimulus_names must be names that a table gives back: .*accents composed \(NFC\)"),
        (["x", "7.0"], "stimulus_names must be names that a table gives back: .* got '7.0'"),
        (["x", "a\nb"], r"holds '\\n'"),
        (["x", "\ud800"], "half a character"),
    ],
)
def test_names_that_leave_the_folder_or_do_not_come_back_are_refused_before_the_first_byte(tmp_path, names, message):
    recording, waveforms = counted()
    recording.stimulus_names = tuple(names)
    with pytest.raises(ValueError, match=message):
        RecordingFolder.write(tmp_path / "new", recording, waveforms, RATE_HZ)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", " u", "u\n", "7.0", "b'u'"])
def test_units_that_do_not_come_back_are_refused(tmp_path, name):
    recording, waveforms = counted()
    recording.neuron_names = ("u1", "u2", name)
    with pytest.raises(ValueError, match="neuron_names must be names that a table gives back"):
        RecordingFolder.write(tmp_path / "new", recording, waveforms, RATE_HZ)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["stimuli", "spikes.csv", "trials.csv"])
def test_writing_replaces_nothing_that_is_there(tmp_path, name):
    recording, waveforms = counted()
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "stimuli" / "x.wav").write_bytes(b"the original")
    if name != "stimuli":
        (tmp_path / "stimuli").rename(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match=f"{name} exists: choose another folder, or delete it"):
        RecordingFolder.write(tmp_path, recording, waveforms, RATE_HZ)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / name / "x.wav").read_bytes() == b"the original"


def test_a_full_disk_leaves_nothing_half_made(tmp_path, monkeypatch):
    recording, waveforms = counted()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").write_text("mine")
    real = {name: getattr(os, name) for name in ("fsync", "link", "rename", "mkdir")}
    calls = 0

    def counted_call(name):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real[name](*args, **kwargs)

        return call

    for failing in range(1, 30):
        for folder in (tmp_path / "old", tmp_path / "new" / "er"):
            calls = 0
            with monkeypatch.context() as patch:
                for name in real:
                    patch.setattr(os, name, counted_call(name))
                try:
                    RecordingFolder.write(folder, recording, waveforms, RATE_HZ)
                except OSError:
                    done = False
                else:
                    done = True
            left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
            if not done:
                assert left == ["old", "old/notes.txt"], failing
            elif "stimuli" in {path.name for path in folder.iterdir()}:
                assert read(folder).responses.shape == recording.responses.shape
                shutil.rmtree(folder)
                folder.mkdir(parents=True)
                if folder.name == "old":
                    (folder / "notes.txt").write_text("mine")
                else:
                    shutil.rmtree(folder.parent)
    assert calls < 29


def test_a_rate_with_a_fraction_is_written_as_the_nearest_whole_one(tmp_path):
    recording, waveforms = counted()
    folder = RecordingFolder.write(tmp_path / "a", recording, waveforms, RATE_HZ + 0.25)
    assert torch.equal(read(folder).stimuli, recording.stimuli)
    for rate_hz in (0, -1, float("nan"), 2**31):
        with pytest.raises(ValueError, match=f"sample_rate_hz must be a positive number of Hz, got {rate_hz}"):
            RecordingFolder.write(tmp_path / "b", recording, waveforms, rate_hz)
    with pytest.raises(ValueError, match=r"waveforms must have shape \(samples,\) and be finite, got \(2, 9\) for 'x'"):
        RecordingFolder.write(tmp_path / "b", recording, [np.zeros((2, 9)), waveforms[1]], RATE_HZ)
    assert not (tmp_path / "b").exists()
