"""The convolutional network: layers by hand, and its sizes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from deepstrf.models.audio import ConvNet2D
from tests.models.audio.zoo import F, make
from tests.tolerances import assert_close


def test_convnet2d_by_hand() -> None:
    model = make("ConvNet2D").double()
    x = torch.rand(2, 1, F, 12).double()
    with torch.no_grad():
        h = functional.pad(x, (9, 0))  # 3 (4 - 1) zeros
        for conv, norm in ((1, 2), (4, 5), (7, 8)):
            h = functional.conv2d(h, model.core[conv].weight, model.core[conv].bias)
            ln = model.core[norm].ln
            h = (h - h.mean(1, keepdim=True)) / (h.var(1, unbiased=False, keepdim=True) + ln.eps).sqrt()
            h = functional.leaky_relu(h * ln.weight.view(1, -1, 1, 1) + ln.bias.view(1, -1, 1, 1), 0.1)
        assert h.shape == (2, 4, F - 6, 12)
        features = h.reshape(2, 4 * (F - 6), 12).transpose(1, 2)
        expected = model.readout.activation(model.readout.fc(features)).transpose(1, 2).unsqueeze(2)
        assert_close(model(x), expected)


def test_the_window_is_the_true_receptive_field() -> None:
    assert ConvNet2D().T == 25
    model = make("ConvNet2D")
    assert model.T == 10
    x = torch.zeros(1, 1, F, 30)
    x[..., 29 - 9] = 1
    beyond = torch.zeros(1, 1, F, 30)
    beyond[..., 29 - 10] = 1
    with torch.no_grad():
        silence = model(torch.zeros(1, 1, F, 30))[..., -1]
        assert not torch.equal(model(x)[..., -1], silence)
        assert torch.equal(model(beyond)[..., -1], silence)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"kernel_size must leave a band: .*F = 6, got K_F = 3"):
        ConvNet2D(6, kernel_size=(3, 2))
    with pytest.raises(ValueError, match=r"kernel_size must be two ints, bands and frames, got \(3,\)"):
        ConvNet2D(6, kernel_size=(3,))
    with pytest.raises(ValueError, match="c_hidden must be at least 1, got 0"):
        ConvNet2D(c_hidden=0)
    assert ConvNet2D(7, kernel_size=[3, 2])(torch.rand(1, 1, 7, 3)).shape == (1, 1, 1, 3)
