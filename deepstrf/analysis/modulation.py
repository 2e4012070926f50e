"""Which moving ripples drive a receptive field: its modulation transfer function."""

from __future__ import annotations

from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.analysis.axes import at_bin, check_dt, check_strf, octaves_of, sub_bin_peak
from deepstrf.arguments import as_tensor
from deepstrf.deprecation import keywords
from deepstrf.short_repr import short_repr

HIGHEST_RATE_HZ, RATES = 50.0, 101
HIGHEST_DENSITY, DENSITIES = 4.0, 41


class ModulationTransfer(NamedTuple):
    """Response amplitude ``gain`` (..., D, W) to ripples of each density (D,) and each rate (W,).

    A positive rate is a ripple that moves down in frequency, a negative one moves up.
    """

    rate_hz: Tensor
    density_cyc_oct: Tensor
    gain: Tensor

    def __repr__(self) -> str:
        return short_repr(self)

    def peak(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rate (...) in Hz, density (...) in cycles per octave, and gain (...) of the best ripple.

        Rate and density are interpolated between the samples of their axes; NaN for a field that is zero.
        """
        index = self.gain.flatten(-2).argmax(-1)
        d, w = index // len(self.rate_hz), index % len(self.rate_hz)
        along_w = self.gain.gather(-2, d[..., None, None].expand(*self.gain.shape[:-2], 1, len(self.rate_hz)))
        along_d = self.gain.gather(-1, w[..., None, None].expand(*self.gain.shape[:-1], 1))
        w_place, height = sub_bin_peak(along_w.squeeze(-2), w)
        d_place, _ = sub_bin_peak(along_d.squeeze(-1), d)
        present = height > 0
        rate, density = at_bin(self.rate_hz, w_place), at_bin(self.density_cyc_oct, d_place)
        return (
            torch.where(present, rate, torch.nan),
            torch.where(present, density, torch.nan),
            torch.where(present, height, torch.nan),
        )


@keywords()
def modulation_transfer(
    strf: Tensor | ArrayLike,
    cf_hz: Tensor | ArrayLike,
    dt_ms: float,
    *,
    rate_hz: Tensor | ArrayLike | None = None,
    density_cyc_oct: Tensor | ArrayLike | None = None,
) -> ModulationTransfer:
    r"""Amplitude of the response to a moving ripple of amplitude 1, for every rate and density.

    The ripple is :math:`s(t, x) = \sin 2\pi(w t + \Omega x)` with x in octaves, as
    :func:`deepstrf.stimuli.moving_ripple` makes it; a receptive field h answers it with a sinusoid of amplitude
    :math:`|\sum_{f,j} h(f, j)\, e^{2\pi i(\Omega x_f - w j\,dt)}|`, j the lag. The sum runs over the centre frequencies
    where they are, whatever their spacing; a Fourier transform over bands would take them as equally spaced in octaves.

    Parameters
    ----------
    strf : Tensor or array, shape (..., F, T)
        Lag 0 in the last tap.
    cf_hz : Tensor or array, shape (F,)
        Centre frequencies, Hz, ascending.
    dt_ms : float
        Bin width, ms.
    rate_hz : Tensor or array, shape (W,), optional
        w, ascending. By default 101 from -50 to 50 Hz, or to half the bin rate if that is less.
    density_cyc_oct : Tensor or array, shape (D,), optional
        :math:`\Omega`, ascending. By default 41 from 0 to 4 cycles per octave, or to where the bands that lie farthest
        apart no longer sample a cycle twice, if that is less.

    Returns
    -------
    ModulationTransfer
        Its ``gain`` is (..., D, W), in units of response per unit of stimulus.

    Raises
    ------
    TypeError, ValueError
        A shape or a value is not as said.

    References
    ----------
    Miller, Escabí, Read & Schreiner (2002), J. Neurophysiol. 87:516.
    """
    strf = check_strf(strf)
    check_dt(dt_ms)
    octaves = octaves_of(cf_hz, strf)
    if rate_hz is None:
        highest = min(HIGHEST_RATE_HZ, 500 / dt_ms)
        rate_hz = torch.linspace(-highest, highest, RATES, dtype=torch.float64)
    if density_cyc_oct is None:
        widest = octaves.diff().max().item() if len(octaves) > 1 else 1.0
        density_cyc_oct = torch.linspace(0, min(HIGHEST_DENSITY, 0.5 / widest), DENSITIES, dtype=torch.float64)
    rate_hz, density_cyc_oct = as_tensor("rate_hz", rate_hz), as_tensor("density_cyc_oct", density_cyc_oct)
    for name, axis in (("rate_hz", rate_hz), ("density_cyc_oct", density_cyc_oct)):
        if axis.ndim != 1 or len(axis) == 0 or not bool((axis.diff() > 0).all()):
            raise ValueError(f"{name} must be ascending, of one axis, got shape {tuple(axis.shape)}")
    rate_hz, density_cyc_oct = (x.to(strf.device, torch.float64) for x in (rate_hz, density_cyc_oct))
    lag_s = torch.arange(strf.shape[-1] - 1, -1, -1, dtype=torch.float64, device=strf.device) * (dt_ms / 1000)
    along_time = torch.polar(torch.ones((), dtype=torch.float64), -2 * torch.pi * torch.outer(lag_s, rate_hz))
    along_octaves = torch.polar(
        torch.ones((), dtype=torch.float64), 2 * torch.pi * torch.outer(density_cyc_oct, octaves - octaves[0])
    )
    gain = (along_octaves @ (strf.to(along_time.dtype) @ along_time)).abs()
    dtype = strf.dtype
    return ModulationTransfer(rate_hz.to(dtype), density_cyc_oct.to(dtype), gain.to(dtype))


@keywords()
def direction_index(transfer: ModulationTransfer) -> Tensor:
    r"""Preference for ripples that move down over those that move up, :math:`(P_+ - P_-) / (P_+ + P_-)`.

    P is the sum of the squared gain over densities above 0, at rates above (+) or under (-) zero; give
    :func:`modulation_transfer` rates that are symmetric about 0.

    Parameters
    ----------
    transfer : ModulationTransfer

    Returns
    -------
    Tensor, shape (...)
        In [-1, 1], negative for a neuron that prefers upward sweeps; 0 for a separable field; NaN for a zero one.

    Raises
    ------
    ValueError
        The rates are not symmetric about 0.

    References
    ----------
    Depireux, Simon, Klein & Shamma (2001).
    """
    rate_hz = transfer.rate_hz
    if not torch.allclose(rate_hz, -rate_hz.flip(0), atol=1e-4 * rate_hz.abs().max().item()):
        raise ValueError(f"rate_hz must be symmetric about 0 Hz, got {rate_hz.min().item():g} to {rate_hz.max():g} Hz")
    power = transfer.gain[..., transfer.density_cyc_oct > 0, :].square()
    down, up = (power[..., chosen].sum((-1, -2)) for chosen in (rate_hz > 0, rate_hz < 0))
    total = down + up
    return torch.where(total > 0, (down - up) / torch.where(total > 0, total, 1.0), torch.nan)
