"""A lesson's exercises: asked for in the running notebook, judged, and counted."""

from __future__ import annotations

import inspect
import linecache
import logging
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from IPython import get_ipython
from IPython.display import display

from deepstrf_widgets import BenchWidget, LiveSession
from deepstrf_widgets.session.serialization import changed_values

from . import record
from .checking import YOUR_TURN, Question, Verdict, wanted
from .run_all import lead_back_to_this_cell

__all__ = ["Exercise", "Lesson", "solutions"]

SOLUTIONS = Path(__file__).parent / "solutions"
TRIES_BEFORE_SOLUTION = 2

# matplotlib tells, the first time on a machine, that it looks through the fonts: nobody's concern in a lesson.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Exercise:
    """One exercise: its question as a function of names in the notebook, and what a lecturer wants to know of it.

    ``answer`` is the student's name, ``kind`` what it is ("choice", "word", "number", "function", "list", "gesture" or
    "drawing"),
    ``points`` what it counts, ``stumble`` where students go wrong.
    """

    name: str
    answer: str
    kind: str
    ask: Callable[..., Question]
    stumble: str
    points: int = 1

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the notebook that the question reads."""
        return tuple(inspect.signature(self.ask).parameters)


class _Attempt:
    """A block that may run a student's code: whatever it raises is kept here and goes no further, but an interrupt."""

    error: BaseException | None = None

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> bool:
        self.error = error
        return error is not None and not isinstance(error, KeyboardInterrupt)


def _keep_no_outputs() -> None:
    """Let IPython number no outputs: ``Out`` and ``_12`` keep each figure until the kernel ends; ``_`` has the last one."""
    shell = get_ipython()  # type: ignore[no-untyped-call]
    if shell is not None:
        shell.displayhook.do_full_cache = False


class Lesson:
    """The exercises of one notebook.

    Parameters
    ----------
    number : int
        Of the notebook.
    namespace : mapping, optional
        Where answers are looked up; the running notebook without it.
    """

    def __init__(self, number: int, namespace: Mapping[str, Any] | None = None) -> None:
        self.number = number
        self.exercises: dict[str, Exercise] = {}
        self._namespace = namespace
        self._wrong_tries: Counter[str] = Counter()
        self._right: set[str] = set()
        self._benches: dict[str, BenchWidget] = {}
        self._opened_by: dict[str, str] = {}
        self._opened = time.monotonic()
        if namespace is None:
            _keep_no_outputs()

    def exercise(
        self, name: str, answer: str, *, kind: str = "choice", stumble: str = "", points: int = 1
    ) -> Callable[[Callable[..., Question]], Callable[..., Question]]:
        """Decorator of a question: a function whose parameters are names of the notebook, ``answer`` among them."""

        def register(ask: Callable[..., Question]) -> Callable[..., Question]:
            if name in self.exercises:
                raise ValueError(f"name must be new in lesson {self.number}, got {name!r} twice")
            self.exercises[name] = Exercise(name, answer, kind, ask, stumble, points)
            return ask

        return register

    def check(self, name: str) -> None:
        """Print whether the answer to exercise ``name`` is right, and a hint where it is not; keep the attempt.

        The answer is read from the notebook as it is now; nothing else is run again.

        Raises
        ------
        ValueError
            The lesson has no exercise of that name.
        """
        verdict, show = self.verdict(name)
        print(verdict.sentence)
        if verdict.kind == "wrong":
            self._wrong_tries[name] += 1
        if verdict.kind == "right":
            self._right.add(name)
            if show is not None:
                with _Attempt() as shown:
                    picture = show()
                    if picture is not None:
                        display(picture)
                if shown.error is not None:
                    print("There would be a picture here: run the notebook's cells from the top once more.")
        if verdict.kind == "open":
            exercise = self.exercises[name]
            lead_back_to_this_cell(None if exercise.kind in ("gesture", "drawing") else exercise.answer)
        else:
            record.keep(self.number, name, verdict.kind, time.monotonic() - self._opened)
        self._tick(name)

    def follow(self, name: str, bench: BenchWidget) -> BenchWidget:
        """The bench, with a line about exercise ``name`` that is ticked whenever it stands as the exercise asks.

        Nothing is counted or handed in before `check` is run. A cell that is run again as it was (Shift+Enter in its bench
        does that) keeps what the bench stood at, what is locked aside.

        Raises
        ------
        ValueError
            The lesson has no exercise of that name.
        """
        self._named(name)
        before, self._benches[name] = self._benches.get(name), bench
        source = str((self._names().get("In") or [""])[-1])
        if before is not None and source == self._opened_by.get(name):
            self._put_back(before, bench)
        self._opened_by[name] = source
        bench.observe(lambda _change: self._tick(name), "revision")
        self._tick(name)
        return bench

    def _put_back(self, before: BenchWidget, bench: BenchWidget) -> None:
        locked = bench.locked_in(bench.session.snapshot())
        edits = [edit for edit in changed_values(before.session) if edit.name not in locked]
        if edits and before.session is not bench.session:
            with _Attempt() as putting:  # of another model they may not fit
                bench.session.restore(edits)
            if putting.error is None:
                print("What you moved before is still there; Undo or Revert takes it back.")

    def _tick(self, name: str) -> None:
        if name in self._benches:
            self._benches[name].exercise = {"name": name, "done": self._is_reached(name)}

    def _is_reached(self, name: str) -> bool:
        """Whether the bench as it stands answers the exercise; moves that are written in a cell are left for `check`."""
        exercise, notebook = self.exercises[name], dict(self._names())
        if not isinstance(notebook.get(exercise.answer), LiveSession):
            notebook[exercise.answer] = None
        if any(need not in notebook for need in exercise.needs):
            return False
        with _Attempt():
            question = exercise.ask(**{need: notebook[need] for need in exercise.needs})
            return question.verdict().kind == "right"
        return False

    def grade(self, name: str) -> None:
        """Nothing where the answer is right; what an automatic marker runs.

        Raises
        ------
        AssertionError
            The answer is missing or wrong; the message is what `check` would print.
        """
        verdict, _ = self.verdict(name)
        if verdict.kind != "right":
            raise AssertionError(verdict.sentence)

    def verdict(self, name: str) -> tuple[Verdict, Callable[[], Any] | None]:
        """What is said of the answer to exercise ``name``, and what to show once it is right."""
        exercise = self._named(name)
        notebook = self._names()
        if exercise.answer not in notebook:
            return Verdict("open", f"{YOUR_TURN} (There is no {exercise.answer} yet.)"), None
        missing = [need for need in exercise.needs if need not in notebook]
        if missing:
            return Verdict("open", f"Run the cells from the top first: there is no {', '.join(missing)} yet."), None
        answer = notebook[exercise.answer]
        with _Attempt() as attempt:
            if exercise.kind == "function" and not callable(answer):
                sentence = YOUR_TURN if answer is None else wanted("a function", answer)
                return Verdict("open" if answer is None else "unfit", sentence), None
            question = exercise.ask(**{need: notebook[need] for need in exercise.needs})
            return question.verdict(self._wrong_tries[name]), question.show
        return Verdict("unfit", self._what_stopped(attempt.error, exercise)), None

    def solution(self, name: str, *, give_up: bool = False) -> None:
        """Print the solution of exercise ``name``: after two wrong tries or a right one, or with ``give_up=True``.

        Raises
        ------
        ValueError
            The lesson has no exercise of that name.
        """
        self._named(name)
        found = solutions(self.number)
        if found is None:
            print("This copy of the course has no solutions: ask your lecturer.")
        elif not (give_up or name in self._right or self._wrong_tries[name] >= TRIES_BEFORE_SOLUTION):
            print(f"Try first: run the check above. solution({name!r}, give_up=True) shows it all the same.")
        else:
            code, text = found[name]
            print(f"{code}\n\n{text}".rstrip())

    def _named(self, name: str) -> Exercise:
        if name not in self.exercises:
            raise ValueError(f"name must be one of {', '.join(map(repr, self.exercises))}, got {name!r}")
        return self.exercises[name]

    def _names(self) -> Mapping[str, Any]:
        if self._namespace is not None:
            return self._namespace
        shell = get_ipython()  # type: ignore[no-untyped-call]
        return {} if shell is None else shell.user_ns

    def _what_stopped(self, error: BaseException | None, exercise: Exercise) -> str:
        """Which line of the notebook raised what, and what usually helps."""
        if error is None:
            raise TypeError(f"the question of {exercise.name!r} must return a Question")
        said = type(error).__name__
        with _Attempt():  # an exception of the student's own may have no text
            said = f"{said}: {error}".rstrip(": ")
        notebook = self._names()
        lines = [
            (line, linecache.getline(frame.f_code.co_filename, line).strip())
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_globals is notebook
        ]
        if not lines:
            return f"This answer cannot be looked at. {said}. If it looks right, run the cells from the top once more."
        number, text = lines[-1]
        help_with = {
            NameError: "Is that name spelt as in the cells above, and was its cell run?",
            ZeroDivisionError: "What is it divided by?",
            IndexError: "How long is what is indexed?",
        }
        hint = next((said for kind, said in help_with.items() if isinstance(error, kind)), "")
        where = f"line {number}, {text!r}" if text else f"line {number}"
        return f"Your code stopped in {where}. {said}. {hint}".rstrip()


SECTION = re.compile(r"^## (.+?)\n\n```python\n(.*?)\n```\n?(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def solutions(number: int) -> dict[str, tuple[str, str]] | None:
    """Code and text of the solution of each exercise of a lesson; None in a copy of the course without solutions."""
    found = list(SOLUTIONS.glob(f"{number:02d}_*.md"))
    if not found:
        return None
    return {name: (code, text.strip()) for name, code, text in SECTION.findall(found[0].read_text())}
