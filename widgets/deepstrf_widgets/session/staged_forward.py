"""A model on a stimulus as a chain of stages that remember their output: an edit re-runs only what lies downstream."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from deepstrf.models import NeuralModel
from deepstrf.models.audio.audio_model import AudioEncodingModel
from deepstrf.models.audio.gradient_maps import run_up, spectrogram_gradients
from deepstrf.models.readouts import STRFReadout, batch_norm_affine
from deepstrf.models.registry import is_pointwise, kernel_entry, neuron_axes_of

__all__ = ["StagedForward", "folding"]


def for_neuron(module: nn.Module, x: Tensor, neuron: int, n_neurons: int) -> Tensor:
    """``module(x)`` for one neuron alone: its tensors are cut to that neuron, nothing is copied."""
    axes = neuron_axes_of(module, n_neurons)
    cut = {name: attrgetter(name)(module).narrow(axis, neuron, 1) for name, axis in axes.items()}
    return functional_call(module, cut, (x,))


def correlate(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlation of ``x`` (B, C, F, T + K - 1) with one receptive field (C, F, K) over time, shape (B, T).

    One matrix product gives what every tap makes of every bin, (K, T + K - 1); tap k is then read from bin k on. For a
    single neuron that is several times as fast as torch's convolution.
    """
    B, L = x.shape[0], x.shape[-1]
    K = kernel.shape[-1]
    taps = (kernel.flatten(0, 1).T @ x.flatten(1, 2)).contiguous()
    return taps.as_strided((B, K, L - K + 1), (K * L, L + 1, 1)).sum(1)


class StagedForward:
    """The stages stimulus -> prefilter -> core -> drive -> rate of one model on one stimulus batch, each cached.

    ``drive`` is the STRF with its batch norm, ``rate`` the output curve. Both are computed neuron by neuron, when
    somebody reads them. A model that is not of this shape has one stage, the whole forward pass.

    Parameters
    ----------
    model : NeuralModel
        In eval mode; the chain never changes it.
    stimulus : Tensor, shape (B, 1, F, T)
        Spectrogram batch.
    """

    def __init__(self, model: NeuralModel, stimulus: Tensor) -> None:
        self.model = model
        self.stimulus = stimulus
        whole = (
            type(model).forward is not NeuralModel.forward
            or not isinstance(model.readout, STRFReadout)
            or type(model.readout).forward is not STRFReadout.forward
        )
        self._readout: STRFReadout | None = None if whole else cast(STRFReadout, model.readout)
        self._prefiltered: Tensor | None = None
        self._padded: Tensor | None = None
        self._whole: Tensor | None = None
        self._drive: dict[int, Tensor] = {}
        self._rate: dict[int, Tensor] = {}
        self._kernel: dict[int, Tensor] = {}
        self._map: dict[int, Tensor] = {}

    @property
    def staged(self) -> bool:
        """Whether drive and rate can be computed neuron by neuron."""
        return self._readout is not None

    def check_answer(self) -> None:
        """Run one neuron: a model that cannot answer this stimulus fails here, by name."""
        wanted, first = (self.stimulus.shape[0], self.stimulus.shape[3]), self.rate(0)
        if first.shape != wanted:
            raise ValueError(
                f"model must answer with one value per stimulus bin, shape {wanted}, got {tuple(first.shape)}"
            )

    def invalidate(self, stage: str, neurons: Iterable[int] | None = None) -> None:
        """Mark what reads ``stage`` as stale, for the given neurons or for all.

        Parameters
        ----------
        stage : {"prefilter", "drive", "rate"}
            The first stage whose parameters changed.
        neurons : iterable of int, optional
            Whose parameters changed; all when None.
        """
        self._whole = None
        self._map.clear()
        if stage == "prefilter":
            self._prefiltered = self._padded = None
        readout = self._readout
        if readout is not None and not is_pointwise(readout.activation):
            self._rate.clear()
        stale = [self._rate]
        if stage != "rate":
            stale.append(self._drive)
        if stage == "drive":
            stale.append(self._kernel)
        for cache in stale:
            if neurons is None:
                cache.clear()
            else:
                for neuron in neurons:
                    cache.pop(neuron, None)

    @torch.no_grad()
    def prefiltered(self) -> Tensor:
        """Spectrogram after the prefilter, shape (B, C, F, T)."""
        if self._prefiltered is None:
            self._prefiltered = self.model.prefiltered(self.stimulus)
        return self._prefiltered

    @torch.no_grad()
    def kernel(self, neuron: int) -> Tensor | None:
        """STRF of one neuron, shape (C, F, T), last index lag 0; None when the model has none to show."""
        # Behind a core the frequency axis of a kernel is the core's, not the stimulus's: nothing to draw.
        if self._readout is None or not isinstance(self.model.core, nn.Identity):
            return None
        if neuron not in self._kernel:
            module = self._readout.strf.kernel
            of_neuron = kernel_entry(module).of_neuron
            if of_neuron is not None:
                self._kernel[neuron] = of_neuron(module, neuron)
            else:
                try:
                    self._kernel[neuron] = self._readout.STRF_weight()[neuron]
                except NotImplementedError:
                    return None
        return self._kernel[neuron]

    def gradient_map(self, neuron: int) -> Tensor | None:
        """Linear receptive field of one neuron around the mean sound, (C, F, T), whether or not it has an STRF to show.

        Gradient of the response with respect to the spectrogram after the prefilter, where a sound has been steady at
        the mean level of each band. None for a model that knows no number of lags.
        """
        if not isinstance(self.model, AudioEncodingModel):
            return None
        if neuron not in self._map:
            bins = run_up(self.model, self.model.T)
            steady = self.stimulus.mean((0, 3), keepdim=True).expand(-1, -1, -1, bins)
            self._map[neuron] = spectrogram_gradients(self.model, steady, neurons=[neuron], per_channel=True)[0]
        return self._map[neuron]

    @torch.no_grad()
    def drive(self, neuron: int) -> Tensor:
        """Input of the output curve of one neuron, shape (B, T)."""
        readout = self._readout
        if readout is None:
            raise ValueError(f"{type(self.model).__name__} has no separate drive: its readout is not an STRFReadout")
        if neuron not in self._drive:
            N = int(self.model.O)
            if self._padded is None:
                self._padded = cast(Tensor, readout.strf.pad(self.model.core(self.prefiltered())))
            kernel = readout.strf.kernel
            of_neuron = kernel_entry(kernel).of_neuron
            if of_neuron is not None:
                shown = self.kernel(neuron)
                out = correlate(self._padded, of_neuron(kernel, neuron) if shown is None else shown)
                bias = cast("Tensor | None", readout.strf.kernel.bias)
                if bias is not None:
                    out = out + bias[neuron]
                self._drive[neuron] = for_neuron(readout.bn, out[:, None], neuron, N)[:, 0]
            else:
                every = readout.bn(kernel(self._padded)[:, :, 0])
                self._drive = dict(enumerate(every.unbind(1)))
        return self._drive[neuron]

    @torch.no_grad()
    def rate(self, neuron: int) -> Tensor:
        """Predicted response of one neuron, shape (B, T)."""
        readout = self._readout
        if readout is None:
            if self._whole is None:
                self._whole = self.model(self.stimulus)[:, :, 0]
            return self._whole[:, neuron]
        if neuron not in self._rate:
            N = int(self.model.O)
            if is_pointwise(readout.activation):
                drive = self.drive(neuron)[..., None]
                self._rate[neuron] = for_neuron(readout.activation, drive, neuron, N)[..., 0]
            else:
                every = readout.activation(torch.stack([self.drive(n) for n in range(N)], dim=-1))
                self._rate = dict(enumerate(every.unbind(-1)))
        return self._rate[neuron]

    def rates(self) -> Tensor:
        """Predicted response of every neuron, shape (B, N, 1, T)."""
        return torch.stack([self.rate(n) for n in range(self.model.O)], dim=1)[:, :, None]


@torch.no_grad()
def folding(model: NeuralModel, neuron: int) -> Tensor:
    """Bias of the receptive field, gain and offset of the batch norm: ``drive = gain (strf * x + bias) + offset``."""
    readout = model.readout
    if not isinstance(readout, STRFReadout):
        return torch.zeros(0)
    gain, offset = (values[neuron] for values in batch_norm_affine(readout.bn))
    bias = cast("Tensor | None", readout.strf.kernel.bias)
    return torch.stack([gain.new_zeros(()) if bias is None else bias[neuron], gain, offset])
