"""A check says where Run All is to lead to only where JupyterLab listens, and one check at a time."""

from __future__ import annotations

import pytest
from course import run_all


class Shell:
    """What is used of IPython's shell, in a program that sends this metadata with each cell."""

    def __init__(self, metadata: dict[str, object]) -> None:
        self.metadata = metadata

    def get_parent(self) -> dict[str, object]:
        return {"metadata": self.metadata}


class Widget:
    """A widget that keeps what it was given."""

    made: list[tuple[str, str]] = []

    def __init__(self, check: str, answer: str) -> None:
        Widget.made.append((check, answer))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch):
    made = Shell({"cellId": "a", "deletedCells": [], "recordTiming": False})
    monkeypatch.setattr(run_all, "get_ipython", lambda: made)
    monkeypatch.setattr(run_all, "WayBack", Widget)
    monkeypatch.setattr(run_all, "_waiting", [])
    monkeypatch.setattr(Widget, "made", [])
    return made


def test_the_first_open_question_of_a_run_leads(shell):
    run_all.lead_back_to_this_cell("latency_ms")
    run_all.lead_back_to_this_cell("lag_ms")
    assert Widget.made == [("a", "latency_ms")]


@pytest.mark.parametrize("metadata", [{}, {"cellId": "a"}, {"deletedCells": []}])
def test_programs_that_run_notebooks_get_no_widget(shell, metadata):
    shell.metadata = metadata
    run_all.lead_back_to_this_cell("latency_ms")
    assert Widget.made == []


def test_a_gesture_has_no_name(shell):
    run_all.lead_back_to_this_cell(None)
    assert Widget.made == [("a", "")]


def test_the_answer_of_the_page_ends_the_widget(monkeypatch):
    monkeypatch.setattr(run_all, "_waiting", [])
    way_back = run_all.WayBack("a", "latency_ms")
    run_all._waiting.append(way_back)
    way_back._handle_custom_msg("done", [])
    assert run_all._waiting == []
    assert way_back.comm is None
