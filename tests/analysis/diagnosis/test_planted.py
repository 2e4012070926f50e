"""Every kind of finding on a model with exactly that fault: found, at the right neuron, and nothing else found."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepstrf.analysis import Diagnosis, Finding, best_frequency, diagnose
from deepstrf.analysis.diagnosis.gaussians import same_shape
from deepstrf.datasets import Recording
from deepstrf.metrics import compute_CCmax, corrcoef
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.audio import NetworkReceptiveField, StateNet
from deepstrf.models.layers import ParametricSTRF
from deepstrf.training import predict, ridge
from tests.analysis.diagnosis.population import (
    BANDS,
    DT_MS,
    LAGS,
    NEURONS,
    SICK,
    drive,
    healthy,
    planting,
    simulate,
    with_free_kernel,
)


def only(found: Diagnosis, kind: str, neuron: int | None = SICK) -> Finding:
    """The one finding there is, of this kind and at this neuron."""
    assert [(finding.kind, finding.neuron) for finding in found] == [(kind, neuron)], found
    return found[0]


# -- numbers that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("readout.strf.kernel.weight", (SICK, 0, 3, 2)),
        ("readout.bn.running_var", (SICK,)),
        ("readout.activation._raw_beta", (SICK,)),
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_tensor_of_a_neuron_that_is_not_finite(name, index, value):
    model = with_free_kernel(healthy())
    model.state_dict()[name][index] = value
    finding = only(diagnose(model, simulate()), "not_finite")
    assert finding.parameter == name
    assert finding.evidence == {"values": 1, "tensors": 1}


@pytest.mark.parametrize("axis", [0, 1])
def test_a_gaussian_that_is_not_finite(axis):
    model = healthy()
    with planting(model) as readout:
        readout.strf.kernel.P[axis, SICK, 0, 1] = math.nan
    assert only(diagnose(model, simulate()), "not_finite").parameter == "readout.strf.kernel.P"


def test_a_shared_tensor_that_is_not_finite_concerns_the_model():
    model = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS, n_hidden=NEURONS).eval().requires_grad_(False)
    with torch.no_grad():
        model.core[0].kernel.weight[1] = math.nan
    finding = only(diagnose(model, simulate()), "not_finite", None)
    assert finding.parameter == "core.0.kernel.weight"
    assert finding.evidence["values"] == BANDS * LAGS


class Root(nn.Module):
    """A curve, but for one neuron the square root of its drive, which has none below 0."""

    def __init__(self, curve: nn.Module) -> None:
        super().__init__()
        self.curve = curve

    def forward(self, x: Tensor) -> Tensor:
        y = self.curve(x)
        return torch.cat([y[..., :SICK], x[..., SICK : SICK + 1].sqrt(), y[..., SICK + 1 :]], dim=-1)


def test_a_response_that_is_not_finite_although_every_parameter_is():
    model = healthy()
    model.readout.activation = Root(model.readout.activation)
    finding = only(diagnose(model, simulate()), "not_finite")
    below = int((drive(model, simulate().stimuli)[SICK] < 0).sum())
    assert finding.evidence == {"bins": below, "of": 3000}
    assert finding.parameter is None


# -- responses ------------------------------------------------------------------------------------------------------


class Early(nn.Module):
    """A kernel that answers for some neurons two bins too early."""

    def __init__(self, kernel: nn.Module, neurons: list[int]) -> None:
        super().__init__()
        self.kernel, self.neurons = kernel, neurons

    def forward(self, x: Tensor) -> Tensor:
        y = self.kernel(x).clone()
        y[:, self.neurons] = y[:, self.neurons].roll(-2, dims=-1)
        return y


def test_a_neuron_that_sees_the_future():
    model = healthy()
    model.readout.strf.kernel = Early(model.readout.strf.kernel, [SICK])
    finding = only(diagnose(model, simulate()), "sees_future")
    assert finding.evidence["bins_ahead"] == 2
    assert "2 bins (20 ms) ahead" in finding.sentence


def test_a_model_all_of_which_sees_the_future_is_one_finding():
    model = healthy()
    model.readout.strf.kernel = Early(model.readout.strf.kernel, list(range(NEURONS)))
    finding = only(diagnose(model, simulate().stimuli), "sees_future", None)
    assert finding.evidence["bins_ahead"] == 2
    assert "2 bins ahead" in finding.sentence  # the bin width is not known


def test_a_norm_over_all_of_time_sees_the_future():
    model = healthy()
    model.core = nn.InstanceNorm2d(1)
    found = diagnose(model, simulate())
    assert [finding.neuron for finding in found.of("sees_future")] == [None]


@pytest.mark.parametrize("part", ["kernel", "gain"])
def test_a_neuron_without_any_drive_is_dead(part):
    model = healthy()
    with planting(model) as readout:
        (readout.strf.kernel.weight if part == "kernel" else readout.bn.weight)[SICK] = 0.0
    finding = only(diagnose(model, simulate()), "dead")
    assert finding.evidence["deviation"] <= 1e-3 * finding.evidence["scale"]


def test_a_neuron_whose_threshold_is_out_of_reach_is_dead():
    model = healthy()
    with planting(model) as readout:
        readout.bn.bias[SICK] -= 60.0
    finding = only(diagnose(model, simulate()), "dead")
    assert finding.evidence["mean"] == pytest.approx(float(model.readout.activation.b[SICK]), rel=1e-5)


def test_a_rate_that_is_far_too_low_is_dead_however_much_it_varies():
    model = healthy()
    with planting(model) as readout:
        readout.activation._raw_b[SICK] = -60.0
        readout.bn.bias[SICK] -= float(drive(model, simulate().stimuli)[SICK].max())
        readout.bn.bias[SICK] -= 15 / float(readout.activation.beta[SICK])
    x = model(simulate().stimuli)[:, SICK]
    assert float(x.std()) > 0.1 * float(x.mean())
    only(diagnose(model, simulate().stimuli), "dead")
    only(diagnose(model, simulate()), "dead")


@pytest.mark.parametrize("output", ["sigmoid", "double_exponential"])
@pytest.mark.parametrize("constant", [True, False])
def test_a_neuron_at_the_ceiling_of_its_curve_is_saturated(output, constant):
    model = healthy(output)
    z = drive(model, simulate(output=output).stimuli)[SICK]
    # Within 1 % of the ceiling a sigmoid is at logit(0.99) = 4.6 widths, a double exponential at -log(-log(0.99)).
    to_go = 4.6 * 0.4 if output == "sigmoid" else 4.6 / 2
    threshold = float(model.readout.activation.c[SICK]) if output == "sigmoid" else 1.0
    median = float(z.median())
    with planting(model) as readout:
        readout.bn.bias[SICK] += 40.0 if constant else threshold + to_go - median + 0.5
    finding = only(diagnose(model, simulate(output=output).stimuli), "saturated")
    assert (finding.evidence["share"] == 1.0) is constant
    assert finding.evidence["share"] > 0.5
    assert finding.evidence["ceiling"] == pytest.approx(
        float((model.readout.activation.a + model.readout.activation.b)[SICK])
    )
    assert finding.parameter is not None
    assert finding.parameter.startswith("readout.activation.")


def put_at_its_floor(model: LinearNonlinear, stimuli: Tensor, share: float) -> None:
    """Lower the drive of one neuron until this share of the bins is within 1 % of the floor of its curve."""
    curve = model.readout.activation
    # That near is a softplus under log(e^0.01 - 1) / beta, a sigmoid log(99) widths under its middle.
    if hasattr(curve, "beta"):
        knee = math.log(math.expm1(0.01)) / float(curve.beta[SICK])
    else:
        knee = float(curve.c[SICK]) - math.log(99) * float(curve.d[SICK])
    z = drive(model, stimuli)[SICK]
    with planting(model) as readout:
        readout.bn.bias[SICK] += knee - float(z.kthvalue(int(share * len(z))).values)


@pytest.mark.parametrize("output", ["softplus", "sigmoid"])
def test_a_neuron_at_the_floor_of_its_curve_is_saturated(output):
    population, model = simulate(output=output), healthy(output)
    put_at_its_floor(model, population.stimuli, 0.9995)
    finding = only(diagnose(model, population), "saturated")
    assert finding.evidence["share"] == pytest.approx(0.9995, abs=5e-4)


def test_a_sparse_neuron_may_be_at_its_floor_most_of_the_time():
    model = healthy()
    put_at_its_floor(model, simulate().stimuli, 0.998)
    assert not diagnose(model, simulate().stimuli)


def test_a_neuron_that_was_recorded_as_silent_may_be_at_its_floor():
    model, stimuli = healthy(), simulate().stimuli
    put_at_its_floor(model, stimuli, 0.9995)
    responses = simulate().responses.clone()
    responses[:, SICK] = 0.0
    responses[0, SICK, :, 77] = 1.0
    assert diagnose(model, stimuli).of("saturated")
    assert not diagnose(model, stimuli, responses).of("saturated")


# -- parameters -----------------------------------------------------------------------------------------------------


def test_a_kernel_far_larger_than_the_others():
    model = with_free_kernel(healthy())
    with planting(model) as readout:
        readout.strf.kernel.weight[SICK] *= 1000.0
    finding = only(diagnose(model, simulate().stimuli), "exploding")
    peaks = model.readout.strf.kernel.weight.abs().flatten(1).amax(1)
    others = torch.cat([peaks[:SICK], peaks[SICK + 1 :]]).median()
    assert finding.parameter == "readout.strf.kernel.weight"
    assert finding.evidence["largest"] == pytest.approx(float(peaks[SICK]))
    assert finding.evidence["ratio"] == pytest.approx(float(peaks[SICK] / others), rel=1e-5)


def test_one_exploding_gain():
    model = healthy()
    with planting(model) as readout:
        readout.bn.weight[SICK] *= 1000.0
    assert only(diagnose(model, simulate().stimuli), "exploding").parameter == "readout.bn.weight"


def test_a_single_neuron_is_compared_with_its_initial_values():
    model = LinearNonlinear(BANDS, LAGS).eval().requires_grad_(False)
    assert not diagnose(model, simulate().stimuli)
    with planting(model) as readout:
        readout.strf.kernel.weight *= 2000.0
    finding = only(diagnose(model, simulate().stimuli), "exploding", 0)
    # Kaiming's bound, 1 / sqrt(fan in), which the largest of 80 draws nearly reaches.
    assert finding.evidence["at_start"] == pytest.approx(1 / math.sqrt(BANDS * LAGS), rel=0.1)


def test_an_exploding_shared_tensor_concerns_the_model():
    model = StateNet(BANDS, LAGS, out_neurons=NEURONS, hidden_channels=2).eval().requires_grad_(False)
    with torch.no_grad():
        model.rnn.weight_ih_l0[0, 0] = 500.0
    assert only(diagnose(model, simulate().stimuli), "exploding", None).parameter == "rnn.weight_ih_l0"


@pytest.mark.parametrize(
    ("axis", "place", "words"),
    [
        (0, -3.0, "3 bands below the 10 bands"),
        (0, BANDS + 1.0, "2 bands above the 10 bands"),
        (1, -4.0, r"4 bins \(40 ms\) beyond the longest lag"),
        (1, LAGS + 0.5, r"1.5 bins \(15 ms\) beyond lag 0"),
    ],
)
def test_a_gaussian_off_the_grid(axis, place, words):
    model = healthy()
    with planting(model) as readout:
        readout.strf.kernel.P[axis, SICK, 0, 1] = place
    finding = only(diagnose(model, simulate().stimuli, dt_ms=DT_MS), "off_grid")
    assert (finding.evidence["channel"], finding.evidence["gaussian"]) == (0, 1)
    assert finding.evidence[("band", "tap")[axis]] == place
    beyond = max(-place, place - (BANDS, LAGS)[axis] + 1)
    assert finding.evidence[("bands_beyond", "bins_beyond")[axis]] == pytest.approx(beyond)
    assert finding.parameter == "readout.strf.kernel.P"
    assert re.search(words, finding.sentence)


@pytest.mark.parametrize(("axis", "place"), [(0, -0.4), (0, BANDS - 0.6), (1, 0.0), (1, LAGS - 0.6)])
def test_a_gaussian_within_the_outermost_bin_is_on_the_grid(axis, place):
    model = healthy()
    with planting(model) as readout:
        readout.strf.kernel.P[axis, SICK, 0, 1] = place
    assert not diagnose(model, simulate().stimuli)


def test_two_gaussians_on_top_of_each_other():
    model = healthy()
    with planting(model) as readout:
        kernel = readout.strf.kernel
        for tensor in (kernel.P, kernel.SIG):
            tensor[:, SICK, 0, 2] = tensor[:, SICK, 0, 0] + 0.02
    finding = only(diagnose(model, simulate().stimuli), "overlapping")
    assert (finding.evidence["gaussian"], finding.evidence["other"]) == (0, 2)
    assert finding.evidence["cosine"] > 0.99
    with planting(model) as readout:
        readout.strf.kernel.weight[SICK, 0, 2] = 0.0  # of no use, so it may lie anywhere
    assert not diagnose(model, simulate().stimuli)


def test_gaussians_of_a_hidden_layer_belong_to_no_neuron():
    model = NetworkReceptiveField(BANDS, LAGS, out_neurons=NEURONS, n_hidden=NEURONS).eval().requires_grad_(False)
    model.core[0].kernel = ParametricSTRF(BANDS, LAGS, 1, NEURONS)
    with torch.no_grad():
        model.core[0].kernel.P[0, 1] = 30.0
    finding = only(diagnose(model, simulate().stimuli), "off_grid", None)
    assert finding.evidence["unit"] == 1
    assert "of unit 2 of core.0.kernel" in finding.sentence


def test_the_cosine_of_two_gaussians_is_that_of_their_samples_on_a_fine_grid():
    centre = torch.tensor([[3.0, 4.5], [10.0, 9.0]], dtype=torch.float64)
    sigma = torch.tensor([[1.2, 2.0], [1.5, 0.8]], dtype=torch.float64)
    f, t = (torch.arange(-20, 40, 0.05, dtype=torch.float64) for _ in range(2))
    fields = [
        torch.exp(-0.5 * ((f[:, None] - centre[0, g]) / sigma[0, g]) ** 2)
        * torch.exp(-0.5 * ((t[None] - centre[1, g]) / sigma[1, g]) ** 2)
        for g in range(2)
    ]
    expected = (fields[0] * fields[1]).sum() / (fields[0].norm() * fields[1].norm())
    torch.testing.assert_close(same_shape(centre, sigma)[0, 1], expected, rtol=1e-9, atol=0)


def test_a_batch_norm_that_flips_the_sign():
    model = healthy()
    with planting(model) as readout:
        readout.bn.weight[SICK] *= -1
        readout.bn.running_mean[SICK] *= -1
        readout.strf.kernel.weight[SICK] *= -1  # the same neuron, seen through a mirror
    torch.testing.assert_close(model(simulate().stimuli), simulate().model(simulate().stimuli), rtol=1e-4, atol=1e-5)
    finding = only(diagnose(model, simulate()), "flipped_sign")
    assert finding.evidence == {"gain": pytest.approx(float(model.readout.bn.weight[SICK]))}


# -- scores ---------------------------------------------------------------------------------------------------------


def levelled(model: Linear, stimuli: Tensor, responses: Tensor) -> None:
    """Set gain and shift of each neuron so that no line through its prediction fits better."""
    p, y = (x.transpose(0, 1).flatten(1) for x in (model(stimuli)[:, :, 0], responses.mean(2)))
    p0, y0 = (x - x.mean(1, keepdim=True) for x in (p, y))
    slope = (p0 * y0).sum(1) / p0.square().sum(1)
    with planting(model) as readout:
        readout.bn.weight.mul_(slope)
        readout.bn.bias.copy_(y.mean(1) - slope * (p.mean(1) - readout.bn.bias))


def leaking() -> tuple[Linear, Tensor, Tensor]:
    """A model with a band more, in which the recorded response of one neuron is played; its stimuli and responses."""
    population = simulate()
    stimuli = torch.cat([population.stimuli, 40 * population.responses[:, SICK, None].mean(2, keepdim=True)], dim=2)
    fields, biases = population.model.effective_STRF()
    model = Linear(BANDS + 1, LAGS, out_neurons=NEURONS).eval().requires_grad_(False)
    with planting(model) as readout:
        kernel = readout.strf.kernel
        kernel.weight.zero_()
        kernel.weight[:, :, :BANDS] = fields
        kernel.weight[SICK] = 0.0
        kernel.weight[SICK, 0, BANDS, -1] = 1.0
        kernel.bias.copy_(biases)
    levelled(model, stimuli, population.responses)
    return model, stimuli, population.responses


def test_a_response_that_leaks_into_the_stimulus_scores_above_the_ceiling():
    model, stimuli, responses = leaking()
    for found in (diagnose(model, stimuli, responses), diagnose(model, stimuli, held_out=(stimuli, responses))):
        finding = only(found, "above_ceiling")
        assert finding.evidence["score"] == pytest.approx(1.0, abs=1e-6)
        assert finding.evidence["ceiling"] == pytest.approx(float(compute_CCmax(responses)[SICK]))
        assert finding.evidence["ceiling"] < 0.95


def memorising(seed: int = 3) -> tuple[Linear, object, object]:
    """A model of which one neuron is a least-squares fit of as many weights as bins, nearly, and its two recordings."""
    population = simulate(seconds=60, trials=2, snr=0.1)
    train, test = population.select(stimuli=[0]), population.select(stimuli=range(1, 12))
    lags = 40
    x = torch.nn.functional.pad(train.stimuli[0, 0], (lags - 1, 0)).unfold(-1, lags, 1)  # (F, T, lags)
    design = x.transpose(0, 1).flatten(1).double()
    target = train.responses[0, SICK].mean(0).double()
    weights = torch.linalg.lstsq(design, target - target.mean()).solution.view(BANDS, lags)
    fields, biases = population.model.effective_STRF()
    model = Linear(BANDS, lags, out_neurons=NEURONS).eval().requires_grad_(False)
    with planting(model) as readout:
        kernel = readout.strf.kernel
        kernel.weight.zero_()
        kernel.weight[..., -LAGS:] = fields
        kernel.weight[SICK, 0] = weights
        kernel.bias.copy_(biases)
    levelled(model, train.stimuli, train.responses)
    return model, train, test


def test_a_neuron_that_learnt_the_noise_of_its_training_data():
    model, train, test = memorising()
    finding = only(diagnose(model, train, held_out=test), "overfitting")
    for name, data in (("train", train), ("held_out", test)):
        # Trials side by side are as good as sounds side by side.
        predicted = model(data.stimuli)[:, SICK].repeat_interleave(2, 0)[:, None]
        trials = data.responses[:, SICK].flatten(0, 1)[:, None, None]
        assert finding.evidence[name] == pytest.approx(float(corrcoef(predicted, trials)), abs=1e-5)
    assert finding.evidence["held_out"] ** 2 < 0.5 * finding.evidence["train"] ** 2


# -- against what was recorded --------------------------------------------------------------------------------------


def recorded(change=None, **options):
    """The truth, its sounds, and responses of which ``change`` has altered a copy."""
    population = simulate(**{"seconds": 60, **options})
    responses = population.responses.clone()
    if change is not None:
        responses = change(responses)
    return population.model, population.stimuli, responses


def one_neuron(change):
    """The change for the sick neuron alone."""

    def changed(responses):
        responses[:, SICK] = change(responses[:, SICK])
        return responses

    return changed


def of_neurons(found, kind):
    return [finding.neuron for finding in found.of(kind)]


@pytest.mark.parametrize("how", ["kernel", "gain", "responses"])
def test_a_neuron_turned_upside_down(how):
    model, stimuli, responses = recorded()
    model = healthy()
    with planting(model) as readout:
        if how == "kernel":
            readout.strf.kernel.weight[SICK] *= -1
        elif how == "gain":
            readout.bn.weight[SICK] *= -1
    if how == "responses":
        responses[:, SICK] = responses[:, SICK].amax() - responses[:, SICK]
    finding = only(diagnose(model, stimuli, responses), "upside_down")
    assert finding.severity == "error"
    assert finding.evidence["score"] == pytest.approx(
        float(corrcoef(model(stimuli), responses, reduction="none")[SICK]), abs=0.02
    )
    assert [f.kind for f in diagnose(model, stimuli, held_out=(stimuli, responses))] == ["upside_down"]
    # What is upside down on both sides is no overfitting.
    assert [f.kind for f in diagnose(model, stimuli, responses, held_out=(stimuli, responses))] == ["upside_down"]


@pytest.mark.parametrize("shift", [-50, -7, -3, 3, 7, 50])
def test_responses_that_are_shifted_in_time(shift):
    model, stimuli, responses = recorded(one_neuron(lambda y: y.roll(shift, -1)))
    finding = only(diagnose(model, stimuli, responses, dt_ms=DT_MS), "shifted")
    assert finding.evidence["shift_bins"] == shift
    assert f"{abs(shift)} bins ({abs(shift) * DT_MS:g} ms) {'later' if shift > 0 else 'earlier'}" in finding.sentence


def test_a_fit_to_responses_that_come_before_the_sound_is_out_of_step_with_it():
    """The model has learnt what it could: its own prediction is at no other time better."""
    population = simulate(seconds=60)
    model, early = with_free_kernel(healthy()), population.responses.roll(-12, -1)
    with planting(model) as readout:
        readout.strf.kernel.weight.normal_(generator=torch.Generator().manual_seed(0))
        readout.bn.running_var.fill_(1e6)
    found = diagnose(model, population.stimuli, early)
    assert sorted(of_neurons(found, "shifted")) == list(range(NEURONS)), found
    assert all(finding.evidence["shift_bins"] < 0 for finding in found.of("shifted"))


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 0, 1, 2], [0, 1, 3, 2]])
def test_responses_of_other_neurons(order):
    model, stimuli, responses = recorded(lambda y: y[:, order])
    found = diagnose(model, stimuli, responses)
    swapped = [n for n, o in enumerate(order) if n != o]
    assert [(f.kind, f.neuron) for f in found] == [("other_neuron", n) for n in swapped], found
    assert [f.evidence["other"] for f in found] == [order[n] for n in swapped]


def test_a_fit_that_has_not_left_its_start_is_under_ridge_and_under_the_ceiling():
    model, stimuli, responses = recorded()
    model = with_free_kernel(healthy())
    with planting(model) as readout:
        readout.strf.kernel.weight[SICK].uniform_(-1, 1, generator=torch.Generator().manual_seed(1))
        drive_of = readout.strf(stimuli).squeeze(2)[:, SICK]
        readout.bn.running_mean[SICK], readout.bn.running_var[SICK] = drive_of.mean(), drive_of.var()
    for trials in (1, 4):  # without repeats there is no ceiling, and with them there is
        found = diagnose(model, stimuli, responses[:, :, :trials])
        assert of_neurons(found, "poor_score") + of_neurons(found, "upside_down") == [SICK], found
    finding = diagnose(model, stimuli, held_out=(stimuli, responses))[0]
    assert finding.neuron == SICK
    assert finding.evidence["score"] < 0.5


def test_a_model_of_what_no_linear_field_predicts_is_held_against_the_ceiling():
    """Repeats agree, and neither the model nor a linear field of the sound knows why."""
    model, stimuli, responses = recorded()
    hidden = 0.3 + 0.3 * torch.sin(torch.arange(stimuli.shape[-1]) * 0.9) * torch.sin(
        torch.arange(stimuli.shape[-1]) * 0.013
    )
    g = torch.Generator().manual_seed(0)
    responses[:, SICK] = torch.poisson(hidden.expand(len(responses), responses.shape[2], -1), generator=g)
    found = diagnose(model, stimuli, responses)
    assert of_neurons(found, "poor_score") == [SICK], found
    assert found.of("poor_score")[0].evidence.keys() == {"score", "ceiling"}


@pytest.mark.parametrize("how", ["rates twice as large", "a louder sound", "a baseline"])
def test_a_prediction_of_the_right_shape_and_the_wrong_level(how):
    model, stimuli, responses = recorded()
    model = healthy()
    if how == "a louder sound":
        found = diagnose(model, stimuli + 60.0, responses)
        assert found.of("off_level"), found
        return
    responses[:, SICK] = responses[:, SICK] / 3 if how == "rates twice as large" else responses[:, SICK] + 2.0
    finding = only(diagnose(model, stimuli, responses), "off_level")
    predicted = float(model(stimuli)[:, SICK].mean())
    assert finding.evidence["mean"] == pytest.approx(predicted, rel=1e-4)
    assert finding.evidence["recorded_mean"] == pytest.approx(float(responses[:, SICK].mean()), rel=1e-4)


class Says(nn.Module):
    """Rates (N, T) whatever is played."""

    def __init__(self, rates: Tensor) -> None:
        super().__init__()
        self.rates = nn.Parameter(rates[None, :, None], requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.rates[..., : x.shape[-1]].expand(len(x), -1, -1, -1)


def off_level_of(rates: Tensor, trials: Tensor) -> list[int]:
    """Neurons whose rates (N, T) are off the level of their trials (N, R, T)."""
    sound = torch.rand(1, 1, BANDS, rates.shape[1], generator=torch.Generator().manual_seed(0))
    return of_neurons(diagnose(Says(rates), sound, trials[None], dt_ms=DT_MS), "off_level")


@pytest.mark.parametrize("how", ["gain", "baseline"])
def test_a_mean_twice_as_large_is_named_in_five_seconds_of_one_trial(how):
    """So little that neither a wrong gain nor the shape of the prediction is sure."""
    population = simulate(seconds=5, trials=1, snr=0.5)
    rates = population.expected[0, :, 0].clone()
    mean = float(rates[SICK].mean())
    rates[SICK] = 2.06 * rates[SICK] if how == "gain" else rates[SICK] + 1.06 * mean
    finding = only(diagnose(Says(rates), population), "off_level")
    assert finding.evidence["mean"] == pytest.approx(2.06 * mean, rel=1e-4)
    recorded_mean = float(population.responses[0, SICK].mean())
    assert finding.evidence["recorded_mean"] == pytest.approx(recorded_mean, rel=1e-4)
    # Of independent counts the mean over n bins has the error sqrt(mean / n); twice as many scatter by sqrt(2) more.
    counted = math.sqrt(recorded_mean / rates.shape[1])
    assert 0.8 * counted < finding.evidence["error"] < 2 * counted
    assert f"{2.06 * mean / recorded_mean - 1:+.0%}" in finding.sentence
    assert not diagnose(population.model, population)


@pytest.mark.parametrize(("ratio", "named"), [(0.9, False), (1.1, False), (0.6, True), (1.6, True)])
def test_a_mean_that_is_surely_off_but_by_little_is_no_finding(ratio, named):
    """Of 40,000 bins the mean is known to 0.7 %."""
    rates = 1.0 * torch.rand(1, 40_000, generator=torch.Generator().manual_seed(1))
    trials = torch.poisson(rates[:, None], generator=torch.Generator().manual_seed(2))
    assert off_level_of(ratio * rates, trials) == ([0] if named else [])


def test_the_mean_of_responses_that_go_below_zero_is_held_against_their_standard_deviation():
    random = torch.Generator().manual_seed(3)
    signal = torch.randn(2, 2000, generator=random)
    trials = signal[:, None] + torch.randn(2, 3, 2000, generator=random) - 60.0  # mV about the rest of a cell
    assert off_level_of(signal - 60.0 + torch.tensor([[0.0], [0.6]]), trials) == [1]
    assert off_level_of(signal - 60.0 + torch.tensor([[0.1], [-0.1]]), trials) == []


@pytest.mark.parametrize(("due", "named"), [(5, False), (60, True)])
def test_one_event_where_more_were_due(due, named):
    """One instead of five comes by chance once in twenty-five times; blocks without any would say never."""
    trials = torch.zeros(1, 1, 1000)
    trials[..., 500] = 1.0
    ripple = 1 + 0.5 * torch.sin(torch.arange(1000) / 3.0)
    assert off_level_of(due / 1000 * ripple[None], trials) == ([0] if named else [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: (y - y.mean()) / y.std(), "negative"),
        (lambda y: y * 200, "in steps of 200"),
        (lambda y: torch.zeros_like(y), "0 in all"),
        (lambda y: torch.full_like(y, 3.0), "3 in all"),
        (lambda y: y - 0.5, "negative"),
        (lambda y: y * 1e6, "in steps of 1e+06"),
        (lambda y: (y + torch.rand(y.shape)) * 1e3, "as spike counts that is"),
    ],
)
def test_responses_that_are_no_counts(change, words):
    model, stimuli, responses = recorded(one_neuron(change))
    finding = only(diagnose(model, stimuli, responses, dt_ms=DT_MS), "not_counts")
    assert words in finding.sentence
    held = diagnose(model, stimuli, held_out=(stimuli, responses), dt_ms=DT_MS)
    assert of_neurons(held, "not_counts") == [SICK]


def test_a_linear_model_may_have_negative_responses():
    population = simulate(seconds=60)
    y = population.responses - population.responses.mean((0, 2, 3), keepdim=True)
    model = ridge((population.stimuli, y), LAGS, smoothness=None)
    assert not diagnose(model, population.stimuli, y, dt_ms=DT_MS)


# -- what the data can say ------------------------------------------------------------------------------------------


def test_bands_that_the_sounds_never_move():
    population = simulate(seconds=60)
    model, x = with_free_kernel(healthy()), population.stimuli.clone()
    x[:, :, 8:] = 0.0
    x[:, :, 2] = 30.0
    with planting(model) as readout:
        readout.strf.kernel.weight[:, :, [2, 8, 9]] = 0.0
        readout.strf.kernel.weight[SICK, 0, 9, 0] = 1.0
    finding = only(diagnose(model, x, cf_hz=population.cf_hz), "silent_bands", None)
    assert finding.evidence == {"bands": 3, "of": BANDS, "fields_ruled": 1}
    named = [f"{float(population.cf_hz[n]) / 1000:.3g}" for n in (2, 8, 9)]
    assert f"({named[0]}, {named[1]} to {named[2]} kHz)" in finding.sentence
    assert "(bands 3, 9 to 10)" in diagnose(model, x)[0].sentence


class Given:
    """Ends of an interval that a user has computed."""

    def __init__(self, low, high) -> None:
        self.ends = low, high

    def interval(self, level=0.95):
        assert level == 0.95
        return self.ends


def test_a_peak_that_the_data_speak_against():
    population, model = simulate(seconds=60), healthy()
    field, hz = model.readout.effective_STRF()[0].detach(), population.cf_hz
    peak = best_frequency(field, hz)
    low, high = peak * 2**-0.1, peak * 2**0.1
    assert not list(diagnose(model, population, confidence={"best_frequency": Given(low, high)}))
    inside = Given(low.clone(), high.clone())
    inside.ends[0][SICK], inside.ends[1][SICK] = peak[SICK] * 2**0.05, peak[SICK] * 2**0.15
    assert not list(diagnose(model, population, confidence={"best_frequency": inside}))  # as fits scatter
    low[SICK], high[SICK] = peak[SICK] * 2**0.9, peak[SICK] * 2**1.1
    finding = only(diagnose(model, population, confidence={"best_frequency": Given(low, high)}), "misread_tuning")
    assert finding.evidence["peak_hz"] == pytest.approx(float(peak[SICK]), rel=1e-4)
    assert f"peak at {float(peak[SICK]):.3g} Hz" in finding.sentence
    # Without frequencies, or with intervals of other channels, nothing can be said.
    x = population.stimuli
    assert not list(diagnose(model, x, confidence={"best_frequency": Given(low, high)}))


def harmonic(seed: int = 5) -> tuple[LinearNonlinear, Recording, float]:
    """Neurons that hear sounds in which band b + 5 goes with band b, and the octaves between the two."""
    random = torch.Generator().manual_seed(seed)
    common, own = (torch.rand(2, 1, rows, 3000, generator=random) for rows in (BANDS // 2, BANDS))
    sounds = 40.0 * (torch.cat([common, common], 2) + 0.6 * own)
    model, hz = with_free_kernel(healthy()), simulate().cf_hz
    with planting(model) as readout:
        weight = readout.strf.kernel.weight
        weight.zero_()
        for n in range(NEURONS):
            weight[n, 0, 2:4, LAGS - 4 : LAGS - 1] = 1.0
        in_phase = readout.strf(sounds).squeeze(2)
        readout.bn.running_mean.copy_(in_phase.mean((0, 2)))
        readout.bn.running_var.copy_(in_phase.var((0, 2)))
        readout.bn.weight.fill_(1.0)
        readout.bn.bias.fill_(0.5)
    rate = predict(model, sounds).expand(-1, -1, 4, -1)
    responses = (rate + 0.5 * rate.std() * torch.randn(rate.shape, generator=random)).clamp(min=0)
    return model, Recording.from_arrays(sounds[:, 0], responses, dt_ms=DT_MS, cf_hz=hz), float((hz[7] / hz[2]).log2())


def test_a_peak_in_a_band_that_only_goes_with_the_right_one_is_named_without_intervals():
    model, recording, apart = harmonic()
    assert not diagnose(model, recording).of("misread_tuning")
    with planting(model) as readout:
        readout.strf.kernel.weight[SICK] = readout.strf.kernel.weight[SICK].roll(BANDS // 2, 1)
    finding = diagnose(model, recording).of("misread_tuning")[0]
    assert finding.neuron == SICK
    assert len(diagnose(model, recording).of("misread_tuning")) == 1
    off = math.log2(finding.evidence["peak_hz"] / finding.evidence["preferred_hz"])
    assert off == pytest.approx(apart, abs=0.3)
    assert "the most probable one has it about" in finding.sentence
    # Nothing is said where nothing can be: without responses, bands in Hz, or a width of bins.
    x, y = recording.stimuli, recording.responses
    for less in (diagnose(model, x), diagnose(model, x, y, dt_ms=DT_MS), diagnose(model, x, y, cf_hz=recording.cf_hz)):
        assert not less.of("misread_tuning")
    assert diagnose(model, x, y, dt_ms=DT_MS, cf_hz=recording.cf_hz).of("misread_tuning") == (finding,)


def test_gaps_and_silent_bands_do_not_hide_a_peak_in_the_wrong_band():
    model, recording, _ = harmonic()
    x, y = recording.stimuli.clone(), recording.responses.clone()
    x[:, :, -1] = 0.0
    y[:, SICK, :, 500:900] = torch.nan
    y[0, :, 2:, :] = torch.nan
    with planting(model) as readout:
        readout.strf.kernel.weight[SICK] = readout.strf.kernel.weight[SICK].roll(BANDS // 2, 1)
    found = diagnose(model, x, y, dt_ms=DT_MS, cf_hz=recording.cf_hz).of("misread_tuning")
    assert [finding.neuron for finding in found] == [SICK]


@pytest.mark.parametrize("whose", ["of one neuron", "of all"])
def test_responses_in_the_order_of_other_sounds(whose):
    """Sounds that begin alike: the response to another sound correlates enough not to look poor."""
    population, model = simulate(seconds=60), healthy()
    y = population.responses.clone()
    chosen = [SICK] if whose == "of one neuron" else list(range(NEURONS))
    y[:, chosen] = y[:, chosen].roll(1, 0)
    found = diagnose(model, population.stimuli, y)
    assert [(finding.kind, finding.neuron) for finding in found] == [("other_sound", n) for n in chosen], found
    assert found[0].evidence["sounds"] == len(y)
    assert f"to sound 1 with sound {len(y)} (" in found[0].sentence
    two = y.clone()
    two[:, chosen] = population.responses[:, chosen]
    two[[0, 1]] = two[[1, 0]]
    assert all(
        finding.evidence["sounds"] == 2 for finding in diagnose(model, population.stimuli, two).of("other_sound")
    )
    # One sound, and sounds of half a second, say nothing.
    assert not diagnose(model, population.stimuli[:1], y[:1]).of("other_sound")
    assert not diagnose(model, population.stimuli[..., :50], y[..., :50]).of("other_sound")


def test_trials_that_are_copies():
    population, model = simulate(seconds=60), healthy()
    y = population.responses.clone()
    y[:, SICK, 3] = y[:, SICK, 1]
    finding = only(diagnose(model, population.stimuli, y), "not_counts")
    assert finding.evidence == {"trial": 1, "other": 3}
    assert "trials 2 and 4 are the same in every bin" in finding.sentence
    # Trials without a spike are alike, and say nothing of copies.
    y = population.responses.clone()
    y[:, SICK, 1:3] = 0.0
    assert not diagnose(model, population.stimuli, y).of("not_counts")


def altered(change: Callable[[Tensor], Tensor], **options: Any) -> tuple[LinearNonlinear, Recording]:
    """A minute and a half of eighteen sounds, the responses of the sick neuron changed (sounds, trials, bins)."""
    settings = {"seconds": 90, "snr": 0.5} | options
    population = simulate(**settings)
    responses = population.responses.clone()
    responses[:, SICK] = change(responses[:, SICK])
    about = {"dt_ms": DT_MS, "cf_hz": population.cf_hz, "bins": population.bins}
    return healthy(**settings), Recording(population.stimuli, responses, **about)


@pytest.mark.parametrize("part", ["last", "first"])
def test_a_neuron_that_is_lost_or_found_on_the_way(part):
    def change(y: Tensor) -> Tensor:
        silent = slice(len(y) // 3, None) if part == "last" else slice(None, 2 * len(y) // 3)
        y = y.clone()
        y[silent] = 0.0
        return y

    model, recording = altered(change)
    finding = only(diagnose(model, recording), "unsteady")
    assert (finding.evidence["silent_sounds"], finding.evidence["of"]) == (12, 18)
    spikes = recording.responses[:, SICK].count_nonzero()
    assert finding.evidence["expected"] == pytest.approx(2 * spikes.item(), rel=0.3)
    assert f"nothing was recorded from it in the {part} 12 of 18 sounds" in finding.sentence
    train, test = recording.split(0.67, 0.33)
    assert "unsteady" in [one.kind for one in diagnose(model, train, held_out=test) if one.neuron == SICK] or (
        part == "last"
    )


@pytest.mark.parametrize("last", [0.3, 2.5])
def test_a_rate_that_drifts_over_the_sounds(last):
    def change(y: Tensor) -> Tensor:
        numbers = torch.Generator().manual_seed(0)
        kept = torch.linspace(1, last, len(y))[:, None, None] / max(1.0, last)
        return torch.binomial(y, kept.expand_as(y).contiguous(), generator=numbers)

    model, recording = altered(change)
    found = [one for one in diagnose(model, recording) if one.kind == "unsteady"]
    assert [one.neuron for one in found] == [SICK]
    assert found[0].evidence["change"] == pytest.approx(2 * (last - 1) / (last + 1), abs=0.3)


def test_no_drift_is_told_where_the_levels_go_with_the_order_of_the_sounds():
    model, recording = altered(lambda y: y * torch.linspace(1, 0.3, len(y))[:, None, None])
    louder = recording.stimuli + 30 * torch.linspace(0, 1, len(recording))[:, None, None, None]
    of_another_level = Recording(louder, recording.responses, dt_ms=DT_MS, cf_hz=recording.cf_hz)
    assert diagnose(model, recording).of("unsteady")
    assert not diagnose(model, of_another_level).of("unsteady")


@pytest.mark.parametrize("late", [slice(None, None, 2), slice(9, None)], ids=["every second", "second half"])
@pytest.mark.parametrize("by", [6, -4])
def test_responses_to_half_of_the_sounds_that_are_shifted(late, by):
    def change(y: Tensor) -> Tensor:
        y = y.clone()
        y[late] = y[late].roll(by, -1)
        return y

    finding = only(diagnose(*altered(change)), "shifted")
    assert finding.evidence["shift_bins"] == by
    assert 7 <= finding.evidence["sounds"] <= 12
    assert finding.evidence["best_score"] > finding.evidence["score"]
    assert f"{abs(by)} bins ({10 * abs(by)} ms) {'later' if by > 0 else 'earlier'} than predicted" in finding.sentence


def test_counts_that_were_clipped():
    model, recording = altered(lambda y: 4 * y)  # a mean of about one
    finding = only(diagnose(model, recording), "not_counts")
    assert "steps of 4" in finding.sentence
    rates = model.eval()(recording.stimuli)[:, SICK]
    counts = torch.poisson(4 * rates.expand(-1, 4, -1), generator=torch.Generator().manual_seed(0))

    def told(y: Tensor) -> tuple[Finding, ...]:
        return diagnose(*altered(lambda _: y)).of("not_counts")

    assert not told(counts)
    (finding,) = told(counts.clamp(max=3))
    assert finding.neuron == SICK
    assert finding.evidence["most"] == 3
    assert finding.evidence["times"] == (counts >= 3).sum().item()
    assert finding.evidence["expected_above"] == pytest.approx((counts > 3).sum().item(), rel=0.3)
    # A refractory neuron has few bins with many spikes, and they become fewer upwards.
    assert not told(counts - (torch.rand_like(counts) < 0.4 * (counts - 1).clamp(min=0)).float() * (counts - 1))


def test_a_signal_that_was_clipped():
    def change(y: Tensor) -> Tensor:
        return y + 0.5 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0)) + 5

    assert not diagnose(*altered(change)).of("not_counts")
    (finding,) = diagnose(*altered(lambda y: change(y).clamp(max=6.5))).of("not_counts")
    assert finding.evidence["most"] == 6.5
    assert "6.5 in" in finding.sentence


def test_tuning_that_may_lie_anywhere():
    population, model = simulate(seconds=60), healthy()
    peak = best_frequency(model.readout.effective_STRF()[0].detach(), population.cf_hz)
    low, high = peak / 1.1, peak * 1.1
    low[SICK], high[SICK] = population.cf_hz[0], population.cf_hz[-1]
    bands = {"best_frequency": Given(low, high)}
    finding = only(diagnose(model, population, confidence=bands), "uncertain_tuning")
    assert finding.evidence["width"] == pytest.approx(finding.evidence["axis"], rel=1e-6)
    ms = {"latency": Given(torch.zeros(NEURONS, 1), torch.full((NEURONS, 1), 20.0))}
    ms["latency"].ends[1][SICK] = (LAGS - 1) * DT_MS
    assert "latency" in only(diagnose(model, population, confidence=ms), "uncertain_tuning").sentence
    with pytest.raises(ValueError, match=r"confidence\['latency'\] must have one row per neuron \(4\), got \(3, 1\)"):
        diagnose(model, population, confidence={"latency": Given(torch.zeros(3, 1), torch.ones(3, 1))})
