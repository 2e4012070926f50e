"""Folders as the earlier deepSTRF package writes them, for every model: its arguments, its tensor names and shapes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

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
from deepstrf.models.prefiltering import make_prefiltering
from tests.models.audio.zoo import needs_mambapy

F, T, N, H, E = 34, 9, 5, 20, 48
Shapes = dict[str, tuple[int, ...]]

SOFTPLUS: Shapes = {"readout.activation._raw_beta": (N,), "readout.activation._raw_b": (N,)}


def weight_and_bias(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def strf_readout(C: int) -> Shapes:
    statistics = {f"readout.bn.{name}": (N,) for name in ("running_mean", "running_var")}
    norm = {**weight_and_bias("readout.bn", N), **statistics, "readout.bn.num_batches_tracked": ()}
    return {**weight_and_bias("readout.strf.kernel", N, C, F, T), **norm}


def hidden_units(C: int) -> Shapes:
    return {**weight_and_bias("core.0.kernel", H, C, F, T), **weight_and_bias("core.1.ln", H)}


def convolutions(C: int) -> Shapes:
    shapes = weight_and_bias("core.1", 10, C, 3, 9)
    for layer, norm in ((1, 2), (4, 5), (7, 8)):
        shapes |= weight_and_bias(f"core.{norm}.ln", 10)
        if layer > 1:
            shapes |= weight_and_bias(f"core.{layer}", 10, 10, 3, 9)
    bands_left = F - 3 * 2
    return {**shapes, **weight_and_bias("readout.fc.0", 20, 10 * bands_left), **weight_and_bias("readout.fc.2", N, 20)}


def transformer(C: int) -> Shapes:
    layer = {"self_attn.in_proj_weight": (3 * E, E), "self_attn.in_proj_bias": (3 * E,)}
    for name, out, inward in (("self_attn.out_proj", E, E), ("linear1", 4 * E, E), ("linear2", E, 4 * E)):
        layer |= weight_and_bias(name, out, inward)
    for norm in ("norm1", "norm2"):
        layer |= weight_and_bias(norm, E)
    layers = {f"tsfm.layers.0.{name}": shape for name, shape in layer.items()}
    patches = weight_and_bias("patchify", E, C, F, 1)
    return {**patches, "pos_encoding.div_term": (E // 2,), **layers, **weight_and_bias("readout.fc", N, E)}


def statenet(C: int, connectivity: str, rnn_type: str) -> Shapes:
    width = 7 * 10  # seven channels at (34 - 7) / 3 + 1 positions
    encoders = {
        "LC": {
            "encoder_layers.0.weights": (7, C * 7, 10),
            "encoder_layers.0.biases": (7, 10),
            **weight_and_bias("encoder_layers.1.ln", 7),
        },
        "FC": {**weight_and_bias("encoder_layers.1", width, C * F), **weight_and_bias("encoder_layers.3.ln", 7)},
        "CONV": {**weight_and_bias("encoder_layers.0", 7, C, 7), **weight_and_bias("encoder_layers.1.ln", 7)},
    }
    M, inner = 128, 2 * width
    layers: dict[str, Shapes] = {
        "LMU": {
            **{f"rnn.cell.e_{name}": (1, size) for name, size in (("x", width), ("h", width), ("m", M))},
            **{f"rnn.cell.W_{name}": (width, size) for name, size in (("x", width), ("h", width), ("m", M))},
            "rnn.cell.A": (M, M),
            "rnn.cell.B": (M, 1),
        },
        "Mamba": {
            "rnn.A_log": (inner, 16),
            "rnn.D": (inner,),
            "rnn.in_proj.weight": (2 * inner, width),
            **weight_and_bias("rnn.conv1d", inner, 1, 4),
            "rnn.x_proj.weight": (5 + 2 * 16, inner),
            **weight_and_bias("rnn.dt_proj", inner, 5),
            "rnn.out_proj.weight": (width, inner),
        },
    }
    for name, gates in (("GRU", 3), ("LSTM", 4), ("vanilla", 1)):
        layers[name] = {f"rnn.weight_{way}_l0": (gates * width, width) for way in ("ih", "hh")}
        layers[name] |= {f"rnn.bias_{way}_l0": (gates * width,) for way in ("ih", "hh")}
    return {**encoders[connectivity], **layers[rnn_type], **weight_and_bias("readout.fc", N, width), **SOFTPLUS}


FOLDERS: dict[str, tuple[type[AudioEncodingModel], dict[str, Any], Any]] = {
    "Linear": (Linear, {}, strf_readout),
    "LinearNonlinear": (LinearNonlinear, {}, lambda C: {**strf_readout(C), **SOFTPLUS}),
    "NetworkReceptiveField": (
        NetworkReceptiveField,
        {},
        lambda C: {**hidden_units(C), **weight_and_bias("readout.fc", N, H), **SOFTPLUS},
    ),
    "DNet": (
        DNet,
        {"init_tau": 2.0, "decay_input": True},
        lambda C: {**hidden_units(C), "core.3.d": (H,), **weight_and_bias("readout.fc", N, H)},
    ),
    "ConvNet2D": (
        ConvNet2D,
        {"kernel_size": [3, 9], "c_hidden": 10, "n_hidden": 20},
        lambda C: {**convolutions(C), **SOFTPLUS},
    ),
    "Transformer": (Transformer, {"embedding_dim": E, "n_heads": 1, "context_window": None}, transformer),
    **{
        f"StateNet {connectivity} {rnn_type}": (
            StateNet,
            {"connectivity": connectivity, "rnn_type": rnn_type},
            lambda C, connectivity=connectivity, rnn_type=rnn_type: statenet(C, connectivity, rnn_type),
        )
        for connectivity, rnn_type in [
            *(("LC", rnn_type) for rnn_type in ("GRU", "LSTM", "vanilla", "LMU", "Mamba")),
            ("FC", "GRU"),
            ("CONV", "GRU"),
        ]
    },
}
EVERY = [pytest.param(name, marks=[needs_mambapy] if name.endswith("Mamba") else []) for name in FOLDERS]


def written(folder: Path, name: str, channels: int) -> dict[str, Tensor]:
    """A folder with config.json and model.safetensors and nothing else; returns the tensors."""
    cls, choices, shapes_for = FOLDERS[name]
    config = {"n_frequency_bands": F, "out_neurons": N, **choices, "_model_class": cls.__name__}
    if cls not in (ConvNet2D, Transformer):  # whose windows follow from their kernels and their context
        config["temporal_window_size"] = T
    (folder / "config.json").write_text(json.dumps(config))
    shapes = shapes_for(channels)
    if channels == 2:
        shapes |= {f"prefiltering.{raw}": (F,) for raw in ("d_on", "d_off", "p")}
    tensors = {key: 0.1 + torch.rand(shape) for key, shape in shapes.items()}
    for key in tensors:
        if key.endswith("num_batches_tracked"):
            tensors[key] = torch.tensor(7)
    save_file(tensors, folder / "model.safetensors")
    return tensors


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("with_prefilter", [False, True])
def test_the_folder_loads_as_it_is(name: str, with_prefilter: bool, tmp_path: Path) -> None:
    tensors = written(tmp_path, name, 2 if with_prefilter else 1)
    cls = FOLDERS[name][0]
    # The earlier package stores no modules: a prefilter has to be given, of which the file holds the tensors.
    extra = {"prefiltering": make_prefiltering("adaptrans", F, 5.0)} if with_prefilter else None
    if with_prefilter:
        with pytest.raises(ValueError, match=r"(?s)extra_kwargs.*prefiltering\.d_on"):
            cls.from_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = cls.from_pretrained(tmp_path, extra_kwargs=extra)
    state = model.state_dict()
    assert state.keys() == tensors.keys()
    assert all(torch.equal(state[key], tensor) for key, tensor in tensors.items())
    assert not model.training
    assert model(torch.rand(2, 1, F, 30)).shape == (2, N, 1, 30)


@pytest.mark.parametrize("name", EVERY)
def test_saved_again_it_has_the_same_tensors(name: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    tensors = written(tmp_path / "old", name, 1)
    cls = FOLDERS[name][0]
    cls.from_pretrained(tmp_path / "old").save_pretrained(tmp_path / "new")
    state = cls.from_pretrained(tmp_path / "new").state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in tensors.items())
    old, new = (json.loads((tmp_path / folder / "config.json").read_text()) for folder in ("old", "new"))
    assert old.items() <= new.items()
