"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch

MOST_SECONDS = 30.0
"""Processor time of a test that is not marked slow: far above the five seconds of the mark, which an overloaded virtual
machine may count several times."""

# The first draw of a property pays for torch's start-up, so a deadline per draw would fail at random.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25, derandomize=True, database=None)
hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _same_random_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes on one thread: the same bits each time, and none whose waiting counts as processor time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _what_is_slow_is_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that takes long and is marked neither ``slow`` nor ``browser``, however busy the machine is."""
    before = sum(os.times()[:4])
    yield
    seconds = sum(os.times()[:4]) - before
    marked = {"slow", "browser"} & {mark.name for mark in request.node.iter_markers()}
    if seconds > MOST_SECONDS and not marked:
        pytest.fail(f"{request.node.name} took {seconds:.0f} s of processor time: mark it slow", pytrace=False)
