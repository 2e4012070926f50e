"""Code and styles for the browser, as the build has written them."""

from pathlib import Path

__all__ = ["bundle_text"]

STATIC = Path(__file__).parent / "static"


def bundle_text(name: str) -> str:
    """Text of a module or a style sheet.

    Widgets have the text, not the path: of a path anywidget would watch the file, and keep every widget for ever.
    """
    return (STATIC / name).read_text(encoding="utf-8")
