"""What Binder's environment file asks for, and the same for pip."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPI_NAMES = {"pytorch-cpu": "torch"}
"""Packages of conda-forge that have another name on PyPI."""


class BinderEnvironment(NamedTuple):
    """Versions by package: what conda installs, and what pip adds to it."""

    conda: dict[str, str]
    pip: dict[str, str]

    def for_pip(self) -> tuple[list[str], list[str]]:
        """Requirements of conda's part under their names on PyPI, without Python and pip, and those of pip's part."""
        conda = {PYPI_NAMES.get(name, name): version for name, version in self.conda.items() if name != "python"}
        first, second = ([f"{name}=={version}" for name, version in part.items()] for part in (conda, self.pip))
        return first, second


def read_environment(path: Path = ROOT / "binder" / "environment.yml") -> BinderEnvironment:
    """The packages that the file pins; conda's "pip" has no version and is left out."""
    listed = yaml.safe_load(path.read_text())["dependencies"]
    conda = dict(line.split("=") for line in listed if isinstance(line, str) and "=" in line)
    (pip,) = (entry["pip"] for entry in listed if isinstance(entry, dict))
    split = dict(line.split("==") for line in pip)
    return BinderEnvironment(
        {canonicalize_name(name): version for name, version in conda.items()},
        {canonicalize_name(name): version for name, version in split.items()},
    )
