"""Normalisation that never looks across time."""

from __future__ import annotations

from torch import Tensor, nn

from deepstrf.arguments import check_numbers, check_sizes
from deepstrf.deprecation import keywords

__all__ = ["CausalLayerNorm"]


@keywords()
class CausalLayerNorm(nn.Module):
    """Layer norm over one chosen axis, computed apart at every position of all the others.

    No statistic is pooled across time, so the layer is strictly causal in training and in evaluation.

    Parameters
    ----------
    normalized_shape : int
        Size of the axis to normalise.
    dim : int
        That axis: 1 for the channels of (B, C, ...), -2 for the bands of (B, C, F, T).
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Learn a scale and a shift per element.

    Raises
    ------
    TypeError, ValueError
        ``normalized_shape`` or ``dim`` is no int, the former is below 1, or ``eps`` is negative.

    Notes
    -----
    Input and output have the same shape (any rank). The learnable tensors are ``ln.weight`` and ``ln.bias``, each of
    shape (normalized_shape,).

    References
    ----------
    Ba, Kiros & Hinton (2016), Layer normalization, arXiv:1607.06450.
    """

    def __init__(self, normalized_shape: int, dim: int = 1, eps: float = 1e-5, elementwise_affine: bool = True) -> None:
        super().__init__()
        check_sizes(normalized_shape=normalized_shape)
        check_sizes(None, dim=dim)
        check_numbers("must be at least 0", lambda value: 0 <= value < float("inf"), eps=eps)
        self.dim = dim
        self.ln = nn.LayerNorm(normalized_shape, eps=eps, elementwise_affine=elementwise_affine)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``x``, same shape.

        Raises
        ------
        ValueError
            The chosen axis does not exist or has another size.
        """
        size = self.ln.normalized_shape[0]
        if not -x.dim() <= self.dim < x.dim() or x.shape[self.dim] != size:
            raise ValueError(f"axis {self.dim} of the input must have size {size}, got shape {tuple(x.shape)}")
        return self.ln(x.movedim(self.dim, -1)).movedim(-1, self.dim)
