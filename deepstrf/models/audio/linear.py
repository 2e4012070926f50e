"""The linear STRF model."""

from __future__ import annotations

from torch import Tensor, nn

from deepstrf.arguments import check_modules
from deepstrf.deprecation import keywords

from ..readouts import STRFReadout
from .audio_model import AudioEncodingModel

__all__ = ["Linear"]


@keywords()
class Linear(AudioEncodingModel):
    """Each neuron's response as a receptive field correlated with the recent spectrogram.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    temporal_window_size : int
        Taps T of the receptive field, in frames.
    out_neurons : int
        Neurons N.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is the identity.
    kernel : nn.Module, optional
        Plug-in kernel, such as `deepstrf.models.layers.ParametricSTRF`; None is a free (N, C_in, F, T) kernel.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.

    Notes
    -----
    Structure: prefilter, receptive field, batch norm per neuron, activation (`STRFReadout`). No parameter is shared
    between neurons.

    References
    ----------
    Aertsen & Johannesma (1981), Biol. Cybern. 42:133.
    """

    readout: STRFReadout

    def __init__(
        self,
        n_frequency_bands: int = 34,
        temporal_window_size: int = 9,
        *,
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        kernel: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        activation = self._default_activation() if output_activation is None else output_activation
        self.readout = STRFReadout(self.F, self.T, self.C_in, self.O, kernel=kernel, activation=activation)

    def _default_activation(self) -> nn.Module:
        return nn.Identity()

    def STRF_weight(self, polarity: str | int | None = None) -> Tensor:
        """Receptive fields before the batch norm, (N, C_in, F, T) or (N, F, T): see `STRFReadout.STRF_weight`."""
        return self.readout.STRF_weight(polarity)

    def effective_STRF(self, polarity: str | int | None = None) -> tuple[Tensor, Tensor]:
        """Receptive fields and biases with the gain and shift of the batch norm: see `STRFReadout.effective_STRF`."""
        return self.readout.effective_STRF(polarity)
