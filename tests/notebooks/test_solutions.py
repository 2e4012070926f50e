"""Every exercise of the course has a solution that its own check calls right."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 120
FENCE = re.compile(r"<summary>Solution</summary>\n\n```python\n(.*?)\n```\n.*</details>", re.DOTALL)


CHECK = re.compile(r"^ *check\(", re.MULTILINE)
VERDICTS = ("Yes.", "Not yet.", "Your turn:", "Wanted:", "This answer cannot be looked at")


def is_exercise(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and "exercise" in cell.metadata.get("tags", [])


def with_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with each exercise cell replaced by the fence of the next solution."""
    for number, cell in enumerate(notebook.cells):
        if is_exercise(cell):
            until_next = notebook.cells[number + 1 :]
            stop = next((i for i, other in enumerate(until_next) if is_exercise(other)), len(until_next))
            texts = [other.source for other in until_next[:stop] if other.cell_type == "markdown"]
            fences = [found[1] for text in texts for found in FENCE.finditer(text)]
            assert len(fences) == 1, f"cell {number} must have one solution before the next exercise, got {len(fences)}"
            cell.source = fences[0]
    return notebook


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_exercise_has_a_solution_that_differs_from_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    before = [cell.source for cell in notebook.cells]
    after = [cell.source for cell in with_solutions(notebook).cells]
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    assert changed == sum(map(is_exercise, notebook.cells))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_solutions_are_right(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    exercises = sum(map(is_exercise, notebook.cells))
    if not exercises:
        pytest.skip("no exercise")
    folder = {"metadata": {"path": str(path.parent)}}
    checks = [cell for cell in with_solutions(notebook).cells if CHECK.search(cell.get("source", ""))]
    # A student runs a check more than once, and after "Run All" too: no second run may fail.
    notebook.cells += [nbformat.v4.new_code_cell(cell.source) for cell in checks]
    NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=folder).execute()
    assert sum(len(CHECK.findall(cell.source)) for cell in checks) >= exercises
    for cell in checks:
        said = [line for line in printed(cell).splitlines() if line.startswith(VERDICTS)]
        assert len(said) >= len(CHECK.findall(cell.source)), cell.source
        assert all(line.startswith("Yes.") for line in said), (cell.source, said)


def cells(*pairs: tuple[str, str]) -> nbformat.NotebookNode:
    made = []
    for kind, source in pairs:
        if kind == "markdown":
            made.append(nbformat.v4.new_markdown_cell(source))
        else:
            made.append(
                nbformat.v4.new_code_cell(source, metadata={"tags": ["exercise"] if kind == "exercise" else []})
            )
    return nbformat.v4.new_notebook(cells=made)


SOLUTION = "<details><summary>Solution</summary>\n\n```python\nx = 3\n```\n\nSo it is.\n\n</details>"


def test_fence_takes_the_place_of_its_exercise() -> None:
    notebook = cells(("exercise", "x = None"), ("code", "check('x', x, 3)"), ("markdown", SOLUTION))
    assert [cell.source for cell in with_solutions(notebook).cells] == ["x = 3", "check('x', x, 3)", SOLUTION]


@pytest.mark.parametrize(
    "pairs",
    [
        [("exercise", "x = None"), ("exercise", "y = None"), ("markdown", SOLUTION)],
        [("exercise", "x = None"), ("markdown", "no fence")],
        [("exercise", "x = None"), ("markdown", SOLUTION), ("markdown", SOLUTION)],
    ],
)
def test_exercise_without_its_own_solution_is_told(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(AssertionError, match="one solution before the next exercise"):
        with_solutions(cells(*pairs))
