"""Units, axes and names travel from the recording to the model, its checkpoint and the bench."""

import json
import warnings

import pytest
import torch

from deepstrf.datasets import Recording
from deepstrf.models.audio import Linear
from deepstrf.training import Fitter, ridge
from deepstrf_widgets import explore, train

F, T, N = 5, 4, 2
CF = [400.0, 900.0, 2000.0, 4500.0, 11000.0]


def recording(**changes) -> Recording:
    g = torch.Generator().manual_seed(0)
    sounds = [torch.rand(F, 200, generator=g) for _ in range(3)]
    responses = [torch.randn(N, 2, 200, generator=g) for _ in range(3)]
    about = {"dt_ms": 10.0, "cf_hz": CF, "neuron_names": ["a 1", "b 2"], "delay_ms": 2.5, "response_unit": "mV"}
    return Recording.from_arrays(sounds, responses, **about | changes)


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    model = Linear(F, T, out_neurons=N)
    Fitter(epochs=1, progress=False).fit(model, recording())
    return model


def test_the_unit_stays_with_every_part_of_a_recording(tmp_path):
    whole = recording()
    parts = [
        whole.select(neurons=["a 1"]),
        whole.crop(0, 500),
        whole.rebin(20.0, responses="mean"),
        whole.smoothed(30.0),
        whole.split(0.5, 0.5)[0],
        Recording.concatenate({"x": whole, "y": recording()}),
        Recording.load(whole.save(tmp_path / "r.safetensors")),
    ]
    assert [one.response_unit for one in parts] == ["mV"] * len(parts)


def test_recordings_of_two_units_are_not_joined():
    other = recording(response_unit="dF/F", neuron_names=["c", "d"])
    with pytest.raises(ValueError, match="one unit of the responses, got 'mV' and 'dF/F'"):
        Recording.concatenate([recording(), other])


def test_a_fit_gives_the_model_the_axes_of_its_recording(fitted):
    assert fitted.axes == recording().axes
    assert fitted.axes.cf_hz == pytest.approx(CF)
    assert (fitted.axes.dt_ms, fitted.axes.response_unit, fitted.axes.neuron_names) == (10.0, "mV", ("a 1", "b 2"))
    assert ridge(recording(), 3).axes == recording().axes


def test_a_checkpoint_brings_them_back_and_the_bench_uses_them(fitted, tmp_path):
    fitted.save_pretrained(tmp_path / "model")
    loaded = Linear.from_pretrained(tmp_path / "model")
    assert loaded.axes == fitted.axes
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        explorer = explore(loaded, torch.rand(F, 100), figures=False)
    session = explorer.session
    assert (session.dt_ms, session.delay_ms, session.neuron_names) == (10.0, 2.5, ["a 1", "b 2"])
    assert session.cf_hz.tolist() == pytest.approx(CF)
    assert (explorer.info["rate_unit"], explorer.info["neuron_names"]) == ("mV", ["a 1", "b 2"])
    figure = explorer.figure_widget()
    assert "mV" in {axis.title.text for axis in figure.select_yaxes()}
    assert b"mV" in explorer.save_html(tmp_path / "page.html").read_bytes()
    assert session.model.axes == fitted.axes
    session.save_pretrained(tmp_path / "edited")
    assert Linear.from_pretrained(tmp_path / "edited").axes == fitted.axes


def test_a_fit_on_the_bench_has_the_unit_too():
    model = Linear(F, T, out_neurons=N)
    bench = train(model, Fitter(epochs=1), recording())
    bench.wait(60)
    assert bench.info["rate_unit"] == "mV"
    assert model.axes.response_unit == "mV"
    bench.close()


def test_a_model_that_was_never_fitted_to_a_recording_has_none(tmp_path):
    model = Linear(F, T)
    folder = model.save_pretrained(tmp_path / "model")
    assert "_axes" not in json.loads((folder / "config.json").read_text())
    assert Linear.from_pretrained(folder).axes is None


def test_what_is_given_comes_before_what_the_model_knows_and_a_difference_is_said(fitted):
    with pytest.warns(UserWarning, match="fitted to bins of 10 ms, the stimulus has bins of 5 ms"):
        session = explore(fitted, torch.rand(F, 100), dt_ms=5.0, neuron_names=["c", "d"], figures=False).session
    assert (session.dt_ms, session.neuron_names) == (5.0, ["c", "d"])
    with pytest.warns(UserWarning, match="fitted to bands from 400 to 11000 Hz, the stimulus has bands from 100"):
        explore(fitted, torch.rand(F, 100), cf_hz=[100.0, 200.0, 300.0, 400.0, 500.0], figures=False)


@pytest.mark.parametrize(
    "axes",
    [
        None,
        [],
        {},
        "text",
        {"dt_ms": "x"},
        {"dt_ms": -1.0},
        {"cf_hz": [1.0]},
        {"cf_hz": [5.0, 4.0, 3.0, 2.0, 1.0]},
        {"neuron_names": ["a"]},
        {"neuron_names": [1, 2]},
        {"response_unit": 7},
        {"delay_ms": float("nan")},
        {"cf_hz": 10**400},
    ],
)
def test_damaged_axes_are_refused_with_the_file_and_the_way_out(fitted, tmp_path, axes):
    folder = fitted.save_pretrained(tmp_path / "model")
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["_axes"] = {**config["_axes"], **axes} if isinstance(axes, dict) and axes else axes
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json is corrupt: _axes .*remove it to load the rest"):
        Linear.from_pretrained(folder)
