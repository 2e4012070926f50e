"""Which tests `make quick` runs for a change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.changed_tests import ROOT, changed, select


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("deepstrf/metrics/losses.py", {"deepstrf/metrics/losses.py", "tests/metrics/test_losses.py"}),
        ("deepstrf/models/readouts.py", {"tests/models/test_readouts.py"}),
        ("widgets/deepstrf_widgets/message_parsing.py", {"tests/widgets/test_message_parsing.py"}),
        ("widgets/deepstrf_widgets/session/session.py", {"tests/widgets/session/test_session.py"}),
        (
            "tests/models/layers/plain.py",
            {"tests/models/layers/test_attention.py", "tests/models/test_prefiltering.py"},
        ),
        ("tests/training/conftest.py", {"tests/training/test_fitter.py"}),
        ("tests/vectors/units.json", {"tests/widgets/test_vectors.py"}),
        ("widgets/src/math/units.ts", {"tests/widgets/test_bundle.py"}),
        ("widgets/deepstrf_widgets/static/bench.js", {"tests/widgets/test_bundle.py"}),
        ("notebooks/00_tour.ipynb", {"tests/notebooks/test_structure.py"}),
        ("binder/environment.yml", {"tests/packaging/test_binder.py"}),
        ("constraints.txt", {"tests/packaging/test_pins.py"}),
        ("README.md", {"tests/packaging/test_readme.py"}),
    ],
)
def test_tests_of_a_file(path: str, expected: set[str]) -> None:
    found = select(path)
    assert expected <= found
    assert all((ROOT / test).is_file() for test in found)
    assert not [test for test in found if test.startswith("tests/browser")]


def test_a_room_is_not_the_whole_house() -> None:
    assert "tests/models/test_scales.py" not in select("deepstrf/metrics/losses.py")
    assert "tests/models/layers/test_strf.py" not in select("deepstrf/models/readouts.py")


def test_of_a_changed_test_only_itself_and_of_one_that_is_gone_none() -> None:
    assert select("tests/metrics/test_losses.py") == {"tests/metrics/test_losses.py"}
    assert select("tests/metrics/test_gone.py") == set()


def test_every_module_has_tests() -> None:
    modules = [path.relative_to(ROOT) for path in (ROOT / "deepstrf").rglob("*.py")]
    modules += [path.relative_to(ROOT) for path in (ROOT / "widgets" / "deepstrf_widgets").rglob("*.py")]
    assert [module for module in map(str, modules) if select(module) <= {module}] == []


def test_changed_since_a_commit(tmp_path: Path) -> None:
    def git(*command: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        return subprocess.run(
            ["git", *identity, *command], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    (tmp_path / ".gitignore").write_text("ignored\n")
    for name in ("same", "committed", "staged", "edited", "gone"):
        (tmp_path / name).write_text("before\n")
    git("add", ".")
    git("commit", "-qm", "before")
    base = git("rev-parse", "HEAD").strip()
    (tmp_path / "committed").write_text("after\n")
    git("commit", "-qam", "after")
    (tmp_path / "staged").write_text("after\n")
    git("add", "staged")
    (tmp_path / "edited").write_text("after\n")
    (tmp_path / "gone").unlink()
    for name in ("new", "ignored"):
        (tmp_path / name).write_text("new\n")
    assert changed(base, tmp_path) == ["committed", "edited", "gone", "new", "staged"]
