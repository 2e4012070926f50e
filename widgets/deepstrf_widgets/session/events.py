"""One wish of a hand, and what is told of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from numpy.typing import ArrayLike

from .parameters import Index

__all__ = ["Change", "Edit"]


class Edit(NamedTuple):
    """One new value (or array of values) of one parameter, in natural units."""

    name: str
    value: ArrayLike
    index: Index = ()  # type: ignore[assignment]  # hides tuple.index, which nobody calls on an edit


@dataclass(frozen=True)
class Change:
    """What an edit, undo, redo, revert or another sound touched: told to every observer of a session."""

    names: frozenset[str]
    neurons: frozenset[int] | None
    settled: bool
    source: object = None
    stimulus: bool = False

    def touches(self, neuron: int) -> bool:
        """Whether the response of ``neuron`` may have changed."""
        return self.neurons is None or neuron in self.neurons
