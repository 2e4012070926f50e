"""What was played and what the neurons answered, as tensors that a model and a fit take as they are."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.arguments import (
    as_axis,
    as_tensor,
    check_choice,
    check_floating,
    check_has_values,
    check_numbers,
    checked_names,
    whole_number,
)
from deepstrf.datasets.arrays import parts_of_arrays
from deepstrf.datasets.joining import joined
from deepstrf.datasets.parts import Item, Part, collate, padded
from deepstrf.datasets.recording_file import check_parts, read_recording, write_recording
from deepstrf.datasets.resampling import HOWS, resampled
from deepstrf.datasets.smoothing import smooth_responses
from deepstrf.datasets.source import Source
from deepstrf.deprecation import did_you_mean, keywords, renamed
from deepstrf.memory import LIMIT_GB
from deepstrf.metrics.pooling import check_responses
from deepstrf.models.recorded_axes import SPIKES, RecordedAxes
from deepstrf.paths import as_path
from deepstrf.stimuli import Spectrogram

__all__ = ["Item", "Recording", "collate"]


ONE_FOR_ALL = {
    "dt_ms": "bins of one width, ms",
    "delay_ms": "one delay, ms",
    "unit": "one unit",
    "response_unit": "one unit of the responses",
}
"""What recordings that are joined must have in common, and the rule in words."""


@keywords()
class Recording:
    """B stimuli and the responses of N neurons to them.

    It is also a dataset of torch: ``len(recording)`` is B, ``recording[b]`` is the stimulus (1, F, T_b) with the
    responses (N, R, T_b) over its own length, and `collate` puts such pairs together again.

    What readers, `from_arrays` and `concatenate` make holds what was recorded and no padding; ``stimuli`` and
    ``responses`` pad it when they are first asked for.

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
    delay_ms, unit
        Of the stimuli, as in `Spectrogram`.
    response_unit : str
        Of the responses: "mV", "dF/F"; models that are fitted to them keep it.

    Attributes
    ----------
    spontaneous_hz : Tensor, shape (N,), or None
        Rate before the sounds, spikes per second, where a reader found it.
    source : Source or None
        Where `deepstrf.datasets.fetch` had it from, with its licence and citation.

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
        unit: str = "dB",
        response_unit: str = SPIKES,
    ) -> None:
        stimuli, responses = as_tensor("stimuli", stimuli).detach(), as_tensor("responses", responses).detach()
        cf_hz = as_axis("cf_hz", cf_hz)
        check_has_values("stimuli", stimuli)
        check_has_values("responses", responses)
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
        lengths = tuple(int(n) for n in bins) if bins is not None else (T,) * B
        if len(lengths) != B or not all(1 <= n <= T for n in lengths):
            raise ValueError(f"bins must be {B} lengths from 1 to T = {T}, got {lengths}")
        parts = [Part(stimuli[b, ..., :n], responses[b, ..., :n]) for b, n in enumerate(lengths)]
        self._hold(
            parts,
            N,
            dt_ms=dt_ms,
            cf_hz=cf_hz,
            neuron_names=neuron_names,
            stimulus_names=stimulus_names,
            delay_ms=delay_ms,
            unit=unit,
            response_unit=response_unit,
        )
        self._padded: Item | None = (stimuli, responses)
        for name, n, response in zip(self.stimulus_names, self.bins, responses, strict=True):
            if not bool(response[..., n:].isnan().all()):
                raise ValueError(f"responses must be NaN after the {n} bins of stimulus {name!r}, got numbers there")

    def _hold(
        self,
        parts: Sequence[Part],
        neurons: int,
        *,
        dt_ms: float,
        cf_hz: Tensor,
        neuron_names: Sequence[str] | None = None,
        stimulus_names: Sequence[str] | None = None,
        delay_ms: float = 0.0,
        unit: str = "dB",
        response_unit: str = SPIKES,
        spontaneous_hz: Tensor | None = None,
        source: Source | None = None,
    ) -> None:
        """Take up the parts: what all constructors end with."""
        self.spontaneous_hz, self.source = spontaneous_hz, source
        self._parts, self._padded = tuple(parts), None
        self.dt_ms, self.cf_hz, self.delay_ms, self.unit = float(dt_ms), cf_hz, float(delay_ms), str(unit)
        self.response_unit = str(response_unit)
        self.neuron_names = _names("neuron_names", neuron_names, "neuron", neurons)
        self.stimulus_names = _names("stimulus_names", stimulus_names, "stimulus", len(self._parts))
        self.bins = tuple(part.bins for part in self._parts)
        self.spectrogram(0)  # checks cf_hz, dt_ms and delay_ms
        infinite = sum(int(part.responses.isinf().sum()) for part in self._parts)
        if infinite:
            raise ValueError(f"responses must be finite or NaN, got {infinite} infinite values")

    @classmethod
    def _of(cls, parts: Sequence[Part], neurons: int, **about: Any) -> Recording:
        recording = Recording.__new__(Recording)
        recording._hold(parts, neurons, **about)
        return recording

    def _with(self, parts: Sequence[Part], **changes: Any) -> Recording:
        """Another recording with the same axes and names where ``changes`` do not say otherwise."""
        about = self._about() | {"neuron_names": self.neuron_names, "stimulus_names": self.stimulus_names}
        about |= {"spontaneous_hz": self.spontaneous_hz, "source": self.source} | changes
        return Recording._of(parts, len(about["neuron_names"]), **about)

    def _about(self) -> dict[str, Any]:
        axes = {"dt_ms": self.dt_ms, "cf_hz": self.cf_hz, "delay_ms": self.delay_ms}
        return {**axes, "unit": self.unit, "response_unit": self.response_unit}

    @property
    def axes(self) -> RecordedAxes:
        """Units and names, as a model that is fitted to this recording keeps them."""
        cf_hz = tuple(self.cf_hz.double().tolist())
        return RecordedAxes(self.dt_ms, cf_hz, self.neuron_names, self.delay_ms, self.unit, self.response_unit)

    def __getstate__(self) -> dict[str, Any]:
        # Views would be pickled with all the memory that they are views of, each time.
        return {**self.__dict__, "_parts": tuple(part.owned() for part in self._parts), "_padded": None}

    @classmethod
    @keywords()
    def from_arrays(
        cls,
        stimulus: Any,
        responses: Any,
        *,
        dt_ms: float,
        cf_hz: Tensor | ArrayLike,
        response_dt_ms: float | None = None,
        resample: Literal["mean", "sum"] | None = None,
        neuron_names: Sequence[str] | None = None,
        stimulus_names: Sequence[str] | None = None,
        delay_ms: float = 0.0,
        unit: str = "a.u.",
        response_unit: str = SPIKES,
    ) -> Recording:
        """Recording from spectrograms and responses that were made elsewhere.

        Parameters
        ----------
        stimulus : array (F, T), or sequence of arrays (F, T_b), or array (B, F, T) or (B, 1, F, T)
            One sound or several, in any unit; whole numbers are taken as float32.
        responses : array (T,), (N, T) or (N, R, T); a sequence of B of these; or array (B, N, R, T)
            To one sound or to each. Without an axis of trials there is one trial (or a mean over them); numbers may be
            negative (membrane potential, calcium, ECoG). NaN where nothing was recorded.
        dt_ms : float
            Bin width of the stimulus, ms.
        cf_hz : array, shape (F,)
            Centre frequency of each band, Hz, ascending.
        response_dt_ms : float, optional
            Time between two numbers of the responses, ms, if it is another one; ``resample`` says how they come into
            the bins of the stimulus: "sum" for counts of spikes, "mean" for rates and continuous signals. Whatever the
            responses last beyond the stimulus is cut, what they lack is NaN.
        neuron_names, stimulus_names, delay_ms, unit, response_unit
            As of `Recording`.

        Raises
        ------
        TypeError
            Something is no array of real numbers.
        ValueError
            Shapes do not fit together (the message says which, and whether an axis looks swapped), a stimulus is not
            finite, or ``resample`` is missing.

        Examples
        --------
        >>> Recording.from_arrays([torch.rand(3, 100), torch.rand(3, 80)], [torch.rand(2, 5, 100), torch.rand(2, 80)],
        ...                       dt_ms=5, cf_hz=[500.0, 1000.0, 2000.0])
        Recording(2 stimuli, 0.9 s in bins of 5 ms, 3 bands 500-2000 Hz, 2 neurons, up to 5 trials)
        """
        axis = as_axis("cf_hz", cf_hz)
        parts, neurons = parts_of_arrays(stimulus, responses, axis, float(dt_ms), response_dt_ms, resample)
        return cls._of(
            parts,
            neurons,
            dt_ms=dt_ms,
            cf_hz=axis,
            neuron_names=neuron_names,
            stimulus_names=stimulus_names,
            delay_ms=delay_ms,
            unit=unit,
            response_unit=response_unit,
        )

    @classmethod
    def concatenate(
        cls, recordings: Sequence[Recording] | Mapping[str, Recording], *, same_neurons: bool = False
    ) -> Recording:
        """One recording of all stimuli and all neurons of several, NaN where a neuron was not recorded.

        Stimuli of one name are one stimulus, which must then be the same sound everywhere.

        Parameters
        ----------
        recordings : mapping of str to Recording, or sequence of Recording
            By the name of the site, which then comes before the names of its neurons as ``site/neuron``.
        same_neurons : bool
            Whether neurons of one name are one neuron, such as in two sessions of one electrode: its trials with the
            same sound follow each other. False refuses neurons of one name.

        Raises
        ------
        ValueError
            There is none; bins, bands or delay differ; two sounds or two neurons have one name; or, with
            ``same_neurons``, the same trials come twice.
        """
        if not recordings:
            raise ValueError("recordings must be at least one, got none")
        sites = list(recordings) if isinstance(recordings, Mapping) else None
        each = list(recordings.values()) if isinstance(recordings, Mapping) else list(recordings)
        first = each[0]
        for i, one in enumerate(each):
            where = f"recording {sites[i]!r}" if sites else f"recording {i}"
            if not isinstance(one, Recording):
                raise TypeError(f"recordings must be Recordings, got {type(one).__name__} for {where}")
            for name, rule in ONE_FOR_ALL.items():
                if getattr(one, name) != getattr(first, name):
                    raise ValueError(
                        f"recordings must have {rule}, got {getattr(first, name)!r} and {getattr(one, name)!r} in "
                        f"{where}" + ("; rebin makes the bins wider" if name == "dt_ms" else "")
                    )
            if one.cf_hz.shape != first.cf_hz.shape or not torch.allclose(one.cf_hz, first.cf_hz.to(one.cf_hz)):
                raise ValueError(f"recordings must have the same cf_hz, got other bands in {where}")
        names = [
            [f"{sites[i]}/{name}" for name in one.neuron_names] if sites else list(one.neuron_names)
            for i, one in enumerate(each)
        ]
        parts, neurons, stimuli = joined(
            [one._parts for one in each], names, [one.stimulus_names for one in each], same_neurons
        )
        # Of several sources, one that forbids passing it on binds the whole.
        sources = [one.source for one in each]
        binding = next((one for one in sources if one is not None and not one.redistribution), None)
        source = first.source if all(one == first.source for one in sources) else binding
        return first._with(parts, neuron_names=neurons, stimulus_names=stimuli, spontaneous_hz=None, source=source)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """The file that now holds this recording, as safetensors: numbers and names, nothing that can run.

        Raises
        ------
        FileExistsError
            There is a file that is no recording; another recording is replaced.
        OSError
            It cannot be written.
        """
        about = self._about() | {"cf_hz": self.cf_hz.tolist(), "cf_dtype": str(self.cf_hz.dtype).removeprefix("torch.")}
        about |= {"neuron_names": list(self.neuron_names), "stimulus_names": list(self.stimulus_names)}
        if self.spontaneous_hz is not None:
            about["spontaneous_hz"] = self.spontaneous_hz.tolist()
        if self.source is not None:
            about["source"] = asdict(self.source)
        file = as_path("path", path)
        write_recording(file, self._parts, about)
        return file

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, max_gb: float = LIMIT_GB) -> Recording:
        """Recording in a file that `save` wrote, number for number.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            It is damaged or of something else, or needs more than ``max_gb`` GB of memory.
        """
        parts, about = read_recording(as_path("path", path), max_gb=max_gb)
        try:
            check_parts(parts, len(about["neuron_names"]))
            if "spontaneous_hz" in about:
                about["spontaneous_hz"] = torch.tensor(about["spontaneous_hz"])
            if "source" in about:
                about["source"] = Source(**about["source"])
            about["cf_hz"] = torch.tensor(about["cf_hz"], dtype=getattr(torch, about.pop("cf_dtype")))
            return cls._of(parts, len(about["neuron_names"]), **about)
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, OverflowError) as error:
            raise ValueError(f"{path} is damaged, or no recording that Recording.save wrote: {error}") from error

    def __len__(self) -> int:
        return len(self.bins)

    def __getitem__(self, index: int) -> Item:
        part = self._parts[index]
        return part.stimulus, part.whole(len(self.neuron_names), self._repeats)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} stimuli, {self.duration_s:g} s in bins of {self.dt_ms:g} ms, "
            f"{len(self.cf_hz)} bands {self.cf_hz[0].item():.0f}-{self.cf_hz[-1].item():.0f} Hz, "
            f"{len(self.neuron_names)} neurons, up to {self._repeats} trials)"
        )

    @property
    def _repeats(self) -> int:
        return max(part.responses.shape[1] for part in self._parts)

    @property
    def stimuli(self) -> Tensor:
        """Stimuli (B, 1, F, T), padded with 0."""
        return self._pad()[0]

    @property
    def responses(self) -> Tensor:
        """Responses (B, N, R, T), padded with NaN; ValueError where they would need more than 2 GB of memory."""
        return self._pad()[1]

    def padded(self, *, max_gb: float = LIMIT_GB) -> Item:
        """``stimuli`` and ``responses`` where these may take up to ``max_gb`` GB of memory."""
        return self._pad(max_gb)

    def _pad(self, max_gb: float = LIMIT_GB) -> Item:
        if self._padded is None:
            # Kept from now on, and the parts are views of it: who changes a number in it changes the recording.
            stimuli, responses = self._padded = padded(self._parts, len(self.neuron_names), max_gb=max_gb)
            repeats = [part.responses.shape[1] for part in self._parts]
            self._parts = tuple(
                Part(stimuli[b, ..., :n], responses[b, :, :r, :n])
                for b, (n, r) in enumerate(zip(self.bins, repeats, strict=True))
            )
        return self._padded

    @property
    def duration_s(self) -> float:
        """Seconds of sound, each stimulus counted once."""
        return sum(self.bins) * self.dt_ms / 1000

    def spectrogram(self, stimulus: int | str) -> Spectrogram:
        """One stimulus, by its number or its name, over its own length: what the figures and the bench take."""
        (b,) = _indices("stimulus", [stimulus], self.stimulus_names)
        return Spectrogram(
            self._parts[b].stimulus[0],
            self.cf_hz,
            self.dt_ms,
            unit=self.unit,
            name=self.stimulus_names[b],
            delay_ms=self.delay_ms,
        )

    unit_names = renamed("neuron_names")

    @keywords(units="neurons")
    def select(
        self, *, neurons: Sequence[int | str] | None = None, stimuli: Sequence[int | str] | None = None
    ) -> Recording:
        """Recording of some neurons or stimuli, by number or name, in the order given; None keeps all.

        Raises
        ------
        TypeError, ValueError
            There is no such neuron or stimulus, one is named twice, or none is left.
        """
        b = _indices("stimuli", range(len(self)) if stimuli is None else stimuli, self.stimulus_names)
        n = _indices("neurons", range(len(self.neuron_names)) if neurons is None else neurons, self.neuron_names)
        parts = [self._parts[i] for i in b]
        if n != list(range(len(self.neuron_names))):
            parts = [part.of(n) for part in parts]
        return self._with(
            parts,
            neuron_names=[self.neuron_names[i] for i in n],
            stimulus_names=[self.stimulus_names[i] for i in b],
            spontaneous_hz=None if self.spontaneous_hz is None else self.spontaneous_hz[n],
        )

    def crop(self, start_ms: float = 0.0, stop_ms: float | None = None) -> Recording:
        """Recording of the bins of each stimulus that lie wholly between two times from its onset.

        A model sees zeros before the first bin that is left; ``skip_bins`` of a fit and of `cross_validate` leaves out
        bins and keeps the sound before them.

        Raises
        ------
        ValueError
            A time breaks its rule, or a stimulus has no bin there.
        """
        check_numbers("must be at least 0 ms", lambda x: 0 <= x < math.inf, start_ms=start_ms)
        stop = math.inf if stop_ms is None else stop_ms
        check_numbers(f"must exceed start_ms, {start_ms:g} ms", lambda x: x > start_ms, stop_ms=stop)
        first = math.ceil(start_ms / self.dt_ms - 1e-6)
        last = None if stop_ms is None else math.floor(stop_ms / self.dt_ms + 1e-6)
        for name, n in zip(self.stimulus_names, self.bins, strict=True):
            if not len(range(n)[first:last]):
                raise ValueError(
                    f"start_ms and stop_ms must leave each stimulus a bin of {self.dt_ms:g} ms, got {start_ms:g} to "
                    f"{stop:g} ms for {name!r} of {n * self.dt_ms:g} ms; select leaves out whole stimuli"
                )
        return self._with(
            [Part(p.stimulus[..., first:last], p.responses[..., first:last], p.neurons) for p in self._parts]
        )

    def rebin(self, dt_ms: float, *, responses: Literal["sum", "mean"]) -> Recording:
        """Recording in wider bins: stimuli averaged, responses added up (counts) or averaged (rates, potentials).

        Parameters
        ----------
        dt_ms : float
            A whole multiple of the present bin width, ms. What follows the last whole bin of a stimulus is left out.
        responses : {"sum", "mean"}
            A wide bin is NaN where one of its bins is.

        Raises
        ------
        ValueError
            ``dt_ms`` is no such multiple, or a stimulus is shorter than one bin.
        """
        check_choice(HOWS, responses=responses)
        check_numbers("must be positive (ms)", lambda x: 0 < x < math.inf, dt_ms=dt_ms)
        k = round(dt_ms / self.dt_ms)
        if k < 1 or not math.isclose(k * self.dt_ms, dt_ms, rel_tol=1e-6):
            raise ValueError(f"dt_ms must be a whole multiple of {self.dt_ms:g} ms, got {dt_ms:g}")
        if min(self.bins) < k:
            name = self.stimulus_names[self.bins.index(min(self.bins))]
            raise ValueError(
                f"dt_ms must be at most the length of {name!r}, {min(self.bins) * self.dt_ms:g} ms, got {dt_ms:g}"
            )
        if k == 1:
            return self._with(self._parts)
        return self._with(
            [
                Part(
                    resampled(part.stimulus, self.dt_ms, dt_ms, part.bins // k, "mean"),
                    resampled(part.responses, self.dt_ms, dt_ms, part.bins // k, responses, least=1.0),
                    part.neurons,
                )
                for part in self._parts
            ],
            dt_ms=dt_ms,
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
        return self._with(
            [
                Part(
                    part.stimulus,
                    smooth_responses(part.responses, self.dt_ms, width_ms, window=window, causal=causal),
                    part.neurons,
                )
                for part in self._parts
            ]
        )


def _names(argument: str, names: Sequence[str] | None, kind: str, count: int) -> tuple[str, ...]:
    """The names, or numbered ones; ValueError unless there are ``count`` different ones."""
    if names is None:
        return tuple(f"{kind} {i}" for i in range(1, count + 1))
    found = checked_names(argument, names)
    if len(found) != count or len(set(found)) != count:
        raise ValueError(f"{argument} must be {count} different names, got {found}")
    return tuple(found)


def _indices(argument: str, wanted: Sequence[int | str], names: tuple[str, ...]) -> list[int]:
    """Numbers of what is wanted by number, which counts from the end where it is negative, or by name."""
    if isinstance(wanted, (str, bytes)) or not isinstance(wanted, Iterable):
        raise TypeError(f"{argument} must be a sequence of numbers and names, got {wanted!r}")
    found = []
    for one in wanted:
        if isinstance(one, str):
            if one not in names:
                shown = f"{list(names[:4])}{' and so on' * (len(names) > 4)}"
                raise ValueError(
                    f"{argument} must be numbers below {len(names)} or names among {shown}, got {one!r}"
                    f"{did_you_mean(one, names)}"
                )
            found.append(names.index(one))
            continue
        number = whole_number(f"each of {argument}", one, None)
        if not -len(names) <= number < len(names):
            raise ValueError(f"{argument} must be numbers below {len(names)} or names, got {number}")
        found.append(number % len(names))
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{argument} must be at least one and all different, got {list(wanted)}")
    return found
