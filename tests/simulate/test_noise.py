"""Spikes are Poisson, and their signal-to-noise ratio is the one that is said."""

import math

import numpy as np
import pytest
import torch

from deepstrf.metrics import snr
from deepstrf.simulate import expected_snr, poisson_spikes


def rates():
    """Two stimuli of unequal length, three neurons, (2, 3, 1, 400)."""
    time = torch.arange(400.0)
    rate = torch.stack([0.5 + 0.4 * torch.sin(time / 9 + n) * (1 + n) / 3 for n in range(3)])
    both = torch.stack([rate, 2.0 * rate.flip(-1)])[:, :, None]
    both[1, ..., 250:] = torch.nan
    return both


def test_counts_have_the_mean_and_variance_of_poisson_ones():
    rate = torch.rand(1, 2, 1, 300) * 2
    counts = poisson_spikes(rate, 400, seed=3)
    assert counts.shape == (1, 2, 400, 300)
    assert torch.equal(counts, counts.round())
    z = (counts - rate) / rate.sqrt()
    # A count has mean and variance m; (k - m)^2 / m has variance 2 + 1/m. 240 000 of them, checked at 4 errors.
    assert abs(z.mean().item()) < 4 / math.sqrt(z.numel())
    assert abs(z.square().mean().item() - 1) < 4 * math.sqrt((2 + 1 / rate).mean().item() / z.numel())


def test_trials_are_independent_and_seeded():
    rate = torch.full((1, 1, 1, 20000), 0.5)
    a = poisson_spikes(rate, 2, seed=1)
    correlation = torch.corrcoef(a[0, 0])[0, 1].item()
    assert abs(correlation) < 4 / math.sqrt(20000)
    state = torch.get_rng_state()
    assert torch.equal(a, poisson_spikes(rate, 2, seed=1))
    assert not torch.equal(a, poisson_spikes(rate, 2, seed=2))
    assert torch.equal(state, torch.get_rng_state())


def test_nothing_is_recorded_where_the_rate_is_nan():
    counts = poisson_spikes(rates(), 4)
    assert torch.equal(counts.isnan(), rates().isnan().expand(-1, -1, 4, -1))


def test_expected_snr_is_variance_over_mean():
    """Slow reference: within each stimulus, divisor T - 1, stimuli weighted with their bins."""
    values = rates().double().numpy()[:, :, 0]
    expected = []
    for n in range(3):
        pieces = [row[~np.isnan(row)] for row in values[:, n]]
        signal = sum(len(p) * p.var(ddof=1) for p in pieces)
        noise = sum(len(p) * p.mean() for p in pieces)
        expected.append(signal / noise)
    assert expected_snr(rates()).tolist() == pytest.approx(expected, rel=1e-5)


def test_the_metric_of_the_library_measures_the_expected_snr():
    """Mean of many independent estimates within 4 of its standard errors."""
    estimates = torch.stack([snr(poisson_spikes(rates(), 6, seed=seed), pooling="sounds") for seed in range(60)])
    error = estimates.std(0) / math.sqrt(60)
    assert ((estimates.mean(0) - expected_snr(rates())).abs() < 4 * error).all()
    assert (error < 0.004).all()  # the ratios are 0.03 to 0.24


def test_it_grows_with_the_rate_and_is_nan_for_a_silent_neuron():
    torch.testing.assert_close(expected_snr(3 * rates()), 3 * expected_snr(rates()))
    assert expected_snr(torch.zeros(1, 1, 1, 9)).isnan().all()
    assert expected_snr(torch.ones(1, 1, 1, 9)).tolist() == [0.0]


def test_errors():
    with pytest.raises(ValueError, match=r"rate must have shape \(B, N, 1, T\), got \(1, 1, 2, 3\)"):
        poisson_spikes(torch.zeros(1, 1, 2, 3), 1)
    with pytest.raises(ValueError, match=r"rate must have shape \(B, N, 1, T\), got \(1, 1, 2, 3\)"):
        expected_snr(torch.zeros(1, 1, 2, 3))
    with pytest.raises(ValueError, match="rate must be finite and at least 0 spikes per bin, got -2"):
        poisson_spikes(torch.tensor([[[[1.0, -2.0]]]]), 1)
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        poisson_spikes(torch.zeros(1, 1, 1, 3), 0)
    with pytest.raises(TypeError, match=r"rate must be a floating-point tensor, got torch\.int64"):
        expected_snr(torch.zeros(1, 1, 1, 3, dtype=torch.int64))
