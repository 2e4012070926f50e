"""What a diagnosis says: one finding for each thing that is suspicious, and the table of all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from deepstrf.deprecation import keywords

SEVERITIES = ("error", "warning", "note")
"""An error makes results wrong; a warning is likely to; a note may mislead a reader of the model."""

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "not_finite": "error",
        "sees_future": "error",
        "dead": "error",
        "upside_down": "error",
        "other_neuron": "error",
        "other_sound": "error",
        "shifted": "error",
        "exploding": "warning",
        "saturated": "warning",
        "not_counts": "warning",
        "unsteady": "warning",
        "poor_score": "warning",
        "off_level": "warning",
        "above_ceiling": "warning",
        "overfitting": "warning",
        "uncertain_tuning": "warning",
        "misread_tuning": "warning",
        "off_grid": "warning",
        "silent_bands": "note",
        "overlapping": "note",
        "flipped_sign": "note",
    }
)
"""Severity of each kind of finding, in the order in which they are listed."""

TABLE_WIDTH = 110


@keywords()
@dataclass(frozen=True)
class Finding:
    """One suspicious thing about a model.

    Attributes
    ----------
    kind : str
        A key of ``KINDS``, such as "dead"; `diagnose` says what each means.
    neuron : int or None
        Its index, from 0; texts count from 1. None where it concerns the whole model.
    sentence : str
        What was seen, in units, and what to do about it.
    evidence : mapping of str to float
        The numbers behind it; the unit is in the name, or in the sentence.
    parameter : str or None
        Name of the tensor concerned, as in the model's ``state_dict()``.
    """

    kind: str
    neuron: int | None
    sentence: str
    evidence: Mapping[str, float] = field(default_factory=dict, hash=False)
    parameter: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {self.kind!r}")
        object.__setattr__(self, "evidence", dict(self.evidence))

    @property
    def severity(self) -> str:
        """Severity of its kind: "error", "warning" or "note"."""
        return KINDS[self.kind]


@keywords()
class Diagnosis(tuple[Finding, ...]):
    """All findings about a model, the worst first; printed, a table.

    Parameters
    ----------
    findings : iterable of Finding
        In any order.
    neuron_names : sequence of str, optional
        For the table; None shows numbers alone.

    Examples
    --------
    >>> Diagnosis([Finding("dead", 2, "Its response stays at 0.", {"mean": 0.0})])
    Diagnosis: 1 finding (1 error)
    error    dead           neuron 3
             Its response stays at 0.
    >>> Diagnosis()
    Diagnosis: nothing suspicious
    """

    neuron_names: tuple[str, ...] | None

    def __new__(cls, findings: Iterable[Finding] = (), neuron_names: Sequence[str] | None = None) -> Diagnosis:
        """Findings in the order of their kinds, then of their neurons."""
        order = list(KINDS)

        def rank(finding: Finding) -> tuple[int, int]:
            return order.index(finding.kind), -1 if finding.neuron is None else finding.neuron

        self = super().__new__(cls, sorted(findings, key=rank))
        self.neuron_names = None if neuron_names is None else tuple(neuron_names)
        return self

    def of(self, kind: str) -> tuple[Finding, ...]:
        """The findings of one kind; ValueError for a kind that does not exist."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}")
        return tuple(finding for finding in self if finding.kind == kind)

    def whom(self, finding: Finding) -> str:
        """Neuron that a finding concerns, as text, counted from 1: "neuron 3, onset", or "the model"."""
        if finding.neuron is None:
            return "the model"
        name = "" if self.neuron_names is None else self.neuron_names[finding.neuron]
        number = f"neuron {finding.neuron + 1}"
        # Recordings of earlier versions hold names that count from 0.
        return number if name in ("", number, f"neuron {finding.neuron}") else f"{number}, {name}"

    @property
    def summary(self) -> str:
        """How many findings of each severity, in words."""
        if not self:
            return "nothing suspicious"
        counts = [(sum(finding.severity == severity for finding in self), severity) for severity in SEVERITIES]
        parts = ", ".join(f"{n} {severity}{'s' * (n > 1)}" for n, severity in counts if n)
        return f"{len(self)} finding{'s' * (len(self) > 1)} ({parts})"

    def __repr__(self) -> str:
        lines = [f"Diagnosis: {self.summary}"]
        indent = " " * 9
        for finding in self:
            lines.append(f"{finding.severity:8} {finding.kind:14} {self.whom(finding)}")
            lines += textwrap.wrap(
                finding.sentence, TABLE_WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
            )
        return "\n".join(lines)
