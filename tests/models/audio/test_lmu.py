"""The Legendre memory unit: its system against SciPy, its layer against its cell, and what the memory holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import cont2discrete
from scipy.special import eval_sh_legendre

from deepstrf.models.audio.lmu import LMU, LMUCell, legendre_memory
from tests.tolerances import assert_close


@pytest.mark.parametrize(("memory_size", "theta"), [(1, 2.0), (6, 20.0), (128, 99.0)])
def test_the_system_is_the_zero_order_hold_of_the_published_one(memory_size: int, theta: float) -> None:
    A, B = np.zeros((memory_size, memory_size)), np.zeros((memory_size, 1))
    for i in range(memory_size):
        B[i, 0] = (2 * i + 1) / theta * (-1) ** i
        for j in range(memory_size):
            A[i, j] = (2 * i + 1) / theta * (-1 if i < j else (-1.0) ** (i - j + 1))
    expected_A, expected_B, *_ = cont2discrete((A, B, np.eye(memory_size), np.zeros((memory_size, 1))), 1.0, "zoh")
    A, B = legendre_memory(memory_size, theta)
    np.testing.assert_allclose(A, expected_A, rtol=0, atol=1e-9)
    np.testing.assert_allclose(B, expected_B, rtol=0, atol=1e-9)


def test_the_memory_holds_the_last_theta_frames() -> None:
    """u(t - r theta) = sum_i m_i P_i(2 r - 1): the shifted Legendre series of the window (Voelker et al. 2019)."""
    theta, size = 50.0, 12
    A, B = legendre_memory(size, theta)
    t = torch.arange(200, dtype=torch.float64)
    signal = torch.sin(2 * math.pi * t / 40)
    m = torch.zeros(size, 1, dtype=torch.float64)
    for u in signal:
        m = A @ m + B * u
    for r in (0.1, 0.5, 0.9):
        decoded = sum(m[i, 0].item() * eval_sh_legendre(i, r) for i in range(size))
        # A hold over one frame delays by half a frame.
        assert decoded == pytest.approx(math.sin(2 * math.pi * (199.5 - r * theta) / 40), abs=0.02)


def test_the_layer_is_its_cell_frame_by_frame() -> None:
    layer = LMU(5, 4, memory_size=6, theta=10.0).double()
    torch.nn.init.normal_(layer.cell.e_m)
    x = torch.rand(3, 9, 5).double()
    state = torch.zeros(3, 4).double(), torch.zeros(3, 6).double()
    expected = []
    for frame in x.unbind(1):
        state = layer.cell(frame, state)
        expected.append(state[0])
    y, (h, m) = layer(x)
    assert_close(y, torch.stack(expected, dim=1))
    assert_close(h, state[0])
    assert_close(m, state[1])
    first, middle = layer(x[:, :4])
    rest, _ = layer(x[:, 4:], middle)
    assert_close(torch.cat([first, rest], dim=1), y)


def test_gradcheck() -> None:
    layer = LMU(3, 2, memory_size=4, theta=5.0).double()
    x = torch.rand(2, 4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: layer(x)[0], (x, *layer.parameters()))


def test_shapes_and_buffers() -> None:
    cell = LMUCell(5, 4, 6, 10.0)
    shapes = {name: tuple(tensor.shape) for name, tensor in cell.state_dict().items()}
    assert shapes == {
        "e_x": (1, 5), "e_h": (1, 4), "e_m": (1, 6), "W_x": (4, 5), "W_h": (4, 4), "W_m": (4, 6), "A": (6, 6),
        "B": (6, 1),
    }  # fmt: skip
    assert [name for name, _ in cell.named_buffers()] == ["A", "B"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((0, 4, 6, 10.0), "input_size must be at least 1, got 0"),
        ((5, 0, 6, 10.0), "hidden_size must be at least 1, got 0"),
        ((5, 4, 0, 10.0), "memory_size must be at least 1, got 0"),
        ((5, 4, 6, 0.0), r"theta must be positive \(frames\), got 0.0"),
        ((5, 4, 6, float("nan")), "theta must be positive"),
    ],
)
def test_sizes_that_do_not_fit(arguments: tuple[int, int, int, float], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        LMUCell(*arguments)
