"""From shared features to the predicted response of every neuron, (B, N, 1, T)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deepstrf.arguments import check_modules, check_sizes
from deepstrf.deprecation import keywords

from .layers import CausalSTRFConv

__all__ = ["LinearReadout", "STRFReadout", "biases_without_effect", "normalising_over"]

LEAKY_SLOPE = 0.1
POLARITY_NAMES = (("ON", "On", "on", 0), ("OFF", "Off", "off", 1))


@keywords()
class STRFReadout(nn.Module):
    """Receptive field, batch norm and activation of each neuron.

    Parameters
    ----------
    F : int
        Frequency bands of the input.
    T : int
        Taps of the receptive field, in frames.
    C_in : int
        Input channels (2 after AdapTrans).
    out_neurons : int
        Neurons N.
    kernel : nn.Module, optional
        Plug-in kernel of `CausalSTRFConv`; None builds a plain Conv2d.
    activation : nn.Module, optional
        Applied with neurons on the last axis, (B, T, N); None is the identity.
    bias : bool
        For the default kernel only.

    Raises
    ------
    ValueError, TypeError
        As `CausalSTRFConv`.

    Notes
    -----
    (B, C_in, F, T) -> (B, N, 1, T). Submodules ``strf``, ``bn`` (BatchNorm1d over neurons) and ``activation``. No
    parameter is shared between neurons, and in evaluation mode the readout is strictly causal.

    References
    ----------
    Aertsen & Johannesma (1981), Biol. Cybern. 42:133, for the receptive field; Ioffe & Szegedy (2015), ICML, for the
    batch norm.
    """

    def __init__(
        self,
        F: int,
        T: int,
        C_in: int,
        out_neurons: int,
        kernel: nn.Module | None = None,
        activation: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_sizes(out_neurons=out_neurons)
        check_modules(activation=activation)
        self.strf = CausalSTRFConv(F, T, C_in, out_neurons, kernel=kernel, bias=bias)
        self.bn = nn.BatchNorm1d(out_neurons)
        self.activation = nn.Identity() if activation is None else activation
        self._counted: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Response (B, N, 1, T) to ``x`` (B, C_in, F, T); ValueError for another shape."""
        drive = self.strf(x).squeeze(2)
        if self._counted is None or not self.training:
            drive = self.bn(drive)
        else:
            drive = masked_batch_norm(self.bn, drive, self._counted)
        return self.activation(drive.transpose(1, 2)).transpose(1, 2).unsqueeze(2)

    def STRF_weight(self, polarity: str | int | None = None) -> Tensor:
        """Receptive fields before the batch norm: a detached copy on the CPU.

        Parameters
        ----------
        polarity : {None, 'ON', 'OFF', 0, 1}
            One channel, ON (0) or OFF (1), also spelled 'On', 'on', 'Off', 'off'; None keeps both.

        Returns
        -------
        Tensor, shape (N, C_in, F, T), or (N, F, T) for one polarity
            Last tap is lag 0.

        Raises
        ------
        ValueError
            Unknown polarity, or OFF with a single input channel.
        NotImplementedError
            The kernel is of a type whose receptive field is not known.
        """
        return _one_polarity(self.strf.STRF_weight(), polarity)

    def effective_STRF(self, polarity: str | int | None = None) -> tuple[Tensor, Tensor]:
        r"""Receptive fields and biases with the gain and shift of the batch norm in evaluation mode.

        Kernel times :math:`g = \gamma / \sqrt{var + eps}`, bias :math:`(bias - mean) g + \beta`. A negative
        :math:`\gamma` flips the sign of a receptive field, which `STRF_weight` does not show.

        Parameters
        ----------
        polarity : {None, 'ON', 'OFF', 0, 1}
            As for `STRF_weight`; the bias belongs to both channels together.

        Returns
        -------
        kernel : Tensor, shape (N, C_in, F, T), or (N, F, T) for one polarity
        bias : Tensor, shape (N,)
            Both detached copies on the CPU.

        Raises
        ------
        ValueError, NotImplementedError
            As `STRF_weight`.
        TypeError
            ``bn`` was swapped for another kind of module.
        """
        check_batch_norm(self)
        with torch.no_grad():
            gain, shift = (tensor.cpu() for tensor in batch_norm_affine(self.bn))
            kernel = self.strf.STRF_weight() * gain.view(-1, 1, 1, 1)
            return _one_polarity(kernel, polarity), self.strf.STRF_bias() * gain + shift


@keywords()
@contextmanager
def normalising_over(model: nn.Module, counted: Tensor) -> Iterator[None]:
    """Inside, the batch norms of a model in training mode take their statistics from some bins only.

    Where sounds of unequal length share a batch, and where nothing was recorded, the other bins are padding: with them
    the drive of a short sound would be divided by the scatter of silence.

    Parameters
    ----------
    model : Module
        Each `STRFReadout` of N neurons in it.
    counted : bool Tensor, shape (B, N, T)
        Which bins count for each neuron.
    """
    readouts = [module for module in model.modules() if isinstance(module, STRFReadout)]
    readouts = [] if bool(counted.all()) else [one for one in readouts if one.bn.num_features == counted.shape[1]]
    for readout in readouts:
        readout._counted = counted
    try:
        yield
    finally:
        for readout in readouts:
            readout._counted = None


@keywords()
def biases_without_effect(model: nn.Module) -> list[nn.Parameter]:
    """Biases of receptive fields that a batch norm in training mode takes away again.

    Their gradient is 0 but for rounding, and an optimizer that divides a gradient by its own size, such as Adam, makes
    full steps of that rounding: what a fit leaves there is chance.
    """
    found = []
    for readout in (module for module in model.modules() if isinstance(module, STRFReadout) and module.bn.training):
        bias = getattr(readout.strf.kernel, "bias", None)
        if isinstance(bias, nn.Parameter) and bias.shape == (readout.bn.num_features,):
            found.append(bias)
    return found


def masked_batch_norm(bn: nn.BatchNorm1d, x: Tensor, counted: Tensor) -> Tensor:
    """``bn`` in training mode on ``x`` (B, N, T), with the statistics of the bins that are ``counted``, (B, N, T) bool.

    A neuron of which none counts is normalised by its running statistics, which stay as they are.
    """
    n = counted.sum((0, 2))
    mean = torch.where(counted, x, 0.0).sum((0, 2)) / n.clamp(min=1)
    variance = torch.where(counted, x - mean[:, None], 0.0).square().sum((0, 2)) / n.clamp(min=1)
    if bn.running_mean is not None and bn.running_var is not None and bn.num_batches_tracked is not None:
        bn.num_batches_tracked += 1
        share = (n > 0) * (1 / bn.num_batches_tracked.item() if bn.momentum is None else bn.momentum)
        unbiased = variance.detach() * n / (n - 1).clamp(min=1)
        mean, variance = torch.where(n > 0, mean, bn.running_mean), torch.where(n > 0, variance, bn.running_var)
        bn.running_mean += share * (mean.detach() - bn.running_mean)
        bn.running_var += share * (unbiased - bn.running_var)
    normal = (x - mean[:, None]) * torch.rsqrt(variance + bn.eps)[:, None]
    return normal if bn.weight is None else normal * bn.weight[:, None] + bn.bias[:, None]


def check_batch_norm(readout: STRFReadout) -> None:
    """Raise TypeError unless the norm of a readout, which may have been swapped, is a batch norm over neurons."""
    if not isinstance(readout.bn, nn.modules.batchnorm._BatchNorm):
        raise TypeError(
            f"readout.bn must be a BatchNorm1d, got {type(readout.bn).__name__}: for a model without one, give a "
            "NeuralModel a core of CausalSTRFConv and a readout of your own"
        )


def batch_norm_affine(bn: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Gain and shift (N,) that a batch norm applies in evaluation mode: ``y = gain x + shift``."""
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("bn must track running statistics for its evaluation-mode gain to exist, got None")
    gain = torch.rsqrt(bn.running_var + bn.eps)
    if bn.weight is not None:
        gain = gain * bn.weight
    shift = -bn.running_mean * gain
    return gain, shift if bn.bias is None else shift + bn.bias


def _one_polarity(kernel: Tensor, polarity: str | int | None) -> Tensor:
    """Both channels of ``kernel`` (N, C_in, F, T), or the named one (N, F, T)."""
    if polarity is None:
        return kernel
    for channel, names in enumerate(POLARITY_NAMES):
        if polarity in names:
            if channel >= kernel.shape[1]:
                raise ValueError(f"polarity {polarity!r} needs 2 input channels, got C_in = {kernel.shape[1]}")
            return kernel[:, channel]
    raise ValueError(f"polarity must be None, 'ON' (or 0) or 'OFF' (or 1), got {polarity!r}")


@keywords()
class LinearReadout(nn.Module):
    """Linear projection of the features of each time bin to the neurons, with an optional hidden layer.

    Parameters
    ----------
    in_features : int
        Features C of one time bin.
    out_neurons : int
        Neurons N.
    hidden : int, optional
        Width of a hidden layer with LeakyReLU(0.1); None projects directly.
    activation : nn.Module, optional
        Applied with neurons on the last axis, (B, T, N); None is the identity.
    bias : bool
        Bias in the projections.

    Raises
    ------
    ValueError
        A size is below 1.
    TypeError
        A size is no int, or ``activation`` no module.

    Notes
    -----
    (B, C, T) or (B, C, 1, T) -> (B, N, 1, T). Submodules ``fc`` (Linear, or Sequential of Linear, LeakyReLU, Linear)
    and ``activation``.
    """

    def __init__(
        self,
        in_features: int,
        out_neurons: int,
        hidden: int | None = None,
        activation: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_sizes(in_features=in_features, out_neurons=out_neurons)
        if hidden is not None:
            check_sizes(hidden=hidden)
        check_modules(activation=activation)
        self.in_features = in_features
        self.fc: nn.Module
        if hidden is None:
            self.fc = nn.Linear(in_features, out_neurons, bias=bias)
        else:
            self.fc = nn.Sequential(
                nn.Linear(in_features, hidden, bias=bias),
                nn.LeakyReLU(LEAKY_SLOPE),
                nn.Linear(hidden, out_neurons, bias=bias),
            )
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        """Response (B, N, 1, T); ValueError unless ``x`` is (B, C, T) or (B, C, 1, T)."""
        features = x.squeeze(2) if x.dim() == 4 and x.shape[2] == 1 else x
        if features.dim() != 3 or features.shape[1] != self.in_features:
            C = self.in_features
            raise ValueError(f"x must have shape (B, {C}, T) or (B, {C}, 1, T), got {tuple(x.shape)}")
        return self.activation(self.fc(features.transpose(1, 2))).transpose(1, 2).unsqueeze(2)
