"""One stimulus and what was recorded with it: the form in which a recording is kept, without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory

__all__ = ["Part", "collate", "padded"]

Item = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Part:
    """A stimulus (1, F, T) and responses (n, R, T) to it of the ``neurons`` (n,) that were recorded with it.

    ``neurons`` are numbers among those of the recording, ascending; None is all of them. R is the number of repeats of
    this stimulus, so that 20 repeats of one cost nothing with another that was played once.
    """

    stimulus: Tensor
    responses: Tensor
    neurons: Tensor | None = None

    @classmethod
    def compact(cls, stimulus: Tensor, responses: Tensor) -> Part:
        """The part with responses (N, R, T) of all neurons, of which only those with a number are kept."""
        there = ~responses.isnan().all(-1)
        repeats = int((there.any(0) * torch.arange(1, there.shape[1] + 1, device=there.device)).max())
        responses = responses[:, : max(1, repeats)]
        neurons = there.any(1).nonzero()[:, 0]
        if len(neurons) == len(responses):
            return cls(stimulus, responses)
        return cls(stimulus, responses[neurons], neurons)

    @property
    def bins(self) -> int:
        """T."""
        return self.responses.shape[-1]

    def whole(self, neurons: int, repeats: int) -> Tensor:
        """Responses (N, R, T) of all neurons and repeats of the recording, NaN where there are none here."""
        n, r, T = self.responses.shape
        if (n, r) == (neurons, repeats):
            return self.responses
        whole = self.responses.new_full((neurons, repeats, T), torch.nan)
        whole[slice(None) if self.neurons is None else self.neurons, :r] = self.responses
        return whole

    def of(self, wanted: Sequence[int]) -> Part:
        """The same stimulus with the neurons ``wanted``, in their order."""
        if self.neurons is None:
            return Part(self.stimulus, self.responses[list(wanted)])
        place = {neuron: row for row, neuron in enumerate(self.neurons.tolist())}
        kept = [(i, place[neuron]) for i, neuron in enumerate(wanted) if neuron in place]
        return Part(
            self.stimulus,
            self.responses[[row for _, row in kept]],
            torch.tensor([i for i, _ in kept], dtype=torch.long),
        )

    def owned(self) -> Part:
        """The same, holding no more memory than it shows."""
        tensors = (self.stimulus, self.responses, self.neurons)
        own = (
            x if x is None or x.untyped_storage().nbytes() == x.numel() * x.element_size() else x.clone()
            for x in tensors
        )
        return Part(*own)  # type: ignore[arg-type]


def padded(parts: Sequence[Part], neurons: int, *, max_gb: float = LIMIT_GB) -> Item:
    """Stimuli (B, 1, F, T) and responses (B, N, R, T) of all parts, as `collate` pads them.

    Raises
    ------
    ValueError
        They need more than ``max_gb`` GB of 2^30 bytes.
    """
    B, R, T = len(parts), max(part.responses.shape[1] for part in parts), max(part.bins for part in parts)
    needed = float(parts[0].responses.element_size()) * B * neurons * R * T
    check_memory(
        f"one array of the responses of {neurons} neurons in {R} trials of {B} stimuli of {T} bins, padded (select "
        "fewer neurons or stimuli, or take recording[b] one by one)",
        needed,
        max_gb,
    )
    return collate([(part.stimulus, part.whole(neurons, R)) for part in parts])


@keywords()
def collate(items: Sequence[Item]) -> Item:
    """Stimuli (B, 1, F, T) and responses (B, N, R, T) of pairs (1, F, T_b) and (N, R_b, T_b) of unequal lengths.

    What is missing is 0 in the stimuli, at their end, and NaN in the responses, after their last repeat and bin. It may
    be given to ``torch.utils.data.DataLoader`` as ``collate_fn``.

    Raises
    ------
    ValueError
        There is no pair, or they differ in F or in N.

    Examples
    --------
    >>> x, y = collate([(torch.ones(1, 2, 3), torch.ones(1, 1, 3)), (torch.ones(1, 2, 5), torch.ones(1, 2, 5))])
    >>> x.shape, y.shape, int(y.isnan().sum())
    (torch.Size([2, 1, 2, 5]), torch.Size([2, 1, 2, 5]), 7)
    """
    if not items:
        raise ValueError("items must hold at least one pair of stimulus and responses, got none")
    for name, sizes in (("bands F", {x.shape[1] for x, _ in items}), ("neurons N", {y.shape[0] for _, y in items})):
        if len(sizes) > 1:
            raise ValueError(f"items must have the same number of {name}, got {sorted(sizes)}")
    T = max(x.shape[-1] for x, _ in items)
    R = max(y.shape[1] for _, y in items)
    first_x, first_y = items[0]
    stimuli = first_x.new_zeros(len(items), 1, first_x.shape[1], T)
    responses = first_y.new_full((len(items), first_y.shape[0], R, T), torch.nan)
    for b, (x, y) in enumerate(items):
        stimuli[b, ..., : x.shape[-1]] = x
        responses[b, :, : y.shape[1], : y.shape[2]] = y
    return stimuli, responses
