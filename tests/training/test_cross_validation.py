"""What is predicted was never fitted, the scores are those of a slow loop, and the table compares like with like."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from deepstrf.datasets import Recording
from deepstrf.metrics import corrcoef
from deepstrf.models import Linear
from deepstrf.training import CrossValidation, FitRecipe, Fitter, compare, cross_validate

BINS = (30, 24, 28, 30, 26, 22)
GAIN = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.8, -1.0]])


def recording(noise=0.3, seed=0, neurons=2):
    generator = torch.Generator().manual_seed(seed)
    sounds = [torch.randn(3, n, generator=generator) for n in BINS]
    responses = [
        (GAIN[:neurons] @ x)[:, None] + noise * torch.randn(neurons, 4, x.shape[1], generator=generator) for x in sounds
    ]
    return Recording.from_arrays(sounds, responses, dt_ms=5, cf_hz=[1e3, 2e3, 4e3])


class Instant(nn.Module):
    """Least squares on the current bin: the answer in closed form."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        return torch.einsum("nf,bcft->bnct", self.weights, x)


def least_squares(train, validation, *, seed, penalty=0.0):
    x = torch.cat([train[b][0][0] for b in range(len(train))], 1)
    y = torch.cat([train[b][1].mean(1) for b in range(len(train))], 1)
    return Instant(torch.linalg.solve(x @ x.T + penalty * torch.eye(3), x @ y.T).T)


def test_predictions_are_those_of_a_slow_loop_over_left_out_sounds():
    data = recording()
    found = cross_validate(least_squares, data, folds=None, validation=None)
    assert sorted(found.folds) == [[f"stimulus {b}"] for b in range(1, 7)]
    for b, n in enumerate(BINS):
        rest = [i for i in range(6) if i != b]
        expected = least_squares(data.select(stimuli=rest), None, seed=0)(data[b][0][None])[0]
        assert torch.allclose(found.predictions[0][b, ..., :n], expected, atol=1e-6)
        assert bool(found.predictions[0][b, ..., n:].isnan().all())
    predicted = np.concatenate([found.predictions[0][b, 0, 0, :n] for b, n in enumerate(BINS)])
    mean = np.concatenate([data[b][1][0].mean(0) for b in range(6)])
    assert found.scores["r"][0, 0].item() == pytest.approx(np.corrcoef(predicted, mean)[0, 1], abs=1e-5)


def test_no_recipe_is_shown_what_it_is_judged_by():
    seen = []

    def watched(train, validation, *, seed):
        seen.append((set(train.stimulus_names), set(validation.stimulus_names), seed))
        return least_squares(train, validation, seed=seed)

    found = cross_validate(watched, recording(), folds=3, seeds=[4, 7])
    assert len(seen) == 6
    for (train, validation, seed), (expected, fold) in zip(
        seen, [(s, f) for s in (4, 7) for f in found.folds], strict=True
    ):
        assert seed == expected
        assert not train & validation
        assert train | validation | set(fold) == set(recording().stimulus_names)
        assert not (train | validation) & set(fold)


def test_labels_are_never_divided():
    found = cross_validate(least_squares, recording(), folds=3, by=["a", "a", "b", "c", "c", "c"], validation=None)
    assert sorted(found.folds, key=len) == [
        ["stimulus 3"],
        ["stimulus 1", "stimulus 2"],
        [f"stimulus {b}" for b in (4, 5, 6)],
    ]


def test_a_setting_is_chosen_without_the_sounds_that_judge_it():
    seen = []

    def watched(train, validation, *, seed, penalty):
        seen.append((penalty, frozenset(train.stimulus_names)))
        return least_squares(train, validation, seed=seed, penalty=penalty)

    penalties = [1e6, 0.0]
    # Correlation ignores the size of a prediction: bend the fit instead.
    bent = lambda train, validation, *, seed, penalty: Instant(  # noqa: E731
        watched(train, validation, seed=seed, penalty=0.0).weights.detach()
        * torch.tensor([1.0, -1.0 if penalty else 1.0, 1.0])
    )
    found = cross_validate(bent, recording(), folds=3, validation=None, choose={"penalty": penalties}, inner_folds=2)
    assert [found.settings[0, i] for i in range(3)] == [{"penalty": 0.0}] * 3
    assert len(seen) == 3 * (2 * 2 + 1)
    for i, fold in enumerate(found.folds):
        for _, train in seen[5 * i : 5 * i + 5]:
            assert not train & set(fold)


def test_models_are_copied_and_fitted_and_seeds_give_other_fits():
    data = recording()
    model = Linear(3, 2, out_neurons=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recipe = FitRecipe(model, Fitter(epochs=3, progress=False))
    found = cross_validate(recipe, data, folds=2, seeds=(0, 1))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert found.scores["r"].shape == (2, 2)
    assert not torch.equal(found.predictions[0].nan_to_num(), found.predictions[1].nan_to_num())
    again = cross_validate(recipe, data, folds=2, seeds=(0,))
    assert torch.equal(found.predictions[0].nan_to_num(), again.predictions[0].nan_to_num())


def test_settings_reach_the_fitter_and_what_builds_the_model():
    data = recording()
    built = []

    def build(temporal_window_size=2):
        built.append(temporal_window_size)
        return Linear(3, temporal_window_size, out_neurons=2)

    recipe = FitRecipe(build, Fitter(epochs=1, progress=False))
    model = recipe(data, None, seed=1, temporal_window_size=3, epochs=2)
    assert (built, model.T) == ([3], 3)
    with pytest.raises(
        TypeError, match="there is no setting 'smoothnes' of the fitter or the model: did you mean 'smooth"
    ):
        recipe(data, None, seed=1, smoothnes=1.0)


def test_each_neuron_may_have_its_own_best_epoch():
    data = recording(noise=2.0)
    train, validation = data.split(0.7, 0.3)
    fitter = Fitter(epochs=8, progress=False, start="model")
    torch.manual_seed(0)
    model = Linear(3, 2, out_neurons=2)
    each = FitRecipe(model, fitter, best_epoch="neuron")(train, validation, seed=0)
    one = FitRecipe(model, fitter)(train, validation, seed=0)
    stimuli, responses = validation.padded()
    with torch.no_grad():
        scores = [corrcoef(m(stimuli), responses, reduction="none") for m in (each, one)]
    assert bool((scores[0] >= scores[1] - 1e-6).all())


def test_an_executor_gives_the_same():
    with ThreadPoolExecutor(2) as executor:
        found = cross_validate(least_squares, recording(), folds=3, validation=None, executor=executor)
    alone = cross_validate(least_squares, recording(), folds=3, validation=None)
    assert torch.equal(found.predictions[0].nan_to_num(), alone.predictions[0].nan_to_num())


def given(r, ccnorm=None, fve=None):
    r = torch.tensor(r)
    scores = {
        "r": r,
        "CCnorm": r if ccnorm is None else torch.tensor(ccnorm),
        "fve": r if fve is None else torch.tensor(fve),
    }
    names = tuple(f"n{i}" for i in range(r.shape[1]))
    return CrossValidation(names, [["a"], ["b"]], tuple(range(len(r))), [], scores)


def test_the_table_counts_all_models_on_the_same_neurons():
    nan = float("nan")
    base = given([[0.1, 0.2, 0.3, nan, 0.5]])
    better = given([[0.3, nan, 0.5, nan, 0.6], [0.5, nan, 0.5, nan, 0.6]])
    table = compare({"base": base, "better": better}, scores=["r"])
    assert table.index.tolist() == ["base", "better"]
    r = table["r"]
    # Neuron 3 is undefined for both; neuron 1, which one of them does not move, counts as 0 there.
    assert r["neurons"].tolist() == [4, 4]
    assert r["undefined"].tolist() == [1, 1]
    assert r["constant"].tolist() == [0, 1]
    assert r.loc["base", "mean"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.5) / 4)
    assert r.loc["better", "mean"] == pytest.approx((0.4 + 0.0 + 0.5 + 0.6) / 4)
    assert r.loc["better", "median"] == pytest.approx(0.45)
    assert r.loc["better", "difference"] == pytest.approx((0.3 - 0.2 + 0.2 + 0.1) / 4)
    assert r.loc["better", "spread over seeds"] == pytest.approx(np.std([1.4 / 4, 1.6 / 4], ddof=1))
    assert np.isnan(r.loc["base", "difference"])
    assert r.loc["base", "low"] < r.loc["base", "mean"] < r.loc["base", "high"]


def test_the_interval_is_that_of_the_mean_over_neurons():
    values = np.random.default_rng(1).normal(0.4, 0.1, 200).astype(np.float32)
    table = compare({"m": given([values.tolist()])}, scores=["r"])["r"]
    half = 1.96 * values.std() / np.sqrt(200)
    assert table.loc["m", "low"] == pytest.approx(values.mean() - half, abs=0.003)
    assert table.loc["m", "high"] == pytest.approx(values.mean() + half, abs=0.003)
    few = compare({"m": given([[0.1, 0.9]])}, scores=["r"])["r"]
    assert np.isnan(few.loc["m", "low"])


def test_a_paired_difference_is_narrower_than_the_neurons_scatter():
    rng = np.random.default_rng(0)
    base = rng.uniform(0, 0.9, 40)
    table = compare({"a": given([base.tolist()]), "b": given([(base + 0.02).tolist()])}, scores=["r"])["r"]
    assert 0.015 < table.loc["b", "difference low"] <= table.loc["b", "difference high"] < 0.025


def test_compare_fits_what_is_not_yet_judged():
    table = compare(
        {"silent": lambda train, validation, seed: Instant(torch.zeros(2, 3)), "fit": least_squares},
        recording(), baseline="fit", folds=3, validation=None,
    )  # fmt: skip
    assert table.loc["fit", ("r", "mean")] > 0.9
    assert table.loc["silent", ("r", "mean")] == 0.0
    assert table.loc["silent", ("r", "constant")] == 2
    assert table.loc["silent", ("CCnorm", "difference")] < -0.9
    assert table.columns.get_level_values(0).unique().tolist() == ["r", "CCnorm", "fve"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, ValueError, "folds must be at least 2, got 1"),
        ({"folds": 7}, ValueError, r"folds must lie in \[2, 6\], the number of sounds or labels, got 7"),
        ({"by": "time"}, ValueError, "by must be 'sound' or a label for each of 6 sounds, got 'time'"),
        ({"by": ["a"]}, ValueError, "by must hold a label for each of 6 sounds, got 1"),
        ({"validation": 1.0}, ValueError, r"validation must lie in \(0, 1\), got 1.0"),
        (
            {"choose": {"penalty": []}},
            ValueError,
            "choose must hold at least one value of each setting, got none of 'pen",
        ),
        ({"seeds": (1, 1)}, ValueError, r"seeds must be at least one and all different, got \(1, 1\)"),
        ({"skip_bins": -1}, ValueError, "skip_bins must be at least 0, got -1"),
    ],
)
def test_arguments_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        cross_validate(least_squares, recording(), **options)


def test_models_and_results_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"recipe must give a model of the 2 neurons, \(B, N, 1, T\), got \(1, 1, \d+\)"
    ):
        cross_validate(
            lambda train, validation, seed: Instant(torch.zeros(1, 3)), recording(), folds=6, validation=None
        )
    with pytest.raises(TypeError, match="recording must be a Recording, got tuple"):
        cross_validate(least_squares, (torch.zeros(1), torch.zeros(1)))
    with pytest.raises(ValueError, match="judged on the same neurons and folds, but those of 'b' differ"):
        compare({"a": given([[0.1]]), "b": given([[0.1, 0.2]])})
    with pytest.raises(ValueError, match=r"baseline must be one of \['a'\], got 'A': did you mean 'a'"):
        compare({"a": given([[0.1]])}, baseline="A")
    with pytest.raises(ValueError, match=r"scores must be among .* got 'R'"):
        compare({"a": given([[0.1]])}, scores=["R"])
    with pytest.raises(ValueError, match="recording must be given to fit 'a', got None"):
        compare({"a": least_squares})


def test_first_bins_may_be_left_out_of_the_scores():
    data = recording(noise=0.0)
    broken = data.responses
    broken[..., :5] = torch.where(broken[..., :5].isnan(), torch.nan, 50.0)
    right = lambda train, validation, seed: Instant(GAIN)  # noqa: E731
    assert cross_validate(right, data, folds=2, validation=None).scores["fve"].max() < 0.9
    found = cross_validate(right, data, folds=2, validation=None, skip_bins=5)
    assert found.scores["fve"].flatten().tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
