"""The StateNet family: a frame encoder followed by a recurrent layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from deepstrf.arguments import check_choice, check_modules, whole_number
from deepstrf.deprecation import keywords

from ..activations import ParametricSoftplus
from ..layers import CausalLayerNorm, LocallyConnected1d
from ..readouts import LinearReadout
from ..streaming import Stage, stage_of
from .audio_model import AudioEncodingModel
from .lmu import LMU
from .mamba import mamba_frames, mamba_sequence, new_mamba

__all__ = ["StateNet"]

RECURRENT_LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "GRU": lambda width: nn.GRU(width, width, batch_first=True),
    "LSTM": lambda width: nn.LSTM(width, width, batch_first=True),
    "RNN": lambda width: nn.RNN(width, width, batch_first=True),
    "vanilla": lambda width: nn.RNN(width, width, batch_first=True),
    "LMU": lambda width: LMU(width, width),
    "Mamba": new_mamba,
}
CONNECTIVITIES = ("LC", "FC", "CONV")


@keywords()
class StateNet(AudioEncodingModel):
    """Each neuron's response read out from a recurrent layer that sees one encoded frame at a time.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    temporal_window_size : int
        Lags T that a gradient map shows. The memory of the model itself has no limit.
    kernel_size, stride : int
        Bands that one unit of the encoder sees, and the step to the next unit.
    hidden_channels : int
        Channels of the frame encoder.
    connectivity : {'LC', 'FC', 'CONV'}
        Encoder: locally connected (each unit has its own filter), fully connected, or convolutional.
    rnn_type : {'GRU', 'LSTM', 'RNN', 'vanilla', 'LMU', 'Mamba'}
        Recurrent layer; 'vanilla' is 'RNN'. 'Mamba' needs the optional package mambapy.
    out_neurons : int
        Neurons N.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is `ParametricSoftplus` over the N neurons.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.

    Raises
    ------
    NotImplementedError
        Unknown ``connectivity`` or ``rnn_type``.
    ImportError
        mambapy is needed and not installed.

    Notes
    -----
    Structure: prefilter; per frame an encoder to (hidden_channels, L) features, L as for ``Conv1d``, a layer norm over
    the channels at each of the L positions, and a sigmoid; a recurrent layer from H = hidden_channels * L to H units;
    linear readout. Every forward pass starts from the zero state; `stream` carries the state from chunk to chunk.

    References
    ----------
    Rançon, Masquelier & Cottereau (2025), Commun. Biol. 8:1456. Voelker et al. (2019) for the LMU, Gu & Dao (2023) for
    Mamba.
    """

    settling_bins = 100  # measured: the maps of GRU, LSTM and RNN then differ by 1e-6 from those after 3,000

    def __init__(
        self,
        n_frequency_bands: int = 34,
        temporal_window_size: int = 1,
        *,
        kernel_size: int = 7,
        stride: int = 3,
        hidden_channels: int = 7,
        connectivity: str = "LC",
        rnn_type: str = "GRU",
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        check_choice(CONNECTIVITIES, NotImplementedError, connectivity=connectivity)
        check_choice(RECURRENT_LAYERS, NotImplementedError, rnn_type=rnn_type)
        self.connectivity, self.rnn_type = connectivity, rnn_type
        channels = whole_number("hidden_channels", hidden_channels)
        width, step = whole_number("kernel_size", kernel_size), whole_number("stride", stride)
        if width > self.F:
            raise ValueError(f"kernel_size must be at most F = {self.F} bands, got {width}")
        positions = (self.F - width) // step + 1
        self.H = channels * positions
        encoder: list[nn.Module]
        if connectivity == "LC":
            encoder = [LocallyConnected1d(self.F, self.C_in, channels, width, stride=step)]
        elif connectivity == "CONV":
            encoder = [nn.Conv1d(self.C_in, channels, width, stride=step)]
        else:
            encoder = [nn.Flatten(1), nn.Linear(self.C_in * self.F, self.H), nn.Unflatten(1, (channels, positions))]
        self.encoder_layers = nn.Sequential(*encoder, CausalLayerNorm(channels), nn.Sigmoid())
        self.rnn = RECURRENT_LAYERS[rnn_type](self.H)
        activation = ParametricSoftplus(self.O) if output_activation is None else output_activation
        self.readout = LinearReadout(self.H, self.O, activation=activation)

    def forward(self, stimulus: Tensor) -> Tensor:
        """Predicted response (B, N, 1, T) to a spectrogram (B, 1, F, T)."""
        frames = self._encode(self.prefiltered(stimulus))
        hidden = mamba_sequence(self.rnn, frames) if self.rnn_type == "Mamba" else self.rnn(frames)[0]
        return self.readout(hidden.transpose(1, 2))

    def _encode(self, x: Tensor) -> Tensor:
        """Encoded frames (B, T, H) of a prefiltered spectrogram (B, C_in, F, T)."""
        B, C, F, T = x.shape
        return self.encoder_layers(x.permute(0, 3, 1, 2).reshape(B * T, C, F)).reshape(B, T, self.H)

    def stream_stages(self) -> list[Stage]:
        """Stages whose recurrent one carries its state from chunk to chunk."""
        state: Any = None

        def recur(x: Tensor) -> Tensor:
            nonlocal state
            frames = self._encode(x)
            if self.rnn_type == "Mamba":
                hidden, state = mamba_frames(self.rnn, frames, state)
            else:
                hidden, state = self.rnn(frames, state)
            return hidden.transpose(1, 2)

        return [stage_of(self.wav2spec), stage_of(self.prefiltering), recur, stage_of(self.readout)]
