"""One file, whole or not at all: what is there already, what comes meanwhile, and what Windows refuses for a while."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepstrf import writing
from deepstrf.writing import replace_file, write_new_file, write_or_replace


def is_ours(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(b"ours")


def test_a_file_of_ours_is_replaced_and_another_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "a"
    write_or_replace(file, b"ours 1", is_ours)
    write_or_replace(file, b"ours 2", is_ours)
    assert file.read_bytes() == b"ours 2"
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="a exists: choose another folder, or delete it"):
        write_or_replace(file, b"ours 3", is_ours)
    assert file.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("other", [b"ours too", b"mine"])
@pytest.mark.parametrize("links", [True, False])
def test_what_another_program_writes_meanwhile_is_replaced_if_it_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: bytes, links: bool
) -> None:
    """Two programs save one page at once: neither fails, and one of the pages is there, whole."""
    file, real = tmp_path / "a", os.link

    def link(source: Any, target: Any) -> None:
        if not file.exists():
            file.write_bytes(other)
        if not links:
            raise OSError(errno.EPERM, "Operation not permitted")
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    if other == b"mine":
        with pytest.raises(FileExistsError, match="a exists: choose another folder, or delete it"):
            write_or_replace(file, b"ours", is_ours)
        assert file.read_bytes() == b"mine"
    else:
        write_or_replace(file, b"ours", is_ours)
        assert file.read_bytes() == b"ours"
    assert list(tmp_path.iterdir()) == [file]


def refusing(times: int) -> Callable[..., None]:
    real, calls = os.replace, 0

    def replace(source: Any, target: Any) -> None:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used")
        real(source, target)

    return replace


def test_on_windows_a_file_that_is_being_read_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A syncing client that reads the checkpoint of a fit must not end the fit."""
    file = tmp_path / "a"
    write_new_file(file, b"1")
    monkeypatch.setattr(os, "replace", refusing(3))
    with pytest.raises(PermissionError):
        replace_file(file, b"2")
    assert file.read_bytes() == b"1"
    monkeypatch.setattr(writing, "ON_WINDOWS", True)
    replace_file(file, b"2")
    assert file.read_bytes() == b"2"
    monkeypatch.setattr(os, "replace", refusing(10_000))
    monkeypatch.setattr(writing, "PATIENCE_S", 0.05)
    with pytest.raises(PermissionError, match="cannot access"):
        replace_file(file, b"3")
    assert file.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("write", [write_new_file, replace_file])
def test_what_killed_writers_left_is_removed_after_a_day_and_nothing_else(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    name = f"{writing.STAGING_PREFIX}{'0a' * 16}"
    file, folder, fresh = tmp_path / name, tmp_path / name.replace("0a", "1b"), tmp_path / name.replace("0a", "2c")
    others = [tmp_path / ".incoming-mine", tmp_path / f"{name}.txt"]
    folder.mkdir()
    for one in (file, folder / "part", fresh, *others):
        one.write_bytes(b"part of a file")
    for one in (file, folder, *others):
        os.utime(one, (0, 0))
    write(tmp_path / "a", b"new")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a", fresh, *others])


@pytest.mark.parametrize("write", [write_new_file, replace_file])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_must_not_be_written_into_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None], number: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "/.incoming-0")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(writing, "write_to_disk", refuse)
    with pytest.raises(OSError, match=f"{tmp_path} cannot be written into: choose another folder") as raised:
        write(tmp_path / "a", b"data")
    assert raised.value.errno == number
    assert list(tmp_path.iterdir()) == []
