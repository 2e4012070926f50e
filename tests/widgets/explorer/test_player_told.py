"""What the bench says of its player is the newest of what several threads tell."""

import threading

import pytest

from deepstrf_widgets import explore


class Turning:
    """A player that comes to rest while its first reader still has the old state in hand."""

    pins = ()

    def __init__(self):
        self.now, self.read, self.go = "playing", threading.Event(), threading.Event()

    @property
    def state(self):
        seen = self.now
        if threading.current_thread() is not threading.main_thread() and not self.go.is_set():
            self.read.set()
            self.go.wait(10)
        return seen


def test_the_thread_that_read_first_does_not_have_the_last_word(make_session, monkeypatch):
    bench = explore(make_session(), figures=False)
    player = Turning()
    monkeypatch.setattr(type(bench), "player", property(lambda _self: player))
    slow = threading.Thread(target=bench._player_changed)
    slow.start()
    assert player.read.wait(10)  # it has seen "playing"
    player.now = "paused"
    bench._player_changed()
    player.go.set()
    slow.join(10)
    assert bench.playing is False
    monkeypatch.undo()
    bench.close()


@pytest.mark.parametrize("ends", ["paused", "seen"])
def test_a_rest_that_comes_before_the_fit_has_begun_is_told(make_session, ends):
    bench = explore(make_session(), figures=False)
    player = bench.player
    told = threading.Event()
    with player._changed:  # its thread cannot wake
        player.play()
        assert bench.playing is True
        player.observe(lambda: player.state == "paused" and told.set())
        player.rest()
    if ends == "paused":
        player.pause()
        assert bench.playing is False
    assert told.wait(20)
    player.pause()
    assert bench.playing is False
    bench.close()


def test_an_observer_may_pause_what_it_is_told_of(make_session):
    bench = explore(make_session(), figures=False)
    calls = []

    def stop_at_once():
        calls.append(bench.player.state)
        bench.player.pause()

    bench.player.observe(stop_at_once)
    bench.player.play()
    bench.player.pause()
    assert bench.playing is False
    assert len(calls) < 10
    bench.close()
