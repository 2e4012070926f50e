"""The receptive field that a neuron of any model has at one moment of a sound, at many moments at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

from deepstrf.arguments import as_tensor, check_floating, whole_number
from deepstrf.deprecation import keywords
from deepstrf.models.audio import AudioEncodingModel
from deepstrf.models.audio.gradient_maps import linearised
from deepstrf.models.neural_model import NeuralModel
from deepstrf.models.prediction import as_model_takes, evaluating, predict
from deepstrf.stimuli import Spectrogram

__all__ = ["DynamicSTRF", "as_sounds", "check_model", "checked_neuron"]

NUMBERS_AT_ONCE = 2**22
"""Of the stretches of sound in one backward pass."""

SAME = 1e-3
"""A stretch of sound is long enough when the responses at its end are off by less than this part of their spread."""

LENGTHS, SHORTEST_STEP = 8, 16
"""Different lengths of the stretches that begin with their sounds, and bins between two of them at least."""

TRIED = 64
"""Moments at which that is tried."""


def check_model(model: AudioEncodingModel) -> None:
    """Raise TypeError unless the model is an `AudioEncodingModel`, ValueError unless it takes spectrograms."""
    if not isinstance(model, AudioEncodingModel):
        raise TypeError(f"model must be an AudioEncodingModel, got {type(model).__name__}")
    if type(model.wav2spec) is not torch.nn.Identity:
        raise ValueError(
            "model must take spectrograms, but its wav2spec takes a waveform: set a copy's wav2spec to nn.Identity()"
        )


def as_sounds(model: AudioEncodingModel, stimulus: Spectrogram | ArrayLike) -> Tensor:
    """The stimulus as (B, 1, F, L), on the device and in the type of the model.

    Raises
    ------
    TypeError, ValueError
        Not an `AudioEncodingModel` that takes spectrograms, or a stimulus of another shape or with values that are not
        finite.
    """
    if not isinstance(model, AudioEncodingModel):
        raise TypeError(f"model must be an AudioEncodingModel, got {type(model).__name__}")
    if type(model.wav2spec) is not torch.nn.Identity:
        raise ValueError(
            "model must take spectrograms, but its wav2spec takes a waveform; give it model.wav2spec(sound)"
        )
    values = stimulus.values if isinstance(stimulus, Spectrogram) else as_tensor("stimulus", stimulus).detach()
    check_floating(stimulus=values)
    x = values[None, None] if values.dim() == 2 else values
    if x.dim() != 4 or x.shape[1:3] != (1, model.F) or 0 in x.shape:
        raise ValueError(
            f"stimulus must have shape (B, 1, {model.F}, L) or ({model.F}, L) without empty axes, "
            f"got {tuple(values.shape)}"
        )
    if not bool(x.isfinite().all()):
        raise ValueError(
            f"stimulus must be finite, got {int((~x.isfinite()).sum())} values that are not; "
            "crop sounds of unequal length, or take them one by one"
        )
    return as_model_takes(model, x)


@keywords()
class DynamicSTRF:
    """Receptive field of one neuron at any moment of a sound: the gradient of its response there.

    Called with moments, it gives the fields. What `STRF_gradmap` gives bin by bin of one sound from its start comes
    here from short stretches of sound that end at the moments, many in one backward pass. How long they must be is
    found by trial: their responses must be those to the whole sound.

    Parameters
    ----------
    model : AudioEncodingModel
        Left exactly as it is.
    stimulus : Spectrogram, or Tensor or array of shape (B, 1, F, L) or (F, L)
    neuron : int
        Counted from 0; negative ones from the end.
    window : int, optional
        Lags of the fields; None is ``model.T``, or ``model.settling_bins`` for a recurrent model of one lag.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; the message names it.

    Examples
    --------
    >>> import deepstrf
    >>> demo = deepstrf.load_demo()
    >>> fields = DynamicSTRF(demo.model, demo.stimulus, neuron=2)
    >>> fields([(0, 100), (0, 101)]).shape
    torch.Size([2, 1, 34, 40])

    References
    ----------
    Meyer, Williamson, Linden & Sahani (2017), Front. Syst. Neurosci. 10:109, doi:10.3389/fnsys.2016.00109.
    """

    def __init__(
        self,
        model: AudioEncodingModel,
        stimulus: Spectrogram | ArrayLike,
        neuron: int = 0,
        *,
        window: int | None = None,
    ) -> None:
        self.stimulus = as_sounds(model, stimulus)
        self.model = model
        self.neuron = checked_neuron(model, neuron)
        lags = (model.T if model.T > 1 else max(1, model.settling_bins)) if window is None else window
        self.window = min(whole_number("window", lags), self.stimulus.shape[-1])
        self.responses = predict(model, self.stimulus)[:, self.neuron, 0]
        """To the whole sounds, (B, L)."""
        self.reach = self._reach()
        """Length of the stretches of sound, in bins."""
        self._after_prefilter = self._reach_after_prefilter()

    def __repr__(self) -> str:
        sounds, bins = self.responses.shape
        return f"DynamicSTRF({type(self.model).__name__}, neuron {self.neuron}, {sounds} sounds of {bins} bins)"

    def __call__(self, moments: Sequence[tuple[int, int]] | Tensor) -> Tensor:
        """Fields (M, 1, F, window) at ``moments``, M pairs of a sound and a bin; last index is lag 0.

        Lags before the start of a sound are 0.

        Raises
        ------
        ValueError
            A moment lies outside the sounds.
        """
        chosen = torch.as_tensor(moments, dtype=torch.long).reshape(-1, 2)
        B, L = self.responses.shape
        outside = (chosen < 0) | (chosen >= torch.tensor([B, L]))
        if bool(outside.any()):
            wrong = tuple(chosen[outside.any(1)][0].tolist())
            raise ValueError(f"moments must be pairs of a sound below {B} and a bin below {L}, got {wrong}")
        fields = self.stimulus.new_zeros(len(chosen), 1, self.model.F, self.window)
        for places, stretch, ends in self._stretches(chosen, self.reach):
            with linearised(self.model):
                leaf = stretch.detach().clone().requires_grad_()
                responses = self._at_the_ends(leaf, ends)
                (gradient,) = torch.autograd.grad(responses.sum(), leaf)
            for end in ends.unique().tolist():
                rows = torch.nonzero(ends == end)[:, 0]
                lags = min(self.window, end + 1)
                fields[places[rows], ..., self.window - lags :] = gradient[rows, ..., end + 1 - lags : end + 1]
        return fields

    def _at_the_ends(self, stretch: Tensor, ends: Tensor) -> Tensor:
        """Response (m,) to each sound (m, 1, F, .) at its own bin of ``ends``.

        Where all are the last bin, the stages behind a prefilter with a long memory see the end of what it gives alone.
        """
        rows, last = torch.arange(len(ends)), stretch.shape[-1] - 1
        if self._after_prefilter < min(self.reach, last + 1) and bool((ends == last).all()):
            adapted = self.model.prefiltered(stretch)[..., -self._after_prefilter :]
            return self.model.readout(self.model.core(adapted))[rows, self.neuron, 0, -1]
        return self.model(stretch)[rows, self.neuron, 0, ends]

    def windows(self, moments: Tensor) -> Tensor:
        """The sound under the fields, (M, 1, F, window); 0 before the start."""
        padded = functional.pad(self.stimulus, (self.window - 1, 0))
        sounds, bins = moments.T.to(padded.device)
        places = bins[:, None] + torch.arange(self.window, device=padded.device)
        return padded[sounds[:, None], 0, :, places].transpose(1, 2)[:, None]

    def _stretches(self, moments: Tensor, reach: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Places in ``moments``, the sound (m, 1, F, .) up to them from ``reach`` bins before, and their bins in it.

        Moments that are not so far from the start of their sounds share stretches that begin there and end a little
        later: a stretch of its own length for each would be a backward pass for each.
        """
        bins = moments[:, 1]
        step = max(SHORTEST_STEP, -(-reach // LENGTHS))
        lengths = ((bins // step + 1) * step).clamp(max=reach)
        lengths = torch.where(bins + 1 >= reach, reach, lengths)
        at_once = max(1, NUMBERS_AT_ONCE // (self.model.F * reach))
        for length in lengths.unique().tolist():
            for places in torch.nonzero(lengths == length)[:, 0].split(at_once):
                sounds, ends = moments[places].T
                starts = (ends - length + 1).clamp(min=0)
                within = starts[:, None] + torch.arange(length)
                yield places, self.stimulus[sounds[:, None], 0, :, within].transpose(1, 2)[:, None], ends - starts

    def _reach(self) -> int:
        """Bins before a moment that its response depends on, as far as this sound shows: doubled until it is enough."""
        B, L = self.responses.shape
        tried = torch.stack([torch.arange(TRIED) % B, torch.linspace(0, L - 1, TRIED).round().long()], 1)
        reach = self.window
        while reach < L:
            found = self.stimulus.new_empty(len(tried))
            for places, stretch, ends in self._stretches(tried, reach):
                answers = predict(self.model, stretch, batch_size=len(stretch))
                found[places] = answers[torch.arange(len(ends)), self.neuron, 0, ends]
            if self._is_enough(found, tried):
                break
            reach *= 2
        return min(reach, L)

    def _is_enough(self, found: Tensor, tried: Tensor) -> bool:
        """Whether the responses to the ends of stretches are those to the whole sounds."""
        true = self.responses[tried[:, 0], tried[:, 1]]
        spread = self.responses.double().std(correction=0).item()
        return (found - true).abs().max().item() <= SAME * spread

    def _reach_after_prefilter(self) -> int:
        """Bins of the prefiltered sound that the response depends on; ``reach`` where that cannot be told."""
        model, L = self.model, self.responses.shape[1]
        composed = (
            type(model).forward is NeuralModel.forward and type(model).prefiltered is AudioEncodingModel.prefiltered
        )
        hooks = model._forward_hooks or model._forward_pre_hooks or {"forward", "prefiltered"} & model.__dict__.keys()
        if not composed or hooks or type(model.prefiltering) is torch.nn.Identity:
            return self.reach
        bins = torch.linspace(self.reach - 1, L - 1, TRIED).round().long()
        tried = torch.stack([torch.arange(TRIED) % len(self.stimulus), bins], 1)
        with torch.no_grad(), evaluating(model):
            adapted = torch.cat([model.prefiltered(sound) for sound in self.stimulus[:TRIED].split(1)])
            tried[:, 0] %= len(adapted)
            reach = max(1, model.T)
            while reach < self.reach:
                within = (bins - reach + 1)[:, None] + torch.arange(reach)
                ends = adapted[tried[:, :1], :, :, within].permute(0, 2, 3, 1)
                if self._is_enough(model.readout(model.core(ends))[:, self.neuron, 0, -1], tried):
                    break
                reach *= 2
        return min(reach, self.reach)


def checked_neuron(model: AudioEncodingModel, neuron: int, name: str = "neuron") -> int:
    """The number of a neuron of the model, counted from 0; ValueError where there is none."""
    number = whole_number(name, neuron, None)
    if not -model.O <= number < model.O:
        raise ValueError(f"{name} must lie in {-model.O} .. {model.O - 1}, got {number}")
    return number % model.O
