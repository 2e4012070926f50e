"""Many fits on anything that runs functions: each done once, kept on disk, retried where its worker died."""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from deepstrf.arguments import check_numbers, whole_number
from deepstrf.deprecation import keywords
from deepstrf.paths import as_path
from deepstrf.training.cross_validation import FitRecipe
from deepstrf.training.fit_together import alike, fit_together
from deepstrf.training.fit_worker import claimed, failed, fit_one, kept, sounds_of, work
from deepstrf.training.jobs import (
    FitJob,
    FitResult,
    FitResults,
    can_be_rebuilt,
    fit_jobs,
    identity_of_job,
    parsed_result,
    print_of,
    read_result,
)
from deepstrf.training.linear_regression import Kept, keeping_moments
from deepstrf.training.run import Run
from deepstrf.writing import make_folder, replace_file

__all__ = ["FitJob", "FitProgress", "FitResult", "FitResults", "fit_jobs", "fit_many"]

ATTEMPTS = 4
"""How often a job is given to a worker before it counts as the one that kills them."""
SUSPECT = 2
DEATHS = ("KilledWorker", "CommClosedError", "FutureCancelledError")
"""What Dask raises where a worker died too often, or took its result along."""
AHEAD = 2
"""Jobs for each process of a pool that are handed out at a time: what a broken pool loses."""
TOGETHER = 32
"""Alike fits at once: of 64 small ones each still took as long as of 32."""


@runtime_checkable
class FitProgress(Protocol):
    """Observer that shows how far `fit_many` is; it is called in the thread of the call."""

    def begin(self, jobs: Sequence[FitJob], results: Sequence[FitResult | None]) -> None:
        """These are the jobs, with the results of those that are on disk."""

    def done(self, i: int, result: FitResult) -> None:
        """Job i has its result."""

    def again(self, i: int, attempts: int) -> None:
        """The worker of job i died; it will be handed out once more, after so many attempts."""

    def end(self) -> None:
        """The call ends, with all results or by an error."""


class _Bar:
    """A bar of tqdm."""

    def begin(self, jobs: Sequence[FitJob], results: Sequence[FitResult | None]) -> None:
        """Show it."""
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

        self.bar = tqdm(total=len(jobs), initial=sum(one is not None for one in results), unit="fit")

    def done(self, i: int, result: FitResult) -> None:
        """One further."""
        self.bar.update()

    def again(self, i: int, attempts: int) -> None:
        """As far as before."""

    def end(self) -> None:
        """Close it."""
        self.bar.close()


@keywords()
def fit_many(
    jobs: Sequence[FitJob],
    *,
    executor: Executor | Callable[[], Executor] | None = None,
    folder: str | os.PathLike[str] | None = None,
    threads: int = 1,
    together: int = TOGETHER,
    progress: bool | FitProgress = True,
    on_result: Callable[[FitResult], None] | None = None,
) -> FitResults:
    """Results of many fits, each done once.

    A recording goes out once, as a file in ``folder`` that each worker reads when it first needs it. Results are
    written there as they are ready, so that the same call after an interrupt, a crash or a reboot goes on with what is
    missing; what workers of the killed call are still at is waited for, not begun again. A job whose worker was killed
    is handed out again; one whose recipe raises an error is not, and its result has the traceback.

    Parameters
    ----------
    jobs : sequence of FitJob
        Of different names; `fit_jobs` makes them.
    executor : Executor, or callable that makes one, optional
        Anything of `concurrent.futures`: threads, processes, or Dask's ``Client(...).get_executor()``. None fits in
        this thread, alike small models at once. A pool of processes that breaks is made anew, as the one that was
        given.
    folder : str or path, optional
        Where recordings and results are kept, seen by all workers under this name. None: a temporary one, which is
        deleted in the end.
    threads : int
        Of torch in each worker process; threads of one pool share this number.
    together : int
        Without an executor: how many alike fits of receptive-field models are computed at once, by `torch.func.vmap`;
        each is what it is alone but for rounding. 1 fits one after the other.
    progress : bool or FitProgress
        Show a bar, or tell another object: ``deepstrf_widgets.FitTable()`` is a live table for notebooks.
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
    whole_number("together", together)
    shown = _Bar() if progress is True else None if progress is False else progress
    if shown is not None and not isinstance(shown, FitProgress):
        raise TypeError(f"progress must be a bool or a FitProgress, got {type(progress).__name__}")
    keeping: AbstractContextManager[Any] = nullcontext(folder)
    if folder is None:
        keeping = tempfile.TemporaryDirectory(prefix="deepstrf-fits-")
    with keeping as name:
        return FitResults(_Fits(jobs, executor, as_path("folder", name), threads, together, shown, on_result).run())


class _Fits:
    """The jobs of one call, and where each of them stands."""

    def __init__(
        self,
        jobs: Sequence[FitJob],
        executor: Executor | Callable[[], Executor] | None,
        folder: Path,
        threads: int,
        together: int,
        progress: FitProgress | None,
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
        self.progress, self.together = progress, together
        make_folder(self.folder)
        prints: dict[int, str] = {}
        for job in self.jobs:
            if id(job.recording) not in prints:
                prints[id(job.recording)] = print_of(job.recording)
        self.data = {
            i: self.folder / f"recording-{prints[id(job.recording)]}.safetensors" for i, job in enumerate(self.jobs)
        }
        identities = [identity_of_job(job, prints[id(job.recording)]) for job in self.jobs]
        self.files = [
            self.folder / f"fit-{hashlib.sha256(one.encode()).hexdigest()[:32]}.safetensors" for one in identities
        ]
        self.results: list[FitResult | None] = [None] * len(self.jobs)
        self.attempts = [0] * len(self.jobs)

    def run(self) -> list[FitResult]:
        """Results of all jobs."""
        for i, file in enumerate(self.files):
            if file.is_file():
                self.results[i] = read_result(file, self.jobs[i])
        missing = [i for i, one in enumerate(self.results) if one is None]
        if self.progress is not None:
            self.progress.begin(self.jobs, self.results)
        try:
            for i, result in self._alone(missing) if self.executor is self.make is None else self._spread(missing):
                self.results[i] = result
                if self.progress is not None:
                    self.progress.done(i, result)
                if self.on_result is not None:
                    self.on_result(result)
        finally:
            if self.progress is not None:
                self.progress.end()
            for one in self.own:
                one.shutdown(wait=False, cancel_futures=True)
        return [one for one in self.results if one is not None]

    def _alone(self, missing: Sequence[int]) -> Iterator[tuple[int, FitResult]]:
        """Results of this thread."""
        batch: list[int] = []
        for i in missing:
            if self.together == 1 or not can_be_rebuilt(self.jobs[i].recipe):
                yield self._single(i)
                continue
            batch.append(i)
            if len(batch) == self.together:
                yield from self._batch(batch)
                batch = []
        yield from self._batch(batch)

    def _single(self, i: int) -> tuple[int, FitResult]:
        job = self.jobs[i]
        return i, self._taken(i, *fit_one(job.recipe, job.recording, *self._arguments(i)), attempts=1)

    def _batch(self, batch: Sequence[int]) -> Iterator[tuple[int, FitResult]]:
        """Results of fits of models, alike ones together."""
        sounds: Kept = {}
        with ExitStack() as claims:
            others, groups = list[int](), dict[Any, list[tuple[int, Run, float]]]()
            for i in batch:
                mine = claims.enter_context(claimed(self.files[i], wait=False))
                if not mine or self.files[i].is_file():
                    others.append(i)  # another notebook is at it, or has just done it
                    continue
                began = time.perf_counter()
                try:
                    with keeping_moments(sounds):
                        run = self._prepared(i)
                    if (key := alike(run)) is None:
                        run.to_the_end()
                except Exception as error:  # noqa: BLE001 - whatever a recipe raises is its result
                    yield i, self._taken(i, failed(error, time.perf_counter() - began), None, attempts=1)
                    continue
                if key is None:
                    yield self._ended(i, run, None, time.perf_counter() - began)
                else:
                    groups.setdefault(key, []).append((i, run, time.perf_counter() - began))
            for members in groups.values():
                for k, raised, seconds in fit_together([run for _, run, _ in members]):
                    i, run, preparing = members[k]
                    yield self._ended(i, run, raised, preparing + seconds)
        for i in others:
            yield self._single(i)

    def _prepared(self, i: int) -> Run:
        job = self.jobs[i]
        recipe: FitRecipe = job.recipe  # type: ignore[assignment]
        train, stop = sounds_of(job.recording, job.left_out, job.seed, job.validation)
        model = recipe.build(seed=job.seed, **job.setting)
        return recipe.fitter_for(seed=job.seed, **job.setting).prepare(model, train, stop)

    def _ended(self, i: int, run: Run, error: BaseException | None, seconds: float) -> tuple[int, FitResult]:
        """The result of a fit that has ended in this thread."""
        job = self.jobs[i]
        try:
            if error is not None:
                raise error
            answer = kept(job.recipe, run.model, job.recording, job.left_out, str(self.files[i]), seconds)
        except Exception as raised:  # noqa: BLE001 - whatever a recipe raises is its result
            answer = failed(raised, seconds), None
        return i, self._taken(i, *answer, attempts=1)

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
            yield i, read_result(self.files[i], self.jobs[i], self.attempts[i])
        elif self.attempts[i] < ATTEMPTS:
            waiting.insert(0, i)
            if self.progress is not None:
                self.progress.again(i, self.attempts[i])
        else:
            text = f"{type(error).__name__}: its worker died {self.attempts[i]} times: {error}"
            yield i, FitResult(self.jobs[i], attempts=self.attempts[i], error=text)

    def _submit(self, i: int) -> Future[Any]:
        job = self.jobs[i]
        self.attempts[i] += 1
        assert self.executor is not None
        return self.executor.submit(work, job.recipe, str(self.data[i]), self.threads, *self._arguments(i))

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
        result = parsed_result(data, self.jobs[i], str(self.files[i]), attempts, fitted)
        if not result.error and not self.files[i].is_file():
            replace_file(self.files[i], data)
        return result


def _not_picklable(job: FitJob, error: Exception) -> TypeError:
    return TypeError(
        f"the recipe of job {job.name!r} must be one that another process can load: define it at the top of a module, "
        f"or use Dask, which takes functions of a notebook too ({error})"
    )
