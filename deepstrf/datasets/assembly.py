"""From the trials of single units to one tensor of responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from deepstrf.datasets.recording import Item, collate
from deepstrf.stimuli import Spectrogram

Trial = tuple[str, str, int]
"""Unit, stimulus, and number of the trial."""


def assemble(counts: Mapping[Trial, torch.Tensor], spectrograms: Mapping[str, Spectrogram]) -> dict[str, Any]:
    """Arguments of `Recording` for trials (T_b,) given one by one; NaN for every trial that is not there.

    Units and stimuli come in the order of their first trial. Repeat r of a stimulus is its r-th trial number, so that
    units which were recorded together share it, whatever the numbers are.
    """
    units = list(dict.fromkeys(unit for unit, _, _ in counts))
    stimuli = list(dict.fromkeys(stimulus for _, stimulus, _ in counts))
    repeats = {name: sorted({trial for _, stimulus, trial in counts if stimulus == name}) for name in stimuli}
    items: list[Item] = []
    for name in stimuli:
        values = spectrograms[name].values
        items.append((values[None], torch.full((len(units), len(repeats[name]), values.shape[1]), torch.nan)))
    row = {unit: n for n, unit in enumerate(units)}
    place = {name: (b, {trial: r for r, trial in enumerate(repeats[name])}) for b, name in enumerate(stimuli)}
    for (unit, stimulus, trial), response in counts.items():
        b, repeat_of = place[stimulus]
        items[b][1][row[unit], repeat_of[trial]] = response
    first = spectrograms[stimuli[0]]
    tensors = collate(items)
    return {
        "stimuli": tensors[0],
        "responses": tensors[1],
        "dt_ms": first.dt_ms,
        "cf_hz": first.cf_hz,
        "neuron_names": units,
        "stimulus_names": stimuli,
        "bins": [x.shape[-1] for x, _ in items],
        "delay_ms": first.delay_ms,
    }


def chosen_neurons(wanted: Sequence[int | str] | None, present: Sequence[str], where: str) -> set[str]:
    """Names of the neurons to read, which are wanted by name or number; ValueError for one that is not there."""
    if wanted is None:
        return set(present)
    names = [present[one] if isinstance(one, int) and 0 <= one < len(present) else one for one in wanted]
    for name in names:
        if name not in present:
            raise ValueError(f"neurons must be among those of {where}, {list(present)}, got {name!r}")
    if not names:
        raise ValueError(f"neurons must name at least one of {list(present)}, got none")
    return {str(name) for name in names}
