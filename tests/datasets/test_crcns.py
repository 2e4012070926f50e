"""Recordings in the layout of CRCNS aa1 and aa2, written by the tests."""

import numpy as np
import pytest
import soundfile

from deepstrf.datasets import read_crcns_aa
from tests.datasets.conftest import SETTINGS

RATE_HZ = 32000
SONGS = {"song_1": 0.2, "rip_1": 0.3}
CELLS = {
    "gg0116_1_A": {
        "conspecific": [("song_1.wav", "12.5 13.5 150.25\n\n-20 40\n")],
        "flatrip": [("rip_1.wav", "299\n")],
    },
    "pupi_2": {"conspecific": [("song_1.wav", "5\n7\n"), ("song_1.wav", "9 250\n")]},
}
OPTIONS = SETTINGS | {"dt_ms": 1.0}


def write(folder, aa2=True, cells=CELLS):
    rng = np.random.default_rng(0)
    for name, seconds in SONGS.items():
        file = folder / "all_stims" / ("" if aa2 else name.split("_")[0]) / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, rng.uniform(-0.5, 0.5, int(seconds * RATE_HZ)), RATE_HZ, subtype="PCM_16")
    for n, (cell, types) in enumerate(cells.items()):
        root = "all_cells" if aa2 else ("Field_L_cells", "MLd_cells")[n % 2]
        for kind, shown in types.items():
            here = folder / root / cell / kind
            here.mkdir(parents=True, exist_ok=True)
            for k, (sound, spikes) in enumerate(shown, start=1):
                (here / f"stim{k}").write_text(sound + "\n")
                (here / f"spike{k}").write_text(spikes)
    if aa2:
        (folder / "stim_data.csv").write_text("song_1,32000,16,6400,conspecific\nrip_1,32000,16,9600,flatrip\n")
        (folder / "cell_regions.csv").write_text("gg0116_1_A,Field L\npupi_2,MLd\n")
    return folder


def times(found, neuron, stimulus, trial):
    n, b = found.neuron_names.index(neuron), found.stimulus_names.index(stimulus)
    return found[b][1][n, trial].nonzero().flatten().tolist()


@pytest.mark.parametrize("aa2", [True, False])
def test_trials_are_lines_and_an_empty_line_is_one(aa2, tmp_path):
    with pytest.warns(UserWarning, match="1 of 10 spikes lie after the end of their sounds and are left out"):
        found = read_crcns_aa(write(tmp_path, aa2), **OPTIONS)
    assert found.neuron_names == ("gg0116_1_A", "pupi_2")
    assert set(found.stimulus_names) == {"song_1.wav", "rip_1.wav"}
    assert [times(found, "gg0116_1_A", "song_1.wav", r) for r in range(3)] == [[12, 13, 150], [], [40]]
    assert times(found, "gg0116_1_A", "rip_1.wav", 0) == [299]
    # Two files with one sound are trials of that sound, one after the other.
    assert [times(found, "pupi_2", "song_1.wav", r) for r in range(3)] == [[5], [7], [9]]
    b = found.stimulus_names.index("rip_1.wav")
    assert bool(found[b][1][1].isnan().all())  # never played to pupi_2
    assert bool((~found[1 - b][1].isnan()).all())
    # One spike before the onset in 4 trials, of 20 ms as far as it tells.
    assert found.spontaneous_hz[0].item() == pytest.approx(1 / (4 * 0.02))
    assert found.spontaneous_hz[1].isnan()


def test_cells_sounds_types_and_regions_are_chosen(tmp_path):
    path = write(tmp_path)
    found = read_crcns_aa(path, region="Field L", types="flatrip", **OPTIONS)
    assert (found.neuron_names, found.stimulus_names) == (("gg0116_1_A",), ("rip_1.wav",))
    found = read_crcns_aa(path, units="gg*", sounds="song*", **OPTIONS)
    assert (found.neuron_names, found.stimulus_names) == (("gg0116_1_A",), ("song_1.wav",))
    for options, message in (
        ({"units": "zz"}, r"units must be among those of .*\['gg0116_1_A', 'pupi_2'\], got 'zz'"),
        ({"types": "songrip"}, r"types must be among those of .*\['conspecific', 'flatrip'\], got 'songrip'"),
        ({"region": "CM"}, r"region must be one of \['Field L', 'MLd'\] of .*, got 'CM'"),
        ({"sounds": "no"}, "sounds must be among those"),
    ):
        with pytest.raises(ValueError, match=message):
            read_crcns_aa(path, **options, **OPTIONS)
    old = write(tmp_path / "aa1", aa2=False)
    assert read_crcns_aa(old, region="Field_L", **OPTIONS).neuron_names == ("gg0116_1_A",)


def one(spikes="5\n", sound="song_1.wav"):
    return {"c_1": {"conspecific": [(sound, spikes)]}}


@pytest.mark.parametrize("spikes", ["5 9\r\n\r\n7\r\n", "9,5\n\n7", "  5\t9 \n \n7\n"])
def test_line_ends_and_separators(spikes, tmp_path):
    found = read_crcns_aa(write(tmp_path, cells=one(spikes)), **OPTIONS)
    assert [times(found, "c_1", "song_1.wav", r) for r in range(3)] == [[5, 9], [], [7]]


def test_what_is_damaged_is_refused_by_file_and_row(tmp_path):
    with pytest.raises(ValueError, match=r"spike1, row 2: there must be spike times in ms, got 'x y'"):
        read_crcns_aa(write(tmp_path / "a", cells=one("5\nx y\n")), **OPTIONS)
    with pytest.raises(ValueError, match=r"spike1, row 1: spike times must be finite \(ms\), got 'nan'"):
        read_crcns_aa(write(tmp_path / "b", cells=one("nan\n")), **OPTIONS)
    with pytest.raises(FileNotFoundError, match=r"stim1: there is no sound song_9\.wav"):
        read_crcns_aa(write(tmp_path / "c", cells=one(sound="song_9.wav")), **OPTIONS)
    with pytest.raises(ValueError, match="stim1, row 1: there must be the name of a sound"):
        read_crcns_aa(write(tmp_path / "d", cells=one(sound="")), **OPTIONS)
    path = write(tmp_path / "e", cells=one())
    (path / "all_cells/c_1/conspecific/spike2").write_text("1\n")
    with pytest.raises(ValueError, match="must hold both stim2 and spike2, got spike2 alone"):
        read_crcns_aa(path, **OPTIONS)
    with (
        pytest.warns(UserWarning, match=r"1 files hold no trial: \['all_cells/c_1/conspecific/spike1'\]"),
        pytest.raises(ValueError, match="holds no trial"),
    ):
        read_crcns_aa(write(tmp_path / "f", cells=one("")), **OPTIONS)
    with pytest.raises(ValueError, match="must hold a folder all_cells"):
        read_crcns_aa(tmp_path, **OPTIONS)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        read_crcns_aa(tmp_path / "z", **OPTIONS)


def test_times_that_look_like_seconds_are_doubted(tmp_path):
    path = write(tmp_path, cells=one("0.0125 0.05 0.15\n0.02 -0.01 0.19\n"))
    with pytest.warns(UserWarning, match=r"all 6 spikes lie within 0\.2 ms of the onsets: are their times in s"):
        read_crcns_aa(path, **OPTIONS)
