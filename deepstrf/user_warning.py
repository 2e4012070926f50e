"""Warnings that name the line of the user's code, however many functions of this project lie between."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn_user"]

BETWEEN = ("deepstrf", "deepstrf_widgets", "torch", "traitlets", "ipywidgets", "contextlib", "importlib")
"""Packages whose lines a warning does not name: this project, and what calls its functions for the user."""


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line of the user's own code, or where there is none at the outermost of all."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        frame = frame.f_back
    seen = frame.f_globals.setdefault("__warningregistry__", {})
    name = frame.f_globals.get("__name__", "<string>")
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno, name, seen)
