"""Recordings from arrays: which axis is which, other rates, several sites, and one file that gives all back."""

import copy
import gzip
import pickle
import re
import zipfile
import zlib

import numpy as np
import pytest
import torch

from deepstrf.datasets import Recording, array_files, read_arrays

CF_HZ = [500.0, 1000.0, 2000.0]
RNG = np.random.default_rng(0)


def same(a, b):
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(0.0), b.nan_to_num(0.0))


def alike(a: Recording, b: Recording) -> bool:
    """Whether two recordings are the same, number for number."""
    about = ("dt_ms", "delay_ms", "unit", "neuron_names", "stimulus_names", "bins")
    return (
        all(getattr(a, name) == getattr(b, name) for name in about)
        and torch.equal(a.cf_hz, b.cf_hz)
        and all(torch.equal(a[i][0], b[i][0]) and same(a[i][1], b[i][1]) for i in range(len(a)))
    )


def ragged(seed=0, neurons=2):
    rng = np.random.default_rng(seed)
    sounds = [rng.random((3, n)) for n in (8, 5, 7)]
    responses = [rng.normal(size=(neurons, r, n)) for r, n in ((4, 8), (1, 5), (2, 7))]
    return Recording.from_arrays(
        sounds, responses, dt_ms=5, cf_hz=CF_HZ, stimulus_names=[f"s{seed}.{b}" for b in range(3)]
    ), (sounds, responses)


def test_lists_of_sounds_of_several_lengths_and_numbers_of_trials():
    found, (sounds, responses) = ragged()
    for b in range(3):
        x, y = found[b]
        assert np.array_equal(x[0].numpy(), sounds[b])
        assert np.array_equal(y[:, : responses[b].shape[1]].numpy(), responses[b])
        assert bool(y[:, responses[b].shape[1] :].isnan().all())
    assert found.responses.shape == (3, 2, 4, 8)


def test_what_is_held_is_what_was_recorded():
    sounds = [np.zeros((3, 1000), np.float32)] + [np.zeros((3, 10), np.float32)] * 99
    responses = [np.ones((50, 20, 1000), np.float32)] + [np.ones((50, 1, 10), np.float32)] * 99
    found = Recording.from_arrays(sounds, responses, dt_ms=5, cf_hz=CF_HZ)
    held = sum(part.responses.numel() for part in found._parts)
    assert held == 50 * 20 * 1000 + 99 * 50 * 10
    with pytest.raises(ValueError, match=r"select fewer neurons or stimuli.* needs 0\.37 GB of memory, limit 0\.1 GB"):
        found.padded(max_gb=0.1)


@pytest.mark.parametrize(
    ("stimulus", "responses", "shape"),
    [
        ((3, 9), (9,), (1, 1, 1, 9)),
        ((3, 9), (2, 9), (1, 2, 1, 9)),
        ((3, 9), (2, 4, 9), (1, 2, 4, 9)),
        ((1, 3, 9), (1, 2, 4, 9), (1, 2, 4, 9)),
        ((5, 3, 9), (5, 2, 4, 9), (5, 2, 4, 9)),
        ((5, 1, 3, 9), (5, 2, 4, 9), (5, 2, 4, 9)),
    ],
)
def test_shapes_that_say_which_axis_is_which(stimulus, responses, shape):
    x, y = RNG.random(stimulus), RNG.random(responses)
    found = Recording.from_arrays(x, y, dt_ms=5, cf_hz=CF_HZ)
    assert found.responses.shape == shape
    assert np.array_equal(found.responses.numpy().ravel(), y.ravel())
    assert np.array_equal(found.stimuli.numpy().ravel(), x.ravel())


@pytest.mark.parametrize(
    ("stimulus", "responses", "message"),
    [
        ((9, 3), (2, 4, 9), r"stimulus must have shape \(F, T\) .* got \(9, 3\): \(T, F\)\? Give its transpose"),
        ((3, 9), (9, 2), r"responses must have the T = 9 bins.*got \(9, 1, 2\); their first axis .* swap the axes"),
        ((3, 9), (2, 4, 8), r"got \(2, 4, 8\); response_dt_ms= names their own rate"),
        ((1, 3, 9), (1, 4, 9), r"responses to several sounds must be \(B, N, R, T\), or a list"),
        ((5, 3, 9), (5, 4, 9), r"list\(responses\) says that the first axis is that of the sounds"),
        ((5, 3, 9), (4, 2, 4, 9), "responses must be one array for each of 5 stimuli, got 4"),
        ((2, 9), (2, 9), r"F = 3 bands of cf_hz, got \(2, 9\)"),
        ((3, 9), (1, 2, 4, 9), "must be one array for each|must have shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(stimulus, responses, message):
    if message.startswith("must be one"):
        found = Recording.from_arrays(np.zeros(stimulus), np.zeros(responses), dt_ms=5, cf_hz=CF_HZ)
        assert found.responses.shape == (1, 2, 4, 9)
        return
    with pytest.raises(ValueError, match=message):
        Recording.from_arrays(np.zeros(stimulus), np.zeros(responses), dt_ms=5, cf_hz=CF_HZ)


def test_whole_numbers_and_lists_of_numbers_are_taken():
    found = Recording.from_arrays([[0, 1], [2, 3], [4, 5]], [1, 2], dt_ms=5, cf_hz=[1000, 2000, 3000])
    assert found.stimuli.dtype == torch.float32
    assert found.responses.flatten().tolist() == [1, 2]
    with pytest.raises(TypeError, match="responses must be a tensor or an array of numbers, got str"):
        Recording.from_arrays(np.zeros((3, 2)), "abc", dt_ms=5, cf_hz=CF_HZ)


def test_a_faster_continuous_response_is_averaged_within_each_bin():
    voltage = RNG.normal(size=(2, 3, 400)) - 60
    found = Recording.from_arrays(
        np.zeros((3, 100)), voltage, dt_ms=4, response_dt_ms=1, resample="mean", cf_hz=CF_HZ, unit="dB"
    )
    assert np.allclose(found.responses[0].numpy(), voltage.reshape(2, 3, 100, 4).mean(-1))
    with pytest.raises(ValueError, match=r"resample must be 'sum' .* response_dt_ms, 1 ms, is not dt_ms, 4 ms"):
        Recording.from_arrays(np.zeros((3, 100)), voltage, dt_ms=4, response_dt_ms=1, cf_hz=CF_HZ)


def test_rates_that_are_no_multiples_agree_with_a_slow_loop():
    values = RNG.normal(size=37)
    values[11] = np.nan
    found = Recording.from_arrays(
        np.zeros((3, 12)), values, dt_ms=5, response_dt_ms=1.7, resample="mean", cf_hz=CF_HZ
    ).responses.flatten()
    for t in range(12):
        total = weight = 0.0
        for i, value in enumerate(values):
            overlap = min((i + 1) * 1.7, (t + 1) * 5) - max(i * 1.7, t * 5)
            if overlap > 0 and not np.isnan(value):
                total, weight = total + value * overlap, weight + overlap
        assert found[t].item() == pytest.approx(total / weight) if weight >= 2.5 else found[t].isnan()


def test_slow_signals_are_interpolated_and_never_beyond_what_was_recorded():
    # Calcium at 40 ms: sample i is the mean of [40 i, 40 (i + 1)) ms, so that its middle is 20 + 40 i.
    signal = np.arange(10.0)
    found = Recording.from_arrays(
        np.zeros((3, 100)), signal, dt_ms=5, response_dt_ms=40, resample="mean", cf_hz=CF_HZ
    ).responses.flatten()
    middles = (np.arange(100) + 0.5) * 5
    expected = np.interp(middles, 20 + 40 * np.arange(10), signal)
    assert np.allclose(found[:80], expected[:80])
    assert bool(found[80:].isnan().all())


def test_counts_are_added_up_and_none_is_lost():
    raster = (RNG.random((2, 3, 500)) < 0.1).astype(float)
    found = Recording.from_arrays(np.zeros((3, 100)), raster, dt_ms=5, response_dt_ms=1, resample="sum", cf_hz=CF_HZ)
    assert np.array_equal(found.responses[0].numpy(), raster.reshape(2, 3, 100, 5).sum(-1))
    short = Recording.from_arrays(
        np.zeros((3, 100)), raster[..., :498], dt_ms=5, response_dt_ms=1, resample="sum", cf_hz=CF_HZ
    )
    assert bool(short.responses[..., -1].isnan().all())  # two of its five samples were not recorded
    assert same(short.responses[..., :-1], found.responses[..., :-1])


def test_rebin_and_crop_agree_with_arrays():
    found, (sounds, responses) = ragged()
    wide = found.rebin(10, responses="sum")
    assert wide.bins == (4, 2, 3)
    assert np.allclose(wide[0][0][0], sounds[0].reshape(3, 4, 2).mean(-1))
    assert np.allclose(wide[0][1], responses[0].reshape(2, 4, 4, 2).sum(-1))
    assert np.allclose(wide[1][1][:, :1], responses[1][..., :4].reshape(2, 1, 2, 2).sum(-1))
    part = found.crop(5, 25)
    assert part.bins == (4, 4, 4)
    assert np.array_equal(part[2][1][:, :2].numpy(), responses[2][..., 1:5])
    with pytest.raises(ValueError, match=r"leave each stimulus a bin of 5 ms, got 30 to inf ms for 's0\.1' of 25 ms"):
        found.crop(30)
    with pytest.raises(ValueError, match="dt_ms must be a whole multiple of 5 ms, got 7"):
        found.rebin(7, responses="mean")
    with pytest.raises(ValueError, match=r"responses must be one of \['sum', 'mean'\], got 'median'"):
        found.rebin(10, responses="median")
    with pytest.raises(ValueError, match=r"dt_ms must be at most the length of 's0\.1', 25 ms, got 30"):
        found.rebin(30, responses="mean")


def test_sites_are_joined_with_nan_elsewhere():
    a, b = ragged(0)[0], ragged(1, neurons=3)[0]
    both = Recording.concatenate({"A": a, "B": b})
    assert both.neuron_names == ("A/neuron 1", "A/neuron 2", "B/neuron 1", "B/neuron 2", "B/neuron 3")
    assert len(both) == 6
    assert sum(p.responses.numel() for p in both._parts) == sum(
        p.responses.numel() for one in (a, b) for p in one._parts
    )
    for i in range(3):
        assert same(both[i][1][:2], a[i][1])
        assert bool(both[i][1][2:].isnan().all())
        assert same(both[3 + i][1][2:], b[i][1])
    again = both.select(neurons=[f"B/neuron {n}" for n in (3, 1)], stimuli=[4])
    assert same(again[0][1][:, :1], b[1][1][[2, 0]][:, :1])
    with pytest.raises(ValueError, match="different names, got 'neuron 1' twice: a mapping of sites"):
        Recording.concatenate([a, b])


def test_sessions_of_the_same_neurons_add_trials():
    a, (sounds, responses) = ragged()
    other = Recording.from_arrays(
        sounds, [y + 1 for y in responses], dt_ms=5, cf_hz=CF_HZ, stimulus_names=a.stimulus_names
    )
    both = Recording.concatenate([a, other], same_neurons=True)
    assert len(both) == 3
    assert np.array_equal(both[0][1].numpy(), np.concatenate([responses[0], responses[0] + 1], 1))
    with pytest.raises(
        ValueError, match=r"must not repeat each other, but all trials of neuron 'neuron 1' with 's0\.0'"
    ):
        Recording.concatenate([a, a], same_neurons=True)
    moved = Recording.from_arrays(
        [x + 1 for x in sounds], responses, dt_ms=5, cf_hz=CF_HZ, stimulus_names=a.stimulus_names
    )
    with pytest.raises(ValueError, match=r"the same sound under the same name, but 's0\.0' has 8 bins in one and 8"):
        Recording.concatenate({"A": a, "B": moved})


def test_recordings_with_other_axes_are_not_joined():
    a = ragged(0)[0]
    with pytest.raises(ValueError, match=r"bins of one width, ms, got 5\.0 and 10\.0 in recording 1; rebin"):
        Recording.concatenate([a, ragged(1)[0].rebin(10, responses="sum")])
    other = Recording.from_arrays(np.zeros((3, 4)), np.zeros(4), dt_ms=5, cf_hz=[1e3, 2e3, 3e3])
    with pytest.raises(ValueError, match="the same cf_hz, got other bands in recording 'B'"):
        Recording.concatenate({"A": a, "B": other})
    with pytest.raises(ValueError, match="recordings must be at least one, got none"):
        Recording.concatenate([])


@pytest.mark.parametrize("kind", ["ragged", "dense", "sites"])
def test_one_file_gives_a_recording_back_whole(kind, tmp_path):
    made = {
        "ragged": lambda: ragged()[0],
        "dense": lambda: Recording(
            torch.rand(2, 1, 3, 6), torch.rand(2, 2, 3, 6), dt_ms=2.5, cf_hz=torch.tensor(CF_HZ), delay_ms=1.5, unit="x"
        ),
        "sites": lambda: Recording.concatenate({"ä": ragged(0)[0], "B": ragged(1)[0]}),
    }[kind]()
    made.spontaneous_hz = torch.arange(len(made.neuron_names)) * 0.3
    file = made.save(tmp_path / "new" / "a.safetensors")
    assert alike(Recording.load(file), made)
    assert torch.equal(Recording.load(file).select(neurons=[1]).spontaneous_hz, torch.tensor([0.3]))
    made.select(stimuli=[0]).save(file)  # another recording is replaced
    assert len(Recording.load(file)) == 1
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_files_of_others_are_neither_replaced_nor_read(tmp_path):
    from safetensors.torch import save_file

    made = ragged()[0]
    other = tmp_path / "model.safetensors"
    save_file({"weight": torch.ones(2)}, other)
    with pytest.raises(FileExistsError, match=r"model\.safetensors exists and is no recording"):
        made.save(other)
    with pytest.raises(ValueError, match=r"model\.safetensors is no recording that Recording\.save"):
        Recording.load(other)
    for header in (b'{"__metadata__": []}', b"[" * 100_000, b"7"):
        other.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(FileExistsError, match="exists and is no recording"):
            made.save(other)
    with pytest.raises(ValueError, match="the recording's name must be names that files can have"):
        made.save(tmp_path / "con.safetensors")
    file = made.save(tmp_path / "a.rec")
    whole = file.read_bytes()
    for n in (0, 7, 100, len(whole) - 3):
        file.write_bytes(whole[:n])
        with pytest.raises(ValueError, match=r"a\.rec is damaged"):
            Recording.load(file)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Recording.load(tmp_path / "b")


def test_copies_and_pickles_hold_no_more_than_they_show():
    whole = Recording(torch.rand(50, 1, 3, 100), torch.rand(50, 2, 3, 100), dt_ms=5, cf_hz=CF_HZ)
    part = whole.select(stimuli=[3])
    assert len(pickle.dumps(part)) < len(pickle.dumps(whole)) / 20
    assert alike(pickle.loads(pickle.dumps(part)), part)
    twin = copy.deepcopy(whole)
    twin.responses[:] = 0.0
    assert not alike(twin, whole)


def test_what_is_changed_in_the_padded_responses_is_changed_in_the_recording():
    made = ragged()[0]
    made.responses[0, 1, 0, 2] = torch.nan
    assert made[0][1][1, 0, 2].isnan()
    assert made.select(neurons=[1])[0][1][0, 0, 2].isnan()


def arrays():
    return {"stim": RNG.random((3, 6)), "resp": RNG.normal(size=(2, 4, 6)), "dt": 5.0, "f": np.asarray(CF_HZ)}


NAMES = {"stimulus": "stim", "responses": "resp", "dt_ms": "dt", "cf_hz": "f"}


def test_npz_and_mat_of_both_versions_give_the_same(tmp_path):
    h5py, io = pytest.importorskip("h5py"), pytest.importorskip("scipy.io")
    data = arrays()
    np.savez(tmp_path / "a.npz", **data)
    io.savemat(tmp_path / "a.mat", data)
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        for name, value in data.items():
            file[name] = np.atleast_2d(value).T  # MATLAB writes the last axis first, and no array below two axes
    first = read_arrays(tmp_path / "a.npz", **NAMES)
    assert np.array_equal(first.responses[0].numpy(), data["resp"])
    assert alike(read_arrays(tmp_path / "a.mat", **NAMES), first)
    assert alike(read_arrays(tmp_path / "b.mat", **NAMES), first)


def test_sparse_matrices_of_matlab_are_read(tmp_path):
    io, sparse = pytest.importorskip("scipy.io"), pytest.importorskip("scipy.sparse")
    data = arrays()
    data["resp"] = data["resp"][:, 0]
    io.savemat(tmp_path / "a.mat", data)
    io.savemat(tmp_path / "b.mat", data | {"resp": sparse.csc_matrix(data["resp"])})
    assert alike(read_arrays(tmp_path / "a.mat", **NAMES), read_arrays(tmp_path / "b.mat", **NAMES))
    io.savemat(tmp_path / "c.mat", data | {"resp": sparse.csc_matrix((10**5, 10**5))})
    with pytest.raises(ValueError, match=r"the sparse matrix 'resp' needs 75 GB of memory, limit 2 GB; raise it"):
        read_arrays(tmp_path / "c.mat", **NAMES)


def test_cells_and_numbered_arrays_are_sounds_of_several_lengths(tmp_path):
    io = pytest.importorskip("scipy.io")
    made, (sounds, responses) = ragged()
    cells = {name: np.empty(3, dtype=object) for name in ("stimulus", "responses")}
    for b in range(3):
        cells["stimulus"][b], cells["responses"][b] = sounds[b], responses[b]
    io.savemat(tmp_path / "a.mat", {"data": cells | {"cf_hz": CF_HZ}})
    found = read_arrays(
        tmp_path / "a.mat", stimulus="data.stimulus", responses="data.responses", cf_hz="data.cf_hz", dt_ms=5,
        stimulus_names=made.stimulus_names,
    )  # fmt: skip
    assert alike(found, made)
    numbered = {f"stimulus_{b}": x for b, x in enumerate(sounds)} | {
        f"responses_{b}": y for b, y in enumerate(responses)
    }
    np.savez(tmp_path / "a.npz", **numbered)
    found = read_arrays(tmp_path / "a.npz", cf_hz=CF_HZ, dt_ms=5, stimulus_names=made.stimulus_names)
    assert alike(found, made)


def test_array_files_are_refused_with_the_way_out(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays())
    with pytest.raises(ValueError, match=r"stimulus must name something in .*a\.npz, which has \['stim \(3, 6\)', "):
        read_arrays(tmp_path / "a.npz", cf_hz="f", dt_ms=5)
    ragged_array = np.empty(2, dtype=object)
    ragged_array[:] = [np.zeros((3, 4)), np.zeros((3, 5))]
    np.savez(tmp_path / "b.npz", stimulus=ragged_array, responses=ragged_array)
    with pytest.raises(ValueError, match=r"b\.npz holds Python objects, .* save sounds .* as stimulus_0"):
        read_arrays(tmp_path / "b.npz", cf_hz=CF_HZ, dt_ms=5)
    for name in ("c.npz", "c.mat", "c.npy"):
        (tmp_path / name).write_bytes(b"nonsense" * 40)
        with pytest.raises(ValueError, match=rf"{name} cannot be read"):
            read_arrays(tmp_path / name, cf_hz=CF_HZ, dt_ms=5)
    for content in (b"", b"stim", b"\0" * 130):
        (tmp_path / "c.mat").write_bytes(content)
        with pytest.raises(ValueError, match=r"c\.mat (cannot be read as a MATLAB file|is empty)"):
            read_arrays(tmp_path / "c.mat", cf_hz=CF_HZ, dt_ms=5)
    (tmp_path / "d.txt").write_text("1")
    with pytest.raises(ValueError, match=r"d\.txt must end with \.npz, \.npy or \.mat, got '\.txt'"):
        read_arrays(tmp_path / "d.txt")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_arrays(tmp_path / "e.mat")
    np.savez(tmp_path / "f.npz", **{**arrays(), "dt": CF_HZ})
    with pytest.raises(ValueError, match=r"f\.npz: dt_ms must be one number \(ms\), got \(3,\)"):
        read_arrays(tmp_path / "f.npz", **NAMES)


def zeros_mat(path, megabytes):
    """A MATLAB file of some kB whose one variable, deflated, is so large."""
    size, inflated = megabytes * 10**6, bytearray()
    for kind, data in ((6, b"\x06\0\0\0\0\0\0\0"), (5, (1).to_bytes(4, "little") + (size // 8).to_bytes(4, "little"))):
        inflated += kind.to_bytes(4, "little") + len(data).to_bytes(4, "little") + data
    inflated += (1).to_bytes(4, "little") + (8).to_bytes(4, "little") + b"stimulus"
    head = (14).to_bytes(4, "little") + (len(inflated) + 8 + size).to_bytes(4, "little")
    pack = zlib.compressobj(9)
    packed = pack.compress(head + bytes(inflated) + (9).to_bytes(4, "little") + size.to_bytes(4, "little"))
    for _ in range(megabytes):
        packed += pack.compress(bytes(10**6))
    packed += pack.flush()
    element = (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + element)


def test_a_small_matlab_file_with_a_large_variable_is_refused_before_it_is_inflated(tmp_path):
    path = tmp_path / "a.mat"
    zeros_mat(path, 20)
    assert path.stat().st_size < 100_000
    assert array_files._unpacked_bytes(path, 1.0) > 20e6
    with pytest.raises(ValueError, match=r"a\.mat needs 0\.0\d+ GB of memory, limit 0\.01 GB; raise it with max_gb="):
        read_arrays(path, dt_ms=5.0, max_gb=0.01)


def npy(header):
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.mat", b""),
        ("a.mat", b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\x0f\0\0\0\xff\xff\xff\xff"),
        ("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}")),
        ("a.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000000,)}")),
        ("a.npy", npy("((((")),
    ],
)
def test_an_array_file_that_says_more_than_it_holds_is_refused_by_name(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{re.escape(name)} (cannot be read as|needs|is empty)"):
        read_arrays(tmp_path / name, stimulus="", responses=np.zeros((1, 2)), dt_ms=5.0, cf_hz=CF_HZ)


def test_an_array_of_another_kind_in_a_file_is_the_fault_of_the_file(tmp_path):
    good = {"stimulus": np.zeros((3, 4)), "responses": np.zeros((1, 4)), "dt_ms": 5.0, "cf_hz": np.array(CF_HZ)}
    for name, other in (("stimulus", np.zeros((3, 4), complex)), ("responses", np.array([["a"] * 4]))):
        np.savez(tmp_path / "a.npz", **{**good, name: other})
        with pytest.raises(ValueError, match=rf"a\.npz: {name} must be a tensor or an array of numbers"):
            read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.mat"])
def test_a_file_that_gzip_packed_is_told_whatever_its_name(name, tmp_path):
    (tmp_path / name).write_bytes(gzip.compress(b"anything"))
    with pytest.raises(ValueError, match=rf"{re.escape(name)} is compressed by gzip, whatever its name says: unpack"):
        read_arrays(tmp_path / name)


def test_a_small_archive_with_a_large_array_is_refused_before_memory_is_taken(tmp_path):
    large = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,)}")
    (tmp_path / "a.npy").write_bytes(large)
    with zipfile.ZipFile(tmp_path / "says.npz", "w") as archive:
        archive.writestr("stimulus.npy", large)
    with zipfile.ZipFile(tmp_path / "holds.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stimulus.npy", bytes(10**7))
    for name, limit, needed in (("a.npy", 2.0, "7.5"), ("says.npz", 2.0, "7.5"), ("holds.npz", 0.005, "0.0093")):
        with pytest.raises(ValueError, match=rf"^{tmp_path / name} needs {needed} GB of memory, limit {limit:g} GB; "):
            read_arrays(tmp_path / name, max_gb=limit)
