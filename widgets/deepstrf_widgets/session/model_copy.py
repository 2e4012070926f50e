"""Copies of models and of their parts: private ones to compute with, and those cut to one neuron."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = ["own_tensors", "private_copy", "runs_as_written", "shareable", "with_tensors"]

Module = TypeVar("Module", bound=nn.Module)
Cut = Callable[[str, Tensor], Tensor]

# Packages of modules that in evaluation mode read their tensors and attributes and write none.
_STATELESS = ("torch.nn.modules.", "deepstrf.models.")
# Of these, the modules that keep tensors nowhere but in their tables of parameters and buffers.
_TABLES_ONLY = ("torch.nn.modules.activation", "torch.nn.modules.batchnorm", "torch.nn.modules.conv",
                "torch.nn.modules.linear", "torch.nn.modules.padding", "deepstrf.models.")  # fmt: skip


def private_copy(model: Module) -> Module:
    """The model in evaluation mode, without gradients, with tensors and attributes of its own.

    Raises
    ------
    ValueError
        It holds parameters without values.
    TypeError
        It cannot be copied.
    """
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(f"model must have all its values, got {name} not initialised: call it once on a sound")
        if tensor.is_meta:
            raise ValueError(f"model must have all its values, got {name} on the meta device: load its weights first")
    # What weight norm and pruning compute from the parameters is refused by `deepcopy`, so its values are given to it.
    computed = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and value.grad_fn is not None
    }
    try:
        made = copy.deepcopy(model, computed)
    except (TypeError, RuntimeError, AttributeError, pickle.PicklingError) as error:
        raise TypeError(
            "model must be one that copy.deepcopy copies, as a session computes with a copy, got "
            f"{type(model).__name__}: {error}"
        ) from error
    for parameter in made.parameters():
        if parameter.is_leaf:  # those of a copied ScriptModule are none
            parameter.requires_grad_(False)
    made.eval()
    return made


def own_tensors(module: Module, made: dict[int, object] | None = None) -> Module:
    """The module on tensors of its own; where that is enough for a copy of its own, it shares all else."""
    made = {} if made is None else made
    if id(module) in made:
        return made[id(module)]  # type: ignore[return-value]
    if not type(module).__module__.startswith(_TABLES_ONLY):
        return copy.deepcopy(module, made)

    def clone(_name: str, tensor: Tensor) -> Tensor:
        return made.setdefault(id(tensor), tensor.clone())  # type: ignore[return-value]

    twin = with_tensors(module, clone)
    made[id(module)] = twin
    children = {name: None if child is None else own_tensors(child, made) for name, child in module._modules.items()}
    vars(twin)["_modules"] = children
    return twin


def with_tensors(module: Module, change: Cut) -> Module:
    """The same module with ``change(name, tensor)`` in place of each of its own parameters and buffers."""
    twin = object.__new__(type(module))
    own = vars(twin)
    own.update(vars(module))
    for kind in ("_parameters", "_buffers"):
        table: Mapping[str, Tensor | None] = own[kind]
        if table:
            own[kind] = {name: None if tensor is None else change(name, tensor) for name, tensor in table.items()}
    return twin


def shareable(module: nn.Module) -> bool:
    """Whether any number of threads may call the module at once: nothing in it, nor its input, is written."""
    return runs_as_written(module) and all(
        type(part).__module__.startswith(_STATELESS) and not getattr(part, "inplace", False)
        for part in module.modules()
    )


def runs_as_written(module: nn.Module) -> bool:
    """Whether every part computes what its class says: no hooks, no ``forward`` of its own."""
    return not any(
        part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part) for part in module.modules()
    )
