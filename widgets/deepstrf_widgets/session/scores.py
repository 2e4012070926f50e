"""Scores of predictions against recorded responses: each is computed once, and quickly during a gesture."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from deepstrf.metrics import normalized_corrcoef

__all__ = ["NO_SCORE", "Score", "Scores"]

GAP = 0.1
"""From this difference on it is said why the variance explained is less than the square of the correlation."""


class Score(NamedTuple):
    r"""How well a prediction fits a recorded response; each is None without one, and NaN where it is undefined.

    Attributes
    ----------
    r : float
        Correlation: blind to gain and offset.
    normalized : float
        Correlation with the noise-free response (CCnorm); None without repeated trials.
    explained : float
        Fraction of variance explained, :math:`r^2 - (\Delta\mu / \sigma)^2 - (\sigma_{pred} / \sigma - r)^2` with the
        difference of the means and the standard deviation of the recorded response: neither gain nor offset is free.
    normalized_explained : float
        The same of the variance that is no noise (Sahani & Linden 2003); None where the trials do not tell how much
        that is: without repeats, with gaps, over several sounds.
    rate_bias : float
        Mean of the predicted rate over that of the recorded one, less 1.
    mismatch : str
        The larger reason why ``explained`` is less than the square of ``r``: "too flat", "too steep", "mean too high",
        "mean too low"; "" where they hardly differ.
    """

    r: float | None = None
    normalized: float | None = None
    explained: float | None = None
    normalized_explained: float | None = None
    rate_bias: float | None = None
    mismatch: str = ""


NO_SCORE = Score()


class Recorded(NamedTuple):
    """What the scores of a neuron need of its mean over the trials: that is the same for every prediction."""

    bins: Tensor | None
    """Bins that were recorded, None for all."""

    unit: Tensor | None
    """Deviations from the mean, of length 1; None where there are none."""

    mean: float
    sd: float


class Scores:
    """Scores of predictions against recorded trials.

    Parameters
    ----------
    responses : Tensor, shape (B, N, R, T)
        Recorded trials; NaN where nothing was recorded.
    """

    def __init__(self, responses: Tensor) -> None:
        self.responses = responses
        self._ratios: dict[int, float | None] = {}
        self._recorded: dict[int, Recorded] = {}
        self._known: dict[int, tuple[Tensor, Score]] = {}
        self._sounds: dict[int, Scores] = {}

    def of_another(self) -> Scores:
        """Scores of another model's predictions, which share what is known of the trials."""
        other = Scores(self.responses)
        other._ratios, other._recorded = self._ratios, self._recorded
        return other

    def of(self, predicted: Tensor, neuron: int, sound: int | None = None) -> Score:
        """Score of a prediction (B, T) of one neuron, over all sounds or over one."""
        if sound is not None and len(self.responses) > 1:
            if sound not in self._sounds:
                self._sounds[sound] = Scores(self.responses[sound : sound + 1])
            return self._sounds[sound].of(predicted[sound : sound + 1], neuron)
        known = self._known.get(neuron)
        if known is not None and known[0] is predicted:
            return known[1]
        recorded = self._recorded.get(neuron)
        if recorded is None:
            recorded = self._recorded[neuron] = _recorded(self.responses[:, neuron].nanmean(1))
        r, explained, bias, mismatch = _compared(predicted, recorded)
        normalized: float | None = None
        ratio: float | None = None
        if self.responses.shape[2] > 1:
            ratio = self._ratio(neuron)
            if ratio is None:
                trials = self.responses[:, neuron : neuron + 1]
                normalized = float(normalized_corrcoef(predicted[:, None, None], trials, reduction="none")[0])
            else:
                normalized = r * ratio
        within = None if ratio is None else explained * ratio**2
        score = Score(r, normalized, explained, within, bias, mismatch)
        self._known[neuron] = predicted, score
        return score

    def _ratio(self, neuron: int) -> float | None:
        """CCnorm / r of a neuron; None where it depends on the prediction.

        Of one sound without gaps it is sqrt(var(mean over trials) / SP), SP the signal power, whatever is predicted:
        the CCnorm of that mean itself, whose r is 1.
        """
        if neuron not in self._ratios:
            recorded = self.responses[:, neuron : neuron + 1]
            plain = len(recorded) == 1 and not bool(recorded.isnan().any())
            mean = recorded.mean(2, keepdim=True)
            self._ratios[neuron] = float(normalized_corrcoef(mean, recorded, reduction="none")[0]) if plain else None
        return self._ratios[neuron]


def _recorded(mean: Tensor) -> Recorded:
    """Of the mean over the trials of one neuron, (B, T); NaN where nothing was recorded."""
    missing = mean.isnan()
    bins = ~missing if bool(missing.any()) else None
    y = (mean.flatten() if bins is None else mean[bins]).double()
    if not len(y):
        return Recorded(bins, None, math.nan, 0.0)
    centred = y - y.mean()
    # All equal is no variance, whatever rounding makes of the differences.
    length = centred.norm().item() if bool(y.min() < y.max()) else 0.0
    unit = centred / length if length > 0 else None
    return Recorded(bins, unit, y.mean().item(), length / math.sqrt(len(y)))


def _compared(predicted: Tensor, recorded: Recorded) -> tuple[float, float, float, str]:
    """Correlation, variance explained, bias of the mean rate, and the word for what is wrong with gain or offset."""
    bins, unit, my, sy = recorded
    x = (predicted.flatten() if bins is None else predicted[bins]).double()
    if not len(x):
        return math.nan, math.nan, math.nan, ""
    mx, (low, high) = x.mean().item(), (one.item() for one in x.aminmax())
    bias = mx / my - 1 if my > 0 else math.nan
    if unit is None:
        return math.nan, math.nan, bias, ""
    if not math.isfinite(mx):
        return math.nan, math.nan if math.isnan(low) else -math.inf, bias, ""
    r, sx = math.nan, 0.0
    if low < high:
        scale = max(high - mx, mx - low)  # no square of which overflows
        centred = (x - mx) / scale
        length = centred.norm().item()
        r, sx = max(-1.0, min(1.0, centred.dot(unit).item() / length)), scale * length / math.sqrt(len(x))
    slope = r if sx > 0 else 0.0
    offset, gain = (mx - my) / sy, sx / sy - slope
    offset, gain = offset * offset, gain * gain  # where ** 2 raises, * is inf
    explained = slope**2 - offset - gain
    if not offset + gain > GAP:
        return r, explained, bias, ""
    if offset > gain:
        return r, explained, bias, "mean too high" if mx > my else "mean too low"
    return r, explained, bias, "too steep" if sx / sy > slope else "too flat"
