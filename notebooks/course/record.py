"""The attempts of one student: kept in a file beside the notebooks, exported as one small file, collected as a table.

``python -m course.record FOLDER`` in the folder of the notebooks prints the table of all exported files in ``FOLDER``.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["collect", "hand_in", "keep"]

FILE = "DEEPSTRF_COURSE_RECORD"
FIELDS = ("time", "lesson", "exercise", "verdict")


def file() -> Path:
    """Where attempts are kept: the variable ``DEEPSTRF_COURSE_RECORD``, else ``course_attempts.jsonl`` beside the notebook."""
    return Path(os.environ.get(FILE) or "course_attempts.jsonl")


def keep(lesson: int, exercise: str, verdict: str) -> None:
    """Nothing; one line more in the file of attempts. A folder that cannot be written keeps no attempts, and says so."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "lesson": lesson, "exercise": exercise}
    try:
        with file().open("a", encoding="utf-8") as attempts:
            attempts.write(json.dumps({**line, "verdict": verdict}) + "\n")
    except OSError as error:
        print(f"(This attempt was not recorded: {error.strerror or error}.)")


def _attempts(lines: Iterable[str], where: str) -> list[dict[str, Any]]:
    found = []
    for row, line in enumerate(lines, 1):
        try:
            attempt = json.loads(line)
            datetime.fromisoformat(attempt["time"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{where}, line {row} must be an attempt as the course writes it, got {line[:60]!r}") from error
        if set(attempt) != set(FIELDS):
            raise ValueError(f"{where}, line {row} must have the fields {', '.join(FIELDS)}, got {sorted(attempt)}")
        found.append(attempt)
    return found


def hand_in(name: str, folder: str | Path = ".") -> Path:
    """File with all attempts of ``name``, to be sent to the lecturer.

    Raises
    ------
    ValueError
        ``name`` holds none of the letters or digits that a file name can be made of.
    FileNotFoundError
        Nothing was attempted yet.
    """
    stem = "_".join(re.findall(r"\w+", name))
    if not stem:
        raise ValueError(f"name must hold letters or digits, got {name!r}")
    if not file().exists():
        raise FileNotFoundError(f"{file()} is missing: no check of an answer was run in this folder yet")
    lines = file().read_text(encoding="utf-8").splitlines()
    attempts = _attempts(lines, str(file()))
    target = Path(folder) / f"{stem}.attempts.json"
    target.write_text(json.dumps({"student": name, "attempts": attempts}), encoding="utf-8")
    return target


def collect(folder: str | Path) -> list[dict[str, Any]]:
    """One row for each student and exercise of the files ``*.attempts.json`` in ``folder``: tries, right, minutes.

    ``minutes`` is the time from the student's first attempt in the lesson to the first right one.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        A file does not hold what `hand_in` writes.
    """
    rows = []
    files = sorted(Path(folder).glob("*.attempts.json"))
    if not files:
        raise FileNotFoundError(f"folder must hold files *.attempts.json, got {folder}")
    for path in files:
        try:
            handed_in = json.loads(path.read_text(encoding="utf-8"))
            student, lines = handed_in["student"], [json.dumps(attempt) for attempt in handed_in["attempts"]]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path.name} must be a file that hand_in wrote: {error}") from error
        attempts = _attempts(lines, path.name)
        for lesson, exercise in dict.fromkeys((one["lesson"], one["exercise"]) for one in attempts):
            times = [datetime.fromisoformat(one["time"]) for one in attempts if one["lesson"] == lesson]
            tries = [one for one in attempts if (one["lesson"], one["exercise"]) == (lesson, exercise)]
            right = [index for index, one in enumerate(tries) if one["verdict"] == "right"]
            first = datetime.fromisoformat(tries[right[0]]["time"]) if right else None
            rows.append(
                {
                    "student": student,
                    "lesson": lesson,
                    "exercise": exercise,
                    "tries": right[0] + 1 if right else len(tries),
                    "right": bool(right),
                    "minutes": "" if first is None else round((first - min(times)).total_seconds() / 60, 1),
                }
            )
    return rows


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("one argument: the folder with the files that students handed in")
    table = collect(sys.argv[1])
    writer = csv.DictWriter(sys.stdout, list(table[0]) if table else ["student"])
    writer.writeheader()
    writer.writerows(table)
