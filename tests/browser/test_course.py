"""A student's version in JupyterLab at 1280 x 720: Run All leads to the first question, the keyboard is enough."""

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
from course.record import collect

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


BENCH = "__import__('course.lesson_03', fromlist=['lesson']).lesson._benches['downward']"
LOCK = '["strf.sigma_oct", "activation"]'
LOCKED = f"[{BENCH}.session.value(n, grid=True).tolist() for n in ('strf.sigma_oct', 'activation.b')]"
TICK = ".db-exercise"
# A folded cell that waits for its turn has no asterisk.
HAS_SAID = f"(check) => (({SAID})()[check] ?? String()) !== String()"


def test_a_gesture_by_keys_stays_after_shift_enter_is_handed_in_and_leaves_what_is_locked(
    open_page: Callable[..., NotebookPage], keep: Callable[..., Path], tmp_path: Path
) -> None:
    """The lecturer has locked widths and output curve: neither keys nor Play move them."""
    make(tmp_path)
    lesson = nbformat.read(tmp_path / "student" / "03_receptive_fields.ipynb", as_version=4)
    bench = next(cell for cell in lesson.cells if cell.source.startswith("session = LiveSession"))
    bench.source = bench.source.replace("sounds=False", f"sounds=False, lock={LOCK}")
    ends = [cell for cell in lesson.cells if cell.cell_type == "code"][-1]
    set_up = next(cell for cell in lesson.cells if "setup" in cell.metadata.get("tags", []))
    check = next(cell for cell in lesson.cells if cell.source == 'check("downward")')
    lesson.cells = [set_up, bench, check, ends]
    notebook = open_page(1280, 720)
    page, folder = notebook.page, notebook.server.folder / "ada"
    shutil.copytree(tmp_path / "student", folder)
    nbformat.write(lesson, folder / "03_receptive_fields.ipynb")
    notebook.open("ada/03_receptive_fields.ipynb")
    page.keyboard.press("Escape")
    for _ in range(2):
        page.keyboard.press("Shift+Enter")
        page.wait_for_function(IDLE, timeout=120 * SECOND)
    before = notebook.kernel_eval(LOCKED)
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".deepstrf-bench .db-strf .db-picture")
    tab_to(page, ".db-toolbar button[title^='Play: gradient']")
    page.keyboard.press("Enter")
    notebook.wait_for_kernel(f"{BENCH}.player.steps > 3")
    page.keyboard.press("Enter")
    notebook.wait_for_kernel(f"{BENCH}.player.state == 'paused'")
    assert notebook.kernel_eval(LOCKED) == before
    assert notebook.kernel_eval(f"{BENCH}.session.edited()")
    page.keyboard.press("Control+z")
    notebook.wait_for_kernel(f"not {BENCH}.session.edited()")
    # Low frequencies last: the highest of the excitatory Gaussians to longer lags, the two others to shorter ones.
    for gaussian, key, times in ((1, "ArrowRight", 5), (2, "ArrowRight", 3), (3, "ArrowLeft", 6)):
        tab_to(page, f"[data-handle=center][data-gaussian='{gaussian}']")
        press(page, *[f"Shift+{key}"] * times)
    page.locator(TICK, has_text="done").wait_for()
    keep(notebook, "course-gesture")
    page.keyboard.press("Shift+Enter")  # in the bench: its cell runs once more, and the next one is selected
    page.wait_for_function(IDLE, timeout=60 * SECOND)
    page.get_by_text("What you moved before is still there").wait_for()
    page.locator(TICK, has_text="done").wait_for()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(HAS_SAID, arg=check.source, timeout=60 * SECOND)
    assert page.evaluate(SAID)[check.source].startswith("Yes.")
    press(page, "Enter", "Control+a")
    page.keyboard.insert_text(ends.source.replace('my_name = ""', 'my_name = "Ada Lovelace"'))
    page.keyboard.press("Shift+Enter")
    page.get_by_text("To be sent: Ada_Lovelace.attempts.json").wait_for()
    keep(notebook, "course-handed-in")
    rows = [row for row in collect(folder) if row["student"] == "Ada Lovelace"]
    assert [(row["exercise"], row["right"], row["note"]) for row in rows] == [("downward", True, "")]
