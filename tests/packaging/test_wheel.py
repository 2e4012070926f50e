"""The wheel, installed into an empty environment, holds everything that the two packages need."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

# Runs in the new environment, away from the checkout, and tells what it found as JSON.
USE_IT = """
import json, pathlib
import numpy, torch
import deepstrf, deepstrf_widgets
from deepstrf.demo import load_demo
from deepstrf_widgets import explore

demo = load_demo()
with torch.no_grad():
    rate = demo.model(demo.stimulus.values[None, None])
bench = explore(demo.model, demo.stimulus, demo.responses).bench
print(json.dumps({
    "files": [deepstrf.__file__, deepstrf_widgets.__file__, str(demo.sound_path)],
    "finite": bool(torch.isfinite(rate).all()),
    "neurons": int(rate.shape[1]),
    "esm": len(str(bench._esm)),
    "css": len(str(bench._css)),
}))
"""


def run(*command: object, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.fail(f"{command}:\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the source archive, which so is complete as well."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (found,) = out.glob("deepstrf_lab-*.whl")
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """A new environment with the wheel alone; the dependencies are seen through a path file.

    A folder named in a path file is searched for packages, but its own path files are not read: the checkout, which an
    editable install adds by such a file, stays out of sight.
    """
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    python = folder / "bin" / "python"
    before = run(python, "-I", "-c", "import torch, deepstrf", cwd=folder, check=False)
    assert "No module named 'deepstrf'" in before.stderr
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    return folder


def test_wheel_holds_both_packages_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"deepstrf", "deepstrf_widgets", next(top for top in tops if top.endswith(".data"))}
    assert "deepstrf/py.typed" in names
    assert not [name for name in names if name.endswith((".ts", ".ipynb", ".map"))]


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Every file that git knows in the packages' folders: checkpoints, sounds and bundles as well as modules."""
    listed = run("git", "ls-files", "deepstrf", "widgets/deepstrf_widgets", cwd=ROOT).stdout.split()
    expected = {name.removeprefix("widgets/") for name in listed}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_installed_wheel_runs_the_demo_and_makes_a_widget(environment: Path) -> None:
    done = run(environment / "bin" / "python", "-I", "-W", "error", "-c", USE_IT, cwd=environment)
    output = json.loads(done.stdout.splitlines()[-1])
    assert all(Path(file).is_relative_to(environment) for file in output["files"])
    assert output["finite"]
    assert output["neurons"] > 0
    static = ROOT / "widgets" / "deepstrf_widgets" / "static"
    assert output["esm"] == len((static / "bench.js").read_text())
    assert output["css"] == len((static / "bench.css").read_text())


def test_installed_wheel_leaves_the_servers_of_its_environment_alone(environment: Path) -> None:
    """The extension is off until a user enables it, and then works."""
    listing, enable = (
        f"from jupyter_server.extension.serverextension import main; main({arguments})"
        for arguments in (["list"], ["enable", "--sys-prefix", "deepstrf_widgets.server"])
    )
    done = run(environment / "bin" / "python", "-I", "-c", listing, cwd=environment)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "deepstrf_widgets.server" in line]
    assert any("disabled" in line for line in lines), done.stdout + done.stderr
    assert not any("enabled" in line for line in lines), done.stdout + done.stderr
    run(environment / "bin" / "python", "-I", "-c", enable, cwd=environment)
    done = run(environment / "bin" / "python", "-I", "-c", listing, cwd=environment)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "deepstrf_widgets.server" in line]
    assert any("enabled" in line for line in lines), done.stdout + done.stderr
    assert any("OK" in line for line in lines), done.stdout + done.stderr


def test_editable_install_sees_both_packages_and_the_extension(tmp_path: Path) -> None:
    """The wheel of an editable install: path entries for both packages, and Jupyter's file as in the full wheel."""
    hook = "import sys, hatchling.build as b; print(b.build_editable(sys.argv[1]))"
    name = run(sys.executable, "-c", hook, tmp_path, cwd=ROOT).stdout.split()[-1]
    with zipfile.ZipFile(tmp_path / name) as editable:
        (paths,) = (member for member in editable.namelist() if member.endswith(".pth"))
        assert set(editable.read(paths).decode().split()) == {str(ROOT), str(ROOT / "widgets")}
        data = [member for member in editable.namelist() if ".data/data/etc/jupyter/" in member]
    assert [Path(member).name for member in data] == ["deepstrf_widgets.json"]
