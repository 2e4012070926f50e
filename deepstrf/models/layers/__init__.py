"""Layers that the models are built from, one family a file."""

from .constraints import (
    MIN_SIGMA,
    Constraint,
    a_to_d,
    d_to_a,
    d_to_tau,
    inverse_softplus,
    raw_to_sigma,
    sigma_to_raw,
    softplus,
    tau_to_d,
    w_to_p,
)
from .exponential import exponential_average, exponential_taps, geometric_sum
from .normalization import CausalLayerNorm
from .strf import CausalSTRFConv, ParametricSTRF, SeparableSTRF, gaussian_mixture_kernel, separable_kernel

__all__ = [
    "MIN_SIGMA",
    "CausalLayerNorm",
    "CausalSTRFConv",
    "Constraint",
    "ParametricSTRF",
    "SeparableSTRF",
    "a_to_d",
    "d_to_a",
    "d_to_tau",
    "exponential_average",
    "exponential_taps",
    "gaussian_mixture_kernel",
    "geometric_sum",
    "inverse_softplus",
    "raw_to_sigma",
    "separable_kernel",
    "sigma_to_raw",
    "softplus",
    "tau_to_d",
    "w_to_p",
]
