"""The Gaussian process of a field: its products, evidence and covariance against dense linear algebra."""

from __future__ import annotations

import pytest
import torch

from deepstrf.training.local_prior import (
    Information,
    LocalPrior,
    covariance,
    hyperparameters,
    mean_and_spread,
)

BANDS, LAGS = 5, 4
DOUBLE = torch.float64


def problem(channels: int = 1, rank: int = 12, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    prior = LocalPrior([torch.arange(BANDS, dtype=DOUBLE)] * channels, LAGS, BANDS)
    K = BANDS * LAGS * channels
    w = torch.randn(K, generator=g, dtype=DOUBLE)
    theta = prior.start(w) + 0.3 * torch.randn(8 * channels, generator=g, dtype=DOUBLE)
    basis, _ = torch.linalg.qr(torch.randn(K, rank, generator=g, dtype=DOUBLE))
    half = torch.randn(rank, 3 * rank, generator=g, dtype=DOUBLE)
    J = half @ half.mT
    return prior, theta, w, Information(basis, J @ (basis.mT @ w), J)


@pytest.mark.parametrize("channels", [1, 2])
def test_products_with_the_prior_are_those_of_its_matrix(channels):
    prior, theta, _, known = problem(channels)
    C = prior.dense(theta)
    torch.testing.assert_close(prior.times(theta, known.basis), C @ known.basis)
    assert torch.linalg.eigvalsh(C).min() > 0
    if channels == 2:
        assert C[: BANDS * LAGS, BANDS * LAGS :].abs().max() == 0


def test_the_prior_is_written_as_its_formula_says():
    prior, theta, _, _ = problem()
    C, th = prior.dense(theta), theta.tolist()

    def matern(x):
        r = torch.tensor(5 * x * x + 1e-10, dtype=DOUBLE).sqrt()
        return (1 + r + r * r / 3) * torch.exp(-r)

    def window(f, t):
        g = torch.exp(torch.tensor(-(((f - th[3]) / 2) ** 2)) / torch.tensor(2 * th[5]).exp().double())
        g = g * torch.exp(torch.tensor(-(((t - th[4]) / 2) ** 2)) / torch.tensor(2 * th[6]).exp().double())
        return g + torch.tensor(th[7], dtype=DOUBLE).exp()

    scale = [torch.tensor(-x, dtype=DOUBLE).exp().item() for x in th[1:3]]
    for i, j in ((0, 0), (3, 17), (8, 6)):
        (f, t), (g, s) = divmod(i, LAGS), divmod(j, LAGS)
        shared = matern((f - g) * scale[0]) * matern((t - s) * scale[1]) + 1e-4 * (i == j)
        expected = torch.tensor(th[0], dtype=DOUBLE).exp() * window(f, t) * window(g, s) * shared
        torch.testing.assert_close(C[i, j], expected, rtol=1e-5, atol=1e-12)


def test_mean_and_spread_are_those_of_the_dense_posterior():
    prior, theta, _, known = problem(2)
    E, C = known.basis, prior.dense(theta)
    V = torch.linalg.inv(torch.linalg.inv(C) + E @ known.J @ E.mT)
    mean, spread = mean_and_spread(prior, theta, known)
    torch.testing.assert_close(mean, V @ E @ known.h, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(spread, E.mT @ V @ E, rtol=1e-5, atol=1e-8)


def test_the_evidence_does_not_fall_and_its_slope_ends_small():
    prior, theta, _, known = problem()

    def evidence(th):
        C, E = prior.dense(th), known.basis
        S = torch.linalg.inv(known.J) + E.mT @ C @ E  # of the estimate J^-1 h of the weights along E
        v = torch.linalg.solve(known.J, known.h)
        fit = -(torch.linalg.slogdet(S)[1] + v @ torch.linalg.solve(S, v)) / 2
        return fit - ((th - centre) / prior.spread()).square().sum() / 2

    centre = theta
    found = hyperparameters(prior, known, theta, centre, 60)
    assert evidence(found) > evidence(theta)
    th = found.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(evidence(th), th)
    start = theta.clone().requires_grad_(True)
    (first,) = torch.autograd.grad(evidence(start), start)
    assert slope.norm() < 0.05 * first.norm()


def test_the_joint_covariance_is_that_of_the_dense_information():
    """With shift and curve free, and the prior's pull along the field's size taken out."""
    prior, theta, _, known = problem()
    g = torch.Generator().manual_seed(5)
    K = BANDS * LAGS
    scale, E = 1.3, known.basis
    w = scale * mean_and_spread(prior, theta, known)[0]
    P = torch.linalg.inv(prior.dense(theta) * scale**2)
    a = P @ w
    cross = E @ torch.randn(12, 3, generator=g, dtype=DOUBLE)
    inner = cross.mT @ torch.linalg.pinv(E @ known.J @ E.mT) @ cross + torch.eye(3, dtype=DOUBLE)
    A = torch.zeros(K + 3, K + 3, dtype=DOUBLE)
    A[:K, :K] = E @ known.J @ E.mT + P - a[:, None] * a / (w @ a)
    A[:K, K:], A[K:, :K], A[K:, K:] = cross, cross.mT, inner
    expected = torch.linalg.inv(A)[:K, :K]
    got = covariance(prior, theta, scale, known, torch.cat([a, (w @ a)[None]]), cross, inner)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-7)
