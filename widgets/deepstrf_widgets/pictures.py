"""Matplotlib figures for a notebook, which Jupyter shows once: spectrograms, receptive fields, curves, spikes.

Matplotlib's global state is neither read nor changed. Pictures have a clear ground and grey text, so that they read on
light and dark themes. Frequencies are in kHz on a logarithmic axis, lags in ms run to 0 = now at
the right edge, warm colours are ON or excitation, cool ones OFF or inhibition.

Every function returns a `Picture`, a matplotlib Figure, and raises a TypeError or ValueError that names the argument,
its rule and what arrived. Arrays may be tensors; NaN leaves a gap.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, cycle, repeat
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.models import NeuralModel
from deepstrf.models.recorded_axes import SPIKES
from deepstrf.stimuli import Spectrogram

__all__ = [
    "Picture",
    "bars_picture",
    "curve_picture",
    "lines_picture",
    "raster_picture",
    "scatter_picture",
    "spectrogram_picture",
    "stack_picture",
    "strf_picture",
]

Array = NDArray[np.float64]
Numbers = ArrayLike | Tensor
KnowsItsUnit = Recording | NeuralModel

PX_PER_INCH = 96
SHARPNESS = 1.5
"""Pixels of the file for each pixel of the page."""

WIDTH_PX = 680
LEVELS = 64
"""Steps of a colour scale: more are not seen, and make the file larger."""

GREY = "#7d8590"
WARM, COOL = (0.784, 0.314, 0.110), (0.180, 0.490, 0.784)
CHANNELS = {"ON": WARM, "OFF": COOL}
LINES = ("#d95f02", "#2e86d1", "#1b9e77", "#c46fa8", "#b8960c", "#7f7fd5")
FAINT = 0.25
TICKS_KHZ = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def _from_clear(colour: tuple[float, float, float], name: str) -> Colormap:
    return LinearSegmentedColormap.from_list(name, [(*colour, 0.0), (*colour, 1.0)], N=LEVELS)


COLOURS: dict[str, Colormap] = {
    "level": matplotlib.colormaps["magma"].resampled(LEVELS),
    "on": _from_clear(WARM, "on"),
    "off": _from_clear(COOL, "off"),
}
DIVERGING = LinearSegmentedColormap.from_list(
    "diverging", [(0.0, (*COOL, 1.0)), (0.5, (*COOL, 0.0)), (0.5, (*WARM, 0.0)), (1.0, (*WARM, 1.0))], N=2 * LEVELS + 1
)


@keywords()
class Picture(Figure):
    """A matplotlib figure that Jupyter shows without pyplot, sharp, on a clear ground.

    Parameters
    ----------
    width_px, height_px : float
        On the page.
    """

    def __init__(self, width_px: float = WIDTH_PX, height_px: float = 240) -> None:
        size = (width_px / PX_PER_INCH, height_px / PX_PER_INCH)
        super().__init__(figsize=size, dpi=PX_PER_INCH, facecolor="none", layout="constrained")
        FigureCanvasAgg(self)

    def __repr__(self) -> str:
        titles = [axes.get_title(loc="left") for axes in self.axes if axes.get_title(loc="left")]
        return f"Picture({', '.join(titles)})"

    def png(self) -> bytes:
        """The picture as the content of a PNG file of at most 256 colours, the same bytes for the same picture."""
        canvas = FigureCanvasAgg(self)
        dpi, self.dpi = self.dpi, PX_PER_INCH * SHARPNESS
        try:
            canvas.draw()
        finally:
            self.dpi = dpi
        file = io.BytesIO()
        _with_few_colours(np.asarray(canvas.buffer_rgba())).save(file, "png", optimize=True)
        FigureCanvasAgg(self)  # the one that was drawn on keeps its pixels, some MB, as long as the picture has it
        return file.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(inches * PX_PER_INCH) for inches in self.get_size_inches())
        return self.png(), {"width": width, "height": height}


def draw_lines(
    axes: Axes,
    lines: Mapping[str, Numbers],
    x: Numbers | None,
    *,
    recorded: Numbers | None = None,
    bands: Mapping[str, tuple[Numbers, Numbers]] | None = None,
) -> None:
    """Lines, their bands and the grey area of what was recorded, with a legend where more than one thing is drawn."""
    if not isinstance(lines, Mapping) or (not lines and recorded is None):
        raise TypeError(f"lines must map labels to at least one array, got {lines!r}")
    drawn = {label: as_numbers(f"lines[{label!r}]", y, 1) for label, y in lines.items()}
    area = None if recorded is None else as_numbers("recorded", recorded, 1)
    length = len(area if area is not None else next(iter(drawn.values())))
    colours = dict(zip(drawn, line_colours(drawn), strict=True))
    at = np.arange(length, dtype=float) if x is None else as_numbers("x", x, 1)
    if area is not None:
        check_length("recorded", area, at)
        axes.fill_between(at, area, step="mid", color=GREY, alpha=0.45, linewidth=0, label="recorded")
    for label, edges in (bands or {}).items():
        if label not in drawn:
            raise ValueError(f"bands must have labels of the lines ({', '.join(drawn)}), got {label!r}")
        low, high = (as_numbers(f"bands[{label!r}]", edge, 1) for edge in edges)
        check_length(f"bands[{label!r}]", low, at)
        check_length(f"bands[{label!r}]", high, at)
        axes.fill_between(at, low, high, color=colours[label], alpha=FAINT, linewidth=0)
    for label, y in drawn.items():
        check_length(f"lines[{label!r}]", y, at)
        axes.plot(at, y, label=label, color=colours[label], linewidth=1.6)
    add_legend(axes, len(drawn) + (area is not None))
    if len(at) > 1:
        axes.set_xlim(at.min(), at.max())


def _with_few_colours(pixels: NDArray[np.uint8]) -> Image.Image:
    """The pixels (height, width, 4) with a palette: the 256 commonest colours, each other one as its nearest."""
    packed = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    packed = np.where(pixels[..., 3] == 0, 0, packed)  # clear is clear, whatever its colour
    colours, where, counts = np.unique(packed, return_inverse=True, return_counts=True)
    rgba = colours.view(np.uint8).reshape(-1, 4)
    common = np.sort(np.argsort(-counts, kind="stable")[:256])
    seen = np.concatenate([rgba[:, :3] * (rgba[:, 3:] / 255.0), rgba[:, 3:]], axis=1)
    nearest = np.array([np.square(seen[common] - one).sum(1).argmin() for one in seen], dtype=np.uint8)
    image = Image.fromarray(nearest[where].reshape(packed.shape), "P")
    image.putpalette(rgba[common].tobytes(), "RGBA")
    return image


def line_colours(labels: Iterable[str]) -> list[Any]:
    """A colour for each label: warm where it begins with ON, cool with OFF; the others then keep away from both."""
    labels = list(labels)
    firsts = [label.split()[0].strip(",:") if label.split() else "" for label in labels]
    others = LINES[2:] if {"ON", "OFF"} & set(firsts) else LINES
    rest = cycle(others)
    return [CHANNELS[first] if first in CHANNELS else next(rest) for first in firsts]


def add_legend(axes: Axes, things: int) -> None:
    """Add a legend above the axes at the right, where more than one thing is drawn."""
    if things > 1:
        axes.legend(frameon=False, labelcolor=GREY, fontsize=9, ncols=things if things < 6 else 3, loc="lower right",
                    bbox_to_anchor=(1, 1), borderaxespad=0.2, handlelength=1.4, columnspacing=1.2)  # fmt: skip


def label_axes(axes: Axes, x_label: str, y_label: str, title: str, *, log_x: bool = False) -> None:
    """Set labels and title of the axes, and a faint grid."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _place: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    dress(axes, title, grid=True)


def _unit_label(label: str | KnowsItsUnit) -> str:
    """A label as it is, or the unit of the responses of a recording, or of a model that was fitted to one."""
    if isinstance(label, str):
        return label
    known = getattr(label, "axes", label)
    unit = getattr(known, "response_unit", None)
    if not isinstance(unit, str):
        raise TypeError(
            "y_label must be a text, a Recording, or a model that was fitted to one and so knows its unit, got "
            f"{type(label).__name__}"
        )
    return unit


def dress(axes: Axes, title: str, *, grid: bool = False) -> None:
    """Grey text and edges, no ground."""
    axes.set_facecolor("none")
    axes.tick_params(which="both", colors=GREY, labelsize=9, length=3)
    axes.xaxis.label.set(color=GREY, fontsize=10)
    axes.yaxis.label.set(color=GREY, fontsize=10)
    if title:
        axes.set_title(title, loc="left", color=GREY, fontsize=11)
    for side, spine in axes.spines.items():
        spine.set_color(GREY)
        spine.set_visible(side in ("left", "bottom"))
    if grid:
        axes.grid(color=GREY, alpha=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)


def band_edges(axes: Axes, cf_hz: Numbers | None, n: int) -> Array:
    """Edges (F+1,) of the bands in kHz, half-way in octaves, or in bands; the axis gets its scale and its ticks."""
    if cf_hz is None:
        axes.set_ylabel("band")
        return np.arange(n + 1, dtype=np.float64) - 0.5
    khz: Array = as_numbers("cf_hz", cf_hz, 1) / 1e3
    if len(khz) != n:
        raise ValueError(f"cf_hz must have one frequency (Hz) for each of the {n} bands, got {len(khz)}")
    if not (khz > 0).all() or not (np.diff(khz) > 0).all():
        raise ValueError(f"cf_hz must be positive and ascending (Hz), got {(khz * 1e3).tolist()}")
    axes.set_yscale("log")
    axes.set_ylabel("kHz")
    middle = np.sqrt(khz[1:] * khz[:-1]) if n > 1 else khz * 2**0.25
    first, last = khz[0] ** 2 / middle[0], khz[-1] ** 2 / middle[-1] if n > 1 else middle[0]
    edges: Array = np.array([first, *(middle if n > 1 else ()), last], dtype=np.float64)
    ticks = [tick for tick in TICKS_KHZ if edges[0] <= tick <= edges[-1]]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(edges[0], edges[-1])
    return edges


def add_colour_bar(picture: Picture, mesh: Any, axes: Any, label: str) -> None:
    """Add a colour bar of ``mesh`` beside ``axes``."""
    bar = picture.colorbar(mesh, ax=axes, pad=0.01, aspect=16 if isinstance(axes, Axes) else 22)
    bar.ax.set_facecolor("none")
    bar.ax.tick_params(colors=GREY, labelsize=8, length=2)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))
    bar.set_label(label, color=GREY, fontsize=9)
    bar.outline.set_visible(False)


def as_numbers(name: str, values: Any, *ndims: int) -> Array:
    """The values as float64, with one of these numbers of dimensions (any, without them)."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers, got {type(values).__name__}") from error
    if ndims and array.ndim not in ndims:
        allowed = " or ".join(str(n) for n in ndims)
        raise ValueError(f"{name} must have {allowed} dimension{'s' * (ndims != (1,))}, got shape {array.shape}")
    if array.size == 0 or np.isinf(array).any() or np.isnan(array).all():
        raise ValueError(
            f"{name} must hold finite numbers, got shape {array.shape} with {np.isinf(array).sum()} infinite"
        )
    return array


def check_length(name: str, values: Array, x: Array) -> None:
    """Raise ValueError where there are not as many values as x."""
    if len(values) != len(x):
        raise ValueError(f"{name} must have as many values as x, {len(x)}, got {len(values)}")


def check_positive(name: str, value: float, unit: str) -> float:
    """The value, or a ValueError where it is not positive and finite."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive ({unit}), got {value}")
    return float(value)


Colours = Literal["level", "on", "off"]
ROW_PX, LINES_PX = 130, 190
LETTER_PX = 6.5


@keywords()
def spectrogram_picture(
    spectrogram: Spectrogram | Numbers,
    *,
    dt_ms: float | None = None,
    cf_hz: Numbers | None = None,
    title: str = "",
    colours: Colours = "level",
) -> Picture:
    """Picture of one spectrogram, or of one channel of an adapted one.

    Parameters
    ----------
    spectrogram : Spectrogram or array-like, shape (F,T)
        Levels, low to high.
    dt_ms, cf_hz : float and array-like, shape (F,), optional
        Bin width in ms and centre frequencies in Hz, ascending. A Spectrogram brings its own; without them the axes
        count bins and bands.
    title : str
    colours : {"level", "on", "off"}
        "on" and "off" begin at 0 and are clear there.
    """
    name = title or (spectrogram.name if isinstance(spectrogram, Spectrogram) else "")
    return stack_picture({name: spectrogram}, dt_ms=dt_ms, cf_hz=cf_hz, colours=(colours,))


@keywords()
def stack_picture(
    spectrograms: Mapping[str, Spectrogram | Numbers],
    lines: Mapping[str, Numbers] | None = None,
    *,
    dt_ms: float | None = None,
    cf_hz: Numbers | None = None,
    colours: Sequence[Colours] = (),
    y_label: str | KnowsItsUnit = SPIKES,
    recorded: Numbers | None = None,
) -> Picture:
    """Picture of spectrograms above one another, and lines below them, over one time axis in s.

    Parameters
    ----------
    spectrograms : mapping of str to Spectrogram or array-like, shape (F,T)
        Title to levels; at least one.
    lines : mapping of str to array-like, shape (T,), optional
        Label to values, in a last row.
    dt_ms, cf_hz : as in :func:`spectrogram_picture`
    colours : sequence of {"level", "on", "off"}
        One for each spectrogram; "level" for those that have none.
    y_label : str, or a Recording or a model that was fitted to one
        What the lines show, with its unit: a recording's ``response_unit``.
    recorded : array-like, shape (T,), optional
        Grey area behind the lines.
    """
    if not isinstance(spectrograms, Mapping) or not spectrograms:
        raise TypeError(f"spectrograms must map titles to at least one array (F, T), got {spectrograms!r}")
    for colour in colours:
        if colour not in COLOURS:
            raise ValueError(f"colours must be of {', '.join(COLOURS)}, got {colour!r}")
    rows = len(spectrograms) + (lines is not None)
    heights = [*(ROW_PX for _ in spectrograms), *([LINES_PX] if lines is not None else [])]
    picture = Picture(height_px=60 + sum(heights))
    grid = picture.subplots(rows, 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    seconds = np.empty(0)
    unit = "bin"
    scales = chain(colours, repeat("level"))
    for axes, (title, spectrogram), scale in zip(grid, spectrograms.items(), scales, strict=False):
        own_dt, own_cf, label = dt_ms, cf_hz, ""
        if isinstance(spectrogram, Spectrogram):
            own_dt = spectrogram.dt_ms if dt_ms is None else dt_ms
            own_cf = spectrogram.cf_hz if cf_hz is None else cf_hz
            label, spectrogram = spectrogram.unit, spectrogram.values
        values = as_numbers("spectrogram", spectrogram, 2)
        unit = "bin" if own_dt is None else "time (s)"
        seconds = np.arange(values.shape[1] + 1) * (
            1.0 if own_dt is None else check_positive("dt_ms", own_dt, "ms") / 1000
        )
        low = np.nanmin(values) if scale == "level" else 0.0
        span = {"vmin": low, "vmax": max(np.nanmax(values), low + 1e-12), "cmap": COLOURS[scale]}
        mesh = axes.pcolormesh(seconds, band_edges(axes, own_cf, len(values)), values, **span)
        dress(axes, title)
        if title or label:
            add_colour_bar(picture, mesh, axes, label)
    last = grid[-1]
    if lines is not None:
        draw_lines(last, lines, seconds[:-1], recorded=recorded)
        last.set_ylabel(_unit_label(y_label))
        dress(last, "", grid=True)
    last.set_xlabel(unit)
    for axes in grid[:-1]:
        axes.tick_params(labelbottom=False)
    return picture


@keywords()
def strf_picture(
    strf: Numbers,
    *,
    dt_ms: float,
    cf_hz: Numbers,
    delay_ms: float = 0.0,
    titles: Sequence[str] = (),
    share_scale: bool = True,
) -> Picture:
    """Picture of receptive fields side by side, each over lag in ms and frequency in kHz.

    Parameters
    ----------
    strf : array-like, shape (F,T) or (n,F,T)
        Weights, bands low to high, lag 0 in the last tap.
    dt_ms : float
        Bin width, ms.
    cf_hz : array-like, shape (F,)
        Centre frequencies, Hz, ascending.
    delay_ms : float
        Of the stimuli, as in :class:`~deepstrf.stimuli.Spectrogram`.
    titles : sequence of str
        None, or one for each field.
    share_scale : bool
        Whether all have the same colour scale, and one bar for it. Every scale is symmetric about 0.
    """
    fields = as_numbers("strf", strf, 2, 3)
    fields = fields[None] if fields.ndim == 2 else fields
    if titles and len(titles) != len(fields):
        raise ValueError(f"titles must be one for each of the {len(fields)} fields, got {len(titles)}")
    check_positive("dt_ms", dt_ms, "ms")
    lags = (np.arange(fields.shape[2], -1, -1) - 0.5) * dt_ms + delay_ms
    picture = Picture(min(WIDTH_PX, 120 + 230 * len(fields)), 250)
    grid = picture.subplots(1, len(fields), squeeze=False, sharey=True)[0]
    peaks = np.abs(np.nan_to_num(fields)).max((1, 2))
    if share_scale:
        peaks[:] = peaks.max()
    for number, (axes, field, peak) in enumerate(zip(grid, fields, peaks, strict=True)):
        peak = peak or 1.0
        mesh = axes.pcolormesh(lags, band_edges(axes, cf_hz, len(field)), field, cmap=DIVERGING, vmin=-peak, vmax=peak)
        axes.set_xlim(lags[0], lags[-1])
        axes.set_xlabel("lag (ms)")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        dress(axes, titles[number] if titles else "")
        if number:
            axes.set_ylabel("")
        if not share_scale:
            add_colour_bar(picture, mesh, axes, "weight" if number == len(fields) - 1 else "")
    if share_scale:
        add_colour_bar(picture, mesh, list(grid), "weight")
    return picture


@keywords()
def lines_picture(
    lines: Mapping[str, Numbers],
    x: Numbers | None = None,
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    recorded: Numbers | None = None,
    bands: Mapping[str, tuple[Numbers, Numbers]] | None = None,
    log_x: bool = False,
) -> Picture:
    """Picture of lines over one axis.

    Parameters
    ----------
    lines : mapping of str to array-like, shape (T,)
        Label to values; labels that begin with ON or OFF are warm or cool. NaN leaves a gap.
    x : array-like, shape (T,), optional
        Where the values stand; 0, 1, ... without it.
    x_label, y_label : str
        Quantity and unit.
    title : str
    recorded : array-like, shape (T,), optional
        Grey area behind the lines.
    bands : mapping of str to (low, high), each array-like of shape (T,), optional
        Faded band behind the line of that label.
    log_x : bool
        Whether the axis is logarithmic.
    """
    picture = Picture()
    axes = picture.subplots()
    draw_lines(axes, lines, x, recorded=recorded, bands=bands)
    label_axes(axes, x_label, y_label, title, log_x=log_x)
    return picture


@keywords()
def curve_picture(
    curves: Mapping[str, Numbers],
    x: Numbers,
    *,
    drive: Numbers | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    x_label: str = "drive",
    y_label: str | KnowsItsUnit = SPIKES,
    title: str = "",
) -> Picture:
    """Picture of output curves over the drive, with how often each drive occurs as a grey histogram.

    Parameters
    ----------
    curves : mapping of str to array-like, shape (K,)
    x : array-like, shape (K,)
        The drives at which the curves were computed.
    drive : array-like, any shape, optional
        Drives that occur; those outside ``x`` are left out.
    marks : mapping of str to (drive, rate), optional
        Points with a label.
    x_label, title : str
    y_label : str, or a Recording or a model that was fitted to one
        Its ``response_unit``.
    """
    picture = Picture()
    axes = picture.subplots()
    x = as_numbers("x", x, 1)
    draw_lines(axes, curves, x)
    if drive is not None:
        behind = axes.twinx()
        occurring = as_numbers("drive", drive).ravel()
        behind.hist(occurring, bins=60, range=(float(x.min()), float(x.max())), color=GREY, alpha=FAINT)
        behind.set_axis_off()
        behind.set_ylim(0, 3 * behind.get_ylim()[1])
    for number, (label, (at, height)) in enumerate((marks or {}).items()):
        axes.plot([at], [height], "o", color=GREY, markersize=6)
        away = (8, -12) if number % 2 == 0 else (8, 6)
        axes.annotate(label, (at, height), xytext=away, textcoords="offset points", color=GREY, fontsize=9)
    label_axes(axes, x_label, _unit_label(y_label), title)
    return picture


@keywords()
def scatter_picture(
    points: Mapping[str, tuple[Numbers, Numbers]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    diagonal: bool = False,
    log_x: bool = False,
) -> Picture:
    """Picture of points, each group in its colour.

    Parameters
    ----------
    points : mapping of str to (x, y), each array-like of shape (K,)
    x_label, y_label, title : str
    diagonal : bool
        Whether to draw the line of equal values.
    log_x : bool
    """
    picture = Picture(360 if diagonal else WIDTH_PX, 300 if diagonal else 240)
    axes = picture.subplots()
    if not isinstance(points, Mapping) or not points:
        raise TypeError(f"points must map labels to at least one (x, y), got {points!r}")
    for colour, (label, (x, y)) in zip(line_colours(points), points.items(), strict=True):
        x, y = as_numbers(f"x of {label!r}", x, 1), as_numbers(f"y of {label!r}", y, 1)
        if x.shape != y.shape:
            raise ValueError(f"points must have as many x as y, got {len(x)} and {len(y)} for {label!r}")
        axes.plot(x, y, "o", label=label, color=colour, markersize=5, alpha=0.8, markeredgewidth=0)
    if diagonal:
        axes.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle="--")
    add_legend(axes, len(points))
    label_axes(axes, x_label, y_label, title, log_x=log_x)
    return picture


@keywords()
def bars_picture(
    bars: Mapping[str, float],
    *,
    y_label: str,
    title: str = "",
    errors: Mapping[str, float] | None = None,
    limit: float | None = None,
) -> Picture:
    """Picture of one bar for each label.

    Parameters
    ----------
    bars : mapping of str to float
    y_label, title : str
    errors : mapping of str to float, optional
        Half the length of an error bar.
    limit : float, optional
        A dashed line across, such as a noise ceiling.
    """
    if not isinstance(bars, Mapping) or not bars:
        raise TypeError(f"bars must map labels to at least one number, got {bars!r}")
    width = min(WIDTH_PX, 100 + 90 * len(bars))
    picture = Picture(width, 220)
    axes = picture.subplots()
    colours = [CHANNELS.get(label.split()[0] if label.split() else "", LINES[1]) for label in bars]
    half = [(errors or {}).get(label, np.nan) for label in bars] if errors else None
    heights = as_numbers("bars", list(bars.values()), 1)
    axes.bar(list(bars), heights.tolist(), width=0.6, color=colours, yerr=half, ecolor=GREY, capsize=3)
    if limit is not None:
        axes.axhline(limit, color=GREY, linewidth=1, linestyle="--")
    label_axes(axes, "", y_label, title)
    if max(map(len, bars)) * LETTER_PX > (width - 100) / len(bars):
        for label in axes.get_xticklabels():
            label.set(rotation=20, ha="right", rotation_mode="anchor")
    return picture


@keywords()
def raster_picture(
    spikes: Numbers,
    *,
    dt_ms: float,
    lines: Mapping[str, Numbers] | None = None,
    y_label: str | KnowsItsUnit = SPIKES,
    title: str = "",
) -> Picture:
    """Picture of spikes, one row for each trial, and below it their mean over the trials (the PSTH) in grey.

    Parameters
    ----------
    spikes : array-like, shape (R,T)
        Spike counts in bins.
    dt_ms : float
        Bin width, ms.
    lines : mapping of str to array-like, shape (T,), optional
        Drawn over the PSTH.
    y_label : str, or a Recording or a model that was fitted to one
        Its ``response_unit``.
    title : str
    """
    counts = as_numbers("spikes", spikes, 2)
    seconds = np.arange(counts.shape[1]) * check_positive("dt_ms", dt_ms, "ms") / 1000
    picture = Picture(height_px=300)
    upper, lower = picture.subplots(2, 1, sharex=True, height_ratios=(1, 1.2))
    trial, bin_ = np.nonzero(counts > 0)
    size = min(6.0, 80.0 / len(counts))
    upper.plot(seconds[bin_], trial + 1, "|", color=GREY, markersize=size, markeredgewidth=1)
    upper.set_ylabel("trial")
    upper.set_ylim(len(counts) + 0.5, 0.5)
    upper.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    upper.tick_params(labelbottom=False)
    dress(upper, title)
    draw_lines(lower, lines or {}, seconds, recorded=counts.mean(0))
    label_axes(lower, "time (s)", _unit_label(y_label), "")
    lower.set_xlim(0, seconds[-1] + dt_ms / 1000)
    return picture
