"""The kernel regression model: a response from how like the recent sound is to sounds that were heard before."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_modules, whole_number
from deepstrf.deprecation import keywords

from ..streaming import Stage, with_past
from .audio_model import AudioEncodingModel

__all__ = ["KernelRegression"]

NO_FLOOR = torch.finfo(torch.float16).min
"""Below all levels, and a number in every type."""


@keywords()
class KernelRegression(AudioEncodingModel):
    r"""Each neuron's response as a weighted sum over stored sounds, each counted as far as the recent sound is like it.

    .. math:: r_t = g(b + \sum_m \alpha_m \exp(-\tfrac12 \sum_{cfj} w_{cfj}^2 (x_{cf}(t-j) - z_{mcfj})^2))

    Levels below the neuron's ``floor`` count as the floor, in the sound x and in the stored sounds z. The window w says
    to which bands and lags the neuron listens. `deepstrf.training.kernel_ridge` finds all of them; as built, stored
    sounds and weights are random.

    Parameters
    ----------
    n_frequency_bands : int
        Bands F of the spectrogram.
    temporal_window_size : int
        Lags T of the recent sound, in frames.
    n_points : int
        Stored sounds M of each neuron.
    out_neurons : int
        Neurons N.
    output_activation : nn.Module, optional
        Applied with neurons on the last axis; None is the identity.
    prefiltering, wav2spec : nn.Module, optional
        As for `AudioEncodingModel`.

    Notes
    -----
    ``readout`` has the buffers ``floor`` (N,), ``window`` (N, C_in, F, T), ``points`` (N, M, C_in, F, T) and the
    parameters ``weight`` (N, M) and ``bias`` (N,); the last tap is lag 0. Silence stands before the sound.

    References
    ----------
    Poggio & Girosi (1990), Proc. IEEE 78:1481, on networks of radial basis functions.
    """

    readout: SimilarSounds

    def __init__(
        self,
        n_frequency_bands: int = 34,
        temporal_window_size: int = 20,
        *,
        n_points: int = 800,
        out_neurons: int = 1,
        output_activation: nn.Module | None = None,
        prefiltering: nn.Module | None = None,
        wav2spec: nn.Module | None = None,
    ) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons, prefiltering, wav2spec)
        check_modules(output_activation=output_activation)
        n_points = whole_number("n_points", n_points)
        self.readout = SimilarSounds(self.F, self.T, self.C_in, self.O, n_points, output_activation)


class SimilarSounds(nn.Module):
    """Responses (B, N, 1, T) of a `KernelRegression` to sounds (B, C_in, F, T)."""

    floor: Tensor
    window: Tensor
    points: Tensor

    def __init__(
        self, F: int, T: int, C_in: int, out_neurons: int, n_points: int, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.activation = nn.Identity() if activation is None else activation
        self.register_buffer("floor", torch.full((out_neurons,), NO_FLOOR))
        self.register_buffer("window", torch.full((out_neurons, C_in, F, T), (C_in * F * T) ** -0.5))
        self.register_buffer("points", torch.randn(out_neurons, n_points, C_in, F, T))
        self.weight = nn.Parameter(torch.randn(out_neurons, n_points) / n_points**0.5)
        self.bias = nn.Parameter(torch.zeros(out_neurons))

    def forward(self, x: Tensor) -> Tensor:
        """Response (B, N, 1, T) to ``x`` (B, C_in, F, T)."""
        return self._after(functional.pad(x, (self.window.shape[-1] - 1, 0)))

    def stream_stage(self) -> Stage:
        """Stage that keeps the last T - 1 frames."""
        return with_past(self._after, self.window.shape[-1] - 1, "zeros")

    def _after(self, x: Tensor) -> Tensor:
        """Response to all but the first T - 1 frames."""
        drive = torch.stack([self._of_neuron(n, x) for n in range(len(self.weight))], 1)
        return self.activation(drive.transpose(1, 3)).transpose(1, 3)

    def _of_neuron(self, n: int, x: Tensor) -> Tensor:
        """Response (B, 1, T) of a neuron."""
        heard, square, points = x.maximum(self.floor[n]), self.window[n].square(), self.points[n]
        size = functional.conv2d(heard.square(), square[None])
        common = functional.conv2d(heard, square * points)
        own = (square * points.square()).sum((1, 2, 3))[:, None, None]
        alike = torch.exp(-0.5 * (size - 2 * common + own).clamp(min=0))
        return torch.einsum("m,bmot->bot", self.weight[n], alike) + self.bias[n]
