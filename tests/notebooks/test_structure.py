"""Every lesson of the course has what a lesson needs: objectives, exercises with their checks, sources, the way on."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from course.make_course import MINUTES_FOR, MINUTES_FOR_A_WIDGET, WORDS_PER_MINUTE, minutes, table_of_minutes

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(path for path in FOLDER.glob("*.ipynb") if path.name != "00_tour.ipynb")
LINK = re.compile(r"\]\(([^)#]+\.ipynb)\)")
SHOWN = ("image/png", "application/vnd.jupyter.widget-view+json")
LEAST_PICTURES = 4

every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)


def cells_of(path: Path) -> list[nbformat.NotebookNode]:
    return nbformat.read(path, as_version=4).cells


def test_lessons_are_numbered_without_a_gap_or_a_double() -> None:
    numbers = [int(path.name.split("_")[0]) for path in LESSONS]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_tour_leads_to_the_first_lesson() -> None:
    assert LESSONS[0].name in LINK.findall(cells_of(FOLDER / "00_tour.ipynb")[-1].source)


@every_lesson
def test_objectives_come_first(path: Path) -> None:
    first = cells_of(path)[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert len(re.findall(r"^(?:-|\d\.) ", first.source, re.MULTILINE)) >= 3


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_first_cell_says_how_long_and_what_is_needed_before(path: Path) -> None:
    cells, notebook = cells_of(path), nbformat.read(path, as_version=4)
    said = re.search(r"\*\*About (\d+) minutes\.\*\* \*\*Before:\*\* .+", cells[0].source)
    assert said, "the first cell says **About N minutes.** **Before:** ..."
    assert int(said[1]) == minutes(notebook, path.stem)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_set_up_is_folded(path: Path) -> None:
    first_code = next(cell for cell in cells_of(path) if cell.cell_type == "code")
    assert first_code.metadata.get("jupyter") == {"source_hidden": True}


@every_lesson
def test_every_exercise_has_its_check(path: Path) -> None:
    exercises = 0
    waiting = None
    for number, cell in enumerate(cells_of(path)):
        if cell.cell_type == "code" and "exercise" in cell.metadata.get("tags", []):
            assert waiting is None, f"the exercise in cell {waiting} has no check before the next one"
            exercises, waiting = exercises + 1, number
        elif cell.cell_type == "code" and re.search(r"^ *check\(", cell.source, re.MULTILINE):
            assert re.fullmatch(r'check\("[^"]+"\)', cell.source), f"cell {number} must hold one call of check alone"
            assert cell.metadata["jupyter"] == {"source_hidden": True}, f"cell {number} must be folded"
            waiting = None
    assert waiting is None, f"the exercise in cell {waiting} has no check"
    assert exercises >= 2


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_stored_answers_are_open(path: Path) -> None:
    """A lesson is stored as a student finds it: every check asks for an answer, and shows nothing."""
    checks = [cell for cell in cells_of(path) if "check" in cell.metadata.get("tags", [])]
    assert checks
    for cell in checks:
        (output,) = cell.outputs
        assert output.text.startswith("Your turn: write your answer"), cell.source


@every_lesson
def test_there_is_enough_to_look_at(path: Path) -> None:
    shown = [
        mime
        for cell in cells_of(path)
        for output in cell.get("outputs", [])
        for mime in SHOWN
        if mime in output.get("data", {})
    ]
    assert len(shown) >= LEAST_PICTURES


@every_lesson
def test_sources_and_the_next_lesson_stand_at_the_end(path: Path) -> None:
    cells = cells_of(path)
    end = "\n".join(cell.source for cell in cells[-3:] if cell.cell_type == "markdown")
    assert re.search(r"\*\*Sources?[.:]?\*\*|^## Sources", end, re.MULTILINE)
    assert re.search(r"\((?:19|20)\d\d\)", end), "a source has its year"
    if path != LESSONS[-1]:
        following = LESSONS[LESSONS.index(path) + 1]
        assert following.name in LINK.findall(end)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.name)
def test_links_between_notebooks_lead_somewhere(path: Path) -> None:
    texts = [cell.source for cell in cells_of(path) if cell.cell_type == "markdown"]
    assert [name for text in texts for name in LINK.findall(text) if not (FOLDER / name).exists()] == []


def test_the_teacher_s_page_says_how_the_minutes_come_about() -> None:
    page = (FOLDER.parent / "docs" / "teaching.md").read_text()
    assert table_of_minutes() in page
    assert f"at {WORDS_PER_MINUTE} words a minute" in page
    assert (MINUTES_FOR["choice"], MINUTES_FOR["word"], MINUTES_FOR["number"]) == (1.5, 1.5, 2.0)
    assert (MINUTES_FOR["gesture"], MINUTES_FOR["drawing"], MINUTES_FOR["function"], MINUTES_FOR["list"]) == (3.0, 3.0, 4.0, 4.0)
    assert "(a letter or word 1.5 minutes, a number 2, a gesture or a drawing 3, a function or a list 4)" in page
    assert MINUTES_FOR_A_WIDGET == 1.0
    assert "one minute for each\nwidget" in page
