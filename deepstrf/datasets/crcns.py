"""The zebra-finch recordings aa1 and aa2 of CRCNS, in the folders in which they are handed out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepstrf.datasets.assembly import Trial, assemble, shortened
from deepstrf.datasets.choice import chosen
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.sound_folder import Sounds
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path
from deepstrf.stimuli import log_mel_spectrogram
from deepstrf.stimuli.sound_files import ENDINGS
from deepstrf.user_warning import warn_user

__all__ = ["read_crcns_aa"]

LONGEST_MS = 1e7
FEWEST_TO_DOUBT = 5
"""Spikes from which on times that are all too small are doubted."""


@dataclass(frozen=True)
class _Presentation:
    """One stimK with its spikeK."""

    cell: str
    sound: str
    spikes: Path


@keywords(log_mel_spectrogram)
def read_crcns_aa(
    path: str | os.PathLike[str],
    *,
    units: Sequence[int | str] | int | str | None = None,
    sounds: Sequence[int | str] | int | str | None = None,
    types: Sequence[str] | str | None = None,
    region: str | None = None,
    max_gb: float = LIMIT_GB,
    **spectrogram: Any,
) -> Recording:
    """Recording of zebra-finch cells (CRCNS aa1, aa2), with the rate before the sounds in ``spontaneous_hz`` (N,).

    Each cell is a folder with one folder for each type of sound, which hold ``stimK`` (the name of a sound) and
    ``spikeK`` (a trial a line, times in ms from the onset; an empty line is a trial without a spike). Times before the
    onset count for the spontaneous rate, those after the end of the sound for nothing; a warning says how many.

    Parameters
    ----------
    path : str or path
        Folder with ``all_stims`` and the folders of cells: ``all_cells``, or one for each region (``Field_L_cells``).
    units, sounds : sequence of str or int, optional
        Cells and sounds to read, by name, by a pattern such as ``"blabla*"``, or by number; None reads all.
    types : str or sequence of str, optional
        Types of sounds: ``"conspecific"``, ``"flatrip"``, ``"songrip"``; None reads all.
    region : str, optional
        Cells of one region only: of ``cell_regions.csv`` (aa2), or of the folder ``<region>_cells`` (aa1).
    max_gb : float
        Memory that the sounds and the responses may take, in GB of 2^30 bytes.
    **spectrogram
        Settings of `deepstrf.stimuli.log_mel_spectrogram`. The sounds have 32 kHz: ``max_hz=8000`` leaves no silent
        band above the song.

    Returns
    -------
    Recording
        With an attribute ``spontaneous_hz``, Tensor (N,): spikes before the onsets over the time before them, which
        begins with the earliest spike of the cell; NaN without one.

    Raises
    ------
    FileNotFoundError
        The folder, or a sound that a stimK names, is missing.
    ValueError
        A file is not as said (the message names it and its row), a cell, sound, type or region is unknown, or more
        memory is needed.

    Warns
    -----
    UserWarning
        Spikes after the end of their sound are left out, a spikeK holds no trial, or times look like seconds.

    References
    ----------
    Gill, Zhang, Woolley, Fremouw & Theunissen (2006), J. Comput. Neurosci. 21:5; crcns.org/data-sets/aa.
    """
    path = as_path("path", path)
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}")
    cells = _cells(path, region)
    names = list(cells)
    wanted = [names[i] for i in chosen("units", units, names, str(path))]
    kinds = sorted({kind.name for cell in cells.values() for folder in cell for kind in _folders(folder)})
    kept = kinds if types is None else [kinds[i] for i in chosen("types", types, kinds, str(path))]
    shown = [one for cell in wanted for one in _presentations(cell, cells[cell], kept)]
    if not shown:
        raise ValueError(
            f"{path} must hold files stimK and spikeK of the types {kept}, got none for {shortened(wanted)}"
        )
    heard = list(dict.fromkeys(one.sound for one in shown))
    wanted_sounds = {heard[i] for i in chosen("sounds", sounds, heard, str(path))}
    shown = [one for one in shown if one.sound in wanted_sounds]
    files = _sound_files(path)
    for one in shown:
        if one.sound not in files:
            raise FileNotFoundError(
                f"{one.spikes.with_name(_stim_of(one.spikes))}: there is no sound {one.sound} in {path}"
            )
    made = Sounds(path, {name: files[name] for name in dict.fromkeys(one.sound for one in shown)}, spectrogram, max_gb)
    trials: list[Trial] = []
    places, times = [], []
    before: dict[str, list[np.ndarray]] = {cell: [] for cell in wanted}
    numbers: dict[tuple[str, str], int] = {}
    own: dict[str, int] = {}
    late = total = 0
    empty = []
    for one in shown:
        lines = _lines(one.spikes, max_gb)
        if not lines:
            empty.append(str(one.spikes.relative_to(path)))
        for line in lines:
            number = numbers.get((one.cell, one.sound), 0)
            numbers[one.cell, one.sound] = number + 1
            own[one.cell] = own.get(one.cell, 0) + 1
            total += len(line)
            early, after = line < 0, line > made.duration_s[one.sound]
            before[one.cell].append(line[early])
            late += int(after.sum())
            line = line[~early & ~after]
            places.append(np.full(len(line), len(trials), dtype=np.int64))
            times.append(line)
            trials.append((one.cell, one.sound, number))
    if empty:
        _warn(f"{path}: {len(empty)} files hold no trial: {shortened(empty, 5)}")
    if not trials:
        raise ValueError(f"{path} holds no trial of {shortened(wanted)}")
    if late:
        _warn(f"{path}: {late} of {total} spikes lie after the end of their sounds and are left out")
    longest = max(made.duration_s.values())
    if total >= FEWEST_TO_DOUBT and max(map(_latest, [*times, *itertools.chain(*before.values())])) * 1000 <= longest:
        _warn(f"{path}: all {total} spikes lie within {longest:.2g} ms of the onsets: are their times in s, not in ms?")
    recording = Recording._of(
        **assemble(
            str(path),
            trials,
            np.concatenate(places),
            np.concatenate(times),
            made.spectrograms,
            recorded=(None for _ in trials),
            max_gb=max_gb,
        )
    )
    recording.spontaneous_hz = torch.tensor([_rate(before[cell], own[cell]) for cell in recording.neuron_names])
    return recording


def _cells(path: Path, region: str | None) -> dict[str, list[Path]]:
    """Folders of each cell, in the order of their names."""
    roots = [one for one in _folders(path) if one.name.endswith("_cells")]
    if not roots:
        raise ValueError(f"{path} must hold a folder all_cells, or one such as Field_L_cells, got none")
    regions = _regions(path)
    cells: dict[str, list[Path]] = {}
    for root in roots:
        here = root.name.removesuffix("_cells")
        for folder in _folders(root):
            if region is None or region == regions.get(folder.name, here):
                cells.setdefault(folder.name, []).append(folder)
    if region is not None and not cells:
        known = sorted({*regions.values(), *(root.name.removesuffix("_cells") for root in roots)} - {"all"})
        raise ValueError(f"region must be one of {known} of {path}, got {region!r}")
    if not cells:
        raise ValueError(f"{path} must hold a folder for each cell in {roots[0].name}, got none")
    # A cell may stand in all_cells and again in the folder of its region.
    return {name: folders[:1] for name, folders in sorted(cells.items())}


def _regions(path: Path) -> dict[str, str]:
    file = path / "cell_regions.csv"
    if not file.is_file():
        return {}
    regions = {}
    for row, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        cells = [cell.strip().strip('"') for cell in line.split(",")]
        if len(cells) == 2:
            regions[cells[0]] = cells[1]
        elif line.strip():
            raise ValueError(f"{file}, row {row}: there must be a cell and its region, got {line!r}")
    return regions


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def _number(file: Path, word: str) -> int | None:
    """K of a file wordK, wordK.txt."""
    name = file.name.removesuffix(".txt")
    rest = name.removeprefix(word)
    return int(rest) if name.startswith(word) and rest.isdecimal() else None


def _stim_of(spikes: Path) -> str:
    return spikes.name.replace("spike", "stim", 1)


def _presentations(cell: str, folders: Sequence[Path], kinds: Sequence[str]) -> Iterator[_Presentation]:
    """What was played to a cell, in the order of types and numbers."""
    for folder in (kind for one in folders for kind in _folders(one) if kind.name in kinds):
        stims = {k: one for one in folder.iterdir() if (k := _number(one, "stim")) is not None}
        spikes = {k: one for one in folder.iterdir() if (k := _number(one, "spike")) is not None}
        for k in sorted({*stims, *spikes}):
            if k not in stims or k not in spikes:
                there = (stims.get(k) or spikes[k]).name
                raise ValueError(f"{folder} must hold both stim{k} and spike{k}, got {there} alone")
            first = stims[k].read_text(encoding="utf-8-sig", errors="replace").strip().splitlines()[:1]
            if not first:
                raise ValueError(f"{stims[k]}, row 1: there must be the name of a sound, got nothing")
            yield _Presentation(cell, first[0].strip(), spikes[k])


def _sound_files(path: Path) -> dict[str, Path]:
    """Sounds under all_stims, by their name with and without ending."""
    found: dict[str, Path] = {}
    folder = path / "all_stims"
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file() and file.suffix.lower() in ENDINGS:
            for name in (file.name, file.stem):
                found.setdefault(name, file)
    return found


def _lines(file: Path, max_gb: float) -> list[np.ndarray]:
    """Times in s of each trial, ascending."""
    check_memory(str(file), 8.0 * file.stat().st_size, max_gb)
    text = file.read_bytes().decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    trials = []
    for row, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            times = np.asarray([float(one) for one in line.replace(",", " ").split()])
        except ValueError:
            raise ValueError(f"{file}, row {row}: there must be spike times in ms, got {line[:60]!r}") from None
        if not (np.abs(times) < LONGEST_MS).all():
            raise ValueError(f"{file}, row {row}: spike times must be finite (ms), got {line[:60]!r}")
        trials.append(np.sort(times) / 1000)
    return trials


def _latest(times: np.ndarray) -> float:
    return float(np.abs(times).max()) if times.size else 0.0


def _rate(before: Sequence[np.ndarray], trials: int) -> float:
    early = np.concatenate(before) if before else np.zeros(0)
    return len(early) / (trials * -early.min()) if len(early) else np.nan


def _warn(message: str) -> None:
    warn_user(message)
