"""What is suspicious in the model on a bench, as a list whose every row jumps to the place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor

from deepstrf.analysis import Diagnosis, Finding, diagnose
from deepstrf.analysis.diagnosis import Interval
from deepstrf.datasets import Recording

from ..bench.widget import BenchWidget
from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MessageError, brief, is_count
from ..session.events import Change
from ..session.session import LiveSession

__all__ = ["DiagnosisView", "diagnose_session"]

MOST_ROWS = 40
"""Largest number of rows; neurons with more findings than that have one fault in common."""

# Stage of the bench that edits a parameter, by a part of its name.
STAGES = {"prefiltering": "prefilter", "strf": "strf", "bn": "strf", "activation": "activation"}
LABELS = {"prefilter": "adaptation", "strf": "receptive field", "activation": "output curve", "": ""}


def diagnose_session(
    session: LiveSession,
    *,
    held_out: Recording | tuple[Tensor, Tensor] | None = None,
    confidence: Mapping[str, Interval] | None = None,
) -> Diagnosis:
    """What is suspicious in the model of a session as it is edited now; see :func:`deepstrf.analysis.diagnose`.

    On the stimulus that the session began with and its responses, whichever it plays now.
    """
    return diagnose(
        session.snapshot().copied_model(),
        session.first_stimulus,
        session.first_responses,
        held_out=held_out,
        confidence=confidence,
        dt_ms=session.dt_ms,
        cf_hz=torch.as_tensor(np.asarray(session.cf_hz)),
        neuron_names=session.neuron_names,
    )


class DiagnosisView(BrowserWidget):
    """One row for each finding about the model on a bench; "Show" brings its neuron to the screen there.

    A button repeats the diagnosis, after edits for example.

    Parameters
    ----------
    bench : BenchWidget
        Whose model is diagnosed.
    held_out : Recording, or tuple of Tensors (B, 1, F, T) and (B, N, R, T), optional
        See :func:`deepstrf.analysis.diagnose`.
    confidence : mapping of str to Band, optional
        Likewise.

    Attributes
    ----------
    found : Diagnosis
        The findings, the worst first.
    title : str
        How many there are, and whether the model has been edited since.
    rows : list of dict
        What the browser shows of each.
    """

    _esm = bundle_source("findings.js")

    view = traitlets.Unicode("findings").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)
    more = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        bench: BenchWidget,
        *,
        held_out: Recording | tuple[Tensor, Tensor] | None = None,
        confidence: Mapping[str, Interval] | None = None,
        **kwargs: Any,
    ) -> None:
        self.bench = bench
        self._held_out, self._confidence = held_out, confidence
        self.found = self._diagnosed()
        super().__init__(**kwargs)
        self._paint()
        self.own(bench.session.observe(self._session_changed, merged=True))

    def __repr__(self) -> str:
        lines = [f"DiagnosisView: {self.found.summary}"]
        lines += [f"  {one.severity:8} {one.kind:14} {self.found.whom(one)}" for one in self.found]
        return "\n".join(lines)

    def refresh(self) -> None:
        """Diagnose the model as it is edited now."""
        self.found = self._diagnosed()
        self._paint()

    def _diagnosed(self) -> Diagnosis:
        return diagnose_session(self.bench.session, held_out=self._held_out, confidence=self._confidence)

    def show(self, finding: Finding | int) -> None:
        """Bring the neuron of a finding, or of that number in the list, to the bench's screen.

        The stage that edits its parameter comes up, and where it is about a Gaussian, that is selected. What concerns
        the whole model changes nothing.

        Raises
        ------
        IndexError
            There is no finding of that number.
        """
        if isinstance(finding, (int, np.integer)) and not 0 <= finding < len(self.found):
            raise IndexError(f"finding must be one of the {len(self.found)} in the list, from 0, got {finding}")
        one = self.found[finding] if isinstance(finding, (int, np.integer)) else finding
        if one.neuron is None:
            return
        self.bench.neuron = one.neuron
        self.bench.stage = _stage(one) or self.bench.stage
        if "gaussian" in one.evidence:
            self.bench.stage = "strf"
            self.bench.channel, self.bench.selected = int(one.evidence["channel"]), int(one.evidence["gaussian"])

    def _session_changed(self, change: Change) -> None:
        if change.names or change.unnamed:
            self._set_title(stale=True)

    def _set_title(self, *, stale: bool) -> None:
        text = self.found.summary
        if stale:
            text += " · the model has been edited since"
        self.title = text.capitalize()

    def _paint(self) -> None:
        self._set_title(stale=False)
        self.rows = [self._row(finding) for finding in self.found[:MOST_ROWS]]
        self.more = max(0, len(self.found) - MOST_ROWS)

    def _row(self, finding: Finding) -> dict[str, Any]:
        return {
            "severity": finding.severity,
            "kind": finding.kind.replace("_", " "),
            "whom": self.found.whom(finding),
            "stage": LABELS[_stage(finding)],
            "sentence": finding.sentence,
            "can_show": finding.neuron is not None,
        }

    def _received(self, _widget: Any, content: Any, _buffers: Any) -> None:
        self.error = ""
        try:
            self._handle(content if isinstance(content, dict) else {})
        except (MessageError, IndexError) as error:
            self.error = str(error)

    def _handle(self, content: dict[str, Any]) -> None:
        kind, finding = content.get("type"), content.get("finding")
        if kind == "again":
            self.refresh()
        elif kind != "show":
            raise MessageError(f"type must be show or again, got {brief(kind)}")
        elif not is_count(finding):
            raise MessageError(f"finding must be a number in the list, got {brief(finding)}")
        else:
            self.show(finding)


def _stage(finding: Finding) -> str:
    """Which stage of the bench edits the parameter concerned; empty where none does."""
    for part in (finding.parameter or "").split(".")[:2][::-1]:
        if part in STAGES:
            return STAGES[part]
    return ""
