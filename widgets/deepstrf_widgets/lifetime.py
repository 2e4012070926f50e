"""Lifetimes: what a widget or a panel opens it owns, and closes with itself."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import ipywidgets

__all__ = ["Owner", "Timer", "ipython_shell", "running_loop"]

Part = TypeVar("Part")

_MADE: dict[str, tuple[str, list[weakref.ref[Owner]]]] = {}
"""By cell: which run of it was the last one that made owners, and these."""

_CONSTRUCTING = threading.local()


class Owner:
    """Mixin for widgets and panels: whatever is given to `own` is closed with the owner, the last one first.

    An owner whose constructor raises is closed as well. A widget is closed with its layout and style. What a cell of a
    notebook has made is closed when that cell is run again and makes something in its place.
    """

    closed = False
    _owned: list[Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _closed_on_failure(cls.__init__)  # type: ignore[method-assign]

    def own(self, part: Part) -> Part:
        """``part``, from now on closed with the owner: anything with a method ``close``, or a function to call then."""
        vars(self).setdefault("_owned", []).append(part)
        return part

    def close_owned(self, *parts: Any) -> None:
        """Close some of the parts now."""
        for part in parts:
            self._owned = [other for other in self._owned if other is not part]
            _close(part)

    def let_go(self) -> None:
        """Drop what is large and of no use to anybody any more: the cell that made the owner is run again."""

    def close(self) -> None:
        """Close everything that is owned, and the widget itself; a second call changes nothing."""
        self.closed = True
        owned = vars(self).get("_owned", [])
        while owned:
            _close(owned.pop())
        if isinstance(self, ipywidgets.Widget):
            ipywidgets.Widget.close(self)
            _close_styles(self)


class Timer:
    """Calls a function once, some time after the last `start`; at once where no event loop runs.

    It is due in the event loop of the thread that starts it: messages of JupyterLab's browser arrive in another thread
    than that of the cells, and each is busy at other times.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None
        self.handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Call the function in so many seconds, instead of when it was due before."""
        self.close()
        self._loop = running_loop()
        if self._loop is None:
            self._function()
        else:
            self.handle = self._loop.call_later(seconds, self._ring)

    def is_due_here(self) -> bool:
        """Whether the event loop of this thread will call the function."""
        return self.handle is not None and self._loop is running_loop()

    def close(self) -> None:
        """Forget what is due."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.cancel()

    def _ring(self) -> None:
        if self.is_due_here():
            self.handle = None
            self._function()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _closed_on_failure(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def init_or_close(self: Owner, *args: Any, **kwargs: Any) -> None:
        inside = getattr(_CONSTRUCTING, "inside", False)
        if not inside:
            _replace_in_cell(self)
        _CONSTRUCTING.inside = True
        try:
            init(self, *args, **kwargs)
        except BaseException:
            self.close()
            raise
        finally:
            _CONSTRUCTING.inside = inside

    return init_or_close


def ipython_shell() -> Any:
    """The shell of IPython that runs here, or None."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def running_cell() -> tuple[str, str] | None:
    """Id of the cell that this thread runs, and of this run of it; None where the front end tells no cell."""
    request = getattr(ipython_shell(), "parent_header", None)
    if not isinstance(request, dict):
        return None
    cell, run = request.get("metadata", {}).get("cellId"), request.get("header", {}).get("msg_id")
    return (cell, run) if isinstance(cell, str) and isinstance(run, str) else None


def _replace_in_cell(owner: Owner) -> None:
    """Note who is made by the running cell; what an earlier run of it has made is closed."""
    cell = running_cell()
    if cell is None:
        return
    run, made = _MADE.get(cell[0], ("", []))
    if run != cell[1]:
        for ref in made:
            if (old := ref()) is not None:
                old.close()
                old.let_go()
                _forget_output(old)
        if made:
            made, old = [], None
            gc.collect()  # widgets refer to one another, and tensors do not count for Python's own collection
    _MADE[cell[0]] = cell[1], [*made, weakref.ref(owner)]


def _forget_output(owner: Owner) -> None:
    """Take an owner out of the outputs that IPython keeps: ``Out``, ``_12``, ``_``."""
    shell = ipython_shell()
    if shell is None:
        return
    tables, outputs = (shell.user_ns, shell.user_ns_hidden), shell.user_ns.get("_oh", {})
    for number in [number for number, value in outputs.items() if value is owner]:
        del outputs[number]
        for table in tables:
            table.pop(f"_{number}", None)
    for name in ("_", "__", "___"):
        if shell.user_ns.get(name) is owner:
            for table in tables:
                table[name] = ""
            setattr(shell.displayhook, name, "")


def _close(part: Any) -> None:
    """Close a part; a widget of ipywidgets with its children, layout and style, which it leaves open itself."""
    if isinstance(part, ipywidgets.Widget) and not isinstance(part, Owner):
        for child in getattr(part, "children", ()):
            _close(child)
        part.close()
        _close_styles(part)
    else:
        getattr(part, "close", part)()


def _close_styles(widget: Any) -> None:
    for name in ("layout", "style"):
        # Plotly's figures have a layout that is no widget.
        if widget.trait_has_value(name) and isinstance(part := getattr(widget, name), ipywidgets.Widget):
            part.close()
