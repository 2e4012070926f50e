"""The server extension sets TCP_NODELAY on kernel websockets, holds "busy" back, and does no harm where it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import types
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import websocket
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

import deepstrf_widgets
from deepstrf_widgets import server as extension
from tests.browser.lab import ROOT, TOKEN, Server, serve

# Loaded into the server under test: tells TCP_NODELAY of every accepted socket, read with getsockopt, by the port of
# its other end, from the process's open files only. All of a kernel's work counts as quick there: how fast this machine
# is does not matter.
PROBE = """
import json, os, socket
import deepstrf_widgets.server
deepstrf_widgets.server.QUICK_SECONDS = 1000
from jupyter_server.base.handlers import JupyterHandler

def sockets():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with copy:
            if copy.family == socket.AF_INET and copy.type == socket.SOCK_STREAM:
                try:
                    port = copy.getpeername()[1]
                except OSError:
                    continue
                found[port] = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return found

class Sockets(JupyterHandler):
    def get(self):
        self.finish(json.dumps(sockets()))

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*$", [("/probe/sockets", Sockets)])
"""


def server_app(log: logging.Logger, **settings: int) -> types.SimpleNamespace:
    """The part of a running server which the extension touches."""
    return types.SimpleNamespace(log=log, web_app=types.SimpleNamespace(settings=settings))


class Handler:
    """The part of a Tornado websocket handler which the extension touches."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.ws_connection: object | None = object()
        self.error = error
        self.calls: list[object] = []

    async def open(self, kernel_id: str) -> str:
        """Kernel id, after a turn of the loop as a connecting kernel takes it."""
        await asyncio.sleep(0)
        self.calls.append(kernel_id)
        return kernel_id

    def set_nodelay(self, value: bool) -> None:
        """Nothing, or the error of this handler."""
        if self.error is not None:
            raise self.error
        self.calls.append(value)


def fresh_handler() -> type[Handler]:
    return type("KernelWebsocketHandler", (Handler,), {"open": Handler.open})


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    caplog.set_level(logging.INFO, logger="server-test")
    return logging.getLogger("server-test")


@pytest.fixture(autouse=True)
def unchanged_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test lets the extension replace is put back."""
    for name in ("handle_outgoing_message", "disconnect"):
        monkeypatch.setattr(ZMQChannelsWebsocketConnection, name, getattr(ZMQChannelsWebsocketConnection, name))


def load(
    monkeypatch: pytest.MonkeyPatch,
    log: logging.Logger,
    module: types.ModuleType | None,
    place: str = extension.HANDLER_MODULE,
) -> None:
    monkeypatch.setitem(sys.modules, place, module)
    extension._load_jupyter_server_extension(server_app(log))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_extension_points_name_this_module() -> None:
    (point,) = extension._jupyter_server_extension_points()
    assert point == {"module": extension.__name__}


def test_loading_it_costs_the_server_neither_torch_nor_a_widget() -> None:
    probe = "import sys, deepstrf_widgets.server; print(*{'torch', 'numpy', 'ipywidgets', 'plotly'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'widgets'}"}
    done = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", deepstrf_widgets.__all__)
def test_public_name_is_found_on_first_use(name: str) -> None:
    assert getattr(deepstrf_widgets, name).__name__.rpartition(".")[2] == name
    assert name in dir(deepstrf_widgets)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'explorre'"):
        _ = deepstrf_widgets.explorre


def test_open_does_its_own_work_first_and_then_sets_the_option(log: logging.Logger) -> None:
    handler = fresh_handler()
    extension.send_without_delay(handler, log)
    opened = handler()
    assert asyncio.run(opened.open("k1")) == "k1"
    assert opened.calls == ["k1", True]


def test_loading_twice_wraps_once(log: logging.Logger) -> None:
    handler = fresh_handler()
    extension.send_without_delay(handler, log)
    once = handler.open
    extension.send_without_delay(handler, log)
    assert handler.open is once


def test_plain_open_of_another_version_works_too(log: logging.Logger) -> None:
    class Plain(Handler):
        def open(self, kernel_id: str) -> None:  # type: ignore[override]
            """Nothing."""
            self.calls.append(kernel_id)

    extension.send_without_delay(Plain, log)
    opened = Plain()
    asyncio.run(opened.open("k1"))
    assert opened.calls == ["k1", True]


def test_websocket_which_closed_while_connecting_is_left_alone(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    handler = fresh_handler()
    extension.send_without_delay(handler, log)
    opened = handler()
    opened.ws_connection = None
    assert asyncio.run(opened.open("k1")) == "k1"
    assert opened.calls == ["k1"]
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("error", [OSError("no such option"), RuntimeError("odd"), AttributeError("stream")])
def test_failure_inside_is_logged_once_and_the_websocket_opens(
    error: Exception, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    handler = fresh_handler()
    extension.send_without_delay(handler, log)
    for kernel_id in ("k1", "k2"):
        opened = handler(error)
        assert asyncio.run(opened.open(kernel_id)) == kernel_id
        assert opened.calls == [kernel_id]
    (message,) = warnings_of(caplog)
    assert str(error) in message


def test_failure_of_jupyters_own_open_is_passed_on(log: logging.Logger) -> None:
    class Failing(Handler):
        async def open(self, kernel_id: str) -> str:
            """Raise."""
            raise LookupError(kernel_id)

    extension.send_without_delay(Failing, log)
    with pytest.raises(LookupError, match="k1"):
        asyncio.run(Failing().open("k1"))


def test_missing_module_logs_one_warning(
    monkeypatch: pytest.MonkeyPatch, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    load(monkeypatch, log, None)
    (message,) = warnings_of(caplog)
    assert extension.HANDLER_MODULE in message


def test_module_without_the_handler_logs_one_warning(
    monkeypatch: pytest.MonkeyPatch, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    load(monkeypatch, log, types.ModuleType("empty"))
    (message,) = warnings_of(caplog)
    assert extension.HANDLER_NAME in message


@pytest.mark.parametrize("missing", ["open", "set_nodelay"])
def test_handler_of_another_shape_logs_one_warning_and_stays_as_it_was(
    missing: str, monkeypatch: pytest.MonkeyPatch, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    handler = type("Other", (), {name: getattr(Handler, name) for name in ("open", "set_nodelay") if name != missing})
    before = dict(vars(handler))
    module = types.ModuleType("other")
    setattr(module, extension.HANDLER_NAME, handler)
    load(monkeypatch, log, module)
    (message,) = warnings_of(caplog)
    assert missing in message
    assert "Other" in message
    assert dict(vars(handler)) == before


def test_installed_jupyter_is_patched_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

    monkeypatch.setattr(KernelWebsocketHandler, "open", KernelWebsocketHandler.open)
    before = KernelWebsocketHandler.open
    extension._load_jupyter_server_extension(server_app(log))
    assert KernelWebsocketHandler.open is not before
    assert warnings_of(caplog) == []


def test_the_settings_of_the_server_are_left_alone(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> None:
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

    monkeypatch.setattr(KernelWebsocketHandler, "open", KernelWebsocketHandler.open)
    app = server_app(log)
    extension._load_jupyter_server_extension(app)
    assert app.web_app.settings == {}


class Stream:
    """The part of a kernel's socket which the extension touches."""

    def __init__(self) -> None:
        self.gone = False

    def closed(self) -> bool:
        """Whether the kernel that it led to is gone."""
        return self.gone


class Connection:
    """The part of Jupyter's connection between a kernel's sockets and a websocket which the extension touches."""

    def __init__(self) -> None:
        self.session = Session(key=b"secret")
        self.stream = Stream()
        self.sent: list[list[bytes]] = []

    def handle_outgoing_message(self, stream: Stream, message: list[bytes]) -> None:
        """Note it as sent."""
        assert stream is self.stream
        self.sent.append(message)

    def disconnect(self) -> None:
        """Nothing."""


def holding(log: logging.Logger) -> Connection:
    kind = type(
        "Connection", (Connection,), {n: vars(Connection)[n] for n in ("handle_outgoing_message", "disconnect")}
    )
    extension.hold_busy(kind, log)
    made: Connection = kind()
    return made


def told(connection: Connection, asked: str | None, kind: str, number: int = 1, **content: object) -> list[bytes]:
    """A kernel's message about a message of the type ``asked``, which the connection is given to send."""
    session = connection.session
    parent = {} if asked is None else {**session.msg_header(asked), "msg_id": f"{asked} {number}"}
    message: list[bytes] = session.serialize(session.msg(kind, content, parent=parent), ident=b"kernel.status")
    connection.handle_outgoing_message(connection.stream, message)  # type: ignore[arg-type]
    return message


def state(connection: Connection, asked: str | None, now: str, number: int = 1) -> list[bytes]:
    return told(connection, asked, "status", number, execution_state=now)


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def test_a_widgets_short_work_is_told_by_its_answer_and_its_end_alone(log: logging.Logger) -> None:
    async def test() -> None:
        connection = holding(log)
        state(connection, "comm_msg", "busy", 1)
        answer = told(connection, "comm_msg", "comm_msg", 1, data={})
        state(connection, "comm_msg", "busy", 2)
        one, two = (state(connection, "comm_msg", "idle", number) for number in (1, 2))
        assert connection.sent == [answer, one, two]

    in_loop(test)


def test_longer_work_of_a_widget_is_told(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> None:
    async def test() -> None:
        connection = holding(log)
        monkeypatch.setattr(extension, "QUICK_SECONDS", 0.01)
        busy = state(connection, "comm_msg", "busy")
        assert connection.sent == []
        while not connection.sent:
            await asyncio.sleep(0)
        idle = state(connection, "comm_msg", "idle")
        assert connection.sent == [busy, idle]

    in_loop(test)


@pytest.mark.parametrize("asked", ["execute_request", "comm_open", "kernel_info_request", None])
def test_all_else_is_told_at_once(asked: str | None, log: logging.Logger) -> None:
    async def test() -> None:
        connection = holding(log)
        sent = [
            state(connection, asked, "busy"),
            told(connection, asked, "stream", name="stdout", text='"status"'),
            told(connection, "comm_msg", "display_data", data={}),
            state(connection, "comm_msg", "idle"),
            state(connection, asked, "idle"),
        ]
        assert connection.sent == sent

    in_loop(test)


@pytest.mark.parametrize("ends_by", ["its end", "a new kernel"])
def test_nothing_is_held_while_a_cell_runs(ends_by: str, log: logging.Logger) -> None:
    async def test() -> None:
        connection = holding(log)
        sent = [state(connection, "execute_request", "busy")]
        sent += [state(connection, "comm_msg", now, 1) for now in ("busy", "idle")]
        sent += [
            state(connection, "execute_request", "idle")
            if ends_by == "its end"
            else state(connection, None, "starting")
        ]
        state(connection, "comm_msg", "busy", 2)
        sent += [state(connection, "comm_msg", "idle", 2)]
        assert connection.sent == sent

    in_loop(test)


@pytest.mark.parametrize("end", ["browser", "kernel"])
def test_what_is_held_is_not_told_when_browser_or_kernel_are_gone(
    end: str, monkeypatch: pytest.MonkeyPatch, log: logging.Logger
) -> None:
    async def test() -> None:
        connection = holding(log)
        monkeypatch.setattr(extension, "QUICK_SECONDS", 0.0)
        state(connection, "comm_msg", "busy")
        if end == "browser":
            connection.disconnect()
        else:
            connection.stream.gone = True
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, passed.set)
        await passed.wait()
        connection.stream.gone = False
        new = state(connection, "execute_request", "busy")  # it works on, as a connection that is buffered does
        assert connection.sent == [new]

    in_loop(test)


def test_a_status_that_cannot_be_read_is_passed_on(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        connection = holding(log)
        broken = [
            [b"<IDS|MSG>", b"", b"{", b"{}", b"{}", b"{}"],
            [b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"],
            [b"x"],
        ]
        for message in broken:
            connection.handle_outgoing_message(connection.stream, message)
        assert connection.sent == broken
        assert len(warnings_of(caplog)) == 1

    in_loop(test)


@pytest.mark.parametrize("parent", [b"null", b"[]", b"{}"])
def test_a_status_about_no_message_is_passed_on_without_a_warning(
    parent: bytes, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        connection = holding(log)
        message = [b"<IDS|MSG>", b"", b'{"msg_type": "status"}', parent, b"{}", b'{"execution_state": "busy"}']
        connection.handle_outgoing_message(connection.stream, message)
        assert connection.sent == [message]
        assert warnings_of(caplog) == []

    in_loop(test)


def test_a_number_of_a_message_that_is_no_text_keeps_no_status_from_leaving(log: logging.Logger) -> None:
    async def test() -> None:
        connection = holding(log)
        parent = {"msg_type": "comm_msg", "msg_id": [1]}
        for now in ("busy", "idle"):
            status = connection.session.msg("status", {"execution_state": now}, parent={**parent, "session": "s"})
            message = connection.session.serialize(status)
            connection.handle_outgoing_message(connection.stream, message)
        assert connection.sent == [message]

    in_loop(test)


def test_busy_is_held_once_however_often_the_extension_is_loaded(log: logging.Logger) -> None:
    connection = holding(log)
    once = type(connection).handle_outgoing_message
    extension.hold_busy(type(connection), log)
    assert type(connection).handle_outgoing_message is once


@pytest.mark.parametrize("missing", ["handle_outgoing_message", "disconnect"])
def test_connection_of_another_shape_logs_one_warning_and_stays_as_it_was(
    missing: str, monkeypatch: pytest.MonkeyPatch, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"handle_outgoing_message", "disconnect"} - {missing}
    other = type("Other", (), {name: vars(Connection)[name] for name in names})
    before = dict(vars(other))
    module = types.ModuleType("other")
    setattr(module, extension.CONNECTION_NAME, other)
    load(monkeypatch, log, module, extension.CONNECTION_MODULE)
    (message,) = warnings_of(caplog)
    assert missing in message
    assert "Other" in message
    assert dict(vars(other)) == before


# The kernel's end of a widget that answers each message.
CELL = """
from comm import get_comm_manager
get_comm_manager().register_target("echo", lambda comm, opened: comm.on_msg(lambda message: comm.send("answer")))
"""


class KernelSocket:
    """A kernel's websocket, as a browser holds it."""

    def __init__(self, server: Server) -> None:
        kernel = server.ask("api/kernels", {"name": "python3"})["id"]
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?session_id=s1",
            header=[f"Authorization: token {TOKEN}"],
            timeout=30,
        )
        self.number = 0

    def ask(self, kind: str, **content: object) -> list[str]:
        """What the kernel tells of a message, until it is idle again: states and types of messages."""
        self.number += 1
        asked = f"m{self.number}"
        header = {"msg_id": asked, "msg_type": kind, "session": "s1", "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message))
        told: list[str] = []
        while "idle" not in told:
            answer = json.loads(self.socket.recv())
            if answer["parent_header"].get("msg_id") == asked and answer["channel"] == "iopub":
                told.append(answer["content"].get("execution_state", answer["msg_type"]))
        return told


def no_delay(server: Server, kernel: KernelSocket) -> int:
    """TCP_NODELAY of a kernel's websocket, at the server's end."""
    return int(server.ask("probe/sockets")[str(kernel.socket.sock.getsockname()[1])])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the probe reads /proc")
@pytest.mark.parametrize("enabled", [True, False])
def test_websocket_of_a_real_server(enabled: bool, tmp_path: Path) -> None:
    (tmp_path / "socket_probe.py").write_text(PROBE)
    with serve(
        tmp_path,
        app="server",
        options=[f"--ServerApp.jpserver_extensions={{'deepstrf_widgets.server': {enabled}, 'socket_probe': True}}"],
        environment={"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT / 'widgets'}"},
    ) as server:
        kernel = KernelSocket(server)
        with contextlib.closing(kernel.socket):
            assert kernel.ask("execute_request", code=CELL, silent=False) == ["busy", "execute_input", "idle"]
            assert no_delay(server, kernel) == int(enabled)
            assert kernel.ask("comm_open", comm_id="c1", target_name="echo", data={}) == ["busy", "idle"]
            busy = [] if enabled else ["busy"]
            assert kernel.ask("comm_msg", comm_id="c1", data={}) == [*busy, "comm_msg", "idle"]
    assert ("send without delay" in server.log.read_text()) is enabled
