"""A fit in a thread of its own that can be paused, stopped and looked back on. No screen."""

from __future__ import annotations

import atexit
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakSet

import torch
from torch import Tensor, nn

from deepstrf.training import Fitter, History, Progress
from deepstrf.training.batches import Data

from ..threads import rest_threads

__all__ = ["BackgroundFit", "FitStatus", "Snapshots", "State"]

State = dict[str, Tensor]

SNAPSHOT_MB = 128.0
"""Weights kept to look back on. 119 neurons x 2 channels x 34 bands x 40 lags are 1.3 MB an epoch: 98 of them."""

BY_HAND = "stopped by hand"

UNDER_WAY: WeakSet[nn.Module] = WeakSet()
"""Models that a fit has been begun on which has not ended: a cell that is run again must not begin a second one."""

RECENT_EPOCHS = 5
"""The time of an epoch is the median of so many."""


class Snapshots:
    """Weights of epochs, of all of them while there is room, then of every second, every fourth and so on.

    The first, the best and the last are always there, even where these three alone need more than the room.

    Parameters
    ----------
    megabytes : float
        Room, in 10^6 bytes.
    """

    def __init__(self, megabytes: float) -> None:
        if isinstance(megabytes, bool) or not isinstance(megabytes, (int, float)):
            raise TypeError(f"snapshot_mb must be a number of MB, got {megabytes!r}")
        if not megabytes > 0:
            raise ValueError(f"snapshot_mb must be positive, in MB, got {megabytes}")
        self.room = megabytes * 1e6
        self.stride = 1
        self._states: dict[int, State] = {}

    def keep(self, epoch: int, state: State, best: int) -> None:
        """Add the weights of an epoch; ``best`` is the best one so far, which is this one or is here already."""
        self._states[epoch] = state
        size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
        self._thin(best)
        while len(self._states) * size > self.room and len(self._states) > len({self.epochs[0], best, self.epochs[-1]}):
            self.stride *= 2
            self._thin(best)

    def _thin(self, best: int) -> None:
        always = {self.epochs[0], best, self.epochs[-1]}
        self._states = {e: self._states[e] for e in self.epochs if e % self.stride == 0 or e in always}

    @property
    def epochs(self) -> tuple[int, ...]:
        """Those that are here, in their order."""
        return tuple(sorted(self._states))

    def states(self) -> dict[int, State]:
        """Weights by epoch, in their order."""
        return {epoch: self._states[epoch] for epoch in self.epochs}

    def __getitem__(self, epoch: int) -> State:
        if epoch not in self._states:
            raise ValueError(f"epoch must be one whose weights were kept, {list(self.epochs)}, got {epoch}")
        return self._states[epoch]


@dataclass(frozen=True)
class FitStatus:
    """How a fit stands, read at one moment.

    Attributes
    ----------
    state : {"fitting", "paused", "done", "failed"}
    history : History
        Of the epochs that are complete.
    weights : dict of int to dict
        Copies of the weights after those epochs for which they are kept, in order. Nobody may change them.
    begun : float
        Epochs that were begun, with the share of the one under way: 2.5 in the middle of the third.
    epoch_s : float
        Seconds of an epoch without pauses; NaN before the first.
    """

    state: str
    history: History
    weights: dict[int, State]
    begun: float
    epoch_s: float


class BackgroundFit:
    """Runs a fitter in a thread, to the very weights that it reaches without one.

    Nothing but that thread touches the model until the fit has ended; others read copies of the weights.

    Parameters
    ----------
    fitter, model, train, validation, checkpoint
        As for `Fitter.fit`, whose errors about them come at once; RuntimeError where a fit of ``model`` is under way.
    snapshot_mb : float
        Room for weights of past epochs, MB.
    on_turn : callable
        Called in the fit's thread when the fit has paused, goes on or has ended.
    """

    def __init__(
        self,
        fitter: Fitter,
        model: nn.Module,
        train: Data,
        validation: Data | None = None,
        *,
        checkpoint: str | Path | None = None,
        snapshot_mb: float = SNAPSHOT_MB,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        if model in UNDER_WAY:
            raise RuntimeError("model is being fitted already: wait for the end of that fit, or stop it")
        self.model, self.epochs = model, fitter.epochs
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self._snapshots = Snapshots(snapshot_mb)
        self._on_turn = on_turn
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go.set()
        self._stopping = self._paused = False
        self._share = self._held_s = 0.0
        self._seconds: list[float] = []
        watched = replace(fitter, progress=False, callbacks=(*fitter.callbacks, self))
        self._run = watched.prepare(model, train, validation, checkpoint=checkpoint)
        self._history = _copied(self._run.history)
        # A thread begins with torch's default number of threads, and sums depend on their number.
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._work, name="deepstrf-fit", daemon=True)

    # -- for everybody -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. Python waits for the batch under way when it exits meanwhile."""
        UNDER_WAY.add(self.model)
        atexit.register(self.stop_and_join)
        rest_threads()
        self._thread.start()

    def pause(self) -> None:
        """Rest after the batch under way; nothing where a stop was asked for before."""
        if not self._stopping:
            self._go.clear()

    def resume(self) -> None:
        """Go on."""
        self._go.set()

    def stop(self) -> None:
        """End after the batch under way, with the best weights."""
        self._stopping = True
        self._go.set()

    def stop_and_join(self) -> None:
        """`stop`, and wait until that has happened."""
        self.stop()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def wait(self, timeout: float | None = None) -> History:
        """The history once the fit has ended; raises what the fit raised.

        Raises
        ------
        TimeoutError
            It has not ended within ``timeout`` seconds.
        """
        if not self.ended.wait(timeout):
            raise TimeoutError(f"the fit has not ended within timeout = {timeout:g} s")
        if self.error is not None:
            raise self.error
        return self._run.history

    def status(self) -> FitStatus:
        """How the fit stands now."""
        with self._lock:
            if self.ended.is_set():
                state = "done" if self.error is None else "failed"
            else:
                state = "paused" if self._paused else "fitting"
            epoch_s = statistics.median(self._seconds[-RECENT_EPOCHS:]) if self._seconds else torch.nan
            begun = len(self._history) + self._share
            return FitStatus(state, self._history, self._snapshots.states(), begun, epoch_s)

    def restore(self, epoch: int) -> None:
        """Put the weights of an epoch into the model, which must have been fitted to the end.

        Raises
        ------
        RuntimeError
            The fit has not ended.
        ValueError
            The weights of this epoch were not kept.
        """
        if not self.ended.is_set():
            raise RuntimeError("weights can be restored when the fit has ended: wait for it, or stop it")
        self.model.load_state_dict(self._snapshots[epoch])
        self.model.eval()

    # -- in the fit's thread -------------------------------------------------------------------------------------

    def __call__(self, progress: Progress) -> None:
        """After an epoch: keep its weights."""
        state = _state_of(progress.model)
        history = _copied(progress.history)
        with self._lock:
            self._snapshots.keep(progress.epoch, state, self._known_best(history, progress.epoch))
            self._history, self._share = history, 0.0
            self._seconds.append(history.records[-1].seconds - self._held_s)
            self._held_s = 0.0
        if self._stopping:
            progress.stop(BY_HAND)

    def on_batch(self, progress: Progress) -> None:
        """After a batch: rest, or end, where that was asked for."""
        self._share = progress.batch / progress.batches
        if not self._go.is_set():
            since = time.perf_counter()
            self._turn(paused=True)
            self._go.wait()
            self._turn(paused=False)
            self._held_s += time.perf_counter() - since
        if self._stopping:
            progress.stop(BY_HAND)

    def _turn(self, *, paused: bool) -> None:
        with self._lock:
            self._paused = paused
        self._on_turn()

    def _known_best(self, history: History, last: int) -> int:
        """The best epoch; the last where the best one was run before a checkpoint that this fit went on from."""
        return history.best_epoch if history.best_epoch in self._snapshots.epochs else last

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        try:
            self._run.to_the_end()
        except BaseException as error:  # noqa: BLE001 - `wait` raises it
            self.error = error
        history = self._run.history
        with self._lock:
            if history.best_epoch:
                # Now the model has the best weights, also those that were read from a checkpoint.
                self._snapshots.keep(history.best_epoch, _state_of(self.model), history.best_epoch)
            self._history, self._share = _copied(history), 0.0
            UNDER_WAY.discard(self.model)
            self.ended.set()
        atexit.unregister(self.stop_and_join)
        self._on_turn()


def _state_of(model: nn.Module) -> State:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


def _copied(history: History) -> History:
    """The same as it is now: records do not change, the list of them grows."""
    return replace(history, records=list(history.records))
