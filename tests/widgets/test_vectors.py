"""The reference values that the browser's code is tested against are what Python computes today."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


@pytest.fixture(scope="module")
def computed():
    spec = importlib.util.spec_from_file_location("make_vectors", VECTORS / "make_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.loads(json.dumps(module.compute()))


def assert_same(stored, fresh, where):
    """Same structure, same words, numbers within float64 rounding."""
    assert type(stored) is type(fresh) or {type(stored), type(fresh)} <= {int, float}, where
    if isinstance(fresh, dict):
        assert stored.keys() == fresh.keys(), where
        for key in fresh:
            assert_same(stored[key], fresh[key], f"{where}.{key}")
    elif isinstance(fresh, list):
        assert len(stored) == len(fresh), where
        if fresh and all(isinstance(v, (int, float)) for v in fresh):
            np.testing.assert_allclose(stored, fresh, rtol=1e-10, atol=1e-14, err_msg=where)
        else:
            for i, (one, other) in enumerate(zip(stored, fresh, strict=True)):
                assert_same(one, other, f"{where}[{i}]")
    else:
        assert stored == fresh, where


def test_every_file_is_computed_and_every_computed_file_is_there(computed):
    assert {path.name for path in VECTORS.glob("*.json")} == set(computed)


@pytest.mark.parametrize("name", ["gaussians.json", "units.json", "forward.json", "tuning.json"])
def test_stored_values_are_those_of_python(computed, name):
    stored = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    assert_same(stored, computed[name], name)


def test_each_kernel_has_the_mass_of_its_weights():
    # Every Gaussian has unit mass on the grid, so a kernel sums to the sum of its weights.
    for field in json.loads((VECTORS / "gaussians.json").read_text(encoding="utf-8")):
        weight = np.reshape(field["weight"], (-1, field["G"]))
        kernel = np.reshape(field["kernel"], (len(weight), -1))
        np.testing.assert_allclose(kernel.sum(1), weight.sum(1), atol=1e-12, err_msg=field["name"])
