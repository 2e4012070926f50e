"""At which frequencies of modulation a prediction follows the response: the coherence."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from deepstrf.arguments import check_numbers, whole_number
from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import align, by_neurons, check_pair
from deepstrf.short_repr import short_repr

MIN_SEGMENT, MAX_SEGMENT, WANTED_SEGMENTS = 4, 256, 16


class Coherence(NamedTuple):
    """Magnitude-squared coherence ``values`` (N, K) at the frequencies ``freqs_hz`` (K,)."""

    freqs_hz: Tensor
    values: Tensor

    def __repr__(self) -> str:
        return short_repr(self)


def _segment_bins(stimuli: int, bins: int) -> int:
    """Longest power of two up to MAX_SEGMENT that leaves WANTED_SEGMENTS half-overlapping segments, if any does."""
    length = MIN_SEGMENT
    while length * 2 <= min(MAX_SEGMENT, bins) and stimuli * (bins // length - 1) >= WANTED_SEGMENTS:
        length *= 2
    return length


@keywords()
def coherence(
    pred: Tensor, gt: Tensor, dt_ms: float, *, mask: Tensor | None = None, segment_bins: int | None = None
) -> Coherence:
    r"""Magnitude-squared coherence of prediction and mean response at each modulation frequency.

    :math:`\gamma^2(f) = |P_{xy}|^2 / (P_{xx} P_{yy})` by Welch's method: Hann windows, half overlap, each segment less
    its mean, all stimuli pooled. The plain estimate of independent signals is 1/K for K independent segments; this
    bias is removed, :math:`(\gamma^2 - 1/K) / (1 - 1/K)`, so that independent noise has mean 0 at any length, and
    values slightly under zero are part of that. The lowest frequency (0 Hz) is left out, since the mean is removed.

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
        Predicted response.
    gt : Tensor, shape (B,N,R,T)
        Recorded response, averaged over the repeats that are there.
    dt_ms : float
        Bin width, ms, positive.
    mask : bool Tensor, optional
        Bins to use. A segment with a missing bin is left out, for that neuron.
    segment_bins : int, optional
        Segment length in bins, from 4 to T. By default the longest power of two up to 256 that leaves at least 16
        segments, and at least 4.

    Returns
    -------
    Coherence
        ``freqs_hz`` (K,) and ``values`` (N,K); NaN with fewer than two segments, or where a power is zero.

    Raises
    ------
    ValueError
        Wrong shape, ``dt_ms`` not positive, or ``segment_bins`` out of range.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    References
    ----------
    Hsu, Borst & Theunissen (2004).
    """
    check_numbers("must be positive (ms)", lambda width: 0 < width < float("inf"), dt_ms=dt_ms)
    check_pair(pred, gt)
    stimuli, bins = pred.shape[0], pred.shape[-1]
    length = _segment_bins(stimuli, bins) if segment_bins is None else whole_number("segment_bins", segment_bins, None)
    if not MIN_SEGMENT <= length <= bins:
        raise ValueError(f"segment_bins must lie in [{MIN_SEGMENT}, T] with T = {bins} bins, got {length}")

    def of_neurons(mask: Tensor | None, pred: Tensor, gt: Tensor) -> tuple[Tensor]:
        return (_coherences(*align(pred, gt, mask), stimuli, length),)

    (values,) = by_neurons(of_neurons, mask, pred, gt)
    freqs_hz = torch.fft.rfftfreq(length, dt_ms / 1000, dtype=values.dtype, device=values.device)[1:]
    return Coherence(freqs_hz, values)


def _coherences(x: Tensor, y: Tensor, valid: Tensor, stimuli: int, length: int) -> Tensor:
    """Coherence (N, K) of two (N, stimuli * bins) signals from segments of ``length`` bins that are all ``valid``."""
    hop = length // 2
    window = torch.hann_window(length, periodic=True, dtype=x.dtype, device=x.device)

    def segments(signal: Tensor) -> Tensor:
        return signal.reshape(len(signal), stimuli, -1).unfold(-1, length, hop).flatten(1, 2)

    whole = segments(valid).all(-1)
    spectra = []
    for signal in (x, y):
        pieces = segments(signal)
        pieces = torch.where(whole[..., None], pieces, 0.0)
        largest = pieces.abs().amax((1, 2), keepdim=True)
        pieces = pieces / torch.where(largest > 0, largest, 1.0)
        spectra.append(torch.fft.rfft((pieces - pieces.mean(-1, keepdim=True)) * window)[..., 1:])
    fx, fy = spectra
    pxy = (fx.conj() * fy).sum(1).abs()
    pxx, pyy = fx.abs().square().sum(1), fy.abs().square().sum(1)
    rounding = (torch.finfo(x.dtype).eps * length) ** 2
    defined = (pxx > rounding) & (pyy > rounding)
    plain = (pxy / torch.where(defined, pxx.sqrt() * pyy.sqrt(), torch.nan)).square()
    count = whole.sum(-1, keepdim=True)
    overlap = (window[:hop] * window[length - hop :]).sum() / window.square().sum()
    independent = count / (1 + 2 * overlap.square() * (count - 1) / count.clamp(min=1))
    return torch.where(count >= 2, (plain - 1 / independent) / (1 - 1 / independent), torch.nan)
