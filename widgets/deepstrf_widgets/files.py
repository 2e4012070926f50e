"""Where the page's half lies: modules and styles that the build has written."""

from pathlib import Path

__all__ = ["STATIC"]

STATIC = Path(__file__).parent / "static"
