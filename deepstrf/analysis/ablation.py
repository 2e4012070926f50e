"""Parts of a model switched off and on again: bands, channels, hidden units, attention heads, memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.arguments import whole_number
from deepstrf.deprecation import keywords
from deepstrf.models import NeuralModel
from deepstrf.models.audio import AudioEncodingModel
from deepstrf.models.audio.lmu import LMU
from deepstrf.models.layers import LearnableExponentialDecay
from deepstrf.models.readouts import LinearReadout
from deepstrf.models.switches import SWITCH

__all__ = ["CHANNELS", "Switch", "ablated", "add_switches", "switches", "without_switches"]

CHANNELS = ("ON", "OFF")
"""Names of the channels after a prefilter that makes two."""

Parts = Sequence[int | str] | int | str


@keywords()
@dataclass(frozen=True)
class Switch:
    """Parts of one kind that can be switched off one by one.

    Attributes
    ----------
    name : str
        "bands", "channels", "units", "heads" or "memory"; of several layers with a number, "heads_2".
    module : str
        Module that has the switches, by its name in the model.
    count : int
        How many there are.
    meaning : str
        What is off when one is off.
    """

    name: str
    module: str
    count: int
    meaning: str

    @property
    def buffer(self) -> str:
        """Name of the buffer of the module that holds 1 where a part is on, (count,)."""
        return SWITCH + self.name


@keywords()
def switches(model: NeuralModel) -> dict[str, Switch]:
    """What can be switched off in a model, by name; a model of another kind has few such parts or none.

    ``bands``: of the spectrogram, which are then silent (0). ``channels``: after the prefilter, ON and OFF. ``units``:
    features that the readout sees. ``heads``: of each attention layer. ``memory``: of a recurrent layer, which then
    meets each frame as if it were the first, or of a leaky average, which then passes its input on.

    Parameters
    ----------
    model : NeuralModel

    Raises
    ------
    TypeError
        It is none.
    """
    if not isinstance(model, NeuralModel):
        raise TypeError(f"model must be a NeuralModel, got {type(model).__name__}")
    return {switch.name: switch for switch, _hook in _found(model)}


@keywords()
def add_switches(model: NeuralModel) -> dict[str, Switch]:
    """`switches`, and the model itself has them from now on, all on: it answers as before, its weights are the same.

    They are buffers that no checkpoint holds. A second call adds what is missing, as after an interrupt. A model with
    switches is not streamed.
    """
    found = {}
    for switch, hook in _found(model):
        module = model.get_submodule(switch.module)
        if not hasattr(module, switch.buffer):
            like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
            module.register_buffer(switch.buffer, like.new_ones(switch.count).detach(), persistent=False)
        hook(module)
        found[switch.name] = switch
    return found


@keywords()
def ablated(model: NeuralModel, off: Mapping[str, Parts]) -> NeuralModel:
    """A copy of a model with some of its parts switched off: what it answers without them.

    Parameters
    ----------
    model : NeuralModel
        Left exactly as it is.
    off : mapping of str to int, or sequence of int
        Numbers of the parts, counted from 0, by the names that `switches` gives; channels also as "ON" and "OFF".

    Returns
    -------
    NeuralModel
        With the weights of ``model``. Its buffers ``switch_...`` hold 1 for what is on; set them to switch again.

    Raises
    ------
    TypeError, ValueError
        The model has no such parts; the message names those that it has.

    Examples
    --------
    >>> import deepstrf
    >>> demo = deepstrf.load_demo()
    >>> deaf = ablated(demo.model, {"channels": "OFF", "bands": [0, 1]})
    >>> deaf(demo.stimulus.values[None, None]).shape
    torch.Size([1, 6, 1, 1000])
    """
    known = switches(model)
    made = copy.deepcopy(model)
    add_switches(made)
    for name, parts in off.items():
        if name not in known:
            raise ValueError(f"off must name parts of this model ({', '.join(known) or 'it has none'}), got {name!r}")
        switch = known[name]
        values = getattr(made.get_submodule(switch.module), switch.buffer)
        for part in [parts] if isinstance(parts, (int, str)) else parts:
            values[_number(switch, part)] = 0
    return made


@keywords()
def without_switches(model: NeuralModel) -> NeuralModel:
    """A copy of a model without switches, all parts on."""
    made = copy.deepcopy(model)
    for module in made.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [key for key, hook in hooks.items() if getattr(hook, "__module__", "") == __name__]:
                del hooks[key]
        for name in [name for name in module._buffers if name.startswith(SWITCH)]:
            delattr(module, name)
    return made


def _number(switch: Switch, part: int | str) -> int:
    if isinstance(part, str) and switch.name == "channels" and switch.count == len(CHANNELS) and part in CHANNELS:
        return CHANNELS.index(part)
    number = whole_number(switch.name, part, 0)
    if number >= switch.count:
        raise ValueError(f"{switch.name} must be numbers of 0 .. {switch.count - 1}, got {number}")
    return number


def _found(model: NeuralModel) -> Iterator[tuple[Switch, Callable[[nn.Module], None]]]:
    """Each kind of parts, with what makes a module listen to its switches."""
    if isinstance(model, AudioEncodingModel):
        bands = Switch("bands", "prefiltering", model.F, "the band is silent (0)")
        yield bands, lambda module: _before(module, _silence_bands)
        if model.C_in > 1:
            channels = Switch("channels", "prefiltering", model.C_in, "the channel after the prefilter is 0")
            yield channels, lambda module: _after(module, _silence_channels)
    memories: list[tuple[str, Callable[..., Any]]] = []
    heads: list[tuple[str, int]] = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.RNNBase, LMU)):
            memories.append((name, _forget))
        elif isinstance(module, LearnableExponentialDecay):
            memories.append((name, _pass_on))
        elif isinstance(module, nn.MultiheadAttention):
            heads.append((f"{name}.out_proj", module.num_heads))
    if isinstance(model.readout, LinearReadout):
        units = Switch("units", "readout", model.readout.in_features, "the readout sees 0 for this feature")
        yield units, lambda module: _before(module, _silence_units)
    for number, (where, count) in enumerate(heads, 1):
        name = "heads" if len(heads) == 1 else f"heads_{number}"
        yield Switch(name, where, count, "the head attends to nothing"), _listener(_before, _silence_heads, name)
    for number, (where, rule) in enumerate(memories, 1):
        name = "memory" if len(memories) == 1 else f"memory_{number}"
        yield Switch(name, where, 1, "each frame is met as if it were the first"), _listener(_after, rule, name)


def _listener(attach: Callable[..., None], rule: Callable[..., Any], name: str) -> Callable[[nn.Module], None]:
    return lambda module: attach(module, rule(SWITCH + name))


# Hooks are objects without state that read the buffer of the module that they are called with: a copy of the module
# then listens to its own.


def _before(module: nn.Module, rule: Callable[[nn.Module, tuple[Any, ...]], Any]) -> None:
    if rule not in module._forward_pre_hooks.values():
        module.register_forward_pre_hook(rule)


def _after(module: nn.Module, rule: Callable[[nn.Module, tuple[Any, ...], Any], Any]) -> None:
    if rule not in module._forward_hooks.values():
        module.register_forward_hook(rule)


def _silence_bands(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    on: Tensor = module.switch_bands  # type: ignore[assignment]
    return (inputs[0] * on[:, None], *inputs[1:])


def _silence_channels(module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    on: Tensor = module.switch_channels  # type: ignore[assignment]
    return output * on[:, None, None]


def _silence_units(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    on: Tensor = module.switch_units  # type: ignore[assignment]
    x = inputs[0]
    return (x * on.view(-1, *[1] * (x.dim() - 2)), *inputs[1:])


@dataclass(frozen=True)
class _silence_heads:  # noqa: N801 - called as the rules above
    buffer: str

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        on = getattr(module, self.buffer)
        return (inputs[0] * on.repeat_interleave(inputs[0].shape[-1] // len(on)), *inputs[1:])


@dataclass(frozen=True)
class _forget:  # noqa: N801
    buffer: str

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        on = getattr(module, self.buffer)
        if bool(on == 1):
            return output
        B, T, H = inputs[0].shape
        alone = module.forward(inputs[0].reshape(B * T, 1, H))[0].reshape(B, T, -1)
        return (on * output[0] + (1 - on) * alone, *output[1:])


@dataclass(frozen=True)
class _pass_on:  # noqa: N801
    buffer: str

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        on = getattr(module, self.buffer)
        return output if bool(on == 1) else on * output + (1 - on) * inputs[0]
