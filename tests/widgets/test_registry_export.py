"""One place to add an output curve: the file that the browser reads is current, and a new entry reaches every part."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepstrf.models import LinearNonlinear
from deepstrf.models.layers.configured import Configured
from deepstrf.models.layers.constraints import POSITIVE, inverse_softplus, natural_property
from deepstrf.models.registry import KERNELS, OUTPUT_CURVES, PREFILTERS, Column, Kernel, OutputCurve
from deepstrf_widgets import LiveSession
from deepstrf_widgets.bench.page_state import changed_arrays, model_info, moved_arrays
from deepstrf_widgets.session.serialization import to_code

WIDGETS = Path(__file__).resolve().parents[2] / "widgets"
F, T, N = 4, 3, 2


@pytest.fixture(scope="module")
def export():
    spec = importlib.util.spec_from_file_location("export_registry", WIDGETS / "export_registry.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_that_the_browser_reads_is_current(export):
    stale = "widgets/src/math/registry.ts is stale: run `make bundle` and commit it"
    assert export.FILE.read_text(encoding="utf-8") == export.registry_text(), stale


class Square(nn.Module):
    """``gain * max(x - threshold, 0)^2``: an output curve that this library does not have."""

    gain = natural_property("gain", "_raw_gain", POSITIVE, "Gain (N,).")

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self._raw_gain = nn.Parameter(inverse_softplus(torch.ones(num_features)))
        self.threshold = nn.Parameter(torch.zeros(num_features))

    def forward(self, x):
        return self.gain * (x - self.threshold).clamp_min(0).square()

    def config(self):
        return {"num_features": len(self.threshold)}


COLUMNS = (Column("gain", "gain", "rate per a.u. squared"), Column("threshold", "threshold", "a.u."))


@pytest.fixture
def entry(monkeypatch):
    entry = OutputCurve(columns=COLUMNS, ends=lambda curve: (torch.zeros(N), torch.inf, 0.0))
    monkeypatch.setitem(OUTPUT_CURVES, Square, entry)
    return entry


@pytest.fixture
def make_session():
    def make():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = LinearNonlinear(F, T, out_neurons=N, output_activation=Square(N)).double().eval()
            stimulus = torch.rand(F, 20, dtype=torch.float64)
        return LiveSession(model, stimulus, dt_ms=5.0, cf_hz=np.geomspace(500, 8000, F))

    return make


def test_a_new_curve_is_edited_like_any_other(entry, make_session):
    session = make_session()
    assert [name for name in session.parameters if name.startswith("activation.")] == [
        "activation.gain",
        "activation.threshold",
    ]
    session.set("activation.gain", 3.0, (1,))
    session.set("activation.threshold", -0.25, (1,))
    drive = session.live.drive(1)
    torch.testing.assert_close(session.rate(1), 3.0 * (drive + 0.25).clamp_min(0) ** 2)
    torch.testing.assert_close(session.rate(0), session.trained.rate(0))
    with pytest.raises(ValueError, match=r"activation.gain must lie in \[1e-06, 1e\+09\], got -1"):
        session.set("activation.gain", -1.0, (0,))
    session.undo()
    assert session.value("activation.threshold", (1,)) == 0


def test_a_new_curve_is_written_as_code_and_as_a_checkpoint(entry, make_session, tmp_path):
    session, again = make_session(), make_session()
    session.set("activation.gain", 3.0, (1,))
    exec(to_code(session), {"session": again})
    torch.testing.assert_close(again.rate(1), session.rate(1))
    loaded = LinearNonlinear.from_pretrained(session.save_pretrained(tmp_path / "model"))
    assert type(loaded.readout.activation) is Square
    torch.testing.assert_close(loaded(session.stimulus)[:, 1, 0], session.rate(1))


def test_the_kernel_answers_for_a_curve_whose_formula_the_browser_does_not_have(entry, make_session):
    session = make_session()
    info = model_info(session, (), 0)
    assert info["activation"] == {"kind": "other", "label": "Square", "names": ["gain", "threshold"]}
    assert info["limits"]["activation.gain"] == [1e-6, 1e9]
    assert not info["local"]
    session.set("activation.gain", 3.0, (0,))
    answer = changed_arrays(session, 0, 0, ["activation.gain"])
    assert np.frombuffer(answer["activation"], "<f4").tolist() == [3.0, 0.0]
    np.testing.assert_allclose(np.frombuffer(answer["rate"], "<f4"), session.rate(0)[0], rtol=1e-6)


def test_the_browser_receives_a_curve_that_names_its_formula(monkeypatch, make_session, export):
    entry = OutputCurve("square", COLUMNS, "gain max(x − threshold, 0)²")
    monkeypatch.setitem(OUTPUT_CURVES, Square, entry)
    info = model_info(make_session(), (), 0)
    assert (info["activation"]["kind"], info["local"]) == ("square", True)
    assert '  square: {"formula": "gain max(x − threshold, 0)²", "columns": [' in export.registry_text()


class Ripple(Configured):
    """``gain cos(2 pi density f)`` at every lag: a kernel that this library does not have."""

    arguments = ("F", "T", "C_in", "C_out")
    bias = None

    def __init__(self, F, T, C_in, C_out):
        super().__init__()
        self.F, self.T, self.C_in, self.C_out = F, T, C_in, C_out
        self.density = nn.Parameter(torch.linspace(0.1, 0.3, C_out)[:, None].repeat(1, C_in))
        self.gain = nn.Parameter(torch.ones(C_out, C_in))

    def build_kernel(self, device=None):
        f = torch.arange(self.F, dtype=self.gain.dtype)[:, None]
        field = self.gain[..., None, None] * torch.cos(2 * torch.pi * self.density[..., None, None] * f)
        return field.expand(-1, -1, -1, self.T)

    def forward(self, x):
        return nn.functional.conv2d(x, self.build_kernel())


def test_the_browser_receives_the_columns_of_a_kernel_that_names_its_formula(monkeypatch, export):
    entry = Kernel("ripple", (Column("density", "density", unit="cycles per band"), Column("gain", "gain")))
    monkeypatch.setitem(KERNELS, Ripple, entry)
    model = LinearNonlinear(F, T, out_neurons=N, kernel=Ripple(F, T, 1, N), output_activation=nn.Identity()).eval()
    session = LiveSession(model, torch.rand(F, 20), dt_ms=5.0, cf_hz=np.geomspace(500, 8000, F))
    info = model_info(session, (), 0)
    assert (info["kind"], info["local"]) == ("ripple", True)
    assert info["columns"] == [{"name": "strf.density", "shape": [1]}, {"name": "strf.gain", "shape": [1]}]
    session.set("strf.gain", 2.0, (1, 0))
    for arrays in (changed_arrays(session, 0, 1, ["strf.gain"]), moved_arrays(session, 0, 1, local=True)):
        np.testing.assert_allclose(np.frombuffer(arrays["factors"], "<f4"), [0.3, 2.0], rtol=1e-6)
    assert "  ripple: {" in export.registry_text()


def test_kinds_are_unique():
    for table in (OUTPUT_CURVES, PREFILTERS, KERNELS):
        kinds = [entry.kind for entry in table.values() if entry.kind != "other"]
        assert len(kinds) == len(set(kinds))
