"""The selective state-space (Mamba) block of the optional package mambapy, used as a recurrent layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["State", "mamba_frames", "mamba_sequence", "new_mamba"]

State = tuple[Tensor | None, Tensor]
"""Selective state (B, inner width, 16), None before the first frame, and the last inputs of its short convolution."""


def new_mamba(d_model: int) -> nn.Module:
    """Fresh ``MambaBlock`` of mambapy with its default settings.

    Parameters
    ----------
    d_model : int
        Width of a frame.

    Raises
    ------
    ImportError
        mambapy is not installed.

    References
    ----------
    Gu & Dao (2023), Mamba: linear-time sequence modeling with selective state spaces.
    """
    try:
        from mambapy.mamba import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            MambaBlock,
            MambaConfig,
        )
    except ImportError as error:
        raise ImportError(
            "rnn_type 'Mamba' needs the package mambapy, which is not installed: pip install 'deepstrf-lab[mamba]'"
        ) from error
    return MambaBlock(MambaConfig(d_model=d_model, n_layers=1))


def mamba_sequence(block: nn.Module, x: Tensor) -> Tensor:
    """Output (B, T, d_model) of a block for a whole sequence ``x`` of that shape."""
    return _in_float32_at_least(block, x)


def mamba_frames(block: nn.Module, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Output for the frames ``x`` (B, T, d_model) that follow those which left ``state``, and the state they leave."""
    return _in_float32_at_least(_FrameByFrame(block), x, state)


class _FrameByFrame(nn.Module):
    """A block run through its one-frame step, which returns its state too."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        if state is None:
            config = self.block.config
            state = (None, x.new_zeros(x.shape[0], config.d_inner, config.d_conv - 1))
        outputs = []
        for frame in x.unbind(1):
            y, state = self.block.step(frame, state)
            outputs.append(y)
        return torch.stack(outputs, dim=1), state


def _in_float32_at_least(module: nn.Module, x: Tensor, *state: Any) -> Any:
    """``module(x, *state)``; float16 and bfloat16 go through float32, which the block mixes with them and fails."""
    if x.dtype not in (torch.float16, torch.bfloat16):
        return module(x, *state)
    wide = {name: parameter.float() for name, parameter in module.named_parameters()}
    result = functional_call(module, wide, (x.float(), *state))
    return (result[0].to(x.dtype), result[1]) if state else result.to(x.dtype)
