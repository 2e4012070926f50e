"""The README's examples run, its links lead somewhere, and its badges and the citation say what the project says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ipywidgets
import pytest
import yaml

from tests.packaging.binder_environment import ROOT

TEXT = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
FENCES = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
LINKS = re.findall(r"\]\(([^)\s]+)\)", TEXT)
WORDS_A_MINUTE = 238  # median of silent readers of English non-fiction: Brysbaert (2019), J. Mem. Lang. 109:104047
MINUTES = 4


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, and no widget left over."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    ipywidgets.Widget.close_all()


def test_python_examples_run_one_after_the_other(elsewhere: Path) -> None:
    names: dict[str, object] = {}
    for fence in FENCES:
        exec(fence, names)
    assert (elsewhere / "my_model" / "config.json").is_file()
    assert (elsewhere / "bench.html").is_file()


def test_first_example_has_ten_lines_at_most() -> None:
    assert len([line for line in FENCES[0].splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("link", [link for link in LINKS if not urlsplit(link).scheme])
def test_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


TABLE = [line.strip("| ").split(" | ") for line in (ROOT / "docs" / "hosts.md").read_text().splitlines() if "|" in line]
HOSTS = [(row[0], row[-1]) for row in TABLE[2:]]  # below the names of the columns


@pytest.mark.parametrize(("host", "tested"), HOSTS)
def test_each_host_has_a_test_or_is_simulated_only(host: str, tested: str) -> None:
    names = re.findall(r"`(?:tests/browser/)?(test_\w+\.py)`", tested)
    assert names, host
    assert all((ROOT / "tests" / "browser" / name).is_file() for name in names)
    assert ("simulated" in " ".join(names)) is tested.startswith("simulated only"), host


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_course_links_every_notebook_once(notebook: Path) -> None:
    assert LINKS.count(f"notebooks/{notebook.name}") == 1


def test_there_are_two_pictures() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    assert [picture for picture in pictures if not urlsplit(picture).scheme] == ["docs/bench.png", "docs/drag.webp"]


def test_badges_tell_the_python_the_licence_and_a_workflow_that_exist() -> None:
    assert PROJECT["requires-python"] == ">=3.11"
    assert "badge/Python-3.11%2B" in TEXT
    assert f"badge/licence-{PROJECT['license'].replace('-', '--')}-" in TEXT
    (workflow,) = set(re.findall(r"actions/workflows/([\w.]+)", TEXT))
    assert ".ci/run" in (ROOT / ".github" / "workflows" / workflow).read_text()


def test_it_is_read_in_four_minutes() -> None:
    """Prose and tables; code, addresses and what is folded away are not read word by word."""
    prose = re.sub(r"<details>.*?</details>|^```.*?^```$|\]\([^)]*\)|https?:\S+", " ", TEXT, flags=re.M | re.S)
    assert len(re.findall(r"[^\W\d_][\w'’-]*", prose)) <= WORDS_A_MINUTE * MINUTES


def test_citation_has_what_cff_1_2_asks_for_and_agrees_with_the_project() -> None:
    """The keys that the schema of CFF 1.2.0 requires, and the kinds of the others that stand there."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    known = {"cff-version", "message", "title", "type", "authors", "version", "license", "repository-code", "keywords"}
    assert set(CITATION) <= known
    assert CITATION["type"] in ("software", "dataset")
    assert CITATION["authors"] == [{"name": "deepstrf-lab developers"}]  # an entity: a name, and no name of a person
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert urlsplit(CITATION["repository-code"]).scheme == "https"
    assert len(CITATION["keywords"]) == len(set(CITATION["keywords"]))
    assert set(CITATION["keywords"]) <= set(PROJECT["keywords"])
