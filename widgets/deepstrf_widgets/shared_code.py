"""Code that a kernel sends to a page once, and not with each of its widgets."""

from __future__ import annotations

import threading

import anywidget
import traitlets

from .bundle import Bundled, bundle_source, module_key
from .lifetime import ipython_shell

__all__ = ["SharedCode", "shared_code"]

_MADE: dict[tuple[str, str], SharedCode] = {}
_MAKING = threading.RLock()


class SharedCode(anywidget.AnyWidget):
    """Module and style sheet of widgets, in a widget without a view: theirs refer to it.

    The page evaluates the module as soon as it has come, and keeps it by its ``key``: of several kernels with the same
    code too it evaluates one.
    """

    _esm = bundle_source("loader.js")
    _css = traitlets.Unicode().tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)


def shared_code(source: object, styles: object) -> SharedCode | None:
    """The widget with this code; None where each widget has to bring its own.

    That is outside Jupyter's kernels (marimo knows no references between widgets, and has a cache itself), where
    anywidget follows a file (``ANYWIDGET_HMR=1``), and where a subclass has code or styles of its own.
    """
    in_kernel = getattr(ipython_shell(), "kernel", None) is not None
    if not (in_kernel and isinstance(source, Bundled) and isinstance(styles, Bundled)):
        return None
    with _MAKING:
        made = _MADE.get((source, styles))
        if made is None or made.comm is None:  # closed, with all others, by `Widget.close_all()`
            made = SharedCode(source=str(source), key=module_key(source), _css=str(styles))
            _MADE[source, styles] = made
    return made
