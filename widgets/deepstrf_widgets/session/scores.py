"""Scores of predictions against recorded responses: each is computed once, and quickly during a gesture."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from deepstrf.metrics import corrcoef, normalized_corrcoef

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
        self._known: dict[int, tuple[Tensor, Score]] = {}

    def of(self, predicted: Tensor, neuron: int) -> Score:
        """Score of a prediction (B, T) of one neuron."""
        known = self._known.get(neuron)
        if known is not None and known[0] is predicted:
            return known[1]
        recorded = self.responses[:, neuron : neuron + 1]
        shaped = predicted[:, None, None]
        r = float(corrcoef(shaped, recorded, reduction="none")[0])
        normalized: float | None = None
        ratio: float | None = None
        if recorded.shape[2] > 1:
            ratio = self._ratio(neuron)
            if ratio is None:
                normalized = float(normalized_corrcoef(shaped, recorded, reduction="none")[0])
            else:
                normalized = r * ratio
        explained, bias, mismatch = self._level(predicted, neuron)
        within = None if ratio is None else explained * ratio**2
        score = Score(r, normalized, explained, within, bias, mismatch)
        self._known[neuron] = predicted, score
        return score

    def _level(self, predicted: Tensor, neuron: int) -> tuple[float, float, str]:
        """Variance explained, bias of the mean rate, and the word for what is wrong with gain or offset."""
        recorded = self.responses[:, neuron].nanmean(1)
        valid = ~recorded.isnan()
        y, x = recorded[valid].double(), predicted[valid].double()
        if y.numel() < 2:
            return math.nan, math.nan, ""
        (my, mx), (sy, sx) = (y.mean().item(), x.mean().item()), (y.std(False).item(), x.std(False).item())
        bias = mx / my - 1 if my > 0 else math.nan
        if not sy > 0:
            return math.nan, bias, ""
        explained = 1 - (y - x).square().mean().item() / sy**2
        r = ((y - my) * (x - mx)).mean().item() / (sy * sx) if sx > 0 else 0.0
        offset, gain = ((mx - my) / sy) ** 2, (sx / sy - r) ** 2
        if not offset + gain > GAP:
            return explained, bias, ""
        if offset > gain:
            return explained, bias, "mean too high" if mx > my else "mean too low"
        return explained, bias, "too steep" if sx / sy > r else "too flat"

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
