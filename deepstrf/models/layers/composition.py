"""The receptive field that a plug-in kernel amounts to, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["receptive_field"]


def receptive_field(kernel: nn.Module, C_in: int, F: int, T: int) -> Tensor:
    """Dense weight (C_out, C_in, F, T) of a kernel, differentiable.

    Parameters
    ----------
    kernel : nn.Module
        A module with ``build_kernel()``, a Conv2d, or Conv2d one after the other in a Sequential (the factors of a
        separable receptive field, for example). Groups and dilation are written out.
    C_in, F, T : int
        Channels, bands and taps of its input.

    Raises
    ------
    NotImplementedError
        The kernel is of another type, which is named, or does not map (B, C_in, F, T_in + T - 1) to
        (B, C_out, 1, T_in).
    """
    build_kernel = getattr(kernel, "build_kernel", None)
    if callable(build_kernel):
        return build_kernel()
    parts = list(_in_order(kernel))
    weight: Tensor | None = None
    if all(_is_plain(part) for part in parts):
        for conv in (part for part in parts if isinstance(part, nn.Conv2d)):
            weight = conv.weight if weight is None and _is_dense(conv) else _followed_by(conv, weight, C_in)
    if weight is None or weight.shape[1:] != (C_in, F, T):
        raise NotImplementedError(f"no receptive field is known for a kernel of type {type(kernel).__name__}")
    return weight


def _in_order(kernel: nn.Module) -> Iterator[nn.Module]:
    """Modules that a kernel runs one after the other. What computes the weight of one (weight norm) is none of them."""
    if isinstance(kernel, nn.Sequential):
        for part in kernel:
            yield from _in_order(part)
    else:
        yield kernel


def _is_plain(part: nn.Module) -> bool:
    return isinstance(part, nn.Conv2d) and part.stride == (1, 1) and part.padding in ((0, 0), "valid")


def _is_dense(conv: nn.Conv2d) -> bool:
    return conv.groups == 1 and conv.dilation == (1, 1)


def _followed_by(conv: nn.Conv2d, weight: Tensor | None, C_in: int) -> Tensor:
    """Weight of one convolution equal to that of ``weight`` (None: none) and then ``conv``, without their biases."""
    if weight is None:
        weight = torch.eye(C_in, dtype=conv.weight.dtype, device=conv.weight.device)[..., None, None]
    tall, wide = ((size - 1) * step for size, step in zip(conv.kernel_size, conv.dilation, strict=True))
    fields = functional.pad(weight.transpose(0, 1), (wide, wide, tall, tall))
    whole = functional.conv2d(fields, conv.weight.flip(2, 3), dilation=conv.dilation, groups=conv.groups)
    return whole.transpose(0, 1)
