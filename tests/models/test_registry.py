"""The registry of layers: what it says of a module is so."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.layers.constraints import NaturalProperty
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, ShortTermPlasticity
from deepstrf.models.registry import KERNELS, OUTPUT_CURVES, PREFILTERS, is_pointwise, kernel_entry, neuron_axes_of

N = 3
F, T, C, G = 5, 4, 2, 3
CURVES = {cls: cls(N) if entry.columns else cls() for cls, entry in OUTPUT_CURVES.items()}
MODULES = {
    **CURVES,
    nn.Identity: nn.Identity(),
    AdapTrans: AdapTrans([0.5, 0.9], [0.5, 0.7]),
    ICAdaptation: ICAdaptation([0.5, 0.9]),
    ShortTermPlasticity: ShortTermPlasticity([0.5, 0.9], [0.1, 0.2]),
}
FIELDS = [ParametricSTRF(F, T, C, N, num_gaussians=G), SeparableSTRF(F, T, C, N), nn.Conv2d(C, N, (F, T))]


def named(module: object) -> str:
    return type(module).__name__


@pytest.mark.parametrize("curve", CURVES.values(), ids=named)
def test_curves_lie_between_their_ends_and_come_near_them(curve: nn.Module) -> None:
    floor, ceiling, width = (torch.as_tensor(end).expand(N) for end in OUTPUT_CURVES[type(curve)].ends(curve))
    x = torch.linspace(-100, 100, 4001)[:, None].expand(-1, N)
    y = curve(x).detach()
    assert torch.all(y >= floor - 1e-6)
    assert torch.all(y <= ceiling + 1e-6)
    for end in (floor, ceiling):
        if bool(end.isfinite().all()):
            torch.testing.assert_close((y - end).abs().amin(0), torch.zeros(N), atol=1e-4, rtol=0)
    # Without a ceiling: one width above its floor a softplus has left it by its own height at 0, over log 2.
    if bool((width > 0).all()):
        torch.testing.assert_close(curve(torch.zeros(N)) - floor, width * torch.log(torch.tensor(2.0)))


@pytest.mark.parametrize("curve", CURVES.values(), ids=named)
def test_pointwise_curves_treat_every_neuron_by_itself(curve: nn.Module) -> None:
    assert is_pointwise(curve)
    x = torch.randn(50, N)
    other: Tensor = x.clone()
    other[:, 1:] += 5
    assert torch.equal(curve(x)[:, 0], curve(other)[:, 0])


@pytest.mark.parametrize("module", [*MODULES.values(), *FIELDS], ids=named)
def test_columns_name_every_tensor_of_a_module(module: nn.Module) -> None:
    entry = {**KERNELS, **PREFILTERS, **OUTPUT_CURVES}[type(module)]
    parts: dict[str, list[int | None]] = {}
    for column in entry.columns:
        attribute = column.attribute or column.name
        natural = getattr(type(module), attribute, None)
        raw = natural.raw_name if isinstance(natural, NaturalProperty) else attribute
        parts.setdefault(raw, []).append(column.part)
    assert sorted(parts) == sorted(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert parts[name] in ([None], list(range(tensor.shape[0])))
    assert len({column.name for column in entry.columns}) == len(entry.columns)


@pytest.mark.parametrize(
    "kernel", [nn.Linear(2, 2), nn.Conv2d(2, 4, (F, T), groups=2), nn.Conv2d(2, 4, (F, T), dilation=2)], ids=repr
)
def test_a_kernel_that_no_entry_fits_has_no_columns(kernel: nn.Module) -> None:
    assert kernel_entry(kernel).columns == ()


@pytest.mark.parametrize("module", [*CURVES.values(), *FIELDS], ids=named)
def test_the_axis_of_the_neurons_is_found_in_every_tensor(module: nn.Module) -> None:
    axes = neuron_axes_of(module, N)
    assert axes == {name: int(name in ("P", "SIG")) for name in module.state_dict()}


def test_formulas_are_written_in_the_symbols_of_their_columns() -> None:
    for entry in OUTPUT_CURVES.values():
        assert bool(entry.formula) == bool(entry.columns)
        assert all((column.symbol or column.name) in entry.formula for column in entry.columns)
        assert all(f" + {c.name}" in entry.formula for c in entry.columns if c.meaning == "baseline")
