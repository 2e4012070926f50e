"""Prefilters: adaptation of each band of a spectrogram to its recent past."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import check_choice, check_numbers, check_sizes
from deepstrf.deprecation import keywords

from .layers.configured import Configured
from .layers.constraints import (
    FRACTION,
    POSITIVE,
    FloatLike,
    a_to_d,
    as_float_tensor,
    inverse_softplus,
    learnable_fraction,
    learnable_rate,
    natural_property,
    softplus,
    w_to_p,
)
from .layers.depletion import depletion
from .layers.exponential import checked_taps, exponential_filter, exponential_kernel
from .protocols import Stage
from .time_constants import NO_MEMORY_FROM_HZ, WITH_A_TIME_CONSTANT, a_to_tau, freq_to_tau, get_CFs, tau_to_a

__all__ = [
    "AdapTrans",
    "ICAdaptation",
    "ShortTermPlasticity",
    "Willmore_Adaptation",
    "a_to_tau",
    "freq_to_tau",
    "get_CFs",
    "make_prefiltering",
    "tau_to_a",
]

KERNEL_LENGTH_IN_TAU = 3.0
KINDS = ("adaptrans", "icadaptation", "willmore")


def _per_band(values: FloatLike, argument: str) -> Tensor:
    """Copy of ``values`` as a 1-D float tensor."""
    tensor = as_float_tensor(values, argument).detach().clone()
    if tensor.dim() != 1 or tensor.numel() == 0:
        raise ValueError(f"{argument} must have shape (F,), one value per band, got {tuple(tensor.shape)}")
    return tensor


def _band_signals(spectro_in: Tensor, F: int) -> Tensor:
    """Spectrogram (B, 1, F, T) as (B, F, T)."""
    if spectro_in.dim() != 4 or spectro_in.shape[1] != 1 or spectro_in.shape[2] != F or spectro_in.shape[3] == 0:
        raise ValueError(f"spectro_in must have shape (B, 1, {F}, T) with T > 0, got {tuple(spectro_in.shape)}")
    return spectro_in.squeeze(1)


@keywords()
class ICAdaptation(Configured):
    r"""Adaptation of the inferior colliculus: each band minus its exponential average, half-wave rectified.

    :math:`y_t = \max(0, x_t - \sum_{j=1}^{K-1} a^{j-1} x_{t-j} / S)` with :math:`S = \sum_{i=0}^{K-2} a^i`; before the
    first sample the band is taken to have had that value for ever.

    Parameters
    ----------
    init_a_vals : Tensor or sequence of float, shape (F,)
        Decay per time bin of each band, in (0, 1]. Copied.
    kernel_size : int
        Taps K, the current bin included; at least 2.

    Raises
    ------
    ValueError
        A decay lies outside (0, 1], or a shape or size is wrong.

    Notes
    -----
    (B, 1, F, T) -> (B, 1, F, T). Not learnable: the decays are the buffer ``a`` (F,), which follow from the centre
    frequencies (`freq_to_tau`). `AdapTrans` is the learnable extension.

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280.
    """

    arguments = ("init_a_vals", "kernel_size")
    out_channels: int = 1
    a: Tensor

    def __init__(self, init_a_vals: FloatLike, kernel_size: int = 2) -> None:
        super().__init__()
        a = _per_band(init_a_vals, "init_a_vals")
        a_to_d(a, "init_a_vals")
        self.kernel_size = checked_taps(kernel_size, 2)
        self.init_a_vals: list[float] = a.tolist()
        self.register_buffer("a", a)

    def build_kernels(self) -> Tensor:
        """Kernel (F, 1, K), last tap the current bin: +1 there, minus the exponential average before."""
        one = torch.ones_like(self.a)
        return exponential_kernel(self.a, one, -one, self.kernel_size).unsqueeze(1)

    def forward(self, spectro_in: Tensor) -> Tensor:
        """Adapted spectrogram (B, 1, F, T), non-negative; ValueError for another shape."""
        x = _band_signals(spectro_in, self.a.shape[0])
        a = self.a.unsqueeze(0)
        one = torch.ones_like(a)
        return torch.relu(exponential_filter(x, a, one, -one, self.kernel_size))

    def extra_repr(self) -> str:
        """Sizes, for ``print(module)``."""
        return f"F={self.a.shape[0]}, kernel_size={self.kernel_size}"


Willmore_Adaptation = ICAdaptation


@keywords()
class AdapTrans(Configured):
    r"""Learnable ON and OFF adaptation: present against exponential average of the past, in both directions.

    With :math:`m_t(a) = \sum_{j=1}^{K-1} a^{j-1} x_{t-j} / S` and :math:`S = \sum_{i=0}^{K-2} a^i`,
    ON :math:`= \max(0, x_t - w\,m_t(a_{on}))` and OFF :math:`= \max(0, m_t(a_{off}) - w\,x_t)`. Both kernels
    sum to 1 - w; before the first sample the band is taken to have had that value for ever.

    Parameters
    ----------
    init_a_vals : Tensor or sequence of float, shape (F,)
        Decay per time bin of each band, in (0, 1], for both polarities at first. Copied.
    init_w_vals : Tensor or sequence of float, shape (F,)
        Weight of the past (ON) or of the present (OFF), in (0, 1]. Copied.
    kernel_size : int
        Taps K, the current bin included; at least 2.
    learnable : bool
        Parameters if True, buffers if False.

    Raises
    ------
    ValueError
        A decay or a weight lies outside (0, 1], or a shape or size is wrong.

    Notes
    -----
    (B, 1, F, T) -> (B, 2, F, T), channel 0 ON, channel 1 OFF. Tensors, each (F,): ``d_on``, ``d_off`` with
    a = 1/(1 + d^2), and ``p`` with w = 1/(1 + p^2), shared by both polarities. The properties ``a_on``, ``a_off`` and
    ``w`` read and set them in natural units. F is read from the tensors, so the module can be called on some bands only
    through ``torch.func.functional_call``.

    References
    ----------
    Rançon, Masquelier & Cottereau (2024), PLOS Comput. Biol. 20:e1012288.
    """

    out_channels: int = 2
    d_on: Tensor
    d_off: Tensor
    p: Tensor
    a_on = natural_property("a_on", "d_on", FRACTION, "Decay per time bin of the ON kernels (F,), in (0, 1].")
    a_off = natural_property("a_off", "d_off", FRACTION, "Decay per time bin of the OFF kernels (F,), in (0, 1].")
    w = natural_property("w", "p", FRACTION, "Weight of the past (F,), in (0, 1].")
    arguments = ("init_a_vals", "init_w_vals", "kernel_size", "learnable")

    def __init__(
        self, init_a_vals: FloatLike, init_w_vals: FloatLike, kernel_size: int = 2, learnable: bool = True
    ) -> None:
        super().__init__()
        a, w = _per_band(init_a_vals, "init_a_vals"), _per_band(init_w_vals, "init_w_vals")
        if a.shape != w.shape:
            raise ValueError(
                f"init_a_vals and init_w_vals must have the same length F, got {a.shape[0]} and {w.shape[0]}"
            )
        self.kernel_size = checked_taps(kernel_size, 2)
        self.learnable = bool(learnable)
        self.init_a_vals: list[float] = a.tolist()
        self.init_w_vals: list[float] = w.tolist()
        d, p = a_to_d(a, "init_a_vals"), w_to_p(w, "init_w_vals")
        for name, raw in (("d_on", d), ("d_off", d.clone()), ("p", p)):
            if learnable:
                self.register_parameter(name, nn.Parameter(raw))
            else:
                self.register_buffer(name, raw)

    def get_a(self) -> tuple[Tensor, Tensor]:
        """Decays per time bin ``(a_on, a_off)``, each (F,), in (0, 1]."""
        return learnable_fraction(self.d_on), learnable_fraction(self.d_off)

    def get_w(self) -> Tensor:
        """Weights of the past (F,), in (0, 1]."""
        return learnable_fraction(self.p)

    def ON_kernel(self, d: Tensor, p: Tensor) -> Tensor:
        """ON kernels (F, 1, K) of raw decays ``d`` (F,) and raw weights ``p`` (F,); last tap the current bin, +1."""
        w = learnable_fraction(p)
        return exponential_kernel(learnable_fraction(d), torch.ones_like(w), -w, self.kernel_size).unsqueeze(1)

    def OFF_kernel(self, d: Tensor, p: Tensor) -> Tensor:
        """OFF kernels (F, 1, K) of raw decays ``d`` (F,) and raw weights ``p`` (F,); last tap the current bin, -w."""
        w = learnable_fraction(p)
        return exponential_kernel(learnable_fraction(d), -w, torch.ones_like(w), self.kernel_size).unsqueeze(1)

    def build_kernels(self) -> tuple[Tensor, Tensor]:
        """ON and OFF kernels, each (F, 1, K), last tap the current bin."""
        return self.ON_kernel(self.d_on, self.p), self.OFF_kernel(self.d_off, self.p)

    def forward(self, spectro_in: Tensor) -> Tensor:
        """ON and OFF spectrograms (B, 2, F, T), non-negative; ValueError for another shape than (B, 1, F, T)."""
        x = _band_signals(spectro_in, self.d_on.shape[0])
        w = self.get_w()
        one = torch.ones_like(w)
        gains = {"present": torch.stack([one, -w]), "past": torch.stack([-w, one])}
        return torch.relu(exponential_filter(x, torch.stack(self.get_a()), **gains, kernel_size=self.kernel_size))

    def extra_repr(self) -> str:
        """Sizes, for ``print(module)``."""
        return f"F={self.d_on.shape[0]}, kernel_size={self.kernel_size}, learnable={self.learnable}"


@keywords()
class ShortTermPlasticity(Configured):
    r"""Synaptic depression: each band times the share of a resource that it uses up and that recovers.

    :math:`y_t = x_t d_t` with :math:`\dot d = (1 - d)/\tau - u\,x\,d`, d = 1 before the first sample, and x taken as
    constant within a bin, for which the equation is solved exactly: d stays in (0, 1] however strong u and x are.

    Parameters
    ----------
    init_a_vals : Tensor or sequence of float, shape (F,)
        exp(-dt / tau) of each band, tau the time constant of recovery, in (0, 1]; `tau_to_a` gives it. Copied.
    init_u_vals : Tensor or sequence of float, shape (F,)
        Strength u: share of the resource that a unit of the spectrogram uses up, per bin; positive. Copied.
    learnable : bool
        Parameters if True, buffers if False.

    Raises
    ------
    ValueError
        A decay lies outside (0, 1], a strength is not positive, or a shape is wrong.

    Notes
    -----
    (B, 1, F, T) -> (B, 1, F, T); the spectrogram is half-wave rectified first, since a synapse has no negative input.
    Tensors, each (F,): ``d`` with a = 1/(1 + d^2), and ``raw_u`` with u = softplus(raw_u). The properties ``a`` and
    ``u`` read and set them in natural units. NEMS solves the equation by steps of a bin and clips the result; the two
    agree where u x is far below 1.

    References
    ----------
    Tsodyks, Pawelzik & Markram (1998), Neural Comput. 10:821; David & Shamma (2013), J. Neurosci. 33:19154.
    """

    arguments = ("init_a_vals", "init_u_vals", "learnable")
    out_channels: int = 1
    d: Tensor
    raw_u: Tensor
    a = natural_property("a", "d", FRACTION, "Decay of what is missing, per time bin (F,), in (0, 1].")
    u = natural_property("u", "raw_u", POSITIVE, "Strength (F,), per bin and unit of the spectrogram, positive.")

    def __init__(self, init_a_vals: FloatLike, init_u_vals: FloatLike, learnable: bool = True) -> None:
        super().__init__()
        a, u = _per_band(init_a_vals, "init_a_vals"), _per_band(init_u_vals, "init_u_vals")
        if a.shape != u.shape:
            raise ValueError(
                f"init_a_vals and init_u_vals must have the same length F, got {a.shape[0]} and {u.shape[0]}"
            )
        d, raw_u = a_to_d(a, "init_a_vals"), inverse_softplus(u, "init_u_vals")
        self.learnable = bool(learnable)
        self.init_a_vals: list[float] = a.tolist()
        self.init_u_vals: list[float] = u.tolist()
        for name, raw in (("d", d), ("raw_u", raw_u)):
            if learnable:
                self.register_parameter(name, nn.Parameter(raw))
            else:
                self.register_buffer(name, raw)

    def resource(self, spectro_in: Tensor, *, before: Tensor | None = None) -> Tensor:
        """Share (B, 1, F, T) of the resource as each bin begins, in (0, 1]; ``before`` (B, F) is that of the first."""
        x = torch.relu(_band_signals(spectro_in, self.d.shape[0]))
        return depletion(x, learnable_rate(self.d), softplus(self.raw_u), before=before).unsqueeze(1)

    def forward(self, spectro_in: Tensor) -> Tensor:
        """Depressed spectrogram (B, 1, F, T), non-negative; ValueError for another shape."""
        return torch.relu(spectro_in) * self.resource(spectro_in)

    def stream_stage(self) -> Stage:
        """Stage of `deepstrf.models.streaming` that keeps the resource between chunks."""
        state: Tensor | None = None

        def stage(chunk: Tensor) -> Tensor:
            nonlocal state
            resource = self.resource(functional.pad(chunk, (0, 1)), before=state)
            state = resource[:, 0, :, -1].detach()
            return torch.relu(chunk) * resource[..., :-1]

        return stage

    def extra_repr(self) -> str:
        """Sizes, for ``print(module)``."""
        return f"F={self.d.shape[0]}, learnable={self.learnable}"


@keywords()
def make_prefiltering(
    kind: str,
    n_frequency_bands: int,
    dt: float,
    min_freq: float = 500.0,
    max_freq: float = 20000.0,
    scale: str = "mel",
    learnable: bool = True,
    init_w: float = 0.75,
) -> nn.Module:
    """Prefilter whose time constants follow from the centre frequencies of the spectrogram.

    Parameters
    ----------
    kind : {'adaptrans', 'icadaptation', 'willmore'}
        Which one; 'willmore' is another name of 'icadaptation'.
    n_frequency_bands : int
        Bands F of the spectrogram.
    dt : float
        Bin width in ms.
    min_freq, max_freq : float
        Range of its centre frequencies in Hz.
    scale : {'mel', 'greenwood', 'erb'}
        Spacing of its centre frequencies.
    learnable : bool
        For AdapTrans only; ICAdaptation is always fixed.
    init_w : float
        For AdapTrans only: first weight of the past, in (0, 1].

    Returns
    -------
    AdapTrans or ICAdaptation
        With ``out_channels`` 2 or 1 and K = round(3 max tau / min(dt, 1 ms)) + 1 taps.

    Raises
    ------
    ValueError
        Unknown kind, or a value outside its range.
    NotImplementedError
        Unknown scale.

    Notes
    -----
    K does not shrink with ``dt`` above 1 ms, though 3 max tau / dt + 1 taps would do: the earlier deepSTRF package,
    whose checkpoints do not store it, has the same. Below 1 ms its number of taps would cut the memory short. The
    filter's cost does not grow with K.

    References
    ----------
    Willmore et al. (2016), J. Neurosci. 36:280; Rançon, Masquelier & Cottereau (2024), PLOS Comput. Biol.
    20:e1012288.
    """
    check_choice(KINDS, kind=kind)
    check_sizes(n_frequency_bands=n_frequency_bands)
    check_numbers(WITH_A_TIME_CONSTANT, lambda hz: 0 < hz < NO_MEMORY_FROM_HZ, min_freq=min_freq, max_freq=max_freq)
    check_numbers("must lie in (0, 1]", lambda w: 0 < w <= 1, init_w=init_w)
    tau_ms = freq_to_tau(get_CFs(min_freq, max_freq, n_frequency_bands, scale))
    a = tau_to_a(tau_ms, dt)
    kernel_size = round(KERNEL_LENGTH_IN_TAU * tau_ms.max().item() / min(dt, 1.0)) + 1
    if kind == "adaptrans":
        return AdapTrans(a, torch.full_like(a, init_w), kernel_size=kernel_size, learnable=learnable)
    return ICAdaptation(a, kernel_size=kernel_size)
