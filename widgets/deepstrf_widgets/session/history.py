"""What was edited, gesture by gesture, to undo and to redo. A history never changes: each step makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["MAX_UNDO", "OUTSIDE", "Entry", "History", "Slot", "Values"]

MAX_UNDO, MAX_UNDO_MB = 1000, 128
"""Entries, and room for their values; the last entry is kept whatever it needs."""

Slot = tuple[str, tuple[int, ...]]
"""Name of a tensor in the model, and a (partial) index into it."""

Values = Mapping[Slot, Tensor]
Read = Callable[[Slot], Tensor]

OUTSIDE = "changed outside the session"
"""Gesture of an entry for what others did to the model: as long as nothing is edited in between, they are one entry."""


@dataclass(frozen=True)
class Entry:
    """One undo entry: raw values by slot; ``before`` in the order of writing, as slots may overlap.

    ``overtook`` is what could be redone when an unfinished gesture began: it can again when that ends in no change.
    """

    gesture: str | None
    before: Values
    after: Values = field(default_factory=dict)
    overtook: tuple[Entry, ...] = ()

    @cached_property
    def size(self) -> int:
        """Bytes of its values."""
        return sum(
            values.numel() * values.element_size() for table in (self.before, self.after) for values in table.values()
        )


@dataclass(frozen=True)
class History:
    """The entries of a session, the last 1,000 or 128 MB; edits with one gesture id in a row make one entry."""

    done: tuple[Entry, ...] = ()
    undone: tuple[Entry, ...] = ()

    def goes_on(self, gesture: str | None) -> bool:
        """Whether an edit of this gesture joins the last entry."""
        return gesture is not None and bool(self.done) and self.done[-1].gesture == gesture

    def record(self, gesture: str | None, before: Values, *, settled: bool, read: Read) -> History:
        """With what was written. A gesture that ends (``settled``) where it began leaves no entry."""
        done, undone, goes_on = self.done, self.undone, self.goes_on(gesture)
        if goes_on:
            new = {slot: old for slot, old in before.items() if slot not in done[-1].before}
            entry, done = replace(done[-1], before={**done[-1].before, **new}), done[:-1]
        elif before:
            entry, undone = Entry(gesture, before, overtook=undone), ()
        else:
            return self
        if settled:
            if all(torch.equal(old, read(slot)) for slot, old in entry.before.items()):
                return History(done, entry.overtook)
            entry = replace(entry, gesture=None, overtook=())
        done = (*done, entry)
        # While a gesture goes on, what it has begun with is there already.
        return History(done if goes_on and not settled else _last(done), undone)

    def undo(self, read: Read) -> tuple[Values, History]:
        """What to write to take the last entry back, and the history afterwards."""
        entry = self.done[-1]
        after = {slot: read(slot).clone() for slot in entry.before}
        entry = Entry(None, entry.before, after)
        return entry.before, History(self.done[:-1], (*self.undone, entry))

    def redo(self) -> tuple[Values, History]:
        """What to write to repeat the entry that was taken back last, and the history afterwards."""
        entry = self.undone[-1]
        return entry.after, History((*self.done, entry), self.undone[:-1])


def _last(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The last entries, as many as there is room for."""
    room = 1e6 * MAX_UNDO_MB - entries[-1].size
    first = len(entries) - 1
    while first > max(0, len(entries) - MAX_UNDO) and entries[first - 1].size <= room:
        first -= 1
        room -= entries[first].size
    return entries[first:]
