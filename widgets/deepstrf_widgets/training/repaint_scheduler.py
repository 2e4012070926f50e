"""Repainting in a thread of its own: at once on request, else only as often as a share of the time allows."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["RepaintScheduler"]

SHARE = 0.02
"""Share of the time that repainting may take while a fit runs. The cost of a repaint is measured: from its beginning
until the browser confirms that it is on screen; the next one begins no sooner than that time divided by this share. The
browser's other processes then work about as long again (0.17 s and 0.34 s of processor time on two cores without a
graphics card), so that a fit which uses every core loses at most 5 %. The least of the last `RECENT` costs counts: the
others were delayed by something else."""

RECENT = 5

FIRST_COST_S = 0.15
"""Assumed cost of a repaint until one has been measured."""

CLOCK_S = 1.0
"""Shortest time between two repaints without a request."""


class RepaintScheduler:
    """Calls ``paint`` in a thread, one call at a time; requests that come meanwhile are one.

    Parameters
    ----------
    paint : callable
        Returns for how many seconds to wait until the browser confirms, by `confirm`; 0 where it will not.
    live : callable
        Returns whether to paint again and again without a request.
    """

    def __init__(self, paint: Callable[[], float], live: Callable[[], bool]) -> None:
        self._paint, self._live = paint, live
        self._changed = threading.Condition()
        self._requested = self._closed = False
        self._began = self._busy_until = -math.inf
        self._costs_s: deque[float] = deque(maxlen=RECENT)
        self._thread = threading.Thread(target=self._run, name="deepstrf-painter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def request(self) -> None:
        """Paint as soon as the browser has painted what it was sent before."""
        with self._changed:
            self._requested = True
            self._changed.notify()

    def confirm(self, *, counts: bool = True) -> None:
        """Note that the browser has painted what it was sent last; a cost that arises only once need not count."""
        with self._changed:
            self._busy_until = -math.inf
            if counts:
                self._costs_s.append(time.monotonic() - self._began)
            self._changed.notify()

    @property
    def cost_s(self) -> float:
        """Cost of a repaint, s."""
        return min(self._costs_s, default=FIRST_COST_S)

    def is_this_thread(self) -> bool:
        """Whether the caller runs inside ``paint``."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Paint no more; returns when the last call has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if not self.is_this_thread() and self._thread.is_alive():
            self._thread.join()

    def due_in_s(self, now: float) -> float | None:
        """Seconds until the next repaint, at most 0 when it is due; None where none is due."""
        until_painted = max(self._busy_until - now, 0.0)
        if self._requested:
            return until_painted
        if self._live():
            return max(until_painted, self._began + max(CLOCK_S, self.cost_s / SHARE) - now)
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed:
                    seconds = self.due_in_s(time.monotonic())
                    if seconds is not None and seconds <= 0:
                        break
                    self._changed.wait(seconds)
                if self._closed:
                    return
                self._requested = False
                self._began, self._busy_until = time.monotonic(), math.inf
            timeout_s = self._paint()
            with self._changed:
                # The browser may have confirmed already.
                if self._busy_until == math.inf:
                    self._busy_until = self._began + timeout_s
