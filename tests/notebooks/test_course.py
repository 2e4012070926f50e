"""What `check` says to right, wrong, missing and unexpected answers."""

from __future__ import annotations

import logging
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from course.checking import Question
from course.lesson import Lesson

COURSE = Path(__file__).parents[2] / "notebooks"
YOUR_TURN = "Your turn: write your answer in the cell above, run it, then run this one."


@pytest.fixture
def check():
    """``check(name, answer, truth, ...)`` of a lesson that nobody has tried yet."""
    names, questions = {}, {}
    lesson = Lesson(99, names)

    def ask(name, answer, truth, **kwargs):
        if name not in lesson.exercises:
            lesson.exercise(name, "answer")(lambda answer: Question(answer, *questions["truth"], **questions["options"]))
        names["answer"], questions["truth"], questions["options"] = answer, [truth], kwargs
        Question(answer, truth, **kwargs)  # an author's fault is an error
        return lesson.check(name)

    return ask


@pytest.fixture
def said(check, capsys):
    """``said(answer, truth, ...)``: what check prints."""

    def say(answer, truth, name="it", **kwargs):
        assert check(name, answer, truth, **kwargs) is None
        return capsys.readouterr().out

    return say


@pytest.mark.parametrize("truth", ["a", True, 3, 3.5, lambda answer: True])
@pytest.mark.parametrize("empty", [None, ..., "", " ", "()"])
def test_no_answer_is_an_invitation(said, truth, empty):
    assert said(empty, truth, within=0.1, hints=["never shown"]) == YOUR_TURN + "\n"


@pytest.mark.parametrize(
    ("answer", "truth", "within"),
    [
        ("b", "b", None),
        (" B ", "b", None),
        ("(b)", "b", None),
        ("b.", "b", None),
        (["b"], "b", None),
        (np.array("b"), "b", None),
        (np.array(["b"]), "b", None),
        (True, True, None),
        (np.True_, True, None),
        (3, 3, None),
        (3.0, 3, None),
        (np.int64(3), 3, None),
        (torch.tensor([3]), 3, None),
        ([3], 3, None),
        ((3,), 3, None),
        (Fraction(7, 2), 3.5, 0.0),
        (Decimal("3.5"), 3.5, 0.0),
        (3.4, 3.5, 0.1),
        (3, 3.5, 0.5),
        (torch.tensor(3.5), 3.5, 0.0),
        (np.array(3.6), 3.5, 0.11),
        (1e6 * (1 + 1e-12), 1e6, 0.0),
        ([1, 2], lambda answer: answer == [1, 2], None),
        (np.array([1, 2]), lambda answer: (answer == [1, 2]).all(), None),
    ],
)
def test_right_answer(said, answer, truth, within):
    assert said(answer, truth, within=within, because="So it is.") == "Yes. So it is.\n"
    assert said(answer, truth, within=within) == "Yes.\n"


@pytest.mark.parametrize(
    ("answer", "truth", "within"),
    [
        ("a", "b", None),
        (False, True, None),
        (4, 3, None),
        (3.39, 3.5, 0.1),
        (-3.5, 3.5, 0.1),
        (float("inf"), 3.5, 0.1),
        (1, lambda answer: answer > 2, None),
    ],
)
def test_wrong_answer(said, answer, truth, within):
    assert said(answer, truth, within=within) == "Not yet.\n"
    assert said(answer, truth, within=within, because="never shown") == "Not yet.\n"


def test_nth_wrong_try_gives_the_nth_hint_and_the_last_stays(said):
    hints = ["one", "two"]
    assert [said(1, 2, hints=hints) for _ in range(4)] == [
        f"Not yet. {hint}\n" for hint in ("one", "two", "two", "two")
    ]
    assert said(2, 2, hints=hints) == "Yes.\n"


def test_tries_are_counted_for_each_name_and_only_wrong_ones(said):
    hints = ["one", "two"]
    assert said(1, 2, "first", hints=hints) == "Not yet. one\n"
    assert said(1, 2, "second", hints=hints) == "Not yet. one\n"
    said("text", 2, "first", hints=hints)
    said(None, 2, "first", hints=hints)
    assert said(1, 2, "first", hints=hints) == "Not yet. two\n"


@pytest.mark.parametrize(
    ("answer", "truth", "sentence"),
    [
        (3, "a", 'Wanted: a text in quotes, such as "a"; this answer is 3.'),
        (["a", "b"], "a", 'Wanted: a text in quotes, such as "a"; this answer is of type list.'),
        ((3, 4, 5), 3, "Wanted: one number in ms; this answer is of type tuple."),
        (Decimal("sNaN"), 3, "Wanted: one number in ms; this answer is of type Decimal."),
        ("yes", True, "Wanted: True or False; this answer is the text 'yes'."),
        (1, True, "Wanted: True or False; this answer is 1."),
        ("3", 3, "Wanted: one number in ms; this answer is the text '3'."),
        ("x" * 30, 3, "Wanted: one number in ms; this answer is a long text."),
        (True, 1, "Wanted: one number in ms; this answer is True."),
        (float("nan"), 3, "Wanted: one number in ms; this answer is not a number (nan)."),
        (1 + 2j, 3, "Wanted: one number in ms; this answer is of type complex."),
        (np.zeros(2), 3, "Wanted: one number in ms; this answer is ndarray of shape (2,)."),
        (torch.zeros(2, 3), 3, "Wanted: one number in ms; this answer is Tensor of shape (2, 3)."),
        (torch.tensor(True), 3, "Wanted: one number in ms; this answer is Tensor of shape ()."),
        (len, 3, "Wanted: one number in ms; this answer is a function."),
        ({}, 3, "Wanted: one number in ms; this answer is of type dict."),
        (np.array("3"), 3, "Wanted: one number in ms; this answer is ndarray of shape ()."),
        (np.array(None), 3, "Wanted: one number in ms; this answer is ndarray of shape ()."),
        (np.datetime64("2020-01-01"), 3, "Wanted: one number in ms; this answer is datetime64 of shape ()."),
    ],
)
def test_answer_of_another_kind_is_refused_with_what_is_wanted(said, answer, truth, sentence):
    assert said(answer, truth, unit="ms") == sentence + "\n"


@pytest.mark.parametrize(
    ("truth", "wanted"), [(3, "one number in ms"), ("a", 'a text in quotes, such as "a"'), (True, "True or False")]
)
def test_answer_that_python_does_not_print(said, truth, wanted):
    assert said(10**5000, truth, unit="ms") == f"Wanted: {wanted}; this answer is a very large number.\n"


def test_number_without_a_unit(said):
    assert said("3", 3) == "Wanted: one number; this answer is the text '3'.\n"


def test_truth_that_cannot_look_at_the_answer_leaves_no_traceback(said):
    out = said("text", lambda answer: answer + 1 > 2)
    assert out.startswith("This answer cannot be looked at (the text 'text'). TypeError: ")


def test_truth_that_cannot_decide_leaves_no_traceback(said):
    out = said(np.arange(3), lambda answer: answer > 1)
    assert out.startswith("This answer cannot be looked at (ndarray of shape (3,)). ValueError: ")


def test_truth_may_find_that_there_is_no_answer_yet(said):
    assert said(lambda x: None, lambda f: None if f(1) is None else f(1) == 2) == YOUR_TURN + "\n"
    assert said(lambda x: x + 1, lambda f: None if f(1) is None else f(1) == 2) == "Yes.\n"


@pytest.mark.parametrize(
    ("truth", "options", "error", "message"),
    [
        ([1], {}, TypeError, "truth must be .* got list"),
        (None, {}, TypeError, "truth must be .* got NoneType"),
        (0.5, {}, ValueError, "within must be given .* got None for 0.5"),
        (0.5, {"within": -1.0}, ValueError, "within must be at least 0, got -1"),
        (0.5, {"within": float("nan")}, ValueError, "within must be at least 0, got nan"),
        ("a", {"hints": "one"}, TypeError, "hints must be a sequence of sentences, got 'one'"),
    ],
)
def test_author_s_faults_are_errors_before_anybody_answers(check, truth, options, error, message):
    with pytest.raises(error, match=message):
        check("it", None, truth, **options)


KEPT = """
import gc, weakref
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def run(*cells):
    for cell in cells:
        shell.run_cell(cell, store_history=True).raise_error()
run({imports!r}, "class Figure: pass", "figure = Figure(); figure", "shown = __import__('weakref').ref(figure); del figure")
run("1000", "_ + 1", "last = _", "2000", "3000", "None")
gc.collect()
print(shell.user_ns["shown"]() is None, shell.user_ns["last"], len(shell.user_ns["Out"]))
"""


@pytest.mark.parametrize(("imports", "said"), [("from course.lesson_01 import check", "True 1001 0"), ("", "False 1001 5")])
def test_a_lesson_keeps_no_figures_that_were_shown(imports: str, said: str) -> None:
    run = [sys.executable, "-c", KEPT.replace("{imports!r}", repr(imports))]
    ran = subprocess.run(run, cwd=COURSE, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == said


def test_fonts_are_looked_through_in_silence():
    """Else the first picture on a new machine would add a line to the stored output of its cell."""
    assert logging.getLogger("matplotlib.font_manager").getEffectiveLevel() == logging.ERROR


@pytest.mark.parametrize("answer", [(0, 973), "0,973", "−0,5 dB"])
def test_a_decimal_comma_is_told_from_other_texts(answer: object) -> None:
    said = Question(answer, 0.973, within=0.01).verdict()
    assert said.kind == "unfit" and said.sentence.endswith("Decimals have a point, not a comma: 0.5.")
    assert "comma" not in Question("about a half", 0.5, within=0.01).verdict().sentence
