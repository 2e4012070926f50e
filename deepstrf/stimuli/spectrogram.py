"""Spectrograms: the level of a sound in each frequency band and time bin, from past and present samples only."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from deepstrf.arguments import as_axis, as_tensor, check_floating, check_numbers, doubt_units, whole_number
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.models.prefiltering import get_CFs
from deepstrf.models.time_constants import WARPS
from deepstrf.paths import as_path
from deepstrf.stimuli.sound_files import MAX_SECONDS, read_wav
from deepstrf.user_warning import warn_user

FRAMES_AT_ONCE = 1024
NUMBERS_AT_ONCE = 2**24
"""Frames times points of their Fourier transform."""
FFT_BINS_PER_BAND = 4
QUIET = 0.01
"""Largest sample of sounds that are thought to be in volts or pascal where nothing of them is above the floor."""


@keywords()
@dataclass(frozen=True, eq=False)
class Spectrogram:
    """A stimulus: ``values`` (F,T) at the centre frequencies ``cf_hz`` (F,) in bins of ``dt_ms``.

    Parameters
    ----------
    values : Tensor or array, shape (F,T)
        Level of each band (low to high) in each bin, floating-point and finite.
    cf_hz : Tensor or array, shape (F,)
        Centre frequencies, Hz, positive and ascending.
    dt_ms : float
        Bin width, ms.
    unit : str
        Of the values.
    name : str
        For titles and menus.
    delay_ms : float
        How long before the middle of a bin lies the middle of the sound that the bin describes, ms. A receptive field
        answers that much later than its lags in bins say.

    Raises
    ------
    TypeError
        ``values`` or ``cf_hz`` is no tensor or array of floating point.
    ValueError
        A shape, a NaN, an order or a width that is not as said.

    Examples
    --------
    >>> Spectrogram(torch.zeros(3, 200), torch.tensor([500.0, 1000.0, 2000.0]), 5.0, name="silence")
    Spectrogram('silence', 3 bands 500-2000 Hz, 200 bins of 5 ms = 1 s, 0 to 0 dB)
    """

    values: Tensor
    cf_hz: Tensor
    dt_ms: float
    unit: str = "dB"
    name: str = ""
    delay_ms: float = 0.0

    def __post_init__(self) -> None:
        for name, read in (("values", as_tensor), ("cf_hz", as_axis)):
            tensor = read(name, getattr(self, name))
            check_floating(**{name: tensor})
            object.__setattr__(self, name, tensor)
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise ValueError(f"values must have shape (F, T) with at least one of each, got {tuple(self.values.shape)}")
        if self.cf_hz.shape != self.values.shape[:1]:
            raise ValueError(
                f"cf_hz must have shape (F,) with F = {self.values.shape[0]} as in values, "
                f"got {tuple(self.cf_hz.shape)}"
            )
        if not bool(self.values.isfinite().all()):
            raise ValueError(f"values must be finite, got {int((~self.values.isfinite()).sum())} that are not")
        if not (bool((self.cf_hz > 0).all()) and bool((self.cf_hz.diff() > 0).all())):
            way_out = ""
            if self.cf_hz.numel() > 1 and bool((self.cf_hz.diff() < 0).all()):
                way_out = ": reverse it, and the bands of the sounds with it"
            raise ValueError(f"cf_hz must be positive and ascending (Hz), got {self.cf_hz.tolist()}{way_out}")
        if not (self.dt_ms > 0 and math.isfinite(self.dt_ms)):
            raise ValueError(f"dt_ms must be positive (ms), got {self.dt_ms}")
        if not math.isfinite(self.delay_ms):
            raise ValueError(f"delay_ms must be finite (ms), got {self.delay_ms}")
        doubt_units(self.cf_hz, self.dt_ms)

    @property
    def duration_s(self) -> float:
        """Length in seconds, the number of bins times their width."""
        return self.values.shape[1] * self.dt_ms / 1000

    def __repr__(self) -> str:
        (bands, bins), low, high = self.values.shape, self.values.min().item(), self.values.max().item()
        return (
            f"Spectrogram({self.name!r}, {bands} bands {self.cf_hz[0].item():.0f}-{self.cf_hz[-1].item():.0f} Hz, "
            f"{bins} bins of {self.dt_ms:g} ms = {self.duration_s:g} s, {low:.3g} to {high:.3g} {self.unit})"
        )


@keywords(rate_hz="sample_rate_hz")
def log_mel_spectrogram(
    waveform: np.ndarray | Tensor,
    sample_rate_hz: float,
    *,
    dt_ms: float = 5.0,
    n_bands: int = 34,
    min_hz: float = 500.0,
    max_hz: float = 20000.0,
    scale: str = "mel",
    window_ms: float = 10.0,
    floor_db: float = -80.0,
    calibration: float = 1.0,
    name: str = "",
    max_gb: float = LIMIT_GB,
) -> Spectrogram:
    r"""Level of each band in each bin, dB above a floor, from past and present samples only.

    Bin t describes the ``window_ms`` before (t+1) ``dt_ms``: those samples, times a Hann window, are Fourier
    transformed at the sound's own rate, and their power is summed in triangles that are equally spaced on the warped
    axis and fall to zero at the neighbouring centre frequencies. The triangles add up to 1 between the first and the
    last centre, so that no power is lost or counted twice. A sinusoid of amplitude 1 within the range has 0 dB in all
    bands together; then :math:`\max(0, \mathrm{dB} - \mathrm{floor})`.

    Nothing is resampled: any rate is exact, and a resampling filter would let the future in. When a bin is not a whole
    number of samples, its end is rounded down to a sample from its exact place, so that bins never drift.

    A window that ends with its bin has its middle ``delay_ms`` = (``window_ms`` - ``dt_ms``)/2 before that of the bin;
    the spectrogram carries this number, and whatever shows lags in ms adds it.

    Parameters
    ----------
    waveform : ndarray or Tensor, shape (samples,)
        Full scale 1. What follows the last whole bin is left out.
    sample_rate_hz : float
        Sample rate, Hz, more than twice ``min_hz``. Bands above half of it are silent, so that sounds of every rate
        share one frequency axis; a UserWarning says how many.
    dt_ms : float
        Bin width, ms, at least one sample.
    n_bands : int
        F, at least 2.
    min_hz, max_hz : float
        First and last centre frequency.
    scale : {"mel", "greenwood", "erb"}
        As in :func:`deepstrf.models.prefiltering.get_CFs`, which gives the centres.
    window_ms : float
        Length of the window, ms, at least 4 samples.
    floor_db : float
        Level, dB re full scale, that becomes 0. Silence is exactly 0.
    calibration : float
        What every sample is multiplied with first: 1 over the amplitude that shall be full scale.
    name : str
        Passed on.
    max_gb : float
        Memory that the computation may take, in GB of 2^30 bytes.

    Returns
    -------
    Spectrogram
        float32 ``values`` (F,T) >= 0, T the number of whole bins.

    Raises
    ------
    ValueError
        A parameter breaks its rule, the lowest band lies above half the sample rate, the waveform is not (samples,), is
        not finite, or is shorter than one bin, or more than ``max_gb`` is needed.
    TypeError
        The waveform is not of floating point.
    NotImplementedError
        Unknown scale.

    Warns
    -----
    UserWarning
        Bands lie above half the sample rate, or a sound that is not silent lies below the floor in every bin.
    """
    samples = _checked_waveform(waveform)
    check_numbers("must be positive and finite", lambda x: 0 < x < math.inf, calibration=calibration)
    samples *= calibration
    rate = _exact(sample_rate_hz, "sample_rate_hz", "Hz")
    bin_samples = rate * _exact(dt_ms, "dt_ms", "ms") / 1000
    window_samples = int(rate * _exact(window_ms, "window_ms", "ms") / 1000)
    n_bands = whole_number("n_bands", n_bands, 2)
    if bin_samples < 1:
        raise ValueError(f"dt_ms must be at least one sample, {1000 / float(rate):g} ms, got {dt_ms}")
    if window_samples < 4:
        raise ValueError(f"window_ms must be at least 4 samples, {4000 / float(rate):g} ms, got {window_ms}")
    if not math.isfinite(floor_db):
        raise ValueError(f"floor_db must be finite (dB), got {floor_db}")
    if min_hz >= rate / 2:
        raise ValueError(
            f"min_hz must lie below half the sample rate, {float(rate) / 2:.10g} Hz at a rate of "
            f"{float(rate):.10g} Hz, got {min_hz}"
        )
    n_bins = int(len(samples) / bin_samples)
    if n_bins == 0:
        raise ValueError(
            f"waveform must last at least one bin of {dt_ms} ms, got {1000 * len(samples) / sample_rate_hz:g} ms"
        )
    check_memory(f"a spectrogram of {n_bands} bands and {n_bins} bins", 4.0 * n_bands * n_bins, max_gb)
    cf_hz = get_CFs(min_hz, max_hz, n_bands, scale)
    if max_hz > rate / 2:
        warn_user(
            f"a sound at {float(rate):.10g} Hz holds nothing above {float(rate) / 2:.10g} Hz: "
            f"{int((cf_hz > float(rate) / 2).sum())} of {n_bands} bands are silent",
        )
    filters, n_fft = _triangles(float(rate), window_samples, n_bands, min_hz, max_hz, scale, max_gb)
    window = np.hanning(window_samples + 2)[1:-1]
    filters *= 4 / (n_fft * np.square(window).sum())
    padded = np.concatenate([np.zeros(window_samples), samples])
    values = np.empty((n_bands, n_bins), dtype=np.float32)
    frames_at_once = min(FRAMES_AT_ONCE, max(1, NUMBERS_AT_ONCE // n_fft))
    for start in range(0, n_bins, frames_at_once):
        bins = range(start, min(start + frames_at_once, n_bins))
        ends = np.array([(t + 1) * bin_samples.numerator // bin_samples.denominator for t in bins])
        frames = padded[ends[:, None] + np.arange(window_samples)]
        power = np.square(np.abs(np.fft.rfft(frames * window, n_fft))) @ filters
        decibels = 10 * np.log10(np.maximum(power, np.finfo(float).tiny)) - floor_db
        values[:, bins.start : bins.stop] = np.maximum(decibels, 0).T
    loudest = float(np.abs(samples).max())
    if not values.any() and 0 < loudest < QUIET:
        warn_user(
            f"every bin of {name or 'a sound'} lies under the floor of {floor_db:g} dB: its largest sample is "
            f"{loudest:.2g} where 1 is full scale; calibration={calibration / loudest:.2g} makes it full scale",
        )
    delay_ms = (1000 * window_samples / float(rate) - float(dt_ms)) / 2
    return Spectrogram(torch.from_numpy(values), cf_hz, float(dt_ms), name=name, delay_ms=delay_ms)


@keywords()
def spectrogram_from_wav(
    path: str | os.PathLike[str],
    *,
    dt_ms: float = 5.0,
    n_bands: int = 34,
    min_hz: float = 500.0,
    max_hz: float = 20000.0,
    scale: str = "mel",
    window_ms: float = 10.0,
    floor_db: float = -80.0,
    calibration: float = 1.0,
    name: str | None = None,
    max_s: float = MAX_SECONDS,
    max_gb: float = LIMIT_GB,
) -> Spectrogram:
    """Spectrogram of a sound file: :func:`read_wav`, then :func:`log_mel_spectrogram`, whose parameters these are.

    The name is the file's, without its ending, unless one is given.

    Raises
    ------
    FileNotFoundError, ValueError, NotImplementedError
        As the two do; the message names the file.
    """
    waveform, sample_rate_hz = read_wav(path, max_s=max_s, max_gb=max_gb)
    try:
        return log_mel_spectrogram(
            waveform,
            sample_rate_hz,
            dt_ms=dt_ms,
            n_bands=n_bands,
            min_hz=min_hz,
            max_hz=max_hz,
            scale=scale,
            window_ms=window_ms,
            floor_db=floor_db,
            calibration=calibration,
            name=as_path("path", path).stem if name is None else name,
            max_gb=max_gb,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _checked_waveform(waveform: np.ndarray | Tensor) -> np.ndarray:
    """The waveform as float64 (samples,), or an error."""
    if isinstance(waveform, Tensor):
        waveform = waveform.detach().cpu().numpy()
    if not isinstance(waveform, np.ndarray) or waveform.dtype.kind != "f":
        kind = waveform.dtype if isinstance(waveform, np.ndarray) else type(waveform).__name__
        raise TypeError(f"waveform must be a floating-point array or tensor with full scale 1, got {kind}")
    if waveform.ndim != 1:
        raise ValueError(f"waveform must have shape (samples,), got {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise ValueError(f"waveform must be finite, got {int((~np.isfinite(waveform)).sum())} samples that are not")
    return waveform.astype(np.float64)


def _exact(value: float, name: str, unit: str) -> Fraction:
    """A positive number as the fraction that was meant: 0.1 is 1/10."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be positive ({unit}), got {value}")
    return Fraction(float(value)).limit_denominator(10**6)


def _triangles(
    sample_rate_hz: float, window_samples: int, n_bands: int, min_hz: float, max_hz: float, scale: str, max_gb: float
) -> tuple[np.ndarray, int]:
    """Weights (bins of the Fourier transform, F) of the bands, and the length of a transform fine enough for them."""
    warp, unwarp = WARPS[scale]
    centres, step = np.linspace(warp(float(min_hz)), warp(float(max_hz)), n_bands, retstep=True)
    narrowest_hz = np.diff(unwarp(centres)).min()
    n_fft = 2 ** math.ceil(math.log2(max(window_samples, FFT_BINS_PER_BAND * sample_rate_hz / narrowest_hz)))
    needed = (n_bands + 4.0) * 8 * n_fft
    check_memory(
        f"a Fourier transform of {n_fft} points at {sample_rate_hz:.10g} Hz for {n_bands} bands", needed, max_gb
    )
    warped = warp(np.fft.rfftfreq(n_fft, 1 / sample_rate_hz))
    return np.maximum(0, 1 - np.abs(warped[:, None] - centres) / step), n_fft
