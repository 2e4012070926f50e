"""Ordinary tensors also for a cell in `torch.inference_mode`: what is kept must be of use to those that come later."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

__all__ = ["ordinary_tensors"]

Function = TypeVar("Function", bound=Callable[..., Any])


def ordinary_tensors(function: Function) -> Function:
    """The function, which makes ordinary tensors where its caller is in `torch.inference_mode`.

    Those of that mode can be neither written nor differentiated outside it: one edit there would end all others.
    """

    @functools.wraps(function)
    def outside(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_inference_mode_enabled():
            return function(*args, **kwargs)
        with torch.inference_mode(False):
            return function(*args, **kwargs)

    return outside  # type: ignore[return-value]
