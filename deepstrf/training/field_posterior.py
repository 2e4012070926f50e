"""Posterior of the receptive fields of LN neurons: intervals that hold the true field, and its mean as an estimator."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from deepstrf.analysis import bandwidth, best_frequency, latency
from deepstrf.arguments import check_sizes
from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.models.readouts import STRFReadout
from deepstrf.models.registry import is_pointwise, neuron_axes_of
from deepstrf.short_repr import short_repr
from deepstrf.stimuli.evidence import moving_bands
from deepstrf.training.batches import Data, Examples
from deepstrf.training.confidence import Interval, check_level
from deepstrf.training.local_prior import (
    Information,
    LocalPrior,
    covariance,
    hyperparameters,
    mean_and_spread,
)
from deepstrf.user_warning import warn_user

ROUNDS = (25, 8)
"""Steps of L-BFGS in each round; between the rounds the output curve is fitted again along the new field."""

FLOOR = 0.1
"""Of the mean rate, added to the variance that a bin is expected to have: silent bins must not rule."""

LOOSE_SD = 2.0
"""Standard deviation of the logarithms of the curve's parameters about the fitted ones."""

LEAST_VARIANCE = 1e-4
"""Of the stimulus along a direction, as a share of the largest, from which on the data are taken to say something."""

MOST_DIRECTIONS = 400
CLUSTER_MS, CLUSTER_BINS = 1000.0, 100
"""Length of the pieces of time between which the noise of the responses is taken to be independent."""

CURVE_STEPS, DAMPED = 12, 6

Curve = Callable[[Tensor, Sequence[Tensor] | Tensor], Tensor]


@keywords()
@dataclass(frozen=True, eq=False)
class FieldBand:
    """Fields and their standard errors.

    Attributes
    ----------
    estimate, standard_error : Tensor, shape (N, C, F, T)
        At unit norm over channels, bands and lags; NaN errors where nothing is known.
    """

    estimate: Tensor
    standard_error: Tensor
    unit_norm = True
    __repr__ = short_repr

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Lower and upper end: the estimate plus and minus its error times a quantile of the normal distribution."""
        half = NormalDist().inv_cdf((1 + check_level(level)) / 2) * self.standard_error
        return self.estimate - half, self.estimate + half

    @property
    def p_values(self) -> Tensor:
        """Two-sided probability of an estimate as far from 0 if the weight were 0; NaN where nothing is known."""
        return torch.erfc(self.estimate.abs() / self.standard_error / math.sqrt(2))


@keywords()
@dataclass(frozen=True, eq=False)
class DrawnBand:
    """A read-out of the fields, and its values in draws from their posterior.

    Attributes
    ----------
    estimate : Tensor, shape (N, C)
    draws : Tensor, shape (D, N, C)
        Infinite where a draw has none, as a width that leaves the axis.
    """

    estimate: Tensor
    draws: Tensor
    __repr__ = short_repr

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Lower and upper end (N, C): percentiles of the draws, NaN for a neuron without posterior."""
        tail = (1 - check_level(level)) / 2
        low, high = (
            torch.quantile(self.draws, share, dim=0, interpolation=rule)
            for share, rule in ((tail, "lower"), (1 - tail, "higher"))
        )
        return low, high


@keywords()
@dataclass(frozen=True, eq=False)
class Posterior(Mapping[str, Interval]):
    """What the data say about the fields of some neurons; a mapping from ``"strf"`` and read-outs to their bands.

    Attributes
    ----------
    bands : dict of str to FieldBand or DrawnBand
    fields : Tensor, shape (N, C, F, T)
        Mean of the posterior, as the drive sees it: comparable with ``model.effective_STRF()``. Zero in bands that the
        sounds never move.
    model : Module or None
        A copy of the model with these fields, shifts and output curves; None where its kernel cannot hold them.
    noise : Tensor, shape (N,)
        Variance of the responses over what the likelihood expects: 1 for Poisson counts.
    """

    bands: Mapping[str, Interval]
    fields: Tensor
    model: nn.Module | None
    noise: Tensor
    __repr__ = short_repr

    def __getitem__(self, name: str) -> Interval:
        return self.bands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.bands)

    def __len__(self) -> int:
        return len(self.bands)


@keywords()
def posterior(model: nn.Module, data: Data, *, draws: int = 400, seed: int = 0, progress: bool = True) -> Posterior:
    """Intervals that hold the true field and its tuning about as often as their level says, of LN neurons.

    If the neuron is an LN neuron whose field is smooth and confined to one region (of each channel), and not finer than
    the bands and lags, the intervals hold the true values about as often as their level says
    (``tests/benchmarks/coverage_table.py`` prints how often). The size of a field is known only together with the
    output curve: fields are given at unit norm. Detail that the prior does not expect, such as a single isolated bin,
    is smoothed away and is not in the interval. The prefilter is taken as it is.

    A Gaussian process is the prior of the field: smooth along bands and lags, under a window; eight hyperparameters a
    channel are those of the largest evidence. The likelihood of the responses (mean over trials, each bin weighing as
    many trials as it has) is expanded about the fit, whose output curve and shift are free too. It is a
    quasi-likelihood with the variance of Poisson counts times a factor that the data give, so it takes rates in any
    unit.

    Parameters
    ----------
    model : Module
        Fitted, with a `STRFReadout` behind nothing but a prefilter, and an output curve that treats every neuron by
        itself; left as it is. The field is free in every band and lag, whatever kernel the model has.
    data : Recording, or tuple of Tensors (B, 1, F, T) and (B, N, R, T)
        What it was fitted on.
    draws : int
        From the posterior, for the read-outs.
    seed : int
        Of the draws.
    progress : bool
        Show a bar.

    Returns
    -------
    Posterior
        With ``"strf"``, and where ``data`` is a Recording also ``"best_frequency"`` in Hz, ``"latency"`` in ms and
        ``"bandwidth"`` in octaves, (N, C) each. A neuron whose responses are constant has NaN.

    Raises
    ------
    TypeError
        The model is another kind of model; `jackknife` takes any.
    ValueError
        Data are not as said, or no band moves.

    Warns
    -----
    UserWarning
        For some neurons the computation broke down: they have NaN.

    References
    ----------
    Sahani & Linden (2003), NIPS 15; Park & Pillow (2011), PLOS Comput. Biol. 7:e1002219; Rasmussen & Williams (2006),
    Gaussian Processes for Machine Learning, ch. 2 and 5.
    """
    from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

    check_sizes(draws=draws)
    readout = _readout_of(model)
    examples = Examples.of(data, "data")
    dt_ms = data.dt_ms if isinstance(data, Recording) else None
    with torch.no_grad():
        design = _Design.of(model, examples, readout.strf.STRF_weight().shape[-1], dt_ms)
    N = examples.target.shape[1]
    fields, shifts = (x.double() for x in readout.effective_STRF())
    if len(fields) != N:
        raise ValueError(f"data must have the {len(fields)} neurons of the model, got {N}")
    C, F, T = fields.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    mean, unit, error = (torch.full((N, C, F, T), torch.nan, dtype=torch.float64) for _ in range(3))
    mean = fields.clone()
    noise = torch.full((N,), torch.nan, dtype=torch.float64)
    sampled = torch.full((draws, N, C, F, T), torch.nan) if dt_ms is not None else None
    new_model, broken = copy.deepcopy(model), []
    curves = {}
    for n in tqdm(range(N), unit="neuron", disable=not progress):
        try:
            one = _neuron(design, readout, n, N, fields[n], float(shifts[n]), examples)
        except torch.linalg.LinAlgError:
            broken.append(n)
            continue
        if one is None:
            continue
        mean[n] = design.scattered(one.w, 0.0)
        size = one.w.norm()
        u = one.w / size
        S = one.covariance - (one.covariance @ u)[:, None] * u
        S = (S - u[:, None] * (u @ S)) / size**2
        unit[n] = design.scattered(u, 0.0)
        error[n] = design.scattered(S.diagonal().clamp(min=0).sqrt(), torch.nan)
        noise[n] = one.noise
        curves[n] = one
        if sampled is not None:
            values, vectors = torch.linalg.eigh(one.covariance)
            root = vectors * values.clamp(min=0).sqrt()
            several = one.w + torch.randn(draws, len(u), generator=generator, dtype=torch.float64) @ root.mT
            several = several / several.norm(dim=1, keepdim=True)
            sampled[:, n] = torch.stack([design.scattered(draw, 0.0) for draw in several]).float()
    if broken:
        warn_user(
            f"the posterior of {len(broken)} of {N} neurons could not be computed (numbers {broken[:5]}): they have "
            "NaN. Fit them again, or leave them out",
        )
    bands: dict[str, Interval] = {"strf": FieldBand(unit.float(), error.float())}
    if sampled is not None and isinstance(data, Recording):
        bands |= _readouts(unit.float(), sampled, data)
    held = _held_by(new_model, mean, curves)
    return Posterior(bands, mean.float(), new_model if held else None, noise)


@keywords()
def posterior_mean(model: nn.Module, data: Data, *, progress: bool = True) -> nn.Module:
    """Copy of a fitted LN model with free kernels whose fields are the mean of their `posterior`.

    In simulations it is nearer to the truth than the fit (``tests/benchmarks/coverage_table.py``). Parameters and
    errors as `posterior`; its read-outs are not computed.

    Raises
    ------
    TypeError
        The kernels of the model are not free in every band and lag.
    """
    pair = (data.stimuli, data.responses) if isinstance(data, Recording) else data
    estimated = posterior(model, pair, progress=progress).model
    if estimated is None:
        kernel = type(_readout_of(model).strf.kernel).__name__
        raise TypeError(f"model must have kernels that are free in every band and lag, got {kernel}")
    return estimated


def _readout_of(model: nn.Module) -> STRFReadout:
    readout, core = getattr(model, "readout", None), getattr(model, "core", nn.Identity())
    if not isinstance(readout, STRFReadout) or not isinstance(core, nn.Identity):
        raise TypeError(
            f"model must be an LN model (an STRFReadout behind a prefilter), got {type(model).__name__}; "
            "deepstrf.training.jackknife takes any model"
        )
    if not is_pointwise(readout.activation):
        raise TypeError(
            "model must have an output curve that is known to treat every neuron by itself, "
            f"got {type(readout.activation).__name__}; deepstrf.training.jackknife takes any model"
        )
    return readout


@dataclass(frozen=True, eq=False)
class _Design:
    """Windows of the prefiltered stimuli in all recorded bins, along the directions in which they vary.

    ``basis`` (K, r) holds the directions among the K weights of moving bands, ``x`` (n, r) centred windows along them,
    ``centre`` (K,) the mean window, ``place`` the stimulus and bin of each row, ``cluster`` its piece of time.
    """

    moving: Tensor
    prior: LocalPrior
    basis: Tensor
    x: Tensor
    centre: Tensor
    place: tuple[Tensor, Tensor]
    cluster: Tensor

    @classmethod
    def of(cls, model: nn.Module, examples: Examples, T: int, dt_ms: float | None) -> _Design:
        was_training = model.training
        model.eval()
        prefiltered = getattr(model, "prefiltered", None)
        dtype = next((p.dtype for p in model.parameters()), torch.float32)
        stimuli = examples.stimuli.to(dtype)
        heard = (stimuli if prefiltered is None else prefiltered(stimuli)).double().cpu()
        model.train(was_training)
        moving = moving_bands(heard, examples.bins)
        if not bool(moving.any()):
            raise ValueError("stimuli of data must move at least one band, got constant ones")
        F = heard.shape[2]
        bands = [row.nonzero()[:, 0].double() for row in moving if bool(row.any())]
        recorded = (~examples.target.isnan()).any(1)[:, 0].cpu()

        def windows() -> Iterator[tuple[int, Tensor, Tensor]]:
            for b, length in enumerate(examples.bins):
                rows = recorded[b, :length].nonzero()[:, 0]
                padded = functional.pad(heard[b, moving][:, :length], (T - 1, 0))
                yield b, rows, padded.unfold(-1, T, 1)[:, rows].transpose(0, 1).flatten(1)

        K = int(moving.sum()) * T
        n, total, products = 0, torch.zeros(K).double(), torch.zeros(K, K).double()
        for _, rows, x in windows():
            n, total, products = n + len(rows), total + x.sum(0), products.addmm_(x.mT, x)
        centre = total / n
        values, vectors = torch.linalg.eigh(products / n - centre[:, None] * centre)
        kept = (values > LEAST_VARIANCE * values[-1]).nonzero()[-MOST_DIRECTIONS:, 0]
        basis = vectors[:, kept]
        size = CLUSTER_BINS if dt_ms is None else max(1, round(CLUSTER_MS / dt_ms))
        along, sounds, places, clusters, used = [], [], [], [], 0
        for b, rows, x in windows():
            along.append((x - centre) @ basis)
            sounds.append(torch.full((len(rows),), b))
            places.append(rows)
            clusters.append(used + rows // size)
            used = int(clusters[-1].max()) + 1 if len(rows) else used
        _, cluster = torch.cat(clusters).unique(return_inverse=True)
        prior = LocalPrior(bands, T, F)
        return cls(moving, prior, basis, torch.cat(along), centre, (torch.cat(sounds), torch.cat(places)), cluster)

    def gathered(self, field: Tensor) -> Tensor:
        """Weights (K,) on moving bands of a field (C, F, T)."""
        return field[self.moving].flatten()

    def scattered(self, w: Tensor, elsewhere: float) -> Tensor:
        """Field (C, F, T) of weights (K,) on moving bands."""
        field = w.new_full((*self.moving.shape, self.prior.n_lags), elsewhere)
        field[self.moving] = w.view(-1, self.prior.n_lags)
        return field


@dataclass(frozen=True, eq=False)
class _Estimate:
    """Field (K,) of one neuron, its covariance, shift for uncentred windows, curve parameters, and noise factor."""

    w: Tensor
    covariance: Tensor
    shift: float
    q: Tensor
    names: list[str]
    noise: float


@dataclass(frozen=True, eq=False)
class _Responses:
    """Mean responses y (n,) of one neuron, trials of each bin, windows x (n, r) and clusters of the same bins."""

    y: Tensor
    trials: Tensor
    x: Tensor
    cluster: Tensor
    positive: bool

    def expected_variance(self, mu: Tensor) -> Tensor:
        """Variance (n,) of the response to one trial, up to a factor."""
        if not self.positive:
            return torch.ones_like(mu)
        return mu.clamp(min=0) + FLOOR * self.y.mean().abs()


def _neuron(
    design: _Design, readout: STRFReadout, n: int, N: int, field: Tensor, bias: float, examples: Examples
) -> _Estimate | None:
    """Posterior of neuron n; None where there is nothing to be known."""
    sound, bin_ = design.place
    y = examples.target[sound, n, 0, bin_].double().cpu()
    there = ~y.isnan()
    trials = (~examples.responses[sound, n, :, bin_].isnan()).sum(1).double().cpu()[there]
    y = y[there]
    curve, names, q = _curve_of(readout.activation, n, N)
    w = design.gathered(field)
    if len(y) < 10 or bool((y == y[0]).all()) or not bool(w.isfinite().all()) or float(w.norm()) == 0:
        return None
    with torch.no_grad():
        mu = curve(torch.tensor([-1e6, 0.0, 1e6], dtype=torch.float64), q)
    floor = float(mu.min())
    data = _Responses(y, trials, design.x[there], design.cluster[there], floor >= 0)
    sd = _loose(readout.activation, names, q)
    shift, q0, basis = bias + float(design.centre @ w), q, design.basis
    z = data.x @ (basis.mT @ w) + shift
    residual = (y - curve(z, q)).square() * trials / data.expected_variance(curve(z, q))
    phi = float(residual.mean())
    prior = design.prior
    theta = centre = prior.start(w)
    gain = 1.0
    for iterations in ROUNDS:
        v = basis.mT @ w
        s, J, B = _expansion(curve, data, v, shift, q)
        r = len(v)
        known = Information(basis, (s[:r] + J[:r, :r] @ v) / phi, J[:r, :r] / phi)
        theta = hyperparameters(prior, known, theta, centre, iterations)
        with torch.no_grad():
            mean, spread = mean_and_spread(prior, theta, known)
            phi = float((spread * B[:r, :r]).sum() / (spread * J[:r, :r]).sum())
            pull = basis @ (known.h - known.J @ (basis.mT @ mean))
            gain, shift, q = _refitted(curve, data, data.x @ (basis.mT @ mean), shift, q, q0, sd)
            w = gain * mean
    with torch.no_grad():
        v = basis.mT @ w
        _, J, _ = _expansion(curve, data, v, shift, q)
        inner = J[r:, r:] / phi
        inner[1:, 1:] += torch.diag(sd**-2)
        pull = pull / gain
        S = covariance(
            prior, theta, abs(gain), Information(basis, torch.zeros(r).double(), J[:r, :r] / phi),
            torch.cat([pull, (pull @ w)[None]]), basis @ J[:r, r:] / phi, inner,
        )  # fmt: skip
    return _Estimate(w, S, shift - float(design.centre @ w), q, names, phi)


def _curve_of(activation: nn.Module, n: int, N: int) -> tuple[Curve, list[str], Tensor]:
    """Output curve of one neuron in float64, of drive (n,) and its own parameters; their names and values (Q,)."""
    axes = neuron_axes_of(activation, N)
    alone = copy.deepcopy(activation).double().cpu().eval()
    fixed = {name: x.detach() for name, x in (*alone.named_parameters(), *alone.named_buffers())}
    fixed = {name: x.narrow(axes[name], n, 1) if name in axes else x for name, x in fixed.items()}
    names = [name for name, _ in alone.named_parameters() if name in axes and fixed[name].numel() == 1]
    q = torch.stack([fixed[name].reshape(()) for name in names]) if names else torch.zeros(0, dtype=torch.float64)

    def curve(z: Tensor, q: Sequence[Tensor] | Tensor) -> Tensor:
        # Each bin stands where a neuron would: so the parameters have a gradient of their own in each.
        own = {**fixed, **dict(zip(names, q, strict=True))}
        alike = {name: x.reshape(-1).expand(len(z)) if name in axes else x for name, x in own.items()}
        return functional_call(alone, alike, (z[None],))[0]

    return curve, names, q


def _loose(activation: nn.Module, names: list[str], q: Tensor) -> Tensor:
    """Standard deviation (Q,) about the fitted raw parameters: 2 of the logarithm of what is positive, or 2 values."""
    sd = []
    for name, value in zip(names, q, strict=True):
        natural = getattr(activation, name.removeprefix("_raw_"), None)
        # A raw tensor that is its own natural value may be negative.
        positive = isinstance(natural, Tensor) and not torch.equal(natural, getattr(activation, name))
        slope = float(torch.sigmoid(value) / functional.softplus(value).clamp(min=1e-12))
        sd.append(LOOSE_SD / slope if positive else LOOSE_SD * max(abs(float(value)), 0.1))
    return torch.tensor(sd, dtype=torch.float64)


def _slopes(curve: Curve, z: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rate (n,), its slope in the drive (n,) and in the parameters of the curve (n, Q)."""
    with torch.enable_grad():
        inputs = [x.detach().clone().requires_grad_() for x in (z, *(value.expand(len(z)) for value in q))]
        rate = curve(inputs[0], inputs[1:])
        slopes = torch.autograd.grad(rate.sum(), inputs, allow_unused=True)
    slope, *along = (torch.zeros_like(z) if x is None else x for x in slopes)
    return rate.detach(), slope, torch.stack(along, 1) if along else z.new_zeros(len(z), 0)


def _expansion(curve: Curve, data: _Responses, v: Tensor, shift: float, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Score, information, and scatter of the score over clusters, of field (r,), shift and curve."""
    mu, slope, on_q = _slopes(curve, data.x @ v + shift, q)
    weight = data.trials / data.expected_variance(mu)
    D = torch.cat([data.x * slope[:, None], slope[:, None], on_q], 1)
    each = D * ((data.y - mu) * weight)[:, None]
    _, cluster = data.cluster.unique(return_inverse=True)
    G = int(cluster.max()) + 1
    S = torch.zeros(G, D.shape[1], dtype=D.dtype).index_add_(0, cluster, each)
    S = S - S.mean(0)
    return each.sum(0), (D * weight[:, None]).mT @ D, S.mT @ S * G / max(G - 1, 1)


def _refitted(
    curve: Curve, data: _Responses, z: Tensor, shift: float, q: Tensor, q0: Tensor, sd: Tensor
) -> tuple[float, float, Tensor]:
    """Gain on the drive, shift and curve that fit best along a field whose direction is held: damped scoring."""
    p, damp = torch.cat([torch.tensor([1.0, shift], dtype=z.dtype), q]), 1e-2
    precision = sd**-2

    def score(p: Tensor) -> tuple[Tensor, Tensor]:
        mu, slope, on_q = _slopes(curve, p[0] * z + p[1], p[2:])
        D = torch.cat([(slope * z)[:, None], slope[:, None], on_q], 1)
        weight = data.trials / data.expected_variance(mu)
        s, J = D.mT @ ((data.y - mu) * weight), (D * weight[:, None]).mT @ D
        s[2:] -= precision * (p[2:] - q0)
        J[2:, 2:] += torch.diag(precision)
        return s, J

    def loss(p: Tensor) -> float:
        mu = curve(p[0] * z + p[1], p[2:])
        pull = float((precision * (p[2:] - q0).square()).sum()) / 2
        if not data.positive:
            return float((data.trials * (data.y - mu).square()).sum()) / 2 + pull
        a = FLOOR * data.y.mean().abs()
        return float((data.trials * (mu - (data.y + a) * (mu.clamp(min=0) + a).log())).sum()) + pull

    best = loss(p)
    for _ in range(CURVE_STEPS):
        s, J = score(p)
        for _ in range(DAMPED):
            step = torch.linalg.solve(J + damp * torch.diag(J.diagonal()) + 1e-12 * torch.eye(len(J)).double(), s)
            new = loss(p + step)
            if new < best:
                break
            damp *= 10
        else:
            break
        gained, best, p, damp = best - new, new, p + step, damp / 10
        if gained < 1e-4:
            break
    return float(p[0]), float(p[1]), p[2:]


def _readouts(unit: Tensor, sampled: Tensor, data: Recording) -> dict[str, Interval]:
    """Best frequency, latency and bandwidth of the mean fields and of the draws."""
    cf_hz, dt_ms = data.cf_hz.cpu(), data.dt_ms
    read: dict[str, Callable[[Tensor], Tensor]] = {
        "best_frequency": lambda x: best_frequency(x, cf_hz),
        "latency": lambda x: latency(x, dt_ms, delay_ms=data.delay_ms),
        "bandwidth": lambda x: bandwidth(x, cf_hz),
    }
    there = unit.isfinite().flatten(1).all(1)
    made: dict[str, Interval] = {}
    for name, of in read.items():
        estimate, draws = of(unit.nan_to_num(0.0)), of(sampled.nan_to_num(0.0))
        draws = torch.where(draws.isnan(), torch.inf, draws)
        draws[:, ~there] = torch.nan
        estimate[~there] = torch.nan
        made[name] = DrawnBand(estimate, draws)
    return made


@torch.no_grad()
def _held_by(model: nn.Module, fields: Tensor, found: Mapping[int, _Estimate]) -> bool:
    """Whether a model's kernels are free in every weight; then they have the fields, shifts and curves afterwards."""
    readout: Any = model.readout
    kernel = readout.strf.kernel
    weight = getattr(kernel, "weight", None)
    if not isinstance(kernel, nn.Conv2d) or weight is None or weight.shape != fields.shape:
        return False
    bn, activation = readout.bn, readout.activation
    axes = neuron_axes_of(activation, len(fields))
    std = (bn.running_var + bn.eps).sqrt()
    for n, one in found.items():
        gain = bn.weight[n] / std[n]
        if float(gain) == 0:
            gain = 1 / std[n]
            bn.weight[n] = 1.0
        weight[n] = (fields[n] / gain.double().cpu()).to(weight)
        if kernel.bias is not None:
            kernel.bias[n] = 0.0
        bn.running_mean[n] = 0.0
        bn.bias[n] = one.shift
        for name, value in zip(one.names, one.q, strict=True):
            parameter = activation.get_parameter(name)
            parameter.narrow(axes[name], n, 1).fill_(float(value))
    return True
