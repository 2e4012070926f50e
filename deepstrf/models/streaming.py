"""Streaming of a causal model: chunks of sound in, chunks of response out, with a bounded memory.

A model is a sequence of stages. A stage is a function from the next frames, time on the last axis, to the outputs that
they complete; it keeps whatever it needs of the past. Modules that treat every frame alone are their own stage. A
module of another kind joins by a method ``stream_stage() -> Stage`` that gives a fresh stage; a model that overrides
`forward` joins by overriding ``stream_stages() -> list[Stage]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_floating

from .activations import ELEMENTWISE
from .layers import CausalLayerNorm, CausalSTRFConv, LearnableExponentialDecay
from .prediction import evaluating
from .prefiltering import AdapTrans, ICAdaptation
from .protocols import Stage, Streamable
from .readouts import LinearReadout, STRFReadout
from .switches import has_switches

__all__ = ["Stage", "Stream", "stage_of", "with_past"]

SHORT_CHUNK = 6
"""Frames up to which writing out the taps of a prefilter (K = 651, 34 bands) was measured to beat its recursion."""

# Modules whose output at a frame depends on that frame alone (time last; dropout is off in evaluation mode).
FRAME_BY_FRAME: tuple[type[nn.Module], ...] = (*ELEMENTWISE, nn.Dropout, nn.PReLU, LinearReadout)


class Stream:
    """Response of a model to an endless stimulus: call it with the next chunk, get the response to that.

    The concatenated responses equal one forward pass in evaluation mode over the whole stimulus, whatever the chunks,
    single frames included. Nothing is kept for gradients, and the memory in use does not grow.

    Parameters
    ----------
    model : NeuralModel
        Used as it is at each call, so a parameter changed meanwhile has its effect from the next chunk on.

    Raises
    ------
    ValueError
        The model needs an unbounded past.
    NotImplementedError
        A module has no streaming form.
    """

    def __init__(self, model: Streamable) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next chunk starts a new stimulus."""
        self._stages = self.model.stream_stages()
        self._like: Tensor | None = None

    def __call__(self, chunk: Tensor) -> Tensor:
        """Response (B, N, 1, t) to the next ``chunk`` (B, 1, F, t), detached; t may be 0.

        A model with a front end is fed the next samples instead, (B, ..., samples), and answers with the bins that they
        complete, perhaps none.

        Raises
        ------
        TypeError
            The chunk is not a floating-point tensor.
        ValueError
            It has not the shape that the model takes, or another batch size, dtype or device than the first one.
        """
        check_floating(chunk=chunk)
        F = getattr(self.model, "F", None)
        if type(self.model.wav2spec) is not nn.Identity:
            if chunk.dim() < 2:
                raise ValueError(f"chunk must have shape (B, ..., samples), got {tuple(chunk.shape)}")
        elif chunk.dim() != 4 or chunk.shape[1] != 1 or (F is not None and chunk.shape[2] != F):
            raise ValueError(f"chunk must have shape (B, 1, {F or 'F'}, t), got {tuple(chunk.shape)}")
        if self._like is None:
            self._like = chunk.new_empty(chunk.shape[0], 0)
        like = self._like
        if (chunk.shape[0], chunk.dtype, chunk.device) != (like.shape[0], like.dtype, like.device):
            raise ValueError(
                f"chunk must have the batch size, dtype and device of the first one ({like.shape[0]}, {like.dtype}, "
                f"{like.device}), got {chunk.shape[0]}, {chunk.dtype}, {chunk.device}; reset() starts a new stimulus"
            )
        with torch.no_grad(), evaluating(self.model):
            for stage in self._stages:
                if chunk.shape[-1] == 0:
                    return chunk.new_empty(chunk.shape[0], self.model.O, 1, 0)
                chunk = stage(chunk)
        return chunk


def with_past(function: Stage, memory: int, before: Literal["nothing", "zeros", "first"]) -> Stage:
    """Stage that gives ``function`` the last ``memory`` frames in front of the new ones.

    Parameters
    ----------
    function : callable
        Maps (..., memory + t) to (..., t).
    memory : int
        Frames to keep.
    before : {'nothing', 'zeros', 'first'}
        What stands before the first frame: nothing (fewer outputs come from the first chunk), zeros, or repetitions of
        that frame.
    """
    past: Tensor | None = None

    def stage(x: Tensor) -> Tensor:
        nonlocal past
        if past is None:
            if before == "first":
                past = x[..., :1].expand(*x.shape[:-1], memory)
            else:
                past = x.new_zeros(*x.shape[:-1], memory if before == "zeros" else 0)
        frames = torch.cat([past, x], dim=-1)
        # A copy, so that the chunk it came from can be freed.
        past = frames[..., max(0, frames.shape[-1] - memory) :].clone()
        return function(frames)

    return stage


def stage_of(module: nn.Module) -> Stage:
    """Fresh stage for ``module``.

    Raises
    ------
    NotImplementedError
        Nothing is known about a module of this type.
    """
    if has_switches(module):
        raise NotImplementedError(f"a {type(module).__name__} with parts that can be switched off is not streamed")
    if hasattr(module, "stream_stage"):
        return module.stream_stage()  # type: ignore[operator]
    cls = type(module)
    if cls in FRAME_BY_FRAME:
        return module
    if cls in _STAGE_MAKERS:
        return _STAGE_MAKERS[cls](module)
    raise NotImplementedError(
        f"a {cls.__name__} cannot be streamed: it needs a method stream_stage() -> function of the next frames"
    )


def chain(stages: list[Stage]) -> Stage:
    """Stage made of ``stages``, one after the other."""

    def stage(x: Tensor) -> Tensor:
        for part in stages:
            x = part(x)
        return x

    return stage


def _strf_stage(conv: CausalSTRFConv) -> Stage:
    return with_past(conv.kernel, conv.T - 1, "zeros")


def _strf_readout_stage(readout: STRFReadout) -> Stage:
    memory = readout.strf.T - 1
    return with_past(lambda frames: readout(frames)[..., memory:], memory, "zeros")


def _convolution_stage(conv: nn.Conv2d) -> Stage:
    """Convolution that runs on without a seam: no padding in time, or else its zeros would enter at every chunk."""
    padding = conv.padding if isinstance(conv.padding, str) else conv.padding[1]
    if padding not in (0, "valid") or conv.stride[1] != 1:
        raise NotImplementedError(f"only a Conv2d without stride or padding in time can be streamed, got {conv}")
    memory = (conv.kernel_size[1] - 1) * conv.dilation[1]

    def convolve(frames: Tensor) -> Tensor:
        if frames.shape[-1] > memory:
            return conv(frames)
        raise NotImplementedError(f"the zeros padded before a {conv} must be at least {memory} frames")

    return with_past(convolve, memory, "nothing")


def _padding_stage(pad: nn.ZeroPad2d) -> Stage:
    """Zeros in front of the first chunk only."""
    left, right, top, bottom = pad.padding
    if right != 0:
        raise NotImplementedError(f"padding on the right looks into the future and cannot be streamed, got {pad}")
    started = False

    def stage(x: Tensor) -> Tensor:
        nonlocal started
        width = 0 if started else left
        started = True
        return functional.pad(x, (width, 0, top, bottom))

    return stage


def _norm_stage(norm: CausalLayerNorm) -> Stage:
    if norm.dim in (-1, 3):
        raise NotImplementedError(f"a layer norm over time cannot be streamed, got dim={norm.dim}")
    return norm


def _flatten_stage(flatten: nn.Flatten) -> Stage:
    if (flatten.start_dim, flatten.end_dim) not in ((1, 2), (1, -2)):
        raise NotImplementedError(f"only a Flatten that keeps time last can be streamed, got {flatten}")
    return flatten


def _exponential_stage(module: Any, kernels: Callable[[], Tensor], rectify: bool) -> Stage:
    """Stage of a filter with the taps ``kernels()`` (C, F, K), before which the first sample stands for ever.

    A short chunk costs K per frame, with taps that are made again only when a parameter has changed; a long one goes
    through the module, whose cost per frame does not grow with K.
    """
    K = module.kernel_size
    made_from: list[Tensor] = []
    taps = torch.empty(0)

    def current_taps() -> Tensor:
        nonlocal made_from, taps
        tensors = [*module.parameters(), *module.buffers()]
        if len(made_from) != len(tensors) or not all(map(_same, made_from, tensors)):
            made_from = [tensor.detach().clone() for tensor in tensors]
            taps = kernels().permute(1, 2, 0)  # (F, K, C)
            taps = taps.to(torch.promote_types(taps.dtype, torch.float32))
        return taps

    def stage(frames: Tensor) -> Tensor:
        t = frames.shape[-1] - (K - 1)
        if t > SHORT_CHUNK:
            return module(frames)[..., K - 1 :]
        taps = current_taps()
        B, F = frames.shape[0], taps.shape[0]
        pasts = frames.reshape(B, F, -1).to(taps.dtype).unfold(-1, K, 1)  # (B, F, t, K)
        y = torch.matmul(pasts.transpose(0, 1).reshape(F, B * t, K), taps).view(F, B, t, -1)
        y = y.permute(1, 3, 0, 2).to(frames.dtype)  # (B, C, F, t)
        return torch.relu(y) if rectify else y.reshape(*frames.shape[:-1], t)

    return with_past(stage, K - 1, "first")


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)


def _adaptrans_stage(module: AdapTrans) -> Stage:
    return _exponential_stage(module, lambda: torch.stack(module.build_kernels()).squeeze(2), rectify=True)


def _ic_adaptation_stage(module: ICAdaptation) -> Stage:
    return _exponential_stage(module, lambda: module.build_kernels().transpose(0, 1), rectify=True)


def _decay_stage(module: LearnableExponentialDecay) -> Stage:
    return _exponential_stage(module, lambda: module.build_kernel(module.d.device).transpose(0, 1), rectify=False)


_STAGE_MAKERS: dict[type[nn.Module], Callable[[Any], Stage]] = {
    nn.Sequential: lambda module: chain([stage_of(part) for part in module]),
    nn.Conv2d: _convolution_stage,
    nn.ZeroPad2d: _padding_stage,
    nn.Flatten: _flatten_stage,
    CausalLayerNorm: _norm_stage,
    CausalSTRFConv: _strf_stage,
    STRFReadout: _strf_readout_stage,
    AdapTrans: _adaptrans_stage,
    ICAdaptation: _ic_adaptation_stage,
    LearnableExponentialDecay: _decay_stage,
}
