"""A set of files is replaced together or not at all, wherever the failure or the crash comes."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deepstrf import writing
from deepstrf.models.checkpoints import atomic_files as file_set
from deepstrf.models.checkpoints.atomic_files import read_files, replace_files, valid_folder

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
            (Path, "unlink"), (file_set, "write_to_disk"),
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


class Windows:
    """What Windows does otherwise: no locks of folders but of files, and refusals while a file is open elsewhere."""

    LK_NBLCK = 2

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusals: int = 0) -> None:
        self.locked: dict[int, int] = {}  # inode of a locked file, by the descriptor that locked it
        self.refusals, self.refused = refusals, 0
        monkeypatch.setattr(file_set, "ON_WINDOWS", True)
        monkeypatch.setattr(writing, "ON_WINDOWS", True)
        monkeypatch.setattr(shutil, "_use_fd_functions", False)
        monkeypatch.setitem(sys.modules, "msvcrt", self)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        for owner, name in ((os, "rename"), (os, "replace"), (Path, "unlink"), (Path, "read_bytes")):
            self._refuse_at_first(monkeypatch, owner, name)
        real_open, real_close = os.open, os.close

        def opened(path: Any, flags: int, *args: Any) -> int:
            if os.path.isdir(path):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real_open(path, flags, *args)

        def close(descriptor: int) -> None:
            self.locked.pop(descriptor, None)
            real_close(descriptor)

        monkeypatch.setattr(file_set.os, "open", opened)
        monkeypatch.setattr(file_set.os, "close", close)

    def _refuse_at_first(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        real, calls = getattr(owner, name), 0

        def step(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += Path(args[0]).name != ".saving"
            if calls % (self.refusals + 1):
                self.refused += 1
                raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used")
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, step)

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        inode = os.fstat(descriptor).st_ino
        if inode in self.locked.values():
            raise OSError(errno.EACCES, "Permission denied")
        self.locked[descriptor] = inode


def test_on_windows_steps_that_a_reader_holds_up_are_repeated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = Windows(monkeypatch, refusals=3)
    replace_files(folder, NEW, NAMES)
    assert windows.refused > 12
    assert windows.locked == {}
    monkeypatch.undo()
    assert content(folder) == NEW
    assert sorted(path.name for path in folder.iterdir()) == ["card", "config", "mine.txt", "weights"]


def test_on_windows_a_step_that_stays_refused_ends_with_the_old_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Windows(monkeypatch)
    monkeypatch.setattr(writing, "PATIENCE_S", 0.05)
    real = os.replace

    def refused(source: Any, target: Any) -> None:
        if "incoming" in str(source) and Path(target).name == "config" and Path(source).read_bytes() == NEW["config"]:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        real(source, target)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError, match="cannot access"):
        replace_files(folder, NEW, NAMES)
    monkeypatch.undo()
    assert content(valid_folder(folder)) == OLD


def test_on_windows_a_locked_folder_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Windows(monkeypatch)
    monkeypatch.setattr(file_set, "PATIENCE_S", 0.05)
    with file_set._locked(folder, folder), pytest.raises(TimeoutError, match="is being replaced by another thread of"):
        replace_files(folder, NEW, NAMES)
    replace_files(folder, NEW, NAMES)
    assert not (folder / ".saving").exists()
    monkeypatch.undo()
    assert content(folder) == NEW


def test_a_saver_waits_and_then_says_who_holds_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_set, "PATIENCE_S", 0.05)
    code = (
        "import sys, pathlib; from deepstrf.models.checkpoints import atomic_files as a\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with a._locked(folder, folder):\n"
        "    (folder / f'.incoming-{a.os.getpid()}-x').mkdir(); print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(
        TimeoutError, match=rf"set is being replaced by process {holder.pid} and was not free for 0\.05 s"
    ):
        replace_files(folder, NEW, NAMES)
    assert content(folder) == OLD
    holder.kill()  # the lock ends with its process, and what it left is removed
    holder.communicate()
    replace_files(folder, NEW, NAMES)
    assert sorted(path.name for path in folder.iterdir()) == ["card", "config", "mine.txt", "weights"]


def read(folder: Path) -> dict[str, bytes]:
    return read_files(folder, NAMES, lambda file: None)


def test_a_set_that_changes_while_it_is_read_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = Path.read_bytes, []

    def read_bytes(path: Path) -> bytes:
        seen.append(path.name)
        if len(seen) == 2:
            monkeypatch.undo()
            replace_files(folder, NEW, NAMES)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert read(folder) == NEW
    assert len(seen) == 2


def test_a_file_that_every_set_has_is_looked_for_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def between_two_saves(folder: Path) -> Path:
        looks.append(folder)
        return tmp_path / "gone" if len(looks) < 3 else valid_folder(folder)

    monkeypatch.setattr(file_set, "valid_folder", between_two_saves)
    assert read_files(folder, NAMES, lambda _path: None, needed=("weights", "config")) == OLD
    assert len(looks) == 3
    assert read_files(folder, NAMES, lambda _path: None, needed=("card",)) == OLD  # it has none: the looking ends
    assert len(looks) == 3 + file_set.LOOKS


def test_what_an_interrupted_swap_left_is_read_with_a_warning(folder: Path) -> None:
    (folder / ".previous-checkpoint").mkdir()
    for name, data in OLD.items():
        (folder / ".previous-checkpoint" / name).write_bytes(data)
    (folder / "weights").write_bytes(b"new weights")
    with pytest.warns(
        UserWarning, match="the last save into .*set was interrupted: what is read is the checkpoint from"
    ):
        assert read(folder) == OLD
    with file_set._locked(folder, folder):  # a swap that goes on is no interrupted one
        assert read(folder) == OLD


def test_a_folder_without_locks_is_used_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    replace_files(folder, NEW, NAMES)
    assert content(folder) == NEW


def test_on_windows_folders_are_not_synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Any] = []
    monkeypatch.setattr(file_set, "ON_WINDOWS", True)
    monkeypatch.setattr(file_set.os, "open", lambda *args: synced.append(args))
    file_set._sync_folder(folder)
    assert synced == []
