"""The race of the hand and of gradient descent in the matching game."""

import sys
from pathlib import Path

import pytest

from deepstrf.demo import load_demo
from deepstrf_widgets import explore


@pytest.fixture
def race(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "notebooks"))
    from course.race import Race  # noqa: PLC0415 - from the folder of the notebooks

    demo = load_demo()
    benches = [explore(demo.model, demo.stimulus, demo.responses, figures=False, sounds=False) for _ in range(2)]
    yield Race(*benches, steps_per_s=1000.0)
    for bench in benches:
        bench.close()
    sys.modules.pop("course.race", None)


def test_a_race_notes_both_scores_and_draws_them(race):
    assert "Nobody has moved yet" in race.picture()
    race.benches["hand"].session.set("strf.weight", 0.5, (0, 0, 0))
    race.benches["Adam"].step(2)
    hand, adam = race.scores["hand"], race.scores["Adam"]
    assert hand[-1][1] == race.benches["hand"].session.score(0)
    assert adam[-1][1] == race.benches["Adam"].session.score(0)
    assert hand[0][0] == 0.0
    assert adam[-1][0] > 0.0
    assert race.picture() is not None
    assert len(race.show().children) == 2
