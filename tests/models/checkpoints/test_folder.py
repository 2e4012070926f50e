"""The checkpoint folder: what is written, what is read back, and what is said when it cannot be."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.utils.parametrizations
import torch.nn.utils.prune
from safetensors.torch import load, load_file, save_file
from torch import nn

from deepstrf.models import NeuralModel
from deepstrf.models import checkpoints as hub
from deepstrf.models.activations import ParametricSigmoid
from deepstrf.models.audio import AudioEncodingModel, ConvNet2D, Linear, LinearNonlinear, StateNet, Transformer
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation
from deepstrf.models.readouts import LinearReadout

F, T, N = 6, 4, 3


class Unknown(nn.Module):
    """A prefilter that no registry knows."""

    out_channels = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def adaptrans() -> AdapTrans:
    return AdapTrans([0.5] * F, [0.75] * F, kernel_size=5)


def trained(model: Any) -> Any:
    """The model with statistics and weights unlike fresh ones, in evaluation mode."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.rand_like(parameter))
    model.train()(torch.rand(4, 1, F, 10))
    return model.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return trained(LinearNonlinear(F, T, out_neurons=N)).save_pretrained(tmp_path / "checkpoint")


def test_a_checkpoint_has_these_files_and_nothing_else(tmp_path: Path) -> None:
    assert (hub.CONFIG_FILE, hub.WEIGHTS_FILE) == ("config.json", "model.safetensors")
    assert (hub.METADATA_FILE, hub.MODEL_CARD_FILE) == ("metadata.json", "README.md")
    model = trained(LinearNonlinear(F, T, out_neurons=N))
    folder = model.save_pretrained(tmp_path / "checkpoint", metadata={"cc": 0.25}, model_card="# Mine\n")
    assert folder == tmp_path / "checkpoint"
    assert sorted(os.listdir(folder)) == ["README.md", "config.json", "metadata.json", "model.safetensors"]
    assert (folder / "README.md").read_text() == "# Mine\n"
    assert json.loads((folder / "config.json").read_text()) == {
        "n_frequency_bands": F,
        "temporal_window_size": T,
        "out_neurons": N,
        "kernel": None,
        "prefiltering": None,
        "wav2spec": None,
        "output_activation": None,
        "_model_class": "LinearNonlinear",
    }
    tensors = load_file(folder / "model.safetensors")
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"prefiltering": adaptrans},
        {"prefiltering": lambda: ICAdaptation([0.5] * F, kernel_size=7)},
        {"kernel": lambda: ParametricSTRF(F, T, 1, N, num_gaussians=2)},
        {"kernel": lambda: SeparableSTRF(F, T, 1, N, bias=False)},
        {"kernel": lambda: nn.Sequential(nn.Conv2d(1, 2, (F, 1), bias=False), nn.Conv2d(2, N, (1, T)))},
        {"output_activation": lambda: ParametricSigmoid(N, bias=False)},
        {"output_activation": lambda: nn.LeakyReLU(0.3)},
        {"prefiltering": adaptrans, "kernel": lambda: ParametricSTRF(F, T, 2, N), "output_activation": nn.Softplus},
    ],
)
def test_a_model_comes_back_with_the_modules_it_was_given(tmp_path: Path, arguments: dict[str, Any]) -> None:
    model = trained(Linear(F, T, out_neurons=N, **{name: make() for name, make in arguments.items()}))
    model.save_pretrained(tmp_path)
    loaded = Linear.from_pretrained(tmp_path)
    x = torch.rand(2, 1, F, 15)
    assert torch.equal(loaded(x), model(x))
    assert not loaded.training
    assert repr(loaded) == repr(model)


def test_modules_stand_under_their_own_key(tmp_path: Path) -> None:
    Linear(F, T, out_neurons=N, prefiltering=adaptrans()).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert "prefiltering" not in config
    assert config["_modules"] == {
        "prefiltering": {
            "class": "AdapTrans",
            "kwargs": {"init_a_vals": [0.5] * F, "init_w_vals": [0.75] * F, "kernel_size": 5, "learnable": True},
        }
    }


@pytest.mark.parametrize(
    "spec",
    [
        {"class": "Popen", "kwargs": {"args": ["true"]}},
        {"class": "os.system", "kwargs": {}},
        {"class": "Module", "kwargs": {}},
        {"class": "Linear", "kwargs": {"in_features": 1, "out_features": 1}},
        {"class": ["AdapTrans"], "kwargs": {}},
        {"class": "AdapTrans"},
        {"class": "AdapTrans", "kwargs": {"init_a_vals": [2.0], "init_w_vals": [0.5]}},
        {"class": "AdapTrans", "kwargs": {"no_such_argument": 1}},
        {"class": "Sequential", "modules": [{"class": "Lambda", "kwargs": {}}]},
        "AdapTrans",
        None,
    ],
)
def test_a_file_can_name_no_class_outside_the_table(folder: Path, spec: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_modules": {"prefiltering": spec}}))
    with pytest.raises(ValueError, match=r"config\.json, argument 'prefiltering': .*extra_kwargs"):
        LinearNonlinear.from_pretrained(folder)


def test_what_cannot_be_saved_is_said_on_saving_and_on_loading(tmp_path: Path) -> None:
    model = trained(Linear(F, T, out_neurons=N, prefiltering=Unknown()))
    with pytest.warns(UserWarning, match="argument 'prefiltering' of Linear is not saved .*Unknown.*extra_kwargs"):
        model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"config\.json does not hold the argument 'prefiltering'.*extra_kwargs"):
        Linear.from_pretrained(tmp_path)
    loaded = Linear.from_pretrained(tmp_path, extra_kwargs={"prefiltering": Unknown()})
    x = torch.rand(2, 1, F, 15)
    assert torch.equal(loaded(x), model(x))


def test_extra_kwargs_override_the_file(folder: Path) -> None:
    loaded = LinearNonlinear.from_pretrained(folder, extra_kwargs={"output_activation": nn.Identity()}, strict=False)
    assert type(loaded.readout.activation) is nn.Identity


def test_metadata_comes_back_in_python_types(tmp_path: Path) -> None:
    metadata = {
        "cc": np.float32(0.5),
        "bins": np.arange(3),
        "r": torch.ones(2),
        "who": ("a", None),
        "nan": float("nan"),
    }
    Linear(F, T, out_neurons=N).save_pretrained(tmp_path, metadata=metadata)
    _, loaded = Linear.from_pretrained(tmp_path, return_metadata=True)
    assert np.isnan(loaded.pop("nan"))
    assert loaded == {"cc": 0.5, "bins": [0, 1, 2], "r": [1.0, 1.0], "who": ["a", None]}
    Linear(F, T, out_neurons=N).save_pretrained(tmp_path)
    _, loaded = Linear.from_pretrained(tmp_path, return_metadata=True)
    assert loaded is None


def test_arguments_under_their_old_names_are_read(tmp_path: Path) -> None:
    model = trained(ConvNet2D(F, (2, 2), c_hidden=3, out_neurons=N))
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["n_channels"] = config.pop("c_hidden")
    (tmp_path / "config.json").write_text(json.dumps(config))
    x = torch.rand(2, 1, F, 15)
    with pytest.warns(UserWarning, match=r"config\.json is not the one that was saved with model\.safetensors"):
        assert torch.equal(ConvNet2D.from_pretrained(tmp_path)(x), model(x))


@pytest.mark.parametrize("metadata", [{"x": object()}, {1: "a"}, ["a"], "text"])
def test_bad_metadata_leaves_the_old_checkpoint(folder: Path, metadata: Any) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(TypeError, match="metadata must"):
        Linear(F, T, out_neurons=N).save_pretrained(folder, metadata=metadata)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_model_card_that_is_no_text_leaves_the_old_checkpoint(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(TypeError, match="model_card must be a str or None, got bytes"):
        Linear(F, T, out_neurons=N).save_pretrained(folder, model_card=b"# Mine")  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_repository_that_is_no_text_is_named() -> None:
    with pytest.raises(TypeError, match="repo_id must be a str, got int"):
        hub.download_pretrained(5)  # type: ignore[arg-type]


def test_tensors_keep_their_dtype(tmp_path: Path) -> None:
    model = trained(Linear(F, T, out_neurons=N)).double()
    model.save_pretrained(tmp_path)
    loaded = Linear.from_pretrained(tmp_path)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float64, torch.int64}
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    model.bfloat16().save_pretrained(tmp_path)
    assert Linear.from_pretrained(tmp_path)(torch.rand(1, 1, F, 9).bfloat16()).dtype == torch.bfloat16


def test_the_model_is_moved_to_map_location(folder: Path) -> None:
    loaded = LinearNonlinear.from_pretrained(folder, map_location=torch.device("meta"))
    assert {parameter.device.type for parameter in loaded.parameters()} == {"meta"}


def test_tensors_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    model = Linear(F, T, out_neurons=N)
    model.readout.bn.bias = model.readout.bn.weight
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert torch.equal(tensors["readout.bn.bias"], tensors["readout.bn.weight"])


class WithExtraState(AudioEncodingModel):
    def __init__(self) -> None:
        super().__init__(F, T)
        self.readout = LinearReadout(F, 1)

    def get_extra_state(self) -> dict[str, int]:
        return {"step": 1}

    def set_extra_state(self, state: Any) -> None:
        pass


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"model\.safetensors holds tensors only, but .*_extra_state"):
        WithExtraState().save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_model_without_its_arguments_cannot_be_saved(tmp_path: Path) -> None:
    model = Linear(F, T, out_neurons=N)
    del model._init_kwargs
    for nameless in (model, NeuralModel()):
        with pytest.raises(AttributeError, match=f"{type(nameless).__name__} has no _init_kwargs"):
            nameless.save_pretrained(tmp_path / "new")


def test_another_class_is_warned_of(folder: Path) -> None:
    with pytest.warns(UserWarning, match="saved as 'LinearNonlinear'"):
        loaded = Linear.from_pretrained(folder, strict=False)
    assert type(loaded) is Linear


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name.replace(".", r"\.") + " is missing"):
        LinearNonlinear.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "metadata.json"])
def test_a_file_cut_short_anywhere_is_named(tmp_path: Path, name: str) -> None:
    LinearNonlinear(F, T, out_neurons=N).save_pretrained(tmp_path, metadata={"cc": 0.5})
    whole = (tmp_path / name).read_bytes()
    for length in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ValueError, match=name.replace(".", r"\.") + " is corrupt"):
            LinearNonlinear.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[1, 2]", "it must hold an object, got a list"),
        (b"\xff\xfe{}", "is corrupt"),
        (b'{"_model_class": "LinearNonlinear", "_modules": []}', "_modules must be an object"),
        (b'{"_model_class": "LinearNonlinear", "_unsaved": {}}', "_unsaved a list"),
        (b'{"_model_class": "LinearNonlinear", "n_bands": 3}', "unknown argument 'n_bands'"),
    ],
)
def test_a_config_that_makes_no_sense_is_named(folder: Path, content: bytes, fault: str) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"config\.json.*{fault}"):
        LinearNonlinear.from_pretrained(folder)


def test_pickled_weights_are_refused_and_never_run(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "run"),)

    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"model\.safetensors is corrupt"):
        LinearNonlinear.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.ones(1)}, folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is missing"):
        LinearNonlinear.from_pretrained(folder)
    assert not (folder / "run").exists()


class NeedsSize(AudioEncodingModel):
    def __init__(self, size: int) -> None:
        super().__init__(size, 1)
        self.readout = LinearReadout(size, 1)


def test_a_missing_argument_is_named(tmp_path: Path) -> None:
    NeedsSize(F).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"_model_class": "NeedsSize"}')
    with pytest.raises(ValueError, match="no value for argument 'size'"):
        NeedsSize.from_pretrained(tmp_path)


def test_weights_that_do_not_fit_are_named(folder: Path) -> None:
    tensors = load((folder / "model.safetensors").read_bytes())  # load_file maps the file that is about to be replaced
    del tensors["readout.bn.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"(?s)model\.safetensors does not fit .*extra_kwargs.*readout\.bn\.weight"):
        LinearNonlinear.from_pretrained(folder)
    loaded = LinearNonlinear.from_pretrained(folder, strict=False)
    assert torch.equal(loaded.readout.strf.kernel.weight, tensors["readout.strf.kernel.weight"])


def test_a_checkpoint_whose_swap_was_interrupted_gives_the_old_model(folder: Path) -> None:
    old = LinearNonlinear.from_pretrained(folder)
    previous = folder / ".previous-checkpoint"
    previous.mkdir()
    for name in ("config.json", "model.safetensors", "README.md"):
        (previous / name).write_bytes((folder / name).read_bytes())
    (folder / "model.safetensors").write_bytes(b"half of the new weights")
    with pytest.warns(
        UserWarning, match="the last save into .* was interrupted: what is read is the checkpoint from bef"
    ):
        loaded = LinearNonlinear.from_pretrained(folder)
    assert torch.equal(loaded.STRF_weight(), old.STRF_weight())
    LinearNonlinear(F, T, out_neurons=N).save_pretrained(folder)
    assert not previous.exists()


def swapped(change: Any) -> Any:
    """A fitted model after ``change(model)``."""
    model = trained(LinearNonlinear(F, T, out_neurons=N))
    change(model)
    return model


def prune(model: Any) -> None:
    torch.nn.utils.prune.l1_unstructured(model.readout.strf.kernel, "weight", amount=0.5)


def mend_slope(model: Any) -> None:
    model.readout.activation = nn.Softplus()


def compile_part(model: Any) -> None:
    model.readout = torch.compile(model.readout)


def own_forward(model: Any) -> None:
    model.readout.forward = lambda x: torch.zeros(1)


def hook(model: Any) -> None:
    model.readout.register_forward_hook(lambda module, args, output: 2 * output)


def note(model: Any) -> None:
    model.readout.register_buffer("offset", torch.ones(1), persistent=False)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (mend_slope, "readout.activation is a Softplus, where its constructor arguments give a ParametricSoftplus"),
        (lambda model: setattr(model, "prefiltering", adaptrans()), "prefiltering is a AdapTrans, where .* a Identity"),
        (lambda model: setattr(model.readout, "bn", nn.Identity()), "readout.bn is a Identity, where .* a BatchNorm1d"),
        (lambda model: setattr(model.readout.bn, "eps", 0.5), "readout.bn.eps is 0.5, where .* give 1e-05"),
        (lambda model: setattr(model.readout.bn, "track_running_stats", False), "track_running_stats is False, where"),
        (prune, "readout.strf.kernel has forward hooks"),
        (lambda model: torch.nn.utils.weight_norm(model.readout.strf.kernel), "kernel (has forward hooks|is a)"),
        (
            lambda model: torch.nn.utils.parametrizations.weight_norm(model.readout.strf.kernel),
            "is a ParametrizedConv2d",
        ),
        (
            lambda model: torch.nn.utils.parametrizations.spectral_norm(model.readout.strf.kernel),
            "is a ParametrizedConv2d",
        ),
        (compile_part, "readout is a OptimizedModule"),
        (lambda model: setattr(model, "readout", nn.DataParallel(model.readout)), "readout is a DataParallel"),
        (hook, "readout has forward hooks"),
        (own_forward, r"readout has a forward\(\) of its own"),
        (note, "its buffer readout.offset has been changed, and is not part of its state_dict"),
        (
            lambda model: setattr(model.readout.strf.kernel, "dilation", (1, 2)),
            "kernel.dilation is (.*) where .* give ",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm", "ignore:.*torch.jit:DeprecationWarning")
def test_what_would_not_come_back_is_refused_at_save(tmp_path: Path, change: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=f"this LinearNonlinear would not come back from a checkpoint: .*{fault}"):
        swapped(change).save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


class Doubling(Linear):
    """A subclass whose function is not that of its constructor."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factors = [1.0]

    def forward(self, stimulus: torch.Tensor) -> torch.Tensor:
        return self.factors[0] * super().forward(stimulus)


def test_a_forward_pass_finds_what_no_setting_shows(tmp_path: Path) -> None:
    model = trained(Doubling(F, T))
    model.save_pretrained(tmp_path)
    model.factors = [2.0]
    with pytest.raises(ValueError, match="with the same weights it gives other responses than the model built from"):
        model.save_pretrained(tmp_path)
    assert Doubling.from_pretrained(tmp_path)(torch.rand(1, 1, F, 9)).shape == (1, 1, 1, 9)


def test_a_module_of_ones_own_that_was_given_is_no_swap(tmp_path: Path) -> None:
    model = trained(Linear(F, T, out_neurons=N, prefiltering=Unknown()))
    for one in (model, copy.deepcopy(model)):
        with pytest.warns(UserWarning, match="argument 'prefiltering' of Linear is not saved"):
            one.save_pretrained(tmp_path)
    model.prefiltering = adaptrans()
    with (
        pytest.raises(ValueError, match="prefiltering is a AdapTrans, where its constructor arguments give a Unknown"),
        pytest.warns(UserWarning, match="is not saved"),
    ):
        model.save_pretrained(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_dtypes_come_back_whatever_the_default_is(tmp_path: Path, dtype: torch.dtype, default: torch.dtype) -> None:
    model = trained(LinearNonlinear(F, T, out_neurons=N, prefiltering=adaptrans())).to(dtype)
    torch.set_default_dtype(default)
    try:
        loaded = LinearNonlinear.from_pretrained(model.save_pretrained(tmp_path))
    finally:
        torch.set_default_dtype(torch.float32)
    x = torch.rand(1, 1, F, 12, dtype=dtype)
    assert torch.equal(loaded(x), model(x))
    with torch.inference_mode():
        loaded = LinearNonlinear.from_pretrained(loaded.save_pretrained(tmp_path))
    loaded(x).sum().backward()
    assert torch.equal(loaded(x), model(x))


def test_a_model_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"entry 'readout\.strf\.kernel\.weight' is of the meta device and holds no val"
    ):
        LinearNonlinear(F, T).to("meta").save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


class Drawing(AudioEncodingModel):
    """A model that draws in every way."""

    def __init__(self) -> None:
        super().__init__(F, T)
        self.readout = LinearReadout(F, 1)
        self.drawn = nn.Parameter(torch.rand_like(torch.randn(3)) + torch.empty(3).uniform_() + torch.randperm(3))
        nn.init.orthogonal_(nn.init.kaiming_normal_(nn.init.trunc_normal_(torch.empty(3, 3))))


@pytest.mark.parametrize("build", [lambda: LinearNonlinear(F, T), lambda: Transformer(F), lambda: StateNet(9), Drawing])
def test_saving_and_loading_leave_the_random_numbers_alone(tmp_path: Path, build: Any) -> None:
    model = build()
    before = torch.get_rng_state()
    type(model).from_pretrained(model.save_pretrained(tmp_path))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["README.md", "metadata.json", "config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"# My project", b"{}", b"[" * 99_999])
def test_foreign_files_are_not_replaced(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        FileExistsError, match=rf"{name} is not part of a checkpoint and is not replaced: choose another"
    ):
        LinearNonlinear(F, T).save_pretrained(tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, content)]


def module(argument: str, name: str, **kwargs: Any) -> dict[str, Any]:
    return {"_modules": {argument: {"class": name, "kwargs": kwargs}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out_neurons": 10**9}, r"config\.json describes needs [\d.]+ GB of memory, limit 2 GB; raise it with max_gb"),
        ({"temporal_window_size": 10**9}, r"config\.json describes needs \d+ GB of memory"),
        ({"out_neurons": 10**30}, r"config\.json does not fit LinearNonlinear|needs .* GB"),
        ({"out_neurons": "3"}, r"config\.json does not fit LinearNonlinear: out_neurons must be an int, got str"),
        ({"n_frequency_bands": 0}, "does not fit LinearNonlinear: n_frequency_bands must be at least 1, got 0"),
        ({"kernel": {"class": "Conv2d"}}, r"config\.json does not fit LinearNonlinear: .*dict"),
        (
            module("prefiltering", "ICAdaptation", init_a_vals=[0.5] * F, kernel_size=10**9),
            "kernel_size must be at most",
        ),
        (module("output_activation", "ParametricSoftplus", num_features=10**9), r"describes needs .* GB of memory"),
    ],
)
def test_a_small_config_cannot_take_the_memory(folder: Path, change: dict[str, Any], message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError, match=message):
        LinearNonlinear.from_pretrained(folder)


def test_many_layers_are_refused_before_they_are_made(tmp_path: Path) -> None:
    Transformer(F, embedding_dim=4).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "n_layers": 10**9}))
    with pytest.raises(ValueError, match=r"describes a model of many more tensors than model\.safetensors holds"):
        Transformer.from_pretrained(tmp_path)


DOES_NOT_WORK = {
    "a curve": (
        lambda: LinearNonlinear(8, 5, out_neurons=2, output_activation=nn.Softplus()),
        lambda config: config["_modules"]["output_activation"]["kwargs"].update(threshold=10**400),
    ),
    "a window": (
        lambda: Transformer(8, freq_patch_size=4, out_neurons=2),
        lambda config: config.update(context_window=10**400),
    ),
    "a kernel of other bands": (
        lambda: LinearNonlinear(8, 5, out_neurons=2, kernel=ParametricSTRF(8, 5, 1, 2)),
        lambda config: config.update(n_frequency_bands=3),
    ),
    "a kernel of other lags": (
        lambda: LinearNonlinear(8, 5, out_neurons=2, kernel=SeparableSTRF(8, 5, 1, 2)),
        lambda config: config.update(temporal_window_size=7),
    ),
}


@pytest.mark.parametrize("case", DOES_NOT_WORK)
def test_a_config_of_a_model_that_cannot_respond_is_refused_at_loading(tmp_path: Path, case: str) -> None:
    build, spoil = DOES_NOT_WORK[case]
    build().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    spoil(config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    cls = Transformer if case == "a window" else LinearNonlinear
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / 'config.json'))} ") as info:
        cls.from_pretrained(tmp_path)
    assert info.value.__cause__ is not None


def test_files_larger_than_allowed_are_not_read(folder: Path) -> None:
    with pytest.raises(
        ValueError, match=r"model\.safetensors needs .* GB of memory, limit 1e-07 GB; raise it with max_gb"
    ):
        LinearNonlinear.from_pretrained(folder, max_gb=1e-7)
    with open(folder / "model.safetensors", "r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match=r"model\.safetensors needs 1024 GB of memory, limit 2 GB"):
        LinearNonlinear.from_pretrained(folder)


def test_json_that_is_nested_too_deeply_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ValueError, match=r"config\.json is corrupt: it is nested too deeply"):
        LinearNonlinear.from_pretrained(folder)


def test_tensors_of_another_kind_are_refused(folder: Path) -> None:
    tensors = load((folder / "model.safetensors").read_bytes())
    for name, wrong in (
        ("readout.bn.weight", torch.ones(N, dtype=torch.complex64)),
        ("readout.bn.bias", torch.ones(N).int()),
    ):
        if wrong.dtype not in safetensors.torch._SIZE:  # an old safetensors writes no complex numbers
            continue
        save_file({**tensors, name: wrong}, folder / "model.safetensors")
        with pytest.raises(ValueError, match=rf"model\.safetensors does not fit: {name} must be real, got torch\."):
            LinearNonlinear.from_pretrained(folder)


def test_files_of_different_saves_are_noticed(tmp_path: Path) -> None:
    for name, prefilter, metadata in (("a", adaptrans(), {"n": 1}), ("b", AdapTrans([0.5] * F, [0.75] * F, 9), None)):
        model = trained(Linear(F, T, out_neurons=N, prefiltering=prefilter))
        model.save_pretrained(tmp_path / name, metadata=metadata)
    (tmp_path / "a" / "model.safetensors").write_bytes((tmp_path / "b" / "model.safetensors").read_bytes())
    with (
        pytest.warns(UserWarning, match=r"a/config\.json is not the one that was saved with model\.safetensors"),
        pytest.warns(UserWarning, match=r"a/metadata\.json is not the one that was saved with model\.safetensors"),
    ):
        Linear.from_pretrained(tmp_path / "a")
