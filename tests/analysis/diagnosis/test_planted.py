"""Every kind of finding on a model with exactly that fault: found, at the right neuron, and nothing else found."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Tensor, nn

from deepstrf.analysis import Diagnosis, Finding, diagnose
from deepstrf.analysis.diagnosis.gaussians import same_shape
from deepstrf.metrics import compute_CCmax, corrcoef
from deepstrf.models import Linear, LinearNonlinear
from deepstrf.models.audio import NetworkReceptiveField, StateNet
from deepstrf.models.layers import ParametricSTRF
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
    """Square root of the drive of one neuron, which has none below 0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[..., :SICK], x[..., SICK : SICK + 1].sqrt(), x[..., SICK + 1 :]], dim=-1)


def test_a_response_that_is_not_finite_although_every_parameter_is():
    model = healthy()
    model.readout.activation = Root()
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
    assert "of unit 1 of core.0.kernel" in finding.sentence


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


def leaking() -> tuple[Linear, Tensor, Tensor]:
    """A model with a band more, in which the recorded response of one neuron is played; its stimuli and responses."""
    population = simulate()
    stimuli = torch.cat([population.stimuli, population.responses[:, SICK, None].mean(2, keepdim=True)], dim=2)
    fields, biases = population.model.effective_STRF()
    model = Linear(BANDS + 1, LAGS, out_neurons=NEURONS).eval().requires_grad_(False)
    with planting(model) as readout:
        kernel = readout.strf.kernel
        kernel.weight.zero_()
        kernel.weight[:, :, :BANDS] = fields
        kernel.weight[SICK] = 0.0
        kernel.weight[SICK, 0, BANDS, -1] = 1.0
        kernel.bias.copy_(biases)
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
