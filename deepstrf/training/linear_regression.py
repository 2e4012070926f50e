"""The linear answer in closed form: ridge regression on the recent sound, of all neurons at once."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_numbers, check_sizes
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import mean_over_repeats
from deepstrf.models.audio import Linear
from deepstrf.stimuli.evidence import moving_bands
from deepstrf.training.batches import Data, Examples, time_blocks, warn_of_unmoving_sounds
from deepstrf.training.identity import digest

SMOOTHNESS = (0.2, 5.0)
KEPT_VARIANCE = 0.999
PENALTIES = 10.0 ** np.linspace(-4, 4, 17)


@dataclass
class _Moments:
    """Weighted sums over bins: 1, x, y, x x', x y, y squared, for inputs x (rank,) and neurons y (N,)."""

    n: Tensor
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __sub__(self, other: _Moments) -> _Moments:
        return _Moments(*(a - b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def centred(self) -> tuple[Tensor, Tensor]:
        """Covariances of the inputs (D, D) and of inputs and neurons (D, N), times n."""
        n = self.n.clamp(min=1)
        return self.xx - self.x[:, None] * self.x / n, self.xy - self.x[:, None] * self.y / n


@keywords()
def ridge(
    train: Data,
    n_lags: int,
    *,
    alpha: float | str = "folds",
    folds: int = 5,
    smoothness: tuple[float, float] | None = SMOOTHNESS,
    prefiltering: nn.Module | None = None,
) -> Linear:
    r"""Linear model of all neurons that ridge regression gives in seconds: the score that any fit should reach.

    Each neuron's response is :math:`\sum_{c,f,j} k_{c,f,j}\, x_{c,f}(t-j) + b` with the k, b that minimise
    :math:`\sum (y - \hat y)^2 + \alpha\, k^T K^{-1} k` over all recorded bins of all repeats. A bin weighs as
    many trials as it has; missing ones are left out. K is the prior covariance of a smooth field, a squared exponential
    of the distance of two weights in octaves and in ms, or the identity. The solution is exact, in float64.

    Parameters
    ----------
    train : Recording, or tuple of arrays (B, 1, F, T) and (B, N, R, T)
    n_lags : int
        T of the receptive fields, in bins.
    alpha : float, or {"folds", "gcv"}
        Size of the penalty, in the unit of scikit-learn's ``Ridge`` and MNE's ``TimeDelayingRidge`` on single trials.
        ``"folds"`` takes for each neuron that of 17 sizes with the highest correlation on parts that were left out,
        ``"gcv"`` the one with the least generalised cross-validation error, which wants bins of independent noise.
    folds : int
        Parts that are left out in turn: whole sounds, or pieces of the recorded time when there are fewer sounds.
    smoothness : (float, float), optional
        Lengths of the prior in octaves and in ms, 0 for none along an axis. None is plain ridge regression, and needed
        where ``train`` is no Recording, which knows octaves and ms.
    prefiltering : Module, optional
        As of `deepstrf.models.audio.Linear`: used as it is, and copied into the model.

    Returns
    -------
    Linear
        In evaluation mode, (N, C, F, n_lags). Weights on bands that the sounds never move are 0
        (`deepstrf.stimuli.evidence.moving_bands`), and all of a neuron that was not recorded.

    Raises
    ------
    TypeError, ValueError
        Data are not as said, or a setting breaks its rule.

    References
    ----------
    Hoerl & Kennard (1970), Technometrics 12:55; Golub, Heath & Wahba (1979), Technometrics 21:215; Sahani & Linden
    (2003), NIPS 15, on smooth priors of receptive fields.

    Examples
    --------
    >>> from deepstrf.simulate import simulate_population
    >>> neurons = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=10, max_hz=4000.0)
    >>> ridge(neurons, 20).effective_STRF()[0].shape
    torch.Size([2, 1, 10, 20])
    """
    check_sizes(n_lags=n_lags, folds=folds)
    if isinstance(alpha, str):
        if alpha not in ("folds", "gcv"):
            raise ValueError(f"alpha must be a number, 'folds' or 'gcv', got {alpha!r}")
    else:
        check_numbers("must be positive", lambda size: 0 < size < float("inf"), alpha=alpha)
    examples = Examples.of(train, "train")
    warn_of_unmoving_sounds(examples)
    F, N = examples.stimuli.shape[2], examples.target.shape[1]
    with torch.random.fork_rng(devices=[]):
        model = Linear(F, n_lags, out_neurons=N, prefiltering=copy.deepcopy(prefiltering)).eval()
    heard = examples.stimuli.double().cpu()
    if prefiltering is not None:
        with torch.no_grad():
            heard = model.prefiltered(examples.stimuli.float()).double().cpu()
    if smoothness is not None and not isinstance(train, Recording):
        raise ValueError(
            f"smoothness must be None unless train is a Recording, which has octaves and ms, got {smoothness}"
        )
    axes = (train.cf_hz, train.dt_ms) if isinstance(train, Recording) else None
    responses = examples.responses.double().cpu()
    fields = ridge_fields(heard, responses, examples, n_lags, axes, alpha=alpha, folds=folds, smoothness=smoothness)
    with torch.no_grad():
        readout = model.readout
        readout.strf.kernel.get_parameter("weight").copy_(fields.kernel)
        readout.strf.kernel.get_parameter("bias").zero_()
        readout.bn.get_buffer("running_mean").copy_(fields.mean_drive)
        readout.bn.get_buffer("running_var").copy_(fields.variance)
        readout.bn.weight.copy_((fields.variance + readout.bn.eps).sqrt())
        readout.bn.bias.copy_(fields.mean_rate)
    if isinstance(train, Recording):
        model.axes = train.axes
    return model


@dataclass(frozen=True, eq=False)
class RidgeFields:
    """What ridge regression finds: fields (N, C, F, n_lags), and of each neuron (N,) mean and variance of the drive
    that its field makes, and its mean response."""

    kernel: Tensor
    mean_drive: Tensor
    variance: Tensor
    mean_rate: Tensor


def ridge_fields(
    heard: Tensor,
    responses: Tensor,
    examples: Examples,
    n_lags: int,
    axes: tuple[Tensor, float] | None,
    *,
    alpha: float | str = "folds",
    folds: int = 5,
    smoothness: tuple[float, float] | None = SMOOTHNESS,
) -> RidgeFields:
    """Fields of `ridge`, for sounds that have passed the prefilter.

    Parameters
    ----------
    heard : Tensor, shape (B, C, F, T)
    responses : Tensor, shape (B, N, R, T)
        Those of ``examples``, or others of the same sounds.
    axes : (Tensor (F,), float), optional
        Centre frequencies in Hz and bin width in ms; needed for a smoothness.
    """
    N = responses.shape[1]
    moving = moving_bands(heard, examples.bins)
    basis = _prior_basis(axes, moving, n_lags, smoothness)
    target, _ = mean_over_repeats(responses, ~responses.isnan())
    count = (~responses.isnan()).sum(2)
    fold_of = folds_of_bins(examples, folds) if alpha == "folds" else torch.zeros(heard.shape[0], heard.shape[-1])
    kernel = torch.zeros(N, *heard.shape[1:3], n_lags, dtype=torch.float64)
    mean_drive, spread, mean_rate = torch.zeros(3, N, dtype=torch.float64)
    for neurons in neurons_of_equal_weights(count):
        parts = moments_of(
            heard, basis, target[:, neurons, 0], count[:, neurons[0]], (responses[:, neurons] ** 2).nansum(2), fold_of,
            examples.bins,
        )  # fmt: skip
        if not parts:  # not recorded at all
            continue
        whole = functools.reduce(operator.add, parts)
        weights = solved(whole, parts, alpha)
        covariance, _ = whole.centred()
        n = whole.n.clamp(min=1)
        mean_drive[neurons], mean_rate[neurons] = whole.x @ weights / n, whole.y / n
        spread[neurons] = ((covariance @ weights * weights).sum(0) / n).clamp(min=0)
        kernel[neurons] = basis.fields(weights)
    return RidgeFields(kernel, mean_drive, spread, mean_rate)


class Features(Protocol):
    """What is made of the recent sound before it is regressed on."""

    def seen(self, x: Tensor) -> Tensor:
        """(T, rank) of a sound (C, F, T), float64."""


class _Basis:
    """Root of the prior covariance of the weights: fields (C, F, n_lags) whose sums have that prior.

    Each is a function of frequency on the moving bands of a channel, times one of lag, times a size. Sounds are
    projected on them before anything is multiplied: many bands and lags cost what the few numbers of a smooth field do.

    Parameters
    ----------
    moving : Tensor, shape (C, F)
        Bands that the sounds move; fields are 0 on the others.
    of_lag : Tensor, shape (n_lags, n_lags)
        Functions of lag, in columns, the longest lag first.
    of_band : list of Tensor (bands, bands)
        Functions of frequency on the moving bands of each channel, in columns.
    size : list of Tensor (bands, n_lags)
        Of each product of two functions; 0 where it is left out.
    """

    def __init__(self, moving: Tensor, of_lag: Tensor, of_band: list[Tensor], size: list[Tensor]) -> None:
        self.moving, self.of_lag, self.of_band, self.size = moving, of_lag, of_band, size

    def seen(self, x: Tensor) -> Tensor:
        """What the fields give for a sound (C, F, T): (T, rank), float64."""
        parts, n_lags = [], len(self.of_lag)
        for channel, bands, of_band, size in zip(x, self.moving, self.of_band, self.size, strict=True):
            f, t = (size > 0).any(1), (size > 0).any(0)
            along_f = functional.pad(of_band[:, f].T @ channel[bands], (n_lags - 1, 0))
            both = along_f.unfold(-1, n_lags, 1) @ self.of_lag[:, t]
            parts.append((both.movedim(1, 0) * size[f][:, t])[:, (size > 0)[f][:, t]])
        return torch.cat(parts, 1)

    def fields(self, weights: Tensor) -> Tensor:
        """Fields (N, C, F, n_lags) of weights (rank, N)."""
        made = weights.new_zeros(weights.shape[1], *self.moving.shape, len(self.of_lag))
        for c, part in enumerate(weights.split([int((size > 0).sum()) for size in self.size])):
            product = weights.new_zeros(weights.shape[1], *self.size[c].shape)
            product[:, self.size[c] > 0] = part.T
            made[:, c, self.moving[c]] = self.of_band[c] @ (product * self.size[c]) @ self.of_lag.T
        return made


def _prior_basis(
    axes: tuple[Tensor, float] | None, moving: Tensor, n_lags: int, smoothness: tuple[float, float] | None
) -> _Basis:
    """Fields that a smoothness allows for; without one, every weight is a field of its own."""
    if smoothness is None:
        counts = moving.sum(1).tolist()
        eye = partial(torch.eye, dtype=torch.float64)
        sizes = [torch.ones(count, n_lags, dtype=torch.float64) for count in counts]
        return _Basis(moving, eye(n_lags), [eye(count) for count in counts], sizes)
    if axes is None:
        raise ValueError(f"smoothness must be None without axes in Hz and ms, got {smoothness}")
    if len(smoothness) != 2 or not all(0 <= length < float("inf") for length in smoothness):
        raise ValueError(f"smoothness must be two lengths of at least 0, in octaves and in ms, got {smoothness}")
    cf_hz, dt_ms = axes
    octaves = cf_hz.double().cpu().log2()
    ms = torch.arange(n_lags, dtype=torch.float64) * dt_ms
    lag_variance, of_lag = torch.linalg.eigh(_squared_exponential(ms, smoothness[1]))
    of_band, size = [], []
    for channel in moving:  # the prior knows nothing about how two channels go together
        band_variance, functions = torch.linalg.eigh(_squared_exponential(octaves[channel], smoothness[0]))
        variance = (band_variance[:, None] * lag_variance).clamp(min=0).flatten()
        order = variance.argsort(descending=True)
        kept = order[: int((variance[order].cumsum(0) < KEPT_VARIANCE * variance.sum()).sum()) + 1]
        of_band.append(functions)
        one = torch.zeros_like(variance)
        one[kept] = variance[kept].sqrt()
        size.append(one.view(-1, n_lags))
    return _Basis(moving, of_lag, of_band, size)


def _squared_exponential(place: Tensor, length: float) -> Tensor:
    if length == 0:
        return torch.eye(len(place), dtype=torch.float64)
    return torch.exp(-0.5 * ((place[:, None] - place) / length) ** 2)


def folds_of_bins(examples: Examples, folds: int) -> Tensor:
    """Fold of each bin (B, T)."""
    if len(examples) < folds:
        bins = int((~examples.target.isnan()).flatten(1, 2).any(1).sum())
        if bins < 2:  # nothing can be left out: the largest penalty is taken
            return torch.zeros(examples.target.shape[0], examples.target.shape[-1])
        return time_blocks(examples.target, min(folds, bins)).cpu()
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    return (torch.arange(len(examples)) % folds)[:, None].expand(-1, examples.target.shape[-1])


def neurons_of_equal_weights(count: Tensor) -> list[Tensor]:
    """Numbers of the neurons that were recorded in the same bins equally often: they share their moments."""
    groups: dict[bytes, list[int]] = {}
    for neuron, counts in enumerate(count.transpose(0, 1)):
        groups.setdefault(counts.contiguous().numpy().tobytes(), []).append(neuron)
    return [torch.tensor(group) for group in groups.values()]


Kept = dict[str, _Moments]
"""Moments of a sound and the responses to it, by a hash of both."""

_KEPT: ContextVar[Kept | None] = ContextVar("moments of sounds", default=None)
MOST_KEPT = 2**23
"""Numbers."""


@contextmanager
def keeping_moments(kept: Kept) -> Iterator[None]:
    """Inside, moments of sounds that ``kept`` holds are not computed again: fits of several seeds share sounds."""
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)


def _of_sound(basis: Features, x: Tensor, y: Tensor, count: Tensor, squares: Tensor) -> _Moments | None:
    """Moments of a whole sound, from those that are kept or computed for them; None where none are kept."""
    kept = _KEPT.get()
    if kept is None or not isinstance(basis, _Basis):
        return None
    name = digest(x, y, count, squares, basis.moving, basis.of_lag, *basis.of_band, *basis.size)
    if name not in kept:
        rows = (count > 0).nonzero()[:, 0]
        one = _weighted_sums(basis.seen(x)[rows], y[:, rows], count[rows], squares[:, rows])
        if (len(kept) + 1) * one.xx.numel() > MOST_KEPT:
            return one
        kept[name] = one
    return kept[name]


def _weighted_sums(design: Tensor, y: Tensor, count: Tensor, squares: Tensor) -> _Moments:
    """Moments of inputs (n, rank), mean responses (N, n), their trials (n,) and sums of squares (N, n)."""
    weight, response = count.double(), y.T
    weighted = design * weight[:, None]
    return _Moments(
        weight.sum(), weighted.sum(0), weight @ response, weighted.T @ design, weighted.T @ response, squares.sum(1)
    )


def moments_of(
    x: Tensor, basis: Features, y: Tensor, count: Tensor, squares: Tensor, fold_of: Tensor, bins: tuple[int, ...]
) -> list[_Moments]:
    """Moments of each fold. x (B, C, F, T), mean response y (B, N, T), its trials (B, T), squares (B, N, T)."""
    made: dict[float, _Moments] = {}
    for b, T in enumerate(bins):
        there = count[b, :T] > 0
        if not bool(there.any()):
            continue
        sound = (x[b, ..., :T], y[b, :, :T], count[b, :T], squares[b, :, :T])
        known = _of_sound(basis, *sound) if len(folds := fold_of[b, :T][there].unique()) == 1 else None
        if known is not None:
            fold = folds.item()
            made[fold] = made[fold] + known if fold in made else known
            continue
        seen = basis.seen(x[b, ..., :T])
        for fold in folds.tolist():
            rows = ((fold_of[b, :T] == fold) & there).nonzero()[:, 0]
            one = _weighted_sums(seen[rows], y[b][:, rows], count[b, rows], squares[b][:, rows])
            made[fold] = made[fold] + one if fold in made else one
    return list(made.values())


def solved(whole: _Moments, parts: list[_Moments], alpha: float | str, *, limit: Tensor | None = None) -> Tensor:
    """Weights (D, N), each neuron with its own penalty unless that is given; none longer than ``limit`` (N,) if one
    of the penalties makes it so short."""
    covariance, cross = whole.centred()
    values, vectors = torch.linalg.eigh(covariance)
    values, turned = values.clamp(min=0), vectors.mT @ cross
    if not isinstance(alpha, str):
        return vectors @ (turned / (values[:, None] + alpha))
    sizes = torch.from_numpy(PENALTIES) * values.mean().clamp(min=torch.finfo(torch.float64).tiny)
    error = _gcv_errors(whole, values, turned, sizes) if alpha == "gcv" else -correlations_of(whole, parts, sizes)
    # A neuron that says nothing (constant, or one fold) takes the largest penalty.
    silent, error = error.isnan().all(0), error.nan_to_num(nan=torch.inf)
    if limit is not None:
        length = (turned / (values[:, None] + sizes[:, None, None])).norm(dim=1)
        silent = silent | (length > limit).all(0)
        error = torch.where(length > limit, torch.inf, error)
    best = torch.where(silent, len(sizes) - 1, error.argmin(0))
    return vectors @ (turned / (values[:, None] + sizes[best]))


def _gcv_errors(whole: _Moments, values: Tensor, turned: Tensor, sizes: Tensor) -> Tensor:
    """Generalised cross-validation error of each penalty and neuron: n RSS / (n - 1 - tr H)^2."""
    variance = whole.yy - whole.y.square() / whole.n.clamp(min=1)
    errors = []
    for size in sizes:
        shrunk = turned / (values[:, None] + size)
        residual = variance - 2 * (shrunk * turned).sum(0) + (values[:, None] * shrunk.square()).sum(0)
        free = whole.n - 1 - (values / (values + size)).sum()
        errors.append(whole.n * residual / free.square())
    return torch.stack(errors)


def correlations_of(whole: _Moments, parts: list[_Moments], sizes: Tensor) -> Tensor:
    """Correlation (penalties, N) over all bins of what was predicted of each part from the others."""
    p, pp, py = (torch.zeros(len(sizes), whole.y.shape[0], dtype=torch.float64) for _ in range(3))
    for part in parts:
        rest = whole - part
        covariance, cross = rest.centred()
        values, vectors = torch.linalg.eigh(covariance)
        shrunk = (vectors.mT @ cross) / (values.clamp(min=0)[:, None] + sizes[:, None, None])
        w = vectors @ shrunk
        flat = w.movedim(0, 1).flatten(1)
        squares = (part.xx @ flat * flat).sum(0).view(len(sizes), -1)
        offset = (rest.y - rest.x @ w) / rest.n.clamp(min=1)
        sound = part.x @ w
        p += sound + offset * part.n
        pp += squares + 2 * offset * sound + offset.square() * part.n
        py += (part.xy * w).sum(1) + offset * part.y
    n = whole.n.clamp(min=1)
    covariance, variance = py - p * whole.y / n, pp - p.square() / n
    return covariance / torch.where(variance > 0, variance, torch.nan).sqrt()
