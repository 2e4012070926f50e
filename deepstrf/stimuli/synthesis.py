"""Sounds made from a formula, as float64 waveforms: tones, sweeps, noise, ripples, chords.

Levels are in dB re a full-scale sinusoid: 0 dB is a root mean square of 1/sqrt(2). What is random is drawn from
``seed``, a number or a ``numpy.random.Generator`` that the caller goes on using; global state is neither read nor set.
"""

from __future__ import annotations

import math

import numpy as np

from deepstrf.deprecation import keywords

Seed = int | np.random.Generator

RATE_HZ = 44100.0
LEVEL_DB = -20.0
RAMP_MS = 5.0


@keywords(rate_hz="sample_rate_hz")
def cosine_ramps(waveform: np.ndarray, sample_rate_hz: float = RATE_HZ, ramp_ms: float = RAMP_MS) -> np.ndarray:
    r"""The waveform (..., samples) with its ends raised and lowered as :math:`\sin^2`, over ``ramp_ms`` each.

    Raises
    ------
    ValueError
        ``ramp_ms`` is negative or two ramps do not fit.
    """
    _positive("sample_rate_hz", sample_rate_hz, "Hz")
    n = round(ramp_ms * sample_rate_hz / 1000)
    length = waveform.shape[-1]
    if n < 0 or 2 * n > length:
        longest = 500 * length / sample_rate_hz
        raise ValueError(f"ramp_ms must lie in [0, {longest:g}] ms, half of the sound, got {ramp_ms}")
    ramp = np.square(np.sin(np.pi / 2 * (np.arange(n) + 0.5) / max(n, 1)))
    out = np.array(waveform, dtype=np.float64)
    out[..., :n] *= ramp
    out[..., length - n :] *= ramp[::-1]
    return out


@keywords(rate_hz="sample_rate_hz")
def tone_pip(
    freq_hz: float,
    *,
    duration_s: float = 0.1,
    sample_rate_hz: float = RATE_HZ,
    level_db: float = LEVEL_DB,
    ramp_ms: float = RAMP_MS,
) -> np.ndarray:
    """A sinusoid with cosine ramps, (samples,).

    Parameters
    ----------
    freq_hz : float
        In (0, sample_rate_hz / 2) Hz.
    duration_s, sample_rate_hz, level_db, ramp_ms : float
        Length, sample rate, level, length of a ramp.

    Raises
    ------
    ValueError
        A parameter breaks its rule.
    """
    _check_band(freq_hz, freq_hz, sample_rate_hz, "freq_hz", "freq_hz")
    time = _times(duration_s, sample_rate_hz)
    return cosine_ramps(_amplitude(level_db) * np.sin(2 * np.pi * freq_hz * time), sample_rate_hz, ramp_ms)


@keywords(rate_hz="sample_rate_hz")
def fm_sweep(
    start_hz: float,
    end_hz: float,
    *,
    duration_s: float = 0.1,
    sample_rate_hz: float = RATE_HZ,
    level_db: float = LEVEL_DB,
    ramp_ms: float = RAMP_MS,
) -> np.ndarray:
    """A sinusoid whose frequency glides at a constant number of octaves per second, with cosine ramps, (samples,).

    Parameters
    ----------
    start_hz, end_hz : float
        In (0, sample_rate_hz / 2) Hz.
    duration_s, sample_rate_hz, level_db, ramp_ms : float
        As in :func:`tone_pip`.

    Raises
    ------
    ValueError
        A parameter breaks its rule.
    """
    _check_band(start_hz, start_hz, sample_rate_hz, "start_hz", "start_hz")
    _check_band(end_hz, end_hz, sample_rate_hz, "end_hz", "end_hz")
    time = _times(duration_s, sample_rate_hz)
    growth = math.log(end_hz / start_hz) / duration_s
    # The integral of start exp(growth t), which expm1 gives to full precision also for a glide that is nearly none.
    cycles = start_hz * (np.expm1(growth * time) / growth if growth else time)
    return cosine_ramps(_amplitude(level_db) * np.sin(2 * np.pi * cycles), sample_rate_hz, ramp_ms)


@keywords(rate_hz="sample_rate_hz", low_hz="min_hz", high_hz="max_hz")
def noise_burst(
    *,
    duration_s: float = 0.1,
    min_hz: float = 500.0,
    max_hz: float = 20000.0,
    sample_rate_hz: float = RATE_HZ,
    level_db: float = LEVEL_DB,
    ramp_ms: float = RAMP_MS,
    seed: Seed = 0,
) -> np.ndarray:
    """Gaussian noise with a flat spectrum from ``min_hz`` to ``max_hz`` and nothing outside, then ramped, (samples,).

    Parameters
    ----------
    min_hz, max_hz : float
        0 < min_hz < max_hz <= sample_rate_hz / 2, with at least one frequency of the sound's Fourier series in between.
    duration_s, sample_rate_hz, level_db, ramp_ms : float
        As in :func:`tone_pip`; before the ramps the level is exact.
    seed : int or Generator

    Raises
    ------
    ValueError
        A parameter breaks its rule.
    """
    _check_band(min_hz, max_hz, sample_rate_hz)
    samples = len(_times(duration_s, sample_rate_hz))
    freqs_hz = np.fft.rfftfreq(samples, 1 / sample_rate_hz)
    inside = (freqs_hz >= min_hz) & (freqs_hz <= max_hz)
    if not inside.any():
        raise ValueError(
            f"min_hz and max_hz must be at least {1 / duration_s:g} Hz apart in {duration_s} s, got {min_hz}, {max_hz}"
        )
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples)) * inside
    noise = np.fft.irfft(spectrum, samples)
    noise *= _amplitude(level_db) / math.sqrt(2) / math.sqrt(np.square(noise).mean())
    return cosine_ramps(noise, sample_rate_hz, ramp_ms)


@keywords(rate_hz="sample_rate_hz", low_hz="min_hz", high_hz="max_hz")
def moving_ripple(
    velocity_hz: float,
    density_cyc_oct: float,
    *,
    duration_s: float = 1.0,
    depth_db: float = 30.0,
    min_hz: float = 500.0,
    max_hz: float = 20000.0,
    tones_per_octave: int = 40,
    phase_rad: float = 0.0,
    sample_rate_hz: float = RATE_HZ,
    level_db: float = LEVEL_DB,
    ramp_ms: float = RAMP_MS,
    seed: Seed = 0,
) -> np.ndarray:
    r"""A broad band whose level is a sinusoid along time and log frequency, (samples,).

    The tone x octaves above ``min_hz`` has the level, in dB,
    :math:`\frac{depth}{2} \sin(2\pi (w t + \Omega x) + \phi)` re the mean, with w the velocity and :math:`\Omega` the
    density. With both positive the peaks move down in frequency, as is the convention of Kowalski et al.; a negative
    velocity moves them up. The tones have random phases.

    Parameters
    ----------
    velocity_hz, density_cyc_oct : float
        Cycles per second and per octave, either sign.
    duration_s : float
    depth_db : float
        From trough to peak, at least 0.
    min_hz, max_hz : float
        0 < min_hz < max_hz < sample_rate_hz / 2.
    tones_per_octave : int
        More than twice the density.
    phase_rad : float
        :math:`\phi`.
    sample_rate_hz, level_db, ramp_ms : float
        As in :func:`tone_pip`; before the ramps the level is that of the whole sound.
    seed : int or Generator
        Of the tones' phases.

    Raises
    ------
    ValueError
        A parameter breaks its rule.

    References
    ----------
    Kowalski, Depireux & Shamma (1996); levels in dB as in Escabi & Schreiner (2002).
    """
    _check_band(min_hz, max_hz, sample_rate_hz)
    if not depth_db >= 0:
        raise ValueError(f"depth_db must be at least 0 dB, got {depth_db}")
    if not tones_per_octave > 2 * abs(density_cyc_oct):
        raise ValueError(
            f"tones_per_octave must exceed twice the density, {2 * abs(density_cyc_oct):g}, got {tones_per_octave}"
        )
    time = _times(duration_s, sample_rate_hz)
    octaves = np.arange(0, math.log2(max_hz / min_hz), 1 / tones_per_octave)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(octaves))
    sound = np.zeros_like(time)
    for x, start in zip(octaves, phases, strict=True):
        decibels = depth_db / 2 * np.sin(2 * np.pi * (velocity_hz * time + density_cyc_oct * x) + phase_rad)
        sound += 10 ** (decibels / 20) * np.sin(2 * np.pi * min_hz * 2**x * time + start)
    sound *= _amplitude(level_db) / math.sqrt(2) / math.sqrt(np.square(sound).mean())
    return cosine_ramps(sound, sample_rate_hz, ramp_ms)


@keywords(rate_hz="sample_rate_hz", low_hz="min_hz", high_hz="max_hz")
def dynamic_random_chord(
    *,
    duration_s: float = 1.0,
    chord_ms: float = 20.0,
    min_hz: float = 500.0,
    max_hz: float = 20000.0,
    tones_per_octave: int = 6,
    tone_probability: float = 0.3,
    range_db: float = 30.0,
    sample_rate_hz: float = RATE_HZ,
    level_db: float = LEVEL_DB,
    ramp_ms: float = RAMP_MS,
    seed: Seed = 0,
) -> np.ndarray:
    """A succession of chords, each of tones that are on by chance and at a level drawn by chance, (samples,).

    Parameters
    ----------
    duration_s : float
    chord_ms : float
        Length of a chord; each of its tones has ramps of its own.
    min_hz, max_hz : float
        0 < min_hz < max_hz < sample_rate_hz / 2; the tones stand at ``min_hz`` times 2^(i / tones_per_octave).
    tones_per_octave : int
        At least 1.
    tone_probability : float
        In (0, 1].
    range_db : float
        A tone's level is uniform from ``level_db - range_db`` to ``level_db``, at least 0.
    sample_rate_hz, level_db, ramp_ms : float
        As in :func:`tone_pip`; the level is the highest of a single tone.
    seed : int or Generator

    Raises
    ------
    ValueError
        A parameter breaks its rule.

    References
    ----------
    Linden, Liu, Sahani, Schreiner & Merzenich (2003).
    """
    _check_band(min_hz, max_hz, sample_rate_hz)
    _positive("chord_ms", chord_ms, "ms")
    if not 0 < tone_probability <= 1:
        raise ValueError(f"tone_probability must lie in (0, 1], got {tone_probability}")
    if not range_db >= 0:
        raise ValueError(f"range_db must be at least 0 dB, got {range_db}")
    if tones_per_octave < 1:
        raise ValueError(f"tones_per_octave must be at least 1, got {tones_per_octave}")
    time = _times(duration_s, sample_rate_hz)
    octaves = np.arange(0, math.log2(max_hz / min_hz), 1 / tones_per_octave)
    n_chords = math.ceil(1000 * duration_s / chord_ms - 1e-9)
    generator = np.random.default_rng(seed)
    shape = (n_chords, len(octaves))
    amplitudes = _amplitude(level_db - range_db * generator.uniform(size=shape))
    amplitudes = amplitudes * (generator.uniform(size=shape) < tone_probability)
    phases = generator.uniform(0, 2 * np.pi, len(octaves))
    edges = np.round(np.arange(n_chords + 1) * chord_ms * sample_rate_hz / 1000).astype(int)
    edges[-1] = len(time)
    gate = np.concatenate(
        [
            cosine_ramps(np.ones(width), sample_rate_hz, min(ramp_ms, 500 * (width - 1) / sample_rate_hz))
            for width in np.diff(edges)
        ]
    )
    chord = np.repeat(np.arange(n_chords), np.diff(edges))
    sound = np.zeros_like(time)
    for i, (x, start) in enumerate(zip(octaves, phases, strict=True)):
        sound += amplitudes[chord, i] * np.sin(2 * np.pi * min_hz * 2**x * time + start)
    return sound * gate


def _amplitude(level_db: float | np.ndarray) -> float | np.ndarray:
    """Peak of a sinusoid of that level."""
    if not np.isfinite(level_db).all():
        raise ValueError(f"level_db must be finite (dB), got {level_db}")
    return 10 ** (np.asarray(level_db) / 20)


def _positive(name: str, value: float, unit: str) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be positive ({unit}), got {value}")


def _times(duration_s: float, sample_rate_hz: float) -> np.ndarray:
    """Time of every sample, s."""
    _positive("duration_s", duration_s, "s")
    samples = round(duration_s * sample_rate_hz)
    if samples < 1:
        raise ValueError(f"duration_s must be at least one sample, {1 / sample_rate_hz:g} s, got {duration_s}")
    return np.arange(samples) / sample_rate_hz


def _check_band(min_hz: float, max_hz: float, sample_rate_hz: float, low: str = "min_hz", high: str = "max_hz") -> None:
    _positive("sample_rate_hz", sample_rate_hz, "Hz")
    if not 0 < min_hz < sample_rate_hz / 2:
        raise ValueError(f"{low} must lie in (0, {sample_rate_hz / 2:g}) Hz, got {min_hz}")
    if low != high and not min_hz < max_hz < sample_rate_hz / 2:
        raise ValueError(f"{high} must lie in ({min_hz:g}, {sample_rate_hz / 2:g}) Hz, got {max_hz}")
