"""The model card says what the checkpoint is and how to load it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from deepstrf.models import NeuralModel
from deepstrf.models.audio import LinearNonlinear
from deepstrf.models.prefiltering import AdapTrans


def card_of(model: NeuralModel, folder: Path, **kwargs: object) -> str:
    return (model.save_pretrained(folder, **kwargs) / "README.md").read_text()  # type: ignore[arg-type]


def test_the_card_of_a_zoo_model(tmp_path: Path) -> None:
    model = LinearNonlinear(6, 4, out_neurons=3, prefiltering=AdapTrans([0.5] * 6, [0.75] * 6, kernel_size=5))
    text = card_of(model, tmp_path, metadata={"cc": 0.5, "cells": ["a|b"]})
    assert text.startswith("---\nlibrary_name: deepstrf-lab\n")
    assert "\n# LinearNonlinear, 3 neurons\n" in text
    assert "shape (B, 1, 6, T)" in text
    assert "shape (B, 3, 1, T)" in text
    assert "temporal window: 4 bins" in text
    # STRF 3 * 2 * 6 * 4 + 3, batch norm 2 * 3, softplus 2 * 3, prefilter 3 * 6.
    assert "177 trainable of 177" in text
    assert "| prefiltering | AdapTrans(kernel_size=5, learnable=True) |" in text
    assert "| cc | 0.5 |" in text
    assert '| cells | ["a\\|b"] |' in text
    assert re.search(r"## Citation\n\nSimoncelli.* 36:280\.\n$", text)


def test_the_loading_code_on_the_card_works(tmp_path: Path) -> None:
    model = LinearNonlinear(6, 4, out_neurons=3)
    text = card_of(model, tmp_path)
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    names: dict[str, LinearNonlinear] = {}
    exec(code[1].replace("<this folder or owner/name>", str(tmp_path)), names)
    assert torch.equal(names["model"].STRF_weight(), model.STRF_weight())


class Bare(NeuralModel):
    def __init__(self, thing: object = None) -> None:
        super().__init__()
        self.readout = nn.Identity()


def test_the_card_of_a_model_that_is_no_zoo_model(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="argument 'thing' of Bare is not saved"):
        text = card_of(Bare(object()), tmp_path)
    assert "# Bare, 1 neuron\n" in text
    assert f"from {Bare.__module__} import Bare" in text
    assert "extra_kwargs={'thing': ...}" in text
    assert "frequency bands" not in text


def test_a_sequential_kernel_is_described(tmp_path: Path) -> None:
    kernel = nn.Sequential(nn.Conv2d(1, 2, (6, 1), bias=False), nn.Conv2d(2, 3, (1, 4)))
    text = card_of(LinearNonlinear(6, 4, out_neurons=3, kernel=kernel), tmp_path)
    assert "| kernel | Sequential(Conv2d(in_channels=1, out_channels=2, groups=1, bias=False), Conv2d(" in text
