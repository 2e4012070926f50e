"""Lagged moments and the Gaussians that are matched to them, against slow loops and known fields."""

import numpy as np
import pytest
import torch
from torch import nn

from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.layers.as_built import is_as_built
from deepstrf.models.layers.gaussian_matching import lagged_moments, match_gaussians, same_bins

BANDS, LAGS = 12, 10


def sounds(B=3, C=1, T=600, seed=0):
    """Noise that is correlated over bands and bins."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(B, C, BANDS, T, generator=generator).double()
    return x + 0.7 * x.roll(1, 2) + 0.7 * x.roll(1, 3)


def responses_to(x, kernel):
    """Sum over lags of a field (C, F, T) whose last lag is 0, written out."""
    y = torch.zeros(x.shape[0], x.shape[-1]).double()
    for lag in range(kernel.shape[-1]):
        past = torch.nn.functional.pad(x, (lag, 0))[..., : x.shape[-1]]
        y += (past * kernel[..., -1 - lag, None]).sum((1, 2))
    return y


def field(*gaussians, C=1):
    """Field (C, F, T) of Gaussians (channel, band, tap, sigma in bands, sigma in taps, weight) of unit mass."""
    made = np.zeros((C, BANDS, LAGS))
    f, t = np.arange(BANDS)[:, None], np.arange(LAGS)
    for channel, band, tap, sigma_f, sigma_t, weight in gaussians:
        one = np.exp(-0.5 * ((f - band) / sigma_f) ** 2 - 0.5 * ((t - tap) / sigma_t) ** 2)
        made[channel] += weight * one / one.sum()
    return torch.from_numpy(made)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("gaps", ["none", "long runs", "single bins", "trials"])
def test_moments_are_those_of_the_lagged_design(channels, gaps):
    x = sounds(B=2, C=channels, T=130)
    y = torch.randn(2, 3, 130).double()
    weight = torch.ones(2, 3, 130).double()
    if gaps == "long runs":
        weight[0, :, 20:35], weight[1, :, 90:] = 0, 0
        weight[1, 2] = 0
    elif gaps == "single bins":
        weight[:, 1, ::7] = 0
    elif gaps == "trials":
        weight[0, :, 60:], weight[1, 0] = 3, 2
    groups = lagged_moments(x, y, weight, LAGS)
    assert sorted(torch.cat([group.neurons for group in groups]).tolist()) == [0, 1, 2]
    design = torch.nn.functional.pad(x, (LAGS - 1, 0)).unfold(-1, LAGS, 1)  # (B, C, F, bins, T)
    design = design.permute(0, 3, 1, 2, 4).reshape(2 * 130, -1)
    for group in groups:
        for row, neuron in enumerate(group.neurons.tolist()):
            w, r = weight[:, neuron].flatten(), y[:, neuron].flatten()
            mean, mean_r = (w @ design) / w.sum(), (w @ r) / w.sum()
            centred = design - mean
            sound = (centred * w[:, None]).T @ centred / w.sum()
            torch.testing.assert_close(group.sound.reshape(sound.shape), sound)
            response = (centred * w[:, None]).T @ (r - mean_r) / w.sum()
            torch.testing.assert_close(group.response[row].flatten(), response)


@pytest.mark.parametrize(
    "truth",
    [
        [(0, 3.0, 7.0, 1.2, 1.0, 1.0)],
        [(0, 8.4, 8.1, 1.5, 0.8, 1.0), (0, 4.2, 5.5, 1.0, 1.5, -0.7)],
        [(0, 6.0, 8.0, 1.0, 1.0, 1.0), (1, 6.0, 5.0, 1.5, 1.0, 0.8)],
    ],
)
def test_gaussians_are_found_wherever_they_lie(truth):
    C = 1 + max(channel for channel, *_ in truth)
    kernel, x = field(*truth, C=C), sounds(C=C)
    y = responses_to(x, kernel)[:, None]
    (group,) = lagged_moments(x, y, torch.ones_like(y), LAGS)
    G = 2 if C == 1 else 1
    q = match_gaussians(group, torch.ones(C, BANDS, dtype=torch.bool), LAGS, G, ridge=1e-6)
    model = ParametricSTRF(BANDS, LAGS, C, 1, num_gaussians=G).double()
    with torch.no_grad():
        model.P.copy_(q[:2])
        model.sigma = q[2:4]
        model.weight.copy_(q[4])
    found = model.build_kernel().detach()[0]
    assert torch.corrcoef(torch.stack([found.flatten(), kernel.flatten()]))[0, 1] > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_kernel_starts_from_a_recording_with_gaps_and_silent_neurons(dtype):
    x = sounds()
    kernels = [field((0, band, 7.0, 1.2, 1.0, 1.0)) for band in (3.0, 8.0, 5.0, 5.0)]
    y = torch.stack([responses_to(x, kernel) for kernel in kernels], 1)[:, :, None]
    y[:, 0, :, 100:250] = torch.nan  # inside
    y[0, 1] = torch.nan  # a sound that was not played
    y[:, 2] = 0.0
    y[:, 3] = torch.nan
    torch.manual_seed(1)
    kernel = ParametricSTRF(BANDS, LAGS, 1, 4).to(dtype)
    before = kernel.build_kernel().detach()
    assert is_as_built(kernel)
    kernel.initialise_from((x, y))
    after = kernel.build_kernel().detach()
    for neuron in (0, 1):
        pair = torch.stack([after[neuron].flatten().double(), kernels[neuron].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0.98
    assert torch.equal(after[2:], before[2:])
    assert not is_as_built(kernel)
    other = ParametricSTRF(BANDS, LAGS, 1, 4).to(dtype)
    other.initialise_from((x, y))
    assert torch.equal(other.build_kernel()[:2], after[:2])  # chance has no part in it


def test_many_kinds_of_gaps_share_one_set_of_moments():
    x = sounds()
    kernel = field((0, 8.0, 7.0, 1.2, 1.0, 1.0))
    y = responses_to(x, kernel)[:, None].repeat(1, 40, 1)
    weight = torch.ones_like(y)
    for neuron in range(40):
        weight[:, neuron, 10 * neuron : 10 * neuron + 100] = 0
    target, alike = same_bins(y, weight, 32)
    assert bool((alike == 1).all())
    assert torch.equal(target[weight > 0], y[weight > 0])
    same, own = same_bins(y, weight, 64)
    assert same is y
    assert own is weight
    made = ParametricSTRF(BANDS, LAGS, 1, 40)
    made.initialise_from((x, torch.where(weight > 0, y, torch.nan)[:, :, None]))
    assert (made.P[0] - 8.0).abs().max() < 0.5
    assert (made.P[1] - 7.0).abs().max() < 0.5


def test_bands_that_no_sound_moves_get_no_gaussian():
    x = sounds()
    x[:, :, 7:] = 0.0
    y = responses_to(x, field((0, 5.0, 7.0, 1.0, 1.0, 1.0)))[:, None, None]
    kernel = ParametricSTRF(BANDS, LAGS, 1, 1, num_gaussians=4)
    kernel.initialise_from((x, y))
    assert kernel.P[0].max() <= 6
    silence = ParametricSTRF(BANDS, LAGS, 1, 1)
    silence.initialise_from((torch.zeros_like(x), y))
    assert is_as_built(silence)


def test_a_prefilter_stands_before_the_kernel_or_is_asked_for():
    class OnOff(nn.Module):
        def forward(self, x):
            return torch.cat([x.clamp(min=0), (-x).clamp(min=0)], 1)

    x = sounds()
    y = responses_to(OnOff()(x), field((1, 5.0, 7.0, 1.2, 1.0, 1.0), C=2))[:, None, None]
    kernel = ParametricSTRF(BANDS, LAGS, 2, 1)
    with pytest.raises(
        ValueError, match=r"sounds \(B, 2, 12, T\) behind the prefilter, got \(3, 1, 12, 600\): give pre"
    ):
        kernel.initialise_from((x, y))
    kernel.initialise_from((x, y), prefiltering=OnOff())
    built = kernel.build_kernel().detach()[0]
    assert built[1].sum() > 3 * built[0].abs().sum()
    with pytest.raises(ValueError, match=r"recording must have responses \(3, 1, R, 600\), got \(3, 2, 1, 600\)"):
        kernel.initialise_from((x, y.repeat(1, 2, 1, 1)), prefiltering=OnOff())


@pytest.mark.parametrize("gaps", [False, True])
def test_kernels_of_very_many_bins_are_searched_on_a_coarse_grid(monkeypatch, gaps):
    """Two Gaussians of a planted neuron are found at their places, with a sixteenth of the bins."""
    F, T = 24, 32
    torch.manual_seed(0)
    truth = ParametricSTRF(F, T, 1, 1, 2)
    with torch.no_grad():
        truth.P[:, 0, 0] = torch.tensor([[16.2, 7.0], [24.0, 15.0]])
        truth.SIG[:, 0, 0] = torch.tensor([[2.2, 2.0], [3.0, 3.2]])
        truth.weight[0, 0] = torch.tensor([1.0, -0.8])
    sounds = torch.rand(4, 1, F, 801)
    with torch.no_grad():
        padded = torch.nn.functional.pad(sounds, (T - 1, 0))
        responses = torch.nn.functional.conv2d(padded, truth.build_kernel())
    if gaps:
        responses[1, ..., 100:333] = torch.nan
    monkeypatch.setattr("deepstrf.models.layers.strf.MOST_PLACES", F * T // 16)
    found = ParametricSTRF(F, T, 1, 1, 2)
    found.initialise_from((sounds, responses))
    order = found.P[1, 0, 0].argsort(descending=True)
    torch.testing.assert_close(found.P[:, 0, 0, order], truth.P[:, 0, 0], atol=0.8, rtol=0)
    assert found.weight[0, 0, order[0]] > 0 > found.weight[0, 0, order[1]]
