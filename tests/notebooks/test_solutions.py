"""Every exercise has a solution that its own check calls right, and nothing else passes; both hold in the student's version."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest
import torch
from course import make_course
from course.lesson import solutions
from course.make_course import exercises, lesson_of, make, solved, student
from deepstrf.datasets import Recording
from deepstrf.datasets.source import Source
from nbclient import NotebookClient
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_SECONDS = 120
# What is no answer to any exercise. Letters and numbers that are right somewhere are left out where they are.
NONSENSE = """
import math, sys
import numpy as np
import torch
from course.make_course import lesson_of

class Everything:
    def __eq__(self, other): return True
    __hash__ = object.__hash__
    def __call__(self, *_, **__): raise ValueError("nonsense")

def answers_all(*_, **__): return 0
def answers_none(*_, **__): return None
def fails(*_, **__): return no_such_name
def leaves(*_, **__): sys.exit(3)

nonsense = [None, "", "z", "abc", "b or c", [], {}, (), [1], "1", -1, 10**30, -1e9, math.nan, math.inf, 1j, object(), Everything(), b"b",
            np.zeros(0), np.zeros((3, 4)), torch.zeros(0), torch.zeros(2, 2), torch.tensor(math.nan), answers_all, answers_none, fails, leaves, len, print]
passed, raised = [], []
lesson = lesson_of(NUMBER)
for name, exercise in lesson.exercises.items():
    if exercise.kind == "gesture":
        continue
    right = globals()[exercise.answer]
    for answer in nonsense + WRONG.get(name, []):
        globals()[exercise.answer] = answer
        try:
            if lesson.verdict(name)[0].kind == "right":
                passed.append((name, repr(answer)[:40]))
        except BaseException as error:
            raised.append((name, repr(answer)[:40], repr(error)))
    globals()[exercise.answer] = right
print("passed", passed, "raised", raised)
"""
# Plausible answers that are wrong, by lesson and exercise: the ones that students give.
WRONG = {
    0: {"offset": "['a', 'bc', 'A or B']"},
    1: {
        "bands below 2 kHz": "['a', 'c', 10]",
        "centres": "[lambda a, b, n: np.linspace(a, b, n), lambda a, b, n: np.geomspace(a, b, n), lambda a, b, n: cf_hz]",
        "divided by 3": "[4.77, 3.0, -9.54, 9.4, 10 * np.log10(3)]",
        "two tones": "['a', 'b', 'ac']",
        "first bin": "[49, 51, 48, 250]",
    },
    2: {
        "a at 1 kHz": "[0.027, 0.9, 185, 0.974, 1.0274]",
        "ON at the jump": "['a', 'c', 'd', 45]",
        "ON at the end": "[0, 60, 45, 14.7]",
        "ON channel": "[lambda levels, a, w: [0.0] * len(levels), lambda levels, a, w: levels]",
    },
    3: {
        "drive": "[lambda k, x, t: (k * x[:, t - 40 : t]).sum(), lambda k, x, t: 0.0, lambda k, x, t: (k.flip(1) * x[:, t - 39 : t + 1]).sum()]",
        "click": "['a', 'c']",
        "latency": "[37.5, 42.5, 31.5, 157.5]",
        "numbers": "[40, 20, 21, 2721]",
        "not separable": "['a', 'b']",
        "two blobs": "[1, 0, 0.7071, 0.25]",
    },
    4: {
        "rise done": "['b', 'c']",
        "gain": "[-1.93, 5.25, 0.55, 1.9]",
        "tuning": "['a', 'c']",
        "scatter of a PSTH": "[0.14, 89.4, 40, 27.5]",
        "trials for half": "[20, 10, 39, 41]",
    },
    5: {
        "LN parameters": "[680, 684, 686, 311]",
        "memory of ConvNet2D": "[27, 24, 26, 9]",
        "looks ahead": "[lambda m, x, t: True, lambda m, x, t: False]",
        "map of LN": "['a', 'c']",
    },
    6: {
        "score of the truth": "['a', 'c']",
        "ceiling": "[lambda trials, snr: 0.9, lambda trials, snr: snr / (snr + 1 / trials)]",
        "trials": "[20, 23, 25, 19, 0.95]",
        "worth of the prior": "['a', 'b']",
        "score and field": "['a']",
        "strength": "[0.0, 0.1, 30.0, 0.9]",
        "coverage": "['a', 'b']",
        "certain": "['a']",
    },
    7: {
        "untouched": "[0, 1, 3, 6]",
        "list": "[dict.fromkeys(my_list, 0), {**my_list, 'extra': 1}, {k: my_list[k] for k in list(my_list)[:5]}]",
        "turn round": "[lambda m, n: m]",
        "learnt noise": "['a', 'b']",
        "looks ahead": "[lambda m, x: True, lambda m, x: False]",
    },
    8: {
        "bytes": "['a', 'b']",
        "read_tensor": "[lambda name: np.zeros(3)]",
        "damage": "['b', 'c']",
        "fingerprint": "[lambda m: 'x', lambda m: str(id(m)), lambda m: str(float(m.readout.bn.weight[0]))]",
        "old format": "[{'kernel': my_modules['kernel']}]",
    },
    9: {
        "lost unit": "['u01', 0, 1, 2, 3]",
        "silence": "['b', 'c']",
        "translate": "[lambda row: row, lambda row: {}]",
        "new sounds": "['a']",
    },
    10: {
        "half an octave": "['a', 'c']",
        "an octave": "['a', 'b']",
        "sta": "[lambda x, r, lags: torch.zeros(len(x), lags), lambda x, r, lags: slow_sta(x, r, lags).flip(1)]",
        "order": "['b']",
        "ceiling": "[0.5, 1.0]",
        "same trials": "['a']",
        "new trials": "['a']",
    },
    11: {
        "perfect model": "['a', 'c']",
        "explainable share": "[lambda r, c: r / c, lambda r, c: r**2, lambda r, c: 0.5625]",
        "best model": "['ridge', 'LN', 'StateNet', 'gauss']",
        "sound by sound": "[0, 5, 7]",
    },
}


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_exercise_has_a_solution_that_differs_from_it(path: Path) -> None:
    number, notebook = int(path.name[:2]), nbformat.read(path, as_version=4)
    places = list(exercises(notebook))
    assert [name for place in places for name in place.checks] == list(lesson_of(number).exercises)
    assert list(solutions(number)) == list(lesson_of(number).exercises)
    after = solved(notebook, number)
    assert all(notebook.cells[place.cell].source != after.cells[place.cell].source for place in places)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_solution_stands_in_the_notebook(path: Path) -> None:
    """A solution's own lines, those of the exercise apart, are in no cell and no output."""
    number, notebook = int(path.name[:2]), nbformat.read(path, as_version=4)
    asked = {line.strip() for place in exercises(notebook) for line in notebook.cells[place.cell].source.splitlines()}
    texts = "\n".join(
        cell.source + "\n" + "\n".join(output.get("text", "") for output in cell.get("outputs", []))
        for cell in notebook.cells
    )
    for code, text in solutions(number).values():
        own = [line.strip() for line in code.splitlines() if len(line.strip()) > 18 and line.strip() not in asked]
        assert not [line for line in own if line in texts and not line.startswith(("from ", "with "))], code
        assert not text or text[:60] not in texts


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_solutions_are_right_and_nonsense_is_not(path: Path) -> None:
    number, notebook = int(path.name[:2]), solved(nbformat.read(path, as_version=4), int(path.name[:2]))
    checks = [index for place in exercises(notebook) for index in place.checks.values()]
    wrong = ", ".join(f"{name!r}: {answers}" for name, answers in WRONG[number].items())
    last = NONSENSE.replace("NUMBER", str(number)).replace("WRONG", f"{{{wrong}}}")
    # A student runs a check more than once, and after "Run All" too: no second run may fail.
    again = [nbformat.v4.new_code_cell(notebook.cells[index].source) for index in checks]
    notebook.cells += [nbformat.v4.new_code_cell(last), *again]
    run(notebook, path.parent)
    for cell in [*(notebook.cells[index] for index in checks), *again]:
        assert printed(cell).startswith("Yes."), (cell.source, printed(cell))
    assert "passed [] raised []" in printed(notebook.cells[-len(again) - 1]).splitlines()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_exercise_has_wrong_answers_of_its_own(path: Path) -> None:
    exercises = lesson_of(int(path.name[:2])).exercises.values()
    assert set(WRONG[int(path.name[:2])]) == {exercise.name for exercise in exercises if exercise.kind != "gesture"}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    make(folder)
    return folder


def test_student_s_version_has_no_solution_and_no_output(course: Path) -> None:
    assert not list(course.glob("student/**/solutions")) and not list(course.glob("nbgrader/**/solutions"))
    for path in course.glob("student/*.ipynb"):
        assert not [cell for cell in nbformat.read(path, as_version=4).cells if cell.get("outputs")]


def test_instructor_s_version_has_every_solution_and_where_students_stumble(course: Path) -> None:
    for path in course.glob("instructor/*.ipynb"):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for name, (code, _) in solutions(int(path.name[:2])).items():
            assert code in text and f"**{name}**" in text
        stumbles = [exercise.stumble for exercise in lesson_of(int(path.name[:2])).exercises.values()]
        assert all(stumbles) and all(stumble in text for stumble in stumbles)


def test_a_folder_that_the_course_did_not_make_is_kept(tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    with pytest.raises(FileExistsError, match="student exists and was not made by make_course"):
        make(tmp_path)


def test_recordings_that_must_not_be_passed_on_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "notebooks" / "course"
    folder.mkdir(parents=True)
    monkeypatch.setattr(make_course, "NOTEBOOKS", folder.parent)
    save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
    recording = Recording.from_arrays(torch.rand(2, 30), torch.rand(1, 1, 30), dt_ms=5.0, cf_hz=[500.0, 1000.0])
    for free in (True, False):
        recording.source = Source("aa1", "Zebra finch", "own account", "CRCNS terms of use", "A (2011)", redistribution=free)
        recording.save(folder / "aa1.safetensors")
        with nullcontext() if free else pytest.warns(UserWarning, match=r"aa1\.safetensors is a recording of 'aa1' \(licence: CRCNS"):
            make(tmp_path / "made")


@pytest.mark.slow
def test_student_s_version_passes_with_the_solutions_and_not_without(course: Path) -> None:
    """One lesson of it, the quickest; the notebooks themselves are all tried above."""
    path = course / "student" / "02_adaptation.ipynb"
    for made, verdict in ((student(nbformat.read(path, as_version=4)), "Your turn:"), (None, "Yes.")):
        notebook = made or solved(nbformat.read(path, as_version=4), 2)
        run(notebook, path.parent)
        checks = [cell for cell in notebook.cells if re.match(r"check\(", cell.source)]
        assert len(checks) == len(lesson_of(2).exercises)
        assert all(printed(cell).startswith(verdict) for cell in checks)
