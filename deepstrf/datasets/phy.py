"""Sorted spikes as Kilosort and Phy leave them, and the laboratory's own table of what was played when."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepstrf.arguments import check_numbers
from deepstrf.datasets.array_files import load_arrays
from deepstrf.datasets.assembly import Trial, assemble, shortened
from deepstrf.datasets.choice import chosen
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.sound_folder import SoundFiles, Sounds
from deepstrf.datasets.spikes import EDGE_BINS, overlapping
from deepstrf.datasets.tables import column_name, plain_name, read_table
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.paths import as_path
from deepstrf.stimuli import log_mel_spectrogram
from deepstrf.user_warning import warn_user

__all__ = ["read_phy"]

LABELS = ("cluster_info.tsv", "cluster_group.tsv", "cluster_KSLabel.tsv")
"""Where the groups of the clusters stand, the sorter's own opinion last."""
SAMPLES = "samples"


@keywords(log_mel_spectrogram)
def read_phy(
    folder: str | os.PathLike[str],
    *,
    events: str | os.PathLike[str],
    stimuli: str | os.PathLike[str] | None = None,
    onset: str = "onset_s",
    stop: str | None = None,
    stimulus: str = "stimulus",
    groups: Sequence[str] | str | None = ("good",),
    units: Sequence[int | str] | int | str | None = None,
    sounds: Sequence[int | str] | int | str | None = None,
    sample_rate_hz: float | None = None,
    encoding: str | None = None,
    max_gb: float = LIMIT_GB,
    **spectrogram: Any,
) -> Recording:
    """Recording from a folder of Kilosort or Phy and a table with the onset of each sound on the same clock.

    Parameters
    ----------
    folder : str or path
        With ``spike_times.npy`` (samples), ``spike_clusters.npy``, and, if there are any, ``cluster_info.tsv`` or
        ``cluster_group.tsv``, and ``params.py`` with ``sample_rate``, which is read and not run.
    events : str or path
        Table (csv, tsv, in any form that `RecordingFolder` reads) with a row for each presentation, in any order.
    stimuli : str or path, optional
        Folder of the sounds; None: ``stimuli`` beside the table of events.
    onset, stop, stimulus : str
        Columns of the table: onset of the sound, end of what was recorded (None: every sound was recorded to its end),
        and name of the sound's file. Times are s, or samples where the name of the column ends with ``samples``.
    groups : sequence of str, optional
        Groups of clusters to read; None reads all, whatever their group.
    units, sounds : sequence of str or int, optional
        Clusters by id, sounds by name or number; None reads all.
    sample_rate_hz : float, optional
        Of the spike times; None reads it from ``params.py``.
    encoding : str, optional
        Of the table of events, as of `RecordingFolder`.
    max_gb : float
        Memory that spikes, sounds and responses may take each, in GB of 2^30 bytes.
    **spectrogram
        Settings of `deepstrf.stimuli.log_mel_spectrogram`.

    Returns
    -------
    Recording
        Neurons are named by the ids of their clusters; repeat r of a sound is its r-th presentation in time.

    Raises
    ------
    FileNotFoundError
        A folder, a file or a sound is missing.
    ValueError
        A file is damaged or not as said, a unit, sound or group is unknown, no spike lies within a sound, or more
        memory is needed.

    Warns
    -----
    UserWarning
        Presentations begin after the last spike of all, or clusters have no spike within a sound.
    """
    folder, events = as_path("folder", folder), as_path("events", events)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    onset, stimulus, stop = column_name(onset), column_name(stimulus), column_name(stop) if stop else None
    times, clusters = (_numbers(folder / f"{name}.npy", max_gb) for name in ("spike_times", "spike_clusters"))
    if len(times) != len(clusters):
        raise ValueError(
            f"{folder}: spike_times and spike_clusters must be equally long, got {len(times)} and {len(clusters)}"
        )
    rate = _rate(folder) if sample_rate_hz is None else sample_rate_hz
    check_numbers("must be positive (Hz)", lambda x: 0 < x < np.inf, sample_rate_hz=rate)
    names = _wanted(folder, clusters, groups)
    ids = [names[i] for i in chosen("units", _as_names(units), names, str(folder))]
    table = read_table(
        events, text=(stimulus,), numbers=(onset, *([stop] if stop else [])), encoding=encoding, max_gb=max_gb
    )
    start_s = table[onset].to_numpy() / (rate if onset.endswith(SAMPLES) else 1.0)
    stop_s = table[stop].to_numpy() / (rate if stop.endswith(SAMPLES) else 1.0) if stop else np.full(len(table), np.nan)
    if table.empty:
        raise ValueError(f"{events} holds no row: nothing was played")
    files = SoundFiles(as_path("stimuli", stimuli) if stimuli is not None else events.parent / "stimuli")
    written = [str(one) for one in table[stimulus]]
    found = {
        name: files.name(f"{events}, row {row}", name)
        for name, row in zip(written[::-1], table.index[::-1], strict=True)
    }
    played = [found[name] for name in written]
    there = list(dict.fromkeys(played))
    kept_sounds = {there[i] for i in chosen("sounds", sounds, there, str(events))}
    for row, first, last in zip(table.index, start_s, stop_s, strict=True):
        if last <= first:
            raise ValueError(f"{events}, row {row}: {stop} must lie after {onset}, got {last:g} and {first:g} s")
    order = [i for i in np.argsort(start_s, kind="stable") if played[i] in kept_sounds]
    same = [
        i for i, j in zip(order[1:], order[:-1], strict=True) if start_s[i] == start_s[j] and played[i] == played[j]
    ]
    if same:
        raise ValueError(
            f"{events}, row {table.index[same[0]]} repeats another: {played[same[0]]} at {start_s[same[0]]:g} s"
        )
    made = Sounds(files.folder, {name: files.used[name] for name in there if name in kept_sounds}, spectrogram, max_gb)
    number: dict[str, int] = {}
    repeats = []
    for i in order:
        repeats.append(number.get(played[i], 0))
        number[played[i]] = repeats[-1] + 1
    trials: list[Trial] = []
    recorded: list[np.ndarray | None] = []
    places, seconds = [], []
    silent = []
    for unit in ids:
        own = np.sort(times[clusters == int(unit)].astype(np.float64)) / rate
        inside = 0
        for i, repeat in zip(order, repeats, strict=True):
            sound = made.spectrograms[played[i]]
            bins = sound.values.shape[1]
            low, high = np.searchsorted(own, (start_s[i], start_s[i] + bins * sound.dt_ms / 1000))
            places.append(np.full(high - low, len(trials), dtype=np.int64))
            seconds.append(own[low:high] - start_s[i])
            inside += int(high - low)
            edges = start_s[i] + np.arange(1, bins + 1) * sound.dt_ms / 1000
            seen = ~(edges > stop_s[i] + EDGE_BINS * sound.dt_ms / 1000)  # a stop of NaN ends nothing
            recorded.append(None if seen.all() else seen)
            trials.append((unit, played[i], repeat))
        if not inside:
            silent.append(unit)
    ends_s = np.fmin(start_s[order] + np.asarray([made.duration_s[played[i]] for i in order]), stop_s[order])
    if both := overlapping(start_s[order], ends_s, max(one.dt_ms for one in made.spectrograms.values()) / 1000):
        warn_user(
            f"{events}: {both} of {len(order)} sounds begin before another one has ended, and spikes there count for "
            f"both: is {onset} their onset? stop= names a column that ends what was recorded"
        )
    _check_clocks(folder, events, times / rate, start_s[order], table.index[order], silent, ids)
    return Recording._of(
        **assemble(
            str(folder),
            trials,
            np.concatenate(places),
            np.concatenate(seconds),
            made.spectrograms,
            recorded=recorded,
            max_gb=max_gb,
        )
    )


def _numbers(file: Path, max_gb: float) -> np.ndarray:
    """Whole numbers (n,) of an .npy file of shape (n,) or (n, 1)."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: it must be there in a folder of Kilosort or Phy")
    check_memory(str(file), 4.0 * file.stat().st_size, max_gb)
    values = load_arrays(file, max_gb=max_gb)[""]
    if values.ndim not in (1, 2) or values.size != len(values) or values.dtype.kind not in "iuf":
        raise ValueError(f"{file} must hold numbers of shape (n,) or (n, 1), got {values.dtype} of {values.shape}")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise ValueError(f"{file} must hold whole numbers (times in samples), got others: are they seconds?")
    return values.reshape(-1)


def _rate(folder: Path) -> float:
    """sample_rate of params.py, whose assignments of numbers are read and not run."""
    file = folder / "params.py"
    way_out = "give sample_rate_hz="
    if not file.is_file():
        raise ValueError(f"{file} is missing, which says the sample rate of the spike times: {way_out}")
    try:
        for node in ast.parse(file.read_text(encoding="utf-8", errors="replace")).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(x, ast.Name) and x.id == "sample_rate" for x in node.targets
            ):
                return float(ast.literal_eval(node.value))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"{file} must say sample_rate = a number: {way_out} ({error})") from error
    raise ValueError(f"{file} must say sample_rate = a number, got no such line: {way_out}")


def _wanted(folder: Path, clusters: np.ndarray, groups: Sequence[str] | str | None) -> list[str]:
    """Ids of the clusters of the wanted groups, ascending."""
    present = [str(one) for one in np.unique(clusters).astype(np.int64)]
    if groups is None:
        return present
    groups = [groups] if isinstance(groups, str) else list(groups)
    group_of: dict[str, str] = {}
    for name in LABELS:
        if (folder / name).is_file():
            group_of = _labels(folder / name)
            if group_of:
                break
    if not group_of:
        raise ValueError(
            f"{folder} must hold {' or '.join(LABELS)} with the groups of the clusters: groups=None reads all"
        )
    wanted = [one for one in present if group_of.get(one, "unsorted") in groups]
    if not wanted:
        raise ValueError(
            f"groups must be among those of the clusters in {folder}, {sorted(set(group_of.values()))}, got {groups}"
        )
    return wanted


def _labels(file: Path) -> dict[str, str]:
    """Group of each cluster, without those that have none."""
    import pandas as pd

    try:
        table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError, UnicodeError) as error:
        raise ValueError(f"{file} cannot be read as a table: {error}") from error
    ids = next((name for name in ("cluster_id", "id") if name in table), None)
    label = next((name for name in ("group", "KSLabel") if name in table and (table[name] != "").any()), None)
    if ids is None or (label is None and not table.empty and "group" not in table):
        raise ValueError(f"{file} must have the columns cluster_id and group, got {list(table.columns)}")
    if label is None:
        return {}
    return {plain_name(one): group for one, group in zip(table[ids], table[label], strict=True) if group}


def _as_names(units: Any) -> Any:
    """Ids are names, also where they come as numbers."""
    if units is None or isinstance(units, str):
        return units
    return [str(one) for one in ([units] if np.ndim(units) == 0 else units)]


def _check_clocks(
    folder: Path,
    events: Path,
    times_s: np.ndarray,
    start_s: np.ndarray,
    rows: Any,
    silent: Sequence[str],
    ids: Sequence[str],
) -> None:
    """Refuse clocks that cannot be the same, warn of what looks like it."""
    last = float(times_s.max()) if len(times_s) else 0.0
    if len(silent) == len(ids):
        raise ValueError(
            f"{events}: the onsets, {start_s.min():g} to {start_s.max():g} s, must be on the clock of the spikes in "
            f"{folder}, which lie between {times_s.min() if len(times_s) else 0.0:g} and {last:g} s, but no spike lies "
            "within a sound: a column whose name ends with samples is in samples; is the sample rate right?"
        )
    late = np.flatnonzero(start_s > last)
    if late.size:
        warn_user(
            f"{events}: {late.size} of {len(start_s)} presentations (first in row {rows[late[0]]}) begin after the "
            f"last spike of all, at {last:g} s, and count as recorded",
        )
    if silent:
        warn_user(
            f"{folder}: {len(silent)} of {len(ids)} clusters have no spike within a sound: {shortened(silent)}",
        )
