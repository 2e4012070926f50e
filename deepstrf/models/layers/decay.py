"""Leaky memory of each band, of a length that is learnt."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepstrf.arguments import check_numbers, check_sizes
from deepstrf.deprecation import keywords

from .configured import Configured
from .constraints import d_to_tau, tau_to_d
from .exponential import (
    HALF_PRECISION,
    causal_filter,
    checked_taps,
    decaying_powers,
    exponential_filter_by_recursion,
    geometric_sum,
    recursion_pays,
)

__all__ = ["LearnableExponentialDecay", "decay_filter", "decay_kernel"]


def decay_kernel(a: Tensor, kernel_size: int, unit_gain: bool) -> Tensor:
    """Taps ``s a^lag`` of lags K-1 .. 0, where s makes them sum to one (or is one, without ``unit_gain``).

    Parameters
    ----------
    a : Tensor, shape (...)
        Decay per frame, in [0, 1).
    kernel_size : int
        Taps K, at least 1.
    unit_gain : bool

    Returns
    -------
    Tensor, shape (..., K)
    """
    taps = decaying_powers(a, kernel_size)
    return taps / taps.sum(-1, keepdim=True) if unit_gain else taps


def decay_filter(x: Tensor, a: Tensor, kernel_size: int, unit_gain: bool) -> Tensor:
    """Each band filtered by its `decay_kernel`, with the first sample repeated before the recording.

    Parameters
    ----------
    x : Tensor, shape (B, F, T)
    a : Tensor, shape (F,)
        Decay per frame, in [0, 1).
    kernel_size : int
        Taps K, at least 1.
    unit_gain : bool

    Returns
    -------
    Tensor, shape (B, F, T)
        Computed in float32 where the inputs are float16 or bfloat16, and returned in their dtype.
    """
    if x.dtype in HALF_PRECISION:
        return decay_filter(x.float(), a.float(), kernel_size, unit_gain).to(x.dtype)
    if not recursion_pays(x, 1, kernel_size):
        return causal_filter(x, [decay_kernel(a, kernel_size, unit_gain)])[0]
    a = a.unsqueeze(0)
    # The same taps as a present and an averaged past, s and s a (1 + a + ... + a^(K-2)).
    present, past = torch.ones_like(a), a * geometric_sum(a, kernel_size - 1)
    if unit_gain:
        total = present + past
        present, past = present / total, past / total
    return exponential_filter_by_recursion(x, a, present, past, kernel_size).squeeze(1)


@keywords()
class LearnableExponentialDecay(Configured):
    r"""Low-pass filter of each band by a causal exponential of learnable length.

    :math:`y_f(t) = s_f \sum_{j=0}^{K-1} a_f^j x_f(t-j)` with :math:`\tau = 1 + d^2` frames and
    :math:`a = 1 - 1/\tau = d^2/(1 + d^2)`; before the first sample the band is taken to have had that value for ever.

    :math:`\tau` is the memory, the sum of all taps over the first, as the API reference defines it. The time in
    which a tap falls to 1/e, :math:`-1/\ln(1 - 1/\tau)`, is some half a frame shorter: `time_constant`.

    Parameters
    ----------
    input_size : int
        Bands F.
    kernel_size : int
        Taps K, in frames.
    init_tau : float
        First memory of every band, in frames, above 1.
    decay_input : bool
        True: s makes the taps sum to exactly one (unit DC gain). False: s is 1, so that the present enters unscaled.

    Raises
    ------
    ValueError
        A size is below 1, ``kernel_size`` above 10^6, or ``init_tau`` is not above 1 frame.

    Notes
    -----
    Takes (B, 1, F, T), (B, F, 1, T) or (B, F, T) and returns the same shape. Parameter ``d`` (F,).

    With ``decay_input`` the earlier deepSTRF package scaled by 1/tau, to which the sum of the taps only tends as K
    grows; here the gain is one for every K.

    References
    ----------
    Rahman et al. (2019), PLOS Comput. Biol. 15:e1006618; Fang et al. (2021), ICCV.
    """

    arguments = ("input_size", "kernel_size", "init_tau", "decay_input")

    def __init__(self, input_size: int, kernel_size: int, init_tau: float = 2.0, decay_input: bool = True) -> None:
        super().__init__()
        check_sizes(input_size=input_size)
        check_numbers("must be above 1 frame", lambda tau: 1 < tau < float("inf"), init_tau=init_tau)
        self.input_size, self.kernel_size = int(input_size), checked_taps(kernel_size, 1)
        self.init_tau, self.decay_input = float(init_tau), bool(decay_input)
        self.d = nn.Parameter(tau_to_d([self.init_tau] * input_size))

    def tau(self) -> Tensor:
        """Memory ``1/(1 - a)`` of each band (F,), in frames, at least 1."""
        return d_to_tau(self.d)

    def time_constant(self) -> Tensor:
        """Frames after which a tap of each band has fallen to 1/e, (F,): ``-1/log(a)``, 0 for a band without memory."""
        return -1.0 / self._decay().log()

    def build_kernel(self, device: torch.device | str = "cpu") -> Tensor:
        """Kernels (F, 1, K) on ``device``, differentiable, last tap the current bin."""
        return decay_kernel(self._decay(), self.kernel_size, self.decay_input).unsqueeze(1).to(device)

    def forward(self, x: Tensor) -> Tensor:
        """Filtered ``x`` in the layout it came in; ValueError unless that is one of the three named above."""
        F = self.d.shape[0]
        if tuple(x.shape[1:-1]) not in ((F,), (1, F), (F, 1)):
            raise ValueError(f"x must have shape (B, 1, {F}, T), (B, {F}, 1, T) or (B, {F}, T), got {tuple(x.shape)}")
        bands = x if x.dim() == 3 else x.reshape(x.shape[0], F, x.shape[-1])
        y = decay_filter(bands, self._decay(), self.kernel_size, self.decay_input)
        return y if x.dim() == 3 else y.reshape(x.shape)

    def _decay(self) -> Tensor:
        squared = self.d * self.d
        return squared / (1.0 + squared)
