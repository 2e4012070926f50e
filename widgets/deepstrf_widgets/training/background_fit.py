"""A fit in a thread of its own that can be paused and stopped, and keeps the weights of its epochs. No screen."""

from __future__ import annotations

import atexit
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.training import Fitter, History, Progress
from deepstrf.training.batches import Data

from ..threads import rest_threads

__all__ = ["BackgroundFit", "FitStatus", "Snapshots", "State"]

State = dict[str, Tensor]

SNAPSHOT_MB = 128.0
"""Room for past weights. 119 neurons x 2 channels x 34 bands x 40 lags are 1.3 MB an epoch: 98 of them."""

STOPPED = "stopped by hand"

RUNNING: WeakSet[nn.Module] = WeakSet()
"""Models that are being fitted: a cell that runs again must not begin a second fit of one."""

RECENT_EPOCHS = 5
"""The time of an epoch is the median of so many."""


class Snapshots:
    """Weights of epochs, of all of them while there is room, then of every second, every fourth and so on.

    The first, the best and the last are always there, even where these three alone need more than the room.

    Parameters
    ----------
    megabytes : float
        Limit of their size, in 10^6 bytes.
    """

    def __init__(self, megabytes: float) -> None:
        if isinstance(megabytes, bool) or not isinstance(megabytes, (int, float, np.number)):
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
        """Epochs whose weights are kept, ascending."""
        return tuple(sorted(self._states))

    def clear(self) -> None:
        """Keep none."""
        self._states = {}

    def states(self) -> dict[int, State]:
        """Weights by epoch, ascending."""
        return {epoch: self._states[epoch] for epoch in self.epochs}

    def __getitem__(self, epoch: int) -> State:
        if epoch not in self._states:
            raise ValueError(f"epoch must be one whose weights were kept, {list(self.epochs)}, got {epoch}")
        return self._states[epoch]


@dataclass(frozen=True)
class FitStatus:
    """State of a fit at one moment.

    Attributes
    ----------
    state : {"fitting", "paused", "done", "failed"}
    history : History
        Of the epochs that are complete.
    weights : dict of int to dict
        Copies of the weights after each epoch for which they are kept, ascending; not to be changed.
    begun : float
        Epochs that were begun: 2.5 in the middle of the third.
    epoch_s : float
        Seconds of an epoch without pauses; NaN before the first.
    """

    state: str
    history: History
    weights: dict[int, State] = field(repr=False)
    begun: float
    epoch_s: float


class BackgroundFit:
    """Runs a fitter in a thread, to exactly the weights that it reaches without one.

    Only that thread uses the model until the fit has ended; others read copies of the weights.

    Parameters
    ----------
    fitter, model, train, validation, checkpoint
        As for `Fitter.fit`, whose errors are raised at once; RuntimeError where ``model`` is being fitted.
    snapshot_mb : float
        Room for weights of past epochs, MB.
    on_change : callable
        Called in the fit's thread when the fit has paused, resumed or ended.
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
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        if model in RUNNING:
            raise RuntimeError("model is being fitted already: wait for the end of that fit, or stop it")
        self.model, self.epochs = model, fitter.epochs
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self._snapshots = Snapshots(snapshot_mb)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._may_run = threading.Event()
        self._may_run.set()
        self._stopping = self._paused = False
        self._epoch_share = self._paused_s = 0.0
        self._seconds: list[float] = []
        observed = replace(fitter, progress=False, callbacks=(*fitter.callbacks, self))
        self._run = observed.prepare(model, train, validation, checkpoint=checkpoint)
        self._history = _copied(self._run.history)
        # A thread begins with torch's default number of threads, and sums depend on their number.
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._fit, name="deepstrf-fit", daemon=True)

    # -- in any thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. When Python exits meanwhile, it waits for the current batch."""
        RUNNING.add(self.model)
        atexit.register(self.stop_and_join)
        rest_threads()
        self._thread.start()

    def pause(self) -> None:
        """Pause after the current batch, unless the fit is to stop."""
        if not self._stopping:
            self._may_run.clear()

    def resume(self) -> None:
        """Continue after a pause."""
        self._may_run.set()

    def stop(self) -> None:
        """End after the current batch, with the best weights."""
        self._stopping = True
        self._may_run.set()

    def stop_and_join(self) -> None:
        """`stop`, and wait for the end."""
        self.stop()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def forget_weights(self) -> None:
        """Keep the weights of no epoch."""
        with self._lock:
            self._snapshots.clear()

    def wait(self, timeout: float | None = None) -> History:
        """History, once the fit has ended; raises the error of the fit.

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
        """Present state of the fit."""
        with self._lock:
            if self.ended.is_set():
                state = "done" if self.error is None else "failed"
            else:
                state = "paused" if self._paused else "fitting"
            epoch_s = statistics.median(self._seconds[-RECENT_EPOCHS:]) if self._seconds else torch.nan
            begun = len(self._history) + self._epoch_share
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
            self._history, self._epoch_share = history, 0.0
            self._seconds.append(history.records[-1].seconds - self._paused_s)
            self._paused_s = 0.0
        if self._stopping:
            progress.stop(STOPPED)

    def on_batch(self, progress: Progress) -> None:
        """After a batch: pause or stop on request."""
        self._epoch_share = progress.batch / progress.batches
        if not self._may_run.is_set():
            since = time.perf_counter()
            self._set_paused(True)
            self._may_run.wait()
            self._set_paused(False)
            self._paused_s += time.perf_counter() - since
        if self._stopping:
            progress.stop(STOPPED)

    def _set_paused(self, paused: bool) -> None:
        with self._lock:
            self._paused = paused
        self._on_change()

    def _known_best(self, history: History, last: int) -> int:
        """The best epoch; the last one where the best is older than the checkpoint with which this fit began."""
        return history.best_epoch if history.best_epoch in self._snapshots.epochs else last

    def _fit(self) -> None:
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
            self._history, self._epoch_share = _copied(history), 0.0
            RUNNING.discard(self.model)
            self.ended.set()
        atexit.unregister(self.stop_and_join)
        self._on_change()


def _state_of(model: nn.Module) -> State:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


def _copied(history: History) -> History:
    """Copy of a history, whose list of records grows."""
    return replace(history, records=list(history.records))
