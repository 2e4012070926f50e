"""The template: slots, checks, and the record of what a model was built from."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deepstrf.models import NeuralModel
from deepstrf.models.audio import AudioEncodingModel, Linear, LinearNonlinear
from deepstrf.models.checkpoints.construction import Construction, NotEncodable, arguments_for, to_json, unfit
from deepstrf.models.readouts import LinearReadout


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x + 1


class Plain(NeuralModel):
    """Readout only."""

    def __init__(self, out_neurons: int = 2, **options: Any) -> None:
        super().__init__(out_neurons)
        self.options = options
        self.readout = LinearReadout(3, out_neurons)


class Inheriting(Plain):
    """No constructor of its own."""


class Passing(Plain):
    """Passes everything on."""

    def __init__(self, *numbers: int, label: str = "none", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numbers, self.label = numbers, label


def test_the_slots_are_applied_in_order() -> None:
    model = Plain()
    assert isinstance(model.wav2spec, nn.Identity)
    assert isinstance(model.prefiltering, nn.Identity)
    assert isinstance(model.core, nn.Identity)
    x = torch.rand(2, 3, 5)
    assert torch.equal(model(x), model.readout(x))
    model.wav2spec, model.prefiltering, model.core = Times(2), Times(3), Times(5)
    expected = 5 * (3 * (2 * x + 1) + 1) + 1
    torch.testing.assert_close(model(x), model.readout(expected))
    assert model(x).shape == (2, 2, 1, 5)


def test_a_model_without_a_readout_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="NeuralModel has no readout"):
        NeuralModel()(torch.rand(1))


def test_defaults_and_extra_arguments() -> None:
    assert NeuralModel().O == 1
    assert NeuralModel(np.int64(4)).O == 4
    assert type(NeuralModel(np.int64(4)).O) is int
    with pytest.raises(TypeError):
        NeuralModel(1, surprise=2)
    signature = inspect.signature(NeuralModel)
    assert list(signature.parameters) == ["out_neurons", "args", "kwargs"]


@pytest.mark.parametrize("value", [0, -3])
def test_a_bad_number_of_neurons(value: int) -> None:
    with pytest.raises(ValueError, match=f"out_neurons must be at least 1, got {value}"):
        NeuralModel(value)


@pytest.mark.parametrize("value", [1.5, "2", None, True])
def test_a_number_of_neurons_of_another_type(value: Any) -> None:
    with pytest.raises(TypeError, match=f"out_neurons must be an int, got {type(value).__name__}"):
        NeuralModel(value)


def test_validate_passes_a_whole_model() -> None:
    Plain().validate()
    Linear(6, 4, out_neurons=3).validate()


@pytest.mark.parametrize(
    ("attribute", "value", "fault"),
    [
        ("O", 0, "O must be a positive int, got 0"),
        ("O", 2.0, "O must be a positive int, got 2.0"),
        ("readout", None, "readout must be an nn.Module, got NoneType"),
        ("core", None, "core must be an nn.Module, got NoneType"),
        ("prefiltering", None, "prefiltering must be an nn.Module"),
        ("wav2spec", None, "wav2spec must be an nn.Module"),
        ("F", 0, "F must be a positive int, got 0"),
        ("T", -1, "T must be a positive int, got -1"),
        ("C_in", "1", "C_in must be a positive int, got '1'"),
    ],
)
def test_validate_names_what_is_wrong(attribute: str, value: Any, fault: str) -> None:
    model = Linear(6, 4, out_neurons=3)
    setattr(model, attribute, value)
    with pytest.raises(AssertionError, match=f"Linear.{fault}"):
        model.validate()


def test_counting_parameters() -> None:
    model = Plain(out_neurons=2)  # 3 * 2 weights and 2 biases
    assert model.count_trainable_params() == 8
    model.readout.fc.bias.requires_grad_(False)  # type: ignore[union-attr]
    assert model.count_trainable_params() == 6


def test_detach_of_a_stateless_model_does_nothing() -> None:
    assert Plain().detach() is None  # type: ignore[func-returns-value]


def test_arguments_are_recorded_by_name_with_defaults() -> None:
    assert Plain()._init_kwargs == {"out_neurons": 2}
    assert Plain(3)._init_kwargs == {"out_neurons": 3}
    assert Plain(np.int32(3), rate=np.float64(0.5), flag=np.bool_(True))._init_kwargs == {
        "out_neurons": 3,
        "rate": 0.5,
        "flag": True,
    }
    assert Inheriting(4, depth=2)._init_kwargs == {"out_neurons": 4, "depth": 2}
    assert Passing(1, 2, out_neurons=3, label="a")._init_kwargs == {"numbers": [1, 2], "label": "a", "out_neurons": 3}


def test_the_record_is_that_of_the_leaf_class() -> None:
    class Fixed(LinearNonlinear):
        def __init__(self, size: int = 6) -> None:
            super().__init__(size, 4, out_neurons=2)

    assert Fixed()._init_kwargs == {"size": 6}


def test_the_record_does_not_follow_the_callers_list() -> None:
    sizes = [1, 2]
    model = Plain(sizes=sizes)
    sizes.append(3)
    assert model._init_kwargs["sizes"] == [1, 2]


def test_a_wrong_call_raises_as_without_a_record() -> None:
    with pytest.raises(TypeError, match="has no argument 'surprise'"):
        Linear(surprise=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "model", [Plain(3), Inheriting(1, depth=2), Passing(1, 2, out_neurons=3, label="a")], ids=lambda m: type(m).__name__
)
def test_every_kind_of_constructor_comes_back_from_a_folder(model: NeuralModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert loaded._init_kwargs == model._init_kwargs
    assert loaded.state_dict().keys() == model.state_dict().keys()
    if isinstance(model, Passing):
        assert (loaded.numbers, loaded.label, loaded.O) == ((1, 2), "a", 3)


def test_copies_keep_the_record() -> None:
    model = Plain(3, depth=2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other._init_kwargs == model._init_kwargs
        assert torch.equal(other.readout.fc.weight, model.readout.fc.weight)  # type: ignore[union-attr]


def test_audio_models_check_their_modules_and_sizes() -> None:
    with pytest.raises(TypeError, match=r"prefiltering must be an nn\.Module or None, got str"):
        AudioEncodingModel(6, 4, prefiltering="adaptrans")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"wav2spec must be an nn\.Module or None, got int"):
        AudioEncodingModel(6, 4, wav2spec=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_frequency_bands must be at least 1, got 0"):
        AudioEncodingModel(0, 4)
    with pytest.raises(ValueError, match="temporal_window_size must be at least 1, got -1"):
        AudioEncodingModel(6, -1)
    model = AudioEncodingModel(6, 4, out_neurons=3)
    assert (model.F, model.T, model.O, model.C_in) == (6, 4, 3, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (np.bool_(False), False),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.str_("a"), "a"),
        ((1, (2, 3)), [1, [2, 3]]),
        ({"a": (1,)}, {"a": [1]}),
    ],
)
def test_to_json(value: Any, expected: Any) -> None:
    result = to_json(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [object(), {1: 2}, [torch.ones(1)], float("nan"), float("inf"), np.ones(2), 1j])
def test_what_does_not_fit_json(value: Any) -> None:
    with pytest.raises(NotEncodable):
        to_json(value)


def test_a_record_of_a_call_that_does_not_fit_is_none() -> None:
    assert Construction.record(Plain.__init__, (1, 2, 3), {}) is None


def test_arguments_for_positional_only_and_variable_ones() -> None:
    def init(self: Any, a: int, /, b: int, *c: int, d: int = 0, **e: int) -> None:
        """Every kind of parameter."""

    assert arguments_for(init, {"a": 1, "b": 2, "c": [3, 4], "d": 5, "f": 6}) == ((1, 2, 3, 4), {"d": 5, "f": 6})
    assert unfit(init, {"a": 1, "b": 2, "anything": 3}) == ""
    assert unfit(init, {"a": 1}) == "no value for argument 'b'"
    assert unfit(Plain.__init__, {}) == ""
