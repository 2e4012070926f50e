"""A fit in a thread: to the same weights, paused, stopped and looked back on."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.metrics import poisson_loss
from deepstrf.training import NonFiniteLossError
from deepstrf_widgets.training.background_fit import BackgroundFit, Snapshots
from tests.training.conftest import new_model, quick_fitter, simulate

WAIT_S = 60


@pytest.fixture(scope="module")
def parts():
    return simulate().split(0.67, 0.33)


@pytest.fixture(scope="module")
def same_weights(state, same):
    return lambda one, other: same(state(one), state(other))


class At:
    """Does something after a batch of an epoch, or after an epoch (batch 0), in the fit's thread."""

    def __init__(self, epoch, batch, act):
        self.when, self.act = (epoch, batch), act

    def __call__(self, progress):
        if (progress.epoch, 0) == self.when:
            self.act()

    def on_batch(self, progress):
        if (progress.epoch, progress.batch) == self.when:
            self.act()


class Keep:
    """Copies of the weights after each epoch, made by the fit's own callback."""

    def __init__(self):
        self.weights = {}

    def __call__(self, progress):
        self.weights[progress.epoch] = {name: x.clone() for name, x in progress.model.state_dict().items()}


def begin(fitter, model, parts, act=None, at=(2, 1), **options):
    """A started fit; ``act(fit)`` happens inside it."""
    fits = []
    callbacks = [] if act is None else [At(*at, lambda: act(fits[0]))]
    fitter = replace(fitter, callbacks=(*fitter.callbacks, *callbacks))
    fits.append(BackgroundFit(fitter, model, *parts, **options))
    fits[0].start()
    return fits[0]


def test_the_weights_are_those_of_the_fitter(parts, same_weights):
    model, reference = new_model(), new_model()
    keep = Keep()
    fit = begin(quick_fitter(callbacks=[keep]), model, parts)
    history = fit.wait(WAIT_S)
    expected = quick_fitter().fit(reference, *parts)
    assert same_weights(model, reference)
    assert torch.equal(history.train_loss, expected.train_loss)
    assert torch.equal(history.score, expected.score)
    assert not model.training
    status = fit.status()
    assert (status.state, status.begun, list(status.weights)) == ("done", 4.0, [1, 2, 3, 4])
    assert status.epoch_s > 0
    for epoch, weights in keep.weights.items():
        fit.restore(epoch)
        for name, value in model.state_dict().items():
            assert torch.equal(value, weights[name]), (epoch, name)
    assert not model.training


def test_only_its_own_thread_touches_the_model(parts):
    touched = set()
    model = new_model()
    forward, state_dict = model.forward, model.state_dict

    def watched(function):
        def call(*args, **kwargs):
            touched.add(threading.current_thread().name)
            return function(*args, **kwargs)

        return call

    model.forward, model.state_dict = watched(forward), watched(state_dict)
    fit = BackgroundFit(quick_fitter(), model, *parts)
    touched.clear()
    fit.start()
    while not fit.ended.wait(0.01):
        fit.status()
    assert touched == {"deepstrf-fit"}


def test_as_many_threads_as_the_caller_has(parts):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(before + 1)
    try:
        begin(quick_fitter(epochs=1), new_model(), parts, lambda _: seen.append(torch.get_num_threads()), (1, 1)).wait()
    finally:
        torch.set_num_threads(before)
    assert seen == [before + 1]


@pytest.mark.parametrize("at", [(1, 1), (2, 2), (4, 2)])
def test_a_pause_pauses_and_changes_nothing(parts, same_weights, at):
    turned, batches = threading.Event(), []
    model, reference = new_model(), new_model()

    class Count:
        def __call__(self, progress):
            pass

        def on_batch(self, progress):
            batches.append((progress.epoch, progress.batch))

    fitter = quick_fitter(callbacks=[Count()], batch_size=3)
    fit = begin(fitter, model, parts, BackgroundFit.pause, at, on_change=turned.set)
    assert turned.wait(WAIT_S)
    assert fit.status().state == "paused"
    assert not fit.ended.wait(0.1)
    assert batches[-1] == at  # of two batches an epoch
    assert fit.status().begun == at[0] - 1 + at[1] / 2
    turned.clear()
    fit.resume()
    history = fit.wait(WAIT_S)
    assert len(history) == 4
    assert turned.is_set()
    # The pause of 0.1 s and more is no work.
    assert fit.status().epoch_s < max(record.seconds for record in history.records)
    quick_fitter(batch_size=3).fit(reference, *parts)
    assert same_weights(model, reference)


@pytest.mark.parametrize(("at", "epochs"), [((1, 1), 0), ((3, 1), 2), ((3, 0), 3)])
def test_a_stop_leaves_the_best_weights(parts, same_weights, at, epochs):
    """In the middle of an epoch that epoch does not count; after one, it does."""
    model, reference = new_model(), new_model()
    fit = begin(quick_fitter(epochs=50), model, parts, BackgroundFit.stop, at)
    history = fit.wait(WAIT_S)
    assert (len(history), history.stopped) == (epochs, "stopped by hand")
    if epochs:
        best = quick_fitter(epochs=epochs).fit(reference, *parts).best_epoch
        assert fit.status().history.best_epoch == best
    assert same_weights(model, reference)


def test_a_paused_fit_can_be_stopped(parts):
    turned = threading.Event()
    fit = begin(quick_fitter(epochs=50), new_model(), parts, BackgroundFit.pause, on_change=turned.set)
    assert turned.wait(WAIT_S)
    fit.stop_and_join()
    assert (len(fit.wait()), fit.wait().stopped) == (1, "stopped by hand")


def test_a_pause_after_a_stop_does_not_hold_it_up(parts):
    def act(fit):
        fit.stop()
        fit.pause()

    fit = begin(quick_fitter(epochs=10**6, patience=10**6), new_model(), parts, act)
    try:
        assert fit.wait(10).stopped == "stopped by hand"
    finally:
        fit.stop_and_join()


def test_waiting_has_an_end(parts):
    turned = threading.Event()
    fit = begin(quick_fitter(), new_model(), parts, BackgroundFit.pause, on_change=turned.set)
    assert turned.wait(WAIT_S)
    with pytest.raises(TimeoutError, match=r"the fit has not ended within timeout = 0\.05 s"):
        fit.wait(0.05)
    with pytest.raises(RuntimeError, match="weights can be restored when the fit has ended"):
        fit.restore(1)
    fit.resume()
    assert len(fit.wait(WAIT_S)) == 4
    with pytest.raises(ValueError, match=r"epoch must be one whose weights were kept, \[1, 2, 3, 4\], got 7"):
        fit.restore(7)


def test_what_goes_wrong_is_raised_by_wait(parts, same_weights):
    calls = []

    def loss(pred, gt, *, reduction):
        calls.append(pred.requires_grad)
        return poisson_loss(pred, gt, reduction=reduction) * (torch.nan if sum(calls) > 4 else 1.0)

    model, reference = new_model(), new_model()
    fit = begin(quick_fitter(epochs=9, loss=loss, smoothness=0.0), model, parts)
    for _ in range(2):
        with pytest.raises(NonFiniteLossError, match=r"the training loss became NaN or infinite in epoch 3"):
            fit.wait(WAIT_S)
    quick_fitter(epochs=2, smoothness=0.0).fit(reference, *parts)
    assert same_weights(model, reference)
    status = fit.status()
    assert (status.state, len(status.history), list(status.weights)) == ("failed", 2, [1, 2])
    fit.restore(1)


def test_a_callback_that_fails_ends_the_fit(parts):
    def fail(_):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        begin(quick_fitter(), new_model(), parts, fail).wait(WAIT_S)


def test_wrong_arguments_are_refused_at_once(parts):
    with pytest.raises(ValueError, match=r"model must give \(B, 3, 1, T\) for the 3 neurons of train"):
        BackgroundFit(quick_fitter(), new_model(out_neurons=2), *parts)
    for megabytes in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=rf"snapshot_mb must be positive, in MB, got {megabytes}"):
            BackgroundFit(quick_fitter(), new_model(), *parts, snapshot_mb=megabytes)
    for room in ("1 GB", None, True):
        with pytest.raises(TypeError, match=f"snapshot_mb must be a number of MB, got {room!r}"):
            BackgroundFit(quick_fitter(), new_model(), *parts, snapshot_mb=room)


def test_a_model_is_fitted_once_at_a_time(parts, tmp_path, same_weights):
    """A cell that is run again while its fit runs: neither the weights nor a checkpoint are touched."""
    model, file, refused = new_model(), tmp_path / "fit.pt", []

    def again(_):
        with pytest.raises(RuntimeError, match="model is being fitted already"):
            BackgroundFit(quick_fitter(), model, *parts, checkpoint=file)
        refused.append(file.exists())

    begin(quick_fitter(), model, parts, again).wait(WAIT_S)
    assert refused == [False]
    quick_fitter().fit(reference := new_model(), *parts)
    assert same_weights(model, reference)
    begin(quick_fitter(epochs=1), model, parts).wait(WAIT_S)  # it has ended: another may begin


def test_a_fit_that_goes_on_from_a_checkpoint(parts, tmp_path, same_weights):
    model, reference = new_model(), new_model()
    file = tmp_path / "fit.pt"
    quick_fitter(epochs=2).fit(new_model(), *parts, checkpoint=file)
    fit = begin(quick_fitter(), model, parts, checkpoint=file)
    fit.wait(WAIT_S)
    expected = quick_fitter().fit(reference, *parts)
    assert same_weights(model, reference)
    assert sorted({3, 4, expected.best_epoch}) == list(fit.status().weights)
    finished = begin(quick_fitter(), other := new_model(seed=3), parts, checkpoint=file)
    finished.wait(WAIT_S)
    assert same_weights(other, reference)
    assert list(finished.status().weights) == [expected.best_epoch]


def test_python_may_end_while_a_fit_runs():
    """The fit, which would take hours, ends too, and nothing is said of it."""
    root = Path(__file__).resolve().parents[3]
    lines = [
        "from tests.training.conftest import new_model, quick_fitter, simulate",
        "from deepstrf_widgets.training.background_fit import BackgroundFit",
        "BackgroundFit(quick_fitter(epochs=10**6, patience=10**6), new_model(), *simulate().split(0.67, 0.33)).start()",
    ]
    code = f"import sys; sys.path[:0] = [{str(root)!r}, {str(root / 'widgets')!r}]\n" + "\n".join(lines)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S)
    assert (ended.returncode, ended.stderr) == (0, "")


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.floats(0.001, 100.0), st.integers(1, 40))
def test_first_best_last_and_evenly_between(better, room_states, size):
    """Against the rule written out: with stride s, all multiples of s that ever came, and first, best, last."""
    snapshots = Snapshots(room_states * size * 4 / 1e6)
    best = 1
    for epoch, is_best in enumerate(better, start=1):
        best = epoch if is_best else best
        snapshots.keep(epoch, {"w": torch.full((size,), float(epoch))}, best)
        always = {1, best, epoch}
        assert always <= set(snapshots.epochs)
        multiples = {e for e in range(1, epoch + 1) if e % snapshots.stride == 0}
        assert set(snapshots.epochs) == always | multiples
        assert len(snapshots.epochs) <= max(room_states, len(always))
        # No wider than it must be: with half the stride there was no room at some time.
        assert snapshots.stride == 1 or epoch > room_states
    for epoch, state in snapshots.states().items():
        assert (state["w"] == epoch).all()


THREADS = """
import os, torch
from deepstrf_widgets.threads import rest_threads
alive = lambda: len(os.listdir("/proc/self/task"))
x = torch.rand(2_000_000)
begun, want = alive(), x.exp().sum().item()
busy = alive()
rest_threads()
resting = alive()
print(busy - begun, resting - busy, x.exp().sum().item() == want, torch.get_num_threads())
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has no threads to rest")
def test_idle_threads_end_and_start_again():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    result = subprocess.run(
        [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True
    )
    if torch.__version__ < "2.3" and result.stdout.split()[1] == "0":
        pytest.skip("the OpenMP of this torch keeps its threads")
    assert result.stdout.split() == ["1", "-1", "True", "2"]
