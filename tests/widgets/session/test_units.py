"""Natural units against slow loops and closed forms, and both ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepstrf_widgets.session.units import band_to_hz, frame_to_lag_ms, hz_to_band, lag_ms_to_frame, octaves_per_band

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])

axes = arrays(np.float64, st.integers(1, 12), elements=st.floats(0.01, 1.0)).map(
    lambda steps: 100.0 * 2.0 ** np.cumsum(steps)
)


def slow_hz(band, cf):
    """One band index at a time: the segment it lies in, or the nearest one, drawn on as a straight line."""
    x = [float(np.log2(f)) for f in cf]
    if len(x) == 1:
        return 2.0 ** (x[0] + band)
    left = 0
    while left < len(x) - 2 and band >= left + 1:
        left += 1
    return 2.0 ** (x[left] + (band - left) * (x[left + 1] - x[left]))


@given(axes, st.floats(-20, 30))
def test_band_to_hz_is_piecewise_linear_in_octaves(cf, band):
    np.testing.assert_allclose(band_to_hz(band, cf), slow_hz(band, cf), rtol=1e-12)


@given(axes, st.floats(-20, 30))
def test_hz_to_band_undoes_band_to_hz(cf, band):
    np.testing.assert_allclose(hz_to_band(band_to_hz(band, cf), cf), band, atol=1e-9)


def test_whole_bands_are_the_centre_frequencies():
    np.testing.assert_allclose(band_to_hz(np.arange(5), CF_HZ), CF_HZ, rtol=1e-14)
    np.testing.assert_allclose(hz_to_band(CF_HZ, CF_HZ), np.arange(5), atol=1e-12)


def test_outside_the_grid_the_end_slopes_go_on():
    # One band below 500 Hz is a step of log2(900 / 500) down; one above 16 kHz a step of log2(16 / 7) up.
    np.testing.assert_allclose(band_to_hz([-1, 5], CF_HZ), [500 * 500 / 900, 16000 * 16 / 7], rtol=1e-12)


def test_shapes_broadcast():
    assert band_to_hz(np.zeros((2, 3)), CF_HZ).shape == (2, 3)
    assert hz_to_band(np.full((2, 3), 600.0), CF_HZ).shape == (2, 3)
    assert octaves_per_band(np.zeros((2, 3)), CF_HZ).shape == (2, 3)
    assert band_to_hz(1, CF_HZ).shape == ()


def test_octaves_per_band_is_the_central_difference():
    x = np.log2(CF_HZ)
    slopes = [x[1] - x[0], (x[2] - x[0]) / 2, (x[3] - x[1]) / 2, (x[4] - x[2]) / 2, x[4] - x[3]]
    np.testing.assert_allclose(octaves_per_band(np.arange(5), CF_HZ), slopes, rtol=1e-14)
    np.testing.assert_allclose(octaves_per_band(1.25, CF_HZ), 0.75 * slopes[1] + 0.25 * slopes[2], rtol=1e-14)
    np.testing.assert_allclose(octaves_per_band([-3, 9], CF_HZ), [slopes[0], slopes[-1]], rtol=1e-14)


def test_one_band_spans_one_octave():
    assert octaves_per_band([0.0, 4.0], [1000.0]).tolist() == [1.0, 1.0]
    assert band_to_hz([0.0, 1.0, -1.0], [1000.0]) == pytest.approx([1000.0, 2000.0, 500.0], rel=1e-14)
    assert hz_to_band([1000.0, 4000.0], [1000.0]) == pytest.approx([0.0, 2.0], abs=1e-12)


@given(st.integers(1, 60), st.floats(0.1, 50.0), st.floats(-5, 65), st.floats(-5, 25))
def test_lag_and_frame_undo_each_other(taps, dt_ms, frame, delay_ms):
    lag = frame_to_lag_ms(frame, taps, dt_ms, delay_ms)
    np.testing.assert_allclose(lag, (taps - 1 - frame) * dt_ms + delay_ms, atol=1e-9)
    np.testing.assert_allclose(lag_ms_to_frame(lag, taps, dt_ms, delay_ms), frame, atol=1e-6)


def test_the_last_frame_is_now():
    assert frame_to_lag_ms([0, 39], 40, 5.0).tolist() == [195.0, 0.0]


@pytest.mark.parametrize(
    ("cf", "message"),
    [
        ([], r"cf_hz must be one-dimensional with at least one band, got shape \(0,\)"),
        ([[1.0, 2.0]], r"cf_hz must be one-dimensional .* got shape \(1, 2\)"),
        ([500.0, 400.0], "cf_hz must be positive, finite and strictly ascending in Hz, got .*400"),
        ([500.0, 500.0], "cf_hz must be .* strictly ascending in Hz"),
        ([-5.0, 500.0], "cf_hz must be positive.*-5"),
        ([500.0, np.inf], "cf_hz must be .*finite.*inf"),
    ],
)
@pytest.mark.parametrize("function", [band_to_hz, hz_to_band, octaves_per_band])
def test_a_wrong_axis_is_named(function, cf, message):
    with pytest.raises(ValueError, match=message):
        function(1.0, cf)


@pytest.mark.parametrize("hz", [0.0, -3.0, float("nan")])
def test_a_wrong_frequency_is_named(hz):
    with pytest.raises(ValueError, match=f"hz must be positive in Hz, got .*{hz}"):
        hz_to_band([600.0, hz], CF_HZ)
