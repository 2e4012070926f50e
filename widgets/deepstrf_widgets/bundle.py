"""Code and styles for the browser, as the build has written them."""

import functools
import gzip
import hashlib
import os
from pathlib import Path

__all__ = ["Bundled", "bundle_source", "bundle_text", "module_key", "pack"]

STATIC = Path(__file__).parent / "static"


class Bundled(str):
    """Text that the build has written, and no other author of a widget."""

    __slots__ = ()


def bundle_text(name: str) -> Bundled:
    """Text of a module or a style sheet."""
    return Bundled((STATIC / name).read_text(encoding="utf-8"))


def bundle_source(name: str) -> str | Path:
    """What a widget's class has as ``_esm`` or ``_css``: the text, or under ``ANYWIDGET_HMR=1`` the path.

    Of a path anywidget watches the file and sends a rebuilt one to open notebooks; it also keeps every widget for ever.
    """
    return STATIC / name if os.environ.get("ANYWIDGET_HMR") == "1" else bundle_text(name)


@functools.cache
def module_key(text: str) -> str:
    """Name under which a page keeps a module: the digest of its code."""
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def pack(text: str) -> bytes:
    """The code of a module, compressed."""
    return gzip.compress(text.encode(), 6, mtime=0)
