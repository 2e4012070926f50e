"""A set of files is replaced together or not at all, wherever the failure or the crash comes."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deepstrf.models.checkpoints import atomic_files as file_set
from deepstrf.models.checkpoints.atomic_files import replace_files, valid_folder

NAMES = ("weights", "notes", "card", "config")
OLD = {"weights": b"old weights", "notes": b"old notes", "config": b"old config"}
NEW = {"weights": b"new weights", "card": b"new card", "config": b"new config"}


class Crash(BaseException):
    """Stands for the death of the process: nothing may catch it, and after it nothing more happens."""


@contextmanager
def failing_from(step: int, failure: Callable[[], BaseException], *, once: bool) -> Iterator[list[str]]:
    """Let the file operation number ``step`` fail, and (unless ``once``) every later one; yields those done."""
    done: list[str] = []

    def guard(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if len(done) == step or (len(done) > step and not once):
                done.append(f"{name} failed")
                raise failure()
            done.append(name)
            return real(*args, **kwargs)

        patch.setattr(owner, name, guarded)

    with pytest.MonkeyPatch.context() as patch:
        if not once:  # rmtree is told to ignore errors, but nothing survives the death of the process
            guard(shutil, "rmtree")
        for owner, name in (
            (os, "rename"), (os, "replace"), (os, "link"), (os, "fsync"), (Path, "mkdir"),
            (Path, "unlink"), (tempfile, "mkdtemp"), (file_set, "_write_to_disk"),
        ):  # fmt: skip
            guard(owner, name)
        yield done


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    replace_files(tmp_path / "set", OLD, NAMES)
    (tmp_path / "set" / "mine.txt").write_text("untouched")
    return tmp_path / "set"


def number_of_steps(tmp_path: Path) -> int:
    replace_files(tmp_path / "count", OLD, NAMES)
    with failing_from(10**9, OSError, once=False) as done:
        replace_files(tmp_path / "count", NEW, NAMES)
    return len(done)


def test_the_new_set_replaces_the_old_one_and_other_files_stay(folder: Path) -> None:
    replace_files(folder, NEW, NAMES)
    assert content(folder) == NEW
    assert sorted(path.name for path in folder.iterdir()) == ["card", "config", "mine.txt", "weights"]
    assert (folder / "mine.txt").read_text() == "untouched"


def test_a_missing_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    replace_files(tmp_path / "a" / "b", NEW, NAMES)
    assert content(tmp_path / "a" / "b") == NEW


def test_a_failure_at_any_step_leaves_the_old_set(folder: Path, tmp_path: Path) -> None:
    steps = number_of_steps(tmp_path) - 1  # without the removal of what is left over
    assert steps > 20
    failed = 0
    for step in range(steps):
        with failing_from(step, OSError, once=True) as done:
            try:
                replace_files(folder, NEW, NAMES)
            except OSError:
                failed += 1
            else:  # a failed link is made up for by a copy
                assert done[step] == "link failed", done[step]
                assert content(folder) == NEW
                replace_files(folder, OLD, NAMES)
                continue
        assert valid_folder(folder) == folder, f"step {step}, {done[step]}"
        assert content(folder) == OLD, f"step {step}, {done[step]}"
        assert (folder / "mine.txt").read_text() == "untouched"
    assert failed > 12


def test_a_crash_at_any_step_leaves_a_complete_set(tmp_path: Path) -> None:
    seen = set()
    for step in range(number_of_steps(tmp_path)):
        folder = tmp_path / str(step)
        replace_files(folder, OLD, NAMES)
        with failing_from(step, Crash, once=False), pytest.raises(Crash):
            replace_files(folder, NEW, NAMES)
        found = content(valid_folder(folder))
        assert found in (OLD, NEW), f"step {step}"
        seen.add(found == NEW)
        # The next save works, also when it is interrupted by a failure while it mends the folder.
        with failing_from(3, OSError, once=True):
            try:
                replace_files(folder, NEW, NAMES)
            except OSError:
                assert content(valid_folder(folder)) == found
        replace_files(folder, NEW, NAMES)
        assert content(folder) == NEW
        assert sorted(path.name for path in folder.iterdir()) == ["card", "config", "weights"]
    assert seen == {False, True}


def test_a_first_save_that_fails_leaves_nothing(tmp_path: Path) -> None:
    full = functools.partial(OSError, errno.ENOSPC, "No space left on device")
    with failing_from(3, full, once=True), pytest.raises(OSError, match="No space left"):
        replace_files(tmp_path / "fresh", NEW, NAMES)
    assert not (tmp_path / "fresh").exists()


def test_without_hard_links_the_old_set_is_copied_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    replace_files(folder, NEW, NAMES)
    assert content(folder) == NEW


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("a file")
    with pytest.raises(FileExistsError, match="set"):
        replace_files(tmp_path / "set", NEW, NAMES)
    assert (tmp_path / "set").read_text() == "a file"


def test_on_windows_folders_are_not_synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Any] = []
    monkeypatch.setattr(file_set.os, "name", "nt")
    monkeypatch.setattr(file_set.os, "open", lambda *args: synced.append(args))
    file_set._sync_folder(folder)
    assert synced == []
