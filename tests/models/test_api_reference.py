"""Every public name of the reference manual, with its signature: none may be missing or differ."""

from __future__ import annotations

import importlib
import inspect
from contextlib import nullcontext
from typing import Any

import pytest
from torch import nn

# module -> name -> parameters and defaults, without self and annotations. None: a property or attribute.
REFERENCE: dict[str, dict[str, str | None]] = {
    "deepstrf.models.layers": {
        "CausalLayerNorm": "(normalized_shape, dim=1, eps=1e-05, elementwise_affine=True)",
        "CausalLayerNorm.forward": "(x)",
        "CausalSTRFConv": "(F, T, C_in, C_out, kernel=None, bias=True)",
        "CausalSTRFConv.STRF_weight": "()",
        "CausalSTRFConv.forward": "(x)",
        "LearnableExponentialDecay": "(input_size, kernel_size, init_tau=2.0, decay_input=True)",
        "LearnableExponentialDecay.build_kernel": "(device='cpu')",
        "LocallyConnected1d": (
            "(input_size, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, bias=True)"
        ),
        "LocallyConnected1d.forward": "(x)",
        "ParametricSTRF": "(F, T, C_in, C_out, num_gaussians=1, bias=True)",
        "ParametricSTRF.build_kernel": "(device=None)",
        "ParametricSTRF.forward": "(x)",
        "SeparableSTRF": "(F, T, C_in, C_out, bias=True)",
        "SeparableSTRF.forward": "(x)",
        "SinusoidalPositionalEncoding": "(d_model)",
        "SinusoidalPositionalEncoding.forward": "(x)",
        "build_causal_window_mask": "(L, window=None, device=None)",
    },
    "deepstrf.models.neural_model": {
        "NeuralModel": "(out_neurons=1, *args, **kwargs)",
        "NeuralModel.count_trainable_params": "()",
        "NeuralModel.detach": "()",
        "NeuralModel.forward": "(stimulus)",
        "NeuralModel.from_pretrained": (
            "(repo_id_or_path, *, extra_kwargs=None, strict=True, map_location='cpu', cache_dir=None, revision=None, "
            "token=None, return_metadata=False, max_gb=2.0)"
        ),
        "NeuralModel.push_to_hub": (
            "(repo_id, *, metadata=None, model_card=None, private=False, token=None, commit_message=None)"
        ),
        "NeuralModel.save_pretrained": "(save_dir, *, metadata=None, model_card=None)",
        "NeuralModel.validate": "()",
    },
    "deepstrf.models.prefiltering": {
        "AdapTrans": "(init_a_vals, init_w_vals, kernel_size=2, learnable=True)",
        "AdapTrans.ON_kernel": "(d, p)",
        "AdapTrans.OFF_kernel": "(d, p)",
        "AdapTrans.build_kernels": "()",
        "AdapTrans.get_a": "()",
        "AdapTrans.get_w": "()",
        "AdapTrans.forward": "(spectro_in)",
        "AdapTrans.out_channels": None,
        "ICAdaptation": "(init_a_vals, kernel_size=2)",
        "ICAdaptation.build_kernels": "()",
        "ICAdaptation.forward": "(spectro_in)",
        "ICAdaptation.out_channels": None,
        "Willmore_Adaptation": "(init_a_vals, kernel_size=2)",
        "a_to_tau": "(a, dt=1)",
        "freq_to_tau": "(freqs)",
        "get_CFs": "(min_freq, max_freq, n_freqs, scale)",
        "make_prefiltering": (
            "(kind, n_frequency_bands, dt, min_freq=500.0, max_freq=20000.0, scale='mel', learnable=True, init_w=0.75)"
        ),
        "tau_to_a": "(time_constants, dt=1)",
    },
    "deepstrf.models.readouts": {
        "LinearReadout": "(in_features, out_neurons, hidden=None, activation=None, bias=True)",
        "LinearReadout.forward": "(x)",
        "STRFReadout": "(F, T, C_in, out_neurons, kernel=None, activation=None, bias=True)",
        "STRFReadout.STRF_weight": "(polarity=None)",
        "STRFReadout.forward": "(x)",
    },
    "deepstrf.models.activations": {
        "ParametricDoubleExponential": "(num_features, bias=True, non_negative_output=True)",
        "ParametricDoubleExponential.a": None,
        "ParametricDoubleExponential.b": None,
        "ParametricDoubleExponential.extra_repr": "()",
        "ParametricDoubleExponential.forward": "(x)",
        "ParametricSigmoid": "(num_features, bias=True, non_negative_output=True)",
        "ParametricSigmoid.a": None,
        "ParametricSigmoid.b": None,
        "ParametricSigmoid.extra_repr": "()",
        "ParametricSigmoid.forward": "(x)",
        "ParametricSoftplus": "(num_features, non_negative_output=True)",
        "ParametricSoftplus.b": None,
        "ParametricSoftplus.beta": None,
        "ParametricSoftplus.extra_repr": "()",
        "ParametricSoftplus.forward": "(x)",
    },
    "deepstrf.models.scales": {
        "ERB_bandwidth": "(f)",
        "ERB_to_Hz": "(erb)",
        "Greenwood": "(x, animal='human')",
        "Hz_to_ERB": "(f)",
        "Hz_to_mel": "(f)",
        "inverse_Greenwood": "(f, animal='human')",
        "mel_to_Hz": "(mel_freqs)",
    },
    "deepstrf.models": {"NeuralModel": "(out_neurons=1, *args, **kwargs)"},
    # Named by the manual without a signature; the parameters are those of the behaviour it describes.
    "deepstrf.utils.hub": {
        "save_pretrained_to_dir": "(model, save_dir, *, metadata=None, model_card=None)",
        "load_pretrained_from_dir": "(cls, folder, *, extra_kwargs=None, strict=True, map_location='cpu', max_gb=2.0)",
        "upload_pretrained": "(folder, repo_id, *, private=False, token=None, commit_message=None)",
        "download_pretrained": "(repo_id, *, cache_dir=None, revision=None, token=None)",
        "CONFIG_FILE": None,
        "WEIGHTS_FILE": None,
        "METADATA_FILE": None,
        "MODEL_CARD_FILE": None,
    },
    "deepstrf.models.audio": {
        "AudioEncodingModel": (
            "(n_frequency_bands, temporal_window_size, out_neurons=1, prefiltering=None, wav2spec=None)"
        ),
        # The checkpoint format: names and defaults stand in the config.json of the earlier package's folders. What
        # follows the star stood in another order before and is given by keyword until 0.3.
        "Linear": (
            "(n_frequency_bands=34, temporal_window_size=9, *, out_neurons=1, output_activation=None, "
            "prefiltering=None, kernel=None, wav2spec=None)"
        ),
        "LinearNonlinear": (
            "(n_frequency_bands=34, temporal_window_size=9, *, out_neurons=1, output_activation=None, "
            "prefiltering=None, kernel=None, wav2spec=None)"
        ),
        "NetworkReceptiveField": (
            "(n_frequency_bands=34, temporal_window_size=9, *, n_hidden=20, out_neurons=1, output_activation=None, "
            "prefiltering=None, kernel=None, wav2spec=None)"
        ),
        "DNet": (
            "(n_frequency_bands=34, temporal_window_size=9, *, n_hidden=20, init_tau=2.0, decay_input=True, "
            "out_neurons=1, output_activation=None, prefiltering=None, kernel=None, wav2spec=None)"
        ),
        "ConvNet2D": (
            "(n_frequency_bands=34, kernel_size=(3, 9), *, c_hidden=10, n_hidden=20, out_neurons=1, "
            "output_activation=None, prefiltering=None, wav2spec=None)"
        ),
        "StateNet": (
            "(n_frequency_bands=34, temporal_window_size=1, *, kernel_size=7, stride=3, hidden_channels=7, "
            "connectivity='LC', rnn_type='GRU', out_neurons=1, output_activation=None, prefiltering=None, "
            "wav2spec=None)"
        ),
        "Transformer": (
            "(n_frequency_bands=34, *, freq_patch_size=None, time_patch_size=1, context_window=None, embedding_dim=48, "
            "n_heads=1, n_layers=1, out_neurons=1, output_activation=None, prefiltering=None, wav2spec=None, "
            "temporal_window_size=9, dropout=0.1)"
        ),
    },
}

CASES = [(module, name, signature) for module, names in REFERENCE.items() for name, signature in names.items()]


def signature_of(thing: Any) -> str:
    """Parameters with their defaults, without self and annotations."""
    signature = inspect.signature(thing)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("module", "name", "expected"), CASES, ids=[f"{m}.{n}" for m, n, _ in CASES])
def test_reference(module: str, name: str, expected: str | None) -> None:
    thing: Any = importlib.import_module(module)
    moved = module == "deepstrf.utils.hub"
    with pytest.warns(DeprecationWarning, match="deepstrf.models.checkpoints") if moved else nullcontext():
        for part in name.split("."):
            thing = getattr(thing, part)
    assert inspect.getdoc(thing) or not callable(thing), f"{name} has no docstring"
    if expected is not None:
        assert signature_of(thing) == expected


@pytest.mark.parametrize(
    "name", ["Linear", "LinearNonlinear", "NetworkReceptiveField", "DNet", "ConvNet2D", "Transformer", "StateNet"]
)
def test_every_model_of_the_zoo_takes_the_same_modules(name: str) -> None:
    parameters = inspect.signature(getattr(importlib.import_module("deepstrf.models.audio"), name)).parameters
    modules = ["prefiltering", "wav2spec", "output_activation"]
    if name in ("Linear", "LinearNonlinear", "NetworkReceptiveField", "DNet"):
        modules.append("kernel")
    assert all(parameters[module].default is None for module in modules)
    assert parameters["n_frequency_bands"].default == 34
    assert parameters["out_neurons"].default == 1


def test_bases_and_aliases() -> None:
    from deepstrf.models import NeuralModel
    from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, Willmore_Adaptation

    assert Willmore_Adaptation is ICAdaptation
    assert (AdapTrans.out_channels, ICAdaptation.out_channels) == (2, 1)
    assert issubclass(NeuralModel, nn.Module)


@pytest.mark.parametrize("module", [name for name in REFERENCE if name != "deepstrf.models"])
def test_public_names_are_listed(module: str) -> None:
    names = {name.partition(".")[0] for name in REFERENCE[module]}
    assert names <= set(importlib.import_module(module).__all__)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda zoo: zoo.Linear(34, 9, 5), r"Linear\(\) takes what follows temporal_window_size by keyword until 0\.3"),
        (lambda zoo: zoo.DNet(34, 9, 5), r"DNet\(\) takes what follows temporal_window_size by keyword .*n_hidden=, "),
        (lambda zoo: zoo.ConvNet2D(34, (3, 9), 10), r"ConvNet2D\(\) takes what follows kernel_size by keyword"),
        (lambda zoo: zoo.ConvNet2D(34, 5), "kernel_size must be two ints"),
        (lambda zoo: zoo.StateNet(34, 9, 5), r"StateNet\(\) takes what follows temporal_window_size by keyword"),
        (lambda zoo: zoo.Transformer(34, 9), r"Transformer\(\) takes what follows n_frequency_bands by keyword"),
        (
            lambda zoo: zoo.Transformer(embedding_dim=8, token_dim=8),
            "takes embedding_dim or its old name token_dim, got",
        ),
    ],
)
def test_no_argument_changes_its_meaning_in_silence(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(importlib.import_module("deepstrf.models.audio"))


def test_old_names_of_arguments_work_and_warn() -> None:
    zoo = importlib.import_module("deepstrf.models.audio")
    with pytest.warns(DeprecationWarning, match=r"ConvNet2D\(n_channels=\) is called ConvNet2D\(c_hidden=\) now"):
        model = zoo.ConvNet2D(n_channels=4)
    assert (model.core[1].out_channels, model._init_kwargs["c_hidden"]) == (4, 4)
    with pytest.warns(
        DeprecationWarning, match=r"Transformer\(token_dim=\) is called Transformer\(embedding_dim=\) now"
    ):
        assert zoo.Transformer(token_dim=8).E == 8
    assert type(zoo.StateNet(rnn_type="vanilla").rnn) is type(zoo.StateNet(rnn_type="RNN").rnn) is nn.RNN
    with pytest.raises(TypeError, match="has no argument 'hidden_dim'"):
        zoo.Transformer(hidden_dim=8)
