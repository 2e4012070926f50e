"""Memory of each notebook's kernel, as Binder runs it (one thread): ``python tests/benchmarks/bench_memory.py``.

Every notebook runs once from a fresh kernel, without a page. Linux only: the figures come from ``/proc``. The exit
status is 1 when the heaviest kernel or the tour's is above its bar.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 120
HEAVIEST_MB = 900  # peak of any notebook
TOUR_MB = 700  # after the tour's last cell
MB = 1e6
KIB = 1024

READ_IT = """{line.split(":")[0]: int(line.split()[1])
 for line in __import__("pathlib").Path("/proc/self/status").read_text().splitlines() if line.startswith("Vm")}"""
"""Python expression for the memory of the process which evaluates it, in KiB, by the kernel's names for it."""


class Memory(NamedTuple):
    """Resident memory of a kernel in MB: its peak, and what is left after the last cell."""

    peak: float
    after: float


def from_status(status: Mapping[str, int]) -> Memory:
    """Memory of which ``READ_IT`` told."""
    return Memory(status["VmHWM"] * KIB / MB, status["VmRSS"] * KIB / MB)


def measure(path: Path) -> Memory:
    """Memory of a fresh kernel that runs the notebook at ``path`` from its first to its last cell.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised.
    nbclient.exceptions.CellTimeoutError
        A cell took longer than two minutes.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(READ_IT))
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources)
    client.extra_arguments = ["--log-level=ERROR"]  # a warning of every kernel about its own TCP ports
    client.execute()
    return from_status(ast.literal_eval(notebook.cells[-1].outputs[0]["data"]["text/plain"]))


def over_the_bar(found: Mapping[str, Memory]) -> list[str]:
    """What uses more than it may, one line each, none when all is well; ``found`` has the notebooks by their names."""
    faults = [
        f"{name}: the kernel must stay within {HEAVIEST_MB} MB, got {memory.peak:.0f}"
        for name, memory in found.items()
        if memory.peak > HEAVIEST_MB
    ]
    tour = found.get("00_tour.ipynb")
    if tour is not None and tour.after > TOUR_MB:
        faults.append(f"00_tour.ipynb: the kernel must keep at most {TOUR_MB} MB, got {tour.after:.0f}")
    return faults


def main() -> int:
    """Exit status; the figures are told on stdout, what is above its bar on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
    os.environ["OMP_NUM_THREADS"] = "1"
    found = {}
    print(f"{'notebook':36s} {'peak MB':>8s} {'after MB':>8s}")
    for path in parser.parse_args().notebooks:
        found[path.name] = measure(path)
        print(f"{path.name:36s} {found[path.name].peak:8.0f} {found[path.name].after:8.0f}", flush=True)
    name, heaviest = max(found.items(), key=lambda item: item[1].peak)
    print(f"heaviest: {name}, {heaviest.peak:.0f} MB")
    faults = over_the_bar(found)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
