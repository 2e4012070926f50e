"""The model under edit: edits are tried on a private twin and then happen in one step; what others do is taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from deepstrf.locking import locked
from deepstrf.models import NeuralModel
from deepstrf.training.under_way import turns_of
from deepstrf.user_warning import warn_user

from .events import Change
from .history import OUTSIDE, History, Slot, Values
from .inference import ordinary_tensors
from .lock import lock_of
from .notifications import Observers
from .opening import is_unexpected, restrictions
from .parameters import Index
from .reading import Played, State
from .staged_forward import StagedForward
from .twin import Twin, tensors_of
from .watch import Marks, Watch, same_type, same_values

__all__ = ["Basis", "EditedModel", "FitUnderWayError", "RunStep"]

Result = TypeVar("Result")
Stale = tuple[tuple[str, "Index | None"], ...]

BEHIND = object()
"""Given instead of a result where the structure of the model is another than that of the twin."""

MOST_HELD = 64
"""Open gestures whose parameters a fit leaves alone: of more, the oldest belong to pages that are gone."""

TRIES = 5
"""How often a model is copied again that another thread writes to meanwhile."""


@dataclass(frozen=True)
class Plan:
    """A change that is going to happen, whole: carrying it out twice is carrying it out once.

    Attributes
    ----------
    state : State
        What the session is afterwards.
    change : Change
        What the observers are called with.
    written : tuple of Slot
        To copy from the twin to the model.
    stale : tuple
        Stages and neurons to compute anew.
    seen : tuple, optional
        Marks of the model that the state belongs to, where it was not the session that wrote to it.
    model : tuple of Watch and tensors, optional
        Where the structure of the model has changed.
    """

    state: State
    change: Change
    written: tuple[Slot, ...] = ()
    stale: Stale = ()
    seen: Marks | None = None
    model: tuple[Watch, dict[str, Tensor]] | None = None


@dataclass(frozen=True, eq=False)
class Basis:
    """What a fit is made for: where the session has another one, it goes on with that.

    Attributes
    ----------
    parts : object
        Of the twin: another one where modules, hooks, types or shapes are others.
    learnable : frozenset of str
        Parameters that require a gradient.
    recorded : Played, optional
        The sounds with their responses; None where there are none.
    """

    parts: object
    learnable: frozenset[str]
    recorded: Played | None

    def has_the_recording_of(self, other: Basis) -> bool:
        """Whether both have the same sounds and responses, as objects: what was computed of them is then kept."""
        one, two = self.recorded, other.recorded
        if one is None or two is None:
            return one is two
        return one.batch is two.batch and one.responses is two.responses


@dataclass
class RunStep:
    """What a fit exchanges with the session between two of its steps.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Of the model that is fitted, by name: what the session keeps is written to them.
    known : dict of str to Tensor
        What the session had after the last exchange; brought up to date. No tensor in it is ever written to.
    pins : dict of str to Tensor
        Where parameters are pinned, bool of their shape.
    settled : bool
        Whether the run pauses here.
    source : object
        Handed to the observers.
    parts : object, optional
        Of the model that is fitted, as of its :class:`Basis`: where the session's model has others, nothing happens.
    kept : dict of str to Tensor
        Result: where the session's values were kept, bool.
    beside_hand : bool
        Result: whether a gesture of a user is under way.
    basis : Basis, optional
        Result: what the session has now.
    """

    tensors: dict[str, Tensor]
    known: dict[str, Tensor]
    pins: dict[str, Tensor]
    settled: bool
    source: object
    parts: object = None
    kept: dict[str, Tensor] = field(default_factory=dict)
    beside_hand: bool = False
    basis: Basis | None = None


class FitUnderWayError(RuntimeError):
    """An edit of a model that is being fitted."""


class EditedModel:
    """A model, its private twin, and all that belongs to them at this moment.

    Readers and steps go through :meth:`use`. The methods below it are for steps: they expect the lock to be held.

    Parameters
    ----------
    model : NeuralModel
        In evaluation mode; others may have it too.
    twin : Twin
        Of the model as it is.
    live : StagedForward
        Over the twin.
    played : Played
        The stimulus.

    Attributes
    ----------
    state : State
        Replaced as a whole by each change.
    observers : Observers
        Called after each change.
    """

    def __init__(self, model: NeuralModel, twin: Twin, live: StagedForward, played: Played) -> None:
        self.model = model
        self.state = State(twin, live, played, None if played.responses is None else played)
        self._lock = lock_of(model)
        self.observers = Observers(self._lock)
        self._watch = Watch(model)
        self._tensors = tensors_of(model)
        self._plan: Plan | None = None
        self._tried: dict[Slot, Tensor] = {}
        self._run: str | None = None
        self._held: dict[str, dict[Slot, None]] = {}

    @ordinary_tensors
    def use(self, step: Callable[..., Result], *args: Any) -> Result:
        """Result of a step, which runs under the lock and on a state that has caught up with the model.

        While the model is being fitted, that is its state between two steps of the optimizer.
        """
        try:
            while True:
                with self._turn():
                    result = self._attempt(step, *args)
                if result is not BEHIND:
                    return result
                self.rebuild()
        finally:
            self.observers.call()

    def edit(self, step: Callable[..., Result], *args: Any) -> Result:
        """The same for a step that edits.

        Raises
        ------
        FitUnderWayError
            The model is being fitted.
        """
        if turns_of(self.model) is not None:
            raise FitUnderWayError("session.model is being fitted: edit it when the fit has ended, or stop the fit")
        return self.use(step, *args)

    def _turn(self) -> AbstractContextManager[None]:
        turns = turns_of(self.model)
        return nullcontext() if turns is None else turns.take()

    @locked
    def _attempt(self, step: Callable[..., Result], *args: Any) -> Result | Any:
        self._finish()
        if self._watch.structure_changed() or (self._watch.values_changed() and not self.compare_values()):
            return BEHIND
        return step(*args)

    def lend(self) -> State:
        """The state for a reader: as long as it is held, it stays as it is."""
        state, lease = self.state, self.state.twin.lend()
        return replace(state, live=state.live.lent(lease), lease=lease)

    # -- trying, on the twin -------------------------------------------------------------------------------------

    def draft(self) -> Twin:
        """The twin to write to. One that is lent is left to its readers."""
        state = self.state
        if state.twin.is_lent:
            twin = state.twin.fork()
            self.state = replace(state, twin=twin, live=state.live.over(twin.model))
        return self.state.twin

    def write(self, slot: Slot, value: Tensor) -> None:
        """Try a value: it happens with :meth:`keep`, and is taken back by whoever uses the model next without it."""
        self.draft()
        part = self.tried(slot)
        if slot not in self._tried:
            self._tried[slot] = part.clone()
        part.copy_(value.reshape(part.shape))

    def tried(self, slot: Slot) -> Tensor:
        """Values of the twin."""
        name, index = slot
        return self.state.twin.tensors[name][index]

    # -- making it happen ----------------------------------------------------------------------------------------

    def keep(self, gesture: str | None, settled: bool, source: object) -> Change:
        """Make happen what was tried, as an entry of the history; while a run is open, as a part of its entry."""
        if self._run is not None:
            gesture = self._run
        now, before = self.state.history, dict(self._tried)
        # At the end of a gesture the observers are told of all of it.
        whole = now.done[-1].before if settled and now.goes_on(gesture) else {}
        history = now.record(gesture, before, settled=settled and self._run is None, read=self.tried)
        return self.keep_as(history, settled, source, notified=(*before, *whole))

    def keep_as(
        self,
        history: History,
        settled: bool,
        source: object,
        *,
        notified: Iterable[Slot] | None = None,
        seen: Marks | None = None,
    ) -> Change:
        """Make happen what was tried, with the history that it leads to.

        The observers are told of the slots ``notified``, where they are not just those tried; ``seen`` are the marks
        of the model where it holds the values already.
        """
        state, slots = self.state, tuple(self._tried)
        names, neurons, unnamed, stale = self._concerned(slots)
        if notified is not None and (all_notified := tuple(notified)) != slots:
            names, neurons, unnamed, _ = self._concerned(all_notified)
        version = state.version + 1
        change = Change(names, neurons, settled, source, unnamed=unnamed, version=version)
        return self.commit(Plan(state.after(change, history=history), change, () if seen else slots, stale, seen))

    def _concerned(self, slots: Iterable[Slot]) -> tuple[frozenset[str], frozenset[int] | None, bool, Stale]:
        """Parameters, neurons (None for all) and stages that slots belong to, and whether there are others."""
        names: set[str] = set()
        neurons: set[int] = set()
        stale: dict[tuple[str, Index | None], None] = {}
        every = unnamed = False
        for slot in slots:
            concerned = self.state.twin.concerned(slot)
            for parameter in concerned:
                place = slot[1][len(parameter.prefix) :][:1] if parameter.per_neuron else ()
                stale[parameter.stage, place or None] = None
                names.add(parameter.name)
                neurons.update(place)
                every |= not place
            if not concerned:
                names.update(self.state.twin.parameters)
                stale |= dict.fromkeys([("prefilter", None), ("drive", None)])
                every = unnamed = True
        return frozenset(names), None if every else frozenset(neurons), unnamed, tuple(stale)

    def play(self, live: StagedForward, played: Played, settled: bool, source: object) -> Change:
        """Make the stimulus another one."""
        change = Change(frozenset(), None, settled, source, stimulus=True, version=self.state.version + 1)
        recorded = self.state.recorded if played.responses is None else played
        return self.commit(Plan(self.state.after(change, live=live, played=played, recorded=recorded), change))

    def commit(self, plan: Plan) -> Change:
        """Carry a plan out. Before the first line nothing has happened; after it all of it does, interrupts or not."""
        try:
            self._plan = plan
            self._carry_out(plan)
        finally:
            if self._plan is not None:
                self._carry_out(self._plan)
        return plan.change

    def _carry_out(self, plan: Plan) -> None:
        for name, index in plan.written:
            self._tensors[name][index] = plan.state.twin.tensors[name][index]
        for stage, neurons in plan.stale:
            plan.state.live.invalidate(stage, neurons)
        self.state = plan.state
        self.observers.put(plan.change)
        if plan.model is not None:
            self._watch, self._tensors = plan.model
        elif plan.seen is not None:
            self._watch.seen = plan.seen
        else:
            self._watch.expect([name for name, _index in plan.written])
        self._tried = {}
        self._plan = None

    def _finish(self) -> None:
        """Complete a change that was interrupted, and take back what was tried and not kept."""
        if self._plan is not None:
            self._carry_out(self._plan)
        for slot, old in reversed(self._tried.items()):
            self.tried(slot).copy_(old)
        self._tried = {}

    # -- a fit that moves the session ----------------------------------------------------------------------------

    def hold(self, gesture: str, slots: Iterable[Slot], *, ends: bool) -> None:
        """Keep what the gesture of a user sets from being moved by a fit, until the gesture ends."""
        held = self._held.pop(gesture, {})
        if not ends:
            self._held[gesture] = held | dict.fromkeys(slots)
            while len(self._held) > MOST_HELD:
                self._held.pop(next(iter(self._held)))

    def release(self, gestures: str) -> None:
        """Let a fit move again what gestures hold whose names begin so."""
        self._held = {name: slots for name, slots in self._held.items() if not name.startswith(gestures)}

    def open_run(self, run: str) -> None:
        """From now on all changes are one undo entry, until the run is closed or undone."""
        self._run = run

    def close_run(self, run: str) -> None:
        """Changes are entries of their own again."""
        if self._run == run:
            self._run = None

    def end_run(self) -> None:
        """The run is taken back: whatever it still brings is refused."""
        self._run = None

    def basis(self) -> Basis:
        """What a fit of the model as it is now is made for."""
        learnable = frozenset(name for name, parameter in self.model.named_parameters() if parameter.requires_grad)
        return Basis(self.state.twin.parts, learnable, self.state.recorded)

    def take_step(self, run: str, step: RunStep) -> bool:
        """Exchange parameters with a fit; False where its run is not open (any more), and nothing has happened.

        What others have changed since the last exchange goes to the fit, and so does what is held or pinned. All else
        comes from the fit, in one change.
        """
        if self._run != run:
            return False
        step.basis = self.basis()
        if step.parts is not None and step.parts is not step.basis.parts:
            return True
        now = self.state.twin.tensors
        step.beside_hand = bool(self._held)
        for name, ours in step.tensors.items():
            theirs, before = now[name], step.known.get(name)
            keeps = step.pins[name].clone() if name in step.pins else torch.zeros(ours.shape, dtype=torch.bool)
            if before is not None:
                keeps |= ((theirs != before) & ~((theirs != theirs) & (before != before))).cpu()
            for held in self._held.values():
                for slot_name, index in held:
                    if slot_name == name:
                        keeps[index] = True
            if bool(keeps.any()):
                keeps = keeps.to(ours.device)
                if not same_values(ours[keeps], theirs[keeps]):
                    ours[keeps] = theirs[keeps]
                step.kept[name] = keeps
            if not same_values(ours, theirs):
                self.write((name, ()), ours)
                now = self.state.twin.tensors
            if before is None or not same_values(before, ours):
                step.known[name] = ours.clone()
        if self._tried or step.settled:
            history = self.state.history.record(run, dict(self._tried), settled=False, read=self.tried)
            version, names = self.state.version + 1, frozenset(self.state.twin.parameters)
            change = Change(names, None, step.settled, step.source, version=version, fitted=True)
            stale: Stale = (("prefilter", None), ("drive", None))
            self.commit(Plan(self.state.after(change, history=history), change, tuple(self._tried), stale))
        return True

    def put(self, run: str, step: RunStep) -> bool:
        """Take values that come at once: as a part of the run that is open, or else of the undo entry ``run``."""
        open_run, self._run = self._run, self._run or run
        try:
            return self.take_step(self._run, step)
        finally:
            self._run = open_run

    # -- taking over what others do to the model -----------------------------------------------------------------

    def compare_values(self) -> bool:
        """Take over values that others have written to the model; False where a tensor is of another shape or type."""
        known = self.state.twin.tensors
        for _ in range(TRIES):
            seen = self._watch.marks()
            if seen[1] != self._watch.seen[1]:  # tensors lie elsewhere now
                self._tensors = tensors_of(self.model)
            if not all(same_type(tensor, known[name]) for name, tensor in self._tensors.items()):
                return False
            found = {name: t.clone() for name, t in self._tensors.items() if not same_values(t, known[name])}
            if self._watch.marks() == seen:
                break
        if not found:
            self._watch.seen = seen
            return True
        for name, tensor in found.items():
            self.write((name, ()), tensor)
        history = self.state.history.record(OUTSIDE, dict(self._tried), settled=False, read=self.tried)
        self.keep_as(history, True, None, seen=seen)
        return True

    def rebuild(self) -> bool:
        """Copy the model anew; False where it was changed meanwhile, so that the copy was not taken.

        How it may be computed is found out outside the lock: that runs the model's own code.
        """
        with self._turn():
            watch, twin = self._copied()
        twin.prove(_suited(self.state.played.batch, twin))
        before = restrictions(self.state.twin)
        taken = self._adopt(watch, twin)
        if taken and is_unexpected(twin) and restrictions(twin) != before:
            warn_user(restrictions(twin))
        return taken

    @locked
    def _copied(self) -> tuple[Watch, Twin]:
        self._finish()
        now, N = self.state.twin, int(self.state.twin.model.O)
        if int(self.model.O) != N:
            raise ValueError(f"session.model must keep its {N} neurons, got {self.model.O}: open another session")
        return Watch(self.model), now.another(self.model)

    @locked
    def _adopt(self, watch: Watch, twin: Twin) -> bool:
        if watch.structure_changed() or watch.values_changed():
            return False
        self._finish()
        state, old, new = self.state, self.state.twin.tensors, twin.tensors
        history = History()  # entries are of no use where tensors are others
        if old.keys() <= new.keys() and all(same_type(old[name], new[name]) for name in old):
            before: Values = {(name, ()): old[name] for name in old if not same_values(old[name], new[name])}
            history = state.history.record(OUTSIDE, before, settled=False, read=self.tried)
        names = frozenset(state.twin.parameters.keys() | twin.parameters)
        change = Change(names, None, True, unnamed=True, version=state.version + 1)
        live = StagedForward(twin.model, _suited(state.played.batch, twin), twin.form)
        state = state.after(change, twin=twin, live=live, history=history)
        self.commit(Plan(state, change, model=(watch, tensors_of(self.model))))
        return True


def _suited(batch: Tensor, twin: Twin) -> Tensor:
    """The stimulus in the type of numbers, and on the device, of the twin."""
    like = next((tensor for tensor in twin.tensors.values() if tensor.is_floating_point()), batch)
    return batch.to(like)
