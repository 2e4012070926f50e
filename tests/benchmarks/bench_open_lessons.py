"""Memory of all lessons left open, one kernel each: ``python tests/benchmarks/bench_open_lessons.py``.

Every notebook runs once and its kernel stays; the kernels are those of ``make lab``, with ``--plain`` Jupyter's own.
What is printed is the proportional set size (PSS) of all of them and of the process that they were forked from, after
the last one too has been idle for so long that it has tidied up: it counts a page that several processes share once.
Then the same after each kernel has given back what its allocator keeps, and what of it is private to a kernel. Run it
with nothing else running: a page of a library that any other process uses too counts as shared, and 0.1 GB less was
measured so. Linux only.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient import NotebookClient

from deepstrf_widgets import forked_kernels
from deepstrf_widgets.forked_kernels.forked_kernel import IDLE_S

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 300
KIB, MB = 1024, 1e6
BAR_GB = 1.4
SECONDS_TO_TIDY = 2
"""For the collection itself, which is a fraction of a second."""
TRIM = "import ctypes, gc; gc.collect(); ctypes.CDLL('libc.so.6').malloc_trim(0)"
PID = "import os; os.getpid()"


def memory(pid: int) -> tuple[float, float]:
    """Proportional set size of a process, and what is private to it, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    values = {name: int(value) * KIB / MB for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    return values["Pss"], values["Private_Clean"] + values["Private_Dirty"]


def left_open(path: Path) -> tuple[NotebookClient, int]:
    """A client whose kernel has run the notebook at ``path`` and stays, and the kernel's process."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3")
    client.resources = {"metadata": {"path": str(path.parent)}}
    client.create_kernel_manager()
    client.extra_arguments = ["--log-level=ERROR"]  # a warning of every kernel about its own TCP ports
    client.start_new_kernel()
    client.start_new_kernel_client()
    notebook.cells.append(nbformat.v4.new_code_cell(PID))
    for index, cell in enumerate(notebook.cells):
        client.execute_cell(cell, index)
    return client, int(notebook.cells[-1].outputs[0]["data"]["text/plain"])


def main(paths: list[Path], *, plain: bool) -> int:
    """Exit status: 1 where the lessons together hold more than the bar."""
    os.environ.update(OMP_NUM_THREADS="1", DEEPSTRF_COURSE_RECORD=os.devnull)
    if not plain:
        factory = KernelProvisionerFactory.instance()
        forked_kernels.register(factory)
        factory.default_provisioner_name = forked_kernels.NAME
    clients = {path.stem: left_open(path) for path in paths}
    time.sleep(IDLE_S + SECONDS_TO_TIDY)
    for when in ("as they are", "after malloc_trim"):
        held = {name: memory(pid) for name, (_, pid) in clients.items()}
        if not plain:
            held["parent process"] = memory(forked_kernels.PARENT.pid)
        for name, (pss, private) in held.items():
            print(f"{name:32s} {pss:5.0f} MB, private {private:5.0f} MB")
        total = sum(pss for pss, _ in held.values()) / 1000
        print(f"all of them, {when}: {total:.2f} GB (bar {BAR_GB} GB)\n", flush=True)
        for client, _ in clients.values():
            client.nb.cells[-1].source = TRIM
            client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
    for client, _ in clients.values():
        client._cleanup_kernel()
    return int(total > BAR_GB)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    parser.add_argument("--plain", action="store_true", help="kernels that share nothing but the libraries' files")
    options = parser.parse_args()
    sys.exit(main(options.notebooks, plain=options.plain))
