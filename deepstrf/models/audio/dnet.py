"""The dynamic network (DNet) model."""

from __future__ import annotations

from torch import nn

from deepstrf.arguments import check_modules, check_numbers
from deepstrf.deprecation import keywords

from ..layers import LearnableExponentialDecay
from .network_receptive_field import NetworkReceptiveField

__all__ = ["DNet"]

DECAY_LENGTH_IN_TAU = 7.0


@keywords()
class DNet(NetworkReceptiveField):
    """Each neuron's response as a weighted sum of hidden units that leak, each with a receptive field of its own.

    Parameters as for `NetworkReceptiveField`, except that ``output_activation`` None is the identity, and in addition:

    Parameters
    ----------
    init_tau : float
        First memory of the hidden units, in frames, above 1: see `LearnableExponentialDecay`. It is cut after
        round(7 init_tau) frames.
    decay_input : bool
        Whether the decay has unit gain for a constant input, as in `LearnableExponentialDecay`.

    Raises
    ------
    ValueError
        ``init_tau`` is not above 1 frame.

    Notes
    -----
    Structure: prefilter, receptive fields, layer norm over the hidden units of each frame, sigmoid, exponential decay
    with a memory of learnable length per unit, linear readout.

    References
    ----------
    Rahman et al. (2019), PLOS Comput. Biol. 15:e1006618.
    """

    def __init__(
        self,
        n_frequency_bands: int = 34,
        temporal_window_size: int = 9,
        *,
        n_hidden: int = 20,
        init_tau: float = 2.0,
        decay_input: bool = True,
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        kernel: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        check_numbers("must be above 1 frame", lambda tau: 1 < tau < float("inf"), init_tau=init_tau)
        check_modules(output_activation=output_activation)
        activation = nn.Identity() if output_activation is None else output_activation
        super().__init__(
            n_frequency_bands,
            temporal_window_size,
            n_hidden=n_hidden,
            out_neurons=out_neurons,
            output_activation=activation,
            prefiltering=prefiltering,
            kernel=kernel,
            wav2spec=wav2spec,
        )
        K = round(DECAY_LENGTH_IN_TAU * init_tau)
        memory = LearnableExponentialDecay(self.H, K, init_tau=init_tau, decay_input=decay_input)
        self.core = nn.Sequential(self.core[0], self.core[1], nn.Sigmoid(), memory)
