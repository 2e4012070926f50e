"""What a panel shows of a session is of its newest state, whichever of several threads brings it up to date."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from deepstrf.locking import locked_by

from .reading import Snapshot

__all__ = ["of_newest"]


def of_newest(lock: str = "_lock") -> Callable[[Callable[[Any, Snapshot], None]], Callable[[Any], None]]:
    """Decorator for a method that shows a snapshot of ``self.session``, one thread at a time, never an older one last.

    The snapshot is taken before the lock ``lock``: whoever uses a session may have to call its observers, such as the
    bench, while another thread holds the bench's lock and waits for this one.
    """

    def decorate(method: Callable[[Any, Snapshot], None]) -> Callable[[Any], None]:
        name = f"_version_of_{method.__name__}"

        @locked_by(lock)
        def show(self: Any, now: Snapshot) -> bool:
            is_new = now.version >= vars(self).get(name, now.version)
            if is_new:
                method(self, now)
                vars(self)[name] = now.version
            return is_new

        @functools.wraps(method)
        def showing(self: Any) -> None:
            while not show(self, self.session.snapshot()):
                pass

        return showing

    return decorate
