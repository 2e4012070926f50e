"""nbgrader gives the assignments out and marks them: a solved copy gets all points, an untouched one none.

One lesson here; all of them with ``COURSE=whole``, as ``make graded`` sets it. Skipped without nbgrader (``.[course]``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from course.make_course import lesson_of, make, solved

pytest.importorskip("nbgrader", reason="nbgrader is in the extra `course`")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
TRIED = NOTEBOOKS if os.environ.get("COURSE") == "whole" else NOTEBOOKS[2:3]
POINTS = """
import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps({one["student"]: [one["score"], one["max_score"]] for one in book.submission_dicts(sys.argv[1])}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("course")
    make(made)
    return made / "nbgrader"


def run(folder: Path, *arguments: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic by name
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", TRIED, ids=lambda path: path.name)
def test_a_solved_copy_gets_all_points_and_an_untouched_one_none(folder: Path, path: Path) -> None:
    run(folder, "-m", "nbgrader", "generate_assignment", path.stem)
    released = folder / "release" / path.stem
    assert not list(released.glob("**/solutions"))
    notebook = nbformat.read(released / path.name, as_version=4)
    assert "BEGIN SOLUTION" not in "".join(cell.source for cell in notebook.cells)
    answers = solved(nbformat.read(path, as_version=4), int(path.name[:2]))
    for student in ("solved", "untouched"):
        shutil.copytree(released, folder / "submitted" / student / path.stem)
    for cell, answer in zip(notebook.cells, answers.cells, strict=True):
        if "exercise" in cell.metadata.get("tags", []):
            cell.source = answer.source
    nbformat.write(notebook, folder / "submitted" / "solved" / path.stem / path.name)
    run(folder, "-m", "nbgrader", "autograde", path.stem)
    points = sum(exercise.points for exercise in lesson_of(int(path.name[:2])).exercises.values())
    assert json.loads(run(folder, "-c", POINTS, path.stem)) == {
        "solved": [points, points],
        "untouched": [0, points],
    }
