"""Encoding of the position in time, for a model that does not depend on the order of its input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepstrf.arguments import check_sizes
from deepstrf.deprecation import keywords

__all__ = ["SinusoidalPositionalEncoding"]

LONGEST_WAVE = 10000.0


@keywords()
class SinusoidalPositionalEncoding(nn.Module):
    """Input plus sines and cosines of the position, at frequencies ``10000^(-2i/d_model)``.

    Even columns get ``sin(position * div_term[i])``, odd ones the cosine.

    Parameters
    ----------
    d_model : int
        Width of a frame, even.

    Raises
    ------
    ValueError
        ``d_model`` is odd or below 2.

    Notes
    -----
    (B, L, d_model) -> (B, L, d_model), for any L. Persistent buffer ``div_term`` (d_model/2,). Angles are computed in
    float32 at least: in bfloat16 positions beyond 256 would not differ any more.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, NeurIPS.
    """

    div_term: Tensor

    def __init__(self, d_model: int) -> None:
        super().__init__()
        check_sizes(2, d_model=d_model)
        if d_model % 2:
            raise ValueError(f"d_model must be even, got {d_model}")
        self.d_model = d_model
        self.register_buffer("div_term", wave_frequencies(d_model).to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` plus the encoding, same shape and dtype; ValueError unless it is (B, L, d_model)."""
        if x.dim() != 3 or x.shape[-1] != self.d_model:
            raise ValueError(f"x must have shape (B, L, {self.d_model}), got {tuple(x.shape)}")
        return x + self.encoding(0, x.shape[1], x)

    def encoding(self, first: int, length: int, like: Tensor) -> Tensor:
        """Encoding (length, d_model) of the positions from ``first`` on, with the dtype and device of ``like``."""
        frequencies = self.div_term
        if frequencies.dtype in (torch.float16, torch.bfloat16):
            frequencies = wave_frequencies(self.d_model).to(like.device, torch.float32)
        position = torch.arange(first, first + length, device=like.device, dtype=frequencies.dtype)
        angle = position.unsqueeze(-1) * frequencies
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).to(like.dtype)


def wave_frequencies(d_model: int) -> Tensor:
    """Angular frequencies ``10000^(-2i/d_model)`` in radians per frame, shape (d_model/2,), float64."""
    return LONGEST_WAVE ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
