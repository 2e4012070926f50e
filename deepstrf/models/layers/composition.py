"""What a plug-in receptive-field kernel amounts to: one dense weight and one bias."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["kernel_and_bias"]


def kernel_and_bias(kernel: nn.Module) -> tuple[Tensor, Tensor]:
    """Dense weight (C_out, C_in, F, T) and bias (C_out,), zero without one: detached copies on the CPU.

    Parameters
    ----------
    kernel : nn.Module
        A module with ``build_kernel()`` (and perhaps ``bias``), a Conv2d, or a Sequential of two Conv2d that on each
        axis have one kernel of size 1, as in a frequency-time separable receptive field.

    Raises
    ------
    NotImplementedError
        The kernel is of another type, which is named.
    """
    with torch.no_grad():
        weight, bias = _weight_and_bias(kernel)
        if bias is None:
            bias = weight.new_zeros(weight.shape[0])
        return weight.detach().cpu().clone(), bias.detach().cpu().clone()


def _weight_and_bias(kernel: nn.Module) -> tuple[Tensor, Tensor | None]:
    build_kernel = getattr(kernel, "build_kernel", None)
    if callable(build_kernel):
        return build_kernel(), getattr(kernel, "bias", None)
    if isinstance(kernel, nn.Conv2d):
        return _dense_weight(kernel), kernel.bias
    if isinstance(kernel, nn.Sequential) and len(kernel) == 2:
        first, second = kernel[0], kernel[1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d) and _one_axis_each(first, second):
            return _compose(first, second)
    raise NotImplementedError(f"no receptive field is known for a kernel of type {type(kernel).__name__}")


def _one_axis_each(first: nn.Conv2d, second: nn.Conv2d) -> bool:
    return all(min(sizes) == 1 for sizes in zip(first.kernel_size, second.kernel_size, strict=True))


def _compose(first: nn.Conv2d, second: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    """One convolution equal to ``second(first(x))``: as on each axis one kernel has size 1, a broadcast product."""
    inner, outer = _dense_weight(first), _dense_weight(second)
    weight = (outer.unsqueeze(2) * inner.unsqueeze(0)).sum(dim=1)
    if first.bias is None:
        return weight, second.bias
    carried = outer.sum(dim=(2, 3)) @ first.bias
    return weight, carried if second.bias is None else carried + second.bias


def _dense_weight(conv: nn.Conv2d) -> Tensor:
    """Weight of a grouped convolution written out over all input channels, shape (C_out, C_in, F, T)."""
    if conv.groups == 1:
        return conv.weight
    per_out, per_in = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    dense = conv.weight.new_zeros(conv.out_channels, conv.in_channels, *conv.kernel_size)
    for group in range(conv.groups):
        out = slice(group * per_out, (group + 1) * per_out)
        dense[out, group * per_in : (group + 1) * per_in] = conv.weight[out]
    return dense
