"""Receptive fields drawn by chance, within what auditory neurons show."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.layers.constraints import sigma_to_raw

GAUSSIANS = 3
LEAST_SIGMA_BINS = 0.8
ON_SHARE = 0.7
OTHER_CHANNEL = -0.4


def random_gaussians(
    rng: np.random.Generator, n: int, channels: int, octaves: np.ndarray, n_lags: int
) -> ParametricSTRF:
    """Kernel of n neurons: excitation, a later inhibition at the same frequency, and an inhibitory sideband.

    Frequencies and widths are in octaves, lags in fractions of the window. With two channels, ON excites most neurons
    and OFF the others; the channel that does not excite inhibits.

    Parameters
    ----------
    rng : Generator
    n, channels, n_lags : int
    octaves : ndarray, shape (F,)
        log2 of the centre frequencies, ascending.
    """
    bands = len(octaves)
    kernel = ParametricSTRF(bands, n_lags, channels, n, num_gaussians=GAUSSIANS)
    octaves_per_band = np.gradient(octaves)
    place = np.empty((2, n, channels, GAUSSIANS))
    sigma = np.ones_like(place)
    place[0], place[1] = (bands - 1) / 2, (n_lags - 1) / 2
    weight = np.zeros((n, channels, GAUSSIANS))
    for i in range(n):
        low, high = np.quantile(octaves, [0.1, 0.9])
        best, lag = rng.uniform(low, high), rng.uniform(0.1, 0.25)
        width_oct, width_lag = rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.1)
        side = best + rng.choice([-1, 1]) * rng.uniform(2.0, 3.0) * width_oct
        later = lag + rng.uniform(2.5, 3.5) * width_lag
        # Octave, lag, width in octaves, width in lag, mass.
        blobs = [
            (best, lag, width_oct, width_lag, 1.0),
            (best, later, 1.2 * width_oct, 1.5 * width_lag, -rng.uniform(0.4, 0.8)),
            (side, lag + 0.5 * width_lag, width_oct, 1.2 * width_lag, -rng.uniform(0.2, 0.5)),
        ]
        exciting = 0 if rng.uniform() < ON_SHARE else channels - 1
        for channel in range(channels):
            share = 1.0 if channel == exciting else OTHER_CHANNEL
            for g, (octave, fraction, sigma_oct, sigma_lag, mass) in enumerate(blobs):
                band = np.interp(octave, octaves, np.arange(bands))
                place[:, i, channel, g] = band, (n_lags - 1) - min(fraction * n_lags, n_lags - 1)
                sigma[0, i, channel, g] = sigma_oct / octaves_per_band[round(band)]
                sigma[1, i, channel, g] = sigma_lag * n_lags
                weight[i, channel, g] = share * mass
    with torch.no_grad():
        kernel.P.copy_(torch.from_numpy(place))
        kernel.SIG.copy_(sigma_to_raw(torch.from_numpy(sigma.clip(LEAST_SIGMA_BINS))))
        kernel.weight.copy_(torch.from_numpy(weight))
        if kernel.bias is not None:
            kernel.bias.zero_()
    return kernel


def random_gabors(rng: np.random.Generator, n: int, channels: int, octaves: np.ndarray, n_lags: int) -> Tensor:
    r"""Receptive fields (n, channels, F, T) that are ripples under a Gaussian envelope.

    :math:`\exp(-x^2/2\sigma_x^2 - \tau^2/2\sigma_\tau^2)\,\cos(2\pi(\Omega x + w\tau) + \phi)`, x in octaves from the
    centre and :math:`\tau` in windows from it. They prefer ripples that move, up or down. A second channel is a copy
    with the opposite sign and less weight.

    References
    ----------
    Qiu, Schreiner & Escabi (2003), J. Neurophysiol. 90:456.
    """
    lags = (n_lags - 1 - np.arange(n_lags)) / n_lags
    fields = np.empty((n, channels, len(octaves), n_lags))
    for i in range(n):
        low, high = np.quantile(octaves, [0.15, 0.85])
        x = (octaves - rng.uniform(low, high))[:, None]
        tau = (lags - rng.uniform(0.2, 0.4))[None, :]
        envelope = np.exp(-0.5 * (x / rng.uniform(0.3, 0.6)) ** 2 - 0.5 * (tau / rng.uniform(0.08, 0.16)) ** 2)
        density, cycles = rng.uniform(0.2, 0.8), rng.choice([-1, 1]) * rng.uniform(0.5, 2.0)
        field = envelope * np.cos(2 * np.pi * (density * x + cycles * tau) + rng.uniform(0, 2 * np.pi))
        exciting = 0 if rng.uniform() < ON_SHARE else channels - 1
        for channel in range(channels):
            fields[i, channel] = field * (1.0 if channel == exciting else OTHER_CHANNEL)
    return torch.from_numpy(fields).float()


def random_oscillations(rng: np.random.Generator, n: int, channels: int, octaves: np.ndarray, n_lags: int) -> Tensor:
    r"""Receptive fields (n, channels, F, T) that ring: damped oscillations along time under a Gaussian along frequency.

    :math:`\exp(-x^2/2\sigma^2)\,(\tau/d)\,e^{1 - \tau/d}\cos(2\pi w\tau/d + \phi)` from a latency on, x in octaves from
    the centre and :math:`\tau` in windows from the latency: a quick onset and slower turns after it. A second channel
    is a copy with the opposite sign and less weight.

    References
    ----------
    Aertsen & Johannesma (1980), Biol. Cybern. 38:223, on gamma-tone shaped impulse responses.
    """
    lags = (n_lags - 1 - np.arange(n_lags)) / n_lags
    fields = np.empty((n, channels, len(octaves), n_lags))
    for i in range(n):
        low, high = np.quantile(octaves, [0.15, 0.85])
        x = (octaves - rng.uniform(low, high))[:, None]
        tau = (lags - rng.uniform(0.05, 0.15)).clip(0)[None, :] / rng.uniform(0.1, 0.2)
        cycles, phase = rng.uniform(0.2, 0.45), rng.uniform(-0.5, 0.5)
        ringing = tau * np.exp(1 - tau) * np.cos(2 * np.pi * cycles * tau + phase)
        field = np.exp(-0.5 * (x / rng.uniform(0.25, 0.5)) ** 2) * ringing
        exciting = 0 if rng.uniform() < ON_SHARE else channels - 1
        for channel in range(channels):
            fields[i, channel] = field * (1.0 if channel == exciting else OTHER_CHANNEL)
    return torch.from_numpy(fields).float()
