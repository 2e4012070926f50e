"""Latency that is read of a neuron which answers after exactly 20 ms, at several windows and bin widths.

    python tests/benchmarks/latency_table.py

The sound has six tones whose levels change at random moments. The neuron follows the level of one of them, 20 ms late,
in continuous time; its rate is the mean over each bin. Reverse correlation with the spectrogram gives the field.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from deepstrf.analysis import latency
from deepstrf.models.prefiltering import get_CFs
from deepstrf.stimuli import Spectrogram, log_mel_spectrogram

LATENCY_MS = 20.0
RATE_HZ, SECONDS, BANDS, MIN_HZ, MAX_HZ, BAND = 16000, 40, 6, 500.0, 6000.0, 2
STEP_S, EDGE_S, LONGEST_MS, NOISE = 0.0173, 0.005, 80.0, 2.0
WINDOWS_MS, BINS_MS = (5, 10, 20, 50), (1, 5, 10)


@cache
def sound() -> tuple[np.ndarray, np.ndarray]:
    """The sound, and the level in dB that the neuron follows."""
    rng = np.random.default_rng(0)
    n = SECONDS * RATE_HZ
    edge = np.hanning(int(EDGE_S * RATE_HZ))
    time_s, total, levels = np.arange(n) / RATE_HZ, np.zeros(n), []
    step = int(STEP_S * RATE_HZ)
    for freq_hz in get_CFs(MIN_HZ, MAX_HZ, BANDS, "mel").tolist():
        level = np.convolve(np.repeat(rng.uniform(-50, 0, n // step + 1), step)[:n], edge / edge.sum(), "same")
        total += 0.1 * 10 ** (level / 20) * np.sin(2 * np.pi * freq_hz * time_s + rng.uniform(0, 2 * np.pi))
        levels.append(level)
    return total, levels[BAND]


def reverse_correlation(window_ms: float, dt_ms: float) -> tuple[torch.Tensor, Spectrogram]:
    """Field (F, T) of the neuron, and the spectrogram that it was found with."""
    waveform, level = sound()
    late = round(LATENCY_MS * RATE_HZ / 1000)
    drive = np.concatenate([np.full(late, level[0]), level[:-late]])
    heard = log_mel_spectrogram(
        waveform, RATE_HZ, dt_ms=dt_ms, n_bands=BANDS, min_hz=MIN_HZ, max_hz=MAX_HZ, window_ms=window_ms
    )
    x = heard.values.double().numpy()
    bins, per_bin = x.shape[1], RATE_HZ * int(dt_ms) // 1000
    rate = drive[: bins * per_bin].reshape(bins, per_bin).mean(1)
    rate = rate + NOISE * rate.std() * np.random.default_rng(1).standard_normal(bins)
    taps = int(LONGEST_MS / dt_ms)
    x, rate = x - x.mean(1, keepdims=True), rate - rate.mean()
    field = [[x[f, : bins - lag] @ rate[lag:] / bins for lag in reversed(range(taps))] for f in range(BANDS)]
    return torch.tensor(field), heard


def measured(window_ms: float, dt_ms: float) -> tuple[float, float]:
    """Latency with the delay that the spectrogram knows, and lag without it, ms."""
    field, heard = reverse_correlation(window_ms, dt_ms)
    return latency(field, dt_ms, delay_ms=heard.delay_ms).item(), latency(field, dt_ms).item()


def main() -> None:
    """Print the table."""
    print(f"a neuron of {LATENCY_MS:g} ms; in brackets without the spectrogram's delay")
    print("window " + "".join(f"{f'bins of {dt_ms} ms':>20}" for dt_ms in BINS_MS))
    for window_ms in WINDOWS_MS:
        cells = [measured(window_ms, dt_ms) for dt_ms in BINS_MS]
        print(f"{window_ms:3d} ms " + "".join(f"{read:13.1f} ({lag:4.1f})" for read, lag in cells))


if __name__ == "__main__":
    main()
