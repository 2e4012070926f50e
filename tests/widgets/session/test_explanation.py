"""Why a response is as high as it is: the products of field and sound add up to the drive, in every bin."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from deepstrf.models import ConvNet2D, LinearNonlinear, StateNet
from deepstrf.models.layers import ParametricSTRF
from deepstrf_widgets import LiveSession

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])
CASES = list(itertools.product(("gaussians", "full", "separable"), ("adaptrans", "icadaptation", None)))


def total(found):
    return found.gain * (sum(found.sums) + found.bias) + found.offset


@pytest.mark.parametrize(("kernel", "prefilter"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_sum_is_the_drive_of_the_session_in_every_bin_of_every_sound(make_session, kernel, prefilter, dtype):
    session = make_session(kernel, prefilter, sounds=3, dtype=dtype)
    if kernel == "gaussians":
        session.set("strf.weight", -1.5, (1, 0, 0))
    rounding = 1e-12 if dtype == torch.float64 else 1e-5
    for sound, frame in itertools.product(range(3), range(session.stimulus.shape[3])):
        found = session.explain(1, (frame + 0.5) * session.dt_ms, sound=sound)
        sizes = abs(found.gain) * (float(found.products.abs().sum()) + abs(found.bias)) + abs(found.offset)
        drive = float(session.live.drive(1)[sound, frame])
        assert found.drive == drive
        assert abs(total(found) - drive) <= rounding * sizes
        assert found.rate == float(session.rate(1)[sound, frame])
        assert (found.frame, found.sound) == (frame, sound)


def test_products_are_field_times_sound_and_there_is_none_before_the_sound_begins(session):
    heard, field = session.live.prefiltered()[0], session.live.kernel(2)
    T = field.shape[-1]
    for frame in range(2 * T):
        found = session.explain(2, frame * session.dt_ms)
        for lag in range(T):
            at = T - 1 - lag
            if frame - lag < 0:
                assert bool(found.stretch[..., at].isnan().all())
                assert bool((found.products[..., at] == 0).all())
            else:
                torch.testing.assert_close(found.stretch[..., at], heard[..., frame - lag])
                torch.testing.assert_close(found.products[..., at], heard[..., frame - lag] * field[..., at])


def test_sound_that_comes_later_changes_nothing(session, make_stimulus):
    other = make_stimulus()
    other[..., 11:] += 3.0
    before = session.explain(0, 10.5 * session.dt_ms)
    session.set_stimulus(other)
    after = session.explain(0, 10.5 * session.dt_ms)
    torch.testing.assert_close(before.products, after.products)
    assert before.drive == pytest.approx(after.drive, rel=1e-12)


def test_it_follows_edits_and_keeps_the_trained_values(session):
    before = session.explain(0, 100.0)
    session.set("strf.weight", 3.0, (0, 0, 0))
    after, trained = session.explain(0, 100.0), session.explain(0, 100.0, trained=True)
    assert after.sums[0] != pytest.approx(before.sums[0])
    assert after.sums[1] == pytest.approx(before.sums[1])
    assert trained.sums == pytest.approx(before.sums)


def test_recorded_is_nan_where_nothing_was_recorded(make_session):
    session = make_session()
    responses = session.responses.clone()
    responses[..., 7] = math.nan
    gapped = LiveSession(session.model, session.stimulus, responses, dt_ms=session.dt_ms, cf_hz=session.cf_hz)
    assert math.isnan(gapped.explain(0, 7.5 * 5).recorded)
    assert gapped.explain(0, 8.5 * 5).recorded == pytest.approx(float(responses[0, 0, :, 8].mean()))
    assert math.isnan(make_session(responses=False).explain(0, 0.0).recorded)


@pytest.mark.parametrize("time_ms", [-1.0, 150.0, 1e9, math.nan, math.inf])
def test_a_moment_outside_the_sound_is_refused(session, time_ms):
    with pytest.raises(ValueError, match=r"time_ms must lie in \[0, 150\) ms"):
        session.explain(0, time_ms)


def test_a_sound_that_there_is_not_is_refused(session):
    with pytest.raises(IndexError, match=r"sound must lie in \[0, 0\], got 1"):
        session.explain(0, 10.0, sound=1)
    with pytest.raises(IndexError, match=r"sound must lie in \[0, 0\], got -1"):
        session.explain(0, 10.0, sound=-1)


def test_neurons_have_names(session):
    assert session.explain("neuron 2", 10.0).neuron == 1


def test_without_a_batch_norm_gain_and_offset_are_one_and_nothing(make_model, make_stimulus):
    model = make_model()
    model.readout.bn = nn.Identity()
    found = LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ).explain(0, 60.0)
    assert (found.gain, found.offset) == (1.0, 0.0)
    assert total(found) == pytest.approx(found.drive)
    assert "batch norm" not in repr(found)


def test_behind_a_core_the_products_are_of_what_it_gives(make_model, make_stimulus):
    model = make_model(prefilter=None)
    model.core = nn.Tanh()
    session = LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ)
    found = session.explain(0, 100.0)
    torch.testing.assert_close(found.stretch[0, :, -1], session.stimulus[0, 0, :, 20].tanh())
    assert total(found) == pytest.approx(found.drive)


def test_of_a_model_without_a_field_the_gradient_is_shown_and_the_rest_named():
    torch.manual_seed(0)
    model = ConvNet2D(16, (3, 4), out_neurons=2)
    stimulus = torch.rand(2, 1, model.F, 80)
    session = LiveSession(model, stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 8000, model.F))
    found = session.explain(1, 300.0, sound=1)
    assert found.is_gradient
    assert sum(found.sums) + found.bias == pytest.approx(found.rate, rel=1e-5)
    # A change of one bin of the sound changes the rate as the gradient says.
    f, lag, step = int(found.field[0].abs().amax(1).argmax()), 1, 1e-2
    moved = stimulus.clone()
    moved[1, 0, f, 60 - lag] += step
    with torch.no_grad():
        change = float(model.eval()(moved)[1, 1, 0, 60] - model(stimulus)[1, 1, 0, 60])
    assert change == pytest.approx(float(found.field[0, f, -1 - lag]) * step, rel=0.1, abs=1e-6)
    assert "gradient" in repr(found)
    assert "rest" in repr(found)


def test_a_recurrent_model_says_why_it_cannot():
    torch.manual_seed(0)
    model = StateNet(16, 9, out_neurons=2)
    session = LiveSession(model, torch.rand(16, 60), dt_ms=5.0, cf_hz=np.geomspace(500, 8000, 16))
    with pytest.raises(ValueError, match="StateNet is recurrent"):
        session.explain(0, 100.0)


def test_a_kernel_that_is_not_linear_is_refused(make_stimulus):
    class Squared(ParametricSTRF):
        def forward(self, x):
            return super().forward(x) ** 2

    model = LinearNonlinear(5, 4, out_neurons=3, kernel=Squared(5, 4, 1, 3, num_gaussians=2)).double()
    with pytest.warns(UserWarning, match="LinearNonlinear"):
        session = LiveSession(model, make_stimulus(), dt_ms=5.0, cf_hz=CF_HZ)
    with pytest.raises(ValueError, match="no receptive field whose products with the sound add up"):
        session.explain(0, 100.0)


def test_the_text_is_short(session):
    text = repr(session.explain(0, 100.0))
    assert text.startswith("Explanation(neuron 1, 102.5 ms: ON ")
    assert "batch norm" in text
    assert "drive" in text
    assert len(text) < 160
