"""What a session opens in place of a module that it cannot edit itself, and what cannot be edited in a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepstrf.models import NeuralModel

from .argument_validation import Sound, as_batch
from .model_copy import private_copy
from .staged_forward import SWITCHED, Form
from .twin import Twin

__all__ = ["CompiledModel", "is_unexpected", "opened", "restrictions"]

WRAPPERS = ("module", "_orig_mod")
"""Where DataParallel, DistributedDataParallel and torch.compile keep the model that they wrap."""

COMPILED = (torch.jit.ScriptModule, torch.fx.GraphModule)


class CompiledModel(NeuralModel):
    """A module that has no parts any more (scripted, traced, quantised by FX), as a model of one stage."""

    def __init__(self, module: nn.Module, out_neurons: int) -> None:
        super().__init__(out_neurons)
        self.compiled = module

    def forward(self, stimulus: Tensor) -> Tensor:
        """Response (B, N, 1, T) of the module to a stimulus."""
        return self.compiled(stimulus)


def opened(model: object, stimulus: Sound) -> tuple[NeuralModel, str]:
    """The model that a session edits in place of ``model``; where that is another one, a sentence about it.

    Raises
    ------
    TypeError
        ``model`` is nothing that a session can open.
    """
    kind = type(model).__name__
    if isinstance(model, NeuralModel):
        return model, ""
    if isinstance(model, nn.Module):
        for name in WRAPPERS:
            if isinstance(getattr(model, name, None), NeuralModel):
                inner = getattr(model, name)
                return inner, f"of the {kind} the {type(inner).__name__} inside is opened"
    if isinstance(model, COMPILED):
        like = next((one for one in model.state_dict().values() if isinstance(one, Tensor)), torch.empty(0))
        batch = as_batch(stimulus, None)[:1].to(like if like.is_floating_point() else torch.float32)
        with torch.no_grad():
            answer = private_copy(model)(batch)
        if not isinstance(answer, Tensor) or answer.ndim != 4:
            raise TypeError(f"model must answer (B, N, 1, T), got {type(answer).__name__} of {kind}")
        return CompiledModel(model, answer.shape[1]), f"a {kind} has no parts that can be edited"
    raise TypeError(f"model must be a deepstrf NeuralModel, got {kind}")


def restrictions(twin: Twin) -> str:
    """What cannot be edited or seen in a model, and why, as one sentence; empty when there is nothing."""
    parts, form = [], twin.form
    if form.whole not in ("", SWITCHED):
        parts.append(f"its response is computed as a whole, without its drive, as {form.whole}")
    if form.varies:
        parts.append("it answers one sound differently each time, and what is shown is one of its answers")
    for reason in dict.fromkeys(twin.refused.values()):
        names = [name for name, why in twin.refused.items() if why == reason]
        parts.append(f"{', '.join(names)} cannot be edited, as {reason}")
    if not twin.parameters:
        parts.append("nothing of it can be edited")
    return f"{type(twin.model).__name__}: {'; '.join(parts)}" if parts else ""


def is_unexpected(twin: Twin) -> bool:
    """Whether a model is reduced by something that its class does not show."""
    return twin.form.varies or bool(twin.refused) or bool(twin.form.whole and not Form.of(twin.model).whole)
