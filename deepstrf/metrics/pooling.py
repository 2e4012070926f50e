"""How predictions meet recorded responses: shapes, missing data, and the reduction over neurons.

Every loss and score pools the bins of all stimuli of a neuron and then reduces over neurons; the rules stand here once.
Letters: B batch, N neurons, R repeats, T time bins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.arguments import as_tensor, check_choice, check_floating, check_has_values
from deepstrf.deprecation import keywords

NUMBERS_AT_ONCE = 2**20
REDUCTIONS = ("none", "mean", "sum")
POOLINGS = ("bins", "sounds")
"""How stimuli are pooled: all their bins as one long stimulus, or deviations from each stimulus' own mean."""


def check_responses(responses: Tensor, name: str = "responses") -> None:
    """Raise unless ``responses`` is a floating-point (B,N,R,T) tensor.

    Raises
    ------
    TypeError
        Not a floating-point tensor.
    ValueError
        Not four axes, or an empty one.
    """
    check_floating(**{name: responses})
    if responses.ndim != 4 or 0 in responses.shape:
        raise ValueError(f"{name} must have shape (B, N, R, T) without empty axes, got {tuple(responses.shape)}")


def check_pair(pred: Tensor, gt: Tensor, name: str = "gt") -> None:
    """Raise unless ``pred`` is (B,N,1,T) and ``gt`` (B,N,R,T) with the same B, N, T; errors as `check_responses`."""
    check_responses(pred, "pred")
    check_responses(gt, name)
    b, n, r, t = pred.shape
    if r != 1 or (b, n, t) != (gt.shape[0], gt.shape[1], gt.shape[3]):
        raise ValueError(
            f"pred must have shape (B, N, 1, T) and {name} (B, N, R, T) with the same B, N, T; "
            f"got pred of shape {tuple(pred.shape)} and {name} of shape {tuple(gt.shape)}"
        )


def valid_bins(responses: Tensor, mask: Tensor | None) -> Tensor:
    """Boolean (B,N,R,T), True where a bin of a repeat counts: recorded (not NaN) and chosen by ``mask``.

    Parameters
    ----------
    responses : Tensor, shape (B,N,R,T)
        NaN marks what is missing.
    mask : bool Tensor, optional
        Broadcastable to (B,N,R,T) or (B,N,1,T): the bins to use. Missing data stay out whatever the mask says.

    Raises
    ------
    TypeError
        The mask is not boolean.
    ValueError
        The mask does not broadcast.
    """
    recorded = ~responses.isnan()
    return recorded if mask is None else recorded.logical_and_(_expanded(mask, responses))


def _expanded(mask: Tensor, responses: Tensor) -> Tensor:
    """The mask in the shape of the responses, without a copy."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask must be a boolean tensor, got {kind}")
    try:
        return mask.to(responses.device).expand_as(responses)
    except RuntimeError:
        raise ValueError(
            f"mask must broadcast to the responses' shape {tuple(responses.shape)}, got shape {tuple(mask.shape)}"
        ) from None


def by_neurons(
    function: Callable[..., tuple[Tensor, ...]], mask: Tensor | None, *tensors: Tensor
) -> tuple[Tensor, ...]:
    """What ``function(mask, *tensors)`` gives for each neuron, some neurons at a time, so that little memory is taken.

    Parameters
    ----------
    function : callable
        Its results have the neurons as their first axis.
    mask : bool Tensor, optional
        Broadcastable to the last of the tensors.
    *tensors : Tensor, shape (B,N,R or 1,T)
    """
    last = tensors[-1]
    N = last.shape[1]
    some = max(1, NUMBERS_AT_ONCE // max(1, last.numel() // N))
    if some >= N:
        return function(mask, *tensors)
    if mask is not None:
        mask = _expanded(mask, last)
    parts = [
        function(None if mask is None else mask[:, n : n + some], *(x[:, n : n + some] for x in tensors))
        for n in range(0, N, some)
    ]
    return tuple(torch.cat(results) for results in zip(*parts, strict=True))


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` itself, or its float32 copy when it is of half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def mean_over_repeats(responses: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the valid repeats, 0 where there is none, and the (B,N,1,T) mask of where there is one."""
    count = valid.sum(2, keepdim=True)
    total = torch.where(valid, responses, responses.new_zeros(())).sum(2, keepdim=True)
    return total / count.clamp(min=1), count > 0


def align(pred: Tensor, gt: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, response averaged over its repeats, and which bins count: three (N, B*T) tensors.

    What does not count is 0 in both, so that neither values nor gradients can leak a NaN. A NaN of the prediction at
    a bin that counts is kept: a model that has diverged must show.

    Parameters
    ----------
    pred : Tensor, shape (B,N,1,T)
    gt : Tensor, shape (B,N,R,T)
    mask : bool Tensor, optional
        As in :func:`valid_bins`.

    Raises
    ------
    TypeError, ValueError
        Wrong kinds or shapes.
    """
    check_pair(pred, gt)
    b, n, _, t = pred.shape
    pred, gt = at_least_float32(pred), at_least_float32(gt)
    mean, valid = mean_over_repeats(gt, valid_bins(gt, mask))
    pred = torch.where(valid, pred, pred.new_zeros(()))
    pred, mean, valid = (x.transpose(0, 1).reshape(n, b * t) for x in (pred, mean, valid))
    return pred, mean, valid


def check_reduction(reduction: str) -> None:
    """Raise ValueError unless ``reduction`` is one of ``"none"``, ``"mean"``, ``"sum"``."""
    check_choice(REDUCTIONS, reduction=reduction)


def reduce_neurons(values: Tensor, reduction: str, counted: Tensor | None = None) -> Tensor:
    """``values`` (N,) as they are (``"none"``), or their mean or sum over the neurons that count.

    ``counted`` (N,) says which do; by default those that are not NaN. NaN when none counts, for the sum too: a loss
    over no data is not zero.
    """
    check_reduction(reduction)
    if reduction == "none":
        return values
    present = ~values.isnan() if counted is None else counted
    count = present.sum()
    total = torch.where(present, values, values.new_zeros(())).sum()
    divisor = count.clamp(min=1) if reduction == "mean" else count.new_ones(())
    return torch.where(count > 0, total / divisor, total.new_full((), torch.nan))


def reduce_scores(scores: Tensor, reduction: str, scorable: Tensor) -> Tensor:
    """``scores`` (N,) as they are, or reduced over the neurons whose responses can be scored, (N,) bool.

    A prediction that has become constant or undefined counts as 0 there: it never raises a mean by leaving it.
    """
    if reduction == "none":
        return torch.where(scorable, scores, torch.nan)
    return reduce_neurons(scores.nan_to_num(nan=0.0), reduction, scorable)


class Summary(NamedTuple):
    """Mean and median over the neurons that have a score, and how many have one and have none."""

    mean: float
    median: float
    scored: int
    undefined: int

    def __str__(self) -> str:
        undefined = f", {self.undefined} of {self.scored + self.undefined} undefined" if self.undefined else ""
        return f"{self.mean:.3f} (median {self.median:.3f}{undefined})"


@keywords()
def summary(scores: Tensor | ArrayLike) -> Summary:
    """Mean and median of ``scores`` (N,) without NaN, with the count of the undefined beside them.

    Raises
    ------
    TypeError, ValueError
        ``scores`` are no array of numbers, or not one for each neuron.

    Examples
    --------
    >>> print(summary(torch.tensor([0.2, 0.3, 0.7, torch.nan])))
    0.400 (median 0.300, 1 of 4 undefined)
    """
    scores = as_tensor("scores", scores)
    check_has_values("scores", scores)
    if scores.ndim != 1:
        raise ValueError(f'scores must have shape (N,), as reduction="none" gives them, got {tuple(scores.shape)}')
    present = scores[~scores.isnan()].double()
    mean, median = (present.mean().item(), present.quantile(0.5).item()) if len(present) else (torch.nan, torch.nan)
    return Summary(mean, median, len(present), len(scores) - len(present))


def mean_over_trials(values: Tensor, trials: Tensor) -> Tensor:
    """Mean of (N, bins) ``values`` of each neuron, a bin weighing as many ``trials`` (N, bins) as it has; or NaN."""
    count = trials.sum(-1)
    total = torch.where(trials > 0, values * trials, values.new_zeros(())).sum(-1)
    return torch.where(count > 0, total / count.clamp(min=1), total.new_full((), torch.nan))


def trials_of_bins(gt: Tensor, mask: Tensor | None) -> Tensor:
    """How many valid repeats each bin of ``gt`` (B,N,R,T) has, in the layout of `align`: (N, B*T)."""
    return valid_bins(gt, mask).sum(2).transpose(0, 1).flatten(1)
