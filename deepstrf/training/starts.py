"""Where a fit begins: a model that is as built starts from the data."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.layers.as_built import is_as_built
from deepstrf.models.layers.gaussian_matching import same_bins
from deepstrf.models.neural_model import NeuralModel
from deepstrf.models.prediction import as_model_takes, predict
from deepstrf.models.readouts import LinearReadout, STRFReadout
from deepstrf.training.batches import Examples, settle_batch_norms
from deepstrf.training.linear_regression import (
    SMOOTHNESS,
    RidgeFields,
    folds_of_bins,
    moments_of,
    neurons_of_equal_weights,
    ridge_fields,
    solved,
)
from deepstrf.training.output_start import SLOPE_SHARE, Loss, Scale, fit_gain_and_curve, point_of_rest, scale_curve

FREE_FIELD_RMS = 0.1
"""Root mean square of the weights that a free field starts with: steps of 0.01 change it within some epochs."""

MOST_GROUPS = 8
"""Neurons with as many different gaps share one set of moments; with more, gaps count as the mean response."""

MOST_WEIGHTS = 1500
"""Of a field, from which on ridge regression takes longer than most fits, unless the field is smooth."""

NEIGHBOURS = (2.0, 2.0)
"""Bands and bins over which a field of more weights is smooth, where they are not known in octaves and ms."""

MOST_FEATURES, FOLDS = 500, 5
"""Inputs of a network's last layer up to which they are regressed on, and parts that are left out in turn."""

Axes = tuple[Tensor, float]
"""Centre frequencies (F,) in Hz, and bin width in ms."""


def strf_readout(model: nn.Module) -> STRFReadout | None:
    """The readout of a model that is one receptive field for each neuron (the readout may be the model); or None."""
    readout = model.readout if isinstance(model, NeuralModel) else model
    plain = not isinstance(model, NeuralModel) or (
        type(model).forward is NeuralModel.forward and isinstance(model.core, nn.Identity)
    )
    return readout if plain and isinstance(readout, STRFReadout) else None


def output_curve(model: nn.Module) -> nn.Module | None:
    """The output curve of a model, or None where it is not known."""
    readout = getattr(model, "readout", model)
    return readout.activation if isinstance(readout, (STRFReadout, LinearReadout)) else None


def is_untouched(model: nn.Module) -> bool:
    """Whether no part of a model was edited, fitted or loaded since it was constructed."""
    marked = [module for module in model.modules() if hasattr(module, "_as_built")]
    readout = strf_readout(model)
    fresh = readout is None or int(readout.bn.num_batches_tracked or 0) == 0
    return bool(marked) and fresh and all(is_as_built(module) for module in marked)


def start_from_data(
    model: nn.Module, train: Examples, axes: Axes | None, loss: Loss, *, pooled: bool = False
) -> RidgeFields | None:
    """Set a model's receptive fields, gains and output curves from responses; what is unknown or frozen stays.

    Free fields start as those of ridge regression, separable ones as the product nearest to them, Gaussians as
    `ParametricSTRF.initialise_from` puts them. The drive of each neuron is then given the gain and shift, and a curve
    of the library its parameters, with which it predicts best. A network has no such field: its last layer starts as
    ridge regression on what it sees of the sounds, around each neuron's mean response.

    Parameters
    ----------
    loss : callable
        ``loss(pred, target)``, (N,), in comparable units for all neurons.
    pooled : bool
        Whether the loss is one that `fit_gain_and_curve` may pool.

    Returns
    -------
    RidgeFields or None
        Those of the sounds themselves, where the start needed them.
    """
    model.eval()
    scale = Scale(train.target)
    readout, found = strf_readout(model), None
    if readout is not None:
        found = _start_fields(model, readout, train, axes, scale)
        settle_batch_norms(model, train)
        _start_readout(model, readout, train, scale, loss, pooled=pooled)
    elif isinstance(getattr(model, "readout", None), LinearReadout):
        _start_network_output(model, model.readout, train, scale)  # type: ignore[arg-type]
    return found


def heard_by(model: nn.Module, train: Examples) -> Tensor:
    """Sounds (B, C, F, T) as the receptive fields of a model get them."""
    stimuli = as_model_takes(model, train.stimuli)
    if not isinstance(model, NeuralModel):
        return stimuli
    training = model.training
    model.eval()
    with torch.no_grad():
        heard = model.prefiltered(stimuli)
    model.train(training)
    return heard


def _start_fields(
    model: nn.Module, readout: STRFReadout, train: Examples, axes: Axes | None, scale: Scale
) -> RidgeFields | None:
    kernel = readout.strf.kernel
    known = isinstance(kernel, (ParametricSTRF, SeparableSTRF)) or (
        isinstance(kernel, nn.Conv2d) and hasattr(kernel, "_as_built")
    )
    frozen = not all(parameter.requires_grad for parameter in kernel.parameters())
    heard = heard_by(model, train)
    F, T = readout.strf.F, readout.strf.T
    if not known or frozen or heard.shape[1:3] != (readout.strf.C_in, F):
        return None
    if isinstance(kernel, ParametricSTRF):
        kernel.initialise_from((heard, train.responses))
        return None
    started = scale.varies.cpu()
    with torch.no_grad():
        fields = ridge_start(heard, train, T, axes)
        field = fields.kernel
        size = field.square().mean((1, 2, 3)).sqrt()
        started = started & (size > 0)
        field = (field / size.clamp(min=1e-300)[:, None, None, None]).to(next(kernel.parameters()))
        if isinstance(kernel, SeparableSTRF):
            U, S, V = torch.linalg.svd(field)
            root = S[..., :1].sqrt()
            kernel.weight_f[started] = (U[..., :1] * root.unsqueeze(-1))[started]
            kernel.weight_t[started] = (V[..., :1, :] * root.unsqueeze(-1))[started]
        else:
            kernel.get_parameter("weight")[started] = FREE_FIELD_RMS * field[started]
        if isinstance(kernel.bias, Tensor):
            kernel.bias[started] = 0.0
    plain = heard.shape == train.stimuli.shape and torch.equal(heard, train.stimuli.to(heard))
    return fields if plain else None


def ridge_start(heard: Tensor, train: Examples, n_lags: int, axes: Axes | None) -> RidgeFields:
    """Fields of ridge regression, quickly: neurons with gaps of too many kinds are given their mean there.

    Where there are very many weights, and nothing is known of octaves and ms, only fields that are smooth over
    neighbouring bands and bins are looked for.
    """
    responses = _in_few_groups(train)
    smoothness = None if axes is None else SMOOTHNESS
    if axes is None and heard[0, ..., 0].numel() * n_lags > MOST_WEIGHTS:
        axes, smoothness = (2.0 ** torch.arange(heard.shape[2]), 1.0), NEIGHBOURS
    return ridge_fields(heard.double().cpu(), responses, train, n_lags, axes, smoothness=smoothness)


def _in_few_groups(train: Examples) -> Tensor:
    """Responses (B, N, R, T), float64; where gaps are of too many kinds, (B, N, 1, T) with the neuron's mean there."""
    responses = train.responses.double().cpu()
    weight = (~responses.isnan()).sum(2)
    target, alike = same_bins(responses.nanmean(2), weight, MOST_GROUPS)
    return responses if torch.equal(alike, weight) else torch.where(alike > 0, target, torch.nan)[:, :, None]


def _start_readout(
    model: nn.Module, readout: STRFReadout, train: Examples, scale: Scale, loss: Loss, *, pooled: bool
) -> None:
    """Gain, shift and output curve of receptive fields, from the drive that they make."""
    bn, curve = readout.bn, readout.activation
    frozen = bn.weight is None or not (bn.weight.requires_grad and bn.bias.requires_grad)
    if frozen or bn.running_var is None or bn.running_mean is None:
        return
    with torch.no_grad():
        drive = readout.strf(heard_by(model, train)).squeeze(2)
        drive = (drive - bn.running_mean[:, None]) * torch.rsqrt(bn.running_var + bn.eps)[:, None]
    target = as_model_takes(model, train.target)
    there = ~target[:, :, 0].isnan()
    scale_curve(curve, scale)
    rest, slope = point_of_rest(curve, scale)
    centred = torch.where(there, target[:, :, 0] - scale.mean.to(target)[:, None], 0.0)
    covariance = (centred * drive).sum((0, 2)) / there.sum((0, 2)).clamp(min=1)
    # A field that was not made from these responses may go with them either way: then its drive starts small.
    least = SLOPE_SHARE * 0.2 * scale.sd.to(covariance)
    wanted = torch.where(covariance.abs() < least, torch.where(covariance < 0, -least, least), covariance)
    steep = slope.abs() > 1e-3 * slope.abs().max().clamp(min=1e-300)
    slope = torch.where(steep, slope, 1.0).to(wanted)
    gain, shift = wanted / slope, rest.to(wanted)
    varies = scale.varies.to(gain.device)
    free_curve = all(parameter.requires_grad for parameter in curve.parameters()) and hasattr(curve, "_as_built")
    gain, shift = fit_gain_and_curve(drive, target, gain, shift, curve, loss, free_curve=free_curve, pooled=pooled)
    with torch.no_grad():
        bn.weight.copy_(torch.where(varies, gain, bn.weight))
        bn.bias.copy_(torch.where(varies, shift, bn.bias))


def _start_network_output(model: nn.Module, readout: LinearReadout, train: Examples, scale: Scale) -> None:
    """Set the last layer of a network to ridge regression on the features that it sees, around the mean responses.

    Its weights are no larger than weights by chance would be whose outputs scatter as the responses do: through large
    weights the first steps of the layers below would throw the outputs far off. Of so many features that a regression
    would take long, the weights stay those by chance.
    """
    last = [module for module in readout.fc.modules() if isinstance(module, nn.Linear)][-1]
    if last.bias is None or not (last.weight.requires_grad and last.bias.requires_grad):
        return
    mean, sd = output_statistics(model, last, train)
    scale_curve(readout.activation, scale)
    rest, slope = point_of_rest(readout.activation, scale)
    slope = torch.where(slope.abs() > 1e-6, slope, 1.0)
    size = torch.minimum(scale.sd, scale.mean.abs()) if _is_positive(readout.activation) else SLOPE_SHARE * scale.sd
    with torch.no_grad():
        factor = size / slope.abs() / sd.clamp(min=1e-12)
        factor = torch.where(scale.varies & (sd > 0), factor, 1.0).to(last.weight)
        bias = torch.where(scale.varies, rest, last.bias.double().cpu()).to(last.bias)
        offset = (mean.to(last.bias) - last.bias) * factor
        last.weight.mul_(factor[:, None])
        last.bias.copy_(torch.where(scale.varies.to(bias.device), bias - offset, last.bias))
        if last.in_features > MOST_FEATURES:
            return
        limit = last.weight.norm(dim=1).double().cpu() * slope.abs()
        weights, at_mean = _feature_weights(model, last, train, limit)
        known = (scale.varies & (weights != 0).any(0)).to(bias.device)
        regressed = (weights / slope).T.to(last.weight)
        last.weight.copy_(torch.where(known[:, None], regressed, last.weight))
        last.bias.copy_(torch.where(known, (rest - at_mean / slope).to(bias), last.bias))


def _is_positive(curve: nn.Module) -> bool:
    return getattr(curve, "non_negative_output", False) is True


def output_statistics(model: nn.Module, layer: nn.Linear, train: Examples) -> tuple[Tensor, Tensor]:
    """Mean and SD (N,) of what a layer of the readout gives over the recorded bins, before the output curve."""
    there = (~train.target[:, :, 0].isnan()).transpose(1, 2).cpu()
    sums = torch.zeros(3, layer.out_features, dtype=torch.float64)
    with _calls_of(layer) as calls:
        for b, T in enumerate(train.bins):
            calls.clear()
            predict(model, train.stimuli[b : b + 1, ..., :T])
            values = torch.where(there[b, :T], calls[-1][1].reshape(T, -1).double().cpu(), 0.0)
            sums += torch.stack([there[b, :T].sum(0), values.sum(0), values.square().sum(0)])
    n, total, squares = sums
    mean = total / n.clamp(min=1)
    return mean, (squares / n.clamp(min=1) - mean.square()).clamp(min=0).sqrt()


class _Features:
    """What a layer of a network sees of each sound."""

    def __init__(self, model: nn.Module, layer: nn.Linear) -> None:
        self.model, self.layer = model, layer

    def seen(self, x: Tensor) -> Tensor:
        """(T, features) of a sound (C, F, T), float64."""
        with _calls_of(self.layer) as calls:
            predict(self.model, x[None])
        return calls[-1][0].reshape(x.shape[-1], -1).double().cpu()


def _feature_weights(model: nn.Module, layer: nn.Linear, train: Examples, limit: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (features, N) of ridge regression on what a layer of a network sees, and what they give on average, (N,).

    Each neuron has the penalty that predicts parts best which were left out, of those that keep the length of its
    weights within ``limit`` (N,).
    """
    responses = _in_few_groups(train)
    weights = torch.zeros(layer.in_features, len(limit), dtype=torch.float64)
    at_mean = torch.zeros(len(limit), dtype=torch.float64)
    count, target = (~responses.isnan()).sum(2), responses.nanmean(2)
    squares, fold_of = responses.square().nansum(2), folds_of_bins(train, FOLDS)
    features = _Features(model, layer)
    for neurons in neurons_of_equal_weights(count):
        parts = moments_of(
            train.stimuli, features, target[:, neurons], count[:, neurons[0]], squares[:, neurons], fold_of, train.bins
        )
        if parts:
            whole = functools.reduce(operator.add, parts)
            weights[:, neurons] = solved(whole, parts, "folds", limit=limit[neurons])
            at_mean[neurons] = whole.x @ weights[:, neurons] / whole.n.clamp(min=1)
    return weights, at_mean


@contextmanager
def _calls_of(layer: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """List that receives what a layer sees and what it gives, while the context lasts."""
    calls: list[tuple[Tensor, Tensor]] = []

    def keep(_layer: nn.Module, seen: tuple[Tensor], output: Tensor) -> None:
        calls.append((seen[0].detach(), output.detach()))

    hook = layer.register_forward_hook(keep)
    try:
        yield calls
    finally:
        hook.remove()
