"""What a plain linear field predicts, in a second: what any fit should reach."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deepstrf.analysis.diagnosis.sample import Sample

MEMORY_MS, MEMORY_BINS = 200.0, 40
"""How far back the field looks, in ms or, where the width of a bin is not known, in bins."""

HUMPS = 8
"""Smooth functions of lag that the field is made of in each band: near lag 0 narrow, further back wide."""

FOLDS = 5
LEAST_BINS_PER_WEIGHT = 2
"""Fewer bins than this per weight say nothing about a linear field that an eye would believe."""

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of the ridge regression, times the mean variance of an input and the number of bins."""

MOST_BINS = 40000


def baseline(sample: Sample, fitted: Sample | None = None) -> Tensor | None:
    """Prediction (N, bins) in the bins of ``sample``, of data that it was not fitted to; None of too few bins.

    Learnt from ``fitted``; without it, each fifth of the bins from the others.
    """
    source = sample if fitted is None else fitted
    y = source.mean_response
    taps = MEMORY_BINS if source.dt_ms is None else max(2, round(MEMORY_MS / source.dt_ms))
    X = _design(source, taps)
    if y is None or len(X) < LEAST_BINS_PER_WEIGHT * X.shape[1] or len(X) < 10 * FOLDS:
        return None
    bins = torch.arange(len(X))
    fold = bins * FOLDS // len(X)
    predicted, best = torch.full_like(y, torch.nan), torch.full((len(y),), -torch.inf, dtype=torch.float64)
    chosen = torch.zeros(len(y), dtype=torch.long)
    guesses = torch.full((len(PENALTIES), *y.shape), torch.nan, dtype=torch.float64)
    for f in range(FOLDS):
        weights = _solved(X[fold != f], y[:, fold != f])
        for i, (w, offset) in enumerate(weights):
            guesses[i][:, fold == f] = (X[fold == f] @ w + offset).T
    for i in range(len(PENALTIES)):
        score = _correlation(guesses[i], y)
        better = score > best
        best, chosen = torch.where(better, score, best), torch.where(better, i, chosen)
        predicted = torch.where(better[:, None], guesses[i], predicted)
    if fitted is None:
        return predicted
    other, weights = _design(sample, taps), _solved(X, y)
    every = torch.stack([(other @ w + offset).T for w, offset in weights])
    return every[chosen, torch.arange(len(y))]


def _design(sample: Sample, taps: int) -> Tensor:
    """Humps of the recent sound of each band in every bin, (bins, F times humps), standardised."""
    x = sample.stimuli[:, 0].double()
    humps = _humps(taps)
    B, F, T = x.shape
    padded = functional.pad(x.reshape(B * F, 1, T), (taps - 1, 0))
    heard = functional.conv1d(padded, humps[:, None].flip(-1)).reshape(B, F * len(humps), T)
    X = heard.movedim(1, 2)[sample.inside]
    return (X - X.mean(0)) / X.std(0, correction=0).clamp(min=1e-6 * float(X.std().clamp(min=1e-12)))


def _humps(taps: int) -> Tensor:
    """Raised cosines on a logarithmic axis of lag, (humps, taps), lag 0 first (Pillow et al. 2008, Nature 454:995)."""
    lag = torch.arange(taps, dtype=torch.float64)
    axis, n = (lag + 2).log(), min(HUMPS, taps)
    step = (axis[-1] - axis[0]) / max(n - 1, 1)
    centres = axis[0] + step * torch.arange(n, dtype=torch.float64)
    angle = ((axis - centres[:, None]) / step * math.pi / 2).clamp(-math.pi, math.pi)
    return (angle.cos() + 1) / 2


def _solved(X: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Weights (D, N) and offset (N,) for each penalty; a missing response counts as the mean of its neuron."""
    keep = slice(None, None, max(1, len(X) // MOST_BINS))
    X, y = X[keep], y[:, keep]
    mean = y.nanmean(1).nan_to_num(0.0)
    centred = torch.where(y.isnan(), 0.0, y - mean[:, None])
    m = X.mean(0)
    Z = X - m
    values, vectors = torch.linalg.eigh(Z.T @ Z / len(Z))
    turned = vectors.T @ (Z.T @ centred.T) / len(Z)
    made = []
    for penalty in PENALTIES:
        w = vectors @ (turned / (values.clamp(min=0) + penalty * values.mean())[:, None])
        made.append((w, mean - m @ w))
    return made


def _correlation(p: Tensor, y: Tensor) -> Tensor:
    there = y.isfinite() & p.isfinite()
    n = there.sum(1).clamp(min=1)
    a, b = (torch.where(there, z, 0.0) for z in (p, y))
    a, b = (torch.where(there, z - (z.sum(1) / n)[:, None], 0.0) for z in (a, b))
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(scale > 0, (a * b).sum(1) / scale.clamp(min=1e-300), 0.0)
