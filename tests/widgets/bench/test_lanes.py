"""What opens between sound and response, the stage that is edited, and the normalised score: the kernel's side."""

import numpy as np
import pytest
import torch
import traitlets

from deepstrf.metrics import corrcoef, normalized_corrcoef
from deepstrf_widgets import BenchWidget, LiveSession
from deepstrf_widgets.session.events import Edit


@pytest.fixture
def responses(session):
    torch.manual_seed(3)
    clean = session.live.rates()  # a signal that the trials share, so that there is something to normalise by
    return clean + 0.3 * clean.std() * torch.randn(*clean.shape[:2], 4, clean.shape[3], dtype=clean.dtype)


@pytest.fixture
def recorded(session, responses):
    return LiveSession(session.model, session.stimulus, responses, cf_hz=session.cf_hz)


def test_trials_are_sent_while_their_lane_is_open(recorded, responses):
    bench = BenchWidget(recorded, neuron=1)
    assert bench.info["n_trials"] == 4
    assert bench.trials == b""
    bench.lanes = ["trials"]
    assert np.array_equal(np.frombuffer(bench.trials, "<f4").reshape(4, -1), responses[0, 1].float().numpy())
    bench.neuron = 2
    assert np.array_equal(np.frombuffer(bench.trials, "<f4").reshape(4, -1), responses[0, 2].float().numpy())
    bench.lanes = []
    assert bench.trials == b""


def test_without_responses_there_are_no_trials(session):
    bench = BenchWidget(LiveSession(session.model, session.stimulus, cf_hz=session.cf_hz))
    bench.lanes = ["trials", "drive"]
    assert (bench.info["n_trials"], bench.trials, bench.normalized_score) == (0, b"", None)


@torch.no_grad()
def test_the_normalised_score_is_that_of_the_metrics(recorded, responses):
    bench = BenchWidget(recorded)
    before = normalized_corrcoef(recorded.model(recorded.stimulus), responses, reduction="none")
    assert bench.normalized_score == pytest.approx(float(before[0]), abs=2e-6)
    recorded.apply([Edit("strf.weight", -2.0, (0, 0, 0))])
    bench.refresh()
    after = normalized_corrcoef(recorded.model(recorded.stimulus), responses, reduction="none")
    assert bench.normalized_score == pytest.approx(float(after[0]), abs=2e-6)
    assert bench.trained_normalized_score == pytest.approx(float(before[0]), abs=2e-6)


@pytest.mark.parametrize(("name", "value"), [("lanes", ["spikes"]), ("stage", "readout")])
def test_what_there_is_not_is_refused(session, name, value):
    bench = BenchWidget(session)
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(bench, name, value)
    assert (bench.lanes, bench.stage) == ([], "")


@torch.no_grad()
@pytest.mark.parametrize("gaps", [False, True])
def test_scores_during_a_gesture_are_those_of_the_metrics(session, responses, gaps):
    responses = responses.clone()
    if gaps:
        responses[0, 0, 1, 4:9] = torch.nan
    one = LiveSession(session.model, session.stimulus, responses, cf_hz=session.cf_hz)
    for weight in (0.3, -0.7, 0.3):
        one.apply([Edit("strf.weight", weight, (0, 0, 0))], "hand")
        predicted = one.model(one.stimulus)
        for metric, got in ((corrcoef, one.score(0)), (normalized_corrcoef, one.normalized_score(0))):
            assert got == pytest.approx(float(metric(predicted, responses, reduction="none")[0]), abs=1e-12)
    one.set_stimulus(one.stimulus[..., :20], responses[:, :, :1, :20])
    assert one.normalized_score(0) is None


def test_the_old_name_of_the_prefilter_stage_works_and_warns(session):
    bench = BenchWidget(session)
    with pytest.warns(DeprecationWarning, match='stage "adaptation" is called "prefilter" now') as caught:
        bench.stage = "adaptation"
    assert (bench.stage, caught[0].filename) == ("prefilter", __file__)
    bench.close()
