"""Whether others have changed a model: judged by what torch counts, without reading the values."""

from __future__ import annotations

from itertools import chain
from typing import Any

from torch import Tensor, nn

__all__ = ["Marks", "Watch", "same_type", "same_values"]

Marks = tuple[list[int], list[int]]
"""Versions and addresses of the tensors of a model."""

MEMBERS = ("_parameters", "_buffers", "_modules")
HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class Watch:
    """The marks that a change of a model leaves, as they were at some moment.

    Values: the versions of the tensors, which every in-place operation counts up, and where their storage lies. What
    passes both by (``.data.copy_``, a NumPy view, a fused optimizer) is found by comparing values only.
    Structure: modules and tensors by identity, classes, own ``forward`` methods, the number of hooks, and the settings
    that torch's modules name in ``__constants__``, as ``eps`` of a batch norm.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = list(model.modules())
        self._owners = [vars(module) for module in self._modules]
        self._tables = [owner[name] for owner in self._owners for name in MEMBERS + HOOKS]
        self._sizes = list(map(len, self._tables))
        self._filled = [owner[name].values() for owner in self._owners for name in MEMBERS if owner[name]]
        self._members = list(chain.from_iterable(self._filled))
        self._ids = list(map(id, self._members))  # of objects that are held, so that no other takes their place
        self._kinds = self._kinds_now()
        self._named = [
            (owner, name)
            for module, owner in zip(self._modules, self._owners, strict=True)
            for name in getattr(type(module), "__constants__", ())
            if isinstance(owner.get(name), (bool, int, float, str, tuple))
        ]
        self._settings = self._settings_now()
        self._tensors = [one for one in self._members if isinstance(one, Tensor) and not one.is_inference()]
        numbers: dict[int, list[int]] = {id(tensor): [] for tensor in self._tensors}
        for number, tensor in enumerate(self._tensors):
            numbers[id(tensor)].append(number)
        named = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
        self._places: dict[str, list[int]] = {name: numbers.get(id(tensor), []) for name, tensor in named}
        self.seen: Marks = self.marks()

    def _kinds_now(self) -> tuple[list[type], list[Any]]:
        return list(map(type, self._modules)), [owner.get("forward") for owner in self._owners]

    def _settings_now(self) -> list[Any]:
        return [owner.get(name) for owner, name in self._named]

    def marks(self) -> Marks:
        """Versions and addresses of the tensors now."""
        return [tensor._version for tensor in self._tensors], [tensor.data_ptr() for tensor in self._tensors]

    def expect(self, written: list[str]) -> None:
        """Take one write to each of the named tensors for seen: more than that is another writer's."""
        versions, places = self.seen
        versions = list(versions)
        for name in written:
            for place in self._places.get(name, ()):
                versions[place] += 1
        self.seen = versions, places

    def values_changed(self) -> bool:
        """Whether a tensor has been written to."""
        return self.marks() != self.seen

    def structure_changed(self) -> bool:
        """Whether modules, tensors, hooks or settings are others."""
        return (
            list(map(len, self._tables)) != self._sizes
            or list(map(id, chain.from_iterable(self._filled))) != self._ids
            or self._kinds_now() != self._kinds
            or self._settings_now() != self._settings
        )


def same_type(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape, type and device."""
    return one.shape == other.shape and one.dtype == other.dtype and one.device == other.device


def same_values(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one type hold the same numbers; NaN is NaN."""
    return one.equal(other) or bool(((one == other) | ((one != one) & (other != other))).all())
