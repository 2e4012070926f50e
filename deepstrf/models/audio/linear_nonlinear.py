"""The linear-nonlinear (LN) model."""

from __future__ import annotations

from torch import nn

from ..activations import ParametricSoftplus
from .linear import Linear

__all__ = ["LinearNonlinear"]


class LinearNonlinear(Linear):
    """Each neuron's response as a receptive field followed by a static nonlinearity.

    Parameters as for `Linear`, except that ``output_activation`` None is `ParametricSoftplus` over the N neurons.

    References
    ----------
    Simoncelli, Paninski, Pillow & Schwartz (2004), The Cognitive Neurosciences III. Willmore et al. (2016),
    J. Neurosci. 36:280.
    """

    def _default_activation(self) -> nn.Module:
        return ParametricSoftplus(self.O)
