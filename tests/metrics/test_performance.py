"""Scores of predictions against slow loops and closed forms, at any scale and under missing data."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.metrics import compute_CCmax, corrcoef, fve, normalized_corrcoef, summary

B, N, R, T = 3, 4, 5, 40


def data(seed: int = 0, missing: bool = True, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    signal = torch.randn(B, N, 1, T, dtype=dtype, generator=g)
    gt = signal + torch.randn(B, N, R, T, dtype=dtype, generator=g)
    pred = signal + 0.5 * torch.randn(B, N, 1, T, dtype=dtype, generator=g)
    if missing:
        gt[torch.rand(gt.shape, generator=g) < 0.2] = torch.nan
        gt[1, 0] = torch.nan
        gt[:, 1, 3] = torch.nan
        gt[2, :, :, 30:] = torch.nan
    return pred, gt


def pooled(pred, gt, n, mask=None):
    """The valid bins of neuron n as two lists, one bin at a time."""
    x, y = [], []
    for b in range(gt.shape[0]):
        for t in range(gt.shape[3]):
            values = [v for v in gt[b, n, :, t].tolist() if not math.isnan(v)]
            if values and (mask is None or mask[b, 0, 0, t]):
                x.append(pred[b, n, 0, t].item())
                y.append(sum(values) / len(values))
    return x, y


MASK = torch.rand(B, 1, 1, T, generator=torch.Generator().manual_seed(9)) < 0.7


@pytest.mark.parametrize("mask", [None, MASK])
def test_corrcoef_and_fve_equal_a_slow_loop(mask):
    pred, gt = data()
    r, f = (score(pred, gt, mask=mask, reduction="none") for score in (corrcoef, fve))
    for n in range(N):
        x, y = pooled(pred, gt, n, mask)
        assert r[n].item() == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-12)
        residual = sum((b - a) ** 2 for a, b in zip(x, y, strict=True))
        total = sum((b - sum(y) / len(y)) ** 2 for b in y)
        assert f[n].item() == pytest.approx(1 - residual / total, abs=1e-12)
    torch.testing.assert_close(corrcoef(pred, gt, mask=mask), r.mean())
    torch.testing.assert_close(fve(pred, gt, mask=mask, reduction="sum"), f.sum())


SCORES = {
    "corrcoef": corrcoef,
    "fve": fve,
    "schoppe": lambda p, y, **kw: normalized_corrcoef(p, y, "schoppe", **kw),
    "hsu": lambda p, y, **kw: normalized_corrcoef(p, y, "hsu", **kw),
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("scale", [1e-18, 1e-9, 1e9])
@pytest.mark.parametrize("missing", [False, True])
def test_the_unit_does_not_matter(name, scale, missing):
    pred, gt = data(missing=missing, dtype=torch.float32)
    expected = SCORES[name](pred, gt, reduction="none")
    assert expected.isfinite().all()
    torch.testing.assert_close(SCORES[name](scale * pred, scale * gt, reduction="none"), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_a_gain_and_a_shift_of_the_prediction_change_no_correlation(gain, shift, seed):
    pred, gt = data(seed)
    for name in ("corrcoef", "schoppe", "hsu"):
        a, b = (SCORES[name](p, gt, reduction="none") for p in (pred, gain * pred + shift))
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize("name", SCORES)
def test_order_of_repeats_stimuli_and_bins_is_irrelevant(name):
    pred, gt = data()
    expected = SCORES[name](pred, gt, reduction="none")
    for shuffled in (
        (pred, gt[:, :, [3, 1, 0, 4, 2]]),
        (pred[[2, 0, 1]], gt[[2, 0, 1]]),
        (pred.flip(-1), gt.flip(-1)),
    ):
        torch.testing.assert_close(SCORES[name](*shuffled, reduction="none"), expected)


@pytest.mark.parametrize("name", SCORES)
def test_a_mask_is_the_same_as_nan(name):
    pred, gt = data()
    masked = SCORES[name](pred, gt, mask=MASK, reduction="none")
    nan = torch.where(MASK, gt, torch.nan)
    torch.testing.assert_close(masked, SCORES[name](pred, nan, reduction="none"))
    garbage = torch.where(MASK, pred, torch.full((), 1e6, dtype=pred.dtype))
    torch.testing.assert_close(masked, SCORES[name](garbage, gt, mask=MASK, reduction="none"))


@pytest.mark.parametrize("name", SCORES)
def test_neurons_are_independent_and_batch_of_one(name):
    pred, gt = data()
    together = SCORES[name](pred, gt, reduction="none")
    for n in range(N):
        torch.testing.assert_close(SCORES[name](pred[:, [n]], gt[:, [n]], reduction="none")[0], together[n])
    assert SCORES[name](pred[:1], data(missing=False)[1][:1], reduction="none").shape == (N,)


@pytest.mark.parametrize("name", SCORES)
def test_undefined_is_nan_and_left_out_of_the_mean(name):
    pred, gt = data(missing=False)
    gt[:, 1] = torch.nan
    gt[:, 2] = 0.1  # a constant whose mean is not exact in binary
    values = SCORES[name](pred, gt, reduction="none")
    assert values.isnan().tolist() == [False, True, True, False]
    torch.testing.assert_close(SCORES[name](pred, gt), values[[0, 3]].mean())
    if name != "fve":
        pred[:, 0] = 0.1
        assert SCORES[name](pred, gt, reduction="none").isnan().tolist() == [True, True, True, False]


@pytest.mark.parametrize("name", SCORES)
def test_a_neuron_whose_prediction_became_constant_never_raises_the_mean(name):
    pred, gt = data(missing=False)
    values = SCORES[name](pred, gt, reduction="none")
    dead = int(values.argmin())  # leaving the worst out would raise the mean
    pred[:, dead] = 0.3
    assert SCORES[name](pred, gt).item() <= (values.sum() - values[dead]).item() / N + 1e-12
    pred[:, dead] = torch.nan
    assert not SCORES[name](pred, gt).item() > values.mean().item()


def test_the_summary_of_a_population_counts_the_undefined_beside_mean_and_median():
    found = summary(torch.tensor([0.1, torch.nan, 0.2, 0.9, torch.nan]))
    assert found == pytest.approx((0.4, 0.2, 3, 2))
    assert str(found) == "0.400 (median 0.200, 2 of 5 undefined)"
    assert str(summary(torch.tensor([0.25, 0.75]))) == "0.500 (median 0.500)"
    assert summary(torch.full((2,), torch.nan))[2:] == (0, 2)
    assert summary([0.25, float("nan"), 0.75]) == summary(torch.tensor([0.25, torch.nan, 0.75]))
    with pytest.raises(TypeError, match="scores must be a tensor or an array of numbers, got str"):
        summary("0.5")
    with pytest.raises(ValueError, match=r"scores must have shape \(N,\), .* got \(1, 2\)"):
        summary(torch.zeros(1, 2))


@pytest.mark.parametrize("score", [corrcoef, fve])
def test_gradients_also_beside_cells_without_a_score(score):
    pred, gt = data()
    gt[:, 1] = 0.3
    pred.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: score(p, gt), pred)
    score(pred, gt).backward()
    assert pred.grad is not None
    assert pred.grad.isfinite().all()


def test_known_values():
    x = torch.arange(10.0).view(1, 1, 1, 10)
    assert corrcoef(x, x).item() == 1
    assert corrcoef(-3 * x, x).item() == -1
    assert fve(x, x).item() == 1
    assert fve(x.mean().expand_as(x), x).item() == pytest.approx(0)
    assert fve(x + 1, x).item() == pytest.approx(1 - 10 / 82.5)  # sum of (x - 4.5)^2 over 0..9 is 82.5


# --- noise-corrected correlation ---------------------------------------------------------------------------------


def slow_schoppe(pred, y):
    """The published formula, stimulus by stimulus, for complete data of one neuron: y (B,R,T), pred (B,T)."""
    covariance = power = variance = 0.0
    for b in range(len(y)):
        r = y[b].shape[0]
        mean = y[b].mean(0)
        power += (r * np.var(mean, ddof=1) - np.mean([np.var(trial, ddof=1) for trial in y[b]])) / (r - 1)
        covariance += np.cov(pred[b], mean)[0, 1]
        variance += np.var(pred[b], ddof=1)
    return covariance / math.sqrt(variance * power)


def test_schoppe_is_the_published_formula():
    pred, gt = data(missing=False)
    values = normalized_corrcoef(pred, gt, reduction="none", pooling="sounds")
    for n in range(N):
        expected = slow_schoppe(pred[:, n, 0].numpy(), gt[:, n].numpy())
        assert values[n].item() == pytest.approx(expected, abs=1e-12)


def test_hsu_is_the_correlation_over_its_ceiling():
    pred, gt = data()
    repeated = MASK & ((~gt.isnan() & MASK).sum(2, keepdim=True) >= 2)
    expected = corrcoef(pred, gt, reduction="none", mask=repeated) / compute_CCmax(gt, mask=repeated)
    torch.testing.assert_close(normalized_corrcoef(pred, gt, "hsu", mask=MASK, reduction="none"), expected)


@pytest.mark.parametrize("method", ["schoppe", "hsu"])
def test_a_perfect_prediction_of_noiseless_data_scores_one_whatever_is_missing(method):
    pred, gt = data()
    # Stimuli of very different strength and mean, where pooling numerator and denominator differently would show.
    strength = torch.tensor([0.1, 1.0, 30.0], dtype=pred.dtype)[:, None, None, None]
    pred = pred * strength + 5 * strength
    noiseless = torch.where(gt.isnan(), gt, pred)
    for mask in (None, MASK):
        values = normalized_corrcoef(pred, noiseless, method, mask=mask, reduction="none")
        torch.testing.assert_close(values, torch.ones(N, dtype=pred.dtype))


def test_pooling_the_two_terms_differently_scores_a_perfect_prediction_far_above_one():
    """What goes wrong when the numerator pools all bins and the signal power is taken within stimuli."""
    pred, _ = data(missing=False)
    pred = pred * torch.tensor([0.1, 1.0, 3.0], dtype=pred.dtype)[:, None, None, None]
    pred = pred + torch.tensor([0.0, 4.0, 12.0], dtype=pred.dtype)[:, None, None, None]
    noiseless = pred.expand(B, N, R, T)
    over_all_bins = pred.transpose(0, 1).flatten(1).var(1)
    within_stimuli = pred[:, :, 0].var(-1).mean(0)
    assert (over_all_bins / within_stimuli).sqrt().min() > 2
    values = normalized_corrcoef(pred, noiseless, reduction="none")
    torch.testing.assert_close(values, torch.ones(N, dtype=pred.dtype))


@pytest.mark.parametrize("method", ["schoppe", "hsu"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_true_signal_scores_one_in_the_mean_and_noise_is_corrected(method, missing):
    g = torch.Generator().manual_seed(4)
    n = 60
    signal = torch.randn(4, n, 1, 200, generator=g)
    gt = signal + 1.5 * torch.randn(4, n, 6, 200, generator=g)
    gt[torch.rand(gt.shape, generator=g) < missing] = torch.nan
    perfect = normalized_corrcoef(signal, gt, method, reduction="none", n_splits=8)
    # A cell's value scatters by about 2 % (800 bins), the mean of 60 cells by 0.3 %.
    assert perfect.mean().item() == pytest.approx(1, abs=0.01)
    assert corrcoef(signal, gt).item() < 0.9
    half = signal + torch.randn(signal.shape, generator=g)
    assert normalized_corrcoef(half, gt, method, n_splits=8).item() == pytest.approx(math.sqrt(0.5), abs=0.02)


@pytest.mark.parametrize("method", ["schoppe", "hsu"])
def test_one_repeat_falls_back_to_the_plain_correlation(method):
    pred, gt = data()
    one = gt[:, :, :1]
    expected = corrcoef(pred, one, reduction="none")
    torch.testing.assert_close(normalized_corrcoef(pred, one, method, reduction="none"), expected)


def test_schoppe_is_nan_without_signal():
    y = torch.tensor([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]]).view(1, 1, 2, 4)
    y[0, 0, 0, 0] = 1.5  # the mean varies, but the two repeats are opposed: the signal power is negative
    pred = torch.tensor([1.0, 2.0, 0.0, 1.0]).view(1, 1, 1, 4)
    for method in ("schoppe", "hsu"):
        assert normalized_corrcoef(pred, y, method, reduction="none").isnan().all()


# --- where a score is undefined: too little signal ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["schoppe", "hsu"])
@pytest.mark.parametrize("significance", [0.05, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_silent_trial_leaves_no_score_instead_of_a_huge_one(method, significance, dtype):
    """The repeats then share nothing: signal power is what rounding leaves, and CCnorm was anything (537, -615)."""
    g = torch.Generator().manual_seed(1)
    rate = torch.rand(4, 40, 1, 300, generator=g).to(dtype)
    gt = torch.poisson(rate.expand(-1, -1, 2, -1).contiguous(), generator=g)
    gt[:, :10, 1] = 0  # ten neurons lost their second trial
    values = normalized_corrcoef(rate, gt, method, significance=significance, reduction="none")
    assert values[:10].isnan().all()
    assert values[10:].isfinite().all()
    assert values[10:].mean().item() == pytest.approx(1, abs=0.05)


def noise_of_kind(kind: str, repeats: int, g: torch.Generator) -> torch.Tensor:
    """Responses (3, 2000, R, 150) of neurons that do not follow the sounds."""
    noise = torch.randn(3, 2000, repeats, 150, generator=g)
    if kind == "slow":  # correlated over some 10 bins
        noise = torch.nn.functional.avg_pool1d(noise.flatten(0, 2)[:, None], 9, 1, 4).view(noise.shape)
    if kind == "spikes":
        noise = torch.poisson(torch.full_like(noise, 0.05), generator=g)
    if kind == "gaps":
        noise[torch.rand(noise.shape, generator=g) < 0.2] = torch.nan
    return noise


@pytest.mark.parametrize("kind", ["white", "slow", "spikes", "gaps"])
@pytest.mark.parametrize("repeats", [2, 6])
@pytest.mark.parametrize("pooling", ["bins", "sounds"])
def test_neurons_without_signal_get_a_score_as_often_as_the_level(kind, repeats, pooling):
    g = torch.Generator().manual_seed(2)
    gt = noise_of_kind(kind, repeats, g)
    values = normalized_corrcoef(torch.randn(3, 2000, 1, 150, generator=g), gt, reduction="none", pooling=pooling)
    # 2000 neurons: standard error 0.005; the normal approximation of a sum of products leans to the right.
    assert values.isfinite().double().mean().item() == pytest.approx(0.05, abs=0.02)


# --- repeats and lengths that differ between sounds ---------------------------------------------------------------


def unequal(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Rates and spikes of 60 neurons; what differs between the five sounds, or between their trials."""
    g = torch.Generator().manual_seed(5)
    T = 600
    rate = 2 * torch.rand(5, 60, 1, T, generator=g) * torch.tensor([0.3, 1, 2, 0.5, 1])[:, None, None, None]
    gt = torch.poisson(rate.expand(-1, -1, 10, -1).contiguous(), generator=g)
    for b, (repeats, bins) in enumerate(zip((2, 10, 3, 1, 5), (600, 200, 350, 600, 400), strict=True)):
        if kind in ("repeats", "both"):
            gt[b, :, repeats:] = torch.nan
        if kind in ("lengths", "both"):
            gt[b, ..., bins:] = torch.nan
    if kind == "trials":  # each ends a little earlier than the one before
        for r in range(10):
            gt[:, :, r, T - 55 * r :] = torch.nan
    return rate, gt


@pytest.mark.parametrize("kind", ["repeats", "lengths", "both", "trials"])
@pytest.mark.parametrize("method", ["schoppe", "hsu"])
@pytest.mark.parametrize("pooling", ["bins", "sounds"])
def test_a_perfect_prediction_scores_one_where_repeats_and_lengths_differ(kind, method, pooling):
    rate, gt = unequal(kind)
    values = normalized_corrcoef(rate, gt, method, reduction="none", pooling=pooling, n_splits=10)
    assert values.mean().item() == pytest.approx(1, abs=0.012)


# --- what counts: the means of the sounds, or not -----------------------------------------------------------------


def test_pooling_decides_whether_the_means_of_the_sounds_count():
    """Signal s_b + w_b(t) with var(s) = 4 between sounds and var(w) = 1 within, noise 1, many sounds.

    A model that knows each sound's mean alone has the correlation sqrt(4 / 5) with the signal over all bins, and none
    within the sounds. One that knows what happens within them alone has sqrt(1 / 5), and 1.
    """
    g = torch.Generator().manual_seed(6)
    means = 2 * torch.randn(60, 20, 1, 1, generator=g, dtype=torch.float64)
    within = torch.randn(60, 20, 1, 100, generator=g, dtype=torch.float64)
    within = within - within.mean(-1, keepdim=True)
    gt = means + within + torch.randn(60, 20, 4, 100, generator=g, dtype=torch.float64)
    noise = 1e-3 * torch.randn(within.shape, generator=g, dtype=torch.float64)
    knows_means, knows_course = means + noise, within + noise
    for method in ("schoppe", "hsu"):
        scores = {
            pooling: [
                normalized_corrcoef(pred, gt, method, pooling=pooling).item() for pred in (knows_means, knows_course)
            ]
            for pooling in ("bins", "sounds")
        }
        assert scores["bins"] == pytest.approx([math.sqrt(4 / 5), math.sqrt(1 / 5)], abs=0.03)
        assert scores["sounds"] == pytest.approx([0, 1], abs=0.03)


@pytest.mark.parametrize("mask", [None, MASK])
def test_correlation_within_sounds_equals_a_slow_loop(mask):
    pred, gt = data()
    values = corrcoef(pred, gt, mask=mask, reduction="none", pooling="sounds")
    for n in range(N):
        x, y = [], []
        for b in range(B):
            one = pooled(pred[[b]], gt[[b]], n, None if mask is None else mask[[b]])
            if one[0]:
                x += (np.array(one[0]) - np.mean(one[0])).tolist()
                y += (np.array(one[1]) - np.mean(one[1])).tolist()
        assert values[n].item() == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("missing", [False, True])
def test_the_two_poolings_agree_on_one_sound(missing):
    pred, gt = data(missing=missing)
    for name in ("corrcoef", "schoppe", "hsu"):
        a, b = (SCORES[name](pred[:1], gt[:1], reduction="none", pooling=p) for p in ("bins", "sounds"))
        torch.testing.assert_close(a, b, equal_nan=True)


def test_errors():
    pred, gt = data()
    with pytest.raises(ValueError, match=r"method must be one of \['schoppe', 'hsu'\], got 'sahani'"):
        normalized_corrcoef(pred, gt, "sahani")
    with pytest.raises(ValueError, match=r"significance must lie in \(0, 0.5\], got 0.9"):
        normalized_corrcoef(pred, gt, significance=0.9)
    for score in (corrcoef, normalized_corrcoef):
        with pytest.raises(ValueError, match=r"pooling must be one of \['bins', 'sounds'\], got 'time'"):
            score(pred, gt, pooling="time")
    for score in SCORES.values():
        with pytest.raises(ValueError, match=r"reduction must be one of .* got 'max'"):
            score(pred, gt, reduction="max")
        with pytest.raises(ValueError, match=r"shape \(3, 4, 1, 39\)"):
            score(pred[..., 1:], gt)
        with pytest.raises(ValueError, match="mask must broadcast to the responses' shape"):
            score(pred, gt, mask=torch.ones(7, dtype=torch.bool))


@pytest.mark.parametrize("method", ["schoppe", "hsu"])
@pytest.mark.parametrize("pooling", ["bins", "sounds"])
def test_a_prediction_that_is_nan_in_a_recorded_bin_has_no_score(method, pooling):
    torch.manual_seed(0)
    signal = torch.randn(3, 3, 1, 200)
    repeats = signal + torch.randn(3, 3, 4, 200)
    repeats[1, 2, :, 7] = torch.nan
    broken = signal.clone()
    broken[0, 0, 0, 5] = torch.nan
    broken[1, 2, 0, 7] = torch.nan  # where nothing was recorded
    scores = normalized_corrcoef(broken, repeats, method, reduction="none", pooling=pooling)
    assert scores.isnan().tolist() == [True, False, False]
    assert normalized_corrcoef(broken, repeats, method, pooling=pooling) == pytest.approx(scores.nansum().item() / 3)
