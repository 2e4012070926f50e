"""A race of the hand and of gradient descent to one hidden neuron: two benches side by side, and both scores over time."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets
import numpy as np

from deepstrf_widgets import Explorer
from deepstrf_widgets.pictures import Picture, lines_picture
from deepstrf_widgets.session import Change

__all__ = ["Race"]


class Race:
    """Two benches of one task: the left one is for the hand, and Play moves the right one.

    Attributes
    ----------
    scores : dict of str to list
        For "hand" and "Adam" pairs of seconds since the first move of either, and the score r then.
    """

    def __init__(self, hand: Explorer, adam: Explorer, *, steps_per_s: float = 5.0) -> None:
        self.benches = {"hand": hand, "Adam": adam}
        self.scores: dict[str, list[tuple[float, float]]] = {name: [] for name in self.benches}
        self._began: float | None = None
        adam.player.set(speed=steps_per_s, share=1.0)
        for name, bench in self.benches.items():
            bench.session.observe(lambda change, name=name: self._note(name, change))

    def _note(self, name: str, change: Change) -> None:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        score = self.benches[name].session.score(self.benches[name].neuron)
        if score is not None and (change.names or change.unnamed):
            self.scores[name].append((now - self._began, score))

    def show(self) -> ipywidgets.HBox:
        """Both benches side by side."""
        half = {"flex": "1 1 50%", "min_width": "0"}
        return ipywidgets.HBox([ipywidgets.VBox([bench], layout=half) for bench in self.benches.values()])

    def picture(self) -> Picture | str:
        """The scores of both over the seconds of the race, or what to do where nobody has moved yet."""
        known = {name: points for name, points in self.scores.items() if points}
        if not known:
            return "Nobody has moved yet: drag on the left, press Play on the right, then run this cell again."
        ends = max(points[-1][0] for points in known.values())
        seconds = np.linspace(0.0, max(ends, 1.0), 200)
        lines = {}
        for name, points in known.items():
            times, scores = np.array(points).T
            last = np.searchsorted(times, seconds, side="right") - 1
            lines[name] = np.where(last < 0, scores[0], scores[np.clip(last, 0, None)])
        return lines_picture(lines, seconds, x_label="seconds", y_label="r")
