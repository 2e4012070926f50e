"""Synaptic depression against a slow loop in small steps, and what must hold of every prefilter."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from deepstrf.models import LinearNonlinear
from deepstrf.models.layers.depletion import depletion
from deepstrf.models.prefiltering import ShortTermPlasticity, tau_to_a


def slow(x, tau_bins, u, steps=4000):
    """Resource at the beginning of each bin, by Euler steps within each."""
    d, found = 1.0, []
    for value in x:
        found.append(d)
        for _ in range(steps):
            d += ((1 - d) / tau_bins - u * max(value, 0.0) * d) / steps
    return found


@pytest.mark.parametrize(("tau_bins", "u"), [(20.0, 0.02), (3.0, 0.5), (100.0, 3.0)])
def test_the_resource_is_that_of_a_slow_loop(tau_bins, u):
    x = torch.rand(70, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 0.3
    module = ShortTermPlasticity([math.exp(-1 / tau_bins)], [u]).double()
    expected = torch.tensor(slow(x.tolist(), tau_bins, u), dtype=torch.float64)
    found = module.resource(x.view(1, 1, 1, -1)).flatten()
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(module(x.view(1, 1, 1, -1)).flatten(), x.clamp(min=0) * found)


def test_a_start_without_recovery_can_learn():
    """To the resource of a = 0.9, from 1, where log(1 + d^2) has slope 0."""
    x = torch.rand(2, 1, 3, 200, generator=torch.Generator().manual_seed(0))
    wanted = ShortTermPlasticity([0.9] * 3, [0.2] * 3, learnable=False)(x)
    module = ShortTermPlasticity([1.0] * 3, [0.2] * 3)
    torch.testing.assert_close(module.resource(x)[..., 1:], torch.exp(-0.2 * x.cumsum(-1))[..., :-1])
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        (module(x) - wanted).square().mean().backward()
        optimizer.step()
    assert module.a.tolist() == pytest.approx([0.9] * 3, abs=0.02)


def test_blocks_agree_with_one_bin_after_the_other():
    x = torch.rand(2, 3, 200, dtype=torch.float64) * 60
    r, u = torch.tensor([0.01, 0.1, 2.0]).double(), torch.tensor([0.001, 0.05, 1.0]).double()
    d, expected = torch.ones(2, 3).double(), []
    for t in range(200):
        expected.append(d)
        rate = r + u * x[..., t]
        d = torch.exp(-rate) * d + (1 - torch.exp(-rate)) * r / rate
    torch.testing.assert_close(depletion(x, r, u), torch.stack(expected, -1))


def test_steady_input_reaches_the_closed_form_and_silence_recovers():
    module = ShortTermPlasticity(tau_to_a(torch.tensor([50.0]), 5.0), [0.04])
    sound = torch.cat([torch.full((300,), 2.0), torch.zeros(300)]).view(1, 1, 1, -1)
    d = module.resource(sound).flatten()
    assert d[0] == 1
    assert d[299].item() == pytest.approx(0.1 / (0.1 + 0.04 * 2.0), abs=1e-4)
    # What is missing decays with the time constant: 10 bins.
    assert ((1 - d[310]) / (1 - d[300])).item() == pytest.approx(math.exp(-1), abs=1e-4)


@pytest.mark.parametrize("T", [1, 31, 32, 33, 100])
def test_it_is_causal_bounded_and_of_any_length(T):
    module = ShortTermPlasticity([0.9, 0.99], [0.1, 5.0])
    x = torch.rand(3, 1, 2, T) * 100
    y = module(x)
    assert y.shape == x.shape
    d = module.resource(x)
    assert bool(((d > 0) & (d <= 1)).all())
    other = x.clone()
    other[..., T // 2 :] += 1
    assert torch.equal(module(other)[..., : T // 2], y[..., : T // 2])
    assert torch.equal(module(x.transpose(2, 3).contiguous().transpose(2, 3)), y)


def test_without_recovery_and_in_silence_everything_stays():
    module = ShortTermPlasticity([1.0], [0.5])
    sound = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 1, -1)
    torch.testing.assert_close(module.resource(sound).flatten(), torch.tensor([1.0, 1.0, *[math.exp(-0.5)] * 2]))
    module(sound).sum().backward()
    assert bool(module.raw_u.grad.isfinite().all())


def test_gradients():
    x = torch.rand(1, 1, 2, 40, dtype=torch.float64) + 0.1
    module = ShortTermPlasticity([0.7, 0.9], [0.3, 0.1]).double()

    def answer(d, raw_u, x):
        return torch.func.functional_call(module, {"d": d, "raw_u": raw_u}, (x,))

    inputs = (module.d.detach().requires_grad_(), module.raw_u.detach().requires_grad_(), x.requires_grad_())
    assert gradcheck(answer, inputs)


def test_natural_units_are_read_and_set():
    module = ShortTermPlasticity([0.7, 0.9], [0.3, 0.1])
    torch.testing.assert_close(module.a, torch.tensor([0.7, 0.9]))
    module.u = torch.tensor([2.0, 0.01])
    torch.testing.assert_close(module.u, torch.tensor([2.0, 0.01]))
    assert not list(ShortTermPlasticity([0.7], [0.3], learnable=False).parameters())


def test_a_model_with_it_is_saved_and_read(tmp_path):
    model = LinearNonlinear(3, 4, out_neurons=2, prefiltering=ShortTermPlasticity([0.9] * 3, [0.05] * 3)).eval()
    model.save_pretrained(tmp_path / "m")
    x = torch.rand(1, 1, 3, 50)
    assert torch.equal(LinearNonlinear.from_pretrained(tmp_path / "m")(x), model(x))


@pytest.mark.parametrize(
    ("a", "u", "message"),
    [
        ([0.5, 0.0], [0.1, 0.1], r"init_a_vals must lie in \(0, 1\], got 0"),
        ([0.5], [0.0], "init_u_vals must be positive"),
        ([0.5], [0.1, 0.1], "init_a_vals and init_u_vals must have the same length F, got 1 and 2"),
    ],
)
def test_values_outside_their_range_are_refused(a, u, message):
    with pytest.raises(ValueError, match=message):
        ShortTermPlasticity(a, u)


def test_a_stream_is_the_whole_forward_pass():
    module, x = ShortTermPlasticity([0.9, 0.6], [0.2, 0.5]), torch.rand(1, 1, 2, 60)
    stage, parts = module.stream_stage(), []
    with torch.no_grad():
        for chunk in x.split([1, 2, 30, 0, 27], -1):
            parts.append(stage(chunk))
        torch.testing.assert_close(torch.cat(parts, -1), module(x))
