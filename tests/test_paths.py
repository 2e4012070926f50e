"""Paths as users write them, at every reader and writer: what none can mean is refused by the argument's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deepstrf.datasets import (
    Recording,
    RecordingFolder,
    fetch,
    linear_from_field,
    read_arrays,
    read_crcns_aa,
    read_nems,
    read_nwb,
    read_phy,
)
from deepstrf.models import Linear
from deepstrf.paths import as_path
from deepstrf.stimuli import read_wav, spectrogram_from_wav
from deepstrf.training import FitRecipe, Fitter, fit_jobs, fit_many


def small_recording() -> Recording:
    torch.manual_seed(0)
    cf_hz = torch.tensor([500.0, 1e3, 2e3])
    return Recording(torch.randn(4, 1, 3, 30), torch.rand(4, 1, 1, 30), dt_ms=5.0, cf_hz=cf_hz)


def fit(path: Any) -> None:
    Fitter(epochs=1, progress=False).fit(Linear(3, 4), small_recording(), checkpoint=path)


def many(path: Any) -> None:
    jobs = fit_jobs({"linear": FitRecipe(Linear(3, 4), Fitter(epochs=1, progress=False))}, small_recording())
    fit_many(jobs, folder=path, progress=False)


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "read_arrays": (read_arrays, "path"),
    "read_nems": (read_nems, "path"),
    "read_crcns_aa": (read_crcns_aa, "path"),
    "read_phy": (lambda path: read_phy(path, events="events.csv"), "folder"),
    "events of read_phy": (lambda path: read_phy(".", events=path), "events"),
    "read_nwb": (read_nwb, "path"),
    "RecordingFolder": (RecordingFolder, "folder"),
    "Recording.load": (Recording.load, "path"),
    "read_wav": (read_wav, "path"),
    "spectrogram_from_wav": (spectrogram_from_wav, "path"),
    "catalogue of fetch": (lambda path: fetch("a", catalogue=path), "catalogue"),
}
WRITERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "Recording.save": (lambda path: small_recording().save(path), "path"),
    "save_pretrained": (lambda path: Linear(3, 4).save_pretrained(path), "save_dir"),
    "checkpoint of a fit": (fit, "checkpoint"),
    "folder of fit_many": (many, "folder"),
}
FIELD = (lambda path: linear_from_field(path, lag_zero="last"), "field")
ALL = READERS | WRITERS | {"linear_from_field": FIELD}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x" * 400, " must be a path that the file system can hold, got one of 400 bytes .* take shorter names"),
        ("/".join(["a" * 200] * 30), " must be a path that the file system can hold, got one of 6029 bytes"),
        ("a\0b", r" must hold no NUL character, got 'a\\x00b'"),
        ("loop", " must lead to a file or a folder, got loop, a symbolic link that comes back to itself"),
    ],
    ids=["long name", "long path", "NUL", "loop"],
)
def test_a_path_that_no_file_can_have_is_refused_by_the_name_of_its_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    call, argument = ALL[name]
    with pytest.raises(ValueError, match=argument + message):
        call(path)
    assert [one.name for one in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize("name", [name for name in READERS | WRITERS if name != "catalogue of fetch"])
def test_what_is_no_path_is_refused_by_the_name_of_its_argument(name: str) -> None:
    call, argument = ALL[name]
    with pytest.raises(TypeError, match=rf"{argument} must be text or a path, got int"):
        call(3)


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_below_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"mine")
    with pytest.raises(
        (FileExistsError, NotADirectoryError),
        match=r"a(/b)? is no folder, so nothing can be written into it: choose another",
    ):
        WRITERS[name][0]("a/b")
    assert Path("a").read_bytes() == b"mine"


def test_a_tilde_is_the_home_of_the_user_and_bytes_are_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    recording = small_recording()
    assert recording.save("~/site") == tmp_path / "site"
    assert Recording.load(os.fsencode(tmp_path / "site")).neuron_names == recording.neuron_names
    Linear(3, 4).save_pretrained("~/model")
    assert isinstance(Linear.from_pretrained("~/model"), Linear)
    assert as_path("path", "~odd/file") == Path("~odd/file")
