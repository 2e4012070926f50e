"""A fit on the bench: it is the fit that the fitter does alone, and all that the bench has belongs to it."""

import threading

import pytest
import torch
from torch import nn

import deepstrf_widgets
from deepstrf.metrics import poisson_loss
from deepstrf.models.activations import ParametricSigmoid
from deepstrf.models.audio import NetworkReceptiveField
from deepstrf.training import NonFiniteLossError
from tests.training.conftest import BANDS, NEURONS, new_model, quick_fitter, simulate

WAIT_S = 60


@pytest.fixture(scope="module")
def parts():
    return simulate().split(0.67, 0.33)


@pytest.fixture
def train(parts):
    benches = []

    def begin(fitter=None, model=None, *, data=parts, **options):
        fitter = quick_fitter() if fitter is None else fitter
        benches.append(deepstrf_widgets.train(new_model() if model is None else model, fitter, *data, **options))
        return benches[-1]

    yield begin
    for bench in benches:
        bench.close()


class At:
    """Does something after a batch of an epoch, in the fit's thread."""

    def __init__(self, epoch, batch, act):
        self.when, self.act = (epoch, batch), act

    def __call__(self, progress):
        pass

    def on_batch(self, progress):
        if (progress.epoch, progress.batch) == self.when:
            self.act()


def test_the_weights_are_those_of_the_fitter_in_the_users_own_model(train, parts, same, state):
    model, reference = new_model(), new_model()
    bench = train(model=model)
    history = bench.wait(WAIT_S)
    expected = quick_fitter().fit(reference, *parts)
    assert same(state(model), state(reference))
    assert torch.equal(history.train_loss, expected.train_loss)
    assert torch.equal(history.score, expected.score)
    assert not model.training
    assert bench.session.model is model
    assert bench.panels == ["play"]
    assert bench.player.state == "done"
    assert "all epochs done" in bench.player.message


@pytest.mark.parametrize("at", [(1, 1), (2, 2)])
def test_a_pause_changes_nothing(train, parts, same, state, at):
    benches, opened, model, reference = [], threading.Event(), new_model(), new_model()

    def rest():
        assert opened.wait(WAIT_S)
        benches[0].player.rest()

    benches.append(train(quick_fitter(callbacks=[At(*at, rest)], batch_size=3), model))
    opened.set()
    with benches[0].player._changed:
        assert benches[0].player._changed.wait_for(lambda: benches[0].player.state == "paused", WAIT_S)
    for _ in range(3):
        benches[0].step()
    benches[0].play()
    benches[0].wait(WAIT_S)
    quick_fitter(batch_size=3).fit(reference, *parts)
    assert same(state(model), state(reference))


def test_stop_keeps_the_best_weights_and_the_way_back_is_open(train, parts, same, state):
    benches, opened, model, reference = [], threading.Event(), new_model(), new_model()

    def rest():
        assert opened.wait(WAIT_S)
        benches[0].player.rest()

    benches.append(train(quick_fitter(epochs=99, callbacks=[At(3, 1, rest)]), model))
    opened.set()
    bench = benches[0]
    with bench.player._changed:
        assert bench.player._changed.wait_for(lambda: bench.player.state == "paused", WAIT_S)
    bench.stop()
    assert bench.history.stopped == "stopped by hand"
    quick_fitter(epochs=2).fit(reference, *parts)
    assert same(state(model), state(reference))
    first = bench.player.trail.points[0].values
    assert bench.player.show(0) == 0
    # The statistics of the batch norm are those of the data wherever the fit rests, not those of the moment.
    assert same(*({name: value[name] for name in first if "running" not in name} for value in (state(model), first)))
    bench.undo()
    # The statistics of the batch norm are those of the data wherever the fit rests, not those of the moment.
    assert same(*({name: value[name] for name in first if "running" not in name} for value in (state(model), first)))


def test_what_the_user_drags_is_not_moved_by_training(train):
    model = new_model()
    bench = train(quick_fitter(epochs=30, patience=30), model)
    bench.pin("activation.b", neuron=0)
    pinned = bench.session.value("activation.b", (0,))
    bench.wait(WAIT_S)
    assert len(bench.history) == 30
    # The best epoch may be one from before the pin: what is pinned stays even then.
    assert bench.session.value("activation.b", (0,)) == pinned


def test_errors_are_shown_and_raised(train):
    def loss(pred, gt, *, reduction):
        return poisson_loss(pred, gt, reduction=reduction) * torch.nan

    bench = train(quick_fitter(loss=loss, smoothness=0.0))
    with pytest.raises(NonFiniteLossError, match="loss became NaN"):
        bench.wait(WAIT_S)
    assert bench.player.state == "failed"
    assert "NaN" in bench.player.message

    def fail():
        raise OSError("<b>no</b>")

    other = train(quick_fitter(callbacks=[At(1, 1, fail)]))
    with pytest.raises(OSError, match="<b>no</b>"):
        other.wait(WAIT_S)
    assert other.player.message == "<b>no</b>"


def test_a_layer_that_is_replaced_under_a_fitters_fit_ends_it_with_a_word(train):
    model = new_model()

    def replace():
        model.readout.activation = ParametricSigmoid(NEURONS)

    bench = train(quick_fitter(callbacks=[At(2, 1, replace)]), model)
    with pytest.raises(ValueError, match="model must keep its layers and types of numbers while it is fitted"):
        bench.wait(WAIT_S)
    assert bench.player.state == "failed"
    assert "train(...) begins another" in bench.player.message


def test_what_a_fitters_fit_goes_on_without_is_said(train, parts, same, state):
    model, reference = new_model(), new_model()
    seen, opened, benches = [], threading.Event(), []

    def change():
        assert opened.wait(WAIT_S)
        model.readout.bn.eps = 0.25

    def look():
        seen.append(benches[0].player.message)

    callbacks = [At(2, 1, change), At(3, 2, look)]
    benches.append(train(quick_fitter(callbacks=callbacks), model))
    opened.set()
    benches[0].wait(WAIT_S)
    quick_fitter().fit(reference, *parts)
    assert same(state(model), state(reference))
    assert seen == ["The model was changed while it is fitted: the fit goes on with its parts as they were."]


def test_what_is_frozen_under_a_fitters_fit_stays_from_then_on(train):
    model, frozen = new_model(), []
    opened = threading.Event()

    def freeze():
        assert opened.wait(WAIT_S)
        model.readout.activation.requires_grad_(False)

    bench = train(quick_fitter(callbacks=[At(1, 1, freeze), At(2, 1, lambda: frozen.append(values(model)))]), model)
    opened.set()
    bench.wait(WAIT_S)
    assert all(torch.equal(one, other) for one, other in zip(frozen[0], values(model), strict=True))


def values(model):
    return [parameter.detach().clone() for parameter in model.readout.activation.parameters()]


def test_wrong_arguments_are_refused_at_once(parts):
    fitter, train = quick_fitter(), deepstrf_widgets.train
    with pytest.raises(ValueError, match="for the 3 neurons of train"):
        train(new_model(out_neurons=2), fitter, *parts)
    with pytest.raises(TypeError, match=r"train must be a Recording or \(stimuli, responses\), got list"):
        train(new_model(), fitter, [1])
    with pytest.raises(TypeError, match="fitter must be a Fitter, got int"):
        train(new_model(), 3, *parts)
    with pytest.raises(TypeError, match=r"model must be an nn\.Module, got str"):
        train("model", fitter, *parts)
    with pytest.raises(TypeError, match=r"train\(\) has no argument 'chekpoint': did you mean 'checkpoint'\?"):
        train(new_model(), fitter, *parts, chekpoint="a.pt")
    for neuron in (-1, 3):
        with pytest.raises(IndexError, match=rf"neuron must lie in \[0, 2\], got {neuron}"):
            train(new_model(), fitter, *parts, neuron=neuron)
    with pytest.raises(TypeError, match=r"neuron must be an integer or a name, got 1\.5"):
        train(new_model(), fitter, *parts, neuron=1.5)
    for megabytes, message in ((0, "snapshot_mb must be positive"), ("1", "snapshot_mb must be a number of MB")):
        with pytest.raises((TypeError, ValueError), match=message):
            train(new_model(), fitter, *parts, snapshot_mb=megabytes)
    assert not [thread for thread in threading.enumerate() if thread.name == "deepstrf-play"]


def test_a_second_fit_of_one_model_is_refused_until_the_first_is_closed(parts):
    model = new_model()
    bench = deepstrf_widgets.train(model, quick_fitter(epochs=10_000, patience=10_000), *parts)
    with pytest.raises(RuntimeError, match="being fitted already"):
        deepstrf_widgets.train(model, quick_fitter(), *parts)
    bench.close()
    again = deepstrf_widgets.train(model, quick_fitter(epochs=1), *parts)
    assert len(again.wait(WAIT_S)) == 1
    again.close()


def test_the_old_order_of_arguments_works_and_warns(parts):
    with pytest.warns(DeprecationWarning, match=r"train\(fitter, model, \.\.\.\) is called train\(model, fitter"):
        bench = deepstrf_widgets.train(quick_fitter(epochs=1), new_model(), *parts)
    assert len(bench.wait(WAIT_S)) == 1
    bench.close()


def test_a_checkpoint_is_gone_on_from(train, parts, tmp_path, same, state):
    file, model, reference = tmp_path / "fit.pt", new_model(), new_model()
    train(quick_fitter(epochs=2), model, checkpoint=file).wait(WAIT_S)
    again = new_model()
    bench = train(quick_fitter(epochs=4), again, checkpoint=file)
    assert len(bench.wait(WAIT_S)) == 4
    quick_fitter(epochs=4).fit(reference, *parts)
    assert same(state(again), state(reference))


def test_arrays_are_fitted_and_neurons_go_by_number(train, parts):
    arrays = [(part.stimuli.numpy(), part.responses.numpy()) for part in parts]
    with pytest.warns(UserWarning, match="cf_hz"):
        bench = train(quick_fitter(epochs=1), data=arrays, neuron="neuron 3")
    assert bench.neuron == 2
    bench.wait(WAIT_S)


def test_models_without_a_receptive_field_are_fitted_on_the_bench_too(train, parts, same, state):
    """One of the zoo, and a module that is none of the library's."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv1d(BANDS, NEURONS, 1)

        def forward(self, stimulus):
            return nn.functional.softplus(self.layer(stimulus[:, 0]))[:, :, None]

    for make in (lambda: NetworkReceptiveField(BANDS, 8, n_hidden=2, out_neurons=NEURONS), Own):
        models = []
        for _ in range(2):
            torch.manual_seed(4)
            models.append(make())
        train(quick_fitter(epochs=2), models[0]).wait(WAIT_S)
        quick_fitter(epochs=2).fit(models[1], *parts)
        assert same(state(models[0]), state(models[1]))


def test_closing_ends_the_fit_and_its_thread(train):
    bench = train(quick_fitter(epochs=10_000, patience=10_000))
    bench.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "deepstrf-play"]
    assert len(bench.player.trail) == 0
