"""The table of `fit_many` while it runs: what is done, what is best, what has failed and why."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import ipywidgets
import traitlets

from deepstrf.arguments import check_choice
from deepstrf.deprecation import keywords
from deepstrf.locking import locked
from deepstrf.training import FitJob, FitResult

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..explorer import Explorer, explore
from ..lifetime import Owner
from ..message_parsing import brief, is_count

__all__ = ["FitTable"]

SCORES = ("r", "CCnorm", "fve")
SHORTEST_S = 0.25
"""Between two states that are sent; longer for long tables, so that they take a small share of the time."""
ROWS_PER_S = 2000
LONGEST_ERROR = 20_000
"""Characters of a traceback, its end."""


class FitRows(BrowserWidget):
    """The table itself, which tells ``on_open`` the number of a job that was chosen.

    Attributes
    ----------
    rows : list of dict
        For each job its name, state ("waiting", "done", "failed"), scores (None where there is none), seconds, attempts
        and traceback.
    info : dict
        ``total``, ``done``, ``failed``, ``best`` (number of a job, or None), ``score`` (by which), ``left_s`` (None
        where it is not known yet), ``running`` and ``opened`` (number of the job on the bench, or None).
    """

    _esm = bundle_source("fits.js")

    view = traitlets.Unicode("fits").tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)

    def __init__(self, on_open: Callable[[int], None], **kwargs: Any) -> None:
        self._on_open = on_open
        super().__init__(**kwargs)

    def _received(self, _widget: Any, content: Any, _buffers: Any) -> None:
        fields = content if isinstance(content, dict) else {}
        job = fields.get("job")
        if fields.get("type") != "open" or not is_count(job) or job >= len(self.rows):
            self.error = f"a message must open one of {len(self.rows)} jobs, got {brief(content)}"
            return
        self._on_open(int(job))


@keywords()
class FitTable(Owner, ipywidgets.VBox):
    """Live table of `deepstrf.training.fit_many`, for notebooks: ``fit_many(jobs, progress=FitTable())``.

    It shows itself when the fits begin, unless it was shown before: how many are done and failed, about how long the
    others will take, the best so far, and a row for each job with its scores or the traceback of its failure. A click
    on a row opens its model on the bench below, on the sounds that were left out of its fit. Where the kernel
    is busy with the fits, the bench opens when the cell has ended.

    Parameters
    ----------
    score : {"r", "CCnorm", "fve"}
        By whose mean over neurons the best job is chosen.

    Attributes
    ----------
    table : FitRows
    bench : Explorer or None
        Of the job that was opened last.
    results : list of FitResult or None
        Of the jobs, in their order, as they are ready.
    """

    _lock: ClassVar[Any] = threading.RLock()

    def __init__(self, score: str = "r") -> None:
        check_choice(SCORES, score=score)
        self.score = score
        self.jobs: list[FitJob] = []
        self.results: list[FitResult | None] = []
        self.attempts: dict[int, int] = {}
        self.bench: Explorer | None = None
        self.opened: int | None = None
        self.running = False
        self._shown = False
        self._began = self._sent = -math.inf
        self._on_disk = 0
        self._timer: threading.Timer | None = None
        self.table = self.own(FitRows(self.show_job))
        self.children: tuple[ipywidgets.DOMWidget, ...]
        super().__init__([self.table])
        # The bench keeps keys pressed anywhere in an element of this class from the commands of the notebook.
        self.add_class("deepstrf-explorer")
        self.own(self._stop_timer)
        self._show()

    def __repr__(self) -> str:
        done = sum(one is not None for one in self.results)
        return f"{type(self).__name__}({done} of {len(self.jobs)} fits done)"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._shown = True
        return super()._repr_mimebundle_(**kwargs)

    # -- called by fit_many ----------------------------------------------------------------------------------------

    def begin(self, jobs: Sequence[FitJob], results: Sequence[FitResult | None]) -> None:
        """Show these jobs, with the results that there are already."""
        self._begin(jobs, results)
        ipython = sys.modules.get("IPython")
        if not self._shown and ipython is not None and ipython.get_ipython() is not None:
            ipython.display.display(self)

    @locked
    def _begin(self, jobs: Sequence[FitJob], results: Sequence[FitResult | None]) -> None:
        self.jobs, self.results = list(jobs), list(results)
        self.attempts = {}
        self._on_disk = sum(one is not None for one in results)
        self._began, self.running, self.opened = time.monotonic(), True, None
        self.close_owned(*filter(None, [self.bench]))
        self.bench, self.children = None, (self.table,)
        self._show()

    @locked
    def done(self, i: int, result: FitResult) -> None:
        """Show the result of job i."""
        self.results[i] = result
        self._show_soon()

    @locked
    def again(self, i: int, attempts: int) -> None:
        """Show that job i is handed out once more."""
        self.attempts[i] = attempts
        self._show_soon()

    @locked
    def end(self) -> None:
        """Show that no more will come."""
        self.running = False
        self._show()

    # -- for the browser -----------------------------------------------------------------------------------------

    @locked
    def show_job(self, job: int) -> None:
        """Put the model of a job on the bench below, on the sounds that were left out of its fit (without any: on all).

        Where that cannot be done, the table says why.
        """
        result = self.results[job]
        try:
            if result is None:
                raise RuntimeError(f"job {self.jobs[job].name!r} is not done yet")
            recording = result.job.recording
            sounds = recording.select(stimuli=list(result.job.left_out)) if result.job.left_out else recording
            best = result.scores[self.score].nan_to_num(nan=-math.inf).argmax().item() if result.scores else 0
            model: Any = result.model
            bench = explore(model, sounds, neuron=int(best))
        except (RuntimeError, TypeError, ValueError) as error:
            self.table.error = str(error).strip().rpartition("\n")[2]
            return
        self.close_owned(*filter(None, [self.bench]))
        self.bench, self.opened = self.own(bench), job
        self.children = (self.table, bench)
        self.table.error = ""
        self._show()

    def _show_soon(self) -> None:
        """Send the state now, or when enough time has passed since the last one was sent."""
        due_s = self._sent + max(SHORTEST_S, len(self.jobs) / ROWS_PER_S) - time.monotonic()
        if due_s <= 0:
            self._show()
        elif self._timer is None:
            self._timer = threading.Timer(due_s, self._show)
            self._timer.daemon = True
            self._timer.start()

    @locked
    def _show(self) -> None:
        self._stop_timer()
        if self.closed:
            return
        self._sent = time.monotonic()
        with self.table.hold_sync():
            self.table.rows = [self._row(i) for i in range(len(self.jobs))]
            self.table.info = self._info()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _row(self, i: int) -> dict[str, Any]:
        job, result = self.jobs[i], self.results[i]
        row: dict[str, Any] = {"job": job.name, "state": "waiting", "scores": [None] * len(SCORES), "seconds": None}
        row |= {"attempts": self.attempts.get(i, 0), "error": ""}
        if result is not None:
            row["state"] = "failed" if result.error else "done"
            row["scores"] = [_mean(result, score) for score in SCORES]
            row |= {"seconds": round(result.seconds, 3), "error": result.error[-LONGEST_ERROR:]}
            row["attempts"] = result.attempts
        return row

    def _info(self) -> dict[str, Any]:
        done = sum(one is not None for one in self.results)
        scored = {i: _mean(one, self.score) for i, one in enumerate(self.results) if one is not None}
        best = max((i for i in scored if scored[i] is not None), key=lambda i: scored[i] or 0.0, default=None)
        now, left = time.monotonic(), len(self.jobs) - done
        fitted = done - self._on_disk
        left_s = (now - self._began) / fitted * left if self.running and fitted > 0 else None
        return {
            "total": len(self.jobs),
            "done": done,
            "failed": sum(one is not None and bool(one.error) for one in self.results),
            "best": best,
            "score": self.score,
            "left_s": left_s,
            "running": self.running,
            "opened": self.opened,
        }


def _mean(result: FitResult, score: str) -> float | None:
    """Mean score over the neurons that have one."""
    if score not in result.scores:
        return None
    value = result.scores[score].nanmean().item()
    return None if math.isnan(value) else round(value, 6)
