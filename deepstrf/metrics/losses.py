"""Losses that train an encoding model on responses with repeats and gaps.

In all of them ``pred`` is (B,N,1,T), ``gt`` is (B,N,R,T) and is averaged over its recorded repeats, and the bins of all
stimuli of a neuron are averaged before the reduction over neurons. A bin weighs as many trials as it has: up to a term
that does not depend on the prediction, the loss is that of every trial as an example of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deepstrf.arguments import check_numbers
from deepstrf.deprecation import keywords
from deepstrf.metrics.pooling import (
    align,
    by_neurons,
    check_pair,
    check_reduction,
    mean_over_trials,
    reduce_neurons,
    trials_of_bins,
)


@keywords()
def mse_loss(pred: Tensor, gt: Tensor, *, mask: Tensor | None = None, reduction: str = "mean") -> Tensor:
    r"""Mean squared error of each neuron, :math:`\langle (\hat r - r)^2 \rangle` over its valid bins.

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
        Predicted response.
    gt : Tensor, shape (B,N,R,T)
        Recorded response, NaN where missing.
    mask : bool Tensor, optional
        Bins to use, broadcastable to ``gt``; missing data stay out in any case.
    reduction : {"none", "mean", "sum"}
        Over neurons; neurons without data (NaN) are left out.

    Returns
    -------
    Tensor, shape (N,) or ()
        In the square of the response's unit.

    Raises
    ------
    ValueError
        Wrong shape or reduction.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.

    Examples
    --------
    >>> import torch
    >>> mse_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 3.0]]]])).item()
    5.0
    """
    check_reduction(reduction)
    check_pair(pred, gt)

    def of_neurons(mask: Tensor | None, pred: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        trials = trials_of_bins(gt, mask)
        pred, gt, valid = align(pred, gt, mask)
        return mean_over_trials((pred - gt) ** 2, trials), valid.any(-1)

    losses, counted = by_neurons(of_neurons, mask, pred, gt)
    return reduce_neurons(losses, reduction, counted)


@keywords()
def poisson_loss(
    pred: Tensor,
    gt: Tensor,
    *,
    mask: Tensor | None = None,
    reduction: str = "mean",
    log_input: bool = False,
    eps: float = 1e-8,
    validate_input: bool = False,
) -> Tensor:
    r"""Poisson negative log-likelihood of each neuron, without the term that does not depend on the prediction.

    :math:`\hat r - r \log \hat r` averaged over the valid bins; with ``log_input``, :math:`e^{\hat r} - r \hat r`.
    At and below ``eps`` the curve goes on as a straight line of slope :math:`-\max(1, r/\epsilon - 1)`. It is thereby
    convex and bounded below over all real predictions, and a prediction that has fallen to zero or under it is always
    pushed up (a clamped logarithm would push it down for ever).

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
        Predicted count per bin, or its logarithm.
    gt : Tensor, shape (B,N,R,T)
        Recorded count per bin, NaN where missing.
    mask : bool Tensor, optional
        Bins to use, broadcastable to ``gt``; missing data stay out in any case.
    reduction : {"none", "mean", "sum"}
        Over neurons; neurons without data (NaN) are left out.
    log_input : bool
        ``pred`` is the logarithm of the rate.
    eps : float
        Rate under which the curve is straight, positive.
    validate_input : bool
        Raise when a predicted rate (unless ``log_input``) or a recorded response is negative.

    Returns
    -------
    Tensor, shape (N,) or ()
        In nats per bin.

    Raises
    ------
    ValueError
        Wrong shape or reduction, ``eps`` not positive, or negative values under ``validate_input``.
    TypeError
        A tensor that is not floating-point, or a mask that is not boolean.
    """
    check_reduction(reduction)
    check_numbers("must be positive", lambda rate: 0 < rate < float("inf"), eps=eps)
    check_pair(pred, gt)

    def of_neurons(mask: Tensor | None, pred: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
        trials = trials_of_bins(gt, mask)
        pred, gt, valid = align(pred, gt, mask)
        if validate_input:
            for name, x in (("pred", pred), ("gt", gt)):
                lowest = x.min().item()
                if lowest < 0 and not (log_input and name == "pred"):
                    raise ValueError(f"{name} must be a rate of at least 0, got negative values down to {lowest:g}")
        if log_input:
            nll = pred.exp() - gt * pred
        else:
            above = pred > eps
            rate = torch.where(above, pred, pred.new_full((), eps))
            shortfall = torch.where(above, pred.new_zeros(()), eps - pred)
            nll = rate - gt * rate.log() + (gt / eps - 1).clamp(min=1) * shortfall
        return mean_over_trials(nll, trials), valid.any(-1)

    losses, counted = by_neurons(of_neurons, mask, pred, gt)
    return reduce_neurons(losses, reduction, counted)
