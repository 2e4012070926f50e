"""The course as its notebooks import it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
sys.path[:0] = [str(NOTEBOOKS), str(Path(__file__).parent)]


@pytest.fixture(autouse=True)
def own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which attempts of this test are kept."""
    monkeypatch.setenv("DEEPSTRF_COURSE_RECORD", str(tmp_path / "attempts.jsonl"))
    return tmp_path / "attempts.jsonl"
