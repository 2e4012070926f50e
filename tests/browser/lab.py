"""Servers for tests, each with a port of its own and an end when the test ends: Jupyter's, and one of plain files."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUR_JUPYTER = {"JUPYTER_CONFIG_PATH": str(Path(__file__).resolve().parents[2] / "widgets" / "jupyter")}
"""Environment which sets Jupyter up as ``make lab`` and Binder do."""

TOKEN = "a-token-for-tests"
START_SECONDS = 60
STOP_SECONDS = 20
# Neither news nor update checks: both would ask a host outside, and put a toast over the notebook.
APPS = {
    "lab": ("jupyterlab", ["--LabApp.expose_app_in_browser=True"], "lab/tree/"),
    "notebook": ("notebook", ["--JupyterNotebookApp.expose_app_in_browser=True"], "notebooks/"),
    "server": ("jupyter_server", [], ""),
}
"""Module that starts each host, the options by which its page can be driven, and where it opens a notebook."""

QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True)
class Server:
    """A running Jupyter server."""

    port: int
    folder: Path
    log: Path
    base: str = "/"
    notebooks: str = "lab/tree/"
    """Where a notebook is opened."""

    def url(self, path: str, port: int | None = None) -> str:
        """Address of ``path`` with the token; ``port`` is another one when a proxy stands in between."""
        return f"http://127.0.0.1:{port or self.port}{self.base}{path}{'&' if '?' in path else '?'}token={TOKEN}"

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Answer of the REST interface to a GET, or to a POST of ``body``."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.base}{path}", data=data, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            return json.load(answer)


def find_chromium() -> str | None:
    """Path of the Chromium which ``CHROMIUM`` or the search path names, None where there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *CHROMIUM_NAMES):
        if name and (path := shutil.which(name)):
            return path
    return None


def free_port() -> int:
    """A port of 127.0.0.1 without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_folders(home: Path) -> dict[str, str]:
    """Environment in which Jupyter and IPython read and write below ``home`` only."""
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    folders = {name: home / folder for name, folder in names.items()}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    notification = folders["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab" / "apputils-extension"
    notification.mkdir(parents=True, exist_ok=True)
    (notification / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    return {**os.environ, **{name: str(folder) for name, folder in folders.items()}}


def _wait_until_it_answers(process: subprocess.Popen[bytes], server: Server) -> None:
    address = f"http://127.0.0.1:{server.port}{server.base}api"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=10):
                return
        else:
            break
    raise RuntimeError(f"the Jupyter server did not start:\n{server.log.read_text()}")


@contextlib.contextmanager
def running(server: Server, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """The server as long as the context lasts: ``command``, which starts Jupyter, with the options of ``server``.

    Raises
    ------
    RuntimeError
        The server ended or was not up after a minute; the message carries its log.
    """
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={server.port}"]
    options += [
        "--ServerApp.port_retries=0",
        f"--ServerApp.base_url={server.base}",
        f"--IdentityProvider.token={TOKEN}",
    ]
    with server.log.open("wb") as file:
        process = subprocess.Popen(
            [*command, *options],
            cwd=server.folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        _wait_until_it_answers(process, server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def serve(
    home: Path,
    *,
    app: str = "lab",
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    base: str = "/",
    before: Sequence[str] = (),
    port: int | None = None,
    python: str = sys.executable,
) -> Iterator[Server]:
    """A server of the folder ``home / "notebooks"`` as long as the context lasts.

    Parameters
    ----------
    home : Path
        An empty folder; Jupyter's settings, the served folder and the log stand in it.
    app : str
        "lab", "notebook" for Notebook 7, or "server" for the REST interface and the kernels alone.
    options : sequence of str
        Further options of the command line.
    environment : mapping, optional
        Further environment variables.
    base : str
        Path under which the server answers, as behind a JupyterHub ("/user/x/").
    before : sequence of str
        What stands before the command, such as Binder's start script.
    port : int, optional
        That of an earlier server, whose pages then find this one; a free one when None.
    python : str
        The Python that runs server and kernels.

    Raises
    ------
    RuntimeError
        The server ended or was not up after a minute; the message carries its log.
    """
    folder = home / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    module, exposed, notebooks = APPS[app]
    command = [*before, python, "-m", module, f"--ServerApp.root_dir={folder}", *exposed]
    server = Server(port or free_port(), folder, home / "server.log", base, notebooks)
    with running(server, [*command, *options], {**own_folders(home), **(environment or {})}):
        yield server


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a plain file server of ``folder`` as long as the context lasts."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
