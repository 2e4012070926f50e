"""A bench as one HTML file: what is in it, and that a failure leaves what was there."""

import base64
import errno
import json
import os
import re

import numpy as np
import pytest
import torch

from deepstrf.models import NetworkReceptiveField
from deepstrf_widgets import BenchWidget, LiveSession, explore
from deepstrf_widgets.bench.html_export import save_html
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
    assert data["info"]["neuron_names"] == ["neuron 2", "neuron 0"]
    assert data["neuron"] == 0  # neuron 2, which is on screen
    np.testing.assert_array_equal(numbers(data["neurons"][1]["rate"]), bench.session.rate(0)[0].float())


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
    other.info = model_info(other.session, [])
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
        (["a"], ValueError, "neurons must be one of the 3 names, such as 'neuron 0'"),
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


@pytest.mark.parametrize("name", ["a\0b.html", "x" * 252 + ".html", "nul.html", "a:b.html", " a.html"])
def test_a_page_whose_name_no_file_can_have_is_refused(bench, tmp_path, name):
    with pytest.raises(ValueError, match="the page's name must be names that files can have"):
        save_html(bench, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_page_larger_than_the_limit_is_refused(bench, tmp_path):
    with pytest.raises(ValueError, match=r"a page of 3 neurons needs .* GB of memory, limit 1e-07 GB"):
        save_html(bench, tmp_path / "page.html", max_gb=1e-7)
    assert list(tmp_path.iterdir()) == []


def test_neurons_are_chosen_by_numbers_of_numpy(bench, tmp_path):
    one = data_of(save_html(bench, tmp_path / "a.html", neurons=np.int64(2)))[1]
    assert one["info"]["neuron_names"] == ["neuron 2"]
