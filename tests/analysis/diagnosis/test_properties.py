"""What must be so whatever the model: the order of the neurons, the order of the findings, and the table."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf.analysis import Diagnosis, Finding, diagnose
from deepstrf.analysis.diagnosis import KINDS
from deepstrf.analysis.diagnosis.scores import block_sums, standard_error
from deepstrf.analysis.diagnosis.tensors import neuron_axes
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from tests.analysis.diagnosis.population import BANDS, LAGS, NEURONS, healthy, planting, simulate

FAULTS = ("flip", "dead", "off_grid", "explode", "nan", "twin", "ceiling")


def plant(model: LinearNonlinear, fault: str, n: int) -> None:
    with planting(model) as readout:
        kernel = readout.strf.kernel
        if fault == "flip":
            readout.bn.weight[n] *= -1
        elif fault == "dead":
            kernel.weight[n] = 0.0
        elif fault == "off_grid":
            kernel.P[0, n, 0, 0] = -7.0
        elif fault == "explode":
            readout.bn.weight[n] *= 1e4
        elif fault == "nan":
            readout.activation._raw_b[n] = torch.nan
        elif fault == "twin":
            kernel.P[:, n, 0, 1] = kernel.P[:, n, 0, 0]
            kernel.SIG[:, n, 0, 1] = kernel.SIG[:, n, 0, 0]
        else:
            readout.bn.bias[n] += 30.0


def permuted(model: LinearNonlinear, order: list[int]) -> LinearNonlinear:
    other = healthy("sigmoid")
    axes = neuron_axes(model)
    state = {
        name: tensor.index_select(axes[name], torch.tensor(order)) if name in axes else tensor
        for name, tensor in model.state_dict().items()
    }
    other.load_state_dict(state)
    return other


@given(
    st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(0, NEURONS - 1)), max_size=4),
    st.permutations(range(NEURONS)),
)
def test_the_order_of_the_neurons_does_not_matter(faults, order):
    model, population = healthy("sigmoid"), simulate(output="sigmoid")
    for fault, n in faults:
        plant(model, fault, n)
    train, test = population.split(0.5, 0.5)
    found = diagnose(model, train, held_out=test)
    again = diagnose(permuted(model, order), train.select(neurons=order), held_out=test.select(neurons=order))

    def seen(diagnosis, place):
        return {
            (one.kind, place[one.neuron], one.parameter, one.evidence.get("gaussian"), one.evidence.get("other")): one
            for one in diagnosis
        }

    one, other = seen(found, range(NEURONS)), seen(again, order)
    assert one.keys() == other.keys()
    for key, finding in one.items():
        assert dict(other[key].evidence) == pytest.approx(dict(finding.evidence), rel=1e-4, abs=1e-9)
    assert {finding.neuron for finding in found} >= {n for fault, n in faults if fault in ("nan", "off_grid")}


def test_every_tensor_of_a_readout_that_belongs_to_a_neuron_is_known():
    kernel = ParametricSTRF(BANDS, LAGS, 1, NEURONS)
    model = LinearNonlinear(BANDS, LAGS, out_neurons=NEURONS, kernel=kernel)
    axes = neuron_axes(model)
    everything = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(axes) == everything
    for name, axis in axes.items():
        assert model.state_dict()[name].shape[axis] == NEURONS
    assert {name for name, axis in axes.items() if axis == 1} == {"readout.strf.kernel.P", "readout.strf.kernel.SIG"}


def test_sums_without_each_block_and_theirstandard_error():
    x = torch.randn(2, 103, dtype=torch.float64)
    x[1, ::3] = torch.nan
    count, total = block_sums(x, torch.zeros_like(x), (x.nan_to_num(9.0),))
    for n in range(2):
        used = x[n][~x[n].isnan()]
        edges = [-(-len(used) * g // 20) for g in range(21)]
        means = torch.stack([torch.cat([used[: edges[g]], used[edges[g + 1] :]]).mean() for g in range(20)])
        torch.testing.assert_close((total / count)[n, 1:], means)
        torch.testing.assert_close((total / count)[n, 0], used.mean())
        expected = (19 / 20 * (means - means.mean()).square().sum()).sqrt()
        torch.testing.assert_close(standard_error((total / count)[:, 1:])[n], expected)


# -- findings -------------------------------------------------------------------------------------------------------

SOME = [
    Finding("flipped_sign", 3, "The batch norm multiplies its drive by -0.2.", {"gain": -0.2}, "readout.bn.weight"),
    Finding("sees_future", None, "Every response changes."),
    Finding("dead", 10, "Its response stays at 0 spikes per bin, " + "whatever sound is played to it, " * 4 + "yes."),
    Finding("dead", 2, "Its response stays at 0."),
]


def test_the_worst_stands_first_then_the_neurons_in_their_order():
    found = Diagnosis(SOME)
    assert [(finding.kind, finding.neuron) for finding in found] == [
        ("sees_future", None),
        ("dead", 2),
        ("dead", 10),
        ("flipped_sign", 3),
    ]
    assert found == Diagnosis(reversed(SOME))
    assert found.of("dead") == (SOME[3], SOME[2])
    assert len({*found, *SOME}) == 4  # findings can be counted in sets


def test_the_table():
    names = [f"cell {n}" for n in range(11)]
    names[2] = ""
    assert repr(Diagnosis(SOME, names)) == (
        "Diagnosis: 4 findings (3 errors, 1 note)\n"
        "error    sees_future    the model\n"
        "         Every response changes.\n"
        "error    dead           neuron 3\n"
        "         Its response stays at 0.\n"
        "error    dead           neuron 11, cell 10\n"
        "         Its response stays at 0 spikes per bin, whatever sound is played to it, whatever sound is played to\n"
        "         it, whatever sound is played to it, whatever sound is played to it, yes.\n"
        "note     flipped_sign   neuron 4, cell 3\n"
        "         The batch norm multiplies its drive by -0.2."
    )
    assert repr(Diagnosis()) == "Diagnosis: nothing suspicious"


def test_severities_fall_in_the_order_of_the_kinds():
    severities = list(KINDS.values())
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert [Finding(kind, None, "").severity for kind in KINDS] == severities


def test_a_kind_that_does_not_exist():
    with pytest.raises(ValueError, match=r"kind must be one of \['not_finite', .*\], got 'ill'"):
        Finding("ill", 0, "")
    with pytest.raises(ValueError, match=r"kind must be one of .*, got 'ill'"):
        Diagnosis().of("ill")


# -- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"model": "LN"}, TypeError, "model must be an nn.Module, got str"),
        ({"model": torch.nn.Identity()}, ValueError, r"model must answer with shape \(B, N, 1, T\) = \(6, N, 1, 500\)"),
        ({"stimulus": "a.wav"}, TypeError, "stimulus must be a tensor or an array of numbers, got str"),
        ({"stimulus": [[1]]}, TypeError, "stimulus must be a floating-point tensor, got torch.int64"),
        ({"stimulus": torch.zeros(3)}, ValueError, r"stimulus must have shape \(B, 1, F, T\) or \(F, T\).*got \(3,\)"),
        ({"stimulus": torch.zeros(6, 1, BANDS, 0)}, ValueError, r"nothing empty, got \(6, 1, 10, 0\)"),
        ({"stimulus": torch.full((BANDS, 9), torch.nan)}, ValueError, "stimulus must be finite, got 90 values"),
        (
            {"responses": torch.zeros(6, 3, 1, 500)},
            ValueError,
            r"\(B, N, R, T\) = \(6, 4, R, 500\), got \(6, 3, 1, 500",
        ),
        ({"responses": torch.zeros(4, 500)}, ValueError, r"responses of stimulus .*\(4, 500\)"),
        (
            {"stimulus": simulate(), "responses": torch.zeros(1)},
            TypeError,
            "responses must not be given with a Recording",
        ),
        ({"held_out": 3}, TypeError, r"held_out must be a Recording or \(stimuli, responses\), got int"),
        (
            {"held_out": (torch.zeros(1, 1, BANDS, 9), torch.zeros(1, 2, 1, 9))},
            ValueError,
            "responses of held_out must",
        ),
        ({"dt_ms": -5.0}, ValueError, r"dt_ms must be positive \(ms\), got -5"),
        ({"neuron_names": ["a"]}, ValueError, r"neuron_names must have one name per neuron \(4\), got 1"),
    ],
)
def test_a_wrong_argument_is_named(wrong, error, message):
    good = {"model": healthy(), "stimulus": simulate().stimuli}
    with pytest.raises(error, match=message):
        diagnose(**{**good, **wrong})
