"""A process whose forks are kernels.

It imports what a lesson imports, opens a bench once, and then waits at a socket for requests. Each fork shares that
memory until it writes to it, and becomes a kernel as ``python -m ipykernel_launcher`` is one. The process never keeps a
thread, an event loop or a ZeroMQ context: none of them survives a fork.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
from typing import Any, NamedTuple

import torch

from .forked_kernel import Fresh, Request, become_kernel, give_back_memory
from .loaded_files import Stamps, hidden_module
from .warm_up import warm_up

__all__ = ["main", "serve"]

STATUS, PLACES = 0, ("status", "request", "alive", "stdin", "stdout", "stderr")
"""File descriptors that come with a request, in this order."""


class _Running(NamedTuple):
    """A kernel that runs: its process, and where its end is told."""

    pid: int
    status: socket.socket


def main(control: socket.socket, *, started_ns: int, of_a_kernel: list[str], environment: dict[str, str]) -> int:
    """Exit status of the process, and of the kernel in a fork.

    Parameters
    ----------
    control : socket
        To the server.
    started_ns : int
        When this process began.
    of_a_kernel : list of str
        Modules that a kernel has loaded when it starts.
    environment : dict
        Variables that they have set.
    """
    fresh = Fresh(torch.get_num_threads(), torch.initial_seed(), of_a_kernel, environment)
    torch.set_num_threads(1)  # GNU's OpenMP hangs in a fork of a process that has had several threads
    if _has_accelerator():
        return _refuse(control, "torch has an accelerator here, whose driver forbids forks")
    warm_up()
    stamps = Stamps.taken(started_ns)
    gc.collect()
    give_back_memory()
    gc.freeze()
    os.waitpid(_fork_and_end(0), 0)  # OpenBLAS ends its threads before a fork
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        return _refuse(control, f"{threads} threads run after the imports: no fork would have them")
    control.send(b'{"ready": true}')
    request = serve(control, stamps)
    if request is not None:
        become_kernel(request, fresh)
    return 0


def serve(control: socket.socket, stamps: Stamps) -> Request | None:
    """In a fork: what it is to become. In this process: None, when the server and the last kernel have gone."""
    running: dict[int, _Running] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    listening = True
    while listening or running:
        for ready, _ in poll.poll():
            if ready in running:
                poll.unregister(ready)
                _tell_end(ready, running.pop(ready))
                continue
            _, places, _, _ = socket.recv_fds(control, 1, len(PLACES))
            if not places:  # the server has gone, or wants no more kernels of this process
                poll.unregister(control)
                listening = False
                continue
            status = socket.socket(fileno=places[STATUS])
            request = Request.read(places)
            refusal = _refusal(request, stamps)
            if refusal is not None:
                status.send(json.dumps(refusal).encode())
                status.close()
                request.close()
                continue
            pid = os.fork()
            if pid == 0:
                for other in (control, status, *(kernel.status for kernel in running.values())):
                    other.close()
                for pidfd in running:
                    os.close(pidfd)
                return request
            request.close()
            pidfd = os.pidfd_open(pid)
            socket.send_fds(status, [json.dumps({"pid": pid}).encode()], [pidfd])
            running[pidfd] = _Running(pid, status)
            poll.register(pidfd, select.POLLIN)
    return None


def _refusal(request: Request, stamps: Stamps) -> dict[str, Any] | None:
    """Why no fork of this process may be the kernel; None where one may."""
    changed = stamps.changed()
    if changed is not None:
        return {"changed": changed}
    hidden = hidden_module(request.cwd)
    if hidden is not None:
        return {"refused": f"{hidden} stands in the kernel's folder and comes before what is loaded"}
    return None


def _tell_end(pidfd: int, kernel: _Running) -> None:
    _, status = os.waitpid(kernel.pid, 0)
    os.close(pidfd)
    with kernel.status:
        try:
            kernel.status.send(json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode())
        except BrokenPipeError:  # the server has gone
            return


def _refuse(control: socket.socket, reason: str) -> int:
    control.send(json.dumps({"refused": reason}).encode())
    return 0


def _fork_and_end(status: int) -> int:
    """Process id of a fork that does nothing."""
    pid = os.fork()
    if pid == 0:
        os._exit(status)
    return pid


def _has_accelerator() -> bool:
    """Whether torch would compute on another device; a fork asks, as whoever asks a driver can fork no more."""
    pid = os.fork()
    if pid == 0:
        found = True
        try:
            found = torch.accelerator.is_available() if hasattr(torch, "accelerator") else torch.cuda.is_available()
        finally:
            os._exit(int(found))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
