"""Fit a model on the bench: handles, fields, curves, losses and scores as they form, and back through them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords, warn_renamed
from deepstrf.metrics.pooling import check_responses
from deepstrf.models import NeuralModel
from deepstrf.stimuli import Spectrogram
from deepstrf.training import Fitter
from deepstrf.training.batches import Data, Examples, stimuli_and_responses
from deepstrf.training.run import check_fits

from ..explorer.explorer import Explorer
from ..play.player import Player
from ..play.trail import TRAIL_MB
from ..session.argument_validation import neuron_index
from ..session.opening import CompiledModel
from ..session.session import LiveSession

__all__ = ["train"]


@keywords()
def train(
    model: nn.Module,
    fitter: Fitter,
    train: Data,
    validation: Data | None = None,
    *,
    neuron: int | str = 0,
    checkpoint: str | Path | None = None,
    snapshot_mb: float = TRAIL_MB,
    figures: bool = False,
) -> Explorer:
    """Bench on which a model is fitted in the background, with its panel Fit open.

    Unless a user takes a hand in it, the fit reaches exactly the weights of ``fitter.fit(model, train, validation)``. A
    copy is fitted, and after each step ``model`` itself has its weights: handles, fields, curves and the response to
    the sounds of ``validation`` (without it, of ``train``) move with them. It can be paused and stopped; what is
    dragged or pinned meanwhile stays where it is; the slider goes back through the steps; undo takes all of it back.

    Parameters
    ----------
    model : Module
        It is fitted in place.
    fitter : Fitter
        Its callbacks run in the fit's thread; its bar is not shown.
    train, validation, checkpoint
        As for `Fitter.fit`. A recording brings frequencies and names; arrays are drawn on the axes that the model has
        from an earlier fit, or on the default ones.
    neuron : int or str
        What is on screen first, by its number or its name.
    snapshot_mb : float
        Room for the weights of past steps, MB (119 neurons with 2 x 34 x 40 weights: 1.3 MB a step). Where it does
        not suffice, every second one is kept, then every fourth and so on, and always the first and the last.
    figures : bool
        Whether the panel with the Plotly figures is open at first.

    Returns
    -------
    Explorer
        At once. The last expression of a cell shows it; ``wait()`` gives the history.

    Raises
    ------
    IndexError
        There is no such neuron.
    RuntimeError
        This model is being fitted already.
    TypeError, ValueError, NotImplementedError, OSError
        As `Fitter.fit`, where arguments are wrong; later errors are shown, and raised by ``wait()``.

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
    >>> bench = train(model, Fitter(epochs=3), *neurons.split(0.67, 0.33))
    >>> len(bench.wait())
    3
    >>> bench.close()
    """
    if isinstance(model, Fitter):
        warn_renamed("train(fitter, model, ...)", "train(model, fitter, ...)")
        model, fitter = fitter, model  # type: ignore[assignment]
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    if not isinstance(fitter, Fitter):
        raise TypeError(f"fitter must be a Fitter, got {type(fitter).__name__}")
    if isinstance(snapshot_mb, bool) or not isinstance(snapshot_mb, (int, float, np.number)):
        raise TypeError(f"snapshot_mb must be a number of MB, got {snapshot_mb!r}")
    if not snapshot_mb > 0:
        raise ValueError(f"snapshot_mb must be positive, in MB, got {snapshot_mb}")
    shown, name = (train, "train") if validation is None else (validation, "validation")
    first = neuron_index(_names_of(train), neuron)
    held_out = None if validation is None else Examples.of(validation, "validation")
    check_fits(model, Examples.of(train, "train"), held_out)
    stimuli, responses = stimuli_and_responses(shown, name)
    N = responses.shape[1]
    opened: Any = model if isinstance(model, NeuralModel) else CompiledModel(model, N)
    axes = getattr(model, "axes", None)
    if isinstance(shown, Recording):
        session = LiveSession(opened, shown, copy_model=False)
    elif isinstance(shown[0], Spectrogram):
        session = LiveSession(opened, shown[0], responses, copy_model=False)
    else:
        known = {} if axes is None else {"cf_hz": axes.cf_hz, "dt_ms": axes.dt_ms}
        session = LiveSession(opened, stimuli, responses, copy_model=False, **known)
    player = Player(session, train, validation, fitter=fitter, checkpoint=checkpoint, megabytes=float(snapshot_mb))
    try:
        player.prepare()
        bench = Explorer(session, neuron=first, figures=figures, player=player)
    except BaseException:
        player.close()
        raise
    bench.play()
    return bench


def _names_of(data: Data) -> list[str]:
    """Name of each neuron."""
    if isinstance(data, Recording):
        return list(data.neuron_names)
    responses = stimuli_and_responses(data, "train")[1]
    check_responses(responses, "responses of train")
    return [f"neuron {n}" for n in range(1, responses.shape[1] + 1)]
