"""Whether parts of a model can be switched off, by buffers of its modules; see `deepstrf.analysis.ablated`."""

from __future__ import annotations

from torch import nn

__all__ = ["SWITCH", "has_switches"]

SWITCH = "switch_"
"""Beginning of the names of the buffers that hold 1 for each part that is on, and 0 for each that is off."""


def has_switches(module: nn.Module) -> bool:
    """Whether the module, or one inside it, has switches."""
    return any(name.rpartition(".")[2].startswith(SWITCH) for name, _ in module.named_buffers())
