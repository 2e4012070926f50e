"""Spectro-temporal receptive fields: the causal convolution and the kernels that plug into it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.arguments import as_tensor, check_modules, check_sizes
from deepstrf.deprecation import keywords

from .as_built import mark_as_built
from .composition import receptive_field
from .configured import Configured
from .constraints import WIDTH, natural_property, raw_to_sigma, sigma_to_raw
from .correlation import correlate, is_plain
from .gaussian_matching import lagged_moments, match_gaussians, same_bins

__all__ = ["CausalSTRFConv", "ParametricSTRF", "SeparableSTRF", "gaussian_mixture_kernel", "separable_kernel"]

MOST_PLACES = 2048
"""Bins of a kernel (times its channels), with which the search for a start takes a few seconds."""

MOST_GROUPS = 32
"""Neurons with as many different gaps are started from moments of their own bins."""

MOVES = 0.05
"""Standard deviation of a band that moves, as a share of the largest of its channel: no Gaussian starts elsewhere."""

LEAST_SHARE = 1e-16
"""Smallest share of a Gaussian's mass that a bin is given, along one axis; a product of two is a normal number."""


@keywords()
def gaussian_mixture_kernel(P: Tensor, SIG: Tensor, weight: Tensor, F: int, T: int) -> Tensor:
    r"""Receptive field made of Gaussians, each of unit mass on the (F, T) grid times its weight.

    A 2-D Gaussian is a product of two 1-D ones, and a softmax over the grid of :math:`-((x - P)/\sigma)^2/2`
    (:math:`\sigma = |SIG| + 0.27`) sums to one wherever the centre lies: nothing underflows, also off the grid. The
    kernel is then a batched (F, G) x (G, T) product.

    Parameters
    ----------
    P : Tensor, shape (2, C_out, C_in, G)
        Centres in bins: ``P[0]`` frequency in 0 .. F-1, ``P[1]`` time in 0 .. T-1 (T-1 is lag 0).
    SIG : Tensor, shape (2, C_out, C_in, G)
        Raw widths, same axes.
    weight : Tensor, shape (C_out, C_in, G)
        Mass of each Gaussian.
    F, T : int
        Grid size in bands and in taps.

    Returns
    -------
    Tensor, shape (C_out, C_in, F, T)

    References
    ----------
    Khalfaoui-Hassani, Pellegrini & Masquelier (2023), Dilated convolution with learnable spacings: beyond bilinear
    interpolation, ICML workshop on Differentiable Almost Everything.
    """
    dtype = weight.dtype
    if dtype in (torch.float16, torch.bfloat16):
        P, SIG, weight = P.float(), SIG.float(), weight.float()
    sigma = raw_to_sigma(SIG)
    along_f = _unit_mass_gaussian(P[0], sigma[0], F)
    along_t = _unit_mass_gaussian(P[1], sigma[1], T)
    kernel = (along_f * weight.unsqueeze(-1)).transpose(-1, -2) @ along_t
    return kernel.to(dtype)


def _unit_mass_gaussian(centre: Tensor, sigma: Tensor, size: int) -> Tensor:
    """Gaussian sampled on 0 .. size-1 and normalised to sum one, shape (..., size)."""
    grid = torch.arange(size, dtype=centre.dtype, device=centre.device)
    z = (grid - centre.unsqueeze(-1)) / sigma.unsqueeze(-1)
    share = torch.softmax(-0.5 * z * z, dim=-1)
    # Shares too small to change a sum become zero: products of two tails would be subnormal numbers, and a convolution
    # with a few dozen of those takes five times as long. Their gradients stay as they are.
    return share - (share * (share < LEAST_SHARE)).detach()


@keywords()
def separable_kernel(weight_f: Tensor, weight_t: Tensor) -> Tensor:
    """Receptive field as the product of a frequency profile and a time profile.

    Parameters
    ----------
    weight_f : Tensor, shape (C_out, C_in, F, 1)
    weight_t : Tensor, shape (C_out, C_in, 1, T)

    Returns
    -------
    Tensor, shape (C_out, C_in, F, T)
    """
    return weight_f * weight_t


class _Kernel(Configured):
    """Kernel of a `CausalSTRFConv` that is built from fewer numbers."""

    F: int
    T: int
    C_in: int
    C_out: int
    bias: nn.Parameter | None

    def _kernel(self) -> Tensor:
        raise NotImplementedError

    def build_kernel(self, device: torch.device | str | None = None) -> Tensor:
        """Kernel (C_out, C_in, F, T), differentiable, on ``device`` (None: where the parameters are)."""
        kernel = self._kernel()
        return kernel if device is None else kernel.to(device)

    def forward(self, x: Tensor) -> Tensor:
        """Correlation of ``x`` (B, C_in, F, T_in + T - 1) with the kernel plus bias: (B, C_out, 1, T_in)."""
        return correlate(x, self.build_kernel(), self.bias)


@keywords()
class ParametricSTRF(_Kernel):
    """Receptive-field kernel drawn as a few Gaussians on the (F, T) grid (see `gaussian_mixture_kernel`).

    Parameters
    ----------
    F : int
        Frequency bands of the kernel.
    T : int
        Taps of the kernel, in frames.
    C_in, C_out : int
        Input and output channels.
    num_gaussians : int
        Gaussians G per (C_out, C_in) pair.
    bias : bool
        Add a bias per output channel.

    Raises
    ------
    ValueError
        A size is below 1.

    Notes
    -----
    Parameters: ``P`` (2, C_out, C_in, G) centres in bins, starting uniform over the grid; ``SIG`` (2, C_out, C_in, G)
    raw widths, starting at 1 (``sigma`` shows them in bins); ``weight`` (C_out, C_in, G), Kaiming-uniform;
    ``bias`` (C_out,), uniform in [-1, 1], or None. The sizes C_in, C_out and G are read from the tensors, so the module
    can be called on the tensors of a single output through ``torch.func.functional_call``.

    The earlier deepSTRF package sums an (F, T, C_out, C_in, G) array, in which a Gaussian far off the grid underflows
    and loses its gradient; the softmax form here is equal on the grid and stays exact off it.

    References
    ----------
    Khalfaoui-Hassani, Pellegrini & Masquelier (2023), Dilated convolution with learnable spacings: beyond bilinear
    interpolation, ICML workshop on Differentiable Almost Everything.
    """

    arguments = ("F", "T", "C_in", "C_out", "num_gaussians", "bias")
    sigma = natural_property(
        "sigma", "SIG", WIDTH, "Standard deviations in bins, shape (2, C_out, C_in, G), at least 0.27."
    )

    def __init__(self, F: int, T: int, C_in: int, C_out: int, num_gaussians: int = 1, bias: bool = True) -> None:
        super().__init__()
        check_sizes(F=F, T=T, C_in=C_in, C_out=C_out, num_gaussians=num_gaussians)
        self.F, self.T, self.C_in, self.C_out = int(F), int(T), int(C_in), int(C_out)
        self.num_gaussians = int(num_gaussians)
        shape = (C_out, C_in, num_gaussians)
        self.P = nn.Parameter(torch.stack([torch.rand(shape) * (F - 1), torch.rand(shape) * (T - 1)]))
        self.SIG = nn.Parameter(torch.ones(2, *shape))
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias = nn.Parameter(torch.empty(C_out).uniform_(-1, 1)) if bias else None
        mark_as_built(self)

    def initialise_from(self, recording: Any, *, prefiltering: nn.Module | None = None) -> None:
        """Put the Gaussians of each neuron where they predict its responses best, without an output curve.

        One after the other is chosen from a dictionary of places and widths, each the one that lowers the error of the
        linear prediction most; then places, widths and weights are improved together. Chance has no part in it. A fit
        starts with this where the kernel is as built: from a random start Gaussians find no neuron that lies
        far from them, since the gradient of a narrow one vanishes away from its centre.

        Parameters
        ----------
        recording : Recording, or tuple of arrays (B, C, F, T) and (B, N, R, T)
            N is C_out. A bin weighs as many trials as it has; NaN is left out.
        prefiltering : Module, optional
            What the sounds pass before this kernel, as it is now: (B, 1, F, T) to (B, C_in, F, T).

        Raises
        ------
        ValueError
            Shapes do not fit the kernel.

        Notes
        -----
        The weights of each neuron have a root mean square of 1, since a batch norm behind them frees their size, and
        the bias is 0. A neuron that was not recorded, or whose response never varies, keeps its Gaussians. With more
        than 32 different sets of missing bins, what is missing counts as a neuron's mean response. Kernels of more than
        2048 bins (of bands times taps times channels) are searched on a grid of averaged bands and bins.

        Examples
        --------
        >>> kernel = ParametricSTRF(10, 20, 1, 1, num_gaussians=2)
        >>> sounds = torch.rand(2, 1, 10, 400)
        >>> kernel.initialise_from((sounds, sounds[:, :, 3:4].roll(2, -1)))
        >>> kernel.P.detach().round()[:, 0, 0, 0].tolist()  # band 3, two bins before the last tap
        [3.0, 17.0]
        """
        stimuli, responses = recording if isinstance(recording, tuple) else (recording.stimuli, recording.responses)
        heard, responses = as_tensor("stimuli", stimuli).detach(), as_tensor("responses", responses).detach()
        if prefiltering is not None:
            with torch.no_grad():
                heard = prefiltering(heard)
        heard, responses = heard.double().cpu(), responses.double().cpu()
        if heard.dim() != 4 or heard.shape[1:3] != (self.C_in, self.F):
            raise ValueError(
                f"recording must have sounds (B, {self.C_in}, {self.F}, T) behind the prefilter, got "
                f"{tuple(heard.shape)}: give prefiltering= the module that stands before this kernel"
            )
        B, T = heard.shape[0], heard.shape[-1]
        if responses.dim() != 4 or responses.shape[:2] != (B, self.C_out) or responses.shape[-1] != T:
            raise ValueError(f"recording must have responses ({B}, {self.C_out}, R, {T}), got {tuple(responses.shape)}")
        weight = (~responses.isnan()).sum(2).double()
        target = responses.nanmean(2).nan_to_num(nan=0.0)
        counted = (weight > 0).any(1)[:, None, None]  # (B, 1, 1, T): not what follows the end of a sound
        moves = _spread(heard, counted) >= MOVES * _spread(heard, counted).amax(1, keepdim=True).clamp(min=1e-300)
        if not bool(moves.any()):
            return
        k_f, k_t = _coarseness(self.C_in, self.F, self.T)
        n_lags = -(-self.T // k_t)
        moves = functional.max_pool1d(moves.double(), k_f, ceil_mode=True) > 0
        coarse = _coarsened(heard, target, weight, k_f, k_t)
        for group in lagged_moments(coarse[0], *same_bins(*coarse[1:], MOST_GROUPS), n_lags):
            found = match_gaussians(group, moves, n_lags, self.num_gaussians)
            found[0] = (k_f * found[0] + (k_f - 1) / 2).clamp(max=self.F - 1)
            found[1] = (self.T - 1 - k_t * (n_lags - 1 - found[1])).clamp(min=0)
            found[2], found[3] = k_f * found[2], k_t * found[3]
            size = found[4].square().mean((1, 2)).sqrt()
            known = size > 0
            n, found = group.neurons[known], found[:, known]
            with torch.no_grad():
                self.P[:, n] = found[:2].to(self.P)
                self.SIG[:, n] = sigma_to_raw(found[2:4]).to(self.SIG)
                self.weight[n] = (found[4] / size[known, None, None]).to(self.weight)
                if self.bias is not None:
                    self.bias[n] = 0.0

    def _kernel(self) -> Tensor:
        return gaussian_mixture_kernel(self.P, self.SIG, self.weight, self.F, self.T)


def _coarseness(C: int, F: int, T: int) -> tuple[int, int]:
    """How many bands and how many bins are averaged, so that the search has to do with ``MOST_PLACES`` at most."""
    k_f, k_t = 1, 1
    while C * -(-F // k_f) * -(-T // k_t) > MOST_PLACES:
        if F * k_t >= T * k_f:
            k_f *= 2
        else:
            k_t *= 2
    return k_f, k_t


def _coarsened(heard: Tensor, target: Tensor, weight: Tensor, k_f: int, k_t: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sounds (B, C, F, T), responses and their weights (B, N, T), averaged over neighbouring bands and bins."""
    if k_f == k_t == 1:
        return heard, target, weight
    sounds = functional.avg_pool2d(heard, (k_f, k_t), ceil_mode=True)
    total, of_response = (
        functional.avg_pool1d(x, k_t, ceil_mode=True, count_include_pad=False) for x in (weight, weight * target)
    )
    return sounds, torch.where(total > 0, of_response / total.clamp(min=1e-300), 0.0), total


def _spread(x: Tensor, counted: Tensor) -> Tensor:
    """Standard deviation (C, F) of each band over the bins that are counted, (B, 1, 1, T) bool."""
    n = counted.sum().clamp(min=1)
    mean = torch.where(counted, x, 0.0).sum((0, 3), keepdim=True) / n
    return (torch.where(counted, x - mean, 0.0).square().sum((0, 3)) / n).sqrt()


@keywords()
class SeparableSTRF(_Kernel):
    """Rank-one receptive-field kernel: a frequency profile times a time profile per channel pair.

    C_out C_in (F + T) parameters instead of C_out C_in F T.

    Parameters
    ----------
    F : int
        Frequency bands of the kernel.
    T : int
        Taps of the kernel, in frames.
    C_in, C_out : int
        Input and output channels.
    bias : bool
        Add a bias per output channel.

    Raises
    ------
    ValueError
        A size is below 1.

    Notes
    -----
    Parameters: ``weight_f`` (C_out, C_in, F, 1) and ``weight_t`` (C_out, C_in, 1, T), Kaiming-uniform; ``bias``
    (C_out,), uniform within 1/sqrt(C_in F T) as for a full kernel, or None. Sizes are read from the tensors.

    References
    ----------
    Depireux, Simon, Klein & Shamma (2001), J. Neurophysiol. 85:1220; Thorson, Liénard & David (2015), PLOS Comput.
    Biol. 11:e1004628.
    """

    arguments = ("F", "T", "C_in", "C_out", "bias")

    def __init__(self, F: int, T: int, C_in: int, C_out: int, bias: bool = True) -> None:
        super().__init__()
        check_sizes(F=F, T=T, C_in=C_in, C_out=C_out)
        self.F, self.T, self.C_in, self.C_out = int(F), int(T), int(C_in), int(C_out)
        self.weight_f = nn.Parameter(torch.empty(C_out, C_in, F, 1))
        self.weight_t = nn.Parameter(torch.empty(C_out, C_in, 1, T))
        nn.init.kaiming_uniform_(self.weight_f, a=math.sqrt(5))
        nn.init.kaiming_uniform_(self.weight_t, a=math.sqrt(5))
        bound = 1.0 / math.sqrt(C_in * F * T)
        self.bias = nn.Parameter(torch.empty(C_out).uniform_(-bound, bound)) if bias else None
        mark_as_built(self)

    def _kernel(self) -> Tensor:
        return separable_kernel(self.weight_f, self.weight_t)


def _sizes_of(kernel: nn.Module | None) -> dict[str, int]:
    """Sizes F, T, C_in and C_out that a kernel was made for, as far as it has them."""
    if not isinstance(kernel, nn.Conv2d):
        return {
            name: size for name in ("F", "T", "C_in", "C_out") if isinstance(size := getattr(kernel, name, None), int)
        }
    sizes = {"C_in": kernel.in_channels, "C_out": kernel.out_channels}
    if kernel.stride == (1, 1) and kernel.padding == (0, 0):
        for name, taps, step in zip(("F", "T"), kernel.kernel_size, kernel.dilation, strict=True):
            sizes[name] = 1 + step * (taps - 1)
    return sizes


@keywords()
class CausalSTRFConv(nn.Module):
    """Causal receptive-field convolution: T-1 zeros on the left, then an (F, T) kernel without padding.

    Output at bin t is ``sum_{c,f,j} kernel[o, c, f, T-1-j] x[c, f, t-j] + bias[o]``: the last tap is lag 0.

    Parameters
    ----------
    F : int
        Frequency bands of the input and of the kernel.
    T : int
        Taps of the kernel, in frames.
    C_in, C_out : int
        Input and output channels.
    kernel : nn.Module, optional
        Maps (B, C_in, F, T_in + T - 1) to (B, C_out, 1, T_in) with no padding of its own: `ParametricSTRF`,
        `SeparableSTRF`, or Conv2d in a Sequential. None builds ``nn.Conv2d(C_in, C_out, (F, T))``.
    bias : bool
        For the default kernel only.

    Raises
    ------
    ValueError
        A size is below 1, or ``kernel`` was made for another.
    TypeError
        ``kernel`` is not a module.

    References
    ----------
    Aertsen & Johannesma (1981), Biol. Cybern. 42:133.
    """

    def __init__(
        self, F: int, T: int, C_in: int, C_out: int, kernel: nn.Module | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        check_sizes(F=F, T=T, C_in=C_in, C_out=C_out)
        check_modules(kernel=kernel)
        self.F, self.T, self.C_in, self.C_out = int(F), int(T), int(C_in), int(C_out)
        for name, size in _sizes_of(kernel).items():
            if size != getattr(self, name):
                raise ValueError(
                    f"kernel must be made for {name} = {getattr(self, name)}, got a {type(kernel).__name__} "
                    f"for {name} = {size}"
                )
        self.pad = nn.ZeroPad2d((T - 1, 0, 0, 0))
        self.kernel = nn.Conv2d(C_in, C_out, kernel_size=(F, T), bias=bias) if kernel is None else kernel
        if kernel is None:
            mark_as_built(self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Response (B, C_out, 1, T_in) to ``x`` (B, C_in, F, T_in).

        Raises
        ------
        ValueError
            ``x`` has another rank, channel count or band count.
        """
        if x.dim() != 4 or x.shape[1] != self.C_in or x.shape[2] != self.F:
            raise ValueError(f"x must have shape (B, {self.C_in}, {self.F}, T), got {tuple(x.shape)}")
        padded, kernel = self.pad(x), self.kernel
        if torch.is_grad_enabled() and not torch.jit.is_tracing() and is_plain(kernel):
            return correlate(padded, kernel.weight, kernel.bias)
        return kernel(padded)

    def STRF_weight(self) -> Tensor:
        """Effective kernel, shape (C_out, C_in, F, T): a detached copy on the CPU.

        Raises
        ------
        NotImplementedError
            The kernel is of a type whose receptive field is not known.
        """
        return self._receptive_field().detach().cpu().clone()

    def STRF_bias(self) -> Tensor:
        """Effective bias of each output, shape (C_out,), zero without one: a detached copy on the CPU.

        Raises
        ------
        NotImplementedError
            The kernel is of a type whose receptive field is not known.
        """
        weight = self._receptive_field()
        with torch.no_grad():  # the answer to silence
            return self.kernel(weight.new_zeros(1, self.C_in, self.F, self.T)).flatten().cpu().clone()

    def _receptive_field(self) -> Tensor:
        return receptive_field(self.kernel, self.C_in, self.F, self.T)
