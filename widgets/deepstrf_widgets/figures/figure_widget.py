"""A Plotly figure as a widget that is complete when the browser first receives it, without buttons that upload it."""

from __future__ import annotations

import functools
from typing import Any

import plotly.graph_objects as go

__all__ = ["figure_widget"]

UPLOADS = ["sendChartToCloud", "sendDataToCloud"]
CONFIG = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "modeBarButtonsToRemove": UPLOADS,
}
"""Plotly's options: by default newer versions offer to share the chart on a server of Plotly's."""


@functools.cache
def _widget_class() -> Any:
    """The class, made when the first figure is: importing Plotly's own takes seconds."""

    class FigureWidget(go.FigureWidget):
        """Tells the browser of itself with its traces and layout.

        Plotly's own is announced empty and sends them in later messages, while its view reads them once: one that was
        drawn in between stayed empty.
        """

        _whole = False

        def __init__(self, figure: go.Figure) -> None:
            super().__init__(figure)
            self._config = CONFIG
            self._whole = True
            self.open()

        def open(self) -> None:
            if self._whole:
                super().open()

    return FigureWidget


def figure_widget(figure: go.Figure) -> Any:
    """A ``plotly.graph_objects.FigureWidget`` of ``figure``, whose view shows its traces from the first moment.

    Once it is closed and not referenced, its memory is free.
    """
    widget = _widget_class()(figure)
    # anywidget keeps every widget whose code is a file, to reload it when that changes; Plotly's does not change.
    changed = getattr(go.FigureWidget._esm, "changed", None)
    if changed is not None:
        changed.disconnect()
    return widget
