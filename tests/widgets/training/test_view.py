"""The view of a fit: what it shows is what the fit did, and looking changes nothing."""

import threading

import numpy as np
import pytest
import torch

import deepstrf_widgets
from deepstrf.metrics import poisson_loss
from deepstrf.models import LinearNonlinear
from deepstrf.models.audio import NetworkReceptiveField
from deepstrf.models.prefiltering import make_prefiltering
from deepstrf.training import Fitter, NonFiniteLossError
from deepstrf_widgets.figures import style
from tests.training.conftest import BANDS, LAGS, NEURONS, new_model, quick_fitter, simulate
from tests.widgets.training.test_background_fit import WAIT_S, At, Keep

CURVE = "output curve (spikes/bin)"


@pytest.fixture(scope="module")
def parts():
    return simulate().split(0.67, 0.33)


@pytest.fixture
def train(parts, monkeypatch):
    """``train(fitter, model, page=True)``: a view of a fit, with a page that looks at it and answers."""
    views = []

    def begin(fitter=None, model=None, *, data=parts, page=True, **options):
        fitter = quick_fitter() if fitter is None else fitter
        views.append(deepstrf_widgets.train(new_model() if model is None else model, fitter, *data, **options))
        controls = views[-1]._controls
        controls.sent.observe(lambda change: controls.painted.set_state({"value": change["new"]}), "value")
        if page:
            views[-1].set_state({"_view_count": 1})
        return views[-1]

    yield begin
    for view in views:
        view.close()


def wait_until(widget, name, is_so):
    """Returns when ``is_so(value)`` of a trait."""
    come = threading.Event()

    def look(_change=None):
        if is_so(getattr(widget, name)):
            come.set()

    widget.observe(look, name)
    look()
    assert come.wait(WAIT_S), getattr(widget, name)
    widget.unobserve(look, name)


def paint(view):
    """Returns when all that was asked for is on screen."""
    controls = view._controls
    wait_until(view, "children", lambda children: len(children) == 4)
    # A painting of its own: the slider's place says that a later one has been done.
    done = threading.Event()
    original = view._scheduler._paint

    def counted():
        patience = original()
        done.set()
        return patience

    view._scheduler._paint = counted
    view._scheduler.request()
    assert done.wait(WAIT_S), "no painting"
    view._scheduler._paint = original
    return controls


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def assert_shows(view, weights, neuron):
    """Against the field that the library folds, and the curve that the model's own module computes."""
    reference = new_model(seed=9)
    reference.load_state_dict(weights)
    reference.eval()
    shown = traces(view.figures)
    field = reference.effective_STRF()[0][neuron]
    scale = field.abs().max().item()
    np.testing.assert_allclose(shown["STRF"].z, field[0], atol=6e-5 * scale)  # five digits of the largest
    assert shown["STRF"].zmax == -shown["STRF"].zmin == pytest.approx(scale, rel=1e-4)
    drive = torch.tensor(shown[CURVE].x, dtype=torch.float32)
    rate = reference.readout.activation(drive[:, None].expand(-1, NEURONS))[:, neuron].detach()
    np.testing.assert_allclose(shown[CURVE].y, rate, atol=1e-4)


def test_the_weights_are_those_of_the_fitter_while_the_view_is_painted(train, same, state):
    """With a figure that is painted all the time, a slider that moves, and every neuron."""
    model, reference = new_model(), new_model()
    views, opened, paused = [], threading.Event(), threading.Event()

    def pause():
        assert opened.wait(WAIT_S)  # the fit's thread may be here before train() has returned
        views[0].pause()
        paused.set()

    def look(progress):
        if progress.epoch > 1:
            views[0].neuron = progress.epoch % NEURONS
            views[0]._controls.slider.value = progress.epoch - 1

    fitter = quick_fitter(epochs=12, callbacks=[At(1, 1, pause), look])
    views.append(view := train(fitter, model))
    opened.set()
    assert paused.wait(WAIT_S)
    paint(view)
    view.resume()
    history = view.wait(WAIT_S)
    expected = quick_fitter(epochs=12).fit(reference, *view_parts(view))
    assert same(state(model), state(reference))
    assert torch.equal(history.train_loss, expected.train_loss)
    assert view.model is model


def view_parts(view):
    return view._train, view._validation


def test_scrubbing_shows_the_weights_of_that_epoch(train):
    keep = Keep()
    view = train(quick_fitter(epochs=6, callbacks=[keep]))
    history = view.wait(WAIT_S)
    best = history.best_epoch
    controls = paint(view)
    assert view.epoch == controls.slider.value == best
    assert controls.slider.max == 6
    assert_shows(view, keep.weights[best], 0)
    for epoch, neuron in ((2, 0), (5, 0), (5, 2), (1, 1)):
        controls.slider.value = epoch
        controls.neurons.value = neuron
        paint(view)
        assert (view.epoch, view.neuron) == (epoch, neuron)
        assert_shows(view, keep.weights[epoch], neuron)
        names = view._train.neuron_names
        assert view.figures.layout.title.text == f"{names[neuron]} · after epoch {epoch}"
        assert [line.x0 for line in view.figures.layout.shapes] == [epoch, epoch]
        scores = [record.scores[neuron].item() for record in history.records]
        shown = traces(view.figures)
        np.testing.assert_allclose(shown["score of this neuron"].y, scores, atol=1e-5)
        np.testing.assert_allclose(shown["mean score"].y, history.score, atol=1e-5)
        np.testing.assert_allclose(shown["training loss"].y, history.train_loss, atol=1e-4)
        np.testing.assert_allclose(shown["validation loss"].y, history.validation_loss, atol=1e-4)
        assert list(shown["best so far"].x) == [best]
        assert shown["best so far"].y == pytest.approx([history.best.score], abs=1e-5)
    controls.best.click()
    assert view.epoch == best
    view.epoch = 3
    assert view.epoch == 3
    view.follow()
    assert view.epoch == best
    with pytest.raises(ValueError, match=r"epoch must be one whose weights were kept, \[1, 2, 3, 4, 5, 6\], got 7"):
        view.epoch = 7


def test_scrubbing_while_it_runs(train):
    keep = Keep()
    views = []
    fitter = quick_fitter(callbacks=[keep, At(4, 1, lambda: views[0].pause())])
    views.append(view := train(fitter))
    wait_until(view._controls.pause, "description", lambda words: words == "Resume")
    controls = paint(view)
    assert (view.epoch, view.epochs, view.state) == (3, (1, 2, 3), "paused")
    assert controls.slider.value == 3
    assert controls.message.value == "Paused."
    assert controls.progress_text.value.startswith("epoch 3 of 4 · ")
    controls.slider.value = 1
    paint(view)
    assert_shows(view, keep.weights[1], 0)
    assert controls.restore.disabled
    controls.slider.value = 4  # has not been yet: the newest, and on from there
    paint(view)
    assert view.epoch == controls.slider.value == 3
    controls.pause.click()
    view.wait(WAIT_S)
    assert view.epoch == view.history.best_epoch


def test_the_slider_goes_to_the_nearest_epoch_that_was_kept(train):
    size = sum(x.numel() * x.element_size() for x in new_model().state_dict().values())
    view = train(quick_fitter(epochs=9), snapshot_mb=6 * size / 1e6)
    best = view.wait(WAIT_S).best_epoch
    assert set(view.epochs) == {1, 2, 4, 6, 8, 9, best} - ({2, 6} if len(view.epochs) < 5 else set())
    controls = paint(view)
    controls.slider.value = 5
    paint(view)
    assert controls.slider.value == view.epoch
    assert view.epoch in view.epochs
    assert abs(view.epoch - 5) == min(abs(epoch - 5) for epoch in view.epochs)


def test_restoring(train, same, state):
    keep = Keep()
    model = new_model()
    view = train(quick_fitter(callbacks=[keep]), model)
    best = view.wait(WAIT_S).best_epoch
    controls = paint(view)
    assert controls.restore.disabled  # it is in the model already
    assert controls.best.disabled
    assert controls.message.value == f"All epochs done. The model has the weights of epoch {best}, the best."
    controls.slider.value = 1
    paint(view)
    assert not controls.restore.disabled
    controls.restore.click()
    paint(view)
    assert same(state(model), keep.weights[1])
    assert controls.message.value == "All epochs done. The model has the weights of epoch 1."
    view.restore(2)
    assert same(state(model), keep.weights[2])
    view.restore()
    assert same(state(model), keep.weights[best])
    assert view.epoch == best
    with pytest.raises(ValueError, match=r"\[1, 2, 3, 4\], got 0"):
        view.restore(0)


def test_stop(train, same, state):
    views = []
    model, reference = new_model(), new_model()
    fitter = quick_fitter(epochs=99, callbacks=[At(3, 1, lambda: views[0].pause())])
    views.append(view := train(fitter, model))
    wait_until(view._controls.pause, "description", lambda words: words == "Resume")
    with pytest.raises(RuntimeError, match="model is being fitted: wait for the end, or stop it"):
        _ = view.model
    with pytest.raises(RuntimeError, match="weights can be restored when the fit has ended"):
        view.restore(1)
    view._controls.stop.click()
    history = view.wait(WAIT_S)
    quick_fitter(epochs=2).fit(reference, *view_parts(view))
    assert same(state(model), state(reference))
    assert history.stopped == view.state == "stopped by hand"
    controls = paint(view)
    assert (controls.pause.disabled, controls.stop.disabled, controls.progress.bar_style) == (True, True, "success")


def test_errors_are_shown_and_raised(train):
    def loss(pred, gt, *, reduction):
        return poisson_loss(pred, gt, reduction=reduction) * torch.nan

    view = train(quick_fitter(loss=loss, smoothness=0.0))
    with pytest.raises(NonFiniteLossError, match="loss became NaN") as caught:
        view.wait(WAIT_S)
    controls = paint(view)
    assert f"NonFiniteLossError: {caught.value}" in controls.message.value
    assert controls.progress.bar_style == "danger"
    assert repr(view) == "TrainingView(LinearNonlinear, 3 neurons, NonFiniteLossError)"
    assert view.epoch == 0
    assert view.figures.layout.title.text.endswith("before the first epoch")

    def fail():
        raise OSError("<b>no</b>")

    other = train(quick_fitter(callbacks=[At(1, 1, fail)]))
    with pytest.raises(OSError, match="<b>no</b>"):
        other.wait(WAIT_S)
    assert "OSError: &lt;b&gt;no&lt;/b&gt;" in paint(other).message.value


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
    nearest = parts[0].neuron_names[1]
    with pytest.raises(ValueError, match=f"got '{nearest}x': did you mean '{nearest}'"):
        train(new_model(), fitter, *parts, neuron=f"{nearest}x")
    assert not [thread for thread in threading.enumerate() if thread.name in ("deepstrf-fit", "deepstrf-painter")]


def test_the_old_order_of_arguments_works_and_warns(parts):
    with pytest.warns(DeprecationWarning, match=r"train\(fitter, model, \.\.\.\) is called train\(model, fitter"):
        view = deepstrf_widgets.train(quick_fitter(epochs=1), new_model(), *parts)
    assert len(view.wait(WAIT_S)) == 1
    view.close()


def test_arrays_are_fitted_and_neurons_go_by_name(train, parts):
    arrays = [(part.stimuli.double().numpy(), part.responses.double().numpy()) for part in parts]
    view = train(quick_fitter(epochs=1), data=arrays, neuron="neuron 3")
    assert view.neuron == 2
    view.neuron = "neuron 2"
    assert view.neuron == 1
    view.wait(WAIT_S)
    with pytest.warns(UserWarning, match="cf_hz"):
        explorer = view.explore(figures=False)
    assert (explorer.neuron, explorer.session.stimulus.dtype) == (1, torch.float32)
    explorer.close()


def test_a_wrong_neuron_is_refused_before_a_checkpoint_is_touched(parts, tmp_path, same, state):
    quick_fitter(epochs=2).fit(new_model(), *parts, checkpoint=tmp_path / "other.pt")
    model = new_model(seed=5)
    for file in ("new.pt", "other.pt"):
        with pytest.raises(IndexError, match="got 3"):
            deepstrf_widgets.train(model, quick_fitter(), *parts, neuron=3, checkpoint=tmp_path / file)
    assert not (tmp_path / "new.pt").exists()
    assert same(state(model), state(new_model(seed=5)))


def test_what_is_printed_does_not_depend_on_time(train):
    views = []
    views.append(view := train(Fitter(epochs=2, callbacks=[At(2, 1, lambda: views[0].pause())]), page=False))
    wait_until(view._controls.pause, "description", lambda words: words == "Resume")
    assert repr(view) == "TrainingView(LinearNonlinear, 3 neurons, paused)"
    assert len(view.history) == 1
    view.resume()
    view.wait(WAIT_S)
    assert repr(view) == "TrainingView(LinearNonlinear, 3 neurons, all epochs done)"
    assert view.history.stopped == "all epochs done"


def test_figures_exist_while_a_browser_shows_the_view(train):
    view = train(page=False)
    view.wait(WAIT_S)
    assert view.figures is None
    view.set_state({"_view_count": 1})
    paint(view)
    first = view.figures
    view.set_state({"_view_count": 0})
    wait_until(view, "children", lambda children: len(children) == 3)
    assert view.figures is None
    assert first.comm is None
    view.set_state({"_view_count": 2})
    paint(view)
    assert view.children[-1] is view.figures


def test_the_buttons_do_not_wait_for_plotly(train, monkeypatch):
    loading, go_on = threading.Event(), threading.Event()

    def load_slowly():
        loading.set()
        assert go_on.wait(WAIT_S)

    monkeypatch.setattr(style, "load_plotly", load_slowly)
    view = train(quick_fitter(epochs=10**6, patience=10**6))
    assert loading.wait(WAIT_S)
    view._controls.pause.click()
    wait_until(view._controls.pause, "description", lambda words: words == "Resume")
    assert view.figures is None
    go_on.set()
    paint(view)
    view.stop()


def test_closing_ends_the_fit_and_the_threads(train, same, state):
    views = []
    model = new_model()
    fitter = quick_fitter(epochs=10**6, patience=10**6)
    views.append(view := train(fitter, model))
    paint(view)
    view.close()
    assert not view._fit._thread.is_alive()
    assert not view._scheduler._thread.is_alive()
    assert view.history.stopped == "stopped by hand"
    assert view.comm is view._controls.slider.comm is None
    assert not model.training
    view.close()


def test_a_model_with_on_and_off_and_tensors_without_a_recording(train):
    def model():
        torch.manual_seed(0)
        front = make_prefiltering("adaptrans", BANDS, 10.0, 500.0, 4000.0)
        return LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, prefiltering=front)

    (stimuli, responses), _ = ((part.stimuli, part.responses) for part in simulate().split(0.67, 0.33))
    fitted = model()
    view = train(quick_fitter(epochs=2), fitted, data=((stimuli, responses),))
    view.wait(WAIT_S)
    paint(view)
    shown = traces(view.figures)
    assert set(shown) == {"STRF, ON", "STRF, OFF", CURVE, "training loss"}
    field = fitted.effective_STRF()[0][0]
    for channel, name in enumerate(("STRF, ON", "STRF, OFF")):
        np.testing.assert_allclose(shown[name].z, field[channel], atol=6e-5 * float(field.abs().max()))
    assert view.figures.layout.title.text == "neuron 1 · after epoch 2"
    assert view.figures.layout.xaxis.title.text == "lag (bins)"
    with pytest.warns(UserWarning, match="cf_hz"):
        assert view.explore(figures=False).session.n_neurons == NEURONS


def test_a_model_without_a_receptive_field_shows_its_losses(train):
    network = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS, n_hidden=2)
    view = train(quick_fitter(epochs=2), network)
    view.wait(WAIT_S)
    paint(view)
    assert {"training loss", "validation loss", "mean score", "score of this neuron", "best so far"} <= set(
        traces(view.figures)
    )
    assert not any(name.startswith("STRF") for name in traces(view.figures))


def test_explore_opens_on_the_validation_stimuli(train, parts):
    view = train(neuron=1, page=False)
    view.wait(WAIT_S)
    explorer = view.explore(figures=False)
    assert (explorer.neuron, explorer.session.neuron_names) == (1, list(parts[1].neuron_names))
    assert torch.equal(explorer.session.stimulus, parts[1].stimuli)
    assert explorer.session.model is not view.model
    explorer.close()


def test_the_cost_of_a_repaint_is_measured_until_the_browser_confirms(train):
    view = train()
    view.wait(WAIT_S)
    paint(view)
    view._scheduler._costs_s.clear()
    view.neuron = 1
    paint(view)
    assert view._scheduler._costs_s
