"""From the trials of single units to the responses to each stimulus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from deepstrf.datasets.parts import Part
from deepstrf.datasets.spikes import EDGE_BINS
from deepstrf.memory import check_memory
from deepstrf.stimuli import Spectrogram

Trial = tuple[str, str, int]
"""Unit, stimulus, and number of the trial."""


def assemble(
    where: str,
    trials: Sequence[Trial],
    trial_of_spike: np.ndarray,
    time_s: np.ndarray,
    spectrograms: Mapping[str, Spectrogram],
    *,
    recorded: Iterable[np.ndarray | None],
    max_gb: float,
) -> dict[str, Any]:
    """Parts of a recording from spikes of trials given one by one, and its names; NaN for a trial that is not there.

    Units and stimuli come in the order of their first trial. Repeat r of a stimulus is its r-th trial number, so that
    units which were recorded together share it, whatever the numbers are.

    Parameters
    ----------
    where : str
        The file, for errors.
    trials : sequence of Trial
    trial_of_spike : ndarray of int, shape (spikes,)
        Place in ``trials``.
    time_s : ndarray, shape (spikes,)
        From the onset of the sound; what lies outside the bins is left out.
    spectrograms : mapping
        By stimulus.
    recorded : iterable of ndarray, shape (T_b,), or None
        For each trial which bins were recorded; None is all.
    max_gb : float
        Memory that the responses may take.
    """
    unit = {name: n for n, name in enumerate(dict.fromkeys(unit for unit, _, _ in trials))}
    stimulus = {name: b for b, name in enumerate(dict.fromkeys(name for _, name, _ in trials))}
    numbers: list[set[int]] = [set() for _ in stimulus]
    for _, name, number in trials:
        numbers[stimulus[name]].add(number)
    repeat = [{number: r for r, number in enumerate(sorted(of_one))} for of_one in numbers]
    bins = [spectrograms[name].values.shape[1] for name in stimulus]
    first = spectrograms[trials[0][1]]
    B, N = len(stimulus), len(unit)
    with_sound: list[dict[int, int]] = [{} for _ in stimulus]
    for name, sound, _ in trials:
        with_sound[stimulus[sound]].setdefault(unit[name], 0)
    for rows in with_sound:
        rows.update({n: row for row, n in enumerate(sorted(rows))})
    sizes = [len(rows) * len(numbers[b]) * bins[b] for b, rows in enumerate(with_sound)]
    check_memory(
        f"{where}: the responses of {N} neurons in {max(map(len, repeat))} trials of {B} stimuli of {max(bins)} bins",
        4.0 * sum(sizes),
        max_gb,
    )
    # One row for each trial that may be; `start` is where those of a stimulus begin.
    flat = np.full(sum(sizes), np.nan, dtype=np.float32)
    start = np.cumsum([0, *sizes])
    begin = np.empty(len(trials), dtype=np.int64)
    for i, ((name, sound, number), bins_there) in enumerate(zip(trials, recorded, strict=True)):
        b = stimulus[sound]
        row = with_sound[b][unit[name]] * len(numbers[b]) + repeat[b][number]
        begin[i] = start[b] + row * bins[b]
        flat[begin[i] : begin[i] + bins[b]] = 0.0 if bins_there is None else np.where(bins_there, np.float32(0), np.nan)
    place = np.floor(time_s * (1000 / first.dt_ms) + EDGE_BINS)
    of_trial = np.asarray([bins[stimulus[sound]] for _, sound, _ in trials])
    inside = (place >= 0) & (place < of_trial[trial_of_spike])
    np.add.at(flat, begin[trial_of_spike[inside]] + place[inside].astype(np.int64), np.float32(1))
    parts = []
    for name, b in stimulus.items():
        rows = with_sound[b]
        own = torch.from_numpy(flat[start[b] : start[b + 1]]).reshape(len(rows), len(numbers[b]), bins[b])
        some = None if len(rows) == N else torch.tensor(sorted(rows))
        parts.append(Part(spectrograms[name].values[None], own, some))
    return {
        "parts": parts,
        "neurons": N,
        "dt_ms": first.dt_ms,
        "cf_hz": first.cf_hz,
        "neuron_names": list(unit),
        "stimulus_names": list(stimulus),
        "delay_ms": first.delay_ms,
    }


def chosen_neurons(wanted: Sequence[int | str] | int | str | None, present: Sequence[str], where: str) -> set[str]:
    """Names of the neurons to read, which are wanted by name or else by number; ValueError for one that is not there.

    A number that is a name means the neuron of that name, as ids of NWB files are.
    """
    if wanted is None:
        return set(present)
    names = []
    for one in [wanted] if isinstance(wanted, (str, int, np.integer)) else wanted:
        is_place = str(one) not in present and not isinstance(one, str) and 0 <= one < len(present)
        names.append(present[int(one)] if is_place else str(one))
        if names[-1] not in present:
            raise ValueError(f"neurons must be among those of {where}, {shortened(present)}, got {one!r}")
    if not names:
        raise ValueError(f"neurons must name at least one of {shortened(present)}, got none")
    return set(names)


def shortened(names: Sequence[str], most: int = 20) -> str:
    """A list of names for a message, cut where it grows long."""
    return repr(list(names)) if len(names) <= most else f"{list(names[:most])!r} and {len(names) - most} more"
