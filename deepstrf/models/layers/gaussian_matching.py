"""Gaussians placed where they predict responses best: from lagged moments of sound and response to a receptive field.

The error of a linear prediction with field k is ``k'Hk/2 - k'b`` up to a constant, with the covariance H of the lagged
sound and its covariance b with the response. A gradient alone does not find the place of a Gaussian from afar, so a
dictionary is searched first, in that same error: the correlations of the sound are taken into account, which the
spike-triggered average leaves in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LaggedMoments", "lagged_moments", "match_gaussians", "same_bins"]

LEAST_SIGMA, WIDEST_SHARE = 0.5, 1 / 3
"""Narrowest Gaussian in bins, and widest as a share of its axis."""

FIRST_SIGMA_BANDS, FIRST_SIGMA_BINS, WIDEST_FIRST = 1.0, 0.8, 0.2
"""Widths of the dictionary: these, doubled as long as they are below a share of the axis."""

RIDGE = 0.01
"""Added to the diagonal of the sound's covariance, as a share of its mean."""

SHRINK_WEIGHTS = 1e-4
STEPS, TRIES, ENOUGH = 20, 5, 1e-4
FIRST_DAMPING, LEAST_DAMPING, LESS, MORE = 1e-2, 1e-6, 3.0, 4.0
MOST_BINS_MOVED, MOST_WIDENED = 2.0, 1.0
ATOMS_AT_ONCE, NOTHING = 16, 1e-9
LONG_RUN = 4
"""Runs of bins of equal weight that are this many times as long as the lags need no design matrix."""


@dataclass(frozen=True, eq=False)
class LaggedMoments:
    """Covariances of some neurons that were recorded in the same bins.

    Attributes
    ----------
    neurons : Tensor, shape (M,)
        Which.
    sound : Tensor, shape (C, F T, C, F T)
        Covariance of the lagged sound in those bins; the last of the T lags is 0.
    response : Tensor, shape (M, C, F T)
        Its covariance with each response.
    """

    neurons: Tensor
    sound: Tensor
    response: Tensor


def same_bins(target: Tensor, weight: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """``target`` and ``weight`` (B, N, T) as they are, or with the same bins for all where more than ``most`` differ.

    Then every bin in which some neuron was recorded counts once for all, and what is missing is a neuron's mean: its
    covariance with the sound keeps its direction, and one set of moments serves all neurons. Good enough for a start.
    """
    if len({bins.contiguous().numpy().tobytes() for bins in weight.transpose(0, 1)}) <= most:
        return target, weight
    there = weight > 0
    mean = torch.where(there, target, 0.0).sum((0, 2)) / there.sum((0, 2)).clamp(min=1)
    filled = torch.where(there, target, mean[:, None])
    return filled, there.any(1, keepdim=True).expand_as(weight).to(weight)


def lagged_moments(x: Tensor, target: Tensor, weight: Tensor, n_lags: int) -> list[LaggedMoments]:
    """Moments of each group of neurons with the same weights, in float64.

    Parameters
    ----------
    x : Tensor, shape (B, C, F, T)
        Sounds; before each, zeros.
    target : Tensor, shape (B, N, T)
        Responses, finite where they weigh.
    weight : Tensor, shape (B, N, T)
        Of each bin (its trials), 0 where nothing was recorded.
    """
    B, C, F, _ = x.shape
    x, target, weight = x.double().flatten(1, 2), target.double(), weight.double()
    groups: dict[bytes, list[int]] = {}
    for neuron, of_bins in enumerate(weight.transpose(0, 1)):
        groups.setdefault(of_bins.contiguous().numpy().tobytes(), []).append(neuron)
    made = []
    for group in groups.values():
        neurons = torch.tensor(group)
        size = C * F * n_lags
        n, sums = torch.zeros((), dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        square = torch.zeros(size, size, dtype=torch.float64)
        product, total = (torch.zeros(size, len(group)).double(), torch.zeros(len(group)).double())
        for b in range(B):
            w = weight[b, group[0]]
            y = torch.where(w > 0, target[b, neurons], 0.0)
            n, total = n + w.sum(), total + y @ w
            _add_products(square, x[b], w, n_lags)
            shifted = functional.pad(x[b], (n_lags - 1, 0)).unfold(-1, x.shape[-1], 1)  # (CF, T, bins)
            product += (shifted @ (y * w).T).flatten(0, 1)
            sums += (shifted @ w).flatten()
        if n == 0:
            continue
        sound = square / n - sums[:, None] * sums / n**2
        response = (product / n - sums[:, None] * total / n**2).T
        shape = (C, F * n_lags)
        made.append(LaggedMoments(neurons, sound.view(*shape, *shape), response.reshape(-1, *shape)))
    return made


def _add_products(square: Tensor, x: Tensor, weight: Tensor, n_lags: int) -> None:
    """Add the weighted sum of products of the lagged sound x (D, bins) with itself to ``square`` (D lags, D lags)."""
    edges = (weight.diff(prepend=weight.new_full((1,), -1.0), append=weight.new_full((1,), -1.0)) != 0).nonzero()[:, 0]
    short = torch.zeros_like(weight, dtype=torch.bool)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if weight[start] == 0:
            continue
        if stop - start >= LONG_RUN * n_lags:
            square += weight[start] * _products_of_run(x, start, stop, n_lags)
        else:
            short[start:stop] = True
    if bool(short.any()):
        design = functional.pad(x, (n_lags - 1, 0)).unfold(-1, n_lags, 1)[:, short].transpose(1, 2).flatten(0, 1)
        square += (design * weight[short]) @ design.T


def _products_of_run(x: Tensor, start: int, stop: int, n_lags: int) -> Tensor:
    """Sum over the bins start..stop-1 of products of the lagged sound, (D lags, D lags), from ``n_lags`` products.

    Two lags i and i + d see the run shifted by i: their product is that of lags 0 and d, plus what enters before the
    run's start, less what leaves at its end.
    """
    D = len(x)
    past = functional.pad(x, (2 * n_lags, 0))
    first, last = start + 2 * n_lags, stop + 2 * n_lags
    made = x.new_zeros(D, n_lags, D, n_lags)
    for d in range(n_lags):
        whole = past[:, first:last] @ past[:, first - d : last - d].T
        shifts = torch.arange(1, n_lags - d)
        entering, leaving = (
            past[:, edge - shifts].T[:, :, None] * past[:, edge - shifts - d].T[:, None, :] for edge in (first, last)
        )
        change = torch.cat([x.new_zeros(1, D, D), (entering - leaving).cumsum(0)])
        lags = torch.arange(n_lags - d)
        blocks = whole + change
        made[:, n_lags - 1 - lags, :, n_lags - 1 - lags - d] = blocks
        made[:, n_lags - 1 - lags - d, :, n_lags - 1 - lags] = blocks.transpose(1, 2)
    return made.view(D * n_lags, D * n_lags)


def match_gaussians(
    moments: LaggedMoments, heard: Tensor, n_lags: int, num_gaussians: int, *, ridge: float = RIDGE
) -> Tensor:
    """Gaussians (5, M, C, G) of each neuron: centre in bands and in taps, widths in both, and weight.

    Greedily, the one of a dictionary that lowers the error most, with all weights solved for after each; then
    Levenberg-Marquardt on all five numbers.

    Parameters
    ----------
    moments : LaggedMoments
    heard : bool Tensor, shape (C, F)
        Bands that the sound moves: no centre is placed outside their range.
    n_lags, num_gaussians : int
        T and G.
    ridge : float
        As a share of the mean variance of a band.
    """
    C, F = heard.shape
    bands = heard.any(0).nonzero()[:, 0]
    span = (int(bands[0]), int(bands[-1]))
    size = C * F * n_lags
    sound = moments.sound.reshape(size, size)
    H = (sound + ridge * sound.diagonal().mean() * torch.eye(size, dtype=sound.dtype)).view(moments.sound.shape)
    places = _greedy(H, moments.response, F, n_lags, num_gaussians, span)
    return _polished(H, moments.response, places, F, n_lags, span)


def _bumps(centre: Tensor, sigma: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussians of unit mass (..., size), and their derivatives by centre and by width."""
    x = torch.arange(size, dtype=centre.dtype) - centre.unsqueeze(-1)
    s = sigma.unsqueeze(-1)
    a = torch.softmax(-0.5 * (x / s) ** 2, -1)
    by_centre, by_sigma = x / s**2, x**2 / s**3
    return (
        a,
        a * (by_centre - (a * by_centre).sum(-1, keepdim=True)),
        a * (by_sigma - (a * by_sigma).sum(-1, keepdim=True)),
    )


def _field(q: Tensor, F: int, T: int) -> Tensor:
    """Receptive fields (M, C, F T) of Gaussians q (5, M, C, G)."""
    along_f, along_t = _bumps(q[0], q[2], F)[0], _bumps(q[1], q[3], T)[0]
    return ((along_f * q[4].unsqueeze(-1)).transpose(-1, -2) @ along_t).flatten(2)


def _jacobian(q: Tensor, F: int, T: int) -> Tensor:
    """Derivative of the fields by each number of each Gaussian, (M, C, 5 G, F T)."""
    a, a_centre, a_sigma = _bumps(q[0], q[2], F)
    b, b_centre, b_sigma = _bumps(q[1], q[3], T)
    w = q[4][..., None, None]

    def outer(u: Tensor, v: Tensor) -> Tensor:
        return u.unsqueeze(-1) * v.unsqueeze(-2)

    parts = [w * outer(a_centre, b), w * outer(a, b_centre), w * outer(a_sigma, b), w * outer(a, b_sigma), outer(a, b)]
    return torch.cat(parts, 2).flatten(3)


def _times(H: Tensor, k: Tensor) -> Tensor:
    """H k for fields k (M, C, F T)."""
    return (k.flatten(1) @ H.reshape(k[0].numel(), -1)).view_as(k)


def _error(q: Tensor, b: Tensor, H: Tensor, F: int, T: int) -> tuple[Tensor, Tensor]:
    k = _field(q, F, T)
    Hk = _times(H, k)
    return (0.5 * k * Hk - k * b).flatten(1).sum(1), Hk


def _widths(first: float, size: int) -> list[float]:
    widths = [first]
    while 2 * widths[-1] <= WIDEST_FIRST * size:
        widths.append(2 * widths[-1])
    return widths


def _greedy(H: Tensor, b: Tensor, F: int, T: int, G: int, span: tuple[int, int]) -> Tensor:
    """G Gaussians of each channel, one after the other, each the best of the dictionary for what the others leave."""
    (M, C, _), kind = b.shape, b.dtype
    bands, widths_f = torch.arange(span[0], span[1] + 1, dtype=kind), _widths(FIRST_SIGMA_BANDS, F)
    taps, widths_t = torch.arange(T, dtype=kind), _widths(FIRST_SIGMA_BINS, T)
    of_f = torch.cartesian_prod(torch.tensor(widths_f, dtype=kind), bands).view(-1, 2)
    of_t = torch.cartesian_prod(torch.tensor(widths_t, dtype=kind), taps).view(-1, 2)
    along_f, along_t = _bumps(of_f[:, 1], of_f[:, 0], F)[0], _bumps(of_t[:, 1], of_t[:, 0], T)[0]
    power = torch.stack([_powers(H[c, :, c], along_f, along_t) for c in range(C)])
    q = torch.zeros(5, M, C, G, dtype=kind)
    q[0], q[1], q[2:4] = (span[0] + span[1]) / 2, T - 1, 1.0
    used, every = torch.zeros(M, C, dtype=torch.long), torch.arange(M)
    atoms, chosen = b.new_zeros(M, C * G, *b.shape[1:]), []
    for g in range(C * G):
        left = (b - _times(H, _field(q, F, T))).view(M, C, F, T)
        gain = (along_f @ left @ along_t.T) ** 2 / power
        gain[used >= G] = -1
        best = gain.flatten(1).argmax(1)
        c, i = best // gain[0, 0].numel(), best // len(of_t) % len(of_f)
        j, place = best % len(of_t), used[every, c]
        q[0, every, c, place], q[2, every, c, place] = of_f[i, 1], of_f[i, 0]
        q[1, every, c, place], q[3, every, c, place] = of_t[j, 1], of_t[j, 0]
        atoms[every, g, c] = (along_f[i].unsqueeze(2) * along_t[j].unsqueeze(1)).flatten(1)
        chosen.append((c, place))
        used[every, c] += 1
        weights = _best_weights(H, b, atoms[:, : g + 1])
        for h, (channel, at) in enumerate(chosen):
            q[4, every, channel, at] = weights[:, h]
    return q


def _powers(H: Tensor, along_f: Tensor, along_t: Tensor) -> Tensor:
    """a'Ha of each atom of one channel, (atoms along f, atoms along t), positive."""
    F, T = along_f.shape[1], along_t.shape[1]
    h, found = H.reshape(F, T, F, T), []
    for atoms in along_f.split(ATOMS_AT_ONCE):
        # Neighbours of one width see few of the bands: only those are multiplied.
        seen = (atoms > NOTHING * atoms.amax(1, keepdim=True)).any(0).nonzero()[:, 0]
        first, last = int(seen[0]), int(seen[-1]) + 1
        atoms, part = atoms[:, first:last], h[first:last, :, first:last]
        half = (atoms @ part.reshape(last - first, -1)).view(len(atoms), T, last - first, T)
        of_lags = torch.einsum("atgu,ag->atu", half, atoms)
        found.append(((along_t @ of_lags) * along_t).sum(2))
    return torch.cat(found).clamp(min=torch.finfo(H.dtype).tiny)


def _best_weights(H: Tensor, b: Tensor, atoms: Tensor) -> Tensor:
    """Weights (M, K) with which the atoms (M, K, C, F T) of each neuron predict best."""
    M, K = atoms.shape[:2]
    H_atoms = _times(H, atoms.flatten(0, 1)).view(M, K, -1)
    flat = atoms.view(M, K, -1)
    square = H_atoms @ flat.transpose(1, 2)
    diagonal = square.diagonal(dim1=1, dim2=2)
    square = square + torch.diag_embed(SHRINK_WEIGHTS * diagonal + torch.finfo(H.dtype).tiny)
    return torch.linalg.solve(square, flat @ b.reshape(M, -1, 1))[..., 0]


def _polished(H: Tensor, b: Tensor, q: Tensor, F: int, T: int, span: tuple[int, int]) -> Tensor:
    """Gaussians after Levenberg-Marquardt steps, each neuron with a damping of its own."""
    M, C, G = q.shape[1:]
    low = torch.tensor([span[0], 0, LEAST_SIGMA, LEAST_SIGMA, -math.inf], dtype=q.dtype).view(5, 1, 1, 1)
    widest = [max(WIDEST_SHARE * size, LEAST_SIGMA) for size in (F, T)]
    high = torch.tensor([span[1], T - 1, *widest, math.inf], dtype=q.dtype).view(5, 1, 1, 1)
    error, Hk = _error(q, b, H, F, T)
    damping = torch.full((M,), FIRST_DAMPING, dtype=q.dtype)
    live = torch.ones(M, dtype=torch.bool)
    for _ in range(STEPS):
        n = live.nonzero()[:, 0]
        if len(n) == 0:
            break
        J = _jacobian(q[:, n], F, T)
        A, slope = _normal_equations(J, H, b[n] - Hk[n])
        diagonal = A.diagonal(dim1=1, dim2=2)
        diagonal = diagonal + 1e-9 * diagonal.amax(1, keepdim=True) + torch.finfo(A.dtype).tiny
        before, trying = error[n].clone(), torch.arange(len(n))
        for _ in range(TRIES):
            m = n[trying]
            damped = A[trying] + torch.diag_embed(damping[m, None] * diagonal[trying])
            step = torch.linalg.solve(damped, slope[trying]).view(len(m), C, 5, G).permute(2, 0, 1, 3)
            step[:2].clamp_(-MOST_BINS_MOVED, MOST_BINS_MOVED)
            step[2:4].clamp_(-MOST_WIDENED, MOST_WIDENED)
            there = torch.minimum(torch.maximum(q[:, m] + step, low), high)
            error_there, Hk_there = _error(there, b[m], H, F, T)
            better = error_there < error[m]
            won = m[better]
            q[:, won], error[won], Hk[won] = there[:, better], error_there[better], Hk_there[better]
            damping[won] = (damping[won] / LESS).clamp(min=LEAST_DAMPING)
            damping[m[~better]] *= MORE
            trying = trying[~better]
            if len(trying) == 0:
                break
        live[n] = (before - error[n]) > ENOUGH * error[n].abs()
    return q


def _normal_equations(J: Tensor, H: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """J H J' (M, C P, C P) and the slope J (b - Hk), (M, C P), of Jacobians J (M, C, P, F T)."""
    M, C, P, _ = J.shape
    A = J.new_empty(M, C, P, C, P)
    for c in range(C):
        for d in range(c, C):
            block = (J[:, c].flatten(0, 1) @ H[c, :, d]).view(M, P, -1) @ J[:, d].transpose(1, 2)
            A[:, c, :, d] = block
            A[:, d, :, c] = block.transpose(1, 2)
    return A.view(M, C * P, C * P), (J @ left.unsqueeze(-1)).reshape(M, C * P)
