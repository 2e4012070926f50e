"""The page's half, as the build has written it."""

from pathlib import Path

__all__ = ["bundle_text"]

STATIC = Path(__file__).parent / "static"


def bundle_text(name: str) -> str:
    """Text of a module or a style.

    Widgets are given the text and not the path: anywidget would watch the file, and keep every widget for ever that it
    has told of it.
    """
    return (STATIC / name).read_text(encoding="utf-8")
