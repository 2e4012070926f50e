"""Measures of receptive fields against loops and known values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from deepstrf.models import LinearNonlinear
from deepstrf.models.audio import NetworkReceptiveField
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.prefiltering import get_CFs
from deepstrf.training import roughness, spread
from deepstrf.training.priors import ROUGH_MS, ROUGH_OCTAVES, kernels, penalty
from tests.tolerances import assert_close


def test_roughness_is_that_of_a_loop():
    kernel = torch.randn(3, 2, 5, 7, dtype=torch.float64)
    along_f, along_t = roughness(kernel)
    for n in range(3):
        f = t = 0.0
        for c in range(2):
            for i in range(5):
                for j in range(7):
                    if 0 < i < 4:
                        f += (kernel[n, c, i - 1, j] - 2 * kernel[n, c, i, j] + kernel[n, c, i + 1, j]).item() ** 2
                    if 0 < j < 6:
                        t += (kernel[n, c, i, j - 1] - 2 * kernel[n, c, i, j] + kernel[n, c, i, j + 1]).item() ** 2
        power = 6 * kernel[n].square().sum().item()
        assert along_f[n].item() == pytest.approx(f / power)
        assert along_t[n].item() == pytest.approx(t / power)


def test_white_noise_has_roughness_one_and_a_plane_none():
    noise = roughness(torch.randn(1, 1, 400, 400))
    # 398 of 400 second differences; the estimate scatters by about 1/400.
    assert [x.item() for x in noise] == pytest.approx([398 / 400] * 2, abs=0.02)
    plane = (torch.arange(6.0)[:, None] + 2 * torch.arange(9.0)).view(1, 1, 6, 9)
    assert [x.item() for x in roughness(plane)] == pytest.approx([0.0, 0.0], abs=1e-10)


def test_an_alternating_field_is_the_roughest():
    signs = torch.tensor([1.0, -1.0]).repeat(20)
    along_f, along_t = roughness(signs.view(1, 1, 40, 1).expand(1, 1, 40, 5))
    assert along_f.item() == pytest.approx(16 / 6 * 38 / 40)  # (1 + 2 + 1)^2 in 38 places of 40
    assert along_t.item() == 0.0


def test_spread_of_known_fields():
    even, one = torch.ones(1, 1, 4, 9), torch.zeros(1, 1, 4, 9)
    one[0, 0, 2, 3] = -5.0
    assert spread(even).item() == pytest.approx(1.0)
    assert spread(one).item() == pytest.approx(1 / 6)
    assert spread(torch.randn(1, 1, 300, 300)).item() == pytest.approx(math.sqrt(2 / math.pi), abs=0.01)


@given(st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3))
def test_the_size_of_a_field_does_not_matter(factor):
    kernel = torch.randn(2, 1, 5, 6, dtype=torch.float64)
    for measure in (lambda k: torch.stack(roughness(k)), spread):
        assert_close(measure(factor * kernel), measure(kernel))


def test_tiny_and_huge_fields_cost_what_others_do():
    kernel = torch.randn(2, 1, 3, 6, dtype=torch.float64)
    for factor in (1e-12, 1e12):
        assert_close(torch.stack(roughness(factor * kernel)), torch.stack(roughness(kernel)))
        assert_close(spread(factor * kernel), spread(kernel))
    assert (roughness(kernel)[0] > 0).all()  # three bands are enough for a second difference


def test_zero_and_narrow_fields():
    zero = torch.zeros(2, 1, 5, 6, requires_grad=True)
    cost = sum(roughness(zero)) + spread(zero)
    assert cost.tolist() == [0.0, 0.0]
    assert [x.tolist() for x in roughness(torch.ones(1, 1, 2, 2))] == [[0.0], [0.0]]


def test_gradients():
    kernel = torch.randn(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: sum(roughness(k)) + spread(k), kernel)


@pytest.mark.parametrize(
    "kernel",
    [
        None,
        ParametricSTRF(6, 5, 2, 3, num_gaussians=2),
        SeparableSTRF(6, 5, 2, 3),
        nn.Sequential(nn.Conv2d(2, 4, (6, 1)), nn.Conv2d(4, 3, (1, 5))),
        nn.Conv2d(2, 4, (6, 5), groups=2),
        nn.Conv2d(2, 4, (6, 3), dilation=(1, 2)),
    ],
)
def test_kernels_are_the_receptive_fields_of_the_model(kernel):
    channels = nn.Conv2d(1, 2, 1)
    channels.out_channels = 2
    outputs = 4 if isinstance(kernel, nn.Conv2d) else 3
    model = LinearNonlinear(6, 5, out_neurons=outputs, kernel=kernel, prefiltering=channels)
    (found,) = kernels(model)
    assert found.requires_grad
    assert_close(found, model.STRF_weight())


def test_a_nonlinear_kernel_is_refused():
    model = LinearNonlinear(6, 5, kernel=nn.Sequential(nn.Conv2d(1, 1, (6, 5)), nn.ReLU()))
    with pytest.raises(NotImplementedError, match=r"kernel of type Sequential: set smoothness=0 and sparsity=0"):
        list(kernels(model))


def test_a_penalty_with_axes_counts_curvature_in_octaves_and_ms_of_fields_with_these_bands():
    field = LinearNonlinear(6, 5, out_neurons=2).double()
    cf_hz, weight = torch.logspace(9, 13, 6, base=2.0, dtype=torch.float64), torch.tensor([1.0, 2.0]).double()
    kernel = next(kernels(field))
    for axes, bands in (((cf_hz, 4.0), cf_hz), ((cf_hz[:5], 4.0), None)):
        along_f, along_t = roughness(kernel, cf_hz=bands, dt_ms=4.0)
        expected = (weight * (0.3 * along_f + 0.2 * along_t)).sum()
        assert_close(penalty(field, (0.3, 0.2), 0.0, weight, axes), expected)


def test_penalty_of_neurons_and_of_hidden_units():
    weight = torch.tensor([1.0, 2.0, 0.5])
    model = LinearNonlinear(6, 5, out_neurons=3)
    (kernel,) = kernels(model)
    along_f, along_t = roughness(kernel)
    expected = (weight * (0.3 * along_f + 0.2 * along_t + 0.7 * spread(kernel))).sum()
    assert_close(penalty(model, (0.3, 0.2), 0.7, weight), expected)
    hidden = NetworkReceptiveField(6, 5, out_neurons=3, n_hidden=4)
    (kernel,) = kernels(hidden)
    along_f, along_t = roughness(kernel)
    assert_close(penalty(hidden, (0.3, 0.2), 0.0, weight), 3.5 * (0.3 * along_f + 0.2 * along_t).mean())


def test_several_layers_of_receptive_fields_cost_their_sum():
    weight = torch.tensor([1.0, 2.0, 0.5])
    layers = [LinearNonlinear(6, 5, out_neurons=3) for _ in range(2)]
    costs = [penalty(layer, (0.3, 0.2), 0.7, weight) for layer in layers]
    assert_close(penalty(nn.ModuleList(layers), (0.3, 0.2), 0.7, weight), sum(costs))


def physical_field(bands, dt_ms, *, octave, octaves, ms, width_ms, scale="mel"):
    """Gaussian of some octaves and ms, sampled on a grid over 0.5-20 kHz and 100 ms; and the grid's frequencies."""
    cf_hz = torch.as_tensor(get_CFs(500.0, 20000.0, bands, scale)).double()
    along_f = torch.exp(-0.5 * ((cf_hz.log2() - octave) / octaves) ** 2)
    along_t = torch.exp(-0.5 * ((torch.arange(round(100 / dt_ms)).double() * dt_ms - ms) / width_ms) ** 2)
    return (along_f[:, None] * along_t)[None, None], cf_hz


@pytest.mark.parametrize("scale", ["mel", "erb", "greenwood"])
@pytest.mark.parametrize(
    "field",
    [
        {"octave": 11.5, "octaves": 0.45, "ms": 30.0, "width_ms": 12.0},
        {"octave": 11.5, "octaves": 0.3, "ms": 50.0, "width_ms": 8.0},
        {"octave": 10.5, "octaves": 0.6, "ms": 60.0, "width_ms": 15.0},
        {"octave": 12.8, "octaves": 0.4, "ms": 60.0, "width_ms": 10.0},
    ],
)
def test_the_same_physical_field_costs_the_same_on_every_grid(field, scale):
    """Reference: of a Gaussian of width s, the curvature over the power is 3 / (4 s^4)."""
    costs = {}
    for bands in (16, 24, 34, 64, 128):
        for dt_ms in (1.0, 2.0, 5.0, 10.0):
            kernel, cf_hz = physical_field(bands, dt_ms, **field, scale=scale)
            costs[bands, dt_ms] = torch.stack(roughness(kernel, cf_hz=cf_hz, dt_ms=dt_ms)).flatten()
    middle = costs[64, 2.0]
    for grid, cost in costs.items():
        torch.testing.assert_close(cost, middle, rtol=0.1, atol=0, msg=lambda text, grid=grid: f"{grid}: {text}")
    expected = 0.75 * (ROUGH_OCTAVES / field["octaves"]) ** 4, 0.75 * (ROUGH_MS / field["width_ms"]) ** 4
    assert middle.tolist() == pytest.approx(expected, rel=0.2)  # less, as it saturates


def test_roughness_on_an_axis_is_bounded_and_a_line_costs_nothing():
    cf_hz = torch.as_tensor(get_CFs(500.0, 20000.0, 64, "mel")).double()
    noise = torch.stack(roughness(torch.randn(4, 2, 64, 200).double(), cf_hz=cf_hz, dt_ms=0.5))
    assert (noise > 0.6).all()
    assert (noise < 1).all()
    line = (cf_hz.log2()[:, None] + 0.1 * torch.arange(200))[None, None]
    assert torch.stack(roughness(line, cf_hz=cf_hz, dt_ms=0.5)).abs().max() < 1e-9
    mixed = roughness(torch.randn(1, 1, 64, 9).double(), dt_ms=5.0)
    assert mixed[0] > 0.5
    kernel = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: sum(roughness(k, cf_hz=cf_hz[:5], dt_ms=5.0)), kernel)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"cf_hz": torch.tensor([1.0, 2.0])}, "cf_hz must be 3 ascending frequencies above 0 Hz"),
        ({"cf_hz": torch.tensor([0.0, 1.0, 2.0])}, "cf_hz must be 3 ascending frequencies above 0 Hz"),
        ({"cf_hz": torch.tensor([1.0, 3.0, 2.0])}, "cf_hz must be 3 ascending frequencies above 0 Hz"),
        ({"dt_ms": 0.0}, "dt_ms must be positive"),
    ],
)
def test_axes_that_make_no_sense_are_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        roughness(torch.zeros(1, 1, 3, 3), **axes)
