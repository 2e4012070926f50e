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
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = ["collect", "hand_in", "keep"]

FILE = "DEEPSTRF_COURSE_RECORD"
KINDS = {"time": str, "lesson": int, "exercise": str, "verdict": str, "open_s": int, "seal": str}
VERDICTS = ("unfit", "wrong", "right")
LONGEST_S = 10 * 365 * 86400
MOST_BYTES = 10_000_000
"""Of a file that is looked into though its name says nothing; an attempt takes 150."""

CLOCK_S = 120
"""By how much a clock may go back, s: computers correct theirs."""
MOST_NAMED = 10
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
        before = file().read_text(encoding="utf-8", errors="replace") if file().exists() else ""
        attempt["seal"] = _seal(_last_seal(before.splitlines(), lesson), attempt)
        with file().open("a", encoding="utf-8") as attempts:
            # A line that was cut short, on a full disk say, does not take this one with it.
            attempts.write("\n" * (before != "" and not before.endswith("\n")) + json.dumps(attempt) + "\n")
    except OSError as error:
        print(f"(This attempt was not recorded: {error.strerror or error}.)")


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
        if not 0 <= attempt["open_s"] <= LONGEST_S:
            raise ValueError(f"{where}, line {row}: open_s must lie in [0, {LONGEST_S}] s, got {str(attempt['open_s'])[:20]}")
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

    Lines that the course did not write, or that were cut short, are left out, and it says how many.

    Raises
    ------
    TypeError, ValueError
        ``name`` is no text, or holds none of the letters or digits that a file name can be made of.
    FileNotFoundError
        Nothing was attempted yet.
    """
    if not isinstance(name, str):
        raise TypeError(f'name must be your name in quotes, such as "Ada Lovelace", got {name!r}')
    name = name.encode("utf-8", "replace").decode()
    stem = "_".join(re.findall(r"\w+", name))
    if not stem:
        raise ValueError(f'name must hold letters or digits, such as "Ada Lovelace", got {name!r}')
    if not file().exists():
        raise FileNotFoundError(f"{file()} is missing: no check of an answer was run in this folder yet")
    attempts, left_out = [], 0
    for line in file().read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            attempts += _attempts([line], str(file()))
        except ValueError:
            left_out += bool(line.strip())
    if left_out:
        print(f"(Left out of {file()}: {left_out} line{'s' if left_out > 1 else ''} that the course did not write so.)")
    target = Path(folder) / f"{stem[:100]}.attempts.json"
    handed_in = {"student": name, "attempts": attempts}
    target.write_text(json.dumps({**handed_in, "seal": _seal("", handed_in)}), encoding="utf-8")
    return target


def collect(folder: str | Path) -> list[dict[str, Any]]:
    """One row for each student and exercise of the files that `hand_in` wrote in ``folder`` and the folders in it.

    Files are known by ``attempts`` in their names, since browsers and course systems rename what is sent twice, or by what
    is in them, since students rename them too.

    A row has the ``student``, ``lesson``, ``exercise``, the ``tries`` up to the first right one, whether it is ``right``, the
    ``minutes`` for which the lesson had been open by then ("" where it is not right), and a ``note`` on what the lecturer
    should look at: an altered file, another file of the same name, attempts that are another student's, a clock that was set
    back. A file that cannot be read has one row with the note alone. Of two files of one student the one that goes on where
    the other ends counts.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    files = [path for path in _below(folder) if _is_handed_in(path)]
    if not files:
        raise FileNotFoundError(f"folder must hold files *.attempts.json, as hand_in writes them, got {folder}")
    read: list[tuple[str, list[Attempt], list[str], str]] = []
    rows = []
    for path in files:
        place = path.relative_to(folder).as_posix()
        try:
            student, attempts, notes = _read(path, place)
        except (OSError, ValueError) as error:
            rows.append({**dict.fromkeys(COLUMNS, ""), "student": place, "note": f"not read: {error}"})
            continue
        same = (i for i, one in enumerate(read) if one[0] == student)
        known = next((i for i in same if _begins(read[i][1], attempts) or _begins(attempts, read[i][1])), None)
        if known is None:
            read.append((student, attempts, notes, place))
        else:
            _, attempts_before, notes_before, place_before = read[known]
            is_longer = len(attempts) > len(attempts_before)
            # An altered file does not become whole by a longer one.
            read[known] = (
                student,
                attempts if is_longer else attempts_before,
                [*notes_before, *notes],
                place if is_longer else place_before,
            )
    for index, (student, attempts, notes, place) in enumerate(read):
        namesakes = [other for i, (name, _, _, other) in enumerate(read) if i != index and name == student]
        notes = [*notes, *(f"{place}: another file has this name too, {', '.join(namesakes)}" for _ in namesakes[:1])]
        others = [(name, listed) for i, (name, listed, _, _) in enumerate(read) if i != index]
        for name in dict.fromkeys(name for name, listed in others if _later_seals(attempts) & _later_seals(listed)):
            notes = [*notes, f"has attempts of {name} too" if name != student else "has the attempts of another file too"]
        back_s = _clock_back_s(attempts)
        notes = [*notes, f"its clock was set back by {back_s / 60:.0f} min"] if back_s > CLOCK_S else notes
        rows += _rows(student, attempts, "; ".join(dict.fromkeys(notes)))
    return rows


def _later_seals(attempts: Iterable[Attempt]) -> set[str]:
    """Seals of all attempts but the first of each lesson.

    Two students may answer the first question of a lesson in the same second; the next one too, after equal seconds, none will.
    """
    first = {attempt["lesson"]: attempt["seal"] for attempt in reversed(list(attempts))}
    return {attempt["seal"] for attempt in attempts} - set(first.values())


def _clock_back_s(attempts: Sequence[Attempt]) -> float:
    """By how much an attempt is at most earlier than one that was kept before it, s."""
    times = [datetime.fromisoformat(attempt["time"]).replace(tzinfo=None) for attempt in attempts]  # all UTC
    return max(((before - after).total_seconds() for before, after in pairwise(times)), default=0.0)


def _below(folder: str | Path) -> list[Path]:
    """All files in a folder and the folders in it, hidden ones aside."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part[:1] == "." for part in path.relative_to(folder).parts))


def _is_handed_in(path: Path) -> bool:
    """Whether the file's name says that `hand_in` wrote it (read or not, it has its rows), or else what is in it."""
    name = path.name.lower()
    if re.search(r"attempts.*\.json(\.txt)?$|course_attempts.*\.jsonl(\.txt)?$", name):
        return True
    if not name.endswith((".json", ".txt")) or path.stat().st_size > MOST_BYTES:
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"student", "attempts"} <= found.keys()


def _read(path: Path, place: str) -> tuple[str, list[Attempt], list[str]]:
    try:
        if re.search(r"\.jsonl(\.txt)?$", path.name.lower()):
            raise ValueError("it is the file in which attempts are kept; hand_in makes the one to send")
        handed_in = json.loads(path.read_text(encoding="utf-8"))
        student, listed = handed_in["student"], handed_in["attempts"]
        lines = [json.dumps(attempt) for attempt in listed]
        if not isinstance(student, str) or not isinstance(listed, list):
            raise ValueError("a name and a list of attempts are missing")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{place} must be a file that hand_in wrote: {error}") from error
    attempts = _attempts(lines, place)
    whole = handed_in.get("seal") == _seal("", {"student": student, "attempts": attempts})
    return student, attempts, [] if whole and _is_sealed(attempts) else [f"{place} was altered"]


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
    try:
        table = collect(sys.argv[1])
    except FileNotFoundError as error:
        sys.exit(str(error))
    left_out = [path.relative_to(sys.argv[1]).as_posix() for path in _below(sys.argv[1]) if not _is_handed_in(path)]
    if left_out:
        more = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
        print(f"Not looked at, since hand_in did not write them: {', '.join(left_out[:MOST_NAMED])}{more}", file=sys.stderr)
    # What begins like a formula would be one in a spreadsheet.
    plain = [{name: f"'{value}" if str(value)[:1] in "=+-@" and value != "" else value for name, value in row.items()} for row in table]
    # Names in any script, also where the console has another encoding.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)
