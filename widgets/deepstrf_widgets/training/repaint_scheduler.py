"""Repainting in a thread of its own: at once when somebody asks, else only as often as a share of the time allows."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["RepaintScheduler"]

SHARE = 0.02
"""Share of the time that repainting may take while something else is at work. What a repaint costs is measured: it
lasts from its beginning to the page's word that it is on screen; none begins for that long divided by this share. The
browser's other processes then work about as long again (0.17 s and 0.34 s of processor time on two cores without a
graphics card), so that a fit which wants every core loses at most 5 %. The least of the last `RECENT` repaints counts:
the others waited for somebody else."""

RECENT = 5

FIRST_COST_S = 0.15
"""What a repaint costs until one has been measured."""

CLOCK_S = 1.0
"""Shortest time between two repaints that nobody asked for."""


class RepaintScheduler:
    """Calls ``paint`` in a thread, one call at a time, the latest wish wins.

    Parameters
    ----------
    paint : callable
        Returns for how many seconds to wait for a page's word, by `painted`, that it has painted; 0 if none will come.
    live : callable
        Whether to paint without being asked, again and again.
    """

    def __init__(self, paint: Callable[[], float], live: Callable[[], bool]) -> None:
        self._paint, self._live = paint, live
        self._news = threading.Condition()
        self._asked = self._closed = False
        self._began = self._busy_until = -math.inf
        self._costs_s: deque[float] = deque(maxlen=RECENT)
        self._thread = threading.Thread(target=self._work, name="deepstrf-painter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask(self) -> None:
        """Paint as soon as the page has done what it was given before."""
        with self._news:
            self._asked = True
            self._news.notify()

    def painted(self, *, counts: bool = True) -> None:
        """The page has painted what it was given last; what happens once only need not count."""
        with self._news:
            self._busy_until = -math.inf
            if counts:
                self._costs_s.append(time.monotonic() - self._began)
            self._news.notify()

    @property
    def cost_s(self) -> float:
        """What a repaint costs, s."""
        return min(self._costs_s, default=FIRST_COST_S)

    def is_this_thread(self) -> bool:
        """Whether the caller runs inside ``paint``."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Paint no more; returns when the last call has ended."""
        with self._news:
            self._closed = True
            self._news.notify()
        if not self.is_this_thread() and self._thread.is_alive():
            self._thread.join()

    def due_in_s(self, now: float) -> float | None:
        """Seconds until the next repaint, at most 0 when it is due; None while nothing asks for one."""
        page = max(self._busy_until - now, 0.0)
        if self._asked:
            return page
        if self._live():
            return max(page, self._began + max(CLOCK_S, self.cost_s / SHARE) - now)
        return None

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._closed:
                    seconds = self.due_in_s(time.monotonic())
                    if seconds is not None and seconds <= 0:
                        break
                    self._news.wait(seconds)
                if self._closed:
                    return
                self._asked = False
                self._began, self._busy_until = time.monotonic(), math.inf
            patience = self._paint()
            with self._news:
                # The page may have answered already.
                if self._busy_until == math.inf:
                    self._busy_until = self._began + patience
