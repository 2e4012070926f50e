"""A fit as a Plotly figure: receptive field and output curve of one neuron after one epoch, losses and scores."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.metrics import summary
from deepstrf.models import NeuralModel
from deepstrf.models.readouts import STRFReadout
from deepstrf.models.recorded_axes import SPIKES
from deepstrf.models.registry import is_pointwise
from deepstrf.training import History
from deepstrf.training.batches import Data

from ..figures.style import CLEAR, DIVERGING, FAINT, GREY, TICKS_KHZ, rounded
from ..session.staged_forward import StagedForward, affine_of, of_neuron
from .background_fit import State

__all__ = ["FigureState", "TrainingFigure"]

HEIGHT_PX = 560
CURVE_POINTS = 121
CURVE_SPREAD = 4.0
"""The output curve is drawn so many standard deviations to both sides of the mean drive."""

ORANGE = "#d95f02"
BLUE = "#2e7dc8"
FIELDS = {1: ["STRF"], 2: ["STRF, ON", "STRF, OFF"]}


@dataclass(frozen=True)
class FigureState:
    """Neuron and epoch of the figure on screen."""

    neuron: int
    epoch: int
    weights: State | None
    history: History

    def looks_like(self, other: FigureState | None) -> bool:
        """Whether ``other`` gives the same figure."""
        if other is None:
            return False
        same = (self.neuron, self.epoch, len(self.history)) == (other.neuron, other.epoch, len(other.history))
        return same and self.weights is other.weights


class TrainingFigure:
    """Figure of the weights of an epoch, and of losses and scores over the epochs.

    Parameters
    ----------
    model : Module
        A copy of the model that is fitted: its weights are set here.
    train : Recording, or tuple of Tensors
        Data of the fit. A recording brings frequencies and the width of a bin.
    names : list of str
        One a neuron.
    scores : bool
        Whether there are scores and losses on held-out stimuli.
    """

    def __init__(self, model: nn.Module, train: Data, names: list[str], *, scores: bool) -> None:
        self.model = model.cpu().eval().requires_grad_(False)
        self.names, self.scores = names, scores
        self._sound = (train.stimuli if isinstance(train, Recording) else train[0])[:1].cpu()
        self._dt_ms: float | None = None
        self._delay_ms = 0.0
        self._khz: np.ndarray | None = None
        axes = train.axes if isinstance(train, Recording) else getattr(model, "axes", None)
        self._curve_name = f"output curve ({SPIKES if axes is None else axes.response_unit})"
        if isinstance(train, Recording):
            self._dt_ms, self._delay_ms = train.dt_ms, train.delay_ms
            self._khz = (train.cf_hz.double().cpu().numpy() / 1e3).round(4)
        self._loaded: State | None = None
        self._epoch_axes: list[str] = []
        self._means: list[tuple[float, ...]] = []
        self._scores: list[np.ndarray] = []

    @torch.no_grad()
    def drawn(self, state: FigureState) -> dict[str, dict[str, Any]]:
        """Values of each trace, by its name."""
        traces: dict[str, dict[str, Any]] = {}
        if state.weights is not None and state.weights is not self._loaded:
            self.model.load_state_dict(state.weights)
            self._loaded = state.weights
        traces |= self._field(state.neuron)
        traces |= self._curve(state.neuron)
        return traces | self._over_epochs(state)

    def _field(self, neuron: int) -> dict[str, dict[str, Any]]:
        """Receptive field times the gain of the batch norm: as the drive sees it."""
        if not isinstance(self.model, NeuralModel):
            return {}
        kernel = StagedForward(self.model, self._sound).kernel(neuron)
        if kernel is None:
            return {}
        affine = affine_of(self.model, neuron)
        field = kernel * affine[1] if len(affine) else kernel
        peak = float(rounded(field.abs().max())) or 1.0
        names = FIELDS.get(field.shape[0], [])
        return {
            name: {"z": rounded(channel), "zmin": -peak, "zmax": peak}
            for name, channel in zip(names, field, strict=False)
        }

    def _curve(self, neuron: int) -> dict[str, dict[str, Any]]:
        """Rate over drive, in the range of drives that the batch norm gives of the training stimuli."""
        readout = getattr(self.model, "readout", None)
        if not isinstance(readout, STRFReadout) or not is_pointwise(readout.activation):
            return {}
        bn = readout.bn
        mean, spread = (0.0, 1.0) if bn.weight is None else (float(bn.bias[neuron]), float(bn.weight[neuron].abs()))
        drive = mean + CURVE_SPREAD * spread * torch.linspace(-1, 1, CURVE_POINTS, dtype=self._sound.dtype)
        parameter = next(readout.activation.parameters(), drive)
        curve = of_neuron(readout.activation, neuron, len(self.names))
        rate = curve(drive.to(parameter.dtype)[None, :, None])[0, :, 0]
        return {self._curve_name: {"x": rounded(drive), "y": rounded(rate)}}

    def _over_epochs(self, state: FigureState) -> dict[str, dict[str, Any]]:
        """Losses and scores over the epochs."""
        history, best = state.history, state.history.best
        for record in history.records[len(self._means) :]:  # earlier ones have been read before
            losses = (record.train_loss, record.validation_loss)
            means = [np.nan if loss is None else loss.nanmean().item() for loss in losses]
            scores = torch.zeros(0) if record.scores is None else record.scores
            self._means.append((*means, record.score, summary(scores).median))
            self._scores.append(scores.numpy())
        n = len(history)
        epochs = np.arange(1, n + 1)
        rows = torch.tensor(self._means[:n]).reshape(n, 4).T
        training, validation, score, median = (rounded(means) for means in rows)
        traces = {"training loss": {"x": epochs, "y": training}}
        if self.scores:
            one = rounded(torch.tensor([scores[state.neuron].item() for scores in self._scores[:n]]))
            traces |= {
                "validation loss": {"x": epochs, "y": validation},
                "mean score": {"x": epochs, "y": score},
                "median score": {"x": epochs, "y": median},
                "score of this neuron": {"x": epochs, "y": one},
            }
            there = [] if best is None else [history.best_epoch]
            traces["best so far"] = {"x": np.array(there), "y": score[[epoch - 1 for epoch in there]]}
        return traces

    def layout(self, state: FigureState) -> dict[str, Any]:
        """Title, how many neurons have no score, and the lines that mark the epoch on screen."""
        name = html.escape(self.names[state.neuron])
        title = f"{name} · before the first epoch" if state.epoch == 0 else f"{name} · after epoch {state.epoch}"
        lines = []
        for axis in self._epoch_axes if state.epoch else ():
            place = {"x0": state.epoch, "x1": state.epoch, "y0": 0, "y1": 1, "xref": f"x{axis}"}
            lines.append({**place, "type": "line", "yref": f"y{axis} domain", "line": {"color": GREY, "width": 1}})
        layout = {"title.text": title, "shapes": lines}
        if self.scores and self._epoch_axes:
            layout[f"xaxis{self._epoch_axes[-1]}.title.text"] = f"epoch{_undefined(state)}"
        return layout

    def update(self, figure: go.FigureWidget, state: FigureState) -> None:
        """Bring a figure that `figure` made up to date: one message to the browser."""
        drawn = self.drawn(state)
        with figure.batch_update():
            for trace in figure.data:
                for name, value in drawn[trace.name].items():
                    if not np.array_equal(trace[name], value, equal_nan=True):
                        trace[name] = value
            figure.update_layout(self.layout(state))

    def figure(self, state: FigureState) -> go.Figure:
        """A new figure."""
        drawn = self.drawn(state)
        fields = [name for name in drawn if name.startswith("STRF")]
        top = [*fields, *([self._curve_name] if self._curve_name in drawn else [])]
        below = ["loss", "score"] if self.scores else ["loss"]
        rows = [row for row in (top, below) if row]
        spans = [
            [part for _ in row for part in ({"colspan": 6 // len(row)}, *[None] * (6 // len(row) - 1))] for row in rows
        ]
        titles = [name for row in rows for name in row]
        figure = make_subplots(
            len(rows), 6, specs=spans, subplot_titles=titles, vertical_spacing=0.2, horizontal_spacing=0.12
        )
        figure.update_annotations(font_size=13)
        for i, name in enumerate(top):
            at = {"row": 1, "col": 1 + i * 6 // len(top)}
            if name == self._curve_name:
                line = {"color": ORANGE, "width": 1.5}
                figure.add_trace(go.Scatter(name=name, line=line, showlegend=False, **drawn[name]), **at)
                figure.update_xaxes(title_text="drive", title_standoff=4, **at)
                figure.update_yaxes(rangemode="tozero", **at)
            else:
                self._add_field(figure, name, drawn[name], at, first=i == 0, last=i == len(fields) - 1)
        self._add_epoch_plots(figure, drawn, len(rows))
        self._epoch_axes = [str(len(top) + i + 1) if top or i else "" for i in range(len(below))]
        figure.update_layout(
            height=HEIGHT_PX if top else HEIGHT_PX // 2,
            autosize=True,
            margin={"l": 55, "r": 15, "t": 70, "b": 70},
            title={"y": 0.98, "yanchor": "top"},
            legend={"orientation": "h", "y": -0.14, "yanchor": "top", "x": 0.5, "xanchor": "center"},
            template="plotly_white",
            paper_bgcolor=CLEAR,
            plot_bgcolor=CLEAR,
            font={"color": GREY},
        )
        figure.update_xaxes(gridcolor=FAINT, zerolinecolor=FAINT)
        figure.update_yaxes(gridcolor=FAINT, zerolinecolor=FAINT)
        figure.update_layout(self.layout(state))
        return figure

    def _add_field(
        self, figure: go.Figure, name: str, drawn: dict[str, Any], at: dict[str, int], *, first: bool, last: bool
    ) -> None:
        bands, lags = drawn["z"].shape
        back = np.arange(lags)[::-1]
        x = back if self._dt_ms is None else (back * self._dt_ms + self._delay_ms).round(6)
        y = np.arange(bands) if self._khz is None else self._khz
        heat = go.Heatmap(x=x, y=y, name=name, colorscale=DIVERGING, showscale=last, **drawn)
        figure.add_trace(heat, **at)
        if last:
            (place,) = figure.select_xaxes(**at)
            bar = {"len": 0.42, "y": 1.0, "yanchor": "top", "x": place.domain[1], "xanchor": "left"}
            figure.data[-1].colorbar = {**bar, "thickness": 8, "xpad": 4, "nticks": 5}
        bare = {"showgrid": False, "zeroline": False, "title_standoff": 4}
        lag = "lag (bins)" if self._dt_ms is None else "lag (ms)"
        figure.update_xaxes(title_text=lag, autorange="reversed", **bare, **at)
        figure.update_yaxes(**bare, **at)
        if self._khz is None:
            figure.update_yaxes(title_text="band" if first else None, **at)
            return
        ticks = [f for f in TICKS_KHZ if 0.99 * y[0] <= f <= 1.01 * y[-1]]
        named = {"tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
        figure.update_yaxes(type="log", title_text="kHz" if first else None, **named, **at)

    def _add_epoch_plots(self, figure: go.Figure, drawn: dict[str, dict[str, Any]], row: int) -> None:
        styles: dict[str, tuple[int, dict[str, Any]]] = {
            "training loss": (1, {"mode": "lines+markers", "line": {"color": GREY, "width": 1.5}}),
            "validation loss": (1, {"mode": "lines+markers", "line": {"color": ORANGE, "width": 1.5}}),
            "mean score": (4, {"mode": "lines+markers", "line": {"color": GREY, "width": 1.5, "dash": "dot"}}),
            "median score": (4, {"mode": "lines", "line": {"color": GREY, "width": 1, "dash": "dash"}}),
            "score of this neuron": (
                4,
                {"mode": "lines+markers", "line": {"color": ORANGE, "width": 1.5, "dash": "dot"}},
            ),
            "best so far": (4, {"mode": "markers", "marker": {"color": BLUE, "size": 12, "symbol": "star"}}),
        }
        for name, (column, style) in styles.items():
            if name in drawn:
                style = {"marker": {"size": 4}, **style}
                figure.add_trace(go.Scatter(name=name, **style, **drawn[name]), row=row, col=column)
        for column in (1, 4) if self.scores else (1,):
            figure.update_xaxes(title_text="epoch", title_standoff=4, rangemode="tozero", row=row, col=column)


def _undefined(state: FigureState) -> str:
    """How many neurons have no score after the epoch on screen, or after the last; empty where all have one."""
    records = state.history.records
    record = records[min(state.epoch or len(records), len(records)) - 1] if records else None
    if record is None or record.scores is None:
        return ""
    missing = summary(record.scores).undefined
    return f" · {missing} of {len(record.scores)} neurons without a score" if missing else ""
