"""A fit that moves a session step by step, in a thread of its own: play, pause, step, pins, and the way back."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.datasets import Recording
from deepstrf.deprecation import did_you_mean, keywords
from deepstrf.locking import locked
from deepstrf.models.checkpoints import built_anew
from deepstrf.models.prediction import predict
from deepstrf.models.readouts import STRFReadout
from deepstrf.training import Fitter, History, NonFiniteLossError, Progress
from deepstrf.training.batches import Data, Examples, settle_batch_norms
from deepstrf.training.run import Run, check_fits

from ..session.argument_validation import named_index
from ..session.edited_model import Basis, RunStep
from ..session.model_copy import private_copy
from ..session.opening import CompiledModel
from ..session.parameters import Index, Parameter
from ..session.reading import parameter_of
from ..session.session import LiveSession
from ..session.twin import Twin, tensors_of
from ..session.watch import same_type
from ..threads import one_thread, rest_threads, short_turns
from .settings import PlaySettings, data_of, fitter_of, step_sizes
from .trail import TRAIL_MB, Point, Trail

__all__ = ["Pin", "Player"]

Pin = tuple[str, Index]
"""Name of a parameter, and a (partial) index of its values."""

PLAYED: WeakSet[nn.Module] = WeakSet()
"""Models that are moved by a player: another one beside it would take every step back."""

STOPPED = "stopped by hand"
NO_STEPS = "there are no steps yet: play first"
SCORES_S = 0.25
"""At least from one look at the held-out scores to the next: on a small model it costs as much as a step."""

HAND_REST, LONGEST_REST_S = 0.3, 0.1
"""Share of a step's time for which a fit rests after each while a hand drags, and at most so long: on two cores, of
which it takes one, a drag was repainted three quarters as often as without it."""


@keywords()
class Player:
    """Fits the model of a session from where it stands, and moves the session along.

    Each step of the optimizer is one change of the session, and the whole run is one undo entry. What a user holds in
    an open gesture stays where the user moves it, what is pinned stays as it is, and what is edited meanwhile is where
    the fit goes on from. So it does with another recording, with other layers, and with parameters that are frozen or
    freed meanwhile. It never starts anew unless :meth:`new_start` is called.

    Parameters
    ----------
    session : LiveSession
    train : Recording, or tuple of arrays (B, 1, F, T) and (B, N, R, T), optional
        What is fitted to. When None, what the session plays, or where nothing was recorded to that, what it played last
        of which something was.
    validation : the same, optional
        What the score is held out on; when None, the part of ``train`` that the setting ``share`` leaves.
    fitter : Fitter, optional
        A fit to carry out as it is, with its number of epochs and its patience; the model then has its best weights.
        Layers that are replaced meanwhile end it; where it can go on without what is changed, ``message`` says so.
    checkpoint : str or path, optional
        Of that fit.
    megabytes : float
        Room for the values that the run passes through.
    """

    def __init__(
        self,
        session: LiveSession,
        train: Data | None = None,
        validation: Data | None = None,
        *,
        fitter: Fitter | None = None,
        checkpoint: str | Path | None = None,
        megabytes: float = TRAIL_MB,
    ) -> None:
        self.session, self._train, self._validation = session, train, validation
        self._fitter, self._checkpoint = fitter, checkpoint
        self._settings = PlaySettings()
        self._pins: dict[Pin, None] = {}
        self._locked: frozenset[str] = frozenset()
        self._masks: dict[str, Tensor] = {}
        self._observers: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._state, self._message = "ready", ""
        self._budget: int | None = 0
        self._closing = self._renewing = self._is_open = self._stopping = False
        self._ready: Run | None = None
        # Sums depend on the number of threads, and a new one begins with torch's own.
        self._threads = torch.get_num_threads()
        self._run_id = ""
        self._runs = 0
        self._fitted: nn.Module | None = None
        self._basis: Basis | None = None
        self._measure: tuple[Any, ...] = ()
        self._measures = 0
        self._tensors: dict[str, Tensor] = {}
        self._known: dict[str, Tensor] = {}
        self._examples: Examples | None = None
        self._held_out: Examples | None = None
        self._scored_at = -math.inf
        self._run: Run | None = None
        self._ended: History | None = None
        self._error: BaseException | None = None
        self._seed: int | None = None
        self._sizes: tuple[Mapping[str, float], Basis, dict[str, float]] | None = None
        self._times: list[float] = []
        self._due = self._went_on = 0.0
        self._beside_hand = False
        self._exchanged = True
        self._turns = contextlib.ExitStack()
        self.trail = Trail(megabytes)
        self.steps = 0
        self._told = self._state

    def __repr__(self) -> str:
        return f"Player({self.session!r}, {self.state}, {self.steps} steps)"

    # -- reading, in any thread ----------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One of "ready", "playing", "paused", "done" (a fitter has reached its end) and "failed"."""
        return self._state

    @property
    def message(self) -> str:
        """Why it does not play, or what it plays without, in a sentence; empty where all is well."""
        return self._message

    @property
    def steps_per_s(self) -> float:
        """Steps in a second, over the last ones; NaN before there are two."""
        times = self._times[:]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else float("nan")

    @property
    def settings(self) -> PlaySettings:
        """Settings of the fit."""
        return self._settings

    @property
    def pins(self) -> tuple[Pin, ...]:
        """What is pinned: names of parameters with a (partial) index."""
        return tuple(self._pins)

    @property
    def seed(self) -> int | None:
        """Of the last random start; None where there was none."""
        return self._seed

    @property
    def history(self) -> History:
        """Records of the epochs of the fit under way, or of the one that has ended."""
        run = self._run
        found = self._ended if self._ended is not None else None if run is None else run.history
        return History() if found is None else replace(found, records=list(found.records))

    @property
    def fitter(self) -> Fitter | None:
        """The fit that is carried out as it is; None where settings make it."""
        return self._fitter

    def rates(self) -> dict[str, float]:
        """Step size of each group of parameters that there is something of to fit."""
        settings, basis = self._settings, self.session.basis()
        if self._sizes is None or self._sizes[0] != settings.rates or self._differs(self._sizes[1], basis):
            responses = Examples.of(self._train_data(), "train").responses
            self._sizes = settings.rates, basis, step_sizes(self.session.model, responses, settings.rates)
        return dict(self._sizes[2])

    def _differs(self, one: Basis, other: Basis) -> bool:
        """Whether two bases call for two fits."""
        alike = one.parts is other.parts and one.learnable == other.learnable
        return not (alike and (self._train is not None or one.has_the_recording_of(other)))

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after every step and change of state; returns a function that ends this."""
        self._observers.append(callback)
        return lambda: self._observers.remove(callback) if callback in self._observers else None

    def prepare(self) -> None:
        """Check a fitter's fit, so that its errors come at once; what its checkpoint holds is in the model then.

        Raises
        ------
        Exception
            As of `Fitter.prepare`.
        """
        run = self._prepared()
        if run.history.records:
            self._exchange(settled=True)
        self._ready = run

    # -- control, in any thread ----------------------------------------------------------------------------------

    def play(self, steps: int | None = None) -> None:
        """Begin, or go on, for a number of steps or until :meth:`pause`; where it plays already, only that changes.

        Raises
        ------
        RuntimeError
            It is closed, or another bench plays this model.
        ValueError, TypeError
            ``steps`` is no positive whole number.
        """
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, (int, np.integer))):
            raise TypeError(f"steps must be a whole number, got {steps!r}")
        if steps is not None and steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self._play(steps)
        self._tell()

    @locked
    def _play(self, steps: int | None) -> None:
        if self._closing:
            raise RuntimeError("the bench of this fit is closed: open another with explore(session)")
        before = self._state, self._budget, self._message, self._error
        begins = self._thread is None
        if begins and self.session.model in PLAYED:
            raise RuntimeError("model is being fitted already by another bench: pause and close that one first")
        try:
            self._budget, self._message, self._error = steps, "", None
            self._set_state("playing")
            if begins:
                self._begin()
            self._changed.notify_all()
        except BaseException:
            # Interrupted: a thread that was started waits for this lock, and then finds that it is not wanted.
            if begins:
                self._thread = None
                PLAYED.discard(self.session.model)
                atexit.unregister(self.close)
            self._state, self._budget, self._message, self._error = before
            raise

    def _begin(self) -> None:
        PLAYED.add(self.session.model)
        atexit.register(self.close)
        rest_threads()
        self._thread = threading.Thread(target=self._work_if_wanted, name="deepstrf-play", daemon=True)
        self._thread.start()

    @locked
    def rest(self) -> None:
        """Ask for a rest after the step under way."""
        self._budget = 0
        self._changed.notify_all()

    def stop(self) -> None:
        """End a fitter's fit after the step under way: the model then has its best weights. Returns when it has."""
        self._ask_to_stop()
        self._wait_for_rest()
        self._tell_news()

    @locked
    def _ask_to_stop(self) -> None:
        if self._thread is not None and self._fitter is not None:
            self._stopping, self._budget = True, None
            self._set_state("playing")

    def pause(self) -> None:
        """Rest after the step under way; returns when the session has it."""
        self.rest()
        self._wait_for_rest()
        self._tell_news()

    @locked
    def _wait_for_rest(self) -> None:
        if threading.current_thread() is not self._thread:
            self._changed.wait_for(lambda: self._thread is None or self._state != "playing")

    def step(self, steps: int = 1) -> None:
        """Take so many steps of the optimizer, and return when they are done; an interrupt lets the fit rest."""
        self.play(steps)
        try:
            self.wait()
        except KeyboardInterrupt:
            self.rest()
            raise
        if self._error is not None:
            raise self._error

    def wait(self, timeout: float | None = None) -> History:
        """History, once it does not play any more; an interrupt ends the waiting, not the fit.

        Raises
        ------
        TimeoutError
            It still plays after ``timeout`` seconds.
        Exception
            The error that has ended a fitter's fit, such as `NonFiniteLossError`.
        """
        if not self._rests_within(timeout):
            raise TimeoutError(f"the fit has not ended within timeout = {timeout:g} s")
        if self._fitter is not None and self._error is not None:
            raise self._error
        return self.history

    @locked
    def _rests_within(self, timeout: float | None) -> bool:
        return threading.current_thread() is self._thread or self._changed.wait_for(
            lambda: self._state != "playing", timeout
        )

    def set(self, **settings: Any) -> None:
        """Change settings (see :class:`PlaySettings`); the fit goes on with them from where it stands.

        Raises
        ------
        TypeError, ValueError
            There is no such setting, or its value breaks its rule; all is then as before.
        """
        known = list(PlaySettings.__dataclass_fields__)
        for name in settings:
            if name not in known:
                raise TypeError(f"settings have no {name!r}{did_you_mean(name, known)}")
        if self._fitter is not None and set(settings) - {"speed"}:
            raise ValueError(f"{', '.join(settings)} are those of the fitter here: give train(...) another one")
        self._change_settings(settings)
        self._tell()

    @locked
    def _change_settings(self, settings: dict[str, Any]) -> None:
        made = replace(self._settings, **settings)
        self._renewing |= replace(made, speed=None) != replace(self._settings, speed=None)
        self._settings = made
        self._changed.notify_all()

    def close(self) -> None:
        """End for good, after the step under way."""
        self._ask_to_close()
        thread = self._thread
        if thread is not None and thread.is_alive() and threading.current_thread() is not thread:
            thread.join()
        self._observers.clear()
        self.let_go()

    @locked
    def _ask_to_close(self) -> None:
        self._closing = True
        self._changed.notify_all()

    def let_go(self) -> None:
        """Forget the values of the run, which are large."""
        self.trail.clear()
        self._known, self._tensors, self._fitted, self._examples, self._run = {}, {}, None, None, None

    # -- pins ----------------------------------------------------------------------------------------------------

    def pin(
        self,
        what: str | Sequence[str],
        index: Index = (),
        *,
        neuron: int | str | None = None,
        channel: int | str | None = None,
        gaussian: int | None = None,
    ) -> None:
        """Hold parameters exactly where they are, whatever the fit finds; the user can still edit them.

        Parameters
        ----------
        what : str or sequence of str
            Names of parameters, or of a stage ("strf", "prefilter", "activation") for all of its.
        index, neuron, channel, gaussian
            Which of their values, as of :meth:`LiveSession.set`; all where nothing is said.

        Raises
        ------
        KeyError, IndexError, TypeError, ValueError
            There is no such parameter, neuron, channel or Gaussian.
        """
        more = dict.fromkeys(self._places(what, index, neuron, channel, gaussian))
        self._set_pins(lambda pins: {**pins, **more})

    def lock(self, names: Iterable[str]) -> None:
        """Pin whole parameters so that the browser cannot let go of them: only :meth:`unpin` does."""
        names = frozenset(names)
        with self._changed:
            self._locked |= names
        self._set_pins(lambda pins: {**pins, **dict.fromkeys((name, ()) for name in sorted(names))})

    @property
    def locked_names(self) -> frozenset[str]:
        """Parameters that :meth:`lock` holds."""
        return frozenset(name for name in self._locked if (name, ()) in self._pins)

    def unpin(
        self,
        what: str | Sequence[str] | None = None,
        index: Index = (),
        *,
        neuron: int | str | None = None,
        channel: int | str | None = None,
        gaussian: int | None = None,
    ) -> None:
        """Let go of what :meth:`pin` or :meth:`lock` holds at the same place or within it, of all without arguments."""
        if what is None:
            self._set_pins(lambda _pins: {})
            return
        gone = self._places(what, index, neuron, channel, gaussian)
        self._set_pins(
            lambda pins: {
                (name, at): None
                for name, at in pins
                if not any(name == other and at[: len(place)] == place for other, place in gone)
            }
        )

    def _places(self, what: str | Sequence[str], index: Index, neuron: Any, channel: Any, gaussian: Any) -> list[Pin]:
        twin = self.session._present().twin
        names: list[str] = []
        for one in [what] if isinstance(what, str) else what:
            stage = [name for name in twin.parameters if name.split(".")[0] == one]
            names += stage or [parameter_of(twin, one).name]
        several, places = len(names) > 1, []
        for name in names:
            parameter = twin.parameters[name]
            # Of a whole stage those have their part that have such an axis: a bias is of no Gaussian.
            given = {"neuron": neuron, "channel": channel, "gaussian": gaussian}
            lacking = [axis for axis, value in given.items() if value is not None and axis not in parameter.axes]
            if several and lacking:
                continue
            at = named_index(parameter, index, self.session.neuron_names, neuron, channel, gaussian)
            places.append((name, parameter.check_index(at)))
        if not places:
            raise ValueError(f"what must be parameters with such an axis, got {', '.join(names)}")
        return places

    def _set_pins(self, change: Callable[[dict[Pin, None]], dict[Pin, None]]) -> None:
        self._change_pins(change, self.session._present().twin)
        self._tell()

    @locked
    def _change_pins(self, change: Callable[[dict[Pin, None]], dict[Pin, None]], twin: Twin) -> None:
        pins = change(self._pins)  # what another thread has pinned meanwhile is there
        masks: dict[str, Tensor] = {}
        for name, index in pins:
            parameter = twin.parameters[name]
            like = twin.tensors[parameter.tensor]
            mask = masks.setdefault(parameter.tensor, torch.zeros(like.shape, dtype=torch.bool))
            mask[parameter.prefix + index] = True
        self._pins, self._masks = pins, masks

    # -- the way back --------------------------------------------------------------------------------------------

    def show(self, step: float) -> int:
        """Put the values of the run at a step, the nearest that is kept, into the session; the number of that step.

        The fit rests, and goes on from there. What is pinned stays.

        Raises
        ------
        RuntimeError
            Nothing has been played yet.
        """
        self._pause_played()
        try:
            point = self.trail.nearest(step)
        except ValueError:  # undone meanwhile
            raise RuntimeError(NO_STEPS) from None
        values = point.values if self._examples is None else self._settled(point.values, self._examples)
        self._write(values, self._run_id)
        self.steps = point.step
        self._tell()
        return point.step

    def _pause_played(self) -> Point:
        """Rest, where there is a run to go back through; its first point."""
        if not self.trail.points:
            raise RuntimeError(NO_STEPS)
        self.pause()
        points = self.trail.points
        if not points:  # undone meanwhile
            raise RuntimeError(NO_STEPS)
        if not self._can_have(points[0].values):
            self._forget_run()
            raise RuntimeError("the model has other parts than those steps were taken with: play again")
        return points[0]

    def show_best(self) -> int:
        """The same for the step with the highest mean held-out score, or the lowest loss where there is none.

        Of the steps since the sounds, their share, or without a held-out score the loss or the noise, were set last.
        """
        points = [point for point in self.trail.points if point.loss is not None]
        if not points:
            raise RuntimeError(NO_STEPS)
        # Of other sounds, or another share of them, a score says nothing about that of now.
        points = [point for point in points if point.measure == points[-1].measure]
        scores = {p.step: float(p.scores.nanmean()) for p in points if p.scores is not None}
        known = {step: score for step, score in scores.items() if math.isfinite(score)}
        if not known:
            losses = {p.step: -float(p.loss.nanmean()) for p in points if p.loss is not None}
            known = {step: gain for step, gain in losses.items() if math.isfinite(gain)} or losses
        return self.show(max(known, key=known.__getitem__))

    def reset(self) -> None:
        """Back to where the run began: one undo entry. What is pinned stays.

        Raises
        ------
        RuntimeError
            Nothing has been played yet.
        """
        self._begin_at(self._pause_played().values)

    def new_start(self, seed: int | None = None) -> int:
        """Random values as the model's constructor draws them: one undo entry. Returns the seed of them.

        Parameters
        ----------
        seed : int, optional
            The same one gives the same start; a new one when None.

        Raises
        ------
        TypeError, ValueError
            The model cannot be made anew from the arguments of its constructor.
        """
        self.pause()
        chosen = int.from_bytes(os.urandom(4), "little") if seed is None else int(seed)
        now = self.session.model
        fresh = built_anew(now, seed=chosen)
        like = tensors_of(now)
        found = tensors_of(fresh)
        if found.keys() != like.keys() or any(found[name].shape != like[name].shape for name in like):
            raise ValueError("model must have the parts that its constructor makes, got others: it cannot begin anew")
        frozen = {name for name, parameter in now.named_parameters() if not parameter.requires_grad}
        values = {name: tensor.to(like[name]) for name, tensor in found.items() if name not in frozen}
        self._seed = chosen
        self._begin_at(values, settle=True)
        return chosen

    def same_start(self) -> int:
        """The random values of the last :meth:`new_start` again.

        Raises
        ------
        RuntimeError
            There was none.
        """
        if self._seed is None:
            raise RuntimeError("there was no random start yet: ask for a new one first")
        return self.new_start(self._seed)

    def _begin_at(self, values: dict[str, Tensor], *, settle: bool = False) -> None:
        if settle:
            values = self._settled(values, Examples.of(self._data(), "train"))
        self._write(values, f"play-start-{time.monotonic_ns()}")
        self._forget_run()
        self._ask_to_renew()
        self._tell()

    def _forget_run(self) -> None:
        """What is played next is another run."""
        self._close_run()
        self.trail.clear()
        self.steps, self._run_id = 0, ""

    def _can_have(self, values: Mapping[str, Tensor]) -> bool:
        """Whether the session's model has tensors of these names, shapes and types; it may have more."""
        now = self.session._present().twin.tensors
        return all(name in now and same_type(now[name], tensor) for name, tensor in values.items())

    def _settled(self, values: dict[str, Tensor], examples: Examples) -> dict[str, Tensor]:
        """The same values with the statistics that they give batch norms over some examples."""
        model = private_copy(self.session.model)
        with torch.no_grad():
            for name, tensor in tensors_of(model).items():
                if name in values:
                    tensor.copy_(values[name])
            settle_batch_norms(model, examples)
        return {name: tensor.clone() for name, tensor in tensors_of(model).items()}

    @locked
    def _ask_to_renew(self) -> None:
        self._renewing = True
        if self._state in ("done", "failed"):
            self._set_state("ready")

    def _write(self, values: dict[str, Tensor], run: str) -> None:
        """Put values into the session, pinned ones aside."""
        step = RunStep({name: v.clone() for name, v in values.items()}, {}, self._masks, settled=True, source=self)
        self.session.put(run, step)

    # -- in the thread -------------------------------------------------------------------------------------------

    def _work_if_wanted(self) -> None:
        with self._changed:
            wanted = self._thread is threading.current_thread()
        if wanted:
            self._work()

    def _work(self) -> None:
        exact = self._fitter is not None
        if exact:
            torch.set_num_threads(self._threads)
        with contextlib.nullcontext() if exact else one_thread():
            try:
                while not self._closing:
                    self._wait_until_wanted()
                    if not self._closing and self._fit():
                        break
            finally:
                PLAYED.discard(self.session.model)
                atexit.unregister(self.close)
                with self._changed:
                    self._thread = None
                    if self._state == "playing":
                        self._set_state("done" if exact else "paused")
                self._tell()

    def _fit(self) -> bool:
        """Carry out one fit, until it ends or has to begin again; True when there is no more to do."""
        try:
            run, self._ready = self._ready or self._prepared(), None
            with contextlib.ExitStack() as self._turns:
                self._turns.enter_context(short_turns())
                history = run.to_the_end()
            if self._fitter is None or self._closing:
                self._ended = history
                return False
            self._ended = history
            self._exchange(settled=True)
        except BaseException as error:  # noqa: BLE001 - told in the panel, and raised by `step` and `wait`
            self._fail(error)
            return self._fitter is not None
        with self._changed:
            self._message = f"The fit has ended: {history.stopped}."
            self._set_state("done")
        return True

    def _prepared(self) -> Run:
        """A fit of a copy of the model as it is now."""
        session = self.session
        before, basis = self._basis, session.basis()
        if self._fitted is None or before is None or basis.parts is not before.parts:
            model = private_copy(session.model)
            self._fitted, self._tensors, self._run = model, tensors_of(model), None
        self._basis = basis
        self._set_learnable(basis.learnable)
        if (points := self.trail.points) and not self._can_have(points[0].values):
            self._forget_run()
        self._take_over()
        known = session.parameters
        self._set_pins(lambda pins: {pin: None for pin in pins if pin[0] in known and _is_place(known[pin[0]], pin[1])})
        with self._changed:
            self._renewing = False
        settings = self._settings
        if self._fitter is not None:
            fitter = replace(self._fitter, progress=False, callbacks=(*self._fitter.callbacks, self))
            run = fitter.prepare(
                _inner(self._fitted), self._train_data(), self._validation, checkpoint=self._checkpoint
            )
            session.model.axes = getattr(self._fitted, "axes", None)
        else:
            train, held_out = data_of(settings, self._train_data(), self._validation)
            self._note_measure(basis, held_out is not None)
            responses = Examples.of(train, "train").responses
            inner = _inner(self._fitted)
            # Nothing ends this fit but the user, so it need not be judged after every step: see `_scores`.
            run = fitter_of(settings, inner, responses, self).prepare(inner, train)
            self._held_out = None if held_out is None else Examples.of(held_out, "validation")
            if self._held_out is not None:
                check_fits(inner, run.train, self._held_out)
            _carry_over(self._run, run)
            run.settles = not self._normalises_by_step(run)
        self._run, self._examples = run, run.train
        if not self.trail.points:
            self.trail.add(Point(self.steps, dict(self._known)))
        return run

    def _normalises_by_step(self, run: Run) -> bool:
        """Whether batch norms take the statistics of each step as they are: of all sounds, where one batch holds them.

        They are those of the weights before the step. To settle them after every step is a fifth of the work, for a
        difference that no picture shows; wherever the fit is looked at more closely it is done, see `_settle`.
        """
        at_once = len(run.train) <= run.settings.batch_size
        for fitted, own in zip(run.model.modules(), _inner(self.session.model).modules(), strict=True):
            if isinstance(fitted, STRFReadout) and isinstance(own, STRFReadout):
                fitted.bn.momentum = 1.0 if at_once else own.bn.momentum
        return at_once

    def _settle(self, model: nn.Module) -> None:
        """Let the batch norms have the statistics that the weights of now give."""
        if self._examples is not None:
            settle_batch_norms(model, self._examples)
            model.eval()

    def _note_measure(self, basis: Basis, is_held_out: bool) -> None:
        """Count whatever makes scores, or where nothing is held out losses, others than those before."""
        settings, data = self._settings, None if basis.recorded is None or self._train is not None else basis.recorded
        about = settings.share, None if is_held_out else (settings.loss, settings.noise)
        where = (None, None) if data is None else (data.batch, data.responses)
        known = self._measure
        if not known or known[0] != about or any(a is not b for a, b in zip(known[1], where, strict=True)):
            self._measure, self._measures = (about, where), self._measures + 1

    def _set_learnable(self, names: frozenset[str]) -> None:
        if self._fitted is not None:
            for name, parameter in self._fitted.named_parameters():
                parameter.requires_grad_(name in names)

    def _follow(self, basis: Basis) -> None:
        """Go on with what the session has now: another recording, other parts, others that may learn."""
        known = self._basis
        if known is None or not self._differs(known, basis):
            return
        if self._fitter is None:
            with self._changed:
                self._renewing = True
            return
        if basis.parts is not known.parts:
            if not self._can_have(self._tensors):
                raise ValueError(
                    "model must keep its layers and types of numbers while it is fitted, got others: the fit has "
                    "ended, and train(...) begins another from here"
                )
            with self._changed:
                self._message = "The model was changed while it is fitted: the fit goes on with its parts as they were."
        if basis.learnable != known.learnable:
            if not basis.learnable:
                raise ValueError("model must have a parameter that requires a gradient, got none: the fit has ended")
            self._set_learnable(basis.learnable)
        self._basis = basis

    def _take_over(self) -> None:
        """Put the values of the session into the model that is fitted."""
        now = self.session._present()
        with torch.no_grad():
            for name, tensor in self._tensors.items():
                # Replaced this moment: the first exchange notices it.
                if name in now.twin.tensors and now.twin.tensors[name].shape == tensor.shape:
                    tensor.copy_(now.twin.tensors[name])
        self._known = {name: tensor.clone() for name, tensor in self._tensors.items()}

    def __call__(self, progress: Progress) -> None:
        """After an epoch."""
        record = progress.history.records[-1]
        self._after_step(progress, record.train_loss, record.scores if self._fitter is not None else self._scores())

    def _scores(self) -> Tensor | None:
        """Held-out scores (N,) of the model as it is now; None between two times at which they are looked at."""
        run, held_out, now = self._run, self._held_out, time.monotonic()
        will_rest = self._budget is not None and self._budget <= 1
        due = now - self._scored_at >= SCORES_S and self.trail.keeps(self.steps + 1)
        if run is None or held_out is None or not (due or will_rest):
            return None
        self._scored_at = now
        self._settle(run.model)
        with torch.no_grad():
            pred = predict(run.model, held_out.stimuli)
            scores: Tensor = run.settings.score(pred, held_out.responses, reduction="none").cpu()
        return scores

    def on_batch(self, progress: Progress) -> None:
        """After a batch; the last of an epoch counts when the epoch is complete."""
        if self._closing or self._stopping:
            progress.stop(STOPPED)
        elif progress.batch < progress.batches:
            self._after_step(progress, None, None)

    def _after_step(self, progress: Progress, loss: Tensor | None, scores: Tensor | None) -> None:
        with self._changed:
            rests = self._budget is not None and self._budget <= 1
            counts = bool(self._budget)
            if self._budget is not None:
                self._budget = max(self._budget - 1, 0)
        self._check_finite(progress)
        if rests:
            self._settle(progress.model)
        if self._exchange(settled=rests):
            if self._exchanged:
                self.steps += 1
                self.trail.add(Point(self.steps, dict(self._known), loss, scores, self._measures))
            elif counts:
                self._take_one_more()
            now = time.perf_counter()
            self._times = [*self._times[-19:], now]
            self._tell()
            self._keep_pace()
        else:
            self._taken_back()
        self._rest(progress)

    @locked
    def _take_one_more(self) -> None:
        """A step of a model that the session has no more does not count."""
        if self._budget is not None:
            self._budget += 1

    def _check_finite(self, progress: Progress) -> None:
        for name, parameter in progress.model.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise NonFiniteStepError(
                    f"{name} became NaN or infinite in step {self.steps + 1}: the model is as it was before. "
                    "Set smaller step sizes."
                )

    def _exchange(self, *, settled: bool) -> bool:
        """Give the session what the fit has reached, and take what the user has; False where the run is undone."""
        if not self._is_open:
            if not self._run_id:
                self._runs += 1
                self._run_id = f"play-{id(self):x}-{self._runs}"
            self.session.open_run(self._run_id)
            self._is_open = True
        # A fitter's fit ends, or goes on with its parts as they were.
        parts = None if self._fitter is not None or self._basis is None else self._basis.parts
        if self._fitter is not None:
            self._follow(self.session.basis())
        step = RunStep(self._tensors, self._known, self._masks, settled, self, parts)
        with torch.no_grad():
            taken = self.session.exchange(self._run_id, step)
        self._beside_hand = step.beside_hand
        if taken and step.kept and self._run is not None:
            _stop_moving(self._run, self._tensors, step.kept)
        self._exchanged = step.basis is not None and (parts is None or parts is step.basis.parts)
        if taken and step.basis is not None and self._fitter is None:
            self._follow(step.basis)
        if settled or not taken:
            self._close_run()
        return taken

    def _close_run(self) -> None:
        if self._is_open:
            self._is_open = False
            self.session.close_run(self._run_id)

    def _taken_back(self) -> None:
        """The user has undone the run: it rests, and goes on from what is there then."""
        with self._changed:
            self._budget, self._renewing = 0, True
            self._message = "Undo has taken the run back: Play begins another from here."
        self._forget_run()

    def _rest(self, progress: Progress) -> None:
        """Wait while there is nothing to do; then end this fit if it must begin again."""
        with self._changed:
            if self._budget == 0 and not self._closing:
                self._set_state("paused")
        if self._state == "paused":
            if self._is_open:  # asked to rest after the step was taken
                self._settle(progress.model)
                if self._exchange(settled=True) and (points := self.trail.points):
                    self.trail.add(Point(self.steps, dict(self._known), points[-1].loss, points[-1].scores))
            self._tell()
            self._turns.close()
            self._wait_until_wanted()
            self._turns.enter_context(short_turns())
            self._times = []
            if not self._closing:
                self._exchange(settled=False)  # whatever has happened meanwhile is where it goes on from
        if self._closing or self._stopping:
            progress.stop(STOPPED)
        elif self._renewing and self._fitter is None:
            progress.stop("settings")

    def _wait_until_wanted(self) -> None:
        while not self._is_wanted():
            self._tell()

    @locked
    def _is_wanted(self) -> bool:
        """Wait until it is asked to play, or False: it was asked to, and to rest before this thread has woken."""
        self._changed.wait_for(lambda: self._closing or self._budget != 0 or self._state == "playing")
        wanted = self._closing or self._budget != 0
        if not self._closing:
            self._set_state("playing" if wanted else "paused")
        return wanted

    def _keep_pace(self) -> None:
        """Wait until the next step is due."""
        speed, now = self._settings.speed, time.perf_counter()
        rest = min(HAND_REST * (now - self._went_on), LONGEST_REST_S) if self._beside_hand else 0.0
        if speed is not None:
            self._due = max(self._due + 1 / speed, now)
            rest = max(rest, self._due - now)
        if rest > 0:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or self._budget == 0 or self._settings.speed != speed, rest
                )
        self._went_on = time.perf_counter()

    def _fail(self, error: BaseException) -> None:
        self._close_run()
        with self._changed:
            self._budget, self._renewing, self._error = 0, True, error
            self._message = _sentence(error)
            self._set_state("failed")
        self._tell()

    # -- small parts ---------------------------------------------------------------------------------------------

    @locked
    def _set_state(self, state: str) -> None:
        self._state = state
        self._changed.notify_all()

    def _tell_news(self) -> None:
        """Tell a state that its own thread has reached, and may not have told yet."""
        if self._told != self._state:
            self._tell()

    def _tell(self) -> None:
        self._told = self._state
        for callback in list(self._observers):
            callback()

    def _data(self) -> Data:
        return data_of(self._settings, self._train_data(), self._validation)[0]

    def _train_data(self) -> Data:
        return recording_of(self.session) if self._train is None else self._train


class NonFiniteStepError(FloatingPointError):
    """A step of the optimizer made a parameter NaN or infinite."""


def recording_of(session: LiveSession) -> Data:
    """Sounds and responses of a session: those that it plays, or where nothing was recorded to them the last that were.

    Raises
    ------
    ValueError
        It has no responses.
    """
    state = session._present()
    recorded = state.recorded
    if recorded is None or recorded.responses is None:
        raise ValueError("responses must be there to fit to: give explore(...) responses, or a recording as train=")
    responses, sounds, bins = recorded.responses, recorded.sounds, recorded.bins
    stimulus = recorded.batch.to(state.live.stimulus)
    axis = np.asarray(session.cf_hz)
    if not (np.diff(axis) > 0).all():
        return stimulus, responses
    names = session.neuron_names
    return Recording(
        stimulus,
        responses,
        dt_ms=session.dt_ms,
        cf_hz=torch.as_tensor(axis),
        neuron_names=names if len(set(names)) == len(names) else None,
        stimulus_names=list(sounds) if len(set(sounds)) == len(sounds) else None,
        bins=list(bins),
        delay_ms=session.delay_ms,
        unit=recorded.unit,
        response_unit=session.response_unit,
    )


def _is_place(parameter: Parameter, index: Index) -> bool:
    try:
        parameter.check_index(index)
    except IndexError:
        return False
    return True


def _inner(model: nn.Module) -> nn.Module:
    """The module that is fitted: that inside, where a model has no parts of its own."""
    return model.compiled if isinstance(model, CompiledModel) else model


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error.args[0] if error.args else error).split())
    if isinstance(error, NonFiniteLossError):
        return f"The loss became NaN or infinite: the model is as it was before. {text.partition('. ')[2]}"
    return text or type(error).__name__


def _carry_over(old: Run | None, new: Run) -> None:
    """Let the optimizer of a fit go on with what that of the fit before it has gathered of the same parameters."""
    if old is None or type(old.optimizer) is not type(new.optimizer) or new.first_layer is not None:
        return
    for group in new.optimizer.param_groups:
        for parameter in group["params"]:
            if parameter in old.optimizer.state:
                new.optimizer.state[parameter] = old.optimizer.state[parameter]


def _stop_moving(run: Run, tensors: dict[str, Tensor], kept: dict[str, Tensor]) -> None:
    """Let the optimizer go on from where values are the user's, without the momentum that it had there."""
    first = run.first_layer
    if first is not None and any(first.is_of(tensors[name]) for name in kept):
        first.read()
    state_of = {parameter.data_ptr(): state for parameter, state in run.optimizer.state.items()}
    for name, where in kept.items():
        state = state_of.get(tensors[name].data_ptr(), {})
        if isinstance(state.get("exp_avg"), Tensor):
            state["exp_avg"][where] = 0.0
