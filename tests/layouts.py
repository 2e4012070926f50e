"""The same numbers in another memory layout: views of permuted, wider and offset storage."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor


def relaid(x: Tensor, order: list[int], steps: list[int]) -> Tensor:
    """``x`` as a view into fresh storage with the axes in that ``order``, of which every step-th element is used."""
    inverse = [order.index(axis) for axis in range(x.dim())]
    wide = [size * step + step for size, step in zip(x.shape, steps, strict=True)]
    storage = torch.full([wide[axis] for axis in order], torch.nan, dtype=x.dtype).permute(inverse)
    view = storage[tuple(slice(step, step + size * step, step) for size, step in zip(x.shape, steps, strict=True))]
    return view.copy_(x)


def layouts_of(x: Tensor) -> st.SearchStrategy[Tensor]:
    """Any such layout of ``x``; what lies between its elements is NaN, so that reading it shows."""
    axes = list(range(x.dim()))
    steps = st.lists(st.integers(1, 3), min_size=x.dim(), max_size=x.dim())
    return st.builds(lambda order, steps: relaid(x, order, steps), st.permutations(axes), steps)
