"""What is read as a tensor, and what is not."""

import numpy as np
import pandas as pd
import pytest
import torch

from deepstrf.arguments import as_tensor, checked_names
from deepstrf.datasets import Recording
from deepstrf.stimuli import Spectrogram

VALUES = np.arange(6.0).reshape(2, 3)


class Labelled:
    """Holds an array as xarray and pandas do."""

    def __array__(self, dtype=None, copy=None):
        return VALUES if dtype is None else VALUES.astype(dtype)


def read_only():
    values = VALUES.copy()
    values.flags.writeable = False
    return values


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (VALUES, torch.float64),
        (VALUES.astype("f4"), torch.float32),
        (VALUES.astype(">f8"), torch.float64),
        (VALUES.astype(np.longdouble), torch.float64),
        (VALUES.astype("i2"), torch.int16),
        (VALUES.astype(">u2"), torch.int64),
        (VALUES.tolist(), torch.float64),
        (np.flip(VALUES)[::-1, ::-1], torch.float64),
        (read_only(), torch.float64),
        (Labelled(), torch.float64),
    ],
    ids=lambda given: type(given).__name__,
)
def test_an_array_becomes_a_tensor_of_the_same_numbers(given, dtype):
    tensor = as_tensor("stimulus", given)
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor, VALUES)


def test_a_tensor_stays_itself_and_an_array_is_not_copied():
    tensor = torch.zeros(2, requires_grad=True)
    assert as_tensor("x", tensor) is tensor
    values = VALUES.copy()
    assert as_tensor("x", values).data_ptr() == values.ctypes.data


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("a.wav", "str of dtype <U5"),
        (None, "NoneType of dtype object"),
        ([[1], [1, 2]], "list"),
        (VALUES * 1j, "ndarray of dtype complex128"),
    ],
)
def test_what_is_no_array_of_numbers_is_named(given, what):
    with pytest.raises(TypeError, match=f"^stimulus must be a tensor or an array of numbers, got {what}$"):
        as_tensor("stimulus", given)


def test_masked_values_are_missing() -> None:
    whole = np.ma.masked_greater(np.arange(4), 2)
    np.testing.assert_array_equal(as_tensor("responses", whole), [0.0, 1.0, 2.0, np.nan])
    assert as_tensor("responses", np.ma.masked_greater(np.arange(4), 9)).dtype == torch.int64


@pytest.mark.parametrize(
    ("cf_hz", "dt_ms", "doubt"),
    [
        ([0.5, 8.0], 5.0, r"cf_hz ends at 8 Hz, .* in kHz, give cf_hz \* 1000"),
        ([500.0, 8000.0], 0.005, "dt_ms is 0.005 ms: if it is in seconds, give 5"),
        ([500.0, 8000.0], 5000.0, "dt_ms is 5000 ms: if it is in microseconds, give 5"),
    ],
)
def test_axes_in_another_unit_are_doubted(cf_hz: list[float], dt_ms: float, doubt: str) -> None:
    with pytest.warns(UserWarning, match=doubt):
        Spectrogram(torch.zeros(2, 3), torch.tensor(cf_hz), dt_ms)
    with pytest.warns(UserWarning, match=doubt):
        Recording.from_arrays(torch.zeros(2, 3), torch.zeros(1, 3), dt_ms=dt_ms, cf_hz=cf_hz)


@pytest.mark.parametrize("names", [{"a", "b"}, frozenset("ab"), "ab", b"ab", {"a": 1, "b": 2}, iter("ab"), 3, None])
def test_names_without_an_order_are_refused(names):
    with pytest.raises(TypeError, match="neuron_names must be a sequence of names, got"):
        checked_names("neuron_names", names)


@pytest.mark.parametrize("names", [np.array(["a", "b"]), ("a", "b"), pd.Index(["a", "b"]), pd.Series(["a", "b"])])
def test_names_of_numpy_and_pandas_are_text(names):
    found = checked_names("neuron_names", names)
    assert found == ["a", "b"]
    assert all(type(one) is str for one in found)
    assert checked_names("neuron_names", np.array([3, 9])) == ["3", "9"]


@pytest.mark.parametrize("name", [None, 1.5, float("nan"), True, ("a",)])
def test_names_that_are_no_text_are_refused(name):
    with pytest.raises(TypeError, match="neuron_names must be text, got"):
        checked_names("neuron_names", ["a", name])
