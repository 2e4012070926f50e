"""Centre frequencies and time constants: spacing, published formulas, inverses and errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.models.scales import Hz_to_ERB, Hz_to_mel, inverse_Greenwood
from deepstrf.models.time_constants import a_to_tau, freq_to_tau, get_CFs, tau_to_a
from tests.tolerances import assert_close


@pytest.mark.parametrize(("scale", "warp"), [("mel", Hz_to_mel), ("erb", Hz_to_ERB), ("greenwood", inverse_Greenwood)])
def test_centre_frequencies_are_equally_spaced_on_their_axis(scale: str, warp: Any) -> None:
    cf_hz = get_CFs(500.0, 20000.0, 34, scale)
    assert cf_hz.shape == (34,)
    assert cf_hz.dtype == torch.get_default_dtype()
    assert cf_hz[0] == 500.0
    assert cf_hz[-1] == 20000.0
    steps = torch.diff(warp(cf_hz.double()))
    assert_close(steps, steps.mean().expand(33), torch.float32)


def test_one_centre_frequency_is_the_lowest() -> None:
    assert get_CFs(500.0, 20000.0, 1, "mel").tolist() == [500.0]


def test_centre_frequency_errors() -> None:
    with pytest.raises(NotImplementedError, match=r"scale must be one of \['erb', 'greenwood', 'mel'\], got 'bark'"):
        get_CFs(500.0, 20000.0, 3, "bark")
    with pytest.raises(ValueError, match=r"min_freq, max_freq must satisfy .* \(Hz\), got 900.0, 800.0"):
        get_CFs(900.0, 800.0, 3, "mel")
    with pytest.raises(ValueError, match="n_freqs must be at least 1, got 0"):
        get_CFs(500.0, 800.0, 0, "mel")


def test_time_constants_of_frequencies() -> None:
    # 500 - 105 log10(500) = 216.608..., 500 - 105 log10(20000) = 48.391... ms
    assert freq_to_tau(500.0) == pytest.approx(500 - 105 * math.log10(500))
    assert freq_to_tau(np.array([20000.0])) == pytest.approx(500 - 105 * math.log10(20000))
    assert_close(freq_to_tau(torch.tensor([10.0, 100.0])), [395.0, 290.0])


@pytest.mark.parametrize("bad", [0.0, -5.0, 57800.0, float("nan")])
def test_frequencies_without_a_time_constant(bad: float) -> None:
    # The fit reaches zero at 10^(500/105) = 57797 Hz.
    with pytest.raises(ValueError, match=rf"freqs must lie in \(0, {10 ** (500 / 105):.0f}\) Hz.*got {bad:g}"):
        freq_to_tau(bad)


@given(tau=st.floats(0.5, 5000.0), dt=st.floats(0.1, 20.0))
def test_decay_and_time_constant_are_inverse(tau: float, dt: float) -> None:
    assert tau_to_a(tau, dt) == pytest.approx(math.exp(-dt / tau))
    assert a_to_tau(tau_to_a(tau, dt), dt) == pytest.approx(tau, rel=1e-9)


def test_decay_errors() -> None:
    with pytest.raises(ValueError, match=r"time_constants must be positive \(ms\), got 0"):
        tau_to_a(0.0)
    with pytest.raises(ValueError, match=r"dt must be positive \(ms\), got -1"):
        tau_to_a(5.0, -1)
    with pytest.raises(ValueError, match=r"a must lie in \(0, 1\).*got 1"):
        a_to_tau(torch.tensor([0.5, 1.0]))
    with pytest.raises(ValueError, match=r"dt must be positive \(ms\), got nan"):
        a_to_tau(0.5, float("nan"))
