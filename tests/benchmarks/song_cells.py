"""Default fits beside ridge on single cells under songs: ``python tests/benchmarks/song_cells.py [--cells 12]``.

Simulated neurons hear harmonic syllables and calls of noise in files of 32 kHz, of unequal length and with nothing
above 8 kHz, ten trials of each; a third of the bands is silent. A sixth of the sounds is for the test and a sixth for
early stopping. For each cell: correlation with the mean response to the test sounds of ridge regression and of the
default fits of a free field, of one behind AdapTrans and of eight Gaussians; and how far the best frequency lies from
the true one, in octaves: that of the peak of the field, and that of `deepstrf.training.posterior`. Beside a model that
fell short of ridge, an estimate beyond 0.3 octaves, an interval without the truth, or a peak that
`deepstrf.analysis.diagnose` says stands in the wrong band, without that posterior, stands a mark.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.analysis import best_frequency, diagnose
from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate import simulate_population
from deepstrf.stimuli import heard_weights
from deepstrf.training import Fitter, posterior, predict, ridge

RATE_HZ, HIGHEST_HZ, SONG_HZ = 32000, 16000.0, 8000.0
BANDS, LAGS, GAUSSIANS, DT_MS = 34, 20, 8, 5.0
NEAR_OCTAVES = 0.3


class Cells(NamedTuple):
    """Sounds to fit, to stop by and to test, and the best frequencies (N,) of the cells in Hz."""

    train: Recording
    validation: Recording
    test: Recording
    true_hz: Tensor


def song(random: np.random.Generator) -> np.ndarray:
    """Syllables of 40 to 200 ms for 1.5 to 3.5 s, of which nothing lies above 8 kHz."""
    sound = np.zeros(int(random.uniform(1.5, 3.5) * RATE_HZ))
    start = 0
    while start < len(sound):
        n = min(int(random.uniform(0.04, 0.2) * RATE_HZ), len(sound) - start)
        if random.random() < 0.6:
            pitch = np.linspace(*random.uniform(400, 1500, 2), n)
            phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
            tilt, top = random.uniform(0, 1.5), int(SONG_HZ / pitch.max())
            voice = sum(np.sin(h * phase) / h**tilt for h in range(1, top + 1))
        else:
            voice = random.standard_normal(n)
        voice = np.asarray(voice) * np.hanning(n)
        sound[start : start + n] = random.uniform(0.05, 0.5) * voice / np.abs(voice).max()
        start += n + int(random.uniform(0.01, 0.1) * RATE_HZ)
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE_HZ) > SONG_HZ] = 0.0
    return np.fft.irfft(spectrum, len(sound))


def cells(count: int = 12, sounds: int = 36, *, trials: int = 10, snr: float = 0.2, strf: str = "gaussian") -> Cells:
    """So many cells whose best frequency lies where the songs have sound."""
    random = np.random.default_rng(3)
    population = simulate_population(
        3 * count, sounds=[song(random) for _ in range(sounds)], trials=trials, snr=snr, strf=strf, n_bands=BANDS,
        max_hz=HIGHEST_HZ, sample_rate_hz=RATE_HZ, dt_ms=DT_MS, n_lags=LAGS, seed=9,
    )  # fmt: skip
    true_hz = best_frequency(population.strf[:, 0], population.cf_hz)
    chosen = (true_hz < SONG_HZ * 0.9).nonzero().flatten()[:count].tolist()
    if len(chosen) < count:
        raise ValueError(f"count must be fewer: of {3 * count} cells {len(chosen)} lie below {SONG_HZ:g} Hz")
    of_these = population.select(neurons=chosen)
    each = max(1, sounds // 6)
    parts = (range(2 * each, sounds), range(each, 2 * each), range(each))
    train, validation, test = (of_these.select(stimuli=list(part)) for part in parts)
    return Cells(train, validation, test, true_hz[chosen])


def models(recording: Recording) -> dict[str, Callable[[], nn.Module]]:
    """How each model is made, with its default sizes."""
    F, N = len(recording.cf_hz), len(recording.neuron_names)
    low, high = recording.cf_hz[0].item(), recording.cf_hz[-1].item()
    adaptation = lambda: make_prefiltering("adaptrans", F, recording.dt_ms, low, high)  # noqa: E731
    return {
        "LN": lambda: LinearNonlinear(F, LAGS, out_neurons=N),
        "AdapTrans + LN": lambda: LinearNonlinear(F, LAGS, out_neurons=N, prefiltering=adaptation()),
        "8 Gaussians": lambda: LinearNonlinear(
            F, LAGS, out_neurons=N, kernel=ParametricSTRF(F, LAGS, 1, N, num_gaussians=GAUSSIANS)
        ),
    }


def tuned_to(model: nn.Module, train: Recording) -> tuple[Tensor, Tensor]:
    """Best frequency (N,) of each cell in Hz: of the channel (ON or OFF) with the larger peak; and that channel."""
    field, _ = model.readout.effective_STRF()
    field = torch.where(heard_weights(train.stimuli, field.shape[-1], train.bins), field, 0.0)
    channel = field.amax((2, 3)).argmax(1, keepdim=True)
    return best_frequency(field, train.cf_hz).gather(1, channel)[:, 0], channel


class Row(NamedTuple):
    """What a model reaches, for each cell: correlation; distance in octaves to the true best frequency of the peak of
    its field and of the posterior's estimate, whether the 95 % interval beside that holds the truth, and whether
    `diagnose` names the peak. Seconds."""

    r: Tensor
    off: Tensor
    estimate_off: Tensor
    held: Tensor
    named: Tensor
    seconds: float


def read(name: str, model: nn.Module, found: Cells, seconds: float) -> Row:
    """The row of a fitted model; of ridge regression, which has no output curve, without a posterior."""
    r = corrcoef(predict(model, found.test.stimuli), found.test.responses, reduction="none")
    hz, channel = tuned_to(model, found.train)
    off = (hz / found.true_hz).log2().abs()
    misread = {finding.neuron for finding in diagnose(model, found.train).of("misread_tuning")}
    named = torch.tensor([n in misread for n in range(len(off))])
    if name == "ridge":
        return Row(r, off, off, torch.ones_like(off, dtype=torch.bool), named, seconds)
    band = posterior(model, found.train, progress=False)["best_frequency"]
    estimate, low, high = (x.gather(1, channel)[:, 0] for x in (band.estimate, *band.interval()))
    held = (low <= found.true_hz) & (found.true_hz <= high)
    return Row(r, off, (estimate / found.true_hz).log2().abs(), held, named, seconds)


def fitted(found: Cells, *, seed: int = 0, fitter: Fitter | None = None) -> dict[str, Row]:
    """Each row of the table."""
    fitter = Fitter(seed=seed, progress=False) if fitter is None else fitter
    rows = {}
    for name, make in {"ridge": lambda: ridge(found.train, LAGS), **models(found.train)}.items():
        torch.manual_seed(seed)
        began = time.process_time()
        model = make()
        if name != "ridge":
            fitter.fit(model, found.train, found.validation)
        rows[name] = read(name, model, found, time.process_time() - began)
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Print the table of each family of fields."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--sounds", type=int, default=36)
    parser.add_argument("--snr", type=float, default=0.2)
    parser.add_argument("--strf", default="gaussian")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = cells(given.cells, given.sounds, snr=given.snr, strf=given.strf)
    print(f"{given.strf} fields: {found.train}; {len(found.test)} sounds to test")
    rows = fitted(found, seed=given.seed)
    baseline = rows["ridge"].r
    print("| cell | true Hz | " + " | ".join(rows) + " |\n" + "|---" * (len(rows) + 2) + "|")
    for n, hz in enumerate(found.true_hz.tolist()):
        said = []
        for r, off, estimate_off, held, named, _ in rows.values():
            marks = ("*" if r[n] < baseline[n] else "") + ("!" if estimate_off[n] > NEAR_OCTAVES else "")
            marks += ("" if held[n] else "?") + ("~" if named[n] else "")
            said.append(f"{r[n]:.3f} ({off[n]:.2f}, {estimate_off[n]:.2f} oct){marks}")
        print(f"| {n + 1} | {hz:.0f} | " + " | ".join(said) + " |")
    seconds = " | ".join(f"{row.r.mean():.3f} ({row.seconds:.0f} s)" for row in rows.values())
    print(
        f"| mean | | {seconds} |\n* below ridge; ! estimate over {NEAR_OCTAVES:g} octaves off; "
        "? not in its interval; ~ peak named"
    )
    for name, row in rows.items():
        near = [int((x <= NEAR_OCTAVES).sum()) for x in (row.off, row.estimate_off)]
        print(
            f"{name}: above ridge {int((row.r > baseline).sum())}, peak of the field near {near[0]}, estimate near "
            f"{near[1]}, interval holds the truth {int(row.held.sum())} of {len(row.r)}; named {int(row.named.sum())} "
            f"peaks, {int((row.named & (row.off > NEAR_OCTAVES)).sum())} of those that are not near",
            flush=True,
        )


if __name__ == "__main__":
    main()
