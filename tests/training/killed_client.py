"""A client of Dask that kills itself at its n-th result: ``python killed_client.py FOLDER N``; the test goes on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import distributed

from deepstrf.training import FitJob, FitResult, fit_jobs, fit_many
from tests.training.recipes_for_workers import Logged
from tests.training.test_cross_validation import recording

FITS = 12


def jobs(folder: Path) -> list[FitJob]:
    """The same jobs, in whatever process."""
    return fit_jobs({"ls": Logged(str(folder / "log"))}, recording(), seeds=range(FITS), validation=None)


def main(folder: Path, deadly: int) -> None:
    """Fit until the n-th result, and no further."""
    seen = 0

    def kill(_: FitResult) -> None:
        nonlocal seen
        seen += 1
        if seen == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        fit_many(jobs(folder), executor=client.get_executor(), folder=folder / "fits", progress=False, on_result=kill)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
