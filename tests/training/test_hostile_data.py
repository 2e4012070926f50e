"""Data and settings that say one thing and look like another: refused, or told, never fitted in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef
from deepstrf.models import LinearNonlinear
from deepstrf.training import FitRecipe, Fitter, cross_validate, kernel_ridge, predict, ridge
from deepstrf.training.batches import Data

CF_HZ = torch.tensor([500.0, 1e3, 2e3, 4e3])


def sounds() -> Tensor:
    return torch.randn(6, 1, 4, 60, generator=torch.Generator().manual_seed(0))


def responses() -> Tensor:
    """Two neurons that hear one band each, the second one step later; two noisy trials."""
    heard = torch.stack([sounds()[:, 0, 1], sounds()[:, 0, 2].roll(1, -1)], 1).clamp(min=0)[:, :, None]
    return heard + 0.1 * torch.rand(6, 2, 2, 60, generator=torch.Generator().manual_seed(1))


def recorded(stimuli: Tensor | None = None, answers: Tensor | None = None, **about: Any) -> Recording:
    about = {"dt_ms": 5.0, "cf_hz": CF_HZ} | about
    return Recording(sounds() if stimuli is None else stimuli, responses() if answers is None else answers, **about)


def fitter(**settings: Any) -> Fitter:
    return Fitter(**{"epochs": 1, "progress": False, "baseline": False} | settings)


def new_model() -> LinearNonlinear:
    return LinearNonlinear(4, 3, out_neurons=2)


FITS: dict[str, Callable[[Data], Any]] = {
    "Fitter": lambda data: fitter().fit(new_model(), data),
    "ridge": lambda data: ridge(data, 3, smoothness=None),
    "kernel_ridge": lambda data: kernel_ridge(data, 3, n_points=20),
}


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ([0, 0, 1, 1, np.nan, np.nan], "by must hold a label for each sound, got nan for sound 4"),
        ([0, None, 1, 1, 2, 2], "by must hold a label for each sound, got None for sound 1"),
        (
            pd.Series(["a", "a", "b", "b", pd.NA, "c"]),
            "by must hold a label for each sound, got (<NA>|nan) for sound 4",
        ),
        ([["a"]] * 6, "by must hold labels such as text and numbers, got list for sound 0"),
        (torch.zeros(6, 2), "by must hold labels such as text and numbers, got list for sound 0"),
        (3, "by must be 'sound' or a label for each sound, got 3"),
    ],
)
def test_labels_that_are_missing_or_no_labels_are_refused(by: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        cross_validate(FitRecipe(new_model(), fitter()), recorded(), folds=2, by=by)


@pytest.mark.parametrize(
    "by",
    [
        torch.tensor([0, 1, 0, 1, 0, 1]),
        list(torch.tensor([0, 1, 0, 1, 0, 1])),
        np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]),
        pd.Series(["a", "b"] * 3, index=[5, 4, 3, 2, 1, 0]),
        [("bird", 1), ("bird", 2)] * 3,
    ],
    ids=["tensor", "list of tensors", "array", "series", "tuples"],
)
def test_sounds_with_one_label_stay_in_one_fold_whatever_holds_the_labels(by: Any) -> None:
    found = cross_validate(FitRecipe(new_model(), fitter()), recorded(), folds=2, by=by)
    odd, even = [f"stimulus {b}" for b in (1, 3, 5)], [f"stimulus {b}" for b in (2, 4, 6)]
    assert sorted(map(sorted, found.folds)) == [odd, even]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"dt_ms": 10.0}, "validation must have the bins of train, 5 ms, got 10 ms"),
        ({"cf_hz": 2 * CF_HZ}, "validation must have the bands of train, 500 to 4000 Hz, got 1000 to 8000 Hz"),
        ({"neuron_names": ["neuron 2", "neuron 1"]}, "neurons of train in the same order, got 'neuron 2'"),
    ],
)
def test_validation_sounds_on_other_axes_are_refused(about: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitter().fit(new_model(), recorded(), recorded(**about))


def test_validation_neurons_of_other_names_altogether_are_taken_for_the_same() -> None:
    history = fitter().fit(new_model(), recorded(), recorded(neuron_names=["a7", "a9"]))
    assert history.best is not None


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((sounds() + 0j, responses()), "stimuli of train must be real numbers, got torch.complex64"),
        ((sounds().to("meta"), responses()), "stimuli of train must hold numbers, got a tensor on the device 'meta'"),
        ((sounds(), responses().to("meta")), "responses of train must hold numbers, got a tensor on the device 'meta'"),
        ((sounds().to_sparse(), responses()), "stimuli of train must be a dense tensor, got the layout"),
        ((sounds(), responses() / 0), "train: responses must be finite, .* got infinite ones of 2 of 2 neurons .0, 1."),
        ((sounds() * 1e30, responses()), "stimuli of train must lie within 1e.15 of 0, .* got .*e.30: give them in"),
        ((sounds() * 1e-30, responses()), "stimuli of train must not all lie within 1e-15 of 0, .* got .*e-30: give"),
        ((sounds(), responses() * 1e30), "responses of train must lie within 1e.15 of 0, .* got .*e.30: give them in"),
    ],
)
def test_arrays_that_no_fit_can_take_are_refused_by_name(name: str, data: Data, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        FITS[name](data)


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("level", [0.0, -80.0])
def test_a_fit_to_sounds_that_never_move_says_so(name: str, level: float) -> None:
    with pytest.warns(UserWarning, match="no band of the stimuli moves"):
        FITS[name](recorded(sounds() * 0 + level))


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e12])
def test_regressions_answer_alike_in_every_unit_of_the_sound(scale: float) -> None:
    for name in ("ridge", "kernel_ridge"):
        whole, scaled = recorded(), recorded(sounds() * scale)
        plain, other = (
            corrcoef(predict(FITS[name](data), data.stimuli), data.responses, reduction="none")
            for data in (whole, scaled)
        )
        assert torch.allclose(plain, other, atol=1e-3), name


@pytest.mark.parametrize("values", [sounds().to("meta"), sounds().to_sparse(), sounds() + 0j])
def test_a_recording_of_tensors_without_numbers_is_refused(values: Tensor) -> None:
    with pytest.raises(TypeError, match="stimuli must"):
        recorded(values)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": np.nan}, "epochs must be an int, got float"),
        ({"patience": 2.5}, "patience must be an int, got float"),
        ({"batch_size": "2"}, "batch_size must be an int, got str"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"callbacks": print}, "callbacks must be a sequence of callables, such as .print., got <built-in"),
        ({"callbacks": [3]}, "callbacks must be a sequence of callables"),
        (
            {"optimizer": "adam"},
            "optimizer must be a callable such as partial.torch.optim.Adam, lr=0.01.*got str 'adam'",
        ),
        ({"optimizer": torch.optim.Adam([torch.zeros(1)])}, "optimizer must be a callable such as .*, got Adam"),
        ({"loss": "mse"}, "loss must be a callable such as deepstrf.metrics.mse_loss, got str 'mse'"),
        ({"score": None, "schedule": 3}, "schedule must be a callable such as .*, got int 3"),
        ({"smoothness": "much"}, "smoothness must be a number or two, got 'much'"),
    ],
)
def test_settings_that_no_fit_can_follow_are_refused_when_they_are_given(setting: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        fitter(**setting)
