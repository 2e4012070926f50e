"""The Legendre memory unit (LMU), a recurrent layer whose memory holds the recent past as Legendre polynomials."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deepstrf.arguments import check_numbers, whole_number

__all__ = ["LMU", "LMUCell", "legendre_memory"]

State = tuple[Tensor, Tensor]


def legendre_memory(memory_size: int, theta: float) -> tuple[Tensor, Tensor]:
    r"""Discrete system whose state holds the last ``theta`` frames of its input as Legendre coefficients.

    The continuous system :math:`\dot m = A m + B u` has :math:`A_{ij} = \frac{2i+1}{\theta} \cdot \{-1` if
    :math:`i < j`, else :math:`(-1)^{i-j+1}\}` and :math:`B_i = \frac{2i+1}{\theta} (-1)^i`; its zero-order hold over
    one frame is read off :math:`\exp \begin{pmatrix} A & B \\ 0 & 0 \end{pmatrix}`.

    Parameters
    ----------
    memory_size : int
        Coefficients M.
    theta : float
        Length of the window in frames, positive.

    Returns
    -------
    A : Tensor, shape (M, M), float64
    B : Tensor, shape (M, 1), float64

    References
    ----------
    Voelker, Kajić & Eliasmith (2019), Legendre memory units, NeurIPS.
    """
    i = torch.arange(memory_size, dtype=torch.float64)
    lag = i.unsqueeze(1) - i
    scale = (2 * i + 1).unsqueeze(1) / theta
    system = torch.zeros(memory_size + 1, memory_size + 1, dtype=torch.float64)
    system[:-1, :-1] = scale * torch.where(lag < 0, -1.0, 1 - 2 * ((lag + 1) % 2))
    system[:-1, -1:] = scale * (1 - 2 * (i % 2)).unsqueeze(1)
    step = torch.linalg.matrix_exp(system)
    return step[:-1, :-1].contiguous(), step[:-1, -1:].contiguous()


class LMUCell(nn.Module):
    r"""One frame of a Legendre memory unit, and its tensors.

    :math:`u = e_x x + e_h h + e_m m`, :math:`m' = A m + B u`, :math:`h' = \tanh(W_x x + W_h h + W_m m')`.

    Parameters
    ----------
    input_size, hidden_size : int
        Width of the input and of h.
    memory_size : int
        Legendre coefficients M.
    theta : float
        Length of the memory in frames, positive.

    Notes
    -----
    Parameters ``e_x`` (1, input), ``e_h`` (1, H), ``e_m`` (1, M), ``W_x`` (H, input), ``W_h`` (H, H), ``W_m`` (H, M);
    buffers ``A`` (M, M) and ``B`` (M, 1).
    """

    A: Tensor
    B: Tensor

    def __init__(self, input_size: int, hidden_size: int, memory_size: int, theta: float) -> None:
        super().__init__()
        self.hidden_size = whole_number("hidden_size", hidden_size)
        self.memory_size = whole_number("memory_size", memory_size)
        check_numbers("must be positive (frames)", lambda frames: 0 < frames < math.inf, theta=theta)
        self.e_x = nn.Parameter(_uniform(1, whole_number("input_size", input_size)))
        self.e_h = nn.Parameter(_uniform(1, hidden_size))
        self.e_m = nn.Parameter(torch.zeros(1, memory_size))
        self.W_x = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden_size, input_size)))
        self.W_h = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden_size, hidden_size)))
        self.W_m = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden_size, memory_size)))
        A, B = legendre_memory(memory_size, theta)
        self.register_buffer("A", A.to(torch.get_default_dtype()))
        self.register_buffer("B", B.to(torch.get_default_dtype()))

    def forward(self, x: Tensor, state: State) -> State:
        """State ``(h, m)`` after the frame ``x`` (B, input), from the state ``(B, H), (B, M)`` before it."""
        h, m = state
        u = x @ self.e_x.T + h @ self.e_h.T + m @ self.e_m.T
        m = m @ self.A.T + u @ self.B.T
        return torch.tanh(x @ self.W_x.T + h @ self.W_h.T + m @ self.W_m.T), m


def _uniform(*shape: int) -> Tensor:
    """Uniform within sqrt(3 / fan-in): unit variance of a sum over the last axis."""
    bound = math.sqrt(3.0 / shape[-1])
    return torch.empty(shape).uniform_(-bound, bound)


class LMU(nn.Module):
    """Recurrent layer of one `LMUCell`, called as ``torch.nn.GRU`` with ``batch_first=True``.

    Parameters
    ----------
    input_size, hidden_size, memory_size, theta
        As for `LMUCell`.
    """

    def __init__(self, input_size: int, hidden_size: int, memory_size: int = 128, theta: float = 99.0) -> None:
        super().__init__()
        self.cell = LMUCell(input_size, hidden_size, memory_size, theta)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs (B, T, H) and last state ``(h, m)`` for ``x`` (B, T, input); state None is zero.

        What does not depend on the state is computed for all frames at once, and the memory's feedback through
        ``e_m`` is folded into its transition, so that a frame costs three products.
        """
        cell = self.cell
        h, m = (
            state
            if state is not None
            else (x.new_zeros(x.shape[0], cell.hidden_size), x.new_zeros(x.shape[0], cell.memory_size))
        )
        drive = x @ (cell.B @ cell.e_x).T
        inputs = x @ cell.W_x.T
        feedback = torch.cat([(cell.B @ cell.e_h).T, (cell.A + cell.B @ cell.e_m).T])
        mixing = torch.cat([cell.W_h.T, cell.W_m.T])
        outputs = []
        for drive_t, input_t in zip(drive.unbind(1), inputs.unbind(1), strict=True):
            m = torch.addmm(drive_t, torch.cat([h, m], dim=1), feedback)
            h = torch.tanh(torch.addmm(input_t, torch.cat([h, m], dim=1), mixing))
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h, m)
