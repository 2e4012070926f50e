"""Layer norm over a chosen axis and sinusoidal positions, against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from deepstrf.models.layers import CausalLayerNorm, SinusoidalPositionalEncoding
from tests.tolerances import assert_close


@pytest.mark.parametrize(("dim", "size"), [(1, 3), (2, 4), (-2, 4), (-1, 5), (0, 2)])
def test_layer_norm_over_any_axis(dim: int, size: int) -> None:
    layer = CausalLayerNorm(size, dim=dim, eps=1e-3).double()
    torch.nn.init.uniform_(layer.ln.weight)
    torch.nn.init.uniform_(layer.ln.bias)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    shape = [1] * 4
    shape[dim] = size
    centred = x - x.mean(dim, keepdim=True)
    expected = centred / torch.sqrt((centred**2).mean(dim, keepdim=True) + 1e-3)
    assert_close(layer(x), expected * layer.ln.weight.view(shape) + layer.ln.bias.view(shape))
    assert set(layer.state_dict()) == {"ln.weight", "ln.bias"}
    assert not CausalLayerNorm(size, elementwise_affine=False).state_dict()


def test_layer_norm_refuses_another_size() -> None:
    with pytest.raises(ValueError, match=r"axis 1 of the input must have size 3, got shape \(2, 4, 5\)"):
        CausalLayerNorm(3)(torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match=r"axis -4 of the input must have size 3, got shape \(3, 3, 3\)"):
        CausalLayerNorm(3, dim=-4)(torch.zeros(3, 3, 3))


def test_positions_follow_the_formula() -> None:
    layer = SinusoidalPositionalEncoding(6).double()
    x = torch.randn(2, 50, 6, dtype=torch.float64)
    encoding = layer(x) - x
    for position in range(50):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert encoding[1, position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert encoding[1, position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)
    assert list(layer.state_dict()) == ["div_term"]
    assert_close(layer.div_term, [1.0, 10000 ** (-2 / 6), 10000 ** (-4 / 6)], torch.float32)


def test_late_positions_stay_apart_in_bfloat16() -> None:
    exact = SinusoidalPositionalEncoding(8)(torch.zeros(1, 3000, 8))
    coarse = SinusoidalPositionalEncoding(8).bfloat16()(torch.zeros(1, 3000, 8, dtype=torch.bfloat16))
    assert coarse.dtype == torch.bfloat16
    assert_close(coarse, exact)


def test_position_errors() -> None:
    with pytest.raises(ValueError, match="d_model must be even, got 5"):
        SinusoidalPositionalEncoding(5)
    with pytest.raises(ValueError, match="d_model must be at least 2, got 0"):
        SinusoidalPositionalEncoding(0)
    for shape in ((2, 9, 4), (9, 6)):
        with pytest.raises(ValueError, match=rf"x must have shape \(B, L, 6\), got \({shape[0]}, {shape[1]}"):
            SinusoidalPositionalEncoding(6)(torch.zeros(shape))
