"""Binder's files agree with one another and with the notebooks; ``make binder`` does with them what Binder does."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.packaging.binder_environment import PYPI_NAMES, ROOT, BinderEnvironment, read_environment

BINDER = ROOT / "binder"
WORKSPACE = BINDER / "tour.jupyterlab-workspace"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOUR = "notebooks/00_tour.ipynb"
OURS = {"deepstrf", "deepstrf_widgets"}
BY_JUPYTERLAB = {"IPython", "ipykernel", "nbclient", "nbformat", "traitlets"}
"""Modules of packages without which there is no JupyterLab."""
PACKAGES = {"huggingface_hub": "huggingface-hub"}
"""Packages whose module has another name."""


def imported(source: str) -> set[str]:
    """Top-level modules that Python code imports; lines of IPython are left out."""
    code = re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _sources(folder: Path, name: str) -> list[Path]:
    """Files of the module or package ``name`` in ``folder``; none where it is installed from elsewhere."""
    return [file for file in (folder / f"{name}.py", *(folder / name).glob("*.py")) if file.is_file()]


def needed(notebook: Path) -> set[str]:
    """Packages that a notebook imports, itself or through a module beside it, and that must be installed."""
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    modules = set().union(*map(imported, cells))
    beside = {name: sources for name in modules if (sources := _sources(notebook.parent, name))}
    for source in itertools.chain(*beside.values()):
        modules |= imported(source.read_text())
    outside = modules - set(beside) - OURS - BY_JUPYTERLAB - set(sys.stdlib_module_names)
    return {PACKAGES.get(name, name) for name in outside}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_what_binder_installs(notebook: Path) -> None:
    conda, pip = read_environment()
    assert needed(notebook) <= {PYPI_NAMES.get(name, name) for name in {**conda, **pip}}


def test_missing_package_is_seen_in_a_notebook_and_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("import json\nfrom scipy.signal import lfilter")
    cells = [nbformat.v4.new_code_cell("%pip list\nimport torch.nn as nn, beside\nfrom pynwb import NWBFile")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    assert needed(tmp_path / "one.ipynb") == {"torch", "pynwb", "scipy"}


def test_conda_packages_are_pinned_for_pip_under_their_names_there() -> None:
    environment = BinderEnvironment({"python": "3.11", "pytorch-cpu": "2.13.0", "numpy": "2.4.6"}, {"tqdm": "4.70.1"})
    assert environment.for_pip() == (["torch==2.13.0", "numpy==2.4.6"], ["tqdm==4.70.1"])


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_script_is_executable_and_stops_at_an_error(name: str) -> None:
    path = BINDER / name
    first, *rest = path.read_text().splitlines()
    assert first == "#!/usr/bin/env bash"
    commands = [line for line in rest if line and not line.startswith("#")]
    assert commands[0].startswith("set -e")
    assert path.stat().st_mode & stat.S_IXUSR


def test_start_runs_what_it_is_given_in_our_surroundings(tmp_path: Path) -> None:
    """JupyterHub gives the command, here one that tells its arguments and two variables."""
    tell = "import json, os, sys; print(json.dumps([sys.argv[1:], *map(os.environ.get, sys.argv[1:3])]))"
    names = ["OMP_NUM_THREADS", "JUPYTER_CONFIG_PATH", "a word"]
    done = subprocess.run(
        [BINDER / "start", sys.executable, "-c", tell, *names],
        cwd=tmp_path,
        env={**os.environ, "JUPYTER_CONFIG_PATH": "/theirs"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [names, "1", f"{ROOT / 'widgets' / 'jupyter'}:/theirs"]


def test_post_build_imports_the_layout() -> None:
    """That JupyterLab then opens it is seen in ``tests/browser/test_tour.py``."""
    assert f"jupyter lab workspaces import binder/{WORKSPACE.name}" in (BINDER / "postBuild").read_text()


def test_layout_opens_the_tour_that_the_badge_and_make_open() -> None:
    text = WORKSPACE.read_text()
    assert set(re.findall(r"[\w/]+\.ipynb", text)) == {TOUR}
    assert (ROOT / TOUR).is_file()
    assert f"urlpath=lab/tree/{TOUR}" in (ROOT / "README.md").read_text()
    assert f"tour := {TOUR}" in (ROOT / "Makefile").read_text()
