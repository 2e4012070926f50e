"""Whether an answer is right, and the sentence that helps with a wrong one."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

__all__ = ["YOUR_TURN", "Question", "Verdict", "drawing"]

YOUR_TURN = "Your turn: write your answer in the cell above, run it, then run this one."


@dataclass(frozen=True)
class Verdict:
    """What is said of one answer: ``kind`` is "open" (no answer yet), "unfit" (of another kind), "wrong" or "right"."""

    kind: Literal["open", "unfit", "wrong", "right"]
    sentence: str


@dataclass(frozen=True)
class Question:
    """One answer beside what is right.

    Parameters
    ----------
    answer : object
        What the student wrote; None, ``...`` or a text without a letter before that. One thing in a list counts as that thing.
    truth : str, bool, int, float or callable
        What is right: a letter or word (capitals, and spaces or brackets around it, do not count), a truth value, a
        number, or a function that takes the answer and says whether it is right (None: there is no answer yet; a
        sentence: what is missing before it can be judged).
    within : float, optional
        How far a number may lie from the truth, in ``unit``; needed where the truth is a float.
    unit : str
        Of the number, for the sentence that asks for one.
    hints : sequence of str
        The n-th wrong try is answered by the n-th of them, later ones by the last.
    because : str
        Said after "Yes.".
    show : callable, optional
        Makes what is shown once the answer is right: a picture that would have given it away.

    Raises
    ------
    TypeError, ValueError
        The author of the exercise gave a ``truth``, ``within`` or ``hints`` that cannot be used.

    Examples
    --------
    >>> Question(None, 4).verdict().sentence
    'Your turn: write your answer in the cell above, run it, then run this one.'
    >>> Question(5, 4, hints=["Count again."]).verdict().sentence
    'Not yet. Count again.'
    >>> Question(4, 4, because="2 + 2 = 4.").verdict()
    Verdict(kind='right', sentence='Yes. 2 + 2 = 4.')
    """

    answer: Any
    truth: str | bool | int | float | Callable[[Any], bool | None]
    within: float | None = None
    unit: str = ""
    hints: Sequence[str] = ()
    because: str = ""
    show: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.hints, str):
            raise TypeError(f"hints must be a sequence of sentences, got {self.hints!r}")
        _judge(self.truth, self.within, self.unit)

    def verdict(self, wrong_tries: int = 0) -> Verdict:
        """What is said of the answer after so many wrong tries before it."""
        if self.answer is None or self.answer is ... or (isinstance(self.answer, str) and not _word(self.answer)):
            return Verdict("open", YOUR_TURN)
        right = _judge(self.truth, self.within, self.unit)(self.answer)
        if right is None:
            return Verdict("open", YOUR_TURN)
        if isinstance(right, str):
            return Verdict("unfit", right)
        if right:
            return Verdict("right", f"Yes. {self.because}".rstrip())
        hint = self.hints[min(wrong_tries, len(self.hints) - 1)] if self.hints else ""
        return Verdict("wrong", f"Not yet. {hint}".rstrip())


class Drawn(Protocol):
    """What a plot tells of a drawing: `deepstrf_widgets.DrawnPrediction`."""

    def score(self, truth: Any) -> Any: ...
    def reveal(self, truth: Any) -> Any: ...


MOST_EMPTY = 0.1
"""Share of the time that a drawing may leave out."""


def drawing(
    plot: Drawn,
    truth: Any,
    *,
    goal: float,
    by: Literal["r", "explained"] = "r",
    hints: Sequence[str],
    because: str = "",
) -> Question:
    """Question whose answer is a drawing: right where ``by`` reaches ``goal``. The truth is shown after that, not before.

    ``by`` is the correlation, or the fraction of variance explained, which sees size and offset too. Nothing drawn is no
    answer; a flat line has no correlation and explains nothing.
    """
    score = plot.score(truth)

    def judge(_plot: Drawn) -> bool | str | None:
        if score.share == 0:
            return None
        if score.share < 1 - MOST_EMPTY:
            return f"Draw to the end first: {100 * (1 - score.share):.0f} % of the time is still empty."
        return (score.r if by == "r" else score.explained) >= goal  # False for NaN, that of a flat line

    said = "It is flat. " if math.isnan(score.r) else f"r = {score.r:.2f}, variance explained {score.explained:.2f}. "
    return Question(
        plot,
        judge,
        hints=[said + hint for hint in hints],
        because=f"{said}{because}".strip(),
        show=lambda: plot.reveal(truth) and None,
    )


def _judge(truth: Any, within: float | None, unit: str) -> Callable[[Any], bool | str | None]:
    """Function of an answer: whether it is right, None where there is none, or a sentence that says what is wanted."""
    if callable(truth):
        return lambda answer: _ask(truth, answer)
    if isinstance(truth, str):

        def judge_word(answer: Any) -> bool | str:
            word = _only(answer)
            return _word(word) == _word(truth) if isinstance(word, str) else wanted('a text in quotes, such as "a"', answer)

        return judge_word
    if isinstance(truth, bool):
        return lambda answer: bool(answer) == truth if _is_truth_value(answer) else wanted("True or False", answer)
    target = _as_number(truth)
    if target is None:
        raise TypeError(f"truth must be a str, a bool, a number or a callable, got {type(truth).__name__}")
    if within is None:
        if not isinstance(truth, int):
            raise ValueError(f"within must be given where truth is not an int, got None for {truth}")
        within = 0.0
    if not within >= 0:
        raise ValueError(f"within must be at least 0, got {within}")
    allowed = within + 1e-9 * abs(target)

    def judge(answer: Any) -> bool | str:
        number = _as_number(_only(answer))
        if number is None or math.isnan(number):
            # In a cell 0,5 is two numbers.
            comma = (isinstance(answer, tuple) and len(answer) == 2) or (isinstance(answer, str) and re.fullmatch(r"\W*\d+,\d+\D*", answer))
            point = " Decimals have a point, not a comma: 0.5." if comma else ""
            return wanted(f"one number in {unit}" if unit else "one number", answer) + point
        return abs(number - target) <= allowed

    return judge


def _ask(truth: Callable[[Any], Any], answer: Any) -> bool | str | None:
    """What ``truth`` says of the answer; what went wrong, as a sentence, where it could not say."""
    try:
        verdict = truth(answer)
        return verdict if verdict is None or isinstance(verdict, str) else bool(verdict)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return f"This answer cannot be looked at ({_kind(answer)}). {type(error).__name__}: {error}"


def _word(text: str) -> str:
    """The text as it is compared: without capitals, and without spaces, points and brackets around it."""
    return text.strip(" \t\n().").casefold()


def _only(answer: Any) -> Any:
    """What a list, a tuple or an array of texts holds alone, as ``x.tolist()`` or a comma at the end gives it; else the answer."""
    if isinstance(answer, (list, tuple)) and len(answer) == 1:
        return answer[0]
    if getattr(getattr(answer, "dtype", None), "kind", "") == "U" and math.prod(answer.shape) == 1:
        return answer.item()
    return answer


def _is_truth_value(answer: Any) -> bool:
    return isinstance(answer, bool) or (type(answer).__name__ in ("bool", "bool_") and not getattr(answer, "shape", ()))


def _as_number(value: Any) -> float | None:
    """A float where ``value`` is one number (a tensor or array of one included), else None."""
    if isinstance(value, (str, bytes)) or _is_truth_value(value):
        return None
    if hasattr(value, "item"):
        if math.prod(getattr(value, "shape", (0,))) != 1:
            return None
        value = value.item()
    if _is_truth_value(value) or not isinstance(value, (numbers.Real, Decimal)):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):  # too large, or a signalling NaN
        return None


def wanted(what: str, answer: Any) -> str:
    return f"Wanted: {what}; this answer is {_kind(answer)}."


def _kind(answer: Any) -> str:
    """The answer's kind in words."""
    if isinstance(answer, float) and math.isnan(answer):
        return "not a number (nan)"
    if isinstance(answer, str):
        return f"the text {answer!r}" if len(answer) <= 20 else "a long text"
    shape = getattr(answer, "shape", None)
    if shape is not None and hasattr(answer, "dtype"):
        return f"{type(answer).__name__} of shape {tuple(shape)}"
    if callable(answer):
        return "a function"
    if isinstance(answer, int) and answer.bit_length() > 64:
        return "a very large number"  # of which Python does not print every digit
    return f"{answer!r}" if isinstance(answer, (bool, int, float)) else f"of type {type(answer).__name__}"
