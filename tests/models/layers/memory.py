"""How large the largest tensor is that a computation makes on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Watch(TorchDispatchMode):
    """Keeps the size of the largest result of any operation inside the ``with`` block."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.largest = max(self.largest, leaf.untyped_storage().nbytes() // leaf.element_size())
        return result


def largest_tensor(function: Callable[[], Any]) -> int:
    """Numbers in the largest tensor that ``function`` makes or touches, its backward pass included if it runs one."""
    with _Watch() as watch:
        function()
    return watch.largest
