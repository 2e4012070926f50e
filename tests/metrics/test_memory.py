"""Scores of large recordings take little memory beside them, and are those of each neuron alone."""

import pytest
import torch

from deepstrf import metrics
from deepstrf.metrics import pooling
from tests.resident import peak_bytes

B, N, T = 2, 12, 300
SCORES = {
    **dict.fromkeys(("mse_loss", "poisson_loss", "corrcoef", "fve", "normalized_corrcoef", "coherence"), 2),
    **dict.fromkeys(("signal_power", "noise_power", "snr", "compute_CCmax", "compute_TTRC"), 1),
}


def simulated(neurons, bins, trials):
    generator = torch.Generator().manual_seed(0)
    drive = torch.rand(B, neurons, 1, bins, generator=generator) * 3
    responses = torch.poisson(drive.expand(-1, -1, trials, -1), generator=generator)
    responses[0, ::2, :, bins - 50 :] = torch.nan
    responses[1, 1::3, 2:] = torch.nan
    return drive, responses, torch.rand(neurons, 1, bins, generator=generator) > 0.2


def score(name, drive, responses, mask=None):
    arguments = (drive, responses) if SCORES[name] == 2 else (responses,)
    if name == "coherence":
        return metrics.coherence(*arguments, dt_ms=5.0, mask=mask, segment_bins=8).values
    return getattr(metrics, name)(*arguments, mask=mask, reduction="none")


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("name", SCORES)
def test_some_neurons_at_a_time_score_as_all_at_once(name, with_mask, monkeypatch):
    drive, responses, mask = simulated(N, T, 4)
    mask = mask if with_mask else None
    at_once = score(name, drive, responses, mask)
    monkeypatch.setattr(pooling, "NUMBERS_AT_ONCE", 3 * responses[:, 0].numel())
    torch.testing.assert_close(score(name, drive, responses, mask), at_once, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_a_score_takes_less_than_three_times_the_memory_of_the_recording(name):
    """It took up to six times as much."""
    drive, responses, _ = simulated(100, 20_000, 4)
    with torch.no_grad():
        score(name, drive[:, :2], responses[:, :2])
        peak, _ = peak_bytes(lambda: score(name, drive, responses))
    assert peak < 3 * (responses.nbytes if SCORES[name] == 1 else responses.nbytes + drive.nbytes)


def test_gradients_pass_through_some_neurons_at_a_time(monkeypatch):
    drive, responses, _ = simulated(N, T, 4)
    grads = []
    for at_once in (2**20, 3 * responses[:, 0].numel()):
        monkeypatch.setattr(pooling, "NUMBERS_AT_ONCE", at_once)
        pred = drive.clone().requires_grad_()
        metrics.poisson_loss(pred, responses).backward()
        grads.append(pred.grad)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("mask", [torch.ones(5, dtype=torch.bool), torch.ones(3, 1, 1, T, dtype=torch.bool)])
def test_a_mask_that_does_not_fit_is_refused_in_parts_too(mask, monkeypatch):
    drive, responses, _ = simulated(N, T, 4)
    monkeypatch.setattr(pooling, "NUMBERS_AT_ONCE", 3 * responses[:, 0].numel())
    with pytest.raises(ValueError, match="mask must broadcast"):
        metrics.mse_loss(drive, responses, mask=mask)
