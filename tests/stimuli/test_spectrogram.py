"""log_mel_spectrogram: a slow oracle, causality, exact timing, levels in closed form, errors."""

import math
import re

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.models.prefiltering import get_CFs
from deepstrf.models.scales import Hz_to_mel
from deepstrf.stimuli import Spectrogram, log_mel_spectrogram, spectrogram_from_wav, tone_pip

RATE = 44100
SMALL = {"n_bands": 6, "min_hz": 500.0, "max_hz": 8000.0}


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))


def slow_value(x, rate, t, band, *, dt_ms, n_bands, min_hz, max_hz, window_ms, floor_db):
    """One value by a sum over samples for every frequency: no FFT, no gathering of frames."""
    end = (t + 1) * rate * round(dt_ms * 1000) // 1_000_000
    n = int(window_ms * rate / 1000)
    segment = [x[k] if k >= 0 else 0.0 for k in range(end - n, end)]
    window = [0.5 - 0.5 * math.cos(2 * math.pi * (k + 1) / (n + 1)) for k in range(n)]
    mel = np.linspace(Hz_to_mel(min_hz), Hz_to_mel(max_hz), n_bands)
    narrowest = min(np.diff(700 * (10 ** (mel / 2595) - 1)))
    n_fft = 1
    while n_fft < max(n, 4 * rate / narrowest):
        n_fft *= 2
    power = 0.0
    for k in range(n_fft // 2 + 1):
        weight = max(0.0, 1 - abs(Hz_to_mel(k * rate / n_fft) - mel[band]) / (mel[1] - mel[0]))
        if weight:
            angle = 2 * np.pi * k / n_fft * np.arange(n)
            power += weight * abs(np.sum(np.array(segment) * window * np.exp(-1j * angle))) ** 2
    power *= 4 / (n_fft * sum(w * w for w in window))
    return max(0.0, 10 * math.log10(power) - floor_db)


@pytest.mark.parametrize(("rate", "dt_ms", "window_ms"), [(44100, 5.0, 10.0), (22050, 2.5, 7.0), (97656, 5.0, 4.0)])
def test_values_equal_a_slow_loop(rate, dt_ms, window_ms):
    x = noise(0.05, rate)
    spectrogram = log_mel_spectrogram(x, rate, dt_ms=dt_ms, window_ms=window_ms, floor_db=-70, **SMALL)
    for t, band in [(0, 0), (1, 5), (3, 2), (spectrogram.values.shape[1] - 1, 3)]:
        expected = slow_value(x, rate, t, band, dt_ms=dt_ms, window_ms=window_ms, floor_db=-70, **SMALL)
        assert spectrogram.values[band, t].item() == pytest.approx(expected, abs=1e-4)


def test_axes_and_defaults():
    spectrogram = log_mel_spectrogram(noise(0.1), RATE, name="n")
    assert spectrogram.values.shape == (34, 20)
    assert spectrogram.values.dtype == torch.float32
    torch.testing.assert_close(spectrogram.cf_hz, get_CFs(500, 20000, 34, "mel"))
    assert (spectrogram.dt_ms, spectrogram.unit, spectrogram.name) == (5.0, "dB", "n")


@settings(max_examples=25, deadline=None)
@given(
    cut=st.integers(0, 4409),
    rate=st.sampled_from([22050, 44100, 48000]),
    dt_ms=st.sampled_from([1.0, 5.0, 7.3]),
    window_ms=st.sampled_from([3.0, 10.0, 30.0]),
)
def test_causal_bit_for_bit(cut, rate, dt_ms, window_ms):
    x = noise(0.1, RATE)
    y = x.copy()
    y[cut:] = 1.0
    options = dict(dt_ms=dt_ms, window_ms=window_ms, **SMALL)
    a, b = (log_mel_spectrogram(w, rate, **options).values for w in (x, y))
    before = int(cut / (rate * dt_ms / 1000))  # bins that end at or before the first changed sample
    assert torch.equal(a[:, :before], b[:, :before])


@pytest.mark.parametrize("window_ms", [5.0, 10.0, 20.0, 50.0])
@pytest.mark.parametrize("dt_ms", [1.0, 5.0, 10.0])
def test_the_delay_is_that_of_a_click_whose_bins_all_come_after_it(window_ms, dt_ms):
    """Clicks at every phase of the bins: mean time of their power less their own. A bin has the time of its middle."""
    rate, before_ms = 16000, 100
    late, total = 0.0, 0.0
    for phase in range(int(dt_ms * rate / 1000)):
        x = np.zeros(3200)
        click = before_ms * rate // 1000 + phase
        x[click] = 1.0
        heard = log_mel_spectrogram(
            x, rate, dt_ms=dt_ms, window_ms=window_ms, n_bands=4, min_hz=500, max_hz=4000, floor_db=-300
        )
        power = (10 ** (heard.values.double() / 10) * (heard.values > 0)).sum(0)
        seen = power.nonzero().flatten()  # windows shorter than a bin miss some clicks
        assert all(t >= int(click / rate * 1000 / dt_ms) for t in seen.tolist())
        late += (((seen + 0.5) * dt_ms - (click + 0.5) / rate * 1000) * power[seen]).sum().item()
        total += power.sum().item()
    assert heard.delay_ms == (window_ms - dt_ms) / 2
    assert late / total == pytest.approx(heard.delay_ms, abs=0.02)


def test_spectrograms_of_other_makers_have_no_delay_unless_it_is_given():
    values, cf_hz = torch.zeros(2, 3), torch.tensor([500.0, 1000.0])
    assert Spectrogram(values, cf_hz, 5.0).delay_ms == 0
    assert Spectrogram(values, cf_hz, 5.0, delay_ms=7.5).delay_ms == 7.5
    with pytest.raises(ValueError, match=r"delay_ms must be finite \(ms\), got nan"):
        Spectrogram(values, cf_hz, 5.0, delay_ms=math.nan)


@pytest.mark.parametrize("dt_ms", [5.0, 1.0, 0.7])
@pytest.mark.parametrize("rate", [44100, 48000, 11025])
def test_no_drift_over_ten_seconds(rate, dt_ms):
    """A click is first seen in the bin whose span holds it, at the end of ten seconds as at the beginning."""
    for second in (0.5, 5.0, 9.9):
        x = np.zeros(10 * rate)
        click = round(second * rate)
        x[click] = 1.0
        values = log_mel_spectrogram(x, rate, dt_ms=dt_ms, n_bands=4, min_hz=500, max_hz=5000, floor_db=-200).values
        first = int(values.amax(0).nonzero()[0, 0])
        # The bin's last sample is before its end: the click at index k is inside when k < floor((t+1) dt rate).
        expected = next(
            t
            for t in range(int(1000 * second / dt_ms) - 2, 10**9)
            if click < (t + 1) * rate * round(dt_ms * 10) // 10000
        )
        assert first == expected
        assert abs((first + 0.5) * dt_ms / 1000 - second) <= dt_ms / 1000


@pytest.mark.parametrize(("seconds", "bins"), [(5.0, 1000), (0.0051, 1), (0.0099, 1), (0.01, 2)])
def test_number_of_bins(seconds, bins):
    assert log_mel_spectrogram(noise(seconds), RATE).values.shape[1] == bins


def test_silence_is_exactly_zero_and_nothing_is_below():
    assert log_mel_spectrogram(np.zeros(RATE), RATE).values.abs().max() == 0
    assert log_mel_spectrogram(2e-3 * noise(0.5), RATE).values.min() == 0


def test_a_sound_that_lies_under_the_floor_as_a_whole_is_no_silence():
    volts = 1e-5 * noise(0.5)
    with pytest.warns(UserWarning, match=r"every bin of song lies under the floor of -80 dB: .*calibration=\d"):
        assert log_mel_spectrogram(volts, RATE, name="song").values.max() == 0
    calibrated = log_mel_spectrogram(volts, RATE, calibration=1e5)
    assert torch.allclose(calibrated.values, log_mel_spectrogram(noise(0.5), RATE).values, atol=1e-3)
    with pytest.raises(ValueError, match="calibration must be positive and finite, got 0"):
        log_mel_spectrogram(volts, RATE, calibration=0)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("freq_hz", [1000.0, 4321.0, 12000.0])
def test_a_full_scale_tone_has_zero_decibels_in_all_bands_together(rate, freq_hz):
    x = tone_pip(freq_hz, duration_s=0.2, sample_rate_hz=rate, level_db=0.0)
    spectrogram = log_mel_spectrogram(x, rate, floor_db=-80, window_ms=20)
    level = 10 * torch.log10((10 ** (spectrogram.values[:, 20] / 10) - 1).clamp(min=0).sum()) - 80
    assert level.item() == pytest.approx(0, abs=0.05)
    loudest = spectrogram.cf_hz[spectrogram.values[:, 20].argmax()].item()
    spacing = spectrogram.cf_hz.diff().max().item()
    assert abs(loudest - freq_hz) <= spacing


def test_ten_times_the_amplitude_is_twenty_decibels():
    x = noise(0.2)
    a, b = (log_mel_spectrogram(w, RATE, floor_db=-150).values for w in (x, 0.1 * x))
    torch.testing.assert_close(a - b, torch.full_like(a, 20.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("scale", ["mel", "greenwood", "erb"])
def test_scales_and_tensor_input(scale):
    x = noise(0.1)
    spectrogram = log_mel_spectrogram(torch.from_numpy(x), RATE, scale=scale)
    torch.testing.assert_close(spectrogram.cf_hz, get_CFs(500, 20000, 34, scale))
    assert torch.equal(spectrogram.values, log_mel_spectrogram(x, RATE, scale=scale).values)


def test_many_frames_are_the_same_as_few():
    """Across the boundary of a block of frames."""
    x = noise(5.2)
    whole = log_mel_spectrogram(x, RATE, **SMALL).values
    tail = log_mel_spectrogram(x[441 * 500 :], RATE, **SMALL).values
    torch.testing.assert_close(whole[:, 1002:], tail[:, 2:], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt_ms": 0.0}, "dt_ms must be positive (ms), got 0.0"),
        ({"dt_ms": math.nan}, "dt_ms must be positive (ms), got nan"),
        ({"dt_ms": 0.01}, "dt_ms must be at least one sample, 0.0226757 ms, got 0.01"),
        ({"window_ms": -1.0}, "window_ms must be positive (ms), got -1.0"),
        ({"window_ms": 0.05}, "window_ms must be at least 4 samples, 0.0907029 ms, got 0.05"),
        ({"n_bands": 1}, "n_bands must be at least 2, got 1"),
        (
            {"min_hz": 22050.0, "max_hz": 30000.0},
            "min_hz must lie below half the sample rate, 22050 Hz at a rate of 44100 Hz, got 22050.0",
        ),
        ({"min_hz": 9000.0, "max_hz": 8000.0}, "must satisfy 0 <= min_freq < max_freq (Hz), got 9000.0, 8000.0"),
        ({"floor_db": math.inf}, "floor_db must be finite (dB), got inf"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        log_mel_spectrogram(noise(0.1), RATE, **options)


def test_bad_waveforms():
    with pytest.raises(ValueError, match=r"sample_rate_hz must be positive \(Hz\), got -1"):
        log_mel_spectrogram(noise(0.1), -1)
    with pytest.raises(ValueError, match=r"waveform must have shape \(samples,\), got \(2, 10\)"):
        log_mel_spectrogram(np.zeros((2, 10)), RATE)
    with pytest.raises(TypeError, match=r"waveform must be a floating-point array.* got int16"):
        log_mel_spectrogram(np.zeros(4410, dtype=np.int16), RATE)
    with pytest.raises(TypeError, match="got list"):
        log_mel_spectrogram([0.0] * 4410, RATE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"waveform must last at least one bin of 5\.0 ms, got 4\.98866 ms"):
        log_mel_spectrogram(noise(220 / RATE), RATE)
    x = noise(0.1)
    x[7] = np.nan
    with pytest.raises(ValueError, match="waveform must be finite, got 1 samples that are not"):
        log_mel_spectrogram(x, RATE)
    with pytest.raises(NotImplementedError, match="bark"):
        log_mel_spectrogram(noise(0.1), RATE, scale="bark")


def test_from_wav(tmp_path):
    path = tmp_path / "my sound.wav"
    soundfile.write(path, noise(0.1), RATE, subtype="FLOAT")
    spectrogram = spectrogram_from_wav(path, dt_ms=2.0, **SMALL)
    direct = log_mel_spectrogram(noise(0.1).astype(np.float32), RATE, dt_ms=2.0, **SMALL)
    assert torch.equal(spectrogram.values, direct.values)
    assert spectrogram.name == "my sound"
    assert spectrogram_from_wav(path, name="other").name == "other"
    with pytest.raises(ValueError, match=r"my sound\.wav: min_hz must lie below"):
        spectrogram_from_wav(path, min_hz=25000.0, max_hz=30000.0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000])
def test_a_file_of_a_low_rate_has_the_usual_axis_and_silent_bands(rate, tmp_path):
    path = tmp_path / "speech.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, rate // 5), rate, subtype="PCM_16")
    usual = get_CFs(500.0, 20000.0, 34, "mel")
    silent = int((usual > rate / 2).sum())
    with pytest.warns(UserWarning, match=f"holds nothing above {rate / 2:g} Hz: {silent} of 34 bands are silent"):
        spectrogram = spectrogram_from_wav(path)
    torch.testing.assert_close(spectrogram.cf_hz, torch.as_tensor(usual, dtype=spectrogram.cf_hz.dtype))
    # The band next to the limit still has energy from below it; the one after that has none.
    assert (spectrogram.values[34 - silent + 1 :] == 0).all()
    assert (spectrogram.values[: 34 - silent - 1] > 0).all()


class TestSpectrogram:
    def test_repr_and_duration(self):
        s = Spectrogram(torch.full((2, 250), 3.0), torch.tensor([500.0, 20000.0]), 2.0, name="x")
        assert s.duration_s == 0.5
        assert repr(s) == "Spectrogram('x', 2 bands 500-20000 Hz, 250 bins of 2 ms = 0.5 s, 3 to 3 dB)"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"values": torch.zeros(2)}, r"values must have shape \(F, T\).*got \(2,\)"),
            ({"values": torch.zeros(2, 0)}, r"got \(2, 0\)"),
            ({"values": torch.full((2, 3), torch.nan)}, "values must be finite, got 6 that are not"),
            ({"cf_hz": torch.ones(3)}, r"cf_hz must have shape \(F,\) with F = 2 as in values, got \(3,\)"),
            (
                {"cf_hz": torch.tensor([2.0, 1.0])},
                r"cf_hz must be positive and ascending \(Hz\), got \[2.0, 1.0\]: reverse it, and the bands",
            ),
            ({"cf_hz": torch.tensor([0.0, 1.0])}, "cf_hz must be positive"),
            ({"dt_ms": 0.0}, r"dt_ms must be positive \(ms\), got 0.0"),
        ],
    )
    def test_rules(self, changes, message):
        good = {"values": torch.zeros(2, 3), "cf_hz": torch.tensor([1.0, 2.0]), "dt_ms": 5.0}
        with pytest.raises(ValueError, match=message):
            Spectrogram(**(good | changes))

    def test_types(self):
        with pytest.raises(TypeError, match=r"values must be a floating-point tensor, got torch\.int64"):
            Spectrogram(torch.zeros(2, 3, dtype=torch.long), torch.tensor([1.0, 2.0]), 5.0)
        with pytest.raises(TypeError, match="cf_hz must be a tensor or an array of numbers, got str"):
            Spectrogram(torch.zeros(2, 3), "mel", 5.0)  # type: ignore[arg-type]

    def test_arrays(self):
        values = np.arange(6.0).reshape(2, 3)
        sound = Spectrogram(values, [1000.0, 2000.0], 5.0)  # type: ignore[arg-type]
        assert torch.equal(sound.values, torch.from_numpy(values))
        assert sound.cf_hz.tolist() == [1000.0, 2000.0]
