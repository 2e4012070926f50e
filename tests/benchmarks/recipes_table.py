"""What a default fit of each model reaches beside ridge and the noise ceiling, on simulated neurons or a folder.

    python tests/benchmarks/recipes_table.py [FOLDER] [--folds 1] [--seeds 2] [--models DNet] [--adaptation none]
                                             [--epochs 200] [--output softplus] [--write docs/fits.md]

FOLDER is a folder of recordings as `deepstrf.datasets.RecordingFolder` reads it; without it, twelve neurons are
simulated with an output curve under song-like sounds of unequal length. A fifth of the sounds is for the test
and a fifth for early stopping, in turn. Every model has its default settings and starts from other random weights with
each seed; scores are correlations with the responses to the test sounds. No fit ends by the clock, so that the scores
are the same on every machine but for rounding: early stopping ends them, or ``--epochs``, as many as by default. With
``--write`` the rows replace those of the page, and the others stay. With five seeds each of these pieces, for a folder
and for the simulated neurons, takes at most ten minutes on one core:

    --adaptation none --models Linear LinearNonlinear Gaussians NetworkReceptiveField DNet Transformer
    --adaptation none --models ConvNet2D
    --adaptation none --models StateNet
    --adaptation adaptrans --models Linear LinearNonlinear Gaussians NetworkReceptiveField DNet Transformer
    --adaptation adaptrans --models ConvNet2D
    --adaptation adaptrans --models StateNet
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.datasets import Recording, RecordingFolder
from deepstrf.metrics import compute_CCmax, corrcoef
from deepstrf.models.audio import (
    ConvNet2D,
    DNet,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    StateNet,
    Transformer,
)
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter, StepSizes, predict, ridge
from deepstrf.training.recipes import recipe_for

WINDOW_MS, BANDS, GAUSSIANS, FOLDS = 100.0, 34, 8, 5
ADAPTATIONS, OUTPUTS = ("none", "adaptrans"), ("softplus", "sigmoid")
MOST_EPOCHS = Fitter().epochs
HEADER = "| model, adaptation | r | less ridge | spread | seeds | seconds | settings | |\n" + 8 * "|---" + "|\n"


class Row(NamedTuple):
    """One model on one fold: scores (N,) of each seed, and seconds of processor time of a fit."""

    scores: Tensor
    seconds: float

    @property
    def spread(self) -> float:
        """Largest difference between two seeds, of the mean over the neurons."""
        means = self.scores.nanmean(1)
        return (means.max() - means.min()).item()


def songs(count: int, rate_hz: int, seed: int) -> list[np.ndarray]:
    """Sounds of 1.2 to 2.5 s made of harmonic syllables that sweep, with silence between them."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        sound = np.zeros(int(random.uniform(1.2, 2.5) * rate_hz))
        start = 0
        while start < len(sound):
            n = min(int(random.uniform(0.04, 0.15) * rate_hz), len(sound) - start)
            pitch = np.linspace(*random.uniform(500, 3000, 2), n)
            phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
            voice = sum(np.sin(h * phase) / h for h in range(1, 5))
            sound[start : start + n] = random.uniform(0.05, 0.5) * np.hanning(n) * voice
            start += n + int(random.uniform(0.01, 0.08) * rate_hz)
        made.append(sound)
    return made


def simulated(neurons: int = 12, sounds: int = 30, *, output: str = "softplus", strf: str = "gaussian") -> Recording:
    """Neurons under songs."""
    rate_hz = 32000
    return simulate_population(
        neurons, sounds=songs(sounds, rate_hz, 5), trials=5, snr=0.3, strf=strf, output=output, n_bands=BANDS,
        max_hz=16000.0, sample_rate_hz=rate_hz, dt_ms=5.0, seed=7,
    )  # fmt: skip


def split(recording: Recording, fold: int) -> tuple[Recording, Recording, Recording]:
    """Sounds to fit, to stop, and to test."""
    B = len(recording)
    each = max(1, B // FOLDS)
    test, stop = ([(k * each + i) % B for i in range(each)] for k in (fold, fold + 1))
    fit = [b for b in range(B) if b not in test + stop]
    train, validation, held_out = (recording.select(stimuli=b) for b in (fit, stop, test))
    return train, validation, held_out


def prefilter(kind: str, recording: Recording) -> nn.Module | None:
    """Learnable adaptation, or None."""
    cf = recording.cf_hz
    low, high = cf[0].item(), cf[-1].item()
    return None if kind == "none" else make_prefiltering(kind, len(cf), recording.dt_ms, low, high)


def models(recording: Recording, kind: str) -> dict[str, Callable[[], nn.Module]]:
    """How each model of the zoo is made, all with their default sizes."""
    F, N, T = len(recording.cf_hz), recording.responses.shape[1], round(WINDOW_MS / recording.dt_ms)
    C = 1 if kind == "none" else 2
    options = {"out_neurons": N}

    def made(cls: type[nn.Module], *args: object, **more: object) -> nn.Module:
        return cls(F, *args, **options, **more, prefiltering=prefilter(kind, recording))

    return {
        "Linear": lambda: made(Linear, T),
        "LinearNonlinear": lambda: made(LinearNonlinear, T),
        "Gaussians": lambda: made(LinearNonlinear, T, kernel=ParametricSTRF(F, T, C, N, num_gaussians=GAUSSIANS)),
        "NetworkReceptiveField": lambda: made(NetworkReceptiveField, T),
        "DNet": lambda: made(DNet, T),
        "ConvNet2D": lambda: made(ConvNet2D, (3, 7)),
        "Transformer": lambda: made(Transformer, context_window=T),
        "StateNet": lambda: made(StateNet),
    }


def score(model: nn.Module, test: Recording) -> Tensor:
    """Correlation of each neuron on the test sounds."""
    return corrcoef(predict(model, test.stimuli), test.responses, reduction="none")


def rows(
    recording: Recording,
    fold: int,
    *,
    seeds: int,
    names: list[str] | None,
    epochs: int = MOST_EPOCHS,
    kinds: Sequence[str] = ADAPTATIONS,
) -> Iterator[tuple[str, Row]]:
    """Every row of the table, as it is ready; a fit ends after so many epochs at the latest."""
    train, validation, test = split(recording, fold)
    began = time.process_time()
    baseline = ridge(train, round(WINDOW_MS / recording.dt_ms))
    yield "ridge", Row(score(baseline, test)[None], time.process_time() - began)
    for kind in kinds:
        for name, make in models(recording, kind).items():
            if names is not None and name not in names:
                continue
            scores, spent = [], 0.0
            for seed in range(seeds):
                torch.manual_seed(seed)
                model, began = make(), time.process_time()
                # The table itself says what stays below ridge.
                Fitter(seed=seed, progress=False, baseline=False, epochs=epochs).fit(model, train, validation)
                scores.append(score(model, test))
                spent += time.process_time() - began
            yield f"{name}, {kind}", Row(torch.stack(scores), spent / seeds)


def table(
    recording: Recording,
    *,
    folds: int,
    seeds: int,
    names: list[str] | None,
    epochs: int = MOST_EPOCHS,
    kinds: Sequence[str] = ADAPTATIONS,
) -> dict[str, list[Row]]:
    """Rows of all folds, by model, printed when each fold is done."""
    found: dict[str, list[Row]] = {}
    for fold in range(folds):
        for name, row in rows(recording, fold, seeds=seeds, names=names, epochs=epochs, kinds=kinds):
            found.setdefault(name, []).append(row)
            means = " ".join(f"{x:.3f}" for x in row.scores.mean(0).tolist()[:4])
            print(f"  fold {fold} {name:34} {row.scores.nanmean():.3f}  ({means})  {row.seconds:6.1f} s", flush=True)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print the table of a folder, or of the simulated neurons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--adaptation", choices=ADAPTATIONS, nargs="*", default=list(ADAPTATIONS))
    parser.add_argument("--epochs", type=int, default=MOST_EPOCHS, help="at most")
    parser.add_argument("--output", choices=OUTPUTS, default=OUTPUTS[0])
    parser.add_argument("--write", type=Path, metavar="PAGE")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    part = "recorded" if given.folder else f"simulated, {given.output}"
    if given.write and mark(part) not in given.write.read_text(encoding="utf-8"):
        parser.error(f"{given.write} must have the line {mark(part)!r} for these rows: leave out --write to print them")
    if given.folder:
        recording: Recording = RecordingFolder(given.folder, late_spikes="drop", n_bands=BANDS, max_hz=20000.0)
    else:
        recording = simulated(output=given.output)
    print(f"{given.folder or part}: {recording}")
    print(f"  noise ceiling {compute_CCmax(recording.responses).nanmean():.3f}, for the mean over the trials")
    found = table(
        recording, folds=given.folds, seeds=given.seeds, names=given.models, kinds=given.adaptation,
        epochs=given.epochs,
    )  # fmt: skip
    baseline = torch.stack([row.scores[0] for row in found["ridge"]]).nanmean()
    lines = {}
    for model, parts in found.items():
        mean = torch.stack([row.scores for row in parts]).nanmean()
        word = "below ridge" if mean < baseline - 0.005 else ""
        spread, took = max(row.spread for row in parts), sum(row.seconds for row in parts) / len(parts)
        seeds = len(parts[0].scores)
        lines[model] = (
            f"| {model} | {mean:.3f} | {mean - baseline:+.3f} | {spread:.3f} | {seeds} | {took:.1f} | "
            f"{settings(model, recording)} | {word} |"
        )
    print("\n" + HEADER + "\n".join(lines.values()))
    if given.write:
        write(given.write, part, lines, recording)


def mark(part: str, *, end: bool = False) -> str:
    """Line before the rows of a part of the page, and after them."""
    return f"<!-- {'end of ' if end else ''}{part} -->"


def write(page: Path, part: str, lines: dict[str, str], recording: Recording) -> None:
    """Put rows into the table of a page between its marks; others stay."""
    before, rest = page.read_text(encoding="utf-8").split(mark(part) + "\n")
    old, after = rest.split(mark(part, end=True))
    rows = {line.strip("| ").split(" | ")[0]: line for line in old.splitlines() if line.startswith("| ")} | lines
    order = ["ridge", *(f"{name}, {kind}" for kind in ADAPTATIONS for name in models(recording, kind))]
    body = "\n".join(rows[name] for name in order if name in rows)
    page.write_text(f"{before}{mark(part)}\n{HEADER}{body}\n{mark(part, end=True)}{after}", encoding="utf-8")


def settings(row: str, recording: Recording) -> str:
    """What a fit of a model chooses by itself, in words."""
    name, _, kind = row.partition(", ")
    if name == "ridge":
        return "closed form"
    chosen = recipe_for(models(recording, kind)[name](), recording.responses)
    steps = chosen.optimizer
    by_name = isinstance(steps, StepSizes)
    optimizer, lr = (steps.optimizer, steps.lr) if by_name else (steps.func, steps.keywords["lr"])
    sizes = f"{lr:g}, places and widths {max(steps.by_name.values()):g}" if by_name else f"{lr:g}"
    loss = {"poisson_loss": "Poisson", "mse_loss": "mse"}[chosen.loss.__name__]
    sizes += "" if chosen.schedule is None else f" after {chosen.schedule.keywords['total_iters']} smaller epochs"
    return f"{loss}, {optimizer.__name__} {sizes}, patience {chosen.patience}, smoothness {chosen.smoothness:g}"


if __name__ == "__main__":
    main()
