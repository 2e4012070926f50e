"""Causal attention with a limited look-back, and the mask that describes it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deepstrf.arguments import check_numbers, check_sizes
from deepstrf.deprecation import keywords

__all__ = ["build_causal_window_mask", "windowed_attention"]

SMALLEST_BLOCK = 16
"""Queries handled together when the window is shorter than this."""

LARGEST_BLOCK = 128
"""Queries handled together when the window is longer than this."""

NUMBERS_AT_ONCE = 2**20
"""Scores, keys and values copied at a time (4 MB in float32): longer sequences are walked through in chunks."""

DENSE_UP_TO = 256
"""Frames up to which one dense masked call was measured to be as fast, whatever the window."""

DENSE_AT_MOST = 1024
"""Frames up to which it was measured to be as fast when they are no more than four windows."""


@keywords()
def build_causal_window_mask(L: int, window: int | None = None, device: torch.device | str | None = None) -> Tensor:
    """Boolean mask of causal self-attention, True where attention is forbidden.

    Position i sees position j if ``j <= i`` and, with a window, ``i - j < window``.

    Parameters
    ----------
    L : int
        Sequence length.
    window : int, optional
        Frames seen, the current one included, at least 1; None is the whole past.
    device : device, optional
        Where the mask is made.

    Returns
    -------
    Tensor, shape (L, L), bool
        As ``nn.TransformerEncoderLayer`` takes it (``scaled_dot_product_attention`` takes its negation).

    Raises
    ------
    ValueError
        ``window`` is below 1 frame or ``L`` below 0.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, NeurIPS.

    Examples
    --------
    >>> build_causal_window_mask(3, window=2).int().tolist()
    [[0, 1, 1], [0, 0, 1], [1, 0, 0]]
    """
    check_sizes(0, L=L)
    if window is not None:
        check_sizes(window=window)
    position = torch.arange(L, device=device)
    lag = position.unsqueeze(1) - position.unsqueeze(0)
    forbidden = lag < 0
    return forbidden if window is None else forbidden | (lag >= window)


@keywords()
def windowed_attention(q: Tensor, k: Tensor, v: Tensor, window: int | None, *, dropout: float = 0.0) -> Tensor:
    r"""Softmax attention in which frame i sees frames i-window+1 to i, at a cost in time and memory of L * window.

    Equal to :math:`softmax(q k^T/\sqrt d + mask)\, v` with `build_causal_window_mask`, but the L x L scores are never
    made: queries are cut into blocks, each of which meets only the keys of its own and the preceding frames within
    reach, and long sequences are walked through in chunks of such blocks.

    Parameters
    ----------
    q, k, v : Tensor, shape (B, heads, L, d)
    window : int or None
        Frames seen, the current one included, at least 1; None is the whole past.
    dropout : float
        Probability with which an attention weight is dropped; give 0 outside training.

    Returns
    -------
    Tensor, shape (B, heads, L, d)

    Raises
    ------
    ValueError
        Shapes differ or are not 4-D, ``window`` is below 1 frame, or ``dropout`` lies outside [0, 1].

    Notes
    -----
    Causal bit for bit: a change of any frame after i leaves the output at i the same number.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, NeurIPS; Beltagy, Peters & Cohan (2020), Longformer,
    arXiv:2004.05150, for the window.
    """
    if q.dim() != 4 or k.shape != q.shape or v.shape != q.shape:
        shapes = ", ".join(str(tuple(t.shape)) for t in (q, k, v))
        raise ValueError(f"q, k, v must share one shape (B, heads, L, d), got {shapes}")
    check_numbers("must lie in [0, 1]", lambda p: 0 <= p <= 1, dropout=dropout)
    if window is None:
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
    check_sizes(window=window)
    B, heads, L, d = q.shape
    if max(DENSE_UP_TO, min(4 * window, DENSE_AT_MOST)) >= L:
        allowed = ~build_causal_window_mask(L, window, device=q.device)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropout)
    block = min(max(window, SMALLEST_BLOCK), LARGEST_BLOCK)
    before = -(-(window - 1) // block)  # whole blocks of past that a query may reach into
    if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
        # In one piece: the weights are kept for the backward pass in any case.
        return _attend_blocks(q, k, v, window, block, dropout)
    chunk = block * max(1, NUMBERS_AT_ONCE // (B * heads * (before + 1) * block * (block + 2 * d)))
    y = torch.empty_like(q)
    for start in range(0, L, chunk):
        now = slice(start, min(start + chunk, L))
        past = slice(max(0, start - before * block), now.stop)
        y[:, :, now] = _attend_blocks(q[:, :, now], k[:, :, past], v[:, :, past], window, block, dropout)
    return y


def _attend_blocks(q: Tensor, k: Tensor, v: Tensor, window: int, block: int, dropout: float) -> Tensor:
    """Windowed attention of the last frames of ``k`` and ``v``, as many as ``q`` has, block by block."""
    B, heads, L, d = q.shape
    blocks = -(-L // block)
    before = -(-(window - 1) // block)
    tail = blocks * block - L
    missing = before * block - (k.shape[2] - L)  # frames before the recording

    def with_past(x: Tensor) -> Tensor:
        """Frames of each block and of the blocks before it, (B, heads, blocks, (before + 1) block, d)."""
        cut = functional.pad(x, (0, 0, missing, tail)).view(B, heads, before + blocks, block, d)
        return torch.cat([cut[:, :, shift : shift + blocks] for shift in range(before + 1)], dim=3)

    queries = functional.pad(q / math.sqrt(d), (0, 0, 0, tail)).view(B, heads, blocks, block, d)
    seen = torch.arange((before + 1) * block, device=q.device) - before * block
    lag = torch.arange(block, device=q.device).unsqueeze(1) - seen
    first_frame = torch.arange(blocks, device=q.device)[:, None, None] * block + before * block - missing
    forbidden = (lag < 0) | (lag >= window) | (first_frame + seen < 0)
    scores = (queries @ with_past(k).transpose(-1, -2)).masked_fill_(forbidden, -torch.inf)
    weights = functional.dropout(scores.softmax(dim=-1), dropout)
    return (weights @ with_past(v)).reshape(B, heads, blocks * block, d)[:, :, :L]
