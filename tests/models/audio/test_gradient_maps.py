"""Gradient maps against closed forms and finite differences, and without a trace on the model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from deepstrf.models.audio import Linear, LinearNonlinear, StateNet
from deepstrf.models.audio.gradient_maps import LEAST_CHUNK, MOST_COPIES, PassingAtTheKink
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation, make_prefiltering
from tests.models.audio.zoo import F, Framing, N, every_model, every_prefilter, make
from tests.resident import peak_bytes
from tests.tolerances import assert_close


def behind_prefilter(kernel: Tensor, taps: Tensor, window: int) -> Tensor:
    """Weights (N, F, window) on the input of filters ``taps`` (C, F, K) that feed receptive fields (N, C, F, T)."""
    out = torch.zeros(kernel.shape[0], kernel.shape[2], window, dtype=kernel.dtype)
    for lag in range(window):
        for inner in range(taps.shape[-1]):
            outer = lag - inner
            if 0 <= outer < kernel.shape[-1]:
                out[..., window - 1 - lag] += torch.einsum(
                    "ncf,cf->nf", kernel[..., kernel.shape[-1] - 1 - outer], taps[..., taps.shape[-1] - 1 - inner]
                )
    return out


def test_a_linear_model_is_its_effective_receptive_field() -> None:
    model = make("Linear").double()
    kernel, _ = model.effective_STRF()
    assert_close(model.STRF_gradmap(), kernel)
    assert_close(model.STRF_gradmap(torch.rand(F, 30).double()), kernel)
    assert_close(model.STRF_gradmap(per_channel=True), kernel)


@pytest.mark.parametrize("w", [0.6, 1.0])
def test_an_on_off_prefilter_at_silence_shows_both_paths(w: float) -> None:
    prefilter = AdapTrans(torch.linspace(0.5, 0.9, F), torch.full((F,), w), kernel_size=6)
    model = Linear(F, 5, out_neurons=N, prefiltering=prefilter).double().eval()
    kernel, _ = model.effective_STRF()
    taps = torch.stack(prefilter.build_kernels()).squeeze(2).detach()
    assert_close(model.STRF_gradmap(), behind_prefilter(kernel, taps, 5).unsqueeze(1))
    assert_close(model.STRF_gradmap(window=10), behind_prefilter(kernel, taps, 10).unsqueeze(1))
    assert_close(model.STRF_gradmap(per_channel=True), kernel)


def test_adaptation_to_the_mean_at_silence() -> None:
    prefilter = ICAdaptation(torch.linspace(0.5, 0.9, F), kernel_size=6)
    model = Linear(F, 5, out_neurons=N, prefiltering=prefilter).double().eval()
    kernel, _ = model.effective_STRF()
    assert_close(model.STRF_gradmap(), behind_prefilter(kernel, prefilter.build_kernels().transpose(0, 1), 5)[:, None])


def test_around_a_sound_only_the_open_rectifiers_count() -> None:
    prefilter = AdapTrans(torch.full((F,), 0.5), torch.full((F,), 0.75), kernel_size=6)
    model = Linear(F, 5, out_neurons=N, prefiltering=prefilter).double().eval()
    kernel, _ = model.effective_STRF()
    taps = torch.stack(prefilter.build_kernels()).squeeze(2).detach()
    onset = torch.zeros(F, 20).double()
    onset[:, 15:] = 4.0 ** torch.arange(5)  # ever louder: ON open, OFF shut in the last 5 bins
    on_only = taps * torch.tensor([1.0, 0.0]).double().view(2, 1, 1)
    assert_close(model.STRF_gradmap(onset), behind_prefilter(kernel, on_only, 5).unsqueeze(1))


@every_model
@every_prefilter
def test_finite_differences(name: str, prefilter: str) -> None:
    model = make(name, prefilter).double()
    x = torch.rand(1, 1, F, 2 * model.T).double()
    gradient = model.STRF_gradmap(x)
    assert gradient.shape == (N, 1, F, model.T)
    step = 1e-6
    with torch.no_grad():
        for band, lag in ((0, 0), (F // 2, 1), (F - 1, model.T - 1)):
            up, down = x.clone(), x.clone()
            up[..., band, -1 - lag] += step
            down[..., band, -1 - lag] -= step
            slope = (model(up) - model(down))[0, :, 0, -1] / (2 * step)
            torch.testing.assert_close(gradient[:, 0, band, -1 - lag], slope, rtol=1e-4, atol=1e-7)


@every_model
@every_prefilter
def test_no_neuron_is_blind_at_silence(name: str, prefilter: str) -> None:
    model = make(name, prefilter)
    for per_channel in (False, True):
        gradient = model.STRF_gradmap(per_channel=per_channel)
        assert gradient.shape == (N, model.C_in if per_channel else 1, F, model.T)
        assert gradient.isfinite().all()
        assert (gradient.abs().amax(dim=(2, 3)) > 0).all()


@pytest.mark.parametrize("prefilter", ["AdapTrans", "ICAdaptation"])
def test_plain_autograd_is_blind_at_silence_and_the_map_is_not(prefilter: str) -> None:
    model = make("LinearNonlinear", prefilter)
    silence = torch.zeros(1, 1, F, 10, requires_grad=True)
    (plain,) = torch.autograd.grad(model(silence)[..., -1].sum(), silence)
    assert not plain.any()
    assert (model.STRF_gradmap().abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("kind", ["adaptrans", "icadaptation"])
def test_no_neuron_is_blind_behind_the_long_kernels_of_real_prefilters(kind: str) -> None:
    model = LinearNonlinear(prefiltering=make_prefiltering(kind, 34, 5.0), out_neurons=4).eval()
    assert (model.STRF_gradmap().abs().amax(dim=(1, 2, 3)) > 1e-3).all()


def test_the_sign_is_that_of_excitation() -> None:
    model = LinearNonlinear(F, 5, out_neurons=2).eval()
    with torch.no_grad():
        model.readout.strf.kernel.weight.fill_(0.1)
        model.readout.bn.weight.copy_(torch.tensor([1.0, -1.0]))
    gradient = model.STRF_gradmap()
    assert (gradient[0] > 0).all()
    assert (gradient[1] < 0).all()


@every_model
def test_every_bin_equals_the_last_bin_of_the_sound_up_to_it(name: str) -> None:
    model = make(name, "AdapTrans").double()
    x = torch.rand(F, 14).double()
    for per_channel in (False, True):
        maps = model.STRF_gradmap(x, bins="all", per_channel=per_channel, window=5)
        assert maps.shape == (14, N, 2 if per_channel else 1, F, 5)
        for t in (0, 3, 13):
            expected = model.STRF_gradmap(x[:, : t + 1], per_channel=per_channel, window=5)
            torch.testing.assert_close(maps[t], expected, rtol=1e-7, atol=1e-10)
        assert (maps[3, ..., 0] == 0).all()  # lag 4 lies before the sound


@pytest.mark.parametrize("rnn_type", ["GRU", "LSTM", "RNN", "LMU"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_bins_of_a_long_sound_equal_the_last_bin_of_the_sound_up_to_them(rnn_type: str, per_channel: bool) -> None:
    prefilter = make_prefiltering("adaptrans", F, 5.0)
    model = StateNet(F, out_neurons=N, kernel_size=3, stride=1, rnn_type=rnn_type, prefiltering=prefilter).double()
    x = torch.rand(F, 3 * LEAST_CHUNK + 7).double()
    bins = [-1, 0, 100, LEAST_CHUNK, LEAST_CHUNK - 1, LEAST_CHUNK + 2, 2 * LEAST_CHUNK]
    maps = model.STRF_gradmap(x, bins=bins, per_channel=per_channel, window=9, neurons=[2, 0])
    for t, found in zip(bins, maps, strict=True):
        end = x.shape[1] if t == -1 else t + 1
        expected = model.STRF_gradmap(x[:, :end], per_channel=per_channel, window=9, neurons=[2, 0])
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-10)


def test_the_maps_of_all_bins_of_a_recurrent_model_take_a_time_that_is_linear_in_the_sound() -> None:
    model = StateNet(F, 4, out_neurons=1, kernel_size=3, stride=1).eval()
    frames = 0

    def count(_module: nn.Module, _input: object, output: tuple[Tensor, Tensor]) -> None:
        nonlocal frames
        frames += output[0].shape[0] * output[0].shape[1]

    model.rnn.register_forward_hook(count)
    for chunks in (4, 8):
        frames = 0
        model.STRF_gradmap(torch.rand(F, chunks * LEAST_CHUNK), bins="all")
        assert frames == MOST_COPIES * chunks * LEAST_CHUNK


@pytest.mark.parametrize("rnn_type", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("window", [None, 1, 8])
def test_at_silence_the_state_of_a_recurrent_model_has_settled(rnn_type: str, window: int | None) -> None:
    model = StateNet(F, out_neurons=N, kernel_size=3, stride=1, rnn_type=rnn_type).eval()
    longer = model.STRF_gradmap(torch.zeros(F, 1000), window=window)
    short = model.STRF_gradmap(window=window)
    assert (short - longer).abs().max() < 1e-4 * longer.abs().max()


def test_chosen_bins() -> None:
    model = make("DNet")
    x = torch.rand(F, 9)
    every = model.STRF_gradmap(x, bins="all")
    chosen = model.STRF_gradmap(x, bins=[-1, 0, 4])
    assert_close(chosen, every[[8, 0, 4]])
    assert_close(model.STRF_gradmap(x), every[-1])
    assert model.STRF_gradmap(x, bins=[]).shape == (0, N, 1, F, 5)


def test_chosen_neurons() -> None:
    model = make("NetworkReceptiveField")
    x = torch.rand(F, 9)
    assert_close(model.STRF_gradmap(neurons=[2, -3]), model.STRF_gradmap()[[2, 0]])
    assert_close(model.STRF_gradmap(x, bins=[3, 8], neurons=[1]), model.STRF_gradmap(x, bins=[3, 8])[:, [1]])
    with pytest.raises(ValueError, match=r"neurons must lie in -3 \.\. 2, got 3"):
        model.STRF_gradmap(neurons=[3])


def test_many_neurons_in_several_passes() -> None:
    model = Linear(4, 3, out_neurons=100).double().eval()
    assert_close(model.STRF_gradmap(), model.effective_STRF()[0])


@every_model
def test_the_model_is_left_as_it_was(name: str) -> None:
    model = make(name, "AdapTrans").train()
    model.readout.activation.eval()
    model.prefiltering.requires_grad_(False)
    loss = model(torch.rand(2, 1, F, 8)).sum()
    loss.backward()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    gradients = {key: None if p.grad is None else p.grad.clone() for key, p in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    modules = dict(model.named_modules())
    for per_channel in (False, True):
        first = model.STRF_gradmap(per_channel=per_channel)
        assert torch.equal(first, model.STRF_gradmap(per_channel=per_channel))
    assert not first.requires_grad
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    for key, parameter in model.named_parameters():
        if gradients[key] is None:
            assert parameter.grad is None
        else:
            assert torch.equal(parameter.grad, gradients[key])
    assert [module.training for module in model.modules()] == modes
    assert dict(model.named_modules()) == modules


@pytest.mark.parametrize("switch", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_switched_off(switch: type) -> None:
    model = make("StateNet-LC", "AdapTrans")
    x = torch.rand(F, 12)
    expected = model.STRF_gradmap(x), model.STRF_gradmap(x, per_channel=True)
    with switch():
        found = model.STRF_gradmap(x.clone()), model.STRF_gradmap(x.clone(), per_channel=True)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_memory_grows_with_the_neurons_not_with_their_square() -> None:
    """The largest tensor of a pass: a bounded batch of copies times N neurons times T bins."""
    largest = {}
    for neurons in (200, 400):
        model = Linear(4, 3, out_neurons=neurons).eval()
        sizes: list[int] = []
        model.readout.register_forward_hook(lambda module, inputs, y, sizes=sizes: sizes.append(y.numel()))
        model.STRF_gradmap()
        largest[neurons] = max(sizes)
    assert largest[400] <= 2 * largest[200] <= 2 * 32 * 200 * 6


@pytest.mark.parametrize("shape", [(F + 1, 9), (2, 1, F, 9), (1, 2, F, 9), (9,), (F, 0)])
def test_a_wrong_stimulus_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"stimulus must have shape \(1, 1, {F}, L\) with L > 0, got"):
        make("Linear").STRF_gradmap(torch.rand(shape))


def test_wrong_bins_and_windows_are_named() -> None:
    model = make("Linear")
    with pytest.raises(ValueError, match=r"bins must lie in -9 \.\. 8, got 9"):
        model.STRF_gradmap(torch.rand(F, 9), bins=[0, 9])
    with pytest.raises(ValueError, match="bins must be None, 'all' or a sequence of ints, got 'last'"):
        model.STRF_gradmap(torch.rand(F, 9), bins="last")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        model.STRF_gradmap(window=0)


@every_model
def test_waveform_gradients_against_finite_differences(name: str) -> None:
    model = make(name, "AdapTrans", wav2spec=Framing()).double()
    waveform = torch.randn(1, 48).double()
    every = model.waveform_gradmap(waveform, bins="all")
    assert every.shape == (6, N, 48)
    step = 1e-6
    with torch.no_grad():
        for sample in (0, 20, 47):
            shift = functional.one_hot(torch.tensor(sample), 48) * step
            slope = (model(waveform + shift) - model(waveform - shift))[0, :, 0] / (2 * step)
            torch.testing.assert_close(every[:, :, sample], slope.T, rtol=1e-4, atol=1e-6)
    assert_close(model.waveform_gradmap(waveform), every[-1])
    assert_close(model.waveform_gradmap(waveform, bins=[2]), every[[2]])


def test_a_waveform_model_has_a_spectrogram_map_too() -> None:
    model = make("Linear", wav2spec=Framing()).double()
    assert_close(model.STRF_gradmap(), model.effective_STRF()[0])
    assert isinstance(model.wav2spec, Framing)


def test_waveform_errors() -> None:
    with pytest.raises(ValueError, match="wav2spec of this StateNet is the identity"):
        StateNet().waveform_gradmap(torch.rand(1, 10))
    with pytest.raises(ValueError, match=r"waveform must hold one sound, shape \(1, ...\), got \(2, 48\)"):
        make("Linear", wav2spec=Framing()).double().waveform_gradmap(torch.rand(2, 48).double())
    with pytest.raises(ValueError, match=r"bins must lie in -6 \.\. 5, got -7"):
        make("Linear", wav2spec=Framing()).double().waveform_gradmap(torch.rand(1, 48).double(), bins=[-7])


def test_the_kink_passes_and_values_stay() -> None:
    x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    for rectify in (torch.relu, functional.relu, nn.ReLU(), Tensor.relu):
        with PassingAtTheKink():
            y = rectify(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert y.tolist() == [0, 0, 2]
        assert gradient.tolist() == [0, 1, 1]
        (gradient,) = torch.autograd.grad(rectify(x).sum(), x)
        assert gradient.tolist() == [0, 0, 1]


@pytest.mark.slow
def test_maps_of_many_bins_take_less_than_three_times_their_memory():
    """They took 17 to 33 times as much: the backend kept memory for each length of the sound."""
    model = LinearNonlinear(34, 40, out_neurons=20).eval()
    stimulus = torch.randn(34, 400)
    model.STRF_gradmap(stimulus, bins=range(5))
    peak, maps = peak_bytes(lambda: model.STRF_gradmap(stimulus, bins=range(100, 400)))
    assert peak < 3 * maps.nbytes


def test_maps_larger_than_the_limit_are_refused_before_any_is_made():
    model = LinearNonlinear(34, 20, out_neurons=100)
    with pytest.raises(ValueError, match=r"gradient maps of 100 neurons at 20000 bins, 680 numbers each, needs 5.1 GB"):
        model.STRF_gradmap(torch.zeros(34, 20_000), bins="all")
    with pytest.raises(ValueError, match=r"limit 1e-06 GB; raise it with max_gb=1"):
        model.STRF_gradmap(max_gb=1e-6)
    with pytest.raises(ValueError, match="the sound before the map needs"):
        model.STRF_gradmap(window=10**9)
