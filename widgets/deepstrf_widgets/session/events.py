"""One edit as it is asked for, and what observers receive when something has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from numpy.typing import ArrayLike

from deepstrf.deprecation import keywords

from .parameters import Index

__all__ = ["Change", "Edit"]


class Edit(NamedTuple):
    """One new value (or array of values) of one parameter, in natural units."""

    name: str
    value: ArrayLike
    index: Index = ()  # type: ignore[assignment]  # hides tuple.index, which is not called on an edit


@keywords()
@dataclass(frozen=True)
class Change:
    """What an edit, undo, redo, revert, another sound or a change of the model from outside touched.

    Attributes
    ----------
    names : frozenset of str
        Parameters whose values may be new.
    neurons : frozenset of int, or None
        Whose; None where all neurons may be concerned.
    settled : bool
        Whether the gesture has ended.
    source : object
        Who made it, as given to the method that did.
    stimulus : bool
        Whether the sound is another one.
    unnamed : bool
        Whether more than the named parameters may have changed: other code has written to the model.
    version : int
        Number of the session's state afterwards: each change has the next one.
    fitted : bool
        Whether a fit that moves the session made it: parameters that have no name may have moved as well.
    """

    names: frozenset[str]
    neurons: frozenset[int] | None
    settled: bool
    source: object = None
    stimulus: bool = False
    unnamed: bool = False
    version: int = 0
    fitted: bool = False

    def merged_with(self, later: Change) -> Change:
        """Both changes as one; who made it is known only where both were made by the same."""
        everybody = self.neurons is None or later.neurons is None
        return Change(
            self.names | later.names,
            None if everybody else (self.neurons or frozenset()) | (later.neurons or frozenset()),
            self.settled or later.settled,
            self.source if self.source is later.source else None,
            self.stimulus or later.stimulus,
            self.unnamed or later.unnamed,
            later.version,
            self.fitted or later.fitted,
        )

    def touches(self, neuron: int) -> bool:
        """Whether the response of ``neuron`` may have changed."""
        return self.neurons is None or neuron in self.neurons
