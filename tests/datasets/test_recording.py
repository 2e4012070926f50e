"""A recording holds what it was given, and its parts are parts of it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from deepstrf.datasets import Recording, collate, smooth_responses
from deepstrf.stimuli import Spectrogram

CF_HZ = torch.tensor([500.0, 1000.0, 2000.0])


def recording(bins=(8, 5, 8, 7, 6), neurons=2, repeats=3):
    generator = torch.Generator().manual_seed(1)
    items = [
        (torch.rand(1, 3, n, generator=generator), torch.rand(neurons, repeats, n, generator=generator)) for n in bins
    ]
    stimuli, responses = collate(items)
    return Recording(
        stimuli,
        responses,
        dt_ms=5.0,
        cf_hz=CF_HZ,
        neuron_names=[f"u{n}" for n in range(neurons)],
        stimulus_names=[f"s{b}" for b in range(len(bins))],
        bins=bins,
    ), items


def same(a, b):
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(0.0), b.nan_to_num(0.0))


def test_items_come_back_at_their_own_length():
    whole, items = recording()
    assert len(whole) == 5
    assert whole.duration_s == pytest.approx((8 + 5 + 8 + 7 + 6) * 0.005)
    for (x, y), (x0, y0) in zip(whole, items, strict=True):
        assert torch.equal(x, x0)
        assert torch.equal(y, y0)


def test_padding_is_silence_and_nan():
    whole, _ = recording()
    assert whole.stimuli.shape == (5, 1, 3, 8)
    assert whole.responses.shape == (5, 2, 3, 8)
    assert (whole.stimuli[1, ..., 5:] == 0).all()
    assert whole.responses[1, ..., 5:].isnan().all()
    assert not whole.responses[1, ..., :5].isnan().any()


def test_a_data_loader_takes_it():
    whole, _ = recording()
    x, y = next(iter(DataLoader(whole, batch_size=5, collate_fn=collate)))
    assert torch.equal(x, whole.stimuli)
    assert same(y, whole.responses)


def test_collate_pads_repeats_too():
    x, y = collate([(torch.ones(1, 3, 4), torch.ones(2, 1, 4)), (torch.ones(1, 3, 2), torch.ones(2, 4, 2))])
    assert x.sum() == 3 * (4 + 2)
    assert y.shape == (2, 2, 4, 4)
    assert int((~y.isnan()).sum()) == 2 * (1 * 4 + 4 * 2)


def test_numbered_names_and_repr():
    plain = Recording(torch.zeros(2, 1, 3, 200), torch.zeros(2, 1, 1, 200), dt_ms=5, cf_hz=CF_HZ)
    assert plain.neuron_names == ("neuron 1",)
    assert plain.stimulus_names == ("stimulus 1", "stimulus 2")
    assert repr(plain) == "Recording(2 stimuli, 2 s in bins of 5 ms, 3 bands 500-2000 Hz, 1 neurons, up to 1 trials)"


def test_spectrogram_by_name_or_number():
    whole, items = recording()
    one = whole.spectrogram("s1")
    assert isinstance(one, Spectrogram)
    assert (one.name, one.dt_ms, one.values.shape) == ("s1", 5.0, (3, 5))
    assert torch.equal(one.values, items[1][0][0])
    assert torch.equal(whole.spectrogram(1).values, one.values)


def test_select_keeps_the_order_asked_for():
    whole, items = recording()
    part = whole.select(neurons=["u1"], stimuli=[3, "s1"])
    assert part.neuron_names == ("u1",)
    assert part.stimulus_names == ("s3", "s1")
    assert part.bins == (7, 5)
    assert part.stimuli.shape == (2, 1, 3, 7)  # no longer than its longest stimulus
    assert torch.equal(part[1][1], items[1][1][1:])
    assert whole.select(stimuli=[-1]).stimulus_names == ("s4",)


def test_smoothed_smooths_each_trial_within_its_stimulus():
    whole, items = recording()
    smooth = whole.smoothed(15.0, causal=True)
    assert torch.equal(smooth.stimuli, whole.stimuli)
    assert torch.allclose(smooth[1][1], smooth_responses(items[1][1], 5.0, 15.0, causal=True))
    assert (smooth.neuron_names, smooth.bins) == (whole.neuron_names, whole.bins)


@given(st.integers(3, 40), st.integers(0, 1000))
def test_a_split_is_a_partition(stimuli, seed):
    whole = Recording(torch.zeros(stimuli, 1, 3, 4), torch.zeros(stimuli, 1, 1, 4), dt_ms=5, cf_hz=CF_HZ)
    parts = whole.split(0.7, 0.15, 0.15, seed=seed)
    names = [name for part in parts for name in part.stimulus_names]
    assert sorted(names) == sorted(whole.stimulus_names)
    assert [len(p) for p in parts[1:]] == [max(1, round(0.15 * stimuli))] * 2
    again = whole.split(0.7, 0.15, 0.15, seed=seed)
    assert [p.stimulus_names for p in parts] == [p.stimulus_names for p in again]


def test_another_seed_splits_otherwise():
    whole = Recording(torch.zeros(40, 1, 3, 4), torch.zeros(40, 1, 1, 4), dt_ms=5, cf_hz=CF_HZ)
    assert len({whole.split(0.5, 0.5, seed=seed)[0].stimulus_names for seed in range(5)}) == 5


@pytest.mark.parametrize("k", [2, 3, 5])
def test_folds_leave_out_every_stimulus_once(k):
    whole, _ = recording()
    out = []
    for rest, left_out in whole.folds(k):
        assert sorted(rest.stimulus_names + left_out.stimulus_names) == sorted(whole.stimulus_names)
        out += left_out.stimulus_names
    assert sorted(out) == sorted(whole.stimulus_names)


def test_errors_of_parts():
    whole, _ = recording()
    with pytest.raises(TypeError, match="each of neurons must be an int, got bool"):
        whole.select(neurons=[True])
    with pytest.raises(TypeError, match="neurons must be a sequence of numbers and names, got 'u1'"):
        whole.select(neurons="u1")
    with pytest.raises(ValueError, match=r"names among \['u0', 'u1'\], got 'U1': did you mean 'u1'"):
        whole.select(neurons=["U1"])
    with pytest.raises(ValueError, match=r"neurons must be numbers below 2 or names among \['u0', 'u1'\], got 'u7'"):
        whole.select(neurons=["u7"])
    with pytest.raises(ValueError, match=r"stimuli must be numbers below 5 .*, got 5"):
        whole.select(stimuli=[5])
    with pytest.raises(ValueError, match=r"neurons must be at least one and all different, got \[0, 'u0'\]"):
        whole.select(neurons=[0, "u0"])
    with pytest.raises(ValueError, match=r"stimuli must be at least one .*, got \[\]"):
        whole.select(stimuli=[])
    with pytest.raises(ValueError, match=r"fractions must be positive with the sum 1, got \(0\.5, 0\.4\)"):
        whole.split(0.5, 0.4)
    with pytest.raises(ValueError, match=r"fractions must be positive with the sum 1, got \(\)"):
        whole.split()
    with pytest.raises(ValueError, match="fractions must leave each of 6 parts a stimulus, got 5 stimuli"):
        whole.split(0.5, *([0.1] * 5))
    for k in (1, 6):
        with pytest.raises(ValueError, match=rf"k must lie in \[2, 5\], the number of stimuli, got {k}"):
            whole.folds(k)
    with pytest.raises(ValueError, match="items must hold at least one pair"):
        collate([])
    with pytest.raises(ValueError, match=r"the same number of bands F, got \[2, 3\]"):
        collate([(torch.ones(1, 3, 4), torch.ones(2, 1, 4)), (torch.ones(1, 2, 4), torch.ones(2, 1, 4))])
    with pytest.raises(ValueError, match=r"the same number of neurons N, got \[1, 2\]"):
        collate([(torch.ones(1, 3, 4), torch.ones(2, 1, 4)), (torch.ones(1, 3, 4), torch.ones(1, 1, 4))])


X, Y = torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 1, 4)


@pytest.mark.parametrize(
    ("stimuli", "responses", "options", "error", "message"),
    [
        (X.int(), Y, {}, TypeError, r"stimuli must be a floating-point tensor, got torch\.int32"),
        ("x", Y, {}, TypeError, "stimuli must be a tensor or an array of numbers, got str"),
        (X, Y.int(), {}, TypeError, r"responses must be a floating-point tensor, got torch\.int32"),
        (X, Y[0], {}, ValueError, r"responses must have shape \(B, N, R, T\)"),
        (X[0], Y, {}, ValueError, r"B = 2 and T = 4 of responses, got \(1, 3, 4\)"),
        (X[..., :3], Y, {}, ValueError, r"stimuli must have shape \(B, 1, F, T\).*got \(2, 1, 3, 3\)"),
        (X + math.nan, Y, {}, ValueError, "stimuli must be finite, got 24 values that are not"),
        (X, Y + math.inf, {}, ValueError, "responses must be finite or NaN, got 8 infinite values"),
        (X, Y, {"dt_ms": 0}, ValueError, r"dt_ms must be positive \(ms\), got 0"),
        (X, Y, {"cf_hz": CF_HZ[:2]}, ValueError, r"cf_hz must have shape \(F,\) with F = 3"),
        (X, Y, {"neuron_names": ["a", "b"]}, ValueError, r"neuron_names must be 1 different names, got \['a', 'b'\]"),
        (X, Y, {"stimulus_names": ["a", "a"]}, ValueError, r"stimulus_names must be 2 different names"),
        (X, Y, {"bins": [4, 5]}, ValueError, r"bins must be 2 lengths from 1 to T = 4, got \(4, 5\)"),
        (X, Y, {"bins": [4]}, ValueError, r"bins must be 2 lengths"),
        (X, Y, {"bins": [4, 3]}, ValueError, "responses must be NaN after the 3 bins of stimulus 'stimulus 2'"),
    ],
)
def test_errors_of_construction(stimuli, responses, options, error, message):
    with pytest.raises(error, match=message):
        Recording(stimuli, responses, **{"dt_ms": 5.0, "cf_hz": CF_HZ, **options})


def test_old_names_of_the_neurons_work_and_warn():
    plain = Recording(torch.zeros(1, 1, 2, 9), torch.zeros(1, 2, 1, 9), dt_ms=5.0, cf_hz=torch.tensor([1e3, 2e3]))
    assert plain.neuron_names == ("neuron 1", "neuron 2")
    with pytest.warns(DeprecationWarning, match="Recording.unit_names is called Recording.neuron_names now"):
        assert plain.unit_names == plain.neuron_names
    with pytest.warns(
        DeprecationWarning, match=r"Recording.select\(units=\) is called Recording.select\(neurons=\) now"
    ):
        assert plain.select(units=[1]).neuron_names == ("neuron 2",)


def test_arrays_are_taken():
    x, y = torch.rand(2, 1, 3, 9, dtype=torch.float64), torch.rand(2, 2, 4, 9, dtype=torch.float64)
    found = Recording(x.numpy(), y.numpy(), dt_ms=5.0, cf_hz=CF_HZ.tolist())
    assert torch.equal(found.stimuli, x)
    assert torch.equal(found.responses, y)
    assert found.cf_hz.tolist() == CF_HZ.tolist()


@pytest.mark.parametrize(
    ("tensor", "values", "message"),
    [
        ("stimulus.0", torch.zeros(1, 3, 4), r"stimulus and responses 0 must be \(1, F, T\)"),
        ("responses.1", torch.zeros(2, 1, 0), r"stimulus and responses 1 must be"),
        ("stimulus.1", torch.full((1, 3, 9), torch.inf), r"stimulus and responses 1 must be \(1, F, T\), finite"),
        ("neurons.0", torch.tensor([1, 0]), r"neurons 0 must be 2 ascending numbers below 2"),
        ("neurons.0", torch.tensor([0, 5]), r"neurons 0 must be 2 ascending numbers below 2"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused_by_name(tmp_path, tensor, values, message):
    path = tmp_path / "all.recording"
    Recording(torch.zeros(2, 1, 3, 9), torch.zeros(2, 2, 1, 9), dt_ms=5.0, cf_hz=torch.tensor([1e3, 2e3, 3e3])).save(
        path
    )
    with safe_open(path, framework="pt") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file({**tensors, tensor: values}, path, about)
    with pytest.raises(ValueError, match=rf"all\.recording is damaged, or no recording .*: {message}"):
        Recording.load(path)
