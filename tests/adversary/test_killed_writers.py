"""What a kill leaves of a file that is being saved, and what a reader beside the writer meets: one whole version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deepstrf import writing
from tests.adversary import killed_writers
from tests.adversary.scale import WHOLE

pytestmark = [pytest.mark.slow] if WHOLE else []

SECONDS, LEAST_KILLS = (60.0, 200) if WHOLE else (3.0, 5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is a fork of a process that has imported torch")
def test_a_kill_at_a_random_moment_leaves_one_whole_version(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", killed_writers.__file__, "--seconds", str(SECONDS)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS + 120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    report = json.loads(run.stdout)
    print(report)
    assert report["faults"] == {}
    assert report["kills"] >= LEAST_KILLS
    assert report["reads"]


@pytest.fixture(scope="module")
def every_writer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, killed_writers.Writer]:
    return {one.name: one for one in killed_writers.writers(tmp_path_factory.mktemp("references"))}


@pytest.mark.parametrize("linked", [True, False], ids=["hard links", "none"])
@pytest.mark.parametrize("name", ["recording", "folder", "page.html", "module.mjs"])
def test_a_kill_at_any_line_leaves_one_whole_version(
    every_writer: dict[str, killed_writers.Writer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    linked: bool,
) -> None:
    """A kill runs no clean-up: what it leaves is what is on the disk before the line that it comes at.

    Without hard links that may also be an empty file, which the next save replaces.
    """
    writer = every_writer[name]
    if not linked:
        monkeypatch.setattr(writing.os, "link", _refuse)
    for old in (None, writer.versions[0]) if writer.replaces else (None,):
        path = tmp_path / f"from {old is not None}" / name
        path.parent.mkdir()
        if old is not None:
            writer.save(0, path)
        left: list[str] = []

        def look(path: Path = path, old: object = old, left: list[str] = left) -> None:
            if linked or old is not None or not path.is_file() or path.stat().st_size:
                left.append(killed_writers.fault(writer, path, (old, writer.versions[1])))

        _at_every_line(lambda path=path: writer.save(1, path), look)
        assert len(left) > 20
        assert not any(left), next((number, one) for number, one in enumerate(left) if one)
        assert killed_writers.fault(writer, path, writer.versions[1:]) == ""
        if writer.replaces and path.is_file():
            path.write_bytes(b"")
            writer.save(0, path)
            assert killed_writers.fault(writer, path, writer.versions[:1]) == ""


def _at_every_line(act: Callable[[], object], look: Callable[[], None]) -> None:
    """Carry out an act, and look before each line of `deepstrf.writing` that it comes to."""

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != writing.__file__:
            return None
        if event == "line":
            look()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)


def _refuse(*_arguments: object) -> None:
    raise OSError("no links here")
