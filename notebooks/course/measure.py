"""How long the lessons compute: ``python -m course.measure [NAME ...]`` in the folder of the notebooks.

It runs every notebook (or those named) in a fresh kernel with one thread, and writes the processor time of the kernel to
``run_seconds.json``, from which `make_course.minutes` takes what a student waits.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_name("run_seconds.json")
CELL_SECONDS = 600


def run_seconds(path: Path) -> float:
    """Processor time of the kernel that runs a notebook, imports included, in seconds.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import time; time.process_time()"))
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources).execute()
    return float(ast.literal_eval(notebook.cells[-1].outputs[0]["data"]["text/plain"]))


def main(names: list[str]) -> None:
    """Measure the notebooks of these names, all of them without any, and keep the others' figures."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["DEEPSTRF_COURSE_RECORD"] = os.devnull
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        if not names or path.stem in names:
            known[path.stem] = round(run_seconds(path))
            print(f"{path.stem:32s} {known[path.stem]:4d} s", flush=True)
            FILE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
