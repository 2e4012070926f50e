"""Convolution without weight sharing: every output position has its own filter."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_sizes
from deepstrf.deprecation import keywords

__all__ = ["LocallyConnected1d", "locally_connected"]

PRODUCT_FROM_BATCH = 32
"""Rows from which one matrix product per position was measured to beat an elementwise product and a sum."""

FEW_ROWS = 8
"""Rows up to which the latter is as fast as long as its products fit the cache."""

MOST_PRODUCTS = {True: 5_000_000, False: 250_000}
"""Numbers of that elementwise product, (B, C_out, C_in K, L), up to which it was faster: for few rows, and for more."""


@keywords()
def locally_connected(
    x: Tensor,
    weights: Tensor,
    biases: Tensor | None,
    *,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    r"""Output (B, C_out, L) of filters that differ from position to position.

    :math:`y_{b,o,l} = \sum_{c,k} x_{b,c,\,l\,stride + k\,dilation - padding}\, w_{o,\,cK+k,\,l} + bias_{o,l}`.

    Parameters
    ----------
    x : Tensor, shape (B, C_in, size)
    weights : Tensor, shape (C_out, C_in K, L)
        Patch index ``c K + k``.
    biases : Tensor, shape (C_out, L), optional
    kernel_size, stride, padding, dilation : int
        As for ``torch.nn.Conv1d``; padding is with zeros.

    Returns
    -------
    Tensor, shape (B, C_out, L)

    Notes
    -----
    One product (C_out, C_in K) x (C_in K, B) per position, all in one batched call: no (B, C_out, C_in K, L) array is
    made, except for a few rows and a small product (at most 20 MB in float32), for which that is the faster way.
    """
    B, L = x.shape[0], weights.shape[2]
    if B < PRODUCT_FROM_BATCH and B * weights.numel() <= MOST_PRODUCTS[B <= FEW_ROWS]:
        options = {"dilation": (1, dilation), "padding": (0, padding), "stride": (1, stride)}
        columns = functional.unfold(x.unsqueeze(2), (1, kernel_size), **options)  # (B, C_in K, L)
        y = (columns.unsqueeze(1) * weights).sum(dim=2)
        return y if biases is None else y + biases
    padded = functional.pad(x, (padding, padding)) if padding else x
    patches = padded.unfold(2, dilation * (kernel_size - 1) + 1, stride)[..., ::dilation]  # (B, C_in, L, K)
    columns = patches.permute(2, 1, 3, 0).reshape(L, -1, B)
    filters = weights.permute(2, 0, 1)
    if biases is None:
        return torch.bmm(filters, columns).permute(2, 1, 0)
    return torch.baddbmm(biases.t().unsqueeze(2), filters, columns).permute(2, 1, 0)


@keywords()
class LocallyConnected1d(nn.Module):
    """Between Linear and Conv1d: a filter of limited reach, another one at every output position.

    Parameters
    ----------
    input_size : int
        Positions of the input (bands F).
    in_channels, out_channels : int
        Channels.
    kernel_size, stride, padding, dilation : int
        As for ``torch.nn.Conv1d``.
    bias : bool
        Add a bias per output channel and position.

    Raises
    ------
    ValueError
        A size is out of range, or the kernel is wider than the padded input.

    Notes
    -----
    (B, C_in, input_size) -> (B, C_out, L), with L as for Conv1d. Parameters ``weights`` (C_out, C_in K, L) and
    ``biases`` (C_out, L) or None, both uniform within 1/sqrt(C_in K). Padding, dilation and ``bias=False`` work, which
    they did not in the earlier deepSTRF package.

    References
    ----------
    Rançon, Masquelier & Cottereau (2025), Commun. Biol. 8:1456.
    """

    def __init__(
        self,
        input_size: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_sizes(
            input_size=input_size,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            dilation=dilation,
        )
        check_sizes(0, padding=padding)
        span = dilation * (kernel_size - 1) + 1
        if input_size + 2 * padding < span:
            raise ValueError(
                f"kernel_size must span at most input_size + 2 padding = {input_size + 2 * padding} positions, "
                f"got {span} (kernel_size {kernel_size}, dilation {dilation})"
            )
        self.input_size, self.in_channels, self.out_channels = input_size, in_channels, out_channels
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.output_size = (input_size + 2 * padding - span) // stride + 1
        bound = 1.0 / math.sqrt(in_channels * kernel_size)
        shape = (out_channels, in_channels * kernel_size, self.output_size)
        self.weights = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.biases = (
            nn.Parameter(torch.empty(out_channels, self.output_size).uniform_(-bound, bound)) if bias else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Output (B, C_out, L); ValueError unless ``x`` is (B, C_in, input_size)."""
        if x.dim() != 3 or x.shape[1] != self.in_channels or x.shape[2] != self.input_size:
            raise ValueError(f"x must have shape (B, {self.in_channels}, {self.input_size}), got {tuple(x.shape)}")
        return locally_connected(
            x,
            self.weights,
            self.biases,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )

    def extra_repr(self) -> str:
        """Sizes, for ``print(module)``."""
        return (
            f"{self.input_size}, {self.in_channels} -> {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, bias={self.biases is not None}"
        )
