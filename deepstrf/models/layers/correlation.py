"""Correlation of sounds with receptive fields, with a backward pass that is quick for a few neurons."""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["correlate", "is_plain"]

MOST_OUTPUTS = 16
"""Output channels up to which two matrix products take less time than torch's backward pass of a convolution on a
processor: a tenth of it for one to six, more than it from some thirty on."""


def correlate(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Correlation (B, N, 1, T) of ``x`` (B, C, F, T + L - 1) with ``weight`` (N, C, F, L), plus ``bias`` (N,).

    The same as ``torch.nn.functional.conv2d``, bit for bit. Gradients equal its gradients to rounding.
    """
    is_quick = (
        torch.is_grad_enabled()
        and len(weight) <= MOST_OUTPUTS
        and x.device.type == "cpu"
        and x.dtype == weight.dtype in (torch.float32, torch.float64)
        and x.shape[1:3] == weight.shape[1:3]
        and not torch.jit.is_tracing()
    )
    result: Tensor = _Correlation.apply(x, weight, bias) if is_quick else functional.conv2d(x, weight, bias)
    return result


def is_plain(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether calling a module is no more than a convolution with stride 1, no padding, no dilation and one group."""
    return (
        type(module) is nn.Conv2d
        and module.stride == module.dilation == (1, 1)
        and module.padding in ((0, 0), "valid")
        and module.groups == 1
        and not {"forward", "_conv_forward"} & module.__dict__.keys()
        and not any(
            (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
        )
    )


class _Correlation(torch.autograd.Function):
    """A convolution over the whole height of its input: its gradients are products with the lagged output gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.conv2d(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        N, C, F, L = weight.shape
        B, S = len(x), x.shape[-1]
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            # (B, S, N * L): the gradient L - 1 to 0 bins before each bin of x.
            padded = functional.pad(gradient[:, :, 0], (L - 1, L - 1))
            lagged = padded.unfold(-1, L, 1).permute(0, 2, 1, 3).reshape(B, S, N * L)
        if ctx.needs_input_grad[0]:
            by_lag = weight.reshape(N, C * F, L).flip(-1).permute(1, 0, 2).reshape(C * F, N * L)
            of_x = (by_lag @ lagged.mT).reshape(x.shape)
        if ctx.needs_input_grad[1]:
            summed = (x.reshape(B, C * F, S) @ lagged).sum(0)
            of_weight = summed.reshape(C * F, N, L).permute(1, 0, 2).flip(-1).reshape(weight.shape)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None) -> Tensor:
        x, weight = ctx.saved_tensors
        parts = []
        if x_t is not None:
            parts.append(functional.conv2d(x_t, weight))
        if weight_t is not None:
            parts.append(functional.conv2d(x, weight_t))
        if bias_t is not None:
            shape = len(x), len(weight), 1, x.shape[-1] - weight.shape[-1] + 1
            parts.append(bias_t[:, None, None].expand(shape))
        return torch.stack(parts).sum(0)
