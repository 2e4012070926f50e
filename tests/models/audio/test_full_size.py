"""The zoo at the size people use: 34 bands, the prefilters of the factory with their 651 taps, every kernel.

At this size the exponential filters run as a recursion and windowed attention by blocks, which small tests never reach.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deepstrf.models.audio import (
    AudioEncodingModel,
    ConvNet2D,
    DNet,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    StateNet,
    Transformer,
)
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.layers.exponential import recursion_pays
from deepstrf.models.prefiltering import make_prefiltering
from tests.models.audio.zoo import named

F, T_STRF, N, H, LENGTH = 34, 9, 4, 6, 330

KERNELS = {
    "free": lambda C, out: None,
    "Gaussians": lambda C, out: ParametricSTRF(F, T_STRF, C, out, num_gaussians=3),
    "separable": lambda C, out: SeparableSTRF(F, T_STRF, C, out),
    "two convolutions": lambda C, out: nn.Sequential(nn.Conv2d(C, 3, (F, 1)), nn.Conv2d(3, out, (1, T_STRF))),
}
WITH_KERNEL: dict[str, tuple[type[AudioEncodingModel], int]] = {
    "Linear": (Linear, N),
    "LinearNonlinear": (LinearNonlinear, N),
    "NetworkReceptiveField": (NetworkReceptiveField, H),
    "DNet": (DNet, H),
}
OTHERS = {
    "ConvNet2D": lambda **kwargs: ConvNet2D(F, out_neurons=N, **kwargs),
    "ConvNet2D-3x3": lambda **kwargs: ConvNet2D(F, out_neurons=N, c_hidden=16, kernel_size=(3, 3), **kwargs),
    "Transformer": lambda **kwargs: Transformer(F, temporal_window_size=T_STRF, out_neurons=N, **kwargs),
    "Transformer-windowed": lambda **kwargs: Transformer(
        F,
        temporal_window_size=T_STRF,
        out_neurons=N,
        context_window=20,
        n_layers=2,
        freq_patch_size=17,
        time_patch_size=3,
        **kwargs,
    ),
    "StateNet-LC": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, **kwargs),
    "StateNet-FC": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, connectivity="FC", **kwargs),
    "StateNet-CONV": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, connectivity="CONV", **kwargs),
    "StateNet-LSTM": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, rnn_type="LSTM", **kwargs),
    "StateNet-RNN": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, rnn_type="RNN", **kwargs),
    "StateNet-LMU": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, rnn_type="LMU", **kwargs),
    "StateNet-Mamba": lambda **kwargs: StateNet(F, T_STRF, out_neurons=N, rnn_type="Mamba", **kwargs),
}
MODELS = [named(name) for name in OTHERS] + [f"{name}, {kernel}" for name in WITH_KERNEL for kernel in KERNELS]

every_full_size_model = pytest.mark.parametrize("name", MODELS)
every_real_prefilter = pytest.mark.parametrize("kind", [None, "adaptrans", "icadaptation"])


def build(name: str, kind: str | None) -> AudioEncodingModel:
    prefilter = None if kind is None else make_prefiltering(kind, F, 5.0)
    if name in OTHERS:
        return OTHERS[name](prefiltering=prefilter).eval()
    model, kernel = name.split(", ")
    cls, out = WITH_KERNEL[model]
    given = KERNELS[kernel](getattr(prefilter, "out_channels", 1), out)
    sizes = {} if cls in (Linear, LinearNonlinear) else {"n_hidden": H}
    return cls(F, T_STRF, out_neurons=N, kernel=given, prefiltering=prefilter, **sizes).eval()  # type: ignore[call-arg, arg-type]


def sounds() -> Tensor:
    return torch.rand(1, 1, F, LENGTH)


def test_this_size_reaches_the_recursion() -> None:
    assert recursion_pays(sounds().squeeze(1), 1, 651)


@every_full_size_model
@every_real_prefilter
def test_the_future_changes_nothing_bit_for_bit(name: str, kind: str | None) -> None:
    model, x = build(name, kind), sounds()
    with torch.no_grad():
        y = model(x)
        for t in (45, 290):
            changed = x.clone()
            changed[..., t:] = 1e3 * torch.randn(1, 1, F, LENGTH - t)
            after = model(changed)
            assert torch.equal(after[..., :t], y[..., :t])
            assert not torch.equal(after[..., t:], y[..., t:])


@pytest.mark.parametrize("name", [name for name in MODELS if name != named("Transformer")])
@every_real_prefilter
def test_a_stream_equals_the_whole(name: str, kind: str | None) -> None:
    model, x = build(name, kind), sounds()
    stream = model.stream()
    with torch.no_grad():
        streamed = torch.cat([stream(chunk) for chunk in x.split([1, 1, 7, 60, 1, 200, 60], dim=-1)], dim=-1)
        torch.testing.assert_close(streamed, model(x), rtol=0, atol=1e-5)
