"""The same quantities in the plainest way: what the tests of the layers compare with."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def exponential_filter_by_loop(x: Tensor, a: Tensor, present: Tensor, past: Tensor, K: int) -> Tensor:
    """``exponential_filter`` one sample and one lag at a time, as its docstring defines it: (B, C, F, T)."""
    (B, F, T), C = x.shape, a.shape[0]
    y = x.new_zeros(B, C, F, T)
    for c in range(C):
        for f in range(F):
            S = sum(a[c, f] ** i for i in range(K - 1))
            for t in range(T):
                total = present[c, f] * x[:, f, t]
                for lag in range(1, K):
                    total = total + past[c, f] * a[c, f] ** (lag - 1) / S * x[:, f, max(t - lag, 0)]
                y[:, c, f, t] = total
    return y


def adaptrans_by_convolution(x: Tensor, d_on: Tensor, d_off: Tensor, p: Tensor, K: int) -> Tensor:
    """AdapTrans with its K taps written out and a depthwise convolution per polarity: (B, 2, F, T)."""
    w = 1 / (1 + p**2).unsqueeze(-1)
    channels = []
    for polarity, d in (("ON", d_on), ("OFF", d_off)):
        taps = (1 / (1 + d**2)).unsqueeze(-1) ** torch.arange(K - 2, -1, -1, dtype=x.dtype)
        taps = taps / taps.sum(-1, keepdim=True)
        if polarity == "ON":
            kernel = torch.cat([-w * taps, torch.ones_like(w)], dim=-1)
        else:
            kernel = torch.cat([taps, -w], dim=-1)
        padded = functional.pad(x.squeeze(1), (K - 1, 0), mode="replicate")
        channels.append(functional.conv1d(padded, kernel.unsqueeze(1), groups=x.shape[2]))
    return torch.relu(torch.stack(channels, dim=1))


def decay_by_convolution(x: Tensor, d: Tensor, K: int) -> Tensor:
    """Unit-gain exponential decay of (B, F, T) with its K taps written out and one depthwise convolution."""
    a = d**2 / (1 + d**2)
    taps = a.unsqueeze(-1) ** torch.arange(K - 1, -1, -1, dtype=x.dtype)
    taps = taps / taps.sum(-1, keepdim=True)
    padded = functional.pad(x, (K - 1, 0), mode="replicate")
    return functional.conv1d(padded, taps.unsqueeze(1), groups=x.shape[1])


def gaussian_mixture_on_dense_grid(P: Tensor, SIG: Tensor, weight: Tensor, F: int, T: int) -> Tensor:
    """Gaussian mixture through one (F, T, C_out, C_in, G) array, each Gaussian divided by its sum over the grid."""
    sigma = SIG.abs() + 0.27
    f = torch.arange(F, dtype=P.dtype).view(F, 1, 1, 1, 1)
    t = torch.arange(T, dtype=P.dtype).view(1, T, 1, 1, 1)
    exponent = -0.5 * (((f - P[0]) / sigma[0]) ** 2 + ((t - P[1]) / sigma[1]) ** 2)
    gaussian = torch.exp(exponent)
    gaussian = gaussian / gaussian.sum(dim=(0, 1), keepdim=True)
    return (gaussian * weight).sum(-1).permute(2, 3, 0, 1)


def locally_connected_by_position(
    x: Tensor, weights: Tensor, biases: Tensor | None, K: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """Local connections one output position, one input channel and one tap at a time: (B, C_out, L)."""
    C_in, size = x.shape[1:]
    outputs = []
    for position in range(weights.shape[2]):
        y = x.new_zeros(x.shape[0], weights.shape[0])
        for c in range(C_in):
            for k in range(K):
                source = position * stride + k * dilation - padding
                if 0 <= source < size:
                    y = y + x[:, c, source].unsqueeze(1) * weights[:, c * K + k, position]
        outputs.append(y if biases is None else y + biases[:, position])
    return torch.stack(outputs, dim=-1)


def locally_connected_by_copies(x: Tensor, weights: Tensor, biases: Tensor, K: int, stride: int) -> Tensor:
    """Local connections through a (B, C_out, C_in K, L) array of products."""
    patches = functional.unfold(x.unsqueeze(2), kernel_size=(1, K), stride=(1, stride))
    return (patches.unsqueeze(1) * weights).sum(2) + biases


def attention_by_dense_scores(q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
    """Windowed attention through all L x L scores."""
    L, d = q.shape[-2:]
    lag = torch.arange(L).unsqueeze(1) - torch.arange(L).unsqueeze(0)
    forbidden = lag < 0 if window is None else (lag < 0) | (lag >= window)
    scores = (q @ k.transpose(-1, -2) / math.sqrt(d)).masked_fill(forbidden, -torch.inf)
    return scores.softmax(dim=-1) @ v
