"""Run notebooks from a fresh kernel and store their outputs: ``python tests/store_notebooks.py notebooks/*.ipynb``."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELL_SECONDS = 120
MAX_BYTES = 300_000


def problems(path: Path) -> list[str]:
    """What keeps a stored notebook from being shown and compared: one line per fault, none when it is sound."""
    notebook = nbformat.read(path, as_version=4)
    found = []
    if path.stat().st_size > MAX_BYTES:
        found.append(f"{path.name} must not exceed {MAX_BYTES} bytes, got {path.stat().st_size}")
    if "widgets" in notebook.metadata:
        found.append(f"{path.name} must not store widget state")
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is None:
            found.append(f"{path.name}, cell {number} was never run")
        found += [
            f"{path.name}, cell {number} failed: {output.ename}: {output.evalue}"
            for output in cell.outputs
            if output.output_type == "error"
        ]
        if any(output.output_type == "stream" and output.name == "stderr" for output in cell.outputs):
            found.append(f"{path.name}, cell {number} must not warn: it wrote to stderr")
    return found


def store(path: Path) -> None:
    """Store in ``path`` the outputs of a run from its first to its last cell.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell raised; the file is as it was.
    nbclient.exceptions.CellTimeoutError
        A cell took longer than two minutes.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    }
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> int:
    """Exit status: 1 when a stored notebook has a fault, reported on stderr, else 0."""
    faults = []
    for path in map(Path, arguments):
        store(path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        faults += problems(path)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
