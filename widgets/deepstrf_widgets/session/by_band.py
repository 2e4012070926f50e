"""A convolutional core band by band: an edit of some bands of its input runs only what is made from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from deepstrf.models import NeuralModel
from deepstrf.models.activations import ELEMENTWISE
from deepstrf.models.layers import CausalLayerNorm
from deepstrf.models.layers.exponential import HALF_PRECISION
from deepstrf.models.registry import PREFILTERS

from .model_copy import with_tensors
from .watch import same_type, same_values

__all__ = ["Heard", "Known", "Step", "core_by_band", "prefiltered_by_band", "steps_of"]

MOST_BYTES = 64 * 2**20
"""Of the steps' outputs that are kept for one sound batch; of a longer one all is computed at every edit."""


@dataclass(frozen=True)
class Step:
    """Modules that make band f of their output from bands f to f + reach - 1 of their input (B, C, F, T) alone."""

    modules: tuple[nn.Module, ...]
    reach: int
    channels: int

    def __call__(self, x: Tensor) -> Tensor:
        """Output, (B, channels, F - reach + 1, T')."""
        for module in self.modules:
            if isinstance(module, CausalLayerNorm) and x.dtype not in HALF_PRECISION:
                x = normalized(module.ln, x)
            else:
                x = module(x)
        return x


def normalized(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer norm over the channels of ``x`` (B, C, F, T), up to rounding, in half of its time.

    Torch has the channels moved to the end, where it takes few of them at a time; here whole rows of time are summed.
    """
    deviation = x - x.mean(1, keepdim=True)
    out = deviation.mul_(deviation.square().mean(1, keepdim=True).add_(norm.eps).rsqrt_())
    for tensor, combine in ((norm.weight, out.mul_), (norm.bias, out.add_)):
        if tensor is not None:
            combine(tensor[:, None, None])
    return out


@dataclass(frozen=True)
class Bands:
    """Values (B, C, F, T): those of ``base``, but for the bands from ``low`` on, which are those of ``edited``.

    A drag edits the same bands again and again: they take each other's place, and nothing of the rest is copied.
    """

    base: Tensor
    low: int = 0
    edited: Tensor | None = None

    @property
    def after(self) -> int:
        """The first band behind the edited ones."""
        return self.low + (0 if self.edited is None else self.edited.shape[2])

    def between(self, low: int, after: int) -> Tensor:
        """Bands from ``low`` to ``after - 1``, all edited ones among them, (B, C, after - low, T)."""
        if self.edited is None:
            return self.base[:, :, low:after]
        return torch.cat([self.base[:, :, low : self.low], self.edited, self.base[:, :, self.after : after]], 2)

    def whole(self) -> Tensor:
        """All bands as one tensor."""
        return self.base if self.edited is None else _with_bands(self.base, self.low, self.edited)

    def edit(self, low: int, bands: Tensor) -> Bands:
        """The same with other bands from ``low`` on."""
        again = low <= self.low and self.after <= low + bands.shape[2]
        return Bands(self.base if again else self.whole(), low, bands)


@dataclass(frozen=True)
class Known:
    """What was computed of a core: copies of its tensors, its input, and each step's output.

    It is never written, so any number of threads may go on from it. Without ``x`` only the tensors are known.
    """

    tensors: dict[str, Tensor]
    x: Tensor | None = None
    outputs: tuple[Bands, ...] = ()

    def is_of(self, core: nn.Module) -> bool:
        """Whether it was computed with the tensors that the core has now."""
        now = _tensors_of(core)
        return now.keys() == self.tensors.keys() and all(
            same_type(t, now[n]) and same_values(t, now[n]) for n, t in self.tensors.items()
        )


def _tensors_of(core: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in (*core.named_parameters(), *core.named_buffers())}


def steps_of(core: nn.Module) -> tuple[tuple[Step, ...], tuple[nn.Module, ...]]:
    """The first modules of a core as steps of one convolution each, and the modules behind them."""
    if type(core) is not nn.Sequential:
        return (), (core,)
    modules = list(core)
    end = next((at for at, module in enumerate(modules) if not _keeps_bands_apart(module)), len(modules))
    convolutions = [(at, module) for at, module in enumerate(modules[:end]) if isinstance(module, nn.Conv2d)]
    if not convolutions:
        return (), tuple(modules)
    begins = [0, *(at for at, _ in convolutions[1:]), end]
    steps = [
        Step(tuple(modules[begin:after]), module.kernel_size[0], module.out_channels)
        for (begin, after), (_, module) in zip(pairwise(begins), convolutions, strict=True)
    ]
    return tuple(steps), tuple(modules[end:])


def _keeps_bands_apart(module: nn.Module) -> bool:
    """Whether a band of the output needs of the input only that band or, of a convolution, those that follow it."""
    if type(module) is nn.Conv2d:
        padding = (0, 0) if module.padding == "valid" else module.padding
        return not isinstance(padding, str) and padding[0] == 0 and module.stride[0] == module.dilation[0] == 1
    if type(module) is nn.ZeroPad2d:
        return module.padding[2:] == (0, 0)
    if type(module) is CausalLayerNorm:
        return module.dim in (1, -3) and type(module.ln) is nn.LayerNorm
    return type(module) in (*ELEMENTWISE, nn.Dropout)


def core_by_band(core: nn.Module, x: Tensor, known: Known | None) -> tuple[Tensor, Known]:
    """Output of the core to ``x`` (B, C, F, T), up to rounding, and what is then known.

    Outputs are kept from the second time on that the core is asked with the same tensors: a core that is asked once, or
    that a fit moves, takes no more memory and time than its own forward pass.
    """
    steps, behind = steps_of(core)
    if known is None or not known.is_of(core):
        return core(x), Known({name: tensor.clone() for name, tensor in _tensors_of(core).items()})
    if _bytes_of(steps, x) > MOST_BYTES:
        return core(x), known
    outputs = known.outputs
    # None where nothing was computed that it could go on from.
    last = known.x if known.x is not None and same_type(x, known.x) else None
    changed = range(x.shape[2]) if last is None else (x != last).any(3).any(1).any(0).nonzero()[:, 0].tolist()
    if changed:
        source, made, low, high = Bands(x), [], changed[0], changed[-1]
        for at, step in enumerate(steps):
            low, high = max(low - step.reach + 1, 0), min(high, source.base.shape[2] - step.reach)
            now = step(source.between(low, high + step.reach))
            source = Bands(now) if last is None else outputs[at].edit(low, now)
            made.append(source)
        outputs = tuple(made)
    out = outputs[-1].whole()
    for module in behind:
        out = module(out)
    return out.detach(), Known(known.tensors, x, outputs)


@dataclass(frozen=True)
class Heard:
    """What a prefilter has made of a stimulus (B, 1, F, T): copies of its tensors, and its output x (B, C, F, T)."""

    stimulus: Tensor
    written: int
    """How often the stimulus had been written to."""

    tensors: dict[str, Tensor]
    x: Tensor

    def is_of(self, stimulus: Tensor, tensors: dict[str, Tensor]) -> bool:
        """Whether it is of this stimulus, and of a prefilter with tensors of these names and types."""
        return (
            self.stimulus is stimulus
            and self.written == stimulus._version
            and self.tensors.keys() == tensors.keys()
            and all(same_type(self.tensors[name], tensor) for name, tensor in tensors.items())
        )


def prefiltered_by_band(model: NeuralModel, stimulus: Tensor, heard: Heard | None) -> tuple[Tensor, Heard | None]:
    """What the core of the model is given, up to rounding, and what is then known.

    A known prefilter, which has one value of each of its parameters for each band, is run for those bands alone of
    which an edit has changed one.
    """
    ears, F = model.prefiltering, stimulus.shape[2]
    tensors = {name: tensor.clone() for name, tensor in _tensors_of(ears).items()}
    by_band = type(ears) in PREFILTERS and bool(tensors) and all(t.shape == (F,) for t in tensors.values())
    if not by_band or type(model.wav2spec) is not nn.Identity or stimulus.is_inference():
        return model.prefiltered(stimulus), None
    if heard is None or not heard.is_of(stimulus, tensors):
        x = model.prefiltered(stimulus)
    else:
        changed = torch.stack([heard.tensors[name] != tensor for name, tensor in tensors.items()]).any(0).nonzero()
        if not len(changed):
            return heard.x, heard
        low, after = int(changed[0]), int(changed[-1]) + 1
        part = with_tensors(ears, lambda _name, tensor: tensor[low:after])
        x = _with_bands(heard.x, low, part(stimulus[:, :, low:after]))
    return x, Heard(stimulus, stimulus._version, tensors, x)


def _with_bands(out: Tensor, low: int, bands: Tensor) -> Tensor:
    """``out`` (B, C, F, T) with other bands from ``low`` on, in a third of the time of torch's index_copy.

    It is a copy, or where all bands are others, these themselves.
    """
    if bands.shape[2] == out.shape[2]:
        return bands
    out = out.clone()
    out[:, :, low : low + bands.shape[2]] = bands
    return out


def _bytes_of(steps: tuple[Step, ...], x: Tensor) -> int:
    """About how much the outputs of the steps take."""
    B, _C, F, T = x.shape
    values = 0
    for step in steps:
        F -= step.reach - 1
        values += B * step.channels * F * T
    return values * x.element_size()
