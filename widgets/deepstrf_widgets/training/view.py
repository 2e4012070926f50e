"""Watch a model being fitted: receptive field, output curve, losses and scores as they form, and back through them."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import ipywidgets
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords, warn_renamed
from deepstrf.metrics.pooling import check_responses
from deepstrf.training import Fitter, History
from deepstrf.training.batches import Data, stimuli_and_responses

from ..explorer.explorer import Explorer, explore
from ..figures import style
from ..figures.figure_widget import figure_widget
from ..lifetime import Owner
from ..session.argument_validation import neuron_index
from .background_fit import SNAPSHOT_MB, BackgroundFit, FitStatus
from .controls import Controls, newest_epoch
from .figure import FigureState, TrainingFigure
from .repaint_scheduler import RepaintScheduler

__all__ = ["TrainingView", "train"]

LOAD_S, ANSWER_S = 10.0, 1.0
"""How long the browser may take to paint the figure for the first time, and again. Then painting goes on without its
confirmation, which may be queued behind a running cell (such as one with :meth:`TrainingView.wait`)."""


@keywords()
class TrainingView(Owner, ipywidgets.VBox):
    """View of a fit: buttons, progress, weights, losses and scores. Made by :func:`train`.

    Attributes
    ----------
    figures : plotly.graph_objects.FigureWidget or None
        None while no browser shows the view.
    """

    def __init__(
        self,
        model: nn.Module,
        fitter: Fitter,
        train: Data,
        validation: Data | None = None,
        *,
        neuron: int | str = 0,
        checkpoint: str | Path | None = None,
        snapshot_mb: float = SNAPSHOT_MB,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
        if not isinstance(fitter, Fitter):
            raise TypeError(f"fitter must be a Fitter, got {type(fitter).__name__}")
        self._chosen_epoch: int | None = None
        self._restored: int | None = None
        train = _tensors(train, "train")
        validation = None if validation is None else _tensors(validation, "validation")
        self._train, self._validation = train, validation
        self._names = _names_of(train)
        self._neuron = neuron_index(self._names, neuron)
        self._controls = self.own(Controls(self._names, fitter.epochs))
        self.figures: Any = None
        self.own(self._drop_figures)
        self._scheduler = self.own(RepaintScheduler(self._paint, self._is_live))
        self._fit = BackgroundFit(
            fitter,
            model,
            train,
            validation,
            checkpoint=checkpoint,
            snapshot_mb=snapshot_mb,
            on_change=self._scheduler.request,
        )
        self.own(self._fit.stop_and_join)
        # Copied before the fit begins: afterwards only its thread may use the model.
        self._copy = copy.deepcopy(model)
        self._drawing: TrainingFigure | None = None
        self._on_screen: FigureState | None = None
        self._was_painted = self._is_loaded = False
        self._loader: threading.Thread | None = None
        self._connect()
        super().__init__(self._controls.rows)
        self._view_count = 0  # from now on the browser counts
        self.observe(lambda _change: self._scheduler.request(), "_view_count")
        self._scheduler.start()
        self._scheduler.request()
        self._fit.start()

    def __repr__(self) -> str:
        n = len(self._names)
        return f"TrainingView({type(self._fit.model).__name__}, {n} neuron{'s' * (n != 1)}, {self.state})"

    # -- in Python -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """State of the fit: "fitting", "paused", why it ended, or the class of the error that ended it."""
        status = self._fit.status()
        if status.state == "failed":
            return type(self._fit.error).__name__
        return status.history.stopped if status.state == "done" else status.state

    @property
    def history(self) -> History:
        """Records of the epochs that are complete."""
        return self._fit.status().history

    @property
    def model(self) -> nn.Module:
        """The fitted model.

        Raises
        ------
        RuntimeError
            The fit has not ended: its thread works on the model.
        """
        if not self._fit.ended.is_set():
            raise RuntimeError("model is being fitted: wait for the end, or stop it")
        return self._fit.model

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs whose weights were kept."""
        return tuple(self._fit.status().weights)

    @property
    def epoch(self) -> int:
        """The epoch on screen, 0 before the first: the last one while the fit runs, then the best, or a chosen one.

        Raises
        ------
        ValueError
            The weights of the epoch were not kept.
        """
        return self._epoch_of(self._fit.status())

    @epoch.setter
    def epoch(self, value: int) -> None:
        if value not in self.epochs:
            raise ValueError(f"epoch must be one whose weights were kept, {list(self.epochs)}, got {value}")
        self._show(value)

    def follow(self) -> None:
        """Show what is newest: the last epoch while the fit runs, afterwards the best."""
        self._show(None)

    @property
    def neuron(self) -> int:
        """Number of the neuron on screen; it may be set by name."""
        return self._neuron

    @neuron.setter
    def neuron(self, value: int | str) -> None:
        self._neuron = neuron_index(self._names, value)
        self._scheduler.request()

    def pause(self) -> None:
        """Pause after the current batch."""
        self._fit.pause()

    def resume(self) -> None:
        """Continue after :meth:`pause`."""
        self._fit.resume()

    def stop(self) -> None:
        """End after the current batch; the model then has its best weights."""
        self._fit.stop()

    def wait(self, timeout: float | None = None) -> History:
        """History, once the fit has ended. An interrupt ends the waiting, not the fit.

        While the cell waits, clicks are queued until it has ended. The view is painted all the same.

        Parameters
        ----------
        timeout : float, optional
            s.

        Raises
        ------
        TimeoutError
            The fit has not ended within ``timeout``.
        Exception
            The error of the fit, such as `NonFiniteLossError`.
        """
        return self._fit.wait(timeout)

    def restore(self, epoch: int | None = None) -> None:
        """Put the weights of an epoch into the model, those of the best one when None.

        Raises
        ------
        RuntimeError
            The fit has not ended.
        ValueError
            The weights of this epoch were not kept.
        """
        chosen = self.history.best_epoch if epoch is None else epoch
        self._fit.restore(chosen)
        self._restored = chosen
        self._show(chosen)

    @keywords(explore)
    def explore(self, **options: Any) -> Explorer:
        """Explorer of a copy of the fitted model, on the stimuli that it was validated on, or else trained on.

        ``options`` are those of :func:`explore`.
        """
        data = self._train if self._validation is None else self._validation
        stimuli, responses = (data, None) if isinstance(data, Recording) else data
        return explore(self.model, stimuli, responses, **{"neuron": self.neuron, **options})  # type: ignore[arg-type]

    def let_go(self) -> None:
        """Forget the weights of all epochs; the model has its best ones."""
        self._fit.forget_weights()
        self._drawing = self._on_screen = None

    # -- gestures of the user ------------------------------------------------------------------------------------

    def _connect(self) -> None:
        controls = self._controls
        controls.pause.on_click(lambda _: self.resume() if self.state == "paused" else self.pause())
        controls.stop.on_click(lambda _: self.stop())
        controls.best.on_click(lambda _: self._show_best())
        controls.restore.on_click(lambda _: self.restore(self.epoch))
        controls.slider.observe(self._slider_moved, "value")
        controls.neurons.observe(self._neuron_chosen, "value")
        controls.painted.observe(self._browser_painted, "value")

    def _show_best(self) -> None:
        best = self.history.best_epoch
        if best in self.epochs:
            self.epoch = best

    def _slider_moved(self, change: dict[str, Any]) -> None:
        if self._scheduler.is_this_thread():
            return
        status = self._fit.status()
        if status.weights:
            nearest = min(status.weights, key=lambda epoch: abs(epoch - change["new"]))
            self._show(None if nearest == newest_epoch(status) else nearest)

    def _neuron_chosen(self, change: dict[str, Any]) -> None:
        if not self._scheduler.is_this_thread():
            self.neuron = change["new"]

    def _show(self, epoch: int | None) -> None:
        self._chosen_epoch = epoch
        self._scheduler.request()

    def _epoch_of(self, status: FitStatus) -> int:
        """The epoch to show."""
        chosen = self._chosen_epoch
        return chosen if chosen is not None and chosen in status.weights else newest_epoch(status)

    # -- in the scheduler's thread -------------------------------------------------------------------------------

    def _is_live(self) -> bool:
        return bool(self._view_count) and self._fit.status().state == "fitting"

    def _paint(self) -> float:
        """Bring the view up to date; returns for how many seconds to wait until the browser confirms it."""
        status = self._fit.status()
        epoch = self._epoch_of(status)
        self._controls.paint(status, epoch, self._neuron, self._restored, self._fit.error)
        if not self._view_count:
            # No browser shows the view. A figure would be 5 MB to a notebook that is loaded again.
            self._drop_figures()
            return 0.0
        return self._paint_figure(status, epoch)

    def _load_plotly(self) -> None:
        """Load Plotly in a thread of its own, as it takes seconds: the buttons are painted meanwhile."""
        style.load_plotly()
        self._is_loaded = True
        self._scheduler.request()

    def _paint_figure(self, status: FitStatus, epoch: int) -> float:
        if not self._is_loaded:
            if self._loader is None:
                self._loader = threading.Thread(target=self._load_plotly, name="deepstrf-figures", daemon=True)
                self._loader.start()
            return 0.0
        state = FigureState(self._neuron, epoch, status.weights.get(epoch), status.history)
        if self._drawing is None:
            self._drawing = TrainingFigure(self._copy, self._train, self._names, scores=self._validation is not None)
        if self.figures is None:
            self.figures = figure_widget(self._drawing.figure(state))
            self.figures._config = {**self.figures._config, "responsive": True}
            self._was_painted = False
            self.children = [*self._controls.rows, self.figures]
            self._on_screen = state
            self._controls.sent.value += 1
            return LOAD_S
        if state.looks_like(self._on_screen):
            return 0.0
        self._drawing.update(self.figures, state)
        self._on_screen = state
        self._controls.sent.value += 1
        return ANSWER_S

    def _browser_painted(self, change: dict[str, Any]) -> None:
        if change["new"] == self._controls.sent.value:
            self._scheduler.confirm(counts=self._was_painted)
            self._was_painted = True

    def _drop_figures(self) -> None:
        if self.figures is not None:
            figures, self.figures = self.figures, None
            self.children = self._controls.rows
            figures.close()


def _tensors(data: Data, name: str) -> Data:
    """The recording, or a pair of tensors (B, 1, F, T) and (B, N, R, T)."""
    return data if isinstance(data, Recording) else stimuli_and_responses(data, name)


def _names_of(data: Data) -> list[str]:
    """Name of each neuron."""
    if isinstance(data, Recording):
        return list(data.neuron_names)
    check_responses(data[1], "responses of train")
    return [f"neuron {n}" for n in range(1, data[1].shape[1] + 1)]


@keywords()
def train(
    model: nn.Module,
    fitter: Fitter,
    train: Data,
    validation: Data | None = None,
    *,
    neuron: int | str = 0,
    checkpoint: str | Path | None = None,
    snapshot_mb: float = SNAPSHOT_MB,
) -> TrainingView:
    """Fit a model in the background, and a widget that shows how it goes.

    The fit reaches exactly the weights of ``fitter.fit(model, train, validation)``. Until it has ended its thread alone
    works on ``model``; the view shows copies of the weights after each epoch. Buttons pause and stop it, the slider
    goes back through the epochs, and when it has ended any of them can be put into the model.

    Parameters
    ----------
    model : Module
        It is fitted in place.
    fitter : Fitter
        Its callbacks run in the fit's thread; its bar is not shown.
    train, validation, checkpoint
        As for `Fitter.fit`. A recording brings frequencies and names; a pair of arrays is drawn in bins and bands.
    neuron : int or str
        What is on screen first, by its number or its name.
    snapshot_mb : float
        Room for the weights of past epochs, MB (119 neurons with 2 x 34 x 40 weights: 1.3 MB an epoch). Where it does
        not suffice, every second epoch is kept, then every fourth and so on, and always the first, the best, the last.

    Returns
    -------
    TrainingView
        At once. The last expression of a cell shows it; ``view.wait()`` gives the history.

    Raises
    ------
    IndexError
        There is no such neuron.
    RuntimeError
        This model is being fitted already.
    TypeError, ValueError, NotImplementedError, OSError
        As `Fitter.fit`, where arguments are wrong; later errors are shown, and raised by ``view.wait()``.

    Notes
    -----
    torch has one global random number generator: the fit of a model with random layers can be repeated only if nothing
    else draws from it meanwhile.

    Examples
    --------
    >>> from deepstrf.models import LinearNonlinear
    >>> from deepstrf.simulate import simulate_population
    >>> neurons = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=10, max_hz=4000.0)
    >>> model = LinearNonlinear(10, 20, out_neurons=2)
    >>> view = train(model, Fitter(epochs=3), *neurons.split(0.67, 0.33))
    >>> len(view.wait())
    3
    >>> view
    TrainingView(LinearNonlinear, 2 neurons, all epochs done)
    >>> view.close()
    """
    if isinstance(model, Fitter):
        warn_renamed("train(fitter, model, ...)", "train(model, fitter, ...)")
        model, fitter = fitter, model  # type: ignore[assignment]
    return TrainingView(model, fitter, train, validation, neuron=neuron, checkpoint=checkpoint, snapshot_mb=snapshot_mb)
