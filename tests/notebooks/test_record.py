"""Attempts are kept, exported as one file, and collected as a table; an exception in an answer becomes a hint."""

from __future__ import annotations

import json
import linecache
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from course import record
from course.checking import Question, drawing
from course.lesson import Lesson

import deepstrf
from deepstrf_widgets import DrawnPrediction, LiveSession, explore


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
        ("raise GeneratorExit", "line 2, 'raise GeneratorExit'. GeneratorExit."),
        ("raise type('Mute', (Exception,), {'__str__': None})", "Mute."),
    ],
)
def test_exception_in_an_answer_is_a_hint(lesson, notebook, capsys, body, said):
    in_a_cell(f"three = 3\ndef double(x): {body}" if "\n" in body else f"def double(x):\n    {body}\nthree = 3", notebook)
    lesson.check("double")
    out = capsys.readouterr().out
    assert out.startswith("Your code stopped in line 2")
    assert said in out


def test_what_does_not_even_say_what_it_is_is_no_function(lesson, notebook, capsys):
    class Closed:
        def __getattr__(self, name):
            raise RuntimeError(f"no {name}")

    notebook |= {"double": Closed(), "three": 3}
    lesson.check("double")
    assert capsys.readouterr().out.startswith("This answer cannot be looked at. RuntimeError: no shape.")


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
    assert lesson.verdict("double")[0].kind == "open"  # nothing was judged, so no try is kept


def test_a_copy_without_solutions_says_so_before_it_asks_for_tries(monkeypatch, notebook, tmp_path, capsys):
    monkeypatch.setattr("course.lesson.SOLUTIONS", tmp_path)
    lesson = Lesson(1, notebook)
    lesson.exercise("centres", "mine")(lambda mine: Question(mine, 4))
    lesson.solution("centres")
    assert capsys.readouterr().out == "This copy of the course has no solutions: ask your lecturer.\n"


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
    assert row == {
        "student": "Ada L.", "lesson": 99, "exercise": "sum", "tries": 3, "right": True, "minutes": 0.0, "note": "",
    }  # fmt: skip
    notebooks = Path(record.__file__).parents[1]
    table = subprocess.run(
        [sys.executable, "-m", "course.record", str(tmp_path)], cwd=notebooks, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert table == ["student,lesson,exercise,tries,right,minutes,note", "Ada L.,99,sum,3,True,0.0,"]


def test_minutes_are_those_for_which_the_lesson_was_open(lesson, notebook, tmp_path):
    for answer, opened_s in ((5, 60.0), (4, 90.0), (4, 600.0)):
        notebook["mine"] = answer
        lesson._opened = time.monotonic() - opened_s
        lesson.check("sum")
    record.hand_in("Ada", tmp_path)
    assert [row["minutes"] for row in record.collect(tmp_path)] == [1.5]


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
    with pytest.raises(TypeError, match=r"name must be your name in quotes, .* got None"):
        record.hand_in(None)


@pytest.fixture
def handed_in(tmp_path):
    """``handed_in(student, verdicts)``: the file of a student who tried exercise "sum" so often."""

    def make(student, verdicts, lesson=1):
        for verdict in verdicts:
            record.keep(lesson, "sum", verdict, 60)
        return record.hand_in(student, tmp_path)

    return make


def notes(folder):
    return {row["student"]: row["note"] for row in record.collect(folder)}


def test_every_student_has_rows_of_their_own(handed_in, own_record, tmp_path):
    for student, verdicts in (("Ada", ["wrong", "right"]), ("Émile", ["right"]), ("=cmd", ["wrong"])):
        own_record.unlink(missing_ok=True)
        handed_in(student, verdicts)
    rows = {row["student"]: (row["tries"], row["right"]) for row in record.collect(tmp_path)}
    assert rows == {"Ada": (2, True), "Émile": (1, True), "=cmd": (1, False)}
    notebooks = Path(record.__file__).parents[1]
    table = subprocess.run(
        [sys.executable, "-m", "course.record", str(tmp_path)], cwd=notebooks, capture_output=True, check=True
    ).stdout.decode()
    assert "'=cmd,1" in table


@pytest.mark.parametrize(
    "alter",
    [
        lambda data: data["attempts"][0].update(verdict="right"),
        lambda data: data["attempts"][1].update(open_s=1),
        lambda data: data["attempts"][0].update(exercise="other"),
        lambda data: data["attempts"].pop(0),
        lambda data: data["attempts"].pop(),
        lambda data: data["attempts"].reverse(),
        lambda data: data["attempts"].append(dict(data["attempts"][1])),
        lambda data: data.update(student="Somebody else"),
        lambda data: data.pop("seal"),
        lambda data: data.update(seal="0" * 16),
    ],
)
def test_altered_file_is_noticed(handed_in, tmp_path, alter):
    path = handed_in("Ada", ["wrong", "wrong", "right"])
    assert notes(tmp_path) == {"Ada": ""}
    data = json.loads(path.read_text())
    alter(data)
    path.write_text(json.dumps(data))
    assert list(notes(tmp_path).values()) == ["Ada.attempts.json was altered"]


def test_line_altered_before_it_was_handed_in_is_noticed_too(handed_in, own_record, tmp_path):
    handed_in("Ada", ["wrong", "right"])
    own_record.write_text(own_record.read_text().replace('"wrong"', '"right"'))
    record.hand_in("Ada", tmp_path)
    assert notes(tmp_path) == {"Ada": "Ada.attempts.json was altered"}


def test_two_lessons_that_are_open_at_once_break_no_seal(handed_in, tmp_path):
    for lesson in (1, 2, 1, 2):
        handed_in("Ada", ["wrong"], lesson)
    assert notes(tmp_path) == {"Ada": ""}


def test_file_handed_in_twice_counts_once_and_the_longer_one_counts(handed_in, tmp_path):
    handed_in("Ada", ["wrong"]).rename(tmp_path / "Ada (1).attempts.json")
    handed_in("Ada", ["right"])
    (row,) = record.collect(tmp_path)
    assert (row["tries"], row["right"], row["note"]) == (2, True, "")


def test_two_students_of_one_name_are_both_in_the_table(handed_in, own_record, tmp_path):
    handed_in("Ada", ["wrong"]).rename(tmp_path / "Ada (1).attempts.json")
    own_record.unlink()
    handed_in("Ada", ["unfit", "right"])
    rows = record.collect(tmp_path)
    assert [(row["tries"], row["right"], row["note"]) for row in rows] == [
        (1, False, "Ada (1).attempts.json: another file has this name too, Ada.attempts.json"),
        (2, True, "Ada.attempts.json: another file has this name too, Ada (1).attempts.json"),
    ]


def test_files_of_one_name_are_told_apart_by_their_folders(handed_in, own_record, tmp_path):
    for folder, verdict in (("12_assign", "wrong"), ("13_assign", "right")):
        own_record.unlink(missing_ok=True)
        (tmp_path / folder).mkdir()
        handed_in("Ada", [verdict, "right"]).rename(tmp_path / folder / "Ada.attempts.json")
    rows = record.collect(tmp_path)
    assert [row["note"] for row in rows] == [
        "12_assign/Ada.attempts.json: another file has this name too, 13_assign/Ada.attempts.json",
        "13_assign/Ada.attempts.json: another file has this name too, 12_assign/Ada.attempts.json",
    ]


def test_a_file_that_was_sent_without_its_name_is_read_and_any_other_file_is_named(handed_in, own_record, tmp_path):
    handed_in("Ada", ["right"]).rename(tmp_path / "homework 3.json")
    own_record.unlink()
    handed_in("Grace", ["right"]).rename(tmp_path / "Grace.attempts.json.txt")
    for name in ("03_receptive_fields.ipynb", "answers.docx", "settings.json", "notes.txt"):
        (tmp_path / name).write_text('{"student": "me"}')
    assert notes(tmp_path) == {"Ada": "", "Grace": ""}
    said = subprocess.run(
        [sys.executable, "-m", "course.record", str(tmp_path)],
        cwd=Path(record.__file__).parents[1], capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    named = "03_receptive_fields.ipynb, answers.docx, attempts.jsonl, notes.txt, settings.json"
    assert said == f"Not looked at, since hand_in did not write them: {named}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.attempts.json must be a file that hand_in wrote"),
        ("{", "x.attempts.json must be a file that hand_in wrote"),
        ("[]", "x.attempts.json must be a file that hand_in wrote"),
        ("3", "x.attempts.json must be a file that hand_in wrote"),
        ("[" * 100_000, "x.attempts.json must be a file that hand_in wrote"),
        (json.dumps({"student": 3, "attempts": []}), "a name and a list of attempts are missing"),
        (json.dumps({"student": "x", "attempts": "no"}), "a name and a list of attempts are missing"),
        (json.dumps({"student": "x", "attempts": [{"time": "now"}]}), "x.attempts.json, line 1 must be an attempt"),
        (json.dumps({"student": "x", "attempts": [3]}), "x.attempts.json, line 1 must be an attempt"),
        (json.dumps({"student": "x", "attempts": [{"time": "2026-01-01"}]}), "line 1 must have the fields time, lesson"),
        ("\x00\xff", "x.attempts.json must be a file that hand_in wrote"),
    ],
)
def test_broken_file_has_a_note_and_stops_no_other(handed_in, tmp_path, text, said):
    handed_in("Ada", ["right"])
    (tmp_path / "x.attempts.json").write_bytes(text.encode("latin-1"))
    rows = {row["student"]: row for row in record.collect(tmp_path)}
    assert rows["Ada"]["right"] is True
    assert said in rows["x.attempts.json"]["note"]


def test_student_without_attempts_is_in_the_table(own_record, tmp_path):
    own_record.touch()
    record.hand_in("Ada", tmp_path)
    assert notes(tmp_path) == {"Ada": "no attempts"}


def test_folder_without_files_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold files \*.attempts.json"):
        record.collect(tmp_path)
    table = subprocess.run(
        [sys.executable, "-m", "course.record", str(tmp_path)],
        cwd=Path(record.__file__).parents[1], capture_output=True, text=True,
    )  # fmt: skip
    assert table.returncode == 1 and table.stderr.startswith("folder must hold files") and table.stdout == ""


@pytest.mark.parametrize(
    "name",
    [
        "Ada.attempts (1).json",  # Chromium, of a second download
        "ada_12_Ada.attempts-1.json",  # course systems
        "Ada_1_assignsubmission_file_/Ada.attempts.json",
    ],
)
def test_files_are_found_as_browsers_and_course_systems_name_them(handed_in, own_record, tmp_path, name):
    handed_in("Émile", ["wrong"])
    own_record.unlink()
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    handed_in("Ada", ["right"]).rename(path)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "Ada.attempts-checkpoint.json").write_text("{")
    assert notes(tmp_path) == {"Ada": "", "Émile": ""}


def test_the_file_in_which_attempts_are_kept_is_not_the_one_to_send(handed_in, tmp_path):
    handed_in("Ada", ["right"])
    (tmp_path / "course_attempts.jsonl").write_text("{}\n")
    found = notes(tmp_path)
    assert found["Ada"] == "" and "hand_in makes the one to send" in found["course_attempts.jsonl"]


def test_attempts_of_another_student_are_noticed_in_both_files(handed_in, own_record, tmp_path):
    handed_in("Ada", ["wrong", "wrong", "right"])
    handed_in("Grace", ["right"], lesson=2)  # Ada's attempts, and one of her own
    own_record.unlink()
    handed_in("Émile", ["wrong", "right"])
    assert notes(tmp_path) == {
        "Ada": "has attempts of Grace too", "Grace": "has attempts of Ada too", "Émile": "",
    }  # fmt: skip


def test_first_answers_in_one_second_are_no_copy(handed_in, own_record, tmp_path, monkeypatch):
    for student in ("Ada", "Grace"):
        own_record.unlink(missing_ok=True)
        record.keep(1, "sum", "wrong", 60)
        line = json.loads(own_record.read_text())
        content = {**{name: value for name, value in line.items() if name != "seal"}, "time": "2026-03-02T10:00:00+00:00"}
        own_record.write_text(json.dumps({**content, "seal": record._seal("", content)}) + "\n")
        record.keep(1, "sum", "right", 70 + len(student))
        record.hand_in(student, tmp_path)
    assert notes(tmp_path) == {"Ada": "", "Grace": ""}


def test_a_clock_that_was_set_back_is_named(handed_in, monkeypatch, tmp_path):
    class Clock(record.datetime):
        hour = 12

        @classmethod
        def now(cls, tz):
            return cls(2026, 3, 2, cls.hour_now, tzinfo=tz)

    monkeypatch.setattr(record, "datetime", Clock)
    for Clock.hour_now, verdict in ((12, "wrong"), (10, "wrong"), (11, "right")):
        handed_in("Ada", [verdict])
    assert notes(tmp_path) == {"Ada": "its clock was set back by 120 min"}


@pytest.mark.parametrize("end", ['{"time": "2026-01', "\x00", "{}\n", '"right"\n', "\n\n"])
def test_a_line_that_was_cut_short_stops_neither_the_next_nor_the_hand_in(handed_in, own_record, tmp_path, capsys, end):
    handed_in("Ada", ["wrong"])
    with own_record.open("a") as attempts:
        attempts.write(end)
    handed_in("Ada", ["right"])
    assert ("Left out of" in capsys.readouterr().out) == bool(end.strip())
    (row,) = record.collect(tmp_path)
    assert (row["tries"], row["right"], row["note"]) == (2, True, "")


@pytest.mark.parametrize("open_s", [-1, 10**400])
def test_impossible_times_are_named(handed_in, tmp_path, open_s):
    path = handed_in("Ada", ["right"])
    data = json.loads(path.read_text())
    data["attempts"][0]["open_s"] = open_s
    path.write_text(json.dumps(data))
    (row,) = record.collect(tmp_path)
    assert "open_s must lie in [0, 315360000] s" in row["note"]


def test_table_holds_names_of_every_script_on_every_console(handed_in, own_record, tmp_path):
    for student in ("李明", "\ud800x", "Ada\nL."):
        own_record.unlink(missing_ok=True)
        handed_in(student, ["right"])
    path = next(tmp_path.glob("李明*"))
    path.write_text(path.read_text().replace("\\u674e", "\\ud800"))  # half of a letter, in a file that was altered
    table = subprocess.run(
        [sys.executable, "-m", "course.record", str(tmp_path)],
        cwd=Path(record.__file__).parents[1], capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    ).stdout.decode()  # fmt: skip
    assert "\\ud800明,1,sum" in table and '"Ada\nL.",1,sum' in table


def test_folder_that_cannot_be_written_keeps_no_attempt_and_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DEEPSTRF_COURSE_RECORD", str(tmp_path / "missing" / "attempts.jsonl"))
    record.keep(1, "sum", "right")
    assert capsys.readouterr().out == "(This attempt was not recorded: No such file or directory.)\n"


class Moved:
    """An answer that is a bench: right once the first neuron has been moved far enough."""

    @staticmethod
    def ask(session):
        return Question(session, lambda live: float(live.value("strf.bias", (0,))) >= 1 if live.edited(0) else None)


@pytest.fixture
def make_bench():
    """Function (lock) -> a bench of the demo on a session of its own."""
    demo, made = deepstrf.load_demo(), []

    def make(lock=()):
        session = LiveSession(demo.model, demo.stimulus, demo.responses)
        made.append(explore(session, figures=False, sounds=False, lock=lock))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def bench(make_bench):
    return make_bench()


def test_bench_is_ticked_while_it_stands_as_the_exercise_asks(notebook, bench, own_record):
    lesson = Lesson(99, notebook)
    lesson.exercise("move", "session", kind="gesture")(Moved.ask)
    session = notebook["session"] = bench.session
    assert lesson.follow("move", bench) is bench
    assert bench.exercise == {"name": "move", "done": False}
    for bias, done in ((0.5, False), (1.5, True), (0.9, False)):
        session.set("strf.bias", bias, (0,))
        assert bench.exercise == {"name": "move", "done": done}
    session.set("strf.bias", 2.0, (0,))
    session.undo()
    assert bench.exercise["done"] is False
    assert not own_record.exists(), "only check hands in"


def test_tick_repeats_no_moves_that_are_written_in_a_cell(notebook, bench):
    """A question may carry out the moves of an answer; the tick must not, or the hand would fight with it."""
    lesson = Lesson(99, notebook)

    @lesson.exercise("move", "moves", kind="gesture")
    def _(moves, session):
        if moves is not None:
            session.set("strf.bias", moves, (0,))
        return Moved.ask(session)

    notebook["session"], session = bench.session, bench.session
    lesson.follow("move", bench)
    notebook["moves"] = 3.0
    session.set("strf.bias", 0.5, (0,))
    assert float(session.value("strf.bias", (0,))) == 0.5
    lesson.check("move")
    assert bench.exercise == {"name": "move", "done": True}


def test_a_bench_whose_cell_is_run_again_stands_as_before_but_for_what_is_locked(notebook, make_bench, capsys):
    lesson = Lesson(99, notebook)
    lesson.exercise("move", "session", kind="gesture")(Moved.ask)

    def run(source, *moves, lock=()):
        notebook["In"] = ["", source]
        bench = make_bench(lock=lock)
        notebook["session"] = bench.session
        lesson.follow("move", bench)
        for move in moves:
            bench.session.set(*move)
        return bench

    moves = ("strf.bias", 1.5, (0,)), ("activation.b", 0.2, (0,))
    assert run("a cell", *moves).session.edited() and capsys.readouterr().out == ""
    again = run("a cell", lock=["activation"])
    assert again.exercise == {"name": "move", "done": True}
    assert "is still there; Undo or Revert" in capsys.readouterr().out
    assert float(again.session.value("strf.bias", (0,))) == 1.5
    assert float(again.session.value("activation.b", (0,))) == float(again.session.trained_value("activation.b", (0,)))
    again.session.undo()
    assert not again.session.edited()
    other = run("a cell that was changed")
    assert not other.session.edited() and capsys.readouterr().out == ""


def test_follow_names_the_exercises_that_there_are(lesson, bench):
    with pytest.raises(ValueError, match="name must be one of 'sum', 'double', got 'summ'"):
        lesson.follow("summ", bench)


@pytest.fixture
def drawn(notebook):
    lesson = Lesson(99, notebook)
    truth = np.r_[np.zeros(50), np.ones(50)] * 8
    lesson.exercise("draw", "plot", kind="drawing")(
        lambda plot: drawing(plot, truth, goal=0.8, hints=["Look again."], because="It jumps.")
    )
    plot = notebook["plot"] = DrawnPrediction(100, high=10.0)
    yield lesson, plot
    plot.close()


def test_drawing_is_judged_before_the_truth_is_shown(drawn, capsys):
    lesson, plot = drawn
    lesson.check("draw")
    assert capsys.readouterr().out.startswith("Your turn")
    plot.draw([0, 495], [8, 0])
    lesson.check("draw")
    assert capsys.readouterr().out == "Not yet. r = -0.87, variance explained -1.35. Look again.\n"
    assert not plot.revealed
    plot.draw([0, 245, 250], [1, 1, 5])  # errors of 1 and 3 where the variance is 16: 1 - 5/16
    lesson.check("draw")
    assert capsys.readouterr().out == "Yes. r = 1.00, variance explained 0.69. It jumps.\n"
    assert plot.revealed
    lesson.check("draw")
    assert capsys.readouterr().out == "Yes. r = 1.00, variance explained 0.69. It jumps.\n"


def test_flat_line_and_half_a_drawing_are_no_answer(drawn, capsys):
    lesson, plot = drawn
    plot.draw([0], [5.0])
    lesson.check("draw")
    assert capsys.readouterr().out == "Not yet. It is flat. Look again.\n"
    half = np.full(100, np.nan, dtype="<f4")
    half[:60] = np.linspace(0, 8, 60)
    plot.drawn = half.tobytes()
    lesson.check("draw")
    assert capsys.readouterr().out == "Draw to the end first: 40 % of the time is still empty.\n"
    assert not plot.revealed


@pytest.mark.parametrize("answer", [3, "a", np.zeros(100), print, object()])
def test_what_is_no_plot_leaves_no_traceback(drawn, notebook, capsys, answer):
    lesson, _ = drawn
    notebook["plot"] = answer
    lesson.check("draw")
    assert capsys.readouterr().out.startswith("This answer cannot be looked at")
