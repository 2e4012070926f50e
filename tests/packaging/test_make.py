"""`make` lists its commands, opens JupyterLab safely, and says what is missing on a bare machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.lab import ROOT, START_SECONDS, free_port, own_folders

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_the_two_commands() -> None:
    output = make("help").stdout
    assert re.search(r"^  make lab +\w", output, re.MULTILINE)
    assert re.search(r"^  make test +\w", output, re.MULTILINE)


def test_plain_make_shows_the_help() -> None:
    assert make().stdout == make("help").stdout


def test_missing_python_is_reported_with_what_to_install(tmp_path: Path) -> None:
    done = make("lab", "PYTHON=no-such-python", f"VENV={tmp_path / 'venv'}")
    assert done.returncode
    assert "no-such-python" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


@pytest.mark.parametrize(
    ("program", "output"),
    [
        ('case "$*" in *version_info*) exit 1;; *-V*) echo Python 3.8.2;; esac', "3.11 or newer is needed.*3.8.2"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "apt-get install python3-venv"),
    ],
)
def test_unfit_python_is_reported(program: str, output: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    done = make("lab", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode
    assert re.search(output, done.stderr)


def test_ci_script_stops_at_errors_and_runs_make_test() -> None:
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    text = path.read_text()
    assert "set -euo pipefail" in text
    assert re.search(r"make .*\btest$", text, re.MULTILINE)


@contextlib.contextmanager
def running_lab(home: Path, port: int) -> Iterator[Path]:
    """The log of ``make lab`` while it runs in this test's environment, which counts as installed."""
    log = home / "lab.log"
    installed = f"{sys.prefix}/.lab"
    command = ["make", "--no-print-directory", "-o", installed, "lab", f"VENV={sys.prefix}", f"PORT={port}"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "BROWSER=0"],
            cwd=ROOT,
            env=own_folders(home),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=10):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(20)


@pytest.mark.slow
def test_make_lab_serves_the_tour_on_loopback_behind_a_token(tmp_path: Path) -> None:
    port = free_port()
    with running_lab(tmp_path, port) as log:
        output = log.read_text()
        address = re.search(rf"http://127\.0\.0\.1:{port}/lab/tree/notebooks/00_tour\.ipynb\?token=([0-9a-f]+)", output)
        assert address, output
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents", timeout=10)
        refused.value.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents?token={address[1]}", timeout=10) as answer:
            assert "notebooks" in {entry["name"] for entry in json.load(answer)["content"]}
        assert "kernel websockets send without delay" in output
