"""The 2-D convolutional network model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from deepstrf.arguments import check_modules, whole_number
from deepstrf.deprecation import keywords

from ..activations import ParametricSoftplus
from ..layers import CausalLayerNorm
from ..readouts import LinearReadout
from .audio_model import AudioEncodingModel

__all__ = ["ConvNet2D"]

N_LAYERS = 3
LEAKY_SLOPE = 0.1


@keywords()
class ConvNet2D(AudioEncodingModel):
    """Each neuron's response read out from three convolutional layers over frequency and time.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    kernel_size : (int, int)
        Bands and frames (K_F, K_T) of every kernel; three layers must leave at least one band.
    c_hidden : int
        Channels C of every layer.
    n_hidden : int
        Units of the hidden layer of the readout.
    out_neurons : int
        Neurons N.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is `ParametricSoftplus` over the N neurons.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.

    Raises
    ------
    ValueError
        ``kernel_size`` is not two positive ints, or is too high for F.

    Notes
    -----
    Structure: prefilter, zeros on the left, three times convolution, layer norm over the channels of each pixel and
    LeakyReLU(0.1), then a readout with one hidden layer over all C (F - 3 (K_F - 1)) features of a frame. There is no
    padding in frequency. The temporal window ``T`` is the true receptive field, 3 (K_T - 1) + 1 frames.

    References
    ----------
    Pennington & David (2023), PLOS Comput. Biol. 19:e1011110.
    """

    _old_arguments: ClassVar[dict[str, str]] = {"n_channels": "c_hidden"}

    def __init__(
        self,
        n_frequency_bands: int = 34,
        kernel_size: Sequence[int] = (3, 9),
        *,
        c_hidden: int = 10,
        n_hidden: int = 20,
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        if not isinstance(kernel_size, Sequence) or isinstance(kernel_size, str):
            raise TypeError(f"kernel_size must be two ints, bands and frames, got {type(kernel_size).__name__}")
        if len(kernel_size) != 2:
            raise ValueError(f"kernel_size must be two ints, bands and frames, got {kernel_size!r}")
        K_F, K_T = (whole_number("kernel_size", size) for size in kernel_size)
        window = N_LAYERS * (K_T - 1) + 1
        super().__init__(n_frequency_bands, window, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        C = whole_number("c_hidden", c_hidden)
        bands_left = self.F - N_LAYERS * (K_F - 1)
        if bands_left < 1:
            raise ValueError(
                f"kernel_size must leave a band: {N_LAYERS} (K_F - 1) must be below F = {self.F}, got K_F = {K_F}"
            )
        layers: list[nn.Module] = [nn.ZeroPad2d((window - 1, 0, 0, 0))]
        for layer in range(N_LAYERS):
            convolution = nn.Conv2d(self.C_in if layer == 0 else C, C, (K_F, K_T))
            layers += [convolution, CausalLayerNorm(C), nn.LeakyReLU(LEAKY_SLOPE)]
        self.core = nn.Sequential(*layers, nn.Flatten(1, 2))
        activation = ParametricSoftplus(self.O) if output_activation is None else output_activation
        hidden = whole_number("n_hidden", n_hidden)
        self.readout = LinearReadout(C * bands_left, self.O, hidden=hidden, activation=activation)
