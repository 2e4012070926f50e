"""The state of a resource that a signal uses up and that recovers, in blocks of bins instead of one after the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["depletion"]

BLOCK = 32


def depletion(x: Tensor, recovery: Tensor, strength: Tensor, *, before: Tensor | None = None) -> Tensor:
    r"""Share of the resource that is there at the beginning of each bin.

    :math:`\dot d = (1 - d)\,r - u\,x\,d` with x constant within a bin, solved exactly:
    :math:`d_{t+1} = e_t d_t + (1 - e_t)\, r / (r + u x_t)` with :math:`e_t = \exp(-r - u x_t)`, so that d lies in
    (0, 1] for every x of at least 0, however strong.

    Parameters
    ----------
    x : Tensor, shape (B, F, T)
        At least 0.
    recovery : Tensor, shape (F,)
        r, share of the missing resource that comes back, per bin, at least 0.
    strength : Tensor, shape (F,)
        u, share that a unit of x uses up, per bin, at least 0.
    before : Tensor, shape (B, F), optional
        The share at the beginning of the first bin; None is 1.

    Returns
    -------
    Tensor, shape (B, F, T)
    """
    T = x.shape[-1]
    r, u = recovery[:, None], strength[:, None]
    rate = (r + u * x).clamp_min(torch.finfo(x.dtype).tiny)
    gain = -torch.expm1(-rate) * (r / rate)
    blocks = -(-T // BLOCK)
    rate, gain = (functional.pad(v, (0, blocks * BLOCK - T)).unflatten(-1, (blocks, BLOCK)) for v in (rate, gain))
    # Within a block: d after bin t is d before it times exp(-sum of rates), plus what came back in each bin s <= t
    # times exp(-sum of the rates after s). Exponents are never positive.
    total = rate.cumsum(-1)
    later = total[..., :, None] - total[..., None, :]
    causal = torch.ones(BLOCK, BLOCK, dtype=torch.bool, device=x.device).tril()
    decay = torch.where(causal, torch.exp(-torch.where(causal, later, 0.0)), 0.0)
    came_back, kept = (decay @ gain[..., None])[..., 0], torch.exp(-total)
    state = torch.ones_like(x[..., 0]) if before is None else before
    found = []
    for block in range(blocks):
        after = kept[..., block, :] * state[..., None] + came_back[..., block, :]
        found += [state[..., None], after[..., :-1]]
        state = after[..., -1]
    return torch.cat(found, -1)[..., :T]
