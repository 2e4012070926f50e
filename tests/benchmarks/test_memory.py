"""The memory benchmark reads what a kernel really holds, and tells who is above a bar."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.bench_memory import HEAVIEST_MB, READ_IT, TOUR_MB, Memory, from_status, measure, over_the_bar
from tests.browser.notebook import write_notebook


def test_status_is_read_in_mb() -> None:
    assert from_status({"VmHWM": 1000, "VmRSS": 500}) == pytest.approx((1.024, 0.512))  # KiB of 1024 bytes


@pytest.mark.slow
def test_block_that_is_gone_counts_for_the_peak_alone(tmp_path: Path) -> None:
    """A kernel which takes 200 MB and gives them back, against one that takes none."""
    plain, hungry = tmp_path / "plain.ipynb", tmp_path / "hungry.ipynb"
    write_notebook(plain, "pass")
    write_notebook(hungry, "block = b'x' * 200_000_000", "del block")
    without, with_block = measure(plain), measure(hungry)
    assert with_block.peak - without.peak == pytest.approx(200, abs=20)
    assert with_block.after - without.after == pytest.approx(0, abs=20)


def test_kernel_above_a_bar_is_named_with_its_figure() -> None:
    found = {"00_tour.ipynb": Memory(HEAVIEST_MB, TOUR_MB + 1), "01_more.ipynb": Memory(HEAVIEST_MB + 1, TOUR_MB + 1)}
    heavy, tour = over_the_bar(found)
    assert heavy == "01_more.ipynb: the kernel must stay within 900 MB, got 901"
    assert tour == "00_tour.ipynb: the kernel must keep at most 700 MB, got 701"
    assert over_the_bar({"00_tour.ipynb": Memory(HEAVIEST_MB, TOUR_MB)}) == []


def test_expression_is_one_of_literals_only() -> None:
    assert {"VmHWM", "VmRSS"} <= set(eval(READ_IT))
