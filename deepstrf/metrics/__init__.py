"""How well a model predicts responses: losses to train with and scores to report (compared in docs/metrics.md)."""

from deepstrf.metrics.losses import mse_loss, poisson_loss
from deepstrf.metrics.performance import corrcoef, fve, normalized_corrcoef
from deepstrf.metrics.pooling import Summary, summary
from deepstrf.metrics.reliability import (
    compute_CCmax,
    compute_TTRC,
    half_splits,
    noise_power,
    signal_power,
    snr,
)
from deepstrf.metrics.spectral import Coherence, coherence

__all__ = [
    "Coherence",
    "Summary",
    "coherence",
    "compute_CCmax",
    "compute_TTRC",
    "corrcoef",
    "fve",
    "half_splits",
    "mse_loss",
    "noise_power",
    "normalized_corrcoef",
    "poisson_loss",
    "signal_power",
    "snr",
    "summary",
]
