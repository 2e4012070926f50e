"""A recording as a folder of sounds and tables that any program can write."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from deepstrf.datasets.assembly import Trial, assemble, chosen_neurons
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.spikes import count_spikes, spike_times
from deepstrf.deprecation import keywords
from deepstrf.stimuli import Spectrogram, log_mel_spectrogram, read_wav

STIMULI, SPIKES_FILE, TRIALS_FILE = "stimuli", "spikes.csv", "trials.csv"
TRIAL_COLUMNS = ("unit", "stimulus", "trial")
SPIKE_COLUMNS = (*TRIAL_COLUMNS, "time_s")


class RecordingFolder(Recording):
    """Recording read from ``stimuli/*.wav``, ``spikes.csv`` and, where there is one, ``trials.csv``.

    ``spikes.csv`` has the columns unit, stimulus, trial, time_s and one row for each spike: the stimulus is the name of
    a file in ``stimuli/`` (its ending .wav may be left out), the trial a whole number, the time counts from the onset
    of the sound. ``trials.csv`` has the columns unit, stimulus, trial and one row for each trial that was recorded, so
    that a trial without spikes is told from one that did not take place.

    Without ``trials.csv`` a unit counts as recorded in those trials of a stimulus (of any unit) whose numbers it has
    (with any stimulus), for the stimuli that made it fire at all. What this misses is a unit that was silent in
    every trial of a stimulus: write ``trials.csv`` to keep it.

    Parameters
    ----------
    folder : str or path
    neurons : sequence of str or int, optional
        Units to read; None reads all.
    late_spikes : {"error", "drop"}
        What to do with a spike after the end of its sound.
    **spectrogram
        ``dt_ms``, ``n_bands``, ``min_hz``, ``max_hz``, ``scale``, ``window_ms``, ``floor_db``, as in
        `deepstrf.stimuli.log_mel_spectrogram`. Spikes after the last whole bin of a sound are in no bin.

    Raises
    ------
    FileNotFoundError
        The folder, ``spikes.csv``, or a sound that a row names is missing.
    ValueError
        A table is empty or has a column that is not as said, or a row is not (its number is told); the sounds have
        different sample rates; a sound cannot be read; a unit or a setting is unknown.

    Notes
    -----
    Units and stimuli keep the order of ``trials.csv``, or else of ``spikes.csv``; sounds that no row names are left
    out. Beside what a `Recording` has, ``folder`` is the path and ``sound_paths`` are the files of its stimuli.
    """

    @keywords(log_mel_spectrogram, units="neurons")
    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        neurons: Sequence[int | str] | None = None,
        late_spikes: Literal["error", "drop"] = "error",
        **spectrogram: Any,
    ) -> None:
        self.folder = Path(folder)
        if late_spikes not in ("error", "drop"):
            raise ValueError(f"late_spikes must be 'error' or 'drop', got {late_spikes!r}")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self.folder}")
        spikes, spike_rows = _read_spikes(self.folder / SPIKES_FILE, self.folder / STIMULI)
        trials = _read_trials(self.folder, spike_rows)
        chosen = chosen_neurons(neurons, list(dict.fromkeys(unit for unit, _, _ in trials)), str(self.folder))
        trials = [trial for trial in trials if trial[0] in chosen]
        sounds = _Sounds(self.folder / STIMULI, [stimulus for _, stimulus, _ in trials], spectrogram)
        for key in trials:
            late = [t for t in spikes.get(key, ()) if t > sounds.duration_s[key[1]]]
            if late and late_spikes == "error":
                raise ValueError(
                    f"{self.folder / SPIKES_FILE}, row {spike_rows[key][spikes[key].index(late[0])]}: time_s must not "
                    f"exceed the length of {key[1]}, {sounds.duration_s[key[1]]:g} s, got {late[0]:g}; "
                    "late_spikes='drop' leaves such spikes out"
                )
        spectrograms = sounds.spectrograms
        counts = {
            key: torch.from_numpy(
                count_spikes(spikes.get(key, ()), spectrograms[key[1]].values.shape[1], spectrograms[key[1]].dt_ms)
            )
            for key in trials
        }
        super().__init__(**assemble(counts, spectrograms))
        self.sound_paths = tuple(self.folder / STIMULI / f"{name}.wav" for name in self.stimulus_names)

    @staticmethod
    def write(
        folder: str | os.PathLike[str], recording: Recording, waveforms: Sequence[np.ndarray], rate_hz: int
    ) -> Path:
        """The folder, now holding a recording that reads back with the same responses.

        Parameters
        ----------
        folder : str or path
            Made if it does not exist; it must not hold a recording.
        recording : Recording
            Its responses are spike counts; every trial is there from the first bin of its stimulus to the last, or not
            at all. Of the bins only the counts are kept: a spike's time is made up within its bin.
        waveforms : sequence of ndarray, shape (samples,)
            Sound of each stimulus; written as 32-bit float, so that nothing is lost.
        rate_hz : int
            Their sample rate.

        Raises
        ------
        FileExistsError
            The folder holds a recording.
        ValueError
            There is not one sound for each stimulus, a sound is shorter than its stimulus, the responses are not whole
            counts, or a trial has gaps.
        """
        import soundfile  # type: ignore[import-untyped]

        folder = Path(folder)
        if (folder / SPIKES_FILE).exists():
            raise FileExistsError(f"{folder / SPIKES_FILE} exists: choose another folder, or delete that recording")
        spikes, trials = _rows_of(recording)
        _check_waveforms(recording, waveforms, rate_hz)
        (folder / STIMULI).mkdir(parents=True, exist_ok=True)
        for name, waveform in zip(recording.stimulus_names, waveforms, strict=True):
            soundfile.write(
                folder / STIMULI / f"{name}.wav", np.asarray(waveform, np.float32), rate_hz, subtype="FLOAT"
            )
        for file, columns, rows in ((TRIALS_FILE, TRIAL_COLUMNS, trials), (SPIKES_FILE, SPIKE_COLUMNS, spikes)):
            with open(folder / file, "w", newline="", encoding="utf-8") as table:
                writer = csv.writer(table)
                writer.writerow(columns)
                writer.writerows(rows)
        return folder


class _Sounds:
    """Length and spectrogram of the sounds in a folder, read once each."""

    def __init__(self, folder: Path, names: Sequence[str], settings: dict[str, Any]) -> None:
        self.duration_s: dict[str, float] = {}
        self.spectrograms: dict[str, Spectrogram] = {}
        first: tuple[Path, int] | None = None
        for name in dict.fromkeys(names):
            path = folder / f"{name}.wav"
            waveform, rate_hz = read_wav(path)
            first = first or (path, rate_hz)
            if rate_hz != first[1]:
                raise ValueError(
                    f"all sounds must have the same sample rate, but {first[0]} has {first[1]} Hz and "
                    f"{path} has {rate_hz} Hz"
                )
            self.duration_s[name] = len(waveform) / rate_hz
            try:
                self.spectrograms[name] = log_mel_spectrogram(waveform, rate_hz, name=name, **settings)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error


def _read_spikes(file: Path, sounds: Path) -> tuple[dict[Trial, list[float]], dict[Trial, list[int]]]:
    """Times of the spikes of each trial, and the rows they stand in; the names of the stimuli without their ending."""
    times: dict[Trial, list[float]] = {}
    rows: dict[Trial, list[int]] = {}
    for row, line in _rows(file, SPIKE_COLUMNS):
        key = _trial(file, row, line, sounds)
        try:
            time_s = float(line["time_s"])
        except ValueError:
            raise ValueError(f"{file}, row {row}: time_s must be a number of seconds, got {line['time_s']!r}") from None
        if not (time_s >= 0 and math.isfinite(time_s)):
            raise ValueError(f"{file}, row {row}: time_s must be at least 0 s, got {line['time_s']}")
        times.setdefault(key, []).append(time_s)
        rows.setdefault(key, []).append(row)
    return times, rows


def _read_trials(folder: Path, spike_rows: dict[Trial, list[int]]) -> list[Trial]:
    """The trials that were recorded, from trials.csv or else from the spikes."""
    file = folder / TRIALS_FILE
    if not file.exists():
        if not spike_rows:
            raise ValueError(f"{folder / SPIKES_FILE} holds no spikes, and there is no {TRIALS_FILE}: nothing to read")
        pairs = dict.fromkeys((unit, stimulus) for unit, stimulus, _ in spike_rows)
        of_stimulus: dict[str, set[int]] = {}
        of_unit: dict[str, set[int]] = {}
        for unit, stimulus, trial in spike_rows:
            of_stimulus.setdefault(stimulus, set()).add(trial)
            of_unit.setdefault(unit, set()).add(trial)
        return [(u, s, trial) for u, s in pairs for trial in sorted(of_unit[u] & of_stimulus[s])]
    listed: dict[Trial, int] = {}
    for row, line in _rows(file, TRIAL_COLUMNS):
        key = _trial(file, row, line, folder / STIMULI)
        if key in listed:
            raise ValueError(f"{file}, row {row} repeats row {listed[key]}: {', '.join(map(str, key))}")
        listed[key] = row
    if not listed:
        raise ValueError(f"{file} holds no trials: nothing to read")
    for key, rows in spike_rows.items():
        if key not in listed:
            raise ValueError(
                f"{folder / SPIKES_FILE}, row {rows[0]}: {TRIALS_FILE} does not list trial {key[2]} of unit {key[0]!r} "
                f"with {key[1]}"
            )
    return list(listed)


def _rows(file: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a table with exactly these columns, in any order, and the number of each in the file."""
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing: it must be a table with the columns {','.join(columns)}")
    with open(file, newline="", encoding="utf-8-sig") as table:
        reader = csv.DictReader(table)
        if reader.fieldnames is None:
            raise ValueError(f"{file} is empty: its first row must be {','.join(columns)}")
        for wrong, names in (
            ("has the unknown column", set(reader.fieldnames) - set(columns)),
            ("lacks the column", set(columns) - set(reader.fieldnames)),
        ):
            if names:
                raise ValueError(f"{file} {wrong} {sorted(names)[0]!r}: its columns must be {','.join(columns)}")
        rows = []
        for line in reader:
            if None in line or None in line.values():
                raise ValueError(f"{file}, row {reader.line_num}: there must be {len(columns)} values, got {line}")
            rows.append((reader.line_num, line))
        return rows


def _trial(file: Path, row: int, line: dict[str, str], sounds: Path) -> Trial:
    """Unit, stimulus and trial that a row names."""
    unit, stimulus = line["unit"].strip(), line["stimulus"].strip()
    if not unit:
        raise ValueError(f"{file}, row {row}: unit must not be empty")
    name = stimulus.removesuffix(".wav")
    if not name or Path(name).name != name:
        raise ValueError(f"{file}, row {row}: stimulus must be the name of a file in {sounds.name}/, got {stimulus!r}")
    if not (sounds / f"{name}.wav").is_file():
        raise FileNotFoundError(f"{file}, row {row}: there is no sound {sounds / f'{name}.wav'}")
    try:
        trial = int(line["trial"])
    except ValueError:
        raise ValueError(f"{file}, row {row}: trial must be a whole number, got {line['trial']!r}") from None
    return unit, name, trial


def _rows_of(recording: Recording) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of spikes.csv and of trials.csv."""
    spikes: list[tuple[Any, ...]] = []
    trials: list[tuple[Any, ...]] = []
    for n, unit in enumerate(recording.neuron_names):
        for b, name in enumerate(recording.stimulus_names):
            for r, response in enumerate(recording[b][1][n]):
                missing = response.isnan()
                if bool(missing.all()):
                    continue
                where = f"trial {r} of {unit!r} with {name!r}"
                if bool(missing.any()):
                    raise ValueError(f"recording must hold whole trials, got {int(missing.sum())} gaps in {where}")
                trials.append((unit, f"{name}.wav", r))
                spikes += [(unit, f"{name}.wav", r, f"{t:.6f}") for t in _times(response, recording.dt_ms, where)]
    return spikes, trials


def _times(response: Tensor, dt_ms: float, where: str) -> np.ndarray:
    try:
        return spike_times(response.cpu().numpy(), dt_ms)
    except ValueError as error:
        raise ValueError(f"recording must hold spike counts: in {where}, {error}") from error


def _check_waveforms(recording: Recording, waveforms: Sequence[np.ndarray], rate_hz: int) -> None:
    if len(waveforms) != len(recording):
        raise ValueError(f"waveforms must be one sound for each of {len(recording)} stimuli, got {len(waveforms)}")
    for name, bins, waveform in zip(recording.stimulus_names, recording.bins, waveforms, strict=True):
        if len(waveform) * 1000 < bins * recording.dt_ms * rate_hz * (1 - 1e-9):
            raise ValueError(
                f"waveforms must last as long as their stimuli, {bins * recording.dt_ms / 1000:g} s for {name!r}, "
                f"got {len(waveform) / rate_hz:g} s"
            )
