"""Every argument of every measure of a receptive field, spoilt one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from deepstrf.analysis import (
    bandwidth,
    best_frequency,
    latency,
    modulation_transfer,
    on_off_index,
    separability_index,
)
from tests.refusals import Cases, assert_refused, refusals

FIELD = {"strf": torch.rand(2, 3, 4)}
TUNED = {**FIELD, "cf_hz": torch.tensor([1000.0, 2000.0, 4000.0])}
KINDS = {"strf": "field", "cf_hz": "axis"}

CASES: Cases = {
    best_frequency: (TUNED, KINDS),
    latency: ({**FIELD, "dt_ms": 5.0}, {"strf": "field", "dt_ms": "positive", "delay_ms": "number"}),
    bandwidth: (TUNED, {**KINDS, "level": "inside 0 and 1"}),
    separability_index: (FIELD, {"strf": "field"}),
    on_off_index: (FIELD, {"strf": "field"}),
    modulation_transfer: (
        {**TUNED, "dt_ms": 5.0},
        {**KINDS, "dt_ms": "positive", "rate_hz": "optional axis", "density_cyc_oct": "optional axis"},
    ),
}


@pytest.mark.parametrize(("function", "good", "name", "values"), refusals(CASES))
def test_a_bad_argument_is_named(
    function: Callable[..., Any], good: dict[str, Any], name: str, values: tuple[Any, ...]
) -> None:
    assert_refused(function, good, name, values)
