"""Coherence: Welch's method against scipy, no bias at any length, known filters, errors."""

import re

import pytest
import scipy.signal
import torch

from deepstrf.metrics import coherence


def white(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_equals_scipy_before_the_bias_is_removed():
    x, y = white(1, 2, 1, 512), white(1, 2, 3, 512, seed=1)
    y = y + x
    freqs_hz, values = coherence(x, y, 5.0, segment_bins=64)
    expected_freqs, plain = scipy.signal.coherence(
        x[0, :, 0].numpy(), y[0].mean(1).numpy(), fs=200.0, window="hann", nperseg=64, noverlap=32, detrend="constant"
    )
    torch.testing.assert_close(freqs_hz, torch.from_numpy(expected_freqs[1:]))
    # 15 segments; neighbours of half overlap under a Hann window share 1/6 of their energy (Welch 1967).
    independent = 15 / (1 + 2 * (1 / 6) ** 2 * 14 / 15)
    expected = (torch.from_numpy(plain[:, 1:]) - 1 / independent) / (1 - 1 / independent)
    torch.testing.assert_close(values, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("stimuli", "bins"), [(1, 20), (1, 100), (1, 5000), (8, 400), (20, 33), (3, 4)])
def test_independent_noise_has_no_coherence_at_any_length(stimuli, bins):
    n = 300
    _, values = coherence(white(stimuli, n, 1, bins), white(stimuli, n, 2, bins, seed=1), 5.0)
    means = values.mean(1)
    assert abs(means.mean().item()) < 4 * means.std().item() / n**0.5 + 0.01


def test_a_signal_has_coherence_one_with_itself_and_with_itself_filtered():
    x = white(4, 2, 1, 400)
    values = coherence(x, x, 5.0).values
    torch.testing.assert_close(values, torch.ones_like(values))
    smooth = (x + x.roll(1, -1)) / 2
    values = coherence(smooth, x, 5.0).values
    assert (values[:, : values.shape[1] // 2] > 0.95).all()


def test_equal_signal_and_noise_have_a_half():
    x = white(20, 4, 1, 1000)
    _, values = coherence(x, x + white(20, 4, 1, 1000, seed=1), 1.0)
    # var(x) / (var(x) + var(noise)) at every frequency
    assert values.mean().item() == pytest.approx(0.5, abs=0.02)


def test_a_shared_band_is_found_where_it_is():
    x, other = white(8, 1, 1, 1000), white(8, 1, 1, 1000, seed=1)
    spectrum, cut = torch.fft.rfft(other), 100  # of 500: 20 Hz at 5 ms
    spectrum[..., :cut] = torch.fft.rfft(x)[..., :cut]
    freqs_hz, values = coherence(x, torch.fft.irfft(spectrum, 1000), 5.0)
    assert values[0, freqs_hz < 17].mean() > 0.95
    assert values[0, freqs_hz > 23].abs().mean() < 0.1


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_scale_and_offset_do_not_matter(scale):
    x, y = white(4, 3, 1, 200).float(), white(4, 3, 2, 200, seed=1).float()
    y = y + x
    expected = coherence(x, y, 5.0).values
    torch.testing.assert_close(coherence(scale * x, scale * (y + 3), 5.0).values, expected, atol=1e-4, rtol=0)


def test_segments_with_gaps_are_left_out_for_that_neuron_only():
    x, y = white(2, 2, 1, 64), white(2, 2, 1, 64, seed=1)
    gap = y.clone()
    gap[0, 0, 0, 3] = torch.nan
    whole = coherence(x, y, 5.0, segment_bins=16).values
    values = coherence(x, gap, 5.0, segment_bins=16).values
    torch.testing.assert_close(values[1], whole[1])
    # Segments start every 8 bins; the gap at bin 3 lies in the first only.
    mask = torch.ones(2, 1, 1, 64, dtype=torch.bool)
    mask[0, 0, 0, :8] = False
    torch.testing.assert_close(values[0], coherence(x, y, 5.0, mask=mask, segment_bins=16).values[0])
    garbage = torch.where(gap.isnan(), 1e6, x)
    torch.testing.assert_close(coherence(garbage, gap, 5.0, segment_bins=16).values, values)


def test_undefined_is_nan():
    x, y = white(1, 2, 1, 64), white(1, 2, 1, 64, seed=1)
    x[:, 0] = 0.1
    values = coherence(x, y, 5.0).values
    assert values[0].isnan().all()
    assert values[1].isfinite().all()
    assert coherence(x, y, 5.0, segment_bins=64).values.isnan().all()  # a single segment


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt_ms": 0.0}, "dt_ms must be positive (ms), got 0.0"),
        ({"dt_ms": float("inf")}, "dt_ms must be positive (ms), got inf"),
        ({"dt_ms": 5.0, "segment_bins": 3}, "segment_bins must lie in [4, T] with T = 64 bins, got 3"),
        ({"dt_ms": 5.0, "segment_bins": 65}, "segment_bins must lie in [4, T] with T = 64 bins, got 65"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        coherence(white(1, 2, 1, 64), white(1, 2, 1, 64), **options)


def test_too_few_bins():
    with pytest.raises(ValueError, match=r"T = 3 bins, got 4"):
        coherence(white(1, 2, 1, 3), white(1, 2, 1, 3), 5.0)
