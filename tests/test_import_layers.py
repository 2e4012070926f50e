"""Imports of our own modules stand at the top of files and run one way: upper rows of the table import lower ones."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"deepstrf": ROOT / "deepstrf", "deepstrf_widgets": ROOT / "widgets" / "deepstrf_widgets"}

# From low to high. A module may import from rows below its own and from its own entry (a file, or a folder with all in
# it). `__init__` is a folder's own file: it re-exports what lies in the folder, so it may lie higher.
LAYERS = (
    ("deepstrf.user_warning",),
    ("deepstrf.deprecation",),
    (
        "deepstrf.arguments",
        "deepstrf.paths",
        "deepstrf.short_repr",
        "deepstrf.models.protocols",
        "deepstrf.models.recorded_axes",
    ),
    ("deepstrf.locking", "deepstrf.memory", "deepstrf.writing"),
    ("deepstrf.models.scales", "deepstrf.models.layers", "deepstrf.metrics"),
    ("deepstrf.models.time_constants", "deepstrf.models.prediction", "deepstrf.models.switches"),
    ("deepstrf.models.prefiltering", "deepstrf.models.activations", "deepstrf.models.readouts"),
    ("deepstrf.models.streaming", "deepstrf.models.registry"),
    ("deepstrf.models.checkpoints",),
    ("deepstrf.models.neural_model",),
    ("deepstrf.models.audio",),
    ("deepstrf.models.__init__",),
    ("deepstrf.stimuli",),
    ("deepstrf.datasets",),
    ("deepstrf.analysis",),
    ("deepstrf.training", "deepstrf.simulate"),
    ("deepstrf.demo",),
    ("deepstrf.__init__",),
    ("deepstrf_widgets.bundle", "deepstrf_widgets.lifetime", "deepstrf_widgets.server", "deepstrf_widgets.threads"),
    ("deepstrf_widgets.session",),
    ("deepstrf_widgets.message_parsing", "deepstrf_widgets.shared_code"),
    ("deepstrf_widgets.browser_widget",),
    ("deepstrf_widgets.figures", "deepstrf_widgets.pictures", "deepstrf_widgets.play"),
    ("deepstrf_widgets.bench", "deepstrf_widgets.panels"),
    ("deepstrf_widgets.comparison",),
    (
        "deepstrf_widgets.inside",
        "deepstrf_widgets.neuron_gallery",
        "deepstrf_widgets.prediction",
        "deepstrf_widgets.stimulus",
    ),
    ("deepstrf_widgets.explorer",),
    ("deepstrf_widgets.training", "deepstrf_widgets.fits", "deepstrf_widgets.forked_kernels"),
    ("deepstrf_widgets.__init__",),
    ("deepstrf_widgets.__main__",),
)

#: Packages whose own file loads the others lazily, and why.
LAZY = {
    "deepstrf.__init__": "`import deepstrf` loads no torch",
    "deepstrf_widgets.__init__": "Jupyter's server loads `deepstrf_widgets.server` and must not pay for torch",
}


class Import(NamedTuple):
    """One module imports another; ``line`` is that of the statement."""

    importer: str
    imported: str
    line: int
    at_top: bool


def modules_of(packages: dict[str, Path]) -> dict[str, Path]:
    """File of each module, by its dotted name; a package's own file is called ``package.__init__``."""
    return {
        ".".join((package, *file.relative_to(folder).with_suffix("").parts)): file
        for package, folder in packages.items()
        for file in sorted(folder.rglob("*.py"))
    }


def imports_of(packages: dict[str, Path]) -> list[Import]:
    """Every import of our own modules in our own modules, also under ``if TYPE_CHECKING`` and inside functions."""
    modules = modules_of(packages)
    found = []
    for name, file in modules.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for target in targets_of(node, name):
                # `from package import thing`: the thing may be a module, or a name in the package's own file.
                for imported in (
                    target,
                    f"{target}.__init__",
                    target.rpartition(".")[0],
                    f"{target.rpartition('.')[0]}.__init__",
                ):
                    if imported in modules:
                        found.append(Import(name, imported, node.lineno, node in tree.body))
                        break
    return found


def targets_of(node: ast.AST, importer: str) -> Iterator[str]:
    """Dotted names that a statement of the module ``importer`` imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = importer.split(".")[: -node.level] if node.level else []
        yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def entry_of(module: str) -> tuple[int, str]:
    """Row of a module in the table, and the entry there that is the module itself or the nearest folder around it."""
    candidates = [
        (row, entry)
        for row, entries in enumerate(LAYERS)
        for entry in entries
        if module == entry or module.startswith(f"{entry}.")
    ]
    assert candidates, f"{module} has no place in the table of layers"
    return max(candidates, key=lambda candidate: len(candidate[1]))


def circles(imports: list[Import]) -> list[list[str]]:
    """Modules that import each other around, each circle once."""
    after: dict[str, set[str]] = {}
    for one in imports:
        after.setdefault(one.importer, set()).add(one.imported)
    found, done = [], set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for imported in sorted(after.get(module, ())):
                walk(imported, [*path, module])
            done.add(module)

    for module in sorted(after):
        walk(module, [])
    return found


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return imports_of(PACKAGES)


def test_there_is_no_circle(imports: list[Import]) -> None:
    eager = [one for one in imports if one.importer not in LAZY]
    assert circles(eager) == []


def test_no_import_points_upward(imports: list[Import]) -> None:
    upward = []
    for one in imports:
        (row, entry), (imported_row, imported_entry) = entry_of(one.importer), entry_of(one.imported)
        if imported_row >= row and imported_entry != entry:
            upward.append(f"{one.importer}:{one.line} imports {one.imported}")
    assert upward == []


def test_imports_of_our_own_modules_stand_at_the_top(imports: list[Import]) -> None:
    assert [one for one in imports if not one.at_top and one.importer not in LAZY] == []


def test_modules_are_imported_by_their_names() -> None:
    # What `import_module` loads, this file does not see.
    by_text = {
        name for name, file in modules_of(PACKAGES).items() if "import_module" in file.read_text(encoding="utf-8")
    }
    others = {"deepstrf.deprecation", "deepstrf_widgets.server", "deepstrf_widgets.forked_kernels.__main__"}
    assert by_text == {*LAZY, *others}


def test_every_place_in_the_table_is_taken() -> None:
    taken = {entry_of(module)[1] for module in modules_of(PACKAGES)}
    assert taken == {entry for entries in LAYERS for entry in entries}


@pytest.mark.parametrize(
    "statement",
    [
        "from pkg.b import thing",
        "from .b import thing",
        "from . import b",
        "import pkg.b",
        "def f():\n    from .b import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import thing",
    ],
)
def test_a_planted_circle_is_found(statement: str, tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "a.py").write_text(statement + "\n")
    (tmp_path / "b.py").write_text("from .c import d\n")
    (tmp_path / "c.py").write_text("import math\n\nfrom . import a\n")
    found = imports_of({"pkg": tmp_path})
    assert circles(found) == [["pkg.a", "pkg.b", "pkg.c", "pkg.a"]]
    at_top = next(one.at_top for one in found if one.importer == "pkg.a")
    assert at_top == statement.startswith(("from pkg", "from .", "import"))
