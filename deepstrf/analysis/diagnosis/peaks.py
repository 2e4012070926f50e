"""Whether the data prefer another band than that in which a field has its peak, in a second for all neurons.

Where bands go together in the sounds, fields that differ in their peak predict alike, and what a fit ends in is a
matter of its form and of chance. The check linearises the output curve about the fit and asks which fields are probable
under a prior that knows only that fields are smooth: a Gaussian posterior in closed form, in which the sizes of two
weights can be compared. `deepstrf.training.posterior` has the prior and the curve that suit each neuron, and takes as
long as several fits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.analysis.diagnosis.finding import Finding
from deepstrf.analysis.diagnosis.sample import FRAMES_AT_ONCE, Sample
from deepstrf.analysis.tuning import best_frequency
from deepstrf.models.neural_model import NeuralModel
from deepstrf.models.readouts import STRFReadout
from deepstrf.stimuli.evidence import heard_weights, moving_bands

SMOOTH_OCTAVES, SMOOTH_MS = 0.2, 7.0
"""Lengths of the squared exponential prior of a field. Twice or half of them changed no finding that was looked at."""

KEPT_VARIANCE = 0.999
"""Of the prior, in the functions that a field is made of."""

FAR_OCTAVES = 0.3
"""A peak that lies nearer is the same one: fits scatter."""

LEAST_SD = 1.0
"""By so many SD of its posterior one weight must be above the other. Without it 33 of 846 simulated neurons with
the very field that they have were told of another band (5 to 60 s, 1 to 10 trials, SNR 0.05 to 1): in the fourteen that
were looked at, by 0.02 to 0.6 SD. Where a test puts the peak elsewhere it is 15 SD."""

LEAST_BINS_PER_WEIGHT = 2
"""Fewer recorded bins than this per function say nothing that is worth a warning."""


def misplaced_peaks(model: nn.Module, sample: Sample, cf_hz: Tensor | None, skip: set[int]) -> list[Finding]:
    """A finding for each neuron but ``skip`` whose field has its peak in another band than the data prefer.

    Of the channel with the largest peak. Empty where nothing can be said: without responses, frequencies or the width
    of a bin, of models that are no receptive fields, and of too few bins.
    """
    readout = getattr(model, "readout", None)
    if cf_hz is None or sample.dt_ms is None or sample.mean_response is None or not isinstance(readout, STRFReadout):
        return []
    if not isinstance(model, NeuralModel) or not isinstance(model.core, nn.Identity):
        return []
    try:
        field = readout.effective_STRF()[0].detach().double().cpu()
    except NotImplementedError:  # of a kernel that the user wrote no field is known
        return []
    with torch.no_grad():
        parts = sample.stimuli.to(next(model.parameters())).split(max(1, FRAMES_AT_ONCE // sample.stimuli.shape[-1]))
        heard = torch.cat([model.prefiltered(part).double().cpu() for part in parts])
    if heard.shape[1:3] != field.shape[1:3] or field.shape[2] != len(cf_hz) or not bool(heard.isfinite().all()):
        return []
    bins = sample.inside.sum(1).tolist()
    field = torch.where(heard_weights(heard, field.shape[-1], bins), field, 0.0)
    octaves = cf_hz.double().cpu().log2()
    smooth = SmoothPosterior(heard, bins, octaves, sample.dt_ms, field.shape[-1])
    found = []
    for n, channel in enumerate(field.amax((2, 3)).argmax(1).tolist()):
        if n in skip or not bool(field[n].isfinite().all()):
            continue
        peak = best_frequency(field[n, channel], cf_hz.double().cpu())
        if not bool(peak.isfinite()):
            continue
        rival = smooth.preferred(field[n], channel, sample.rates[n], sample.mean_response[n], float(peak.log2()))
        if rival is None:
            continue
        at, preferred = float(peak), 2.0**rival
        sentence = (
            f"Its field has its peak at {at:.3g} Hz, but of the smooth fields that explain these responses the most "
            f"probable one has it about {preferred:.2g} Hz: sounds whose bands go together let a field stand in "
            "another band. Read its tuning off `deepstrf.training.posterior`, which has an interval, not off the field."
        )
        found.append(Finding("misread_tuning", n, sentence, {"peak_hz": at, "preferred_hz": preferred}))
    return found


class SmoothPosterior:
    """Posterior of smooth fields over some sounds, whose part that is alike for all neurons is computed once.

    Parameters
    ----------
    heard : Tensor, shape (B, C, F, T)
        Sounds as the fields get them.
    bins : list of int
        Length of each.
    octaves : Tensor, shape (F,)
        Centre frequencies, log2 Hz.
    dt_ms : float
    n_lags : int
        K of the fields.
    """

    def __init__(self, heard: Tensor, bins: list[int], octaves: Tensor, dt_ms: float, n_lags: int) -> None:
        self.octaves, self.n_lags = octaves, n_lags
        self.heard = [sound[..., :T] for sound, T in zip(heard, bins, strict=True)]
        ms = torch.arange(n_lags, dtype=torch.float64) * dt_ms
        moving = moving_bands(heard, bins)
        self.functions = [_smooth_functions(octaves, channel, ms) for channel in moving]
        self.audible = heard_weights(heard, n_lags, bins)
        design = self._seen()
        self.mean = design.mean(0)
        self.design = design - self.mean
        values, self.turn = torch.linalg.eigh(self.design.T @ self.design / len(design))
        self.values = values.clamp(min=0)

    def _seen(self) -> Tensor:
        """What each function of the prior gives in each bin, (bins, rank)."""
        return torch.cat(
            [torch.cat([self._of_channel(c, sound) for c in range(len(sound))], 1) for sound in self.heard]
        )

    def _of_channel(self, channel: int, sound: Tensor) -> Tensor:
        of_band, of_lag, size = self.functions[channel]
        past = functional.pad(of_band.T @ sound[channel], (self.n_lags - 1, 0)).unfold(-1, self.n_lags, 1)
        return (past @ of_lag).movedim(1, 0)[:, size > 0] * size[size > 0]

    def preferred(self, field: Tensor, channel: int, rate: Tensor, response: Tensor, peak: float) -> float | None:
        """Place in octaves of the largest weight of the mean field, where it lies far from ``peak`` and above all near
        it by `LEAST_SD`; else None.

        Parameters
        ----------
        field : Tensor, shape (C, F, K)
            About which the output curve is linearised.
        channel : int
            In which peaks are compared.
        rate, response : Tensor, shape (bins,)
            Predicted and recorded; NaN where nothing was recorded.
        peak : float
            Of the field, log2 Hz.
        """
        past = [functional.pad(sound, (self.n_lags - 1, 0)).unsqueeze(0) for sound in self.heard]
        drive = torch.cat([functional.conv2d(one, field[None]).flatten() for one in past])
        there = ~response.isnan()
        n = int(there.sum())
        left = torch.where(there, response - rate, 0.0)
        left = torch.where(there, left - left.sum() / max(n, 1), 0.0)
        noise, drive = left.square().sum() / max(n, 1), drive - drive.mean()
        size = field[self.audible].square().mean()
        if n < LEAST_BINS_PER_WEIGHT * len(self.values) or not bool(noise * size * drive.square().mean() > 0):
            return None
        slope = (drive * (rate - rate.mean())).sum() / drive.square().sum()
        # What the fit explains and what it left, both as a smooth field would explain it.
        seen = self.turn.T @ (self.design.T @ drive / len(drive) * slope + self.design.T @ left / n)
        precision = slope.square() * n / noise * self.values + 1 / size
        mean = self._field(self.turn @ (seen * slope * n / noise / precision), channel)
        mean = torch.where(self.audible[channel], mean, -torch.inf)
        near = (self.octaves - peak).abs() <= FAR_OCTAVES
        best, lag = divmod(int(mean.argmax()), self.n_lags)
        if bool(near[best]) or not bool(near.any()):
            return None
        own, own_lag = divmod(int(torch.where(near[:, None], mean, -torch.inf).argmax()), self.n_lags)
        between = self._weight(channel, best, lag) - self._weight(channel, own, own_lag)
        sd = ((self.turn.T @ between).square() / precision).sum().sqrt()
        sure = bool(mean[best, lag] - mean[own, own_lag] >= LEAST_SD * sd)
        return float(self.octaves[best]) if sure else None

    def _weight(self, channel: int, band: int, lag: int) -> Tensor:
        """What each function of the prior adds to one weight, (rank,)."""
        of_band, of_lag, size = self.functions[channel]
        added = torch.outer(of_band[band], of_lag[lag]) * size
        kept = [size > 0 for *_, size in self.functions]
        return torch.cat([added[k] if c == channel else added.new_zeros(int(k.sum())) for c, k in enumerate(kept)])

    def _field(self, weights: Tensor, channel: int) -> Tensor:
        """Part (F, K) of a field in one channel."""
        counts = [int((size > 0).sum()) for *_, size in self.functions]
        of_band, of_lag, size = self.functions[channel]
        product = torch.zeros_like(size)
        product[size > 0] = weights.split(counts)[channel]
        return of_band @ (product * size) @ of_lag.T


def _smooth_functions(octaves: Tensor, moving: Tensor, ms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Functions (F, bands) of frequency and (K, K) of lag, and the SD (bands, K) of their products; 0: left out."""
    band_variance, functions = torch.linalg.eigh(_alike(octaves[moving], SMOOTH_OCTAVES))
    lag_variance, of_lag = torch.linalg.eigh(_alike(ms, SMOOTH_MS))
    variance = (band_variance[:, None] * lag_variance).clamp(min=0)
    order = variance.flatten().argsort(descending=True)
    cumulated = variance.flatten()[order].cumsum(0)
    kept = order[: int((cumulated < KEPT_VARIANCE * variance.sum()).sum()) + 1]
    size = torch.zeros_like(variance).flatten()
    size[kept] = variance.flatten()[kept].sqrt()
    of_band = octaves.new_zeros(len(octaves), len(functions))
    of_band[moving] = functions
    return of_band, of_lag, size.view_as(variance)


def _alike(place: Tensor, length: float) -> Tensor:
    return torch.exp(-0.5 * ((place[:, None] - place) / length) ** 2)
