"""The table of many fits follows them, sends little, and opens the bench."""

import re
import threading
import time
from pathlib import Path

import pytest
import torch

from deepstrf.models import Linear
from deepstrf.training import FitRecipe, FitResult, Fitter, fit_jobs, fit_many
from deepstrf_widgets import FitTable
from deepstrf_widgets.fits import table as table_module
from tests.training.recipes_for_workers import failing
from tests.training.test_cross_validation import least_squares, recording

SOURCE = Path(__file__).resolve().parents[3] / "widgets" / "src" / "fits" / "fits.ts"


@pytest.fixture
def table():
    made = FitTable()
    yield made
    made.close()


def jobs(**recipes):
    return fit_jobs(recipes or {"ls": least_squares}, recording(), seeds=(0, 1), folds=2, validation=None)


def test_the_browser_reads_the_fields_that_are_sent(table):
    table.begin(jobs(), [None] * 4)
    text = SOURCE.read_text(encoding="utf-8")
    for name, sent in (("FitRow", table.table.rows[0]), ("FitsInfo", table.table.info)):
        body = re.search(rf"export interface {name} {{(.*?)\n}}", text, re.DOTALL).group(1)
        assert re.findall(r"^\s*(\w+): ", body, re.MULTILINE) == list(sent)
    scores = re.search(r"FIT_SCORES = \[(.*?)\]", text).group(1)
    assert tuple(re.findall(r'"(\w+)"', scores)) == table_module.SCORES


def test_it_follows_fit_many_to_the_end(table):
    seen = []
    made = jobs(ls=least_squares, bad=failing)
    results = fit_many(made, progress=table, on_result=lambda _: seen.append(table.table.info["done"]))
    rows, info = table.table.rows, table.table.info
    assert [row["job"] for row in rows] == [job.name for job in made]
    assert [row["state"] for row in rows] == ["done"] * 4 + ["failed"] * 4
    assert "ZeroDivisionError: seed 0 cannot be fitted" in rows[4]["error"]
    assert (info["total"], info["done"], info["failed"], info["running"], info["left_s"]) == (8, 8, 4, False, None)
    means = [one.scores["r"].mean().item() for one in results[:4]]
    assert [row["scores"][0] for row in rows[:4]] == pytest.approx(means, abs=1e-6)
    assert info["best"] == means.index(max(means))
    assert repr(table) == "FitTable(8 of 8 fits done)"


def test_what_was_on_disk_is_there_at_once_and_does_not_count_for_the_time_left(table, tmp_path):
    made = jobs()
    fit_many(made[:3], folder=tmp_path, progress=False)
    seen = []
    begin = table.begin
    table.begin = lambda *args: (begin(*args), seen.append((table.table.info["done"], table.table.info["left_s"])))
    fit_many(made, folder=tmp_path, progress=table)
    assert seen == [(3, None)]
    assert [row["attempts"] for row in table.table.rows] == [0, 0, 0, 1]


def test_an_interrupted_call_says_so(table):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_many(jobs(), progress=table, on_result=stop)
    assert (table.table.info["running"], table.table.info["done"]) == (False, 1)


def test_states_are_sent_at_most_a_few_times_a_second_and_the_last_one_always(table, monkeypatch):
    monkeypatch.setattr(table_module, "SHORTEST_S", 0.2)
    made = jobs()
    table.begin(made, [None] * 4)
    sent, arrived = [], threading.Event()

    def note(change):
        sent.append(change["new"]["done"])
        if sent[-1] == 4:
            arrived.set()

    table.table.observe(note, "info")
    for i, job in enumerate(made):
        table.done(i, FitResult(job, {"r": torch.tensor([0.5])}, attempts=1))
    assert sent == []
    assert arrived.wait(10)  # without another result
    assert sent == [4]


@pytest.mark.parametrize("folds", [None, 2])
def test_a_click_opens_the_model_on_the_sounds_that_were_left_out(table, folds):
    recipe = FitRecipe(Linear(3, 2, out_neurons=2), Fitter(epochs=1, progress=False))
    made = fit_jobs({"LN": recipe}, recording(), seeds=(0, 1), folds=folds)
    results = fit_many(made, progress=table)
    table.table._handle_custom_msg({"type": "open", "job": 1}, [])
    first = table.bench
    assert table.children == (table.table, first)
    assert table.table.info["opened"] == 1
    assert len(first.session.stimulus) == (6 if folds is None else 3)
    x = torch.rand(1, 1, 3, 20)
    assert torch.equal(first.session.model(x), results[1].model(x))
    table.show_job(0)
    assert first.closed
    assert len(table.children) == 2
    table.begin(made, [None] * len(made))
    assert table.children == (table.table,)


def test_what_cannot_be_opened_is_said(table):
    fit_many(jobs(ls=least_squares, bad=failing), progress=table)
    table.show_job(4)
    assert table.table.error == "ZeroDivisionError: seed 0 cannot be fitted"
    table.begin(jobs(), [None] * 4)
    table.show_job(2)
    assert table.table.error == "job 'ls, seed 1, fold 1' is not done yet"
    for content in ({"type": "open", "job": 4}, {"type": "open", "job": -1}, {"type": "shut"}, "open", None):
        table.table._handle_custom_msg(content, [])
        assert table.table.error.startswith("a message must open one of 4 jobs")
    table.table.set_state({"rows": []})
    assert len(table.table.rows) == 4


def test_a_job_whose_worker_died_waits_again(table):
    table.begin(jobs(), [None] * 4)
    table.again(1, 2)
    table.end()
    assert (table.table.rows[1]["state"], table.table.rows[1]["attempts"]) == ("waiting", 2)


def test_nothing_is_sent_by_a_closed_table():
    table = FitTable()
    table.begin(jobs(), [None] * 4)
    table.done(0, FitResult(jobs()[0], attempts=1))
    assert table._timer is not None
    table.close()
    assert table._timer is None
    table.done(1, FitResult(jobs()[1], attempts=1))
    time.sleep(0)
    table._show()
    assert table.table.closed


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="score must be"):
        FitTable(score="R")
    with pytest.raises(TypeError, match="progress must be a bool or a FitProgress, got str"):
        fit_many(jobs(), progress="table")
