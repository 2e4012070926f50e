"""Weights too small to matter, taken out before they slow a convolution down."""

from __future__ import annotations

from torch import Tensor

__all__ = ["without_negligible"]


def without_negligible(weights: Tensor, below: float) -> Tensor:
    """``weights`` with zeros in the place of those under ``below``; gradients are those of the weights as they were.

    The tails of Gaussians and exponentials run through the subnormal numbers (under 1e-38 in float32). A processor
    takes about a hundred times as long over one of them, so that a few dozen among the taps of a kernel make its
    convolution take several times as long.

    Parameters
    ----------
    weights : Tensor, shape (...)
        Non-negative.
    below : float
        A fraction of the largest weight that changes no sum, yet whose products are no subnormal numbers.

    Returns
    -------
    Tensor, shape (...)
    """
    return weights - (weights * (weights < below)).detach()
