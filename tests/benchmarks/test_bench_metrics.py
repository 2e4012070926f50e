"""How long the scores of 500 neurons take: 8 stimuli, 10 repeats, 400 bins."""

import time

import pytest
import torch

from deepstrf.metrics import coherence, compute_CCmax, compute_TTRC, corrcoef, fve, normalized_corrcoef, snr

B, N, R, T = 8, 500, 10, 400
CORES, SLOWEST_S = 2, 1.0

SCORES = {
    "corrcoef": corrcoef,
    "fve": fve,
    "schoppe": lambda pred, gt: normalized_corrcoef(pred, gt, "schoppe"),
    "hsu": lambda pred, gt: normalized_corrcoef(pred, gt, "hsu"),
    "CCmax": lambda pred, gt: compute_CCmax(gt),
    "TTRC": lambda pred, gt: compute_TTRC(gt),
    "snr": lambda pred, gt: snr(gt),
    "coherence": lambda pred, gt: coherence(pred, gt, 5.0).values,
}


@pytest.fixture(scope="module")
def data() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    signal = torch.randn(B, N, 1, T, generator=g)
    return signal, signal + torch.randn(B, N, R, T, generator=g)


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", SCORES)
def test_a_large_population_takes_under_a_second(benchmark, data, name):
    """Processor time, all threads together, so that a busy machine makes no difference."""
    value = benchmark.pedantic(SCORES[name], args=data, rounds=2, warmup_rounds=1)
    assert value.isfinite().all()
    if not benchmark.disabled:
        assert benchmark.stats.stats.min < CORES * SLOWEST_S
