"""What every model of sound responses has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch import Tensor, nn

from deepstrf.arguments import check_floating, check_modules, whole_number
from deepstrf.deprecation import keywords
from deepstrf.memory import LIMIT_GB

from ..neural_model import NeuralModel
from .gradient_maps import spectrogram_gradients, waveform_gradients

__all__ = ["AudioEncodingModel"]


@keywords()
class AudioEncodingModel(NeuralModel):
    """Encoding model of a spectrogram (B, 1, F, T), or of a waveform when ``wav2spec`` makes the spectrogram.

    Parameters
    ----------
    n_frequency_bands : int
        Bands of the spectrogram, kept as ``F``.
    temporal_window_size : int
        Taps of the model's temporal window in frames, the current one included; kept as ``T``.
    out_neurons : int
        Neurons N, kept as ``O``.
    prefiltering : nn.Module, optional
        Maps (B, 1, F, T) to (B, C_in, F, T), with ``out_channels`` = C_in as an attribute (1 if it has none), such as
        the result of `deepstrf.models.prefiltering.make_prefiltering`. None is the identity.
    wav2spec : nn.Module, optional
        Maps a waveform to (B, 1, F, T). None is the identity: the model is given spectrograms.

    Raises
    ------
    TypeError
        A size is not an integer, or a module is not one.
    ValueError
        A size is below 1.

    Notes
    -----
    ``C_in`` is the number of channels after the prefilter. ``settling_bins`` of a steady sound are enough for the state
    of a recurrent model to settle; 0 where there is no state.
    """

    settling_bins: int = 0

    def __init__(
        self,
        n_frequency_bands: int,
        temporal_window_size: int,
        out_neurons: int = 1,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        super().__init__(out_neurons)
        self.F = whole_number("n_frequency_bands", n_frequency_bands)
        self.T = whole_number("temporal_window_size", temporal_window_size)
        check_modules(prefiltering=prefiltering, wav2spec=wav2spec)
        if prefiltering is not None:
            self.prefiltering = prefiltering
        if wav2spec is not None:
            self.wav2spec = wav2spec
        self.C_in = whole_number("prefiltering.out_channels", getattr(self.prefiltering, "out_channels", 1))

    def prefiltered(self, stimulus: Tensor) -> Tensor:
        """Spectrogram (B, C_in, F, T) after the front end and the prefilter.

        Raises
        ------
        TypeError
            The stimulus is not a floating-point tensor.
        ValueError
            It has another shape, or an empty one.
        """
        check_floating(stimulus=stimulus)
        x = super().prefiltered(stimulus)
        if x.dim() != 4 or x.shape[1:3] != (self.C_in, self.F) or 0 in x.shape:
            given = "stimulus" if self.C_in == 1 else "prefiltered stimulus"
            shape = f"(B, {self.C_in}, {self.F}, T)"
            raise ValueError(f"{given} must have shape {shape} without empty axes, got {tuple(x.shape)}")
        return x

    def validate(self) -> None:
        """Check the slots and the sizes.

        Raises
        ------
        AssertionError
            As `NeuralModel.validate`, or ``F``, ``T`` or ``C_in`` is not a positive int.
        """
        super().validate()
        for name in ("F", "T", "C_in"):
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise AssertionError(f"{type(self).__name__}.{name} must be a positive int, got {size!r}")

    def STRF_gradmap(
        self,
        stimulus: Tensor | None = None,
        *,
        window: int | None = None,
        bins: Sequence[int] | Literal["all"] | None = None,
        neurons: Sequence[int] | None = None,
        per_channel: bool = False,
        max_gb: float = LIMIT_GB,
    ) -> Tensor:
        """Receptive field of each neuron as the gradient of its response with respect to the spectrogram.

        Positive where added sound raises the response. The model is linearised in evaluation mode and left as it is.
        The arguments and the operating point are those of `deepstrf.models.audio.gradient_maps.spectrogram_gradients`.

        Parameters
        ----------
        stimulus : Tensor, shape (1, 1, F, L) or (F, L), optional
            Spectrogram to linearise around; None is silence.
        window : int, optional
            Lags to show; None is ``T``.
        bins : None, 'all' or sequence of int
            None: the response in the last bin; else the response in each of these bins.
        neurons : sequence of int, optional
            Neurons to map; None is all of them.
        per_channel : bool
            With respect to the channels after the prefilter instead.
        max_gb : float
            Memory that the maps may take, in GB of 2^30 bytes.

        Returns
        -------
        Tensor, shape (N, C, F, T), or (len(bins), N, C, F, T)
            C is 1, or ``C_in`` per channel. Last index is lag 0.

        Raises
        ------
        ValueError
            The stimulus has another shape, a bin lies outside it, there is no such neuron, or more than ``max_gb`` is
            needed.
        """
        return spectrogram_gradients(
            self, stimulus, window=window, bins=bins, neurons=neurons, per_channel=per_channel, max_gb=max_gb
        )

    def waveform_gradmap(
        self, waveform: Tensor, *, bins: Sequence[int] | Literal["all"] | None = None, max_gb: float = LIMIT_GB
    ) -> Tensor:
        """Gradient of each neuron's response with respect to the samples of a waveform, through ``wav2spec``.

        Parameters
        ----------
        waveform : Tensor, shape (1, ...)
            One sound, as ``wav2spec`` takes it.
        bins : None, 'all' or sequence of int
            None: the response in the last bin; else the response in each of these bins.
        max_gb : float
            Memory that the maps may take, in GB of 2^30 bytes.

        Returns
        -------
        Tensor, shape (N, ...), or (len(bins), N, ...)

        Raises
        ------
        ValueError
            The model has no front end, there is more than one sound, a bin lies outside the response, or more than
            ``max_gb`` is needed.
        """
        return waveform_gradients(self, waveform, bins=bins, max_gb=max_gb)
