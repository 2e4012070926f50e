"""What is suspicious in the model on a bench, as a list whose every row jumps to the place."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from deepstrf.analysis import Diagnosis, Finding, diagnose
from deepstrf.analysis.diagnosis import Interval
from deepstrf.datasets import Recording

from ..bench.widget import BenchWidget
from ..lifetime import Owner
from ..session.events import Change
from ..session.session import LiveSession

__all__ = ["DiagnosisView", "diagnose_session"]

MOST_ROWS = 40
"""Largest number of rows; neurons with more findings than that have one fault in common."""

COLOURS = {
    "error": "var(--jp-error-color1, #d32f2f)",
    "warning": "var(--jp-warn-color1, #f57c00)",
    "note": "var(--jp-info-color1, #0097a7)",
}
# Jupyter's colours, else that of the text.
TEXT = (
    "color:var(--jp-ui-font-color1, currentColor);padding-right:12px;"
    "line-height:1.45;white-space:normal;overflow-wrap:anywhere"
)
FAINT = "var(--jp-border-color2, rgba(128,128,128,0.35))"
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


class DiagnosisView(Owner, ipywidgets.VBox):
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
    """

    def __init__(
        self,
        bench: BenchWidget,
        *,
        held_out: Recording | tuple[Tensor, Tensor] | None = None,
        confidence: Mapping[str, Interval] | None = None,
    ) -> None:
        self.bench = bench
        self._held_out, self._confidence = held_out, confidence
        self.found = self._diagnosed()
        self._title = ipywidgets.HTML(layout={"flex": "1 1 auto"})
        self._repeat = ipywidgets.Button(description="Look again", tooltip="Diagnose the model as it is edited now")
        self._repeat.on_click(lambda _button: self.refresh())
        self._head = self.own(ipywidgets.HBox([self._title, self._repeat], layout={"align_items": "center"}))
        super().__init__()
        self._rows: list[Any] = []
        self._paint()
        self.own(bench.session.observe(self._session_changed))

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
        self._title.value = f'<div role="status" style="{TEXT};font-weight:600">{html.escape(text.capitalize())}</div>'

    def _paint(self) -> None:
        self._set_title(stale=False)
        rows = [self._row(finding) for finding in self.found[:MOST_ROWS]]
        if len(self.found) > MOST_ROWS:
            more = f"{len(self.found) - MOST_ROWS} more: they are in the attribute <code>found</code>."
            rows.append(ipywidgets.HTML(f'<div style="{TEXT}">{more}</div>'))
        before, self._rows = self._rows, [self.own(row) for row in rows]
        self.children = [self._head, *rows]
        self.close_owned(*before)

    def _row(self, finding: Finding) -> Any:
        colour = COLOURS[finding.severity]
        kind = finding.kind.replace("_", " ")
        stage = LABELS[_stage(finding)]
        place = f' <span style="opacity:0.75">· {stage}</span>' if stage else ""
        text = ipywidgets.HTML(
            f'<div style="{TEXT}">'
            f'<span aria-hidden="true" style="color:{colour}">●</span> {finding.severity} · <b>{kind}</b> · '
            f"{html.escape(self.found.whom(finding))}{place}<br>{html.escape(finding.sentence)}</div>",
            layout={"flex": "1 1 0", "min_width": "0", "height": "auto"},
        )
        parts = [text]
        if finding.neuron is not None:
            button = ipywidgets.Button(
                description="Show",
                tooltip=f"Show {self.found.whom(finding)} on the bench",
                layout={"width": "72px", "flex": "0 0 auto"},
            )
            button.on_click(lambda _button: self.show(finding))
            parts.append(button)
        border = f"1px solid {FAINT}"
        layout = {"align_items": "center", "border_top": border, "padding": "4px 0", "width": "100%"}
        return ipywidgets.HBox(parts, layout=layout)


def _stage(finding: Finding) -> str:
    """Which stage of the bench edits the parameter concerned; empty where none does."""
    for part in (finding.parameter or "").split(".")[:2][::-1]:
        if part in STAGES:
            return STAGES[part]
    return ""
