"""Peaks of fields that stand in another band than the recording prefers are marked where their tuning is read."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from deepstrf.analysis import diagnose
from deepstrf.training import Fitter, jackknife
from deepstrf_widgets import Gallery, LiveSession, explore
from deepstrf_widgets.explorer import explorer as explorer_module
from deepstrf_widgets.session import doubts
from deepstrf_widgets.session.doubts import doubtful_peaks, known_doubts
from tests.analysis.diagnosis.population import BANDS, SICK, planting
from tests.analysis.diagnosis.test_planted import harmonic


@pytest.fixture
def session() -> LiveSession:
    """Of four neurons, the field of one of which stands half the bands too high."""
    model, recording, _ = harmonic()
    with planting(model) as readout:
        readout.strf.kernel.weight[SICK] = readout.strf.kernel.weight[SICK].roll(BANDS // 2, 1)
    return LiveSession(model, recording)


def test_they_are_those_that_diagnose_names(session):
    (finding,) = diagnose(session.model, *harmonic()[1:2]).of("misread_tuning")
    assert known_doubts(session) == {}
    assert doubtful_peaks(session) == {SICK: pytest.approx(finding.evidence["preferred_hz"])}
    assert known_doubts(session) is doubtful_peaks(session)


def test_the_gallery_marks_them_until_the_neuron_is_edited(session):
    shown = Gallery(session)
    preferred = shown.readouts()["preferred_hz"]
    assert preferred[SICK] == pytest.approx(doubtful_peaks(session)[SICK])
    assert np.isnan(np.delete(preferred, SICK)).all()
    session.set("activation.beta", 1.5, neuron=SICK)
    assert np.isnan(shown.readouts()["preferred_hz"]).all()
    session.revert()
    assert not np.isnan(shown.readouts()["preferred_hz"][SICK])


def test_nothing_is_said_without_responses_of_given_kernels_or_of_very_many_neurons(session, monkeypatch):
    assert doubtful_peaks(LiveSession(session.model, session.first_stimulus, cf_hz=session.cf_hz)) == {}
    given = Gallery(session, kernels=np.ones((4, 1, BANDS, 3), np.float32))
    assert np.isnan(given.readouts()["preferred_hz"]).all()
    monkeypatch.setattr(doubts, "MOST_NEURONS", 3)
    assert doubtful_peaks(session) == {}


def test_the_bench_tells_them_after_it_has_been_opened(session, monkeypatch):
    monkeypatch.setattr(explorer_module, "AFTER_OPENING_S", 0.0)

    async def opened() -> list[dict[str, object]]:
        explorer = explore(session, neuron=SICK, figures=False)
        told = [dict(explorer.certainty)]
        while explorer._doubts_timer.handle is not None:
            await asyncio.sleep(0)
        explorer._doubts.wait()
        told.append(dict(explorer.certainty))
        explorer.neuron = 0
        told.append(dict(explorer.certainty))
        explorer.close()
        return told

    first, found, other = asyncio.run(opened())
    assert (first, other) == ({}, {})
    hz = doubtful_peaks(session)[SICK]
    assert found["readouts"] == [
        [f"the recording would rather have the trained peak about {hz / 1000:.2g} kHz: see findings"]
    ]


def test_a_bench_without_an_event_loop_tells_them_once_the_gallery_has_looked(session):
    explorer = explore(session, neuron=SICK, figures=False)
    assert (known_doubts(session), explorer.certainty) == ({}, {})
    doubtful_peaks(session)
    for neuron in (0, SICK):
        explorer.neuron = neuron
    assert "would rather have the trained peak about" in explorer.certainty["readouts"][0][0]
    explorer.close()


def test_intervals_say_more_and_stand_in_their_place(session):
    model, recording, _ = harmonic()
    bands = jackknife(Fitter(epochs=1, progress=False), model.requires_grad_(True), recording, blocks=2)
    explorer = explore(session, neuron=SICK, figures=False, confidence=bands)
    doubtful_peaks(session)
    explorer.neuron = 0
    explorer.neuron = SICK
    assert "would rather" not in str(explorer.certainty)
    assert np.isnan(Gallery(session, confidence=bands).readouts()["preferred_hz"]).all()
    explorer.close()
