"""A model, a stimulus and recorded responses under edit: parameters in natural units, undo, comparison, score."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from deepstrf.analysis import CHANNELS, add_switches, without_switches
from deepstrf.deprecation import keywords, renamed
from deepstrf.models import NeuralModel
from deepstrf.models.switches import has_switches
from deepstrf.user_warning import warn_user

from ..threads import one_thread
from .argument_validation import Sound, checked_edits, checked_inputs, checked_sound, named_index
from .edited_model import Basis, EditedModel, RunStep
from .events import Change, Edit
from .history import Slot
from .model_copy import private_copy
from .opening import is_unexpected, opened
from .parameters import ABLATION, Index, Parameter
from .reading import Played, Reading, Snapshot, State, parameter_of
from .staged_forward import StagedForward
from .twin import Twin, digest_of, weights_of
from .watch import same_values

__all__ = ["LiveSession"]

FEW_NUMBERS = 1_000_000
"""In a stimulus: a model answers to so many faster than torch's threads find a free core beside a browser."""


@keywords()
class LiveSession(Reading):
    """A neuron model that is edited by hand, one gesture at a time, on one stimulus batch.

    An edit re-runs only what lies downstream of it, and only for the neurons that are read. The values
    equal a fresh forward pass of the edited model, in evaluation mode.

    Any thread may read and edit. What is read is computed from a private copy of the model, outside the session's
    lock. An edit is tried on that copy and then written to the model in one step, which an interrupt does not leave
    half done. What others do to the model is noticed by the next use of the session, and is one undo entry.

    Parameters
    ----------
    model : NeuralModel
        Copied; the caller's model stays untouched unless ``copy_model`` is False. What wraps one (DataParallel,
        torch.compile) is opened as the model inside, and a scripted, traced or quantised module can be looked at.
        Where a model is not what its parts say, the session is reduced, and a warning says by what.
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
    >>> session.set("strf.center_hz", 4000.0, neuron=0, channel="ON", gaussian=1)
    >>> session.can_undo
    True
    >>> session.undo()
    """

    @keywords()
    def __init__(
        self,
        model: NeuralModel | nn.Module,
        stimulus: Sound,
        responses: ArrayLike | Tensor | None = None,
        *,
        dt_ms: float | None = None,
        cf_hz: ArrayLike | None = None,
        neuron_names: Sequence[str] | None = None,
        copy_model: bool = True,
    ) -> None:
        # Tensors made in inference mode could not be edited outside it.
        with torch.inference_mode(False), one_thread():
            model, self._opened = opened(model, stimulus)
            self._inputs = first = checked_inputs(
                model, stimulus, responses, dt_ms=dt_ms, cf_hz=cf_hz, neuron_names=neuron_names
            )
            self.dt_ms, self.delay_ms, self.cf_hz = first.dt_ms, first.delay_ms, first.cf_hz
            self.neuron_names, self.response_unit = first.neuron_names, first.response_unit
            axes = {"cf_hz": self.cf_hz, "dt_ms": self.dt_ms, "delay_ms": self.delay_ms}
            edited = private_copy(model) if copy_model else model.eval()
            if any(tensor.is_inference() for tensor in (*edited.parameters(), *edited.buffers())):
                raise ValueError(
                    "model must be made outside torch.inference_mode() to be edited itself, got tensors that cannot be "
                    "written: let the session copy it (copy_model=True)"
                )
            for mine, theirs in zip(edited.parameters(), model.parameters(), strict=True):
                mine.requires_grad_(theirs.requires_grad)  # so that it can be fitted
            twin = Twin.of(edited, axes)
            twin.prove(first.stimulus)
            self._trained = twin.fork()
            live = StagedForward(twin.model, first.stimulus, twin.form)
        with torch.inference_mode(False), one_thread() if first.stimulus.numel() <= FEW_NUMBERS else nullcontext():
            live.check_answer()
            # Both models are equal as yet, and so is what has been computed of them.
            trained = live.over(self._trained.model)
            self._first = Played.of(first, trained, getattr(stimulus, "source", None))
            self._saved: tuple[Path, str] | None = None
            self._edited = EditedModel(edited, twin, live, self._first)
        if self._opened or is_unexpected(twin):
            warn_user(self.restrictions)

    def __repr__(self) -> str:
        (B, _, F, T), N = self.stimulus.shape, self.n_neurons
        sounds, name = "" if B == 1 else f"{B} sounds of ", type(self._edited.model).__name__
        return f"LiveSession({name}, {N} neuron{'s' * (N != 1)}, {sounds}{F} bands x {T} bins)"

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def model(self) -> NeuralModel:
        """The edited model. It may be changed without notice: the next use of the session notices."""
        return self._edited.use(lambda: self._edited.model)

    def _present(self) -> State:
        return self._edited.use(self._edited.lend)

    @property
    def on_first_stimulus(self) -> bool:
        """Whether the stimulus is the one which the session began with."""
        return self._present().played.batch is self._first.batch

    @property
    def first_stimulus(self) -> Tensor:
        """The stimulus which the session began with, (B, 1, F, T)."""
        return self._first.batch

    @property
    def first_responses(self) -> Tensor | None:
        """What was recorded to the first stimulus, (B, N, R, T)."""
        return self._first.responses

    def save_pretrained(self, save_dir: str | Path, *, metadata: Mapping[str, Any] | None = None) -> Path:
        """Write the edited model as a checkpoint folder and return its path; ``code`` then names it where it must."""
        now = self.snapshot()
        model, known = now.model, {"edited_by_hand": now.edited()}
        if has_switches(model):
            model = without_switches(model)
        if now.ablated:
            text = f"the checkpoint has all parts of the model on, also what is off here: {now.ablated}"
            warn_user(text)
        path = model.save_pretrained(save_dir, metadata={**known, **(metadata or {})})
        self._saved = path, digest_of(model)
        return path

    def saved_in(self, now: Snapshot) -> Path | None:
        """Folder to which the model was saved last, if its weights are still those of ``now``."""
        return self._saved[0] if self._saved is not None and self._saved[1] == digest_of(now.model) else None

    def load_weights(self, save_dir: str | Path) -> None:
        """Take all weights of a checkpoint folder over, in one undo entry; parts that are switched off stay off.

        Raises
        ------
        ValueError, OSError
            The folder holds no checkpoint, or one of a model with other parts.
        FitUnderWayError
            A fit trains the model itself.
        """
        now = self.snapshot().model
        found, like = weights_of(type(now).from_pretrained(save_dir)), weights_of(now)
        if found.keys() != like.keys() or any(found[name].shape != like[name].shape for name in like):
            odd = sorted(found.keys() ^ like.keys()) or [n for n in like if found[n].shape != like[n].shape]
            raise ValueError(f"save_dir must hold a model with the parts of this one, {save_dir} differs in {odd[0]}")
        step = RunStep({name: found[name].to(like[name]).clone() for name in like}, {}, {}, settled=True, source=None)
        self.put(f"load-{time.monotonic_ns()}", step)

    # -- another stimulus ----------------------------------------------------------------------------------------

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
            Handed to the observers: who plays it, and whether the gesture has ended.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or value; the message names it. Everything is then as before.
        """
        with torch.inference_mode(False):
            now = self._present()
            if stimulus is None:
                if responses is not None:
                    raise TypeError("responses must be given with their stimulus, got no stimulus")
                played = Played.of(self._inputs, self._first.trained, self._first.source)
            else:
                inputs = self._inputs._replace(unit=now.played.unit)
                sound = checked_sound(stimulus, responses, inputs)
                played = Played.of(sound, now.played.trained, getattr(stimulus, "source", None))
            live = StagedForward(now.live.model, played.batch.to(now.live.stimulus), now.live.form)
            live.check_answer()
        self._edited.use(self._play, now.version, live, played, settled, source)

    hear, first_sound = renamed("set_stimulus"), renamed("on_first_stimulus")

    def _play(self, version: int, live: StagedForward, played: Played, settled: bool, source: object) -> None:
        state = self._edited.state
        model, form = state.twin.model, state.twin.form
        # What has been computed on it is kept, unless it was edited meanwhile.
        live = live.over(model) if state.version == version else StagedForward(model, live.stimulus, form)
        self._edited.play(live, played, settled, source)

    # -- editing -------------------------------------------------------------------------------------------------

    def set(
        self,
        name: str,
        value: ArrayLike,
        index: Index = (),
        *,
        neuron: int | str | None = None,
        channel: int | str | None = None,
        gaussian: int | None = None,
    ) -> None:
        """Set one parameter: one undo entry. See :meth:`apply`.

        Parameters
        ----------
        name, value, index
            As of an :class:`Edit`.
        neuron, channel, gaussian : optional
            In place of the index: number or name of the neuron, number of the channel or "ON" or "OFF", number of the
            Gaussian.
        """
        self.prepare([name])
        parameter = parameter_of(self._present().twin, name)
        self.apply([Edit(name, value, named_index(parameter, index, self.neuron_names, neuron, channel, gaussian))])

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
        settled, taken = gesture is None if settled is None else settled, checked_edits(edits)
        self.prepare(edit.name for edit in taken)
        self._edited.edit(self._apply, taken, gesture, settled, source, grid)

    def _apply(self, edits: list[Edit], gesture: str | None, settled: bool, source: object, grid: bool) -> None:
        if not self._edited.state.history.goes_on(gesture):
            self._edited.compare_values()
        slots = [self._try(edit, grid=grid) for edit in edits]
        if edits or settled:
            self._edited.keep(gesture, settled, source)
        if gesture is not None:
            self._edited.hold(gesture, slots, ends=settled)

    def ablate(
        self,
        name: str,
        parts: Sequence[int | str] | int | str | None = None,
        *,
        on: bool = False,
        source: object = None,
    ) -> None:
        """Switch parts of the model off, or with ``on`` on again: one undo entry. No weight changes.

        They are the parameters ``ablation.bands`` and so on, 0 where a part is off, for `set`, ``state`` and ``code``
        like all others. `save_pretrained` keeps the weights alone.

        Parameters
        ----------
        name : str
            As of `deepstrf.analysis.switches`: "bands", "channels", "units", "heads" or "memory".
        parts : int, "ON", "OFF", or sequence of these, optional
            Counted from 0; None is all of that name.
        on : bool
            Whether to switch them on.
        source : object, optional
            Handed to the observers.

        Raises
        ------
        KeyError, IndexError, TypeError
            The model has no such parts.
        """
        self.prepare([f"{ABLATION}.{name}"])
        parameter = parameter_of(self._present().twin, f"{ABLATION}.{name}")
        (count,) = parameter.shape
        chosen = range(count) if parts is None else [parts] if isinstance(parts, (int, str)) else parts
        numbers: list[Any] = [
            CHANNELS.index(part) if name == "channels" and part in CHANNELS else part for part in chosen
        ]
        self.apply([Edit(parameter.name, float(on), (number,)) for number in numbers], source=source)

    def prepare(self, names: Iterable[object]) -> None:
        """Give the model switches where one of the named parameters needs them: it answers as before."""
        if not any(isinstance(name, str) and name.startswith(f"{ABLATION}.") for name in names):
            return
        # First what revert goes back to: no thread may meet switches that it knows nothing of. Both are done again
        # where an interrupt came between.
        if not has_switches(self._trained.model):
            self._trained = self._trained.with_switches()
        self._edited.edit(add_switches, self._edited.model)
        self._present()

    def restore(self, edits: Iterable[Edit], *, source: object = None) -> None:
        """Set the parameters to what ``edits`` make of the trained values, all or none: one undo entry.

        Parameters and errors are those of :meth:`apply`.
        """
        taken = checked_edits(edits)
        self.prepare(edit.name for edit in taken)
        self._edited.edit(self._restore, taken, source)

    def _restore(self, edits: list[Edit], source: object) -> None:
        self._edited.compare_values()
        twin = self._edited.state.twin
        self._try_trained([(parameter, ()) for parameter in (*twin.parameters.values(), *twin.others.values())])
        for edit in edits:
            self._try(edit)
        self._edited.keep(None, True, source)

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
        chosen = None if names is None else list(names)
        self.prepare(chosen or ())
        self._edited.edit(self._revert, chosen, index, source)

    def _revert(self, names: list[str] | None, index: Index, source: object) -> None:
        self._edited.compare_values()
        twin = self._edited.state.twin
        if names is None:
            every = (*twin.parameters.values(), *twin.others.values())
            chosen = [p for p in every if not index or (p.per_neuron and len(index) <= len(p.shape))]
        else:
            chosen = [parameter_of(twin, name) for name in names]
        self._try_trained([(parameter, parameter.check_index(index)) for parameter in chosen])
        self._edited.keep(None, True, source)

    def undo(self, *, source: object = None) -> None:
        """Take the last gesture back; nothing happens when there is none."""
        self._edited.edit(self._step, "done", source)

    def redo(self, *, source: object = None) -> None:
        """Repeat the gesture that was taken back last; nothing happens when there is none."""
        self._edited.edit(self._step, "undone", source)

    def _step(self, which: str, source: object) -> None:
        self._edited.compare_values()
        history = self._edited.state.history
        if not getattr(history, which):
            return
        values, history = history.undo(self._edited.tried) if which == "done" else history.redo()
        # What a fit brings from now on is of a run that is taken back.
        self._edited.end_run()
        # Backwards: where two slots of one gesture overlap, the one written first holds the older value.
        for slot, value in reversed(list(values.items())):
            self._edited.write(slot, value)
        self._edited.keep_as(history, True, source)

    def observe(self, callback: Callable[[Change], None], *, merged: bool = False) -> Callable[[], None]:
        """Call ``callback`` after every change; returns a function that ends this.

        With ``merged`` what has changed while it was busy comes as one change: a callback that takes longer than an
        edit is never far behind threads that edit all the time.

        It may read and edit the session, and end itself. It is called by a thread that has changed something, or has
        noticed a change, after the fact: what it reads may be newer than the change that it is called with.
        """
        return self._edited.observers.add(callback, merged=merged)

    def refresh(self) -> None:
        """Take the model as it is now, whatever has been done to it.

        Most changes from outside are noticed without: other modules, hooks, in-place operations, optimizer steps,
        ``load_state_dict``. What passes torch's counters by (``.data``, NumPy views, fused optimizers) is noticed by
        the next gesture, and plain attributes of modules only by this.
        """
        with torch.inference_mode(False):
            while not self._edited.rebuild():
                pass
        self._edited.observers.call()

    # -- a fit that moves the model ------------------------------------------------------------------------------

    def release(self, gestures: str) -> None:
        """Let a fit move again what open gestures hold whose names begin with ``gestures``: nobody will end them."""
        self._edited.use(self._edited.release, gestures)

    def open_run(self, run: str) -> None:
        """Make all changes from now on one undo entry, of the name ``run``, until it is closed or undone.

        Where nothing was edited since a run of this name was closed, that one goes on.
        """
        self._edited.use(self._edited.open_run, run)

    def close_run(self, run: str) -> None:
        """Make changes undo entries of their own again."""
        self._edited.use(self._edited.close_run, run)

    def basis(self) -> Basis:
        """What a fit of the model as it is now is made for: its parts, what of them may learn, and the recording."""
        return self._edited.use(self._edited.basis)

    def exchange(self, run: str, step: RunStep) -> bool:
        """Move the model to where a fit has come, but for what the user holds, has pinned or has changed meanwhile.

        Returns
        -------
        bool
            False where the run is not open any more: the user has undone it.

        Raises
        ------
        FitUnderWayError
            Another fit trains the model itself.
        """
        return self._edited.edit(self._edited.take_step, run, step)

    def put(self, run: str, step: RunStep) -> bool:
        """The same for values that come at once: a part of a run that is open, or else of the undo entry ``run``."""
        return self._edited.edit(self._edited.put, run, step)

    # -- steps under the lock ------------------------------------------------------------------------------------

    def _try(self, edit: Edit, *, grid: bool = False) -> Slot:
        name, value, index = edit
        parameter = parameter_of(self._edited.draft(), name, grid=grid)
        index = parameter.check_index(index)
        index, new = parameter.in_place(parameter.encode(value, index), index)
        slot = parameter.tensor, parameter.prefix + index
        self._edited.write(slot, new)
        return slot

    def _try_trained(self, places: Iterable[tuple[Parameter, Index]]) -> None:
        for parameter, index in places:
            name, at = parameter.tensor, parameter.prefix + index
            there = parameter.name in self._trained.parameters or parameter.name in self._trained.others
            # Of what no editor shows, only what has moved: it has no name that observers know.
            if there and not (
                parameter.name in self._trained.others
                and same_values(self._trained.tensors[name][at], self._edited.tried((name, at)))
            ):
                self._edited.write((name, at), self._trained.tensors[name][at])
