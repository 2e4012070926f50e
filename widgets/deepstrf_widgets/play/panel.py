"""The panel of a fit that moves the bench: its controls, its losses and scores, and the way back through it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import traitlets

from deepstrf.locking import locked

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MessageError, brief, is_count
from ..session.edited_model import FitUnderWayError
from .player import Pin, Player

__all__ = ["PlayPanel", "Shown"]

SHORTEST_S = 0.2
"""Between two states that are sent while it plays."""

SETTINGS = ("loss", "smoothness", "sparsity", "batch_size", "noise", "share", "speed")

Shown = Callable[[], tuple[int, int, int]]
"""Neuron, channel and selected Gaussian (-1 for none) of the bench."""


class PlayPanel(BrowserWidget):
    """Play, pause, step, the way back, pins and settings of a :class:`Player`.

    Parameters
    ----------
    player : Player
    shown : callable
        What the bench has on screen.

    Attributes
    ----------
    status : dict
        ``state``, ``message``, ``steps``, ``last`` (of the run), ``rate`` (steps in a second, or None), ``can_reset``,
        ``can_repeat`` (there was a random start), ``exact`` (a fitter is carried out as it is), ``rates`` and
        ``settings``, ``pinned`` (which of the four things on screen are).
    curves : bytes
        Float32 (3, K): steps, mean training loss and held-out score of the neuron on screen; NaN where unknown.
    """

    _esm = bundle_source("play.js")

    view = traitlets.Unicode("play").tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)

    def __init__(self, player: Player, shown: Shown, **kwargs: Any) -> None:
        self.player, self._shown = player, shown
        self._lock = threading.RLock()
        self._told_at = -math.inf
        super().__init__(status=self._status(), curves=self._curves(), **kwargs)
        self.own(player.observe(self._player_changed))

    def __repr__(self) -> str:
        return f"PlayPanel({self.player!r})"

    def refresh(self) -> None:
        """Bring the traits up to date."""
        # Read before: the session may call others meanwhile, who must not find this lock held.
        self._show(self._status(), self._curves())

    @locked
    def _show(self, status: dict[str, Any], curves: bytes) -> None:
        self._told_at = time.monotonic()
        with self.hold_sync():
            self.status, self.curves = status, curves

    def _player_changed(self) -> None:
        if self.player.state != "playing" or time.monotonic() - self._told_at > SHORTEST_S:
            self.refresh()

    def _status(self) -> dict[str, Any]:
        player = self.player
        rate, points = player.steps_per_s, player.trail.points
        return {
            "state": player.state,
            "message": player.message,
            "steps": player.steps,
            "last": points[-1].step if points else 0,
            "rate": rate if math.isfinite(rate) else None,
            "can_reset": bool(points),
            "can_repeat": player.seed is not None,
            "exact": player.fitter is not None,
            "rates": self._rates(),
            "settings": {name: getattr(player.settings, name) for name in SETTINGS},
            "pinned": {what: self._is_pinned(what) for what in ("gaussian", "field", "curve", "prefilter")},
        }

    def _rates(self) -> dict[str, float]:
        try:
            return self.player.rates()
        except ValueError:  # nothing was recorded: Play says so
            return dict(self.player.settings.rates)

    def _curves(self) -> bytes:
        neuron = self._shown()[0]
        rows = [
            (
                point.step,
                math.nan if point.loss is None else point.loss.nanmean().item(),
                math.nan if point.scores is None else point.scores[neuron].item(),
            )
            for point in self.player.trail.points
            if point.loss is not None
        ]
        return np.asarray(rows, dtype="<f4").reshape(-1, 3).T.tobytes()

    # -- pins of what is on screen -------------------------------------------------------------------------------

    def _pinned(self, what: str) -> list[Pin]:
        """Pins of a thing on screen; none where the model has no such thing, or where it is locked."""
        neuron, channel, gaussian = self._shown()
        locked = self.player.locked_names
        parameters = {name: p for name, p in self.player.session.parameters.items() if name not in locked}
        if what == "gaussian":
            names = [n for n, p in parameters.items() if "gaussian" in p.axes] if gaussian >= 0 else []
            return [(name, (neuron, channel, gaussian)) for name in names]
        if what == "prefilter":
            return [(name, ()) for name in parameters if name.startswith("prefilter.")]
        stage = {"field": "strf.", "curve": "activation."}[what]
        return [(name, (neuron,)) for name in parameters if name.startswith(stage)]

    def _is_pinned(self, what: str) -> bool | None:
        """Whether all of it is pinned; None where there is nothing to pin."""
        wanted, pins = self._pinned(what), self.player.pins
        if not wanted:
            return None
        return all(any(name == other and at[: len(place)] == place for other, place in pins) for name, at in wanted)

    def toggle_pin(self, what: str) -> None:
        """Pin the Gaussian, field or curve on screen, or the prefilter; let go of it where it is pinned."""
        change = self.player.unpin if self._is_pinned(what) else self.player.pin
        for name, at in self._pinned(what):
            change(name, at)
        self.refresh()

    # -- messages of the browser ---------------------------------------------------------------------------------

    def _received(self, _widget: Any, content: Any, _buffers: Any) -> None:
        fields = content if isinstance(content, dict) else {}
        try:
            self._carry_out(fields)
        except (MessageError, FitUnderWayError, KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
            self.error = str(error.args[0]) if error.args else str(error)
        else:
            self.error = ""
        self.refresh()

    def _carry_out(self, fields: dict[str, Any]) -> None:
        player, kind = self.player, fields.get("type")
        if kind == "play":
            player.play()
        elif kind == "pause":
            player.rest()
        elif kind == "step":
            player.play(1)
        elif kind == "show" and is_count(fields.get("step")):
            player.show(fields["step"])
        elif kind == "best":
            player.show_best()
        elif kind == "reset":
            player.reset()
        elif kind == "new":
            player.new_start()
        elif kind == "repeat":
            player.same_start()
        elif kind == "pin" and fields.get("what") in ("gaussian", "field", "curve", "prefilter"):
            self.toggle_pin(fields["what"])
        elif kind == "set" and isinstance(fields.get("settings"), dict):
            player.set(**{str(name): value for name, value in fields["settings"].items()})
        elif kind == "rate" and isinstance(fields.get("group"), str):
            player.set(rates={**player.settings.rates, fields["group"]: fields.get("value")})
        else:
            raise MessageError(f"a message must control the fit, got {brief(fields)}")
