"""Losses and scores for any sizes, types and memory layouts, with anything missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deepstrf.metrics import (
    coherence,
    compute_CCmax,
    compute_TTRC,
    corrcoef,
    fve,
    mse_loss,
    noise_power,
    normalized_corrcoef,
    poisson_loss,
    signal_power,
    snr,
)
from tests.layouts import layouts_of

Score = Callable[[Tensor, Tensor], Tensor]
SCORES: dict[str, Score] = {
    "mse": lambda pred, y: mse_loss(pred, y, reduction="none"),
    "poisson": lambda pred, y: poisson_loss(pred, y, reduction="none"),
    "poisson of a log": lambda pred, y: poisson_loss(pred, y, log_input=True, reduction="none"),
    "corrcoef": lambda pred, y: corrcoef(pred, y, reduction="none"),
    "fve": lambda pred, y: fve(pred, y, reduction="none"),
    "schoppe": lambda pred, y: normalized_corrcoef(pred, y, "schoppe", reduction="none"),
    "hsu": lambda pred, y: normalized_corrcoef(pred, y, "hsu", reduction="none"),
    "signal power": lambda pred, y: signal_power(y),
    "noise power": lambda pred, y: noise_power(y),
    "snr": lambda pred, y: snr(y),
    "CCmax": lambda pred, y: compute_CCmax(y),
    "TTRC": lambda pred, y: compute_TTRC(y),
    "coherence": lambda pred, y: coherence(pred, y, 5.0).values[:, 0],
}
every_score = pytest.mark.parametrize("name", SCORES)
sizes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(4, 40))


def responses(shape: tuple[int, int, int, int], missing: float, seed: int) -> tuple[Tensor, Tensor]:
    """A prediction and responses that share a signal, with the given part of the bins missing."""
    B, N, R, T = shape
    g = torch.Generator().manual_seed(seed)
    signal = torch.rand(B, N, 1, T, generator=g, dtype=torch.float64)
    y = signal + torch.rand(B, N, R, T, generator=g, dtype=torch.float64)
    y[torch.rand(y.shape, generator=g) < missing] = torch.nan
    return signal + 0.3 * torch.rand(B, N, 1, T, generator=g, dtype=torch.float64), y


@every_score
@settings(max_examples=15)
@given(data=st.data(), shape=sizes, missing=st.sampled_from([0.0, 0.3, 0.9]), seed=st.integers(0, 99))
def test_any_size_type_and_layout(
    name: str, data: st.DataObject, shape: tuple[int, int, int, int], missing: float, seed: int
) -> None:
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16]), "dtype")
    pred, y = (x.to(dtype) for x in responses(shape, missing, seed))
    expected = SCORES[name](pred, y)
    assert expected.shape == (shape[1],)
    assert expected.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    views = (data.draw(layouts_of(x), "layout") for x in (pred, y))
    torch.testing.assert_close(SCORES[name](*views), expected, rtol=1e-4, atol=1e-4, equal_nan=True)


@every_score
@settings(max_examples=6)
@given(shape=sizes, missing=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 99))
def test_neurons_do_not_see_each_other(name: str, shape: tuple[int, int, int, int], missing: float, seed: int) -> None:
    pred, y = responses(shape, missing, seed)
    together = SCORES[name](pred, y)
    for n in range(shape[1]):
        alone = SCORES[name](pred[:, [n]], y[:, [n]])[0]
        torch.testing.assert_close(alone, together[n], rtol=1e-7, atol=1e-9, equal_nan=True)


@every_score
def test_gradients_by_the_prediction(name: str) -> None:
    pred, y = responses((2, 3, 4, 12), 0.2, 0)
    pred.requires_grad_()
    if name in ("signal power", "noise power", "snr", "CCmax", "TTRC"):
        assert not SCORES[name](pred, y).requires_grad
    else:
        assert torch.autograd.gradcheck(lambda p: SCORES[name](p, y), pred)
