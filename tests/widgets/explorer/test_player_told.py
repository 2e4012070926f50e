"""What the bench says of its player is the newest of what several threads tell."""

import threading

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
