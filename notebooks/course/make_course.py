"""The versions of the course that are handed out, all made from the notebooks: ``python -m course.make_course FOLDER``.

``student/`` has neither solutions nor stored outputs, ``instructor/`` has the solutions in place and says at each
exercise what it counts and where students stumble, ``nbgrader/`` has one assignment for each lesson
(``nbgrader generate_assignment 01_what_a_model_hears`` in that folder).
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from deepstrf.datasets import Recording
from nbformat import NotebookNode

from . import measure
from .lesson import Exercise, Lesson, solutions

__all__ = ["Place", "assignment", "exercises", "instructor", "lesson_of", "make", "minutes", "parts_of_minutes", "solved", "student", "table_of_minutes"]

NOTEBOOKS = Path(__file__).resolve().parents[1]
CHECK = re.compile(r'^check\("(.*)"\)$')
ONLY_FOR_LECTURERS = shutil.ignore_patterns("solutions", "make_course.py", "measure.py", "run_seconds.json", "__pycache__")
WITH_SOLUTIONS = ' `solution("name of the exercise")` in a cell of your own shows a solution once you have tried.'
MARKER = ".made_by_make_course.json"
MAY_CHANGE = ("nbgrader_config.py",)
"""The lecturer's settings: kept where they were edited."""
WORDS_PER_MINUTE = 120
MINUTES_FOR = {"choice": 1.5, "word": 1.5, "number": 2.0, "function": 4.0, "list": 4.0, "gesture": 3.0, "drawing": 3.0}
MINUTES_FOR_A_WIDGET = 1.0
WIDGET = "application/vnd.jupyter.widget-view+json"
HOW_TO_HAND_IN = """**Hand in**, if your lecturer asks for it: your name between the quotes, Shift+Enter, and send the file that it names. It holds the attempts of all
lessons in this folder, and lies beside them in the file browser (some seconds later): right click, *Download*, or open it and *File* ▸ *Download*."""
HAND_IN = """from course.record import hand_in

my_name = ""
if my_name:
    print("To be sent:", hand_in(my_name))"""
NBGRADER_CONFIG = '''"""Settings of the assignments; the name of the course and of the exchange are yours."""

c = get_config()
c.CourseDirectory.course_id = "auditory-models"
c.ClearSolutions.code_stub = {"python": ""}
c.ExecutePreprocessor.timeout = 600
'''


@dataclass(frozen=True)
class Place:
    """Where an exercise stands: the cell of the answer and, for each of its names, the cell that checks it."""

    cell: int
    checks: dict[str, int]


def lesson_of(number: int) -> Lesson:
    """The lesson of a notebook, by its number."""
    return importlib.import_module(f"{__package__}.lesson_{number:02d}").lesson


def exercises(notebook: NotebookNode) -> Iterator[Place]:
    """Every exercise of a notebook with its checks.

    Raises
    ------
    ValueError
        An exercise has no check before the next one.
    """
    tagged = [i for i, cell in enumerate(notebook.cells) if "exercise" in cell.metadata.get("tags", [])]
    for start, stop in zip(tagged, [*tagged[1:], len(notebook.cells)], strict=True):
        found = {i: CHECK.match(cell.source) for i, cell in enumerate(notebook.cells[:stop]) if i > start}
        checks = {match[1]: i for i, match in found.items() if match}
        if not checks:
            raise ValueError(f"cell {start} must have a check before the next exercise")
        yield Place(start, checks)


def solved(notebook: NotebookNode, number: int) -> NotebookNode:
    """The notebook with every answer in place, as a student would hand it in."""
    answers = solutions(number)
    if answers is None:
        raise FileNotFoundError(f"the solutions of lesson {number} are missing from {Path(__file__).parent}/solutions")
    made = deepcopy(notebook)
    for place in exercises(made):
        made.cells[place.cell].source = answers[next(iter(place.checks))][0]
    return made


def student(notebook: NotebookNode) -> NotebookNode:
    """`without_outputs`, and at its end the cell that hands in."""
    made = without_outputs(notebook)
    made.cells += [nbformat.v4.new_markdown_cell(HOW_TO_HAND_IN, id="hand-in"), nbformat.v4.new_code_cell(HAND_IN, id="hand-in-name")]
    return made


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The notebook without any output, and without a promise of solutions: a student's copy of the course has none."""
    made = deepcopy(notebook)
    made.cells[0].source = made.cells[0].source.replace(WITH_SOLUTIONS, "").rstrip()
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def instructor(notebook: NotebookNode, number: int) -> NotebookNode:
    """The notebook with the solutions in place, and below each check what it counts and where students stumble."""
    answers, lesson = solutions(number) or {}, lesson_of(number)
    made = without_outputs(solved(notebook, number))
    made.cells[0].source = notebook.cells[0].source
    for place in reversed(list(exercises(made))):
        for name, index in sorted(place.checks.items(), key=lambda pair: -pair[1]):
            exercise = lesson.exercises[name]
            points = f"{exercise.points} point{'s' if exercise.points > 1 else ''}"
            text = f"> **{name}** ({points}, about {MINUTES_FOR[exercise.kind]:g} min). {answers[name][1]}\n>\n"
            note = nbformat.v4.new_markdown_cell(f"{text.strip()} *Students stumble:* {exercise.stumble}")
            note.id = f"{made.cells[index].id}-note"
            made.cells.insert(index + 1, note)
    return made


def assignment(notebook: NotebookNode, number: int) -> NotebookNode:
    """The notebook as the source of an nbgrader assignment; what it gives out is the student's version."""
    answers, lesson = solutions(number) or {}, lesson_of(number)
    made = without_outputs(notebook)
    for place in exercises(made):
        cell, first = made.cells[place.cell], next(iter(place.checks))
        cell.source = f"{cell.source}\n### BEGIN SOLUTION\n{answers[first][0]}\n### END SOLUTION"
        cell.metadata.nbgrader = _marking(first, lesson.exercises[first], solution=True)
        for name, index in place.checks.items():
            check = made.cells[index]
            check.source = f'from course.lesson_{number:02d} import grade\n\ngrade("{name}")'
            check.metadata.nbgrader = _marking(name, lesson.exercises[name], solution=False)
    return made


def _marking(name: str, exercise: Exercise, *, solution: bool) -> dict[str, object]:
    """What nbgrader wants to know of a cell (its schema, version 3)."""
    cell_id = f"{'answer' if solution else 'check'}-{re.sub(r'[^a-z0-9]+', '-', name.lower())}"
    points = {} if solution else {"points": exercise.points}
    return {
        "schema_version": 3,
        "grade_id": cell_id,
        "grade": not solution,
        "solution": solution,
        "locked": not solution,
        "task": False,
        "cell_type": "code",
        **points,
    }


def parts_of_minutes(notebook: NotebookNode, name: str) -> dict[str, float]:
    """What the minutes of a notebook are made of: reading, exercises, widgets, computing.

    What it computes is measured (`measure`). Reading counts 120 words a minute, half of the speed of silent readers
    (Brysbaert 2019), as texts with formulas are read twice; an exercise 1.5 to 4 minutes by its kind, each
    widget in the stored outputs one.

    Raises
    ------
    ValueError
        The notebook has not been measured.
    """
    measured = json.loads(measure.FILE.read_text())
    if name not in measured:
        raise ValueError(f"{measure.FILE} must have the seconds of {name}: run `python -m course.measure {name}` in {NOTEBOOKS}")
    texts = [re.sub(r"\*\*Sources?\.\*\*.*", "", c.source, flags=re.DOTALL) for c in notebook.cells if c.cell_type == "markdown"]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return {
        "reading": sum(len(text.split()) for text in texts) / WORDS_PER_MINUTE,
        "exercises": sum(MINUTES_FOR[exercise.kind] for exercise in lesson_of(int(name[:2])).exercises.values()),
        "widgets": MINUTES_FOR_A_WIDGET * sum(WIDGET in output.get("data", {}) for output in outputs),
        "computing": measured[name] / 60,
    }


def minutes(notebook: NotebookNode, name: str) -> int:
    """What a notebook takes, in steps of five: the sum of its `parts_of_minutes`."""
    return 5 * max(1, round(sum(parts_of_minutes(notebook, name).values()) / 5))


def table_of_minutes() -> str:
    """Markdown table of what the minutes of each lesson are made of."""
    rows = ["| lesson | reading | exercises | widgets | computing | said |", "|---|---|---|---|---|---|"]
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        parts = parts_of_minutes(notebook, path.stem).values()
        rows.append(f"| {path.stem} | {' | '.join(f'{part:.1f}' for part in parts)} | {minutes(notebook, path.stem)} |")
    return "\n".join(rows) + "\n"


def _warn_of_licences(folder: Path) -> None:
    """Warn of recordings that would be handed out with the course against their licence."""
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            source = Recording.load(path, max_gb=float("inf")).source
        except ValueError:  # of something else, such as a model
            continue
        if source is not None and not source.redistribution:
            warnings.warn(
                f"{path} is a recording of {source.name!r} (licence: {source.licence}), which must not be passed on: take "
                f"it out of the course, and let students call deepstrf.datasets.fetch({source.name!r}) themselves",
                UserWarning,
                stacklevel=3,
            )


def _files(folder: Path) -> dict[str, str]:
    """Every file below a folder with a digest of what it holds."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _made_before(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The files of a folder that are there as this program wrote them, and those, with digests, that were removed since.

    Raises
    ------
    FileExistsError
        The folder was not made by this program, or one of the files was changed since.
    """
    if not folder.exists():
        return [], {}
    if not (folder / MARKER).is_file():
        raise FileExistsError(f"{folder} exists and was not made by make_course: move it, or choose another folder (COURSE=)")
    made, now = json.loads((folder / MARKER).read_text()), _files(folder)
    changed = [name for name, digest in made.items() if name in now and now[name] != digest and name not in MAY_CHANGE]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise FileExistsError(
            f"{folder / changed[0]}{more} was changed since make_course wrote it, and would be overwritten: move it, or "
            "choose another folder (COURSE=)"
        )
    as_made = [name for name, digest in made.items() if now.get(name) == digest]
    return as_made, {name: digest for name, digest in made.items() if name not in now}


@dataclass(frozen=True)
class _Versions:
    """What is handed out of one lesson, and its row of the table of all."""

    name: str
    student: NotebookNode
    instructor: NotebookNode
    assignment: NotebookNode
    row: str


def _versions(path: Path) -> _Versions:
    """All versions of a lesson.

    Raises
    ------
    FileNotFoundError, ValueError
        Its solutions or its seconds are missing, or notebook, module and solutions differ in their exercises.
    """
    notebook, number = nbformat.read(path, as_version=4), int(path.name[:2])
    try:
        asked = lesson_of(number).exercises
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"{path.name} must have its module in {NOTEBOOKS / 'course'}: {error}") from error
    checked = [name for place in exercises(notebook) for name in place.checks]
    solutions_of = solutions(number)
    if solutions_of is not None and not set(checked) == set(asked) == set(solutions_of):
        raise ValueError(
            f"{path.name} must have the same exercises in its checks ({', '.join(checked)}), its module "
            f"({', '.join(asked)}) and its solutions ({', '.join(solutions_of)})"
        )
    points = sum(exercise.points for exercise in asked.values())
    row = f"| {path.stem} | {minutes(notebook, path.stem)} | {len(asked)} | {points} |"
    return _Versions(path.stem, student(notebook), instructor(notebook, number), assignment(notebook, number), row)


def make(target: Path) -> list[str]:
    """Make ``student``, ``instructor`` and ``nbgrader`` in ``target`` anew; the files that were left out.

    Of folders that it made before it replaces its own files alone: what students handed in, the gradebook and edited
    settings of nbgrader stay, and what was removed since is left out.

    Raises
    ------
    FileExistsError
        One of the folders is there and was not made by this program, or a file in it was changed since.
    FileNotFoundError, ValueError
        A lesson is not whole; nothing is written then.

    Warns
    -----
    UserWarning
        A recording lies beside the lessons whose licence forbids to pass it on.
    """
    _warn_of_licences(NOTEBOOKS / "course")
    versions = [_versions(path) for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]
    folders = [target / name for name in ("student", "instructor", "nbgrader")]
    before = {folder: _made_before(folder) for folder in folders}
    for folder, (as_made, _) in before.items():
        for name in as_made:
            (folder / name).unlink()
        folder.mkdir(parents=True, exist_ok=True)
    kept = {folder: set(_files(folder)) for folder in folders}
    course = NOTEBOOKS / "course"
    shutil.copytree(course, target / "student" / "course", ignore=ONLY_FOR_LECTURERS, dirs_exist_ok=True)
    shutil.copytree(course, target / "instructor" / "course", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    config = target / "nbgrader" / "nbgrader_config.py"
    if not config.exists():
        config.write_text(NBGRADER_CONFIG)
    rows = ["| lesson | minutes | exercises | points |", "|---|---|---|---|"]
    for lesson in versions:
        source = target / "nbgrader" / "source" / lesson.name
        shutil.copytree(course, source / "course", ignore=ONLY_FOR_LECTURERS, dirs_exist_ok=True)
        nbformat.write(lesson.student, target / "student" / f"{lesson.name}.ipynb")
        nbformat.write(lesson.instructor, target / "instructor" / f"{lesson.name}.ipynb")
        nbformat.write(lesson.assignment, source / f"{lesson.name}.ipynb")
        rows.append(lesson.row)
    text = "# Lessons\n\nA solved copy gets all points, an untouched one none.\n\n" + "\n".join(rows) + "\n"
    (target / "instructor" / "README.md").write_text(text)
    for folder, (_, removed) in before.items():
        for name in removed:
            (folder / name).unlink(missing_ok=True)
        made = {name: digest for name, digest in _files(folder).items() if name not in kept[folder]}
        (folder / MARKER).write_text(json.dumps(removed | made))
    return [f"{folder.name}/{name}" for folder, (_, removed) in before.items() for name in removed]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("one argument: the folder to write to")
    try:
        left_out = make(Path(sys.argv[1]).resolve())
    except (FileExistsError, FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    if left_out:
        print(f"Left out, since they were removed (move or remove their folder to have them back): {', '.join(left_out)}")
