"""Every editable parameter: both ways, within limits, against the layers' own arithmetic; every message."""

import itertools
import re

import numpy as np
import pytest
import torch

from deepstrf.models import NetworkReceptiveField
from deepstrf.models.prefiltering import AdapTrans, ICAdaptation
from deepstrf_widgets.session.parameters import parameter_table

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])
KERNELS = ("gaussians", "full", "separable")
CASES = [
    *itertools.product(KERNELS, ("adaptrans", "icadaptation", None), ("softplus",)),
    *itertools.product(
        ("gaussians",), (None,), ("sigmoid", "double_exponential", "signed_sigmoid", "identity", "relu")
    ),
]
GAUSSIANS = {f"strf.{name}" for name in ("center_hz", "center_ms", "sigma_oct", "sigma_ms", "weight")}


def table_of(model):
    return parameter_table(model, cf_hz=CF_HZ, dt_ms=5.0)


def valid_values(parameter, index, rng):
    """Values strictly inside the limits, or a few units wide where there are none."""
    low, high = parameter.limits(index)
    shape = parameter.shape[len(index) :]
    low = np.where(np.isfinite(low), low, -3.0)
    high = np.where(np.isfinite(high), high, 3.0)
    return low + (high - low) * rng.uniform(0.01, 0.99, shape)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def table(request, make_model):
    return table_of(make_model(*request.param))


def test_the_names_are_those_of_the_parts(make_model):
    names = set(table_of(make_model("gaussians", "adaptrans", "softplus")))
    prefilter = {"prefilter.tau_on_ms", "prefilter.tau_off_ms", "prefilter.w"}
    assert names == GAUSSIANS | prefilter | {"strf.bias", "activation.beta", "activation.b"}
    names = set(table_of(make_model("separable", "icadaptation", "sigmoid")))
    curve = {f"activation.{letter}" for letter in "abcd"}
    assert names == {"strf.factor_f", "strf.factor_t", "strf.bias", "prefilter.tau_ms"} | curve
    names = set(table_of(make_model("full", None, "double_exponential")))
    assert names == {"strf.kernel", "strf.bias", *(f"activation.{letter}" for letter in "abks")}
    assert set(table_of(make_model("full", None, "relu"))) == {"strf.kernel", "strf.bias"}


def test_every_row_names_a_tensor_of_the_state_dict(make_model):
    for case in CASES:
        model = make_model(*case)
        tensors = model.state_dict()
        for row in table_of(model).values():
            assert tensors[row.tensor].numel() == row.raw.numel(), row.name
            assert tensors[row.tensor].data_ptr() == row.raw.data_ptr(), row.name
            assert row.raw[row.prefix].shape == row.shape, row.name


def test_natural_to_raw_to_natural(table):
    rng = np.random.default_rng(0)
    for row, depth in itertools.product(table.values(), range(4)):
        if depth > len(row.shape):
            continue
        index = tuple(n - 1 for n in row.shape[:depth])
        wanted = valid_values(row, index, rng)
        with torch.no_grad():
            row.raw[row.prefix + index] = row.encode(wanted, index)
        np.testing.assert_allclose(row.read(index), wanted, rtol=1e-9, atol=1e-11, err_msg=f"{row.name} {index}")


def test_raw_to_natural_to_raw(table):
    # What is read can be set again, and sets the same raw values: Gaussians start on the grid, widths at 1 bin.
    for row in table.values():
        before = row.raw[row.prefix].clone()
        torch.testing.assert_close(row.encode(row.read()), before, rtol=1e-9, atol=1e-11, msg=row.name)


def test_limits_can_be_set_and_what_lies_beyond_is_refused(table):
    for row in table.values():
        index = (0,) * len(row.shape)
        for limit, outwards in zip(map(float, row.limits(index)), (-1.0, 1.0), strict=True):
            if not np.isfinite(limit):
                continue
            with torch.no_grad():
                row.raw[row.prefix + index] = row.encode(limit, index)
            assert row.read(index) == pytest.approx(limit, rel=1e-9, abs=1e-9), row.name
            range_ = max(abs(float(v)) for v in row.limits(index) if np.isfinite(v))
            beyond = limit + outwards * 0.01 * range_
            unit = f" {row.unit}" if row.unit else ""
            with pytest.raises(
                ValueError, match=rf"^{row.name} must lie in \[.*\]{unit}, got {re.escape(f'{beyond:.6g}')}$"
            ):
                row.encode(beyond, index)


def test_no_limit_has_slack_that_could_be_seen(table):
    for row in table.values():
        index = (0,) * len(row.shape)
        low, high = map(float, row.limits(index))
        beyond = {low - 1e-3 * (abs(low) or 1.0), high + 1e-3 * (abs(high) or 1.0)}
        if low > 0:
            beyond |= {0.0, -0.98 * low, 0.999 * low}
        for value in beyond:
            with pytest.raises(ValueError, match=f"^{row.name} must lie in"):
                row.encode(value, index)


def test_float32_may_overshoot_a_limit_and_is_clipped(table):
    for row in table.values():
        index = (0,) * len(row.shape)
        for limit in map(float, row.limits(index)):
            if np.isfinite(limit):
                for nearest in (np.nextafter(np.float32(limit), np.float32(s)) for s in (-np.inf, np.inf)):
                    with torch.no_grad():
                        row.raw[row.prefix + index] = row.encode(float(nearest), index)
                    clipped = np.clip(float(nearest), *row.limits(index))
                    assert row.read(index) == pytest.approx(clipped, rel=1e-9, abs=1e-9), row.name


def test_gaussians_are_read_as_the_layer_computes_them(make_model):
    model = make_model()
    kernel = model.requires_grad_(False).readout.strf.kernel
    table = table_of(model)
    octaves = np.log2(CF_HZ)
    slopes = np.gradient(octaves)
    for n, c, g in np.ndindex(3, 2, 2):
        band, frame = (float(p) for p in kernel.P[:, n, c, g])
        wide, long = (float(s) for s in kernel.sigma[:, n, c, g])
        at = (n, c, g)
        assert table["strf.center_hz"].read(at) == pytest.approx(2 ** np.interp(band, range(5), octaves), rel=1e-12)
        assert table["strf.center_ms"].read(at) == pytest.approx((3 - frame) * 5.0, rel=1e-12)
        assert table["strf.sigma_oct"].read(at) == pytest.approx(wide * np.interp(band, range(5), slopes), rel=1e-12)
        assert table["strf.sigma_ms"].read(at) == pytest.approx(long * 5.0, rel=1e-12)
        assert table["strf.weight"].read(at) == float(kernel.weight[at])


def test_a_moved_centre_keeps_its_width_in_bands(make_model):
    model = make_model()
    table, kernel = table_of(model), model.readout.strf.kernel
    with torch.no_grad():
        kernel.P[(0, 1, 0, 1)] = table["strf.center_hz"].encode(900.0, (1, 0, 1))
    assert table["strf.sigma_oct"].read((1, 0, 1)) == pytest.approx(
        kernel.sigma[0, 1, 0, 1].item() * np.log2(2000 / 500) / 2
    )


def test_on_the_grid_a_gaussian_is_what_the_layer_holds(make_model):
    model = make_model()
    kernel = model.requires_grad_(False).readout.strf.kernel
    on_grid = {row.grid.name: row.grid for row in table_of(model).values()}
    expected = {
        "strf.band": kernel.P[0],
        "strf.frame": kernel.P[1],
        "strf.sigma_bands": kernel.sigma[0],
        "strf.sigma_frames": kernel.sigma[1],
        "strf.weight": kernel.weight,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(on_grid[name].read(), values, rtol=1e-12)
    # Whatever has no place on the grid is the same in both.
    rest = set(table_of(model)) - {"strf.center_hz", "strf.center_ms", "strf.sigma_oct", "strf.sigma_ms"}
    assert set(on_grid) == rest | expected.keys()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("strf.center_hz", 4.01, r"strf.band must lie in \[0, 4\] bands, got 4.01"),
        ("strf.center_ms", -0.01, r"strf.frame must lie in \[0, 3\] frames, got -0.01"),
        ("strf.sigma_oct", 0.2, r"strf.sigma_bands must lie in \[0.27, 5\] bands, got 0.2"),
        ("strf.sigma_ms", 4.01, r"strf.sigma_frames must lie in \[0.27, 4\] frames, got 4.01"),
    ],
)
def test_limits_on_the_grid_are_named_in_its_units(make_model, name, value, message):
    with pytest.raises(ValueError, match=message):
        table_of(make_model())[name].grid.encode(value, (0, 0, 0))


def test_limits_in_natural_units_are_those_of_the_grid(make_model):
    table = table_of(make_model())
    for name in ("strf.center_hz", "strf.center_ms", "strf.sigma_oct", "strf.sigma_ms"):
        row, at = table[name], (2, 1, 1)
        raw = [float(row.encode(end, at)) for end in row.limits(at)]
        on_grid = [float(row.grid.encode(end, at)) for end in row.grid.limits(at)]
        assert sorted(raw) == pytest.approx(sorted(on_grid), abs=1e-9), name


def test_prefilters_are_read_in_ms(make_model):
    model = make_model("full", "adaptrans")
    table = table_of(model)
    a_on, a_off = (a.detach().numpy() for a in model.prefiltering.get_a())
    np.testing.assert_allclose(np.exp(-5.0 / table["prefilter.tau_on_ms"].read()), a_on, rtol=1e-12)
    np.testing.assert_allclose(np.exp(-5.0 / table["prefilter.tau_off_ms"].read()), a_off, rtol=1e-12)
    np.testing.assert_allclose(table["prefilter.w"].read(), model.prefiltering.get_w().detach(), rtol=1e-12)
    model = make_model("full", "icadaptation")
    tau = table_of(model)["prefilter.tau_ms"].read()
    np.testing.assert_allclose(np.exp(-5.0 / tau), model.prefiltering.a, rtol=1e-12)


@pytest.mark.parametrize("prefilter", [AdapTrans([1.0] * 5, [0.5] * 5), ICAdaptation([1.0] * 5)])
def test_no_decay_is_an_infinite_time_constant(make_model, prefilter):
    model = make_model("full", "adaptrans" if isinstance(prefilter, AdapTrans) else "icadaptation")
    model.prefiltering = prefilter
    name = "prefilter.tau_on_ms" if isinstance(prefilter, AdapTrans) else "prefilter.tau_ms"
    assert table_of(model)[name].read().tolist() == [np.inf] * 5


@pytest.mark.parametrize(
    ("activation", "letters"),
    [("softplus", ("beta", "b")), ("sigmoid", "abcd"), ("double_exponential", "abks"), ("signed_sigmoid", "abcd")],
)
def test_activations_are_read_as_their_own_properties(make_model, activation, letters):
    model = make_model("full", None, activation)
    for letter in letters:
        expected = getattr(model.readout.activation, letter).detach().numpy()
        np.testing.assert_allclose(table_of(model)[f"activation.{letter}"].read(), expected, rtol=1e-12)


def test_a_prefilter_belongs_to_no_neuron(make_model):
    for row in table_of(make_model()).values():
        assert row.per_neuron == (not row.name.startswith("prefilter"))
        assert row.per_neuron == (row.shape[0] == 3)


def test_only_the_prefilter_of_a_network_is_editable(make_model):
    front = make_model().prefiltering
    network = NetworkReceptiveField(5, 4, out_neurons=3, n_hidden=6, prefiltering=front)
    assert set(table_of(network)) == {"prefilter.tau_on_ms", "prefilter.tau_off_ms", "prefilter.w"}
    assert table_of(NetworkReceptiveField(5, 4, out_neurons=3, n_hidden=6)) == {}


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("strf.center_hz", 30000.0, ValueError, r"strf.center_hz must lie in \[500, 16000\] Hz, got 30000"),
        ("strf.center_hz", -1.0, ValueError, r"strf.center_hz must lie in \[500, 16000\] Hz, got -1"),
        ("strf.center_ms", 15.1, ValueError, r"strf.center_ms must lie in \[0, 15\] ms, got 15.1"),
        ("strf.sigma_ms", 1.3, ValueError, r"strf.sigma_ms must lie in \[1.35, 20\] ms, got 1.3"),
        ("strf.sigma_oct", 99.0, ValueError, r"strf.sigma_oct must lie in \[.*\] oct, got 99"),
        ("strf.weight", float("nan"), ValueError, "strf.weight must be finite, got nan"),
        ("strf.weight", float("inf"), ValueError, "strf.weight must be finite, got inf"),
        ("strf.weight", [1.0, 2.0], ValueError, r"strf.weight at index \(0, 0, 0\) must have shape \(\), got \(2,\)"),
        ("strf.weight", "3.0", TypeError, "strf.weight must be a number or an array of numbers, got '3.0'"),
        ("strf.weight", None, TypeError, "strf.weight must be a number .* got None"),
        ("strf.weight", 1j, TypeError, "strf.weight must be a number .* got 1j"),
        ("strf.weight", True, TypeError, "strf.weight must be a number .* got True"),
        ("strf.weight", [[1], [1, 2]], TypeError, "strf.weight must be a number"),
        ("strf.weight", 10**400, TypeError, "strf.weight must be a number"),
    ],
)
def test_a_wrong_value_is_named(make_model, name, value, error, message):
    with pytest.raises(error, match=message):
        table_of(make_model())[name].encode(value, (0, 0, 0))


def test_a_value_that_the_tensor_cannot_hold_is_refused(make_model):
    row = table_of(make_model(dtype=torch.float16))["strf.weight"]
    with pytest.raises(
        ValueError, match=r"strf.weight must stay finite in torch.float16 \(up to 6.55e\+04\), got 1000000.0"
    ):
        row.encode(1e6, (0, 0, 0))
    assert row.encode(6e4, (0, 0, 0)).isfinite()


def test_a_positive_parameter_must_be_positive(make_model):
    row = table_of(make_model())["activation.beta"]
    with pytest.raises(ValueError, match=r"activation.beta must lie in \[1e-06, 1e\+09\], got -2"):
        row.encode(-2.0, (0,))


@pytest.mark.parametrize("index", [(3, 0, 0), (-1,), (0, 0, 0, 0), (0.0,), (True,), ("0",), (0, None)])
def test_an_index_outside_is_named(make_model, index):
    with pytest.raises(IndexError, match=r"index of strf.weight must lie within its shape \(3, 2, 2\), got \("):
        table_of(make_model())["strf.weight"].read(index)


@pytest.mark.parametrize("index", [3, "0", None])
def test_an_index_of_another_kind_is_named(make_model, index):
    with pytest.raises(TypeError, match=f"index of strf.weight must be a tuple of whole numbers, got {index!r}"):
        table_of(make_model())["strf.weight"].read(index)


def test_tensors_and_numpy_integers_are_taken(make_model):
    row = table_of(make_model())["strf.weight"]
    learnable = torch.tensor([0.5, -1.0], requires_grad=True)
    assert row.encode(learnable, (np.int64(1), 0)).tolist() == [0.5, -1.0]
    assert row.encode(2, [1]).tolist() == [[2.0, 2.0], [2.0, 2.0]]
