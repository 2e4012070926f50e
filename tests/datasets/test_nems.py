"""Recordings in the layout of NEMS, written by the tests number for number."""

import json
import os
import shutil
import tarfile

import numpy as np
import pytest
import torch

from deepstrf.datasets import read_nems

RNG = np.random.default_rng(5)
CELLS = ["ARM029a-01-1", "ARM029a-02-1", "BRT01c-05-2"]
FS, F, T = 100, 4, 90
STIM = RNG.gamma(1.0, 3.0, (T, F)).round(3)
RESP = RNG.poisson(0.5, (T, 3)).astype(float)
SITE = "A1_x.fs100.ch4"
EPOCHS = [
    ("STIM_00cat1", 0.0, 0.2),
    ("TRIAL", 0.0, 0.9),
    ("STIM_cat2", 0.25, 0.4),
    ("STIM_cat3", 0.5, 0.7),
    ("PreStimSilence", 0.2, 0.25),
]


def write(folder, *, stim=STIM, resp=RESP, epochs=EPOCHS, site=SITE, mask=None, fs=FS, cells=CELLS, last=None):
    folder.mkdir(parents=True, exist_ok=True)

    def signal(name, values, channels):
        about = {"name": name, "chans": channels, "fs": fs, "segments": [[0, last or len(values)]]}
        (folder / f"{site}.{name}.json").write_text(json.dumps(about))
        lines = [",".join("nan" if x != x else str(x) for x in row) for row in np.asarray(values).tolist()]
        (folder / f"{site}.{name}.csv").write_text("\n".join(lines) + "\n")

    (folder / f"{site}.meta.json").write_text(json.dumps({"site": site}))
    signal("stim", stim, [f"{i}" for i in range(len(stim[0]))])
    signal("resp", resp, cells)
    if mask is not None:
        signal("mask_est", mask, cells)
    table = "name,start,end\n" + "".join(f"{name},{a},{b}\n" for name, a, b in epochs)
    (folder / f"{site}.resp.epoch.csv").write_text(table)
    return folder


def packed(folder, inner=True):
    file = folder.with_suffix(".tgz")
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder, arcname="deep/inner" if inner else ".")
    return file


@pytest.mark.parametrize("kind", ["folder", "archive", "archive without an inner folder"])
def test_epochs_become_sounds_number_for_number(kind, tmp_path):
    path = write(tmp_path / "a")
    found = read_nems(path if kind == "folder" else packed(path, inner="without" not in kind))
    assert found.neuron_names == tuple(CELLS)
    assert found.stimulus_names == ("STIM_00cat1", "STIM_cat2", "STIM_cat3")
    assert (found.dt_ms, found.bins) == (10.0, (20, 15, 20))
    for b, (first, last) in enumerate(((0, 20), (25, 40), (50, 70))):
        assert np.allclose(found[b][0][0], STIM[first:last].T)
        assert np.allclose(found[b][1][:, 0], RESP[first:last].T)
    assert np.allclose(found.cf_hz, [200 * 100 ** (i / 3) for i in range(4)], rtol=1e-6)


def test_units_and_sounds_by_name_pattern_and_number(tmp_path):
    path = write(tmp_path / "a")
    found = read_nems(path, units=["BRT*", 0], sounds="STIM_cat*")
    assert found.neuron_names == (CELLS[2], CELLS[0])
    assert found.stimulus_names == ("STIM_cat2", "STIM_cat3")
    assert np.allclose(found[0][1][:, 0], RESP[25:40][:, [2, 0]].T)
    assert read_nems(path, units=CELLS[1]).neuron_names == (CELLS[1],)
    for options, message in (
        ({"units": ["x"]}, r"units must be among those of .*resp\.json, \['ARM029a-01-1'.* got 'x'"),
        ({"units": [3]}, "units must be numbers below 3, got 3"),
        ({"units": []}, "units must name at least one"),
        ({"sounds": ["STIM_no*"]}, r"sounds must be among those of .*resp\.epoch\.csv, .*got 'STIM_no\*'"),
    ):
        with pytest.raises(ValueError, match=message):
            read_nems(path, **options)


def test_an_epoch_that_stands_twice_is_two_repeats(tmp_path):
    stim = STIM.copy()
    stim[60:80] = stim[0:20]
    path = write(tmp_path / "a", stim=stim, epochs=[("STIM_00cat1", 0.6, 0.8), ("STIM_00cat1", 0, 0.2), EPOCHS[2]])
    found = read_nems(path)
    assert found.stimulus_names == ("STIM_00cat1", "STIM_cat2")
    assert np.allclose(found[0][1].movedim(1, 0), [RESP[0:20].T, RESP[60:80].T])
    assert sum(part.responses.numel() for part in found._parts) == 3 * (2 * 20 + 15)
    with pytest.warns(UserWarning, match=r"the stimulus differs between repeats of \['STIM_00cat1'\]"):
        read_nems(write(tmp_path / "b", epochs=[("STIM_00cat1", 0.6, 0.8), ("STIM_00cat1", 0, 0.2)]))


def test_missing_numbers_are_nan_and_cells_without_any_are_not_held(tmp_path):
    resp = RESP.copy()
    resp[25:40, 1] = np.nan
    resp[55, 0] = np.nan
    found = read_nems(write(tmp_path / "a", resp=resp))
    assert bool(found[1][1][1].isnan().all())
    assert found[2][1][0, 0].isnan().nonzero().flatten().tolist() == [5]
    assert found._parts[1].responses.shape == (2, 1, 15)


def test_the_mask_speaks_of_the_sounds_that_it_names(tmp_path):
    mask = np.zeros((T, 3), dtype=bool)
    mask[25:70] = True
    mask[25:40, 2] = False
    for values in (mask, mask.astype(int), mask.astype(float)):
        found = read_nems(write(tmp_path / "a", mask=values), units=[2, 0])
        assert np.allclose(found[0][1][:, 0], RESP[0:20][:, [2, 0]].T)  # a validation sound: no word about it
        assert bool(found[1][1][0].isnan().all())
        assert np.allclose(found[1][1][1, 0], RESP[25:40, 0])


def test_a_point_process_is_counted_in_the_bins_of_the_stimulus(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write(tmp_path / "a")
    (path / f"{SITE}.resp.csv").unlink()
    times = {cell: np.sort(RNG.uniform(0, 1.1, 60)) for cell in CELLS}
    times[CELLS[0]] = np.sort(np.append(times[CELLS[0]], [0.57, 0.29]))  # 57 and 29 bins, nearly
    with h5py.File(path / f"{SITE}.resp.h5", "w") as file:
        for cell, values in times.items():
            file[cell] = values
    for kind in (path, packed(path)):
        found = read_nems(kind)
        for b, (first, last) in enumerate(((0, 20), (25, 40), (50, 70))):
            expected = [
                [sum(int(np.floor(t * FS + 1e-9)) == bin_ for t in times[cell]) for bin_ in range(first, last)]
                for cell in CELLS
            ]
            assert found[b][1][:, 0].tolist() == expected
    with h5py.File(path / f"{SITE}.resp.h5", "a") as file:
        del file[CELLS[1]]
    with pytest.raises(ValueError, match=r"resp\.h5 must hold the spike times of 'ARM029a-02-1'"):
        read_nems(path)
    assert read_nems(path, units=[0]).neuron_names == (CELLS[0],)


def test_scaling_is_that_of_all_sounds_whichever_are_read(tmp_path):
    path = write(tmp_path / "a")
    whole = np.log1p(np.concatenate([STIM[0:20], STIM[25:40], STIM[50:70]]))
    found = read_nems(path, sounds=["STIM_cat2"], scaling="log")
    expected = (np.log1p(STIM[25:40]) - whole.min()) / (whole.max() - whole.min())
    assert np.allclose(found[0][0][0], expected.T, atol=1e-6)
    with pytest.raises(ValueError, match=r"scaling must be None for .*stim\.json: log\(1 \+ x\) needs values from 0"):
        read_nems(write(tmp_path / "b", stim=STIM - 5), scaling="log")
    with pytest.raises(ValueError, match=r"scaling must be one of \['log'\], got 'sqrt'"):
        read_nems(path, scaling="sqrt")


def test_a_segment_may_end_with_the_last_bin_or_the_one_after(tmp_path):
    epochs = [("STIM_cat9", 0.7, 0.9)]
    for last in (T, T - 1):
        found = read_nems(write(tmp_path / "a", epochs=epochs, last=last))
        assert np.allclose(found[0][1][:, 0], RESP[70:90].T)
    with pytest.raises(
        ValueError, match=r"epoch\.csv, row 2: 'STIM_cat9' must end within the signal of 0\.9 s, got 0\.92"
    ):
        read_nems(write(tmp_path / "a", epochs=[("STIM_cat9", 0.7, 0.92)]))


def damage(path, name, change):
    file = path / f"{SITE}.{name}"
    file.write_text(change(file.read_text()))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: damage(p, "resp.csv", lambda s: s[: len(s) // 2].rpartition("\n")[0]), "is it cut short"),
        (lambda p: damage(p, "resp.csv", lambda s: s.replace("0.0", "zero", 5)), r"resp\.csv, after row 0: .*zero"),
        (lambda p: damage(p, "resp.csv", lambda s: s.replace(",", ";")), r"resp\.csv, row 1: there must be 3 values"),
        (
            lambda p: damage(p, "resp.csv", lambda s: s.replace("\n", "\n\n", 1)),
            r"resp\.csv, row 2: .* 3 values, .*got 0",
        ),
        (lambda p: damage(p, "resp.csv", lambda s: s[:120] + s[120:].replace("0.0,", "", 1)), r"row \d+: .* got 2"),
        (
            lambda p: damage(p, "stim.csv", lambda s: s[:120] + s[120:].replace(",", ",,", 1)),
            r"stim\.csv, .*(got 5|saw 5)",
        ),
        (lambda p: damage(p, "stim.csv", lambda s: "nan" + s[s.index(",") :]), r"spectrogram must be finite"),
        (lambda p: damage(p, "resp.json", lambda s: s[:20]), r"resp\.json must hold name, chans, fs and segments"),
        (lambda p: damage(p, "resp.json", lambda s: s.replace("100", "0")), "fs must be positive"),
        (lambda p: damage(p, "resp.json", lambda s: s.replace("02-1", "01-1")), "chans must be different names"),
        (lambda p: damage(p, "resp.epoch.csv", lambda s: s.replace("0.25", "soon")), r"row 4: start must be seconds"),
        (lambda p: damage(p, "resp.epoch.csv", lambda s: s.replace("start", "begin")), r"columns name,start,end"),
        (
            lambda p: damage(p, "resp.epoch.csv", lambda s: s + "STIM_cat2,0.5,0.8\n"),
            r"'STIM_cat2' must be equally long",
        ),
        (lambda p: damage(p, "resp.epoch.csv", lambda s: s + "STIM_cat2,0.25,0.4\n"), r"row 7: 'STIM_cat2' .* twice"),
        (lambda p: damage(p, "resp.epoch.csv", lambda s: s.replace("STIM_", "REF_")), r"epochs must begin the names"),
        (lambda p: (p / f"{SITE}.resp.epoch.csv").unlink(), r"must hold .*resp\.epoch\.csv, which says when"),
        (lambda p: (p / f"{SITE}.stim.json").unlink(), r"stimulus must be a signal in .*got 'stim' without"),
        (lambda p: (p / f"{SITE}.stim.csv").unlink(), r"must hold the spectrogram as"),
        (lambda p: (p / f"{SITE}.resp.csv").unlink(), r"must hold the response as .*resp\.csv or .*resp\.h5"),
        (lambda p: write(p, site="other"), r"site must name one of the recordings .*'other'\], got None"),
        (lambda p: shutil.rmtree(p) or p.mkdir(), r"must hold the signal 'resp', got the signals \[\]"),
    ],
)
def test_damaged_files_are_refused_by_name(change, message, tmp_path):
    path = write(tmp_path / "a")
    change(path)
    with pytest.raises(ValueError, match=message):
        read_nems(path)


def test_archives_that_are_cut_or_are_no_archives(tmp_path):
    file = packed(write(tmp_path / "a"))
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-10], b"x" * 1000, b""):
        file.write_bytes(data)
        with pytest.raises(ValueError, match=r"a\.tgz"):
            read_nems(file)
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        read_nems(tmp_path / "b")


def test_more_memory_than_allowed_is_refused_before_it_is_taken(tmp_path):
    with pytest.raises(ValueError, match="3 units with 3 sounds needs"):
        read_nems(write(tmp_path / "a"), max_gb=1e-6)


def test_sites_and_axes_of_ones_own(tmp_path):
    path = write(write(tmp_path / "a"), site="other")
    found = read_nems(path, site="other", cf_hz=[1e3, 2e3, 3e3, 4e3])
    assert torch.equal(found.cf_hz, torch.tensor([1e3, 2e3, 3e3, 4e3]))
    with pytest.raises(ValueError, match=r"cf_hz must have shape \(4,\) for the bands of .*stim\.json, got \(2,\)"):
        read_nems(path, site="other", cf_hz=[1e3, 2e3])


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        (f"{SITE}.stim.json", "[" * 100_000, r"stim\.json must hold name, chans, fs and segments"),
        (
            f"{SITE}.resp.json",
            '{"chans": ["a"], "fs": 100, "segments": [[0, 1e400]]}',
            r"resp\.json must hold name, chans",
        ),
        (f"{SITE}.resp.epoch.csv", "name,start,end\n", "epochs must begin the names of some epochs"),
        (f"{SITE}.resp.epoch.csv", "name,start,end\nx,0,inf\n", "epochs must begin the names of some epochs"),
    ],
)
def test_nested_infinite_and_empty_files_are_refused_by_name(name, text, rule, tmp_path):
    path = write(tmp_path / "a")
    (path / name).write_text(text)
    with pytest.raises(ValueError, match=rule):
        read_nems(path)


def test_infinite_responses_are_refused_by_the_name_of_the_recording(tmp_path):
    resp = RESP.copy()
    resp[3, 1] = np.inf
    with pytest.raises(ValueError, match=r"here.*: responses must be finite or NaN"):
        read_nems(write(tmp_path / "here", resp=resp))


def test_a_pipe_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe must be a folder or an archive, got a device or a pipe"):
        read_nems(tmp_path / "pipe")
