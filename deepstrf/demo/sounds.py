"""The demo's sounds: a fixed one, and any number of random ones of the same kind."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from deepstrf.stimuli import (
    Spectrogram,
    dynamic_random_chord,
    fm_sweep,
    log_mel_spectrogram,
    moving_ripple,
    noise_burst,
    tone_pip,
)

RATE_HZ = 44100
SECONDS = 5.0
DT_MS = 5.0
WINDOW_MS = 10.0
DELAY_MS = (WINDOW_MS - DT_MS) / 2
N_BANDS = 34
MIN_HZ, MAX_HZ = 500.0, 20000.0
DEMO_SEED = 2024


def spectrogram(waveform: np.ndarray | Tensor, name: str = "") -> Spectrogram:
    """Log-mel spectrogram as the demo's model takes it: 34 bands from 500 Hz to 20 kHz in bins of 5 ms."""
    return log_mel_spectrogram(
        waveform, RATE_HZ, dt_ms=DT_MS, n_bands=N_BANDS, min_hz=MIN_HZ, max_hz=MAX_HZ, window_ms=WINDOW_MS, name=name
    )


def demo_sound() -> np.ndarray:
    """Five seconds, (220500,), in [-1, 1]: pips up the scale, noise, sweeps up and down, two ripples, random chords."""
    rng = np.random.default_rng(DEMO_SEED)
    sound = np.zeros(round(SECONDS * RATE_HZ))
    for i, freq_hz in enumerate(np.geomspace(700.0, 16000.0, 10)):
        _add(sound, tone_pip(freq_hz, duration_s=0.06, level_db=-14.0), 0.06 + 0.11 * i)
    for start_s, low_hz, high_hz in ((1.2, 500.0, 20000.0), (1.42, 1000.0, 3000.0), (1.64, 4000.0, 12000.0)):
        _add(sound, noise_burst(duration_s=0.12, min_hz=low_hz, max_hz=high_hz, level_db=-16.0, seed=rng), start_s)
    for start_s, start_hz, end_hz in ((1.9, 1500.0, 12000.0), (2.15, 12000.0, 1500.0), (2.4, 2500.0, 7000.0)):
        _add(sound, fm_sweep(start_hz, end_hz, duration_s=0.15, level_db=-14.0), start_s)
    _add(sound, moving_ripple(4.0, 0.5, duration_s=0.75, level_db=-18.0, seed=rng), 2.7)
    _add(sound, moving_ripple(-8.0, 0.8, duration_s=0.6, level_db=-18.0, seed=rng), 3.5)
    _add(sound, dynamic_random_chord(duration_s=0.8, chord_ms=40.0, level_db=-24.0, seed=rng), 4.15)
    return sound


def random_sound(seed: int | np.random.Generator) -> np.ndarray:
    """Five seconds, (220500,), in [-1, 1], of events of the same kinds as in `demo_sound`, drawn by chance."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round(SECONDS * RATE_HZ))
    start_s = rng.uniform(0.02, 0.2)
    while True:
        event = _random_event(rng)
        if start_s + len(event) / RATE_HZ > SECONDS:
            return sound
        _add(sound, event, start_s)
        start_s += len(event) / RATE_HZ + rng.uniform(0.0, 0.12)


def _random_event(rng: np.random.Generator) -> np.ndarray:
    """A pip, a burst, a sweep, a ripple or some chords, with parameters from the ranges that `demo_sound` spans."""
    kind = rng.choice(["pip", "burst", "sweep", "ripple", "chords"], p=[0.36, 0.18, 0.2, 0.1, 0.16])
    level_db = rng.uniform(-36.0, -14.0)
    short_s, long_s = rng.uniform(0.03, 0.2), rng.uniform(0.3, 0.8)
    first_hz, second_hz = np.exp(rng.uniform(np.log(600.0), np.log(19000.0), 2))
    low_hz, high_hz = min(first_hz, second_hz), max(first_hz, second_hz)
    if kind == "pip":
        return tone_pip(first_hz, duration_s=short_s, level_db=level_db)
    if kind == "burst":
        return noise_burst(
            duration_s=short_s, min_hz=low_hz, max_hz=max(high_hz, 1.3 * low_hz) if low_hz < 15000 else 20000.0,
            level_db=level_db, seed=rng,
        )  # fmt: skip
    if kind == "sweep":
        return fm_sweep(first_hz, second_hz, duration_s=short_s + 0.02, level_db=level_db)
    if kind == "ripple":
        velocity_hz = rng.choice([-1, 1]) * rng.uniform(2.0, 16.0)
        return moving_ripple(velocity_hz, rng.uniform(0.0, 1.5), duration_s=long_s, level_db=level_db, seed=rng)
    return dynamic_random_chord(duration_s=long_s, chord_ms=rng.uniform(20.0, 60.0), level_db=level_db - 8, seed=rng)


def _add(sound: np.ndarray, event: np.ndarray, start_s: float) -> None:
    first = round(start_s * RATE_HZ)
    sound[first : first + len(event)] += event
