"""What a fit does with its settings, its data, and whoever watches it."""

import math
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef, mse_loss, normalized_corrcoef, poisson_loss
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.audio import NetworkReceptiveField
from deepstrf.models.layers import ParametricSTRF
from deepstrf.training import Fitter, History, NonFiniteLossError, predict, roughness, spread
from deepstrf.training.batches import Examples
from tests.training.conftest import BANDS, LAGS, NEURONS, new_model, quick_fitter


def same_weights(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_fit_improves_loss_and_scores(parts):
    train, validation = parts
    model = new_model()
    before = poisson_loss(predict(model, validation.stimuli), validation.responses)
    history = quick_fitter(epochs=12).fit(model, train, validation)
    pred = predict(model, validation.stimuli)
    assert poisson_loss(pred, validation.responses) < before
    assert history.train_loss[-1] < history.train_loss[0]
    assert history.best.score > 0.5
    assert not model.training


def test_an_epoch_record_has_the_losses_and_scores_of_that_epoch(parts):
    train, validation = parts
    model = new_model()
    history = quick_fitter(epochs=1, batch_size=100, smoothness=0.0).fit(model, train, validation)
    (record,) = history.records
    start = new_model().train()
    target = train.responses.mean(2, keepdim=True)
    assert torch.allclose(record.train_loss, poisson_loss(start(train.stimuli), target, reduction="none"), atol=1e-5)
    pred = predict(model, validation.stimuli)
    assert torch.allclose(record.validation_loss, poisson_loss(pred, validation.responses, reduction="none"), atol=1e-6)
    assert torch.allclose(record.scores, corrcoef(pred, validation.responses, reduction="none"), atol=1e-6)
    assert record.score == pytest.approx(record.scores.mean().item())
    assert (record.epoch, record.learning_rate) == (1, 0.01)
    assert record.seconds > 0


def test_one_full_batch_step_is_that_of_the_optimizer(parts):
    """Reference: the same step written out with torch alone."""
    train, _ = parts
    model, reference = new_model(), new_model().train()
    fitter = quick_fitter(epochs=1, batch_size=100, smoothness=0.0, optimizer=partial(torch.optim.SGD, lr=0.1))
    fitter.fit(model, train)
    target = train.responses.mean(2, keepdim=True)
    poisson_loss(reference(train.stimuli), target, reduction="sum").backward()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter -= 0.1 * parameter.grad
    for a, b in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_neurons_are_fitted_alike_in_whatever_company(parts):
    train, _ = parts
    together, alone = new_model(), new_model(out_neurons=1)
    with torch.no_grad():
        for name, value in alone.state_dict().items():
            full = together.state_dict()[name]
            value.copy_(full[1:2] if full.dim() else full)
    fitter = quick_fitter(epochs=2, smoothness=(0.05, 0.1), sparsity=0.01)
    fitter.fit(together, train)
    fitter.fit(alone, train.select(neurons=[1]))
    assert torch.allclose(together.effective_STRF()[0][1], alone.effective_STRF()[0][0], atol=1e-5)


def test_the_best_weights_come_back_and_patience_ends_the_fit(parts):
    train, validation = parts
    kept = {}

    def keep(progress):
        kept[progress.epoch] = {k: v.clone() for k, v in progress.model.state_dict().items()}

    # The best score after three epochs, whatever the model does.
    calls = iter([0.1, 0.2, 0.3, 0.2, 0.3, 0.1, 0.9])

    def score(pred, gt, *, reduction):
        return torch.full((NEURONS,), next(calls))

    model = new_model()
    history = quick_fitter(epochs=50, patience=3, score=score, callbacks=[keep]).fit(model, train, validation)
    assert (len(history), history.best_epoch, history.stopped) == (6, 3, "no better for 3 epochs")
    assert history.score.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.2, 0.3, 0.1])
    for name, value in model.state_dict().items():
        assert torch.equal(value, kept[3][name])


def test_epochs_without_a_score_are_never_best(parts):
    train, validation = parts
    calls = iter([math.nan, 0.1, math.nan, math.nan])

    def score(pred, gt, *, reduction):
        return torch.full((NEURONS,), next(calls))

    assert quick_fitter(score=score).fit(new_model(), train, validation).best_epoch == 2


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        # The third neuron dies: the mean of the others is higher, the population's is not.
        ([[0.6, 0.6, 0.3], [0.6, 0.6, math.nan], [0.7, 0.6, math.nan]], 1),
        # It is dead at first: to count it from the epoch in which it answers would look like a fall.
        ([[0.6, 0.6, math.nan], [0.6, 0.6, 0.3], [0.6, 0.6, math.nan]], 2),
        # Without responses it never counts.
        ([[0.6, 0.6, math.nan], [0.7, 0.6, math.nan], [0.6, 0.5, math.nan]], 2),
    ],
)
def test_a_neuron_without_a_score_does_not_make_an_epoch_the_best(parts, scores, best):
    calls = iter(torch.tensor(scores))

    def score(pred, gt, *, reduction):
        return next(calls)

    history = quick_fitter(epochs=3, score=score).fit(new_model(), *parts)
    assert history.best_epoch == best
    counted = ~torch.tensor(scores).isnan().all(0)
    assert torch.allclose(history.score, torch.tensor(scores).nan_to_num(nan=0.0)[:, counted].mean(1))
    undefined = sum(math.isnan(value) for value in scores[best - 1])
    assert ("1 of 3 undefined" in repr(history)) == (undefined == 1)


def test_without_validation_all_epochs_run_and_the_last_weights_stay(parts):
    last = {}
    history = quick_fitter(
        epochs=3, patience=1, callbacks=[lambda p: last.update({k: v.clone() for k, v in p.model.state_dict().items()})]
    ).fit(model := new_model(), parts[0])
    assert (len(history), history.best_epoch, history.stopped) == (3, 3, "all epochs done")
    assert history.validation_loss.isnan().all()
    assert history.score.isnan().all()
    assert history.best.scores is None
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())


def test_the_seed_decides_and_the_callers_numbers_are_left_alone(parts):
    train, validation = parts
    models = [new_model() for _ in range(3)]
    state = torch.get_rng_state()
    for model, seed in zip(models, (1, 1, 2), strict=True):
        quick_fitter(seed=seed).fit(model, train, validation)
    assert torch.equal(state, torch.get_rng_state())
    assert same_weights(models[0], models[1])
    assert not same_weights(models[0], models[2])


class Careless:
    """Draws random numbers, and leaves the model in evaluation mode."""

    def __call__(self, progress):
        torch.rand(7)
        progress.model.eval()

    def on_batch(self, progress):
        self(progress)


class Noisy(nn.Conv2d):
    """A layer that is not of this library, and draws random numbers."""

    def forward(self, x):
        return super().forward(x + torch.rand_like(x))


def squared_error(pred, target, reduction="none"):
    return mse_loss(pred, target, reduction=reduction)


@pytest.mark.parametrize(
    ("kernel", "options", "draws"),
    [
        (lambda: nn.Conv2d(1, NEURONS, (BANDS, LAGS)), {}, False),
        (lambda: nn.Sequential(nn.Dropout(0.0), nn.Conv2d(1, NEURONS, (BANDS, LAGS))), {}, False),
        (lambda: nn.Sequential(nn.Dropout(0.2), nn.Conv2d(1, NEURONS, (BANDS, LAGS))), {}, True),
        (lambda: nn.Sequential(nn.Dropout2d(1), nn.Conv2d(1, NEURONS, (BANDS, LAGS))), {}, True),
        (lambda: nn.Sequential(nn.RReLU(), nn.Conv2d(1, NEURONS, (BANDS, LAGS))), {}, True),
        (lambda: Noisy(1, NEURONS, (BANDS, LAGS)), {}, True),
        (lambda: nn.Conv2d(1, NEURONS, (BANDS, LAGS)), {"loss": squared_error}, True),
        (lambda: nn.Conv2d(1, NEURONS, (BANDS, LAGS)), {"callbacks": [Careless()]}, True),
    ],
)
def test_random_numbers_that_all_threads_share_are_seeded_only_where_a_fit_draws_some(
    parts, monkeypatch, tmp_path, kernel, options, draws
):
    taken = []

    def take(device):
        taken.append(device)
        return nullcontext()

    monkeypatch.setattr("deepstrf.training.run._own_random_numbers", take)
    fitter = quick_fitter(smoothness=0.0, epochs=1, **options)
    fitter.fit(new_model(kernel=kernel()), parts[0], checkpoint=tmp_path / "fit.ckpt")
    assert bool(taken) is draws


def test_callbacks_may_draw_random_numbers_and_look_at_predictions(parts):
    models = [new_model(kernel=nn.Sequential(nn.Dropout(0.2), nn.Conv2d(1, NEURONS, (BANDS, LAGS)))) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, callbacks in zip(models, ([], [Careless()]), strict=True):
        quick_fitter(smoothness=0.0, callbacks=callbacks).fit(model, parts[0])
    assert same_weights(*models)


def test_a_smooth_field_and_a_sparse_one(parts):
    pair = (parts[0].stimuli, parts[0].responses)  # in bands and bins
    fields = {}
    for name, options in {
        "free": {"smoothness": 0.0},
        "smooth": {"smoothness": 1.0},
        "smooth in time": {"smoothness": (0.0, 1.0)},
        "sparse": {"smoothness": 0.0, "sparsity": 2.0},
    }.items():
        quick_fitter(epochs=15, **options).fit(model := new_model(), pair)
        fields[name] = model.STRF_weight()
    rough = {name: [x.mean().item() for x in roughness(field)] for name, field in fields.items()}
    assert rough["smooth"][0] < 0.5 * rough["free"][0]
    assert rough["smooth"][1] < 0.5 * rough["free"][1]
    assert rough["smooth in time"][1] < 0.5 * rough["free"][1]
    assert rough["smooth in time"][0] > 1.5 * rough["smooth"][0]
    assert spread(fields["sparse"]).mean() < spread(fields["free"]).mean() - 0.05


def test_priors_are_in_units_of_what_a_constant_prediction_loses(parts):
    """One SGD step on the prior alone: the loss here is half the squared error, whose null is half the variance."""
    train, _ = parts

    def half_squared_error(pred, gt, *, reduction):
        return 0.5 * mse_loss(pred, gt, reduction=reduction) + 0.0 * pred.sum()

    model, reference = new_model(), new_model()
    fitter = quick_fitter(
        epochs=1, batch_size=100, smoothness=0.3, loss=half_squared_error, optimizer=partial(torch.optim.SGD, lr=0.05)
    )
    fitter.fit(model, train)
    target = train.responses.mean(2, keepdim=True)
    weight = reference.readout.strf.kernel.weight
    variance = target.transpose(0, 1).flatten(1).var(1, unbiased=False)
    cost = 0.3 * (0.5 * variance * sum(roughness(weight, cf_hz=train.cf_hz, dt_ms=train.dt_ms))).sum()
    reference.train()
    (cost + 0.5 * mse_loss(reference(train.stimuli), target, reduction="sum")).backward()
    assert torch.allclose(model.readout.strf.kernel.weight, weight - 0.05 * weight.grad, atol=1e-6)


def test_gaussians_stay_on_their_grid(parts):
    kernel = ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=2)
    seen = []

    class Watch:
        def __call__(self, progress):
            pass

        def on_batch(self, progress):
            seen.append(kernel.P.detach().clone())

    fitter = quick_fitter(optimizer=partial(torch.optim.Adam, lr=20.0), callbacks=[Watch()])
    fitter.fit(new_model(kernel=kernel), parts[0])
    places = torch.stack(seen)
    assert (places[:, 0] >= 0).all()
    assert (places[:, 0] <= BANDS - 1).all()
    assert (places[:, 1] >= 0).all()
    assert (places[:, 1] <= LAGS - 1).all()
    for axis, last in enumerate((BANDS - 1, LAGS - 1)):  # with steps of 20 bins they did try to leave
        assert (places[:, axis] == 0).any()
        assert (places[:, axis] == last).any()


def test_what_a_callback_is_given(parts):
    train, validation = parts
    model, epochs, batches = new_model(), [], []

    class Watch:
        def __call__(self, progress):
            assert progress.model is model
            assert progress.history.records[-1].epoch == progress.epoch
            epochs.append((progress.epoch, progress.epochs, len(progress.history)))

        def on_batch(self, progress):
            assert len(progress.history) == progress.epoch - 1
            batches.append((progress.epoch, progress.batch, progress.batches))

    quick_fitter(epochs=2, batch_size=3, callbacks=[Watch()]).fit(model, train, validation)
    assert epochs == [(1, 2, 1), (2, 2, 2)]
    assert batches == [(1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]


def test_a_callback_stops_the_fit_after_an_epoch(parts):
    def stop_at_two(progress):
        if progress.epoch == 2:
            progress.stop()

    stopped, reference = new_model(), new_model()
    history = quick_fitter(epochs=9, callbacks=[stop_at_two]).fit(stopped, *parts)
    quick_fitter(epochs=2).fit(reference, *parts)
    assert (len(history), history.stopped) == (2, "stopped by a callback")
    assert same_weights(stopped, reference)


def test_a_callback_stops_the_fit_at_once(parts):
    class StopInTheThird:
        seen = ()

        def __call__(self, progress):
            pass

        def on_batch(self, progress):
            assert progress.batches > 1
            self.seen = (progress.epoch, progress.batch)
            if self.seen == (3, 1):
                progress.stop()

    stopped, reference, callback = new_model(), new_model(), StopInTheThird()
    history = quick_fitter(epochs=9, callbacks=[callback]).fit(stopped, *parts)
    assert callback.seen == (3, 1)
    quick_fitter(epochs=2).fit(reference, *parts)
    assert (len(history), history.stopped) == (2, "stopped by a callback")
    assert same_weights(stopped, reference)


def test_the_reason_of_a_stop_is_in_the_history(parts):
    history = quick_fitter(callbacks=[lambda progress: progress.stop("seen enough")]).fit(new_model(), *parts)
    assert (len(history), history.stopped) == (1, "seen enough")


def test_a_prepared_fit_has_not_begun(parts, tmp_path):
    model, reference = new_model(), new_model()
    run = quick_fitter(epochs=2).prepare(model, *parts, checkpoint=tmp_path / "fit.pt")
    assert same_weights(model, reference)
    assert len(run.history) == 0
    history = run.to_the_end()
    expected = quick_fitter(epochs=2).fit(reference, *parts)
    assert same_weights(model, reference)
    assert torch.equal(history.train_loss, expected.train_loss)
    other = quick_fitter(epochs=2).prepare(loaded := new_model(seed=4), *parts, checkpoint=tmp_path / "fit.pt")
    assert len(other.history) == 2
    assert torch.equal(loaded.STRF_weight(), reference.STRF_weight()) == (expected.best_epoch == 2)


def test_an_interrupted_fit_leaves_the_best_weights(parts):
    def interrupt(progress):
        if progress.epoch == 3:
            raise KeyboardInterrupt

    model, reference = new_model(), new_model()
    with pytest.raises(KeyboardInterrupt):
        quick_fitter(epochs=9, callbacks=[interrupt]).fit(model, *parts)
    history = quick_fitter(epochs=3).fit(reference, *parts)
    assert history.best_epoch == 3
    assert same_weights(model, reference)
    assert not model.training


@pytest.mark.parametrize("when", ["training", "validation"])
def test_a_loss_that_is_nan_is_refused_and_the_best_weights_stay(parts, when):
    calls = []

    def loss(pred, gt, *, reduction):
        values = poisson_loss(pred, gt, reduction=reduction)
        if pred.requires_grad == (when == "training"):
            calls.append(pred.requires_grad)
            # In the third epoch, of two batches or of one evaluation; the unit of the loss takes two values before.
            if len(calls) > 4:
                values = values * torch.tensor([1.0, math.nan, math.inf])
        return values

    model, reference = new_model(), new_model()
    with pytest.raises(NonFiniteLossError) as caught:
        quick_fitter(epochs=9, loss=loss, smoothness=0.0).fit(model, *parts)
    assert (caught.value.epoch, caught.value.neurons) == (3, [1, 2])
    message = str(caught.value)
    assert f"the {when} loss became NaN or infinite in epoch 3, for 2 neurons (1, 2)." in message
    assert "Try a learning rate below 0.01" in message
    quick_fitter(epochs=2, smoothness=0.0).fit(reference, *parts)
    assert same_weights(model, reference)
    assert isinstance(caught.value, ArithmeticError)


def test_weights_that_explode_are_refused(parts):
    model = Linear(BANDS, LAGS, out_neurons=NEURONS)
    fitter = quick_fitter(loss=mse_loss, optimizer=partial(torch.optim.SGD, lr=1e30))
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, for 3 neurons \(0, 1, 2\).*learning rate below 1e\+30"):
        fitter.fit(model, *parts)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_a_neuron_with_a_gap_in_every_sound_is_fitted(parts):
    train, _ = parts
    responses = train.responses.clone()
    responses[:, 0, :, 50] = torch.nan
    model, start = new_model(), new_model()
    fitter = quick_fitter(epochs=1, batch_size=100, smoothness=0.0, optimizer=partial(torch.optim.SGD, lr=0.1))
    fitter.fit(model, (train.stimuli, responses))
    moved = (model.STRF_weight() - start.STRF_weight()).abs().amax((1, 2, 3))
    assert (moved > 0).all()


def test_neurons_without_data_are_left_out(parts):
    train, validation = parts
    responses = train.responses.clone()
    responses[:, 1] = torch.nan
    responses[0, 2] = torch.nan
    model, start = new_model(), new_model()
    history = quick_fitter(smoothness=0.0).fit(model, (train.stimuli, responses), validation)
    assert history.best.train_loss.isnan().tolist() == [False, True, False]
    fields = [m.STRF_weight() for m in (model, start)]
    assert torch.equal(fields[0][1], fields[1][1])
    assert not torch.equal(fields[0][2], fields[1][2])


def test_what_follows_the_end_of_a_stimulus_does_not_matter(parts):
    """Padding is cut off where a batch holds equal lengths: the fit is the one on the short stimuli."""
    train, _ = parts
    longer = torch.nn.functional.pad(train.stimuli, (0, 60), value=33.0)
    responses = torch.nn.functional.pad(train.responses, (0, 60), value=torch.nan)
    a, b = new_model(), new_model()
    quick_fitter().fit(a, (train.stimuli, train.responses))
    quick_fitter().fit(b, (longer, responses))
    assert torch.allclose(a.effective_STRF()[0], b.effective_STRF()[0], atol=1e-5)


def test_frozen_parameters_stay(parts):
    model = new_model()
    model.readout.strf.requires_grad_(False)
    before = model.STRF_weight()
    quick_fitter().fit(model, parts[0])
    assert torch.equal(model.STRF_weight(), before)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="model must have a parameter that requires a gradient, got none"):
        quick_fitter().fit(model, parts[0])


def test_other_optimizers_schedules_losses_scores_and_models(parts):
    for options in (
        {"optimizer": partial(torch.optim.LBFGS, lr=0.3, max_iter=5), "batch_size": 100},
        {"loss": mse_loss, "score": normalized_corrcoef, "optimizer": partial(torch.optim.AdamW, lr=1e-3)},
    ):
        history = quick_fitter(**options).fit(new_model(), *parts)
        assert history.train_loss[-1] < history.train_loss[0]
    halve = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    history = quick_fitter(schedule=halve).fit(new_model(), *parts)
    assert [record.learning_rate for record in history.records] == [0.01, 0.005, 0.0025, 0.00125]
    network = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS, n_hidden=3)
    history = quick_fitter().fit(network, *parts)
    assert history.train_loss[-1] < history.train_loss[0]


def test_a_model_in_float64(parts):
    model = new_model().double()
    history = quick_fitter(epochs=2).fit(model, *parts)
    assert next(model.parameters()).dtype == torch.float64
    assert len(history) == 2


def test_the_bar(parts, capsys):
    Fitter(epochs=2).fit(new_model(), *parts)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "score=" in shown
    quick_fitter().fit(new_model(), *parts)
    assert capsys.readouterr().err == ""


def test_history_has_the_best_epoch_and_the_reason_of_the_end(parts):
    history = quick_fitter().fit(new_model(), *parts)
    assert repr(history).startswith("History(4 epochs; best ")
    assert ", score 0." in repr(history)
    assert repr(history).endswith("; all epochs done)")
    assert repr(History()) == "History(0 epochs)"
    assert History().best is None
    again = History.from_state_dict(history.state_dict())
    assert torch.equal(again.train_loss, history.train_loss)
    assert torch.equal(again.best.scores, history.best.scores)
    assert repr(again) == repr(history)
    assert history.train_loss.shape == history.score.shape == history.validation_loss.shape == (4,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"patience": -1}, "patience must be at least 1, got -1"),
        ({"smoothness": -0.1}, r"smoothness must be at least 0 and finite, got -0\.1"),
        ({"smoothness": (0.1, math.inf)}, r"smoothness must be at least 0 and finite, got \(0\.1, inf\)"),
        (
            {"smoothness": (0.1, 0.2, 0.3)},
            r"must be one number or two, frequency and time, got \(0\.1, 0\.2",
        ),
        ({"sparsity": math.nan}, "sparsity must be at least 0 and finite, got nan"),
    ],
)
def test_settings_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Fitter(**options)


def test_data_that_do_not_fit_the_model(parts):
    train, validation = parts
    with pytest.raises(ValueError, match=r"model must give \(B, 3, 1, T\) for the 3 neurons of train, got \(1, 2, 1"):
        quick_fitter().fit(new_model(out_neurons=2), train)
    with pytest.raises(ValueError, match=r"for the 2 neurons of validation, got \(1, 3, 1, 500\)"):
        quick_fitter().fit(new_model(), train, validation.select(neurons=[0, 1]))
    with pytest.raises(TypeError, match=r"validation must be a Recording or \(stimuli, responses\), got list"):
        quick_fitter().fit(new_model(), train, [1])
    assert isinstance(train, Recording)
    with pytest.raises(ValueError, match=r'loss\(\.\.\., reduction="none"\) must give one value for each .*, got \(\)'):
        quick_fitter(loss=lambda pred, gt, reduction: mse_loss(pred, gt)).fit(new_model(), train)
    with pytest.raises(ValueError, match=r"score\(.* must give one value for each neuron, \(N,\), got float"):
        quick_fitter(score=lambda pred, gt, reduction: 0.5).fit(new_model(), train, validation)
    with pytest.raises(NotImplementedError, match="for a kernel of type Sequential: set smoothness=0"):
        quick_fitter().fit(
            LinearNonlinear(
                BANDS, LAGS, out_neurons=NEURONS, kernel=nn.Sequential(nn.Conv2d(1, NEURONS, (BANDS, LAGS)), nn.ReLU())
            ),
            train,
        )


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("validated", [True, False])
def test_a_plateau_schedule_is_given_the_score_or_the_loss(parts, mode, validated):
    """With patience 0 it divides the steps by ten as soon as an epoch is no better than the best before it."""
    plateau = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, mode=mode, patience=0, threshold=0.0)
    train, validation = parts
    fitter = quick_fitter(epochs=12, patience=12, schedule=plateau, optimizer=partial(torch.optim.Adam, lr=2.0))
    history = fitter.fit(new_model(), train, validation if validated else None)
    if mode == "max" and not validated:
        return  # NaN: nothing to judge by
    values = history.score if mode == "max" else history.validation_loss if validated else history.train_loss
    rate, best, expected = 2.0, -math.inf, []
    for value in (values if mode == "max" else -values).tolist():
        expected.append(rate)
        best, rate = (value, rate) if value > best else (best, rate / 10)
    assert [record.learning_rate for record in history.records] == pytest.approx(expected)
    assert len(set(expected)) > 1


def test_the_first_bins_can_be_left_out_of_loss_scores_and_batch_norm(parts):
    settings = {"epochs": 2, "batch_size": 3, "skip_bins": LAGS - 1}
    model, again = new_model(), new_model()
    history = quick_fitter(**settings).fit(model, *((part.stimuli, part.responses) for part in parts))
    cut = [(part.stimuli, part.responses.clone()) for part in parts]
    for _, responses in cut:
        responses[..., : LAGS - 1] = 1e3
    other = quick_fitter(**settings).fit(again, *cut)
    assert same_weights(model, again)
    assert torch.equal(history.score, other.score)
    assert torch.equal(history.validation_loss, other.validation_loss)
    assert not same_weights(model, new_model())
    with pytest.raises(ValueError, match="skip_bins must be at least 0, got -1"):
        Fitter(skip_bins=-1)


def test_a_bin_weighs_as_many_trials_as_it_has(parts):
    """The same fit as with every trial as an example of its own, in one batch."""
    train, _ = parts
    x, y = train.stimuli[:4], train.responses[:4].clone()
    y[0, :, 1] = torch.nan
    y[2, 1, 0, 50:] = torch.nan
    R = y.shape[2]
    model, reference = new_model().eval(), new_model().eval()
    optimizer = partial(torch.optim.SGD, lr=0.1)
    examples = Examples.of((x, y), "train")
    assert examples.judged.shape[2] == R
    losses = poisson_loss(model(x), examples.judged, reduction="none")
    apart = poisson_loss(
        reference(x.repeat_interleave(R, 0)), y.transpose(1, 2).reshape(4 * R, -1, 1, y.shape[-1]), reduction="none"
    )
    for one, of in ((losses, model), (apart, reference)):
        one.sum().backward()
        optimizer(of.parameters()).step()
    for a, b in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert Examples.of((x, train.responses[:4]), "train").judged.shape[2] == 1  # equal numbers: their mean will do


@pytest.mark.filterwarnings("ignore:parameters in float16")
@pytest.mark.parametrize("validated", [False, True])
def test_half_precision_never_keeps_weights_that_are_not_finite(parts, validated):
    """The last step of an epoch is seen by no training loss."""
    model = new_model().half()
    with pytest.raises(NonFiniteLossError, match="in epoch 1, for 3 neurons"):
        quick_fitter().fit(model, *(parts if validated else parts[:1]))
    assert all(bool(values.isfinite().all()) for values in model.state_dict().values())
