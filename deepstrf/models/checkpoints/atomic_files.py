"""A set of files in a folder, replaced together or not at all.

The new files are written beside the old ones and forced to the disk; the old ones are then put aside, as hard links, in
a folder that says "the set in here is the valid one" for as long as the swap lasts. Whatever interrupts the swap, power
loss included, `valid_folder` finds a complete set: the old one before the last step, the new one after it. Files of
other names are never touched.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["replace_files", "valid_folder"]

PREVIOUS = ".previous-checkpoint"
INCOMING_PREFIX = ".incoming-"


def valid_folder(folder: Path) -> Path:
    """Where the complete set of files is: ``folder``, or the copy put aside in it by a swap that never ended."""
    previous = folder / PREVIOUS
    return previous if previous.is_dir() else folder


def replace_files(folder: Path, contents: Mapping[str, bytes], names: Sequence[str]) -> None:
    """Give ``folder`` the files ``contents``, and none of the other ``names``, all or nothing.

    Parameters
    ----------
    folder : Path
        Made, with its parents, if it does not exist.
    contents : mapping of file name to bytes
        The new set, written in this order.
    names : sequence of str
        Every name that a set may have; those not in ``contents`` are removed.

    Raises
    ------
    OSError
        Something could not be written; the old set is as it was.
    """
    existed = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _finish_interrupted_swap(folder, names)
        for left_over in folder.glob(f"{INCOMING_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        incoming = Path(tempfile.mkdtemp(prefix=INCOMING_PREFIX, dir=folder))
        try:
            for name, data in contents.items():
                _write_to_disk(incoming / name, data)
            _swap(folder, incoming, contents, names)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    except BaseException:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
        raise


def _write_to_disk(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap(folder: Path, incoming: Path, contents: Mapping[str, bytes], names: Sequence[str]) -> None:
    """Move the files of ``incoming`` into ``folder``; on a failure put the old ones back."""
    aside = incoming / "previous"
    aside.mkdir()
    for name in names:
        if (folder / name).is_file():
            _link_or_copy(folder / name, aside / name)
    _sync_folder(aside)
    outdated = incoming / "outdated"
    try:
        os.rename(aside, folder / PREVIOUS)
        _sync_folder(folder)
        for name in names:
            if name in contents:
                os.replace(incoming / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        _sync_folder(folder)
        os.rename(folder / PREVIOUS, outdated)
        _sync_folder(folder)
    except BaseException:
        if outdated.is_dir():
            os.rename(outdated, folder / PREVIOUS)
        _finish_interrupted_swap(folder, names)
        raise


def _finish_interrupted_swap(folder: Path, names: Sequence[str]) -> None:
    """Bring the set that was put aside back into ``folder``, if a swap left one; may itself be interrupted."""
    previous = folder / PREVIOUS
    if not previous.is_dir():
        return
    restored = Path(tempfile.mkdtemp(prefix=INCOMING_PREFIX, dir=folder))
    try:
        for name in names:
            if (previous / name).is_file():
                _link_or_copy(previous / name, restored / name)
                os.replace(restored / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        _sync_folder(folder)
        os.rename(previous, restored / "outdated")
    finally:
        shutil.rmtree(restored, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    """Second name for the same file, or a copy where the file system knows no hard links."""
    try:
        os.link(source, target)
    except OSError:
        _write_to_disk(target, source.read_bytes())


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in ``folder`` (Windows offers no such thing)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
