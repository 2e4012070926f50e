"""The image for JupyterHub: what its Dockerfile installs is pinned, and its settings reach the server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.packaging.binder_environment import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
IDLE_S = 2400


def test_every_package_of_the_image_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert set(re.findall(r"grep '\^(\w+)==' constraints.txt", TEXT)) == {"uv", "torch"} <= pinned
    assert "-c constraints.txt '.[hub]'" in TEXT
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["hub"]
    assert {Requirement(one).name for one in extras} - {"deepstrf-lab"} <= pinned


def test_idle_kernels_end_in_the_image(tmp_path: Path) -> None:
    """The server is asked for its settings: files in a folder of extensions would be passed over in silence."""
    folders = re.search(r"JUPYTER_CONFIG_PATH=(\S+)", TEXT)
    assert folders is not None
    here = folders[1].replace("/home/jovyan/deepstrf-lab", str(ROOT))
    assert all(Path(folder).is_dir() for folder in here.split(":"))
    own = {"JUPYTER_CONFIG_PATH": here, "JUPYTER_CONFIG_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-m", "jupyter_server", "--show-config-json"],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=True,
    )
    settings = json.loads(said.stdout)["MappingKernelManager"]
    assert settings == {"cull_connected": True, "cull_idle_timeout": IDLE_S, "cull_interval": 60}
    assert f"idle for {IDLE_S // 60} minutes" in (ROOT / "docs" / "teaching.md").read_text()
