"""The private copy of a model that a session computes with, and the table of what can be edited in it."""

from __future__ import annotations

import hashlib
import weakref
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.analysis import add_switches
from deepstrf.models import NeuralModel
from deepstrf.models.switches import SWITCH

from .history import Slot
from .model_copy import own_tensors, private_copy
from .parameters import Parameter, other_tensors, parameter_table
from .proof import proven_form
from .staged_forward import FORMULA, Form

__all__ = ["Twin", "digest_of", "tensors_of", "weights_of"]


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a model by name, as views without gradients: a write to one is a write to the model."""
    named = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: tensor.detach() for name, tensor in named}


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """`tensors_of` a model but for the switches of its parts."""
    return {name: t for name, t in tensors_of(model).items() if not name.rpartition(".")[2].startswith(SWITCH)}


def digest_of(model: nn.Module) -> str:
    """Name of all weights of a model, which is another where one of their bits is."""
    found = hashlib.sha256()
    for name, tensor in weights_of(model).items():
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


class Lease:
    """Held by whoever reads a twin: as long as it lives, the twin is not written."""

    __slots__ = ("__weakref__",)


class Twin:
    """A private copy of a model: it answers what a session is asked.

    It is written in place, and only while it is not read: a reader holds a lease (:meth:`lend`), and a twin that is
    lent is left to its readers (:meth:`fork`).

    Parameters
    ----------
    model : NeuralModel
        Private already.
    axes : dict
        ``cf_hz``, ``dt_ms`` and ``delay_ms``, as :func:`parameters.parameter_table` takes them.
    form : Form
        How it may be computed.
    parts : object, optional
        What this twin has in common with those that share its modules, hooks and types of numbers; its own when None.
    """

    def __init__(self, model: NeuralModel, axes: dict[str, Any], form: Form, parts: object = None) -> None:
        self.model, self.form = model, form
        self.parts = object() if parts is None else parts
        self._axes = axes
        self.tensors = tensors_of(model)
        self._lease: weakref.ref[Lease] | None = None

    @classmethod
    def of(cls, model: NeuralModel, axes: dict[str, Any]) -> Twin:
        """A twin of the model as it is now, in the form that the types of its parts promise."""
        copied = private_copy(model)
        return cls(copied, axes, Form.of(copied))

    def another(self, model: NeuralModel) -> Twin:
        """A twin of another model on the same axes."""
        return Twin.of(model, self._axes)

    def prove(self, stimulus: Tensor) -> None:
        """Find out how it may be computed; this runs the model's own code."""
        self.form = proven_form(self.model, stimulus)
        for known in ("_table", "_by_tensor", "others"):
            vars(self).pop(known, None)

    def fork(self) -> Twin:
        """An equal twin without readers."""
        return Twin(own_tensors(self.model), self._axes, self.form, self.parts)

    def with_switches(self) -> Twin:
        """An equal twin whose parts can be switched off; all are on."""
        model = private_copy(self.model)
        add_switches(model)
        return Twin(model, self._axes, Form.of(model))

    def lend(self) -> Lease:
        """What a reader must hold as long as it reads."""
        lease = None if self._lease is None else self._lease()
        if lease is None:
            lease = Lease()
            self._lease = weakref.ref(lease)
        return lease

    @property
    def is_lent(self) -> bool:
        """Whether it has readers."""
        return self._lease is not None and self._lease() is not None

    @cached_property
    def _table(self) -> tuple[dict[str, Parameter], dict[str, str]]:
        table = parameter_table(self.model, **self._axes)
        refused = {name: reason for name, p in table.items() if (reason := self._refusal(p))}
        return {name: p for name, p in table.items() if name not in refused}, refused

    def _refusal(self, parameter: Parameter) -> str:
        if parameter.tensor not in self.tensors:
            return f"{parameter.tensor} is computed from other tensors"
        owner = parameter.tensor.rpartition(".")[0]
        if "forward" in vars(self.model.get_submodule(owner)):
            return f"{owner} has a forward of its own"
        if parameter.name.startswith("strf.") and self.form.field != FORMULA:
            return f"{owner} computes another field than its tensors say"
        return ""

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What can be edited, by name."""
        return self._table[0]

    @property
    def refused(self) -> dict[str, str]:
        """What could be edited in a model of these types but not in this one, and why."""
        return self._table[1]

    @cached_property
    def others(self) -> dict[str, Parameter]:
        """All tensors of numbers that stand in no row of ``parameters``, as rows: a fit moves them, no editor does."""
        refused = set(self.tensors) - {p.tensor for p in self.parameters.values()}
        found = other_tensors(self.model, self.parameters)
        return {name: row for name, row in found.items() if row.tensor in refused}

    @cached_property
    def _by_tensor(self) -> dict[str, list[Parameter]]:
        found: dict[str, list[Parameter]] = {}
        for parameter in self.parameters.values():
            found.setdefault(parameter.tensor, []).append(parameter)
        return found

    def concerned(self, slot: Slot) -> list[Parameter]:
        """Parameters whose values a slot holds."""
        name, index = slot
        found = self._by_tensor.get(name, ())
        # One of the two is the beginning of the other, the whole tensor () of all.
        return [p for p in found if all(one == other for one, other in zip(index, p.prefix, strict=False))]
