"""Counts of spikes against a loop, and smoothing against NumPy's convolution."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.datasets import count_spikes, smooth_responses, smoothing, spike_times
from tests.resident import peak_bytes
from tests.tolerances import assert_close


def test_counts_are_those_of_a_loop():
    times = np.random.default_rng(0).uniform(0, 0.6, 300)
    expected = np.zeros(100)
    for time in times:
        bin_of = math.floor(time / 0.005)
        if bin_of < 100:
            expected[bin_of] += 1
    counts = count_spikes(times.tolist(), 100, 5.0)
    assert counts.dtype == np.float32
    assert counts.sum() < 300  # some come after the last bin
    np.testing.assert_array_equal(counts, expected)


def test_a_spike_on_an_edge_opens_a_bin():
    # In floating point 0.57 s / 5 ms is 113.99999999999999.
    for k in range(1, 400):
        assert count_spikes([round(k * 0.005, 6)], 500, 5.0).argmax() == k


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.sampled_from([0.5, 1.0, 5.0, 10.0, 1000 / 44.1]),
)
def test_times_made_up_for_counts_are_counted_as_them(counts, dt_ms):
    times = spike_times(np.array(counts), dt_ms)
    assert len(times) == sum(counts)
    assert (np.diff(times) > 0).all()
    np.testing.assert_array_equal(count_spikes(times, len(counts), dt_ms), counts)
    written = [float(f"{t:.6f}") for t in times]
    np.testing.assert_array_equal(count_spikes(written, len(counts), dt_ms), counts)


@pytest.mark.parametrize("time_s", [-0.001, math.nan, math.inf])
def test_impossible_times_are_refused(time_s):
    with pytest.raises(ValueError, match=rf"times_s must be finite and at least 0 s, got {time_s:g}"):
        count_spikes([0.1, time_s], 10, 5.0)


def test_other_errors():
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        count_spikes([], 0, 5.0)
    with pytest.raises(ValueError, match=r"dt_ms must be positive \(ms\), got 0"):
        count_spikes([], 1, 0)
    with pytest.raises(ValueError, match=r"dt_ms must be positive \(ms\), got -1"):
        spike_times(np.zeros(2), -1)
    for bad in (-1.0, 0.5, math.nan):
        with pytest.raises(ValueError, match=rf"counts must be whole numbers of at least 0, got {bad:g}"):
            spike_times(np.array([1.0, bad]), 5.0)


def plain_smoothing(x: np.ndarray, weights: np.ndarray, centre: int) -> np.ndarray:
    """Weighted mean over the recorded bins, one bin at a time; ``weights[centre]`` is that of the current bin."""
    out = np.full_like(x, np.nan)
    for t in range(len(x)):
        if np.isnan(x[t]):
            continue
        pairs = [(weights[j], x[t + j - centre]) for j in range(len(weights)) if 0 <= t + j - centre < len(x)]
        pairs = [(w, v) for w, v in pairs if not np.isnan(v)]
        out[t] = sum(w * v for w, v in pairs) / sum(w for w, _ in pairs)
    return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("window", "width_ms"), [("hann", 25.0), ("hann", 5.0), ("hann", 43.0), ("gaussian", 8.0)])
def test_smoothing_is_that_of_a_loop(window, width_ms, causal):
    dt_ms = 5.0
    if window == "hann":
        n = 2 * round((width_ms / dt_ms - 1) / 2) + 1
        weights = np.hanning(n + 2)[1:-1]
    else:
        lags = np.arange(-math.ceil(3 * width_ms / dt_ms), math.ceil(3 * width_ms / dt_ms) + 1)
        weights = np.exp(-0.5 * (lags * dt_ms / width_ms) ** 2)
    centre = len(weights) // 2
    if causal:  # weights of earlier bins come first
        weights = weights[: centre + 1]
    x = np.random.default_rng(1).poisson(1.0, (2, 60)).astype(np.float64)
    x[0, 20:24] = x[1, 0] = x[1, -3:] = np.nan
    expected = np.stack([plain_smoothing(row, weights, centre) for row in x])
    result = smooth_responses(torch.tensor(x).view(2, 1, 1, 60), dt_ms, width_ms, window=window, causal=causal)
    assert_close(result.view(2, 60).nan_to_num(-1.0), np.nan_to_num(expected, nan=-1.0))


def test_five_bins_of_hann_are_numpys():
    impulse = torch.zeros(11)
    impulse[5] = 1
    weights = np.hanning(7)
    assert_close(smooth_responses(impulse, 5.0, 25.0)[2:9], weights / weights.sum(), torch.float32)


@given(st.floats(-5, 5), st.sampled_from(["hann", "gaussian"]), st.booleans(), st.floats(1, 200))
def test_a_constant_stays_what_it_is(value, window, causal, width_ms):
    x = torch.full((3, 30), value, dtype=torch.float64)
    x[0, 4:9] = torch.nan
    y = smooth_responses(x, 5.0, width_ms, window=window, causal=causal)
    assert_close(y.nan_to_num(0.0), x.nan_to_num(0.0))
    assert torch.equal(y.isnan(), x.isnan())


def test_causal_smoothing_ignores_the_future():
    x = torch.randn(50)
    later = x.clone()
    later[30:] += 1
    for window in ("hann", "gaussian"):
        a, b = (smooth_responses(s, 5.0, 20.0, window=window, causal=True) for s in (x, later))
        assert torch.equal(a[:30], b[:30])
        assert not torch.equal(a[30:], b[30:])


def test_smoothing_errors():
    x = torch.zeros(5)
    with pytest.raises(TypeError, match=r"responses must be a floating-point tensor, got torch\.int64"):
        smooth_responses(torch.zeros(3, dtype=torch.int64), 5.0, 20.0)
    with pytest.raises(TypeError, match="got list"):
        smooth_responses([0.0], 5.0, 20.0)
    with pytest.raises(ValueError, match=r"width_ms must be positive \(ms\), got 0"):
        smooth_responses(x, 5.0, 0)
    with pytest.raises(ValueError, match=r"dt_ms must be positive \(ms\), got nan"):
        smooth_responses(x, math.nan, 5.0)
    with pytest.raises(ValueError, match="window must be one of 'hann', 'gaussian', got 'box'"):
        smooth_responses(x, 5.0, 20.0, window="box")


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", ["hann", "gaussian"])
def test_smoothing_in_parts_is_smoothing(window, causal, monkeypatch):
    """Rows and bins are taken some at a time; the parts meet without a seam, also where they are short."""
    x = torch.rand(3, 4, 2, 101, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[0, :, :, 40:60] = torch.nan
    whole = smooth_responses(x, 5.0, 60.0, window=window, causal=causal)
    for at_once in (1, 7, 50, 101, 350):
        monkeypatch.setattr(smoothing, "NUMBERS_AT_ONCE", at_once)
        parts = smooth_responses(x, 5.0, 60.0, window=window, causal=causal)
        torch.testing.assert_close(parts, whole, equal_nan=True)


def test_smoothing_takes_less_than_three_times_the_memory_of_its_result():
    """It took 38 times as much."""
    x = torch.rand(40, 10, 20_000)
    smooth_responses(x[:2], 5.0, 25.0)
    peak, smoothed = peak_bytes(lambda: smooth_responses(x, 5.0, 25.0))
    assert peak < 3 * smoothed.nbytes


def test_a_window_wider_than_the_recording_needs_no_more_memory():
    x = torch.rand(2, 100)
    for window in ("hann", "gaussian"):
        flat = smooth_responses(x, 5.0, 1e12, window=window)
        torch.testing.assert_close(flat, x.mean(1, keepdim=True).expand_as(x), rtol=1e-4, atol=1e-4)
