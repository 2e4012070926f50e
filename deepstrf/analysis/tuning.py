"""Tuning of receptive fields: best frequency, latency, bandwidth, separability, ON against OFF.

All take ``strf`` (..., F, T), with bands from low to high and lag 0 in the last tap, and give one value per receptive
field, (...): (N, C, F, T) gives (N, C). "Peak" is the largest positive value, in both bands and lags, unless
``inhibitory``, which looks for the most negative one. A field without any such value has no tuning: NaN.

``heard``, a bool tensor that broadcasts to ``strf`` (`deepstrf.stimuli.heard_weights`), leaves out bands, channels and
lags without sound: weights there are the start of a fit or its prior, and count as 0.

Between samples: a Gaussian through the peak sample and its neighbours gives the place in bins; frequencies between
centre frequencies lie on straight lines of log2 Hz against band, as in the rest of the library.
"""

from __future__ import annotations

import math

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.analysis.axes import at_bin, check_dt, check_heard, check_strf, octaves_of, sub_bin_peak
from deepstrf.arguments import check_numbers
from deepstrf.deprecation import keywords

Array = Tensor | ArrayLike


def _heard(strf: Tensor, heard: Array | None) -> Tensor:
    """The fields, 0 where there was no sound."""
    mask = check_heard(heard, strf)
    return strf if mask is None else torch.where(mask, strf, 0.0)


def _peak(strf: Tensor, inhibitory: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Signed fields, band and tap (...) of the peak sample, and whether it is positive."""
    strf = -strf if inhibitory else strf
    flat = strf.flatten(-2)
    index = flat.argmax(-1)
    return strf, index // strf.shape[-1], index % strf.shape[-1], flat.amax(-1) > 0


def _column(strf: Tensor, tap: Tensor) -> Tensor:
    """Frequency profile (..., F) of the fields at the given taps."""
    return strf.gather(-1, tap[..., None, None].expand(*strf.shape[:-1], 1)).squeeze(-1)


def _row(strf: Tensor, band: Tensor) -> Tensor:
    """Time profile (..., T) of the fields at the given bands."""
    return strf.gather(-2, band[..., None, None].expand(*strf.shape[:-2], 1, strf.shape[-1])).squeeze(-2)


@keywords()
def best_frequency(strf: Array, cf_hz: Array, *, inhibitory: bool = False, heard: Array | None = None) -> Tensor:
    """Frequency of the peak of each receptive field, Hz.

    Parameters
    ----------
    strf : Tensor or array, shape (..., F, T)
    cf_hz : Tensor or array, shape (F,)
        Centre frequencies, Hz, ascending.
    inhibitory : bool
        Of the most negative value rather than the most positive one.
    heard : bool Tensor or array, optional
        Weights that have met a sound.

    Returns
    -------
    Tensor, shape (...)
        Between the first and the last centre frequency; NaN without a peak.

    Raises
    ------
    TypeError, ValueError
        A shape or a value is not as said.

    Examples
    --------
    >>> field = torch.zeros(3, 4)
    >>> field[1, 2] = 1.0
    >>> best_frequency(field, torch.tensor([1000.0, 2000.0, 4000.0])).item()
    2000.0
    """
    strf = _heard(check_strf(strf), heard)
    octaves = octaves_of(cf_hz, strf)
    strf, band, tap, present = _peak(strf, inhibitory)
    place, _ = sub_bin_peak(_column(strf, tap), band)
    return torch.where(present, at_bin(octaves, place).exp2().to(strf.dtype), torch.nan)


@keywords()
def latency(
    strf: Array,
    dt_ms: float,
    *,
    delay_ms: float = 0.0,
    inhibitory: bool = False,
    heard: Array | None = None,
) -> Tensor:
    """Time from a sound to the peak of its effect on the response, ms: the lag of the peak, plus ``delay_ms``.

    Where the peak sample is lag 0, a delay says that the peak may lie nearer to the response than the sound of the
    latest bin: there a Gaussian through the last three samples goes on, up to latency 0.

    Parameters
    ----------
    strf : Tensor or array, shape (..., F, T)
    dt_ms : float
        Bin width, ms.
    delay_ms : float
        Of the stimuli, ms: `Spectrogram.delay_ms`, `Recording.delay_ms`. 0 for bins that describe their own time.
    inhibitory : bool
        Of the most negative value rather than the most positive one.
    heard : bool Tensor or array, optional
        Weights that have met a sound.

    Returns
    -------
    Tensor, shape (...)
        In [0, (T-1) dt_ms + delay_ms]; NaN without a peak.

    Raises
    ------
    TypeError, ValueError
        A shape or a value is not as said.

    Examples
    --------
    >>> field = torch.zeros(3, 4)
    >>> field[1, 2] = 1.0
    >>> latency(field, 5.0).item(), latency(field, 5.0, delay_ms=2.5).item()
    (5.0, 7.5)
    """
    strf = _heard(check_strf(strf), heard)
    check_dt(dt_ms)
    check_numbers("must be finite (ms)", math.isfinite, delay_ms=delay_ms)
    strf, band, tap, present = _peak(strf, inhibitory)
    row, last = _row(strf, band), strf.shape[-1] - 1
    place, _ = sub_bin_peak(row, tap)
    if last >= 2 and delay_ms > 0:
        beyond, _ = sub_bin_peak(row, torch.full_like(tap, last - 1), reach=1 + delay_ms / dt_ms)
        place = torch.where(tap == last, beyond.clamp(min=last), place)
    return torch.where(present, ((last - place) * dt_ms + delay_ms).clamp(min=0), torch.nan)


@keywords()
def bandwidth(
    strf: Array,
    cf_hz: Array,
    *,
    level: float = 0.5,
    inhibitory: bool = False,
    heard: Array | None = None,
) -> Tensor:
    r"""Width of each receptive field along frequency at its peak lag, octaves.

    From where the profile first falls under ``level`` times the peak below it, to where it does so above it. Between
    two bands the flank is that of a Gaussian about the peak, or a straight line to a value that is not positive. For a
    Gaussian of standard deviation :math:`\sigma` octaves and level 1/2 it is :math:`2\sqrt{2 \ln 2}\,\sigma =
    2.355\,\sigma`.

    Parameters
    ----------
    strf : Tensor or array, shape (..., F, T)
    cf_hz : Tensor or array, shape (F,)
        Centre frequencies, Hz, ascending.
    level : float
        In (0, 1).
    inhibitory : bool
        Of the most negative value rather than the most positive one.
    heard : bool Tensor or array, optional
        Weights that have met a sound.

    Returns
    -------
    Tensor, shape (...)
        NaN without a peak, and where the profile leaves the frequency range, or the bands with sound, before it has
        fallen.

    Raises
    ------
    TypeError, ValueError
        A shape or a value is not as said.
    """
    check_numbers("must lie in (0, 1)", lambda fraction: 0 < fraction < 1, level=level)
    strf = check_strf(strf)
    octaves, mask = octaves_of(cf_hz, strf), check_heard(heard, strf)
    strf, band, tap, present = _peak(_heard(strf, heard), inhibitory)
    profile = _column(strf, tap)
    deaf = torch.zeros_like(profile, dtype=torch.bool) if mask is None else _column(~mask, tap)
    peak, height = sub_bin_peak(profile, band)
    last = profile.shape[-1] - 1
    upper = _first_crossing(profile, band, peak, height, level, deaf)
    lower = last - _first_crossing(profile.flip(-1), last - band, last - peak, height, level, deaf.flip(-1))
    edges = [at_bin(octaves, place.nan_to_num()) for place in (upper, lower)]
    defined = present & upper.isfinite() & lower.isfinite()
    return torch.where(defined, (edges[0] - edges[1]).to(strf.dtype), torch.nan)


def _first_crossing(profile: Tensor, start: Tensor, peak: Tensor, height: Tensor, level: float, deaf: Tensor) -> Tensor:
    """Fractional bin (...) after ``start`` where ``profile`` (..., K) first falls under ``level`` of its peak, or NaN.

    ``peak`` is the place of the peak between the bins and ``height`` its value. In ``deaf`` bins it has none.
    """
    threshold = level * height
    bins = torch.arange(profile.shape[-1], device=profile.device)
    under = (profile < threshold.unsqueeze(-1)) & (bins > start.unsqueeze(-1))
    after = under.to(torch.uint8).argmax(-1)
    unknown = (deaf & (bins > start.unsqueeze(-1)) & (bins <= after.unsqueeze(-1))).any(-1)
    before = (after - 1).clamp(min=0)
    above, below = (profile.gather(-1, i.unsqueeze(-1)).squeeze(-1) for i in (before, after))
    straight = (above - threshold) / torch.where(above > below, above - below, 1.0)
    # On a Gaussian flank sqrt(log(height / value)) is the distance from the peak in units of sqrt(2) sigma.
    near, far = (
        (height / y.clamp(min=torch.finfo(y.dtype).tiny)).log().clamp(min=0).sqrt() * side
        for y, side in ((above, torch.sign(before - peak)), (below, 1.0))
    )
    gaussian = (math.sqrt(-math.log(level)) - near) / torch.where(far > near, far - near, 1.0)
    fraction = torch.where((below > 0) & (far > near), gaussian, straight).clamp(0, 1)
    return torch.where(under.any(-1) & ~unknown, before + fraction, torch.nan)


@keywords()
def separability_index(strf: Array, *, heard: Array | None = None) -> Tensor:
    r"""How far each receptive field is a product of a frequency and a time profile, :math:`s_1^2 / \sum_i s_i^2`.

    The :math:`s_i` are its singular values. 1 is separable; the least is 1/min(F, T). (One minus this is the
    inseparability :math:`\alpha_{SVD}` of Depireux et al. 2001.)

    Parameters
    ----------
    strf : Tensor or array, shape (..., F, T)
    heard : bool Tensor or array, optional
        Weights that have met a sound.

    Returns
    -------
    Tensor, shape (...)
        NaN for a field that is zero.

    Raises
    ------
    TypeError, ValueError
        A shape or a value is not as said.

    Examples
    --------
    >>> separability_index(torch.eye(4)).item()
    0.25
    """
    strf = _heard(check_strf(strf), heard)
    largest = strf.abs().amax((-1, -2), keepdim=True)
    power = torch.linalg.svdvals(strf / torch.where(largest > 0, largest, 1.0)).square()
    total = power.sum(-1)
    return torch.where(total > 0, power[..., 0] / torch.where(total > 0, total, 1.0), torch.nan)


@keywords()
def on_off_index(strf: Array, *, heard: Array | None = None) -> Tensor:
    r"""Excitation by ON against excitation by OFF, :math:`(E_{on} - E_{off}) / (E_{on} + E_{off})`.

    E is the sum of the positive values of a channel: 1 for a neuron that only onsets excite, -1 for one that only
    offsets do.

    Parameters
    ----------
    strf : Tensor or array, shape (..., 2, F, T)
        Channel 0 ON, channel 1 OFF.
    heard : bool Tensor or array, optional
        Weights that have met a sound.

    Returns
    -------
    Tensor, shape (...)
        In [-1, 1]; NaN without any excitation.

    Raises
    ------
    TypeError, ValueError
        A shape or a value is not as said.
    """
    strf = check_strf(strf, min_ndim=3)
    if strf.shape[-3] != 2:
        raise ValueError(f"strf must have 2 channels, ON and OFF, in shape (..., 2, F, T), got {tuple(strf.shape)}")
    strf = _heard(strf, heard)
    on, off = strf.clamp(min=0).sum((-1, -2)).unbind(-1)
    total = on + off
    return torch.where(total > 0, (on - off) / torch.where(total > 0, total, 1.0), torch.nan)
