"""The table of the page "Which model for my neurons?": ``python tests/benchmarks/which_model.py [NAME=FOLDER ...]``.

Models with default fits, judged by `deepstrf.training.compare` on sounds that were left out: on folders of
recordings that `deepstrf.datasets.RecordingFolder` reads, and on two simulated populations whose truth is known, plain
LN neurons and neurons that adapt. The tables are written into the page, between its markers. What a run has found
stays in the folder ``--keep``, so that an interrupted one goes on and ``--models LN`` does a piece; ``--as-is`` writes
what is there and fits nothing. Six minutes of processor time in all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pandas as pd
import torch
from torch import nn

from deepstrf.datasets import Recording, RecordingFolder
from deepstrf.models import LinearNonlinear, NetworkReceptiveField
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.prefiltering import ShortTermPlasticity, make_prefiltering
from deepstrf.simulate import simulate_population
from deepstrf.training import CrossValidation, FitRecipe, Fitter, compare, cross_validate, ridge
from deepstrf.training.cross_validation import Recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "which_model.md"
BEGIN, END = "<!-- table: python tests/benchmarks/which_model.py -->", "<!-- end of the table -->"
WINDOW_MS, GAUSSIANS, FOLDS = 100.0, 8, 5
RECOVERY_MS, USED_PER_DB_AND_MS = 100.0, 1e-4
BANDS, HIGHEST_HZ = 34, 20000.0


def models(recording: Recording) -> dict[str, Recipe]:
    """Each model as a recipe, with its default sizes and settings."""
    F, N, T = len(recording.cf_hz), len(recording.neuron_names), round(WINDOW_MS / recording.dt_ms)
    low, high = recording.cf_hz[0].item(), recording.cf_hz[-1].item()
    prefilters: dict[str, Callable[[], nn.Module | None]] = {
        "": lambda: None,
        "AdapTrans + ": lambda: make_prefiltering("adaptrans", F, recording.dt_ms, low, high),
        "plasticity + ": lambda: ShortTermPlasticity(
            [math.exp(-recording.dt_ms / RECOVERY_MS)] * F, [USED_PER_DB_AND_MS * recording.dt_ms] * F
        ),
    }

    def ln(before: str, gaussians: int = 0) -> nn.Module:
        channels = 2 if before == "AdapTrans + " else 1
        kernel = ParametricSTRF(F, T, channels, N, num_gaussians=gaussians) if gaussians else None
        return LinearNonlinear(F, T, out_neurons=N, kernel=kernel, prefiltering=prefilters[before]())

    made: dict[str, Callable[[], nn.Module]] = {
        "LN": partial(ln, ""),
        "8 Gaussians": partial(ln, "", GAUSSIANS),
        "AdapTrans + LN": partial(ln, "AdapTrans + "),
        "plasticity + LN": partial(ln, "plasticity + "),
        "network receptive field": partial(NetworkReceptiveField, F, T, out_neurons=N),
    }
    fitter = Fitter(progress=False)
    linear: Recipe = lambda train, validation, seed: ridge(train, T)  # noqa: E731
    return {"ridge": linear, **{name: FitRecipe(make, fitter) for name, make in made.items()}}


def populations() -> dict[str, Callable[[], Recording]]:
    """Simulated neurons whose truth is known."""
    options = {"seconds": 75.0, "trials": 5, "snr": 0.3, "n_bands": 24, "max_hz": 16000.0, "sample_rate_hz": 32000}
    return {
        "12 simulated LN neurons": partial(simulate_population, 12, seed=3, **options),
        "12 simulated neurons that adapt": partial(simulate_population, 12, adaptation="adaptrans", seed=4, **options),
    }


def kept(file: Path, make: Callable[[], CrossValidation]) -> CrossValidation:
    """What `cross_validate` has found, read from a file or made and written to it; the scores only."""
    if file.is_file():
        found = json.loads(file.read_text(encoding="utf-8"))
        scores = {name: torch.tensor(values) for name, values in found["scores"].items()}
        return CrossValidation(tuple(found["neurons"]), found["folds"], tuple(found["seeds"]), [], scores)
    one = make()
    about = {"neurons": one.neuron_names, "folds": one.folds, "seeds": one.seeds}
    scores = {name: values.tolist() for name, values in one.scores.items()}
    file.write_text(json.dumps({**about, "scores": scores}), encoding="utf-8")
    return one


def file_of(keep: Path, name: str) -> Path:
    """Where the scores of a model are kept."""
    return keep / f"{name.replace(' ', '_')}.json"


def found_in(
    recording: Recording, recipes: Mapping[str, Recipe], keep: Path, *, seeds: int, folds: int = FOLDS
) -> dict[str, CrossValidation]:
    """Every recipe on the same folds."""
    results = {}
    for name, recipe in recipes.items():
        began = time.process_time()
        file = file_of(keep, name)
        made = partial(cross_validate, recipe, recording, folds=folds, seeds=range(seeds))
        results[name] = kept(file, made)
        r = results[name].scores["r"].mean().item()
        print(f"  {name:28} r {r:.3f}  {time.process_time() - began:6.1f} s", flush=True)
    return results


def markdown(title: str, names: Iterable[str], table: pd.DataFrame, neurons: Mapping[str, list[float]]) -> str:
    """One table of the page, a row for each of ``names`` that was run; few neurons are listed, of many an interval."""
    first = next(iter(neurons.values()))
    few = len(first) < 3
    head = "r of each" if few else "r, 95 % interval"
    lines = [
        f"### {title}",
        "",
        f"| model | {head} | less ridge | CCnorm | variance explained |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        if name not in table.index:
            continue
        row = table.loc[name]
        r = ", ".join(f"{x:.3f}" for x in neurons[name]) if few else _interval(row["r"], "mean", "low", "high")
        less = "" if name == table.index[0] else _interval(row["r"], "difference", "difference low", "difference high")
        lines.append(f"| {name} | {r} | {less} | {row['CCnorm']['mean']:.3f} | {row['fve']['mean']:.3f} |")
    return "\n".join(lines) + "\n"


def _interval(row: pd.Series, mean: str, low: str, high: str) -> str:
    sign = "+" if mean == "difference" else ""
    inside = "" if pd.isna(row[low]) else f" ({row[low]:{sign}.3f} to {row[high]:{sign}.3f})"
    return f"{row[mean]:{sign}.3f}{inside}"


def write(page: Path, tables: str) -> None:
    """Put the tables between the markers of the page; ValueError where it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} must have the lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Fit what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", metavar="NAME=FOLDER", help="recordings, with a title each")
    parser.add_argument("--keep", type=Path, default=Path("which_model_fits"))
    parser.add_argument("--models", nargs="*", help="only these, and no page is written")
    parser.add_argument("--as-is", action="store_true", help="write what is kept, and leave out the rest")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options = {"late_spikes": "drop", "n_bands": BANDS, "max_hz": HIGHEST_HZ}
    recordings: dict[str, Callable[[], Recording]] = {
        name: partial(RecordingFolder, folder, **options)
        for name, _, folder in (one.rpartition("=") for one in given.folders)
    }
    tables = []
    for title, make in {**recordings, **populations()}.items():
        recording = make()
        keep = given.keep / title.replace(" ", "_")
        keep.mkdir(parents=True, exist_ok=True)
        recipes = models(recording)
        print(f"{title}: {recording}", flush=True)
        chosen = {
            name: one
            for name, one in recipes.items()
            if (given.models is None or name in given.models) and (not given.as_is or file_of(keep, name).is_file())
        }
        found = found_in(recording, chosen, keep, seeds=given.seeds)
        each = {name: one.scores["r"].mean(0).tolist() for name, one in found.items()}
        tables.append(markdown(title, recipes, compare(found), each))
    if given.models is None:
        write(given.page, "\n".join(tables))


if __name__ == "__main__":
    main()
