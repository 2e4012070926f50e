"""A set of files in a folder, replaced together or not at all, while other programs may read it or replace it too.

The new files are written beside the old ones and forced to the disk; the old ones are then put aside, as hard links, in
a folder that says "the set in here is the valid one" for as long as the swap lasts. Whatever interrupts the swap, power
loss included, `read_files` finds a complete set: the old one before the last step, the new one after it. One swap goes
on at a time: the folder is locked for it, a lock that ends with the process. Who reads needs no lock: a set that
changed while it was read is read again. Files of other names are never touched.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from deepstrf.user_warning import warn_user
from deepstrf.writing import make_folder, patiently, write_to_disk

__all__ = ["read_files", "replace_files", "valid_folder"]

ON_WINDOWS = os.name == "nt"
PREVIOUS = ".previous-checkpoint"
INCOMING_PREFIX = ".incoming-"
LOCK_FILE = ".saving"
"""On Windows, where a folder itself cannot be locked."""

PATIENCE_S = 60.0
PAUSE_S = 0.01
LOOKS = 5
"""How often a file that every set has is looked for."""


def valid_folder(folder: Path) -> Path:
    """Where the complete set of files is: ``folder``, or the copy put aside in it by a swap that has not ended."""
    previous = folder / PREVIOUS
    return previous if previous.is_dir() else folder


def read_files(
    folder: Path, names: Sequence[str], check: Callable[[Path], None], needed: Sequence[str] = ()
) -> dict[str, bytes]:
    """Contents of those files ``names`` that the folder has, all of one and the same set.

    Parameters
    ----------
    folder : Path
    names : sequence of str
    check : callable
        Given each file before it is read; may refuse it by an error.
    needed : sequence of str
        Which of them every set has: one that is missing is looked for again a few times, as two saves within one tick
        of the file system's clock may leave the same marks.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    OSError
        A file cannot be read, or the set changes all the time.

    Warns
    -----
    UserWarning
        The last save into the folder was interrupted: this is the set from before.
    """
    end = time.monotonic() + PATIENCE_S
    looks = 0
    while True:
        before = _versions(folder, names)
        source = valid_folder(folder)
        contents = {}
        try:
            for name in names:
                if (source / name).is_file():
                    check(source / name)
                    contents[name] = (source / name).read_bytes()
            interrupted = source != folder and _is_free(folder)
        except (FileNotFoundError, PermissionError):  # replaced meanwhile; Windows then refuses
            if time.monotonic() > end or _versions(folder, names) == before:
                raise
            continue
        if _versions(folder, names) == before:
            looks += 1
            if looks == LOOKS or all(name in contents for name in needed):
                break
        elif time.monotonic() > end:
            raise OSError(errno.EBUSY, f"{folder} is being changed all the time; its files could not be read together")
        time.sleep(PAUSE_S)
    if interrupted:
        warn_user(
            f"the last save into {folder} was interrupted: what is read is the checkpoint from before it",
        )
    return contents


def _versions(folder: Path, names: Sequence[str]) -> list[tuple[int, int, int] | None]:
    """What changes when a file, or the folder that is put aside, becomes another."""
    versions: list[tuple[int, int, int] | None] = []
    for name in (PREVIOUS, *names):
        try:
            status = os.stat(folder / name)
        except OSError:
            versions.append(None)
        else:
            versions.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return versions


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
    TimeoutError
        Another program has been replacing the set for a minute; the message says which.
    OSError
        Something could not be written; the old set is as it was.
    """
    existed = folder.is_dir()
    make_folder(folder)
    incoming = folder / f"{INCOMING_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
    try:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, incoming, ignore_errors=True)
            with _locked(folder, folder):
                # What is not locked was left by a save that died.
                for left_over in folder.glob(f"{INCOMING_PREFIX}*"):
                    with suppress(FileNotFoundError):  # a save that has just ended removes its own
                        if _is_free(left_over):
                            shutil.rmtree(left_over, ignore_errors=True)
                incoming.mkdir()
                stack.enter_context(_locked(incoming, folder))
            for name, data in contents.items():
                write_to_disk(incoming / name, data)
            with _locked(folder, folder):
                _finish_interrupted_swap(folder, names)
                _swap(folder, incoming, contents, names)
    except BaseException:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
        raise


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
        patiently(os.rename, aside, folder / PREVIOUS)
        _sync_folder(folder)
        for name in names:
            if name in contents:
                patiently(os.replace, incoming / name, folder / name)
            else:
                patiently((folder / name).unlink, missing_ok=True)
        _sync_folder(folder)
        patiently(os.rename, folder / PREVIOUS, outdated)
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
    restored = folder / f"{INCOMING_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
    restored.mkdir()
    try:
        for name in names:
            if (previous / name).is_file():
                _link_or_copy(previous / name, restored / name)
                patiently(os.replace, restored / name, folder / name)
            else:
                patiently((folder / name).unlink, missing_ok=True)
        _sync_folder(folder)
        patiently(os.rename, previous, restored / "outdated")
    finally:
        shutil.rmtree(restored, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    """Second name for the same file, or a copy where the file system knows no hard links."""
    try:
        os.link(source, target)
    except OSError:
        write_to_disk(target, source.read_bytes())


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in ``folder`` (Windows offers no such thing)."""
    if ON_WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(what: Path, folder: Path) -> Iterator[None]:
    """Inside, no other program and no other thread has the lock of the folder ``what``.

    Raises
    ------
    TimeoutError
        It was not free within a minute.
    """
    end = time.monotonic() + PATIENCE_S
    while (lock := _Lock.of(what)) is None:
        if time.monotonic() > end:
            raise TimeoutError(
                errno.EBUSY, f"{folder} is being replaced by {_holders(folder)} and was not free for {PATIENCE_S:g} s"
            )
        time.sleep(PAUSE_S)
    try:
        yield
    finally:
        lock.release()


def _holders(folder: Path) -> str:
    pids = {path.name[len(INCOMING_PREFIX) :].partition("-")[0] for path in folder.glob(f"{INCOMING_PREFIX}*")}
    others = sorted(pids - {str(os.getpid())})
    return f"process {' or '.join(others)}" if others else "another thread of this program"


def _is_free(folder: Path) -> bool:
    lock = _Lock.of(folder)
    if lock is not None:
        lock.release()
    return lock is not None


class _Lock:
    """Lock of a folder, which ends with the process that has it."""

    def __init__(self, descriptor: int, file: Path | None) -> None:
        self.descriptor, self.file = descriptor, file

    @classmethod
    def of(cls, folder: Path) -> _Lock | None:
        """The lock, or None when another process has it."""
        if ON_WINDOWS:
            return cls._of_file(folder / LOCK_FILE)
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            # Some file systems have no locks; who reads notices changes all the same.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF):
                os.close(descriptor)
                raise
        return cls(descriptor, None)

    @classmethod
    def _of_file(cls, file: Path) -> _Lock | None:
        import msvcrt

        try:
            descriptor = os.open(file, os.O_CREAT | os.O_RDWR)
        except PermissionError:  # about to be removed by who had it
            return None
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor, file)

    def release(self) -> None:
        """Give the lock away."""
        os.close(self.descriptor)  # unlocks
        if self.file is not None:
            with suppress(OSError):  # another process may have it open
                self.file.unlink()
