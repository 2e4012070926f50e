"""Memory of each notebook's kernel, as Binder runs it (one thread): ``python tests/benchmarks/bench_memory.py``.

Every notebook runs once from a fresh kernel, without a page; then a cell that explores 119 neurons, one that fits them
in the background, and one that does both are run twenty times each, as JupyterLab runs a cell again. Linux only: the
figures come from ``/proc``. The exit status is 1 when the heaviest kernel or the tour's is above its bar, or when a
cell that is run again goes on growing.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
CELL_SECONDS = 120
HEAVIEST_MB = 900  # peak of any notebook
TOUR_MB = 700  # after the tour's last cell
RUNS, SETTLED, GROWTH = 20, 3, 1.05  # of a cell that is run again: memory after the last run over that after the third
MB = 1e6
KIB = 1024

READ_IT = """{line.split(":")[0]: int(line.split()[1])
 for line in __import__("pathlib").Path("/proc/self/status").read_text().splitlines() if line.startswith("Vm")}"""
"""Python expression for the memory of the process which evaluates it, in KiB, by the kernel's names for it."""


MODEL = """
import torch, warnings
warnings.simplefilter("ignore")
from deepstrf.demo.population import build_model
from deepstrf.training import Fitter
from deepstrf_widgets import LiveSession, explore, gallery, train
torch.manual_seed(0)
model = build_model(119).eval()
stimulus = 60 * torch.rand(1, 1, 34, 2000)
responses = torch.poisson(torch.full((1, 119, 4, 2000), 0.3))
"""
EXPLORE = """
bench = explore(model, stimulus, responses, gallery=True)
bench.panel("figures")._update()
for neuron in range(119):
    bench.session.rate(neuron), bench.session.score(neuron)
bench.session.revert()
bench"""
TRAIN = """
view = train(build_model(119), Fitter(epochs=2, progress=False), (stimulus, responses))
view.wait()
view"""
CELLS = {"explore": EXPLORE, "train": TRAIN, "both": EXPLORE + TRAIN}
"""Cells of a user, who runs them again and again."""


class Memory(NamedTuple):
    """Resident memory of a kernel in MB: its peak, and what is left after the last cell."""

    peak: float
    after: float


def from_status(status: Mapping[str, int]) -> Memory:
    """Memory that ``READ_IT`` printed."""
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


def run_again(cell: str, runs: int, first: str = MODEL) -> list[float]:
    """Resident memory in MB after each run of one cell of a notebook, which has an id as in JupyterLab.

    Raises
    ------
    RuntimeError
        The cell raised.
    """
    manager, client = start_new_kernel(extra_arguments=["--log-level=ERROR"])
    try:

        def run(code: str, name: str, value: str = "0") -> str:
            content = {"code": code, "silent": False, "store_history": True, "user_expressions": {"value": value}}
            request = client.session.msg("execute_request", {**content, "allow_stdin": False, "stop_on_error": True})
            request["metadata"] = {"cellId": name}
            client.shell_channel.send(request)
            while True:
                reply = client.get_shell_msg(timeout=CELL_SECONDS)
                if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                    break
            if reply["content"]["status"] != "ok":
                raise RuntimeError("\n".join(reply["content"]["traceback"]))
            return str(reply["content"]["user_expressions"]["value"]["data"]["text/plain"])

        run(first, "first")
        return [from_status(ast.literal_eval(run(cell, "again", READ_IT.replace("\n", "")))).after for _ in range(runs)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def grows(memory: Sequence[float]) -> bool:
    """Whether a cell that is run again needs more and more."""
    return max(memory[SETTLED:]) > GROWTH * memory[SETTLED - 1]


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
    """Exit status; the figures are printed, what is above its bar on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells-only", action="store_true", help="only the cells that are run again")
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
    os.environ["OMP_NUM_THREADS"] = "1"
    found = {}
    print(f"{'notebook':36s} {'peak MB':>8s} {'after MB':>8s}")
    options = parser.parse_args()
    for path in [] if options.cells_only else options.notebooks:
        found[path.name] = measure(path)
        print(f"{path.name:36s} {found[path.name].peak:8.0f} {found[path.name].after:8.0f}", flush=True)
    if found:
        name, heaviest = max(found.items(), key=lambda item: item[1].peak)
        print(f"heaviest: {name}, {heaviest.peak:.0f} MB")
    faults = over_the_bar(found)
    for name, cell in CELLS.items():
        memory = run_again(cell, RUNS)
        print(f"{name}, run {RUNS} times: {' '.join(f'{mb:.0f}' for mb in memory)} MB", flush=True)
        if grows(memory):
            faults.append(f"{name}: must grow by at most 5 % after run {SETTLED}, got {memory[SETTLED - 1 :]} MB")
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
