"""Kernel ridge regression against NumPy's solution of its normal equations, kernels written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef
from deepstrf.models import KernelRegression
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.training import kernel_ridge, predict, ridge
from tests.training.test_linear_regression import CF_HZ, DT_MS, LAGS, B, F, N, data, design

SOUND = torch.tensor([500.0, 700.0, 1000.0, 1400.0, 2000.0, 2800.0])


def likeness(a: np.ndarray, b: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Gaussian kernel of every row of ``a`` with every row of ``b``."""
    return np.array([[np.exp(-0.5 * np.sum((window * (one - other)) ** 2)) for other in b] for one in a])


def test_kernel_ridge_is_the_solution_of_its_normal_equations_with_gaps_and_trials():
    x, y = data()
    alpha = 3.0
    bins = sum(int((~y[b].isnan()).flatten(0, 1).any(0).sum()) for b in range(B))
    model = kernel_ridge((x, y), LAGS, n_points=bins, alpha=alpha, ranges=[torch.inf], sharpness=1.0, length=0.5)
    found = predict(model, x.float())
    rows = np.concatenate([design(x[b, 0].numpy()) for b in range(B)])
    for n in range(N):
        window = model.readout.window[n].double().numpy().ravel()
        K = likeness(rows, rows, window)
        count = (~y[:, n].isnan()).sum(1).numpy().ravel().astype(float)
        sums = y[:, n].nansum(1).numpy().ravel()
        inside = ~y.isnan().flatten(1, 2).all(1).numpy().ravel()
        points = K[:, inside]
        C = np.diag(count)
        top = np.column_stack([points.T @ C @ points + alpha * points[inside], points.T @ count])
        bottom = np.append(points.T @ count, count.sum())
        weights = np.linalg.lstsq(np.vstack([top, bottom]), np.append(points.T @ sums, sums.sum()), rcond=1e-12)[0]
        wanted = points @ weights[:-1] + weights[-1]
        np.testing.assert_allclose(found[:, n, 0].numpy().ravel(), wanted, atol=5e-3 * wanted.std())


def unlike_any_field(neurons: int = 2) -> Recording:
    """Neurons that fire for two levels of a band that lie far apart, or for a sound and not for the sound before."""
    g = torch.Generator().manual_seed(1)
    x = 40 + 10 * torch.randn(8, 1, len(SOUND), 400, generator=g)
    band = (x[:, 0, 2] - 40) / 10
    rate = torch.stack([band.square(), torch.relu(band) * torch.relu(-band.roll(2, -1)) * 2], 1)[:, :neurons]
    y = torch.poisson(rate[:, :, None].expand(-1, -1, 4, -1), generator=g)
    return Recording(x, y, dt_ms=5.0, cf_hz=SOUND)


def test_kernel_ridge_predicts_what_no_receptive_field_can():
    whole = unlike_any_field()
    train, test = whole.select(stimuli=range(6)), whole.select(stimuli=range(6, 8))
    linear, nonlinear = (
        corrcoef(predict(model, test.stimuli), test.responses, reduction="none")
        for model in (ridge(train, 8), kernel_ridge(train, 8, n_points=300))
    )
    assert (nonlinear - linear)[1] > 0.15  # 0.56 against 0.77
    # Without a linear answer, there is no window that a ridge field could point to: no worse than ridge is all.
    assert nonlinear[0] > linear[0] - 0.05


def test_levels_below_the_range_that_predicts_best_count_as_silence():
    whole = unlike_any_field(1)
    x = whole.stimuli
    loud = torch.relu(x[:, 0, 3] - 50.0)
    y = torch.poisson(loud[:, None, None].expand(-1, -1, 4, -1) / 3, generator=torch.Generator().manual_seed(2))
    found = kernel_ridge(
        Recording(x, y, dt_ms=5.0, cf_hz=SOUND), 8, n_points=200, ranges=(25.0, torch.inf), sharpness=1.5
    )
    assert found.readout.floor.item() == pytest.approx(x.max().item() - 25)
    assert found.readout.window[0, 0].sum(1).argmax() == 3


def test_neurons_that_were_not_recorded_or_never_varied_have_no_weights():
    x, y = data(missing=False)
    y[:, 0], y[:, 1] = torch.nan, 2.0
    model = kernel_ridge(Recording(x, y, dt_ms=DT_MS, cf_hz=CF_HZ), LAGS, n_points=40)
    assert not model.readout.weight[:2].any()
    assert model.readout.bias[:2].tolist() == [0.0, 2.0]
    assert model.readout.weight[2].any()
    assert bool(predict(model, x.float()).isfinite().all())


def test_the_model_is_saved_streamed_and_causal(tmp_path):
    x, y = data(missing=False)
    ears = make_prefiltering("adaptrans", F, DT_MS, 500.0, 1500.0)
    recording = Recording(x.float(), y.float(), dt_ms=DT_MS, cf_hz=CF_HZ)
    before = torch.get_rng_state()
    model = kernel_ridge(recording, LAGS, n_points=30, prefiltering=ears)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.axes == recording.axes
    sound = x[:1].float()
    whole = predict(model, sound)
    loaded = KernelRegression.from_pretrained(model.save_pretrained(tmp_path / "kernel"))
    assert torch.equal(predict(loaded, sound), whole)
    stream = model.stream()
    torch.testing.assert_close(torch.cat([stream(part) for part in sound.split(7, -1)], -1), whole, atol=1e-4, rtol=0)
    later = sound.clone()
    later[..., 60:] += 5.0
    assert torch.equal(predict(model, later)[..., :60], whole[..., :60])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"alpha": "gcv"}, "alpha must be a number or 'folds', got 'gcv'"),
        ({"alpha": 0.0}, "alpha must be positive"),
        ({"ranges": ()}, "ranges must hold at least one value"),
        ({"ranges": (0.0,)}, r"ranges must hold at least one value, all of them positive, got \(0.0,\)"),
        ({"sharpness": -1.0}, "sharpness must hold at least one value, all of them positive, got -1"),
        ({"sharpness": (1.0, torch.inf)}, "sharpness must hold"),
        ({"length": 0.0}, "length must be positive"),
        ({"n_points": 0}, "n_points must be at least 1"),
    ],
)
def test_settings_that_break_their_rule_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        kernel_ridge(data(), LAGS, **setting)


def test_ranges_that_are_no_numbers_are_refused_and_one_number_will_do():
    with pytest.raises(TypeError, match="ranges must be a number or several, got 'loud'"):
        kernel_ridge(data(), LAGS, ranges="loud")
    x, _ = data()
    model = kernel_ridge(data(), LAGS, n_points=20, ranges=3.0, sharpness=2.0)
    assert model.readout.floor.tolist() == pytest.approx([x.max().item() - 3] * N)


@pytest.mark.parametrize("sounds", [0.0, 3.0])
def test_sounds_that_never_change_leave_the_mean_response(sounds):
    x, y = data(missing=False)
    with pytest.warns(UserWarning, match="no band of the stimuli moves"):
        model = kernel_ridge((torch.full_like(x, sounds), y), LAGS, n_points=20)
    torch.testing.assert_close(predict(model, x.float())[0, :, 0, 50], y.mean((0, 2, 3)).float())


def test_a_neuron_that_was_recorded_in_one_sound_takes_the_largest_penalty():
    x, y = data(missing=False)
    y[[0, 2, 3], 0] = torch.nan
    found = predict(kernel_ridge((x, y), LAGS, n_points=20, folds=4), x.float())
    assert found[:, 0].std() < 0.05 * found[:, 1].std()
