"""Alike fits at once are the fits that they are alone."""

import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.models.prefiltering import ShortTermPlasticity, make_prefiltering
from deepstrf.training import FitRecipe, Fitter, fit_jobs, fit_many
from deepstrf.training.fit_together import alike, fit_together

F, T, N = 6, 5, 2
PREFILTERS = {
    None: lambda: None,
    "adaptrans": lambda: make_prefiltering("adaptrans", F, 5.0),
    "plasticity": lambda: ShortTermPlasticity([0.9] * F, [0.01] * F),
}
CURVES = {
    "softplus": ParametricSoftplus,
    "sigmoid": ParametricSigmoid,
    "double": ParametricDoubleExponential,
    "relu": lambda _: nn.ReLU(),
}


def sounds(gaps: bool = False) -> Recording:
    """Seven sounds of unequal length, the responses of N neurons to them; some bins were not recorded."""
    made = torch.Generator().manual_seed(0)
    stimuli = [torch.rand(F, 60 + 7 * b, generator=made) * 40 for b in range(7)]
    field = torch.randn(N, 1, F, T, generator=made)
    responses = []
    for x in stimuli:
        drive = nn.functional.conv2d(nn.functional.pad(x[None, None], (T - 1, 0)), field)[0, :, 0]
        rate = nn.functional.softplus((drive - drive.mean()) / drive.std())
        counts = torch.poisson(rate[:, None].expand(-1, 3, -1).contiguous(), generator=made)
        if gaps:
            counts[0, 1, 20:30], counts[:, :, 50:55] = torch.nan, torch.nan
        responses.append(counts)
    return Recording.from_arrays(stimuli, responses, dt_ms=5.0, cf_hz=torch.logspace(3, 4, F).tolist())


def build(prefilter=None, kernel=None, curve="softplus"):
    channels = 2 if prefilter == "adaptrans" else 1
    layer = {
        None: lambda: None,
        "gaussians": lambda: ParametricSTRF(F, T, channels, N, 2),
        "separable": lambda: SeparableSTRF(F, T, channels, N),
    }[kernel]()
    return LinearNonlinear(
        F, T, out_neurons=N, kernel=layer, prefiltering=PREFILTERS[prefilter](), output_activation=CURVES[curve](N)
    )


def same(jobs, **options):
    """The results together, after those that each has alone were found to be the same."""
    both = fit_many(jobs, progress=False, **options)
    alone = fit_many(jobs, progress=False, together=1)
    for one, other in zip(both, alone, strict=True):
        assert not one.error, one.error
        scale = max(x.abs().max().item() for x in other.predictions)
        for x, y in zip(one.predictions, other.predictions, strict=True):
            assert (x - y).abs().max().item() <= 1e-4 * scale
        torch.testing.assert_close(one.scores["r"], other.scores["r"], atol=1e-4, rtol=0)
        for name, value in other.state.items():
            # A batch norm takes away its field's bias, which must not walk by rounding either.
            size = max(1.0, value.abs().max().item())
            assert (one.state[name] - value).abs().max().item() <= 1e-4 * size, name
    return both


@pytest.mark.parametrize(
    ("prefilter", "kernel", "curve"),
    [
        (None, None, "softplus"),
        (None, None, "relu"),
        ("adaptrans", None, "sigmoid"),
        ("plasticity", None, "double"),
        (None, "gaussians", "softplus"),
        ("adaptrans", "separable", "softplus"),
    ],
)
@pytest.mark.parametrize("gaps", [False, True])
def test_each_fit_is_what_it_is_alone(prefilter, kernel, curve, gaps, monkeypatch):
    joined = []
    monkeypatch.setattr(
        sys.modules["deepstrf.training.fit_many"],
        "fit_together",
        lambda runs: joined.append(len(runs)) or fit_together(runs),
    )
    recipe = FitRecipe(partial(build, prefilter, kernel, curve), Fitter(epochs=5, patience=2, progress=False))
    same(fit_jobs({"m": recipe}, sounds(gaps), seeds=(0, 1), folds=2))
    assert sum(joined) == 4


def test_fits_of_other_settings_or_sizes_run_beside():
    """Two step sizes, two models, another optimizer and a schedule in one call."""
    exponential = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9)
    base = Fitter(epochs=3, progress=False)
    recipes = {
        "LN": FitRecipe(build, base),
        "sharper": FitRecipe(build, replace(base, optimizer=partial(torch.optim.Adam, lr=0.03))),
        "weight decay": FitRecipe(build, replace(base, optimizer=partial(torch.optim.AdamW, lr=0.01))),
        "momentum": FitRecipe(build, replace(base, optimizer=partial(torch.optim.SGD, lr=1e-3, momentum=0.9))),
        "schedule": FitRecipe(build, replace(base, schedule=exponential)),
        "linear": FitRecipe(partial(Linear, F, T, out_neurons=N), base),
        "no prior": FitRecipe(build, replace(base, smoothness=0.0, start="model")),
        "sparse": FitRecipe(build, replace(base, sparsity=0.1, skip_bins=3)),
    }
    same(fit_jobs(recipes, sounds(), seeds=(0, 1), folds=2))


@pytest.mark.parametrize("folds", [None, 2])
def test_without_sounds_to_stop_by_all_epochs_are_done(folds):
    recipe = FitRecipe(build, Fitter(epochs=4, progress=False))
    results = fit_many(fit_jobs({"m": recipe}, sounds(), seeds=(0, 1), folds=folds, validation=None), progress=False)
    alone = fit_many(
        fit_jobs({"m": recipe}, sounds(), seeds=(0, 1), folds=folds, validation=None), progress=False, together=1
    )
    x = torch.rand(1, 1, F, 40) * 40
    for one, other in zip(results, alone, strict=True):
        torch.testing.assert_close(one.model(x), other.model(x), atol=1e-4, rtol=1e-4)


def test_the_history_is_that_of_the_fit_alone():
    data, fitter = sounds(), Fitter(epochs=12, patience=2, baseline=False, progress=False)
    train, stop = data.split(0.7, 0.3)
    recipe = FitRecipe(build)
    runs = [replace(fitter, seed=seed).prepare(recipe.build(seed=seed), train, stop) for seed in range(3)]
    assert len({alike(run) for run in runs}) == 1
    ended = list(fit_together(runs))
    assert sorted(k for k, _, _ in ended) == [0, 1, 2]
    for seed, run in enumerate(runs):
        history = replace(fitter, seed=seed).fit(recipe.build(seed=seed), train, stop)
        assert (len(run.history), run.history.best_epoch, run.history.stopped) == (
            len(history), history.best_epoch, history.stopped,
        )  # fmt: skip
        torch.testing.assert_close(run.history.train_loss, history.train_loss, atol=1e-4, rtol=0)
        torch.testing.assert_close(run.history.score, history.score, atol=1e-4, rtol=0)


def test_one_that_diverges_fails_alone():
    def loss(pred, gt, reduction):
        values = torch.where(gt.isnan(), 0.0, pred - gt.nan_to_num()).square().mean((0, 2, 3))
        return torch.where(pred.amax((0, 2, 3)) > 1e6, torch.inf, values)

    data = sounds()
    train, stop = data.split(0.7, 0.3)
    fitter = Fitter(epochs=3, progress=False, loss=loss, start="model")
    models = [FitRecipe(build).build(seed=seed) for seed in range(3)]
    with torch.no_grad():
        models[1].readout.bn.bias[1] = 1e9
    ended = {k: error for k, error, _ in fit_together([fitter.prepare(model, train, stop) for model in models])}
    assert ended[0] is None
    assert ended[2] is None
    assert "for 1 neurons (1)" in str(ended[1]).replace("neuron (", "neurons (")
    alone = FitRecipe(build).build(seed=2)
    fitter.fit(alone, train, stop)
    x = torch.rand(1, 1, F, 40) * 40
    torch.testing.assert_close(models[2](x), alone(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"callbacks": [lambda _: None]}, {"optimizer": partial(torch.optim.LBFGS, lr=0.1)}, {"progress": True}],
)
def test_what_must_be_alone_is(settings):
    train, stop = sounds().split(0.7, 0.3)
    assert alike(Fitter(**{"progress": False, **settings}).prepare(build(), train, stop)) is None


def test_seeds_and_folds_share_what_ridge_regression_sums_over_each_sound(monkeypatch):
    module = sys.modules["deepstrf.training.linear_regression"]
    summed = []
    plain = module._weighted_sums
    monkeypatch.setattr(module, "_weighted_sums", lambda *sums: summed.append(1) or plain(*sums))
    recording = sounds()
    recipe = FitRecipe(build, Fitter(epochs=1, progress=False))
    jobs = fit_jobs(
        {"m": recipe}, recording, seeds=(0, 1), folds=7
    )  # of seven sounds one is left out, one is to stop by
    fit_many(jobs[:1], progress=False, together=1)
    assert len(summed) == 5
    summed.clear()
    fit_many(jobs, progress=False)
    assert len(summed) == len(recording)
    # The same sounds with other responses have sums of their own.
    other = Recording.from_arrays(
        [recording[b][0][0] for b in range(len(recording))], [recording[b][1] + 1 for b in range(len(recording))],
        dt_ms=5.0, cf_hz=recording.cf_hz.tolist(),
    )  # fmt: skip
    same(fit_jobs({"m": recipe}, {"x": recording, "y": other}, folds=7))
