"""What a fork does to be a kernel like one that was started anew."""

from __future__ import annotations

import ctypes
import gc
import io
import json
import multiprocessing
import os
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch

from ..lifetime import Timer

__all__ = ["Fresh", "Request", "become_kernel"]

SERVER_ENDED = 1
"""Exit status of a kernel whose server has ended; that of ipykernel."""


IDLE_S = 10.0
"""So long after its last cell a kernel tidies up: by then a bench has computed what it does once it is open."""

FIRST_SEED = 67280421310721
"""With which older versions of torch begin; newer ones take one by chance."""

NEVER_ENDS = 1
"""The process that ipykernel takes for its parent, and watches in vain: the real one may end before its forks."""


class Fresh(NamedTuple):
    """What a new process has and the warm-up changes."""

    threads: int
    seed: int
    modules: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Request:
    """A kernel that is asked for: its command, folder, environment, and open files.

    ``alive`` is the end of a pipe whose other end the server holds as long as it lives.
    """

    argv: list[str]
    cwd: str
    env: dict[str, str]
    alive: int
    standard: tuple[int, int, int]

    @classmethod
    def read(cls, places: list[int]) -> Request:
        """The request that stands in the file of ``places``, as `fork_server.PLACES` names them."""
        _, request, alive, *standard = places
        with open(request, "rb") as file:
            file.seek(0)
            asked = json.load(file)
        stdin, stdout, stderr = standard
        return cls(asked["argv"], asked["cwd"], asked["env"], alive, (stdin, stdout, stderr))

    def close(self) -> None:
        """Close the files, in the process which does not become this kernel."""
        for place in (self.alive, *self.standard):
            os.close(place)


def become_kernel(request: Request, fresh: Fresh) -> None:
    """Be the kernel of ``request``; returns when it has been shut down."""
    # Whoever imports this has the comms of a kernel: widgets made elsewhere would send to nobody.
    import ipykernel_launcher
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    _take_files(request.standard)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update({**request.env, **fresh.environment})
    sys.argv = [ipykernel_launcher.__file__, *request.argv[3:]]
    sys.orig_argv = list(request.argv)
    sys.modules["__main__"] = types.ModuleType("__main__")
    multiprocessing.current_process().authkey = os.urandom(32)
    torch.set_num_threads(fresh.threads)
    if fresh.seed == FIRST_SEED:
        torch.default_generator.manual_seed(FIRST_SEED)
    else:
        torch.default_generator.seed()
    np.random.seed()
    threading.Thread(target=_end_with_server, args=(request.alive,), name="server-watch", daemon=True).start()
    app = IPKernelApp.instance(parent_handle=NEVER_ENDS)
    with _seen_by_a_debugger(fresh.modules):
        app.initialize()
    # ipywidgets does this where it is imported in a kernel, and it was imported before.
    ipywidgets.register_comm_target()
    assert app.shell is not None
    idle = Timer(_tidy_up)
    app.shell.events.register("post_run_cell", lambda _result: idle.start(IDLE_S))
    app.shell.events.register("post_run_cell", lambda _result: give_back_memory())
    app.start()


def give_back_memory() -> None:
    """Give back to the system what malloc keeps for later, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _tidy_up() -> None:
    """Free what only refers to itself, as figures do, and give it back: long work where there are many objects."""
    gc.collect()
    give_back_memory()


def _take_files(standard: tuple[int, int, int]) -> None:
    for source, target in zip(standard, range(3), strict=True):
        os.dup2(source, target)
        os.close(source)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())


@contextmanager
def _seen_by_a_debugger(names: list[str]) -> Iterator[None]:
    """Show ipykernel these modules alone: it takes all that are loaded for its own, which a debugger steps over.

    To look at the rest would also copy 20 MB: one page for each module and one for the name of its file.
    """
    from ipykernel import ipkernel

    ipkernel.sys = _Seen({name: sys.modules[name] for name in names})  # type: ignore[assignment]
    try:
        yield
    finally:
        ipkernel.sys = sys


class _Seen:
    """The module `sys` with other ``modules``."""

    def __init__(self, modules: dict[str, types.ModuleType]) -> None:
        self.modules = modules

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def _end_with_server(alive: int) -> None:
    """End this process when the other end of the pipe is closed; nothing is ever written to it."""
    os.read(alive, 1)
    os._exit(SERVER_ENDED)
