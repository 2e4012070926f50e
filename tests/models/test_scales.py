"""Frequency scales against their published formulas, their own inverses and each other's kinds of array."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.models import scales
from tests.tolerances import assert_close

PAIRS = {
    "mel": (scales.Hz_to_mel, scales.mel_to_Hz),
    "ERB": (scales.Hz_to_ERB, scales.ERB_to_Hz),
    "human": (scales.inverse_Greenwood, scales.Greenwood),
    "mouse": (lambda f: scales.inverse_Greenwood(f, "mouse"), lambda x: scales.Greenwood(x, "mouse")),
    "mouse, measured": (scales.inverse_Mueller, scales.Mueller),
}
every_pair = pytest.mark.parametrize(("warp", "unwarp"), PAIRS.values(), ids=PAIRS.keys())

FORMULAS: dict[str, tuple[Callable[[Any], Any], Callable[[float], float]]] = {
    "mel": (scales.Hz_to_mel, lambda f: 2595 * math.log10(1 + f / 700)),
    "mel back": (scales.mel_to_Hz, lambda m: 700 * (10 ** (m / 2595) - 1)),
    "ERB": (scales.Hz_to_ERB, lambda f: 21.4 * math.log10(0.00437 * f + 1)),
    "ERB back": (scales.ERB_to_Hz, lambda e: (10 ** (e / 21.4) - 1) / 0.00437),
    "ERB width": (scales.ERB_bandwidth, lambda f: 24.7 * (0.00437 * f + 1)),
    "human": (scales.Greenwood, lambda x: 165.4 * (10 ** (2.1 * x) - 0.88)),
    "human back": (scales.inverse_Greenwood, lambda f: math.log10(f / 165.4 + 0.88) / 2.1),
    "mouse": (lambda x: scales.Greenwood(x, "mouse"), lambda x: 712.6 * (10 ** (2.1 * x) + 0.40)),
    "mouse back": (
        lambda f: scales.inverse_Greenwood(f + 300.0, "mouse"),
        lambda f: math.log10((f + 300.0) / 712.6 - 0.40) / 2.1,
    ),
    # Mueller et al. (2005): d = 156.5 - 82.5 log10(f in kHz), per cent of the length from the base.
    "mouse, measured back": (
        lambda f: scales.inverse_Mueller(f + 300.0),
        lambda f: 1 - (156.5 - 82.5 * math.log10((f + 300.0) / 1000)) / 100,
    ),
}


@pytest.mark.parametrize(("function", "formula"), FORMULAS.values(), ids=FORMULAS.keys())
def test_values_follow_the_published_formula(function: Callable[[Any], Any], formula: Callable[[float], float]) -> None:
    for value in (0.0, 0.001, 0.37, 1.0, 15.0, 25.0):
        assert function(value) == pytest.approx(formula(value), rel=1e-12, abs=1e-12)


@every_pair
@given(f=st.floats(300.0, 60000.0))
def test_the_inverse_returns_the_input(warp: Callable[[Any], Any], unwarp: Callable[[Any], Any], f: float) -> None:
    assert unwarp(warp(f)) == pytest.approx(f, rel=1e-12)


@every_pair
@given(f=st.floats(320.0, 60000.0, width=32))
def test_the_inverse_returns_the_input_in_float32(
    warp: Callable[[Any], Any], unwarp: Callable[[Any], Any], f: float
) -> None:
    # A rounding of a position by 2^-24 moves the frequency by some roundings of its own.
    assert unwarp(warp(torch.tensor(f))).item() == pytest.approx(f, rel=3e-6)
    assert unwarp(warp(np.array([f], dtype=np.float32)))[0] == pytest.approx(f, rel=3e-6)


@every_pair
def test_every_kind_of_array_gives_its_own_kind_and_the_same_values(
    warp: Callable[[Any], Any], unwarp: Callable[[Any], Any]
) -> None:
    hz = [300.0, 1000.0, 20000.0]
    for function, values in ((warp, hz), (unwarp, [warp(f) for f in hz])):
        expected = [function(value) for value in values]
        assert all(type(value) is float for value in expected)
        array = function(np.array(values))
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float64
        np.testing.assert_allclose(array, expected, rtol=1e-12)
        single = function(np.array(values, dtype=np.float32))
        assert single.dtype == np.float32
        for dtype in (torch.float32, torch.float64):
            tensor = function(torch.tensor(values, dtype=dtype).view(3, 1))
            assert tensor.dtype == dtype
            assert_close(tensor, torch.tensor(expected, dtype=torch.float64).view(3, 1))


@every_pair
def test_gradients(warp: Callable[[Any], Any], unwarp: Callable[[Any], Any]) -> None:
    hz = torch.tensor([300.0, 1000.0, 9000.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(warp, hz)
    assert torch.autograd.gradcheck(lambda f: unwarp(warp(f)), hz)


@pytest.mark.parametrize("function", [scales.Hz_to_mel, scales.Hz_to_ERB, scales.ERB_bandwidth])
@pytest.mark.parametrize("bad", [-1.0, np.array([1.0, -2.5]), torch.tensor([3.0, float("nan")])])
def test_a_negative_or_nan_frequency_is_refused(function: Callable[[Any], Any], bad: Any) -> None:
    first = {float: "-1", np.ndarray: "-2.5", torch.Tensor: "nan"}[type(bad)]
    with pytest.raises(ValueError, match=rf"f must be non-negative \(Hz\), got {first}"):
        function(bad)


def test_the_mouse_map_of_mueller_spans_its_cochlea() -> None:
    # The ends of the measured line: 10^(56.5 / 82.5) and 10^(156.5 / 82.5) kHz.
    assert scales.Mueller(0.0) == pytest.approx(1000 * 10 ** (56.5 / 82.5))
    assert scales.Mueller(1.0) == pytest.approx(1000 * 10 ** (156.5 / 82.5))


def test_the_inverses_refuse_what_no_frequency_has() -> None:
    with pytest.raises(ValueError, match=r"mel_freqs must be non-negative \(mel\), got -3"):
        scales.mel_to_Hz(-3.0)
    with pytest.raises(ValueError, match=r"erb must be non-negative \(ERB-rate\), got -3"):
        scales.ERB_to_Hz(-3.0)
    with pytest.raises(ValueError, match=r"x must be a number \(cochlear position\), got nan"):
        scales.Greenwood(float("nan"))
    with pytest.raises(ValueError, match=r"f must be non-negative \(Hz\), got -1"):
        scales.inverse_Greenwood(-1.0)
    with pytest.raises(ValueError, match=r"f must be positive \(Hz\), got 0"):
        scales.inverse_Mueller(0.0)
    with pytest.raises(ValueError, match=r"x must be a number \(cochlear position\), got nan"):
        scales.Mueller(float("nan"))
    # 712.6 (10^(2.1 x) + 0.40) tends to 285.04 Hz at the far apical end.
    with pytest.raises(ValueError, match="f must be above 285 Hz for the mouse map, got 200"):
        scales.inverse_Greenwood(200.0, "mouse")


@pytest.mark.parametrize("function", [scales.Greenwood, scales.inverse_Greenwood])
def test_an_unknown_species_is_not_implemented(function: Callable[..., Any]) -> None:
    with pytest.raises(NotImplementedError, match=r"animal must be one of \['human', 'mouse'\], got 'ferret'"):
        function(0.5, animal="ferret")


@pytest.mark.parametrize(("bad", "kind"), [([1.0], "list"), ("1", "str"), (True, "bool"), (None, "NoneType")])
def test_another_kind_is_a_type_error(bad: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"f must be a float, a NumPy array or a tensor, got {kind}"):
        scales.Hz_to_mel(bad)
