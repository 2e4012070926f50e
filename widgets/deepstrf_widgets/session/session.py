"""A model, a stimulus and recorded responses under edit: parameters in natural units, undo, comparison, score."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.models import NeuralModel

from .events import Change, Edit
from .history import Entry, Slot, UndoHistory
from .parameters import Index, Parameter, parameter_table
from .scores import Scores
from .staged_forward import StagedForward
from .validation import Sound, checked_inputs, checked_sound, neuron_index

__all__ = ["LiveSession"]


class LiveSession:
    """A neuron model that is edited by hand, one gesture at a time, on one stimulus batch.

    An edit re-runs only what lies downstream of it, and only for the neurons that somebody looks at. The values
    equal a fresh forward pass of the edited model.

    Parameters
    ----------
    model : NeuralModel
        Copied; the caller's model stays untouched unless ``copy_model`` is False.
    stimulus : Recording, Spectrogram, or array-like of shape (F, T), (1, F, T) or (B, 1, F, T)
        Played to the neurons. A Recording or a Spectrogram brings ``dt_ms`` and ``cf_hz`` along, a Recording also
        responses and names.
    responses : array-like, shape (N, T), (N, R, T) or (B, N, R, T), optional
        Recorded responses; NaN where nothing was recorded.
    dt_ms : float, optional
        Width of a time bin in ms; 5 when neither it nor a Spectrogram is given.
    cf_hz : array-like, shape (F,), optional
        Centre frequency of each band in Hz. Without it (and without a Spectrogram) the default axis of
        :func:`~deepstrf.models.prefiltering.make_prefiltering` is assumed, with a warning.
    neuron_names : sequence of str, optional
        One name a neuron, for display.
    copy_model : bool
        Whether to edit a copy.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; the message names it.

    Examples
    --------
    >>> from deepstrf.demo import load_demo
    >>> demo = load_demo()
    >>> session = LiveSession(demo.model, demo.stimulus, demo.responses)
    >>> session.set("strf.center_hz", 4000.0, (0, 0, 1))
    >>> session.can_undo
    True
    >>> session.undo()
    """

    @keywords()
    def __init__(
        self,
        model: NeuralModel,
        stimulus: Sound,
        responses: ArrayLike | Tensor | None = None,
        *,
        dt_ms: float | None = None,
        cf_hz: ArrayLike | None = None,
        neuron_names: Sequence[str] | None = None,
        copy_model: bool = True,
    ) -> None:
        first = checked_inputs(model, stimulus, responses, dt_ms=dt_ms, cf_hz=cf_hz, neuron_names=neuron_names)
        batch, self.responses, self.stimulus_unit, self.dt_ms, self.cf_hz, self.neuron_names, self.delay_ms = first
        self._first = first
        trained = copy.deepcopy(model).eval().requires_grad_(False)
        self.model = copy.deepcopy(trained) if copy_model else model.eval()
        self._scores: dict[StagedForward, Scores] = {}

        self.live, self.trained = StagedForward(self.model, batch), StagedForward(trained, batch)
        axes: dict[str, Any] = {"cf_hz": self.cf_hz, "dt_ms": self.dt_ms, "delay_ms": self.delay_ms}
        self.parameters = parameter_table(self.model, **axes)
        self.trained_parameters = parameter_table(trained, **axes)
        self._history = UndoHistory()
        self._observers: list[Callable[[Change], None]] = []
        self.live.check_answer()

    def __repr__(self) -> str:
        (B, _, F, T), N = self.stimulus.shape, self.n_neurons
        sounds = "" if B == 1 else f"{B} sounds of "
        return f"LiveSession({type(self.model).__name__}, {N} neuron{'s' * (N != 1)}, {sounds}{F} bands x {T} bins)"

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return int(self.model.O)

    @property
    def stimulus(self) -> Tensor:
        """The stimulus batch, shape (B, 1, F, T)."""
        return self.live.stimulus

    def value(self, name: str, index: Index = (), *, grid: bool = False) -> NDArray[np.float64]:
        """Present value of a parameter in natural units, or on its ``grid``, at a (partial) index."""
        parameter = self._parameter(name)
        return (parameter.grid if grid else parameter).read(index)

    def trained_value(self, name: str, index: Index = (), *, grid: bool = False) -> NDArray[np.float64]:
        """Value of a parameter when the session began."""
        self._parameter(name)
        parameter = self.trained_parameters[name]
        return (parameter.grid if grid else parameter).read(index)

    def rate(self, neuron: int | str) -> Tensor:
        """Predicted response of one neuron, shape (B, T)."""
        return self.live.rate(self._neuron(neuron))

    def psth(self, neuron: int | str) -> Tensor | None:
        """Recorded response of one neuron, mean over its repeats, shape (B, T); NaN where none was recorded."""
        return None if self.responses is None else self.responses[:, self._neuron(neuron)].nanmean(dim=1)

    def score(self, neuron: int | str) -> float | None:
        """Correlation of predicted and recorded response of one neuron; None without responses, NaN if undefined."""
        return self._scored(self.live, neuron)[0]

    def normalized_score(self, neuron: int | str) -> float | None:
        """Correlation that the prediction would have with the noise-free response (CCnorm); None without repeats."""
        return self._scored(self.live, neuron)[1]

    def trained_score(self, neuron: int | str) -> float | None:
        """:meth:`score` of the trained values."""
        return self._scored(self.trained, neuron)[0]

    def trained_normalized_score(self, neuron: int | str) -> float | None:
        """:meth:`normalized_score` of the trained values."""
        return self._scored(self.trained, neuron)[1]

    def edited(self, neuron: int | str | None = None) -> bool:
        """Whether any parameter differs from its trained value, of one neuron or of the whole model."""
        for name, parameter in self.parameters.items():
            index = () if neuron is None or not parameter.per_neuron else (self._neuron(neuron),)
            at = parameter.prefix + index
            if not torch.equal(parameter.raw[at], self.trained_parameters[name].raw[at]):
                return True
        return False

    # -- another sound -------------------------------------------------------------------------------------------

    def set_stimulus(
        self,
        stimulus: Sound | None = None,
        responses: ArrayLike | Tensor | None = None,
        *,
        source: object = None,
        settled: bool = True,
    ) -> None:
        """Play another stimulus to the neurons; parameters and undo stay as they are.

        Parameters
        ----------
        stimulus : Recording, Spectrogram, or array-like of shape (F, T), (1, F, T) or (B, 1, F, T), optional
            With the bands and the bin width of the first one. None: the first one, with its responses.
        responses : array-like, shape (N, T), (N, R, T) or (B, N, R, T), optional
            What was recorded to it. Without any there is no score.
        source, settled
            Handed to the observers: who plays it, and whether no hand is still at work on it.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or value; the message names it. Everything is then as before.
        """
        if stimulus is None:
            if responses is not None:
                raise TypeError("responses must be given with their stimulus, got no stimulus")
            batch, recorded, unit = self._first[:3]
        else:
            batch, recorded, unit = checked_sound(stimulus, responses, self._first._replace(unit=self.stimulus_unit))
        chains = [StagedForward(chain.model, batch) for chain in (self.live, self.trained)]
        chains[0].check_answer()
        self.live, self.trained = chains
        self.responses, self.stimulus_unit = recorded, unit
        self._scores.clear()
        self._call(Change(frozenset(), None, settled, source, stimulus=True))

    @property
    def on_first_stimulus(self) -> bool:
        """Whether the stimulus is the one which the session began with."""
        return self.stimulus is self._first.stimulus

    @property
    def first_stimulus(self) -> Tensor:
        """The stimulus which the session began with, (B, 1, F, T)."""
        return self._first.stimulus

    @property
    def first_responses(self) -> Tensor | None:
        """What was recorded to the first stimulus, (B, N, R, T)."""
        return self._first.responses

    # -- editing -------------------------------------------------------------------------------------------------

    def set(self, name: str, value: ArrayLike, index: Index = ()) -> None:
        """Set one parameter: one undo entry. See :meth:`apply`."""
        self.apply([Edit(name, value, index)])

    def apply(
        self,
        edits: Iterable[Edit],
        gesture: str | None = None,
        *,
        settled: bool | None = None,
        source: object = None,
        grid: bool = False,
    ) -> None:
        """Set parameters, all or none.

        Parameters
        ----------
        edits : iterable of Edit
            Taken in their order: a width in octaves is read at the centre that an edit before it has set. Several
            values at a full index of ``strf.kernel`` or a factor are those from there on along its last axis.
        gesture : str, optional
            Edits with one gesture id in a row make one undo entry; None makes an entry of its own.
        settled : bool, optional
            Whether the gesture ends here; by default it does when ``gesture`` is None.
        source : object, optional
            Handed to the observers, so that one can know its own edits.
        grid : bool
            Whether values are on the grid (in bands and frames) where a parameter has a place there.

        Raises
        ------
        KeyError, IndexError, TypeError, ValueError
            An edit names no parameter, or has a bad index or value. Everything is then as before.
        """
        settled = gesture is None if settled is None else settled
        entry = Entry(gesture)
        done = False
        try:
            for edit in edits:
                name, value, index = edit
                parameter = self._parameter(name)
                index = parameter.check_index(index)
                coded = parameter.grid if grid else parameter
                index, new = parameter.in_place(coded.encode(value, index), index)
                self._write(entry, parameter, index, new)
            done = True
        finally:
            if not done:
                self._put(entry.before)
        self._history.record(entry, settled=settled, read=self._raw)
        if entry.before or settled:
            self._tell(entry.before, settled, source)

    def undo(self, *, source: object = None) -> None:
        """Take the last gesture back; nothing happens when there is none."""
        entry = self._history.undo(self._raw)
        if entry is not None:
            self._put(entry.before)
            self._tell(entry.before, True, source)

    def redo(self, *, source: object = None) -> None:
        """Repeat the gesture that was taken back last; nothing happens when there is none."""
        entry = self._history.redo()
        if entry is not None:
            self._put(entry.after)
            self._tell(entry.before, True, source)

    def revert(self, names: Iterable[str] | None = None, index: Index = (), *, source: object = None) -> None:
        """Set parameters back to their trained values: one undo entry.

        Parameters
        ----------
        names : iterable of str, optional
            Which parameters. When None all of them; with an index all that it fits and whose first axis is the neuron.
        index : tuple of int
            Leading part of the index of each of these parameters.
        source : object, optional
            Handed to the observers.

        Raises
        ------
        KeyError, IndexError, TypeError
            There is no such parameter, or the index does not fit a named one. Everything is then as before.
        """
        if names is None:
            every = self.parameters.values()
            chosen = [p for p in every if not index or (p.per_neuron and len(index) <= len(p.shape))]
        else:
            chosen = [self._parameter(name) for name in names]
        parts = [(p, p.check_index(index)) for p in chosen]
        entry = Entry(None)
        for parameter, at in parts:
            trained = self.trained_parameters[parameter.name].raw[parameter.prefix + at]
            self._write(entry, parameter, at, trained)
        self._history.record(entry, settled=True, read=self._raw)
        self._tell(entry.before, True, source)

    @property
    def can_undo(self) -> bool:
        """Whether there is a gesture to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a gesture to repeat."""
        return self._history.can_redo

    def observe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``callback`` after every change; returns a function that ends this."""
        self._observers.append(callback)

        def stop() -> None:
            if callback in self._observers:
                self._observers.remove(callback)

        return stop

    def save_pretrained(self, save_dir: str | Path, *, metadata: Mapping[str, Any] | None = None) -> Path:
        """Write the edited model as a checkpoint folder and return its path."""
        notes = {"edited_by_hand": self.edited(), **(metadata or {})}
        return self.model.save_pretrained(save_dir, metadata=notes)

    # -- inside --------------------------------------------------------------------------------------------------

    def _parameter(self, name: str) -> Parameter:
        try:
            return self.parameters[name]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self.parameters)) or "none"
            raise KeyError(f"name must be one of this model's parameters ({known}), got {name!r}") from None

    def _neuron(self, neuron: int | str) -> int:
        return neuron_index(self.neuron_names, neuron)

    def _scored(self, chain: StagedForward, neuron: int | str) -> tuple[float | None, float | None]:
        """r and CCnorm."""
        neuron = self._neuron(neuron)
        if self.responses is None:
            return None, None
        return self._scores.setdefault(chain, Scores(self.responses)).of(chain.rate(neuron), neuron)

    @torch.no_grad()
    def _write(self, entry: Entry, parameter: Parameter, index: Index, new: Tensor) -> None:
        at = parameter.prefix + index
        slot = (parameter.name, index)
        if slot not in entry.before:
            entry.before[slot] = parameter.raw[at].clone()
        parameter.raw[at] = new
        self._invalidate(parameter, index)

    def _raw(self, slot: Slot) -> Tensor:
        parameter = self.parameters[slot[0]]
        return parameter.raw[parameter.prefix + slot[1]]

    def _invalidate(self, parameter: Parameter, index: Index) -> None:
        neurons = index[:1] if parameter.per_neuron and index else None
        self.live.invalidate(parameter.stage, neurons)

    @torch.no_grad()
    def _put(self, values: Mapping[Slot, Tensor]) -> None:
        # Backwards: where two slots of one gesture overlap, the one written first holds the older value.
        for slot, old in reversed(list(values.items())):
            self._raw(slot).copy_(old)
            self._invalidate(self.parameters[slot[0]], slot[1])

    def _tell(self, slots: Iterable[Slot], settled: bool, source: object) -> None:
        names, neurons, whole = set(), set(), False
        for name, index in slots:
            names.add(name)
            if self.parameters[name].per_neuron and index:
                neurons.add(index[0])
            else:
                whole = True
        self._call(Change(frozenset(names), None if whole else frozenset(neurons), settled, source))

    def _call(self, change: Change) -> None:
        for callback in tuple(self._observers):
            callback(change)
