"""A bench as one HTML file: what is in it, and that a failure leaves what was there."""

import base64
import errno
import json
import os
import re

import numpy as np
import pytest
import torch

from deepstrf import Recording
from deepstrf.datasets.source import Source
from deepstrf.models import LinearNonlinear, NetworkReceptiveField
from deepstrf_widgets import BenchWidget, LiveSession, explore
from deepstrf_widgets.bench import html_export
from deepstrf_widgets.bench.html_export import save_html, save_module
from deepstrf_widgets.bench.page_state import model_info

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])


@pytest.fixture
def bench(session):
    made = BenchWidget(session, neuron=2)
    yield made
    made.close()


def data_of(path):
    text = path.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="deepstrf-bench-data">(.*?)</script>', text, re.DOTALL)
    return text, json.loads(data)


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_a_page_holds_every_neuron_at_present_and_as_trained(bench, tmp_path):
    bench.session.set("strf.weight", 3.5, (1, 0, 0))
    path = save_html(bench, tmp_path / "bench.html")
    _, data = data_of(path)
    assert (data["neuron"], data["info"]["n_neurons"], len(data["neurons"])) == (2, 3, 3)
    assert numbers(data["neurons"][1]["gaussians"])[4] == 3.5
    trained = bench.session.trained_value("strf.weight", (1, 0, 0))
    np.testing.assert_allclose(numbers(data["neurons"][1]["trained_gaussians"])[4], trained, rtol=1e-6)
    np.testing.assert_array_equal(numbers(data["neurons"][0]["rate"]), bench.session.rate(0)[0].float())
    np.testing.assert_array_equal(numbers(data["stimulus"]), bench.session.stimulus[0, 0].flatten().float())


def test_a_page_loads_nothing_from_elsewhere(bench, tmp_path):
    text, _ = data_of(save_html(bench, tmp_path / "bench.html"))
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)


def test_chosen_neurons_are_counted_anew(bench, tmp_path):
    _, data = data_of(save_html(bench, tmp_path / "bench.html", neurons=[2, 0]))
    assert data["info"]["neuron_names"] == ["neuron 3", "neuron 1"]
    assert data["neuron"] == 0  # neuron 2, which is on screen
    np.testing.assert_array_equal(numbers(data["neurons"][1]["rate"]), bench.session.rate(0)[0].float())


def test_a_page_keeps_edits_that_it_cannot_make(bench, tmp_path):
    """Of neurons that it does not have and of what no editor of it sets; those that are no numbers never come back."""
    session = bench.session
    session.set("strf.weight", 2.0, (0, 0, 0))
    session.set("strf.weight", 3.0, (2, 1, 0))
    session.set("strf.bias", 0.5, (2,))
    session.set("prefilter.tau_on_ms", 33.0, (1,))
    _, data = data_of(save_html(bench, tmp_path / "some.html", neurons=[2]))
    data["origin"]["fixed"].sort()
    assert data["origin"] == {
        "n_neurons": session.n_neurons,
        "neurons": [2],
        "sounds": [0],
        "fixed": [["strf.bias", [2], 0.5], ["strf.weight", [0, 0, 0], 2.0]],
    }


def test_names_and_titles_are_text(session, tmp_path):
    names = ["<b>one</b>", "</script><script>alert(1)</script>", "three"]
    other = LiveSession(session.model, session.stimulus, dt_ms=5.0, cf_hz=CF_HZ, neuron_names=names)
    explorer = explore(other, figures=False)
    text, data = data_of(explorer.save_html(tmp_path / "bench.html", title="<i>A & B</i>"))
    assert data["info"]["neuron_names"] == names
    assert "<title>&lt;i&gt;A &amp; B&lt;/i&gt;</title>" in text
    assert "<script>alert" not in text
    explorer.close()


def test_a_model_that_the_browser_cannot_compute_is_shown_only(make_model, make_stimulus, tmp_path):
    model = NetworkReceptiveField(5, 4, out_neurons=3, prefiltering=make_model().prefiltering.float()).eval()
    widget = BenchWidget(LiveSession(model, make_stimulus().float(), cf_hz=CF_HZ))
    _, data = data_of(save_html(widget, tmp_path / "bench.html"))
    assert data["info"]["n_gaussians"] == 0
    assert data["info"]["prefilter"]["rows"] == data["info"]["activation"]["names"] == []
    widget.close()


def test_a_free_field_is_painted_only_where_the_browser_can_answer(make_session, tmp_path):
    local, other = (BenchWidget(make_session("full", None, curve)) for curve in ("softplus", "identity"))
    other.session.model.readout.activation = torch.nn.GELU()
    other.info = model_info(other.session, [], 0)
    data = [data_of(save_html(widget, tmp_path / "bench.html"))[1] for widget in (local, other)]
    assert [("strf.kernel" in page["info"]["limits"], page["info"]["local"]) for page in data] == [
        (True, True),
        (False, False),
    ]
    for widget in (local, other):
        widget.close()


def test_a_page_holds_the_profiles_of_a_product(make_session, tmp_path):
    widget = BenchWidget(make_session("separable", None))
    widget.session.set("strf.factor_f", 2.5, (1, 0, 3))
    _, data = data_of(save_html(widget, tmp_path / "bench.html"))
    now, then = (numbers(data["neurons"][1][name]) for name in ("factors", "trained_factors"))
    assert now.size == then.size == 5 + 4
    assert [i for i in range(9) if now[i] != then[i]] == [3]
    assert now[3] == 2.5
    widget.close()


@pytest.mark.parametrize(
    ("neurons", "error", "message"),
    [
        ([], ValueError, r"neurons must be at least one and all different, got \[\]"),
        ([0, 3], IndexError, r"neurons must lie in \[0, 2\], got 3"),
        ([1.5], TypeError, "neurons must be an integer or a name, got 1.5"),
        (["a"], ValueError, "neurons must be one of the 3 names, such as 'neuron 1'"),
    ],
)
def test_wrong_neurons_are_an_error_and_the_file_stays(bench, tmp_path, neurons, error, message):
    path = tmp_path / "bench.html"
    path.write_text("before")
    with pytest.raises(error, match=message):
        save_html(bench, path, neurons=neurons)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(bench, tmp_path):
    with pytest.raises(FileNotFoundError):
        save_html(bench, tmp_path / "nowhere" / "bench.html")


def test_no_part_is_left_of_a_page_that_could_not_be_moved_in_place(bench, tmp_path):
    (tmp_path / "bench.html").mkdir()
    with pytest.raises(OSError, match=r"bench\.html"):
        save_html(bench, tmp_path / "bench.html")
    assert [path.name for path in tmp_path.iterdir()] == ["bench.html"]


def test_only_a_page_is_replaced_by_a_page(bench, tmp_path, monkeypatch):
    """A course's own index.html stays; so does whatever stands beside a page, and a page when the disk is full."""
    mine = tmp_path / "index.html"
    mine.write_text("<html>my course</html>")
    with pytest.raises(FileExistsError, match=r"index\.html is not a page of a bench and is not replaced"):
        save_html(bench, mine)
    assert mine.read_text() == "<html>my course</html>"
    page = save_html(bench, tmp_path / "page.html")
    assert save_html(bench, page, title="again") == page
    assert "<title>again" in (whole := page.read_text())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for name in ("page.html", "new.html"):
        with pytest.raises(OSError, match="No space left"):
            save_html(bench, tmp_path / name, title="lost")
    monkeypatch.undo()
    assert page.read_text() == whole
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "page.html"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\0b.html", "path must hold no NUL character"),
        ("x" * 252 + ".html", "path must be a path that the file system can hold"),
        *((name, "the page's name must be names that files can have") for name in ("nul.html", "a:b.html", " a.html")),
    ],
)
def test_a_page_whose_name_no_file_can_have_is_refused(bench, tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        save_html(bench, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_page_larger_than_the_limit_is_refused(bench, tmp_path):
    with pytest.raises(ValueError, match=r"a page of 3 neurons needs .* GB of memory, limit 1e-07 GB"):
        save_html(bench, tmp_path / "page.html", max_gb=1e-7)
    assert list(tmp_path.iterdir()) == []


def test_neurons_are_chosen_by_numbers_of_numpy(bench, tmp_path):
    one = data_of(save_html(bench, tmp_path / "a.html", neurons=np.int64(2)))[1]
    assert one["info"]["neuron_names"] == ["neuron 3"]


@pytest.fixture
def sounds(make_model, make_stimulus, make_responses):
    """A bench of three sounds of unequal length."""
    stimuli, responses = make_stimulus(3).float(), make_responses(3).float()
    bins = [30, 12, 21]
    for b, n in enumerate(bins):
        stimuli[b, ..., n:], responses[b, ..., n:] = 0, np.nan
    names = ["birdsong", "1", "rain"]
    recording = Recording(stimuli, responses, dt_ms=5.0, cf_hz=torch.tensor(CF_HZ), stimulus_names=names, bins=bins)
    made = BenchWidget(LiveSession(make_model(dtype=torch.float32), recording), sound=2)
    yield made
    made.close()


def test_a_page_holds_all_sounds_each_over_its_own_length(sounds, tmp_path):
    _, data = data_of(save_html(sounds, tmp_path / "page.html"))
    session = sounds.session
    assert (data["bins"], data["info"]["sound"], data["info"]["n_frames"]) == ([30, 12, 21], 2, 21)
    assert data["info"]["sound_names"] == ["birdsong", "sound 2", "rain"]
    wanted = np.concatenate([session.stimulus[b, 0, :, :n].numpy().ravel() for b, n in enumerate(data["bins"])])
    np.testing.assert_array_equal(numbers(data["stimulus"]), wanted)
    rates = np.concatenate([session.rate(1)[b, :n].numpy() for b, n in enumerate(data["bins"])])
    np.testing.assert_array_equal(numbers(data["neurons"][1]["rate"]), rates)
    assert data["info"]["score_over"] == "sound"


def test_a_page_holds_chosen_sounds_and_their_beginnings(sounds, tmp_path):
    _, data = data_of(save_html(sounds, tmp_path / "page.html", sounds=["rain", 1], seconds=0.075))
    assert (data["bins"], data["info"]["sound"], data["info"]["sound_names"]) == ([15, 12], 0, ["rain", "sound 2"])
    np.testing.assert_array_equal(numbers(data["neurons"][0]["rate"])[:15], sounds.session.rate(0)[2, :15])


def test_float16_rounds_sounds_and_responses_and_nothing_else(sounds, tmp_path):
    whole, half = (
        data_of(save_html(sounds, tmp_path / "page.html", dtype=dtype))[1] for dtype in ("float32", "float16")
    )
    assert half["half"]
    stored = np.frombuffer(base64.b64decode(half["stimulus"]), "<f2")
    np.testing.assert_allclose(stored, numbers(whole["stimulus"]), rtol=6e-4, atol=1e-6)
    assert half["neurons"][0]["gaussians"] == whole["neurons"][0]["gaussians"]


@pytest.mark.parametrize("save", [save_html, save_module])
def test_a_page_that_is_too_large_says_so_before_it_is_written_and_what_helps(sounds, tmp_path, save):
    path = tmp_path / ("page.html" if save is save_html else "page.mjs")
    with pytest.raises(ValueError, match=r"no larger than max_mb = 0.1 MB, and 3 neurons with 3 sounds") as caught:
        save(sounds, path, max_mb=0.1)
    text = str(caught.value)
    for way in ("neurons=0", "sounds=0", "seconds=0.075", "dtype='float16'", "or max_mb=1"):
        assert way in text
    assert list(tmp_path.iterdir()) == []
    assert save(sounds, path, max_mb=1).stat().st_size < 1e6


def test_the_size_that_is_said_is_that_of_the_file(sounds, tmp_path):
    for options in ({}, {"dtype": "float16"}, {"neurons": 1, "sounds": 0}):
        size = save_html(sounds, tmp_path / "page.html", **options).stat().st_size
        choice = html_export._chosen(
            sounds, options.get("neurons"), options.get("sounds"), None, options.get("dtype", "float32")
        )
        assert html_export.page_bytes(sounds, choice) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sounds": 3}, IndexError, r"sounds must lie in \[0, 2\], got 3"),
        ({"sounds": []}, ValueError, "sounds must be at least one"),
        ({"sounds": "ran"}, ValueError, "did you mean"),
        ({"seconds": 0}, ValueError, "seconds must be positive, got 0"),
        ({"seconds": float("nan")}, ValueError, "seconds must be positive, got nan"),
        ({"dtype": "float64"}, ValueError, "dtype must be 'float32' or 'float16', got 'float64'"),
    ],
)
def test_wrong_choices_are_named(sounds, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        save_html(sounds, tmp_path / "page.html", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_module_exports_render_loads_nothing_and_replaces_modules_only(sounds, tmp_path):
    path = save_module(sounds, tmp_path / "bench.mjs")
    text = path.read_text(encoding="utf-8")
    assert re.search(r"export default \{ render \};\s*$", text)
    assert len(re.findall(r"\bexport\b", text)) == 1
    assert not re.search(r"\bimport\s*[{*\"']|\bfrom\s*[\"']", text)
    assert save_module(sounds, path) == path
    mine = tmp_path / "mine.js"
    mine.write_text("export const a = 1;")
    with pytest.raises(FileExistsError, match=r"mine\.js is not a module of a bench"):
        save_module(sounds, mine)
    with pytest.raises(ValueError, match=r"path must end in \.mjs or \.js, got bench\.html"):
        save_module(sounds, tmp_path / "bench.html")


@pytest.mark.parametrize("part", ["whole", "split", "select", "rebin", "concatenate"])
def test_a_page_with_a_recording_that_must_not_be_passed_on_is_warned_of(part, tmp_path):
    def bench_of(redistribution):
        recording = Recording(torch.rand(4, 1, 5, 40), torch.rand(4, 3, 2, 40), dt_ms=5.0, cf_hz=CF_HZ)
        recording.source = Source("aa1", "t", "own account", "CRCNS terms", "c", redistribution=redistribution)
        chosen = {
            "whole": lambda: recording,
            "split": lambda: recording.split(0.5, 0.5)[0],
            "select": lambda: recording.select(stimuli=[1], neurons=[0, 1, 2]),
            "rebin": lambda: recording.rebin(10.0, responses="mean"),
            "concatenate": lambda: Recording.concatenate(
                {"x": recording.select(neurons=[0]), "y": recording.select(neurons=[1, 2])}
            ),
        }[part]()
        return BenchWidget(LiveSession(LinearNonlinear(5, 4, out_neurons=3), chosen))

    own = bench_of(False)
    with pytest.warns(UserWarning, match=r"holds sounds and responses of 'aa1' \(licence: CRCNS terms\), which"):
        save_html(own, tmp_path / "a.html")
    own.session.set_stimulus(torch.rand(5, 40))
    save_html(own, tmp_path / "b.html")
    own.session.set_stimulus()
    with pytest.warns(UserWarning, match="must not be passed on"):
        save_html(own, tmp_path / "c.html")
    free = bench_of(True)
    save_html(free, tmp_path / "d.html")
    own.close()
    free.close()


@pytest.mark.parametrize(("save", "name"), [(save_html, "page.html"), (save_module, "page.mjs")])
def test_a_page_takes_paths_as_other_writers_do(bench, tmp_path, monkeypatch, save, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert save(bench, f"~/{name}") == tmp_path / name
    assert save(bench, os.fsencode(tmp_path / name)) == tmp_path / name
    with pytest.raises(TypeError, match="path must be text or a path, got int"):
        save(bench, 3)
    with pytest.raises(ValueError, match="path must hold no NUL character"):
        save(bench, f"a\0{name}")
