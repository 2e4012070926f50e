"""The network receptive field (NRF) model."""

from __future__ import annotations

from torch import Tensor, nn

from deepstrf.arguments import check_modules, whole_number
from deepstrf.deprecation import keywords

from ..activations import ParametricSoftplus
from ..layers import CausalLayerNorm, CausalSTRFConv
from ..readouts import LinearReadout
from .audio_model import AudioEncodingModel

__all__ = ["NetworkReceptiveField"]


@keywords()
class NetworkReceptiveField(AudioEncodingModel):
    """Each neuron's response as a weighted sum of hidden units, each with a receptive field of its own.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    temporal_window_size : int
        Taps T of the hidden receptive fields, in frames.
    n_hidden : int
        Hidden units H.
    out_neurons : int
        Neurons N.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is `ParametricSoftplus` over the N neurons.
    kernel : nn.Module, optional
        Plug-in kernel of the hidden units; None is a free (H, C_in, F, T) kernel.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.

    Notes
    -----
    Structure: prefilter, receptive fields, layer norm over the hidden units of each frame, tanh, linear readout.

    References
    ----------
    Harper et al. (2016), PLOS Comput. Biol. 12:e1005113.
    """

    core: nn.Sequential

    def __init__(
        self,
        n_frequency_bands: int = 34,
        temporal_window_size: int = 9,
        *,
        n_hidden: int = 20,
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        kernel: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        self.H = whole_number("n_hidden", n_hidden)
        self.core = nn.Sequential(
            CausalSTRFConv(self.F, self.T, self.C_in, self.H, kernel=kernel), CausalLayerNorm(self.H), nn.Tanh()
        )
        activation = ParametricSoftplus(self.O) if output_activation is None else output_activation
        self.readout = LinearReadout(self.H, self.O, activation=activation)

    def hidden_STRF_weight(self) -> Tensor:
        """Receptive fields of the hidden units before the layer norm, (H, C_in, F, T): a detached copy on the CPU."""
        return self.core[0].STRF_weight()  # type: ignore[operator]
