"""Ridge regression against NumPy's least squares on a design matrix written out, single trials as rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef, normalized_corrcoef
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.simulate import strf_correlation
from deepstrf.training import predict, ridge
from deepstrf.training.linear_regression import PENALTIES
from tests.training.conftest import simulate

B, F, N, R, T, LAGS = 4, 3, 3, 3, 120, 4
DT_MS, CF_HZ = 5.0, torch.tensor([500.0, 800.0, 1500.0])


def data(missing: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    x = 3 + torch.randn(B, 1, F, T, generator=g, dtype=torch.float64) * torch.tensor([1.0, 2.0, 0.5])[:, None]
    x[..., 1:] += x[..., :-1].clone()
    signal = x.roll(1, -1).transpose(1, 2) - 0.5 * x.roll(2, -1)[:, :, [1, 2, 0]].transpose(1, 2)
    y = signal + 2 * torch.randn(B, N, R, T, generator=g, dtype=torch.float64)
    if missing:
        y[1, ..., 90:] = torch.nan  # a shorter sound
        y[2, 1:, 2] = torch.nan  # two neurons lack a trial
        y[3, 2, 0, 30:50] = torch.nan  # and one of them a piece of another
    return x, y


def design(sound: np.ndarray) -> np.ndarray:
    """Rows (T, F LAGS): the last LAGS bins of every band, oldest first, 0 before the sound."""
    padded = np.concatenate([np.zeros((F, LAGS - 1)), sound], 1)
    return np.stack([padded[:, t : t + LAGS].ravel() for t in range(sound.shape[1])])


def rows_of(x: torch.Tensor, y: torch.Tensor, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every recorded bin of every trial of neuron n: inputs, response, number of its sound."""
    inputs, out, sounds = [], [], []
    for b, r in itertools.product(range(B), range(R)):
        there = ~y[b, n, r].isnan().numpy()
        inputs.append(design(x[b, 0].numpy())[there])
        out.append(y[b, n, r].numpy()[there])
        sounds.append(np.full(there.sum(), b))
    return np.concatenate(inputs), np.concatenate(out), np.concatenate(sounds)


def penalised(inputs: np.ndarray, out: np.ndarray, alpha: float, root: np.ndarray | None = None) -> np.ndarray:
    """Weights and, last, the intercept: least squares with sqrt(alpha) rows for the penalty, w = root v."""
    root = np.eye(inputs.shape[1]) if root is None else root
    rank = root.shape[1]
    top = np.column_stack([inputs @ root, np.ones(len(inputs))])
    bottom = np.column_stack([np.sqrt(alpha) * np.eye(rank), np.zeros(rank)])
    found = np.linalg.lstsq(np.vstack([top, bottom]), np.concatenate([out, np.zeros(rank)]), rcond=None)[0]
    return np.append(root @ found[:-1], found[-1])


def assert_is(model, n: int, expected: np.ndarray) -> None:
    field, bias = model.effective_STRF()
    scale = np.abs(expected[:-1]).max()
    np.testing.assert_allclose(field[n, 0].numpy().ravel(), expected[:-1], rtol=0, atol=1e-6 * scale)
    assert bias[n].item() == pytest.approx(expected[-1], abs=2e-6 * max(1, abs(expected[-1])))


@pytest.mark.parametrize("alpha", [1.0, 1e3])
@pytest.mark.parametrize("missing", [False, True])
def test_equals_least_squares_with_every_trial_as_its_own_example(alpha, missing):
    """Also scikit-learn's ``Ridge`` and, for sounds of mean 0 that end in silence, MNE's ``TimeDelayingRidge``."""
    x, y = data(missing)
    model = ridge((x, y), LAGS, alpha=alpha, smoothness=None)
    for n in range(N):
        assert_is(model, n, penalised(*rows_of(x, y, n)[:2], alpha))
    inputs = design(x[0, 0].numpy())
    expected = [
        inputs @ penalised(*rows_of(x, y, n)[:2], alpha)[:-1] + model.effective_STRF()[1][n].item() for n in range(N)
    ]
    np.testing.assert_allclose(predict(model, x.float())[0, :, 0].numpy(), expected, atol=1e-4)
    assert not model.training


def test_smoothness_is_a_prior_in_octaves_and_ms():
    x, y = data()
    recording = Recording(x, y, dt_ms=DT_MS, cf_hz=CF_HZ, bins=[T, 90, T, T])
    octaves, ms = CF_HZ.log2().numpy().astype(float), DT_MS * np.arange(LAGS)
    covariance = np.kron(
        np.exp(-0.5 * ((octaves[:, None] - octaves) / 0.4) ** 2), np.exp(-0.5 * ((ms[:, None] - ms) / 8.0) ** 2)
    )
    variance, directions = np.linalg.eigh(covariance)
    kept = np.cumsum(variance) > 0.001 * variance.sum()  # 99.9 % of the variance
    model = ridge(recording, LAGS, alpha=50.0, smoothness=(0.4, 8.0))
    for n in range(N):
        assert_is(model, n, penalised(*rows_of(x, y, n)[:2], 50.0, directions[:, kept] * np.sqrt(variance[kept])))
    plain = ridge(recording, LAGS, alpha=50.0, smoothness=(0.0, 0.0)).effective_STRF()[0]
    torch.testing.assert_close(plain, ridge(recording, LAGS, alpha=50.0, smoothness=None).effective_STRF()[0])


def grid(inputs: np.ndarray) -> np.ndarray:
    centred = inputs - inputs.mean(0)
    return PENALTIES * np.trace(centred.T @ centred) / inputs.shape[1]


def test_folds_choose_the_penalty_of_the_highest_correlation_on_what_was_left_out():
    x, y = data()
    model = ridge((x, y), LAGS, folds=2, smoothness=None)
    for n in range(N):
        inputs, out, sounds = rows_of(x, y, n)
        scores = []
        for alpha in grid(inputs):
            predicted = np.empty(len(out))
            for fold in (0, 1):
                held = sounds % 2 == fold
                found = penalised(inputs[~held], out[~held], alpha)
                predicted[held] = inputs[held] @ found[:-1] + found[-1]
            scores.append(np.corrcoef(predicted, out)[0, 1])
        assert_is(model, n, penalised(inputs, out, grid(inputs)[int(np.argmax(scores))]))


def test_generalised_cross_validation_is_the_formula():
    x, y = data()
    model = ridge((x, y), LAGS, alpha="gcv", smoothness=None)
    for n in range(N):
        inputs, out, _ = rows_of(x, y, n)
        centred = inputs - inputs.mean(0)
        errors = []
        for alpha in grid(inputs):
            found = penalised(inputs, out, alpha)
            residual = out - inputs @ found[:-1] - found[-1]
            hat = np.linalg.solve(centred.T @ centred + alpha * np.eye(inputs.shape[1]), centred.T @ centred)
            errors.append(len(out) * (residual @ residual) / (len(out) - 1 - np.trace(hat)) ** 2)
        assert_is(model, n, penalised(inputs, out, grid(inputs)[int(np.argmin(errors))]))


def test_two_channels_of_a_prefilter_that_travels_with_the_model():
    neurons = simulate(adaptation="adaptrans", snr=2.0)
    train, test = neurons.split(0.8, 0.2)
    prefilter = make_prefiltering("adaptrans", 10, 10.0, max_freq=4000.0)
    model = ridge(train, 8, prefiltering=prefilter)
    assert model.effective_STRF()[0].shape == (3, 2, 10, 8)
    assert model.prefiltering is not prefilter
    torch.testing.assert_close(model.prefiltering.a_on, prefilter.a_on)
    x, y = prefilter(train.stimuli).double().detach(), train.responses.double()
    # Where the gradient of the penalised squares vanishes, alpha times the field is the residual times the input.
    plain = ridge(train, 8, prefiltering=prefilter, alpha=1e4, smoothness=None)
    field, bias = (value.double() for value in plain.effective_STRF())
    predicted = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (7, 0)), field, bias)
    residual = (y - predicted).sum(2)  # predicted is (B, N, 1, T)
    lagged = torch.nn.functional.pad(x, (7, 0)).unfold(-1, 8, 1)
    gradient = torch.einsum("bnt,bcftk->ncfk", residual, lagged)
    torch.testing.assert_close(gradient / 1e4, field, rtol=1e-3, atol=1e-5)
    assert predict(model, test.stimuli).shape == (len(test), 3, 1, test.stimuli.shape[-1])


def test_bands_that_never_move_and_neurons_that_were_not_recorded_have_no_field():
    x, y = data()
    x[:, :, 1] = 40.0
    y[:, 0] = torch.nan
    y[:, 1] = 2.0  # constant
    model = ridge((x, y), LAGS, smoothness=None, folds=2)
    field, bias = model.effective_STRF()
    assert field[:, :, 1].abs().max() == 0
    assert field[:2].abs().max().item() == pytest.approx(0, abs=1e-9)
    assert bias[1].item() == pytest.approx(2.0)
    assert field[2, 0, 0].abs().max() > 0.1


def test_one_sound_is_cut_into_folds():
    x, y = data(missing=False)
    model = ridge((x[:1], y[:1]), LAGS, smoothness=None)
    assert model.effective_STRF()[0].isfinite().all()


def test_it_is_a_baseline_that_finds_a_linear_neuron():
    neurons = simulate(60.0, snr=0.5)
    train, test = neurons.split(0.8, 0.2)
    for alpha in ("folds", "gcv"):
        model = ridge(train, 8, alpha=alpha)
        assert normalized_corrcoef(predict(model, test.stimuli), test.responses).item() > 0.75
        assert strf_correlation(model.effective_STRF()[0], neurons.strf).min() > 0.7
    assert corrcoef(predict(model, train.stimuli), train.responses).item() > 0.5


def test_errors():
    x, y = data()
    with pytest.raises(ValueError, match="alpha must be a number, 'folds' or 'gcv', got 'loo'"):
        ridge((x, y), LAGS, alpha="loo", smoothness=None)
    with pytest.raises(ValueError, match="alpha must be positive, got 0"):
        ridge((x, y), LAGS, alpha=0, smoothness=None)
    with pytest.raises(ValueError, match=r"smoothness must be None unless train is a Recording.*got \(0\.2, 5\.0\)"):
        ridge((x, y), LAGS)
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        ridge((x, y), LAGS, folds=1, smoothness=None)
    with pytest.raises(ValueError, match="n_lags must be at least 1, got 0"):
        ridge((x, y), 0, smoothness=None)
    recording = Recording(x, y, dt_ms=DT_MS, cf_hz=CF_HZ, bins=[T, 90, T, T])
    with pytest.raises(ValueError, match=r"smoothness must be two lengths of at least 0.*got \(-1, 5\)"):
        ridge(recording, LAGS, smoothness=(-1, 5))


def test_the_users_random_numbers_go_on_as_if_nothing_had_been_fitted() -> None:
    x, y = data()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    ridge((x, y), 4, smoothness=None)
    assert torch.equal(torch.rand(2), expected)
