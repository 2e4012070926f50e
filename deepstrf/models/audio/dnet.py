"""The dynamic network (DNet) model."""

from __future__ import annotations

from torch import Tensor, nn

from deepstrf.arguments import check_modules, check_numbers, whole_number

from ..layers import CausalLayerNorm, CausalSTRFConv, LearnableExponentialDecay
from ..readouts import LinearReadout
from .audio_model import AudioEncodingModel

__all__ = ["DNet"]

DECAY_LENGTH_IN_TAU = 7.0


class DNet(AudioEncodingModel):
    """Each neuron's response as a weighted sum of hidden units that leak, each with a receptive field of its own.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    temporal_window_size : int
        Taps T of the hidden receptive fields, in frames.
    out_neurons : int
        Neurons N.
    n_hidden : int
        Hidden units H.
    init_tau : float
        First time constant of the hidden units, in frames, above 1. Their memory is cut after round(7 init_tau) frames.
    kernel : nn.Module, optional
        Plug-in kernel of the hidden units; None is a free (H, C_in, F, T) kernel.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is the identity.

    Raises
    ------
    ValueError
        ``init_tau`` is not above 1 frame.

    Notes
    -----
    Structure: prefilter, receptive fields, layer norm over the hidden units of each frame, sigmoid, exponential decay
    with one learnable time constant per unit, linear readout.

    References
    ----------
    Rahman et al. (2019), PLOS Comput. Biol. 15:e1006618.
    """

    def __init__(
        self,
        n_frequency_bands: int = 34,
        temporal_window_size: int = 9,
        out_neurons: int = 1,
        n_hidden: int = 20,
        init_tau: float = 2.0,
        kernel: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
        output_activation: nn.Module | None = None,
    ) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        self.H = whole_number("n_hidden", n_hidden)
        check_numbers("must be above 1 frame", lambda tau: 1 < tau < float("inf"), init_tau=init_tau)
        self.core = nn.Sequential(
            CausalSTRFConv(self.F, self.T, self.C_in, self.H, kernel=kernel),
            CausalLayerNorm(self.H),
            nn.Sigmoid(),
            LearnableExponentialDecay(self.H, round(DECAY_LENGTH_IN_TAU * init_tau), init_tau=init_tau),
        )
        self.readout = LinearReadout(self.H, self.O, activation=output_activation)

    def hidden_STRF_weight(self) -> Tensor:
        """Receptive fields of the hidden units before the layer norm, (H, C_in, F, T): a detached copy on the CPU."""
        return self.core.get_submodule("0").STRF_weight()  # type: ignore[operator]
