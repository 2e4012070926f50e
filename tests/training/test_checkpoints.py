"""An interrupted fit goes on as if nothing had happened, and a checkpoint is whole or not there."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch

from deepstrf.metrics import mse_loss
from tests.training import killed_fit
from tests.training.conftest import new_model, quick_fitter


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_same_fit(a, b):
    for model in (a, b):
        model[0].eval()
    for (name, x), y in zip(a[0].state_dict().items(), b[0].state_dict().values(), strict=True):
        assert torch.equal(x, y), name
    assert (len(a[1]), a[1].best_epoch, a[1].stopped) == (len(b[1]), b[1].best_epoch, b[1].stopped)
    for name in ("train_loss", "validation_loss", "score"):
        assert torch.equal(getattr(a[1], name), getattr(b[1], name)), name


def test_a_killed_fit_resumes_to_the_same_bits(tmp_path, one_thread):
    """Killed in the middle of its fourth epoch."""
    file = tmp_path / "fit.pt"
    killed = subprocess.run([sys.executable, killed_fit.__file__, str(file), "4", "2"], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert len(torch.load(file, weights_only=True)["history"]["records"]) == 3
    assert_same_fit(killed_fit.fit(file), killed_fit.fit(None))


def test_a_fit_that_is_killed_again_and_again(tmp_path, monkeypatch, one_thread):
    """Every batch of every epoch, once: here the signal is an exception, which nothing in the fit catches."""

    def die(*_):
        raise SystemExit

    monkeypatch.setattr(os, "kill", die)
    file = tmp_path / "fit.pt"
    deaths = 0
    for epoch in range(1, 10):
        for batch in (1, 3, 0):
            try:
                killed_fit.fit(file, killed_fit.Killer(epoch, batch))
            except SystemExit:
                deaths += 1
    assert deaths >= 20
    assert_same_fit(killed_fit.fit(file), killed_fit.fit(None))


def test_a_finished_fit_is_not_done_again(parts, tmp_path):
    fitter = quick_fitter()
    first, second = new_model(), new_model(seed=5)
    a = fitter.fit(first, *parts, checkpoint=tmp_path / "new folder" / "fit.pt")
    calls = []
    b = replace(fitter, callbacks=[calls.append]).fit(second, *parts, checkpoint=tmp_path / "new folder" / "fit.pt")
    assert calls == []
    assert_same_fit((first, a), (second, b))


def test_a_finished_fit_goes_on_with_more_epochs(parts, tmp_path):
    model, longer = new_model(), new_model()
    quick_fitter(epochs=3).fit(model, *parts, checkpoint=tmp_path / "fit.pt")
    a = quick_fitter(epochs=7).fit(model, *parts, checkpoint=tmp_path / "fit.pt")
    b = quick_fitter(epochs=7).fit(longer, *parts)
    assert_same_fit((model, a), (longer, b))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "its seed is 0, here it is 1; delete the file to begin anew"),
        ({"batch_size": 3}, "its batch_size is 2, here it is 3"),
        ({"smoothness": 0.2}, r"its smoothness is \(0\.1, 0\.1\), here it is \(0\.2, 0\.2\)"),
        ({"loss": mse_loss}, "its loss is 'poisson_loss', here it is 'mse_loss'"),
        ({"loss": partial(mse_loss, mask=None)}, r"here it is \"mse_loss \{'mask': None\}\""),
        (
            {"optimizer": partial(torch.optim.Adam, lr=0.1)},
            r"its optimizer is .*'lr': 0\.01.*, here it is .*'lr': 0\.1",
        ),
        ({"schedule": partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)}, "its (schedule|optimizer) is"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(parts, tmp_path, change, message):
    file = tmp_path / "fit.pt"
    fitter = quick_fitter(epochs=1)
    fitter.fit(new_model(), *parts, checkpoint=file)
    with pytest.raises(ValueError, match=rf"checkpoint .*fit\.pt belongs to another fit: .*{message}"):
        replace(fitter, **change).fit(new_model(), *parts, checkpoint=file)


def test_a_checkpoint_of_other_data_or_another_model_is_refused(parts, tmp_path):
    train, validation = parts
    file = tmp_path / "fit.pt"
    fitter = quick_fitter(epochs=1)
    fitter.fit(new_model(), train, validation, checkpoint=file)
    for data in ((validation, train), (train, None), (train.select(stimuli=[0, 1, 2]), validation)):
        with pytest.raises(ValueError, match="another fit: its data is"):
            fitter.fit(new_model(), *data, checkpoint=file)
    with pytest.raises(ValueError, match="another fit: its model is 'LinearNonlinear"):
        fitter.fit(new_model(output_activation=torch.nn.Softplus()), train, validation, checkpoint=file)


def test_a_damaged_checkpoint_is_named(parts, tmp_path):
    file = tmp_path / "fit.pt"
    quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no checkpoint at all"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint .*fit\.pt is damaged, or not one that a fit wrote"):
            quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)
    torch.save({"something": "else"}, file)
    with pytest.raises(ValueError, match=r"checkpoint .*fit\.pt is not one that a fit of this version wrote"):
        quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)


def test_on_a_full_disk_the_last_good_checkpoint_stands(parts, tmp_path, monkeypatch):
    file = tmp_path / "fit.pt"
    real, failing = os.fsync, []

    def fsync(descriptor):
        if failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    def fill_the_disk(progress):
        if progress.epoch == 2:
            failing.append(True)

    monkeypatch.setattr(os, "fsync", fsync)
    model, reference = new_model(), new_model()
    fitter = quick_fitter(callbacks=[fill_the_disk])
    with pytest.warns(UserWarning, match=r"could not be written in epoch [34] \(.*No space left.*last good one stands"):
        a = fitter.fit(model, *parts, checkpoint=file)
    b = quick_fitter().fit(reference, *parts)
    assert_same_fit((model, a), (reference, b))  # the fit itself went on
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pt"]
    assert len(torch.load(file, weights_only=True)["history"]["records"]) == 2
    failing.clear()
    resumed = new_model(seed=9)
    assert_same_fit((resumed, quick_fitter().fit(resumed, *parts, checkpoint=file)), (reference, b))


def test_a_checkpoint_that_can_never_be_written_is_an_error_at_once(parts, tmp_path):
    (tmp_path / "file").touch()
    calls = []
    with pytest.raises(OSError, match="file"):
        quick_fitter(callbacks=[calls.append]).fit(new_model(), *parts, checkpoint=tmp_path / "file" / "fit.pt")
    assert calls == []
