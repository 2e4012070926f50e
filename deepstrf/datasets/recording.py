"""What was played and what the neurons answered, as tensors that a model and a fit take as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.arguments import as_tensor, check_floating
from deepstrf.datasets.smoothing import smooth_responses
from deepstrf.deprecation import keywords, renamed
from deepstrf.metrics.pooling import check_responses
from deepstrf.stimuli import Spectrogram

Item = tuple[Tensor, Tensor]


class Recording:
    """B stimuli and the responses of N neurons to them.

    It is also a dataset of torch: ``len(recording)`` is B, ``recording[b]`` is the stimulus (1, F, T_b) with the
    responses (N, R, T_b) over its own length, and `collate` puts such pairs together again.

    Parameters
    ----------
    stimuli : Tensor or array, shape (B, 1, F, T)
        Spectrograms, finite. What follows the end of a shorter one is 0, the floor of the library's spectrograms.
    responses : Tensor or array, shape (B, N, R, T)
        NaN where nothing was recorded.
    dt_ms : float
        Bin width, ms.
    cf_hz : Tensor or array, shape (F,)
        Centre frequencies, Hz, ascending.
    neuron_names, stimulus_names : sequence of str, optional
        Different from each other; None numbers them.
    bins : sequence of int, optional
        Length of each stimulus, at most T; None says that all have T bins.
    delay_ms : float
        Of the stimuli, as in `Spectrogram`.

    Raises
    ------
    TypeError
        A tensor that is not floating-point.
    ValueError
        A shape, a name or a length is not as said, a stimulus is not finite, or a response outlasts its stimulus.

    Examples
    --------
    >>> Recording(torch.zeros(4, 1, 3, 200), torch.zeros(4, 2, 5, 200), dt_ms=5.0, cf_hz=torch.tensor([1e3, 2e3, 4e3]))
    Recording(4 stimuli, 4 s in bins of 5 ms, 3 bands 1000-4000 Hz, 2 neurons, up to 5 trials)
    """

    @keywords(unit_names="neuron_names")
    def __init__(
        self,
        stimuli: Tensor | ArrayLike,
        responses: Tensor | ArrayLike,
        *,
        dt_ms: float,
        cf_hz: Tensor | ArrayLike,
        neuron_names: Sequence[str] | None = None,
        stimulus_names: Sequence[str] | None = None,
        bins: Sequence[int] | None = None,
        delay_ms: float = 0.0,
    ) -> None:
        stimuli, responses, cf_hz = (
            as_tensor(name, values)
            for name, values in (("stimuli", stimuli), ("responses", responses), ("cf_hz", cf_hz))
        )
        check_responses(responses)
        check_floating(stimuli=stimuli)
        (B, N, _, T) = responses.shape
        if stimuli.ndim != 4 or stimuli.shape[1] != 1 or (stimuli.shape[0], stimuli.shape[3]) != (B, T):
            raise ValueError(
                f"stimuli must have shape (B, 1, F, T) with the B = {B} and T = {T} of responses, "
                f"got {tuple(stimuli.shape)}"
            )
        if not bool(stimuli.isfinite().all()):
            raise ValueError(f"stimuli must be finite, got {int((~stimuli.isfinite()).sum())} values that are not")
        self.stimuli, self.responses = stimuli, responses
        self.dt_ms, self.cf_hz, self.delay_ms = float(dt_ms), cf_hz, float(delay_ms)
        self.neuron_names = _names("neuron_names", neuron_names, "neuron", N)
        self.stimulus_names = _names("stimulus_names", stimulus_names, "stimulus", B)
        self.bins = tuple(int(n) for n in bins) if bins is not None else (T,) * B
        if len(self.bins) != B or not all(1 <= n <= T for n in self.bins):
            raise ValueError(f"bins must be {B} lengths from 1 to T = {T}, got {self.bins}")
        self.spectrogram(0)  # checks cf_hz, dt_ms and delay_ms
        if bool(responses.isinf().any()):
            raise ValueError(f"responses must be finite or NaN, got {int(responses.isinf().sum())} infinite values")
        for name, n, response in zip(self.stimulus_names, self.bins, responses, strict=True):
            if not bool(response[..., n:].isnan().all()):
                raise ValueError(f"responses must be NaN after the {n} bins of stimulus {name!r}, got numbers there")

    def __len__(self) -> int:
        return len(self.bins)

    def __getitem__(self, index: int) -> Item:
        n = self.bins[index]
        return self.stimuli[index, ..., :n], self.responses[index, ..., :n]

    def __repr__(self) -> str:
        N, R = self.responses.shape[1:3]
        return (
            f"{type(self).__name__}({len(self)} stimuli, {self.duration_s:g} s in bins of {self.dt_ms:g} ms, "
            f"{len(self.cf_hz)} bands {self.cf_hz[0].item():.0f}-{self.cf_hz[-1].item():.0f} Hz, "
            f"{N} neurons, up to {R} trials)"
        )

    @property
    def duration_s(self) -> float:
        """Seconds of sound, each stimulus counted once."""
        return sum(self.bins) * self.dt_ms / 1000

    def spectrogram(self, stimulus: int | str) -> Spectrogram:
        """One stimulus, by its number or its name, over its own length: what the figures and the bench take."""
        (b,) = _indices("stimulus", [stimulus], self.stimulus_names)
        values = self.stimuli[b, 0, :, : self.bins[b]]
        return Spectrogram(values, self.cf_hz, self.dt_ms, name=self.stimulus_names[b], delay_ms=self.delay_ms)

    unit_names = renamed("neuron_names")

    @keywords(units="neurons")
    def select(
        self, *, neurons: Sequence[int | str] | None = None, stimuli: Sequence[int | str] | None = None
    ) -> Recording:
        """Recording of some neurons or stimuli, by number or name, in the order given; None keeps all.

        Raises
        ------
        ValueError
            There is no such neuron or stimulus, one is named twice, or none is left.
        """
        b = _indices("stimuli", range(len(self)) if stimuli is None else stimuli, self.stimulus_names)
        n = _indices("neurons", range(len(self.neuron_names)) if neurons is None else neurons, self.neuron_names)
        bins = [self.bins[i] for i in b]
        T = max(bins)
        return Recording(
            self.stimuli[b][..., :T],
            self.responses[b][:, n][..., :T],
            dt_ms=self.dt_ms,
            cf_hz=self.cf_hz,
            neuron_names=[self.neuron_names[i] for i in n],
            stimulus_names=[self.stimulus_names[i] for i in b],
            bins=bins,
            delay_ms=self.delay_ms,
        )

    def split(self, *fractions: float, seed: int = 0) -> list[Recording]:
        """Disjoint recordings with these fractions of the stimuli, drawn by chance from ``seed``.

        Parameters
        ----------
        *fractions : float
            Positive, with the sum 1. Every part has at least one stimulus; the first takes what rounding leaves.
        seed : int

        Raises
        ------
        ValueError
            The fractions are not as said, or there are too few stimuli.

        Examples
        --------
        >>> recording = Recording(
        ...     torch.zeros(10, 1, 2, 9), torch.zeros(10, 1, 1, 9), dt_ms=5.0, cf_hz=torch.tensor([1e3, 2e3])
        ... )
        >>> [len(part) for part in recording.split(0.8, 0.1, 0.1)]
        [8, 1, 1]
        """
        if not fractions or not all(f > 0 for f in fractions) or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
            raise ValueError(f"fractions must be positive with the sum 1, got {fractions}")
        sizes = [max(1, round(f * len(self))) for f in fractions[1:]]
        sizes.insert(0, len(self) - sum(sizes))
        if sizes[0] < 1:
            raise ValueError(f"fractions must leave each of {len(fractions)} parts a stimulus, got {len(self)} stimuli")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).split(sizes)
        return [self.select(stimuli=part.sort().values.tolist()) for part in order]

    def folds(self, k: int, *, seed: int = 0) -> Iterator[tuple[Recording, Recording]]:
        """The k ways to leave out a kth of the stimuli: pairs (what stays, what is left out), drawn from ``seed``.

        Raises
        ------
        ValueError
            ``k`` is below 2 or above the number of stimuli.
        """
        if not 2 <= k <= len(self):
            raise ValueError(f"k must lie in [2, {len(self)}], the number of stimuli, got {k}")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).tolist()
        parts = [sorted(order[i::k]) for i in range(k)]
        return (
            (self.select(stimuli=[b for b in range(len(self)) if b not in part]), self.select(stimuli=part))
            for part in parts
        )

    def smoothed(self, width_ms: float, *, window: str = "hann", causal: bool = False) -> Recording:
        """Recording with the same stimuli and smoothed responses: see `smooth_responses`."""
        return Recording(
            self.stimuli,
            smooth_responses(self.responses, self.dt_ms, width_ms, window=window, causal=causal),
            dt_ms=self.dt_ms,
            cf_hz=self.cf_hz,
            neuron_names=self.neuron_names,
            stimulus_names=self.stimulus_names,
            bins=self.bins,
            delay_ms=self.delay_ms,
        )


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


def _names(argument: str, names: Sequence[str] | None, kind: str, count: int) -> tuple[str, ...]:
    """The names, or numbered ones; ValueError unless there are ``count`` different ones."""
    if names is None:
        return tuple(f"{kind} {i}" for i in range(count))
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"{argument} must be {count} different names, got {list(names)}")
    return tuple(names)


def _indices(argument: str, wanted: Sequence[int | str], names: tuple[str, ...]) -> list[int]:
    """Numbers of what is wanted by number or name."""
    found = []
    for one in wanted:
        number = names.index(one) if isinstance(one, str) and one in names else one
        if isinstance(number, str) or not -len(names) <= number < len(names):
            raise ValueError(f"{argument} must be numbers below {len(names)} or names among {list(names)}, got {one!r}")
        found.append(int(number) % len(names))
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{argument} must be at least one and all different, got {list(wanted)}")
    return found
