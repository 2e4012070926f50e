"""A check says where Run All is to lead to only where JupyterLab listens, once, and leaves no script behind."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from course import run_all


class Shell:
    """What is used of IPython's shell, in a program that sends this metadata with each cell."""

    def __init__(self, metadata: dict[str, object]) -> None:
        self.metadata, self.callbacks = metadata, {"pre_run_cell": []}
        self.events = SimpleNamespace(
            callbacks=self.callbacks, register=lambda name, callback: self.callbacks[name].append(callback)
        )

    def get_parent(self) -> dict[str, object]:
        return {"metadata": self.metadata}

    def run_a_cell(self) -> None:
        for callback in self.callbacks["pre_run_cell"]:
            callback(None)


class Handle:
    """A display that keeps what was shown."""

    made: list[Handle] = []

    def __init__(self) -> None:
        Handle.made.append(self)

    def display(self, data: dict[str, str], *, raw: bool) -> None:
        self.data = data

    update = display


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch):
    made = Shell({"cellId": "a", "deletedCells": [], "recordTiming": False})
    monkeypatch.setattr(run_all, "get_ipython", lambda: made)
    monkeypatch.setattr(run_all, "DisplayHandle", Handle)
    monkeypatch.setattr(run_all, "_shown", [])
    monkeypatch.setattr(Handle, "made", [])
    return made


def test_the_first_open_question_of_a_run_leads_and_its_script_goes_later(shell, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(run_all.time, "monotonic", lambda: now[0])
    run_all.lead_back_to_this_cell("latency_ms")
    run_all.lead_back_to_this_cell("latency_ms")
    (shown,) = Handle.made
    assert shown.data["application/javascript"] == run_all.BACK.replace("ANSWER", "latency_ms")
    shell.run_a_cell()
    assert "application/javascript" in shown.data  # the page may not have run it yet
    now[0] += 1.1 * run_all.SHOWN_S
    shell.run_a_cell()
    assert shown.data == {"text/plain": ""}
    run_all.lead_back_to_this_cell("latency_ms")
    assert len(Handle.made) == 2
    assert len(shell.callbacks["pre_run_cell"]) == 1


@pytest.mark.parametrize("metadata", [{}, {"cellId": "a"}])
def test_programs_that_run_notebooks_get_no_script(shell, metadata):
    shell.metadata = metadata
    run_all.lead_back_to_this_cell("latency_ms")
    assert Handle.made == []


def test_a_gesture_has_no_line_that_gives_a_name_its_value(shell):
    run_all.lead_back_to_this_cell(None)
    (shown,) = Handle.made
    assert f"/^(def +)?{run_all.NO_NAME} *[=(:]/" in shown.data["application/javascript"]
