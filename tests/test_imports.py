"""What importing the library costs and brings along, in a fresh interpreter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deepstrf

ROOT = Path(__file__).resolve().parent.parent

#: Packages that a script which only fits models must not pay for.
NOT_ON_IMPORT = (
    "deepstrf_widgets", "anywidget", "ipywidgets", "plotly", "matplotlib", "IPython", "soundfile", "scipy",
    "huggingface_hub", "mambapy", "jupyterlab", "pandas", "requests", "httpx",
)  # fmt: skip


PROBE = """
import json, sys, time
import deepstrf
alone = sorted(set(name.partition(".")[0] for name in sys.modules))
import torch, numpy
before = set(sys.modules)
start = time.process_time()
import deepstrf.models.audio, deepstrf.models.checkpoints
seconds = time.process_time() - start
added = sorted(set(name.partition(".")[0] for name in set(sys.modules) - before))
lazy = [deepstrf.NeuralModel.__name__, deepstrf.models.checkpoints.CONFIG_FILE]
print(json.dumps({"alone": alone, "added": added, "seconds": seconds, "lazy": lazy}))
"""


def probe() -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    """What a fresh interpreter found."""
    return probe()


def test_import_deepstrf_does_not_even_import_torch(fresh: dict[str, Any]) -> None:
    assert "deepstrf" in fresh["alone"]
    assert set(fresh["alone"]).isdisjoint({"torch", "numpy", *NOT_ON_IMPORT})


def test_nothing_heavy_is_imported(fresh: dict[str, Any]) -> None:
    # torch itself may load some of these where it finds them; only what comes on top counts.
    assert "safetensors" in fresh["added"]
    assert set(fresh["added"]).isdisjoint(NOT_ON_IMPORT)


def test_import_time_beyond_torch(fresh: dict[str, Any]) -> None:
    # Seconds of processor time; a busy machine only ever adds, so a high figure is taken again.
    assert fresh["seconds"] <= 0.15 or min(probe()["seconds"] for _ in range(3)) <= 0.15


def test_subpackages_come_on_first_use(fresh: dict[str, Any]) -> None:
    assert fresh["lazy"] == ["NeuralModel", "config.json"]
    assert {"models", "Fitter", "load_demo", "__version__"} <= set(dir(deepstrf))
    with pytest.raises(AttributeError, match="module 'deepstrf' has no attribute 'nothing'"):
        deepstrf.nothing  # noqa: B018


def test_what_is_used_most_is_at_the_top() -> None:
    for name in deepstrf.__all__:
        assert getattr(deepstrf, name) is not None
    assert deepstrf.LinearNonlinear is deepstrf.models.LinearNonlinear
    assert deepstrf.Fitter is deepstrf.training.Fitter


def test_load_demo_is_that_of_the_demo_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepstrf.demo.load_demo", lambda *args, **kwargs: (args, kwargs))
    assert deepstrf.load_demo(1, part="sound") == ((1,), {"part": "sound"})


def test_the_version_is_that_of_the_package_metadata() -> None:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is None or found[1] == deepstrf.__version__


def test_the_package_is_typed() -> None:
    assert (ROOT / "deepstrf" / "py.typed").is_file()
