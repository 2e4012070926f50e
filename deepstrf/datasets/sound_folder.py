"""The folder of sounds that belongs to tables of spikes or of onsets."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepstrf.datasets.assembly import Trial
from deepstrf.datasets.tables import plain_name
from deepstrf.stimuli import Spectrogram, log_mel_spectrogram, read_wav
from deepstrf.stimuli.sound_files import ENDINGS

if TYPE_CHECKING:
    import pandas as pd


class SoundFiles:
    """The sounds of a folder by their names, with or without ending, in capitals or small letters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: dict[str, Path] = {}
        self._of_name: dict[str, list[Path]] = {}
        self._of_stem: dict[str, list[Path]] = {}
        self._not_read: dict[str, Path] = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.lower() in ENDINGS and path.is_file():
                self._of_name.setdefault(_comparable(path.name), []).append(path)
                self._of_stem.setdefault(_comparable(plain_name(path.stem)), []).append(path)
            elif path.is_file():
                self._not_read |= {_comparable(path.name): path, _comparable(plain_name(path.stem)): path}

    def names(
        self, file: Path, table: pd.DataFrame, keys: Sequence[Trial], first_rows: Sequence[int]
    ) -> dict[str, str]:
        """Name of each stimulus as the recording has it, by how the table writes it."""
        rows: dict[str, int] = {}
        for (_, written, _), row in zip(keys, first_rows, strict=True):
            rows.setdefault(written, row)
        return {written: self.name(f"{file}, row {row}", written) for written, row in rows.items()}

    def name(self, where: str, written: str) -> str:
        """Name of the stimulus that is written so; ValueError or FileNotFoundError where it is not one file."""
        if not written or Path(written).name != written or "\\" in written:
            raise ValueError(f"{where}: stimulus must be the name of a file in {self.folder.name}/, got {written!r}")
        exact = self.folder / written
        found = self._of_name.get(_comparable(written)) or self._of_stem.get(_comparable(written)) or []
        if exact in found:
            found = [exact]
        if not found and (other := self._not_read.get(_comparable(written))) is not None:
            raise ValueError(f"{where}: {other} is of a format that is not read: turn it into WAV or FLAC")
        if not found:
            sound = exact if exact.suffix.lower() in ENDINGS else f"{exact}.wav"
            raise FileNotFoundError(f"{where}: there is no sound {sound}, nor one with another ending")
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise ValueError(f"{where}: stimulus must name one file, but {written!r} may be {names}: write its ending")
        (path,) = found
        name = path.stem
        if self.used.setdefault(name, path) != path:
            name = path.name
            self.used[name] = path
        return name


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Sounds:
    """Length and spectrogram of the sounds, read once each."""

    def __init__(self, folder: Path, paths: dict[str, Path], settings: dict[str, Any], max_gb: float) -> None:
        self.duration_s: dict[str, float] = {}
        self.spectrograms: dict[str, Spectrogram] = {}
        first: tuple[Path, int] | None = None
        for name, path in paths.items():
            waveform, rate_hz = read_wav(path, max_gb=max_gb)
            first = first or (path, rate_hz)
            if rate_hz != first[1]:
                raise ValueError(
                    f"all sounds must have the same sample rate, but {first[0]} has {first[1]} Hz and "
                    f"{path} has {rate_hz} Hz"
                )
            self.duration_s[name] = len(waveform) / rate_hz
            try:
                self.spectrograms[name] = log_mel_spectrogram(waveform, rate_hz, name=name, max_gb=max_gb, **settings)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
