"""Whether what a process has loaded is still what a new one would load."""

from __future__ import annotations

import importlib
import os
import site
import sys
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["Stamps", "hidden_module"]

PACKAGES = ("deepstrf", "deepstrf_widgets")
"""Packages of which every file counts: they read more than modules (the demo, the widgets' bundles)."""

MATPLOTLIB_SETTINGS = "matplotlibrc"

Stamp = tuple[int, int]
"""Modification time in ns and size in bytes of a file."""

UNRELIABLE = -1, -1


class Stamps(NamedTuple):
    """Files on which the code of this process depends, as they were when it was loaded."""

    of: dict[str, Stamp]

    @classmethod
    def taken(cls, started_ns: int) -> Stamps:
        """Those of now, in a process that began at ``started_ns``: what was written since may be loaded or not."""
        now_ns = time.time_ns()
        found = {path: at for path in _files() if (at := _stamp(path)) is not None}
        return cls({path: UNRELIABLE if started_ns <= at[0] <= now_ns else at for path, at in found.items()})

    def changed(self) -> str | None:
        """First file that is another one now; None where all are as they were."""
        importlib.invalidate_caches()
        for path in {**self.of, **dict.fromkeys(_package_files())}:
            if _stamp(path) != self.of.get(path):
                return path
        return None


def hidden_module(folder: str) -> str | None:
    """File of ``folder`` which a new kernel there would read, and not what this process has read; None without one."""
    loaded = {name for name in sys.modules if "." not in name}
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.partition(".")[0]
            if entry.name == MATPLOTLIB_SETTINGS or (name in loaded and _would_come_first(Path(entry.path), name)):
                return entry.path
    return None


def _would_come_first(path: Path, name: str) -> bool:
    """Whether ``path`` is a module or a package called ``name``, and another one than the one loaded."""
    file = path / "__init__.py" if path.is_dir() else path
    is_module = file.is_file() and file.suffix in (".py", ".so", ".pyc")
    loaded = getattr(sys.modules[name], "__file__", None)
    return is_module and not (loaded is not None and os.path.exists(loaded) and file.samefile(loaded))


def _files() -> list[str]:
    modules = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    folders = [folder for folder in (*site.getsitepackages(), site.getusersitepackages()) if os.path.isdir(folder)]
    return [*folders, *(file for file in modules if file and os.path.isabs(file)), *_package_files()]


def _package_files() -> list[str]:
    found = []
    for package in PACKAGES:
        for root in sys.modules[package].__path__:
            for folder, folders, names in os.walk(root):
                folders[:] = [name for name in folders if name != "__pycache__"]
                found += [os.path.join(folder, name) for name in names]
    return found


def _stamp(path: str) -> Stamp | None:
    try:
        now = os.stat(path)
    except OSError:
        return None
    return now.st_mtime_ns, now.st_size
