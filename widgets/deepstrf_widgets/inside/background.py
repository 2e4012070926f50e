"""One computation at a time beside the kernel's own thread: the next one takes the place of the last."""

from __future__ import annotations

import threading
from collections.abc import Callable

from deepstrf.locking import locked

__all__ = ["Background"]


class Background:
    """Runs a job in a thread of its own. Its end, and an error of the kinds it may meet, are the job's to tell.

    A job is called with ``going``, which says whether it is still wanted: false once another job was started, or after
    `cancel`. The thread is no daemon, so that Python ends after it, not inside of torch.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    @locked
    def start(self, job: Callable[[Callable[[], bool]], None]) -> None:
        """Run a job instead of the one that runs now; it begins when that one has ended."""
        self.cancel()
        before, self._wanted = self._thread, threading.Event()
        self._wanted.set()

        def run(wanted: threading.Event = self._wanted) -> None:
            if before is not None and before.ident is not None:  # else an interrupt came before it was started
                before.join()
            if wanted.is_set():
                job(wanted.is_set)

        self._thread = threading.Thread(target=run, name="deepstrf-inside")
        self._thread.start()

    def cancel(self) -> None:
        """Tell the job that it is no longer wanted."""
        self._wanted.clear()

    def wait(self) -> None:
        """Return when the last job has ended."""
        thread = self._thread
        if thread is not None and thread.ident is not None and thread is not threading.current_thread():
            thread.join()

    close = cancel
