"""Adaptation prefilters: kernels worked out by hand, both ways of computing them, and errors."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from deepstrf.models.prefiltering import (
    AdapTrans,
    ICAdaptation,
    Willmore_Adaptation,
    get_CFs,
    make_prefiltering,
)
from tests.models.layers.plain import adaptrans_by_convolution
from tests.tolerances import assert_close

fractions = st.floats(1e-6, 1.0)


def test_kernels_worked_out_by_hand() -> None:
    # a = 1/2, K = 5: weights 1/8, 1/4, 1/2, 1 over their sum 15/8 are 1/15, 2/15, 4/15, 8/15; w = 3/4.
    past = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64) / 15
    one, w = torch.ones(1, dtype=torch.float64), torch.full((1,), 0.75, dtype=torch.float64)
    assert_close(ICAdaptation([0.5], 5).double().build_kernels(), torch.cat([-past, one]).view(1, 1, 5))
    on, off = AdapTrans(one / 2, w, 5).build_kernels()
    assert_close(on, torch.cat([-0.75 * past, one]).view(1, 1, 5))
    assert_close(off, torch.cat([past, -w]).view(1, 1, 5))


@given(a=st.lists(fractions, min_size=1, max_size=4), w=fractions, kernel_size=st.integers(2, 700))
def test_both_kernels_sum_to_one_minus_w(a: list[float], w: float, kernel_size: int) -> None:
    filters = AdapTrans(torch.tensor(a).double(), torch.full((len(a),), w).double(), kernel_size)
    for kernel in filters.build_kernels():
        assert kernel.shape == (len(a), 1, kernel_size)
        assert_close(kernel.sum(-1), torch.full((len(a), 1), 1 - w).double(), torch.float32)


@pytest.mark.parametrize("kernel_size", [2, 5, 70, 651])
@pytest.mark.parametrize("T", [1, 3, 400])
def test_output_is_the_rectified_convolution_with_the_kernels(kernel_size: int, T: int) -> None:
    filters = AdapTrans(torch.linspace(0.3, 1.0, 8), torch.linspace(0.1, 1.0, 8), kernel_size)
    x = torch.rand(2, 1, 8, T)
    raw = [tensor.double() for tensor in (filters.d_on, filters.d_off, filters.p)]
    assert_close(filters(x), adaptrans_by_convolution(x.double(), *raw, kernel_size))
    adaptation = ICAdaptation(torch.linspace(0.3, 1.0, 8), kernel_size)
    padded = torch.nn.functional.pad(x.squeeze(1).double(), (kernel_size - 1, 0), mode="replicate")
    kernels = copy.deepcopy(adaptation).double().build_kernels()
    expected = torch.relu(torch.nn.functional.conv1d(padded, kernels, groups=8))
    assert_close(adaptation(x), expected.unsqueeze(1))


def test_a_step_shows_both_polarities() -> None:
    # Onset: the past average is 0, so ON = 1 and OFF = max(0, -w) = 0. Offset after a long tone: ON = 0, OFF = 1.
    filters = AdapTrans([0.5], [0.75], 5)
    x = torch.zeros(1, 1, 1, 40)
    x[..., 10:30] = 1.0
    on, off = filters(x)[0, :, 0]
    assert on[10] == 1.0
    assert off[10] == 0.0
    assert on[30] == 0.0
    assert_close(off[30], 1.0, torch.float32)
    # Sustained sound longer than the kernel: ON settles at 1 - w, OFF at 1 - w, both being present minus past.
    assert_close(on[29], 0.25, torch.float32)
    assert_close(off[29], 0.25, torch.float32)


@given(a=fractions, w=fractions)
def test_natural_units_round_trip_through_the_raw_tensors(a: float, w: float) -> None:
    def numbers(*values: float) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)

    filters = AdapTrans(numbers(a, 1.0), numbers(w, 1.0), 3)
    for decay in filters.get_a():
        assert_close(decay, numbers(a, 1.0))
    assert_close(filters.get_w(), numbers(w, 1.0))
    filters.a_off = numbers(w, a)
    filters.w = [a, w]
    assert_close(filters.get_a()[1], numbers(w, a))
    assert_close(filters.get_a()[0], numbers(a, 1.0))
    assert_close(filters.w, numbers(a, w))


def test_a_slice_of_bands_gives_a_slice_of_the_output() -> None:
    filters = make_prefiltering("adaptrans", 34, 5.0)
    x = torch.rand(1, 1, 34, 300)
    some = {name: tensor[5:9] for name, tensor in filters.named_parameters()}
    assert_close(functional_call(filters, some, (x[:, :, 5:9],)), filters(x)[:, :, 5:9])


@pytest.mark.parametrize("learnable", [True, False])
def test_the_tensors_are_copies_and_learnable_only_on_request(learnable: bool) -> None:
    a, w = torch.full((3,), 0.5), torch.full((3,), 0.75)
    filters = AdapTrans(a, w, 4, learnable=learnable)
    adaptation = ICAdaptation(a, 4)
    a.zero_()
    w.zero_()
    assert_close(filters.get_a()[0], torch.full((3,), 0.5))
    assert_close(filters.get_w(), torch.full((3,), 0.75))
    assert_close(adaptation.a, torch.full((3,), 0.5))
    assert list(filters.state_dict()) == ["d_on", "d_off", "p"]
    assert [name for name, _ in filters.named_parameters()] == (["d_on", "d_off", "p"] if learnable else [])
    assert list(adaptation.state_dict()) == ["a"]
    assert not list(adaptation.parameters())


def test_silence_and_long_recordings_in_float32_stay_exact() -> None:
    """A constant sound differs from its own past by nothing, however long it lasts and however slow the decay."""
    filters = AdapTrans([0.999, 1.0], [1.0, 1.0], 651)
    y = filters(torch.full((1, 1, 2, 20000), 80.0))
    assert_close(y, torch.zeros(1, 2, 2, 20000))


@pytest.mark.parametrize("kind", ["adaptrans", "icadaptation", "willmore"])
@pytest.mark.parametrize("dt", [1.0, 5.0, 20.0])
def test_from_1_ms_upward_the_number_of_taps_does_not_follow_the_bin_width(kind: str, dt: float) -> None:
    """Checkpoints do not store it: it must be what it was when they were written."""
    assert make_prefiltering(kind, 34, dt).kernel_size == 651


@pytest.mark.parametrize("kind", ["adaptrans", "icadaptation"])
def test_the_cost_does_not_grow_with_the_taps(kind: str) -> None:
    decays, weights = torch.linspace(0.9, 0.98, 34), torch.full((34,), 0.75)
    x = torch.rand(2, 1, 34, 3000)
    products = []
    for kernel_size in (651, 2601):
        layer = AdapTrans(decays, weights, kernel_size) if kind == "adaptrans" else ICAdaptation(decays, kernel_size)
        with FlopCounterMode(display=False) as counter:
            layer(x)
        products.append(counter.get_total_flops())
    assert 0 < products[1] == products[0] < 2 * 2 * 34 * 3000 * 651  # the convolution would do this much and more


def test_the_factory() -> None:
    filters = make_prefiltering("adaptrans", 34, 5.0)
    assert isinstance(filters, AdapTrans)
    # K = round(3 max tau) + 1 = round(3 * 216.608) + 1 = 651, whatever dt is from 1 ms upward.
    assert filters.kernel_size == 651
    assert filters.out_channels == 2
    cf_hz = get_CFs(500.0, 20000.0, 34, "mel")
    assert_close(filters.get_a()[0], torch.exp(-5.0 / (500 - 105 * torch.log10(cf_hz))))
    assert_close(filters.get_w(), torch.full((34,), 0.75))
    assert not list(make_prefiltering("adaptrans", 4, 1.0, learnable=False).parameters())
    for kind in ("icadaptation", "willmore"):
        adaptation = make_prefiltering(kind, 8, 1.0, min_freq=1000.0, max_freq=8000.0, scale="greenwood")
        assert isinstance(adaptation, Willmore_Adaptation)
        assert adaptation.out_channels == 1
        assert adaptation.kernel_size == 3 * (500 - 105 * 3) + 1
    with pytest.raises(ValueError, match=r"kind must be one of \['adaptrans', .*got 'adaptation'"):
        make_prefiltering("adaptation", 4, 1.0)
    with pytest.raises(ValueError, match=r"^init_w must lie in \(0, 1\], got 0"):
        make_prefiltering("adaptrans", 4, 1.0, init_w=0.0)


@pytest.mark.parametrize("dt_ms", [0.1, 0.25, 0.5, 1.0, 5.0])
def test_the_memory_is_as_long_at_every_bin_width(dt_ms: float) -> None:
    """A step of 40 dB, 150 ms on, at 500 Hz: 40 (1 - w (1 - exp(-150 / tau))) = 25.0 dB with tau 216.6 ms, w 0.75.

    Taps that end after 3 tau average what they hold: their sum lacks exp(-3), by which the past counts more.
    """
    filters = make_prefiltering("adaptrans", 1, dt_ms, min_freq=500.0)
    after = round(150 / dt_ms)
    step = torch.cat([torch.zeros(5), torch.full((after + 1,), 40.0)]).view(1, 1, 1, -1)
    tau_ms = 500 - 105 * math.log10(500)
    whole = 1 - math.exp(-(filters.kernel_size - 1) * dt_ms / tau_ms)
    # The past holds `after` bins of the step.
    expected = 40 * (1 - 0.75 * (1 - math.exp(-after * dt_ms / tau_ms)) / whole)
    assert filters(step)[0, 0, 0, -1].item() == pytest.approx(expected, abs=0.02)
    assert 40 * (1 - 0.75 * (1 - math.exp(-150 / tau_ms))) == pytest.approx(25.0, abs=0.05)
    assert expected == pytest.approx(25.0, abs=1.0)


def test_below_1_ms_there_are_as_many_taps_as_the_memory_needs() -> None:
    assert make_prefiltering("icadaptation", 34, 0.25).kernel_size == round(4 * 3 * 216.608) + 1


@pytest.mark.parametrize("learning_rate", [0.01, 0.1])
def test_a_start_at_a_weight_or_a_decay_of_1_can_learn(learning_rate: float) -> None:
    """To the outputs of filters with w = 0.5 and a = 0.8, from 1 and 1, where 1 / (1 + d^2) has slope 0."""
    x = torch.rand(4, 1, 3, 200, generator=torch.Generator().manual_seed(0))
    wanted = AdapTrans([0.8] * 3, [0.5] * 3, 30, learnable=False)(x)
    filters = AdapTrans([1.0] * 3, [1.0] * 3, 30)
    assert filters.get_w().tolist() == [1.0] * 3
    optimizer = torch.optim.Adam(filters.parameters(), lr=learning_rate)
    for _ in range(600):
        optimizer.zero_grad()
        (filters(x) - wanted).square().mean().backward()
        optimizer.step()
    assert filters.get_w().tolist() == pytest.approx([0.5] * 3, abs=0.02)
    for a in filters.get_a():
        assert a.tolist() == pytest.approx([0.8] * 3, abs=0.02)


def test_stored_values_of_1_come_back_unchanged() -> None:
    state = {name: torch.zeros(2) for name in ("d_on", "d_off", "p")}
    filters = AdapTrans([0.5] * 2, [0.5] * 2)
    filters.load_state_dict(state)
    assert filters.w.tolist() == filters.a_on.tolist() == filters.a_off.tolist() == [1.0, 1.0]
    assert AdapTrans([1.0], [1.0], learnable=False).w.tolist() == [1.0]


@pytest.mark.parametrize("bad", [0.0, -0.5, 1.5, float("nan")])
def test_values_outside_their_range(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"^init_a_vals must lie in \(0, 1\], got {bad:g}$"):
        ICAdaptation([0.5, bad])
    with pytest.raises(ValueError, match=rf"^init_a_vals must lie in \(0, 1\], got {bad:g}$"):
        AdapTrans([0.5, bad], [0.5, 0.5])
    with pytest.raises(ValueError, match=rf"^init_w_vals must lie in \(0, 1\], got {bad:g}$"):
        AdapTrans([0.5, 0.5], [bad, 0.5])


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"init_a_vals must have shape \(F,\).*got \(1, 2\)"):
        ICAdaptation([[0.5, 0.5]])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"init_a_vals and init_w_vals must have the same length F, got 2 and 1"):
        AdapTrans([0.5, 0.5], [0.5])
    with pytest.raises(ValueError, match="kernel_size must be at least 2, got 1"):
        AdapTrans([0.5], [0.5], kernel_size=1)
    with pytest.raises(TypeError, match="kernel_size must be an int, got float"):
        ICAdaptation([0.5], kernel_size=5.0)  # type: ignore[arg-type]
    for layer in (ICAdaptation([0.5, 0.5], 3), AdapTrans([0.5, 0.5], [0.5, 0.5], 3)):
        for shape in ((1, 2, 9), (1, 2, 2, 9), (1, 1, 3, 9), (1, 1, 2, 0)):
            with pytest.raises(ValueError, match=rf"spectro_in must have shape \(B, 1, 2, T\).*got \({shape[0]}, "):
                layer(torch.zeros(shape))
