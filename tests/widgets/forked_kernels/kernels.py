"""Kernels for these tests, forked or as Jupyter starts them, and a program that has one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from deepstrf_widgets import forked_kernels
from deepstrf_widgets.forked_kernels.kernel_parent import ForkedProcess

SECONDS = 120
QUIET = ["--log-level=ERROR"]


def is_forked(manager: KernelManager) -> bool:
    """Whether the kernel is a fork."""
    return isinstance(manager.provisioner.process, ForkedProcess)


MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks are used on Linux alone"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # event loops of the blocking client
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Of the tests of a module that starts kernels."""


@contextlib.contextmanager
def provisioner(name: str) -> Iterator[None]:
    """Kernels are started by the provisioner ``name`` as long as the context lasts."""
    factory = KernelProvisionerFactory.instance()
    forked_kernels.register(factory)
    before = factory.default_provisioner_name
    factory.default_provisioner_name = name
    try:
        yield
    finally:
        factory.default_provisioner_name = before


class Kernel:
    """A kernel and who asks it."""

    def __init__(self, *, forked: bool = True, **start: Any) -> None:
        with provisioner(forked_kernels.NAME if forked else forked_kernels.JUPYTERS_OWN):
            self.manager = KernelManager()
            start = {"env": dict(os.environ), **start}
            start["env"].pop("PYTEST_CURRENT_TEST", None)  # it is another in each test
            self.manager.start_kernel(extra_arguments=QUIET, **start)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def run(self, code: str) -> str:
        """What ``code`` prints.

        Raises
        ------
        RuntimeError
            It raised; the message has the traceback.
        """
        printed: list[str] = []

        def hear(message: Any) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        ask = self.client.execute_interactive
        reply = ask(code, timeout=SECONDS, output_hook=hear, stop_on_error=False)["content"]
        if reply["status"] != "ok":
            raise RuntimeError("\n".join(reply.get("traceback", [reply["status"]])))
        return "".join(printed)

    def value(self, expression: str) -> Any:
        """Value of ``expression``, by way of JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def debug(self, command: str, **arguments: Any) -> Any:
        """Body of the debugger's answer to a request."""
        request = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        message = self.client.session.msg("debug_request", request)
        self.client.control_channel.send(message)
        while (answer := self.client.get_control_msg(timeout=SECONDS))["parent_header"].get("msg_id") != message[
            "msg_id"
        ]:
            continue
        assert answer["content"]["success"], answer["content"]
        return answer["content"].get("body")

    def restart(self) -> None:
        """Restart the kernel, as JupyterLab's menu does."""
        with provisioner(forked_kernels.NAME):
            self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=SECONDS)

    def close(self) -> None:
        """Shut the kernel down."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@contextlib.contextmanager
def kernel(*, forked: bool = True, **start: Any) -> Iterator[Kernel]:
    """A kernel as long as the context lasts."""
    one = Kernel(forked=forked, **start)
    try:
        yield one
    finally:
        one.close()


def until(what: Any, seconds: float = 30) -> bool:
    """Whether ``what()`` holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (holds := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(holds)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not yet read does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def main(folder: str) -> None:
    """Tell the processes of a forked kernel; after each line read, restart it and tell a value of its library."""
    one = Kernel(cwd=folder)
    pids = [one.manager.provisioner.process.pid, forked_kernels.PARENT.pid]
    print(json.dumps([is_forked(one.manager), *pids]), flush=True)
    for _ in sys.stdin:
        one.restart()
        told = one.value("__import__('deepstrf').lab_test_value")
        print(json.dumps([is_forked(one.manager), told]), flush=True)
    one.close()


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main(sys.argv[1])
