"""The server's end of the process whose forks are kernels."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from deepstrf.locking import locked

__all__ = ["ForkedProcess", "KernelParent", "NoForkError"]

READY_S, ANSWER_S = 120.0, 20.0
OF_ONE_KERNEL = ("JPY_PARENT_PID", "JPY_SESSION_NAME")
"""Variables that Jupyter gives to each kernel anew."""

ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""For the parent process and so for its forks: GNU's malloc gives every other thread a heap of its own."""

MESSAGE_BYTES = 65536
UNKNOWN_EXIT = 1
"""Exit status of a kernel whose parent ended first, and took it along."""


class NoForkError(RuntimeError):
    """No fork can be this kernel; the message says why."""


class ForkedProcess:
    """A kernel that is no child of this process, with the interface of `subprocess.Popen` that provisioners use."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, pidfd: int, status: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._pidfd, self._status = pidfd, status

    def poll(self) -> int | None:
        """Exit status, negative after a signal; None while it runs."""
        if self.returncode is None:
            try:
                said = self._status.recv(MESSAGE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            if said:
                self._ended(json.loads(said)["exit"])
            elif select.select([self._pidfd], [], [], 0)[0]:
                self._ended(UNKNOWN_EXIT)
        return self.returncode

    def wait(self) -> int:
        """Exit status, once it has ended."""
        while self.poll() is None:
            select.select([self._pidfd], [], [])
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the process alone; nothing happens where it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, signum)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, returncode: int) -> None:
        self.returncode = returncode
        self._status.close()
        os.close(self._pidfd)


class _Started(NamedTuple):
    process: subprocess.Popen[bytes]
    control: socket.socket
    environment: dict[str, str]


class KernelParent:
    """One parent process for all kernels of this server, started anew where it has ended or its code has changed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._started: _Started | None = None
        self._ending: list[subprocess.Popen[bytes]] = []
        self._is_ready = False
        self._alive: tuple[int, int] | None = None

    @property
    def pid(self) -> int | None:
        """Of the parent process; None where there is none."""
        return None if self._started is None else self._started.process.pid

    @locked
    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process, where there is none, without waiting until it is ready."""
        if self._started is not None and self._started.process.poll() is None:
            return
        self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", __package__, str(theirs.fileno())],
                cwd="/",
                env={**_common(environment), **ONE_HEAP},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._started, self._is_ready = _Started(process, ours, _common(environment)), False

    @locked
    def stop(self) -> None:
        """Ask for no more kernels; the process ends with the last of those it has."""
        if self._started is not None:
            self._started.control.close()
            self._ending.append(self._started.process)
            self._started = None
        self._ending = [process for process in self._ending if process.poll() is None]

    @locked
    def fork(
        self, argv: list[str], *, cwd: str, env: Mapping[str, str], files: tuple[int | None, int, int]
    ) -> ForkedProcess:
        """A new kernel.

        Parameters
        ----------
        argv : list of str
            Command by which it would be started.
        cwd : str
            Its folder.
        env : mapping
            Its environment.
        files : tuple
            File descriptors of its standard input (None: an empty one), output and error.

        Raises
        ------
        NoForkError
            There can be no parent process, or its forks would not be as new processes in this environment or folder.
        """
        self.start(env)
        answer = self._ask(argv, cwd, env, files)
        if isinstance(answer, dict) and "changed" in answer:
            self.stop()
            self.start(env)
            answer = self._ask(argv, cwd, env, files)
        if isinstance(answer, ForkedProcess):
            return answer
        raise NoForkError(answer.get("refused") or f"{answer['changed']} changes all the time")

    def _ask(
        self, argv: list[str], cwd: str, env: Mapping[str, str], files: tuple[int | None, int, int]
    ) -> ForkedProcess | dict[str, Any]:
        assert self._started is not None
        if _common(env) != self._started.environment:
            return {"refused": "the kernel's environment is not that of the others"}
        self._wait_until_ready(self._started.control)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = os.memfd_create("kernel-request")
        empty, end = os.pipe()
        os.close(end)
        try:
            with theirs, open(request, "wb", closefd=False) as file:
                file.write(json.dumps({"argv": argv, "cwd": cwd, "env": dict(env)}).encode())
                file.flush()
                stdin, stdout, stderr = files
                places = [theirs.fileno(), request, self._living(), empty if stdin is None else stdin, stdout, stderr]
                socket.send_fds(self._started.control, [b"?"], places)
            ours.settimeout(ANSWER_S)
            said, pidfds, _, _ = socket.recv_fds(ours, MESSAGE_BYTES, 1)
            ours.settimeout(None)
        except OSError as error:
            ours.close()
            self.stop()
            return {"refused": f"the parent process does not answer ({error})"}
        finally:
            os.close(request)
            os.close(empty)
        if not said:
            ours.close()
            self.stop()
            return {"refused": "the parent process has ended"}
        answer = json.loads(said)
        if "pid" in answer:
            return ForkedProcess(answer["pid"], pidfds[0], ours)
        ours.close()
        return answer

    def _wait_until_ready(self, control: socket.socket) -> None:
        if self._is_ready:
            return
        control.settimeout(READY_S)
        try:
            said = control.recv(MESSAGE_BYTES)
        except TimeoutError:
            said = json.dumps({"refused": f"the parent process was not ready after {READY_S:g} s"}).encode()
        control.settimeout(None)
        answer = json.loads(said) if said else {"refused": "the parent process ended while it started"}
        if "refused" in answer:
            self.stop()
            raise NoForkError(answer["refused"])
        self._is_ready = True

    def _living(self) -> int:
        """End of a pipe that is open for reading until this process ends."""
        if self._alive is None:
            self._alive = os.pipe()
        return self._alive[0]


def _common(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what Jupyter gives to each kernel anew."""
    return {name: value for name, value in environment.items() if name not in OF_ONE_KERNEL}
