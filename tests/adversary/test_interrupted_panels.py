"""KeyboardInterrupt at the lines of what is done to a player, a drawing and the panels: whole, and of use."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_widgets.comparison.other_model import OtherModel
from deepstrf_widgets.comparison.panel import ComparisonPanel
from deepstrf_widgets.neuron_gallery import Gallery
from deepstrf_widgets.play import Player
from deepstrf_widgets.play.player import PLAYED
from deepstrf_widgets.prediction import DrawnPrediction
from tests.adversary.scale import WHOLE
from tests.adversary.test_interrupts import HUNG_S, stopped_at, unwatched
from tests.widgets.conftest import build_session

pytestmark = [pytest.mark.slow] if WHOLE else []

POINTS = 40 if WHOLE else 3
"""Of each operation: a player is made for each."""

PINNED = ("strf.weight", "activation.beta")
"""Of all neurons; the operation that unpins lets go of the first."""


def points(act: Callable[[], object]) -> range:
    """Where to interrupt an act, which is done once to count."""
    count = stopped_at(act, -1)
    return range(1, count + 1, max(1, count // POINTS))


def within(seconds: float, act: Callable[[], object]) -> bool:
    """Whether an act in another thread ends in time, without an error."""
    ended = []
    thread = threading.Thread(target=lambda: (act(), ended.append(True)), daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(ended)


# -- a player --------------------------------------------------------------------------------------------------------


PLAYS: dict[str, Callable[[Player], object]] = {
    "step": lambda player: player.step(),
    "play and pause": lambda player: (player.play(), player.pause()),
    "pin": lambda player: player.pin("strf", neuron=1),
    "unpin": lambda player: player.unpin("strf.weight"),
    "set": lambda player: player.set(loss="squares"),
    "show": lambda player: player.show(1),
    "reset": lambda player: player.reset(),
    "new start": lambda player: player.new_start(3),
    "close": lambda player: player.close(),
}


def player_of(name: str) -> Player:
    """A player that has something to go back through where that is wanted."""
    player = Player(build_session(sounds=2, dtype=torch.float32))
    player.pin(PINNED)
    if name in ("show", "reset"):
        player.step(2)
    return player


def fault_of_player(player: Player, pinned: bytes) -> str:
    """What is wrong with a player after an interrupt; empty when nothing is."""
    session = player.session
    if not within(HUNG_S, player.pause):
        return "it does not come to a rest"
    if {name for name, _ in player.pins} - {n for n in session.parameters if n.startswith("strf.")} != {
        "activation.beta"
    }:
        return "pins are lost"
    before = player.steps
    if not player._closing and (not within(HUNG_S, player.step) or player.steps != before + 1):
        return "it takes no step afterwards"
    if session.value("activation.beta").tobytes() != pinned:
        return "what is pinned has moved"
    with torch.no_grad():
        fresh = session.model(session.stimulus)[:, :, 0]
    if not all(torch.allclose(session.rate(n), fresh[:, n], atol=1e-5) for n in range(3)):
        return "a rate is not the model's"
    entries = len(session._present().history.done)
    session.set("strf.weight", 0.4, (0, 0, 0))
    if len(session._present().history.done) != entries + 1:
        return "an edit is no undo entry of its own"
    if not within(HUNG_S, player.close):
        return "it cannot be closed"
    return "the model is taken" if session.model in PLAYED else ""


@pytest.mark.parametrize("name", PLAYS)
def test_an_interrupt_leaves_a_player_that_plays_on(name: str) -> None:
    faults: Counter[str] = Counter()
    first = player_of(name)
    where = points(lambda: PLAYS[name](first))
    first.close()
    for at in where:
        player = unwatched(player_of, name)
        pinned = player.session.value("activation.beta").tobytes()
        stopped_at(lambda player=player: PLAYS[name](player), at)
        found = fault_of_player(player, pinned)
        if found:
            faults[f"{found}, first at {at}"] += 1
    print(f"{name}: {len(where)} points, {sum(faults.values())} bad")
    assert not faults


# -- a drawing -------------------------------------------------------------------------------------------------------

TIMES, LINE, TRUTH = [0, 245, 250, 495], [2.0, 2.0, 8.0, 8.0], np.r_[np.ones(50), 9 * np.ones(50)]
DRAWINGS: dict[str, Callable[[DrawnPrediction], object]] = {
    "draw": lambda plot: plot.draw(TIMES, LINE),
    "reveal": lambda plot: plot.reveal(TRUTH),
    "clear": lambda plot: plot.clear(),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_an_interrupt_leaves_the_drawing_before_or_after(name: str) -> None:
    def made() -> DrawnPrediction:
        plot = DrawnPrediction(100, high=10.0)
        plot.draw(TIMES, [1.0, 1.0, 5.0, 5.0])
        if name == "clear":
            plot.reveal(TRUTH)
        return plot

    def state(plot: DrawnPrediction) -> tuple[Any, ...]:
        return plot.drawn, plot.truth, plot.said

    whole = made()
    good = [state(whole)]
    where = points(lambda: DRAWINGS[name](whole))
    good.append(state(whole))
    for at in where:
        plot = made()
        stopped_at(lambda plot=plot: DRAWINGS[name](plot), at)
        assert state(plot) in good, at
        DRAWINGS[name](plot)
        assert state(plot) == good[1], at


# -- panels that follow a session ------------------------------------------------------------------------------------


def test_an_interrupted_table_of_scores_is_made_whole_the_next_time() -> None:
    def made() -> ComparisonPanel:
        session = build_session()
        panel = ComparisonPanel(session, OtherModel(session, "trained"), choose=lambda _neuron: None)
        session.set("strf.weight", 0.9, (1, 0, 0))
        return panel

    first = made()
    first._mark(range(3), 0)
    for at in points(first._score):
        panel = made()
        panel._mark(range(3), 0)
        panel.rows = [{**row, "a": 7.0, "gain": 7.0} for row in panel.rows]
        stopped_at(panel._score, at)
        panel.refresh()
        found = [row["a"] for row in panel.rows]
        assert found == [pytest.approx(panel.session.score(n), abs=1e-6) for n in range(3)], at
        panel.close()


def test_an_interrupted_gallery_is_made_whole_the_next_time() -> None:
    def made() -> Gallery:
        session = build_session()
        gallery = Gallery(session)
        gallery.refresh()
        with torch.no_grad():  # so that no timer is there: a change that nobody is told of yet
            session.model.readout.strf.kernel.weight.mul_(1.5)
        gallery._mark_stale(range(3), range(3))
        return gallery

    first = made()
    where = points(first.refresh)
    whole = first.table.copy()
    for at in where:
        gallery = made()
        stopped_at(gallery.refresh, at)
        gallery.refresh()
        assert np.array_equal(gallery.table, whole, equal_nan=True), at
        gallery.close()
