"""The sound that a neuron of any model responds to most, under a limit of level and smoothness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from deepstrf.analysis.dynamic_strf import check_model, checked_neuron
from deepstrf.arguments import check_numbers, whole_number
from deepstrf.deprecation import keywords
from deepstrf.models.audio import AudioEncodingModel
from deepstrf.models.audio.gradient_maps import linearised
from deepstrf.models.prediction import predict

__all__ = ["WantedSound", "wanted_sound"]

STARTS_DB = (1.0, 5.0, 20.0)
"""Levels of the noise that the search begins from, the faintest that moves the response."""

STEP_DB = 2.0
"""Of the optimiser in its first step, falling to a tenth."""


@keywords()
@dataclass(frozen=True, eq=False)
class WantedSound:
    """A spectrogram and what a neuron answers to it, from `wanted_sound`."""

    values: Tensor
    """(F, L), dB above silence; the response in question is that in the last bin."""
    response: float
    """Of the neuron in the last bin, less that of ``against`` where there is one."""
    silence: float
    """The same for silence."""
    step: int
    """Steps of the ascent so far."""

    def __repr__(self) -> str:
        (F, L), rms = self.values.shape, self.values.square().mean().sqrt().item()
        return (
            f"WantedSound({F} bands, {L} bins, {rms:.3g} dB rms: response {self.response:.3g}, "
            f"in silence {self.silence:.3g}, after {self.step} steps)"
        )


@keywords()
def wanted_sound(
    model: AudioEncodingModel,
    neuron: int,
    *,
    against: int | None = None,
    n_bins: int | None = None,
    rms_db: float = 2.0,
    peak_db: float = 80.0,
    smooth_bands: float = 0.7,
    smooth_bins: float = 0.7,
    steps: int = 150,
    seed: int = 0,
    callback: Callable[[WantedSound], object] | None = None,
) -> WantedSound:
    """The spectrogram that drives a neuron most at its end, found by gradient ascent from faint noise.

    Without limits the answer would be as loud as numbers go. Here the level over all bands and bins is limited, so that
    sound goes where it does most; for a neuron with one receptive field that is where the field is positive.

    Parameters
    ----------
    model : AudioEncodingModel
        Takes spectrograms in dB above silence, 0 at silence. Left exactly as it is.
    neuron : int
        Counted from 0.
    against : int, optional
        Another neuron: the sound that raises the first one's response most above this one's, what tells them apart.
    n_bins : int, optional
        Length L; None is twice the model's lags, or those and what a recurrent state needs to settle.
    rms_db : float
        Largest root mean square over bands and bins, dB above silence.
    peak_db : float
        Largest value, dB above silence.
    smooth_bands, smooth_bins : float
        Standard deviations of the Gaussian that the sound is smoothed with, in bands and in bins; 0 is none.
    steps : int
        Of the ascent.
    seed : int
        Of the noise.
    callback : callable, optional
        Called with the `WantedSound` so far, at silence and after every step; one that returns False ends the ascent.

    Returns
    -------
    WantedSound
        The best of all steps.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type or value, or no faint noise moves the response.

    Notes
    -----
    The ascent is that of Adam on the unsmoothed picture; after each step the picture is cut at 0, and the smoothed one
    is scaled to the limits. A local optimum, as any ascent's: other seeds may find others.

    Examples
    --------
    >>> import deepstrf
    >>> found = wanted_sound(deepstrf.load_demo().model, neuron=2, steps=20)
    >>> found.response > found.silence
    True
    """
    check_model(model)
    chosen = checked_neuron(model, neuron)
    other = None if against is None else checked_neuron(model, against, "against")
    if other == chosen:
        raise ValueError(f"against must be another neuron than {chosen}")
    L = 2 * max(model.T, model.settling_bins) if n_bins is None else whole_number("n_bins", n_bins)
    check_numbers("must be a positive level (dB)", lambda x: 0 < x < float("inf"), rms_db=rms_db, peak_db=peak_db)
    check_numbers(
        "must be at least 0 and finite",
        lambda x: 0 <= x < float("inf"),
        smooth_bands=smooth_bands,
        smooth_bins=smooth_bins,
    )
    count = whole_number("steps", steps)
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(0))
    smoothers = [
        _smoother(size, width).to(like.device, like.dtype)
        for size, width in ((model.F, smooth_bands), (L, smooth_bins))
    ]

    def limited(picture: Tensor) -> Tensor:
        smooth = smoothers[0] @ picture @ smoothers[1].T
        rms, peak = smooth.square().mean().sqrt(), smooth.amax()
        return smooth * torch.clamp(torch.minimum(rms_db / rms.clamp(min=1e-9), peak_db / peak.clamp(min=1e-9)), max=1)

    def response(sound: Tensor) -> Tensor:
        last = model(sound[None, None])[0, :, 0, -1]
        return last[chosen] if other is None else last[chosen] - last[other]

    def quiet_response(sound: Tensor) -> float:
        last = predict(model, sound[None, None])[0, :, 0, -1]
        return (last[chosen] if other is None else last[chosen] - last[other]).item()

    silence = like.new_zeros(model.F, L)
    at_silence = quiet_response(silence)
    noise = torch.rand(model.F, L, generator=torch.Generator().manual_seed(whole_number("seed", seed, 0))).to(like)
    for level in STARTS_DB:
        with linearised(model):
            picture = (level * noise).requires_grad_()
            (slope,) = torch.autograd.grad(response(limited(picture)), picture)
        if bool((slope != 0).any()) and bool(slope.isfinite().all()):
            break
    else:
        raise ValueError(
            f"the response of neuron {chosen} does not move with noise of up to {STARTS_DB[-1]:g} dB rms: its output "
            "curve is at an end, or its field is zero; see diagnose()"
        )
    best = WantedSound(silence, at_silence, at_silence, 0)
    going = callback is None or callback(best) is not False
    picture = picture.detach()
    adam = torch.optim.Adam([picture], lr=STEP_DB, betas=(0.9, 0.99), maximize=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, count, STEP_DB / 10)
    for step in range(1, count + 1):
        if not going:
            break
        with linearised(model):
            leaf = picture.detach().requires_grad_()
            (picture.grad,) = torch.autograd.grad(response(limited(leaf)), leaf)
        with torch.no_grad():
            adam.step()
            picture.clamp_(min=0)
            # Within the limits the sound and its picture stay of one size, so that steps stay of theirs.
            sound = limited(picture)
            size = sound.amax() / (smoothers[0] @ picture @ smoothers[1].T).amax().clamp(min=1e-9)
            picture.mul_(size.clamp(max=1))
        schedule.step()
        reached = quiet_response(sound)
        now = WantedSound(sound.clone(), reached, at_silence, step)
        best = now if reached > best.response else best
        going = callback is None or callback(now) is not False
    return best


def _smoother(size: int, width: float) -> Tensor:
    """Matrix (size, size) that smooths with a Gaussian of ``width`` samples, its rows of sum 1."""
    if width == 0:
        return torch.eye(size)
    places = torch.arange(size, dtype=torch.float64)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
    return (weights / weights.sum(1, keepdim=True)).float()
