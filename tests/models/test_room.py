"""Sizes that no machine has room for are refused at once, by the model's name, before memory is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from deepstrf.models import (
    ConvNet2D,
    DNet,
    KernelRegression,
    Linear,
    LinearNonlinear,
    NetworkReceptiveField,
    StateNet,
    Transformer,
)

HUGE = 10**9
NEURONS: dict[str, Callable[[int], Any]] = {
    "Linear": lambda n: Linear(34, 20, out_neurons=n),
    "LinearNonlinear": lambda n: LinearNonlinear(34, 20, out_neurons=n),
    "NetworkReceptiveField": lambda n: NetworkReceptiveField(34, 20, out_neurons=n),
    "DNet": lambda n: DNet(34, 20, out_neurons=n),
    "ConvNet2D": lambda n: ConvNet2D(34, out_neurons=n),
    "StateNet": lambda n: StateNet(34, out_neurons=n),
    "Transformer": lambda n: Transformer(34, out_neurons=n),
    "KernelRegression": lambda n: KernelRegression(34, 20, out_neurons=n),
}


@pytest.fixture(autouse=True)
def machine_of_16_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepstrf.models.neural_model._memory_of_machine", lambda: 16.0 * 2**30)


@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("n", [HUGE, 10**12, 10**30])
def test_more_neurons_than_fit_into_memory_are_refused_within_seconds(name: str, n: int) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=rf"the sizes of {name} \(.*{n}.*\) must leave it room in .* fewer neurons"):
        NEURONS[name](n)
    assert time.process_time() - started < 5.0  # of which torch takes 2 to load its meta device, once


@pytest.mark.parametrize("sizes", [(HUGE, 20), (34, HUGE), (10**30, 20), (34, 10**30)])
def test_more_bands_and_frames_than_fit_into_memory_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"the sizes of LinearNonlinear .* must leave it room"):
        LinearNonlinear(*sizes, out_neurons=2)


def test_a_model_of_the_meta_device_may_have_any_size() -> None:
    with torch.device("meta"):
        assert LinearNonlinear(34, 20, out_neurons=HUGE).O == HUGE


class Peeks(Linear):
    """Looks at its values while it is built, as no model without values can."""

    def __init__(self, n_frequency_bands: int, temporal_window_size: int, seed: int = 0) -> None:
        super().__init__(n_frequency_bands, temporal_window_size, out_neurons=4)
        self.first = self.readout.strf.kernel.weight.flatten()[0].item()
        self.seed = seed


def test_what_is_large_and_fits_is_built_and_random_numbers_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepstrf.models.neural_model.SURELY_FITS", 10)
    torch.manual_seed(0)
    looked_at = Linear(3, 4, out_neurons=2), Peeks(3, 4, seed=2**40)
    monkeypatch.undo()
    torch.manual_seed(0)
    plain = Linear(3, 4, out_neurons=2), Peeks(3, 4, seed=2**40)
    for one, other in zip(looked_at, plain, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(one.parameters(), other.parameters(), strict=True))
