"""Buttons, slider and texts above the figure of a fit."""

from __future__ import annotations

import html
import math
from typing import Any

import ipywidgets

from ..lifetime import Owner
from .background_fit import FitStatus

__all__ = ["LIVE", "Controls", "newest_epoch"]

LIVE = ("fitting", "paused")


class Controls(Owner):
    """Widgets that show the status of a fit and pause, stop or restore it.

    Parameters
    ----------
    names : list of str
        One a neuron.
    epochs : int
        Largest number of epochs.

    Attributes
    ----------
    rows : list of Widget
        To show one below the other.
    sent, painted : IntText
        Never shown. The browser copies ``sent`` to ``painted`` when it has carried out all messages before: so it
        confirms that it has painted. (``on_edits_completed`` of a figure waits, with Plotly 7.1, for a message of a
        name that the kernel ignores.)
    """

    def __init__(self, names: list[str], epochs: int) -> None:
        self.epochs = epochs
        self.pause = _button("Pause", "pause", "Rest after the batch under way")
        self.stop = _button("Stop", "stop", "End the fit; the model keeps its best weights")
        self.best = _button("Show the best", "star", "Go to the epoch of the highest mean score")
        self.restore = _button("Restore this epoch", "undo", "After the fit: put these weights into the model")
        self.progress = ipywidgets.FloatProgress(max=epochs, layout={"flex": "1 1 120px"})
        self.progress_text = ipywidgets.HTML()
        self.slider = ipywidgets.IntSlider(min=0, max=epochs, description="Epoch", layout={"flex": "1 1 240px"})
        choices = [(name, n) for n, name in enumerate(names)]
        self.neurons = ipywidgets.Dropdown(options=choices, layout={"width": "auto"}, tooltip="Neuron on screen")
        self.message = ipywidgets.HTML()
        row = {"flex_flow": "row wrap", "align_items": "center"}
        rows = (
            ipywidgets.HBox([self.pause, self.stop, self.progress, self.progress_text], layout=row),
            ipywidgets.HBox([self.slider, self.best, self.restore, self.neurons], layout=row),
            self.message,
        )
        self.rows: list[Any] = [self.own(part) for part in rows]
        self.sent, self.painted = self.own(ipywidgets.IntText(0)), self.own(ipywidgets.IntText(0))
        self.own(ipywidgets.jsdlink((self.sent, "value"), (self.painted, "value")))

    def paint(
        self, status: FitStatus, epoch: int, neuron: int, restored: int | None, error: BaseException | None
    ) -> None:
        """Bring all widgets up to date; values that have not changed are not sent.

        Parameters
        ----------
        status : FitStatus
        epoch, neuron : int
            On screen.
        restored : int, optional
            Epoch whose weights were put into the model.
        error : exception, optional
            That ended the fit.
        """
        live, history = status.state in LIVE, status.history
        in_model = history.best_epoch if restored is None else restored
        paused = status.state == "paused"
        self.pause.description, self.pause.icon = ("Resume", "play") if paused else ("Pause", "pause")
        self.pause.disabled = self.stop.disabled = not live
        self.restore.disabled = live or epoch == in_model
        self.best.disabled = epoch == history.best_epoch
        self.progress.value = status.begun if live else self.epochs
        self.progress.bar_style = "" if live else "danger" if error is not None else "success"
        self.progress_text.value = _progress_text(status, self.epochs)
        if not live and len(history):
            self.slider.max = len(history)
        self.slider.value = epoch
        self.neurons.value = neuron
        self.message.value = _outcome_html(status, in_model, error)


def newest_epoch(status: FitStatus) -> int:
    """The last epoch while the fit runs, then the best; 0 where there is none."""
    if status.state not in LIVE:
        return status.history.best_epoch
    return max(status.weights, default=0)


def _button(label: str, icon: str, tooltip: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=label, icon=icon, tooltip=tooltip, layout={"width": "auto"})


def _progress_text(status: FitStatus, epochs: int) -> str:
    """Epochs that are done, and the longest time that is left."""
    done, live = len(status.history), status.state in LIVE
    text = f"epoch {done} of {epochs}" if live else f"{done} epochs"
    if math.isnan(status.epoch_s):
        return text
    text += f" · {status.epoch_s:.2g} s each"
    if live:
        left_s = round((epochs - status.begun) * status.epoch_s)
        text += f" · at most {left_s // 60}:{left_s % 60:02d} min left"
    return text


def _outcome_html(status: FitStatus, in_model: int, error: BaseException | None) -> str:
    """The line below the buttons: an error, or why the fit pauses or ended."""
    if error is not None:
        text = html.escape(f"{type(error).__name__}: {error}")
        return f'<span style="color: var(--jp-error-color1, #d32f2f); overflow-wrap: anywhere">{text}</span>'
    if status.state in LIVE:
        return "Paused." if status.state == "paused" else ""
    best = ", the best" if in_model == status.history.best_epoch else ""
    holds = f" The model has the weights of epoch {in_model}{best}." if in_model else ""
    return html.escape(f"{status.history.stopped.capitalize()}.{holds}")
