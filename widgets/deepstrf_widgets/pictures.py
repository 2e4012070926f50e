"""Pictures for a page: spectrograms, receptive fields, curves, spikes, as matplotlib figures that Jupyter shows once.

Nothing here reads or changes matplotlib's global state. Pictures have no ground of their own and a grey text, so that
they read on a light page and on a dark one. Frequencies are in kHz on a logarithmic axis, lags in ms run to 0 = now at
the right edge, warm colours are ON or excitation, cool ones OFF or inhibition.

Every function returns a `Picture`, a matplotlib Figure, and raises a TypeError or ValueError that names the argument,
its rule and what arrived. Arrays may be tensors; NaN leaves a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

from deepstrf.stimuli import Spectrogram

from .picture_parts import (
    CHANNELS,
    COLOURS,
    DIVERGING,
    FAINT,
    GREY,
    LINES,
    WIDTH_PX,
    Numbers,
    Picture,
    add_colour_bar,
    add_legend,
    as_numbers,
    band_edges,
    check_positive,
    draw_lines,
    dress,
    label_axes,
    line_colours,
)

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

Colours = Literal["level", "on", "off"]
ROW_PX, LINES_PX = 130, 190
LETTER_PX = 6.5


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


def stack_picture(
    spectrograms: Mapping[str, Spectrogram | Numbers],
    lines: Mapping[str, Numbers] | None = None,
    *,
    dt_ms: float | None = None,
    cf_hz: Numbers | None = None,
    colours: Sequence[Colours] = (),
    y_label: str = "spikes/bin",
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
    y_label : str
        What the lines show, with its unit.
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
        last.set_ylabel(y_label)
        dress(last, "", grid=True)
    last.set_xlabel(unit)
    for axes in grid[:-1]:
        axes.tick_params(labelbottom=False)
    return picture


def strf_picture(
    strf: Numbers,
    *,
    dt_ms: float,
    cf_hz: Numbers,
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
    titles : sequence of str
        None, or one for each field.
    share_scale : bool
        Whether all have the same colour scale, and one bar for it. Every scale is symmetric about 0.
    """
    fields = as_numbers("strf", strf, 2, 3)
    fields = fields[None] if fields.ndim == 2 else fields
    if titles and len(titles) != len(fields):
        raise ValueError(f"titles must be one for each of the {len(fields)} fields, got {len(titles)}")
    half = check_positive("dt_ms", dt_ms, "ms") / 2
    lags = (np.arange(fields.shape[2], -1, -1) - 0.5) * dt_ms
    picture = Picture(min(WIDTH_PX, 120 + 230 * len(fields)), 250)
    grid = picture.subplots(1, len(fields), squeeze=False, sharey=True)[0]
    peaks = np.abs(np.nan_to_num(fields)).max((1, 2))
    if share_scale:
        peaks[:] = peaks.max()
    for number, (axes, field, peak) in enumerate(zip(grid, fields, peaks, strict=True)):
        peak = peak or 1.0
        mesh = axes.pcolormesh(lags, band_edges(axes, cf_hz, len(field)), field, cmap=DIVERGING, vmin=-peak, vmax=peak)
        axes.set_xlim(lags[0], -half)
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


def curve_picture(
    curves: Mapping[str, Numbers],
    x: Numbers,
    *,
    drive: Numbers | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    x_label: str = "drive",
    y_label: str = "spikes/bin",
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
    x_label, y_label, title : str
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
    label_axes(axes, x_label, y_label, title)
    return picture


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


def raster_picture(
    spikes: Numbers,
    *,
    dt_ms: float,
    lines: Mapping[str, Numbers] | None = None,
    y_label: str = "spikes/bin",
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
    y_label, title : str
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
    label_axes(lower, "time (s)", y_label, "")
    lower.set_xlim(0, seconds[-1] + dt_ms / 1000)
    return picture
