"""A recording as a folder of sounds and tables that any program can write."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from deepstrf.arguments import check_choice, check_numbers
from deepstrf.datasets.assembly import Trial, assemble, chosen_neurons, shortened
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.sound_folder import SoundFiles, Sounds
from deepstrf.datasets.spikes import spike_times
from deepstrf.datasets.tables import plain_name, read_table
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB
from deepstrf.paths import as_path
from deepstrf.stimuli import log_mel_spectrogram
from deepstrf.user_warning import warn_user
from deepstrf.writing import check_file_names, new_files, write_to_disk

if TYPE_CHECKING:
    import pandas as pd

STIMULI, SPIKES_FILE, TRIALS_FILE = "stimuli", "spikes.csv", "trials.csv"
TRIAL_COLUMNS = ("unit", "stimulus", "trial")
SPIKE_COLUMNS = (*TRIAL_COLUMNS, "time_s")
SPAN_COLUMNS = ("start_s", "stop_s")
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
SAMPLES_HZ, MOST_SAMPLES_HZ, USUAL_RATES_HZ = 30000, 100000, (30000, 32000, 40000, 44100, 48000, 50000, 96000)
CLOCKS = {1: "seconds", 1000: "milliseconds", SAMPLES_HZ: "samples", 1000000: "microseconds", 1000000000: "nanoseconds"}
"""What times are tried as where none lies within its sound: ticks a second, the slowest clock first."""
WRITTEN = {1: "'s'", 1000: "'ms'", 1000000: "'us'"}
SHARE_THAT_FITS = 0.9
LONGEST_STOP = 50.0
"""Lengths of its sound at which a trial may stop without doubt."""
ROUNDING_S = 1e-6
"""A spike this little before the onset is one at the onset: times were subtracted from each other."""

Choice = Literal["error", "drop"]


@keywords()
class RecordingFolder(Recording):
    """Recording read from ``stimuli/``, ``spikes.csv`` and, where there is one, ``trials.csv``.

    ``spikes.csv`` has the columns unit, stimulus, trial, time_s and one row for each spike: the stimulus is the name of
    a sound in ``stimuli/`` (its ending may be left out), the trial a whole number, the time counts from the onset of
    the sound. ``trials.csv`` has the columns unit, stimulus, trial and one row for each trial that was recorded, so
    that a trial without spikes differs from one that did not take place. It may have ``start_s`` and ``stop_s`` too,
    from the onset of the sound: bins that do not lie between them are NaN. Tables may have other columns, and be
    written as `deepstrf.datasets.tables.read_table` says.

    Without ``trials.csv`` a unit counts as recorded in those trials of a stimulus (of any unit) whose numbers it has
    (with any stimulus), for the stimuli that made it fire at all. What this misses is a unit that was silent in
    every trial of a stimulus: write ``trials.csv`` to keep it.

    Parameters
    ----------
    folder : str or path
    neurons : sequence of str or int, optional
        Units to read; None reads all.
    time_unit : {"s", "ms", "us"} or float
        Of ``time_s``; a number is the length of one unit in s, such as 1 / 30000 for samples at 30 kHz.
    late_spikes : {"error", "drop"}
        What to do with a spike after the end of its sound.
    pre_onset : {"error", "drop", "keep"}
        What to do with a spike before the onset of its sound. "keep" leaves it out of the responses too, and counts it
        for ``spontaneous_hz``.
    encoding : str, optional
        Of the tables; None: UTF-8, or what a byte-order mark says.
    max_gb : float
        Memory that each of the tables, sounds and responses may take, in GB of 2^30 bytes.
    **spectrogram
        ``dt_ms``, ``n_bands``, ``min_hz``, ``max_hz``, ``scale``, ``window_ms``, ``floor_db``, ``calibration``, as in
        `deepstrf.stimuli.log_mel_spectrogram`. Spikes after the last whole bin of a sound are in no bin.

    Attributes
    ----------
    folder : Path
    sound_paths : tuple of Path
        The files of the stimuli.
    spontaneous_hz : Tensor, shape (N,), or None
        With ``pre_onset="keep"``: spikes before the onset over the time before it, which begins with ``start_s`` of
        each trial or else with the earliest spike of all.

    Raises
    ------
    FileNotFoundError
        The folder, ``spikes.csv``, or a sound that a row names is missing.
    ValueError
        A table cannot be read, or a row of it is not as said (the message names it); no spike lies within its sound;
        the sounds have different sample rates; a sound cannot be read; a unit or a setting is unknown; something needs
        too much memory.

    Warns
    -----
    UserWarning
        Rows repeat each other, times do not ascend within a trial, a unit has no spike in any trial, or half of the
        spikes or more are dropped; the warning counts them.

    Notes
    -----
    Units and stimuli keep the order of ``trials.csv``, or else of ``spikes.csv``; sounds that no row names are left
    out. A stimulus is named by its file without the ending.
    """

    @keywords(log_mel_spectrogram, units="neurons")
    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        neurons: Sequence[int | str] | int | str | None = None,
        time_unit: Literal["s", "ms", "us"] | float = "s",
        late_spikes: Choice = "error",
        pre_onset: Choice | Literal["keep"] = "error",
        encoding: str | None = None,
        max_gb: float = LIMIT_GB,
        **spectrogram: Any,
    ) -> None:
        self.folder = as_path("folder", folder)
        check_choice(("error", "drop"), late_spikes=late_spikes)
        check_choice(("error", "drop", "keep"), pre_onset=pre_onset)
        if isinstance(time_unit, str):
            check_choice(TIME_UNITS, time_unit=time_unit)
            time_unit = TIME_UNITS[time_unit]
        check_numbers("must be a positive number of seconds", lambda x: 0 < x < float("inf"), time_unit=time_unit)
        if self.folder.is_file():
            raise ValueError(f"folder must be a folder, {self.folder} is a file: unpack it if it is an archive")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self.folder}")
        tables = _Tables(self.folder, encoding, max_gb)
        chosen = chosen_neurons(neurons, list(dict.fromkeys(unit for unit, _, _ in tables.trials)), str(self.folder))
        tables.keep(chosen, time_unit)
        sounds = Sounds(self.folder / STIMULI, tables.paths, spectrogram, max_gb)
        spontaneous_hz = tables.place(sounds.duration_s, late_spikes, pre_onset)
        dt_ms = next(iter(sounds.spectrograms.values())).dt_ms
        bins = {name: one.values.shape[1] for name, one in sounds.spectrograms.items()}
        self._hold(
            **assemble(
                str(self.folder),
                tables.trials,
                tables.trial_of_spike,
                tables.time_s,
                sounds.spectrograms,
                recorded=(tables.recorded(i, bins[name], dt_ms) for i, (_, name, _) in enumerate(tables.trials)),
                max_gb=max_gb,
            )
        )
        self.spontaneous_hz = spontaneous_hz
        self.sound_paths = tuple(tables.paths[name] for name in self.stimulus_names)

    @staticmethod
    @keywords(rate_hz="sample_rate_hz")
    def write(
        folder: str | os.PathLike[str], recording: Recording, waveforms: Sequence[np.ndarray], sample_rate_hz: float
    ) -> Path:
        """The folder, now holding a recording that reads back with the same responses.

        Parameters
        ----------
        folder : str or path
            Made if it does not exist; other files in it stay. All is written or nothing.
        recording : Recording
            Its responses are spike counts; every trial is there from the first bin of its stimulus to the last, or not
            at all. Of the bins only the counts are kept: a spike's time is made up within its bin.
        waveforms : sequence of ndarray, shape (samples,)
            Sound of each stimulus; written as 32-bit float, so that nothing is lost.
        sample_rate_hz : float
            Their sample rate. Sound files hold whole numbers: 97656.25 Hz becomes 97656 Hz, 0.2 ms longer in a minute.

        Raises
        ------
        FileExistsError
            The folder holds ``stimuli``, ``spikes.csv`` or ``trials.csv``: nothing is replaced.
        ValueError
            There is not one sound for each stimulus, a sound is shorter than its stimulus, the responses are not whole
            counts, a trial has gaps, or a unit or stimulus has a name that could not be read back.
        OSError
            Something cannot be written.
        """
        folder = as_path("folder", folder)
        check_file_names("stimulus_names", recording.stimulus_names, ".wav")
        for argument, names in (("neuron_names", recording.neuron_names), ("stimulus_names", recording.stimulus_names)):
            _check_cells(argument, names)
        _check_waveforms(recording, waveforms, sample_rate_hz)
        with new_files(folder, (STIMULI, TRIALS_FILE, SPIKES_FILE)) as staging:
            spikes, trials = _rows_of(recording)
            (staging / STIMULI).mkdir()
            for name, waveform in zip(recording.stimulus_names, waveforms, strict=True):
                write_to_disk(staging / STIMULI / f"{name}.wav", _wav_bytes(waveform, round(sample_rate_hz)))
            for file, columns, rows in ((TRIALS_FILE, TRIAL_COLUMNS, trials), (SPIKES_FILE, SPIKE_COLUMNS, spikes)):
                table = io.StringIO(newline="")
                csv.writer(table).writerows([columns, *rows])
                write_to_disk(staging / file, table.getvalue().encode())
        return folder


class _Tables:
    """What ``spikes.csv`` and ``trials.csv`` say, as trials and the spikes in them.

    Attributes
    ----------
    trials : list of Trial
        Those that were recorded.
    paths : dict
        File of each stimulus.
    trial_of_spike, time_s, row : ndarray, shape (spikes,)
        Place in ``trials``, time from the onset, and row in the file.
    """

    def __init__(self, folder: Path, encoding: str | None, max_gb: float) -> None:
        self.file = folder / SPIKES_FILE
        options: dict[str, Any] = {"text": TRIAL_COLUMNS[:2], "encoding": encoding, "max_gb": max_gb}
        spikes = read_table(self.file, numbers=("trial", "time_s"), **options)
        listed = None
        if (folder / TRIALS_FILE).exists():
            listed = read_table(folder / TRIALS_FILE, numbers=("trial",), optional=SPAN_COLUMNS, **options)
        elif spikes.empty:
            raise ValueError(f"{self.file} holds no spikes, and there is no {TRIALS_FILE}: nothing to read")
        sound_files = SoundFiles(folder / STIMULI)
        keys, first_rows, self.trial_of_spike = _trials_of(spikes)
        names = sound_files.names(self.file, spikes, keys, first_rows)
        self.time_s, self.row = spikes["time_s"].to_numpy(), spikes.index.to_numpy()
        fired = [(unit, names[stimulus], number) for unit, stimulus, number in keys]
        self.spans: dict[Trial, tuple[float, float]] = {}
        self.trials = _implied_trials(fired) if listed is None else self._listed(folder, listed, sound_files)
        place = {trial: i for i, trial in enumerate(self.trials)}
        for (unit, stimulus, number), row in zip(fired, first_rows, strict=True):
            if (unit, stimulus, number) not in place:
                raise ValueError(
                    f"{self.file}, row {row}: {TRIALS_FILE} does not list trial {number} of unit {unit!r} "
                    f"with {stimulus}"
                )
        self.trial_of_spike = np.asarray([place[trial] for trial in fired], dtype=np.int64)[self.trial_of_spike]
        self.paths = sound_files.used

    def _listed(self, folder: Path, listed: pd.DataFrame, sound_files: SoundFiles) -> list[Trial]:
        """Trials of ``trials.csv``, in its order, with what was recorded of them."""
        file = folder / TRIALS_FILE
        if listed.empty:
            raise ValueError(f"{file} holds no trials: nothing to read")
        keys, first_rows, trial_of_row = _trials_of(listed)
        names = sound_files.names(file, listed, keys, first_rows)
        rows: dict[Trial, int] = {}
        start, stop = (
            listed[name].to_numpy() if name in listed else np.full(len(listed), np.nan) for name in SPAN_COLUMNS
        )
        for i, row in enumerate(listed.index.tolist()):
            unit, written, number = keys[trial_of_row[i]]
            trial = (unit, names[written], number)
            if rows.setdefault(trial, row) != row:
                raise ValueError(f"{file}, row {row} repeats row {rows[trial]}: {', '.join(map(str, trial))}")
            if stop[i] < start[i]:
                raise ValueError(
                    f"{file}, row {row}: stop_s must not lie before start_s, got {start[i]:g} and {stop[i]:g}"
                )
            if not (np.isnan(start[i]) and np.isnan(stop[i])):
                self.spans[trial] = (float(start[i]), float(stop[i]))
        return list(rows)

    def keep(self, units: set[str], time_unit: float) -> None:
        """Leave out all other units, and let times be in s."""
        kept = np.asarray([unit in units for unit, _, _ in self.trials])
        wanted = kept[self.trial_of_spike]
        self.trial_of_spike = (np.cumsum(kept) - 1)[self.trial_of_spike[wanted]]
        self.trials = [trial for trial, stays in zip(self.trials, kept, strict=True) if stays]
        self.time_unit = time_unit
        self.time_s, self.row = self.time_s[wanted] * time_unit, self.row[wanted]
        self.paths = {name: self.paths[name] for name in dict.fromkeys(name for _, name, _ in self.trials)}
        heard = {self.trials[i][0] for i in np.flatnonzero(np.bincount(self.trial_of_spike))}
        silent = list(dict.fromkeys(unit for unit, _, _ in self.trials if unit not in heard))
        if silent:
            _warn(f"{len(silent)} of the neurons have no spike in any trial of {self.file}: {shortened(silent)}")

    def place(self, duration_s: dict[str, float], late_spikes: str, pre_onset: str) -> Tensor | None:
        """The spontaneous rates if they are wanted; spikes outside their sounds are gone afterwards, or refused."""
        length = np.asarray([duration_s[name] for _, name, _ in self.trials])[self.trial_of_spike]
        time = np.where((self.time_s < 0) & (self.time_s >= -ROUNDING_S), 0.0, self.time_s)
        late, early = time > length, time < 0
        if len(time) and not (~late & ~early).any():
            at = int(np.argmax(late | early))
            raise ValueError(
                f"{self.file}, row {self.row[at]}: time_s must lie within the sound, but all {len(time)} times lie "
                f"outside theirs, here {time[at]:g} s and {self.trials[self.trial_of_spike[at]][1]} lasts "
                f"{length[at]:g} s: {self._guess(time, length)}"
            )
        for outside, choice, rule in (
            (late, late_spikes, "not exceed the length of {name}, {length:g} s, got {time:g}; late_spikes='drop' "),
            (early, pre_onset, "be at least 0 s, got {time:g}; pre_onset='drop' "),
        ):
            if outside.any() and choice == "error":
                at = int(np.argmax(outside))
                name = self.trials[self.trial_of_spike[at]][1]
                raise ValueError(
                    f"{self.file}, row {self.row[at]}: time_s must "
                    + rule.format(name=name, length=length[at], time=time[at])
                    + "leaves such spikes out"
                )
        rates = self._spontaneous_hz(time[early], self.trial_of_spike[early]) if pre_onset == "keep" else None
        inside = ~late & ~early
        if 2 * int(inside.sum()) <= len(time) and len(time):
            _warn(f"{len(time) - inside.sum()} of {len(time)} spikes of {self.file} lie outside their sounds")
        self.time_s, self.trial_of_spike, self.row = time[inside], self.trial_of_spike[inside], self.row[inside]
        self._warn_of_order()
        self._check_spans(duration_s)
        return rates

    def _check_spans(self, duration_s: dict[str, float]) -> None:
        """Refuse starts and stops that leave no trial anything of its sound, and warn of what they leave out."""
        if not self.spans:
            return
        length = np.asarray([duration_s[name] for _, name, _ in self.trials])
        spans = [self.spans.get(trial, (np.nan, np.nan)) for trial in self.trials]
        start, stop = np.where(np.isnan(spans), [-np.inf, np.inf], spans).T
        outside = (start >= length) | (stop <= 0)
        where = self.file.with_name(TRIALS_FILE)
        if outside.any():
            at = int(np.argmax(outside))
            unit, name, number = self.trials[at]
            said = (
                f"from {start[at]:g} to {stop[at]:g} s, trial {number} of unit {unit!r}, while {name} lasts "
                f"{length[at]:g} s"
            )
            if outside.all():
                raise ValueError(
                    f"{where}: start_s and stop_s must count from the onset of the sound, but no trial overlaps its "
                    f"sound, here {said}: times of the session? deepstrf.datasets.align counts spikes from each onset"
                )
            _warn(f"{where}: {outside.sum()} of {len(outside)} trials do not overlap their sound, first {said}")
        ended = np.isfinite(stop)
        if ended.any() and np.median(stop[ended] / length[ended]) > LONGEST_STOP:
            _warn(
                f"{where}: stop_s lies {np.median(stop[ended] / length[ended]):.3g} times as late as the sounds end: "
                "is it in milliseconds? It must be in s from the onset"
            )
        trial = self.trial_of_spike
        lost = (self.time_s < start[trial] - ROUNDING_S) | (self.time_s > stop[trial] + ROUNDING_S)
        if lost.any():
            at = int(np.argmax(lost))
            _warn(
                f"{self.file}: {lost.sum()} of {len(lost)} spikes lie outside start_s and stop_s of their trial in "
                f"{TRIALS_FILE} (first in row {self.row[at]}) and are left out"
            )

    def _guess(self, time: np.ndarray, length: np.ndarray) -> str:
        """What the times may be, where none of them lies within its sound."""
        written = time / self.time_unit
        low, high = np.full(len(self.trials), np.inf), np.full(len(self.trials), -np.inf)
        np.minimum.at(low, self.trial_of_spike, written)
        np.maximum.at(high, self.trial_of_spike, written)
        several = np.bincount(self.trial_of_spike, minlength=len(self.trials)) > 1
        span = (high - low)[several].max() if several.any() else np.inf
        # The rate in Hz of a clock of which this many ticks fit into the sounds.
        needed = np.quantile(written / length, SHARE_THAT_FITS, method="higher") if written.min() >= 0 else np.inf
        whole = bool((written == np.rint(written)).all())
        for hz, words in CLOCKS.items():
            if hz == SAMPLES_HZ:
                if whole and needed <= MOST_SAMPLES_HZ:
                    rate = next((one for one in USUAL_RATES_HZ if one >= needed), MOST_SAMPLES_HZ)
                    return (
                        f"samples? time_unit=1/{rate} reads those of a rate of {rate / 1000:g} kHz; it must be at "
                        f"least {needed / 1000:.3g} kHz"
                    )
            elif needed <= hz != 1 / self.time_unit:
                return f"{words}? time_unit={WRITTEN.get(hz, f'{1 / hz:g}')} reads them"
            elif span / hz <= length.max():
                seconds = "" if hz == 1 else f" in {words}? Divide them by {hz:g} and"
                return f"times of the session{seconds or '?'} deepstrf.datasets.align counts them from each onset"
        return "times must count from the onset of the sound; deepstrf.datasets.align counts them from each onset"

    def _spontaneous_hz(self, time: np.ndarray, trial: np.ndarray) -> Tensor:
        """Spikes before the onset over the time before it, (N,); NaN without such time."""
        earliest = -time.min() if len(time) else np.nan
        spikes = np.bincount(trial, minlength=len(self.trials))
        rates = {}
        for unit in dict.fromkeys(unit for unit, _, _ in self.trials):
            own = [i for i, one in enumerate(self.trials) if one[0] == unit]
            before = [-self.spans.get(self.trials[i], (np.nan, np.nan))[0] for i in own]
            seconds = sum(max(0.0, earliest if np.isnan(one) else one) for one in before)
            rates[unit] = spikes[own].sum() / seconds if seconds > 0 else np.nan
        return torch.tensor(list(rates.values()), dtype=torch.float32)

    def _warn_of_order(self) -> None:
        """Warn of rows that repeat each other, or else of times that do not ascend within a trial."""
        step, other_trial = np.diff(self.time_s), np.diff(self.trial_of_spike)
        if ((other_trial > 0) | ((other_trial == 0) & (step > 0))).all():
            return
        # NumPy sorts short integers by their digits, some ten times as fast.
        trial = self.trial_of_spike.astype(np.min_scalar_type(len(self.trials)))
        order = np.argsort(trial, kind="stable")
        falls = (np.diff(self.trial_of_spike[order]) == 0) & (np.diff(self.time_s[order]) < 0)
        ascending = order
        if falls.any():
            by_time = np.argsort(self.time_s, kind="stable")
            ascending = by_time[np.argsort(trial[by_time], kind="stable")]
        same = (np.diff(self.trial_of_spike[ascending]) == 0) & (np.diff(self.time_s[ascending]) == 0)
        if same.any():
            _warn(
                f"{self.file}: {same.sum()} of {len(self.time_s)} spikes repeat another with the same unit, stimulus, "
                f"trial and time (first in row {self.row[ascending[1:][same]].min()}) and are counted: remove them if "
                "the table was pasted twice"
            )
        elif falls.any():
            trials = len(np.unique(self.trial_of_spike[order[1:][falls]]))
            _warn(
                f"{self.file}: times do not ascend within {trials} of {len(self.trials)} trials (first in row "
                f"{self.row[order[1:][falls]].min()}): has a clock started anew, or is one trial two?"
            )

    def recorded(self, trial: int, bins: int, dt_ms: float) -> np.ndarray | None:
        """Which bins of a trial lie between its start and its stop; None when all do."""
        if self.trials[trial] not in self.spans:
            return None
        start, stop = self.spans[self.trials[trial]]
        edges_s = np.arange(bins + 1) * dt_ms / 1000
        # A missing time is NaN, which compares as False.
        return ~(edges_s[:-1] < start - ROUNDING_S) & ~(edges_s[1:] > stop + ROUNDING_S)


def _trials_of(table: pd.DataFrame) -> tuple[list[Trial], list[int], np.ndarray]:
    """Trials as the table writes them, in the order of their first row; that row; and the place of each row's trial."""
    import pandas as pd

    numbers, trial = pd.factorize(table["trial"].to_numpy())
    unit, stimulus = (table[name].cat for name in TRIAL_COLUMNS[:2])
    of_row = unit.codes.to_numpy().astype(np.int64)
    of_row = (of_row * len(stimulus.categories) + stimulus.codes.to_numpy()) * max(len(trial), 1) + numbers
    place, unique = pd.factorize(of_row)
    first = np.full(len(unique), len(place))
    first[place[::-1]] = np.arange(len(place))[::-1]  # of several assignments to one place the last counts
    rest, number = np.divmod(unique, max(len(trial), 1))
    units, stimuli, trials = unit.categories.tolist(), stimulus.categories.tolist(), trial.astype(np.int64).tolist()
    places = np.divmod(rest, max(len(stimuli), 1))
    keys = [(units[u], stimuli[s], trials[k]) for u, s, k in zip(*places, number, strict=True)]
    return keys, table.index.to_numpy()[first].tolist(), place


def _implied_trials(fired: Sequence[Trial]) -> list[Trial]:
    """The trials that were recorded, as far as the spikes tell."""
    pairs = dict.fromkeys((unit, stimulus) for unit, stimulus, _ in fired)
    of_stimulus: dict[str, set[int]] = {}
    of_unit: dict[str, set[int]] = {}
    for unit, stimulus, trial in fired:
        of_stimulus.setdefault(stimulus, set()).add(trial)
        of_unit.setdefault(unit, set()).add(trial)
    return [(u, s, trial) for u, s in pairs for trial in sorted(of_unit[u] & of_stimulus[s])]


def _warn(message: str) -> None:
    warn_user(message)


def _check_cells(argument: str, names: Sequence[str]) -> None:
    """ValueError unless every name is read back from a table as it is."""
    for name in names:
        if not isinstance(name, str) or not name or plain_name(name) != name or set(name) & set("\0\r\n"):
            raise ValueError(
                f"{argument} must be names that a table gives back: not empty, on one line, without blanks at their "
                f"ends, accents composed (NFC), got {name!r}"
            )


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


def _wav_bytes(waveform: np.ndarray, rate_hz: int) -> bytes:
    import soundfile  # type: ignore[import-untyped]

    file = io.BytesIO()
    soundfile.write(file, np.asarray(waveform, np.float32), rate_hz, format="WAV", subtype="FLOAT")
    return file.getvalue()


def _check_waveforms(recording: Recording, waveforms: Sequence[np.ndarray], sample_rate_hz: float) -> None:
    check_numbers("must be a positive number of Hz", lambda x: 0.5 < x < 2**31, sample_rate_hz=sample_rate_hz)
    if len(waveforms) != len(recording):
        raise ValueError(f"waveforms must be one sound for each of {len(recording)} stimuli, got {len(waveforms)}")
    for name, bins, waveform in zip(recording.stimulus_names, recording.bins, waveforms, strict=True):
        if np.ndim(waveform) != 1 or not np.isfinite(waveform).all():
            raise ValueError(
                f"waveforms must have shape (samples,) and be finite, got {np.shape(waveform)} for {name!r}"
            )
        if len(waveform) * 1000 < bins * recording.dt_ms * round(sample_rate_hz) * (1 - 1e-9):
            raise ValueError(
                f"waveforms must last as long as their stimuli, {bins * recording.dt_ms / 1000:g} s for {name!r}, "
                f"got {len(waveform) / sample_rate_hz:g} s"
            )
