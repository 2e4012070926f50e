"""Pictures for the course: what the artists hold is what was given, in the units that the axes name."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.image import imread

from deepstrf.datasets import Recording
from deepstrf.models import Linear
from deepstrf.stimuli import Spectrogram
from deepstrf_widgets import pictures
from deepstrf_widgets.pictures import (
    COLOURS,
    COOL,
    DIVERGING,
    GREY,
    LINES,
    PX_PER_INCH,
    SHARPNESS,
    WARM,
    line_colours,
)

CF_HZ = np.array([500.0, 1000.0, 2000.0, 8000.0])
KHZ_EDGES = [0.5 / np.sqrt(2), 0.5 * np.sqrt(2), np.sqrt(2), 4.0, 16.0]  # half-way in octaves, the ends as wide again
VALUES = np.arange(12.0).reshape(4, 3) - 2.0


def mesh(axes):
    (found,) = axes.collections
    return found


def edges(found):
    """Edges of a mesh along x and along y."""
    corners = found.get_coordinates()
    return corners[0, :, 0], corners[:, 0, 1]


def line(axes, label):
    (found,) = (artist for artist in axes.lines if artist.get_label() == label)
    return found


def test_spectrogram_stands_over_seconds_and_kilohertz():
    (axes, bar) = pictures.spectrogram_picture(VALUES, dt_ms=5.0, cf_hz=CF_HZ, title="a sound").axes
    np.testing.assert_array_equal(mesh(axes).get_array(), VALUES)
    x, y = edges(mesh(axes))
    np.testing.assert_allclose(x, [0.0, 0.005, 0.010, 0.015])
    np.testing.assert_allclose(y, KHZ_EDGES)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == ("time (s)", "kHz", "a sound")
    assert axes.get_yscale() == "log"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0.5", "1", "2", "5", "10"]
    assert mesh(axes).get_clim() == (-2.0, 9.0)
    assert bar.get_ylim() == (-2.0, 9.0)


def test_spectrogram_brings_its_axes_unit_and_name():
    sound = Spectrogram(torch.tensor(VALUES), torch.tensor(CF_HZ), 20.0, unit="dB", name="chirp")
    axes, bar = pictures.spectrogram_picture(sound).axes
    np.testing.assert_allclose(edges(mesh(axes))[0], [0.0, 0.02, 0.04, 0.06])
    assert (axes.get_title(loc="left"), bar.get_ylabel()) == ("chirp", "dB")
    other = pictures.spectrogram_picture(sound, dt_ms=1.0, title="other").axes[0]
    np.testing.assert_allclose(edges(mesh(other))[0], [0.0, 0.001, 0.002, 0.003])
    assert other.get_title(loc="left") == "other"


def test_spectrogram_without_axes_counts_bins_and_bands():
    axes = pictures.spectrogram_picture(VALUES).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("bin", "band", "linear")
    x, y = edges(mesh(axes))
    assert (x.tolist(), y.tolist()) == ([0, 1, 2, 3], [-0.5, 0.5, 1.5, 2.5, 3.5])


@pytest.mark.parametrize(("colours", "colour"), [("on", WARM), ("off", COOL)])
def test_channels_are_clear_at_zero(colours, colour):
    axes = pictures.spectrogram_picture(VALUES, colours=colours).axes[0]
    assert mesh(axes).get_clim() == (0.0, 9.0)
    scale = mesh(axes).get_cmap()
    assert scale is COLOURS[colours]
    assert scale(0.0)[3] == 0.0
    assert scale(1.0) == pytest.approx((*colour, 1.0))


def test_silence_has_a_colour_scale():
    assert mesh(pictures.spectrogram_picture(np.zeros((4, 3))).axes[0]).get_clim() == (0.0, 1e-12)


@pytest.mark.parametrize(("colours", "clim"), [("level", (-1.0, 9.0)), ("on", (0.0, 9.0))])
def test_missing_levels_leave_a_gap_and_the_scale_as_it_is(colours, clim):
    values = VALUES.copy()
    values[0, 0] = np.nan  # the lowest, -2
    axes = pictures.spectrogram_picture(values, colours=colours).axes[0]
    assert mesh(axes).get_clim() == clim
    assert np.ma.getmaskarray(mesh(axes).get_array()).sum() == 1


def test_missing_weights_leave_a_gap_and_every_field_its_scale():
    fields = np.stack([VALUES, VALUES, np.full_like(VALUES, np.nan)])
    fields[0, 0, 0] = np.nan
    axes = pictures.strf_picture(fields, share_scale=False, **FIELD).axes[:3]
    assert [mesh(one).get_clim() for one in axes] == [(-9.0, 9.0), (-9.0, 9.0), (-1.0, 1.0)]


def test_stack_shares_the_time_axis():
    picture = pictures.stack_picture(
        {"sound": VALUES, "ON": VALUES + 1, "OFF": VALUES + 2},
        {"model": np.arange(3.0), "other": np.ones(3)},
        dt_ms=5.0,
        cf_hz=CF_HZ,
        colours=("level", "on"),
        recorded=np.array([1.0, 0.0, 2.0]),
        y_label="Hz",
    )
    rows = picture.axes[:4]
    assert all(axes.get_shared_x_axes().joined(axes, rows[0]) for axes in rows)
    assert [mesh(axes).get_cmap().name for axes in rows[:3]] == [COLOURS[k].name for k in ("level", "on", "level")]
    np.testing.assert_array_equal(mesh(rows[1]).get_array(), VALUES + 1)
    np.testing.assert_allclose(line(rows[3], "model").get_xydata(), [[0.0, 0.0], [0.005, 1.0], [0.010, 2.0]])
    assert [axes.get_xlabel() for axes in rows] == ["", "", "", "time (s)"]
    assert rows[3].get_ylabel() == "Hz"
    assert [text.get_text() for text in rows[3].get_legend().get_texts()] == ["recorded", "model", "other"]
    assert repr(picture) == "Picture(sound, ON, OFF)"


def test_strf_runs_to_lag_zero_at_the_right_edge_on_a_symmetric_scale():
    axes, bar = pictures.strf_picture(VALUES, dt_ms=5.0, cf_hz=CF_HZ).axes
    found = mesh(axes)
    np.testing.assert_array_equal(found.get_array(), VALUES)
    x, y = edges(found)
    np.testing.assert_allclose(x, [12.5, 7.5, 2.5, -2.5])  # the last of three taps is lag 0
    np.testing.assert_allclose(y, KHZ_EDGES)
    assert axes.get_xlim() == (12.5, -2.5)
    assert found.get_clim() == (-9.0, 9.0)
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("lag (ms)", "kHz", "weight")


def test_diverging_colours_are_mirror_images_and_clear_at_zero():
    assert DIVERGING(0.0) == pytest.approx((*COOL, 1.0))
    assert DIVERGING(1.0) == pytest.approx((*WARM, 1.0))
    assert DIVERGING(0.5)[3] == pytest.approx(0.0, abs=0.01)
    alpha = DIVERGING(np.arange(DIVERGING.N))[:, 3]
    np.testing.assert_allclose(alpha, alpha[::-1], atol=1e-12)


def test_fields_share_a_scale_or_have_their_own():
    fields = torch.stack([torch.tensor(VALUES), -3 * torch.tensor(VALUES)])
    shared = pictures.strf_picture(fields, dt_ms=5.0, cf_hz=CF_HZ, titles=["ON", "OFF"])
    assert [mesh(axes).get_clim() for axes in shared.axes[:2]] == [(-27.0, 27.0)] * 2
    assert len(shared.axes) == 3  # two fields and one bar
    own = pictures.strf_picture(fields, dt_ms=5.0, cf_hz=CF_HZ, share_scale=False)
    assert [mesh(axes).get_clim() for axes in own.axes[:2]] == [(-9.0, 9.0), (-27.0, 27.0)]
    assert len(own.axes) == 4
    assert [axes.get_title(loc="left") for axes in shared.axes[:2]] == ["ON", "OFF"]
    np.testing.assert_array_equal(mesh(own.axes[1]).get_array(), -3 * VALUES)


def test_field_of_zeros_has_a_colour_scale():
    assert mesh(pictures.strf_picture(np.zeros((4, 3)), dt_ms=5.0, cf_hz=CF_HZ).axes[0]).get_clim() == (-1.0, 1.0)


def test_lines_bands_and_what_was_recorded():
    x = np.array([0.0, 1.0, 2.0])
    picture = pictures.lines_picture(
        {"ON channel": x, "other": [1.0, np.nan, 3.0]},
        x,
        x_label="time (s)",
        y_label="dB",
        title="lines",
        recorded=[1.0, 2.0, 1.0],
        bands={"other": (x - 1, x + 1)},
    )
    (axes,) = picture.axes
    np.testing.assert_array_equal(line(axes, "ON channel").get_xydata(), np.stack([x, x], 1))
    assert np.isnan(line(axes, "other").get_ydata()).tolist() == [False, True, False]
    assert to_rgb(line(axes, "ON channel").get_color()) == pytest.approx(WARM)
    area, band = axes.collections
    assert area.get_facecolor()[0] == pytest.approx(to_rgba(GREY, 0.45))
    assert to_rgb(band.get_facecolor()[0]) == pytest.approx(to_rgb(line(axes, "other").get_color()))
    corners = band.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (-1.0, 3.0)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == ("time (s)", "dB", "lines")
    assert axes.get_xlim() == (0.0, 2.0)


def test_lines_without_x_count_and_can_be_logarithmic():
    axes = pictures.lines_picture({"a": [3.0, 4.0]}, x_label="bin", y_label="Hz").axes[0]
    np.testing.assert_array_equal(line(axes, "a").get_xdata(), [0.0, 1.0])
    assert axes.get_legend() is None  # one thing needs no legend
    log = pictures.lines_picture({"a": [3.0, 4.0]}, [400.0, 2500.0], x_label="Hz", y_label="", log_x=True).axes[0]
    assert log.get_xscale() == "log"
    inside = [at for at in log.get_xticks() if 400 <= at <= 2500]
    assert inside == [500.0, 1000.0, 2000.0]
    assert log.xaxis.get_major_formatter()(2000.0, 0) == "2000"


def test_curve_stands_over_the_histogram_of_the_drive():
    x = np.linspace(-1.0, 1.0, 5)
    drive = torch.tensor([[-0.99, 0.0, 0.01], [0.02, 5.0, 0.99]])
    picture = pictures.curve_picture({"relu": np.maximum(x, 0)}, x, drive=drive, marks={"half": (0.5, 0.5)})
    axes, behind = picture.axes
    np.testing.assert_array_equal(line(axes, "relu").get_ydata(), [0, 0, 0, 0.5, 1.0])
    counts = [bar.get_height() for bar in behind.patches]
    assert sum(counts) == 5  # one of six drives lies outside the axis
    assert (counts[0], counts[30], counts[-1]) == (1, 3, 1)  # bins of 1/30; three drives in [0, 1/30)
    assert [text.get_text() for text in axes.texts] == ["half"]
    assert axes.get_xlabel() == "drive"


def test_points_and_the_diagonal():
    picture = pictures.scatter_picture({"a": ([1.0, 2.0], [3.0, 4.0])}, x_label="x", y_label="y", diagonal=True)
    (axes,) = picture.axes
    np.testing.assert_array_equal(line(axes, "a").get_xydata(), [[1.0, 3.0], [2.0, 4.0]])
    assert axes.lines[1].get_slope() == 1


def test_bars_errors_and_a_limit():
    picture = pictures.bars_picture({"a": 1.0, "b": 2.0}, y_label="r", errors={"b": 0.5}, limit=1.5)
    (axes,) = picture.axes
    assert [bar.get_height() for bar in axes.patches] == [1.0, 2.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert axes.lines[-1].get_ydata() == [1.5, 1.5]
    (error,) = (c for c in axes.collections if len(c.get_segments()) == 2)
    np.testing.assert_allclose(error.get_segments()[1], [[1.0, 1.5], [1.0, 2.5]])


def test_raster_has_a_row_for_each_trial_over_the_psth():
    spikes = np.array([[0.0, 1.0, 0.0, 0.0], [2.0, 0.0, 0.0, 1.0]])
    upper, lower = pictures.raster_picture(spikes, dt_ms=10.0, lines={"rate": np.full(4, 0.5)}).axes
    np.testing.assert_allclose(upper.lines[0].get_xydata(), [[0.01, 1], [0.0, 2], [0.03, 2]])
    assert upper.get_ylim() == (2.5, 0.5)  # trial 1 on top
    corners = lower.collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == 1.0  # the mean of 0 and 2
    assert (lower.get_xlabel(), lower.get_ylabel(), upper.get_ylabel()) == ("time (s)", "spikes/bin", "trial")
    assert lower.get_xlim() == (0.0, pytest.approx(0.04))


def test_pictures_of_responses_have_the_unit_of_their_recording():
    sounds, responses = torch.rand(1, 1, 3, 20), torch.rand(1, 2, 1, 20)
    recording = Recording(sounds, responses, dt_ms=5.0, cf_hz=torch.tensor([500.0, 1000.0, 2000.0]), response_unit="mV")
    model = Linear(3, 4, out_neurons=2)
    with pytest.raises(TypeError, match="knows its unit, got Linear"):
        pictures.curve_picture({"a": [0.0, 1.0]}, [0.0, 1.0], y_label=model)
    model.axes = recording.axes
    for knows in (recording, model):
        made = [
            pictures.stack_picture({"sound": sounds[0, 0]}, {"a": responses[0, 0, 0]}, y_label=knows).axes[1],
            pictures.curve_picture({"a": [0.0, 1.0]}, [0.0, 1.0], y_label=knows).axes[0],
            pictures.raster_picture(responses[0, 0], dt_ms=5.0, y_label=knows).axes[1],
        ]
        assert [axes.get_ylabel() for axes in made] == ["mV"] * 3


def test_picture_is_a_sharp_clear_png_that_is_always_the_same(tmp_path):
    def make():
        return pictures.lines_picture({"a": [1.0, 2.0]}, x_label="x", y_label="y")

    data, size = make()._repr_png_()
    assert size == {"width": 680, "height": 240}
    (tmp_path / "picture.png").write_bytes(data)
    pixels = imread(tmp_path / "picture.png")
    assert pixels.shape == (240 * SHARPNESS, 680 * SHARPNESS, 4)
    assert pixels[0, 0, 3] == 0.0  # clear
    assert make().png() == data
    assert repr(make()) == "Picture()"


def test_jupyter_shows_a_picture_once():
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    shown, _ = formatter.format(pictures.bars_picture({"a": 1.0}, y_label="r", title="one bar"))
    assert set(shown) == {"text/plain", "image/png"}
    assert shown["text/plain"] == "Picture(one bar)"


def test_matplotlib_waits_until_a_picture_is_wanted():
    look = (
        "import sys, deepstrf_widgets; print('matplotlib' in sys.modules);"
        "import deepstrf_widgets.pictures; print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


FIELD = {"dt_ms": 5.0, "cf_hz": CF_HZ}
XY = {"x_label": "", "y_label": ""}


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: pictures.spectrogram_picture(VALUES[0]), ValueError, r"spectrogram must have 2 dim.*\(3,\)"),
        (lambda: pictures.spectrogram_picture("x"), TypeError, "spectrogram must be an array of numbers, got str"),
        (lambda: pictures.spectrogram_picture(VALUES, dt_ms=0.0), ValueError, r"dt_ms must be positive \(ms\), got 0"),
        (lambda: pictures.spectrogram_picture(VALUES, cf_hz=CF_HZ[1:]), ValueError, "cf_hz .* 4 bands, got 3"),
        (lambda: pictures.spectrogram_picture(VALUES, cf_hz=CF_HZ[::-1]), ValueError, "cf_hz must be .* ascending"),
        (lambda: pictures.spectrogram_picture(VALUES, colours="red"), ValueError, "colours .*got 'red'"),
        (lambda: pictures.spectrogram_picture(np.full((4, 3), np.inf)), ValueError, "spectrogram must hold finite"),
        (lambda: pictures.stack_picture({}), TypeError, "spectrograms must map titles"),
        (lambda: pictures.strf_picture(VALUES, dt_ms=-1.0, cf_hz=CF_HZ), ValueError, "dt_ms .*got -1"),
        (lambda: pictures.strf_picture(VALUES, titles=["a", "b"], **FIELD), ValueError, "titles .*1 fields, got 2"),
        (lambda: pictures.strf_picture(np.zeros(3), **FIELD), ValueError, r"strf must have 2 or 3 dimensions, got"),
        (lambda: pictures.lines_picture({}, **XY), TypeError, "lines must map labels"),
        (lambda: pictures.lines_picture({"a": [1, 2]}, [1.0], **XY), ValueError, r"lines\['a'\] .*x, 1, got 2"),
        (lambda: pictures.lines_picture({"a": [1]}, recorded=[1, 2], **XY), ValueError, r"lines\['a'\] .*2, got 1"),
        (lambda: pictures.lines_picture({"a": [1]}, bands={"b": ([1], [2])}, **XY), ValueError, r"bands .*got 'b'"),
        (lambda: pictures.scatter_picture({"a": ([1.0], [1.0, 2.0])}, **XY), ValueError, "as many x as y, got 1 and 2"),
        (lambda: pictures.scatter_picture({}, **XY), TypeError, "points must map"),
        (lambda: pictures.bars_picture({}, y_label="r"), TypeError, "bars must map"),
        (lambda: pictures.bars_picture({"a": "x"}, y_label="r"), TypeError, "bars must be an array of numbers"),
        (lambda: pictures.bars_picture({"a": np.inf}, y_label="r"), ValueError, "bars must hold finite .*1 infinite"),
        (lambda: pictures.raster_picture(VALUES, dt_ms=float("nan")), ValueError, "dt_ms .*got nan"),
    ],
)
def test_error_names_the_argument_and_what_arrived(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_pixels_of_the_page():
    width, height = pictures.Picture(300, 150).get_size_inches() * PX_PER_INCH
    assert (width, height) == pytest.approx((300, 150))


def test_lines_beside_on_and_off_are_neither_warm_nor_cool():
    colours = line_colours(["level", "ON", "other", "OFF, late", ""])
    assert (colours[1], colours[3]) == (WARM, COOL)
    assert [colours[0], colours[2], colours[4]] == list(LINES[2:5])
    assert line_colours(["a", "b"]) == list(LINES[:2])
    assert line_colours(str(i) for i in range(7))[6] == LINES[0]


def test_long_labels_of_bars_are_turned():
    turned = pictures.bars_picture({"NetworkReceptiveField": 1.0, "LinearNonlinear": 2.0}, y_label="r").axes[0]
    assert {label.get_rotation() for label in turned.get_xticklabels()} == {20.0}
    short = pictures.bars_picture({"a": 1.0, "b": 2.0}, y_label="r").axes[0]
    assert {label.get_rotation() for label in short.get_xticklabels()} == {0.0}


@pytest.mark.parametrize(("things", "columns"), [(2, 2), (5, 5), (6, 3), (8, 3)])
def test_legend_of_many_lines_has_rows(things, columns):
    lines = {str(i): [0.0, i] for i in range(things)}
    assert pictures.lines_picture(lines, x_label="x", y_label="y").axes[0].get_legend()._ncols == columns


def test_a_picture_keeps_no_pixels_of_its_file():
    picture = pictures.lines_picture({"one": [0.0, 1.0]}, x_label="x", y_label="y")
    content = picture.png()
    assert not hasattr(picture.canvas, "renderer")  # which matplotlib's canvas has once it has drawn
    assert picture.png() == content
