"""Entry of the program whose forks are kernels (`fork_server`): ``python -m deepstrf_widgets.forked_kernels FD``."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import time

OF_A_KERNEL = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "faulthandler",
    "ipykernel.debugger",
    "ipykernel.kernelapp",
    "ipykernel_launcher",
    "pdb",
    "psutil",
    "sqlite3",
    "tornado.platform.asyncio",
    "tornado.queues",
)
"""Modules that a kernel imports while it starts."""

INLINE_BACKEND = "module://matplotlib_inline.backend_inline"
"""Of matplotlib, where nobody has chosen another: the one that ipykernel sets."""


def main(arguments: list[str]) -> int:
    """Exit status; a fork returns from here when its kernel has ended."""
    started_ns = time.time_ns()
    control = socket.socket(fileno=int(arguments[1]))
    del sys.path[0]  # the folder in which this program was started, which is no kernel's
    os.environ.pop("MALLOC_ARENA_MAX", None)  # malloc has read it
    environment = dict(os.environ)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # no word about frozen modules before anybody debugs
    for name in OF_A_KERNEL:
        importlib.import_module(name)
    of_a_kernel = [name for name in sys.modules if not name.startswith("deepstrf")]
    del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
    set_by_them = {name: value for name, value in os.environ.items() if environment.get(name) != value}
    os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)  # matplotlib reads it once, and every kernel sets it
    fork_server = importlib.import_module(f"{__package__}.fork_server")  # and torch, which comes later in a kernel
    return int(fork_server.main(control, started_ns=started_ns, of_a_kernel=of_a_kernel, environment=set_by_them))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
