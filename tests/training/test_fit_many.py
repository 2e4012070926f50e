"""Many fits: each once, kept on disk, equal wherever they run, and retried where a worker dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from deepstrf.models import Linear
from deepstrf.training import FitRecipe, Fitter, fit_jobs, fit_many
from tests.training import killed_client
from tests.training.recipes_for_workers import Logged, Slow, failing
from tests.training.test_cross_validation import least_squares, recording

pool = partial(ProcessPoolExecutor, 2, mp_context=multiprocessing.get_context("spawn"))


def lines(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def logged(tmp_path, seeds=range(6), **options):
    return fit_jobs({"ls": Logged(str(tmp_path / "log"), **options)}, recording(), seeds=seeds, validation=None)


def until(happens):
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)  # looks again


def states(results):
    return [one.state["weights"] for one in results]


def test_jobs_are_all_combinations():
    jobs = fit_jobs(
        {"a": least_squares, "b": least_squares}, {"x": recording(), "y": recording(seed=1)},
        seeds=(0, 1), folds=3, settings={"penalty": [0.0, 1.0]}, validation=None,
    )  # fmt: skip
    assert len(jobs) == 2 * 2 * 2 * 2 * 3
    assert len({job.name for job in jobs}) == len(jobs)
    assert jobs[0].name == "a, x, penalty=0.0, seed 0, fold 1"
    assert sorted(name for job in jobs[:3] for name in job.left_out) == list(recording().stimulus_names)


def test_fits_in_this_process_have_scores_of_what_was_left_out():
    jobs = fit_jobs({"ls": least_squares}, recording(), folds=3, validation=None)
    results = fit_many(jobs, progress=False)
    for job, result in zip(jobs, results, strict=True):
        rest = [name for name in job.recording.stimulus_names if name not in job.left_out]
        expected = least_squares(job.recording.select(stimuli=rest), None, seed=0)
        assert torch.equal(result.state["weights"], expected.weights)
        assert torch.equal(result.model.weights, expected.weights)
        assert len(result.predictions) == 2
        assert result.scores["r"].min() > 0.8
    table = results.table()
    assert table.loc["ls, seed 0, fold 1", "r"] == pytest.approx(results[0].scores["r"].mean().item())
    assert repr(results) == "FitResults(3 jobs, 0 failed)"


def test_a_second_call_goes_on_with_what_is_missing(tmp_path):
    seen = []
    jobs = logged(tmp_path)
    fit_many(jobs[:4], folder=tmp_path / "fits", progress=False)
    results = fit_many(jobs, folder=tmp_path / "fits", progress=False, on_result=lambda one: seen.append(one.job.seed))
    assert [int(seed) for seed, _ in lines(tmp_path / "log")] == list(range(6))
    assert [one.attempts for one in results] == [0] * 4 + [1] * 2
    assert seen == [4, 5]
    assert all(torch.equal(a, b) for a, b in zip(states(results), states(fit_many(jobs, progress=False)), strict=True))


def test_an_interrupt_loses_nothing_that_was_done(tmp_path):
    jobs = logged(tmp_path)

    def stop(one):
        if one.job.seed == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_many(jobs, folder=tmp_path / "fits", progress=False, on_result=stop)
    assert len(fit_many(jobs, folder=tmp_path / "fits", progress=False)) == 6
    assert [int(seed) for seed, _ in lines(tmp_path / "log")] == list(range(6))


def test_padding_that_was_asked_for_makes_no_other_fit(tmp_path):
    data = recording()
    first = fit_jobs({"ls": Logged(str(tmp_path / "log"))}, data, validation=None)
    fit_many(first, folder=tmp_path / "fits", progress=False)
    assert data.responses.ndim == 4
    fit_many(first, folder=tmp_path / "fits", progress=False)
    assert len(lines(tmp_path / "log")) == 1


@pytest.mark.parametrize("change", ["data", "names", "recipe", "setting", "weights"])
def test_results_of_something_else_are_not_taken(change, tmp_path):
    def made(changed):
        data = recording(seed=1 if changed and change == "data" else 0)
        if changed and change == "names":
            data.neuron_names = ("x", "y")
        epochs = 2 if changed and change == "recipe" else 1
        torch.manual_seed(1 if changed and change == "weights" else 0)
        recipe = FitRecipe(Linear(3, 2, out_neurons=2), Fitter(epochs=1, progress=False, start="model"))
        settings = {"epochs": [epochs], "smoothness": [1.0 if changed and change == "setting" else 0.1]}
        return fit_jobs({"m": recipe}, data, settings=settings)

    assert [one.attempts for one in fit_many(made(False), folder=tmp_path, progress=False)] == [1]
    assert [one.attempts for one in fit_many(made(False), folder=tmp_path, progress=False)] == [0]
    assert [one.attempts for one in fit_many(made(True), folder=tmp_path, progress=False)] == [1]


def test_models_come_back_from_disk(tmp_path):
    recipe = FitRecipe(partial(Linear, 3, 2, out_neurons=2), Fitter(epochs=2, progress=False))
    jobs = fit_jobs({"m": recipe}, recording(), seeds=(0, 1))
    made = fit_many(jobs, folder=tmp_path, progress=False)
    again = fit_many(jobs, folder=tmp_path, progress=False)
    x = torch.randn(1, 1, 3, 20)
    for a, b in zip(made, again, strict=True):
        assert torch.equal(a.model(x), b.model(x))
    other = logged(tmp_path)
    fit_many(other, folder=tmp_path, progress=False)
    with pytest.raises(RuntimeError, match=r"cannot be rebuilt from disk, because its recipe is not FitRecipe"):
        _ = fit_many(other, folder=tmp_path, progress=False)[0].model


def test_a_recipe_that_fails_is_a_result_with_its_traceback(tmp_path):
    jobs = fit_jobs({"ls": least_squares, "bad": failing}, recording(), validation=None)
    results = fit_many(jobs, folder=tmp_path, progress=False)
    assert [bool(one.error) for one in results] == [False, True]
    assert "ZeroDivisionError: seed 0 cannot be fitted" in results[1].error
    assert results.table()["error"].tolist() == ["", "ZeroDivisionError: seed 0 cannot be fitted"]
    with pytest.raises(RuntimeError, match="job 'bad, seed 0' failed"):
        _ = results["bad, seed 0"].model
    assert fit_many(jobs, folder=tmp_path, progress=False)[1].attempts == 1  # tried again: the cause may be gone


def test_threads_give_the_same(tmp_path):
    jobs = logged(tmp_path)
    with ThreadPoolExecutor(2) as executor:
        results = fit_many(jobs, executor=executor, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(states(results), states(fit_many(jobs, progress=False)), strict=True))


@pytest.mark.slow
def test_a_killed_worker_loses_no_job_and_none_is_done_twice(tmp_path):
    jobs = logged(tmp_path, seeds=range(12), kill_at=4)
    with pool() as executor:
        results = fit_many(jobs, executor=executor, folder=tmp_path / "fits", progress=False)
    done = [int(seed) for seed, _ in lines(tmp_path / "log")]
    assert sorted(set(done)) == list(range(12))
    assert done.count(4) == 2
    # Only what was under way in the pool that broke may have begun twice; what was done is never done again.
    assert len(done) <= 12 + 2
    assert {threads for _, threads in lines(tmp_path / "log")} == {"1"}
    assert not results.failed
    expected = states(fit_many(logged(tmp_path, seeds=range(12)), progress=False))
    assert all(torch.equal(a, b) for a, b in zip(states(results), expected, strict=True))


@pytest.mark.slow
def test_a_job_that_always_kills_its_worker_fails_alone(tmp_path):
    jobs = logged(tmp_path, seeds=range(6), kill_at=2, always=True)
    results = fit_many(jobs, executor=pool, progress=False)
    assert [one.job.seed for one in results.failed] == [2]
    assert "its worker died 4 times" in results.failed[0].error


@pytest.fixture
def same_environment():
    """Afterwards the environment is as it was: a Dask cluster sets limits of threads in that of its own process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
@pytest.mark.usefixtures("same_environment")
def test_dask_gives_the_same_and_survives_a_killed_worker(tmp_path):
    distributed = pytest.importorskip("distributed")
    jobs = logged(tmp_path, seeds=range(8), kill_at=3)
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        results = fit_many(jobs, executor=client.get_executor(), folder=tmp_path / "fits", progress=False)
    done = [int(seed) for seed, _ in lines(tmp_path / "log")]
    assert sorted(set(done)) == list(range(8))
    assert done.count(3) == 2
    assert not results.failed
    expected = states(fit_many(logged(tmp_path, seeds=range(8)), progress=False))
    assert all(torch.equal(a, b) for a, b in zip(states(results), expected, strict=True))


@pytest.mark.slow
@pytest.mark.usefixtures("same_environment")
@pytest.mark.skipif(sys.platform != "linux", reason="Dask asks only the C library of Linux to give memory back")
def test_workers_of_dask_keep_memory_that_is_freed_for_the_next_tensor():
    """Pages that a hundred tensors of a megabyte take anew, as a worker begins and once a fit was sent to it."""
    code = (
        "import torch, resource\n"
        "from deepstrf.training.fit_worker import keep_freed_memory\n"
        "def taken():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(100): torch.ones(2**18)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "first = taken()\n"
        "print(keep_freed_memory(), first, taken())"
    )
    for asked in (True, False):
        environment = {k: v for k, v in os.environ.items() if k != "MALLOC_TRIM_THRESHOLD_"}
        environment |= {"MALLOC_TRIM_THRESHOLD_": "65536"} if asked else {}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        told, before, after = run.stdout.split()
        assert told == str(asked)
        assert not asked or int(before) > 100 * 200 > 10 * int(after)


def test_a_client_that_is_killed_goes_on_from_disk(tmp_path):
    distributed = pytest.importorskip("distributed")
    script = Path(__file__).with_name("killed_client.py")
    ended = subprocess.run([sys.executable, script, tmp_path, "5"], capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    on_disk = len(list((tmp_path / "fits").glob("fit-*.safetensors")))
    assert on_disk >= 5
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        results = fit_many(
            killed_client.jobs(tmp_path), executor=client.get_executor(), folder=tmp_path / "fits", progress=False
        )
    assert len(results) == killed_client.FITS
    assert not results.failed
    done = [int(seed) for seed, _ in lines(tmp_path / "log")]
    assert sorted(set(done)) == list(range(killed_client.FITS))
    assert len(done) <= killed_client.FITS + 2, done  # what the workers were at when they lost their scheduler
    expected = states(fit_many(killed_client.jobs(tmp_path), progress=False))
    assert all(torch.equal(a, b) for a, b in zip(states(results), expected, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("orphan_dies", [False, True])
def test_what_the_worker_of_a_killed_client_is_still_at_is_not_begun_again(orphan_dies, tmp_path):
    """A worker of a first pool has not ended its fit when a second call asks for the same one."""
    jobs = fit_jobs({"slow": Slow(str(tmp_path))}, recording(), validation=None)
    with pool() as first, pool() as second, ThreadPoolExecutor(2) as calls:
        one = calls.submit(fit_many, jobs, executor=first, folder=tmp_path / "fits", progress=False)
        until(lambda: len(lines(tmp_path / "log")) == 1)
        other = calls.submit(fit_many, jobs, executor=second, folder=tmp_path / "fits", progress=False)
        if orphan_dies:
            os.kill(int(lines(tmp_path / "log")[0][1]), signal.SIGKILL)
            until(lambda: len(lines(tmp_path / "log")) == 2)  # the claim has ended with its process
        (tmp_path / "go").touch()
        results = [one.result()[0], other.result()[0]]
    assert len(lines(tmp_path / "log")) == 1 + orphan_dies
    assert torch.equal(results[0].state["weights"], results[1].state["weights"])
    assert not list((tmp_path / "fits").glob("*.claim"))


@pytest.mark.slow
def test_a_recipe_that_no_process_can_load_is_named():
    jobs = fit_jobs({"here": lambda train, validation, seed: None}, recording())
    with pool() as executor, pytest.raises(TypeError, match="'here, seed 0' must be one that another process can load"):
        fit_many(jobs, executor=executor, progress=False)


def test_arguments_are_checked(tmp_path):
    jobs = logged(tmp_path, seeds=[0])
    with pytest.raises(ValueError, match="jobs must have different names, got 'ls, seed 0' twice"):
        fit_many([*jobs, *jobs])
    with pytest.raises(TypeError, match="executor must be an Executor, a callable that makes one, or None, got str"):
        fit_many(jobs, executor="dask")
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        fit_many(jobs, threads=0)
    fit_many(jobs, folder=tmp_path / "fits", progress=False)
    (file,) = (tmp_path / "fits").glob("fit-*")
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"fit-\w+\.safetensors is damaged: delete it, and its job is fitted again"):
        fit_many(jobs, folder=tmp_path / "fits", progress=False)
