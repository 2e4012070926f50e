"""Everything that shows a lag in ms counts from the sound, by the delay that the stimulus knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepstrf.analysis import latency
from deepstrf.datasets import Recording
from deepstrf.stimuli import Spectrogram
from deepstrf_widgets import LiveSession, gallery
from deepstrf_widgets.bench.page_state import model_info
from deepstrf_widgets.figures.neuron_figure import neuron_figure
from deepstrf_widgets.neuron_gallery.tuning_table import COLUMNS
from tests.widgets.conftest import CF_HZ, DT_MS, T, build_model, build_responses, build_stimulus

DELAY_MS = 2.5


def heard() -> Spectrogram:
    values = build_stimulus()[0, 0]
    return Spectrogram(values, torch.from_numpy(CF_HZ), DT_MS, delay_ms=DELAY_MS)


@pytest.fixture
def session() -> LiveSession:
    return LiveSession(build_model(), heard(), build_responses()[0])


def test_lags_of_gaussians_count_from_the_sound(session):
    frame = session.value("strf.center_ms", grid=True)
    np.testing.assert_allclose(session.value("strf.center_ms"), (T - 1 - frame) * DT_MS + DELAY_MS, atol=1e-6)
    session.set("strf.center_ms", 12.5, (0, 0, 0))
    assert session.value("strf.center_ms", (0, 0, 0), grid=True) == pytest.approx(T - 1 - 2)
    low, high = session.parameters["strf.center_ms"].limits((0, 0, 0))
    assert (float(low), float(high)) == (DELAY_MS, (T - 1) * DT_MS + DELAY_MS)


def test_the_table_of_tuning_the_figure_and_the_browser_know_the_delay(session):
    fields = session.model.effective_STRF()[0]
    shown = gallery(session)
    expected = latency(fields, DT_MS, delay_ms=DELAY_MS)
    found = shown.table[:, COLUMNS.index("latency_ms")]
    assert all(np.isclose(found[n], expected[n].numpy(), equal_nan=True).any() for n in range(len(found)))
    assert shown.info["delay_ms"] == model_info(session, (), 0)["delay_ms"] == DELAY_MS
    (field,) = [trace for trace in neuron_figure(session, 0).data if trace.name == "STRF, ON"]
    assert tuple(field.x) == (17.5, 12.5, 7.5, 2.5)


def test_a_recording_brings_its_delay():
    one = heard()
    data = Recording(one.values[None, None], build_responses(), dt_ms=DT_MS, cf_hz=one.cf_hz, delay_ms=DELAY_MS)
    assert LiveSession(build_model(), data).delay_ms == DELAY_MS
    assert LiveSession(build_model(), one.values, dt_ms=DT_MS, cf_hz=CF_HZ).delay_ms == 0
