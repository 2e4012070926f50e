"""The few filters through which a neuron of any model looks at sound, and the model rebuilt from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.analysis.dynamic_strf import DynamicSTRF, as_sounds
from deepstrf.arguments import whole_number
from deepstrf.deprecation import keywords
from deepstrf.models.audio import AudioEncodingModel
from deepstrf.models.prediction import predict
from deepstrf.stimuli import Spectrogram

__all__ = ["ResponseSurface", "Subspace", "subspace"]

WIDTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Widths of the kernel, in standard deviations of the projections, that are tried."""

RIDGES = (1e-6, 1e-4, 1e-2, 1.0)
"""Ridges, in parts of the mean of the kernel matrix's diagonal, that are tried."""

OUTLIERS = 0.01
"""Part of the moments that the surface may leave out at each end of an axis."""

NUMBERS_AT_ONCE = 2**24


@keywords()
@dataclass(frozen=True, eq=False)
class ResponseSurface:
    """Mean response of a neuron as a function of the projections of the sound on two filters."""

    edges: tuple[Tensor, Tensor]
    """Of the cells, along the first filter (K+1,) and along the second (K+1,)."""
    rate: Tensor
    """Mean response in each cell (K, K), first filter first; NaN where no moment fell."""
    count: Tensor
    """Moments in each cell, (K, K)."""

    def __repr__(self) -> str:
        cells, met, moments = self.count.numel(), int((self.count > 0).sum()), int(self.count.sum())
        return f"ResponseSurface({met} of {cells} cells met by {moments} moments)"


@keywords()
@dataclass(frozen=True, eq=False)
class Subspace:
    """Filters of one neuron, the most important first, from `subspace`."""

    filters: Tensor
    """(K, 1, F, T), each of norm 1, together orthogonal; last index is lag 0."""
    shares: Tensor
    """Part of the power of the receptive fields that lies along each filter, (K,), falling; at most 1 together."""
    projections: Tensor
    """Of the sound under the field on the filters at each moment, (M, K)."""
    responses: Tensor
    """Of the model at each moment, (M,)."""
    moments: Tensor
    """Sound and bin of each, (M, 2)."""
    neuron: int
    _model: AudioEncodingModel = field(repr=False)

    def __repr__(self) -> str:
        shares = ", ".join(f"{share:.3f}" for share in self.shares.tolist())
        return f"Subspace(neuron {self.neuron}, {len(self.moments)} moments, shares {shares})"

    def surface(self, cells: int = 12) -> ResponseSurface:
        """Mean response at the moments as a function of their projections on the first two filters.

        Parameters
        ----------
        cells : int
            Along each axis; the axes span all moments but the outermost 1 % at each end.

        Raises
        ------
        ValueError
            There is one filter only, or fewer than one cell.
        """
        K = whole_number("cells", cells)
        if len(self.filters) < 2:
            raise ValueError("a surface needs two filters, this subspace has one: call subspace(..., n_filters=2)")
        places, edges = [], []
        for values in self.projections.T[:2].double():
            low, high = values.quantile(
                torch.tensor([OUTLIERS, 1 - OUTLIERS], dtype=values.dtype, device=values.device)
            )
            edge = torch.linspace(low.item(), high.item(), K + 1, dtype=values.dtype, device=values.device)
            places.append(torch.bucketize(values.contiguous(), edge[1:-1]))
            places[-1][(values < low) | (values > high)] = -1
            edges.append(edge)
        inside = (places[0] >= 0) & (places[1] >= 0)
        cell = (places[0] * K + places[1])[inside]
        count = torch.zeros(K * K, dtype=torch.long, device=cell.device).index_add_(0, cell, torch.ones_like(cell))
        total = torch.zeros(K * K, dtype=torch.float64, device=cell.device)
        total.index_add_(0, cell, self.responses[inside].double())
        rate = torch.where(count > 0, total / count, torch.nan)
        return ResponseSurface((edges[0], edges[1]), rate.view(K, K), count.view(K, K))

    def predict(self, stimulus: Spectrogram | ArrayLike, n_filters: int | None = None) -> Tensor:
        """Response (B, 1, 1, L) of the neuron as rebuilt from its first filters: what they leave out does not count.

        The function from projections to response is learned from the moments of the subspace, by kernel ridge
        regression whose width and ridge do best at predicting each moment from the others.

        Parameters
        ----------
        stimulus : Spectrogram, or Tensor or array of shape (B, 1, F, L) or (F, L)
        n_filters : int, optional
            None is all of them.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape or value.
        """
        k = len(self.filters) if n_filters is None else whole_number("n_filters", n_filters)
        if k > len(self.filters):
            raise ValueError(
                f"n_filters must be at most {len(self.filters)}, got {k}; call subspace(..., n_filters={k})"
            )
        sounds = as_sounds(self._model, stimulus).to(self.filters.dtype)
        padded = torch.nn.functional.pad(sounds, (self.filters.shape[-1] - 1, 0))
        projections = torch.nn.functional.conv2d(padded, self.filters[:k])[:, :, 0]
        flat = projections.transpose(1, 2).reshape(-1, k)
        learned = _KernelRidge(self.projections[:, :k], self.responses)
        return learned(flat).view(len(sounds), 1, 1, -1).to(sounds.dtype)

    def fidelity(self, stimulus: Spectrogram | ArrayLike, n_filters: int | None = None) -> float:
        """Correlation of the rebuilt response with that of the model; NaN where one of them is constant.

        Bins before the first full window of each sound are left out: the subspace knows none like them.

        Parameters
        ----------
        stimulus, n_filters
            As for `predict`. Sounds that the subspace was not made from say more.

        Raises
        ------
        TypeError, ValueError
            As for `predict`, or no two bins are left.
        """
        first = self.filters.shape[-1] - 1
        rebuilt = self.predict(stimulus, n_filters)[:, 0, 0, first:]
        model = predict(self._model, as_sounds(self._model, stimulus))[:, self.neuron, 0, first:]
        if model.shape[-1] < 2:
            raise ValueError(f"stimulus must be longer than the {first + 1} lags of the filters by two bins or more")
        return torch.corrcoef(torch.stack([rebuilt.flatten().double(), model.flatten().double()]))[0, 1].item()


@keywords()
def subspace(
    model: AudioEncodingModel,
    stimulus: Spectrogram | ArrayLike,
    neuron: int = 0,
    *,
    n_filters: int = 10,
    n_moments: int = 1000,
    window: int | None = None,
    moments: Sequence[tuple[int, int]] | Tensor | None = None,
    seed: int = 0,
) -> Subspace:
    """The filters that a neuron's receptive field is made of at many moments of sound: their principal components.

    A neuron that is linear up to an output curve has one, whatever the curve; one that adds the squares of two filters'
    outputs has two. The components are those of the receptive fields themselves, not of their differences from the
    mean: a field that never changes is one filter, not none.

    Parameters
    ----------
    model : AudioEncodingModel
        Left exactly as it is.
    stimulus : Spectrogram, or Tensor or array of shape (B, 1, F, L) or (F, L)
        Sounds as the neuron meets them; what they never reach is not seen.
    neuron : int
        Counted from 0.
    n_filters : int
        Most filters to give.
    n_moments : int
        Moments to take, drawn without repetition from all that have ``window`` bins before them (from all where none
        has).
    window : int, optional
        Lags of the filters, see `DynamicSTRF`.
    moments : sequence of (int, int), or Tensor of shape (M, 2), optional
        Pairs of a sound and a bin to draw from, where some are padding or kept to test the rebuilt model on.
    seed : int
        Of the draw.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; or the response depends on the sound at none of the moments.

    Notes
    -----
    With receptive fields :math:`w_m`, the filters are the leading eigenvectors of :math:`\\sum_m w_m w_m^T`, the
    estimate of an active subspace (Constantine, Dow & Wang 2014).

    References
    ----------
    Meyer, Williamson, Linden & Sahani (2017), Front. Syst. Neurosci. 10:109. Wingert et al. (2026). Constantine, Dow &
    Wang (2014), SIAM J. Sci. Comput. 36:A1500.

    Examples
    --------
    >>> import deepstrf
    >>> demo = deepstrf.load_demo()
    >>> found = subspace(demo.model, demo.stimulus, neuron=2, n_filters=3)
    >>> found.filters.shape
    torch.Size([3, 1, 34, 40])
    """
    fields = DynamicSTRF(model, stimulus, neuron, window=window)
    K, M = whole_number("n_filters", n_filters), whole_number("n_moments", n_moments)
    B, L = fields.responses.shape
    first = fields.window - 1
    draw = torch.Generator().manual_seed(whole_number("seed", seed, 0))
    if moments is None:
        allowed = torch.cartesian_prod(torch.arange(B), torch.arange(first, L))
    else:
        allowed = _checked_moments(moments, B, L, first)
    drawn = allowed[torch.randperm(len(allowed), generator=draw)[:M].sort().values]
    found = fields(drawn)
    flat = found.flatten(1).double()
    power = flat.square().sum()
    if not power > 0:
        raise ValueError(
            f"the response of neuron {fields.neuron} depends on the sound at none of {len(drawn)} moments: its rate "
            "is constant, or its output curve is at an end; give other sounds, or see diagnose()"
        )
    powers, axes = _principal_axes(flat, K)
    # A filter's sign is that of the mean field along it; where that is 0, its largest weight is positive.
    along = axes @ flat.mean(0)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))[:, 0]
    faint = along.abs() <= 1e-6 * flat.mean(0).norm()
    axes = axes * torch.where(faint, largest, along).sign()[:, None]
    sounds, bins = drawn.T
    return Subspace(
        axes[:K].view(-1, *found.shape[1:]).to(found.dtype),
        (powers / power).to(found.dtype),
        (fields.windows(drawn).flatten(1).double() @ axes[:K].T).to(found.dtype),
        fields.responses[sounds, bins],
        drawn,
        fields.neuron,
        model,
    )


def _checked_moments(moments: Sequence[tuple[int, int]] | Tensor, B: int, L: int, first: int) -> Tensor:
    """The moments (M, 2), each once."""
    chosen = torch.as_tensor(moments, dtype=torch.long).cpu()
    if chosen.dim() != 2 or chosen.shape[1] != 2 or len(chosen) == 0:
        raise ValueError(f"moments must be pairs of a sound and a bin, at least one, got shape {tuple(chosen.shape)}")
    outside = (chosen < torch.tensor([0, first])) | (chosen >= torch.tensor([B, L]))
    if bool(outside.any()):
        wrong = tuple(chosen[outside.any(1)][0].tolist())
        raise ValueError(
            f"moments must be pairs of a sound below {B} and a bin of {first} .. {L - 1}, which has all lags of the "
            f"filters before it, got {wrong}"
        )
    return chosen.unique(dim=0)


def _principal_axes(rows: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """Power (K,) of ``rows`` (M, D) along their first K principal axes, falling, and the axes (K, D).

    From the products of the rows with one another or of the columns, whichever are fewer; a third of the time of a
    singular value decomposition. Where the rows span fewer axes, the others are some that are orthogonal to them.
    """
    M, D = rows.shape
    powers, vectors = torch.linalg.eigh(rows @ rows.T if M <= D else rows.T @ rows)
    powers, vectors = powers.flip(0)[:K].clamp(min=0), vectors.flip(1)[:, :K]
    axes = rows.T @ vectors if M <= D else vectors
    orthogonal, triangle = torch.linalg.qr(axes)
    return powers, (orthogonal * torch.where(triangle.diagonal() < 0, -1.0, 1.0)).T


class _KernelRidge:
    """Function from projections (M, k) to responses (M,): a straight line and Gaussian bumps at the moments."""

    def __init__(self, projections: Tensor, responses: Tensor) -> None:
        x, y = projections.double(), responses.double()
        self._middle, self._scale = x.mean(0), x.std(0, correction=0).mean().clamp(min=1e-12)
        self._mean, self._spread = y.mean(), y.std(correction=0).clamp(min=1e-12)
        self._x, y = (x - self._middle) / self._scale, (y - self._mean) / self._spread
        best = float("inf")
        for width in WIDTHS:
            kernel = self._kernel(self._x, width)
            values, vectors = torch.linalg.eigh(kernel)
            turned = vectors.T @ y
            for ridge in RIDGES:
                inverse = 1 / (values.clamp(min=0) + ridge * kernel.diagonal().mean())
                weights = vectors @ (inverse * turned)
                # Error at each moment when it is left out, in closed form.
                left_out = weights / (vectors.square() @ inverse)
                error = left_out.square().mean().item()
                if error < best:
                    best, self._weights, self._width = error, weights, width

    def _kernel(self, x: Tensor, width: float) -> Tensor:
        bumps = torch.exp(-torch.cdist(x, self._x).square() / (2 * width**2))
        return bumps + (x @ self._x.T) / self._x.shape[1] + 1

    def __call__(self, projections: Tensor) -> Tensor:
        x = (projections.double() - self._middle) / self._scale
        parts = x.split(max(1, NUMBERS_AT_ONCE // len(self._x)))
        values = torch.cat([self._kernel(part, self._width) @ self._weights for part in parts])
        return values * self._spread + self._mean
