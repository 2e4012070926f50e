"""Every argument of every loss and score, spoilt one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from deepstrf.metrics import (
    coherence,
    compute_CCmax,
    compute_TTRC,
    corrcoef,
    fve,
    half_splits,
    mse_loss,
    noise_power,
    normalized_corrcoef,
    poisson_loss,
    signal_power,
    snr,
)
from tests.refusals import Cases, assert_refused, refusals

PAIR = {"pred": torch.rand(2, 3, 1, 40), "gt": torch.rand(2, 3, 4, 40)}
REPEATS = {"responses": torch.rand(2, 3, 4, 40)}
PAIR_KINDS = {"pred": "tensor", "gt": "tensor", "mask": "mask", "reduction": "choice"}
REPEATS_KINDS = {"responses": "tensor", "mask": "mask", "reduction": "choice"}
POOLED_KINDS = {**REPEATS_KINDS, "pooling": "choice"}

CASES: Cases = {
    mse_loss: (PAIR, PAIR_KINDS),
    poisson_loss: (PAIR, {**PAIR_KINDS, "eps": "positive"}),
    corrcoef: (PAIR, {**PAIR_KINDS, "pooling": "choice"}),
    fve: (PAIR, PAIR_KINDS),
    normalized_corrcoef: (
        {"pred": PAIR["pred"], **REPEATS, "method": "hsu"},
        {"pred": "tensor", **POOLED_KINDS, "method": "choice", "n_splits": "size"},
    ),
    signal_power: (REPEATS, POOLED_KINDS),
    noise_power: (REPEATS, POOLED_KINDS),
    snr: (REPEATS, POOLED_KINDS),
    compute_CCmax: (REPEATS, {**POOLED_KINDS, "n_splits": "size", "seed": "whole"}),
    compute_TTRC: (REPEATS, REPEATS_KINDS),
    coherence: (
        {**PAIR, "dt_ms": 5.0},
        {"pred": "tensor", "gt": "tensor", "mask": "mask", "dt_ms": "positive", "segment_bins": "optional size"},
    ),
    half_splits: ({"repeats": 4}, {"repeats": "size", "n_splits": "size", "seed": "whole"}),
}


@pytest.mark.parametrize(("function", "good", "name", "values"), refusals(CASES))
def test_a_bad_argument_is_named(
    function: Callable[..., Any], good: dict[str, Any], name: str, values: tuple[Any, ...]
) -> None:
    assert_refused(function, good, name, values)
