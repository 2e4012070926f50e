"""The list of what is suspicious: its rows, what Show does, looking again, and its end."""

from __future__ import annotations

import pytest
import torch

from deepstrf.analysis import diagnose
from deepstrf.demo import load_demo
from deepstrf.training import Band
from deepstrf_widgets import explore
from deepstrf_widgets.explorer import diagnosis as module
from deepstrf_widgets.explorer.diagnosis import DiagnosisView


@pytest.fixture
def sick():
    """The demo with a flipped sign (neuron 1), a Gaussian off its grid (neuron 4, OFF, number 2) and NaN (neuron 5)."""
    demo = load_demo()
    with torch.no_grad():
        readout = demo.model.readout
        kernel = readout.strf.kernel
        for tensor in (readout.bn.weight, readout.bn.running_mean, kernel.weight, kernel.bias):
            tensor[1] *= -1  # the same response, seen through a mirror
        readout.strf.kernel.P[0, 4, 1, 2] = 50.0
        readout.activation._raw_b[5] = torch.nan
    names = [*demo.neuron_names[:4], "<b>four</b>", "five"]
    explorer = explore(demo.model, demo.stimulus, demo.responses, neuron_names=names, figures=False)
    yield explorer
    explorer.close()


def texts(view):
    return [f"{row['severity']} · {row['kind']} · {row['whom']} · {row['stage']}" for row in view.rows]


def click(view, number):
    view._received(view, {"type": "show", "finding": number}, [])


def test_one_row_for_each_finding_with_its_evidence(sick):
    view = sick.diagnose()
    assert isinstance(view, DiagnosisView)
    assert [(one.kind, one.neuron) for one in view.found] == [("not_finite", 5), ("off_grid", 4), ("flipped_sign", 1)]
    session = sick.session
    assert view.found == diagnose(session.model, session.stimulus, session.responses, dt_ms=5.0)
    shown = texts(view)
    assert [row["can_show"] for row in view.rows] == [True] * 3
    assert "error · not finite · neuron 6, five" in shown[0]
    assert "output curve" in shown[0]
    assert "neuron 5, <b>four</b>" in shown[1]
    assert "receptive field" in shown[1]
    assert "(1 error, 1 warning, 1 note)" in view.title
    view.close()


def test_intervals_of_the_explorer_tell_of_tuning_that_may_lie_anywhere():
    demo = load_demo()
    wide = torch.tensor([500.0, 20000.0])[:, None, None].expand(2, 6, 2)
    bands = {"best_frequency": Band(torch.full((6, 2), 4000.0), 4000.0 + 1e4 * torch.randn(6, 6, 2))}
    assert float((bands["best_frequency"].interval()[1] - wide[1]).min()) > 0
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False, confidence=bands)
    view = explorer.diagnose()
    assert [(one.kind, one.neuron) for one in view.found] == [("uncertain_tuning", n) for n in range(6)]
    explorer.close()


def test_repr_is_readable_and_holds_no_numbers_that_a_fit_gives(sick):
    view = sick.diagnose()
    assert repr(view) == (
        "DiagnosisView: 3 findings (1 error, 1 warning, 1 note)\n"
        "  error    not_finite     neuron 6, five\n"
        "  warning  off_grid       neuron 5, <b>four</b>\n"
        "  note     flipped_sign   neuron 2, offset, 8 kHz"
    )
    view.close()


def test_show_jumps_to_the_neuron_and_to_the_gaussian(sick):
    view = sick.diagnose()
    click(view, 2)
    assert sick.neuron == 1
    click(view, 1)
    assert (sick.neuron, sick.bench.channel, sick.bench.selected, sick.bench.stage) == (4, 1, 2, "strf")
    view.show(0)
    assert (sick.neuron, sick.bench.stage) == (5, "activation")
    view.close()


@pytest.mark.parametrize("number", [3, -1])
def test_a_finding_number_out_of_range_is_an_error(sick, number):
    view = sick.diagnose()
    with pytest.raises(IndexError, match=f"finding must be one of the 3 in the list, from 0, got {number}"):
        view.show(number)
    view.close()


def test_what_concerns_the_whole_model_has_nothing_to_show(make_model, make_stimulus):
    model = make_model()
    model.prefiltering.d_on.data[0] = torch.nan
    explorer = explore(model, make_stimulus(), cf_hz=[500.0, 900.0, 2000.0, 7000.0, 16000.0], figures=False, neuron=2)
    view = explorer.diagnose()
    assert view.found[0].neuron is None
    assert "the model" in texts(view)[0]
    assert "adaptation" in texts(view)[0]
    assert view.rows[0]["can_show"] is False
    view.show(0)
    assert explorer.neuron == 2
    explorer.close()


def test_a_healthy_model_has_nothing_suspicious():
    demo = load_demo()
    explorer = explore(demo.model, demo.stimulus, demo.responses, figures=False)
    view = explorer.diagnose()
    assert repr(view) == "DiagnosisView: nothing suspicious"
    assert "Nothing suspicious" in view.title
    assert view.rows == []
    explorer.close()


def test_after_an_edit_the_title_says_so_and_the_button_repeats_the_diagnosis(sick):
    view = sick.diagnose()
    edited = "the model has been edited since"
    assert edited not in view.title
    sick.session.set("strf.center_hz", 4000.0, (4, 1, 2))
    assert edited in view.title
    assert len(view.found) == 3
    view._received(view, {"type": "again"}, [])
    assert edited not in view.title
    assert [one.kind for one in view.found] == ["not_finite", "flipped_sign"]
    assert len(texts(view)) == 2
    sick.undo()
    view.refresh()
    assert len(texts(view)) == 3
    view.close()


def test_another_stimulus_is_no_edit_and_is_not_diagnosed(sick):
    view = sick.diagnose()
    found = view.found
    sick.session.set_stimulus(torch.zeros(34, 50))
    assert "edited" not in view.title
    view.refresh()
    assert view.found == found
    view.close()


def test_held_out_sounds_reach_the_diagnosis(sick):
    session = sick.session
    with pytest.raises(TypeError, match="held_out must be a Recording or"):
        sick.diagnose(held_out=3)
    view = sick.diagnose(held_out=(session.stimulus, session.responses))
    assert len(view.found) == 3
    view.close()


def test_very_many_findings_have_no_row_each(sick, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    view = sick.diagnose()
    assert (len(view.rows), view.more) == (2, 1)
    assert repr(view).count("\n") == 3
    view.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "type must be show or again, got None"),
        ({"type": "show", "finding": -1}, "finding must be a number in the list, got -1"),
        ({"type": "show", "finding": 3}, "finding must be one of the 3 in the list, from 0, got 3"),
    ],
)
def test_a_malformed_message_is_refused(sick, content, message):
    view = sick.diagnose()
    view._received(view, content, [])
    assert message in view.error
    view.close()


def test_a_closed_list_follows_no_more(sick):
    view = sick.diagnose()
    assert view.comm is not None
    view.close()
    assert view.comm is None
    title = view.title
    sick.session.set("strf.weight", 1.0, (0, 0, 0))
    assert view.title == title
    view.close()
