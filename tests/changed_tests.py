"""Print the tests that belong to what has changed since a commit, for pytest: ``python tests/changed_tests.py COMMIT``.

Committed or not. To a module belong its doctests and the tests of its room; to what has no test of its own there, every
test that names it as well. What a change breaks elsewhere, ``make test`` finds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "widgets/deepstrf_widgets": "tests/widgets",
    "deepstrf": "tests",
    "notebooks": "tests/notebooks",
    "binder": "tests/packaging",
}
"""Where the tests of a folder stand."""
PACKAGES = ("deepstrf/", "widgets/deepstrf_widgets/")
BUNDLE = "tests/widgets/test_bundle.py"


def changed(commit: str, root: Path = ROOT) -> list[str]:
    """Paths in the repository at ``root`` that differ from ``commit``, and those that git does not know yet."""

    def listed(*command: str) -> list[str]:
        return subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True).stdout.split()

    differing = listed("diff", "--name-only", "--no-renames", commit)
    return sorted({*differing, *listed("ls-files", "--others", "--exclude-standard")})


def select(path: str) -> set[str]:
    """Paths for pytest that belong to the file at ``path``, which may be gone."""
    file = PurePosixPath(path)
    if file.match("test_*.py"):
        found = {path}
    elif file.name == "conftest.py":
        found = _tests_in(str(file.parent) if file.parent.name else "tests", "**/")
    else:
        found = _tests_in(_room(file))
        if not any(PurePosixPath(test).name == f"test_{file.stem}.py" for test in found):
            found |= _tests_that_name(file)
        if path.startswith(("widgets/src/", "widgets/deepstrf_widgets/static/")):
            found.add(BUNDLE)
        if path.startswith(PACKAGES) and file.suffix == ".py":
            found.add(path)
    return {one for one in found if (ROOT / one).is_file() and not one.startswith("tests/browser/")}


def _tests_in(folder: str, below: str = "") -> set[str]:
    return {str(test.relative_to(ROOT)) for test in (ROOT / folder).glob(f"{below}test_*.py")} if folder else set()


def _room(file: PurePosixPath) -> str:
    """Folder of the tests for the file's own folder; empty where there is none."""
    for folder, tests in ROOMS.items():
        if file.is_relative_to(folder):
            return str(PurePosixPath(tests) / file.parent.relative_to(folder))
    return ""


def _tests_that_name(file: PurePosixPath) -> set[str]:
    """Tests in which a module stands by its dotted name, another file by its own name."""
    if file.name == "__init__.py":  # almost every test names its package
        return set()
    name = ".".join(file.with_suffix("").parts).removeprefix("widgets.") if file.suffix == ".py" else file.name
    return {test for test in _tests_in("tests", "**/") if name in (ROOT / test).read_text(encoding="utf-8")}


if __name__ == "__main__":
    print(*sorted(set().union(*map(select, changed(sys.argv[1])))))
