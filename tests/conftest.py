"""Fixtures that every test folder shares."""

from __future__ import annotations

import hypothesis
import pytest
import torch

# The first draw of a property pays for torch's start-up, so a deadline per draw would fail at random.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25, derandomize=True, database=None)
hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _same_random_numbers_every_time() -> None:
    torch.manual_seed(0)
