"""One file from the network into a folder: resumed where it was cut, checked, and there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deepstrf.writing import replace_file

__all__ = ["downloaded"]

CHUNK = 2**18
TRIES = 3
TIMEOUT_S = 30.0
NOT_WRITTEN = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of the disk, not of the network."""

TAR = (".tgz", ".tar.gz", ".tar")
SIZE_FACTOR = 1.5
"""How far a size may lie from the one of the catalogue, which is rounded."""


def downloaded(
    address: str, file: Path, *, checksum: str | None, megabytes: float | None = None, progress: bool = True
) -> tuple[Path, str]:
    """The file, and its checksum ``sha256:...``; what is there already and has the checksum is not fetched again.

    Parameters
    ----------
    address : str
        URL, or ``doi:<doi>/<file>``.
    file : Path
        Where it comes to be; while it is under way, it is ``<file>.part``.
    checksum : str, optional
        ``sha256:...`` or ``md5:...`` that it must have; None takes what comes, if it is of the kind that its name says.
    megabytes : float, optional
        About how large it is.
    progress : bool
        Show a bar.

    Raises
    ------
    ImportError
        pooch is not installed: ``pip install 'deepstrf-lab[data]'``.
    ConnectionError
        The address cannot be reached, or the download was cut; the message says how to go on.
    OSError
        The disk is full, or nothing can be written there; what has come is kept.
    ValueError
        What came is something else, or has another checksum; nothing was replaced.
    """
    try:
        import pooch
        from filelock import FileLock
    except ImportError as error:
        raise ImportError("fetch needs the package pooch: pip install 'deepstrf-lab[data]'") from error
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):  # of two programs, the second finds what the first has fetched
        if file.is_file() and checksum is not None and _has(file, checksum):
            return file, checksum

        def get(url: str, output: str, _: Any) -> None:
            _into_part(url, file, progress)
            _check_kind(file.with_name(f"{file.name}.part"), file.name, url, megabytes)
            shutil.move(f"{file}.part", output)
            _about_part(file).unlink(missing_ok=True)

        pooch.get_logger().setLevel("ERROR")
        try:
            if file.is_file() and checksum is None:
                return file, f"sha256:{pooch.file_hash(str(file))}"
            pooch.retrieve(address, checksum, fname=file.name, path=file.parent, downloader=get)
        except ValueError as error:
            if "hash" not in str(error):
                raise
            raise ValueError(
                f"{address} gives another file than the one that was recorded, {checksum}: it was changed at its "
                f"source, or damaged on the way. Nothing was replaced; delete {file.parent} to take what is there now"
            ) from error
        return file, f"sha256:{pooch.file_hash(str(file))}"


def _has(file: Path, checksum: str) -> bool:
    import pooch

    kind, _, value = checksum.rpartition(":")
    return pooch.file_hash(str(file), alg=kind or "sha256") == value.lower()


def _about_part(file: Path) -> Path:
    return file.with_name(f"{file.name}.part.json")


def _into_part(address: str, file: Path, progress: bool) -> None:
    """Fetch the rest of ``<file>.part``."""
    import requests

    by_hand = f"or put the file there by hand: {file}"
    part = file.with_name(f"{file.name}.part")
    for attempt in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        try:
            if _one_try(_url(address), part, _about_part(file), progress):
                return
        except requests.HTTPError as error:
            raise ConnectionError(f"{address} answers {error}: is the address right? {by_hand}") from error
        except (requests.RequestException, OSError) as error:
            if error.errno in NOT_WRITTEN:
                raise OSError(
                    error.errno,
                    f"{os.strerror(error.errno)} while {address} was fetched: make room, or choose a folder",
                    str(part),
                ) from error
            reached = part.stat().st_size if part.exists() else 0
            if reached <= before or attempt == TRIES - 1:
                how = (
                    f"after {reached / 1e6:.1f} MB, which are kept: call again to go on"
                    if reached
                    else "is there a network?"
                )
                raise ConnectionError(
                    f"{address} could not be fetched ({type(error).__name__}): {how}, {by_hand}"
                ) from error
    reached = part.stat().st_size if part.exists() else 0
    raise ConnectionError(
        f"{address} was cut after {reached / 1e6:.1f} MB, which are kept: call again to go on, {by_hand}"
    )


def _url(address: str) -> str:
    if not address.startswith("doi:"):
        return address
    from pooch.downloaders import doi_to_repository

    doi, _, name = address.removeprefix("doi:").rpartition("/")
    return str(doi_to_repository(doi).download_url(name))


def _one_try(url: str, part: Path, about: Path, progress: bool) -> bool:
    """Go on with the part, or begin it; whether it is whole."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    version = _version(about)
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
        if answer.status_code == 416:  # nothing more there than we have, or less: begin anew
            part.unlink(missing_ok=True)
            about.unlink(missing_ok=True)
            return False
        answer.raise_for_status()
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if goes_on else 0
        # Only a strong validator says that the rest is of the same file.
        now = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        replace_file(about, json.dumps({"version": "" if now.startswith("W/") else now}).encode())
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        with open(part, "ab" if goes_on else "wb") as out, _bar(part.name, total, have, progress) as bar:
            for chunk in _chunks(answer):
                out.write(chunk)
                bar(len(chunk))
                have += len(chunk)
            out.flush()
            os.fsync(out.fileno())
    return total is None or have == total


def _chunks(answer: Any) -> Iterator[bytes]:
    """What comes, as it comes: of a connection that is cut, all that had come."""
    if not hasattr(answer.raw, "read1"):  # urllib3 before version 2
        yield from answer.iter_content(2**13)
        return
    import urllib3

    try:
        while chunk := answer.raw.read1(CHUNK):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(f"the connection was cut: {error}") from error


def _version(about: Path) -> str:
    try:
        return str(json.loads(about.read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


class _bar:  # noqa: N801 - a context, not a thing
    """A progress bar as a context that gives the function to advance it."""

    def __init__(self, name: str, total: int | None, done: int, shown: bool) -> None:
        self.arguments, self.shown = {"desc": name.removesuffix(".part"), "total": total, "initial": done}, shown
        self.bar: Any = None

    def __enter__(self) -> Callable[[int], Any]:
        if not self.shown:
            return lambda _: None
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

        self.bar = tqdm(unit="B", unit_scale=True, **self.arguments)
        return self.bar.update

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def _check_kind(part: Path, name: str, url: str, megabytes: float | None) -> None:
    """ValueError where what came cannot be the file: a page of a login, an error, another size. It is deleted then."""
    got = part.stat().st_size
    start = part.read_bytes()[:64] if got < 2**20 else b""
    reason = ""
    if name.endswith(TAR) and not tarfile.is_tarfile(part):
        reason = f"no archive (it begins with {start[:40]!r})" if start else "no archive"
    elif name.endswith((".zip", ".npz")) and not zipfile.is_zipfile(part):
        reason = "no zip file"
    elif megabytes and not megabytes / SIZE_FACTOR <= got / 1e6 <= megabytes * SIZE_FACTOR:
        reason = f"of {got / 1e6:.3g} MB where about {megabytes:g} MB are expected"
    if reason:
        part.unlink()
        raise ValueError(f"{url} gives a file that is {reason}: it was not kept")
