"""Why a response is as high as it is at one moment: sound times receptive field, bin by bin, and their sum."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepstrf.deprecation import keywords
from deepstrf.models.audio.audio_model import AudioEncodingModel
from deepstrf.models.audio.gradient_maps import spectrogram_gradients
from deepstrf.models.readouts import STRFReadout

from .parameters import channel_names
from .staged_forward import StagedForward, gain_and_offset

__all__ = ["Explanation", "explanation_of"]

ROUNDINGS = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Sums that differ by so much of the sizes of their terms are the same; of other types 1e-2."""


@keywords()
@dataclass(frozen=True, repr=False)
class Explanation:
    """Why one neuron's response is as high as it is in one bin.

    ``gain (sum of products + bias) + offset`` is the drive, and the output curve makes the rate of it. C channels after
    the prefilter, F bands, T lags; the last lag is the bin itself.

    Attributes
    ----------
    neuron, sound, frame : int
        Which neuron, sound of the batch and time bin, counted from 0.
    neuron_name : str
        Name of the neuron.
    time_ms : float
        Middle of the bin, ms from the beginning of the sound.
    channel_names : tuple of str, length C
        "ON" and "OFF" after AdapTrans.
    field : Tensor, shape (C, F, T)
        The receptive field. Of a model without one (``is_gradient``) the gradient of the rate at this moment with
        respect to ``stretch``.
    stretch : Tensor, shape (C, F, T)
        The stretch of sound under the field, after the prefilter; NaN before the sound began.
    products : Tensor, shape (C, F, T)
        ``field * stretch``; 0 before the sound began.
    sums : tuple of float, length C
        Sum of the products of each channel.
    bias : float
        Of the receptive field. With ``is_gradient`` what the products leave of the rate: the model is not linear.
    gain, offset : float
        What the batch norm makes of the sum in evaluation mode; 1 and 0 without one.
    drive : float
        Input of the output curve. With ``is_gradient`` the rate itself.
    rate : float
        Predicted response, in the unit of the responses.
    recorded : float
        Recorded response, mean over trials; NaN where nothing was recorded.
    is_gradient : bool
        Whether ``field`` is a gradient.
    """

    neuron: int
    neuron_name: str
    sound: int
    frame: int
    time_ms: float
    channel_names: tuple[str, ...]
    field: Tensor
    stretch: Tensor
    products: Tensor
    sums: tuple[float, ...]
    bias: float
    gain: float
    offset: float
    drive: float
    rate: float
    recorded: float
    is_gradient: bool

    def __repr__(self) -> str:
        terms = " ".join(f"{name} {value:+.3g}" for name, value in zip(self.channel_names, self.sums, strict=True))
        head = f"Explanation({self.neuron_name}, {self.time_ms:g} ms: {terms}"
        if self.is_gradient:
            return f"{head} (gradient x sound), rest {self.bias:+.3g} = rate {self.rate:.3g})"
        batch_norm = (
            "" if (self.gain, self.offset) == (1, 0) else f", x {self.gain:.3g} {self.offset:+.3g} (batch norm)"
        )
        return f"{head} bias {self.bias:+.3g}{batch_norm} = drive {self.drive:.3g} -> rate {self.rate:.3g})"


@torch.no_grad()
def explanation_of(
    chain: StagedForward,
    recorded: Tensor | None,
    neuron: int,
    neuron_name: str,
    time_ms: float,
    *,
    sound: int,
    bins: int,
    dt_ms: float,
) -> Explanation:
    """Explanation of one bin of a response; see `Reading.explain` for the parameters and the errors.

    ``recorded`` is the recorded response to the sound, (T,), which is ``bins`` long.
    """
    frame = math.floor(time_ms / dt_ms) if math.isfinite(time_ms) else -1
    if not 0 <= frame < bins:
        raise ValueError(f"time_ms must lie in [0, {bins * dt_ms:g}) ms, within the sound, got {time_ms:g}")
    if chain.form.whole:
        field, heard, bias = _linearised(chain, neuron, sound, frame)
        gain, offset, drive = 1.0, 0.0, float(chain.rate(neuron)[sound, frame])
    else:
        field, heard, bias = _linear(chain, neuron, sound)
        gain, offset = _batch_norm(chain, neuron)
        drive = float(chain.drive(neuron)[sound, frame])
    T = field.shape[-1]
    stretch = torch.nn.functional.pad(heard, (T - 1, 0), value=math.nan)[..., frame : frame + T]
    if stretch.shape != field.shape:
        raise ValueError(
            f"the receptive field {tuple(field.shape)} and what it sees {tuple(stretch.shape)} must have one shape"
        )
    products = torch.where(stretch.isnan() & _before(T, frame), 0.0, field.double() * stretch.double())
    sums = products.sum((1, 2))
    if bias is None:
        bias = drive - float(sums.sum())
    terms = abs(gain) * (float(products.abs().sum()) + abs(bias)) + abs(offset)
    found = gain * (float(sums.sum()) + bias) + offset
    # A drive that is no number is that of a field or a sound that is none.
    if math.isfinite(found) and abs(found - drive) > ROUNDINGS.get(chain.stimulus.dtype, 1e-2) * terms:
        raise ValueError(
            f"the drive of {type(chain.model).__name__} must be the sum of field times sound to explain it, "
            f"got {drive:g} in place of {found:g}"
        )
    return Explanation(
        neuron=neuron,
        neuron_name=neuron_name,
        sound=sound,
        frame=frame,
        time_ms=(frame + 0.5) * dt_ms,
        channel_names=tuple(channel_names(len(field))),
        field=field.double(),
        stretch=stretch.double(),
        products=products,
        sums=tuple(sums.tolist()),
        bias=bias,
        gain=gain,
        offset=offset,
        drive=drive,
        rate=float(chain.rate(neuron)[sound, frame]),
        recorded=math.nan if recorded is None else float(recorded[frame]),
        is_gradient=bool(chain.form.whole),
    )


def _before(T: int, frame: int) -> Tensor:
    """Which lags of a field lie before the sound, (T,)."""
    return torch.arange(T) < T - 1 - frame


def _linear(chain: StagedForward, neuron: int, sound: int) -> tuple[Tensor, Tensor, float]:
    """Receptive field (C, F, T), what it sees (C, F, T_in), and its bias."""
    field = chain.linear_field(neuron)
    readout = chain.model.readout
    if field is None or not isinstance(readout, STRFReadout):
        raise ValueError(f"{type(chain.model).__name__} has no receptive field whose products with the sound add up")
    return field.cpu(), chain.seen_by_field(sound).cpu(), float(readout.strf.STRF_bias()[neuron])


def _batch_norm(chain: StagedForward, neuron: int) -> tuple[float, float]:
    affine = gain_and_offset(chain.model)
    if affine is not None:
        return float(affine[0][neuron]), float(affine[1][neuron])
    bn = getattr(chain.model.readout, "bn", None)
    if not isinstance(bn, nn.Identity):
        raise ValueError(f"the normalisation after the receptive field must be a BatchNorm1d, got {type(bn).__name__}")
    return 1.0, 0.0


def _linearised(chain: StagedForward, neuron: int, sound: int, frame: int) -> tuple[Tensor, Tensor, None]:
    """Gradient of the rate in a bin (C, F, T), what it is taken at (C, F, T_in), and nothing for the bias: the rest."""
    model, name = chain.model, type(chain.model).__name__
    if not isinstance(model, AudioEncodingModel):
        raise ValueError(f"{name} does not say how many bins of sound its response depends on: there is no stretch")
    if model.settling_bins > 0:
        raise ValueError(
            f"{name} is recurrent: its response also depends on all the sound before the {model.T} bins of a field, "
            "so no products under one add up to it"
        )
    # Later sound does not matter, and the gradient ends T bins back.
    excerpt = chain.stimulus[sound : sound + 1, ..., : frame + 1]
    (field,) = spectrogram_gradients(copy.deepcopy(model), excerpt, neurons=[neuron], per_channel=True)
    return field.detach().cpu(), chain.prefiltered()[sound].cpu(), None
