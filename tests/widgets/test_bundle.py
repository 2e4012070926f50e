"""The committed bundle is what its sources build, small, and free of links to elsewhere."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepstrf_widgets.bundle import bundle_source

ROOT = Path(__file__).resolve().parents[2]
WIDGETS = ROOT / "widgets"
STATIC = WIDGETS / "deepstrf_widgets" / "static"
NAMES = sorted(path.name.replace(".ts", ".js") for path in (WIDGETS / "src" / "entry").iterdir())
# All of them together, as they are and as a server sends them.
LARGEST_BYTES = 430_000
LARGEST_GZIP_BYTES = 170_000
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
MODULES = [name for name in NAMES if name.endswith(".js")]


def find_node():
    """The system's node, or the one that pip put beside this Python."""
    beside = Path(sys.executable).with_name("node")
    return shutil.which("node") or (str(beside) if beside.exists() else None)


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    node = find_node()
    missing = None
    if node is None:
        missing = "node is not installed"
    elif not (WIDGETS / "node_modules" / "esbuild").is_dir():
        missing = "esbuild is not installed: run `npm ci` in widgets/"
    if missing:
        message = f"CANNOT COMPARE THE BUNDLE WITH ITS SOURCES: {missing}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    out = tmp_path_factory.mktemp("bundle")
    subprocess.run([node, "build.mjs", "--out", str(out)], cwd=WIDGETS, check=True, capture_output=True, timeout=120)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_bundle_is_what_the_sources_build(rebuilt, name):
    stale = f"{name} is stale: run `make bundle` (npm run build in widgets/) and commit it"
    assert (STATIC / name).read_bytes() == (rebuilt / name).read_bytes(), stale


def test_what_is_committed_is_what_is_built_and_no_more():
    assert {path.name for path in STATIC.iterdir()} == set(NAMES)


def test_the_bundle_is_small():
    built = [(STATIC / name).read_bytes() for name in NAMES]
    assert sum(len(data) for data in built) <= LARGEST_BYTES
    assert sum(len(gzip.compress(data)) for data in built) <= LARGEST_GZIP_BYTES


def test_the_bundle_is_marked_as_generated():
    paths = [str((STATIC / name).relative_to(ROOT)) for name in NAMES]
    command = ["git", "check-attr", "linguist-generated", "diff", "--", *paths]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert output == [f"{path}: {of}" for path in paths for of in ("linguist-generated: set", "diff: unset")]


@pytest.mark.parametrize("name", NAMES)
def test_widgets_get_text_and_a_path_only_for_hot_reload(name, monkeypatch):
    """That a notebook follows is seen in ``tests/browser/test_hot_reload.py``."""
    monkeypatch.delenv("ANYWIDGET_HMR", raising=False)
    assert bundle_source(name) == (STATIC / name).read_text(encoding="utf-8")
    monkeypatch.setenv("ANYWIDGET_HMR", "1")
    assert bundle_source(name) == STATIC / name


@pytest.mark.parametrize("name", NAMES)
def test_the_bundle_loads_nothing_from_elsewhere(name):
    text = (STATIC / name).read_text(encoding="utf-8")
    links = set(re.findall(r"https?://[\w./-]+", text)) - NAMESPACES
    assert links == set()
    # The code of a panel comes from the kernel: only its own blob is imported, by a variable.
    assert not re.search(r"\bimport\b\s*[\w{*\"']|\bimport\b\s*\(\s*[\"'`]|@import|\}\s*from\s*[\"']", text)


@pytest.mark.parametrize("name", MODULES)
def test_the_bundle_exports_what_anywidget_loads(name):
    assert re.search(r"export\{[\w$]+ as default\};?\s*$", (STATIC / name).read_text(encoding="utf-8"))


def test_the_lock_names_no_registry_and_lists_every_platform():
    # npm drops an optional package that its registry lacks, and `npm ci` then refuses the lock on every machine.
    packages = json.loads((WIDGETS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    names = {name.rpartition("node_modules/")[2] for name in packages}
    wanted = {optional for package in packages.values() for optional in package.get("optionalDependencies", {})}
    assert wanted - names == set()
