"""Predictions are those of evaluation mode and leave the model as it was."""

import pytest
import torch
from torch import nn

from deepstrf.models.prediction import predict
from tests.training.conftest import new_model


@pytest.mark.parametrize("training", [True, False])
def test_predictions_are_the_models_whatever_the_batches(training):
    model = new_model().train(training)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(5, 1, 10, 30)
    expected = model.eval()(x)
    model.train(training)
    for size in (1, 2, 16):
        pred = predict(model, x, batch_size=size)
        assert not pred.requires_grad
        assert torch.allclose(pred, expected, atol=1e-6)
    assert model.training is training
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_predictions_convert_to_the_models_type():
    assert predict(new_model().double(), torch.rand(2, 1, 10, 9)).dtype == torch.float64
    assert predict(nn.Identity(), torch.rand(2, 1, 10, 9)).dtype == torch.float32


def test_each_submodule_keeps_its_own_mode():
    model = new_model().train()
    model.readout.bn.eval()  # frozen statistics
    predict(model, torch.rand(2, 1, 10, 9))
    assert model.training
    assert not model.readout.bn.training
