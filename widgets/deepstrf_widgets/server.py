"""Jupyter server extension which lets a kernel's answers leave at once.

It is off unless a user switches it on: ``jupyter server extension enable deepstrf_widgets.server``.

A kernel answers a drag with many small messages. On the websocket between server and browser, Nagle's algorithm holds
each of them back until the browser has acknowledged the one before, and the browser delays its acknowledgements: that
costs some 30 ms per round trip. The extension sets ``TCP_NODELAY`` on every kernel websocket as it opens.

It is a convenience: when Jupyter's websocket handler is missing or has another shape, the extension says so once in
the server's log and leaves everything as it was.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

HANDLER_MODULE = "jupyter_server.services.kernels.websocket"
HANDLER_NAME = "KernelWebsocketHandler"
_MARK = "_deepstrf_no_delay"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """List of the one extension of this module, in the form that Jupyter reads."""
    return [{"module": "deepstrf_widgets.server"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Make kernel websockets which open from now on send without delay, or log one warning.

    Parameters
    ----------
    server_app : jupyter_server.serverapp.ServerApp
        The running server; its ``log`` is used.
    """
    try:
        handler = getattr(importlib.import_module(HANDLER_MODULE), HANDLER_NAME)
        send_without_delay(handler, server_app.log)
    except (ImportError, AttributeError, TypeError) as error:
        server_app.log.warning("deepstrf_widgets: kernel websockets keep their delay (%s)", error)
    else:
        server_app.log.info("deepstrf_widgets: kernel websockets send without delay")


def send_without_delay(handler: type, log: Any) -> None:
    """Set ``TCP_NODELAY`` on every websocket of ``handler`` which opens from now on.

    ``handler.open`` is replaced by a coroutine which does the same and then calls ``set_nodelay(True)``. A second call
    changes nothing. When setting the option fails, the first failure is logged as a warning and the websocket works on
    as if nothing had been tried.

    Parameters
    ----------
    handler : type
        A class with the methods ``open`` (plain or coroutine) and ``set_nodelay(bool)`` of a Tornado websocket handler.
    log : logging.Logger
        Where a failure is logged.

    Raises
    ------
    TypeError
        ``handler`` has no callable ``open`` or ``set_nodelay``.
    """
    for method in ("open", "set_nodelay"):
        if not callable(getattr(handler, method, None)):
            raise TypeError(f"handler must have a method {method}, got {handler.__name__} without it")
    original = handler.open  # type: ignore[attr-defined]
    if getattr(original, _MARK, False):
        return
    warned = False

    @functools.wraps(original)
    async def open_without_delay(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal warned
        opened = original(self, *args, **kwargs)
        if inspect.isawaitable(opened):
            opened = await opened
        if getattr(self, "ws_connection", None) is None:  # the browser left while the kernel was connecting
            return opened
        try:
            self.set_nodelay(True)
        except (AttributeError, TypeError, RuntimeError, OSError) as error:
            if not warned:
                warned = True
                log.warning("deepstrf_widgets: a kernel websocket keeps its delay (%s)", error)
        return opened

    setattr(open_without_delay, _MARK, True)
    handler.open = open_without_delay  # type: ignore[attr-defined]
