"""One line for an object that holds tensors or models, where Python's own text would fill the screen."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from torch import Tensor, nn

__all__ = ["short_repr"]

MOST_ITEMS = 4
MOST_CHARACTERS = 80


def short_repr(self: Any) -> str:
    """Text of a dataclass or named tuple, with the shapes of its arrays and the classes of its models.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import torch
    >>> class Fitted(NamedTuple):
    ...     model: nn.Module
    ...     rate: Tensor
    ...     def __repr__(self):
    ...         return short_repr(self)
    >>> Fitted(nn.Identity(), torch.zeros(3, 400))
    Fitted(model=Identity, rate=Tensor(3, 400))
    """
    names = [field.name for field in fields(self)] if is_dataclass(self) else self._fields
    return f"{type(self).__name__}({', '.join(f'{name}={_short(getattr(self, name))}' for name in names)})"


def _short(value: Any) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{type(value).__name__}({', '.join(map(str, value.shape))})"
    if isinstance(value, nn.Module):
        return type(value).__name__
    if isinstance(value, partial):
        given = [*map(_short, value.args), *(f"{name}={_short(item)}" for name, item in value.keywords.items())]
        return f"{_short(value.func)}({', '.join(given)})"
    if isinstance(value, (FunctionType, type)):
        return value.__qualname__
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        shown = [_short(item) for item in value[:MOST_ITEMS]] + ["..."] * (len(value) > MOST_ITEMS)
        return f"[{', '.join(shown)}]" if isinstance(value, list) else f"({', '.join(shown)}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        pairs = [f"{_short(key)}: {_short(item)}" for key, item in list(value.items())[:MOST_ITEMS]]
        return f"{{{', '.join(pairs + ['...'] * (len(value) > MOST_ITEMS))}}}"
    text = repr(value)
    return text if not isinstance(value, str) or len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}...'"
