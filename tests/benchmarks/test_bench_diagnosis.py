"""How long the diagnosis of a large population takes: 119 neurons, a minute in bins of 5 ms, ten trials."""

import time

import pytest
import torch

from deepstrf.analysis import diagnose
from deepstrf.models import LinearNonlinear

N, B, F, T, LAGS, R = 119, 12, 34, 1000, 20, 10
CORES, SLOWEST_S = 2, 5.0


@pytest.mark.benchmark(timer=time.process_time)
def test_a_large_population_takes_seconds(benchmark):
    """Processor time, all threads together, so that a busy machine makes no difference."""
    model = LinearNonlinear(F, LAGS, out_neurons=N).eval()
    stimuli = torch.rand(B, 1, F, T, generator=torch.Generator().manual_seed(0))
    responses = torch.poisson(torch.rand(B, N, R, T), generator=torch.Generator().manual_seed(1))
    rounds = {"rounds": 1} if benchmark.disabled else {"rounds": 2, "warmup_rounds": 1}
    found = benchmark.pedantic(diagnose, args=(model, stimuli, responses), **rounds)
    assert not found
    if not benchmark.disabled:
        assert benchmark.stats.stats.min < CORES * SLOWEST_S
