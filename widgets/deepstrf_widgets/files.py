"""The page's half, as the build has written it."""

from pathlib import Path

__all__ = ["page_file"]

STATIC = Path(__file__).parent / "static"


def page_file(name: str) -> str:
    """Text of a module or a style.

    Widgets are given the text and not the path: anywidget would watch the file, and keep every widget for ever that it
    has told of it.
    """
    return (STATIC / name).read_text(encoding="utf-8")
