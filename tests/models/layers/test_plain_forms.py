"""Layers at the sizes of real models, against the plain forms of the same quantities: values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from deepstrf.models.layers import (
    LearnableExponentialDecay,
    LocallyConnected1d,
    ParametricSTRF,
    build_causal_window_mask,
    locally_connected,
    windowed_attention,
)
from deepstrf.models.prefiltering import AdapTrans
from tests.models.layers import plain
from tests.tolerances import TOLERANCES, assert_close


class Comparison(NamedTuple):
    """Two computations of one quantity, and what they are differentiated by."""

    ours: Callable[[], Tensor]
    plain: Callable[[], Tensor]
    leaves: list[Tensor]


def adaptrans(B: int, F: int, T: int, K: int) -> Comparison:
    layer = AdapTrans(torch.exp(-1 / torch.linspace(10, 43, F)), torch.full((F,), 0.75), K)
    x = torch.rand(B, 1, F, T)
    d_on, d_off, p = leaves = list(layer.parameters())
    return Comparison(lambda: layer(x), lambda: plain.adaptrans_by_convolution(x, d_on, d_off, p, K), leaves)


def decay(B: int, F: int, T: int, K: int) -> Comparison:
    layer = LearnableExponentialDecay(F, K, init_tau=max(2.0, K / 7))
    x = torch.rand(B, F, T, requires_grad=True)
    return Comparison(lambda: layer(x), lambda: plain.decay_by_convolution(x, layer.d, K), [x, layer.d])


def gaussians(F: int, T: int, C_in: int, C_out: int, G: int) -> Comparison:
    layer = ParametricSTRF(F, T, C_in, C_out, G)
    leaves = [layer.P, layer.SIG, layer.weight]
    return Comparison(layer.build_kernel, lambda: plain.gaussian_mixture_on_dense_grid(*leaves, F, T), leaves)


def local(B: int, C_in: int, size: int, C_out: int, K: int, stride: int) -> Comparison:
    layer = LocallyConnected1d(size, C_in, C_out, K, stride)
    x = torch.randn(B, C_in, size, requires_grad=True)
    parameters = (layer.weights, layer.biases)
    return Comparison(
        lambda: locally_connected(x, *parameters, kernel_size=K, stride=stride),
        lambda: plain.locally_connected_by_copies(x, *parameters, K, stride),
        [x, *parameters],
    )


def attention(B: int, heads: int, L: int, d: int, window: int) -> Comparison:
    leaves = [torch.randn(B, heads, L, d, requires_grad=True) for _ in range(3)]
    return Comparison(
        lambda: windowed_attention(*leaves, window),
        lambda: plain.attention_by_dense_scores(*leaves, window),
        leaves,
    )


COMPARISONS: dict[str, Callable[[], Comparison]] = {
    "AdapTrans B16 F34 T1000 K651": lambda: adaptrans(16, 34, 1000, 651),
    "AdapTrans B1 F34 T1000 K651": lambda: adaptrans(1, 34, 1000, 651),
    "AdapTrans B1 F34 T8000 K651": lambda: adaptrans(1, 34, 8000, 651),
    "AdapTrans B1 F34 T200 K651": lambda: adaptrans(1, 34, 200, 651),
    "AdapTrans B1 F34 T20 K651": lambda: adaptrans(1, 34, 20, 651),
    "AdapTrans B4 F34 T300 K100": lambda: adaptrans(4, 34, 300, 100),
    "AdapTrans B16 F34 T1000 K64": lambda: adaptrans(16, 34, 1000, 64),
    "AdapTrans B16 F34 T1000 K65": lambda: adaptrans(16, 34, 1000, 65),
    "AdapTrans B16 F34 T1000 K10": lambda: adaptrans(16, 34, 1000, 10),
    "AdapTrans B1 F1 T300 K20": lambda: adaptrans(1, 1, 300, 20),
    "Decay B16 F20 T1000 K14": lambda: decay(16, 20, 1000, 14),
    "Decay B16 F34 T1000 K129": lambda: decay(16, 34, 1000, 129),
    "Decay B16 F34 T1000 K130": lambda: decay(16, 34, 1000, 130),
    "Decay B1 F20 T300 K14": lambda: decay(1, 20, 300, 14),
    "Gaussians F34 T40 C2-119 G8": lambda: gaussians(34, 40, 2, 119, 8),
    "Gaussians F34 T9 C1-5 G1": lambda: gaussians(34, 9, 1, 5, 1),
    "Gaussians F34 T40 C2-1 G8": lambda: gaussians(34, 40, 2, 1, 8),
    "Local B1600 F34 C1-7 K7": lambda: local(1600, 1, 34, 7, 7, 3),
    "Local B16 F34 C1-7 K7": lambda: local(16, 1, 34, 7, 7, 3),
    "Local B31 F34 C2-7 K7": lambda: local(31, 2, 34, 7, 7, 3),
    "Local B32 F34 C2-7 K7": lambda: local(32, 2, 34, 7, 7, 3),
    "Local B1 F34 C1-7 K7": lambda: local(1, 1, 34, 7, 7, 3),
    "Local B1 F1000 C8-8 K9": lambda: local(1, 8, 1000, 8, 9, 1),
    "Local B31 F1000 C8-8 K9": lambda: local(31, 8, 1000, 8, 9, 1),
    "Local B256 F128 C16-16 K5": lambda: local(256, 16, 128, 16, 5, 1),
    "Attention L1000 W32": lambda: attention(4, 4, 1000, 12, 32),
    "Attention L300 W32": lambda: attention(4, 4, 300, 12, 32),
    "Attention L64 W32": lambda: attention(1, 1, 64, 12, 32),
    "Attention L300 W4": lambda: attention(1, 4, 300, 12, 4),
    "Attention L500 W128": lambda: attention(4, 4, 500, 12, 128),
}


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize("name", COMPARISONS)
def test_equal_to_the_plain_form(name: str, training: bool) -> None:
    ours, other, leaves = COMPARISONS[name]()
    if training:
        upstream = torch.randn_like(ours())
        results, expected = (torch.autograd.grad(form(), leaves, upstream) for form in (ours, other))
    else:
        with torch.no_grad():
            results, expected = (ours(),), (other(),)
    for value, plain_value in zip(results, expected, strict=True):
        # Gradients are long sums that cancel in part, so what counts is the error relative to the largest.
        assert (value - plain_value).abs().max() <= TOLERANCES[torch.float32][0] * plain_value.abs().max()


def test_attention_over_a_hundred_thousand_frames() -> None:
    L, window, d = 100_000, 32, 12
    q, k, v = (torch.randn(1, 4, L, d) for _ in range(3))
    y = windowed_attention(q, k, v, window)
    last, seen = slice(L - 40, L), slice(L - 40 - window, L)
    mask = build_causal_window_mask(40 + window, window)[window:]
    scores = (q[:, :, last] @ k[:, :, seen].transpose(-1, -2) / d**0.5).masked_fill(mask, -torch.inf)
    assert_close(y[:, :, last], scores.softmax(-1) @ v[:, :, seen])
