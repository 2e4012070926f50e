"""Scores of a prediction against a recorded response: correlation, explained variance, and their noise-corrected forms.

In all of them ``pred`` is (B,N,1,T), ``gt`` or ``responses`` is (B,N,R,T) with NaN for what is missing, and ``mask`` is
a boolean tensor that broadcasts to the latter and chooses bins among those recorded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deepstrf.arguments import check_choice, check_numbers
from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import (
    POOLINGS,
    align,
    by_neurons,
    check_pair,
    check_reduction,
    reduce_neurons,
    reduce_scores,
    valid_bins,
)
from deepstrf.metrics.reliability import MAX_SPLITS, compute_CCmax, pooled_pair_moments


def _deviations(x: Tensor, valid: Tensor, stimuli: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Deviations of (N, bins) ``x`` from each neuron's mean over the largest (0 where not valid); that scale; defined.

    With several ``stimuli`` the deviations are from the mean of each. ``defined`` is False, and the scale 1, for a
    neuron that is constant or has no valid bin: no rounding error is ever taken for variance.
    """
    shape = x.shape
    x, valid = (a.reshape(len(a), stimuli, -1) for a in (x, valid))
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    low = torch.where(valid, x, torch.inf).amin(-1, keepdim=True)
    high = torch.where(valid, x, -torch.inf).amax(-1, keepdim=True)
    mean = (torch.where(valid, x, 0.0) / count).sum(-1, keepdim=True)
    centred = torch.where(valid & (low < high), x - mean, 0.0).reshape(shape)
    scale = centred.detach().abs().amax(-1, keepdim=True)
    defined = (scale > 0).detach()
    scale = torch.where(defined, scale, 1.0)
    return torch.where(defined, centred / scale, 0.0), scale, defined[..., 0]


@keywords()
def corrcoef(
    pred: Tensor, gt: Tensor, *, mask: Tensor | None = None, reduction: str = "mean", pooling: str = "bins"
) -> Tensor:
    r"""Pearson correlation of each neuron over its valid bins, pooled over stimuli and time.

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
        Predicted response.
    gt : Tensor, shape (B,N,R,T)
        Recorded response, averaged over the repeats that are there.
    mask : bool Tensor, optional
        Bins to use.
    reduction : {"none", "mean", "sum"}
        Over the neurons whose recorded response can be scored; of these a constant prediction counts as 0.
    pooling : {"bins", "sounds"}
        ``"bins"`` correlates over the bins of all stimuli, so that it counts to know which stimulus drives a neuron
        more; ``"sounds"`` correlates deviations from each stimulus' own mean.

    Returns
    -------
    Tensor, shape (N,) or ()
        In [-1, 1]; NaN where either side is constant or nothing is recorded.

    Raises
    ------
    ValueError
        Wrong shape or reduction.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[[0.0, 1.0, 2.0]]]])
    >>> corrcoef(1e-9 * x, 3 - x).item()
    -1.0
    """
    check_reduction(reduction)
    check_choice(POOLINGS, pooling=pooling)
    check_pair(pred, gt)
    stimuli = len(pred) if pooling == "sounds" else 1

    def of_neurons(mask: Tensor | None, pred: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        pred, gt, valid = align(pred, gt, mask)
        x, _, x_defined = _deviations(pred, valid, stimuli)
        y, _, y_defined = _deviations(gt, valid, stimuli)
        # Among several sounds, one whose prediction is NaN would count as constant.
        defined = x_defined & y_defined & ~(pred.isnan() & valid).any(-1)
        squares = torch.where(defined, x.square().sum(-1) * y.square().sum(-1), 1.0)
        r = ((x * y).sum(-1) / squares.sqrt()).clamp(-1, 1)
        return torch.where(defined, r, torch.nan), y_defined

    scores, scorable = by_neurons(of_neurons, mask, pred, gt)
    return reduce_scores(scores, reduction, scorable)


@keywords()
def fve(pred: Tensor, gt: Tensor, *, mask: Tensor | None = None, reduction: str = "mean") -> Tensor:
    r"""Fraction of variance explained, :math:`1 - \sum (r - \hat r)^2 / \sum (r - \bar r)^2` over the valid bins.

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
        Predicted response, in the unit of the recorded one.
    gt : Tensor, shape (B,N,R,T)
        Recorded response, averaged over the repeats that are there.
    mask : bool Tensor, optional
        Bins to use.
    reduction : {"none", "mean", "sum"}
        Over neurons, leaving out those without a value.

    Returns
    -------
    Tensor, shape (N,) or ()
        At most 1, unbounded below; NaN where the recorded response is constant or missing.

    Raises
    ------
    ValueError
        Wrong shape or reduction.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.
    """
    check_reduction(reduction)
    check_pair(pred, gt)

    def of_neurons(mask: Tensor | None, pred: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        pred, gt, valid = align(pred, gt, mask)
        y, scale, defined = _deviations(gt, valid)
        residual = (gt - pred) / scale
        value = 1 - residual.square().sum(-1) / torch.where(defined, y.square().sum(-1), 1.0)
        return torch.where(defined, value, torch.nan), defined

    values, defined = by_neurons(of_neurons, mask, pred, gt)
    return reduce_neurons(values, reduction, defined)


@keywords()
def normalized_corrcoef(
    pred: Tensor,
    responses: Tensor,
    method: str = "schoppe",
    *,
    mask: Tensor | None = None,
    reduction: str = "mean",
    pooling: str = "bins",
    significance: float | None = 0.05,
    n_splits: int = MAX_SPLITS,
    seed: int = 0,
) -> Tensor:
    r"""Correlation that the prediction would have with the noise-free response, for each neuron.

    ``"schoppe"``: :math:`\mathrm{cov}(\hat r, \bar r) / \sqrt{\mathrm{var}(\hat r)\, SP}` with the signal power SP of
    :func:`~deepstrf.metrics.signal_power`. Every pair of repeats contributes the three terms over the bins that both
    have, with the same weights, so that a perfect prediction scores 1 however the data are riddled with gaps.

    ``"hsu"``: :func:`corrcoef` divided by :func:`~deepstrf.metrics.compute_CCmax`, both over the bins that have two
    repeats or more.

    Without signal both divide noise by noise, to any size and sign. The value is NaN unless the signal power stands
    above its rounding error and, at the level ``significance``, above what repeats that are shifted against each other
    by chance share (one-sided, by the normal distribution with the shifts' exact variance).

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
        Predicted response.
    responses : Tensor, shape (B,N,R,T)
        Recorded repeats. With R = 1 there is nothing to correct with and the value is :func:`corrcoef`.
    method : {"schoppe", "hsu"}
        The estimator.
    mask : bool Tensor, optional
        Bins to use, in the numerator and in the denominator.
    reduction : {"none", "mean", "sum"}
        Over the neurons whose recorded response can be scored; of these a constant prediction counts as 0.
    pooling : {"bins", "sounds"}
        ``"bins"`` pools the bins of all stimuli in every term; ``"sounds"`` takes variances within each stimulus,
        weighted by its bins, as published by Schoppe et al.: what a prediction says about the means of the stimuli then
        does not count.
    significance : float, optional
        Share of neurons without signal that would get a value, in (0, 0.5]. None gives one wherever the signal power
        is positive.
    n_splits, seed : int
        For ``"hsu"``, as in :func:`~deepstrf.metrics.compute_CCmax`.

    Returns
    -------
    Tensor, shape (N,) or ()
        Near or under 1 (noise can carry an estimate above it); NaN where the repeats share no signal, and where the
        prediction is NaN in a recorded bin.

    Raises
    ------
    ValueError
        Wrong shape, reduction, pooling, method or level.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    References
    ----------
    Schoppe et al. (2016); Hsu, Borst & Theunissen (2004).
    """
    check_reduction(reduction)
    check_choice(("schoppe", "hsu"), method=method)
    check_choice(POOLINGS, pooling=pooling)
    if significance is not None:
        check_numbers("must lie in (0, 0.5]", lambda level: 0 < level <= 0.5, significance=significance)
    check_pair(pred, responses, "responses")
    if responses.shape[2] == 1:
        return corrcoef(pred, responses, mask=mask, reduction=reduction, pooling=pooling)
    by_pairs = pred if method == "schoppe" else None
    moments = pooled_pair_moments(responses, mask=mask, pred=by_pairs, pooling=pooling, chance=significance is not None)
    if method == "schoppe":
        product = moments.pred_variance * moments.signal
        value = moments.pred_covariance / torch.where(product > 0, product, torch.nan).sqrt()
        unknown = pred.isnan() & valid_bins(responses, mask).any(2, keepdim=True)
        value = torch.where(unknown.any(-1).any(0)[:, 0], torch.nan, value)
    else:
        repeated = valid_bins(responses, mask)
        repeated = repeated & (repeated.sum(2, keepdim=True) >= 2)
        ceiling = compute_CCmax(responses, mask=repeated, n_splits=n_splits, seed=seed, pooling=pooling)
        absolute = corrcoef(pred, responses, mask=repeated, reduction="none", pooling=pooling)
        value = absolute / torch.where(ceiling > 0, ceiling, torch.nan)
    return reduce_scores(value, reduction, moments.significant(significance))
