"""Centre frequencies of a spectrogram, and how long the midbrain remembers the sound in each of its bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepstrf.arguments import check_choice, check_numbers, check_sizes
from deepstrf.deprecation import keywords

from .scales import (
    ERB_to_Hz,
    Greenwood,
    Hz_to_ERB,
    Hz_to_mel,
    Values,
    apply_elementwise,
    inverse_Greenwood,
    mel_to_Hz,
)

__all__ = ["a_to_tau", "freq_to_tau", "get_CFs", "tau_to_a"]

TAU_AT_1_HZ_MS = 500.0
TAU_MS_PER_DECADE = 105.0
NO_MEMORY_FROM_HZ = 10.0 ** (TAU_AT_1_HZ_MS / TAU_MS_PER_DECADE)
"""Where the fitted time constant reaches zero: 57.8 kHz."""
WITH_A_TIME_CONSTANT = f"must lie in (0, {NO_MEMORY_FROM_HZ:.0f}) Hz, where the time constant is positive"
WARPS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "mel": (Hz_to_mel, mel_to_Hz),
    "greenwood": (inverse_Greenwood, Greenwood),
    "erb": (Hz_to_ERB, ERB_to_Hz),
}


@keywords()
def get_CFs(min_freq: float, max_freq: float, n_freqs: int, scale: str) -> Tensor:
    """Centre frequencies equally spaced on a warped axis, both ends included.

    Parameters
    ----------
    min_freq, max_freq : float
        Ends of the range in Hz, 0 <= min_freq < max_freq.
    n_freqs : int
        How many, at least 1 (one: ``min_freq``).
    scale : {'mel', 'greenwood', 'erb'}
        Axis on which the spacing is equal ('greenwood' is the human map).

    Returns
    -------
    Tensor, shape (n_freqs,)
        Hz, ascending, in torch's default dtype.

    Raises
    ------
    NotImplementedError
        Unknown scale.
    ValueError
        The range or the number is not as said.

    References
    ----------
    O'Shaughnessy (1987) for mel, Greenwood (1990) and Glasberg & Moore (1990): see `deepstrf.models.scales`.

    Examples
    --------
    >>> get_CFs(500, 20000, 3, "mel").round().tolist()
    [500.0, 4284.0, 20000.0]
    """
    check_choice(sorted(WARPS), NotImplementedError, scale=scale)
    check_sizes(n_freqs=n_freqs)
    check_numbers("must lie in [0, inf) Hz", lambda hz: 0 <= hz < float("inf"), min_freq=min_freq, max_freq=max_freq)
    if not min_freq < max_freq:
        raise ValueError(f"min_freq, max_freq must satisfy 0 <= min_freq < max_freq (Hz), got {min_freq}, {max_freq}")
    warp, unwarp = WARPS[scale]
    # Warped in float64: the spacing is then equal to float precision whatever dtype comes out.
    cf_hz = unwarp(np.linspace(warp(float(min_freq)), warp(float(max_freq)), n_freqs))
    cf_hz[0] = min_freq
    if n_freqs > 1:
        cf_hz[-1] = max_freq
    return torch.as_tensor(cf_hz, dtype=torch.get_default_dtype())


@keywords()
def freq_to_tau(freqs: Values) -> Values:
    """Adaptation time constant of midbrain neurons at each frequency, ``500 - 105 log10 f``.

    Parameters
    ----------
    freqs : float, ndarray or Tensor, shape (...)
        Frequency in Hz, above 0 and below 57.8 kHz, where the fit reaches zero.

    Returns
    -------
    same kind and shape as ``freqs``
        Time constant in ms.

    Raises
    ------
    ValueError
        A frequency is not positive, or so high that its time constant is not.

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280.

    Examples
    --------
    >>> round(freq_to_tau(500.0), 1)
    216.6
    """
    return apply_elementwise(
        lambda xp, hz: TAU_AT_1_HZ_MS - TAU_MS_PER_DECADE * xp.log10(hz),
        freqs,
        argument="freqs",
        rule=WITH_A_TIME_CONSTANT,
        allowed=lambda hz: (hz > 0) & (hz < NO_MEMORY_FROM_HZ),
    )


@keywords()
def tau_to_a(time_constants: Values, dt: float = 1) -> Values:
    """Decay factor per time bin of each time constant, ``exp(-dt/tau)``.

    Parameters
    ----------
    time_constants : float, ndarray or Tensor, shape (...)
        Time constant in ms, positive.
    dt : float
        Bin width in ms, positive.

    Returns
    -------
    same kind and shape as ``time_constants``
        Dimensionless, in (0, 1).

    Raises
    ------
    ValueError
        A time constant or the bin width is not positive.

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280.
    """
    _check_bin_width(dt)
    return apply_elementwise(
        lambda xp, tau: xp.exp(-dt / tau),
        time_constants,
        argument="time_constants",
        rule="must be positive (ms)",
        allowed=lambda tau: tau > 0,
    )


@keywords()
def a_to_tau(a: Values, dt: float = 1) -> Values:
    """Time constant of each decay factor, ``-dt/log(a)``: the inverse of `tau_to_a`.

    Parameters
    ----------
    a : float, ndarray or Tensor, shape (...)
        Decay per time bin, in (0, 1).
    dt : float
        Bin width in ms, positive.

    Returns
    -------
    same kind and shape as ``a``
        Time constant in ms.

    Raises
    ------
    ValueError
        A decay factor lies outside (0, 1), or the bin width is not positive.

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280.
    """
    _check_bin_width(dt)
    return apply_elementwise(
        lambda xp, decay: -dt / xp.log(decay),
        a,
        argument="a",
        rule="must lie in (0, 1) for its time constant to be finite",
        allowed=lambda decay: (decay > 0) & (decay < 1),
    )


def _check_bin_width(dt: float) -> None:
    check_numbers("must be positive (ms)", lambda width: 0 < width < float("inf"), dt=dt)
