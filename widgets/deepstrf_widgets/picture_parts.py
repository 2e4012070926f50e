"""What pictures are made of: a figure that Jupyter shows by itself, its colours, axes, lines and checks."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any

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

__all__ = [
    "COLOURS",
    "DIVERGING",
    "FAINT",
    "GREY",
    "WIDTH_PX",
    "Numbers",
    "Picture",
    "add_colour_bar",
    "add_legend",
    "as_numbers",
    "band_edges",
    "check_length",
    "check_positive",
    "draw_lines",
    "dress",
    "label_axes",
    "line_colours",
]

Array = NDArray[np.float64]
Numbers = ArrayLike | Tensor

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
    """Nothing; a legend stands above the axes at the right, where more than one thing is drawn."""
    if things > 1:
        axes.legend(frameon=False, labelcolor=GREY, fontsize=9, ncols=things if things < 6 else 3, loc="lower right",
                    bbox_to_anchor=(1, 1), borderaxespad=0.2, handlelength=1.4, columnspacing=1.2)  # fmt: skip


def label_axes(axes: Axes, x_label: str, y_label: str, title: str, *, log_x: bool = False) -> None:
    """Nothing; the axes carry their labels and title, and a faint grid."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _place: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    dress(axes, title, grid=True)


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
    """Nothing; a bar beside ``axes`` tells the values of the colours of ``mesh``."""
    bar = picture.colorbar(mesh, ax=axes, pad=0.01, aspect=16 if isinstance(axes, Axes) else 22)
    bar.ax.set_facecolor("none")
    bar.ax.tick_params(colors=GREY, labelsize=8, length=2)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))
    bar.set_label(label, color=GREY, fontsize=9)
    bar.outline.set_visible(False)


def as_numbers(name: str, values: Any, *ndims: int) -> Array:
    """The values as float64, of one of the given numbers of dimensions (any, when none is given)."""
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
    """Nothing, or a ValueError where there are not as many values as x."""
    if len(values) != len(x):
        raise ValueError(f"{name} must have as many values as x, {len(x)}, got {len(values)}")


def check_positive(name: str, value: float, unit: str) -> float:
    """The value, or a ValueError where it is not positive and finite."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive ({unit}), got {value}")
    return float(value)
