"""A field from elsewhere answers as a slow loop says, whichever end of it is lag 0."""

import json

import numpy as np
import pytest
import torch

from deepstrf.datasets import linear_from_field

RNG = np.random.default_rng(3)


def slow(field, x):
    """Response (T,) of a field (F, L) with lag 0 first to a sound (F, T)."""
    F, L = field.shape
    return np.array(
        [sum(field[f, j] * x[f, t - j] for f in range(F) for j in range(min(L, t + 1))) for t in range(x.shape[1])]
    )


def answer(model, x):
    with torch.no_grad():
        return model(torch.tensor(x, dtype=torch.float32)[None, None])[0, :, 0].numpy()


def test_a_field_answers_as_the_loop_does_whichever_end_is_lag_zero():
    field, x = RNG.normal(size=(2, 4, 5)), RNG.normal(size=(4, 12))
    expected = np.stack([slow(one, x) for one in field])
    assert np.allclose(answer(linear_from_field(field, lag_zero="first"), x), expected, atol=1e-5)
    assert np.allclose(answer(linear_from_field(field[..., ::-1], lag_zero="last"), x), expected, atol=1e-5)
    shifted = linear_from_field(field, lag_zero="first", baseline=[3.0, -1.0])
    assert np.allclose(answer(shifted, x), expected + np.array([[3.0], [-1.0]]), atol=1e-5)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat"])
def test_files(ending, tmp_path):
    field, x, file = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 12)), tmp_path / f"a{ending}"
    if ending == ".npy":
        np.save(file, field)
    elif ending == ".npz":
        np.savez(file, strf=field)
    else:
        pytest.importorskip("scipy.io").savemat(file, {"strf": field})
    found = linear_from_field(file, lag_zero="first")
    assert np.allclose(answer(found, x)[0], slow(field, x), atol=1e-5)


def test_a_specification_of_nems(tmp_path):
    weights, fir, x = RNG.normal(size=(2, 4)), RNG.normal(size=(2, 5)), RNG.normal(size=(4, 12))
    modules = [
        {"fn": "nems.modules.weight_channels.basic", "phi": {"coefficients": weights.tolist()}},
        {"fn": "nems.modules.fir.basic", "phi": {"coefficients": fir.tolist()}},
        {"fn": "nems.modules.levelshift.levelshift", "phi": {"level": [0.5]}},
    ]
    file = tmp_path / "modelspec.0000.json"
    file.write_text(json.dumps(modules))
    # Channels are weighted first, then each goes through its filter; their sum is the answer.
    channels = weights @ x
    expected = 0.5 + sum(slow(fir[c : c + 1], channels[c : c + 1]) for c in range(2))
    assert np.allclose(answer(linear_from_field(file), x)[0], expected, atol=1e-5)
    file.write_text(
        json.dumps([*modules, {"fn": "nems.modules.nonlinearity.double_exponential", "phi": {"base": [1]}}])
    )
    with pytest.raises(ValueError, match=r"with nems\.modules\.nonlinearity\.double_exponential is not known here"):
        linear_from_field(file)
    for text in ("{", "[]", '{"a": 1}', "[1]"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"modelspec\.0000\.json"):
            linear_from_field(file)


@pytest.mark.parametrize(
    ("field", "options", "message"),
    [
        (np.zeros((3, 4)), {}, "lag_zero must be 'first' .* got None"),
        (np.zeros((3, 4)), {"lag_zero": "begin"}, r"lag_zero must be one of \['first', 'last'\], got 'begin'"),
        (np.zeros(4), {"lag_zero": "last"}, r"field must have shape \(F, T\) or \(N, F, T\), got \(4,\)"),
        (np.full((3, 4), np.nan), {"lag_zero": "last"}, "field must be finite, got 12 weights"),
        (np.zeros((2, 3, 4)), {"lag_zero": "last", "baseline": [1.0] * 3}, r"baseline must be one number or \(2,\)"),
    ],
)
def test_what_is_no_field_is_refused(field, options, message):
    with pytest.raises(ValueError, match=message):
        linear_from_field(field, **options)


def test_the_array_of_a_file_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", strf=np.zeros((2, 3)), other=np.zeros(2))
    with pytest.raises(ValueError, match=r"name must be that of an array in .*a\.npz, \['other', 'strf'\], got None"):
        linear_from_field(tmp_path / "a.npz", lag_zero="first")
    assert linear_from_field(tmp_path / "a.npz", lag_zero="first", name="strf").T == 3


def test_the_users_random_numbers_go_on_as_if_no_model_had_been_made():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    linear_from_field(RNG.normal(size=(4, 5)), lag_zero="first")
    assert torch.equal(torch.rand(2), expected)
