"""Models that no fit can change, blocks and threads in which none may run: refused by name, or fitted all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepstrf.analysis import diagnose
from deepstrf.metrics import mse_loss
from deepstrf.models import LinearNonlinear, NeuralModel
from deepstrf.models.layers import CausalSTRFConv
from deepstrf.models.prediction import predict
from deepstrf.training import Fitter, Progress
from deepstrf.training.under_way import under_way
from tests.training.test_hostile_data import fitter, new_model, recorded


def with_another_norm() -> LinearNonlinear:
    model = new_model()
    model.readout.bn = nn.Identity()
    return model


def on_meta() -> LinearNonlinear:
    with torch.device("meta"):
        return new_model()


@pytest.mark.parametrize("call", [fitter().fit, lambda model, data: diagnose(model, data)], ids=["fit", "diagnose"])
@pytest.mark.parametrize(
    ("made", "message"),
    [
        (with_another_norm, r"readout\.bn must be a BatchNorm1d, got Identity: for a model without one, give a"),
        (on_meta, r"model must have weights, got one on the device 'meta', where readout\.strf\.kernel\.weight"),
        (lambda: LinearNonlinear, "model must be a model, got the class LinearNonlinear: call it with its sizes"),
        (lambda: {"model": 3}, "model must be an nn.Module, got dict"),
    ],
    ids=["no batch norm", "meta", "class", "dict"],
)
def test_what_is_no_model_with_weights_and_norms_is_refused_by_name(
    call: Callable[[Any, Any], Any], made: Callable[[], Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call(made(), recorded())


def test_predict_names_a_class_and_a_model_without_values() -> None:
    with pytest.raises(TypeError, match="model must be a model, got the class LinearNonlinear"):
        predict(LinearNonlinear, recorded().stimuli)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must have weights, got one on the device 'meta'"):
        predict(on_meta(), recorded().stimuli)


class WithoutNorm(NeuralModel):
    def __init__(self) -> None:
        super().__init__(2)
        self.core = CausalSTRFConv(4, 3, 1, 2)
        self.readout = nn.Softplus()


def test_a_model_without_a_batch_norm_is_fitted_as_the_message_says() -> None:
    history = fitter(epochs=30).fit(WithoutNorm(), recorded())
    assert history.records[-1].train_loss.mean() < history.records[0].train_loss.mean()


def test_a_fit_inside_no_grad_is_the_same_fit() -> None:
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(new_model())
    fitter(epochs=3).fit(models[0], recorded())
    with torch.no_grad():
        fitter(epochs=3).fit(models[1], recorded())
        assert not torch.is_grad_enabled()
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.equal(one, other)


def test_in_inference_mode_nothing_is_fitted_and_what_is_made_there_is_told_from_the_rest() -> None:
    with torch.inference_mode():
        model, data = new_model(), recorded()
        with pytest.raises(RuntimeError, match=r"a fit must be outside torch\.inference_mode\(\)"):
            fitter().fit(model, data)
    with pytest.raises(ValueError, match=r"model must be built outside torch\.inference_mode\(\), got readout\.strf"):
        fitter().fit(model, data)
    assert len(fitter().fit(new_model(), data, data)) == 1  # sounds and responses need no gradient


def test_a_model_is_fitted_by_one_thread_at_a_time_and_then_by_any() -> None:
    model, errors = new_model(), []

    def fit() -> None:
        try:
            fitter().fit(model, recorded())
        except RuntimeError as error:
            errors.append(str(error))

    def meanwhile(progress: Progress) -> None:
        before = {name: value.clone() for name, value in model.state_dict().items()}
        other = threading.Thread(target=fit)
        other.start()
        other.join()
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    fitter(callbacks=[meanwhile]).fit(model, recorded())
    assert len(errors) == 1
    assert "model must be fitted by one thread at a time, and MainThread is fitting this LinearNonlinear" in errors[0]
    fit()
    assert len(errors) == 1


def test_what_a_thread_that_ended_has_left_does_not_bar_a_model() -> None:
    model = new_model()
    left = under_way(model)  # never left, as after an interrupt between two lines
    thread = threading.Thread(target=left.__enter__)
    thread.start()
    thread.join()
    assert len(fitter().fit(model, recorded())) == 1


def one_number(pred: Tensor, gt: Tensor) -> Tensor:
    return (pred - gt).nanmean()


@pytest.mark.parametrize("name", ["loss", "score"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nn.MSELoss(), r"which MSELoss does not take: give deepstrf\.metrics\.mse_loss, or a function"),
        (nn.MSELoss, r"which MSELoss does not take: give deepstrf\.metrics\.mse_loss"),
        (nn.PoissonNLLLoss(), r"which PoissonNLLLoss does not take: give deepstrf\.metrics\.poisson_loss"),
        (one_number, "which one_number does not take: give deepstrf"),
    ],
)
def test_losses_and_scores_that_cannot_be_asked_for_each_neuron_are_refused_with_the_right_one(
    name: str, value: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=rf"{name} must give one value for each neuron, {name}\(pred, gt, .*{message}"):
        Fitter(**{name: value})


def test_a_module_may_be_a_loss() -> None:
    class Loss(nn.Module):
        def forward(self, pred: Tensor, gt: Tensor, reduction: str = "mean") -> Tensor:
            return mse_loss(pred, gt, reduction=reduction)

    by_module, by_function = (fitter(loss=loss).fit(new_model(), recorded(), recorded()) for loss in (Loss(), mse_loss))
    assert by_module.records[0].train_loss.shape == by_function.records[0].train_loss.shape


@pytest.mark.parametrize("bins", [60, 10**6])
def test_skip_bins_beyond_all_sounds_is_named(bins: int) -> None:
    with pytest.raises(ValueError, match=f"skip_bins must leave bins of train, whose longest sound has 60, got {bins}"):
        fitter(skip_bins=bins).fit(new_model(), recorded())


def test_skip_bins_beyond_what_was_recorded_is_named() -> None:
    answers = recorded().responses.clone()
    answers[..., 20:] = torch.nan
    with pytest.raises(ValueError, match="skip_bins must leave recorded bins of train, got 30, beyond all of them"):
        fitter(skip_bins=30).fit(new_model(), recorded(answers=answers))
