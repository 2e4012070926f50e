"""A student's version in JupyterLab at 1280 x 720: Run All leads to the first question, the keyboard solves all."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page

from tests.browser.lab import ROOT
from tests.browser.notebook import READY, SECOND, NotebookPage

sys.path.insert(0, str(ROOT / "notebooks"))
from course.lesson import solutions
from course.make_course import exercises, make

pytestmark = pytest.mark.browser

NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
LESSONS = NAMES if os.environ.get("COURSE") == "whole" else ["02_adaptation"]
MOST_TABS = 60
ACTIVE = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  const cell = content.activeCell.model;
  return { id: cell.id, last: content.activeCellIndex === content.widgets.length - 1,
           tags: cell.getMetadata("tags") ?? [], source: cell.sharedModel.getSource() };
}"""
IDLE = """() => window.jupyterapp.shell.currentWidget.content.widgets.every((cell) =>
  cell.model.type !== "code" || !(cell.node.querySelector(".jp-InputPrompt")?.textContent ?? "").includes("*"))"""
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
RESTARTED = """async () => {
  const { content, sessionContext } = window.jupyterapp.shell.currentWidget;
  await sessionContext.session.kernel.restart();
  content.activeCellIndex = 0;
}"""
FOCUSED = "(selector) => document.activeElement?.matches(selector) ?? false"


def tab_to(page: Page, selector: str) -> int:
    """How often Tab was pressed until such an element had the focus."""
    for presses in range(MOST_TABS):
        if page.evaluate(FOCUSED, selector):
            return presses
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} must have the focus after {MOST_TABS} times Tab")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def draw_on_by_keys(page: Page) -> None:
    """ON of a band that jumps from 20 to 60 dB at 0.5 s and back at 2.5 s: a step is 0.02 s or 1.6 dB."""
    up, down, far, right = "ArrowUp", "ArrowDown", "Shift+ArrowRight", "ArrowRight"
    press(page, "Home", *[up] * 3, "Space", far, far, *[right] * 4, "Space")
    press(page, right, *["Shift+ArrowUp"] * 2, *[up] * 5, "Space")  # 45 dB
    press(page, far, *["Shift+ArrowDown"], *[down] * 4, "Space", far, *[down] * 4, "Space")  # 23 and 16 dB
    press(
        page,
        *[far] * 7,
        *[right] * 9,
        "Space",
        right,
        *["Shift+ArrowDown"] * 2,
        "Space",
        far,
        "Space",
        "End",
        *[up] * 3,
        "Space",
    )


Opened = Callable[[str], tuple[NotebookPage, nbformat.NotebookNode]]


@pytest.fixture
def after_run_all(open_page: Callable[..., NotebookPage], keep: Callable[..., Path], tmp_path: Path) -> Opened:
    """Function (lesson) -> a student's copy after Run All, which has led to its first question; and what it holds."""

    def run(lesson: str) -> tuple[NotebookPage, nbformat.NotebookNode]:
        make(tmp_path)
        notebook = open_page(1280, 720)
        page = notebook.page
        folder = notebook.server.folder / "student"
        shutil.copytree(tmp_path / "student", folder, dirs_exist_ok=True)
        stored = nbformat.read(folder / f"{lesson}.ipynb", as_version=4)
        page.goto(notebook.server.url(f"lab/tree/student/{lesson}.ipynb?reset"))
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60 * SECOND)
        page.evaluate(READY)
        notebook.run_all()
        page.wait_for_function(FIRST_QUESTION, timeout=60 * SECOND)
        assert page.evaluate(ACTIVE)["id"] == stored.cells[next(exercises(stored)).cell].id
        page.wait_for_function(IN_VIEW, timeout=10 * SECOND)  # cells above it are still drawn, outputs grow
        keep(notebook, "course-run-all")
        assert [text for text in page.evaluate(SAID).values() if not text.startswith("Your turn")] == []
        return notebook, stored

    return run


def test_run_all_leads_to_the_first_open_question(after_run_all: Opened) -> None:
    after_run_all("03_receptive_fields")  # between its first question and the check stands another cell


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_keyboard_alone_solves_a_lesson(lesson: str, after_run_all: Opened, keep: Callable[..., Path]) -> None:
    notebook, stored = after_run_all(lesson)
    page = notebook.page
    known = solutions(int(lesson[:2]))
    answers = {stored.cells[place.cell].id: known[next(iter(place.checks))][0] for place in exercises(stored)}
    page.evaluate(RESTARTED)
    page.keyboard.press("Escape")
    for _ in range(len(stored.cells) + 1):
        cell = page.evaluate(ACTIVE)
        answer = answers.get(cell["id"], "")
        if answer and "drawn_on" not in answer:
            press(page, "Enter", "Control+a")
            page.keyboard.insert_text(answer)
        page.keyboard.press("Shift+Enter")
        page.wait_for_function(IDLE, timeout=120 * SECOND)
        if cell["source"].startswith("drawn_on = "):
            page.keyboard.press("ArrowUp")
            page.wait_for_selector(".db-pen")
            tab_to(page, ".db-pen")
            draw_on_by_keys(page)
            keep(notebook, "course-drawn")
            # Its cell runs once more and keeps the drawing; the one below is next.
            press(page, "Shift+Enter")
            page.wait_for_function(IDLE, timeout=60 * SECOND)
        if cell["last"]:
            break
    said = page.evaluate(SAID)
    assert len(said) >= len(answers)
    assert {check: text for check, text in said.items() if not text.startswith("Yes.")} == {}
    keep(notebook, "course-solved")
