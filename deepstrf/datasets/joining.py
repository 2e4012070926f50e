"""Parts of several recordings as those of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deepstrf.datasets.parts import Part


def joined(
    parts: Sequence[Sequence[Part]],
    neurons: Sequence[Sequence[str]],
    stimuli: Sequence[Sequence[str]],
    same_neurons: bool,
) -> tuple[list[Part], list[str], list[str]]:
    """Parts, names of the neurons and of the stimuli; errors as of `Recording.concatenate`."""
    place: dict[str, int] = {}
    for names in neurons:
        for name in names:
            if name in place and not same_neurons:
                raise ValueError(
                    f"recordings must have neurons of different names, got {name!r} twice: a mapping of sites to "
                    "recordings names them site/neuron, same_neurons=True says that it is one neuron"
                )
            place.setdefault(name, len(place))
    of_sound: dict[str, list[tuple[Part, Tensor]]] = {}
    for own, names, sounds in zip(parts, neurons, stimuli, strict=True):
        numbers = torch.tensor([place[name] for name in names])
        for part, sound in zip(own, sounds, strict=True):
            of_sound.setdefault(sound, []).append((part, numbers if part.neurons is None else numbers[part.neurons]))
    whole = [_one_sound(sound, same, list(place)) for sound, same in of_sound.items()]
    everything = range(len(place))
    return (
        [Part(p.stimulus, p.responses) if p.neurons is not None and p.neurons.tolist() == list(everything) else p
         for p in whole],
        list(place),
        list(of_sound),
    )  # fmt: skip


def _one_sound(sound: str, same: Sequence[tuple[Part, Tensor]], names: Sequence[str]) -> Part:
    """Part of one stimulus from all recordings with it; numbers of neurons are those of the result."""
    first = same[0][0].stimulus
    for part, _ in same[1:]:
        if part.stimulus.shape != first.shape or not torch.allclose(part.stimulus.to(first), first):
            raise ValueError(
                f"recordings must have the same sound under the same name, but {sound!r} has {first.shape[-1]} bins in "
                f"one and {part.stimulus.shape[-1]} in another, or other values: give different stimulus_names"
            )
    present = sorted({n for _, numbers in same for n in numbers.tolist()})
    row = {n: i for i, n in enumerate(present)}
    trials: dict[int, list[Tensor]] = {n: [] for n in present}
    for part, numbers in same:
        for n, response in zip(numbers.tolist(), part.responses, strict=True):
            there = response[~response.isnan().all(-1)]
            for earlier in trials[n]:
                alike = earlier.shape == there.shape and torch.equal(earlier.isnan(), there.isnan())
                if alike and len(there) and torch.equal(earlier.nan_to_num(), there.nan_to_num()):
                    raise ValueError(
                        f"recordings must not repeat each other, but all trials of neuron {names[n]!r} with {sound!r} "
                        "come twice"
                    )
            trials[n].append(there)
    if len(same) == 1:
        part, numbers = same[0]
        order = numbers.argsort()
        return Part(part.stimulus, part.responses[order], numbers[order])
    R = max(1, max(sum(map(len, own)) for own in trials.values()))
    kind = same[0][0].responses
    responses = kind.new_full((len(present), R, first.shape[-1]), torch.nan)
    for n, own in trials.items():
        at = 0
        for one in own:
            responses[row[n], at : at + len(one)] = one
            at += len(one)
    return Part(first, responses, torch.tensor(present))
