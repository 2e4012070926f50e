"""The first cell of every lesson prepares Google Colab, and does nothing elsewhere; badges open lessons there."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from tests.packaging.binder_environment import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


class Shell:
    """What the cell asks IPython for, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def system(self, command: str) -> None:
        self.asked.append(f"!{command}")

    def run_line_magic(self, name: str, line: str) -> None:
        self.asked.append(f"%{name} {line}")


def first_code(path: Path) -> str:
    return next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def run(source: str) -> list[str]:
    shell = Shell()
    exec(TransformerManager().transform_cell(source), {"get_ipython": lambda: shell})
    return shell.asked


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """Colab's module and an empty folder."""
    monkeypatch.chdir(tmp_path)
    google, inner, output = (types.ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
    google.colab, inner.output = inner, output
    output.enabled = 0

    def enable_custom_widget_manager() -> None:
        output.enabled += 1

    output.enable_custom_widget_manager = enable_custom_widget_manager
    for module in (google, inner, output):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return output


def test_every_lesson_begins_with_the_same_cell() -> None:
    assert len({first_code(path) for path in NOTEBOOKS}) == 1


def test_on_colab_it_fetches_the_lessons_installs_them_and_lets_widgets_show(colab: types.ModuleType) -> None:
    asked = run(first_code(NOTEBOOKS[0]))
    url = yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"]
    assert asked == [
        f"!test -d deepstrf-lab || git clone -q --depth 1 {url}",
        "%cd deepstrf-lab/notebooks",
        '%pip install -q "..[widgets]"',
    ]
    assert colab.enabled == 1


def test_on_colab_a_second_run_does_nothing(colab: types.ModuleType, tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    assert run(first_code(NOTEBOOKS[0])) == []


def test_elsewhere_it_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "google.colab" not in sys.modules
    assert run(first_code(NOTEBOOKS[0])) == []


def test_badges_lead_to_notebooks_that_exist() -> None:
    linked = [
        path
        for text in ((ROOT / "README.md").read_text(), (ROOT / "docs" / "teaching.md").read_text())
        for path in re.findall(
            r"colab\.research\.google\.com/github/deepstrf-lab/deepstrf-lab/blob/main/([\w/.]+)", text
        )
    ]
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_nbgitpuller_link_opens_a_notebook_that_exists() -> None:
    text = (ROOT / "docs" / "teaching.md").read_text()
    (path,) = re.findall(r"git-pull\?\S*urlpath=lab%2Ftree%2Fdeepstrf-lab%2F(\S+?)&", text)
    assert (ROOT / path.replace("%2F", "/")).exists()
