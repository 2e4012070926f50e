"""A small share of the campaign in every run of the tests: see `campaign.py` for the whole."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.adversary.all_doors import DOORS
from tests.adversary.campaign import SEED
from tests.adversary.doors import outcome

SHARE = 50


@pytest.fixture(autouse=True)
def ended(name):
    yield
    DOORS[name].end()


@pytest.mark.parametrize("name", DOORS)
def test_hostile_inputs_are_answered_or_refused_by_name(name, capfd):
    faults = {}
    for number in range(SHARE):
        with tempfile.TemporaryDirectory() as folder:
            kind, message = outcome(
                DOORS[name].make(np.random.default_rng([SEED, number, *name.encode()]), Path(folder))
            )
        if kind not in ("right", "refused"):
            faults[number] = (kind, message)
    capfd.readouterr()  # decoders write warnings of their own
    assert not faults
