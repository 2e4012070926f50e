"""When a painter paints: at once when asked, else within its share of the time."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_widgets.training.repaint_scheduler import CLOCK_S, FIRST_COST_S, SHARE, RepaintScheduler

WAIT_S = 60


class Canvas:
    """Counts its paintings and answers when the test wants it; ``patience`` is how long it wants to be waited for."""

    def __init__(self, *, live=False, patience=WAIT_S):
        self.live, self.patience = live, patience
        self.painted, self.in_paint = 0, []
        self.news = threading.Semaphore(0)
        self.painter = RepaintScheduler(self.paint, lambda: self.live)

    def paint(self):
        self.painted += 1
        self.in_paint.append(self.painter.is_this_thread())
        self.news.release()
        return self.patience

    def wait_for_paint(self):
        assert self.news.acquire(timeout=WAIT_S)


@pytest.fixture
def canvas():
    made = Canvas()
    made.painter.start()
    yield made
    made.painter.close()


def test_it_paints_in_its_own_thread_when_requested(canvas):
    assert canvas.painted == 0
    canvas.painter.request()
    canvas.wait_for_paint()
    assert canvas.in_paint == [True]
    assert not canvas.painter.is_this_thread()


def test_requests_wait_for_the_browser_and_are_one(canvas):
    canvas.painter.request()
    canvas.wait_for_paint()
    for _ in range(20):
        canvas.painter.request()
    assert canvas.painted == 1
    canvas.painter.confirm()
    canvas.wait_for_paint()
    canvas.painter.confirm()
    assert not canvas.news.acquire(timeout=0.05)
    assert canvas.painted == 2


def test_painting_goes_on_without_a_confirmation(canvas):
    canvas.patience = 0.02
    for _ in range(3):
        canvas.painter.request()
        canvas.wait_for_paint()
    assert canvas.painted == 3


def test_nothing_is_painted_after_the_end(canvas):
    canvas.painter.close()
    canvas.painter.request()
    assert not canvas.news.acquire(timeout=0.05)
    canvas.painter.close()


def test_it_may_be_closed_from_inside():
    canvas = Canvas()
    done = threading.Event()

    def paint():
        canvas.painter.close()
        done.set()
        return 0.0

    canvas.painter = RepaintScheduler(paint, lambda: True)
    canvas.painter.start()
    canvas.painter.request()
    assert done.wait(WAIT_S)
    canvas.painter.close()


@given(st.floats(0.0, 100.0), st.floats(0.0, 1e4))
def test_without_requests_a_live_view_is_repainted(cost_s, now):
    """Between two beginnings at least the cost over the share, and never less than the clock."""
    painter = RepaintScheduler(lambda: 0.0, lambda: True)
    assert painter.cost_s == FIRST_COST_S
    painter._began = now
    painter._costs_s.append(cost_s)
    rest = painter.due_in_s(now)
    assert rest == pytest.approx(max(CLOCK_S, cost_s / SHARE))
    assert cost_s <= SHARE * rest * (1 + 1e-9)
    assert painter.due_in_s(now + rest) == pytest.approx(0.0, abs=1e-6)
    painter._busy_until = now + 2 * rest
    assert painter.due_in_s(now + rest) == pytest.approx(rest)
    painter._requested = True
    assert painter.due_in_s(now + rest) == pytest.approx(rest)
    painter._busy_until = now
    assert painter.due_in_s(now + 1) == 0.0


def test_a_cost_that_arises_once_does_not_count_and_at_rest_nothing_is_due():
    painter = RepaintScheduler(lambda: 0.0, lambda: False)
    assert painter.due_in_s(5.0) is None
    painter._began = -1e6
    painter.confirm(counts=False)
    assert painter.cost_s == FIRST_COST_S
    painter.confirm()
    assert painter.cost_s > 1e5


def test_the_least_of_the_last_repaints_counts():
    painter = RepaintScheduler(lambda: 0.0, lambda: True)
    for cost_s in (0.1, 3.0, 0.3, 2.0, 0.4, 5.0):
        painter._costs_s.append(cost_s)
    assert painter.cost_s == 0.3
