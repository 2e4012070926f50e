"""The pins of CI, the ranges of users and the environment of Binder speak of the same packages."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.binder_environment import ROOT, read_environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEBIAN_PYTHON = "3.11.2"
MODULES = {"pillow": "PIL"}
"""Packages whose module has another name."""
ELSEWHERE = {"course", "hub"}
"""Extras that `make test` goes without: nbgrader adds to JupyterLab's menus, and `make graded` tries it in a job of its
own; JupyterHub is for the image."""


def pins() -> dict[str, Version]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    found = {}
    for requirement in map(Requirement, lines):
        (exact,) = requirement.specifier
        assert exact.operator == "=="
        found[canonicalize_name(requirement.name)] = Version(exact.version)
    assert len(found) == len(lines)
    return found


def direct(*extras: str) -> dict[str, Requirement]:
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    named = [Requirement(line) for group in groups for line in group]
    return {canonicalize_name(one.name): one for one in named if one.name != PROJECT["name"]}


def named_extras(extra: str) -> set[str]:
    """The project's own extras that an extra includes, those of the included ones as well."""
    own = [one for one in map(Requirement, PROJECT["optional-dependencies"][extra]) if one.name == PROJECT["name"]]
    return set().union(*({name, *named_extras(name)} for one in own for name in one.extras))


def binder() -> tuple[dict[str, Version], dict[str, Version]]:
    """Versions that Binder takes from conda, and from pip."""
    conda, pip = ({name: Version(version) for name, version in part.items()} for part in read_environment())
    return conda, pip


@pytest.mark.parametrize(("name", "requirement"), direct(*PROJECT["optional-dependencies"]).items())
def test_direct_dependency_is_pinned_within_its_range(name: str, requirement: Requirement) -> None:
    assert name in pins()
    assert pins()[name] in requirement.specifier


@pytest.mark.parametrize(("name", "requirement"), direct(*PROJECT["optional-dependencies"]).items())
def test_direct_dependency_has_one_lower_bound(name: str, requirement: Requirement) -> None:
    """Which ``make lowest`` installs; without one it would install the first version that was ever released."""
    assert [one.operator for one in requirement.specifier] == [">="]


@pytest.mark.parametrize("name", sorted(direct("widgets")))
def test_dependency_is_imported_by_the_packages(name: str) -> None:
    module = MODULES.get(name, name.replace("-", "_"))
    statement = re.compile(rf"^\s*(?:import|from) {module}\b", re.MULTILINE)
    sources = [*(ROOT / "deepstrf").rglob("*.py"), *(ROOT / "widgets" / "deepstrf_widgets").rglob("*.py")]
    assert any(statement.search(source.read_text()) for source in sources)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_lowest_installs_every_lower_bound_on_the_oldest_python() -> None:
    """With all extras, and as the workflow on GitHub runs it."""
    extras = set(PROJECT["optional-dependencies"]) - ELSEWHERE
    assert set(direct("test", *named_extras("test"))) == set(direct(*extras))
    oldest = PROJECT["requires-python"].removeprefix(">=")
    commands = subprocess.run(["make", "-n", "lowest"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"uv venv .*--python {re.escape(oldest)} ", commands)
    assert re.search(r"--resolution lowest-direct[\s\\]+--torch-backend cpu -e '\.\[test\]'", commands)
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]["lowest"]["steps"]
    assert [step["with"] for step in steps if "setup-python" in step.get("uses", "")] == [{"python-version": oldest}]
    assert steps[-1]["run"] == "make lowest"


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="a developer may try other versions")
def test_ci_runs_what_is_pinned() -> None:
    extras = set(PROJECT["optional-dependencies"]) - ELSEWHERE
    installed = {name: importlib.metadata.version(name) for name in direct(*extras)}
    differing = {
        name: (found, str(pins()[name]))
        for name, found in installed.items()
        if Version(found).base_version != str(pins()[name])
    }
    assert differing == {}


def test_every_pin_runs_on_the_python_of_debian_12() -> None:
    """Debian's 3.11.2: a package which asks for more cannot be installed there, whatever runs on this machine."""
    too_new = {}
    for distribution in importlib.metadata.distributions():
        name, asked = canonicalize_name(distribution.name), distribution.metadata.get("Requires-Python")
        if pins().get(name) == Version(distribution.version) and asked and DEBIAN_PYTHON not in SpecifierSet(asked):
            too_new[name] = asked
    assert too_new == {}


def test_torch_is_pinned_without_a_local_version() -> None:
    assert pins()["torch"].local is None


def test_binder_takes_torch_for_the_cpu_in_the_pinned_version() -> None:
    conda, pip = binder()
    assert conda["pytorch-cpu"] == pins()["torch"]
    assert "torch" not in pip
    assert not [name for name in (*conda, *pip) if re.search("cuda|nvidia|gpu|node", name)]


def test_binder_names_every_dependency_of_the_lab_in_its_pinned_version() -> None:
    conda, pip = binder()
    named = {**conda, **pip}
    del named["python"], named["pytorch-cpu"]
    assert set(named) - {"hatchling"} == set(direct("widgets", "lab")) - {"torch"}
    assert named == {name: pins()[name] for name in named}


def test_binder_python_is_one_that_the_project_allows() -> None:
    assert str(binder()[0]["python"]) in Requirement(f"python{PROJECT['requires-python']}").specifier
