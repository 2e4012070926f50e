"""Progress of a running fit, for its callbacks, and the error of a fit that diverges."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from deepstrf.deprecation import keywords
from deepstrf.short_repr import short_repr
from deepstrf.training.history import History


class NonFiniteLossError(FloatingPointError):
    """A loss became NaN or infinite. The model is back at its best finite weights.

    Attributes
    ----------
    epoch : int
    neurons : list of int
    """

    def __init__(self, epoch: int, neurons: list[int], where: str, learning_rate: float) -> None:
        self.epoch, self.neurons = epoch, neurons
        named = ", ".join(map(str, neurons[:10])) + (", ..." if len(neurons) > 10 else "")
        super().__init__(
            f"the {where} loss became NaN or infinite in epoch {epoch}, for {len(neurons)} neurons ({named}). The "
            f"model has its best weights from before. Try a learning rate below {learning_rate:g}; look at the "
            "responses of these neurons (a loss for counts takes none that is negative); let the model give no "
            "negative rate where the loss takes its logarithm."
        )


@keywords()
@dataclass(eq=False)
class Progress:
    """Progress of a fit: the argument of its callbacks.

    A callback is called after every epoch with this object. If it has a method ``on_batch``, that is called after every
    batch with the same object. The fit goes on when the call returns.

    Attributes
    ----------
    model : Module
        As it is now; copy what is to be kept.
    epoch, epochs : int
        The current one, from 1, and the last there may be.
    batch, batches : int
        The current one of this epoch, from 1, and how many it has.
    history : History
        Of the epochs that are complete.
    """

    model: nn.Module
    epochs: int
    history: History
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    stopping: str = ""
    __repr__ = short_repr

    def stop(self, why: str = "stopped by a callback") -> None:
        """End the fit: at once, in ``on_batch`` (this epoch then does not count), or after this epoch.

        ``why`` becomes `History.stopped`.
        """
        self.stopping = why
