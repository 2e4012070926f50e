"""The examples in docs/ run as a stranger runs them: page by page, in an empty folder, with no name undefined."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest

import deepstrf
from deepstrf.datasets import Recording
from deepstrf.simulate import simulate_population
from deepstrf.training import FitRecipe, Fitter
from tests.packaging.binder_environment import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TEMPLATES = {"teaching.md"}
"""Their examples are files of a lesson that is yet to be written."""


def blocks(page: Path, language: str) -> list[str]:
    return [textwrap.dedent(text) for _, kind, text in FENCE.findall(page.read_text()) if kind == language]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
WITH_SESSIONS = [page for page in PAGES if blocks(page, "pycon")]


def small_recording(*_arguments: object, **_options: object) -> Recording:
    """In place of a download, and of a minute of simulated sound: as many bands as the pages' models have."""
    return simulate_population(2, seconds=25, sample_rate_hz=8000, n_bands=18, max_hz=4000.0)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, small recordings, fits of two epochs, and one seed."""
    fit, compare = Fitter.fit, deepstrf.compare

    def short_fit(fitter: Fitter, *arguments: object, **options: object) -> object:
        return fit(Fitter(epochs=2, progress=False, baseline=False), *arguments, **options)

    def short_compare(models: dict[str, object], *arguments: object, **options: object) -> object:
        fitter = Fitter(epochs=2, progress=False, baseline=False)
        chosen = {name: FitRecipe(one, fitter) if hasattr(one, "forward") else one for name, one in models.items()}
        one_seed = {"seeds": (0,)} if "seeds" in options else {}
        return compare(chosen, *arguments, **{**options, **one_seed})

    monkeypatch.setattr(Fitter, "fit", short_fit)
    monkeypatch.setattr(deepstrf, "compare", short_compare)
    monkeypatch.setattr(deepstrf, "fetch", small_recording)
    monkeypatch.setattr("deepstrf.simulate.simulate_population", small_recording)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    ipywidgets.Widget.close_all()


def test_pages_with_examples_are_found() -> None:
    assert [page.name for page in WITH_PYTHON] == ["recordings.md", "teaching.md", "which_model.md"]
    assert [page.name for page in WITH_SESSIONS] == ["recordings.md"]


@pytest.mark.filterwarnings("ignore:this .* predicts the validation sounds worse")
@pytest.mark.parametrize("page", [one for one in WITH_PYTHON if one.name not in TEMPLATES], ids=lambda page: page.name)
def test_python_examples_of_a_page_run_one_after_the_other(page: Path, quick: Path) -> None:
    if "dask" in page.read_text():
        pytest.importorskip("distributed")
    names: dict[str, object] = {"__name__": "a page"}  # what begins processes stands under `if __name__ == "__main__"`
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=lambda page: page.name)
def test_sessions_of_a_page_give_what_stands_there(page: Path) -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for block in blocks(page, "pycon"):
        runner.run(parser.get_doctest(block, {}, page.name, str(page), 0), out=said.append)
    assert runner.summarize(verbose=False).attempted > 0
    assert said == []


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_no_name_of_a_page_is_undefined(page: Path) -> None:
    """Also where a block is not run here."""
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F401", "--output-format", "json", "-"],
        input="\n".join(blocks(page, "python")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert [(one["code"], one["message"]) for one in json.loads(found.stdout)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page_stand_in_fences(page: Path) -> None:
    """Outside of one, a line of a session is shown as a quotation in a quotation in a quotation."""
    assert not re.search(r"^>>> ", FENCE.sub("", page.read_text()), re.MULTILINE)
