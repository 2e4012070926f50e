"""Where a fit begins and what it chooses by itself: loss, step sizes, patience, and a start from data."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepstrf.metrics import corrcoef, fve, mse_loss, poisson_loss
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.activations import ParametricDoubleExponential, ParametricSigmoid, ParametricSoftplus
from deepstrf.models.audio import ConvNet2D, DNet, NetworkReceptiveField, StateNet, Transformer
from deepstrf.models.layers import ParametricSTRF, SeparableSTRF
from deepstrf.simulate import simulate_population
from deepstrf.training import Fitter, StepSizes, predict, ridge, starts
from deepstrf.training.output_start import Scale, fit_gain_and_curve, scale_curve
from deepstrf.training.recipes import default_loss
from deepstrf.training.starts import is_untouched
from tests.training.conftest import BANDS, LAGS, NEURONS, new_model

fit = partial(Fitter, progress=False)


def start(model, train, **options):
    """The model where a fit of it would begin."""
    fit(**options).prepare(model, train)
    return model.eval()


def score(model, recording):
    return corrcoef(predict(model, recording.stimuli), recording.responses).item()


@pytest.mark.parametrize(
    ("model", "shift", "expected"),
    [
        (Linear(BANDS, LAGS), 0.0, mse_loss),
        (DNet(BANDS, LAGS), 0.0, mse_loss),
        (Transformer(BANDS), 0.0, mse_loss),
        (LinearNonlinear(BANDS, LAGS), 0.0, poisson_loss),
        (LinearNonlinear(BANDS, LAGS), -3.0, mse_loss),
        (LinearNonlinear(BANDS, LAGS, output_activation=ParametricSoftplus(1, False)), 0.0, mse_loss),
        (LinearNonlinear(BANDS, LAGS, output_activation=nn.ReLU()), 0.0, mse_loss),
        (LinearNonlinear(BANDS, LAGS, output_activation=nn.Tanh()), 0.0, mse_loss),
        (nn.Conv2d(1, 1, 1), 0.0, mse_loss),
    ],
)
def test_the_loss_follows_from_output_and_responses(model, shift, expected):
    responses = torch.tensor([0.0, 1.0, 4.0]) + shift
    assert default_loss(model, responses) is expected


@pytest.mark.parametrize(
    ("loss", "negative", "model", "message"),
    [
        (
            poisson_loss,
            True,
            LinearNonlinear,
            r"counts and rates of at least 0, got values down to -",
        ),
        (partial(poisson_loss, eps=1e-6), False, Linear, r"a Linear with the output curve Identity can go below 0"),
    ],
)
def test_a_loss_that_does_not_suit_is_refused_with_the_way_out(parts, loss, negative, model, message):
    train, _ = parts
    responses = train.responses - train.responses.nanmean() if negative else train.responses
    with pytest.raises(ValueError, match=message + r".*leave loss=None"):
        fit(loss=loss).prepare(model(BANDS, LAGS, out_neurons=NEURONS), (train.stimuli, responses))
    fit(loss=partial(poisson_loss, log_input=True)).prepare(Linear(BANDS, LAGS, out_neurons=NEURONS), train)


def test_for_model_shows_what_a_fit_chooses(parts):
    gaussians = new_model(kernel=ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=2))
    fitter = Fitter.for_model(gaussians, parts[0], epochs=7)
    assert (fitter.loss, fitter.smoothness, fitter.epochs) == (poisson_loss, 0.0, 7)
    optimizer = fitter.optimizer.for_names(list(gaussians.named_parameters()))
    sizes = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    kernel = gaussians.readout.strf.kernel
    assert [sizes[id(p)] for p in (kernel.P, kernel.SIG, kernel.weight)] == [0.05, 0.05, 0.01]
    with pytest.raises(ValueError, match=r"by_name must name parameters, '\*\.Q' matches none of"):
        StepSizes(torch.optim.Adam, 0.1, {"*.Q": 1.0}).for_names(list(gaussians.named_parameters()))
    network = Fitter.for_model(StateNet(BANDS, out_neurons=NEURONS), parts[0])
    optimizer = network.optimizer(list(gaussians.parameters()))
    assert isinstance(optimizer, torch.optim.AdamW)
    schedule, used = network.schedule(optimizer), []
    for _ in range(12):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert used[0] == pytest.approx(0.0003)
    assert used[5] == pytest.approx(0.0003 + 0.5 * (0.006 - 0.0003))
    assert used[10:] == pytest.approx([0.006, 0.006])
    assert Fitter.for_model(DNet(BANDS, LAGS, out_neurons=NEURONS), parts[0]).schedule is None
    assert network.patience > Fitter.for_model(new_model(), parts[0]).patience


@pytest.mark.parametrize("activation", [ParametricSoftplus, ParametricSigmoid, ParametricDoubleExponential])
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (200.0, 0.0), (1e-3, 0.0), (4.0, -60.0), (1.0, -0.5)])
def test_a_start_from_data_has_the_scale_of_the_responses(parts, activation, gain, offset):
    """Counts, Hz, few spikes in short bins, a membrane potential in mV, dF/F."""
    train, validation = ((part.stimuli, gain * part.responses + offset) for part in parts)
    curve = activation(NEURONS, non_negative_output=offset == 0)
    explained = []
    for data in (train, parts[0]):
        own = copy.deepcopy(curve) if data is train else activation(NEURONS)
        model = start(new_model(output_activation=own), data)
        held_out = validation if data is train else (parts[1].stimuli, parts[1].responses)
        explained.append(fve(predict(model, held_out[0]), held_out[1]).item())
    assert explained[0] == pytest.approx(explained[1], abs=0.05)
    assert explained[0] > 0.2


@pytest.mark.parametrize("make", [Linear, LinearNonlinear])
def test_a_free_field_starts_at_least_as_good_as_ridge(parts, make):
    train, validation = parts
    baseline = score(ridge(train, LAGS), validation)
    starts = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        starts.append(score(start(make(BANDS, LAGS, out_neurons=NEURONS), train), validation))
    assert min(starts) > baseline - 0.01
    assert starts[0] == pytest.approx(starts[1], abs=0.01)


def test_gaussians_start_at_least_as_good_as_ridge_whatever_the_seed(parts):
    train, validation = parts
    starts = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        kernel = ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=4)
        starts.append(score(start(new_model(kernel=kernel), train), validation))
    assert min(starts) > score(ridge(train, LAGS), validation) - 0.01
    assert starts[0] == pytest.approx(starts[1], abs=0.01)


def test_a_separable_field_starts_as_the_product_nearest_to_ridge(parts):
    train, validation = parts
    model = start(new_model(kernel=SeparableSTRF(BANDS, LAGS, 1, NEURONS)), train)
    assert score(model, validation) > 0.8 * score(ridge(train, LAGS), validation)


@pytest.mark.parametrize("make", [NetworkReceptiveField, DNet, StateNet, Transformer])
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (200.0, 0.0), (1e-3, 0.0)])
def test_the_output_of_a_network_starts_at_the_mean_response(parts, make, gain, offset):
    train, _ = parts
    responses = gain * train.responses + offset
    torch.manual_seed(0)
    model = start(make(BANDS, out_neurons=NEURONS), (train.stimuli, responses))
    pred = predict(model, train.stimuli)
    mean, sd = (responses.transpose(0, 1).flatten(1).nanmean(1) for _ in range(2))
    assert torch.allclose(pred.transpose(0, 1).flatten(1).mean(1), mean, rtol=0.6)
    assert (pred.transpose(0, 1).flatten(1).std(1) < 2 * sd).all()


def last_features(model, x):
    """What the last linear layer sees of sounds, (bins, features)."""
    *_, last = (module for module in model.readout.fc.modules() if isinstance(module, nn.Linear))
    seen = []
    hook = last.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].detach()))
    predict(model, x)
    hook.remove()
    return torch.cat([part.flatten(0, -2) for part in seen]).double()


@pytest.mark.parametrize("make", [NetworkReceptiveField, DNet, StateNet, Transformer, ConvNet2D])
def test_the_last_layer_of_a_network_starts_as_a_regression_on_what_it_sees(parts, make):
    train, _ = parts
    torch.manual_seed(0)
    model = start(make(BANDS, out_neurons=NEURONS, output_activation=nn.Identity()), train)
    target = train.responses.nanmean(2).transpose(0, 1).flatten(1).double()
    X = torch.cat([last_features(model, train.stimuli), torch.ones(target.shape[1], 1)], 1)
    best = (X @ torch.linalg.lstsq(X, target.T, driver="gelsd").solution).T
    predicted = predict(model, train.stimuli).transpose(0, 1).flatten(1).double()
    # Penalised and kept small, so behind the least squares of the same bins, and never larger.
    for n in range(NEURONS):
        reached, possible = (torch.corrcoef(torch.stack([one[n], target[n]]))[0, 1] for one in (predicted, best))
        assert reached > 0.65 * possible, (reached, possible)
        assert predicted[n].std() < 1.02 * best[n].std()
        assert predicted[n].mean() == pytest.approx(target[n].mean().item(), rel=1e-3)


@pytest.mark.parametrize("make", [NetworkReceptiveField, StateNet])
def test_the_last_layer_of_a_network_starts_no_larger_than_by_chance(parts, make, monkeypatch):
    """Through large weights the first steps of a recurrent layer threw the rates of StateNet to 0 for good."""
    sizes = []
    for most in (0, 500):
        monkeypatch.setattr(starts, "MOST_FEATURES", most)
        torch.manual_seed(0)
        model = start(make(BANDS, out_neurons=NEURONS), parts[0])
        sizes.append(model.readout.fc.weight.norm(dim=1).detach())
    assert (sizes[1] <= sizes[0] * 1.0001).all()
    history = fit(epochs=2).fit(make(BANDS, out_neurons=NEURONS), *parts)
    assert bool(history.records[-1].counted.all())


def test_recurrent_networks_grow_their_steps_unless_a_user_gives_some(parts):
    def rates(model: nn.Module, **settings: Any) -> list[float]:
        return [record.learning_rate for record in fit(epochs=3, **settings).fit(model, parts[0]).records]

    class OwnRecurrence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = nn.RNN(BANDS, 6, batch_first=True), nn.Linear(6, NEURONS)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rnn(x[:, 0].transpose(1, 2))[0]).transpose(1, 2)[:, :, None]

    steady, growing = pytest.approx([0.01] * 3), pytest.approx([0.0003, 0.00087, 0.00144])
    assert rates(StateNet(BANDS, out_neurons=NEURONS)) == growing
    assert rates(OwnRecurrence()) == growing
    assert rates(StateNet(BANDS, out_neurons=NEURONS), optimizer=partial(torch.optim.AdamW, lr=0.01)) == steady
    halved = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    assert rates(StateNet(BANDS, out_neurons=NEURONS), schedule=halved) == pytest.approx([0.006, 0.003, 0.0015])
    assert rates(NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS)) == pytest.approx([0.001] * 3)


def test_growing_steps_bring_a_recurrent_network_further_in_forty_epochs_of_some_sounds():
    """Measured: r .57 on other sounds, in even steps of 0.001 .43."""
    sounds = {"sample_rate_hz": 8000, "n_bands": 16, "max_hz": 4000.0, "dt_ms": 5.0}
    train, stop, test = simulate_population(4, seconds=40, trials=4, snr=0.3, **sounds).split(0.6, 0.2, 0.2)
    scores = []
    for settings in ({}, {"optimizer": partial(torch.optim.AdamW, lr=0.001)}):
        torch.manual_seed(0)
        model = StateNet(16, out_neurons=4, rnn_type="LSTM")
        fit(epochs=40, baseline=False, **settings).fit(model, train, stop)
        scores.append(score(model, test))
    assert scores[0] > scores[1] + 0.05


def test_a_last_layer_that_sees_very_much_is_only_scaled(parts, monkeypatch):
    monkeypatch.setattr(starts, "MOST_FEATURES", 3)
    train, _ = parts
    torch.manual_seed(0)
    model = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS)
    before = model.readout.fc.weight.detach().clone()
    fit().prepare(model, train)
    ratio = model.readout.fc.weight.detach() / before
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4)


def test_a_last_layer_that_is_frozen_or_sees_nothing_stays_and_gaps_of_every_kind_are_taken(parts):
    train, _ = parts
    frozen = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS)
    frozen.readout.fc.weight.requires_grad_(False)
    before = frozen.readout.fc.weight.clone()
    fit().prepare(frozen, train)
    assert torch.equal(frozen.readout.fc.weight, before)
    responses = train.responses.clone()
    for n in range(NEURONS):
        responses[:, n, :, 7 * n : 40 * n + 5] = torch.nan
    responses[:, 0] = torch.nan
    model = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS)
    fit().prepare(model, (train.stimuli, responses))
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def edited(model):
    model.readout.strf.kernel.P.data[0] += 1.0  # also without autograd's notice


def fitted(model):
    model(torch.zeros(1, 1, BANDS, 20))  # batch norm in training mode


def loaded(model):
    model.load_state_dict(new_model(seed=1, kernel=ParametricSTRF(BANDS, LAGS, 1, NEURONS)).state_dict())


@pytest.mark.parametrize("change", [edited, fitted, loaded])
def test_a_model_that_was_edited_fitted_or_loaded_goes_on_from_where_it_stands(parts, change):
    model = new_model(kernel=ParametricSTRF(BANDS, LAGS, 1, NEURONS))
    assert is_untouched(copy.deepcopy(model).double())
    change(model)
    assert not is_untouched(model)
    before = copy.deepcopy(model.state_dict())
    fit().prepare(model, parts[0])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    fit(start="data").prepare(model, parts[0])
    assert not all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_kernel_that_was_edited_before_the_model_was_made_stays(parts):
    kernel = ParametricSTRF(BANDS, LAGS, 1, NEURONS)
    kernel.SIG.data.fill_(4.0)
    before = copy.deepcopy(new_model(kernel=kernel).state_dict())
    model = new_model(kernel=kernel)
    fit().prepare(model, parts[0])
    assert torch.equal(model.readout.strf.kernel.SIG, before["readout.strf.kernel.SIG"])


ZOO = {
    "linear": lambda: Linear(BANDS, LAGS, out_neurons=NEURONS),
    "softplus": new_model,
    "signed softplus": lambda: new_model(output_activation=ParametricSoftplus(NEURONS, False)),
    "sigmoid": lambda: new_model(output_activation=ParametricSigmoid(NEURONS)),
    "double exponential": lambda: new_model(output_activation=ParametricDoubleExponential(NEURONS)),
    "rectified": lambda: new_model(output_activation=nn.ReLU()),
    "gaussians": lambda: new_model(kernel=ParametricSTRF(BANDS, LAGS, 1, NEURONS, num_gaussians=2)),
    "network": lambda: NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS),
    "mse network": lambda: DNet(BANDS, LAGS, out_neurons=NEURONS),
    "hidden layer": lambda: ConvNet2D(BANDS, (3, 4), out_neurons=NEURONS, c_hidden=3),
    "recurrent": lambda: StateNet(BANDS, out_neurons=NEURONS),
    "attention": lambda: Transformer(BANDS, context_window=LAGS, out_neurons=NEURONS),
}


def assert_alike(one, other):
    """Each neuron's predictions differ by less than a tenth of their SD: rounding leads a search to a near-by end."""
    miss = (one - other).square().mean((0, 2, 3)).sqrt() / one.std((0, 2, 3))
    assert bool((miss < 0.1).all()), miss


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("make", ZOO.values(), ids=ZOO)
def test_a_fit_does_not_depend_on_the_unit_of_the_responses(parts, make, factor):
    """Counts, Hz or mV, in short bins or long ones: each fit gives the same predictions in the other unit."""
    found = []
    for unit in (1.0, factor):
        train, held = ((part.stimuli, part.responses * unit) for part in parts)
        torch.manual_seed(0)
        model = make()
        fit(epochs=4).fit(model, train, held)
        found.append(predict(model, held[0]) / unit)
    assert_alike(*found)


def test_bins_of_1_ms_fit_like_bins_of_5_ms():
    """The same sounds and spikes in both, and predictions of both held against the spikes in bins of 20 ms."""
    fine = simulate_population(
        3, seconds=24, trials=3, snr=0.3, n_bands=8, max_hz=4000.0, sample_rate_hz=8000, dt_ms=1.0, n_lags=60, seed=3
    )
    scores = []
    for recording, step in ((fine, 1), (fine.rebin(5.0, responses="sum"), 5)):
        train, validation, test = recording.split(0.5, 0.25, 0.25)
        model = LinearNonlinear(8, 60 // step, out_neurons=3)
        fit(epochs=25).fit(model, train, validation)
        pred, gt = (
            x[..., : x.shape[-1] // (20 // step) * (20 // step)].unflatten(-1, (-1, 20 // step)).sum(-1)
            for x in (predict(model, test.stimuli), test.responses)
        )
        scores.append(corrcoef(pred, gt).item())
    assert scores[0] > scores[1] - 0.01 > 0.7, scores


def test_a_rectified_model_is_better_than_ridge(parts):
    """Under the Poisson loss it would stand still: a rate of 0 makes spikes impossible, and has no slope."""
    train, validation = parts
    history = fit().fit(new_model(output_activation=nn.ReLU()), train, validation)
    assert history.best.score > history.ridge_score


def test_responses_out_of_reach_of_a_curve_are_refused(parts):
    train, _ = parts
    hz = train.stimuli, train.responses * 1000
    with pytest.raises(ValueError, match=r"Sigmoid goes from 0 to 1; the mean response of 3 of 3 neurons.*Parametric"):
        fit().prepare(new_model(output_activation=nn.Sigmoid()), hz)
    fit().prepare(new_model(output_activation=ParametricSigmoid(NEURONS)), hz)
    fit().prepare(new_model(output_activation=nn.Softplus()), hz)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_fit_in_half_precision_is_warned_of(parts, dtype):
    with pytest.warns(UserWarning, match=r"two or three digits.*model\.float\(\)"):
        fit(start="model").prepare(new_model().to(dtype), parts[0])


def test_sounds_that_hardly_vary_are_warned_of(parts):
    """Amplitudes in Pa, powers: beside the epsilon of the batch norm they are nothing."""
    train = parts[0]
    tiny = train.stimuli * 1e-6, train.responses
    with pytest.warns(UserWarning, match=r"stimuli vary by .*e-05 .*levels in dB, or multiply them by \de\+04"):
        fit().prepare(new_model(), tiny)
    fit().prepare(NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS), tiny)  # knows the scale of its sounds
    fit().prepare(new_model(), (train.stimuli * 1e-2, train.responses))


@pytest.mark.parametrize("bins", [1, 2, 4])
def test_so_few_bins_that_none_can_be_left_out_are_fitted_all_the_same(parts, bins):
    train, held = ((part.stimuli[:2, ..., 50 : 50 + bins], part.responses[:2, ..., 50 : 50 + bins]) for part in parts)
    train[1][0, :, 0, 0] += 1.0  # so that every neuron varies
    fit(epochs=1).fit(new_model(), train, held)


def test_a_neuron_in_another_unit_than_its_neighbours_is_fitted_alike(parts):
    unit = torch.tensor([1.0, 1e-3, 1e3])[:NEURONS].view(1, -1, 1, 1)
    found = []
    for by in (torch.ones_like(unit), unit):
        train, held = ((part.stimuli, part.responses * by) for part in parts)
        model = new_model()
        fit(epochs=4).fit(model, train, held)
        found.append(predict(model, held[0]) / by)
    assert_alike(*found)


@pytest.mark.parametrize("offset", [-60.0, 1000.0])
def test_a_fit_does_not_depend_on_the_level_of_a_potential(parts, offset):
    """A membrane potential around -60 mV, or a fluorescence around 1000, fits like the same changes around 0."""
    found = []
    for level in (0.0, offset):
        train, held = ((part.stimuli, part.responses + level) for part in parts)
        torch.manual_seed(0)
        model = Linear(BANDS, LAGS, out_neurons=NEURONS)
        fit(epochs=4).fit(model, train, held)
        found.append(predict(model, held[0]) - level)
    assert_alike(*found)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_neuron_whose_response_never_varies_keeps_its_own_start(parts, value):
    train, _ = parts
    responses = train.responses.clone()
    responses[:, 1] = value
    with torch.no_grad():
        model, before = new_model(), new_model()
    with pytest.warns(UserWarning, match=rf"responses of 1 of {NEURONS} neurons \(1\) never vary"):
        start(model, (train.stimuli, responses))
    assert torch.equal(model.STRF_weight()[1], before.STRF_weight()[1])
    assert torch.equal(model.readout.bn.weight[1], before.readout.bn.weight[1])
    assert not torch.equal(model.STRF_weight()[0], before.STRF_weight()[0])
    assert all(x.isfinite().all() for x in model.state_dict().values())


def z_scored(x):
    return (x - x.mean()) / x.std()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (
            lambda x: x - 70,
            r"responses must be rates for this model, .* ParametricSoftplus never goes below 0; those of",
        ),
        (
            z_scored,
            r"lie about 0 or below it .* output_activation=ParametricSoftplus\(\d+, non_negative_output=False\)",
        ),
        (torch.zeros_like, "responses must vary in time, got none that does"),
        (lambda x: x.clone().index_fill_(3, torch.tensor(0), torch.inf), "responses must be finite, .* of . of"),
    ],
)
def test_responses_that_a_model_cannot_follow_are_refused(parts, change, refusal):
    train, _ = parts
    model = new_model()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=refusal):
        start(model, (train.stimuli, change(train.responses)))
    assert all(torch.equal(now, before[name]) for name, now in model.state_dict().items())


def test_a_few_negative_responses_are_warned_of_and_a_signed_curve_takes_all(parts):
    train, _ = parts
    few = train.responses.clone()
    few[0, 0, :, 0] = -5.0
    with pytest.warns(
        UserWarning, match=r"responses of 1 of \d neurons \(0\) go below 0 \(down to -5\), where the output"
    ):
        start(new_model(), (train.stimuli, few))
    signed = LinearNonlinear(
        BANDS, LAGS, out_neurons=NEURONS, output_activation=ParametricSoftplus(NEURONS, non_negative_output=False)
    )
    start(signed, (train.stimuli, z_scored(train.responses)))


def test_patience_does_not_count_before_a_fit_has_left_its_start(parts):
    """The score stays where it was while the training loss is that of a constant prediction: a plateau."""

    def score_of_a_plateau(pred, gt, *, reduction):
        return torch.full((NEURONS,), 0.3)

    def still(parameters):
        return torch.optim.SGD(parameters, lr=1e-12)

    model = new_model()
    with torch.no_grad():
        model.readout.bn.weight.zero_()
    fitter = fit(epochs=40, patience=3, score=score_of_a_plateau, optimizer=still, start="model", smoothness=0.0)
    history = fitter.fit(model, *parts)
    assert (len(history), history.stopped) == (19, "no better for 18 epochs")
    moving = fit(epochs=40, patience=3, score=score_of_a_plateau, start="data").fit(new_model(), *parts)
    assert (len(moving), moving.stopped) == (4, "no better for 3 epochs")


def test_a_fit_from_data_resumes_to_the_same_bits(parts, tmp_path):
    whole, halved, rest = (new_model() for _ in range(3))
    fit(epochs=4).fit(whole, *parts)
    fit(epochs=2).fit(halved, *parts, checkpoint=tmp_path / "fit.pt")
    fit(epochs=4).fit(rest, *parts, checkpoint=tmp_path / "fit.pt")
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("loss", "curve"),
    [(mse_loss, nn.Identity()), (poisson_loss, ParametricSoftplus(2)), (mse_loss, ParametricSigmoid(2))],
)
def test_bins_of_like_drive_say_as_much_of_a_curve_as_all_of_them(loss, curve):
    made = torch.Generator().manual_seed(0)
    drive = torch.randn(3, 2, 4000, generator=made)
    target = torch.poisson(nn.functional.softplus(2 * drive - 1), generator=made).unsqueeze(2)
    target[1, 0, :, 100:1500] = torch.nan  # neurons differ in what was recorded
    target[2, 1, :, 3000:] = torch.nan

    def found(pooled, bins=slice(None)):
        own = copy.deepcopy(curve)
        scale_curve(own, Scale(target))
        gain, shift = fit_gain_and_curve(
            drive[..., bins], target[..., bins], torch.full((2,), 0.3), torch.zeros(2), own,
            partial(loss, reduction="none"), free_curve=True, pooled=pooled,
        )  # fmt: skip
        with torch.no_grad():
            pred = own(drive.transpose(1, 2) * gain + shift).transpose(1, 2).unsqueeze(2)
        return loss(pred, target, reduction="none"), (gain, shift, *own.parameters())

    of_all, of_groups = found(False)[0], found(True)[0]
    constant = loss(target.nanmean((0, 3), keepdim=True).expand_as(target), target, reduction="none")
    assert bool(((of_groups - of_all) < 0.002 * (constant - of_all)).all())
    # Few bins are taken as they are.
    for x, y in zip(found(False, slice(0, 900))[1], found(True, slice(0, 900))[1], strict=True):
        assert torch.equal(x, y)
