"""Scores of a prediction: what the correlation sees, and what it does not."""

import math

import pytest
import torch

from deepstrf.metrics import corrcoef, fve
from deepstrf_widgets.session.scores import Scores

RECORDED = torch.tensor([0.0, 2.0, 4.0, 2.0])


def score(predicted, recorded=RECORDED[None, None, None]):
    return Scores(recorded).of(torch.as_tensor(predicted)[None], 0)


# Mean 2, variance 2 of the recorded response; the numbers follow from 1 - mean((y - x)^2) / 2 by hand, and are those of
# the browser's test.
@pytest.mark.parametrize(
    ("predicted", "r", "explained", "bias", "mismatch"),
    [
        ([0.0, 2.0, 4.0, 2.0], 1, 1, 0, ""),
        ([1.8, 2.0, 2.2, 2.0], 1, 0.19, 0, "too flat"),
        ([-2.0, 2.0, 6.0, 2.0], 1, 0, 0, "too steep"),
        ([2.0, 4.0, 6.0, 4.0], 1, -1, 1, "mean too high"),
        ([-2.0, 0.0, 2.0, 0.0], 1, -1, -1, "mean too low"),
        ([4.0, 2.0, 0.0, 2.0], -1, -3, 0, "too steep"),
    ],
)
def test_a_label_says_why_the_variance_explained_is_less_than_the_correlation(predicted, r, explained, bias, mismatch):
    got = score(predicted)
    assert got.r == pytest.approx(r, abs=1e-6)
    assert got.explained == pytest.approx(explained, abs=1e-6)
    assert got.rate_bias == pytest.approx(bias, abs=1e-6)
    assert (got.mismatch, got.normalized, got.normalized_explained) == (mismatch, None, None)


def test_the_variance_explained_is_that_of_the_metrics_over_recorded_bins():
    generator = torch.Generator().manual_seed(0)
    recorded = torch.rand(2, 1, 3, 40, generator=generator)
    recorded[0, 0, :, 5:9] = torch.nan
    recorded[1, 0, 1, 20:] = torch.nan
    predicted = torch.rand(2, 40, generator=generator)
    got = Scores(recorded).of(predicted, 0)
    assert got.explained == pytest.approx(fve(predicted[:, None, None], recorded, reduction="none").item(), rel=1e-5)
    assert got.normalized_explained is None  # gaps and several sounds: the trials do not tell it


def test_of_the_variance_that_is_no_noise_the_truth_explains_all():
    generator = torch.Generator().manual_seed(1)
    truth = 2 + torch.randn(4000, generator=generator)
    recorded = truth + 3 * torch.randn(1, 1, 10, 4000, generator=generator)
    got = Scores(recorded).of(truth[None], 0)
    # Noise of variance 9 / 10 in the mean over trials, beside a signal of variance 1.
    assert got.explained == pytest.approx(1 - 0.9 / 1.9, abs=0.03)
    assert got.normalized_explained == pytest.approx(1.0, abs=0.06)


def test_what_is_undefined_is_nan():
    assert math.isnan(score([1.0, 2.0, 3.0, 4.0], torch.full((1, 1, 1, 4), 3.0)).explained)
    nothing = score([1.0, 2.0, 3.0, 4.0], torch.full((1, 1, 1, 4), torch.nan))
    assert math.isnan(nothing.explained)
    assert math.isnan(nothing.rate_bias)
    silent = score([1.0, 2.0, 3.0, 4.0], torch.zeros(1, 1, 1, 4))
    assert math.isnan(silent.rate_bias)


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y: (x, y),
        lambda x, y: (x, y.index_fill(-1, torch.tensor([3, 4, 9]), torch.nan)),
        lambda x, y: (x, torch.full_like(y, torch.nan)),
        lambda x, y: (x, torch.full_like(y, 0.1)),
        lambda x, y: (torch.full_like(x, 0.1), y),
        lambda x, y: (x.index_fill(-1, torch.tensor([5]), torch.nan), y),
        lambda x, y: (x.index_fill(-1, torch.tensor([5]), torch.inf), y),
        lambda x, y: (1e200 * x, y),
        lambda x, y: (1e-200 * x, y),
        lambda x, y: (1e6 + 1e-6 * x, y),
        lambda x, y: (x, 1e-9 * y),
    ],
)
def test_the_correlation_and_the_variance_explained_are_those_of_the_metrics(change):
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(2, 50, generator=draw, dtype=torch.float64)
    predicted, responses = change(x, x[:, None, None] + torch.rand(2, 1, 3, 50, generator=draw, dtype=torch.float64))
    score = Scores(responses).of(predicted, 0)
    pair = predicted[:, None, None], responses
    wanted = corrcoef(*pair, reduction="none")[0], fve(*pair, reduction="none")[0]
    for value, truth in zip((score.r, score.explained), wanted, strict=True):
        assert value == pytest.approx(float(truth), rel=1e-6, abs=1e-9, nan_ok=True)


def test_scores_of_another_model_share_the_trials_and_nothing_of_the_prediction():
    generator = torch.Generator().manual_seed(1)
    rate, others = torch.rand(2, 1, 50, generator=generator)
    responses = (rate + 0.1 * torch.rand(1, 2, 4, 50, generator=generator)).contiguous()
    mine = rate + 0.2
    live = Scores(responses)
    of_mine = live.of(mine, 1)
    another = live.of_another()
    assert another.of(others, 1) == Scores(responses).of(others, 1) != of_mine
    assert live.of(mine, 1) is of_mine
