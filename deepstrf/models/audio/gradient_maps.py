"""What each neuron of any model responds to, as the gradient of its response with respect to the sound.

The gradient has a positive sign: sound added where the map is positive raises the response.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from deepstrf.arguments import check_floating, check_sizes, whole_number
from deepstrf.memory import LIMIT_GB, check_memory

from ..prediction import evaluating
from ..protocols import SpectrogramModel, Stage
from ..streaming import chain

__all__ = ["PassingAtTheKink", "linearised", "run_up", "spectrogram_gradients", "waveform_gradients"]

Bins = Sequence[int] | Literal["all"] | None

NUMBERS_AT_ONCE = 2**19
"""Responses of one backward pass: the batch of copies of the stimulus is cut to it."""

MOST_COPIES = 32

LEAST_CHUNK = 64
"""Frames that are streamed at once, where many bins are wanted of a long sound."""

LENGTHS, SHORTEST_STEP = 8, 16
"""Different lengths of the copies, and bins between two of them at least."""


class PassingAtTheKink(TorchFunctionMode):
    """Inside the ``with`` block a rectifier whose input is exactly 0 has slope 1, where PyTorch says 0.

    At silence the rectifiers of every ON/OFF prefilter are on their kink. Slope 1 is the one-sided derivative towards
    the side that passes; with slope 0 a neuron would seem to respond to nothing.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The values of a rectifier, and slope 1 at 0; the slope of a clamp there depends on PyTorch's version."""
        if func in (torch.relu, torch.relu_, functional.relu, Tensor.relu, Tensor.relu_):
            return args[0].masked_fill(args[0] < 0, 0)
        return func(*args, **(kwargs or {}))


def run_up(model: SpectrogramModel, window: int) -> int:
    """Bins of a steady sound after which a map of ``window`` lags no longer depends on what was before it."""
    return window + max(window, model.settling_bins)


def spectrogram_gradients(
    model: SpectrogramModel,
    stimulus: Tensor | None = None,
    *,
    window: int | None = None,
    bins: Bins = None,
    neurons: Sequence[int] | None = None,
    per_channel: bool = False,
    max_gb: float = LIMIT_GB,
) -> Tensor:
    """Gradient of each neuron's response with respect to the last ``window`` bins of the spectrogram.

    Parameters
    ----------
    model : AudioEncodingModel
        Left exactly as it is: mode, statistics and ``.grad`` do not change.
    stimulus : Tensor, shape (1, 1, F, L) or (F, L), optional
        Spectrogram around which the model is linearised; None is silence (zero) that has lasted: see `run_up`.
    window : int, optional
        Lags T to show; None is ``model.T``.
    bins : None, 'all' or sequence of int
        None: the response in the last bin. Otherwise the response in each of these bins (dynamic receptive field);
        negative ones count from the end.
    neurons : sequence of int, optional
        Neurons to map, in this order; None is all N.
    per_channel : bool
        Gradient with respect to the channels after the prefilter instead of the spectrogram before it.
    max_gb : float
        Memory that the maps may take, in GB of 2^30 bytes.

    Returns
    -------
    Tensor, shape (N, C, F, T), or (len(bins), N, C, F, T)
        C is 1, or ``C_in`` per channel. Last index is lag 0; lags before the start of the stimulus are 0.

    Raises
    ------
    ValueError
        The stimulus has another shape, a bin lies outside it, there is no such neuron, or more than ``max_gb`` is
        needed.
    TypeError
        The stimulus is not a floating-point tensor, or a bin or a neuron is no int.

    Notes
    -----
    A rectifier that sits exactly on its kink counts as passing (`PassingAtTheKink`), so at silence the map is that of
    the ON and the OFF path together. Memory grows with N, not with its square; time with the number of maps, one for
    each pair of a neuron and a bin. Where several bins of a long sound are wanted of a recurrent model, it is
    taken chunk by chunk, so that a map costs the same however late its bin is.
    """
    T = model.T if window is None else whole_number("window", window)
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    if stimulus is None:
        check_memory("the sound before the map", 4.0 * model.F * run_up(model, T), max_gb)
        stimulus = torch.zeros(model.F, run_up(model, T), dtype=like.dtype, device=like.device)
    check_floating(stimulus=stimulus)
    x = stimulus[None, None] if stimulus.dim() == 2 else stimulus
    if x.dim() != 4 or x.shape[:3] != (1, 1, model.F) or x.shape[3] == 0:
        raise ValueError(f"stimulus must have shape (1, 1, {model.F}, L) with L > 0, got {tuple(stimulus.shape)}")
    L = x.shape[-1]
    wanted = [L - 1] if bins is None else _checked("bins", range(L) if _all(bins) else bins, L)
    chosen = list(range(model.O)) if neurons is None else _checked("neurons", neurons, model.O)
    part = _with_identity(model, "wav2spec")
    if per_channel:
        with torch.no_grad(), evaluating(model):
            x = model.prefiltering(x)
        part = _with_identity(part, "prefiltering")
    _check_maps(len(wanted), len(chosen), x.shape[1] * model.F * T, x.element_size(), max_gb)
    maps = x.new_zeros(len(wanted), len(chosen), x.shape[1], model.F, T)
    pairs = [(neuron, t) for t in wanted for neuron in chosen]
    stages = _stages(part) if len(wanted) > 1 and 2 * max(T, LEAST_CHUNK) < L and model.settling_bins else None
    found = _gradients(part, x, pairs, causal=True) if stages is None else _streamed(part, stages, x, pairs, T)
    for place, (_, t), gradient in found:
        lags = min(T, t + 1)
        maps.flatten(0, 1)[place, ..., T - lags :] = gradient[..., -lags:]
    if per_channel:
        # Sounds given behind the prefilter do not pass its switches.
        for name, beside in (("switch_channels", (..., None, None)), ("switch_bands", (..., None))):
            on = getattr(model.prefiltering, name, None)
            maps = maps if on is None else maps * on[beside]
    return maps[0] if bins is None else maps


def _check_maps(bins: int, neurons: int, numbers: int, number_bytes: int, max_gb: float) -> None:
    check_memory(
        f"the gradient maps of {neurons} neurons at {bins} bins, {numbers} numbers each,",
        float(number_bytes) * bins * neurons * numbers,
        max_gb,
    )


def waveform_gradients(
    model: SpectrogramModel, waveform: Tensor, *, bins: Bins = None, max_gb: float = LIMIT_GB
) -> Tensor:
    """Gradient of each neuron's response with respect to the samples of a waveform, through the model's front end.

    Parameters
    ----------
    model : AudioEncodingModel
        With a ``wav2spec`` that is not the identity. Left exactly as it is.
    waveform : Tensor, shape (1, ...)
        One sound, in the form that ``wav2spec`` takes.
    bins : None, 'all' or sequence of int
        Response bins, as for `spectrogram_gradients`.
    max_gb : float
        Memory that the maps may take, in GB of 2^30 bytes.

    Returns
    -------
    Tensor, shape (N, ...), or (len(bins), N, ...)
        The dots stand for the shape of the waveform without its first axis.

    Raises
    ------
    ValueError
        The model has no front end, there is more than one sound, a bin lies outside the response, or more than
        ``max_gb`` is needed.
    """
    if type(model.wav2spec) is nn.Identity:
        raise ValueError(f"wav2spec of this {type(model).__name__} is the identity: it takes no waveform")
    check_floating(waveform=waveform)
    if waveform.dim() < 2 or waveform.shape[0] != 1:
        raise ValueError(f"waveform must hold one sound, shape (1, ...), got {tuple(waveform.shape)}")
    with torch.no_grad(), evaluating(model):
        length = model(waveform).shape[-1]
    wanted = [length - 1] if bins is None else _checked("bins", range(length) if _all(bins) else bins, length)
    _check_maps(len(wanted), model.O, waveform.numel(), waveform.element_size(), max_gb)
    maps = waveform.new_zeros(len(wanted), model.O, *waveform.shape[1:])
    pairs = [(neuron, t) for t in wanted for neuron in range(model.O)]
    for place, _, gradient in _gradients(model, waveform, pairs, causal=False):
        maps.flatten(0, 1)[place] = gradient
    return maps[0] if bins is None else maps


def _gradients(
    model: SpectrogramModel, x: Tensor, pairs: list[tuple[int, int]], *, causal: bool
) -> Iterator[tuple[int, tuple[int, int], Tensor]]:
    """Place, (neuron, bin) and gradient of that response with respect to ``x``, for each of the ``pairs`` in turn.

    Every pair has its own copy of the stimulus in a batch, so one backward pass serves many, recurrent layers included.
    With ``causal`` the copies end soon after the last bin in question, and each gradient at its own bin.
    """
    copies = max(1, min(MOST_COPIES, NUMBERS_AT_ONCE // (model.O * x.shape[-1])))
    for start in range(0, len(pairs), copies):
        some = pairs[start : start + copies]
        neurons, times = [neuron for neuron, _ in some], [t for _, t in some]
        # Not one length for each bin: oneDNN keeps memory for each shape that it has met.
        step = max(SHORTEST_STEP, -(-x.shape[-1] // LENGTHS))
        end = min(x.shape[-1], (max(times) // step + 1) * step) if causal else x.shape[-1]
        with linearised(model):
            leaf = x[..., :end].detach().expand(len(some), *x.shape[1:-1], end).clone().requires_grad_()
            response = differentiable(model(leaf))[torch.arange(len(some)), neurons, 0, times]
            (gradients,) = torch.autograd.grad(response.sum(), leaf)
        for row, gradient in enumerate(gradients):
            yield start + row, some[row], gradient[..., : times[row] + 1] if causal else gradient


def _stages(model: SpectrogramModel) -> list[Stage] | None:
    """Fresh stages of a model that streams, else None."""
    try:
        return model.stream_stages()
    except (NotImplementedError, ValueError):
        return None


def _streamed(
    model: SpectrogramModel, stages: list[Stage], x: Tensor, pairs: list[tuple[int, int]], window: int
) -> Iterator[tuple[int, tuple[int, int], Tensor]]:
    """As causal `_gradients`, in the order of time, of at least the last ``window`` bins (or all that there are).

    A backward pass ends at the chunks that hold these bins: what the model remembers from before is taken as it is.
    """
    size = max(window, LEAST_CHUNK)
    copies = max(1, min(MOST_COPIES, NUMBERS_AT_ONCE // (model.O * size)))
    in_time = sorted(range(len(pairs)), key=lambda place: pairs[place][1])
    chunks: deque[tuple[Tensor, Tensor]] = deque()
    with linearised(model):
        for start in range(0, max(t for _, t in pairs) + 1, size):
            leaf = x[..., start : start + size].detach().repeat(copies, 1, 1, 1).requires_grad_()
            chunks.append((leaf, differentiable(chain(stages)(leaf))))
            if len(chunks) > 2:
                # No later pass comes here: one that keeps nothing frees what was kept for it.
                old, response = chunks.popleft()
                torch.autograd.grad(response.sum(), old)
            leaves, response = [leaf for leaf, _ in chunks], chunks[-1][1]
            here = [place for place in in_time if start <= pairs[place][1] < start + size]
            for first in range(0, len(here), copies):
                some = here[first : first + copies]
                neurons, times = zip(*(pairs[place] for place in some), strict=True)
                chosen = response[torch.arange(len(some)), list(neurons), 0, [t - start for t in times]]
                gradients = torch.cat(torch.autograd.grad(chosen.sum(), leaves, retain_graph=True), -1)
                for place, t, gradient in zip(some, times, gradients, strict=False):
                    after = start + leaf.shape[-1] - 1 - t
                    yield place, pairs[place], gradient[..., : gradient.shape[-1] - after]


def differentiable(response: Tensor) -> Tensor:
    """The response; ValueError where torch cannot say how it depends on the sound."""
    if not response.requires_grad:
        raise ValueError("model must be made of operations that torch differentiates, got a response without gradient")
    return response


@contextmanager
def linearised(model: SpectrogramModel) -> Iterator[None]:
    """Evaluation mode with one-sided gradients, also where the caller has switched gradients off."""
    # cuDNN refuses the backward pass of a recurrent layer in evaluation mode; PyTorch's own kernels do not.
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        evaluating(model),
        PassingAtTheKink(),
        torch.backends.cudnn.flags(enabled=False),
    ):
        yield


def _with_identity(model: SpectrogramModel, slot: str) -> SpectrogramModel:
    """The same model, sharing every tensor, with the identity in one slot; ``model`` itself is not touched."""
    other = copy.copy(model)
    other._modules = {**model._modules, slot: nn.Identity()}
    return other


def _checked(name: str, indices: Sequence[int] | str, length: int) -> list[int]:
    """Indices counted from the start; TypeError unless ints, ValueError for one outside 0 .. length-1."""
    if isinstance(indices, str):
        raise ValueError(f"{name} must be None, 'all' or a sequence of ints, got {indices!r}")
    for index in indices:
        check_sizes(None, **{name: index})
        if not -length <= index < length:
            raise ValueError(f"{name} must lie in {-length} .. {length - 1}, got {index}")
    return [index % length for index in indices]


def _all(bins: Sequence[int] | str) -> bool:
    return isinstance(bins, str) and bins == "all"
