"""An interrupted fit goes on as if nothing had happened, and a checkpoint is whole or not there."""

import copy
import errno
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR, SequentialLR, StepLR

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef, mse_loss
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.training import Fitter
from deepstrf.training.checkpoint import save_checkpoint
from deepstrf.training.identity import FREE, identity_of_settings
from tests.training import killed_fit
from tests.training.conftest import BANDS, new_model, quick_fitter


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


@pytest.mark.parametrize(("axis", "said"), [({"dt_ms": 10.0}, "dt_ms 10"), ({"cf_hz": 2}, "cf_hz")])
def test_a_checkpoint_of_the_same_numbers_on_other_axes_is_refused(parts, tmp_path, axis, said):
    """The prior smooths along octaves and ms: the same arrays give another fit."""
    train, _ = parts
    axes = {"cf_hz": train.cf_hz, "dt_ms": train.dt_ms}
    other = axes | {name: axes[name] * 2 for name in axis}
    file, fitter = tmp_path / "fit.pt", quick_fitter(epochs=1)
    fitter.fit(new_model(), Recording(train.stimuli, train.responses, **axes), checkpoint=file)
    with pytest.raises(ValueError, match=f"another fit: its data is .*axes.*{said}"):
        fitter.fit(new_model(), Recording(train.stimuli, train.responses, **other), checkpoint=file)


class Power(torch.nn.Module):
    """A curve of one's own, whose exponent stands in no state dict."""

    def __init__(self, exponent, kept=()):
        super().__init__()
        self.exponent = exponent
        self.kept = kept

    def forward(self, x):
        return torch.nn.functional.softplus(x) ** self.exponent


class Hidden(torch.nn.Module):
    """One whose code alone says what it does."""

    def __init__(self, function):
        super().__init__()
        self._function = [function]

    def forward(self, x):
        return self._function[0](x)


def frozen(value):
    model = new_model()
    model.readout.bn.weight.requires_grad_(False)
    torch.nn.init.constant_(model.readout.bn.weight, value)
    return model


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        (lambda: new_model(output_activation=torch.nn.ReLU()),
         lambda: new_model(output_activation=torch.nn.Softplus()), r"'readout.activation': ReLU.*Softplus"),
        (lambda: new_model(output_activation=torch.nn.Softplus(1.0)),
         lambda: new_model(output_activation=torch.nn.Softplus(2.0)), r"beta=1\.0.*beta=2\.0"),
        (lambda: new_model(output_activation=Power(1.0)), lambda: new_model(output_activation=Power(2.0)),
         r"exponent=1\.0.*exponent=2\.0"),
        (lambda: new_model(output_activation=Power(1.0, kept=torch.zeros(3))),
         lambda: new_model(output_activation=Power(1.0, kept=torch.ones(3))), "kept="),
        (lambda: new_model(prefiltering=torch.nn.Dropout(0.1)), lambda: new_model(prefiltering=torch.nn.Dropout(0.2)),
         r"p=0\.1.*p=0\.2"),
        (lambda: frozen(1.0), lambda: frozen(2.0), r"'readout.bn.weight': \(3,\) float32, digest"),
        (lambda: frozen(1.0), new_model, r"not fitted, here it is .*, fitted"),
        (new_model, lambda: new_model().double(), "float32.*float64"),
        (lambda: LinearNonlinear(BANDS, 20, out_neurons=3), lambda: LinearNonlinear(BANDS, 40, out_neurons=3),
         r"'it': LinearNonlinear\(.*T=20.*T=40"),
        (lambda: LinearNonlinear(BANDS, 20, out_neurons=3), lambda: Linear(BANDS, 20, out_neurons=3),
         "'LinearNonlinear', here it is 'Linear'"),
    ],
)  # fmt: skip
def test_a_fit_resumes_its_own_architecture_only(parts, tmp_path, first, second, difference):
    quick_fitter(epochs=1, loss=mse_loss).fit(first(), *parts, checkpoint=tmp_path / "fit.pt")
    other = second()
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match=f"belongs to another fit: its model is .*{difference}"):
        quick_fitter(epochs=1, loss=mse_loss).fit(other, *parts, checkpoint=tmp_path / "fit.pt")
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in before.items())
    mine = first()
    quick_fitter(epochs=2, loss=mse_loss).fit(mine, *parts, checkpoint=tmp_path / "fit.pt")
    quick_fitter(epochs=3, loss=mse_loss).fit(mine, *parts, checkpoint=tmp_path / "fit.pt")  # and again, as it is now


def test_a_fit_whose_model_has_other_code_is_refused(parts, tmp_path):
    """What no setting tells is seen by the response to the first sound."""
    fitter = quick_fitter(epochs=1, loss=mse_loss)
    fitter.fit(new_model(output_activation=Hidden(torch.sigmoid)), *parts, checkpoint=tmp_path / "fit.pt")
    other = new_model(output_activation=Hidden(torch.tanh))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match="gives other responses than it gave: its code was changed"):
        fitter.fit(other, *parts, checkpoint=tmp_path / "fit.pt")
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in before.items())


def scaled(by):
    return lambda pred, gt, *, reduction: by * mse_loss(pred, gt, reduction=reduction)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"loss": scaled(1.0)}, {"loss": scaled(2.0)}, "its loss is '.*lambda> .code"),
        ({"score": partial(corrcoef, mask=None)}, {"score": corrcoef}, "its score is"),
        ({"skip_bins": 0}, {"skip_bins": 5}, "its skip_bins is 0, here it is 5"),
        ({"schedule": partial(StepLR, step_size=2)}, {"schedule": partial(StepLR, step_size=3)},
         r"its schedule is 'StepLR' with 'step_size': 2, here"),
        ({"schedule": lambda x: LambdaLR(x, lambda epoch: 0.9)}, {"schedule": lambda x: LambdaLR(x, lambda epoch: 0.8)},
         "its schedule is 'LambdaLR' with 'lr_lambdas'"),
        ({"schedule": lambda x: SequentialLR(x, [StepLR(x, 1), StepLR(x, 1)], [2])},
         {"schedule": lambda x: SequentialLR(x, [StepLR(x, 1), StepLR(x, 2)], [2])},
         "its schedule is 'SequentialLR' with 'schedulers'"),
        ({"optimizer": partial(torch.optim.SGD, lr=0.01)}, {"optimizer": partial(torch.optim.RMSprop, lr=0.01)},
         "its optimizer is 'SGD', here it is 'RMSprop'"),
    ],
)  # fmt: skip
# SequentialLR of torch 2.2 calls its schedulers in the way of which it warns.
@pytest.mark.filterwarnings("ignore:The epoch parameter in .scheduler.step:UserWarning")
def test_user_losses_and_schedules_are_distinguished_by_their_code(parts, tmp_path, first, second, message):
    file = tmp_path / "fit.pt"
    quick_fitter(epochs=1, **first).fit(new_model(), *parts, checkpoint=file)
    with pytest.raises(ValueError, match=f"another fit: {message}"):
        quick_fitter(epochs=1, **second).fit(new_model(), *parts, checkpoint=file)
    quick_fitter(epochs=2, **first).fit(new_model(), *parts, checkpoint=file)


def test_every_setting_that_is_not_free_is_part_of_the_identity():
    """A new setting is either compared or named as one that may change."""
    found = identity_of_settings(quick_fitter())
    assert {field.name for field in fields(Fitter)} == found.keys() | FREE | {"optimizer", "schedule"}


def test_a_single_byte_is_noticed_wherever_it_is(parts, tmp_path):
    file = tmp_path / "fit.pt"
    quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)
    whole = file.read_bytes()
    for at in range(0, len(whole), len(whole) // 60):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ValueError, match=r"checkpoint .*fit\.pt is (damaged|not one that a fit)"):
            quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        ("identity", lambda x: None, "its identity is none"),
        ("model", lambda x: {}, "its model has not the tensors"),
        ("model", lambda x: {**x, "readout.bn.weight": torch.ones(4)}, "another readout.bn.weight"),
        ("model", lambda x: {**x, "readout.bn.weight": 3}, "another readout.bn.weight"),
        ("best", lambda x: {name: torch.full_like(y, torch.nan) if y.is_floating_point() else y
                            for name, y in x.items()}, "its best model has NaN or infinite values"),
        ("best", lambda x: [1], "its best model has not"),
        ("optimizer", lambda x: {}, "its optimizer's state"),
        ("optimizer", lambda x: {**x, "state": {0: {"step": 3}}}, "its optimizer's state"),
        ("optimizer", lambda x: {**x, "state": {0: {**x["state"][0], "exp_avg": torch.zeros(7)}}},
         "its optimizer's state"),
        ("schedule", lambda x: {"gamma": 2}, "its schedule's state"),
        ("history", lambda x: {**x, "best_epoch": 7}, "1 epochs and calls 7 the best"),
        ("history", lambda x: {**x, "records": [{}]}, "has not the fields of a EpochRecord"),
        ("history", lambda x: {**x, "records": [{**x["records"][0], "scores": torch.zeros(9)}]}, "scores of a EpochR"),
        ("history", lambda x: 3, "its history has not the fields"),
        ("answer", lambda x: x + 1, "gives other responses"),
    ],
)  # fmt: skip
def test_a_checkpoint_made_by_hand_is_refused_by_name(parts, tmp_path, entry, change, message):
    """Even with a right digest, and the model is as it was."""
    file = tmp_path / "fit.pt"
    quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)
    state = torch.load(file, weights_only=True)
    save_checkpoint(file, {**state, entry: change(state[entry])}, first=False)
    model = new_model(seed=3)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=rf"checkpoint .*fit\.pt is not one .*{message}"):
        quick_fitter(epochs=1).fit(model, *parts, checkpoint=file)
    assert all(torch.equal(x, model.state_dict()[name]) for name, x in before.items())


def test_a_file_that_the_fit_did_not_make_is_never_replaced(parts, tmp_path):
    """Nor one that another program puts there before the first epoch, nor one beside it."""
    notes = tmp_path / "fit.pt"
    notes.write_text("my notes")
    with pytest.raises(ValueError, match=r"fit\.pt is damaged, or not one that a fit wrote"):
        quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=notes)
    with pytest.raises(FileExistsError, match="fit"):
        save_checkpoint(notes, {}, first=True)
    beside = tmp_path / "other.pt.part"
    beside.write_text("also mine")
    quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=tmp_path / "other.pt")
    assert (notes.read_text(), beside.read_text()) == ("my notes", "also mine")
    assert {path.name for path in tmp_path.iterdir()} == {"fit.pt", "other.pt", "other.pt.part"}
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="must be a file, got a folder or a device"):
        quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=tmp_path / "folder")
    rules = {
        "a\0b.pt": "checkpoint must hold no NUL character",
        "x" * 300: "checkpoint must be a path that the file system can hold",
        "con.pt": "name must be names that files can have",
    }
    for name, rule in rules.items():
        with pytest.raises(ValueError, match=rule):
            quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=tmp_path / name)


def test_a_checkpoint_larger_than_the_limit_is_not_read(parts, tmp_path):
    file = tmp_path / "fit.pt"
    with open(file, "wb") as sparse:
        sparse.truncate(3 * 2**30)
    with pytest.raises(ValueError, match=r"fit\.pt needs 3 GB of memory, limit 2 GB; raise it with max_gb=3"):
        quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)
    file.unlink()
    quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file)
    with pytest.raises(ValueError, match=r"needs .* GB of memory, limit 1e-06 GB"):
        quick_fitter(epochs=1).fit(new_model(), *parts, checkpoint=file, max_gb=1e-6)


@pytest.mark.filterwarnings("ignore:parameters in bfloat16")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_fits_in_other_types_resume(parts, tmp_path, dtype):
    model = new_model().to(dtype)
    a = quick_fitter(epochs=2).fit(model, *parts, checkpoint=tmp_path / "fit.pt")
    again = new_model(seed=2).to(dtype)
    b = quick_fitter(epochs=2).fit(again, *parts, checkpoint=tmp_path / "fit.pt")
    assert_same_fit((model, a), (again, b))


def test_frozen_receptive_fields_keep_the_weights_of_bands_without_sound():
    model = new_model()
    model.readout.strf.kernel.weight.requires_grad_(False)
    before = model.readout.strf.kernel.weight.clone()
    silent = torch.randn(2, 1, BANDS, 50)
    silent[:, :, 3] = 0.0
    quick_fitter(epochs=1).fit(model, (silent, torch.rand(2, 3, 1, 50)))
    assert torch.equal(model.readout.strf.kernel.weight, before)


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
