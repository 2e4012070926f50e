"""Kernels that share the memory of what all of them have loaded: Jupyter's provisioner."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from .kernel_parent import ForkedProcess, KernelParent, NoForkError

__all__ = ["PARENT", "ForkedProvisioner"]

PARENT = KernelParent()
LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]
KNOWN = ("cwd", "env", "stdin", "stdout", "stderr", "extra_arguments", "kernel_id")
"""Arguments of `launch_kernel` that a fork can follow."""


class ForkedProvisioner(LocalProvisioner):
    """Kernels of this server's own Python are forks of one process; all others are started as ever.

    A fork is as a kernel that was started anew (`forked_kernel`). Where it could not be, which the log says, the kernel
    is started anew: on another system than Linux, with an accelerator, another interpreter, another environment than
    the server's, or a folder whose files come before what is loaded.
    """

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Connection of the kernel, which is a fork where it can be."""
        reason = _why_not(cmd, kwargs)
        if reason is None:
            try:
                process = await asyncio.to_thread(_forked, cmd, kwargs)
            except NoForkError as error:
                reason = str(error)
        if reason is not None:
            self.log.warning("deepstrf_widgets: a kernel shares no memory with the others: %s", reason)
            return await super().launch_kernel(cmd, **kwargs)
        self.process = process  # type: ignore[assignment]  # it has what is used of a Popen
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        return self.connection_info


def _why_not(cmd: list[str], kwargs: Mapping[str, Any]) -> str | None:
    """Why no fork can be this kernel; None where one may."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return "this system has no forks that can be relied on"
    if cmd[:3] != LAUNCHER:
        return f"its command is {' '.join(cmd[:3])}, not {' '.join(LAUNCHER)}"
    unknown = sorted(name for name in kwargs if name not in KNOWN)
    if unknown:
        return f"it is started with {', '.join(unknown)}"
    if any(kwargs.get(name) == subprocess.PIPE for name in ("stdin", "stdout", "stderr")):
        return "its output goes to a pipe"
    if any(not os.path.isabs(path) for path in kwargs["env"].get("PYTHONPATH", os.sep).split(os.pathsep)):
        return "PYTHONPATH names the kernel's folder"
    if not os.path.isdir(kwargs.get("cwd") or os.curdir):
        return "its folder does not exist"
    return None


def _forked(cmd: list[str], kwargs: Mapping[str, Any]) -> ForkedProcess:
    env = {**kwargs["env"], "JPY_PARENT_PID": str(os.getpid())}
    cwd = os.path.abspath(kwargs.get("cwd") or os.curdir)
    with open(os.devnull, "r+b") as nowhere:

        def place(name: str) -> int | None:
            given = kwargs.get(name)
            if given is None or (isinstance(given, int) and given >= 0):
                return given
            return nowhere.fileno() if given == subprocess.DEVNULL else int(given.fileno())

        stdout, stderr = place("stdout"), place("stderr")
        files = place("stdin"), 1 if stdout is None else stdout, 2 if stderr is None else stderr
        return PARENT.fork(cmd, cwd=cwd, env=env, files=files)
