"""Scores of a recipe on sounds that it did not see, per neuron, and the table that compares several recipes."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.arguments import check_numbers, whole_number
from deepstrf.datasets import Recording
from deepstrf.deprecation import did_you_mean, keywords
from deepstrf.metrics import corrcoef, fve, normalized_corrcoef
from deepstrf.metrics.pooling import summary
from deepstrf.models.prediction import predict
from deepstrf.short_repr import short_repr
from deepstrf.training.best_epochs import BestEpochs, EpochsOfEach
from deepstrf.training.fitter import Fitter
from deepstrf.training.settings import FitSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CrossValidation", "FitRecipe", "Recipe", "compare", "cross_validate"]

SCORES: dict[str, Callable[..., Tensor]] = {"r": corrcoef, "CCnorm": normalized_corrcoef, "fve": fve}
VALIDATION = 0.2
RESAMPLES = 2000
OF_FIT = frozenset(one.name for one in fields(FitSettings))
FEWEST_FOR_AN_INTERVAL = 3


class Recipe(Protocol):
    """Whatever gives a fitted model: it is called with sounds to fit, sounds to stop by, a seed, and its settings."""

    def __call__(self, train: Recording, validation: Recording | None, /, *, seed: int, **setting: Any) -> nn.Module:
        """Model (B, 1, F, T) to (B, N, 1, T); ``validation`` is None where all sounds are to be fitted."""


@keywords()
@dataclass(frozen=True)
class FitRecipe:
    """A model and how it is fitted, as a `Recipe`.

    Parameters
    ----------
    model : Module, or callable
        A module is copied for each fit. A callable, such as a class or a partial of one, builds the model: with random
        numbers of the seed, and with those settings that are its arguments.
    fitter : Fitter, optional
        None is ``Fitter()``, whose settings follow from the model and the data.
    best_epoch : {"population", "neuron"}
        Whether one epoch is the best for all neurons, or each neuron has the weights of its own best epoch.
    """

    model: nn.Module | Callable[..., nn.Module]
    fitter: Fitter | None = None
    best_epoch: str = "population"
    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.best_epoch not in ("population", "neuron"):
            raise ValueError(f"best_epoch must be 'population' or 'neuron', got {self.best_epoch!r}")
        if not callable(self.model):
            raise TypeError(f"model must be a module or build one, got {type(self.model).__name__}")

    def __call__(
        self, train: Recording, validation: Recording | None = None, *, seed: int = 0, **setting: Any
    ) -> nn.Module:
        """The fitted model; see `Recipe`. Settings are those of `Fitter`, and arguments of what builds the model."""
        model = self.build(seed=seed, **setting)
        fitter = self.fitter_for(seed=seed, **setting)
        if self.best_epoch == "population" or validation is None:
            fitter.fit(model, train, validation)
            return model
        watcher = BestEpochs()
        replace(fitter, callbacks=[*fitter.callbacks, watcher]).fit(model, train, validation)
        return EpochsOfEach(model, watcher)

    def fitter_for(self, *, seed: int = 0, **setting: Any) -> Fitter:
        """The fitter with a seed and with those settings that are its own; no word about ridge, a row of its own."""
        fitter = Fitter(progress=False) if self.fitter is None else self.fitter
        own = {name: x for name, x in setting.items() if name in OF_FIT}
        return replace(fitter, **{"baseline": False, "seed": seed, **own})

    def build(self, *, seed: int = 0, **setting: Any) -> nn.Module:
        """The model before its fit; TypeError for a setting that neither the fitter nor what builds it has."""
        build = None if isinstance(self.model, nn.Module) else self.model
        arguments = () if build is None else _arguments(build)
        for name in setting:
            if name not in OF_FIT and arguments is not None and name not in arguments:
                known = {*OF_FIT, *arguments}
                raise TypeError(f"there is no setting {name!r} of the fitter or the model{did_you_mean(name, known)}")
        own = {name: value for name, value in setting.items() if name not in OF_FIT}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if build is None:
                return copy.deepcopy(self.model)  # type: ignore[return-value]
            return build(**own)


def _arguments(build: Any) -> tuple[str, ...] | None:
    """Keywords that a callable takes; None where it takes any."""
    parameters = inspect.signature(build).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else tuple(p.name for p in parameters)


@keywords()
@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Predictions of sounds that were left out, and their scores.

    Attributes
    ----------
    neuron_names : tuple of str
    folds : list of list of str
        Names of the sounds that each fold left out.
    seeds : tuple of int
    predictions : list of Tensor, shape (B, N, 1, T)
        For each seed; every sound is predicted by the model that did not see it. NaN beyond its end.
    scores : dict of str to Tensor, shape (seeds, N)
        "r", "CCnorm" and "fve" over all sounds; NaN where undefined.
    settings : dict of (int, int) to dict
        The setting that was chosen for each seed and fold, without its left-out sounds.
    """

    neuron_names: tuple[str, ...]
    folds: list[list[str]]
    seeds: tuple[int, ...]
    predictions: list[Tensor]
    scores: dict[str, Tensor]
    settings: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {summary(values.mean(0))}" for name, values in self.scores.items())
        sizes = f"{len(self.neuron_names)} neurons, {len(self.folds)} folds, {len(self.seeds)} seeds"
        return f"CrossValidation({sizes}: {said})"

    def table(self) -> pd.DataFrame:
        """Scores of each neuron, a column a score, averaged over the seeds."""
        import pandas as pd

        columns = {name: values.mean(0).double().numpy() for name, values in self.scores.items()}
        return pd.DataFrame(columns, index=pd.Index(self.neuron_names, name="neuron"))


@dataclass(frozen=True)
class _Job:
    """One fold of one seed."""

    recipe: Recipe
    recording: Recording
    left_out: list[int]
    seed: int
    choose: dict[str, Sequence[Any]]
    inner_folds: int
    validation: float | None
    skip_bins: int


@keywords()
def cross_validate(
    recipe: nn.Module | Recipe,
    recording: Recording,
    *,
    folds: int | None = 5,
    by: str | Sequence[Any] = "sound",
    validation: float | None = VALIDATION,
    choose: Mapping[str, Sequence[Any]] | None = None,
    inner_folds: int = 3,
    seeds: Sequence[int] = (0,),
    skip_bins: int = 0,
    executor: Executor | None = None,
) -> CrossValidation:
    """Predictions and scores of every sound by models that were fitted without it.

    Parameters
    ----------
    recipe : Module or Recipe
        A module is copied and fitted with `Fitter`'s defaults; `FitRecipe` names a fitter and more. Any callable does:
        ``lambda train, validation, seed: ridge(train, 20)``.
    recording : Recording
    folds : int, optional
        How many parts are left out in turn, at least 2; None leaves out one sound (or group) at a time.
    by : "sound", or sequence of B labels
        What is never divided between folds: each sound, or all sounds with the same label (a bird, a session); labels
        are text, numbers, tuples of them or one array, none of them missing.
    validation : float, optional
        Share of the sounds of each fold that the recipe gets apart, to stop by; None gives it all of them to fit.
    choose : mapping of str to sequence, optional
        Values of settings to choose among, all combinations of them, by the mean correlation on ``inner_folds`` of the
        sounds that are not left out. The model is then fitted anew with the best.
    inner_folds : int
        At least 2.
    seeds : sequence of int
        Each fits all folds anew.
    skip_bins : int
        First bins of each sound that do not count in the scores.
    executor : Executor, optional
        Runs the folds; None is this thread. The recipe must then be one that can be pickled.

    Returns
    -------
    CrossValidation

    Raises
    ------
    TypeError, ValueError
        An argument is not as said, or there are too few sounds.

    Examples
    --------
    >>> from deepstrf.simulate import simulate_population
    >>> from deepstrf.training import ridge
    >>> neurons = simulate_population(2, seconds=15, sample_rate_hz=8000, n_bands=10, max_hz=4000.0)
    >>> found = cross_validate(lambda train, validation, seed: ridge(train, 20), neurons, folds=3, validation=None)
    >>> found.scores["r"].shape, found.table().columns.tolist()
    (torch.Size([1, 2]), ['r', 'CCnorm', 'fve'])
    """
    if not isinstance(recording, Recording):
        raise TypeError(f"recording must be a Recording, got {type(recording).__name__}")
    made: Recipe = FitRecipe(recipe) if isinstance(recipe, nn.Module) else recipe  # type: ignore[assignment]
    if not callable(made):
        raise TypeError(f"recipe must be a module or a callable, got {type(recipe).__name__}")
    seeds = tuple(whole_number("seeds", seed, None) for seed in seeds)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be at least one and all different, got {seeds}")
    whole_number("skip_bins", skip_bins, 0)
    if validation is not None:
        check_numbers("must lie in (0, 1)", lambda x: 0 < x < 1, validation=validation)
    options: dict[str, Sequence[Any]] = {name: list(values) for name, values in (choose or {}).items()}
    if empty := [name for name, values in options.items() if not values]:
        raise ValueError(f"choose must hold at least one value of each setting, got none of {empty[0]!r}")
    if options:
        whole_number("inner_folds", inner_folds, 2)
    parts = folds_of(recording, folds, by)
    jobs = {
        (seed, i): _Job(made, recording, part, seed, options, inner_folds, validation, skip_bins)
        for seed in seeds
        for i, part in enumerate(parts)
    }
    answers = dict(zip(jobs, _mapped(executor, list(jobs.values())), strict=True))
    _, responses = recording.padded()
    predictions = []
    for seed in seeds:
        whole = responses.new_full((len(recording), responses.shape[1], 1, responses.shape[-1]), torch.nan)
        for i, part in enumerate(parts):
            for b, predicted in zip(part, answers[seed, i][0], strict=True):
                whole[b, ..., : predicted.shape[-1]] = predicted
        predictions.append(whole)
    return CrossValidation(
        recording.neuron_names,
        [[recording.stimulus_names[b] for b in part] for part in parts],
        seeds,
        predictions,
        {name: torch.stack([score_of(name, x, responses, skip_bins) for x in predictions]) for name in SCORES},
        {key: setting for key, (_, setting) in answers.items()} if options else {},
    )


def folds_of(recording: Recording, folds: int | None, by: str | Sequence[Any]) -> list[list[int]]:
    """Numbers of the sounds that each fold leaves out; groups are dealt out in turn, the largest first."""
    labels: list[Any] = list(range(len(recording)))
    if isinstance(by, str):
        if by != "sound":
            raise ValueError(f"by must be 'sound' or a label for each of {len(recording)} sounds, got {by!r}")
    else:
        labels = _labels(by)
        if len(labels) != len(recording):
            raise ValueError(f"by must hold a label for each of {len(recording)} sounds, got {len(labels)}")
    groups: dict[Any, list[int]] = {}
    for b, label in enumerate(labels):
        groups.setdefault(label, []).append(b)
    k = len(groups) if folds is None else whole_number("folds", folds, 2)
    if not 2 <= k <= len(groups):
        raise ValueError(f"folds must lie in [2, {len(groups)}], the number of sounds or labels, got {k}")
    # By chance, but always alike: sounds of one kind often follow each other.
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = [list(groups.values())[i] for i in order]
    parts: list[list[int]] = [[] for _ in range(k)]
    for group in sorted(shuffled, key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [sorted(part) for part in parts]


def _labels(by: Any) -> list[Any]:
    """Labels that are alike where their values are: elements of a tensor would each be a label of its own."""
    import pandas as pd

    if not isinstance(by, Iterable):
        raise TypeError(f"by must be 'sound' or a label for each sound, got {by!r}")
    labels = by.tolist() if isinstance(by, (Tensor, np.ndarray)) else list(by)
    for b, label in enumerate(labels):
        one = label.item() if isinstance(label, Tensor) and label.numel() == 1 else label
        if not isinstance(one, Hashable) or isinstance(one, Tensor):
            raise TypeError(f"by must hold labels such as text and numbers, got {type(label).__name__} for sound {b}")
        if pd.isna(one) is True:
            raise ValueError(f"by must hold a label for each sound, got {one} for sound {b}: give it one of its own")
        labels[b] = one
    return labels


def _mapped(executor: Executor | None, jobs: Sequence[_Job]) -> list[tuple[list[Tensor], dict[str, Any]]]:
    if executor is None:
        return [_run(job) for job in jobs]
    futures = [executor.submit(_run, job) for job in jobs]
    return [future.result() for future in futures]


def _run(job: _Job) -> tuple[list[Tensor], dict[str, Any]]:
    """Predictions of the sounds that were left out, and the setting that was chosen without them."""
    kept = [b for b in range(len(job.recording)) if b not in set(job.left_out)]
    train, test = job.recording.select(stimuli=kept), job.recording.select(stimuli=job.left_out)
    setting: dict[str, Any] = {}
    if job.choose:
        settings = [dict(zip(job.choose, values, strict=True)) for values in itertools.product(*job.choose.values())]
        setting = max(settings, key=lambda one: _inner_score(job, train, one)) if len(settings) > 1 else settings[0]
    return predicted_of(_fitted(job, train, setting), test), setting


def _inner_score(job: _Job, train: Recording, setting: dict[str, Any]) -> float:
    """Mean correlation of all neurons on inner folds."""
    parts = folds_of(train, min(job.inner_folds, len(train)), "sound")
    _, responses = train.padded()
    whole = responses.new_full((len(train), responses.shape[1], 1, responses.shape[-1]), torch.nan)
    for part in parts:
        rest = train.select(stimuli=[b for b in range(len(train)) if b not in set(part)])
        for b, one in zip(part, predicted_of(_fitted(job, rest, setting), train.select(stimuli=part)), strict=True):
            whole[b, ..., : one.shape[-1]] = one
    scores = score_of("r", whole, responses, job.skip_bins)
    return scores.nan_to_num(nan=0.0).mean().item()


def _fitted(job: _Job, train: Recording, setting: dict[str, Any]) -> nn.Module:
    fit, stop = parted(train, job.validation, job.seed)
    return job.recipe(fit, stop, seed=job.seed, **setting)


def parted(train: Recording, validation: float | None, seed: int) -> tuple[Recording, Recording | None]:
    """What is fitted, and the share ``validation`` of the sounds that says when to stop."""
    if validation is None:
        return train, None
    if len(train) < 2:
        raise ValueError(f"validation must be None where there is one sound to fit, got {validation}")
    share = min(max(1, round(validation * len(train))), len(train) - 1) / len(train)
    fit, stop = train.split(1 - share, share, seed=seed)
    return fit, stop


def predicted_of(model: nn.Module, test: Recording) -> list[Tensor]:
    """Prediction (N, 1, T_b) of each sound."""
    found = []
    for b, name in enumerate(test.stimulus_names):
        stimulus, responses = test[b]
        answer = predict(model, stimulus[None])[0]
        if answer.shape != (responses.shape[0], 1, responses.shape[-1]):
            raise ValueError(
                f"recipe must give a model of the {responses.shape[0]} neurons, (B, N, 1, T), got "
                f"{tuple(answer.shape)} for {name!r}"
            )
        found.append(answer.cpu())
    return found


def score_of(name: str, prediction: Tensor, responses: Tensor, skip_bins: int) -> Tensor:
    mask = (~responses.isnan()) & ~prediction.isnan()
    mask[..., :skip_bins] = False
    return SCORES[name](prediction.nan_to_num(nan=0.0), responses, mask=mask, reduction="none").cpu()


@keywords()
def compare(
    models: Mapping[str, nn.Module | Recipe | CrossValidation],
    recording: Recording | None = None,
    *,
    baseline: str | None = None,
    scores: Sequence[str] = tuple(SCORES),
    interval: float = 0.95,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Table of models and scores: mean, median, interval, and the paired difference to a baseline.

    A neuron counts in a score if any of the models has it defined; where a model has none for it (a constant
    prediction), it counts as 0 there. All models are thus judged by the same neurons.

    Parameters
    ----------
    models : mapping of str to Module, Recipe or CrossValidation
        What is not yet a `CrossValidation` becomes one, all with the same folds.
    recording : Recording, optional
        Needed unless all are.
    baseline : str, optional
        Name of the model with which the others are compared; None is the first.
    scores : sequence of {"r", "CCnorm", "fve"}
    interval : float
        Share of the bootstrap distribution of the mean, over neurons, between "low" and "high". NaN below 3 neurons.
    seed : int
        Of the bootstrap; models are resampled together.
    **options
        Of `cross_validate`.

    Returns
    -------
    DataFrame
        A row a model. Columns (score, statistic): mean, median, low, high; difference, difference low, difference high
        (of the means, paired by neuron; NaN for the baseline itself); neurons (that count), undefined (that do not),
        constant (that count as 0), and spread over seeds (SD of the mean score).

    Raises
    ------
    TypeError, ValueError
        An argument is not as said, or the results are not of the same neurons and folds.
    """
    import pandas as pd

    if not isinstance(models, Mapping) or not models:
        raise TypeError(f"models must be a mapping of names to models with at least one, got {type(models).__name__}")
    for name in scores:
        if name not in SCORES:
            raise ValueError(f"scores must be among {list(SCORES)}, got {name!r}{did_you_mean(str(name), SCORES)}")
    check_numbers("must lie in (0, 1)", lambda x: 0 < x < 1, interval=interval)
    baseline = next(iter(models)) if baseline is None else baseline
    if baseline not in models:
        raise ValueError(f"baseline must be one of {list(models)}, got {baseline!r}{did_you_mean(baseline, models)}")
    results: dict[str, CrossValidation] = {}
    for name, one in models.items():
        if not isinstance(one, CrossValidation):
            if recording is None:
                raise ValueError(f"recording must be given to fit {name!r}, got None")
            one = cross_validate(one, recording, **options)
        results[name] = one
    first = next(iter(results.values()))
    for name, one in results.items():
        if one.neuron_names != first.neuron_names or sorted(map(sorted, one.folds)) != sorted(map(sorted, first.folds)):
            raise ValueError(f"models must be judged on the same neurons and folds, but those of {name!r} differ")
    rows = {name: dict(_statistics(results, name, baseline, scores, interval, seed)) for name in results}
    table = pd.DataFrame(rows.values(), index=pd.Index(rows, name="model"))
    table.columns = pd.MultiIndex.from_tuples(table.columns, names=["score", "statistic"])
    return table


def _statistics(
    results: Mapping[str, CrossValidation], name: str, baseline: str, scores: Sequence[str], interval: float, seed: int
) -> Iterator[tuple[tuple[str, str], float]]:
    """Columns of one row of the table, with their values."""
    for score in scores:
        per_neuron = {key: one.scores[score].double().numpy() for key, one in results.items()}
        counts = np.any([~np.isnan(values).all(0) for values in per_neuron.values()], axis=0)
        own = np.nan_to_num(per_neuron[name][:, counts], nan=0.0)
        other = np.nan_to_num(per_neuron[baseline][:, counts], nan=0.0).mean(0)
        mean = own.mean(0)
        yield (score, "mean"), mean.mean() if mean.size else np.nan
        yield (score, "median"), np.median(mean) if mean.size else np.nan
        low, high = _bootstrap(mean, interval, seed)
        yield (score, "low"), low
        yield (score, "high"), high
        difference = mean - other if name != baseline else np.full(0, np.nan)
        low, high = _bootstrap(difference, interval, seed)
        yield (score, "difference"), difference.mean() if difference.size else np.nan
        yield (score, "difference low"), low
        yield (score, "difference high"), high
        yield (score, "neurons"), int(counts.sum())
        yield (score, "undefined"), int((~counts).sum())
        yield (score, "constant"), int(np.isnan(per_neuron[name][:, counts]).any(0).sum())
        yield (score, "spread over seeds"), own.mean(1).std(ddof=1) if len(own) > 1 and own.size else np.nan


def _bootstrap(values: np.ndarray, interval: float, seed: int) -> tuple[float, float]:
    """Interval of the mean over neurons that are drawn with replacement."""
    if len(values) < FEWEST_FOR_AN_INTERVAL:
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(1), [(1 - interval) / 2, (1 + interval) / 2])
    return float(low), float(high)
