"""Scores of predictions against recorded responses: each is computed once, and quickly during a gesture."""

from __future__ import annotations

from torch import Tensor

from deepstrf.metrics import corrcoef, normalized_corrcoef

__all__ = ["Scores"]


class Scores:
    """Correlation, and correlation with the noise-free response, of predictions with recorded trials.

    Parameters
    ----------
    responses : Tensor, shape (B, N, R, T)
        Recorded trials; NaN where nothing was recorded.
    """

    def __init__(self, responses: Tensor) -> None:
        self.responses = responses
        self._ratios: dict[int, float | None] = {}
        self._known: dict[int, tuple[Tensor, float, float | None]] = {}

    def of(self, predicted: Tensor, neuron: int) -> tuple[float, float | None]:
        """r and CCnorm of a prediction (B, T) of one neuron; CCnorm is None without repeated trials."""
        known = self._known.get(neuron)
        if known is not None and known[0] is predicted:
            return known[1:]
        recorded = self.responses[:, neuron : neuron + 1]
        shaped = predicted[:, None, None]
        r = float(corrcoef(shaped, recorded, reduction="none")[0])
        normalized: float | None = None
        if recorded.shape[2] > 1:
            ratio = self._ratio(neuron)
            if ratio is None:
                normalized = float(normalized_corrcoef(shaped, recorded, reduction="none")[0])
            else:
                normalized = r * ratio
        self._known[neuron] = predicted, r, normalized
        return r, normalized

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
