"""Attempts are kept, exported as one file, and collected as a table; an exception in an answer becomes a hint."""

from __future__ import annotations

import json
import linecache
import subprocess
import sys
from pathlib import Path

import pytest
from course import record
from course.checking import Question
from course.lesson import Lesson


@pytest.fixture
def notebook() -> dict[str, object]:
    return {}


@pytest.fixture
def lesson(notebook: dict[str, object]) -> Lesson:
    lesson = Lesson(99, notebook)
    lesson.exercise("sum", "mine")(lambda mine: Question(mine, 4, hints=["one", "two"]))
    lesson.exercise("double", "double", kind="function")(lambda double, three: Question(double(three), 6))
    return lesson


def in_a_cell(source: str, notebook: dict[str, object]) -> None:
    """Run as a notebook runs a cell: the lines are known, and the globals are the notebook's."""
    name = "<cell 7>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), notebook)


def test_edited_answer_is_judged_at_once(lesson, notebook, capsys):
    for answer, said in ((5, "Not yet. one\n"), (3, "Not yet. two\n"), (4, "Yes.\n"), (5, "Not yet. two\n")):
        notebook["mine"] = answer
        lesson.check("sum")
        assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return no_such_name", "line 2, 'return no_such_name'. NameError: name 'no_such_name' is not defined."),
        ("return 1 / 0", "line 2, 'return 1 / 0'. ZeroDivisionError: division by zero. What is it divided by?"),
        ("return x[9]", "line 2, 'return x[9]'. TypeError: 'int' object is not subscriptable."),
        ("assert x < 0", "line 2, 'assert x < 0'. AssertionError."),
        ("raise SystemExit(3)", "line 2, 'raise SystemExit(3)'. SystemExit: 3."),
        ("return double(x)", "RecursionError"),
    ],
)
def test_exception_in_an_answer_is_a_hint(lesson, notebook, capsys, body, said):
    in_a_cell(f"three = 3\ndef double(x): {body}" if "\n" in body else f"def double(x):\n    {body}\nthree = 3", notebook)
    lesson.check("double")
    out = capsys.readouterr().out
    assert out.startswith("Your code stopped in line 2")
    assert said in out


def test_interrupt_is_not_swallowed(lesson, notebook):
    in_a_cell("def double(x):\n    raise KeyboardInterrupt\nthree = 3", notebook)
    with pytest.raises(KeyboardInterrupt):
        lesson.check("double")


def test_cells_that_were_not_run_are_named(lesson, notebook, capsys):
    lesson.check("sum")
    assert "There is no mine yet." in capsys.readouterr().out
    notebook["double"] = lambda x: 2 * x
    lesson.check("double")
    assert capsys.readouterr().out == "Run the cells from the top first: there is no three yet.\n"


def test_solution_waits_for_two_tries(monkeypatch, notebook, capsys):
    lesson = Lesson(1, notebook)
    lesson.exercise("centres", "mine")(lambda mine: Question(mine, 4))
    notebook["mine"] = 5
    lesson.solution("centres")
    assert capsys.readouterr().out.startswith("Try first")
    lesson.check("centres"), lesson.check("centres")
    capsys.readouterr()
    lesson.solution("centres")
    assert "mel_to_Hz" in capsys.readouterr().out


def test_unknown_exercise_names_the_known_ones(lesson):
    with pytest.raises(ValueError, match="name must be one of 'sum', 'double', got 'summ'"):
        lesson.check("summ")


def test_attempts_become_a_table(lesson, notebook, tmp_path):
    for answer in (None, 5, "text", 4, 4):
        notebook["mine"] = answer
        lesson.check("sum")
    handed_in = record.hand_in("Ada L.", tmp_path)
    assert handed_in.name == "Ada_L.attempts.json" and handed_in.stat().st_size < 1000
    (row,) = record.collect(tmp_path)
    assert row == {"student": "Ada L.", "lesson": 99, "exercise": "sum", "tries": 3, "right": True, "minutes": 0.0}
    notebooks = Path(record.__file__).parents[1]
    table = subprocess.run(
        [sys.executable, "-m", "course.record", str(tmp_path)], cwd=notebooks, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert table == ["student,lesson,exercise,tries,right,minutes", "Ada L.,99,sum,3,True,0.0"]


def test_open_answers_are_no_attempts(lesson, notebook, own_record):
    notebook["mine"] = None
    lesson.check("sum")
    assert not own_record.exists()
    with pytest.raises(FileNotFoundError, match="no check of an answer was run"):
        record.hand_in("Ada")


@pytest.mark.parametrize("name", ["", "  ", "../.."])
def test_hand_in_wants_a_name(name):
    with pytest.raises(ValueError, match="name must hold letters or digits"):
        record.hand_in(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "x.attempts.json must be a file that hand_in wrote"),
        ("[]", "x.attempts.json must be a file that hand_in wrote"),
        (json.dumps({"student": "x", "attempts": [{"time": "now"}]}), "x.attempts.json, line 1 must be an attempt"),
        (json.dumps({"student": "x", "attempts": [3]}), "x.attempts.json, line 1 must be an attempt"),
    ],
)
def test_file_that_was_not_handed_in_is_refused(tmp_path, text, said):
    (tmp_path / "x.attempts.json").write_text(text)
    with pytest.raises(ValueError, match=said):
        record.collect(tmp_path)


def test_folder_without_files_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold files \*.attempts.json"):
        record.collect(tmp_path)
