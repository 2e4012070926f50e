"""A recording in a file of Neurodata Without Borders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepstrf.datasets.assembly import Trial, assemble, chosen_neurons
from deepstrf.datasets.recording import Recording
from deepstrf.datasets.spikes import EDGE_BINS, count_spikes
from deepstrf.deprecation import keywords
from deepstrf.stimuli import Spectrogram, log_mel_spectrogram


@keywords(log_mel_spectrogram, units="neurons")
def read_nwb(
    path: str | os.PathLike[str],
    *,
    stimulus_column: str = "stimulus",
    neurons: Sequence[int | str] | None = None,
    **spectrogram: Any,
) -> Recording:
    """Recording in an NWB file: its table of trials, the sounds that they name, and the spikes of its units.

    The file must have a table ``trials`` with a column that names a TimeSeries under ``stimulus_template`` or
    ``stimulus``, which holds the waveform and its rate, and a table ``units`` with spike times. Repeat r of a stimulus
    is its r-th trial in the table. Bins after the ``stop_time`` of a trial, and bins outside the
    ``obs_intervals`` of a unit where it has any, are NaN.

    Parameters
    ----------
    path : str or path
    stimulus_column : str
        Column of the table of trials with the name of the sound.
    neurons : sequence of str or int, optional
        Units to read, by the id that they have in the file; None reads all.
    **spectrogram
        Settings of `deepstrf.stimuli.log_mel_spectrogram`.

    Returns
    -------
    Recording
        Units are named by their ids, stimuli by their TimeSeries.

    Raises
    ------
    ImportError
        pynwb is not installed; ``pip install 'deepstrf-lab[nwb]'``.
    FileNotFoundError
        There is no such file.
    ValueError
        A table, the column or a sound is missing, the sounds have different sample rates or no fixed one, or a unit is
        unknown.

    Notes
    -----
    Sample values are ``data * conversion + offset``, channels averaged; whole numbers without a conversion are scaled
    so that their type's full scale is 1.

    References
    ----------
    Rübel et al. (2022), eLife 11:e78362.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        import pynwb  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("read_nwb needs the package pynwb: pip install 'deepstrf-lab[nwb]'") from error
    with pynwb.NWBHDF5IO(str(path), mode="r") as io:
        file = io.read()
        for name in ("trials", "units"):
            if getattr(file, name) is None:
                raise ValueError(f"{path} must have a table of {name}, got none")
        if stimulus_column not in file.trials.colnames:
            raise ValueError(
                f"stimulus_column must be a column of the trials in {path}, {list(file.trials.colnames)}, "
                f"got {stimulus_column!r}"
            )
        ids = [str(one) for one in file.units.id[:]]
        wanted = chosen_neurons(neurons, ids, str(path))
        presented = [str(name) for name in file.trials[stimulus_column][:]]
        spectrograms = _spectrograms(path, file, presented, spectrogram)
        counts = {
            trial: response
            for n, unit in enumerate(ids)
            if unit in wanted
            for trial, response in _trials_of_unit(file, n, unit, presented, spectrograms)
        }
    if not counts:
        raise ValueError(f"{path} holds no trial in which a unit was observed: nothing to read")
    return Recording(**assemble(counts, spectrograms))


def _spectrograms(path: Path, file: Any, presented: list[str], settings: dict[str, Any]) -> dict[str, Spectrogram]:
    """Spectrogram of every sound that a trial names."""
    sounds = {**file.stimulus, **file.stimulus_template}
    found: dict[str, Spectrogram] = {}
    first: tuple[str, float] | None = None
    for name in dict.fromkeys(presented):
        if name not in sounds:
            raise ValueError(f"{path}: there is no sound {name!r} among its stimuli, {sorted(sounds)}")
        rate_hz = sounds[name].rate
        if rate_hz is None:
            raise ValueError(f"{path}: sound {name!r} must have a sampling rate, got timestamps")
        first = first or (name, rate_hz)
        if rate_hz != first[1]:
            raise ValueError(
                f"{path}: all sounds must have the same sample rate, but {first[0]!r} has {first[1]:g} Hz and "
                f"{name!r} has {rate_hz:g} Hz"
            )
        try:
            found[name] = log_mel_spectrogram(_waveform(sounds[name]), rate_hz, name=name, **settings)
        except ValueError as error:
            raise ValueError(f"{path}, sound {name!r}: {error}") from error
    return found


def _waveform(series: Any) -> np.ndarray:
    """Samples of a TimeSeries, float64 (samples,)."""
    data = np.asarray(series.data[:])
    conversion, offset = float(series.conversion), float(series.offset or 0.0)
    if data.dtype.kind in "iu" and conversion == 1.0:
        conversion = 1.0 / (np.iinfo(data.dtype).max + 1.0)
    samples = data.astype(np.float64) * conversion + offset
    return samples if samples.ndim == 1 else samples.reshape(len(samples), -1).mean(1)


def _trials_of_unit(
    file: Any, n: int, unit: str, presented: list[str], spectrograms: dict[str, Spectrogram]
) -> Iterator[tuple[Trial, torch.Tensor]]:
    """Counts (T_b,) of each trial in which the unit was observed at all, NaN where it was not."""
    times = np.asarray(file.units.get_unit_spike_times(n), dtype=np.float64)
    observed = file.units.get_unit_obs_intervals(n) if "obs_intervals" in file.units.colnames else None
    repeat: dict[str, int] = {}
    for name, start_s, stop_s in zip(presented, file.trials["start_time"][:], file.trials["stop_time"][:], strict=True):
        repeat[name] = repeat.get(name, -1) + 1
        bins, dt_ms = spectrograms[name].values.shape[1], spectrograms[name].dt_ms
        edges_s = start_s + np.arange(bins + 1) * dt_ms / 1000
        slack_s = EDGE_BINS * dt_ms / 1000
        seen = edges_s[1:] <= stop_s + slack_s
        if observed is not None:
            spans = np.reshape(observed, (-1, 2))
            inside = [(edges_s[:-1] >= begin - slack_s) & (edges_s[1:] <= end + slack_s) for begin, end in spans]
            seen &= np.logical_or.reduce(inside) if inside else np.zeros(bins, dtype=bool)
        if not seen.any():
            continue
        since_onset = times[times >= start_s - slack_s] - start_s
        counts = count_spikes(np.maximum(since_onset, 0.0), bins, dt_ms)
        yield (unit, name, repeat[name]), torch.from_numpy(np.where(seen, counts, np.nan).astype(np.float32))
