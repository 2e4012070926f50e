"""Signal, noise and ceilings against slow loops, closed forms and simulations."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.metrics import compute_CCmax, compute_TTRC, corrcoef, half_splits, noise_power, signal_power, snr
from deepstrf.metrics.reliability import pooled_pair_moments

B, N, R, T = 3, 3, 5, 30


def data(seed: int = 0, missing: float = 0.0, repeats: int = R, dtype=torch.float64) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    y = torch.randn(B, N, 1, T, dtype=dtype, generator=g) + torch.randn(B, N, repeats, T, dtype=dtype, generator=g)
    y[torch.rand(y.shape, generator=g) < missing] = torch.nan
    return y


def test_powers_are_the_published_formulas_for_complete_data():
    y = data()
    y[1, :, :, 20:] = torch.nan  # a shorter stimulus: its weight is its number of bins
    sp, np_ = signal_power(y, pooling="sounds"), noise_power(y, pooling="sounds")
    for n in range(N):
        weights, signal, total = [], [], []
        for b in range(B):
            trials = y[b, n, :, : (20 if b == 1 else T)].numpy()
            variance = np.mean([np.var(trial, ddof=1) for trial in trials])
            weights.append(trials.shape[1])
            signal.append((R * np.var(trials.mean(0), ddof=1) - variance) / (R - 1))
            total.append(variance)
        expected = np.average(signal, weights=weights)
        assert sp[n].item() == pytest.approx(expected, abs=1e-12)
        assert np_[n].item() == pytest.approx(np.average(total, weights=weights) - expected, abs=1e-12)
    torch.testing.assert_close(snr(y, pooling="sounds"), sp / np_)
    torch.testing.assert_close(signal_power(y, reduction="mean", pooling="sounds"), sp.mean())


def test_powers_over_all_bins_are_those_of_every_long_trial():
    """Strung together, one repeat of each sound is a trial: the mean over all pairs of such trials, in full."""
    y = data(repeats=3) + 3 * torch.randn(B, N, 1, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = y + torch.randn(B, N, 3, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)  # trials differ
    y[1, :, :, 20:] = torch.nan
    sp, np_ = signal_power(y), noise_power(y)
    pairs = list(itertools.permutations(range(3), 2))
    for n in range(N):
        signal, noise = [], []
        for chosen in itertools.product(pairs, repeat=B):
            first, second = (
                np.concatenate([y[b, n, pair[i]].numpy() for b, pair in enumerate(chosen)]) for i in (0, 1)
            )
            first, second = first[~np.isnan(first)], second[~np.isnan(second)]
            signal.append(np.cov(first, second)[0, 1])
            noise.append(np.var(first - second, ddof=1) / 2)
        assert sp[n].item() == pytest.approx(np.mean(signal), abs=1e-12)
        assert np_[n].item() == pytest.approx(np.mean(noise), abs=1e-12)
    torch.testing.assert_close(snr(y), sp / np_)
    torch.testing.assert_close(signal_power(y, reduction="mean"), sp.mean())


def test_powers_with_gaps_are_means_over_pairs_of_repeats():
    y = data(missing=0.3)
    y[0, 1, 2] = torch.nan
    y[2, 2] = torch.nan
    sp, np_ = signal_power(y, pooling="sounds"), noise_power(y, pooling="sounds")
    for n in range(N):
        weights, signal, noise = [], [], []
        for b in range(B):
            dof, s, e = 0, 0.0, 0.0
            for i, j in itertools.combinations(range(R), 2):
                both = ~(y[b, n, i].isnan() | y[b, n, j].isnan())
                if both.sum() >= 2:
                    p, q = y[b, n, i][both].numpy(), y[b, n, j][both].numpy()
                    dof += len(p) - 1
                    s += (len(p) - 1) * np.cov(p, q)[0, 1]
                    e += (len(p) - 1) * np.var(p - q, ddof=1) / 2
            if dof:
                weights.append(int(((~y[b, n].isnan()).sum(0) >= 2).sum()))
                signal.append(s / dof)
                noise.append(e / dof)
        assert sp[n].item() == pytest.approx(np.average(signal, weights=weights), abs=1e-12)
        assert np_[n].item() == pytest.approx(np.average(noise, weights=weights), abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_chance_on_one_sound_does_not_depend_on_the_pooling(missing):
    y = data(missing=missing)[:1]
    bins, sounds = (pooled_pair_moments(y, pooling=pooling, chance=True) for pooling in ("bins", "sounds"))
    torch.testing.assert_close(bins.chance, sounds.chance)


def test_two_repeats_of_short_slow_noise_seldom_pass_for_a_signal():
    g = torch.Generator().manual_seed(0)
    y = torch.randn(12, 2000, 2, 20, generator=g, dtype=torch.float64)
    for t in range(1, 20):
        y[..., t] = 0.9 * y[..., t - 1] + math.sqrt(1 - 0.9**2) * y[..., t]
    found = pooled_pair_moments(y, pooling="bins", chance=True).significant(0.05).double().mean().item()
    assert 0.02 < found < 0.09


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("repeats", [2, 7])
def test_powers_are_unbiased(missing, repeats):
    g = torch.Generator().manual_seed(1)
    n = 400
    signal = 1.5 * torch.randn(2, n, 1, 50, generator=g, dtype=torch.float64)
    y = signal + 2 * torch.randn(2, n, repeats, 50, generator=g, dtype=torch.float64)
    y[torch.rand(y.shape, generator=g) < missing] = torch.nan
    for power, expected in ((signal_power, 2.25), (noise_power, 4.0)):
        values = power(y)
        standard_error = values.std().item() / math.sqrt(n)
        assert abs(values.mean().item() - expected) < 4 * standard_error
        assert standard_error < 0.06


def test_noiseless_and_constant_cells():
    y = data()[:, :, :1].expand(-1, -1, R, -1).clone()
    y[:, 1] = 0.1
    y[:, 2, 0] += 1.0  # the same shape with an offset: no noise over time, but the repeats are not the same
    assert noise_power(y)[:2].tolist() == [0, 0]
    assert snr(y)[0].item() == math.inf
    assert snr(y)[1].isnan()
    assert signal_power(y)[1].item() == 0
    assert noise_power(y, pooling="sounds")[2].item() == pytest.approx(0, abs=1e-12)
    # Trials strung together from sounds: one in R has the offset in each, which scatters with (R - 1) / R^2 ddof 1.
    bins = B * T
    expected = (1 / R) * (B * T - T * T * B / bins) / (bins - 1)
    assert noise_power(y)[2].item() == pytest.approx(expected)
    expected = np.average([np.var(y[b, 0, 0].numpy(), ddof=1) for b in range(B)])
    assert signal_power(y, pooling="sounds")[0].item() == pytest.approx(expected)
    assert signal_power(y)[0].item() == pytest.approx(np.var(y[:, 0, 0].numpy(), ddof=1))


@pytest.mark.parametrize("scale", [1e-15, 1e-9, 1e6])
def test_any_scale_in_float32(scale):
    y = data(missing=0.2, dtype=torch.float32)
    torch.testing.assert_close(snr(scale * y), snr(y), rtol=1e-4, atol=0)
    torch.testing.assert_close(compute_CCmax(scale * y), compute_CCmax(y), rtol=1e-4, atol=0)
    torch.testing.assert_close(compute_TTRC(scale * y), compute_TTRC(y), rtol=1e-4, atol=0)
    torch.testing.assert_close(signal_power(scale * y) / scale / scale, signal_power(y), rtol=1e-4, atol=0)


def test_a_large_offset_costs_little():
    """Membrane potentials: millivolts around -70 mV, in volts and float32."""
    y = data(dtype=torch.float32)
    potential = -0.07 + 1e-3 * y
    torch.testing.assert_close(snr(potential), snr(y), rtol=1e-3, atol=0)


@pytest.mark.parametrize("score", [signal_power, noise_power, snr, compute_CCmax, compute_TTRC])
class TestAll:
    def test_one_repeat_is_nan(self, score):
        assert score(data(repeats=1)).isnan().all()

    def test_no_data_is_nan(self, score):
        y = data()
        y[:, 1] = torch.nan
        assert score(y).isnan().tolist() == [False, True, False]
        assert score(y, reduction="mean").isfinite()

    def test_missing_everywhere_in_one_repeat_is_the_same_as_one_repeat_less(self, score):
        y = data(repeats=4)
        z = torch.cat([y, torch.full_like(y[:, :, :1], torch.nan)], 2)
        torch.testing.assert_close(score(z), score(y))

    def test_a_mask_is_the_same_as_nan(self, score):
        y = data(missing=0.1)
        mask = torch.rand(B, N, R, T, generator=torch.Generator().manual_seed(5)) < 0.8
        torch.testing.assert_close(score(y, mask=mask), score(torch.where(mask, y, torch.nan)))

    def test_order_of_repeats_is_irrelevant(self, score):
        for missing in (0.0, 0.2):
            y = data(missing=missing)
            torch.testing.assert_close(score(y[:, :, [4, 2, 0, 1, 3]]), score(y))

    @pytest.mark.parametrize("repeats", [9, 12])
    def test_order_is_irrelevant_where_the_splits_are_a_random_choice(self, score, repeats):
        for missing in (0.0, 0.2):
            y = torch.poisson(data(repeats=repeats).exp())  # counts: many repeats have the same total
            y[torch.rand(y.shape, generator=torch.Generator().manual_seed(1)) < missing] = torch.nan
            shuffled = y[:, :, torch.randperm(repeats, generator=torch.Generator().manual_seed(2))]
            torch.testing.assert_close(score(shuffled), score(y))

    def test_errors(self, score):
        with pytest.raises(ValueError, match=r"responses must have shape \(B, N, R, T\).*got \(3, 5, 30\)"):
            score(data()[0])
        with pytest.raises(ValueError, match=r"reduction must be one of .* got 'min'"):
            score(data(), reduction="min")
        with pytest.raises(TypeError, match=r"responses must be a floating-point tensor, got torch\.int64"):
            score(data().long())


# --- half-splits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("repeats", "count"), [(2, 1), (3, 3), (4, 3), (5, 15), (6, 10), (7, 70), (8, 35), (10, 126)])
def test_all_splits_are_there_once(repeats, count):
    # C(R,k) C(R-k,k) / 2 with k = R // 2
    a, b = half_splits(repeats)
    assert a.shape == b.shape == (count, repeats)
    assert (a.sum(1) == repeats // 2).all()
    assert (b.sum(1) == repeats // 2).all()
    assert not (a & b).any()
    halves = {frozenset((tuple(p.tolist()), tuple(q.tolist()))) for p, q in zip(a, b, strict=True)}
    assert len(halves) == count


@settings(max_examples=20, deadline=None)
@given(repeats=st.integers(9, 40), seed=st.integers(0, 5))
def test_random_splits_are_halves_and_seeded(repeats, seed):
    a, b = half_splits(repeats, n_splits=20, seed=seed)
    assert a.shape == (20, repeats)
    assert (a.sum(1) == repeats // 2).all()
    assert not (a & b).any()
    assert torch.equal(a, half_splits(repeats, n_splits=20, seed=seed)[0])
    assert not torch.equal(a, half_splits(repeats, n_splits=20, seed=seed + 1)[0])


def test_split_errors():
    with pytest.raises(ValueError, match="repeats must be at least 2, got 1"):
        half_splits(1)
    with pytest.raises(ValueError, match="n_splits must be at least 1, got 0"):
        half_splits(4, n_splits=0)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        half_splits(4, seed=-1)


def slow_ccmax(y: np.ndarray) -> float:
    """One neuron, y (B,R,T): half-means bin by bin, their correlation over all bins, mean over splits.

    Where bins differ in their repeats, the mean product of two different repeats of a bin for the signal's square, and
    the rest of the mean's variance for noise, which is R times as large in a single repeat.
    """
    repeats = y.shape[1]
    recorded = [tuple(~np.isnan(y[b, :, t])) for b in range(y.shape[0]) for t in range(y.shape[2])]
    if len({some for some in recorded if any(some)}) > 1:
        means, products, counts = [], [], []
        for b in range(y.shape[0]):
            for t in range(y.shape[2]):
                values = [v for v in y[b, :, t] if not math.isnan(v)]
                counts += [len(values)] * bool(values)
                if len(values) >= 2:
                    means.append(np.mean(values))
                    products.append(np.mean([p * q for p, q in itertools.combinations(values, 2)]))
        signal = np.mean(products) - np.mean(means) ** 2
        of_one = max(0.0, np.var(means) - signal) / np.mean([1 / c for c in counts if c >= 2])
        noise = of_one * np.mean([1 / c for c in counts])
        return math.sqrt(max(0.0, signal) / (max(0.0, signal) + noise))
    k = repeats // 2
    values = []
    for first in itertools.combinations(range(repeats), k):
        for second in itertools.combinations([r for r in range(repeats) if r not in first], k):
            p, q = [], []
            for b in range(y.shape[0]):
                for t in range(y.shape[2]):
                    one = [v for v in y[b, list(first), t] if not math.isnan(v)]
                    two = [v for v in y[b, list(second), t] if not math.isnan(v)]
                    if one and two:
                        p.append(np.mean(one))
                        q.append(np.mean(two))
            values.append(np.corrcoef(p, q)[0, 1])
    c = max(0.0, float(np.mean(values)))
    m = repeats / k
    return math.sqrt(m * c / (1 + (m - 1) * c))


@pytest.mark.parametrize("repeats", [2, 3, 4])
@pytest.mark.parametrize("gaps", ["none", "bins", "repeats", "ragged", "mixed"])
def test_ccmax_equals_a_slow_loop(repeats, gaps):
    y = data(repeats=repeats)
    if gaps in ("bins", "mixed"):
        y[1, 0, :, 10:] = torch.nan
    if gaps in ("repeats", "mixed"):
        y[0, :, repeats - 1] = torch.nan
    if gaps in ("ragged", "mixed"):
        y[:, 2][torch.rand(B, repeats, T, generator=torch.Generator().manual_seed(1)) < 0.3] = torch.nan
    values = compute_CCmax(y)
    for n in range(N):
        assert values[n].item() == pytest.approx(slow_ccmax(y[:, n].numpy()), abs=1e-10)


@pytest.mark.parametrize(("repeats", "missing"), [(2, 0.0), (3, 0.0), (5, 0.0), (10, 0.0), (5, 0.3), (10, 0.3)])
def test_ccmax_is_the_correlation_of_the_signal_with_the_mean(repeats, missing):
    """sqrt(S / (S + N/R)) with S = N = 1 when all repeats are there, for even and odd numbers of them."""
    g = torch.Generator().manual_seed(3)
    y = torch.randn(4, 30, 1, 250, generator=g) + torch.randn(4, 30, repeats, 250, generator=g)
    expected = math.sqrt(repeats / (repeats + 1))
    tolerance = 0.01
    if missing:
        y[torch.rand(y.shape, generator=g) < missing] = torch.nan
        expected, tolerance = math.sqrt(0.7 * repeats / (0.7 * repeats + 1)), 0.04  # about 0.7 R repeats per bin
    assert compute_CCmax(y, n_splits=6, reduction="mean").item() == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("singles", ["bins", "sounds"])
def test_ccmax_is_what_a_perfect_prediction_reaches_where_half_of_the_bins_have_one_repeat(singles):
    """As of a recording with many sounds once and a few often: sqrt(S / (S + N/R)) with R of each bin."""
    g = torch.Generator().manual_seed(4)
    signal = torch.randn(8, 20, 1, 400, generator=g)
    y = signal + 2**0.5 * torch.randn(8, 20, 8, 400, generator=g)
    if singles == "bins":
        y[:, :, 1:, ::2] = torch.nan
    else:
        y[4:, :, 1:] = torch.nan
    expected = math.sqrt(1 / (1 + 2 * (1 + 1 / 8) / 2))
    for pooling in ("bins", "sounds"):
        reached = corrcoef(signal, y, pooling=pooling).item()
        assert compute_CCmax(y, reduction="mean", pooling=pooling).item() == pytest.approx(reached, abs=0.01)
        assert reached == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("repeats", [2, 3])
@pytest.mark.parametrize("gaps", [False, True])
def test_ccmax_within_sounds_is_that_of_sounds_without_their_means(repeats, gaps):
    """For complete data the halves of a split lose their own means; with gaps the mean response of each sound does."""
    y = data(repeats=repeats)
    y[1, ..., 20:] = torch.nan
    if not gaps:
        expected = compute_CCmax(y - y.nanmean(-1, keepdim=True))
        torch.testing.assert_close(
            compute_CCmax(y + torch.arange(3.0)[:, None, None, None], pooling="sounds"), expected
        )
        return
    y[0, :, 1, 10:] = torch.nan
    for n in range(N):
        signal = variance = 0.0
        counts = []
        for b in range(B):
            values = [[v for v in y[b, n, :, t].tolist() if not math.isnan(v)] for t in range(T)]
            counts += [len(v) for v in values if v]
            values = [v for v in values if len(v) >= 2]
            means = np.array([np.mean(v) for v in values])
            products = [np.mean([p * q for p, q in itertools.combinations(v, 2)]) for v in values]
            signal += np.sum(products) - len(values) * means.mean() ** 2
            variance += ((means - means.mean()) ** 2).sum()
        value = compute_CCmax(y, pooling="sounds")[n].item()
        noisier = np.mean([1 / c for c in counts]) / np.mean([1 / c for c in counts if c >= 2])
        assert value == pytest.approx(math.sqrt(signal / (signal + (variance - signal) * noisier)), abs=1e-10)


def test_a_sound_of_one_bin_says_nothing_of_ccmax_within_sounds():
    y = data()
    y[2, ..., 1:] = torch.nan
    torch.testing.assert_close(compute_CCmax(y, pooling="sounds"), compute_CCmax(y[:2], pooling="sounds"))


def test_ccmax_bounds():
    y = data()
    same = y[:, :, :1].expand(-1, -1, R, -1)
    torch.testing.assert_close(compute_CCmax(same), torch.ones(N, dtype=y.dtype))
    opposed = torch.stack([y[:, :, 0], -y[:, :, 0]], 2)
    assert compute_CCmax(opposed).tolist() == [0, 0, 0]
    silent = torch.zeros_like(y)
    assert compute_CCmax(silent).isnan().all()


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("repeats", [2, 3, 5, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identical_repeats_are_noiseless_and_no_correlation_exceeds_one(dtype, repeats, gaps):
    """Exactly, in spite of rounding: 200 neurons, as a rounding error shows in some of them only."""
    generator = torch.Generator().manual_seed(repeats)
    y = torch.randn(3, 200, 1, 50, generator=generator, dtype=dtype).expand(-1, -1, repeats, -1).clone()
    if gaps and repeats > 2:
        y[0, :, -1] = torch.nan
        y[1, :, 0, 10:] = torch.nan
    for pooling in ("bins", "sounds"):
        ceiling = compute_CCmax(y, pooling=pooling)
        assert ceiling.max() <= 1
        torch.testing.assert_close(ceiling, torch.ones_like(ceiling))
        # With gaps over all bins, sounds that are repeated unequally often differ in their means.
        if pooling == "sounds" or not gaps:
            assert (noise_power(y, pooling=pooling) == 0).all()
            assert (snr(y, pooling=pooling) == torch.inf).all()
    assert compute_TTRC(y).max() <= 1
    assert compute_TTRC(torch.cat([y, -y], 2)).min() >= -1


def test_halves_that_never_vary_are_left_out_of_ccmax():
    y = data(repeats=4)[:, :1]
    y[:, :, :2] = 0.1  # of the three splits, one has a silent half
    halves = [((0, 2), (1, 3)), ((0, 3), (1, 2))]
    c = np.mean([np.corrcoef(*(y[:, 0, half].mean(1).flatten().numpy() for half in pair))[0, 1] for pair in halves])
    assert compute_CCmax(y).item() == pytest.approx(math.sqrt(2 * c / (1 + c)))
    y[:, :, 2] = 0.1  # each split has one
    assert compute_CCmax(y).isnan().all()


# --- trial-to-trial correlation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_ttrc_equals_a_slow_loop(missing):
    y = data(missing=missing)
    y[:, 1, 2] = 0.1  # a silent repeat has no correlation
    values = compute_TTRC(y)
    for n in range(N):
        r = []
        for i, j in itertools.combinations(range(R), 2):
            if n == 1 and 2 in (i, j):
                continue
            p, q = y[:, n, i].flatten(), y[:, n, j].flatten()
            both = ~(p.isnan() | q.isnan())
            r.append(np.corrcoef(p[both].numpy(), q[both].numpy())[0, 1])
        assert values[n].item() == pytest.approx(np.mean(r), abs=1e-12)


def test_half_splits_of_very_many_repeats_are_drawn_at_once_or_refused_for_their_memory():
    a, b = half_splits(10**5, n_splits=3)
    assert (a.sum(1).tolist(), b.sum(1).tolist()) == ([50000] * 3, [50000] * 3)
    assert not (a & b).any()
    with pytest.raises(ValueError, match="n_splits must leave the splits of 10000000000 repeats within 2 GB"):
        half_splits(10**10)


def test_noise_that_is_rounding_of_responses_far_from_0_is_told():
    """At 10^7 float32 has steps of 1: rounding adds 1/12 to a noise of 0.01."""
    noise = 0.1 * torch.randn(1, 1, 6, 2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = (noise + 100).float()
    assert noise_power(near).item() == pytest.approx(noise_power(noise).item(), rel=1e-3)
    assert noise_power(noise + 1e7).item() == pytest.approx(noise_power(noise).item(), rel=1e-3)
    with pytest.warns(UserWarning, match="1 of 1 neurons lie so far from 0 that their type rounds them by steps"):
        assert noise_power((noise + 1e7 + 0.5).float()).item() > 2 * noise_power(noise).item()
