"""The Plotly panel of an explorer in the kernel: plotly.js as it is installed, and the arrays that its graphs draw."""

from __future__ import annotations

import functools
import gzip
import importlib.metadata
import importlib.resources
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import NDArray

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..lifetime import Timer
from ..message_parsing import brief
from ..session.argument_validation import neuron_index
from ..session.events import Change
from ..session.evidence import heard_by
from ..session.newest import of_newest
from ..session.reading import Snapshot
from ..session.session import LiveSession
from ..threads import one_thread
from .confidence import Confidence
from .neuron_figure import LANES, UNSURE, figure_traces, tuning_lines, weight_title

__all__ = ["FiguresPanel"]

SOON_S = 0.05
"""How long the graphs wait after a gesture, so that the bench's own answer is on screen before."""

UNITS = {
    **dict.fromkeys(("stimulus", "ON", "OFF"), "kHz"),
    **{"drive": "a.u.", "trials": "trial"},
}
"""Of the vertical axis of each lane, if it is not that of the responses."""


@functools.cache
def _plotly_js() -> bytes:
    """plotly.js as the installed package has it, compressed."""
    file = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return gzip.compress(file.read_bytes(), 6, mtime=0)


class FiguresPanel(BrowserWidget):
    """Linked Plotly graphs of the neuron on screen, one for each lane, drawn by plotly.js in the browser.

    During a gesture the browser moves the line of the model itself; when an edit has settled, what has changed is sent.

    Parameters
    ----------
    session : LiveSession
        Read, not changed.
    neuron, sound : int
        What is drawn first; see `show`.
    confidence : Confidence, optional
        See :func:`neuron_figure`.
    """

    _esm = bundle_source("figures.js")

    view = traitlets.Unicode("figures").tag(sync=True)

    def __init__(
        self,
        session: LiveSession,
        *,
        neuron: int = 0,
        sound: int = 0,
        confidence: Confidence | None = None,
        **kwargs: Any,
    ) -> None:
        self.session, self.neuron, self.sound, self.confidence = session, neuron, sound, confidence
        self._lock = threading.RLock()
        self._sent: dict[str, NDArray[Any]] = {}
        self._shape: Any = None
        self._watched = False
        self._timer = self.own(Timer(self._update))
        super().__init__(info={"plotly": importlib.metadata.version("plotly")}, **kwargs)
        self.own(session.observe(self._session_changed, merged=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session!r}, neuron={self.neuron})"

    def show(self, neuron: int, sound: int) -> None:
        """Draw this neuron and this sound of the batch."""
        self.neuron, self.sound = neuron_index(self.session.neuron_names, neuron), sound
        if self._watched:
            self._timer.start(0.0)

    def rest(self) -> None:
        """Send nothing until a browser asks again."""
        self._watched = False
        self._timer.close()

    def _session_changed(self, change: Change) -> None:
        # The end of a gesture may name nothing: what differs from what was sent is found when it is sent.
        if self._watched and (change.settled or change.stimulus):
            self._timer.start(SOON_S)

    def _received(self, _widget: Any, content: Any, _buffers: Sequence[Any] | None) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "library":
            self.send({"type": "library"}, buffers=[_plotly_js()])
        elif kind == "figure":
            self._watched, self._shape = True, None
            self._update()
        else:
            self.error = f"type must be library or figure, got {brief(kind)}"

    @one_thread()
    def _update(self) -> None:
        heard_by(self.session)  # which the snapshot then knows
        self._send_changes()

    @of_newest()
    def _send_changes(self, now: Snapshot) -> None:
        """Send what has changed since the last time: some arrays, or the figure where its lanes are others."""
        drawn = figure_traces(now, self.neuron, min(self.sound, len(now.stimulus) - 1), self.confidence)
        arrays = {
            name: np.ascontiguousarray(values["z" if "z" in values else "y"], "<f4") for name, values in drawn.items()
        }
        fields = [name for name in drawn if name.startswith("STRF") and not name.endswith(UNSURE)]
        lines = {} if self.confidence is None else tuning_lines(now, self.neuron, fields, self.confidence)
        message: dict[str, Any] = {
            "neuron": self.neuron,
            "peaks": {name: drawn[name]["zmax"] for name in drawn if "zmax" in drawn[name]},
            "tuning": {name: lines[f"tuning of {name}"]["text"] for name in fields if f"tuning of {name}" in lines},
        }
        shape = [(name, array.shape) for name, array in arrays.items()]
        whole = shape != self._shape
        if whole:
            message |= {"type": "figure", **self._axes(now, drawn, fields)}
            self._sent = {}
        else:
            message["type"] = "values"
        news = {name: array for name, array in arrays.items() if not _same(self._sent.get(name), array)}
        message["arrays"] = [{"name": name, "shape": list(array.shape)} for name, array in news.items()]
        self._shape, self._sent = shape, arrays
        self.send(message, buffers=[array.tobytes() for array in news.values()])

    def _axes(self, now: Any, drawn: dict[str, Any], fields: list[str]) -> dict[str, Any]:
        """What the graphs are: their lanes with titles and units, and what their axes count."""
        lanes = []
        for name, (title, weight) in LANES.items():
            if name == "response" or name in drawn:
                lanes.append(
                    {"name": name, "title": title, "weight": weight, "unit": UNITS.get(name, now.response_unit)}
                )
        return {
            "lanes": lanes,
            "fields": fields,
            "dt_ms": now.dt_ms,
            "delay_ms": now.delay_ms,
            "weights": weight_title(self.confidence),
            "khz": [round(float(khz), 4) for khz in now.cf_hz / 1e3],
        }


def _same(one: NDArray[Any] | None, other: NDArray[Any]) -> bool:
    return one is not None and np.array_equal(one, other, equal_nan=True)
