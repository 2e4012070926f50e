"""The panel of two models: their fields and the difference, where in the sound they differ most, and every score."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from deepstrf.locking import locked

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..lifetime import Timer
from ..message_parsing import MessageError, brief, is_count
from ..session.events import Change
from ..session.newest import of_newest
from ..session.reading import Snapshot
from ..session.session import LiveSession
from ..threads import one_thread
from .other_model import OtherModel

__all__ = ["ComparisonPanel", "largest_differences"]

MOMENTS = 6
APART_MS = 150.0
"""Between two of the moments where they differ most."""

SOON_S, LATER_S = 0.05, 0.5
FEW = 16


class ComparisonPanel(BrowserWidget):
    """Model A, that of the bench, beside model B: fields, differences, scores. It follows the edits of A.

    Parameters
    ----------
    session : LiveSession
        Of A.
    other : OtherModel
        B.
    choose : callable
        Called with the number of a neuron that was clicked.
    neuron, sound : int
        What is compared first; see `show`.

    Attributes
    ----------
    rows : list of dict
        ``neuron``, ``name``, ``a``, ``b`` and ``gain`` = a - b (correlations; None where there is none) of each.
    moments : list of dict
        ``frame`` and ``difference`` = A - B of the bins of the sound on screen where they differ most, largest first.
    """

    _esm = bundle_source("comparison.js")

    view = traitlets.Unicode("comparison").tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    neuron = traitlets.Int(0).tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)
    moments: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        session: LiveSession,
        other: OtherModel,
        *,
        choose: Callable[[int], None],
        neuron: int = 0,
        sound: int = 0,
        **kwargs: Any,
    ) -> None:
        self.session, self.other, self._choose, self._sound = session, other, choose, sound
        self._lock = threading.RLock()
        self._timer, self._row_timer = self.own(Timer(self._compare)), self.own(Timer(self._score))
        self._stale = dict.fromkeys(range(session.n_neurons), 0)
        super().__init__(cf_hz=np.asarray(session.cf_hz, "<f4").tobytes(), neuron=neuron, **kwargs)
        now = session.snapshot()
        self.info = {
            "a": type(now.model).__name__,
            "b": other.name,
            "matching": other.matching,
            "dt_ms": now.dt_ms,
            "delay_ms": now.delay_ms,
            "rate_unit": now.response_unit,
            "has_scores": now.responses is not None,
        }
        self.rows = [
            {"neuron": n, "name": name, "a": None, "b": None, "gain": None} for n, name in enumerate(now.neuron_names)
        ]
        self.own(session.observe(self._session_changed))

    def __repr__(self) -> str:
        return f"ComparisonPanel({self.session!r}, {self.other.name})"

    def show(self, neuron: int, sound: int) -> None:
        """Compare this neuron, on this sound of the batch."""
        self.neuron, self._sound = neuron, sound
        self._timer.start(0.0)

    def refresh(self) -> None:
        """Compute and send all of it now; it happens by itself when the kernel is idle."""
        self._row_timer.close()
        self._timer.close()
        self._compare()
        self._score()

    def _session_changed(self, change: Change) -> None:
        every = range(self.session.n_neurons)
        self._mark(every if change.neurons is None or change.stimulus else change.neurons, change.version)
        if change.settled or change.stimulus:
            self._timer.start(SOON_S)
            self._row_timer.start(SOON_S if len(self._stale) <= FEW else LATER_S)

    @locked
    def _mark(self, neurons: Iterable[int], version: int) -> None:
        self._stale.update(dict.fromkeys(neurons, version))

    @one_thread()
    @of_newest()
    def _score(self, now: Snapshot) -> None:
        # Only what had changed before the snapshot: of all else its row would be an old one.
        stale = sorted(n for n, version in self._stale.items() if version <= now.version)
        rows = list(self.rows)
        for n in stale:
            a, b = _finite(now.score(n)), _finite(self.other.score(now, n))
            rows[n] = {**rows[n], "a": a, "b": b, "gain": None if a is None or b is None else a - b}
        self.rows = rows
        for n in stale:
            del self._stale[n]

    @one_thread()
    @of_newest()
    def _compare(self, now: Snapshot) -> None:
        neuron = self.neuron
        sound = min(self._sound, len(now.stimulus) - 1)
        bins = now.sound_bins[sound]
        theirs = self.other.rate(now, neuron)
        self.moments = []
        if theirs is not None:
            difference = (now.rate(neuron)[sound, :bins].double() - theirs[sound, :bins].double()).cpu()
            self.moments = largest_differences(difference, now.dt_ms)
        message: dict[str, Any] = {"type": "fields", "neuron": neuron, "text": ""}
        try:
            found = self.other.fields(now, neuron)
        except (RuntimeError, ValueError, NotImplementedError, MemoryError) as error:
            self.send({**message, "text": str(error)})
            return
        if found is None:
            text = "B has no such neuron" if theirs is None else "one of the two has no field to show"
            self.send({**message, "text": text})
            return
        one, two, kind = found
        message |= {"shape": list(one.shape), "kind": kind}
        self.send(message, buffers=[one.numpy().astype("<f4").tobytes(), two.numpy().astype("<f4").tobytes()])

    def _received(self, _widget: Any, content: Any, _buffers: Sequence[Any] | None) -> None:
        fields = content if isinstance(content, dict) else {}
        kind, neuron = fields.get("type"), fields.get("neuron")
        self.error = ""
        try:
            if kind == "ready":
                self.refresh()
            elif kind != "choose":
                raise MessageError(f"type must be ready or choose, got {brief(kind)}")
            elif not is_count(neuron) or neuron >= self.session.n_neurons:
                raise MessageError(f"neuron must be a number of a neuron, got {brief(neuron)}")
            else:
                self._choose(int(neuron))
        except MessageError as error:
            self.error = str(error)


def largest_differences(difference: Tensor, dt_ms: float, count: int = MOMENTS) -> list[dict[str, Any]]:
    """Bins where a difference (T,) is largest in size, at least 150 ms from one another, the largest first."""
    left = difference.abs().nan_to_num(0.0, 0.0, 0.0).clone()
    apart = max(1, round(APART_MS / dt_ms))
    found: list[dict[str, Any]] = []
    while len(found) < count and len(left) > 0:
        frame = int(torch.argmax(left))
        if not left[frame] > 0:
            break
        found.append({"frame": frame, "difference": float(difference[frame])})
        left[max(0, frame - apart + 1) : frame + apart] = 0
    return found


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)
