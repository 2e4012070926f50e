"""Losses against slow loops, their gradients, missing data, and every error message."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.metrics import mse_loss, poisson_loss

B, N, R, T = 3, 4, 5, 11


@pytest.fixture
def pred() -> torch.Tensor:
    return torch.rand(B, N, 1, T, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.05


@pytest.fixture
def gt() -> torch.Tensor:
    """Counts with missing bins, a missing repeat, a missing stimulus of a cell, and a cell without any data."""
    g = torch.Generator().manual_seed(2)
    y = torch.poisson(torch.full((B, N, R, T), 1.5, dtype=torch.float64), generator=g)
    y[torch.rand(y.shape, generator=g) < 0.2] = torch.nan
    y[:, :, 2] = torch.nan
    y[1, 0] = torch.nan
    y[:, 3] = torch.nan
    return y


def slow(pred, gt, term, mask=None):
    """Mean of term(pred, mean of the repeats) over bins, each as often as it has repeats, one number at a time."""
    out = []
    for n in range(gt.shape[1]):
        terms = []
        for b in range(gt.shape[0]):
            for t in range(gt.shape[3]):
                values = [
                    gt[b, n, r, t].item()
                    for r in range(gt.shape[2])
                    if not math.isnan(gt[b, n, r, t]) and (mask is None or mask.expand_as(gt)[b, n, r, t])
                ]
                if values:
                    terms += [term(pred[b, n, 0, t].item(), sum(values) / len(values))] * len(values)
        out.append(sum(terms) / len(terms) if terms else math.nan)
    return torch.tensor(out, dtype=torch.float64)


LOSSES = {
    "mse": (mse_loss, {}, lambda p, y: (p - y) ** 2),
    "poisson": (poisson_loss, {}, lambda p, y: p - y * math.log(p)),
    "poisson of a log": (poisson_loss, {"log_input": True}, lambda p, y: math.exp(p) - y * p),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mask_shape", [None, (B, 1, 1, T), (B, N, R, T), (T,)])
def test_values_equal_a_slow_loop(pred, gt, name, mask_shape):
    loss, options, term = LOSSES[name]
    mask = None if mask_shape is None else torch.rand(mask_shape, generator=torch.Generator().manual_seed(3)) < 0.6
    expected = slow(pred, gt, term, mask)
    torch.testing.assert_close(loss(pred, gt, mask=mask, reduction="none", **options), expected, equal_nan=True)
    present = expected[:3]
    torch.testing.assert_close(loss(pred, gt, mask=mask, **options), present.mean())
    torch.testing.assert_close(loss(pred, gt, mask=mask, reduction="sum", **options), present.sum())


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_every_trial_as_its_own_example(pred, gt, name):
    loss, options, _ = LOSSES[name]
    pred.requires_grad_()
    (together,) = torch.autograd.grad(loss(pred, gt, reduction="none", **options)[:3].sum(), pred)
    trials = gt.transpose(1, 2).reshape(B * R, N, 1, T)  # trial r of sound b is example b R + r
    repeated = pred.repeat_interleave(R, 0)
    (apart,) = torch.autograd.grad(loss(repeated, trials, reduction="none", **options)[:3].sum(), pred)
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(pred, gt, name):
    loss, options, _ = LOSSES[name]
    assert torch.autograd.gradcheck(lambda p: loss(p, gt, **options), pred.requires_grad_())
    loss(pred, gt, **options).backward()
    assert pred.grad is not None
    assert pred.grad.isfinite().all()
    assert (pred.grad[:, 3] == 0).all()  # a cell without data pulls at nothing


@pytest.mark.parametrize("name", LOSSES)
def test_no_data_at_all_is_nan_and_not_zero(pred, gt, name):
    loss, options, _ = LOSSES[name]
    for reduction in ("mean", "sum"):
        assert loss(pred, gt * torch.nan, reduction=reduction, **options).isnan()


@pytest.mark.parametrize("name", LOSSES)
def test_a_diverged_prediction_shows(pred, gt, name):
    loss, options, _ = LOSSES[name]
    pred[0, 1, 0, 0] = torch.nan
    gt[0, 1, 0, 0] = 1.0
    assert loss(pred, gt, reduction="none", **options)[1].isnan()
    mask = torch.ones(B, 1, 1, T, dtype=torch.bool)
    mask[0, 0, 0, 0] = False
    assert loss(pred, gt, mask=mask, reduction="none", **options)[1].isfinite()


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_is_computed_in_float32(pred, gt, name):
    loss, options, _ = LOSSES[name]
    low = loss(pred.bfloat16(), gt.bfloat16(), **options)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, loss(pred.float(), gt.float(), **options), rtol=0.02, atol=0.02)


def test_non_contiguous_input(pred, gt):
    p, y = pred.transpose(0, 3).contiguous().transpose(0, 3), gt.transpose(1, 2).contiguous().transpose(1, 2)
    assert not p.is_contiguous()
    torch.testing.assert_close(mse_loss(p, y), mse_loss(pred, gt))


@pytest.mark.parametrize("loss", [mse_loss, poisson_loss])
def test_a_prediction_that_is_not_a_number_does_not_leave_the_mean(loss):
    gt = torch.ones(2, 3, 1, 5)
    gt[:, 1] = torch.nan  # without data: left out
    pred = torch.full((2, 3, 1, 5), 0.5)
    assert loss(pred, gt).isfinite()
    pred[0, 2, 0, 0] = torch.nan
    assert loss(pred, gt, reduction="none").isnan().tolist() == [False, True, True]
    assert loss(pred, gt).isnan()
    assert loss(pred, gt, reduction="sum").isnan()


def one(value: float) -> torch.Tensor:
    return torch.tensor([[[[value]]]], dtype=torch.float64)


rates = st.floats(0, 50)
predictions = st.one_of(st.floats(-10, 50), st.floats(-1e-7, 1e-7))


@settings(max_examples=50, deadline=None)
@given(p=predictions, q=predictions, y=rates, u=st.floats(0.01, 0.99))
def test_poisson_is_convex_and_bounded_below(p, q, y, u):
    at_p, at_q, between = (poisson_loss(one(v), one(y)).item() for v in (p, q, u * p + (1 - u) * q))
    assert between <= u * at_p + (1 - u) * at_q + 1e-9 * (1 + abs(at_p) + abs(at_q))
    # The least value is at the larger of the rate and eps.
    least = max(y, 1e-8)
    assert at_p >= least - y * math.log(least) - 1e-9


@settings(max_examples=25, deadline=None)
@given(p=st.floats(-5, 1e-8), y=rates)
def test_poisson_pushes_a_dead_prediction_up(p, y):
    x = one(p).requires_grad_()
    poisson_loss(x, one(y)).backward()
    assert x.grad is not None
    assert x.grad.item() < 0
    # Slope of the straight part, from the docstring.
    assert x.grad.item() == pytest.approx(-max(1.0, y / 1e-8 - 1))


def test_poisson_is_continuous_at_eps():
    eps = 0.01
    below, above = (poisson_loss(one(eps * f), one(2.0), eps=eps).item() for f in (1 - 1e-9, 1 + 1e-9))
    assert below == pytest.approx(above, abs=1e-7)
    # At and above eps it is the plain likelihood.
    assert poisson_loss(one(eps), one(2.0), eps=eps).item() == pytest.approx(eps - 2 * math.log(eps))


def test_descent_from_below_zero_reaches_the_rate():
    x = one(-3.0).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    for _ in range(1500):
        optimizer.zero_grad()
        poisson_loss(x, one(1.7), eps=0.05).backward()
        optimizer.step()
    assert x.item() == pytest.approx(1.7, abs=0.05)


def test_validate_input(pred, gt):
    poisson_loss(pred, gt, validate_input=True)
    with pytest.raises(ValueError, match=r"pred must be a rate of at least 0, got negative values down to -0\.5"):
        poisson_loss(one(-0.5), one(1.0), validate_input=True)
    with pytest.raises(ValueError, match="gt must be a rate of at least 0, got negative values down to -2"):
        poisson_loss(one(0.5), one(-2.0), validate_input=True)
    assert poisson_loss(one(-0.5), one(1.0), validate_input=True, log_input=True).isfinite()


def test_bad_eps(pred, gt):
    with pytest.raises(ValueError, match="eps must be positive, got 0"):
        poisson_loss(pred, gt, eps=0)


@pytest.mark.parametrize("loss", [mse_loss, poisson_loss])
class TestErrors:
    def test_reduction(self, loss, pred, gt):
        with pytest.raises(ValueError, match=r"reduction must be one of \['none', 'mean', 'sum'\], got 'median'"):
            loss(pred, gt, reduction="median")

    @pytest.mark.parametrize("shape", [(B, N, R, T), (B, N, 1, T + 1), (B, N + 1, 1, T), (B + 1, N, 1, T)])
    def test_shapes_that_do_not_fit(self, loss, gt, shape):
        with pytest.raises(ValueError, match=re.escape(f"got pred of shape {shape} and gt of shape {(B, N, R, T)}")):
            loss(torch.zeros(shape, dtype=torch.float64), gt)

    def test_rank(self, loss, pred, gt):
        with pytest.raises(
            ValueError, match=re.escape("pred must have shape (B, N, R, T) without empty axes, got (4, 1, 11)")
        ):
            loss(pred[0], gt)
        with pytest.raises(
            ValueError, match=re.escape("gt must have shape (B, N, R, T) without empty axes, got (0, 4")
        ):
            loss(pred, gt[:0])

    def test_kind(self, loss, pred, gt):
        with pytest.raises(TypeError, match=r"pred must be a floating-point tensor, got torch\.int64"):
            loss(pred.long(), gt)
        with pytest.raises(TypeError, match="gt must be a floating-point tensor, got list"):
            loss(pred, [1.0])

    def test_mask(self, loss, pred, gt):
        with pytest.raises(TypeError, match=r"mask must be a boolean tensor, got torch\.float32"):
            loss(pred, gt, mask=torch.ones(B, N, 1, T))
        with pytest.raises(TypeError, match="mask must be a boolean tensor, got bool"):
            loss(pred, gt, mask=True)
        with pytest.raises(ValueError, match=re.escape("got shape (7,)")):
            loss(pred, gt, mask=torch.ones(7, dtype=torch.bool))
