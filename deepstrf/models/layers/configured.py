"""Layers that can be built again from what they are."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

__all__ = ["Configured"]


class Configured(nn.Module):
    """A layer whose constructor arguments are attributes of the same name; ``bias`` is whether it has one."""

    arguments: ClassVar[tuple[str, ...]] = ()

    def config(self) -> dict[str, Any]:
        """Constructor arguments, JSON-able."""
        values = {name: getattr(self, name) for name in self.arguments}
        return values | ({"bias": values["bias"] is not None} if "bias" in values else {})

    def extra_repr(self) -> str:
        """Constructor arguments, for ``print(module)``."""
        return ", ".join(f"{name}={value}" for name, value in self.config().items())
