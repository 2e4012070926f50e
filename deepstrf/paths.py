"""Paths that users write: text, paths or bytes, with ``~`` for their home, refused by name where none can be meant."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

__all__ = ["as_path"]

SHOWN = 60
"""Characters of a name that a message repeats."""


def as_path(name: str, value: Any) -> Path:
    """``value`` as a path, whether or not there is something; a first part ``~`` stands for the user's home.

    Parameters
    ----------
    name : str
        What errors call it.
    value : str, bytes or path

    Raises
    ------
    TypeError
        It is none of these.
    ValueError
        It holds a NUL character, its names are longer than the file system allows, or it is a symbolic link that comes
        back to itself.

    Examples
    --------
    >>> as_path("path", b"songs/a.wav").as_posix()
    'songs/a.wav'
    >>> as_path("path", None)
    Traceback (most recent call last):
    TypeError: path must be text or a path, got NoneType
    """
    try:
        written = os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{name} must be text or a path, got {type(value).__name__}") from None
    if "\0" in written:
        raise ValueError(f"{name} must hold no NUL character, got {written[:SHOWN]!r}")
    path = Path(written)
    if path.parts[:1] == ("~",):
        path = path.expanduser()
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            longest = max(path.parts, key=lambda part: len(os.fsencode(part)))
            raise ValueError(
                f"{name} must be a path that the file system can hold, got one of {len(os.fsencode(path))} bytes with "
                f"a name of {len(os.fsencode(longest))} ({longest[:SHOWN]!r}...): take shorter names (most systems: "
                "255 bytes each) or fewer folders"
            ) from None
        if error.errno == errno.ELOOP:
            raise ValueError(
                f"{name} must lead to a file or a folder, got {path}, a symbolic link that comes back to itself: give "
                "the file or folder that it stood for, or delete the link"
            ) from None
    return path
