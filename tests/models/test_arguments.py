"""Every argument of every public constructor and function of the models, spoilt one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from deepstrf.arguments import check_choice, check_modules, check_numbers, check_sizes, whole_number
from deepstrf.models import NeuralModel, activations, scales
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
from deepstrf.models.layers import (
    CausalLayerNorm,
    CausalSTRFConv,
    LearnableExponentialDecay,
    LocallyConnected1d,
    ParametricSTRF,
    SeparableSTRF,
    SinusoidalPositionalEncoding,
    build_causal_window_mask,
)
from deepstrf.models.prefiltering import (
    AdapTrans,
    ICAdaptation,
    ShortTermPlasticity,
    a_to_tau,
    freq_to_tau,
    get_CFs,
    make_prefiltering,
    tau_to_a,
)
from deepstrf.models.readouts import LinearReadout, STRFReadout
from tests.refusals import Cases, assert_refused, refusals

STRF = {"F": 6, "T": 3}
STRF_KINDS = {"F": "size", "T": "size"}
AUDIO = {"n_frequency_bands": 7, "out_neurons": 2}
AUDIO_KINDS = {"n_frequency_bands": "size", "out_neurons": "size", "prefiltering": "module", "wav2spec": "module"}
ZOO_KINDS = {**AUDIO_KINDS, "output_activation": "module"}
WINDOW_KINDS = {**ZOO_KINDS, "temporal_window_size": "size"}
RANGE = {"min_freq": 500.0, "max_freq": 8000.0}

CASES: Cases = {
    CausalLayerNorm: ({"normalized_shape": 3}, {"normalized_shape": "size", "dim": "whole"}),
    CausalSTRFConv: (
        {**STRF, "C_in": 1, "C_out": 2},
        {**STRF_KINDS, "C_in": "size", "C_out": "size", "kernel": "module"},
    ),
    ParametricSTRF: (
        {**STRF, "C_in": 1, "C_out": 2},
        {**STRF_KINDS, "C_in": "size", "C_out": "size", "num_gaussians": "size"},
    ),
    SeparableSTRF: ({**STRF, "C_in": 1, "C_out": 2}, {**STRF_KINDS, "C_in": "size", "C_out": "size"}),
    LearnableExponentialDecay: (
        {"input_size": 3, "kernel_size": 4},
        {"input_size": "size", "kernel_size": "size", "init_tau": "above 1"},
    ),
    LocallyConnected1d: (
        {"input_size": 9, "in_channels": 1, "out_channels": 2, "kernel_size": 3},
        {
            **dict.fromkeys(("input_size", "in_channels", "out_channels", "kernel_size", "stride", "dilation"), "size"),
            "padding": "whole",
        },
    ),
    SinusoidalPositionalEncoding: ({"d_model": 4}, {"d_model": "size"}),
    build_causal_window_mask: ({"L": 4}, {"L": "whole", "window": "optional size"}),
    AdapTrans: (
        {"init_a_vals": [0.5, 0.5], "init_w_vals": [0.5, 0.5]},
        {"init_a_vals": "decays", "init_w_vals": "decays", "kernel_size": "size"},
    ),
    ICAdaptation: ({"init_a_vals": [0.5, 0.5]}, {"init_a_vals": "decays", "kernel_size": "size"}),
    ShortTermPlasticity: (
        {"init_a_vals": [0.5, 0.5], "init_u_vals": [0.5, 0.5]},
        {"init_a_vals": "decays"},
    ),
    get_CFs: (
        {**RANGE, "n_freqs": 3, "scale": "mel"},
        {"min_freq": "number", "max_freq": "positive", "n_freqs": "size", "scale": "choice"},
    ),
    freq_to_tau: ({"freqs": 500.0}, {"freqs": "values"}),
    tau_to_a: ({"time_constants": 5.0}, {"time_constants": "values", "dt": "positive"}),
    a_to_tau: ({"a": 0.5}, {"a": "values", "dt": "positive"}),
    make_prefiltering: (
        {"kind": "adaptrans", "n_frequency_bands": 4, "dt": 5.0, **RANGE},
        {
            "kind": "choice",
            "n_frequency_bands": "size",
            "dt": "positive",
            "min_freq": "frequency",
            "max_freq": "frequency",
            "scale": "choice",
            "init_w": "fraction",
        },
    ),
    LinearReadout: (
        {"in_features": 3, "out_neurons": 2},
        {"in_features": "size", "out_neurons": "size", "hidden": "optional size", "activation": "module"},
    ),
    STRFReadout: (
        {**STRF, "C_in": 1, "out_neurons": 2},
        {**STRF_KINDS, "C_in": "size", "out_neurons": "size", "kernel": "module", "activation": "module"},
    ),
    **{
        activation: ({"num_features": 3}, {"num_features": "size"})
        for activation in (
            activations.ParametricSigmoid,
            activations.ParametricDoubleExponential,
            activations.ParametricSoftplus,
        )
    },
    scales.Hz_to_mel: ({"f": 100.0}, {"f": "values"}),
    scales.mel_to_Hz: ({"mel_freqs": 100.0}, {"mel_freqs": "values"}),
    scales.Hz_to_ERB: ({"f": 100.0}, {"f": "values"}),
    scales.ERB_to_Hz: ({"erb": 3.0}, {"erb": "values"}),
    scales.ERB_bandwidth: ({"f": 100.0}, {"f": "values"}),
    scales.Greenwood: ({"x": 0.5}, {"animal": "choice"}),
    scales.inverse_Greenwood: ({"f": 500.0}, {"f": "values", "animal": "choice"}),
    NeuralModel: ({"out_neurons": 2}, {"out_neurons": "size"}),
    AudioEncodingModel: ({**AUDIO, "temporal_window_size": 3}, {**AUDIO_KINDS, "temporal_window_size": "size"}),
    Linear: (AUDIO, {**WINDOW_KINDS, "kernel": "module"}),
    LinearNonlinear: (AUDIO, {**WINDOW_KINDS, "kernel": "module"}),
    NetworkReceptiveField: (AUDIO, {**WINDOW_KINDS, "kernel": "module", "n_hidden": "size"}),
    DNet: (AUDIO, {**WINDOW_KINDS, "kernel": "module", "n_hidden": "size", "init_tau": "above 1"}),
    ConvNet2D: (AUDIO, {**ZOO_KINDS, "c_hidden": "size", "n_hidden": "size", "kernel_size": "whole"}),
    Transformer: (
        AUDIO,
        {
            **WINDOW_KINDS,
            **dict.fromkeys(("freq_patch_size", "context_window"), "optional size"),
            **dict.fromkeys(("time_patch_size", "embedding_dim", "n_heads", "n_layers"), "size"),
            "dropout": "probability",
        },
    ),
    StateNet: (
        AUDIO,
        {
            **WINDOW_KINDS,
            **dict.fromkeys(("hidden_channels", "kernel_size", "stride"), "size"),
            "connectivity": "choice",
            "rnn_type": "choice",
        },
    ),
}


@pytest.mark.parametrize(("function", "good", "name", "values"), refusals(CASES))
def test_a_bad_argument_is_named(
    function: Callable[..., Any], good: dict[str, Any], name: str, values: tuple[Any, ...]
) -> None:
    assert_refused(function, good, name, values)


def test_a_variance_floor_may_be_zero_but_not_negative() -> None:
    assert CausalLayerNorm(3, eps=0.0).ln.eps == 0
    with pytest.raises(ValueError, match=r"eps must be at least 0, got -1e-05"):
        CausalLayerNorm(3, eps=-1e-5)


def test_gradient_maps_name_what_they_are_given() -> None:
    model = Linear(6, 3, out_neurons=2).eval()
    with pytest.raises(TypeError, match="stimulus must be a floating-point tensor, got list"):
        model.STRF_gradmap([1.0])  # type: ignore[arg-type]
    for name in ("bins", "neurons"):
        with pytest.raises(TypeError, match=f"{name} must be an int, got float"):
            model.STRF_gradmap(torch.rand(6, 9), **{name: [1.5]})
    framed = Linear(6, 3, out_neurons=2, wav2spec=nn.Unflatten(1, (1, 6))).eval()
    with pytest.raises(TypeError, match="waveform must be a floating-point tensor, got ndarray"):
        framed.waveform_gradmap(torch.rand(1, 6, 9).numpy())  # type: ignore[arg-type]


def test_the_checks_themselves() -> None:
    assert whole_number("n", torch.tensor(3)) == 3
    assert type(whole_number("n", torch.tensor(3))) is int
    assert whole_number("n", -2, None) == -2
    check_sizes(0, n=0)
    check_numbers("must be small", lambda v: v < 1, a=0, b=0.5)
    check_choice(("a", "b"), word="a")
    check_modules(one=None, other=nn.Identity())
    with pytest.raises(KeyError, match="word must be one of"):
        check_choice(("a", "b"), KeyError, word="c")
