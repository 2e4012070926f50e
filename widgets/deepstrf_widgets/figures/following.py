"""Keeps a Plotly figure widget as the session is, for those who compose a page of their own from it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..lifetime import Owner, Timer
from ..session.events import Change
from ..session.newest import of_newest
from ..session.reading import Snapshot
from ..session.session import LiveSession
from ..threads import one_thread
from .confidence import Confidence
from .neuron_figure import figure_updates, neuron_figure, title_of

__all__ = ["FollowingFigure"]

REST_S = 0.15
"""How long the figure waits after a gesture, so that the bench's own answer is on screen before."""


class FollowingFigure(Owner):
    """Repaints ``figure``, a FigureWidget of `neuron_figure`, when an edit of the session has settled.

    Parameters
    ----------
    figure : plotly.graph_objects.FigureWidget
    session : LiveSession
    neuron, sound : callable
        Return which neuron and which sound the figure is to show.
    confidence : Confidence, optional
        That of the figure.
    """

    def __init__(
        self,
        figure: Any,
        session: LiveSession,
        *,
        neuron: Callable[[], int],
        sound: Callable[[], int],
        confidence: Confidence | None = None,
    ) -> None:
        self._figure, self.session, self._neuron, self._sound = figure, session, neuron, sound
        self._confidence = confidence
        self._lock = threading.RLock()  # Plotly's figures are made for one thread
        self._drawn_with = session.stimulus
        self._timer = self.own(Timer(self._repaint))
        self.own(session.observe(self._session_changed, merged=True))

    def repaint(self) -> None:
        """Repaint soon: another neuron is to be shown."""
        self._timer.start(REST_S)

    def _session_changed(self, change: Change) -> None:
        # The end of a gesture may name nothing: what has changed is found while it is repainted.
        if change.settled or change.stimulus:
            self._timer.start(REST_S)

    @one_thread()
    @of_newest()
    def _repaint(self, now: Snapshot) -> None:
        neuron, sound = self._neuron(), min(self._sound(), len(now.stimulus) - 1)
        figure = self._figure
        with figure.batch_update():
            if self._drawn_with is not now.stimulus:
                self._put(neuron_figure(now, neuron, sound=sound, confidence=self._confidence))
                self._drawn_with = now.stimulus
            updates = figure_updates(now, neuron, sound=sound, confidence=self._confidence)
            for part in (*figure.data, *figure.layout.annotations):
                for name, value in updates.get(part.name, {}).items():
                    # Unchanged values are not sent again: the ON and OFF spectrograms are most of the figure.
                    if not _same(part[name], value):
                        part[name] = value
            title = title_of(now, neuron)
            if figure.layout.title.text != title:
                figure.layout.title.text = title

    def _put(self, fresh: go.Figure) -> None:
        """Every trace of another stimulus, whose length and responses may differ; a trace that it lacks is hidden."""
        traces = {trace.name: trace for trace in fresh.data}
        for trace in self._figure.data:
            trace.visible = trace.name in traces
            if trace.name in traces:
                for key in ("x", "z" if trace.type == "heatmap" else "y"):
                    trace[key] = traces[trace.name][key]


def _same(one: Any, other: Any) -> bool:
    if isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return bool(one == other)
