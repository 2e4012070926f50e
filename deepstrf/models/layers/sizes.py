"""The check that sizes given to a constructor are whole numbers in range."""

from __future__ import annotations

from numbers import Integral

__all__ = ["check_sizes"]


def check_sizes(minimum: int = 1, **sizes: int) -> None:
    """Raise TypeError unless every size is an int, ValueError unless it is at least ``minimum``; names the argument."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise TypeError(f"{name} must be an int, got {type(size).__name__}")
        if size < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {size}")
