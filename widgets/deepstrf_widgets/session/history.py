"""What a hand did, gesture by gesture, to take back and to repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .parameters import Index

__all__ = ["Entry", "Slot", "UndoHistory"]

MAX_UNDO = 1000
Slot = tuple[str, Index]
Read = Callable[[Slot], Tensor]


@dataclass
class Entry:
    """One undo entry: raw values by parameter and index; ``before`` in the order of writing, as slots may overlap.

    ``overtook`` is what could be redone when an unfinished gesture began: it can again when that ends in no change.
    """

    gesture: str | None
    before: dict[Slot, Tensor] = field(default_factory=dict)
    after: dict[Slot, Tensor] = field(default_factory=dict)
    overtook: list[Entry] = field(default_factory=list)


class UndoHistory:
    """The entries of a session, at most 1,000; edits with one gesture id in a row make one entry."""

    def __init__(self) -> None:
        self._done: list[Entry] = []
        self._undone: list[Entry] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an entry to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an entry to repeat."""
        return bool(self._undone)

    def record(self, entry: Entry, *, settled: bool, read: Read) -> None:
        """Keep what was written. A gesture that ends (``settled``) where it began is as if it had never been."""
        last = self._done[-1] if self._done else None
        if last is not None and last.gesture is not None and last.gesture == entry.gesture:
            for slot, old in entry.before.items():
                last.before.setdefault(slot, old)
            entry = last
        elif entry.before:
            entry.overtook, self._undone = self._undone, []
            self._done.append(entry)
        else:
            return
        if settled:
            if all(torch.equal(old, read(slot)) for slot, old in entry.before.items()):
                self._done.pop()
                self._undone = entry.overtook
            entry.gesture, entry.overtook = None, []
        del self._done[:-MAX_UNDO]

    def undo(self, read: Read) -> Entry | None:
        """The last entry, which can be repeated from now on; None when there is none. The caller writes ``before``."""
        if not self._done:
            return None
        entry = self._done.pop()
        entry.gesture, entry.overtook = None, []
        entry.after = {slot: read(slot).clone() for slot in entry.before}
        self._undone.append(entry)
        return entry

    def redo(self) -> Entry | None:
        """The entry that was taken back last; None when there is none. The caller writes ``after``."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]
