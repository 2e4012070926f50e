"""Frequency scales: how far along the ear or the pitch axis a frequency lies.

Every function takes a float, a NumPy array or a tensor and returns the same kind and shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from deepstrf.arguments import check_choice
from deepstrf.deprecation import keywords

__all__ = [
    "ERB_bandwidth",
    "ERB_to_Hz",
    "Greenwood",
    "Hz_to_ERB",
    "Hz_to_mel",
    "Mueller",
    "apply_elementwise",
    "inverse_Greenwood",
    "inverse_Mueller",
    "mel_to_Hz",
]

Values = TypeVar("Values", float, np.ndarray, torch.Tensor)

MEL_CORNER_HZ = 700.0
MEL_PER_DECADE = 2595.0
ERB_PER_DECADE = 21.4
ERB_SLOPE_PER_HZ = 0.00437
ERB_AT_ZERO_HZ = 24.7
MUELLER_AT_1_KHZ = -0.565
MUELLER_PER_DECADE = 0.825


class GreenwoodMap(NamedTuple):
    """Constants of ``f = scale_hz (10^(slope x) - offset)`` for one species."""

    scale_hz: float
    slope: float
    offset: float


GREENWOOD_MAPS = {
    "human": GreenwoodMap(165.4, 2.1, 0.88),
    "mouse": GreenwoodMap(712.6, 2.1, -0.40),
}


@keywords()
def apply_elementwise(
    formula: Callable[[Any, Any], Any],
    values: Values,
    *,
    argument: str,
    rule: str,
    allowed: Callable[[Any], Any],
) -> Values:
    """``formula(xp, values)`` in the kind that arrived, after every value has passed ``allowed``.

    Parameters
    ----------
    formula : callable
        Gets the array namespace (``numpy`` or ``torch``) and the values.
    values : float, ndarray or Tensor, shape (...)
        What to transform.
    argument, rule : str
        Name of the argument and the rule it obeys, for the error message.
    allowed : callable
        Gets the values, returns True where they obey the rule (False for NaN).

    Returns
    -------
    same kind and shape as ``values``

    Raises
    ------
    TypeError
        ``values`` is neither a number, an ndarray nor a Tensor.
    ValueError
        A value breaks the rule; the first one is named.
    """
    if isinstance(values, torch.Tensor):
        _refuse(values.detach(), allowed(values.detach()), argument, rule)
        return formula(torch, values)
    if isinstance(values, np.ndarray):
        _refuse(values, allowed(values), argument, rule)
        return formula(np, values)
    if isinstance(values, (bool, np.bool_)) or not isinstance(values, (int, float, np.integer, np.floating)):
        raise TypeError(f"{argument} must be a float, a NumPy array or a tensor, got {type(values).__name__}")
    number = np.float64(values)
    _refuse(np.asarray(number), np.asarray(allowed(number)), argument, rule)
    return float(formula(np, number))


def _refuse(values: Any, obeys: Any, argument: str, rule: str) -> None:
    """Raise ValueError naming the first value whose flag in ``obeys`` is False."""
    if not bool(obeys.all()):
        first = values[~obeys].reshape(-1)[0].item()
        raise ValueError(f"{argument} {rule}, got {first:g}")


def _non_negative(values: Any) -> Any:
    return values >= 0


@keywords()
def Hz_to_mel(f: Values) -> Values:
    r"""Mel value of each frequency, ``2595 log10(1 + f/700)``.

    Parameters
    ----------
    f : float, ndarray or Tensor, shape (...)
        Frequency in Hz, non-negative.

    Returns
    -------
    same kind and shape as ``f``
        Mel (dimensionless).

    Raises
    ------
    ValueError
        A frequency is negative or NaN.

    References
    ----------
    O'Shaughnessy (1987), Speech Communication: Human and Machine.

    Examples
    --------
    >>> round(Hz_to_mel(1000.0), 2)
    999.99
    """
    factor = MEL_PER_DECADE / math.log(10)
    return apply_elementwise(
        lambda xp, hz: factor * xp.log1p(hz / MEL_CORNER_HZ),
        f,
        argument="f",
        rule="must be non-negative (Hz)",
        allowed=_non_negative,
    )


@keywords()
def mel_to_Hz(mel_freqs: Values) -> Values:
    """Frequency of each mel value, ``700 (10^(mel/2595) - 1)``: the inverse of `Hz_to_mel`.

    Parameters
    ----------
    mel_freqs : float, ndarray or Tensor, shape (...)
        Mel, non-negative.

    Returns
    -------
    same kind and shape as ``mel_freqs``
        Frequency in Hz.

    Raises
    ------
    ValueError
        A value is negative or NaN.

    References
    ----------
    O'Shaughnessy (1987), Speech Communication: Human and Machine.
    """
    factor = math.log(10) / MEL_PER_DECADE
    return apply_elementwise(
        lambda xp, mel: MEL_CORNER_HZ * xp.expm1(factor * mel),
        mel_freqs,
        argument="mel_freqs",
        rule="must be non-negative (mel)",
        allowed=_non_negative,
    )


@keywords()
def Hz_to_ERB(f: Values) -> Values:
    """ERB-rate (ERB number) of each frequency, ``21.4 log10(0.00437 f + 1)``.

    Equal steps on this scale are equal numbers of equivalent rectangular bandwidths.

    Parameters
    ----------
    f : float, ndarray or Tensor, shape (...)
        Frequency in Hz, non-negative.

    Returns
    -------
    same kind and shape as ``f``
        ERB-rate (dimensionless).

    Raises
    ------
    ValueError
        A frequency is negative or NaN.

    References
    ----------
    Glasberg & Moore (1990), Hearing Research 47:103.
    """
    factor = ERB_PER_DECADE / math.log(10)
    return apply_elementwise(
        lambda xp, hz: factor * xp.log1p(ERB_SLOPE_PER_HZ * hz),
        f,
        argument="f",
        rule="must be non-negative (Hz)",
        allowed=_non_negative,
    )


@keywords()
def ERB_to_Hz(erb: Values) -> Values:
    """Frequency of each ERB-rate value, ``(10^(erb/21.4) - 1)/0.00437``: the inverse of `Hz_to_ERB`.

    Parameters
    ----------
    erb : float, ndarray or Tensor, shape (...)
        ERB-rate, non-negative.

    Returns
    -------
    same kind and shape as ``erb``
        Frequency in Hz.

    Raises
    ------
    ValueError
        A value is negative or NaN.

    References
    ----------
    Glasberg & Moore (1990), Hearing Research 47:103.
    """
    factor = math.log(10) / ERB_PER_DECADE
    return apply_elementwise(
        lambda xp, rate: xp.expm1(factor * rate) / ERB_SLOPE_PER_HZ,
        erb,
        argument="erb",
        rule="must be non-negative (ERB-rate)",
        allowed=_non_negative,
    )


@keywords()
def ERB_bandwidth(f: Values) -> Values:
    """Equivalent rectangular bandwidth at each centre frequency, ``24.7 (0.00437 f + 1)``.

    Parameters
    ----------
    f : float, ndarray or Tensor, shape (...)
        Centre frequency in Hz, non-negative.

    Returns
    -------
    same kind and shape as ``f``
        Bandwidth in Hz.

    Raises
    ------
    ValueError
        A frequency is negative or NaN.

    References
    ----------
    Glasberg & Moore (1990), Hearing Research 47:103.
    """
    return apply_elementwise(
        lambda xp, hz: ERB_AT_ZERO_HZ * (ERB_SLOPE_PER_HZ * hz + 1.0),
        f,
        argument="f",
        rule="must be non-negative (Hz)",
        allowed=_non_negative,
    )


@keywords()
def Greenwood(x: Values, animal: str = "human") -> Values:
    """Characteristic frequency at each cochlear position, ``A (10^(2.1 x) - k)``.

    ``A, k`` are 165.4 Hz, 0.88 for the human (Greenwood 1990) and 712.6 Hz, -0.40 for the mouse.

    Parameters
    ----------
    x : float, ndarray or Tensor, shape (...)
        Position from apex (0) to base (1), dimensionless. Positions outside [0, 1] are extrapolated.
    animal : {'human', 'mouse'}
        Species.

    Returns
    -------
    same kind and shape as ``x``
        Frequency in Hz.

    Raises
    ------
    NotImplementedError
        Unknown species.
    ValueError
        A position is NaN.

    Notes
    -----
    The constants of the mouse are those of the earlier deepSTRF package, kept so that old code gives the same numbers.
    No measurement is known to us that they were fitted to: half way along the cochlea they give 8.3 kHz, where
    `Mueller` gives the 19.5 kHz that were measured. For mice, use that.

    References
    ----------
    Greenwood (1990), J. Acoust. Soc. Am. 87:2592.

    Examples
    --------
    >>> round(Greenwood(0.5, "mouse")), round(Mueller(0.5))
    (8281, 19539)
    """
    scale_hz, slope, offset = _greenwood_map(animal)
    factor = slope * math.log(10)
    return apply_elementwise(
        lambda xp, position: scale_hz * (xp.exp(factor * position) - offset),
        x,
        argument="x",
        rule="must be a number (cochlear position)",
        allowed=lambda position: position == position,
    )


@keywords()
def inverse_Greenwood(f: Values, animal: str = "human") -> Values:
    """Cochlear position of each frequency, ``log10(f/A + k)/2.1``: the inverse of `Greenwood`.

    Parameters
    ----------
    f : float, ndarray or Tensor, shape (...)
        Frequency in Hz, non-negative; for the mouse above 285 Hz, below which its map has no position.
    animal : {'human', 'mouse'}
        Species.

    Returns
    -------
    same kind and shape as ``f``
        Position from apex (0) to base (1), dimensionless.

    Raises
    ------
    NotImplementedError
        Unknown species.
    ValueError
        A frequency is NaN or below what the map can reach.

    Notes
    -----
    The earlier deepSTRF package used another expression here, which did not invert its own map.

    References
    ----------
    Greenwood (1990), J. Acoust. Soc. Am. 87:2592.
    """
    scale_hz, slope, offset = _greenwood_map(animal)
    floor_hz = max(0.0, -offset * scale_hz)
    factor = 1.0 / (slope * math.log(10))
    rule = f"must be above {floor_hz:.0f} Hz for the {animal} map" if floor_hz > 0 else "must be non-negative (Hz)"
    return apply_elementwise(
        lambda xp, hz: factor * xp.log(hz / scale_hz + offset),
        f,
        argument="f",
        rule=rule,
        allowed=lambda hz: (hz > floor_hz) if floor_hz > 0 else (hz >= 0),
    )


def _greenwood_map(animal: str) -> GreenwoodMap:
    check_choice(sorted(GREENWOOD_MAPS), NotImplementedError, animal=animal)
    return GREENWOOD_MAPS[animal]


@keywords()
def Mueller(x: Values) -> Values:
    r"""Characteristic frequency at each place of the mouse's cochlea, :math:`10^{(x + 0.565)/0.825}` kHz.

    Measured in the CBA/J mouse between 7.2 and 61.8 kHz as 156.5 - 82.5 log10 f per cent of the length from the base.

    Parameters
    ----------
    x : float, ndarray or Tensor, shape (...)
        Position from apex (0) to base (1), dimensionless. Positions outside [0, 1] are extrapolated.

    Returns
    -------
    same kind and shape as ``x``
        Frequency in Hz.

    Raises
    ------
    ValueError
        A position is NaN.

    References
    ----------
    Mueller, von Huenerbein, Hoidis & Smolders (2005), Hearing Research 202:63.
    """
    factor = math.log(10) / MUELLER_PER_DECADE
    return apply_elementwise(
        lambda xp, position: 1000.0 * xp.exp(factor * (position - MUELLER_AT_1_KHZ)),
        x,
        argument="x",
        rule="must be a number (cochlear position)",
        allowed=lambda position: position == position,
    )


@keywords()
def inverse_Mueller(f: Values) -> Values:
    """Place of each frequency in the mouse's cochlea, ``0.825 log10(f/1000) - 0.565``: the inverse of `Mueller`.

    Parameters
    ----------
    f : float, ndarray or Tensor, shape (...)
        Frequency in Hz, positive.

    Returns
    -------
    same kind and shape as ``f``
        Position from apex (0) to base (1), dimensionless.

    Raises
    ------
    ValueError
        A frequency is not positive.

    References
    ----------
    Mueller, von Huenerbein, Hoidis & Smolders (2005), Hearing Research 202:63.
    """
    factor = MUELLER_PER_DECADE / math.log(10)
    return apply_elementwise(
        lambda xp, hz: factor * xp.log(hz / 1000.0) + MUELLER_AT_1_KHZ,
        f,
        argument="f",
        rule="must be positive (Hz)",
        allowed=lambda hz: hz > 0,
    )
