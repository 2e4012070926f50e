"""A student's version in JupyterLab at 1280 x 720: Run All leads to the first question that is open."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from tests.browser.lab import ROOT
from tests.browser.notebook import READY, SECOND, NotebookPage

sys.path.insert(0, str(ROOT / "notebooks"))
from course.make_course import exercises, make

pytestmark = pytest.mark.browser

ACTIVE = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  const cell = content.activeCell.model;
  return { id: cell.id, last: content.activeCellIndex === content.widgets.length - 1,
           tags: cell.getMetadata("tags") ?? [], source: cell.sharedModel.getSource() };
}"""
SAID = """() => Object.fromEntries([...window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells]
  .filter((cell) => (cell.getMetadata("tags") ?? []).includes("check"))
  .map((cell) => [cell.getSource(), cell.outputs.map((output) => output.text ?? "").flat().join("")]))"""
FIRST_QUESTION = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  return (content.activeCell.model.getMetadata("tags") ?? []).includes("exercise");
}"""
IN_VIEW = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  const [cell, all] = [content.activeCell.node, content.node].map((node) => node.getBoundingClientRect());
  return cell.top >= all.top && cell.bottom <= all.bottom;
}"""


def test_run_all_leads_to_the_first_open_question(
    open_page: Callable[..., NotebookPage], keep: Callable[..., Path], tmp_path: Path
) -> None:
    make(tmp_path)
    notebook = open_page(1280, 720)
    page = notebook.page
    folder = notebook.server.folder / "student"
    shutil.copytree(tmp_path / "student", folder)
    name = "02_adaptation.ipynb"
    stored = nbformat.read(folder / name, as_version=4)
    page.goto(notebook.server.url(f"lab/tree/student/{name}?reset"))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECOND)
    page.evaluate(READY)
    notebook.run_all()
    page.wait_for_function(FIRST_QUESTION, timeout=20 * SECOND)
    assert page.evaluate(ACTIVE)["id"] == stored.cells[next(exercises(stored)).cell].id
    assert page.evaluate(IN_VIEW)
    keep(notebook, "course-run-all")
    assert [text for text in page.evaluate(SAID).values() if not text.startswith("Your turn")] == []
