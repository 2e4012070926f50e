"""Synthetic sounds: spectra by FFT, modulations recovered, exact ramps and levels, seeds, errors."""

import re

import numpy as np
import pytest

from deepstrf.stimuli import (
    cosine_ramps,
    dynamic_random_chord,
    fm_sweep,
    log_mel_spectrogram,
    moving_ripple,
    noise_burst,
    tone_pip,
)

RATE = 44100


def power_spectrum(x: np.ndarray, rate: float = RATE) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.rfftfreq(len(x), 1 / rate), np.abs(np.fft.rfft(x)) ** 2


def rms_db(x: np.ndarray) -> float:
    """dB re the root mean square of a full-scale sinusoid."""
    return 10 * np.log10(2 * np.square(x).mean())


def test_ramps_are_squared_sines():
    n = 44  # 1 ms at 44.1 kHz, rounded
    y = cosine_ramps(np.ones(200), RATE, 1.0)
    np.testing.assert_allclose(y[:n], [np.sin(np.pi / 2 * (k + 0.5) / n) ** 2 for k in range(n)])
    np.testing.assert_allclose(y[-n:], y[:n][::-1])
    assert (y[n:-n] == 1).all()


def test_no_ramp_is_a_copy():
    x = np.ones(5)
    y = cosine_ramps(x, RATE, 0.0)
    y[0] = 7
    assert x[0] == 1


@pytest.mark.parametrize("ramp_ms", [-1.0, 60.0])
def test_ramp_errors(ramp_ms):
    with pytest.raises(ValueError, match=rf"ramp_ms must lie in \[0, 50\] ms, half of the sound, got {ramp_ms}"):
        cosine_ramps(np.ones(4410), RATE, ramp_ms)


@pytest.mark.parametrize("freq_hz", [500.0, 4000.0, 19990.0])
def test_tone_spectrum_and_level(freq_hz):
    x = tone_pip(freq_hz, duration_s=0.5, level_db=-12.0, ramp_ms=0.0)
    assert len(x) == 22050
    freqs_hz, power = power_spectrum(x)
    assert freqs_hz[power.argmax()] == freq_hz  # a multiple of the 2-Hz resolution
    assert power.max() / power.sum() > 1 - 1e-9
    assert rms_db(x) == pytest.approx(-12.0, abs=1e-6)


def test_sweep_has_the_instantaneous_frequency_of_an_exponential_glide():
    x = fm_sweep(1000.0, 8000.0, duration_s=1.0, ramp_ms=0.0, level_db=0.0)
    for second, expected in [(0.25, 1000 * 8**0.25), (0.5, 1000 * 8**0.5), (0.75, 1000 * 8**0.75)]:
        middle = round(second * RATE)
        piece = x[middle - 441 : middle + 441] * np.hanning(882)
        freqs_hz = np.fft.rfftfreq(1 << 16, 1 / RATE)
        measured = freqs_hz[np.abs(np.fft.rfft(piece, 1 << 16)).argmax()]
        assert measured == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(fm_sweep(3000.0, 3000.0), tone_pip(3000.0), atol=1e-12)
    assert np.abs(fm_sweep(4000.0, 4000.0001) - tone_pip(4000.0)).max() < 1e-4


def test_noise_is_flat_inside_and_absent_outside():
    x = noise_burst(duration_s=2.0, min_hz=1000.0, max_hz=4000.0, level_db=-30.0, ramp_ms=0.0)
    freqs_hz, power = power_spectrum(x)
    inside = (freqs_hz >= 1000) & (freqs_hz <= 4000)
    assert power[~inside].max() < 1e-20 * power[inside].mean()
    assert rms_db(x) == pytest.approx(-30.0, abs=1e-9)
    thirds = [p.mean() for p in np.array_split(power[inside], 3)]
    # 2000 exponential values each: a standard error of 2.2 %.
    assert max(thirds) / min(thirds) < 1.15


@pytest.mark.parametrize(("velocity", "density"), [(4.0, 0.5), (-8.0, 0.5), (2.0, 1.0), (6.0, 0.0)])
def test_ripple_has_its_modulation(velocity, density):
    """Projection of the dB spectrogram on sinusoids of (rate, density): the largest is the one that was asked for."""
    x = moving_ripple(velocity, density, duration_s=2.0, min_hz=1000.0, max_hz=16000.0, depth_db=20.0, level_db=0.0)
    s = log_mel_spectrogram(x, RATE, n_bands=30, min_hz=1200.0, max_hz=14000.0, window_ms=20.0, floor_db=-120.0)
    values = s.values.numpy()[:, 20:380]
    values = values - values.mean(1, keepdims=True)
    octaves, time = np.log2(s.cf_hz.numpy() / 1000.0), (np.arange(20, 380) + 1) * 0.005 - 0.01
    rates, densities = np.arange(-12.0, 13.0, 2.0), np.arange(0.0, 2.1, 0.25)
    strength = np.array(
        [
            [abs((values * np.exp(-2j * np.pi * (w * time + d * octaves[:, None]))).mean()) for w in rates]
            for d in densities
        ]
    )
    d, w = np.unravel_index(strength.argmax(), strength.shape)
    if density == 0:
        assert abs(rates[w]) == velocity  # without a density the two directions are one
    else:
        assert rates[w] == velocity
    assert densities[d] == density
    # 20 dB from trough to peak are an amplitude of 10 dB, 5 dB in each of the two complex halves; bands of finite
    # width and a window of 20 ms can only smooth it.
    assert 3.0 < strength.max() < 5.5


def test_ripple_level_and_range():
    x = moving_ripple(4.0, 0.5, level_db=-25.0, ramp_ms=0.0, min_hz=1000.0, max_hz=8000.0)
    assert rms_db(x) == pytest.approx(-25.0, abs=1e-9)
    freqs_hz, power = power_spectrum(x)
    assert power[(freqs_hz > 950) & (freqs_hz < 8100)].sum() / power.sum() > 0.999


def test_chord_has_tones_only_where_they_belong():
    x = dynamic_random_chord(
        duration_s=0.1, chord_ms=50.0, min_hz=1000.0, max_hz=8000.0, tones_per_octave=1, tone_probability=1.0,
        range_db=0.0, level_db=-40.0, ramp_ms=0.0,
    )  # fmt: skip
    freqs_hz, power = power_spectrum(x)
    tones = np.isin(np.round(freqs_hz), [1000, 2000, 4000])
    assert power[tones].sum() / power.sum() == pytest.approx(1, abs=1e-9)
    # Three sinusoids of -40 dB each.
    assert rms_db(x) == pytest.approx(-40 + 10 * np.log10(3), abs=1e-6)


def test_chord_levels_probability_and_gate():
    options = {"duration_s": 2.0, "chord_ms": 20.0, "min_hz": 500.0, "max_hz": 20000.0, "tone_probability": 0.25}
    x = dynamic_random_chord(range_db=0.0, tones_per_octave=4, level_db=0.0, ramp_ms=0.0, **options)
    tones = 22  # 4 per octave over log2(40) = 5.32 octaves, from 0
    # Power is additive over independent tones that are on in a quarter of the chords.
    assert 10 * np.log10(2 * np.square(x).mean()) == pytest.approx(10 * np.log10(0.25 * tones), abs=0.3)
    gated = dynamic_random_chord(ramp_ms=5.0, **options)
    edges = np.arange(0, len(gated), 882)
    assert np.abs(gated[edges]).max() < 1e-3 * np.abs(gated).max()


@pytest.mark.parametrize("duration_s", [0.1, 0.105, 0.08, 0.001])
def test_chord_durations_that_are_no_whole_number_of_chords(duration_s):
    assert len(dynamic_random_chord(duration_s=duration_s)) == round(duration_s * RATE)


@pytest.mark.parametrize("make", [noise_burst, dynamic_random_chord, lambda **kw: moving_ripple(4.0, 1.0, **kw)])
def test_seeds(make):
    state = np.random.get_state()[1].copy()
    a, b, c = make(duration_s=0.2, seed=1), make(duration_s=0.2, seed=1), make(duration_s=0.2, seed=2)
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)
    generator = np.random.default_rng(1)
    first, second = make(duration_s=0.2, seed=generator), make(duration_s=0.2, seed=generator)
    assert np.array_equal(first, a)
    assert not np.allclose(first, second)
    assert np.array_equal(state, np.random.get_state()[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tone_pip(22050.0), "freq_hz must lie in (0, 22050) Hz, got 22050.0"),
        (lambda: tone_pip(0.0), "freq_hz must lie in (0, 22050) Hz, got 0.0"),
        (lambda: tone_pip(500.0, duration_s=0.0), "duration_s must be positive (s), got 0.0"),
        (lambda: tone_pip(500.0, duration_s=1e-6), "duration_s must be at least one sample, 2.26757e-05 s, got 1e-06"),
        (lambda: tone_pip(500.0, sample_rate_hz=-1.0), "sample_rate_hz must be positive (Hz), got -1.0"),
        (lambda: tone_pip(500.0, level_db=np.nan), "level_db must be finite (dB), got nan"),
        (lambda: fm_sweep(500.0, 30000.0), "end_hz must lie in (0, 22050) Hz, got 30000.0"),
        (lambda: fm_sweep(-5.0, 300.0), "start_hz must lie in (0, 22050) Hz, got -5.0"),
        (lambda: noise_burst(min_hz=900.0, max_hz=800.0), "max_hz must lie in (900, 22050) Hz, got 800.0"),
        (
            lambda: noise_burst(min_hz=901.0, max_hz=902.0),
            "min_hz and max_hz must be at least 10 Hz apart in 0.1 s, got 901.0, 902.0",
        ),
        (lambda: moving_ripple(4.0, 1.0, depth_db=-1.0), "depth_db must be at least 0 dB, got -1.0"),
        (
            lambda: moving_ripple(4.0, 3.0, tones_per_octave=6),
            "tones_per_octave must exceed twice the density, 6, got 6",
        ),
        (lambda: dynamic_random_chord(chord_ms=0.0), "chord_ms must be positive (ms), got 0.0"),
        (lambda: dynamic_random_chord(tone_probability=0.0), "tone_probability must lie in (0, 1], got 0.0"),
        (lambda: dynamic_random_chord(range_db=-3.0), "range_db must be at least 0 dB, got -3.0"),
        (lambda: dynamic_random_chord(tones_per_octave=0), "tones_per_octave must be at least 1, got 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
