"""One fit of many: what is to be fitted, what became of it, and how a folder keeps that."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from deepstrf.arguments import whole_number
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.short_repr import short_repr
from deepstrf.training.cross_validation import SCORES, FitRecipe, Recipe, folds_of
from deepstrf.training.identity import described, digest

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "deepstrf fit 1"


@keywords()
@dataclass(frozen=True, eq=False)
class FitJob:
    """One fit: a recipe on the sounds of a recording that are not left out, scored on those.

    Attributes
    ----------
    name : str
        Different for each job.
    recipe : Recipe
    recording : Recording
    left_out : tuple of str
        Names of the sounds that judge the fit; empty for none.
    seed : int
    setting : dict
        Given to the recipe.
    validation : float, optional
        Share of the other sounds that the recipe stops by.
    """

    name: str
    recipe: Recipe
    recording: Recording
    left_out: tuple[str, ...] = ()
    seed: int = 0
    setting: dict[str, Any] = field(default_factory=dict)
    validation: float | None = 0.2
    __repr__ = short_repr


@keywords()
@dataclass(frozen=True, eq=False)
class FitResult:
    """What became of a job.

    Attributes
    ----------
    job : FitJob
    scores : dict of str to Tensor, shape (N,)
        "r", "CCnorm" and "fve" on the sounds that were left out; empty without any.
    predictions : list of Tensor, shape (N, 1, T_b)
        Of these sounds.
    state : dict of str to Tensor
        Of the fitted model.
    seconds : float
        That the fit took.
    attempts : int
        How often it was handed out; 0 where it was on disk already.
    error : str
        Traceback of what the recipe raised; empty where it did not fail.
    """

    job: FitJob
    scores: dict[str, Tensor] = field(default_factory=dict)
    predictions: list[Tensor] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 0
    error: str = ""
    fitted: nn.Module | None = None
    __repr__ = short_repr

    @property
    def model(self) -> nn.Module:
        """The fitted model, in evaluation mode.

        Raises
        ------
        RuntimeError
            The job failed; or its recipe is no `FitRecipe` of one model and its result was read from disk, where only
            the ``state`` is.
        """
        if self.error:
            raise RuntimeError(f"job {self.job.name!r} failed:\n{self.error}")
        if self.fitted is not None:
            return self.fitted
        if not can_be_rebuilt(self.job.recipe):
            raise RuntimeError(
                f"the model of job {self.job.name!r} cannot be rebuilt from disk, because its recipe is not FitRecipe "
                "with best_epoch='population': its state is in .state"
            )
        model = self.job.recipe.build(seed=self.job.seed, **self.job.setting)  # type: ignore[attr-defined]
        model.load_state_dict(self.state)
        return model.eval()


@keywords()
class FitResults(Sequence[FitResult]):
    """Results in the order of the jobs."""

    def __init__(self, results: Sequence[FitResult]) -> None:
        self.results = list(results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            found = [one for one in self.results if one.job.name == index]
            if not found:
                raise KeyError(f"there is no job {index!r}")
            return found[0]
        return self.results[index]

    def __repr__(self) -> str:
        return f"FitResults({len(self)} jobs, {len(self.failed)} failed)"

    @property
    def failed(self) -> list[FitResult]:
        """Those whose recipe raised an error."""
        return [one for one in self.results if one.error]

    def table(self) -> pd.DataFrame:
        """A row a job: seed, setting, mean scores, seconds, attempts, and the last line of the error."""
        import pandas as pd

        rows = []
        for one in self.results:
            row: dict[str, Any] = {"seed": one.job.seed, "left out": len(one.job.left_out), **one.job.setting}
            row |= {score: values.nanmean().item() for score, values in one.scores.items()}
            row |= {"seconds": one.seconds, "attempts": one.attempts}
            rows.append({**row, "error": one.error.strip().rpartition("\n")[2]})
        return pd.DataFrame(rows, index=pd.Index([one.job.name for one in self.results], name="job"))


@keywords()
def fit_jobs(
    recipes: Mapping[str, nn.Module | Recipe],
    recordings: Recording | Mapping[str, Recording],
    *,
    seeds: Sequence[int] = (0,),
    folds: int | None = None,
    by: str | Sequence[Any] = "sound",
    settings: Mapping[str, Sequence[Any]] | None = None,
    validation: float | None = 0.2,
) -> list[FitJob]:
    """One job for each recipe, population, combination of settings, seed and fold.

    Parameters
    ----------
    recipes : mapping of str to Module or Recipe
    recordings : Recording, or mapping of str to Recording
        By the name of the population.
    seeds : sequence of int
    folds : int, optional
        Parts of the sounds that are left out in turn; None leaves none out.
    by, validation
        As of `cross_validate`.
    settings : mapping of str to sequence, optional
        Values of settings, of which all combinations are fitted.
    """
    populations = {"": recordings} if isinstance(recordings, Recording) else dict(recordings)
    combinations = [
        dict(zip(settings or {}, values, strict=True)) for values in itertools.product(*(settings or {}).values())
    ]
    jobs = []
    for (recipe_name, recipe), (population, recording) in itertools.product(recipes.items(), populations.items()):
        made: Recipe = FitRecipe(recipe) if isinstance(recipe, nn.Module) else recipe  # type: ignore[assignment]
        parts = [[]] if folds is None else folds_of(recording, folds, by)
        for setting, seed, (i, part) in itertools.product(combinations, seeds, enumerate(parts)):
            words = [recipe_name, population, *(f"{key}={value}" for key, value in setting.items()), f"seed {seed}"]
            name = ", ".join(filter(None, [*words, f"fold {i + 1}" if folds is not None else ""]))
            left_out = tuple(recording.stimulus_names[b] for b in part)
            jobs.append(FitJob(name, made, recording, left_out, whole_number("seeds", seed, None), setting, validation))
    return jobs


def can_be_rebuilt(recipe: Any) -> bool:
    """Whether a model can be built from its recipe and its state."""
    return isinstance(recipe, FitRecipe) and recipe.best_epoch == "population"


def read_result(file: Path, job: FitJob, attempts: int = 0) -> FitResult:
    """The result in a file."""
    return parsed_result(file.read_bytes(), job, str(file), attempts, None)


def parsed_result(data: bytes, job: FitJob, where: str, attempts: int, fitted: nn.Module | None) -> FitResult:
    """The result in the bytes of a file; ValueError, which names ``where``, if they are damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        length = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["about"])
        tensors = load(data)
        if about["format"] != FORMAT:
            raise KeyError("format")
        found: dict[str, dict[str, Tensor]] = {"state": {}, "score": {}, "prediction": {}}
        for key, value in tensors.items():
            kind, _, name = key.partition(".")
            found[kind][name] = value
        predictions = [found["prediction"][str(b)] for b in range(len(found["prediction"]))]
        return FitResult(
            job,
            {name: found["score"][name] for name in SCORES if name in found["score"]},
            predictions,
            found["state"],
            float(about["seconds"]),
            attempts,
            str(about["error"]),
            fitted,
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where} is damaged: delete it, and its job is fitted again ({error})") from error


def print_of(recording: Recording) -> str:
    """Hash of everything that a fit may read of a recording."""
    made = hashlib.sha256(digest(recording.cf_hz).encode())
    for b in range(len(recording)):
        made.update(digest(*recording[b]).encode())
    about = [recording.neuron_names, recording.stimulus_names, recording.dt_ms, recording.delay_ms, recording.bins]
    made.update(described(about).encode())
    return made.hexdigest()[:32]


def identity_of_job(job: FitJob, data: str) -> str:
    """Hash that is another for another fit, so that no result on disk is taken for that of something else."""
    parts = [described(job.recipe), data, described([job.left_out, job.seed, job.setting, job.validation])]
    model = getattr(job.recipe, "model", None)
    if isinstance(model, nn.Module):
        parts.append(digest(*model.state_dict().values()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
