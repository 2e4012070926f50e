"""LN models drawn by chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from deepstrf.models import LinearNonlinear
from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate.fields import random_gabors, random_gaussians, random_oscillations

SOFTPLUS_SHARPNESS, SIGMOID_WIDTH, DOUBLE_EXPONENTIAL_GAIN = 4.0, 0.4, -2.0  # per standard deviation of the drive
BASELINE = 0.02  # of the range of the sigmoids; of the slope of the softplus times a standard deviation


def random_neurons(
    rng: np.random.Generator,
    n: int,
    *,
    strf: str,
    adaptation: str | None,
    output: str,
    n_lags: int,
    cf_hz: Tensor,
    dt_ms: float,
    scale: str,
) -> LinearNonlinear:
    """LN model of n neurons whose curves expect a drive of mean 0 and standard deviation 1: see `standardise_drive`.

    Parameters as for `deepstrf.simulate.simulate_population`; ``scale`` is that of the centre frequencies.
    """
    bands = len(cf_hz)
    octaves = np.log2(cf_hz.double().numpy())
    # Modules draw first values from torch's global numbers; all of them are replaced here.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        prefilter = None
        if adaptation is not None:
            prefilter = make_prefiltering(adaptation, bands, dt_ms, cf_hz[0].item(), cf_hz[-1].item(), scale)
        channels = int(getattr(prefilter, "out_channels", 1))
        kernel: nn.Module
        if strf == "gaussian":
            kernel = random_gaussians(rng, n, channels, octaves, n_lags)
        else:
            kernel = nn.Conv2d(channels, n, (bands, n_lags), bias=False)
            draw = random_gabors if strf == "gabor" else random_oscillations
            kernel.weight.copy_(draw(rng, n, channels, octaves, n_lags))
        threshold = torch.from_numpy(rng.uniform(0.3, 1.0, n)).float()
        curve = OUTPUTS[output](threshold)
        model = LinearNonlinear(
            bands, n_lags, out_neurons=n, kernel=kernel, prefiltering=prefilter, output_activation=curve
        )
        if output == "softplus":  # the one curve without a threshold of its own
            model.readout.bn.bias.copy_(-threshold)
    return model.eval()


def _softplus(threshold: Tensor) -> nn.Module:
    curve = ParametricSoftplus(len(threshold))
    curve.beta, curve.b = torch.full_like(threshold, SOFTPLUS_SHARPNESS), torch.full_like(threshold, BASELINE)
    return curve


def _sigmoid(threshold: Tensor) -> nn.Module:
    curve = ParametricSigmoid(len(threshold))
    curve.b, curve.a = torch.ones_like(threshold), torch.full_like(threshold, BASELINE)
    curve.c.copy_(threshold + SIGMOID_WIDTH)
    curve.d.fill_(SIGMOID_WIDTH)
    return curve


def _double_exponential(threshold: Tensor) -> nn.Module:
    curve = ParametricDoubleExponential(len(threshold))
    curve.a, curve.b = torch.ones_like(threshold), torch.full_like(threshold, BASELINE)
    curve.k.fill_(DOUBLE_EXPONENTIAL_GAIN)
    curve.s.copy_(DOUBLE_EXPONENTIAL_GAIN * threshold)
    return curve


OUTPUTS: dict[str, Callable[[Tensor], nn.Module]] = {
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "double_exponential": _double_exponential,
}


def standardise_drive(model: LinearNonlinear, stimuli: Tensor, mask: Tensor) -> None:
    """Give the batch norm the mean and variance that the drive has on these stimuli (B, 1, F, T).

    ``mask`` (B, 1, 1, T) is 0 in the bins that count and NaN in the others.
    """
    drive = (model.readout.strf(model.prefiltering(stimuli)) + mask).transpose(0, 1).flatten(1)
    drive = drive[:, ~drive[0].isnan()]
    bn = model.readout.bn
    bn.load_state_dict({**bn.state_dict(), "running_mean": drive.mean(1), "running_var": drive.var(1)})


def scale_rates(model: LinearNonlinear, factor: Tensor) -> None:
    """Multiply the response of each neuron (N,) to any stimulus by a positive factor."""
    curve, factor = model.readout.activation, factor.float()
    if isinstance(curve, ParametricSoftplus):  # factor softplus(beta z)/beta is a softplus of factor z
        model.readout.bn.weight.mul_(factor)
        model.readout.bn.bias.mul_(factor)
        curve.beta, curve.b = curve.beta / factor, curve.b * factor
    elif isinstance(curve, (ParametricSigmoid, ParametricDoubleExponential)):
        for name in ("a", "b"):
            setattr(curve, name, getattr(curve, name) * factor)
