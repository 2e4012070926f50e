"""Many fits on anything that runs functions: each done once, kept on disk, retried where its worker died."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import pickle
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deepstrf.arguments import check_numbers, whole_number
from deepstrf.datasets import Recording
from deepstrf.short_repr import short_repr
from deepstrf.training.cross_validation import SCORES, FitRecipe, Recipe, folds_of, parted, predicted_of, score_of
from deepstrf.training.identity import described, digest
from deepstrf.writing import replace_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FitJob", "FitResult", "FitResults", "fit_jobs", "fit_many"]

ATTEMPTS = 4
"""How often a job is given to a worker before it counts as the one that kills them."""
FORMAT = "deepstrf fit 1"
SUSPECT = 2
DEATHS = ("KilledWorker", "CommClosedError", "FutureCancelledError")
"""What Dask raises where a worker died too often, or took its result along."""
AHEAD = 2
"""Jobs for each process of a pool that are handed out at a time: what a broken pool loses."""


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
        if not _can_be_rebuilt(self.job.recipe):
            raise RuntimeError(
                f"the model of job {self.job.name!r} cannot be rebuilt from disk, because its recipe is not FitRecipe "
                "with best_epoch='population': its state is in .state"
            )
        model = self.job.recipe.build(seed=self.job.seed, **self.job.setting)  # type: ignore[attr-defined]
        model.load_state_dict(self.state)
        return model.eval()


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


def fit_many(
    jobs: Sequence[FitJob],
    *,
    executor: Executor | Callable[[], Executor] | None = None,
    folder: str | os.PathLike[str] | None = None,
    threads: int = 1,
    progress: bool = True,
    on_result: Callable[[FitResult], None] | None = None,
) -> FitResults:
    """Results of many fits, each done once.

    A recording goes out once, as a file in ``folder`` that each worker reads when it first needs it. Results are
    written there as they are ready, so that the same call after an interrupt, a crash or a reboot goes on with what is
    missing. A job whose worker was killed is handed out again; one whose recipe raises an error is not, and its result
    has the traceback.

    Parameters
    ----------
    jobs : sequence of FitJob
        Of different names; `fit_jobs` makes them.
    executor : Executor, or callable that makes one, optional
        Anything of `concurrent.futures`: threads, processes, or Dask's ``Client(...).get_executor()``. None fits one
        after the other in this thread. A pool of processes that breaks is made anew, as the one that was given.
    folder : str or path, optional
        Where recordings and results are kept, seen by all workers under this name. None: a temporary one, which is
        deleted in the end.
    threads : int
        Of torch in each worker process; threads of one pool share this number.
    progress : bool
        Show a bar.
    on_result : callable, optional
        Called with each result as it is ready, in this thread.

    Returns
    -------
    FitResults
        In the order of ``jobs``.

    Raises
    ------
    TypeError, ValueError
        An argument is not as said, two jobs have one name, a recipe cannot be pickled for another process, or a file in
        the folder is damaged.
    """
    names = [job.name for job in jobs]
    if twice := [name for name in names if names.count(name) > 1][:1]:
        raise ValueError(f"jobs must have different names, got {twice[0]!r} twice")
    for job in jobs:
        if not isinstance(job, FitJob):
            raise TypeError(f"jobs must be FitJobs, got {type(job).__name__}: fit_jobs makes them")
        if job.validation is not None:
            check_numbers("must lie in (0, 1)", lambda x: 0 < x < 1, validation=job.validation)
    whole_number("threads", threads)
    keeping: AbstractContextManager[Any] = nullcontext(folder)
    if folder is None:
        keeping = tempfile.TemporaryDirectory(prefix="deepstrf-fits-")
    with keeping as name:
        return FitResults(_Fits(jobs, executor, Path(name), threads, progress, on_result).run())


class _Fits:
    """The jobs of one call, and where each of them stands."""

    def __init__(
        self,
        jobs: Sequence[FitJob],
        executor: Executor | Callable[[], Executor] | None,
        folder: Path,
        threads: int,
        progress: bool,
        on_result: Callable[[FitResult], None] | None,
    ) -> None:
        self.jobs, self.folder, self.threads, self.on_result = list(jobs), folder.absolute(), threads, on_result
        self.make = executor if callable(executor) and not isinstance(executor, Executor) else None
        self.executor = executor if isinstance(executor, Executor) else None
        if executor is not None and self.make is None and self.executor is None:
            raise TypeError(
                f"executor must be an Executor, a callable that makes one, or None, got {type(executor).__name__}"
            )
        self.own: list[Executor] = []
        self.progress = progress
        self.folder.mkdir(parents=True, exist_ok=True)
        prints: dict[int, str] = {}
        for job in self.jobs:
            if id(job.recording) not in prints:
                prints[id(job.recording)] = _print_of(job.recording)
        self.data = {
            i: self.folder / f"recording-{prints[id(job.recording)]}.safetensors" for i, job in enumerate(self.jobs)
        }
        identities = [_identity(job, prints[id(job.recording)]) for job in self.jobs]
        self.files = [
            self.folder / f"fit-{hashlib.sha256(one.encode()).hexdigest()[:32]}.safetensors" for one in identities
        ]
        self.results: list[FitResult | None] = [None] * len(self.jobs)
        self.attempts = [0] * len(self.jobs)

    def run(self) -> list[FitResult]:
        """Results of all jobs."""
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

        for i, file in enumerate(self.files):
            if file.is_file():
                self.results[i] = _read(file, self.jobs[i])
        missing = [i for i, one in enumerate(self.results) if one is None]
        bar = tqdm(total=len(self.jobs), initial=len(self.jobs) - len(missing), unit="fit") if self.progress else None
        try:
            for i, result in self._alone(missing) if self.executor is self.make is None else self._spread(missing):
                self.results[i] = result
                if bar is not None:
                    bar.update()
                if self.on_result is not None:
                    self.on_result(result)
        finally:
            if bar is not None:
                bar.close()
            for one in self.own:
                one.shutdown(wait=False, cancel_futures=True)
        return [one for one in self.results if one is not None]

    def _alone(self, missing: Sequence[int]) -> Iterator[tuple[int, FitResult]]:
        for i in missing:
            job = self.jobs[i]
            yield i, self._taken(i, *_fit(job.recipe, job.recording, *self._arguments(i)), attempts=1)

    def _arguments(self, i: int) -> tuple[Any, ...]:
        job = self.jobs[i]
        return job.left_out, job.seed, job.setting, job.validation, str(self.files[i])

    def _spread(self, missing: Sequence[int]) -> Iterator[tuple[int, FitResult]]:
        """Results of workers, as they are ready."""
        for i in missing:
            if not self.data[i].is_file():
                self.jobs[i].recording.save(self.data[i])
        waiting, under_way = list(missing), dict[Future[Any], int]()
        if self.make is not None:
            self._renew()
        while waiting or under_way:
            broken = False
            while waiting and self._has_room(under_way.values(), waiting[0]):
                i = waiting.pop(0)
                try:
                    under_way[self._submit(i)] = i
                except BrokenExecutor:
                    self.attempts[i] -= 1
                    waiting.insert(0, i)
                    broken = True
                    break
            for future in wait(under_way, return_when=FIRST_COMPLETED).done if under_way else ():
                i = under_way.pop(future)
                try:
                    answer = future.result()
                except BrokenExecutor as error:
                    broken = True
                    yield from self._again(i, waiting, error)
                except (pickle.PicklingError, AttributeError, TypeError) as error:
                    raise _not_picklable(self.jobs[i], error) from error
                except (Exception, CancelledError) as error:
                    if not isinstance(error, CancelledError) and type(error).__name__ not in DEATHS:
                        raise
                    yield from self._again(i, waiting, error)
                else:
                    yield i, self._taken(i, *answer, attempts=self.attempts[i])
            if broken:
                for future, i in under_way.items():
                    if future.done() and not future.cancelled() and future.exception() is None:
                        yield i, self._taken(i, *future.result(), attempts=self.attempts[i])
                    else:
                        yield from self._again(i, waiting, BrokenExecutor("a worker died"))
                under_way.clear()
                if waiting and not self._renew():
                    raise RuntimeError(
                        f"the executor, {type(self.executor).__name__}, is broken: give fit_many a function that makes "
                        f"it; what is done is in {self.folder}"
                    )

    def _has_room(self, under_way: Collection[int], following: int) -> bool:
        """Whether another job may be handed out; one that was there at two deaths only alone, to see if it is the one.

        Of a pool that may break, few are under way at a time.
        """
        if any(self.attempts[i] > SUSPECT for i in under_way) or (under_way and self.attempts[following] >= SUSPECT):
            return False
        workers = getattr(self.executor, "_max_workers", None)
        return len(under_way) < (AHEAD * workers if isinstance(workers, int) else len(self.jobs))

    def _again(self, i: int, waiting: list[int], error: BaseException) -> Iterator[tuple[int, FitResult]]:
        """Put a job back, unless it was written before its worker died, or it has died too often."""
        if self.files[i].is_file():
            yield i, _read(self.files[i], self.jobs[i], self.attempts[i])
        elif self.attempts[i] < ATTEMPTS:
            waiting.insert(0, i)
        else:
            text = f"{type(error).__name__}: its worker died {self.attempts[i]} times: {error}"
            yield i, FitResult(self.jobs[i], attempts=self.attempts[i], error=text)

    def _submit(self, i: int) -> Future[Any]:
        job = self.jobs[i]
        self.attempts[i] += 1
        assert self.executor is not None
        return self.executor.submit(_work, job.recipe, str(self.data[i]), self.threads, *self._arguments(i))

    def _renew(self) -> bool:
        """Another executor in place of a broken one; whether there can be one."""
        if self.make is not None:
            self.executor = self.make()
        elif isinstance(self.executor, ProcessPoolExecutor):
            old: Any = self.executor
            self.executor = ProcessPoolExecutor(
                old._max_workers, mp_context=old._mp_context, initializer=old._initializer, initargs=old._initargs
            )
        else:
            return False
        self.own.append(self.executor)
        return True

    def _taken(self, i: int, data: bytes, fitted: nn.Module | None, *, attempts: int) -> FitResult:
        """The result, on disk if it is no failure and the worker could not write it."""
        result = _parsed(data, self.jobs[i], str(self.files[i]), attempts, fitted)
        if not result.error and not self.files[i].is_file():
            replace_file(self.files[i], data)
        return result


def _not_picklable(job: FitJob, error: Exception) -> TypeError:
    return TypeError(
        f"the recipe of job {job.name!r} must be one that another process can load: define it at the top of a module, "
        f"or use Dask, which takes functions of a notebook too ({error})"
    )


@functools.lru_cache(maxsize=4)
def _recording_in(path: str) -> Recording:
    return Recording.load(path, max_gb=float("inf"))


def _work(recipe: Recipe, data: str, threads: int, *arguments: Any) -> tuple[bytes, nn.Module | None]:
    """What a worker does: one fit on a recording that it has read, or reads now."""
    torch.set_num_threads(threads)
    return _fit(recipe, _recording_in(data), *arguments)


def _fit(
    recipe: Recipe,
    recording: Recording,
    left_out: tuple[str, ...],
    seed: int,
    setting: dict[str, Any],
    validation: float | None,
    file: str,
) -> tuple[bytes, nn.Module | None]:
    """Bytes of the result, which are in the file too if its folder is there, and the model if it cannot be rebuilt."""
    from safetensors.torch import save

    began = time.perf_counter()
    tensors: dict[str, Tensor] = {}
    about: dict[str, Any] = {"format": FORMAT, "error": ""}
    fitted = None
    try:
        kept = [name for name in recording.stimulus_names if name not in left_out]
        train, stop = parted(recording.select(stimuli=kept), validation, seed)
        model = recipe(train, stop, seed=seed, **setting)
        fitted = None if _can_be_rebuilt(recipe) else model
        tensors |= {f"state.{name}": value for name, value in model.state_dict().items()}
        if left_out:
            test = recording.select(stimuli=list(left_out))
            predicted = predicted_of(model, test)
            _, responses = test.padded()
            whole = responses.new_full((len(test), responses.shape[1], 1, responses.shape[-1]), torch.nan)
            for b, one in enumerate(predicted):
                whole[b, ..., : one.shape[-1]] = one
                tensors[f"prediction.{b}"] = one
            tensors |= {f"score.{name}": score_of(name, whole, responses, 0) for name in SCORES}
    except Exception:  # noqa: BLE001 - whatever a recipe raises is its result
        tensors, fitted, about["error"] = {}, None, traceback.format_exc()
    about["seconds"] = time.perf_counter() - began
    data = save(
        {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()},
        {"about": json.dumps(about)},
    )
    if not about["error"] and Path(file).parent.is_dir() and not Path(file).is_file():
        replace_file(Path(file), data)
    return data, fitted


def _can_be_rebuilt(recipe: Any) -> bool:
    return isinstance(recipe, FitRecipe) and recipe.best_epoch == "population"


def _read(file: Path, job: FitJob, attempts: int = 0) -> FitResult:
    return _parsed(file.read_bytes(), job, str(file), attempts, None)


def _parsed(data: bytes, job: FitJob, where: str, attempts: int, fitted: nn.Module | None) -> FitResult:
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


def _print_of(recording: Recording) -> str:
    """Hash of everything that a fit may read of a recording."""
    made = hashlib.sha256(digest(recording.cf_hz).encode())
    for b in range(len(recording)):
        made.update(digest(*recording[b]).encode())
    about = [recording.neuron_names, recording.stimulus_names, recording.dt_ms, recording.delay_ms, recording.bins]
    made.update(described(about).encode())
    return made.hexdigest()[:32]


def _identity(job: FitJob, data: str) -> str:
    """Hash that is another for another fit, so that no result on disk is taken for that of something else."""
    parts = [described(job.recipe), data, described([job.left_out, job.seed, job.setting, job.validation])]
    model = getattr(job.recipe, "model", None)
    if isinstance(model, nn.Module):
        parts.append(digest(*model.state_dict().values()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
