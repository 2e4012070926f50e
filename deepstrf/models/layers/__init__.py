"""Layers that the models are built from, one family a file."""

from .attention import build_causal_window_mask, windowed_attention
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
from .decay import LearnableExponentialDecay
from .exponential import exponential_filter, exponential_kernel
from .locally_connected import LocallyConnected1d, locally_connected
from .normalization import CausalLayerNorm
from .positional import SinusoidalPositionalEncoding
from .strf import CausalSTRFConv, ParametricSTRF, SeparableSTRF, gaussian_mixture_kernel, separable_kernel

__all__ = [
    "MIN_SIGMA",
    "CausalLayerNorm",
    "CausalSTRFConv",
    "Constraint",
    "LearnableExponentialDecay",
    "LocallyConnected1d",
    "ParametricSTRF",
    "SeparableSTRF",
    "SinusoidalPositionalEncoding",
    "a_to_d",
    "build_causal_window_mask",
    "d_to_a",
    "d_to_tau",
    "exponential_filter",
    "exponential_kernel",
    "gaussian_mixture_kernel",
    "inverse_softplus",
    "locally_connected",
    "raw_to_sigma",
    "separable_kernel",
    "sigma_to_raw",
    "softplus",
    "tau_to_d",
    "w_to_p",
    "windowed_attention",
]
