"""The stored notebooks are sound, and the command which stores them tells what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests import store_notebooks

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def write(path: Path, *sources: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_stored_notebook_is_sound(path: Path) -> None:
    assert store_notebooks.problems(path) == []


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


def test_cell_which_was_never_run_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "new.ipynb", "1 + 1", "")
    assert store_notebooks.problems(path) == ["new.ipynb, cell 0 was never run"]


def test_large_notebook_is_reported(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x" * store_notebooks.MAX_BYTES)])
    nbformat.write(notebook, tmp_path / "large.ipynb")
    (problem,) = store_notebooks.problems(tmp_path / "large.ipynb")
    assert f"must not exceed {store_notebooks.MAX_BYTES} bytes" in problem


def test_stored_error_and_widget_state_are_reported(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("1 / 0", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="division by zero")]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    assert store_notebooks.problems(tmp_path / "bad.ipynb") == [
        "bad.ipynb must not store widget state",
        "bad.ipynb, cell 0 failed: ZeroDivisionError: division by zero",
    ]


def test_stored_warning_is_reported(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("1", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name=name, text="text") for name in ("stdout", "stderr")]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "warning.ipynb")
    problems = store_notebooks.problems(tmp_path / "warning.ipynb")
    assert problems == ["warning.ipynb, cell 0 must not warn: it wrote to stderr"]


@pytest.mark.slow
def test_what_a_cell_prints_is_stored_as_one_text(tmp_path: Path) -> None:
    """However the kernel cut it into messages: a diff then shows what changed and nothing else."""
    path = write(tmp_path / "texts.ipynb", "print('one', flush=True)\nprint('two', flush=True)")
    store_notebooks.store(path)
    (output,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.text == "one\ntwo\n"


NBVAL_CELLS = ["print('x')", "object()", "import uuid\nuuid.uuid4().hex", "round(0.1 + 0.2, 3)"]


@pytest.mark.slow
def test_stored_notebook_passes_nbval_from_any_folder_twice(tmp_path: Path) -> None:
    """Addresses and random ids differ from run to run, so this needs the rules which the root conftest names."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("conftest.py", "nbval_sanitize.cfg", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    path = write(folder / "rules.ipynb", *NBVAL_CELLS)
    assert store_notebooks.main([str(path)]) == 0
    for start in (tmp_path, Path("/")):
        run = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", str(folder)]
        done = subprocess.run(run, cwd=start, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert f"{len(NBVAL_CELLS)} passed" in done.stdout


@pytest.mark.slow
def test_nbval_sees_an_output_which_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "stale.ipynb", "1 + 1")
    store_notebooks.store(path)
    path.write_text(path.read_text().replace('"2"', '"3"'))
    run = [sys.executable, "-m", "pytest", "--nbval", "-c", str(ROOT / "pyproject.toml"), str(path)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
