"""How often the intervals of fields and tuning hold the truth: ``python tests/benchmarks/coverage_table.py``.

Simulated LN neurons (16 bands, 12 lags of 10 ms), two kinds of sound, two SNRs, two lengths; the default fit, then its
posterior. All weights and those above half the peak are those of fields at unit norm. Each row: share of 95 % intervals
that hold the truth, median width beside it (weights: over the peak; best frequency and bandwidth in octaves; latency
in ms), r of the field with the truth before (the fit) and after (the posterior mean), and what the intervals cost in
fits. Figures are noisy: of 48 neurons 0.95 is known to 0.03 (one standard error), of 6 to 0.09.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from deepstrf.analysis import bandwidth, best_frequency, latency
from deepstrf.models import LinearNonlinear
from deepstrf.simulate import SimulatedPopulation, simulate_population, strf_correlation
from deepstrf.training import Fitter, posterior

BANDS, LAGS, RATE_HZ = 16, 12, 8000
GRID = {"n_lags": LAGS, "dt_ms": 10.0, "n_bands": BANDS, "max_hz": 3800.0, "sample_rate_hz": RATE_HZ}
CONDITIONS = tuple(itertools.product(("chords", "1/f"), (80, 300), (0.1, 0.4)))
COLUMNS = ("weights", "large", "best f.", "latency", "bandwidth")


def natural_sounds(seconds: float, seed: int, *, depth_db: float = 12.0, tones: int = 40) -> list[np.ndarray]:
    """Tones whose levels are a 1/f field in time (above 1 Hz) and along octaves, in pieces of 5 s."""
    rng, frames_hz, made = np.random.default_rng(seed), 200, []
    for _ in range(round(seconds / 5)):
        n, step = 5 * RATE_HZ, RATE_HZ // frames_hz
        m = n // step + 2
        spectrum = np.fft.fft2(rng.standard_normal((tones, m)))
        in_time, in_octaves = np.abs(np.fft.fftfreq(m, 1 / frames_hz)), np.abs(np.fft.fftfreq(tones, 3.0 / tones))
        levels = np.fft.ifft2(spectrum / np.maximum(in_time, 1.0) / np.maximum(in_octaves, 0.3)[:, None]).real
        levels = depth_db * (levels - levels.mean()) / levels.std()
        t, sound = np.arange(n) / RATE_HZ, np.zeros(n)
        for tone, hz in enumerate(480 * 2 ** (np.arange(tones) / tones * 3.02)):
            level = np.interp(t, np.arange(m) / frames_hz, levels[tone])
            sound += 10 ** (level / 20) * np.sin(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi))
        made.append((0.02 * sound).astype(np.float32).clip(-1, 1))
    return made


def population(kind: str, seconds: int, snr: float, neurons: int, seed: int) -> SimulatedPopulation:
    """Neurons, with a quarter more sound than ``seconds`` for validation."""
    total = seconds + max(20, seconds // 4)
    sounds = None if kind == "chords" else natural_sounds(total, seed + 1000)
    return simulate_population(neurons, seconds=total, snr=snr, sounds=sounds, seed=seed, **GRID)


def readings(truth: SimulatedPopulation, neurons: int, seconds: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, whether each interval holds the truth, and its width."""
    count = len(truth.stimuli)
    cut = round(count * seconds / (seconds + max(20, seconds // 4)))
    train, validation = truth.select(stimuli=range(cut)), truth.select(stimuli=range(cut, count))
    torch.manual_seed(0)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=neurons)
    began = time.perf_counter()
    Fitter(progress=False).fit(model, train, validation)
    fitted = time.perf_counter()
    found = posterior(model, train, progress=False)
    took = time.perf_counter()
    yield "cost", torch.tensor((took - fitted) / (fitted - began)), torch.tensor(took - began)
    true = truth.strf
    yield "r", strf_correlation(model.effective_STRF()[0], true), strf_correlation(found.fields, true)
    true = true / true.flatten(1).norm(dim=1)[:, None, None, None]
    peak = true.abs().amax((1, 2, 3), keepdim=True)
    low, high = found["strf"].interval()
    inside, width = (low <= true) & (true <= high), (high - low) / peak
    yield "weights", inside.float().mean((1, 2, 3)), width.flatten(1).median(1).values
    large = true.abs() > peak / 2
    yield "large", inside[large].float(), width[large]
    hz, bins = truth.cf_hz, {"dt_ms": truth.dt_ms, "delay_ms": truth.delay_ms}
    for name, value, octaves in (
        ("best_frequency", best_frequency(true, hz), True),
        ("latency", latency(true, bins["dt_ms"], delay_ms=bins["delay_ms"]), False),
        ("bandwidth", bandwidth(true, hz).nan_to_num(nan=torch.inf), False),
    ):
        low, high = found[name].interval()
        width = (high / low).log2() if octaves else high - low
        yield name, ((low <= value) & (value <= high)).float(), width.nan_to_num(nan=torch.inf)


def row(kind: str, seconds: int, snr: float, neurons: int, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    truth = population(kind, seconds, snr, neurons, seed)
    return {name: (first, second) for name, first, second in readings(truth, neurons, seconds)}


def line(name: str, found: dict[str, tuple[Tensor, Tensor]]) -> str:
    cells = [
        f"{float(inside.mean()):.2f} ({float(width.median()):.2g})"
        for key, (inside, width) in found.items()
        if key not in ("cost", "r")
    ]
    fit, mean = found["r"]
    cost = f"{float(found['cost'][0].mean()):.1f}"
    return f"| {name} | " + " | ".join([*cells, f"{float(fit.mean()):.2f} → {float(mean.mean()):.2f}", cost]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=6, help="a condition; 8 conditions of 6 are 48")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--conditions", type=int, nargs="*", default=range(len(CONDITIONS)))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| sounds | " + " | ".join(COLUMNS) + " | r of the field | cost in fits |", flush=True)
    print("|---" * (len(COLUMNS) + 3) + "|", flush=True)
    every: list[dict[str, tuple[Tensor, Tensor]]] = []
    for number in options.conditions:
        kind, seconds, snr = CONDITIONS[number]
        every.append(row(kind, seconds, snr, options.neurons, options.seed + number))
        print(line(f"{kind}, {seconds} s, SNR {snr:g}", every[-1]), flush=True)
    together = {
        name: tuple(torch.cat([one[name][i].flatten() for one in every]) for i in range(2)) for name in every[0]
    }
    print(line(f"all {options.neurons * len(every)} neurons", together), flush=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
