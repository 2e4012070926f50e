# ruff: noqa: D102
"""Attributes of a model that streaming, gradient maps and checkpoints use, so that none of them imports its class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch import Tensor, nn

__all__ = ["Savable", "SpectrogramModel", "Stage", "Streamable"]

Stage = Callable[[Tensor], Tensor]
"""From the next frames, time on the last axis, to the outputs that they complete."""


class Streamable(Protocol):
    """A model that lists the stages of its forward pass."""

    O: int  # noqa: E741 - the published name of the number of neurons
    wav2spec: nn.Module

    def modules(self) -> Iterator[nn.Module]: ...

    def stream_stages(self) -> list[Stage]: ...


class SpectrogramModel(Streamable, Protocol):
    """A model of T lags of a spectrogram with F bands, with an exchangeable front end and prefilter."""

    F: int
    T: int
    settling_bins: int
    prefiltering: nn.Module
    _modules: dict[str, Any]

    def __call__(self, stimulus: Tensor, /) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Savable(Protocol):
    """A model that has recorded the arguments of its constructor."""

    O: int  # noqa: E741
    _init_kwargs: dict[str, Any]

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def count_trainable_params(self) -> int: ...
