"""Priors on receptive fields: smooth, and near zero in most places.

Both measures do not depend on the size of a field, which the batch norm behind it leaves free: a plain penalty would
shrink the kernel at no cost to the fit, and then have no effect.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from deepstrf.models.layers import CausalSTRFConv
from deepstrf.models.layers.composition import receptive_field

WHITE_NOISE = 6.0
"""Mean square of the second difference of white noise of variance 1: 1 + 4 + 1."""


def roughness(kernel: Tensor) -> tuple[Tensor, Tensor]:
    r"""How rough each receptive field is along frequency and along time: its Laplacian's power over its own.

    :math:`\sum (w_{i-1} - 2 w_i + w_{i+1})^2 / (6 \sum w^2)` along one axis, over all channels: about 1 for white
    noise, 0 for a straight line. Beyond its ends nothing is assumed of a field.

    Parameters
    ----------
    kernel : Tensor, shape (N, C, F, T)

    Returns
    -------
    along_frequency, along_time : Tensor, shape (N,)
        0 for an axis with fewer than 3 samples, and for a field that is zero.

    References
    ----------
    Wu, David & Gallant (2006), Annu. Rev. Neurosci. 29:477, on smoothness as a prior.
    """
    power = kernel.square().flatten(1).sum(1)
    power = torch.where(power > 0, power, 1.0)

    def along(axis: int) -> Tensor:
        if kernel.shape[axis] < 3:
            return kernel.new_zeros(len(kernel))
        return kernel.diff(n=2, dim=axis).square().flatten(1).sum(1) / (WHITE_NOISE * power)

    return along(2), along(3)


def spread(kernel: Tensor) -> Tensor:
    r"""How evenly the weight of each receptive field is spread: :math:`\sum |w| / \sqrt{K \sum w^2}`, its relative L1.

    K is its number of samples. 1 when all have the same size, :math:`1/\sqrt{K}` when all but one are zero, 0.80 for
    Gaussian noise.

    Parameters
    ----------
    kernel : Tensor, shape (N, C, F, T)

    Returns
    -------
    Tensor, shape (N,)
        0 for a field that is zero.

    References
    ----------
    Hoyer (2004), J. Mach. Learn. Res. 5:1457.
    """
    flat = kernel.flatten(1)
    power = flat.square().sum(1)
    return flat.abs().sum(1) / (flat.shape[1] * torch.where(power > 0, power, 1.0)).sqrt()


def penalty(model: nn.Module, smoothness: tuple[float, float], sparsity: float, weight: Tensor) -> Tensor:
    """Sum over neurons of ``weight`` (N,) times what their receptive fields cost.

    A layer of receptive fields that is not one for each neuron (hidden units) counts with its mean, times the sum of
    the weights.
    """
    total = weight.new_zeros(())
    for kernel in kernels(model):
        along_f, along_t = roughness(kernel)
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
