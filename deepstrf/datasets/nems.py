"""A recording of NEMS: signals that share a clock, in a folder or in its .tgz."""

from __future__ import annotations

import io
import json
import math
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.arguments import as_tensor, check_choice
from deepstrf.datasets.assembly import shortened
from deepstrf.datasets.choice import chosen
from deepstrf.datasets.parts import Part
from deepstrf.datasets.recording import Recording
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path
from deepstrf.user_warning import warn_user

if TYPE_CHECKING:
    import h5py
    import pandas as pd

__all__ = ["read_nems"]

CELLS_AT_ONCE = 2**19
"""Of a table, some 30 bytes each while it is read."""
FILE = re.compile(r"(?P<site>.*)\.(?P<signal>[^.]+)\.(?P<kind>epoch\.csv|csv|json|h5)")
LOWEST_HZ, HIGHEST_HZ = 200.0, 20000.0
"""Of the gammatone bands of the published recordings."""
EDGE_BINS = 1e-4
LIMIT_OF_ARCHIVE = 200
"""Times its own size that an archive may hold: text compresses some 20 times."""
MOST_BINS = 2.0**53


@keywords()
def read_nems(
    path: str | os.PathLike[str],
    *,
    units: Sequence[int | str] | int | str | None = None,
    sounds: Sequence[int | str] | int | str | None = None,
    site: str | None = None,
    stimulus: str = "stim",
    response: str = "resp",
    mask: str = "mask_est",
    epochs: str = "STIM_",
    cf_hz: Tensor | ArrayLike | None = None,
    scaling: Literal["log"] | None = None,
    max_gb: float = LIMIT_GB,
) -> Recording:
    """Recording in the files of a NEMS recording, of which only the wanted units and sounds come into the memory.

    Each epoch whose name begins with ``epochs`` is a sound, each of its places in the table of epochs a repeat. What
    lies between epochs is left out. In a raster, NaN is what was not recorded; of a point process, spikes are counted
    in the bins of the stimulus. Where there is a mask, what it excludes is NaN, in the sounds for which it includes
    any cell at all.

    Parameters
    ----------
    path : str or path
        Folder, or .tgz (.tar.gz, .tar) of it.
    units, sounds : sequence of str or int, optional
        By name, by a pattern such as ``"ARM029a*"`` or ``"STIM_00cat*"``, or by number among those of the file; None
        reads all. Sounds come in the order in which they were first played.
    site : str, optional
        Beginning of the names of the files, needed only where there are several recordings.
    stimulus, response, mask : str
        Names of the signals. There need not be a mask.
    epochs : str
        Beginning of the names of those epochs that are sounds.
    cf_hz : array, shape (F,), optional
        Centre frequencies, which the files do not hold. None is what the published recordings have: F bands from 200 Hz
        to 20 kHz, equally spaced in log frequency.
    scaling : {"log"}, optional
        "log": log(1 + x), then to 0..1 over all sounds of the file, also those that are not read. None leaves the
        values as they are.
    max_gb : float
        Memory that the responses and the stimuli may take, in GB of 2^30 bytes.

    Returns
    -------
    Recording
        Neurons are named by the channels of the response, stimuli by their epochs.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    ImportError
        A point process needs h5py: ``pip install 'deepstrf-lab[nwb]'``.
    ValueError
        A file is damaged, a signal or an epoch is missing or not as said, a unit or a sound is unknown, or more memory
        is needed. The message names the file.

    Warns
    -----
    UserWarning
        The stimulus differs between repeats of a sound (the first is taken), or repeats differ in length by a bin.

    References
    ----------
    Pennington & David (2023), PLOS Comput. Biol. 19:e1011110.
    """
    path = as_path("path", path)
    if scaling is not None:
        check_choice(("log",), scaling=scaling)
    with _opened(path) as files:
        recording = _Recording(files, site, stimulus, response, mask)
        return recording.read(units, sounds, epochs, cf_hz, scaling, max_gb)


class _Files:
    """Files of a folder or of an archive, by their names without folders; opened in place, nothing is unpacked."""

    def __init__(self, path: Path, archive: tarfile.TarFile | None) -> None:
        self.path, self.archive = path, archive
        self.members: dict[str, Any] = {}
        found: list[tuple[str, Any, int]]
        if archive is None:
            found = [(one.name, one, one.stat().st_size) for one in sorted(path.rglob("*")) if one.is_file()]
        else:
            found = [(Path(one.name).name, one, one.size) for one in archive if one.isfile()]
            while archive.fileobj is not None and archive.fileobj.read(2**20):
                pass  # to the end, where the checksum stands
            limit = LIMIT_OF_ARCHIVE * path.stat().st_size + 10**7
            if sum(size for _, _, size in found) > limit:
                raise ValueError(
                    f"{path} holds more than {LIMIT_OF_ARCHIVE} times its own size: it is damaged or a trap"
                )
        for name, one, _ in found:
            if name.startswith("._") or not FILE.fullmatch(name):
                continue
            if name in self.members:
                raise ValueError(f"{path} must hold one recording, but has two files {name}: name one of its folders")
            self.members[name] = one

    def where(self, name: str) -> str:
        return f"{self.path}, {name}" if self.archive is not None else str(self.members.get(name, self.path / name))

    def open(self, name: str) -> IO[bytes]:
        if self.archive is None:
            return open(self.members[name], "rb")
        opened = self.archive.extractfile(self.members[name])
        if opened is None:
            raise ValueError(f"{self.where(name)} is no file")
        return opened


@contextmanager
def _opened(path: Path) -> Iterator[_Files]:
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    try:
        if path.is_dir():
            yield _Files(path, None)
            return
        if not path.is_file():
            raise ValueError(f"{path} must be a folder or an archive, got a device or a pipe")
        with tarfile.open(path) as archive:
            yield _Files(path, archive)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} cannot be read as an archive of a NEMS recording: {error}") from error


@dataclass(frozen=True)
class _Signal:
    """What the .json of a signal says."""

    name: str
    where: str
    channels: list[str]
    fs: float
    last: int


@dataclass(frozen=True)
class _Sound:
    """Name of an epoch, and the first bins of its repeats."""

    name: str
    starts: list[int]
    bins: int


class _Recording:
    """The signals of one site."""

    def __init__(self, files: _Files, site: str | None, stimulus: str, response: str, mask: str) -> None:
        self.files = files
        found = [match for name in files.members if (match := FILE.fullmatch(name))]
        sites = sorted({one["site"] for one in found if one["signal"] == response})
        if site is None and len(sites) > 1:
            raise ValueError(f"site must name one of the recordings in {files.path}, {shortened(sites)}, got None")
        signals = sorted({one["signal"] for one in found})
        if not sites or (site is not None and site not in sites):
            others = sorted({one["site"] for one in found})
            raise ValueError(
                f"{files.path} must hold the signal {response!r}"
                + ("" if site is None else f" of the site {site!r}")
                + f", got the signals {shortened(signals)} of the sites {shortened(others)}"
            )
        self.site = sites[0] if site is None else site
        self.response, self.stimulus = self._signal("response", response), self._signal("stimulus", stimulus)
        self.mask = mask if self._has(mask, "csv") else None

    def _name(self, signal: str, kind: str) -> str:
        return f"{self.site}.{signal}.{kind}"

    def _has(self, signal: str, kind: str) -> bool:
        return self._name(signal, kind) in self.files.members

    def _signal(self, argument: str, name: str) -> _Signal:
        file = self._name(name, "json")
        if file not in self.files.members:
            signals = sorted({m["signal"] for one in self.files.members if (m := FILE.fullmatch(one))})
            raise ValueError(
                f"{argument} must be a signal in {self.files.path}, {signals}, got {name!r} without {file}"
            )
        where = self.files.where(file)
        try:
            with self.files.open(file) as opened:
                said = json.load(opened)
            channels = [str(one) for one in said["chans"]]
            fs, segments = float(said["fs"]), np.asarray(said.get("segments") or [[0, 0]], dtype=np.float64)
            last = int(segments.max())
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"{where} must hold name, chans, fs and segments: {error!r}") from error
        if not (fs > 0 and math.isfinite(fs)):
            raise ValueError(f"{where}: fs must be positive (bins per second), got {fs}")
        if not channels or len(set(channels)) < len(channels):
            raise ValueError(f"{where}: chans must be different names, got {shortened(channels)}")
        return _Signal(name, where, channels, fs, last)

    def read(
        self,
        units: Sequence[int | str] | int | str | None,
        sounds: Sequence[int | str] | int | str | None,
        epochs: str,
        cf_hz: Any,
        scaling: str | None,
        max_gb: float,
    ) -> Recording:
        """The recording; see `read_nems`."""
        resp, stim = self.response, self.stimulus
        F = len(stim.channels)
        axis = np.geomspace(LOWEST_HZ, HIGHEST_HZ, F) if cf_hz is None else as_tensor("cf_hz", cf_hz).numpy()
        if axis.shape != (F,):
            raise ValueError(f"cf_hz must have shape ({F},) for the bands of {stim.where}, got {axis.shape}")
        rows = chosen("units", units, resp.channels, resp.where)
        every = self._sounds(epochs)
        wanted = [
            every[i] for i in chosen("sounds", sounds, [one.name for one in every], self.files.where(self.epochs))
        ]
        wanted.sort(key=lambda one: every.index(one))
        needed = sum(one.bins * (len(rows) * len(one.starts) + F) for one in wanted)
        check_memory(f"{self.files.path}: {len(rows)} units with {len(wanted)} sounds", 4.0 * needed, max_gb)
        spectrograms = self._stimuli(every if scaling else wanted)
        if scaling:
            low, high = self._log(spectrograms)
            spectrograms = {one.name: (np.log1p(spectrograms[one.name]) - low) / (high - low) for one in wanted}
        responses = self._responses(rows, wanted)
        parts = [
            Part.compact(
                torch.from_numpy(np.ascontiguousarray(spectrograms[one.name].astype(np.float32)))[None],
                torch.from_numpy(responses[one.name]),
            )
            for one in wanted
        ]
        try:
            return Recording._of(
                parts,
                len(rows),
                dt_ms=1000 / stim.fs,
                cf_hz=torch.from_numpy(np.asarray(axis, dtype=np.float32)),
                neuron_names=[resp.channels[i] for i in rows],
                stimulus_names=[one.name for one in wanted],
                unit="0 to 1, log" if scaling else "a.u.",
            )
        except ValueError as error:
            raise ValueError(f"{self.files.path}: {error}") from error

    def _sounds(self, prefix: str) -> list[_Sound]:
        """Epochs that are sounds, in the order of their first repeat, in bins of the stimulus."""
        candidates = [self._name(name, "epoch.csv") for name in (self.response.name, self.stimulus.name)]
        self.epochs = next((name for name in candidates if name in self.files.members), candidates[0])
        if self.epochs not in self.files.members:
            raise ValueError(f"{self.files.path} must hold {self.epochs}, which says when each sound was played")
        where = self.files.where(self.epochs)
        table = self._table(self.epochs)
        fs = self.stimulus.fs
        ends = table["end"][np.isfinite(table["end"])]
        end_bin = self._last_bin(min(ends.max() * fs, MOST_BINS) if len(ends) else 0.0)
        found: dict[str, list[tuple[int, int]]] = {}
        for row, name, start, end in zip(table.index, table["name"], table["start"], table["end"], strict=True):
            if not name.startswith(prefix):
                continue
            if not (0 <= start < end < math.inf):
                raise ValueError(f"{where}, row {row + 2}: start and end must ascend from 0 s, got {start} and {end}")
            begin, stop = (round(float(x) * fs + EDGE_BINS) for x in (start, end))
            if stop > end_bin:
                raise ValueError(
                    f"{where}, row {row + 2}: {name!r} must end within the signal of {end_bin / fs:g} s, got {end:g} s"
                )
            if stop <= begin:
                raise ValueError(f"{where}, row {row + 2}: {name!r} is shorter than a bin of {1000 / fs:g} ms")
            if (begin, stop) in found.get(name, ()):
                raise ValueError(f"{where}, row {row + 2}: {name!r} from {start:g} s stands there twice")
            found.setdefault(name, []).append((begin, stop))
        if not found:
            names = shortened(sorted(set(table["name"])))
            raise ValueError(f"epochs must begin the names of some epochs in {where}, {names}, got {prefix!r}")
        result = []
        for name, spans in found.items():
            spans.sort()
            lengths = [stop - begin for begin, stop in spans]
            if max(lengths) - min(lengths) > 1:
                raise ValueError(
                    f"{where}: the repeats of {name!r} must be equally long, got {min(lengths) / fs:g} to "
                    f"{max(lengths) / fs:g} s"
                )
            if max(lengths) > min(lengths):
                _warn(f"{where}: repeats of {name!r} differ in length by a bin; the longer ones are cut")
            result.append(_Sound(name, [begin for begin, _ in spans], min(lengths)))
        return sorted(result, key=lambda one: one.starts[0])

    def _last_bin(self, end_bins: float) -> int:
        """Bins of the stimulus: a segment's last bin counts where the epochs or the other signal need it."""
        return self.stimulus.last + (round(end_bins) == self.stimulus.last + 1)

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        where = self.files.where(name)
        with self.files.open(name) as opened:
            try:
                table = pd.read_csv(opened, dtype={"name": str}, keep_default_na=False)
            except (ValueError, pd.errors.ParserError, UnicodeError) as error:
                raise ValueError(f"{where} must be a table name,start,end: {error}") from error
        table.columns = [str(one).strip() for one in table.columns]
        for column in ("name", "start", "end"):
            if column not in table.columns:
                raise ValueError(f"{where} must have the columns name,start,end, got {list(table.columns)}")
        for column in ("start", "end"):
            numbers = pd.to_numeric(table[column], errors="coerce")
            if numbers.isna().any():
                row = int(np.flatnonzero(numbers.isna())[0])
                raise ValueError(f"{where}, row {row + 2}: {column} must be seconds, got {table[column].iloc[row]!r}")
            table[column] = numbers
        return table

    def _pieces(self, name: str, columns: int, wanted: Sequence[int], kind: type) -> Iterator[tuple[int, np.ndarray]]:
        """Number of the first row, and (rows, wanted) values, of successive rows of a table without a header."""
        import pandas as pd

        where = self.files.where(name)
        order = np.argsort(np.argsort(wanted))
        at = 0
        with self.files.open(name) as opened:
            try:
                first = opened.readline()
                got = first.count(b",") + 1
                if got != columns:
                    raise ValueError(f"{where}, row 1: there must be {columns} values, one for each channel, got {got}")
                stream = _Joined(first, opened)
                reader = pd.read_csv(
                    stream,
                    header=None,
                    names=range(columns),
                    index_col=False,
                    usecols=sorted(wanted),
                    dtype=None if kind is bool else np.float32,
                    na_values=["nan", "NaN"],
                    chunksize=max(1, CELLS_AT_ONCE // columns),
                    skip_blank_lines=False,
                )
                for piece in reader:
                    values = piece.to_numpy()
                    if kind is bool and values.dtype.kind in "biuf":
                        values = np.nan_to_num(values) != 0
                    elif kind is bool:
                        values = np.isin(values.astype(str), ("True", "1", "1.0"))
                    yield at, values[:, order]
                    at += len(values)
                if stream.commas != at * (columns - 1):
                    self._refuse_row(name, columns)
            except (ValueError, pd.errors.ParserError, UnicodeError) as error:
                text = str(error)
                raise ValueError(text if text.startswith(where) else f"{where}, after row {at}: {text}") from error

    def _refuse_row(self, name: str, columns: int) -> None:
        """ValueError that names the first row with another number of values: what follows in it would be shifted."""
        with self.files.open(name) as opened:
            for row, line in enumerate(opened, start=1):
                if line.count(b",") != columns - 1:
                    got = line.count(b",") + 1 if line.strip() else 0
                    raise ValueError(
                        f"{self.files.where(name)}, row {row}: there must be {columns} values, one for each channel, "
                        f"got {got}"
                    )

    def _stimuli(self, wanted: Sequence[_Sound]) -> dict[str, np.ndarray]:
        """Spectrogram (F, T_b) of each sound, as it stands there."""
        F = len(self.stimulus.channels)
        name = self._name(self.stimulus.name, "csv")
        if name not in self.files.members:
            raise ValueError(f"{self.files.path} must hold the spectrogram as {name}, one column for each band")
        found = {one.name: np.full((len(one.starts), one.bins, F), np.nan, np.float32) for one in wanted}
        rows = self._copy(self._pieces(name, F, range(F), float), wanted, found)
        where = self.files.where(name)
        self._check_rows(where, rows, wanted)
        result = {}
        differ = []
        for sound, values in found.items():
            if not np.isfinite(values[0]).all():
                raise ValueError(f"{where}: the spectrogram must be finite, got other values in {sound!r}")
            if not np.allclose(values, values[:1], rtol=1e-3, atol=1e-6, equal_nan=True):
                differ.append(sound)
            result[sound] = values[0].T
        if differ:
            _warn(f"{where}: the stimulus differs between repeats of {shortened(differ)}; the first one is taken")
        return result

    def _log(self, spectrograms: Mapping[str, np.ndarray]) -> tuple[float, float]:
        low = min(float(one.min()) for one in spectrograms.values())
        high = max(float(one.max()) for one in spectrograms.values())
        if low < 0 or high <= low:
            raise ValueError(
                f"scaling must be None for {self.stimulus.where}: log(1 + x) needs values from 0 that differ, got "
                f"{low:g} to {high:g}"
            )
        return math.log1p(low), math.log1p(high)

    def _responses(self, rows: Sequence[int], wanted: Sequence[_Sound]) -> dict[str, np.ndarray]:
        """Responses (n, R, T_b) of the wanted units to each sound."""
        found = {one.name: np.full((len(rows), len(one.starts), one.bins), np.nan, np.float32) for one in wanted}
        views = {name: np.moveaxis(values, 0, 2) for name, values in found.items()}
        raster, points = (self._name(self.response.name, kind) for kind in ("csv", "h5"))
        if raster in self.files.members:
            if not math.isclose(self.response.fs, self.stimulus.fs, rel_tol=1e-6):
                raise ValueError(
                    f"{self.response.where}: the response must have the {self.stimulus.fs:g} bins per second of the "
                    f"stimulus, got {self.response.fs:g}"
                )
            pieces = self._pieces(raster, len(self.response.channels), rows, float)
            self._check_rows(self.files.where(raster), self._copy(pieces, wanted, views), wanted)
        elif points in self.files.members:
            self._count(points, rows, wanted, found)
        else:
            raise ValueError(f"{self.files.path} must hold the response as {raster} or {points}")
        if self.mask is not None:
            self._apply_mask(self._name(self.mask, "csv"), rows, wanted, views)
        return found

    def _apply_mask(
        self, name: str, rows: Sequence[int], wanted: Sequence[_Sound], responses: Mapping[str, np.ndarray]
    ) -> None:
        columns = len(self.response.channels)
        shown = {one.name: np.zeros((len(one.starts), one.bins, len(rows) + 1), np.float32) for one in wanted}
        pieces = (
            (at, np.concatenate([values[:, list(rows)], values.any(1, keepdims=True)], 1).astype(np.float32))
            for at, values in self._pieces(name, columns, range(columns), bool)
        )
        self._check_rows(self.files.where(name), self._copy(pieces, wanted, shown), wanted)
        for sound, values in shown.items():
            if values[..., -1].any():  # the mask speaks about this one
                responses[sound][values[..., :-1] == 0] = np.nan

    def _copy(
        self, pieces: Iterator[tuple[int, np.ndarray]], wanted: Sequence[_Sound], to: Mapping[str, np.ndarray]
    ) -> int:
        """Copy rows of a table to the (R, T_b, columns) of each sound; how many rows there were."""
        spans = [(start, r, one) for one in wanted for r, start in enumerate(one.starts)]
        rows = 0
        for at, values in pieces:
            rows = at + len(values)
            for start, r, one in spans:
                first, last = max(start, at), min(start + one.bins, rows)
                if first < last:
                    to[one.name][r, first - start : last - start] = values[first - at : last - at]
        return rows

    def _check_rows(self, where: str, rows: int, wanted: Sequence[_Sound]) -> None:
        needed = max(start + one.bins for one in wanted for start in one.starts)
        if rows < needed:
            raise ValueError(
                f"{where} must have a row for each bin, {needed} for the sounds, got {rows}: is it cut short?"
            )

    def _count(self, name: str, rows: Sequence[int], wanted: Sequence[_Sound], to: Mapping[str, np.ndarray]) -> None:
        """Counts of the spikes of a point process, in the bins of the stimulus."""
        try:
            import h5py
        except ImportError as error:
            raise ImportError("spikes of NEMS need the package h5py: pip install 'deepstrf-lab[nwb]'") from error
        where = self.files.where(name)
        for values in to.values():
            values[:] = 0.0
        end = self.response.last / self.response.fs
        with self.files.open(name) as opened, _hdf5(where):
            held = io.BytesIO(opened.read()) if self.files.archive is not None else opened
            with h5py.File(held, "r") as file:
                for n, row in enumerate(rows):
                    times = _times(file, where, self.response.channels[row])
                    bins = np.floor(times[times < end + 1 / self.stimulus.fs] * self.stimulus.fs + EDGE_BINS)
                    bins = np.sort(bins.astype(np.int64))
                    for one in wanted:
                        for r, start in enumerate(one.starts):
                            low, high = np.searchsorted(bins, (start, start + one.bins))
                            to[one.name][n, r] = np.bincount(bins[low:high] - start, minlength=one.bins)


class _Joined(io.RawIOBase):
    """A stream with its first line put back."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self.first, self.rest, self.commas = first, rest, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.first[: len(buffer)] if self.first else self.rest.read(len(buffer))
        self.first = self.first[len(data) :]
        self.commas += data.count(b",")
        buffer[: len(data)] = data
        return len(data)


def _times(file: h5py.File, where: str, channel: str) -> np.ndarray:
    import h5py

    data = file.get(channel)
    if not isinstance(data, h5py.Dataset) or data.ndim != 1 or data.dtype.kind not in "fiu":
        names = shortened(sorted(file))
        raise ValueError(f"{where} must hold the spike times of {channel!r} as a list of numbers, got {names}")
    times = np.asarray(data[()], dtype=np.float64)
    if not np.isfinite(times).all() or (times < 0).any():
        raise ValueError(f"{where}: spike times of {channel!r} must be at least 0 s and finite")
    return times


@contextmanager
def _hdf5(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{where} cannot be read as HDF5: {error}") from error


def _warn(message: str) -> None:
    warn_user(message)
