"""How far chance moves a fit: the jackknife, and what of many weights it leaves certain."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Protocol

import torch
from torch import Tensor, nn

from deepstrf.analysis import bandwidth, best_frequency, latency
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.short_repr import short_repr
from deepstrf.training.batches import Data, Examples, time_blocks
from deepstrf.training.fitter import Fitter

REFIT_EPOCHS, REFIT_DECAY = 10, 0.7

Readout = Callable[[nn.Module], Tensor]


class Interval(Protocol):
    """An estimate (...) with the interval that holds it: `Band`, or a band of `deepstrf.training.posterior`."""

    @property
    def estimate(self) -> Tensor:
        """The estimate, (...)."""

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Lower and upper end, (...) each."""


@keywords()
@dataclass(frozen=True, eq=False)
class Band:
    """Estimate of a fit, and its values when a part of the data is left out.

    Attributes
    ----------
    estimate : Tensor, shape (...)
        Of the fitted model.
    replicates : Tensor, shape (G, ...)
        Of the models that were fitted again without one of G blocks of the data each.
    """

    estimate: Tensor
    replicates: Tensor
    __repr__ = short_repr

    @property
    def standard_error(self) -> Tensor:
        r""":math:`\sqrt{\frac{G-1}{G} \sum_g (\theta_g - \bar\theta)^2}`, (...); NaN where a replicate is."""
        G = len(self.replicates)
        return ((G - 1) / G * (self.replicates - self.replicates.mean(0)).square().sum(0)).sqrt()

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Lower and upper end (...) of the band that holds the mean of such fits to other data with this probability.

        Not the true value: what all fits share (their prior, early stopping) is not in it, and the more data there are,
        the more of the truth lies outside. `deepstrf.training.posterior` has intervals of the truth.

        The estimate plus and minus its standard error times a quantile of Student's t with G - 1 degrees of freedom.

        Raises
        ------
        ValueError
            ``level`` lies outside (0, 1).
        """
        half = t_quantile((1 + check_level(level)) / 2, len(self.replicates) - 1) * self.standard_error
        return self.estimate - half, self.estimate + half

    @property
    def p_values(self) -> Tensor:
        """Two-sided probability (...) of an estimate as far from 0 if the mean of such fits were 0."""
        return t_two_sided(self.estimate / self.standard_error, len(self.replicates) - 1)


def check_level(level: float) -> float:
    """``level``; ValueError unless it lies in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    return level


@keywords()
def benjamini_hochberg(p_values: Tensor, rate: float = 0.05) -> Tensor:
    """Which of several hypotheses (...) are rejected, bool, so that at most this share of them is so by mistake.

    The share is an expectation, for tests that are independent or go together; NaN is never rejected.

    References
    ----------
    Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57:289.

    Examples
    --------
    >>> benjamini_hochberg(torch.tensor([0.01, 0.04, 0.03, 0.6, torch.nan])).tolist()
    [True, False, False, False, False]
    """
    flat = p_values.flatten()
    known = flat[~flat.isnan()].sort().values
    allowed = rate * torch.arange(1, len(known) + 1, device=known.device) / max(len(known), 1)
    passing = known[known <= allowed]
    return p_values <= passing.max() if len(passing) else torch.zeros_like(p_values, dtype=torch.bool)


@keywords()
def jackknife(
    fitter: Fitter,
    model: nn.Module,
    data: Data,
    *,
    blocks: int = 10,
    readouts: Mapping[str, Readout] | None = None,
    refit: Fitter | None = None,
) -> dict[str, Band]:
    """Bands of receptive fields and tuning, from fits that go on without one block of the data each.

    Each fit starts from the fitted weights, so that some epochs are enough, and meets the stimuli in the same order as
    the others, so that the fits differ by their data alone. In simulations the standard errors were within 20 % of
    the scatter of fits to independent recordings.

    The bands say where the mean of such fits to other data would lie (in simulations 0.85 to 0.98 of 0.95). The bias of
    a prior, of early stopping or of a wrong model is the same in all fits and not in the bands: of the large weights of
    smoothed fields they held 33 to 52 % of the true values, and the fewer the more data there were. For LN models
    `deepstrf.training.posterior` gives intervals that hold the truth.
    Read-outs that jump, such as the frequency of the higher of two peaks, have errors of little meaning.

    Parameters
    ----------
    fitter : Fitter
        That fitted the model.
    model : Module
        Fitted; left as it is.
    data : Recording, or tuple of Tensors (B, 1, F, T) and (B, N, R, T)
        What it was fitted on.
    blocks : int
        G, at least 2. The recorded time is cut into so many pieces of the same length, one stimulus after the other:
        with B a multiple of G each piece is some whole stimuli.
    readouts : mapping of str to callable, optional
        What to take from a model, as a tensor. None takes ``"strf"`` (N, C, F, T), the receptive fields as they act,
        and where ``data`` is a Recording also their ``"best_frequency"`` in Hz, ``"latency"`` in ms and
        ``"bandwidth"`` in octaves, each (N, C).
    refit : Fitter, optional
        Settings of the fits; None goes on with ``fitter`` for 10 epochs, in each of which the steps are 0.7 times as
        large as before.

    Returns
    -------
    dict of str to Band
        One for each read-out.

    Raises
    ------
    ValueError
        There are fewer recorded bins than blocks, or fewer than 2 blocks.
    TypeError
        There are no ``readouts``, and the model has no ``effective_STRF``.
    NonFiniteLossError
        As `Fitter.fit`.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, ch. 11.
    """
    from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

    examples = Examples.of(data, "data")
    wanted = dict(readouts) if readouts is not None else _usual_readouts(model, data)
    refit = replace(refit or _refit_of(fitter), progress=False, callbacks=())
    found: dict[str, list[Tensor]] = {name: [] for name in wanted}
    left_out = time_blocks(examples.target, blocks)
    for block in tqdm(range(blocks), unit="block", disable=not fitter.progress):
        responses = examples.responses.masked_fill((left_out == block)[:, None, None, :], torch.nan)
        again = copy.deepcopy(model)
        refit.fit(again, (examples.stimuli, responses))
        for name, readout in wanted.items():
            found[name].append(readout(again).detach().cpu())
    was_training = model.training
    model.eval()
    estimates = {name: readout(model).detach().cpu() for name, readout in wanted.items()}
    model.train(was_training)
    return {name: Band(estimates[name], torch.stack(found[name])) for name in wanted}


def _refit_of(fitter: Fitter) -> Fitter:
    decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=REFIT_DECAY)
    return replace(fitter, epochs=REFIT_EPOCHS, schedule=decay)


def _usual_readouts(model: nn.Module, data: Data) -> dict[str, Readout]:
    if not callable(getattr(model, "effective_STRF", None)):
        raise TypeError(f"readouts must be given for a {type(model).__name__}, which has no effective_STRF")

    def strf(fitted: nn.Module) -> Tensor:
        return fitted.effective_STRF()[0]  # type: ignore[operator, no-any-return, unused-ignore]

    if not isinstance(data, Recording):
        return {"strf": strf}
    cf_hz, dt_ms, delay_ms = data.cf_hz, data.dt_ms, data.delay_ms
    return {
        "strf": strf,
        "best_frequency": lambda fitted: best_frequency(strf(fitted), cf_hz),
        "latency": lambda fitted: latency(strf(fitted), dt_ms, delay_ms=delay_ms),
        "bandwidth": lambda fitted: bandwidth(strf(fitted), cf_hz),
    }


def t_two_sided(t: Tensor, degrees: int) -> Tensor:
    """Probability (...) that Student's t is further from 0 than ``t``.

    References
    ----------
    Abramowitz & Stegun (1964), 26.7.3 and 26.7.4.
    """
    angle = (t.abs().double() / math.sqrt(degrees)).atan()
    odd = degrees % 2
    term = angle.cos() if odd else torch.ones_like(angle)
    total = term if degrees > 1 else torch.zeros_like(angle)
    for i in range(2 + odd, degrees - 1, 2):
        term = term * angle.cos().square() * (i - 1) / i
        total = total + term
    inside = (angle + angle.sin() * total) * 2 / math.pi if odd else angle.sin() * total
    return (1 - inside).clamp(0, 1).to(t.dtype)


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t, by its expansion about the normal quantile (error below 1 % from 4 degrees, at 0.975).

    References
    ----------
    Abramowitz & Stegun (1964), 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum([z, *(term / degrees ** (i + 1) for i, term in enumerate(terms))])
