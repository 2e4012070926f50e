"""Fit a model to responses: mini-batches, early stopping, checkpoints, priors and callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepstrf.arguments import check_has_weights
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB
from deepstrf.models import NeuralModel
from deepstrf.paths import as_path
from deepstrf.training.batches import Data, Examples, check_same_axes
from deepstrf.training.history import History
from deepstrf.training.recipes import recipe_for
from deepstrf.training.run import Run, check_can_learn
from deepstrf.training.settings import FitSettings
from deepstrf.training.under_way import under_way


@keywords()
class Fitter(FitSettings):
    """Settings of a fit, which `fit` carries out on a model and a recording.

    The defaults are for some minutes of sound, and follow from the model and the data: `Fitter.for_model` shows them. A
    model that is as built starts from the data. The Poisson loss is the likelihood of
    spike counts, weighs bins by their noise, and goes well with the positive rates of the library's output curves;
    where a model's output or the responses can be negative, and with a ReLU, which gives rates of exactly 0, the loss
    is the squared error. Adam with steps of 0.01
    suits receptive fields that a batch norm follows, which makes the fit independent of the kernel's size and of the
    stimulus' mean and unit; the places and widths of Gaussians, which count in bins, take steps of 0.05; networks take
    AdamW with steps of 0.001 (recurrent ones of 0.006, to which they grow in 10 epochs), and their first layer is
    fitted as if its sounds had mean 0 and variance 1. Few stimuli in a batch mean many steps in an epoch, which
    short recordings need. Correlation on stimuli that were kept apart says when to stop, because the likelihoods of
    different neurons do not compare. Some smoothness made predictions and receptive fields of simulated neurons
    better at every signal-to-noise ratio that was tried (0.05 to 1 with one to five minutes of sound), and the
    predictions of recorded ones.

    Parameters
    ----------
    epochs : int
        At most; at least 1.
    batch_size : int
        Stimuli in a batch, at least 1.
    optimizer : callable or StepSizes, optional
        Parameters to `torch.optim.Optimizer`; also one that needs a closure, such as LBFGS. `StepSizes` gives the
        parameters step sizes by name.
    schedule : callable, optional
        Optimizer to a scheduler of `torch.optim.lr_scheduler`, which steps once an epoch. `ReduceLROnPlateau` is given
        the mean validation score with ``mode="max"``, else the mean validation loss (without validation data, the
        training loss). None keeps the steps of the optimizer as they are, but for recurrent networks without an
        ``optimizer`` of their own.
    loss, score : callable, optional
        As in `deepstrf.metrics`: ``loss(pred, gt, reduction="none")`` is (N,). The loss is given the mean over repeats
        (B, N, 1, T), or all repeats where bins differ in how many they have; a bin then weighs as many trials as it has
        in the losses of `deepstrf.metrics`. The score, of which more is better, is given all repeats.
    patience : int, optional
        Epochs without a better validation score after which the fit ends, at least 1. They do not count before the
        training loss was clearly below that of each neuron's mean response: a fit on its first plateau goes on, up to
        6 times the patience.
    smoothness : float or (float, float), optional
        How much a rough receptive field costs, along frequency and along time (one number: both). At 1, a field as
        rough as white noise costs about as much as a prediction that explains nothing: see `roughness`. In octaves and
        ms where ``train`` is a Recording, so that it means the same on every grid; else in bands and bins. The shorter
        and noisier the recording, the more smoothness helps: choose by the validation score. 0 is none.
    sparsity : float
        How much an evenly spread receptive field costs, on the same scale: see `spread`.
    skip_bins : int
        First bins of each sound that are left out of loss, scores and batch norm. Before a sound a model sees zeros: a
        receptive field of T bins has met nothing but sound from bin T - 1 on. 0 keeps them all.
    start : {"auto", "data", "model"}
        "data" sets receptive fields, gains and output curves from the responses first, as far as it knows them: free
        fields by ridge regression, Gaussians by `ParametricSTRF.initialise_from`, gains and curves by their likelihood,
        the last layer of a network by ridge regression on what it sees. "model" goes on from where the model stands.
        "auto" is "data" for a model of which nothing was edited, fitted or loaded since its construction, and "model"
        for all others.
    baseline : bool
        At the end, compare with `ridge`: ``history.ridge`` has its validation scores, and where the fit stays clearly
        below them it warns, and ``history`` says so. False saves the second that it takes.
    seed : int
        Of the order of the stimuli and of random layers. torch's global random numbers are left as they were.
    progress : bool
        Show a bar, in a terminal or in a notebook.
    callbacks : sequence of callable
        Each is called with a `Progress`.

    Raises
    ------
    ValueError
        A setting breaks its rule.

    Examples
    --------
    >>> from deepstrf.models import LinearNonlinear
    >>> from deepstrf.simulate import simulate_population
    >>> neurons = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=10, max_hz=4000.0)
    >>> train, validation = neurons.split(0.67, 0.33)
    >>> model = LinearNonlinear(10, 20, out_neurons=2)
    >>> history = Fitter(epochs=3, progress=False).fit(model, train, validation)
    >>> len(history), history.best.scores.shape
    (3, torch.Size([2]))
    """

    def fit(
        self,
        model: nn.Module,
        train: Data,
        validation: Data | None = None,
        *,
        checkpoint: str | Path | None = None,
        max_gb: float = LIMIT_GB,
    ) -> History:
        """History of the fit; the model then has its best weights and is in evaluation mode.

        Parameters
        ----------
        model : Module
            Maps (B, 1, F, T) to (B, N, 1, T). Parameters without ``requires_grad`` stay as they are.
        train : Recording, or tuple of Tensors (B, 1, F, T) and (B, N, R, T)
            NaN in the responses is left out.
        validation : the same, optional
            Without it the fit runs through all epochs and keeps the last weights.
        checkpoint : str or path, optional
            File that is written after every epoch. If it is there, the fit goes on from it, to the very weights that an
            uninterrupted one reaches (on the same machine, with as many threads): run the same script again. ``epochs``
            and ``patience`` may be changed, to train for longer; the model, settings, data and split must be the same.
            Delete the file to begin anew.
        max_gb : float
            What a checkpoint that is read may take, in GB of 2^30 bytes.

        Returns
        -------
        History

        Raises
        ------
        NonFiniteLossError
            A loss became NaN or infinite; the model has its best weights from before.
        TypeError, ValueError
            Data are not as said or do not fit the model, the model has nothing to fit, or the checkpoint is damaged, of
            another fit (the message names what differs), or larger than ``max_gb``.
        NotImplementedError
            A prior is set for a kernel of unknown type.
        OSError
            The checkpoint cannot be written at the start. Later on that is a warning: the last good one stands.
        RuntimeError
            Another thread is fitting the model, or the fit is inside `torch.inference_mode`. (Inside `torch.no_grad`
            it computes its gradients all the same.)

        Warns
        -----
        UserWarning
            A checkpoint could not be written; or the model stays below ridge regression on the validation sounds (not
            where a callback ended the fit, or the epochs before its patience).
        """
        return self.prepare(model, train, validation, checkpoint=checkpoint, max_gb=max_gb).to_the_end()

    def prepare(
        self,
        model: nn.Module,
        train: Data,
        validation: Data | None = None,
        *,
        checkpoint: str | Path | None = None,
        max_gb: float = LIMIT_GB,
    ) -> Run:
        """Fit that is checked and not yet begun: its `to_the_end` does the rest, in any thread.

        Parameters and errors as for `fit`; no epoch is run. What a checkpoint holds is in the model afterwards.
        """
        examples = Examples.of(train, "train", skip_bins=self.skip_bins)
        held_out = None if validation is None else Examples.of(validation, "validation", skip_bins=self.skip_bins)
        if isinstance(train, Recording) and isinstance(validation, Recording):
            check_same_axes(train, validation)
        axes = (train.cf_hz, train.dt_ms) if isinstance(train, Recording) else None
        file = None if checkpoint is None else as_path("checkpoint", checkpoint)
        check_has_weights(model=model)
        check_can_learn(model)
        with under_way(model), torch.enable_grad():
            run = Run(self, model, examples, held_out, file, axes, max_gb=max_gb)
        if isinstance(train, Recording) and isinstance(model, NeuralModel):
            model.axes = train.axes
        return run

    @classmethod
    def for_model(cls, model: nn.Module, recording: Data, **settings: Any) -> Fitter:
        """Fitter with the loss, step sizes, patience and smoothness that a fit of this model takes by default.

        Parameters
        ----------
        model : Module
        recording : as ``train`` of `fit`
            Decides about the loss.
        **settings
            Of `Fitter`, which go before those of the recipe.

        Examples
        --------
        >>> from deepstrf.models import Linear
        >>> from deepstrf.simulate import simulate_population
        >>> neurons = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=10, max_hz=4000.0)
        >>> Fitter.for_model(Linear(10, 20, out_neurons=2), neurons).loss.__name__
        'mse_loss'
        """
        return cls(**{**vars(recipe_for(model, Examples.of(recording, "recording").responses)), **settings})
