"""Natural units of a receptive field (Hz, octaves, ms) to and from its grid (bands, frames).

The browser holds the same functions in ``widgets/src/math/units.ts``; shared vectors keep the two equal. All
functions are pure, work in float64 and broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "band_to_hz",
    "frame_to_lag_ms",
    "hz_to_band",
    "lag_ms_to_frame",
    "octaves_per_band",
]

Array = NDArray[np.float64]


def _log2_axis(cf_hz: ArrayLike) -> Array:
    cf = np.asarray(cf_hz, dtype=np.float64)
    if cf.ndim != 1 or cf.size < 1:
        raise ValueError(f"cf_hz must be one-dimensional with at least one band, got shape {cf.shape}")
    if not np.all(np.isfinite(cf)) or np.any(cf <= 0) or np.any(np.diff(cf) <= 0):
        raise ValueError(f"cf_hz must be positive, finite and strictly ascending in Hz, got {cf}")
    return np.log2(cf)


def band_to_hz(band: ArrayLike, cf_hz: ArrayLike) -> Array:
    """Frequency in Hz at each (fractional) band index.

    Piecewise linear in ``log2(Hz)`` between the centre frequencies, continued outside the grid with the slopes of
    its two ends; a one-band axis has a slope of one octave per band.

    Parameters
    ----------
    band : array-like, shape (...)
        Band index; ``0`` is the lowest band, ``F - 1`` the highest.
    cf_hz : array-like, shape (F,)
        Centre frequencies in Hz, ascending.

    Returns
    -------
    ndarray, shape (...)
        Frequency in Hz.

    Raises
    ------
    ValueError
        ``cf_hz`` is not a strictly ascending axis of positive frequencies.
    """
    axis = _log2_axis(cf_hz)
    b = np.asarray(band, dtype=np.float64)
    if axis.size == 1:
        return np.asarray(2.0 ** (axis[0] + b))
    low = np.clip(np.nan_to_num(np.floor(b)), 0, axis.size - 2).astype(np.intp)
    return np.asarray(2.0 ** (axis[low] + (b - low) * (axis[low + 1] - axis[low])))


def hz_to_band(hz: ArrayLike, cf_hz: ArrayLike) -> Array:
    """Fractional band index of each frequency in Hz: the inverse of :func:`band_to_hz`.

    Parameters
    ----------
    hz : array-like, shape (...)
        Frequency in Hz, positive.
    cf_hz : array-like, shape (F,)
        Centre frequencies in Hz, ascending.

    Returns
    -------
    ndarray, shape (...)
        Band index (dimensionless), outside ``[0, F - 1]`` where the frequency is off the grid.

    Raises
    ------
    ValueError
        A frequency is not positive, or ``cf_hz`` is not an ascending axis.
    """
    axis = _log2_axis(cf_hz)
    f = np.asarray(hz, dtype=np.float64)
    if not np.all(f > 0):
        raise ValueError(f"hz must be positive in Hz, got {hz!r}")
    x = np.log2(f)
    if axis.size == 1:
        return np.asarray(x - axis[0])
    low = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, axis.size - 2)
    return np.asarray(low + (x - axis[low]) / (axis[low + 1] - axis[low]))


def octaves_per_band(band: ArrayLike, cf_hz: ArrayLike) -> Array:
    """Octaves that one band spans around each (fractional) band index.

    The central difference of ``log2(cf_hz)``, interpolated linearly and held constant outside the grid: it turns a
    width in bands into a width in octaves without a jump where the centre crosses a band.

    Parameters
    ----------
    band : array-like, shape (...)
        Band index.
    cf_hz : array-like, shape (F,)
        Centre frequencies in Hz, ascending.

    Returns
    -------
    ndarray, shape (...)
        Octaves per band; 1 for a one-band axis.
    """
    axis = _log2_axis(cf_hz)
    b = np.asarray(band, dtype=np.float64)
    if axis.size == 1:
        return np.ones_like(b)
    return np.asarray(np.interp(b, np.arange(axis.size), np.gradient(axis)))


def frame_to_lag_ms(frame: ArrayLike, T: int, dt_ms: float, delay_ms: float = 0.0) -> Array:
    """Time in ms from the sound of each (fractional) index of a kernel with ``T`` frames to the response.

    The last index is the latest bin; ``delay_ms`` is how long before its middle lies that of the sound it describes.
    """
    return np.asarray((T - 1 - np.asarray(frame, dtype=np.float64)) * dt_ms + delay_ms)


def lag_ms_to_frame(lag_ms: ArrayLike, T: int, dt_ms: float, delay_ms: float = 0.0) -> Array:
    """Time index of each lag in ms: the inverse of :func:`frame_to_lag_ms`."""
    return np.asarray(T - 1 - (np.asarray(lag_ms, dtype=np.float64) - delay_ms) / dt_ms)
