"""How much quicker many fits are on two Dask workers, or at once in one process, than one after the other.

    python tests/benchmarks/many_fits.py [--at-once] [--fits 64] [--neurons 4] [--seconds 60] [--epochs 20]
                                         [--early-stopping]

Alike LN fits of simulated neurons, dealt out in rounds: in each, a share of them one after the other in this process
and the same share in the other way, so that whatever else the machine does meets both. Wall-clock time and processor
time of both, and the largest difference between any two weights. Workers are up before the clock runs. Every fit runs
through all epochs; with ``--early-stopping`` each ends by its own default patience, and the others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from deepstrf.models import LinearNonlinear
from deepstrf.simulate import simulate_population
from deepstrf.training import FitRecipe, FitResults, Fitter, fit_jobs, fit_many
from deepstrf.training.fit_many import FitJob

BANDS, LAGS, NEURONS, SECONDS = 18, 20, 4, 60.0

ALIKE = 1e-4

Way = Callable[[list[FitJob]], FitResults]


def jobs(count: int, epochs: int | None, neurons: int = NEURONS, seconds: float = SECONDS) -> list[FitJob]:
    """So many fits of one recording, which differ in their seed; without a number of epochs they stop by themselves."""
    data = simulate_population(neurons, seconds=seconds, sample_rate_hz=16000, n_bands=BANDS, max_hz=8000.0)
    model = partial(LinearNonlinear, BANDS, LAGS, out_neurons=neurons)
    fitter = Fitter(progress=False) if epochs is None else Fitter(epochs=epochs, patience=epochs, progress=False)
    recipe = FitRecipe(model, fitter)
    return fit_jobs({"LN": recipe}, data, seeds=range(count))


@contextlib.contextmanager
def two_workers() -> Iterator[tuple[Way, Callable[[], float]]]:
    """Fits on a cluster on this machine, and the processor time of all its processes."""
    import distributed

    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        yield (
            lambda share: fit_many(share, executor=executor, progress=False),
            lambda: time.process_time() + sum(client.run(time.process_time).values()),
        )


@contextlib.contextmanager
def at_once() -> Iterator[tuple[Way, Callable[[], float]]]:
    """Fits by one `torch.func.vmap` in this process, and its processor time."""
    yield lambda share: fit_many(share, progress=False, together=len(share)), time.process_time


def _apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference of two tensors, over their largest value where that is above 1, as of a variance."""
    return (a.double() - b.double()).abs().max().item() / max(1.0, b.double().abs().max().item())


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each round and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-once", action="store_true", help="by vmap in this process, instead of two workers")
    parser.add_argument("--fits", type=int, default=64, help="in all rounds together")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--early-stopping", action="store_true", help="instead of a number of epochs")
    parser.add_argument("--neurons", type=int, default=NEURONS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of sound")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    dealt = jobs(given.fits, None if given.early_stopping else given.epochs, given.neurons, given.seconds)
    warm = [FitJob(f"warm {i}", dealt[0].recipe, dealt[0].recording, (), 1000 + i) for i in range(2)]
    fit_many(warm, progress=False, together=1)
    walls, processors, worst, unlike = [0.0, 0.0], [0.0, 0.0], 0.0, 0
    name = "at once" if given.at_once else "two workers"
    with at_once() if given.at_once else two_workers() as (other_way, spent):
        other_way(warm)
        for i in range(given.rounds):
            share = dealt[i :: given.rounds]
            began, before = time.perf_counter(), spent()
            spread = other_way(share)
            middle, after = time.perf_counter(), spent()
            again = time.perf_counter()
            alone = fit_many(share, progress=False, together=1)
            two, one = middle - began, time.perf_counter() - again
            walls = [walls[0] + one, walls[1] + two]
            processors = [processors[0] + spent() - after, processors[1] + after - before]
            for a, b in zip(spread, alone, strict=True):
                apart = max(_apart(a.state[name], tensor) for name, tensor in b.state.items())
                worst, unlike = max(worst, apart), unlike + (apart > ALIKE)
            print(f"round {i + 1}: alone {one:.1f} s, {name} {two:.1f} s: {one / two:.2f} x", flush=True)
    print(
        f"{given.fits} fits: alone {walls[0]:.1f} s (processor {processors[0]:.1f} s), {name} {walls[1]:.1f} s "
        f"(processor {processors[1]:.1f} s): {walls[0] / walls[1]:.2f} x by the clock, "
        f"{processors[0] / processors[1]:.2f} x by processor time; largest difference of a weight {worst:.2g} "
        f"(over the largest of its tensor, if above 1); {unlike} fits differ by more than {ALIKE:g}"
    )


if __name__ == "__main__":
    main()
