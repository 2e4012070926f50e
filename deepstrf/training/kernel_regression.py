"""Nonlinear regression in closed form: kernel ridge regression on the bands and lags that a neuron listens to."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_numbers, check_sizes, whole_number
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.models.audio import KernelRegression
from deepstrf.models.audio.kernel_regression import SimilarSounds
from deepstrf.training.batches import Data, Examples, warn_of_unmoving_sounds
from deepstrf.training.linear_regression import (
    PENALTIES,
    SMOOTHNESS,
    correlations_of,
    folds_of_bins,
    moments_of,
    ridge_fields,
    solved,
)
from deepstrf.training.output_start import Scale

Axes = tuple[Tensor, float] | None
RANGES = (25.0, 40.0, float("inf"))
NOTHING = 0.01
"""Of the window's peak: bands and lags below are not listened to."""
LEAST_VARIANCE = 1e-7
"""Of the largest principal component of the points, below which one is left out."""


class Window(NamedTuple):
    """To what a neuron listens: levels from ``floor`` up, and weights (C, F, T) of bands and lags, 0 for most."""

    floor: float
    weights: Tensor


class Fit(NamedTuple):
    """Of one neuron: window and points (M, C, F, T), weights (M,), bias, and the correlation on parts left out."""

    window: Window
    points: Tensor
    weight: Tensor
    bias: float
    score: float


@keywords()
def kernel_ridge(
    train: Data,
    n_lags: int,
    *,
    n_points: int = 800,
    alpha: float | str = "folds",
    ranges: float | Sequence[float] = RANGES,
    length: float = 0.8,
    sharpness: float | Sequence[float] = (1.5, 3.0),
    folds: int = 5,
    prefiltering: nn.Module | None = None,
    seed: int = 0,
) -> KernelRegression:
    r"""Nonlinear model of each neuron that kernel ridge regression gives in some seconds a neuron.

    What comes out predicts better than a receptive field where a response needs more than one, or bends with the level
    inside it; it has no field to read off (`KernelRegression.STRF_gradmap` linearises it). For each neuron:

    1. Levels more than a range below the loudest of ``train`` count as silence.
    2. The window to which the neuron listens is the outer product of what its ridge field (`ridge`) has in each band
       and at each lag, smoothed by 0.2 octaves and 5 ms, to the power ``sharpness``.
    3. The response is a smooth function of the sound inside the window: kernel ridge regression with a Gaussian kernel,
       restricted to ``n_points`` sounds of ``train`` drawn at random (Nystroem), in float64.

    Range, sharpness and penalty are those with the highest correlation on parts of ``train`` that were left out.

    Parameters
    ----------
    train : Recording, or tuple of arrays (B, 1, F, T) and (B, N, R, T)
        All of it is fitted; a bin weighs as many trials as it has, and missing ones are left out.
    n_lags : int
        Bins of the recent sound.
    n_points : int
        At most the bins of ``train``.
    alpha : float or "folds"
        Penalty on single trials, or chosen among 17.
    ranges : float, or sequence of float
        In the unit of the stimuli (dB), positive; inf keeps all levels. Of several the best is taken.
    length : float
        Of the Gaussian kernel, over the root mean square distance of the sounds in the window from their mean.
    sharpness : float, or sequence of float
        Positive, of several the best is taken. 0.5 listens widely, 3 to little but the peak.
    folds : int
        Whole sounds, or pieces of the recorded time when there are fewer sounds.
    prefiltering : Module, optional
        Used as it is, and copied into the model.
    seed : int
        Of the points.

    Returns
    -------
    KernelRegression
        In evaluation mode. A neuron that was not recorded, or never varied, has the weights 0, and its mean as bias.

    Raises
    ------
    TypeError, ValueError
        Data are not as said, or a setting breaks its rule.

    References
    ----------
    Saunders, Gammerman & Vovk (1998), ICML; Williams & Seeger (2000), NIPS 13, on the Nystroem method.

    Examples
    --------
    >>> from deepstrf.simulate import simulate_population
    >>> neurons = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=10, max_hz=4000.0)
    >>> kernel_ridge(neurons, 20, n_points=100)(neurons.stimuli).shape[:3]
    torch.Size([3, 2, 1])
    """
    check_sizes(n_lags=n_lags, n_points=n_points, folds=folds)
    whole_number("seed", seed, None)
    check_numbers("must be positive", lambda x: 0 < x < float("inf"), length=length)
    if isinstance(alpha, str):
        if alpha != "folds":
            raise ValueError(f"alpha must be a number or 'folds', got {alpha!r}")
    else:
        check_numbers("must be positive", lambda x: 0 < x < float("inf"), alpha=alpha)
    levels = _several("ranges", ranges, torch.inf)
    powers = _several("sharpness", sharpness, torch.finfo(torch.float64).max)
    examples = Examples.of(train, "train")
    warn_of_unmoving_sounds(examples)
    F, N = examples.stimuli.shape[2], examples.target.shape[1]
    n_points = min(n_points, sum(examples.bins))
    with torch.random.fork_rng(devices=[]):
        model = KernelRegression(F, n_lags, n_points=n_points, out_neurons=N, prefiltering=copy.deepcopy(prefiltering))
    nn.init.zeros_(model.readout.weight)
    with torch.no_grad():
        heard = model.eval().prefiltered(examples.stimuli.float()).double().cpu()
    axes = (train.cf_hz, train.dt_ms) if isinstance(train, Recording) else None
    search = _Search(heard, examples, axes, n_lags, alpha, folds, length)
    points = _drawn(examples.bins, n_points, seed)
    windows = search.windows(levels, powers)
    with torch.no_grad():
        scale = Scale(examples.target.cpu())
        for n, of_neuron in enumerate(zip(*windows, strict=True)):
            candidates = [window for window in of_neuron if bool(window.weights.any())]
            if not (candidates and scale.varies[n]):
                model.readout.bias[n] = examples.target[:, n].nanmean().nan_to_num()
                continue
            if len(candidates) > 1:
                few = points[: max(1, n_points // 2)]
                candidates = [max((search.fit(n, one, few) for one in candidates), key=lambda fit: fit.score).window]
            _put(model.readout, n, search.fit(n, candidates[0], points))
    if isinstance(train, Recording):
        model.axes = train.axes
    return model


def _several(name: str, values: float | Sequence[float], most: float) -> list[float]:
    """Positive numbers that were given as one or several."""
    try:
        found: list[float] = np.atleast_1d(np.asarray(values, dtype=float)).ravel().tolist()
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or several, got {values!r}") from None
    if not found or not all(0 < one <= most for one in found):
        raise ValueError(f"{name} must hold at least one value, all of them positive, got {values!r}")
    return found


def _put(readout: SimilarSounds, n: int, fit: Fit) -> None:
    """Write what was found for a neuron into the model."""
    readout.floor[n], readout.bias[n] = fit.window.floor, fit.bias
    readout.window[n], readout.points[n], readout.weight[n] = fit.window.weights, fit.points, fit.weight


def _drawn(bins: tuple[int, ...], count: int, seed: int) -> list[tuple[int, int]]:
    """Sound and bin of points that are drawn without replacement."""
    places = [(b, t) for b, T in enumerate(bins) for t in range(T)]
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))
    return [places[i] for i in order[:count].tolist()]


class _Search:
    """Fits of single neurons in given windows.

    Parameters
    ----------
    heard : Tensor, shape (B, C, F, T)
        Sounds after the prefilter, float64.
    """

    def __init__(
        self, heard: Tensor, examples: Examples, axes: Axes, n_lags: int, alpha: float | str, folds: int, length: float
    ) -> None:
        self.heard, self.examples, self.axes, self.n_lags = heard, examples, axes, n_lags
        self.alpha, self.length, self.folds = alpha, length, folds
        self.responses = examples.responses.double().cpu()
        self.target, self.count = examples.target.double().cpu(), (~self.responses.isnan()).sum(2)
        self.squares = self.responses.square().nansum(2)
        self.fold_of = folds_of_bins(examples, folds)

    def windows(self, ranges: Sequence[float], sharpness: Sequence[float]) -> list[list[Window]]:
        """For each choice of a range and a sharpness, the window of each neuron."""
        bins = zip(self.heard, self.examples.bins, strict=True)
        inside = torch.cat([x[..., :T].flatten() for x, T in bins])
        floors = {max(inside.max().item() - one, inside.min().item()) for one in ranges}
        found = []
        for floor in sorted(floors, reverse=True):
            x = self.heard.clamp(min=floor)
            smoothness = None if self.axes is None else SMOOTHNESS
            fields = ridge_fields(
                x, self.responses, self.examples, self.n_lags, self.axes, folds=self.folds, smoothness=smoothness
            ).kernel
            found += [[self._window(x, floor, field, power) for field in fields] for power in sharpness]
        return found

    def _window(self, x: Tensor, floor: float, field: Tensor, power: float) -> Window:
        """Window of a field (C, F, T): in units of the length of the kernel, on sounds that are heard from a floor."""
        along_f, along_t = field.norm(dim=2), field.norm(dim=1)
        if self.axes is not None:
            octaves, ms = self.axes[0].double().cpu().log2(), torch.arange(self.n_lags).double() * self.axes[1]
            along_f, along_t = (
                side @ _neighbours(place, reach)
                for side, place, reach in ((along_f, octaves, SMOOTHNESS[0]), (along_t, ms, SMOOTHNESS[1]))
            )
        weights = (along_f[:, :, None] * along_t[:, None]).sqrt()
        if not bool(weights.any()):
            return Window(floor, weights)
        weights = (weights / weights.max()) ** power
        weights[weights < NOTHING] = 0.0
        unscaled = _Heard(Window(floor, weights))
        rows = torch.cat([unscaled.recent(s[..., :T]) for s, T in zip(x, self.examples.bins, strict=True)])
        spread = rows.var(0, correction=0).sum().sqrt()
        return Window(floor, weights / (self.length * spread) if spread > 0 else torch.zeros_like(weights))

    def fit(self, n: int, window: Window, places: Sequence[tuple[int, int]]) -> Fit:
        """Kernel ridge regression of neuron ``n`` on points at these sounds and bins."""
        ear = _Heard(window)
        of_sound: dict[int, list[int]] = {}
        for b, t in places:
            of_sound.setdefault(b, []).append(t)
        points = torch.cat([ear.recent(self.heard[b])[bins] for b, bins in of_sound.items()])
        basis = _Likeness(ear, points)
        parts = moments_of(
            self.heard, basis, self.target[:, [n], 0], self.count[:, n], self.squares[:, [n]], self.fold_of,
            self.examples.bins,
        )  # fmt: skip
        whole = functools.reduce(operator.add, parts)
        covariance, _ = whole.centred()
        sizes = torch.from_numpy(PENALTIES) * (covariance.trace() / len(covariance)).clamp(min=1e-300)
        sizes = sizes if isinstance(self.alpha, str) else torch.tensor([self.alpha], dtype=torch.float64)
        scores = correlations_of(whole, parts, sizes)[:, 0]
        # Where nothing can be left out, the largest penalty is taken.
        best = len(sizes) - 1 if bool(scores.isnan().all()) else int(scores.nan_to_num(nan=-torch.inf).argmax())
        weights = solved(whole, parts, sizes[best].item())
        bias = (whole.y - whole.x @ weights) / whole.n
        stored = points.new_zeros(len(points), *window.weights.shape)
        stored[:, window.weights > 0] = points
        return Fit(window, stored, (basis.root @ weights)[:, 0], bias.item(), scores[best].nan_to_num().item())


def _neighbours(place: Tensor, reach: float) -> Tensor:
    """Matrix that averages over neighbours within a reach, columns of sum 1."""
    alike = torch.exp(-0.5 * ((place[:, None] - place) / reach) ** 2)
    return alike / alike.sum(0)


class _Heard:
    """The recent sound inside a window."""

    def __init__(self, window: Window) -> None:
        inside = window.weights > 0
        self.floor, self.n_lags, self.weights = window.floor, inside.shape[-1], window.weights[inside]
        flat = inside.flatten(0, 1)
        self.bands, self.first = flat.any(1), int(flat.any(0).nonzero()[0, 0])
        self.inside = flat[self.bands][:, self.first :]

    def recent(self, x: Tensor) -> Tensor:
        """Levels (T, bands and lags inside) of a sound (C, F, T)."""
        padded = functional.pad(x.flatten(0, 1)[self.bands], (self.n_lags - 1, 0)).clamp(min=self.floor)
        return padded.unfold(-1, self.n_lags, 1)[..., self.first :].movedim(1, 0)[:, self.inside]


class _Likeness:
    """Features of each bin: the likeness of its sound to the points, in the principal components of the points.

    Parameters
    ----------
    ear : _Heard
    points : Tensor, shape (M, bands and lags inside)
    """

    def __init__(self, ear: _Heard, points: Tensor) -> None:
        self.ear, self.points = ear, points * ear.weights
        variance, vectors = torch.linalg.eigh(self._alike(self.points))
        kept = variance > LEAST_VARIANCE * variance[-1]
        self.root = vectors[:, kept] / variance[kept].sqrt()

    def seen(self, x: Tensor) -> Tensor:
        """Features (T, rank) of a sound (C, F, T)."""
        return self._alike(self.ear.recent(x) * self.ear.weights) @ self.root

    def _alike(self, scaled: Tensor) -> Tensor:
        distance = scaled.square().sum(1)[:, None] - 2 * scaled @ self.points.T + self.points.square().sum(1)
        return torch.exp(-0.5 * distance.clamp(min=0))
