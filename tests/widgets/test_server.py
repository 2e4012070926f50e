"""The server extension sets TCP_NODELAY on kernel websockets, lets files in, and does no harm where it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import websocket

import deepstrf_widgets
from deepstrf_widgets import server as extension
from tests.browser.lab import ROOT, TOKEN, Server, serve

# Loaded into the server under test: tells TCP_NODELAY of every accepted socket, read with getsockopt, by the port of
# its other end. It knows nothing of the extension and looks at the process's open files only.
PROBE = """
import json, os, socket
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


def load(monkeypatch: pytest.MonkeyPatch, log: logging.Logger, module: types.ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, extension.HANDLER_MODULE, module)
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


def kernel_websocket(server: Server) -> int:
    """TCP_NODELAY of a kernel's, at the server's end after an answer."""
    kernel = server.ask("api/kernels", {"name": "python3"})["id"]
    connection = websocket.create_connection(
        f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?session_id=s1",
        header=[f"Authorization: token {TOKEN}"],
        timeout=30,
    )
    try:
        header = {"msg_id": "m1", "msg_type": "kernel_info_request", "session": "s1", "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"}
        connection.send(json.dumps(message))
        while json.loads(connection.recv())["header"]["msg_type"] != "kernel_info_reply":
            pass
        nodelay = int(server.ask("probe/sockets")[str(connection.sock.getsockname()[1])])
        return nodelay
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the probe reads /proc")
@pytest.mark.parametrize("enabled", [True, False])
def test_socket_of_a_real_server(enabled: bool, tmp_path: Path) -> None:
    (tmp_path / "socket_probe.py").write_text(PROBE)
    with serve(
        tmp_path,
        app="server",
        options=[f"--ServerApp.jpserver_extensions={{'deepstrf_widgets.server': {enabled}, 'socket_probe': True}}"],
        environment={"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT / 'widgets'}"},
    ) as server:
        assert kernel_websocket(server) == int(enabled)
    assert ("send without delay" in server.log.read_text()) is enabled
