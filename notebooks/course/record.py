"""The attempts of one student: kept in a file beside the notebooks, exported as one small file, collected as a table.

``python -m course.record FOLDER`` in the folder of the notebooks prints the table of all exported files in ``FOLDER``.

Every attempt carries a seal made from it and from the one before it in its lesson, and the exported file one of the
whole. Whoever changes a line without knowing this file breaks a seal, and the table says so. It keeps no secret: it is
no examination.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["collect", "hand_in", "keep"]

FILE = "DEEPSTRF_COURSE_RECORD"
KINDS = {"time": str, "lesson": int, "exercise": str, "verdict": str, "open_s": int, "seal": str}
VERDICTS = ("unfit", "wrong", "right")
COLUMNS = ("student", "lesson", "exercise", "tries", "right", "minutes", "note")

Attempt = dict[str, Any]


def file() -> Path:
    """Where attempts are kept: the variable ``DEEPSTRF_COURSE_RECORD``, else ``course_attempts.jsonl`` beside the notebook."""
    return Path(os.environ.get(FILE) or "course_attempts.jsonl")


def keep(lesson: int, exercise: str, verdict: str, open_s: float = 0.0) -> None:
    """Nothing; one line more in the file of attempts. A folder that cannot be written keeps no attempts, and says so.

    ``open_s`` is for how long the lesson has been open, in seconds.
    """
    attempt = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "lesson": lesson,
        "exercise": exercise,
        "verdict": verdict,
        "open_s": round(open_s),
    }
    try:
        before = _lines(file()) if file().exists() else []
        attempt["seal"] = _seal(_last_seal(before, lesson), attempt)
        with file().open("a", encoding="utf-8") as attempts:
            attempts.write(json.dumps(attempt) + "\n")
    except OSError as error:
        print(f"(This attempt was not recorded: {error.strerror or error}.)")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _seal(before: str, content: Any) -> str:
    """Text that changes with the content and with the seal before it."""
    text = json.dumps([before, content], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _last_seal(lines: Sequence[str], lesson: int) -> str:
    """Seal of the last attempt of a lesson; of each lesson alone, since two notebooks may be open at once."""
    for line in reversed(lines):
        try:
            attempt = json.loads(line)
        except ValueError:
            continue
        if isinstance(attempt, dict) and attempt.get("lesson") == lesson:
            return str(attempt.get("seal"))
    return ""


def _attempts(lines: Iterable[str], where: str) -> list[Attempt]:
    found = []
    for row, line in enumerate(lines, 1):
        try:
            attempt = json.loads(line)
            right = {name: type(value) for name, value in attempt.items()} == KINDS
            datetime.fromisoformat(attempt["time"])
        except (AttributeError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{where}, line {row} must be an attempt as the course writes it, got {line[:60]!r}") from error
        if not right or attempt["verdict"] not in VERDICTS:
            raise ValueError(f"{where}, line {row} must have the fields {', '.join(KINDS)}, got {line[:60]!r}")
        found.append(attempt)
    return found


def _is_sealed(attempts: Iterable[Attempt]) -> bool:
    """Whether every attempt is as the course wrote it, and none was taken out between two of its lesson."""
    last: dict[int, str] = {}
    for attempt in attempts:
        content = {name: value for name, value in attempt.items() if name != "seal"}
        if attempt["seal"] != _seal(last.get(attempt["lesson"], ""), content):
            return False
        last[attempt["lesson"]] = attempt["seal"]
    return True


def hand_in(name: str, folder: str | Path = ".") -> Path:
    """File with all attempts of ``name``, to be sent to the lecturer.

    Raises
    ------
    ValueError
        ``name`` holds none of the letters or digits that a file name can be made of, or the file of attempts has a line
        that the course did not write.
    FileNotFoundError
        Nothing was attempted yet.
    """
    stem = "_".join(re.findall(r"\w+", name))
    if not stem:
        raise ValueError(f"name must hold letters or digits, got {name!r}")
    if not file().exists():
        raise FileNotFoundError(f"{file()} is missing: no check of an answer was run in this folder yet")
    attempts = _attempts(_lines(file()), str(file()))
    target = Path(folder) / f"{stem[:100]}.attempts.json"
    handed_in = {"student": name, "attempts": attempts}
    target.write_text(json.dumps({**handed_in, "seal": _seal("", handed_in)}), encoding="utf-8")
    return target


def collect(folder: str | Path) -> list[dict[str, Any]]:
    """One row for each student and exercise of the files ``*.attempts.json`` in ``folder``.

    A row has the ``student``, ``lesson``, ``exercise``, the ``tries`` up to the first right one, whether it is ``right``, the
    ``minutes`` for which the lesson had been open by then ("" where it is not right), and a ``note`` on what the lecturer
    should look at: an altered file, another file of the same name. A file that cannot be read has one row with the
    note alone. Of two files of one student the one that goes on where the other ends counts.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    files = sorted(Path(folder).glob("*.attempts.json"))
    if not files:
        raise FileNotFoundError(f"folder must hold files *.attempts.json, got {folder}")
    read: list[tuple[str, list[Attempt], list[str]]] = []
    rows = []
    for path in files:
        try:
            student, attempts, notes = _read(path)
        except (OSError, ValueError) as error:
            rows.append({**dict.fromkeys(COLUMNS, ""), "student": path.name, "note": f"not read: {error}"})
            continue
        of_the_same = [i for i, (name, _, _) in enumerate(read) if name == student]
        known = next((i for i in of_the_same if _begins(read[i][1], attempts) or _begins(attempts, read[i][1])), None)
        if known is None:
            notes += [f"{path.name}: another file has this name too"] * bool(of_the_same)
            read.append((student, attempts, notes))
        else:
            before = read[known]
            longer = max(attempts, before[1], key=len)
            # An altered file does not become whole by a longer one.
            read[known] = (student, longer, [*before[2], *notes])
    for student, attempts, notes in read:
        rows += _rows(student, attempts, "; ".join(notes))
    return rows


def _read(path: Path) -> tuple[str, list[Attempt], list[str]]:
    try:
        handed_in = json.loads(path.read_text(encoding="utf-8"))
        student, listed = handed_in["student"], handed_in["attempts"]
        lines = [json.dumps(attempt) for attempt in listed]
        if not isinstance(student, str) or not isinstance(listed, list):
            raise ValueError("a name and a list of attempts are missing")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path.name} must be a file that hand_in wrote: {error}") from error
    attempts = _attempts(lines, path.name)
    whole = handed_in.get("seal") == _seal("", {"student": student, "attempts": attempts})
    return student, attempts, [] if whole and _is_sealed(attempts) else [f"{path.name} was altered"]


def _begins(one: Sequence[Attempt], other: Sequence[Attempt]) -> bool:
    """Whether ``other`` goes on where ``one`` ends."""
    return list(other[: len(one)]) == list(one)


def _rows(student: str, attempts: Sequence[Attempt], note: str) -> list[dict[str, Any]]:
    rows = []
    for lesson, exercise in dict.fromkeys((one["lesson"], one["exercise"]) for one in attempts):
        tries = [one for one in attempts if (one["lesson"], one["exercise"]) == (lesson, exercise)]
        right = [index for index, one in enumerate(tries) if one["verdict"] == "right"]
        rows.append(
            {
                "student": student,
                "lesson": lesson,
                "exercise": exercise,
                "tries": right[0] + 1 if right else len(tries),
                "right": bool(right),
                "minutes": round(tries[right[0]]["open_s"] / 60, 1) if right else "",
                "note": note,
            }
        )
    return rows or [{**dict.fromkeys(COLUMNS, ""), "student": student, "note": note or "no attempts"}]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("one argument: the folder with the files that students handed in")
    table = collect(sys.argv[1])
    # What begins like a formula would be one in a spreadsheet.
    plain = [{name: f"'{value}" if str(value)[:1] in "=+-@" and value != "" else value for name, value in row.items()} for row in table]
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    writer.writerows(plain)
