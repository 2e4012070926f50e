"""Ending widgets so that nothing of them stays with the kernel or the page."""

from __future__ import annotations

from typing import Any

import ipywidgets

__all__ = ["close_all", "close_layout"]


def close_layout(widget: Any) -> None:
    """Nothing; the layout and the style of a widget are closed, which ipywidgets leaves open when that is closed."""
    for part in (getattr(widget, name, None) for name in ("layout", "style")):
        if isinstance(part, ipywidgets.Widget):
            part.close()


def close_all(*widgets: Any) -> None:
    """Nothing; the widgets are closed, with their layouts and styles."""
    for widget in widgets:
        widget.close()
        close_layout(widget)
