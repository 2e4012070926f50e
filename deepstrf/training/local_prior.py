"""Posterior of weights that are local and smooth: a Gaussian process whose hyperparameters the evidence chooses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PER_CHANNEL = 8
"""Hyperparameters of a channel: log amplitude; log lengths, centres and log widths in bands and in lags; log floor."""

NUGGET = 1e-4
"""Part of the prior variance that neighbours do not share: a prior without is singular to rounding."""


@dataclass(frozen=True, eq=False)
class LocalPrior:
    r"""Prior covariance of the weights of C channels, each local and smooth, and independent of the others.

    :math:`a\, d_i d_j (M(\Delta f / l_f)\, M(\Delta t / l_t) + 10^{-4} \delta_{ij})` with Matern correlations M of
    order 5/2 along bands and along lags, and :math:`d = g(f)\, g(t) + \epsilon` for Gaussian windows g: where the
    window is, weights are large, and far from it nearly 0.

    Attributes
    ----------
    bands : sequence of Tensor, shape (F_c,)
        Numbers of the bands of each channel, float64.
    n_lags : int
        T. The weights of a channel stand band by band, F_c times T of them.
    n_bands : int
        Of the whole axis: it sets the first guess of the window, and how far it may wander.
    """

    bands: Sequence[Tensor]
    n_lags: int
    n_bands: int

    def sizes(self) -> list[int]:
        """Number of weights of each channel."""
        return [len(bands) * self.n_lags for bands in self.bands]

    def spread(self) -> Tensor:
        """Standard deviations of the weak prior of the hyperparameters, (C times 8,)."""
        one = [3.0, 0.7, 0.7, self.n_bands / 4, self.n_lags / 4, 0.7, 0.7, 1.0]
        return torch.tensor(one * len(self.bands), dtype=torch.float64)

    def start(self, w: Tensor) -> Tensor:
        """First hyperparameters (C times 8,) for weights that look like ``w`` (K,)."""
        parts, lags = [], torch.arange(self.n_lags, dtype=torch.float64)
        for bands, field in zip(self.bands, w.split(self.sizes()), strict=True):
            field = field.view(len(bands), self.n_lags)
            mass = field.abs() ** 3
            size = mass.sum()
            mass = mass / size if size > 0 else torch.full_like(mass, 1 / mass.numel())
            amplitude = torch.maximum(field.square().mean(), 1e-3 * w.square().mean()).clamp(min=1e-300)
            parts += [
                math.log(15 * float(amplitude)), math.log(2.0), math.log(1.7),
                float(mass.sum(1) @ bands), float(mass.sum(0) @ lags),
                math.log(self.n_bands / 5), math.log(self.n_lags / 6), math.log(0.03),
            ]  # fmt: skip
        return torch.tensor(parts, dtype=torch.float64)

    def _factors(self, theta: Tensor) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Amplitude, correlations along bands and along lags, and window of each channel."""
        lags = torch.arange(self.n_lags, dtype=torch.float64)
        made = []
        for bands, th in zip(self.bands, theta.view(-1, PER_CHANNEL), strict=True):
            along_f, along_t = (
                _matern((place[:, None] - place) * (-log).exp()) for place, log in ((bands, th[1]), (lags, th[2]))
            )
            near_f, near_t = (
                (-(((place - centre) * (-log).exp() / 2) ** 2)).exp()
                for place, centre, log in ((bands, th[3], th[5]), (lags, th[4], th[6]))
            )
            made.append((th[0].exp(), along_f, along_t, near_f[:, None] * near_t + th[7].exp()))
        return made

    def times(self, theta: Tensor, x: Tensor) -> Tensor:
        """Covariance times ``x`` (K, r)."""
        products = []
        for (amplitude, along_f, along_t, window), part in zip(
            self._factors(theta), x.split(self.sizes()), strict=True
        ):
            seen = part.view(*window.shape, -1) * window[..., None]
            smooth = torch.einsum("fg,gtr->ftr", along_f, torch.einsum("ts,gsr->gtr", along_t, seen))
            products.append((amplitude * window[..., None] * (smooth + NUGGET * seen)).flatten(0, 1))
        return torch.cat(products)

    def dense(self, theta: Tensor) -> Tensor:
        """Covariance (K, K)."""
        blocks = []
        for amplitude, along_f, along_t, window in self._factors(theta):
            d, own = window.flatten(), NUGGET * torch.eye(window.numel(), dtype=window.dtype)
            blocks.append(amplitude * d[:, None] * (torch.kron(along_f, along_t) + own) * d)
        return torch.block_diag(*blocks)


def _matern(distance: Tensor) -> Tensor:
    """Matern correlation of order 5/2 at a distance in lengths."""
    r = (5 * distance.square() + 1e-10).sqrt()
    return (1 + r + r.square() / 3) * (-r).exp()


@dataclass(frozen=True, eq=False)
class Information:
    r"""Quadratic log likelihood :math:`h^T w - w^T J w / 2` of weights w (K,), known along a few directions.

    Attributes
    ----------
    basis : Tensor, shape (K, r)
        Orthonormal directions; of the others the data say nothing.
    h : Tensor, shape (r,)
    J : Tensor, shape (r, r)
    """

    basis: Tensor
    h: Tensor
    J: Tensor

    def root(self) -> tuple[Tensor, Tensor]:
        """R (K, r) with J = R R^T, and u (r,) with h = R u."""
        J = (self.J + self.J.mT) / 2
        L = torch.linalg.cholesky(J + 1e-8 * J.diagonal().mean() * torch.eye(len(J), dtype=J.dtype))
        return self.basis @ L, torch.linalg.solve_triangular(L, self.h[:, None], upper=False)[:, 0]


def hyperparameters(prior: LocalPrior, known: Information, theta: Tensor, centre: Tensor, iterations: int) -> Tensor:
    """Hyperparameters of the largest evidence, from ``theta`` on; ``centre`` is the mean of their own weak prior.

    References
    ----------
    Sahani & Linden (2003), NIPS 15 (evidence of receptive fields); Park & Pillow (2011), PLOS Comput. Biol. 7:e1002219
    (locality).
    """
    R, u = known.root()
    eye, spread = torch.eye(R.shape[1], dtype=R.dtype), prior.spread()
    theta = theta.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=iterations, max_eval=2 * iterations, line_search_fn="strong_wolfe", tolerance_change=1e-3
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        L = torch.linalg.cholesky(R.mT @ prior.times(theta, R) + eye)
        v = torch.linalg.solve_triangular(L, u[:, None], upper=False)
        value = v.square().sum() / 2 + L.diagonal().log().sum() + ((theta - centre) / spread).square().sum() / 2
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return theta.detach()


def mean_and_spread(prior: LocalPrior, theta: Tensor, known: Information) -> tuple[Tensor, Tensor]:
    """Posterior mean (K,) and covariance along the known directions (r, r)."""
    R, u = known.root()
    CR, M = _solvable(prior, theta, R)
    mean = CR @ torch.cholesky_solve(u[:, None], M)[:, 0]
    CE, ER = prior.times(theta, known.basis), known.basis.mT @ CR
    return mean, known.basis.mT @ CE - ER @ torch.cholesky_solve(ER.mT, M)


def covariance(
    prior: LocalPrior, theta: Tensor, scale: float, known: Information, pull: Tensor, cross: Tensor, inner: Tensor
) -> Tensor:
    """Covariance (K, K) of the weights together with other parameters, free of what the prior says of their size.

    Parameters
    ----------
    scale : float
        By which the weights have been multiplied since the prior was chosen.
    pull : Tensor, shape (K + 1,)
        Gradient of the prior at the weights, and its product with them.
    cross, inner : Tensor, shapes (K, Q) and (Q, Q)
        Information that weights and other parameters share, and that of the others.
    """
    R, _ = known.root()
    R = R * scale
    CR, M = _solvable(prior, theta, R)
    S = scale**2 * (prior.dense(theta) - CR @ torch.cholesky_solve(CR.mT, M))
    a, size = pull[:-1], pull[-1]
    U = torch.cat([a[:, None], cross], 1)
    SU = S @ U
    small = torch.block_diag(size[None, None], inner) - U.mT @ SU
    small = (small + small.mT) / 2
    values, vectors = torch.linalg.eigh(small)
    # Positive, as the joint information is, up to rounding.
    values = values.clamp(min=1e-9 * float(values.abs().max()))
    S = S + (SU @ vectors / values) @ vectors.mT @ SU.mT
    return (S + S.mT) / 2


def _solvable(prior: LocalPrior, theta: Tensor, R: Tensor) -> tuple[Tensor, Tensor]:
    """C R (K, r), and the Cholesky factor of I + R^T C R."""
    CR = prior.times(theta, R)
    M = R.mT @ CR
    return CR, torch.linalg.cholesky((M + M.mT) / 2 + torch.eye(len(M), dtype=M.dtype))
