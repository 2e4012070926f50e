"""Every number in a lesson's text is one that its cells hold or show, or has a claim that computes it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from claims import BOUNDS, CLAIMS, NO_AMOUNT, WORDS

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NUMBER = re.compile(r"(?<![\w.,])[−-]?\d+(?:\.\d+)?(?![\w])")
# What is no claim about the lesson: sources, links, code, its minutes, numbers of lessons and of items.
NO_CLAIM = re.compile(
    r"\*\*Sources?[.:]?\*\*.*\Z|\]\([^)]*\)|`[^`]*`|\*\*About \d+ minutes\.\*\*|[Ll]essons? [\d, andto]+|notebooks? \d+|^\d+\. ",
    re.DOTALL | re.MULTILINE,
)


AMOUNT = re.compile(
    r"\b(nearly|almost|about as|roughly|most|twice|hardly|rarely|several|thousands|tens of|times as|times shorter|a quarter|"
    r"a third|two thirds|half as|barely|mostly|usually|often|never|always|a little|slightly|as good as|more than|less than|"
    r"at most|at least|about the same)\b",
    re.IGNORECASE,
)


def value(text: str) -> float:
    return abs(float(text.replace("−", "-")))


def numbers(text: str) -> dict[float, str]:
    """Numbers of a text, each with its surroundings."""
    claimed = NO_CLAIM.sub(" ", text)
    return {
        value(found[0]): claimed[max(found.start() - 40, 0) : found.end() + 30].replace("\n", " ")
        for found in NUMBER.finditer(claimed)
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[0-9][0-9]_*.ipynb")), ids=lambda path: path.name)
def test_every_number_of_the_text_is_computed(path: Path) -> None:
    number, cells = int(path.name[:2]), nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    shown = [cell.source for cell in code] + [out.text for cell in code for out in cell.outputs if "text" in out]
    shown.append((FOLDER / "course" / f"lesson_{number:02d}.py").read_text())
    known = {float(found) for found in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", "\n".join(shown))}
    known |= {100 * one for one in known if one <= 1}  # shares, in per cent
    claims = {float(one) for text in CLAIMS.get(number, {}) for one in text.split()}
    claims |= {float(one) for one in BOUNDS.get(number, ())}
    found = numbers("\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    missing = {one: where for one, where in found.items() if not any(abs(one - known_one) <= 1e-9 for known_one in known | claims)}
    assert missing == {}
    assert claims <= set(found), "a claim of a number that the text does not have"


def test_a_number_that_no_cell_has_is_found() -> None:
    assert numbers("It is 0.37 of it (lesson 3), `x = 9`, in −12 dB.").keys() == {0.37, 12.0}
    assert numbers("**Sources.** Nobody (1999), 12:3.") == {}


def amounts_without_a_figure(text: str, phrases: set[str]) -> list[str]:
    """Words of a text that claim an amount, each with its surroundings, outside all of these phrases of it."""
    text = re.sub(r"\*\*Sources?[.:]?\*\*.*?(?=\n\n\*\*|\Z)", "", text, flags=re.DOTALL)
    known = [(at.start(), at.end()) for phrase in phrases for at in re.finditer(re.escape(phrase), text)]
    return [
        text[max(found.start() - 40, 0) : found.end() + 40]
        for found in AMOUNT.finditer(text)
        if not any(start <= found.start() and found.end() <= end for start, end in known)
    ]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[0-9][0-9]_*.ipynb")), ids=lambda path: path.name)
def test_every_amount_in_words_is_computed_or_claims_nothing(path: Path) -> None:
    number, cells = int(path.name[:2]), nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    phrases = {*WORDS.get(number, {}), *NO_AMOUNT.get(number, set())}
    assert [phrase for phrase in phrases if phrase not in text] == []
    assert amounts_without_a_figure(text, phrases) == []


def test_an_amount_in_words_is_found() -> None:
    assert amounts_without_a_figure("Most of it, and twice as much.", {"twice as much"}) == ["Most of it, and twice as much."]
    assert amounts_without_a_figure("Nothing. **Sources.** Almost (1999).", set()) == []
