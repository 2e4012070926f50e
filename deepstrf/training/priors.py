"""Priors on receptive fields: smooth, and near zero in most places.

Both measures do not depend on the size of a field, which the batch norm behind it leaves free: a plain penalty would
shrink the kernel at no cost to the fit, and then have no effect.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from deepstrf.arguments import as_tensor, check_floating, check_numbers
from deepstrf.deprecation import keywords
from deepstrf.models.layers import CausalSTRFConv
from deepstrf.models.layers.composition import receptive_field

WHITE_NOISE = 6.0
"""Mean square of the second difference of white noise of variance 1: 1 + 4 + 1."""


ROUGH_OCTAVES, ROUGH_MS = 0.103, 3.19
"""Lengths at which a field counts as rough: second differences over 34 mel bands from 0.5 to 20 kHz, and over bins of
5 ms, have such a length, by ``(w l)^4 = (w d)^4 / 6`` for slow changes w and a grid of spacing d."""

Axes = tuple[Tensor, float]
"""Centre frequencies (F,) in Hz, and bin width in ms."""


@keywords()
def roughness(
    kernel: Tensor | ArrayLike, *, cf_hz: Tensor | ArrayLike | None = None, dt_ms: float | None = None
) -> tuple[Tensor, Tensor]:
    r"""How rough each receptive field is along frequency and along time: its curvature over its own power.

    Along an axis in octaves or ms, u, it is that of the natural cubic spline k through the weights,
    :math:`\ell^4 \int k''^2 du / \int k^2 du`, where this is small: the same for the same field on any grid that
    resolves it. It saturates at 1, also for white noise on the finest grid (a component of roughness A counts as
    :math:`A / (1 + A)`). :math:`\ell` is 0.103 octaves or 3.19 ms.

    Along an axis without octaves or ms it is
    :math:`\sum (w_{i-1} - 2 w_i + w_{i+1})^2 / (6 \sum w^2)`: about 1 for white noise.

    In both cases a straight line costs nothing, and nothing is assumed of a field beyond its ends.

    Parameters
    ----------
    kernel : Tensor or array, shape (N, C, F, T)
        Differentiable.
    cf_hz : Tensor or array, shape (F,), optional
        Centre frequencies, Hz, positive and ascending.
    dt_ms : float, optional
        Bin width, ms.

    Raises
    ------
    TypeError, ValueError
        No floating-point numbers or another shape, ``cf_hz`` is not as said, or ``dt_ms`` is not positive.

    Returns
    -------
    along_frequency, along_time : Tensor, shape (N,)
        0 for an axis with fewer than 3 samples, and for a field that is zero.

    References
    ----------
    Wu, David & Gallant (2006), Annu. Rev. Neurosci. 29:477, on smoothness as a prior; Green & Silverman (1994),
    Nonparametric regression and generalized linear models, section 2.1, on the curvature of a spline.
    """
    kernel = _fields(kernel)
    F, T = kernel.shape[2:]
    along = [_in_bins(kernel, 2) if cf_hz is None else None, _in_bins(kernel, 3) if dt_ms is None else None]
    if cf_hz is not None:
        cf_hz = as_tensor("cf_hz", cf_hz)
        if cf_hz.shape != (F,) or not bool((cf_hz > 0).all()) or not bool((cf_hz.diff() > 0).all()):
            raise ValueError(f"cf_hz must be {F} ascending frequencies above 0 Hz, got {cf_hz}")
        along[0] = _on_axis(kernel, _octaves(cf_hz), ROUGH_OCTAVES, 2)
    if dt_ms is not None:
        check_numbers("must be positive (ms)", lambda ms: 0 < ms < float("inf"), dt_ms=dt_ms)
        along[1] = _on_axis(kernel, _ms(T, dt_ms), ROUGH_MS, 3)
    return along[0], along[1]  # type: ignore[return-value]


def _fields(kernel: Tensor | ArrayLike) -> Tensor:
    fields = as_tensor("kernel", kernel)
    check_floating(kernel=fields)
    if fields.ndim != 4:
        raise ValueError(f"kernel must have shape (N, C, F, T), got {tuple(fields.shape)}")
    return fields


def _octaves(cf_hz: Tensor) -> Tensor:
    return cf_hz.double().cpu().log2()


def _ms(bins: int, dt_ms: float) -> Tensor:
    return torch.arange(bins, dtype=torch.float64) * dt_ms


def _in_bins(kernel: Tensor, axis: int) -> Tensor:
    """Power of second differences over that of white noise, (N,)."""
    if kernel.shape[axis] < 3:
        return kernel.new_zeros(len(kernel))
    power = kernel.square().flatten(1).sum(1)
    differences = kernel.diff(n=2, dim=axis).square().flatten(1).sum(1)
    return differences / (WHITE_NOISE * torch.where(power > 0, power, 1.0))


def _on_axis(kernel: Tensor, place: Tensor, length: float, axis: int) -> Tensor:
    """Curvature over power, (N,), along an axis whose samples lie at ``place``, each standing for its cell."""
    if kernel.shape[axis] < 3:
        return kernel.new_zeros(len(kernel))
    form, cells = _forms(tuple(place.tolist()), length)
    form, cells = form.to(kernel), cells.to(kernel)
    along = kernel.movedim(axis, -1)
    rough = ((along @ form) * along).flatten(1).sum(1)
    power = (along.square() * cells).flatten(1).sum(1)
    return rough / torch.where(power > 0, power, 1.0)


@functools.lru_cache(maxsize=16)
def _forms(place: tuple[float, ...], length: float) -> tuple[Tensor, Tensor]:
    """Saturating curvature of the natural cubic spline as a quadratic form (n, n), and the samples' cells (n,)."""
    x = torch.tensor(place, dtype=torch.float64)
    n, h = len(x), x.diff()
    second = torch.zeros(n, n - 2, dtype=torch.float64)  # Q and R of Green & Silverman (1994)
    inner = torch.zeros(n - 2, n - 2, dtype=torch.float64)
    for j in range(n - 2):
        second[j, j], second[j + 1, j], second[j + 2, j] = 1 / h[j], -1 / h[j] - 1 / h[j + 1], 1 / h[j + 1]
        inner[j, j] = (h[j] + h[j + 1]) / 3
        if j + 1 < n - 2:
            inner[j, j + 1] = inner[j + 1, j] = h[j + 1] / 6
    curvature = length**4 * second @ torch.linalg.solve(inner, second.T)
    cells = torch.cat([h[:1], (h[1:] + h[:-1]) / 2, h[-1:]])
    root = cells.sqrt()
    values, vectors = torch.linalg.eigh(curvature / root[:, None] / root)
    values = values.clamp(min=0)
    form = (vectors * (values / (1 + values))) @ vectors.T
    return form * root[:, None] * root, cells


@keywords()
def spread(kernel: Tensor | ArrayLike) -> Tensor:
    r"""How evenly the weight of each receptive field is spread: :math:`\sum |w| / \sqrt{K \sum w^2}`, its relative L1.

    K is its number of samples. 1 when all have the same size, :math:`1/\sqrt{K}` when all but one are zero, 0.80 for
    Gaussian noise.

    Parameters
    ----------
    kernel : Tensor or array, shape (N, C, F, T)
        Differentiable.

    Returns
    -------
    Tensor, shape (N,)
        0 for a field that is zero.

    Raises
    ------
    TypeError, ValueError
        No floating-point numbers, or another shape.

    References
    ----------
    Hoyer (2004), J. Mach. Learn. Res. 5:1457.
    """
    flat = _fields(kernel).flatten(1)
    power = flat.square().sum(1)
    return flat.abs().sum(1) / (flat.shape[1] * torch.where(power > 0, power, 1.0)).sqrt()


def penalty(
    model: nn.Module, smoothness: tuple[float, float], sparsity: float, weight: Tensor, axes: Axes | None = None
) -> Tensor:
    """Sum over neurons of ``weight`` (N,) times what their receptive fields cost.

    A layer of receptive fields that is not one for each neuron (hidden units) counts with its mean, times the sum of
    the weights. With ``axes`` roughness is measured in octaves and ms, as far as a field has those bands.
    """
    total = weight.new_zeros(())
    for kernel in kernels(model):
        cf_hz, dt_ms = (None, None) if axes is None else axes
        cf_hz = cf_hz if cf_hz is not None and len(cf_hz) == kernel.shape[2] else None
        along_f, along_t = roughness(kernel, cf_hz=cf_hz, dt_ms=dt_ms)
        cost = smoothness[0] * along_f + smoothness[1] * along_t
        if sparsity:
            cost = cost + sparsity * spread(kernel)
        total = total + ((weight * cost).sum() if len(cost) == len(weight) else weight.sum() * cost.mean())
    return total


def kernels(model: nn.Module) -> Iterator[Tensor]:
    """Receptive fields (C_out, C_in, F, T) of every causal convolution in a model, differentiable.

    Raises
    ------
    NotImplementedError
        A kernel is neither one that builds itself (``build_kernel``) nor made of Conv2d alone.
    """
    for module in model.modules():
        if isinstance(module, CausalSTRFConv):
            try:
                yield receptive_field(module.kernel, module.C_in, module.F, module.T)
            except NotImplementedError as error:
                raise NotImplementedError(f"{error}: set smoothness=0 and sparsity=0") from None
