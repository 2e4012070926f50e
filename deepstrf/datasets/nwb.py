"""A recording in a file of Neurodata Without Borders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepstrf.datasets.assembly import Trial, assemble, chosen_neurons, shortened
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.sound_folder import SoundFiles
from deepstrf.datasets.spikes import EDGE_BINS, overlapping
from deepstrf.datasets.tables import plain_name
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path
from deepstrf.stimuli import Spectrogram, log_mel_spectrogram, read_wav
from deepstrf.stimuli.sound_files import ENDINGS, MAX_SECONDS
from deepstrf.user_warning import warn_user

if TYPE_CHECKING:
    import h5py

NO_SOUND = frozenset(("", "none", "nan", "null", "n/a", "na", "catch", "blank"))
"""What a trial without a sound may name instead of one, in any case."""

UNEVEN = 0.5
"""Samples by which timestamps may lie off even distances."""

MOST_CHANNELS = 8


@keywords(log_mel_spectrogram, units="neurons")
def read_nwb(
    path: str | os.PathLike[str],
    *,
    stimulus_column: str = "stimulus",
    onset: str = "start_time",
    trials: str = "trials",
    stimuli: str | os.PathLike[str] | None = None,
    unit_column: str = "id",
    neurons: Sequence[int | str] | int | str | None = None,
    max_gb: float = LIMIT_GB,
    **spectrogram: Any,
) -> Recording:
    """Recording in an NWB file: its table of trials, the sounds that they name, and the spikes of its units.

    The file must have a table of trials with a column that names a sound, and a table ``units`` with spike times. The
    sound is a TimeSeries under ``stimulus_template`` or ``stimulus``, which holds the waveform and its rate (or
    timestamps at even distances), or a file in the folder ``stimuli``; trials name either with or without its ending.
    Repeat r of a stimulus is its r-th trial in the table. Bins after the ``stop_time`` of a trial, and bins outside the
    ``obs_intervals`` of a unit where it has any, are NaN; where ``stop_time`` is NaN, the trial lasts as long as its
    sound.

    Parameters
    ----------
    path : str or path
    stimulus_column : str
        Column of the table of trials with the name of the sound.
    onset : str
        Column of the table of trials with the time at which the sound begins, s.
    trials : str
        Which table of ``intervals`` has a row for each presentation.
    stimuli : str or path, optional
        Folder of the sounds that the file only names, with or without their ending.
    unit_column : str
        Column of the table of units with their names, such as ``"unit_name"``.
    neurons : sequence of int or str, optional
        Units to read, by the name that they have in ``unit_column``; None reads all.
    max_gb : float
        Memory that any one thing in the file, and the responses, may take, in GB of 2^30 bytes.
    **spectrogram
        Settings of `deepstrf.stimuli.log_mel_spectrogram`.

    Returns
    -------
    Recording
        Units are named by ``unit_column``, stimuli by the column of the trials.

    Raises
    ------
    ImportError
        h5py is not installed; ``pip install 'deepstrf-lab[nwb]'``.
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged; a table, the column or a sound is missing or of another kind; the sounds have different
        sample rates or no fixed one; a unit is unknown; something needs too much memory.

    Warns
    -----
    UserWarning
        Trials name no sound (none, catch, ...) or stop before it begins, and are left out; sounds overlap in time; a
        sound has very many channels; or no spike lies within a sound.

    Notes
    -----
    Sample values are ``data * conversion + offset``, channels averaged; whole numbers without a conversion are scaled
    so that their type's full scale is 1.

    References
    ----------
    Rübel et al. (2022), eLife 11:e78362.
    """
    path = as_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        import h5py
    except ImportError as error:
        raise ImportError("read_nwb needs the package h5py: pip install 'deepstrf-lab[nwb]'") from error
    with _reading(path, "the file"):
        opened = h5py.File(path, "r")
    with opened as root:
        file = _File(path, root, max_gb)
        place = file.table("trials", f"intervals/{trials}", (stimulus_column, onset, "stop_time"))
        presented = [plain_name(name) for name in file.names(f"{place}/{stimulus_column}")]
        start_s, stop_s = file.numbers(f"{place}/{onset}"), file.numbers(f"{place}/stop_time")
        if not len(presented) == len(start_s) == len(stop_s):
            raise ValueError(
                f"{path}, {place}: the columns must be equally long, got {len(presented)} of {stimulus_column}, "
                f"{len(start_s)} of {onset} and {len(stop_s)} of stop_time"
            )
        sounds = file.sounds()
        kept = [i for i, name in enumerate(presented) if _place_of(sounds, name) or name.casefold() not in NO_SOUND]
        if len(kept) < len(presented):
            left_out = dict.fromkeys(repr(presented[i]) for i in range(len(presented)) if i not in set(kept))
            _warn(
                f"{path}: {len(presented) - len(kept)} of {len(presented)} trials name no sound "
                f"({', '.join(left_out)}) and are left out"
            )
        if bad := [i for i in kept if not np.isfinite(start_s[i]) or np.isinf(stop_s[i])]:
            raise ValueError(
                f"{path}, {place}, row {bad[0]}: {onset} and stop_time must be finite, got {start_s[bad[0]]:g} and "
                f"{stop_s[bad[0]]:g}"
            )
        table = file.table("units", "units", ("id", "spike_times", "spike_times_index"))
        if unit_column != "id" and unit_column not in file.columns[table]:
            raise ValueError(
                f"unit_column must be a column of the units in {path}, {file.columns[table]}, got {unit_column!r}"
            )
        ids = [plain_name(one) for one in file.names(f"{table}/{unit_column}")]
        if len(set(ids)) < len(ids):
            twice = next(one for one in ids if ids.count(one) > 1)
            raise ValueError(f"{path}, {table}/{unit_column} must name each unit differently, got {twice!r} twice")
        wanted = chosen_neurons(neurons, ids, str(path))
        presented, start_s, stop_s = [presented[i] for i in kept], start_s[kept], stop_s[kept]
        spectrograms = _spectrograms(
            file, sounds, presented, None if stimuli is None else as_path("stimuli", stimuli), spectrogram
        )
        lengths = [spectrograms[name].values.shape[1] for name in presented]
        check_memory(f"{path}: the responses of {len(wanted)} units", 4.0 * len(wanted) * sum(lengths), max_gb)
        _warn_of_spans(f"{path}, {place}", onset, start_s, stop_s, [spectrograms[name] for name in presented])
        parts = [_Unit(file, table, n, unit) for n, unit in enumerate(ids) if unit in wanted]
        found = [part.trials(presented, start_s, stop_s, spectrograms) for part in parts]
        others = [name for name in file.columns[place] if name not in (stimulus_column, onset, "stop_time")]
    if not any(names for names, _, _, _ in found):
        raise ValueError(f"{path} holds no trial in which a unit was observed: nothing to read")
    offsets = np.cumsum([0, *(len(names) for names, _, _, _ in found)])
    arguments = assemble(
        str(path),
        [trial for names, _, _, _ in found for trial in names],
        np.concatenate([place + offset for (_, place, _, _), offset in zip(found, offsets[:-1], strict=True)]),
        np.concatenate([times for _, _, times, _ in found]),
        spectrograms,
        recorded=[seen for _, _, _, spans in found for seen in spans],
        max_gb=max_gb,
    )
    if not any(bool(part.responses.nansum()) for part in arguments["parts"]):
        _warn(f"{path}: no spike lies within a sound{_guess(others, parts, start_s, spectrograms)}")
    return Recording._of(**arguments)


class _File:
    """Access to what an NWB file holds, by its place in it; every failure is a ValueError that names the place."""

    def __init__(self, path: Path, root: h5py.File, max_gb: float) -> None:
        self.path, self.root, self.max_gb = path, root, max_gb
        self.columns: dict[str, list[str]] = {}

    def table(self, kind: str, place: str, columns: Sequence[str]) -> str:
        """The place, when a table with these columns is there."""
        import h5py

        with _reading(self.path, place):
            table = self.root.get(place)
            if not isinstance(table, h5py.Group):
                others = self.root.get("intervals")
                there = sorted(others) if kind == "trials" and isinstance(others, h5py.Group) else []
                way_out = f": trials= names one of {there}" if there else ""
                raise ValueError(f"{self.path} must have a table of {kind}, got none at {place}{way_out}")
            names = self.columns[place] = [
                name for name in table if name != "id" and isinstance(table.get(name), h5py.Dataset)
            ]
            has_id = "id" in table
        for name in columns:
            if name not in names and not (name == "id" and has_id):
                if kind == "units":
                    raise ValueError(f"{self.path}: units must have {name}, got {names}: there are no sorted spikes")
                argument = dict(zip(columns, ("stimulus_column", "onset", "stop_time"), strict=True))[name]
                raise ValueError(f"{argument} must be a column of the {kind} in {self.path}, {names}, got {name!r}")
        return place

    def dataset(self, place: str, kinds: str, dimensions: int | None = 1) -> h5py.Dataset:
        """A dataset of one of the kinds of numbers (letters of NumPy), whose data may be taken into the memory."""
        import h5py

        with _reading(self.path, place):
            found = self.root.get(place)
            if not isinstance(found, h5py.Dataset):
                raise ValueError(f"{self.path} must hold data at {place}, got {_described(found)}")
            shape, dtype, external = found.shape, found.dtype, found.external
        if shape is None or (dimensions is not None and len(shape) != dimensions) or dtype.kind not in kinds:
            of = {1: "a list", None: "an array"}[dimensions]
            what = "names" if "O" in kinds else "numbers"
            raise ValueError(f"{self.path}, {place} must be {of} of {what}, got {dtype} of shape {shape}")
        if external:
            raise ValueError(f"{self.path}, {place} lies in another file, {external[0][0]!r}, which is not read")
        return found

    def numbers(self, place: str, span: slice = slice(None), dimensions: int | None = 1) -> np.ndarray:
        """Numbers of a dataset, as they stand there."""
        data = self.dataset(place, "iuf", dimensions)
        length = len(range(*span.indices(data.shape[0]))) if data.shape else 1
        values = float(length) * float(np.prod(data.shape[1:], dtype=np.float64))
        check_memory(f"{self.path}, {place}: {values:.0f} numbers", values * max(8, data.dtype.itemsize), self.max_gb)
        with _reading(self.path, place):
            return np.asarray(data[span] if data.shape else data[()])

    def names(self, place: str) -> list[str]:
        """Texts of a dataset; numbers and references to objects become texts."""
        import h5py

        data = self.dataset(place, "OSUiuf")
        check_memory(f"{self.path}, {place}: {data.shape[0]} names", 100.0 * data.shape[0], self.max_gb)
        with _reading(self.path, place):
            values = data[:]
            if h5py.check_ref_dtype(data.dtype) is not None:
                return [str(self.root[one].name).rpartition("/")[2] if one else "" for one in values]
        return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in values.tolist()]

    def sounds(self) -> dict[str, str]:
        """Places of the TimeSeries of sounds, by name, with and without the ending of a sound file."""
        import h5py

        found: dict[str, str] = {}
        for place in ("stimulus/presentation", "stimulus/templates"):
            with _reading(self.path, place):
                group = self.root.get(place)
                names = list(group) if isinstance(group, h5py.Group) else []
            found |= {plain_name(name): f"{place}/{name}" for name in names}
        for name, place in list(found.items()):
            stem, ending = os.path.splitext(name)
            if ending.lower() in ENDINGS:
                found.setdefault(stem, place)
        return found

    def rate_hz(self, place: str) -> float:
        """Samples a second of a TimeSeries, from its rate or from timestamps at even distances."""
        rate_hz = self.attribute(f"{place}/starting_time", "rate")
        if rate_hz is None:
            times = self.numbers(f"{place}/timestamps").astype(np.float64)
            span_s = times[-1] - times[0] if len(times) > 1 else 0.0
            even = np.linspace(times[0], times[-1], len(times)) if span_s > 0 else times
            if not span_s > 0 or np.abs(times - even).max() > UNEVEN * span_s / (len(times) - 1):
                raise ValueError(
                    f"{self.path}: sound {place.rpartition('/')[2]!r} must have a sampling rate or timestamps at even "
                    "distances: resample it, or write its rate"
                )
            rate_hz = float(f"{(len(times) - 1) / span_s:.7g}")
        if not 0 < rate_hz < np.inf:
            raise ValueError(f"{self.path}, {place}/starting_time: rate must be above 0 Hz, got {rate_hz:g}: write it")
        return rate_hz

    def attribute(self, place: str, name: str, default: float | None = None) -> float | None:
        """Number in an attribute."""
        with _reading(self.path, f"{place}, {name}"):
            node = self.root.get(place)
            value = default if node is None else node.attrs.get(name, default)
            return None if value is None else float(value)


class _Unit:
    """Spike times of one unit, and when it was observed."""

    def __init__(self, file: _File, table: str, n: int, unit: str) -> None:
        self.name = unit
        times = file.numbers(f"{table}/spike_times", _span(file, f"{table}/spike_times_index", n))
        self.times = np.sort(times.astype(np.float64))
        self.observed: np.ndarray | None = None
        if "obs_intervals" in file.columns[table]:
            rows = _span(file, f"{table}/obs_intervals_index", n, None)
            spans = file.numbers(f"{table}/obs_intervals", rows, dimensions=None)
            if spans.ndim != 2 or spans.shape[1] != 2:
                raise ValueError(f"{file.path}, {table}/obs_intervals must have two columns, got shape {spans.shape}")
            self.observed = spans.astype(np.float64)
        if not np.isfinite(self.times).all():
            raise ValueError(f"{file.path}, {table}/spike_times: the times of unit {unit!r} must be finite")
        self._file = file

    def trials(
        self, presented: Sequence[str], start_s: np.ndarray, stop_s: np.ndarray, spectrograms: dict[str, Spectrogram]
    ) -> tuple[list[Trial], np.ndarray, np.ndarray, list[np.ndarray | None]]:
        """The trials in which the unit was observed, places in them and times of its spikes, and the bins observed."""
        trials: list[Trial] = []
        recorded: list[np.ndarray | None] = []
        kept: list[int] = []
        repeat: dict[str, int] = {}
        for i, name in enumerate(presented):
            repeat[name] = repeat.get(name, -1) + 1
            bins, dt_ms = spectrograms[name].values.shape[1], spectrograms[name].dt_ms
            edges_s = start_s[i] + np.arange(bins + 1) * dt_ms / 1000
            slack_s = EDGE_BINS * dt_ms / 1000
            seen = ~(edges_s[1:] > stop_s[i] + slack_s)  # a stop of NaN ends nothing
            if self.observed is not None:
                inside = np.zeros(bins, dtype=bool)
                overlapping = (self.observed[:, 0] < edges_s[-1]) & (self.observed[:, 1] > edges_s[0])
                for begin, end in self.observed[overlapping]:
                    inside |= (edges_s[:-1] >= begin - slack_s) & (edges_s[1:] <= end + slack_s)
                seen &= inside
            if seen.any():
                trials.append((self.name, name, repeat[name]))
                recorded.append(None if seen.all() else seen)
                kept.append(i)
        onset = start_s[kept]
        seconds = np.asarray([spectrograms[presented[i]].duration_s for i in kept])
        first = np.searchsorted(self.times, onset - 1e-9)
        count = np.searchsorted(self.times, onset + seconds) - first
        check_memory(f"{self._file.path}: the spikes of unit {self.name!r}", 32.0 * count.sum(), self._file.max_gb)
        place = np.repeat(np.arange(len(kept)), count)
        spike = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        return trials, place, np.maximum(self.times[spike] - onset[place], 0.0), recorded


def _span(file: _File, place: str, n: int, dimensions: int | None = 1) -> slice:
    """Rows of one unit in a list whose index holds where each one's end."""
    ends = file.numbers(place)
    if n >= len(ends) or ends.dtype.kind not in "iu":
        raise ValueError(f"{file.path}, {place} must hold a whole number for each unit, got {len(ends)} {ends.dtype}")
    first, last = (int(ends[n - 1]) if n else 0), int(ends[n])
    data = place.removesuffix("_index")
    shape = file.dataset(data, "iuf", dimensions).shape
    if not shape:
        raise ValueError(f"{file.path}, {data} must have a row for each interval or spike, got a single number")
    length = shape[0]
    if not 0 <= first <= last <= length:
        raise ValueError(
            f"{file.path}, {place}, row {n}: it must ascend from 0 to the {length} values of {data}, got {last} after "
            f"{first}; the file is damaged: write it again"
        )
    return slice(first, last)


def _warn_of_spans(
    place: str, onset: str, start_s: np.ndarray, stop_s: np.ndarray, sounds: Sequence[Spectrogram]
) -> None:
    """Say how many trials stop before their sound begins, and how many sounds begin before another one has ended."""
    if early := int((stop_s < start_s).sum()):
        _warn(f"{place}: {early} of {len(start_s)} trials stop before their {onset} and are left out")
    there = ~(stop_s < start_s)
    ends_s = np.fmin(start_s + np.asarray([sound.duration_s for sound in sounds]), stop_s)
    if both := overlapping(start_s[there], ends_s[there], max(sound.dt_ms for sound in sounds) / 1000):
        _warn(
            f"{place}: {both} of {len(start_s)} sounds begin before another one has ended, and spikes there count for "
            f"both: is {onset} their onset? A stop_time ends what was recorded of a trial"
        )


def _place_of(sounds: dict[str, str], name: str) -> str | None:
    """Place of the sound that a trial names, with or without ending, in capitals or small letters; None for no one."""

    def comparable(written: str) -> str:
        stem, ending = os.path.splitext(written)
        return unicodedata.normalize("NFC", stem if ending.lower() in ENDINGS else written).casefold()

    if name in sounds:
        return sounds[name]
    places = {place for other, place in sounds.items() if comparable(other) == comparable(name)}
    return places.pop() if len(places) == 1 else None


def _spectrograms(
    file: _File, sounds: dict[str, str], presented: Sequence[str], folder: Path | None, settings: dict[str, Any]
) -> dict[str, Spectrogram]:
    """Spectrogram of every sound that a trial names, from the file or from the folder."""
    found: dict[str, Spectrogram] = {}
    first: tuple[str, float] | None = None
    outside = None if folder is None else SoundFiles(folder)
    for name in dict.fromkeys(presented):
        if place := _place_of(sounds, name):
            rate_hz = file.rate_hz(place)
            waveform = _waveform(file, place)
        elif outside is not None:
            waveform, rate_hz = read_wav(outside.used[outside.name(str(file.path), name)], max_gb=file.max_gb)
        else:
            raise ValueError(
                f"{file.path}: there is no sound {name!r} among its stimuli, {shortened(sorted(sounds))}; stimuli= "
                "names the folder of sounds that lie outside"
            )
        first = first or (name, rate_hz)
        if rate_hz != first[1]:
            raise ValueError(
                f"{file.path}: all sounds must have the same sample rate, but {first[0]!r} has {first[1]:.10g} Hz and "
                f"{name!r} has {rate_hz:.10g} Hz"
            )
        try:
            if len(waveform) > MAX_SECONDS * rate_hz:
                raise ValueError(f"it must last at most {MAX_SECONDS:g} s, got {len(waveform) / rate_hz:.1f} s")
            found[name] = log_mel_spectrogram(waveform, rate_hz, name=name, max_gb=file.max_gb, **settings)
        except ValueError as error:
            raise ValueError(f"{file.path}, sound {name!r}: {error}") from error
    return found


def _waveform(file: _File, place: str) -> np.ndarray:
    """Samples of a TimeSeries, float64 (samples,)."""
    data = file.numbers(f"{place}/data", dimensions=None)
    conversion = file.attribute(f"{place}/data", "conversion", 1.0) or 0.0
    offset = file.attribute(f"{place}/data", "offset", 0.0) or 0.0
    if data.ndim == 0 or data.size == 0:
        raise ValueError(f"{file.path}, {place}/data must hold samples, got shape {data.shape}")
    if data.dtype.kind in "iu" and conversion == 1.0:
        conversion = 1.0 / (np.iinfo(data.dtype).max + 1.0)
    samples = data.astype(np.float64) * conversion + offset
    channels = samples.reshape(len(samples), -1)
    if channels.shape[1] > MOST_CHANNELS:
        _warn(
            f"{file.path}, {place}/data: the mean of {channels.shape[1]} channels is taken for the waveform; "
            "a spectrogram does not belong there: Recording.from_arrays takes one"
        )
    return channels.mean(1)


def _guess(others: Sequence[str], units: Sequence[_Unit], start_s: np.ndarray, sounds: dict[str, Spectrogram]) -> str:
    """What may be the reason that no spike lies within a sound; ``others`` are the other columns of the trials."""
    longest = max(sound.duration_s for sound in sounds.values())
    times = np.concatenate([unit.times for unit in units])
    if not times.size:
        return ": the units have no spikes"
    if times.max() <= longest < start_s.min():
        return ": do the spike times count from the start of each trial? They must count from that of the session"
    if others:
        return f"; if one of the columns {others} holds the onset of the sound, name it as onset=..."
    return f": the trials lie between {start_s.min():g} and {start_s.max():g} s, the spikes from {times.min():g} s on"


@contextmanager
def _reading(path: Path, place: str) -> Iterator[None]:
    """Inside, what h5py raises for damaged files becomes a ValueError that names the place."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"{path}: {place} cannot be read as NWB (HDF5): {error}") from error


def _described(node: Any) -> str:
    return "nothing" if node is None else f"a {type(node).__name__.lower()}"


def _warn(message: str) -> None:
    warn_user(message)
