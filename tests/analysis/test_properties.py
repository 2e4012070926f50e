"""Measures of receptive fields for any sizes, types and memory layouts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deepstrf.analysis import (
    bandwidth,
    best_frequency,
    direction_index,
    latency,
    modulation_transfer,
    on_off_index,
    separability_index,
)
from tests.layouts import layouts_of

MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "best frequency": lambda field, cf_hz: best_frequency(field, cf_hz),
    "latency": lambda field, cf_hz: latency(field, 5.0),
    "bandwidth": lambda field, cf_hz: bandwidth(field, cf_hz),
    "separability": lambda field, cf_hz: separability_index(field),
    "ON/OFF": lambda field, cf_hz: on_off_index(torch.stack([field, 0.5 * field], dim=-3)),
    "modulation": lambda field, cf_hz: modulation_transfer(field, cf_hz, 5.0).gain[..., 3, 7],
    "direction": lambda field, cf_hz: direction_index(modulation_transfer(field, cf_hz, 5.0)),
}
every_measure = pytest.mark.parametrize("name", MEASURES)


@every_measure
@settings(max_examples=15)
@given(
    data=st.data(),
    leading=st.lists(st.integers(1, 3), max_size=2),
    F=st.integers(2, 12),
    T=st.integers(1, 12),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16]),
)
def test_any_size_type_and_layout(
    name: str, data: st.DataObject, leading: list[int], F: int, T: int, dtype: torch.dtype
) -> None:
    fields = torch.randn(*leading, F, T, dtype=torch.float64).to(dtype)
    cf_hz = 500 * 2.0 ** (torch.arange(F, dtype=torch.float64) / 4)
    expected = MEASURES[name](fields, cf_hz)
    assert expected.shape == tuple(leading)
    assert expected.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    view = data.draw(layouts_of(fields), "layout")
    torch.testing.assert_close(MEASURES[name](view, cf_hz), expected, rtol=1e-4, atol=1e-4, equal_nan=True)


@every_measure
@settings(max_examples=10)
@given(seed=st.integers(0, 99), gain=st.floats(1e-6, 1e6))
def test_a_gain_changes_no_tuning(name: str, seed: int, gain: float) -> None:
    field = torch.randn(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    cf_hz = 500 * 2.0 ** (torch.arange(6, dtype=torch.float64) / 4)
    expected = MEASURES[name](field, cf_hz) * (gain if name == "modulation" else 1.0)
    torch.testing.assert_close(MEASURES[name](gain * field, cf_hz), expected, rtol=1e-6, atol=1e-12, equal_nan=True)
