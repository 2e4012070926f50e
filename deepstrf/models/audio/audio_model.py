"""What every model of sound responses has in common."""

from __future__ import annotations

from torch import nn

from ..neural_model import NeuralModel, positive_int

__all__ = ["AudioEncodingModel"]


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
    ``C_in`` is the number of channels after the prefilter.
    """

    def __init__(
        self,
        n_frequency_bands: int,
        temporal_window_size: int,
        out_neurons: int = 1,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        super().__init__(out_neurons)
        self.F = positive_int("n_frequency_bands", n_frequency_bands)
        self.T = positive_int("temporal_window_size", temporal_window_size)
        for slot, module in (("prefiltering", prefiltering), ("wav2spec", wav2spec)):
            if module is None:
                continue
            if not isinstance(module, nn.Module):
                raise TypeError(f"{slot} must be an nn.Module or None, got {type(module).__name__}")
            setattr(self, slot, module)
        self.C_in = positive_int("prefiltering.out_channels", getattr(self.prefiltering, "out_channels", 1))

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
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise AssertionError(f"{type(self).__name__}.{name} must be a positive int, got {size!r}")
