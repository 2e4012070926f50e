"""Six simulated neurons with known receptive fields: LN models of the same family as the one that is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepstrf.demo.sounds import DELAY_MS, DT_MS, MAX_HZ, MIN_HZ, N_BANDS
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.layers.constraints import inverse_softplus, sigma_to_raw
from deepstrf.models.prefiltering import get_CFs, make_prefiltering

N_LAGS = 40
N_GAUSSIANS = 4
ON, OFF = 0, 1


@dataclass(frozen=True)
class Blob:
    """One Gaussian of a receptive field: where it stands, how wide it is, and its mass.

    ``latency_ms`` runs from the sound to its effect on the response.
    """

    channel: int
    center_hz: float
    latency_ms: float
    sigma_oct: float
    sigma_ms: float
    weight: float


@dataclass(frozen=True)
class Neuron:
    """A receptive field and how its drive, in standard deviations, becomes spikes per bin.

    ``rate = softplus(sharpness (gain z + offset)) / sharpness + baseline``.
    """

    name: str
    blobs: tuple[Blob, ...]
    gain: float = 0.3
    offset: float = -0.15
    sharpness: float = 8.0
    baseline: float = 0.01


NEURONS = (
    Neuron("onset, 4 kHz", (Blob(ON, 4000, 17.5, 0.25, 6, 1.0), Blob(ON, 4000, 47.5, 0.3, 12, -0.6))),
    Neuron("offset, 8 kHz", (Blob(OFF, 8000, 22.5, 0.3, 8, 1.0), Blob(ON, 8000, 17.5, 0.3, 8, -0.4))),
    Neuron(
        "sideband inhibition, 2.5 kHz",
        (Blob(ON, 2500, 22.5, 0.25, 8, 1.0), Blob(ON, 1300, 27.5, 0.3, 10, -0.5), Blob(ON, 4800, 27.5, 0.3, 10, -0.5)),
    ),
    Neuron("slow and broad", (Blob(ON, 3500, 72.5, 1.0, 30, 1.0), Blob(OFF, 3500, 112.5, 1.0, 25, -0.5)), gain=0.2),
    Neuron("upward FM", (Blob(ON, 3000, 52.5, 0.25, 9, 0.8), Blob(ON, 6000, 17.5, 0.25, 9, 1.0)), offset=-0.25),
    Neuron("late inhibition, 6 kHz", (Blob(ON, 6000, 22.5, 0.3, 8, 1.0), Blob(ON, 6000, 92.5, 0.6, 25, -1.2))),
)


def build_model(n_neurons: int) -> LinearNonlinear:
    """LN model of the demo's family with random receptive fields: AdapTrans, 4 Gaussians per channel, softplus."""
    prefilter = make_prefiltering("adaptrans", N_BANDS, DT_MS, MIN_HZ, MAX_HZ)
    kernel = ParametricSTRF(N_BANDS, N_LAGS, 2, n_neurons, num_gaussians=N_GAUSSIANS)
    return LinearNonlinear(N_BANDS, N_LAGS, out_neurons=n_neurons, kernel=kernel, prefiltering=prefilter)


def kernel_of(model: LinearNonlinear) -> ParametricSTRF:
    """The Gaussians of a model that `build_model` made."""
    kernel = model.readout.strf.kernel
    if not isinstance(kernel, ParametricSTRF):
        raise TypeError(f"the demo's models have a ParametricSTRF kernel, got {type(kernel).__name__}")
    return kernel


def standardise_drive(model: LinearNonlinear, stimuli: Tensor) -> None:
    """Set the batch norm's running statistics to those of ``stimuli`` (B,1,F,T), and evaluation mode."""
    model.eval()
    with torch.no_grad():
        drive = model.readout.strf(model.prefiltering(stimuli))
    state = model.readout.bn.state_dict()
    state["running_mean"], state["running_var"] = drive.mean((0, 2, 3)), drive.var((0, 2, 3))
    model.readout.bn.load_state_dict(state)


def build_truth(stimuli: Tensor) -> LinearNonlinear:
    """The six neurons, in evaluation mode; ``stimuli`` (B,1,F,T) say what a standard deviation of each drive is.

    Masses are given per dB; Gaussians that a neuron does not use have mass 0 and a width of 1 bin.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(len(NEURONS))
    octaves = np.log2(get_CFs(MIN_HZ, MAX_HZ, N_BANDS, "mel").double().numpy())
    bands = np.arange(N_BANDS)
    centre = torch.zeros(2, len(NEURONS), 2, N_GAUSSIANS)
    centre[0], centre[1] = (N_BANDS - 1) / 2, (N_LAGS - 1) / 2
    sigma = torch.ones_like(centre)
    weight = torch.zeros(centre.shape[1:])
    for n, neuron in enumerate(NEURONS):
        used = [0, 0]
        for blob in neuron.blobs:
            at = n, blob.channel, used[blob.channel]
            used[blob.channel] += 1
            band = float(np.interp(np.log2(blob.center_hz), octaves, bands))
            octaves_per_band = float(np.interp(band, bands, np.gradient(octaves)))
            centre[0][at], centre[1][at] = band, N_LAGS - 1 - (blob.latency_ms - DELAY_MS) / DT_MS
            sigma[0][at], sigma[1][at] = blob.sigma_oct / octaves_per_band, blob.sigma_ms / DT_MS
            weight[at] = blob.weight
    state = model.state_dict()
    state |= {f"readout.strf.kernel.{name}": x for name, x in (("P", centre), ("weight", weight))}
    state["readout.strf.kernel.SIG"] = sigma_to_raw(sigma)
    state["readout.strf.kernel.bias"] = torch.zeros(len(NEURONS))
    state["readout.bn.weight"] = torch.tensor([neuron.gain for neuron in NEURONS])
    state["readout.bn.bias"] = torch.tensor([neuron.offset for neuron in NEURONS])
    state["readout.activation._raw_beta"] = inverse_softplus([neuron.sharpness for neuron in NEURONS])
    state["readout.activation._raw_b"] = inverse_softplus([neuron.baseline for neuron in NEURONS])
    model.load_state_dict(state)
    standardise_drive(model, stimuli)
    return model
