"""Files that are written inside one folder, all or nothing, under names that every system can hold and give back."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

__all__ = [
    "STAGING_PREFIX",
    "check_file_names",
    "in_the_way",
    "make_folder",
    "new_files",
    "patiently",
    "replace_file",
    "write_new_file",
    "write_or_replace",
    "write_to_disk",
]

Result = TypeVar("Result")

ON_WINDOWS = os.name == "nt"
PATIENCE_S, PAUSE_S = 60.0, 0.01

STAGING_PREFIX = ".incoming-"
STAGED = re.compile(re.escape(STAGING_PREFIX) + "[0-9a-f]{32}")
LEFT_OVER_S = 86400.0
"""Age from which on what is staged belongs to a writer that was killed."""

NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)

LONGEST_BYTES = 255
NOT_IN_NAMES = frozenset('/\\:*?"<>|') | {chr(code) for code in (*range(32), 127)}
RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10)))
)


def check_file_names(argument: str, names: Sequence[str], ending: str = "") -> None:
    """Raise unless every name with its ending can be that of a file on Linux, macOS and Windows, each of another file.

    Raises
    ------
    TypeError
        A name is no text.
    ValueError
        A name is empty, leads to another folder, has a character or is a word that a system forbids, begins or ends
        with a blank or ends with a dot, is longer than 255 bytes, or is another one but for capitals or accents' form.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{argument} must be text, got {type(name).__name__} {name!r}")
        reason = _unfit(name, ending)
        if reason:
            raise ValueError(f"{argument} must be names that files can have: {name!r} {reason}")
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        if key in seen:
            raise ValueError(
                f"{argument} must differ in more than capitals or the form of accents, since files do not: "
                f"got {seen[key]!r} and {name!r}"
            )
        seen[key] = name


def _unfit(name: str, ending: str) -> str:
    """Why no file can be called so; empty when one can."""
    if not name:
        return "is empty"
    if bad := sorted(NOT_IN_NAMES & set(name)):
        return f"holds {bad[0]!r}"
    if name != name.strip() or (name + ending).endswith("."):
        return "begins or ends with a blank or ends with a dot"
    if name.partition(".")[0].strip().casefold() in RESERVED:
        return "is a word that Windows keeps for itself"
    try:
        size = len((name + ending).encode())
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    if name.strip(".") == "":
        return "leads to another folder"
    return f"is longer than {LONGEST_BYTES} bytes with its ending, {size}" if size > LONGEST_BYTES else ""


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, where they are not there yet.

    Raises
    ------
    FileExistsError, NotADirectoryError
        It, or a parent, is a file.
    OSError
        It cannot be made.
    """
    for place in (folder, *folder.parents):
        if os.path.lexists(place):
            if not place.is_dir():
                error = FileExistsError if place == folder else NotADirectoryError
                raise error(f"{place} is no folder, so nothing can be written into it: choose another, or move it away")
            break
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Inside, an error of a folder that must not be written into names it, and not the file that was tried."""
    try:
        yield
    except OSError as error:
        if error.errno in NOT_ALLOWED:
            what = f"{error.strerror}: {folder} cannot be written into: choose another folder, or change its rights"
            raise type(error)(error.errno, what) from error
        raise


def remove_left_over(folder: Path) -> None:
    """Remove what writers into ``folder`` left that were killed, once it has stood still for a day.

    Younger ones may be those of a program that is writing now, on this machine or on another.
    """
    try:
        with os.scandir(folder) as entries:
            staged = [entry for entry in entries if STAGED.fullmatch(entry.name)]
        for entry in staged:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFT_OVER_S:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
    except OSError:  # no such folder yet, not ours to look into, or another program removes them
        return


@contextmanager
def new_files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """An empty folder to write into; when the block ends, its files and folders ``names`` come into ``folder``.

    They come all or not at all: when the block or the move fails, ``folder`` is as it was.

    Raises
    ------
    FileExistsError
        One of them is there already: nothing is ever replaced.
    OSError
        Something cannot be written.
    """
    for name in reversed(names):
        if os.path.lexists(folder / name):
            raise FileExistsError(_taken(folder / name))
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    remove_left_over(folder)
    staging = folder / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
    written = False
    try:
        with _naming(folder):
            make_folder(folder)
            staging.mkdir()
        yield staging
        written = True
        for name in names:
            _move(staging / name, folder / name)
        staging.rmdir()
    except BaseException:
        # Judged by what is there: an interrupt may have come after a move, before it could be noted.
        for name in names if written else ():
            if _is_moved(staging / name, folder / name):
                path = folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(staging, ignore_errors=True)
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def _is_moved(source: Path, target: Path) -> bool:
    """Whether `_move` has brought a source to its target, or has at least begun to."""
    if not os.path.lexists(target):
        return False
    return not os.path.lexists(source) or os.path.samefile(source, target)


def _taken(path: Path) -> str:
    """What is said where something has the name of a file that is to be written."""
    return f"{path} exists: choose another folder, or delete it"


def _move(source: Path, target: Path) -> None:
    """Move a file or a folder; FileExistsError where something has come to be there meanwhile."""
    if source.is_dir():
        os.rename(source, target)  # fails for anything but an empty folder
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise FileExistsError(_taken(target)) from None
    except OSError:  # a file system without hard links: a file that has come meanwhile would be replaced
        with _only_if_new(target):
            os.replace(source, target)
    else:
        source.unlink()


@contextmanager
def _only_if_new(target: Path) -> Iterator[None]:
    """Claim a name for the file that is put there in the block; FileExistsError where something has it."""
    claimed = False
    try:
        target.touch(exist_ok=False)
        claimed = True
        yield
    except FileExistsError:
        if not claimed:
            raise FileExistsError(_taken(target)) from None
        raise
    except BaseException:
        # An interrupt may come between the two lines: the empty file is ours then.
        if claimed or (target.is_file() and target.stat().st_size == 0):
            target.unlink()
        raise


def write_new_file(path: Path, data: bytes | memoryview) -> None:
    """Write one file, whole or not at all; folders that it needs are made, and removed again on a failure.

    Raises
    ------
    ValueError
        No file can be called so.
    FileExistsError
        Something is there already; it is as it was.
    OSError
        It could not be written.
    """
    check_file_names("the file's name", [path.name])
    with new_files(path.parent, [path.name]) as staging:
        write_to_disk(staging / path.name, data)


def write_or_replace(path: Path, data: bytes | memoryview, is_ours: Callable[[Path], bool]) -> None:
    """Write one file, whole or not at all; an empty one or one that ``is_ours`` is replaced.

    Raises
    ------
    ValueError
        No file can be called so.
    FileExistsError
        Something else is there; it is as it was.
    OSError
        It could not be written.
    """
    try:
        write_new_file(path, data)
    except FileExistsError:
        if in_the_way(path, is_ours) or not path.parent.is_dir():
            raise
        replace_file(path, data)


def in_the_way(path: Path, is_ours: Callable[[Path], bool]) -> bool:
    """Whether something is at a path that must not be replaced: anything but a file that is ours, or an empty one.

    On a file system without hard links a save that was killed may have left an empty file.
    """
    if not os.path.lexists(path):
        return False
    return not is_ours(path) and not (path.is_file() and path.stat().st_size == 0)


def replace_file(path: Path, data: bytes | memoryview) -> None:
    """Write one file in place of an old one of the same program, whole or not at all.

    It is written beside the old one, forced to the disk and then put in its place: whatever goes wrong, the file holds
    either the old data or the new. Windows refuses that while somebody reads the old one: then it is waited for.

    Raises
    ------
    OSError
        It could not be written; the old file is as it was.
    """
    remove_left_over(path.parent)
    staged = path.with_name(f"{STAGING_PREFIX}{uuid.uuid4().hex}")
    try:
        with _naming(path.parent):
            write_to_disk(staged, data)
            patiently(os.replace, staged, path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def patiently(step: Callable[..., Result], *args: object, **kwargs: object) -> Result:
    """``step(*args)``; on Windows again and again while a reader has the file open, for a minute."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return step(*args, **kwargs)
        except PermissionError:
            if not ON_WINDOWS or time.monotonic() > end:
                raise
            time.sleep(PAUSE_S)


def write_to_disk(path: Path, data: bytes | memoryview) -> None:
    """Write a new file and wait until the disk has it; FileExistsError where there is one."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
