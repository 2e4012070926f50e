"""Code and styles for the browser, as the build has written them."""

import os
from pathlib import Path

__all__ = ["bundle_source", "bundle_text"]

STATIC = Path(__file__).parent / "static"


def bundle_text(name: str) -> str:
    """Text of a module or a style sheet."""
    return (STATIC / name).read_text(encoding="utf-8")


def bundle_source(name: str) -> str | Path:
    """What a widget's class has as ``_esm`` or ``_css``: the text, or under ``ANYWIDGET_HMR=1`` the path.

    Of a path anywidget watches the file and sends a rebuilt one to open notebooks; it also keeps every widget for ever.
    """
    return STATIC / name if os.environ.get("ANYWIDGET_HMR") == "1" else bundle_text(name)
