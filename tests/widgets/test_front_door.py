"""The command that opens the demo without Jupyter."""

import subprocess
import sys
import tomllib
import webbrowser
from pathlib import Path

import pytest

from deepstrf_widgets.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def test_the_saved_page_is_opened_in_the_browser(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert main([]) == 0
    (address,) = opened
    path = Path(address.removeprefix("file://"))
    assert 'id="deepstrf-bench-data"' in path.read_text(encoding="utf-8")
    assert capsys.readouterr().out == ""


def test_without_a_browser_the_path_is_printed(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert main(["--out", str(tmp_path / "a b.html")]) == 0
    assert str(tmp_path / "a b.html") in capsys.readouterr().out


@pytest.mark.parametrize("out", ["no/such/folder.html", "text.html"])
def test_a_wrong_path_is_an_error_of_the_command_line(capsys, tmp_path, out):
    (tmp_path / "text.html").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["--no-browser", "--out", str(tmp_path / out)])
    assert ended.value.code == 2
    assert "--out: " in capsys.readouterr().err
    assert (tmp_path / "text.html").read_text() == "mine"


@pytest.mark.slow
def test_the_module_runs_and_prints_the_path(tmp_path):
    page = tmp_path / "bench.html"
    command = [sys.executable, "-m", "deepstrf_widgets", "--no-browser", "--out", str(page)]
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip() == str(page)
    assert page.stat().st_size > 100_000


def test_the_console_script_is_this_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"deepstrf-bench": "deepstrf_widgets.__main__:main"}
