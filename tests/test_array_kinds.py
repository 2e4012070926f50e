"""Whatever holds numbers is taken wherever a sound, responses, frequencies or fields are: the answer is the same."""

import numpy as np
import pandas as pd
import pytest
import torch

from deepstrf.analysis import (
    DynamicSTRF,
    bandwidth,
    best_frequency,
    diagnose,
    latency,
    modulation_transfer,
    on_off_index,
    separability_index,
    subspace,
)
from deepstrf.datasets import Recording
from deepstrf.models import LinearNonlinear
from deepstrf.models.layers import ParametricSTRF
from deepstrf.training import Fitter, posterior, predict, ridge, roughness, spread
from deepstrf_widgets import LiveSession

B, N, R, F, T, LAGS = 3, 2, 3, 5, 60, 4
_random = np.random.default_rng(0)
SOUNDS = _random.random((B, 1, F, T)).astype("f4")
COUNTS = _random.poisson(1.0, (B, N, R, T)).astype("f4")
FIELDS = _random.standard_normal((N, 2, F, T)).astype("f4")
CF_HZ = np.geomspace(500.0, 8000.0, F).astype("f4")
AXES = {"dt_ms": 5.0, "cf_hz": CF_HZ}


class Labelled:
    """Holds an array as xarray and pandas do."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


def strided(values):
    wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)
    wide[..., ::2] = values
    return wide[..., ::2]


KINDS = {
    "array in float64": lambda values: values.astype("f8"),
    "array with the other byte order": lambda values: values.astype(values.dtype.newbyteorder()),
    "array that is not contiguous": strided,
    "array with a negative stride": lambda values: values[..., ::-1].copy()[..., ::-1],
    "labelled array": Labelled,
    "lists": lambda values: values.tolist(),
    "tensor that was computed with gradients": lambda values: torch.tensor(values).requires_grad_() * 1,
    "parameter": lambda values: torch.nn.Parameter(torch.tensor(values)),
}


def model():
    torch.manual_seed(0)
    return LinearNonlinear(F, LAGS, out_neurons=N).eval()


def placed(kind):
    torch.manual_seed(0)
    kernel = ParametricSTRF(F, LAGS, 1, N)
    kernel.initialise_from((kind(SOUNDS), kind(COUNTS)))
    return kernel.P


def fitted(kind):
    fitted = model()
    Fitter(epochs=2, batch_size=2, progress=False).fit(
        fitted, (kind(SOUNDS), kind(COUNTS)), (kind(SOUNDS), kind(COUNTS))
    )
    return fitted.readout.strf.kernel.weight


def session(kind):
    return LiveSession(model(), kind(SOUNDS), kind(COUNTS), dt_ms=5.0, cf_hz=kind(CF_HZ))


def on_another_sound(kind):
    changed = session(torch.as_tensor)
    changed.set_stimulus(kind(SOUNDS[:1]), kind(COUNTS[:1]))
    return changed.rate(0)


ANSWERS = {
    "best_frequency": lambda kind: best_frequency(kind(FIELDS), kind(CF_HZ)),
    "bandwidth": lambda kind: bandwidth(kind(FIELDS), kind(CF_HZ)),
    "latency": lambda kind: latency(kind(FIELDS), 5.0),
    "separability_index": lambda kind: separability_index(kind(FIELDS)),
    "on_off_index": lambda kind: on_off_index(kind(FIELDS)),
    "modulation_transfer": lambda kind: (
        modulation_transfer(kind(FIELDS), kind(CF_HZ), 5.0, rate_hz=kind(np.array([-4.0, 4.0], "f4"))).gain
    ),
    "roughness": lambda kind: torch.stack(roughness(kind(FIELDS), cf_hz=kind(CF_HZ), dt_ms=5.0)),
    "spread": lambda kind: spread(kind(FIELDS)),
    "predict": lambda kind: predict(model(), kind(SOUNDS)),
    "Recording": lambda kind: Recording(kind(SOUNDS), kind(COUNTS), dt_ms=5.0, cf_hz=kind(CF_HZ)).responses,
    "Fitter.fit": fitted,
    "initialise_from": placed,
    "ridge": lambda kind: (
        ridge((kind(SOUNDS), kind(COUNTS)), LAGS, alpha=1.0, smoothness=None).readout.strf.kernel.weight
    ),
    "posterior": lambda kind: posterior(model(), (kind(SOUNDS), kind(COUNTS)), draws=2, progress=False).fields,
    "diagnose": lambda kind: torch.tensor(len(diagnose(model(), kind(SOUNDS), kind(COUNTS)))),
    "DynamicSTRF": lambda kind: DynamicSTRF(model(), kind(SOUNDS), 0)([(1, 20), (2, 7)]),
    "subspace": lambda kind: subspace(model(), kind(SOUNDS), 0, n_filters=2, n_moments=40).shares,
    "LiveSession": lambda kind: session(kind).rate(1),
    "LiveSession.score": lambda kind: torch.tensor(session(kind).score(1)),
    "set_stimulus": on_another_sound,
}


@pytest.mark.parametrize(
    "cf_hz", [[500, 1000, 2000, 4000, 8000], pd.Series([500, 1000, 2000, 4000, 8000])], ids=["list", "Series"]
)
def test_whole_numbers_and_tables_of_pandas_are_taken_as_axes_and_sounds(cf_hz):
    recording = Recording(SOUNDS, COUNTS, dt_ms=5.0, cf_hz=cf_hz)
    assert recording.spectrogram(0).cf_hz.tolist() == [500.0, 1000.0, 2000.0, 4000.0, 8000.0]
    assert best_frequency(pd.DataFrame(FIELDS[0, 0]), cf_hz).item() == best_frequency(FIELDS, CF_HZ)[0, 0].item()
    session = LiveSession(
        model(), pd.DataFrame(SOUNDS[0, 0]), dt_ms=5.0, cf_hz=cf_hz, neuron_names=pd.Index(["a", "b"])
    )
    assert session.rate("b").shape == (1, T)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_kind_of_array_gives_the_same_answer(name):
    expected = ANSWERS[name](torch.as_tensor)
    for kind in KINDS.values():
        found = ANSWERS[name](kind)
        torch.testing.assert_close(found.double(), expected.double(), rtol=1e-4, atol=5e-4, equal_nan=True)
