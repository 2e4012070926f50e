"""Bins that were not recorded take no part in a fit: neither in the loss nor in the batch norm's statistics."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepstrf.models import LinearNonlinear
from deepstrf.models.readouts import masked_batch_norm, normalising_over
from deepstrf.training import Fitter
from deepstrf.training.batches import Examples, settle_batch_norms
from tests.benchmarks.padding_table import rows
from tests.training.conftest import BANDS, LAGS, new_model, quick_fitter

B, N, T = 3, 4, 30


def batch_norm(seed: int = 0) -> nn.BatchNorm1d:
    torch.manual_seed(seed)
    bn = nn.BatchNorm1d(N).double().train()
    with torch.no_grad():
        for tensor in (bn.weight, bn.bias, bn.running_mean):
            tensor.uniform_(-1, 1)
        bn.running_var.uniform_(0.5, 2)
    return bn


def test_the_statistics_are_those_of_torch_on_the_counted_bins_alone():
    """Each neuron with bins of its own, gathered into one long sound for torch's batch norm."""
    x = torch.randn(B, N, T, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    counted = torch.rand(B, N, T, generator=torch.Generator().manual_seed(2)) < 0.6
    counted[2] = False  # a sound without responses
    ours, theirs = batch_norm(), batch_norm()
    y = masked_batch_norm(ours, x, counted)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((y * weights * counted).sum(), x)
    for n in range(N):
        alone = nn.BatchNorm1d(1).double().train()
        with torch.no_grad():
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(alone, name).copy_(getattr(theirs, name)[n : n + 1])
        gathered = x.detach()[:, n][counted[:, n]][None, None].requires_grad_()
        expected = alone(gathered)
        torch.testing.assert_close(y[:, n][counted[:, n]], expected[0, 0])
        for name in ("running_mean", "running_var"):
            torch.testing.assert_close(getattr(ours, name)[n], getattr(alone, name)[0])
        (wanted,) = torch.autograd.grad((expected[0, 0] * weights[:, n][counted[:, n]]).sum(), gathered)
        torch.testing.assert_close(gradient[:, n][counted[:, n]], wanted[0, 0])
        assert gradient[:, n][~counted[:, n]].abs().max() == 0
    assert ours.num_batches_tracked == 1


def test_a_neuron_without_a_bin_keeps_its_running_statistics():
    x, counted = torch.randn(B, N, T, dtype=torch.float64), torch.ones(B, N, T, dtype=torch.bool)
    counted[:, 1] = False
    bn, before = batch_norm(), batch_norm()
    y = masked_batch_norm(bn, x, counted)
    torch.testing.assert_close(y[:, 1], before.eval()(x)[:, 1])
    assert (bn.running_mean[1], bn.running_var[1]) == (before.running_mean[1], before.running_var[1])
    assert bn.running_mean[0] != before.running_mean[0]


def test_where_every_bin_counts_nothing_changes_and_the_mask_is_gone_afterwards():
    model, again = new_model().train(), new_model().train()
    x, counted = torch.rand(2, 1, BANDS, 40), torch.ones(2, 3, 40, dtype=torch.bool)
    with normalising_over(model, counted):
        torch.testing.assert_close(model(x), again(x), rtol=0, atol=0)
    counted[0, :, 20:] = False
    with normalising_over(model, counted):
        assert not torch.allclose(model(x), again(x))
    torch.testing.assert_close(model(x), again(x))  # running statistics differ, those of the batch do not
    model.eval()
    with normalising_over(model, counted):
        first = model(x)
    assert torch.equal(first, model(x))


def test_what_follows_the_end_of_a_sound_does_not_matter_to_a_fit():
    g = torch.Generator().manual_seed(0)
    x, y = 40 + 10 * torch.randn(4, 1, BANDS, 100, generator=g), torch.rand(4, 3, 1, 100, generator=g)
    y[0, ..., 60:] = torch.nan
    y[1, 1, :, 30:50] = torch.nan  # one neuron of three: its bins are its own
    fields = []
    for padding in (0.0, 500.0):
        x[0, ..., 60:] = padding
        model = new_model()
        quick_fitter(epochs=3, batch_size=4, smoothness=0.0).fit(model, (x, y))
        fields.append(model.effective_STRF()[0])
    torch.testing.assert_close(*fields)


def test_after_an_epoch_the_running_statistics_are_those_of_all_recorded_bins():
    g = torch.Generator().manual_seed(0)
    x, y = 40 + 10 * torch.randn(5, 1, BANDS, 80, generator=g), torch.rand(5, 3, 2, 80, generator=g)
    y[0, ..., 50:] = torch.nan
    y[3, 1, 0, 20:40] = torch.nan  # the other trial is there
    y[3, 2, :, 20:40] = torch.nan
    model = LinearNonlinear(BANDS, LAGS, out_neurons=3)
    Fitter(epochs=2, batch_size=2, progress=False).fit(model, (x, y))
    drive = model.readout.strf(x)[:, :, 0].detach()
    for n in range(3):
        values = drive[:, n][~y[:, n].isnan().all(1)]
        assert model.readout.bn.running_mean[n].item() == pytest.approx(values.mean().item(), rel=1e-4, abs=1e-4)
        assert model.readout.bn.running_var[n].item() == pytest.approx(values.var(correction=0).item(), rel=1e-3)
    y[:, 1] = torch.nan
    before = model.readout.bn.running_mean.clone()
    settle_batch_norms(model, Examples.of((x + 5, y), "train"))
    assert model.readout.bn.running_mean[1] == before[1]
    assert (model.readout.bn.running_mean != before).tolist() == [True, False, True]


@pytest.mark.slow
def test_sounds_of_unequal_length_in_one_batch_give_the_field_that_equal_ones_give():
    table = rows()
    for name in ("unequal", "with gaps"):
        together, alone = table[f"{name}, batches of 6"], table[f"{name}, batches of 1"]
        assert together.field >= 0.93
        assert together.explained >= alone.explained - 0.01
        assert together.explained >= table["equal, batches of 6"].explained - 0.02
