"""Jupyter server extension which lets a kernel's answers leave at once, and alone.

It is off unless a user switches it on: ``jupyter server extension enable deepstrf_widgets.server``.

A kernel answers a drag with many small messages. On the websocket between server and browser, Nagle's algorithm holds
each of them back until the browser has acknowledged the one before, and the browser delays its acknowledgements: that
costs some 30 ms per round trip. The extension sets ``TCP_NODELAY`` on every kernel websocket as it opens.

Around each answer the kernel says that it is busy and that it is idle again, a few milliseconds later. JupyterLab draws
its circle and its status line anew for both, and with them lays out and paints the page: on a slow computer that takes
a quarter of a drag's repaints. So "busy" on account of a widget's message is held back, and is sent only if the kernel
is still at that message after ``QUICK_SECONDS``. "busy" on account of a cell is sent at once, and no "idle" is held.
While a cell runs nothing is held: JupyterLab takes the "idle" of a widget's message for the cell's, and only the next
"busy" puts that right.

It is a convenience: when Jupyter's websocket handler is missing or has another shape, the extension says so once in
the server's log and leaves everything as it was; a connection of another kind (a gateway's) says what its kernel says.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
from typing import Any

HANDLER_MODULE = "jupyter_server.services.kernels.websocket"
HANDLER_NAME = "KernelWebsocketHandler"
CONNECTION_MODULE = "jupyter_server.services.kernels.connection.channels"
CONNECTION_NAME = "ZMQChannelsWebsocketConnection"
QUICK_SECONDS = 0.1  # what answers within it seems immediate
_MARK = "_deepstrf_changed"
_HELD = "_deepstrf_held"
_CELLS = "_deepstrf_cells"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """List of the one extension of this module, in the form that Jupyter reads."""
    return [{"module": "deepstrf_widgets.server"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    """Make kernel websockets which open from now on send without delay and hold "busy" back, or log a warning for each.

    Parameters
    ----------
    server_app : jupyter_server.serverapp.ServerApp
        The running server; its ``log`` is used.
    """
    for change, module, name, done, otherwise in (
        (send_without_delay, HANDLER_MODULE, HANDLER_NAME, "send without delay", "keep their delay"),
        (hold_busy, CONNECTION_MODULE, CONNECTION_NAME, "leave short work unsaid", "tell of all short work"),
    ):
        try:
            change(getattr(importlib.import_module(module), name), server_app.log)
        except (ImportError, AttributeError, TypeError) as error:
            server_app.log.warning("deepstrf_widgets: kernel websockets %s (%s)", otherwise, error)
        else:
            server_app.log.info("deepstrf_widgets: kernel websockets %s", done)


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
    _require(handler, "handler", "open", "set_nodelay")
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


def hold_busy(connection: type, log: Any) -> None:
    """Send "busy" on account of a widget's message only where the kernel is at it for more than ``QUICK_SECONDS``.

    ``connection.handle_outgoing_message`` is replaced by a method which keeps such a status back and passes all else on
    at once, and ``connection.disconnect`` by one which first forgets what is kept. A second call changes nothing. A
    status that cannot be read is passed on, and the first one is logged as a warning.

    Parameters
    ----------
    connection : type
        A class with the methods ``handle_outgoing_message(stream, message)`` and ``disconnect()`` and the attribute
        ``session`` of Jupyter's connection between the sockets of a kernel and a websocket.
    log : logging.Logger
        Where a failure is logged.

    Raises
    ------
    TypeError
        ``connection`` has no callable ``handle_outgoing_message`` or ``disconnect``.
    """
    _require(connection, "connection", "handle_outgoing_message", "disconnect")
    send, disconnect = connection.handle_outgoing_message, connection.disconnect  # type: ignore[attr-defined]
    if getattr(send, _MARK, False):
        return
    warned = False

    @functools.wraps(send)
    def send_or_hold(self: Any, stream: Any, message: list[Any]) -> None:
        nonlocal warned
        held: dict[str, asyncio.TimerHandle] = vars(self).setdefault(_HELD, {})
        cells: set[str] = vars(self).setdefault(_CELLS, set())
        try:
            state, kind, parent = status_in(self.session, message)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            state, kind, parent = "", "", ""
            if not warned:
                warned = True
                log.warning("deepstrf_widgets: a message of a kernel could not be read (%s)", error)
        if state == "starting":  # a new kernel runs none of the old one's cells
            cells.clear()
        if kind == "execute_request":
            (cells.add if state == "busy" else cells.discard)(parent)
        if kind == "comm_msg" and state == "busy" and not cells and parent not in held:
            loop = asyncio.get_running_loop()
            held[parent] = loop.call_later(QUICK_SECONDS, send_late, self, parent, stream, message)
            return
        if state == "idle" and parent in held:
            held.pop(parent).cancel()
        send(self, stream, message)

    def send_late(self: Any, parent: str, stream: Any, message: list[Any]) -> None:
        del vars(self)[_HELD][parent]
        if not stream.closed():  # the kernel that said so may have been restarted
            send(self, stream, message)

    @functools.wraps(disconnect)
    def forget_and_disconnect(self: Any) -> Any:
        for timer in vars(self).pop(_HELD, {}).values():
            timer.cancel()
        return disconnect(self)

    setattr(send_or_hold, _MARK, True)
    connection.handle_outgoing_message = send_or_hold  # type: ignore[attr-defined]
    connection.disconnect = forget_and_disconnect  # type: ignore[attr-defined]


def status_in(session: Any, message: list[Any]) -> tuple[str, str, str]:
    """Kernel's state, and type and id of the message that it is about; empty texts where there are none."""
    _, (_, header, parent, _, content, *_) = session.feed_identities(message)
    if session.unpack(header)["msg_type"] != "status":
        return "", "", ""
    asked = session.unpack(parent) or {}  # null of a kernel that starts: Jupyter's server takes it too
    return session.unpack(content)["execution_state"], str(asked.get("msg_type", "")), str(asked.get("msg_id", ""))


def _require(kind: type, argument: str, *methods: str) -> None:
    """Raise TypeError unless the class has these methods."""
    for method in methods:
        if not callable(getattr(kind, method, None)):
            raise TypeError(f"{argument} must have a method {method}, got {kind.__name__} without it")
