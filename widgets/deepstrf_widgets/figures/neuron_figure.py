"""The settled state of a session as one linked Plotly figure: stimulus, adaptation, drive, response, residual, STRF."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from deepstrf.deprecation import keywords

from ..session.argument_validation import neuron_index
from ..session.evidence import heard_by, silence_text
from ..session.reading import Reading, Snapshot
from .confidence import EDITED, Confidence
from .style import CLEAR, DIGITS, DIVERGING, FAINT, GREY, TICKS_KHZ, rounded

__all__ = [
    "LANES",
    "UNSURE",
    "figure_traces",
    "figure_updates",
    "neuron_figure",
    "title_of",
    "tuning_lines",
    "weight_title",
]

COUNTS = [[0.0, "rgba(128,128,128,0)"], [1.0, "rgba(128,128,128,1)"]]
SPECTROGRAMS = {"stimulus": "Cividis", "ON": "OrRd", "OFF": "Blues"}
LANES = {
    "stimulus": ("Stimulus", 1.0),
    "ON": ("After adaptation, ON", 1.0),
    "OFF": ("After adaptation, OFF", 1.0),
    "drive": ("Drive", 0.8),
    "trials": ("Recorded trials", 0.7),
    "response": ("Response", 1.4),
    "residual": ("Recorded − model", 0.8),
}
"""Titles and heights of what lies over the time axis, from the top."""

LINES: dict[str, dict[str, Any]] = {
    "recorded": {"fill": "tozeroy", "line": {"color": "rgba(128,128,128,0.6)", "width": 0.5}},
    "trained": {"line": {"color": "#7a7a7a", "width": 1, "dash": "dash"}},
    "model": {"line": {"color": "#d95f02", "width": 1.5}},
    "drive": {"line": {"color": "#d95f02", "width": 1}},
    "residual": {"fill": "tozeroy", "line": {"color": "rgba(128,128,128,0.8)", "width": 0.5}},
}
LANE_PX, FIELD_PX, GAP_PX, TOP_PX, BOTTOM_PX = 88, 200, 52, 70, 45
"""Heights: of a lane of weight 1, of the fields, between two of them, and of what is above and below."""
UNSURE_OPACITY = 0.3
UNSURE = ", unsure"
TUNING_PX = 84
"""Height of the lines below the fields with the tuning and its intervals."""


def figure_traces(
    session: Snapshot, neuron: int, sound: int, confidence: Confidence | None = None
) -> dict[str, dict[str, Any]]:
    """Values of each trace that depend on the state of the session, by trace name."""
    rate = session.rate(neuron)
    trained = session.trained.rate(neuron)
    if not 0 <= sound < len(rate):
        raise IndexError(f"sound must lie in [0, {len(rate) - 1}], got {sound}")
    bins = session.sound_bins[sound]
    drawn: dict[str, dict[str, Any]] = {"stimulus": {"z": rounded(session.stimulus[sound, 0, :, :bins])}}
    prefiltered = session.live.prefiltered()[sound, ..., :bins]
    if prefiltered.shape[0] == 2:
        drawn["ON"], drawn["OFF"] = ({"z": rounded(channel)} for channel in prefiltered)
    kernel = session.live.kernel(neuron)
    if kernel is not None:
        if confidence is not None and confidence.unit_norm:
            kernel = kernel / kernel.norm().clamp(min=torch.finfo(kernel.dtype).tiny)
        heard = heard_by(session)
        met = kernel if heard is None else torch.where(heard, kernel, 0.0)
        peak = float(f"{float(met.abs().max()) or 1.0:.{DIGITS}g}")
        names = ["STRF"] if kernel.shape[0] == 1 else ["STRF, ON", "STRF, OFF"] if kernel.shape[0] == 2 else []
        for name, channel in zip(names, kernel, strict=False):
            drawn[name] = {"z": rounded(channel), "zmin": -peak, "zmax": peak}
        if confidence is not None:
            _fade(drawn, names, session, neuron, confidence)
    psth = session.psth(neuron)
    if session.responses is not None and session.responses.shape[2] > 1:
        drawn["trials"] = {"z": rounded(session.responses[sound, neuron, :, :bins])}
    if psth is not None:
        drawn["recorded"] = {"y": rounded(psth[sound, :bins])}
        drawn["residual"] = {"y": rounded((psth - rate)[sound, :bins])}
    drawn["trained"], drawn["model"] = {"y": rounded(trained[sound, :bins])}, {"y": rounded(rate[sound, :bins])}
    if session.live.staged:
        drawn["drive"] = {"y": rounded(session.live.drive(neuron)[sound, :bins])}
    return drawn


def title_of(session: Reading, neuron: int) -> str:
    """Name of a neuron with its scores: correlation, and where it was recorded more than once CCnorm.

    Then how many bands, channels and lags of the fields have met no sound: their weights do not set the colours.
    """
    scores = {"r": session.score(neuron), "CCnorm": session.normalized_score(neuron)}
    texts = [f"{name} {value:.2f}" for name, value in scores.items() if value is not None and np.isfinite(value)]
    silent = silence_text(session)
    return " · ".join([html.escape(session.neuron_names[neuron]), *texts, *([silent] if silent else [])])


def _fade(
    drawn: dict[str, dict[str, Any]], names: list[str], session: Snapshot, neuron: int, confidence: Confidence
) -> None:
    """Move the weights that are not certain from each field to a pale trace over it.

    The bands are those of the trained field: a field under edit is drawn in full.
    """
    unsure = confidence.unsure(neuron)
    if unsure is None:
        return
    if confidence.edited(session, neuron):
        unsure = np.zeros_like(unsure)
    for name, where in zip(names, unsure, strict=False):
        whole = drawn[name]
        drawn[name + UNSURE] = {**whole, "z": np.where(where, whole["z"], np.nan)}
        drawn[name] = {**whole, "z": np.where(where, np.nan, whole["z"])}


def tuning_lines(
    session: Snapshot, neuron: int, kernels: list[str], confidence: Confidence
) -> dict[str, dict[str, str]]:
    """Text below each field, by its name: tuning with intervals, and what they belong to."""
    note = ""
    if confidence.edited(session, neuron):
        note = EDITED
    elif confidence.unsure(neuron) is not None:
        note = confidence.faded
    lines = {}
    for channel, name in enumerate(kernels):
        # Two fields share the width of a notebook.
        texts = confidence.readouts(neuron, channel)
        text = [*(texts if len(kernels) == 2 else [" · ".join(texts)]), note]
        lines[f"tuning of {name}"] = {"text": "<br>".join(line for line in text if line)}
    return lines


def weight_title(confidence: Confidence | None) -> str:
    """What the colours of the fields are: weights, or those over the norm of the field."""
    return "weight / norm" if confidence is not None and confidence.unit_norm else "weight"


def _fields(drawn: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name in drawn if name.startswith("STRF") and not name.endswith(UNSURE)]


def figure_updates(
    session: Reading, neuron: int, *, sound: int = 0, confidence: Confidence | None = None
) -> dict[str, dict[str, Any]]:
    """New values of all that an edit can change in a figure on screen, by the name of the trace or annotation."""
    heard_by(session)  # which the snapshot then knows
    now = session.snapshot()
    drawn = figure_traces(now, neuron, sound, confidence)
    drawn.pop("stimulus")
    if confidence is not None:
        drawn |= tuning_lines(now, neuron, _fields(drawn), confidence)
    return drawn


@keywords()
def neuron_figure(
    session: Reading, neuron: int | str, *, sound: int = 0, confidence: Confidence | None = None
) -> go.Figure:
    """One neuron of a session as a Plotly figure.

    Parameters
    ----------
    session : LiveSession
        Read, not changed.
    neuron : int or str
        Its number or its name.
    sound : int
        Which sound of the stimulus batch.
    confidence : Confidence, optional
        Of the fit: weights that are not certain are pale, and the tuning stands below with its intervals.

    Returns
    -------
    plotly.graph_objects.Figure
        Stimulus spectrogram, ON and OFF after the prefilter (when it has both), response, all over one time axis in
        s; the STRF over lag in ms. Frequencies in kHz.
    """
    heard_by(session)  # which the snapshot then knows
    neuron, now = neuron_index(session.neuron_names, neuron), session.snapshot()
    drawn = figure_traces(now, neuron, sound, confidence)
    time_s = (np.arange(now.sound_bins[sound]) * session.dt_ms / 1e3).round(6)
    khz = (session.cf_hz / 1e3).round(4)
    kernels = _fields(drawn)
    lanes = [lane for lane in LANES if lane in drawn or lane == "response"]
    rows = len(lanes)
    spans: list[list[Any]] = [[{"colspan": 2}, None] for _ in lanes]
    titles = [LANES[lane][0] for lane in lanes]
    if kernels:
        spans.append([{}, {}] if len(kernels) == 2 else [{"colspan": 2}, None])
        titles += kernels
    heights = [LANE_PX * LANES[lane][1] for lane in lanes] + [FIELD_PX] * bool(kernels)
    plots_px = sum(heights) + GAP_PX * (len(heights) - 1)
    layout = {"row_heights": heights, "vertical_spacing": GAP_PX / plots_px, "horizontal_spacing": 0.1}
    figure = make_subplots(rows=len(spans), cols=2, specs=spans, subplot_titles=titles, **layout)
    figure.update_annotations(font_size=13)
    # The ends may have been rounded: half a kilohertz is on an axis that begins at 500 Hz.
    ticks = [f for f in TICKS_KHZ if 0.99 * khz[0] <= f <= 1.01 * khz[-1]]
    log_axis = {"type": "log", "title_text": "kHz", "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
    for row, lane in enumerate(lanes, start=1):
        if lane in SPECTROGRAMS:
            heat = go.Heatmap(x=time_s, y=khz, name=lane, colorscale=SPECTROGRAMS[lane], showscale=False, **drawn[lane])
            figure.add_trace(heat, row=row, col=1)
            figure.update_yaxes(**log_axis, row=row, col=1)
        elif lane == "trials":
            counts = go.Heatmap(x=time_s, y0=1, name=lane, colorscale=COUNTS, showscale=False, **drawn[lane])
            figure.add_trace(counts, row=row, col=1)
            figure.update_yaxes(title_text="trial", row=row, col=1)
        else:
            for name in ("recorded", "trained", "model") if lane == "response" else (lane,):
                if name in drawn:
                    line = go.Scatter(x=time_s, name=name, showlegend=lane == "response", **LINES[name], **drawn[name])
                    figure.add_trace(line, row=row, col=1)
            figure.update_yaxes(title_text="a.u." if lane == "drive" else session.response_unit, row=row, col=1)
        if row < rows:
            figure.update_xaxes(matches=f"x{rows}", showticklabels=False, row=row, col=1)
    figure.update_xaxes(title={"text": "time (s)", "standoff": 2}, row=rows, col=1)
    for column, name in enumerate(kernels, start=1):
        lags = (np.arange(drawn[name]["z"].shape[1])[::-1] * session.dt_ms + session.delay_ms).round(6)
        heat = go.Heatmap(x=lags, y=khz, name=name, colorscale=DIVERGING, showscale=column == 1, **drawn[name])
        heat.colorbar = {
            "len": FIELD_PX / plots_px,
            "y": 0.0,
            "yanchor": "bottom",
            "thickness": 10,
            "title": {"text": weight_title(confidence)},
        }
        figure.add_trace(heat, row=rows + 1, col=column)
        if name + UNSURE in drawn:
            pale = {"opacity": UNSURE_OPACITY, "showscale": False, "colorscale": DIVERGING}
            heat = go.Heatmap(x=lags, y=khz, name=name + UNSURE, **pale, **drawn[name + UNSURE])
            figure.add_trace(heat, row=rows + 1, col=column)
        figure.update_xaxes(title_text="lag (ms)", autorange="reversed", row=rows + 1, col=column)
        figure.update_yaxes(**log_axis, row=rows + 1, col=column)
    tuning = {} if confidence is None else tuning_lines(now, neuron, kernels, confidence)
    for name, column in zip(tuning, (1, 2), strict=False):
        place = {"x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "yshift": -46, "align": "left"}
        domains = {"xref": "x domain", "yref": "y domain", "row": rows + 1, "col": column}
        figure.add_annotation(name=name, font={"size": 12}, showarrow=False, **place, **domains, **tuning[name])
    below = TUNING_PX if tuning else 0
    figure.update_layout(
        height=plots_px + TOP_PX + BOTTOM_PX + below,
        autosize=True,
        margin={"l": 60, "r": 20, "t": TOP_PX, "b": BOTTOM_PX + below},
        title={"text": title_of(now, neuron), "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 14}},
        legend={"orientation": "h", "y": 1 + 22 / plots_px, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        template="plotly_white",
        # A clear ground and a grey that reads on light and dark themes.
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"color": GREY},
    )
    figure.update_xaxes(gridcolor=FAINT, zerolinecolor=FAINT)
    figure.update_yaxes(gridcolor=FAINT, zerolinecolor=FAINT)
    return figure
