"""Edits as Python, as a text for another notebook, and locks: round trips, and nothing lost by a bad text."""

import base64
import json
import time
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepstrf.demo import load_demo
from deepstrf.models.audio import ConvNet2D, LinearNonlinear, StateNet
from deepstrf_widgets import BenchWidget, LiveSession, Player, explore
from deepstrf_widgets.bench.widget import locked_names
from deepstrf_widgets.session.serialization import changed_values, restore_state, state_text, to_code

EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("strf.center_hz"), st.floats(500, 16000), st.tuples(*map(st.integers, (0, 0, 0), (2, 1, 1)))),
        st.tuples(st.just("strf.center_ms"), st.floats(0, 15), st.tuples(*map(st.integers, (0, 0, 0), (2, 1, 1)))),
        st.tuples(st.just("strf.sigma_ms"), st.floats(2, 19), st.tuples(*map(st.integers, (0, 0, 0), (2, 1, 1)))),
        st.tuples(st.just("strf.weight"), st.floats(-5, 5), st.tuples(*map(st.integers, (0, 0, 0), (2, 1, 1)))),
        st.tuples(st.just("prefilter.tau_on_ms"), st.floats(1, 400), st.tuples(st.integers(0, 4))),
        st.tuples(st.just("activation.beta"), st.floats(0.1, 20), st.tuples(st.integers(0, 2))),
    ),
    max_size=6,
)


def values_of(session):
    return {name: session.value(name) for name in session.parameters}


def assert_equal_values(one, other):
    for name, value in values_of(one).items():
        np.testing.assert_allclose(other.value(name), value, rtol=1e-9, atol=1e-12, err_msg=name)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_code_and_state_make_the_same_model_of_a_fresh_one(make_session, edits):
    edited, by_code, by_state = make_session(), make_session(), make_session()
    for name, value, index in edits:
        edited.set(name, value, index)
    exec(to_code(edited), {"session": by_code})
    assert_equal_values(edited, by_code)
    restore_state(by_state, state_text(edited))
    assert_equal_values(edited, by_state)


def test_an_unedited_session_has_no_code(session):
    assert to_code(session) == ""
    restore_state(session, state_text(session))
    assert not session.edited()
    assert not session.can_undo


def test_many_changes_of_a_free_kernel_are_one_array(make_session):
    session, other = make_session("full", None), make_session("full", None)
    session.set("strf.kernel", np.arange(20.0).reshape(1, 5, 4), (1,))
    session.set("strf.kernel", 7.0, (2, 0, 3, 1))
    names = [(edit.name, edit.index) for edit in changed_values(session)]
    assert names == [("strf.kernel", (1,)), ("strf.kernel", (2, 0, 3, 1))]
    exec(to_code(session), {"session": other})
    assert_equal_values(session, other)


def test_a_state_replaces_what_was_edited_before(make_session):
    one, other = make_session(), make_session()
    one.set("strf.weight", 2.0, (0, 0, 0))
    other.set("strf.weight", 9.0, (2, 1, 1))
    restore_state(other, state_text(one))
    assert_equal_values(one, other)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (7, TypeError, "state must be a text from explorer.state, got int"),
        ("", ValueError, "state must be a text from explorer.state .* got ''"),
        ("deepstrf1:%%%", ValueError, "state must be .* got 'deepstrf1:%%%'"),
        ("deepstrf1:AAAA", ValueError, "state must be .* got 'deepstrf1:AAAA'"),
        ("deepstrf1:é", ValueError, "state must be .* got 'deepstrf1:é'"),
        ("x" * 100, ValueError, r"got 'x{37}\.\.\.'"),
    ],
)
def test_a_wrong_text_is_an_error_and_changes_nothing(session, text, error, message):
    session.set("strf.weight", 2.0, (0, 0, 0))
    before = values_of(session)
    with pytest.raises(error, match=message):
        restore_state(session, text)
    assert all(np.array_equal(before[name], value) for name, value in values_of(session).items())


def test_a_truncated_text_is_an_error(make_session):
    session, other = make_session(), make_session()
    session.set("strf.weight", 2.0, (0, 0, 0))
    text = state_text(session)
    for length in range(len("deepstrf1:"), len(text) - 1, 7):
        with pytest.raises(ValueError, match="state must be a text from explorer"):
            restore_state(other, text[:length])
    assert not other.edited()


def test_a_state_of_another_model_is_an_error_and_changes_nothing(make_session):
    small, large = make_session(), make_session(neurons=8)
    with pytest.raises(ValueError, match="state must be of a model with 8 neurons, got one of 3"):
        restore_state(large, state_text(small))
    full = make_session("full", None)
    full.set("strf.kernel", 7.0, (2, 0, 3, 1))
    small.set("strf.weight", 2.0, (0, 0, 0))
    before = values_of(small)
    with pytest.raises(ValueError, match=r"state does not fit this model: name must be .*'strf\.kernel'"):
        restore_state(small, state_text(full))
    assert all(np.array_equal(before[name], value) for name, value in values_of(small).items())


def test_a_state_that_fails_undoes_no_gesture(session):
    """What was set and reverted is the trained model with a history: nothing of it may be undone."""
    packed = zlib.compress(json.dumps({"neurons": 3, "edits": [["strf.nothing", [0, 0, 0], 1.0]]}).encode())
    session.set("strf.weight", 3.0, (0, 0, 0))
    session.revert()
    with pytest.raises(ValueError, match=r"state does not fit this model: name must be .*'strf\.nothing'"):
        restore_state(session, "deepstrf1:" + base64.urlsafe_b64encode(packed).decode())
    assert not session.edited()
    session.undo()
    assert session.value("strf.weight", (0, 0, 0)) == pytest.approx(3.0)
    session.undo()
    assert not session.can_undo


def packed_state(edits, neurons=3):
    data = edits if isinstance(edits, bytes) else json.dumps({"neurons": neurons, "edits": edits}).encode()
    return "deepstrf1:" + base64.urlsafe_b64encode(zlib.compress(data, 9)).decode()


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([["strf.weight", [0, 0, 0], 1.0]] * 200_000, "state must set each value of this model once, .* of 1 places"),
        (lambda: [["strf.weight", [n, 0, 0], 1.0] for n in range(200_000)], r"at most, got 200000 of 200000 places"),
        (
            [["strf.weight", [0, 0, 0], [[1.0] * 1000] * 500]],
            "state does not fit this model: strf.weight at index .* must have shape",
        ),
        ([["strf.weight", [0, 0, 9], 1.0]], "state does not fit this model: index of strf.weight must lie"),
        ([["strf.weight", [0, [0], 0], 1.0]], "state must be a text from explorer.state"),
        ([["strf.weight", [True, 0, 0], 1.0]], "state must be a text from explorer.state"),
        ([["strf.weight", [0, 0, 0], {}]], "state does not fit this model: strf.weight must be a number"),
        ([["strf.weight", [0, 0, 0], 1e400]], "state does not fit this model: strf.weight must"),
        (b"[" * 9_000_000, "state must be a text from explorer.state"),
        (b'{"neurons": 3, "edits": [' + b" " * 11_000_000 + b"]}", "state must be a text from explorer.state"),
    ],
    ids=range(10),
)
def test_a_small_text_that_holds_a_lot_is_refused_at_once(session, edits, message):
    """Some ten KB of text used to keep the kernel for half a minute."""
    text = packed_state(edits() if callable(edits) else edits)
    session.set("strf.weight", 2.0, (0, 0, 0))
    started = time.process_time()
    with pytest.raises(ValueError, match=message) as refused:
        restore_state(session, text)
    assert time.process_time() - started < 5
    assert len(str(refused.value)) < 500
    assert session.value("strf.weight", (0, 0, 0)) == 2.0


@pytest.mark.parametrize("kind", ["gaussians", "full", "separable"])
def test_a_text_with_every_value_of_a_model_is_restored(make_session, kind):
    """Also one whose parameters have limits that differ from place to place."""
    session, other = make_session(kind, neurons=4), make_session(kind, neurons=4)
    for name in session.parameters:
        session.set(name, np.asarray(session.value(name)) * 1.0001)
    restore_state(other, state_text(session))
    assert_equal_values(session, other)


def test_the_explorer_gives_both(make_session):
    explorer, other = explore(make_session(), figures=False), explore(make_session(), figures=False)
    explorer.session.set("strf.weight", 2.0, (0, 0, 0))
    assert explorer.code == "session.set('strf.weight', 2.0, (0, 0, 0))\n"
    other.restore(explorer.state)
    assert_equal_values(explorer.session, other.session)
    for each in (explorer, other):
        each.close()


# -- locks --------------------------------------------------------------------------------------------------------


def test_a_stage_or_a_name_is_locked(session):
    assert locked_names(session, ["activation", "strf.weight"]) == ["strf.weight", "activation.beta", "activation.b"]


@pytest.mark.parametrize(
    ("lock", "error", "message"),
    [
        ("strf", TypeError, "lock must be a sequence of parameter names or stages, got 'strf'"),
        ([1], TypeError, r"lock must be a sequence of parameter names or stages, got \[1\]"),
        (["colour"], ValueError, r"lock must hold parameters or stages of this model \(activation, .*, got 'colour'"),
    ],
)
def test_a_wrong_lock_is_an_error(session, lock, error, message):
    with pytest.raises(error, match=message):
        BenchWidget(session, lock=lock)


def test_the_browser_cannot_edit_what_is_locked_and_python_can(session, monkeypatch):
    bench = BenchWidget(session, lock=["strf.weight", "prefilter"])
    assert bench.info["locked"] == ["prefilter.tau_off_ms", "prefilter.tau_on_ms", "prefilter.w", "strf.weight"]
    sent = []
    monkeypatch.setattr(bench, "send", lambda content, buffers=None: sent.append(content))
    edit = {"type": "edit", "client": "page", "gesture": "g", "phase": "end"}
    bench._received(bench, {**edit, "seq": 1, "edits": [{"name": "strf.weight", "index": [0, 0, 0]}]}, [b"\0" * 4])
    assert sent[-1]["text"] == bench.error == "strf.weight is locked in this bench"
    bench._received(bench, {"type": "revert", "client": "page", "seq": 2, "names": ["prefilter.w"], "index": None}, [])
    assert sent[-1]["text"] == "prefilter.w is locked in this bench"
    assert not session.edited()
    session.set("strf.weight", 2.0, (0, 0, 0))
    session.set("strf.center_ms", 3.0, (0, 0, 0))
    bench._received(bench, {"type": "revert", "client": "page", "seq": 3, "names": None, "index": [0]}, [])
    assert session.value("strf.weight", (0, 0, 0)) == 2.0
    assert session.value("strf.center_ms", (0, 0, 0)) == session.trained_value("strf.center_ms", (0, 0, 0))
    bench.close()


# -- more numbers than anybody reads ---------------------------------------------------------------------------------


def network(kind):
    torch.manual_seed(0)
    if kind == "StateNet":
        return StateNet(34, 1, out_neurons=6).eval()
    if kind == "ConvNet2D":
        return ConvNet2D(34, out_neurons=6).eval()
    return LinearNonlinear(34, 40, out_neurons=6).eval()


@pytest.mark.parametrize("kind", ["StateNet", "ConvNet2D", "LinearNonlinear"])
def test_code_of_a_fitted_network_is_short_refuses_until_it_is_saved_and_then_repeats_it(kind, tmp_path):
    demo = load_demo()
    first, second = (LiveSession(network(kind), demo.stimulus, demo.responses) for _ in range(2))
    player = Player(first)
    player.step(2)
    code = to_code(first)
    assert len(code) < 300
    with pytest.raises(ValueError, match=r"^\d+ changed numbers are too many to write here: session.save_pretrained"):
        exec(code, {"session": second})
    assert not second.edited()
    first.save_pretrained(tmp_path / "fitted")
    if kind == "StateNet":
        first.ablate("memory", 0)
    code = to_code(first)
    assert code.count("\n") == (2 if kind == "StateNet" else 1)
    assert len(code) < 300
    exec(code, {"session": second})
    assert torch.equal(first.rate(2), second.rate(2))
    while second.can_undo:
        second.undo()
    assert not second.edited()
    # Of what was changed since then the folder knows nothing.
    player.step(1)
    player.close()
    assert to_code(first).startswith("raise ValueError(")


def test_weights_of_another_model_are_refused_and_nothing_is_changed(tmp_path):
    demo = load_demo()
    session = LiveSession(network("StateNet"), demo.stimulus, demo.responses)
    StateNet(34, 1, out_neurons=5).save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match=r"save_dir must hold a model with the parts of this one, .*other differs in "):
        session.load_weights(tmp_path / "other")
    assert not session.edited()
    assert not session.can_undo


def test_more_changed_numbers_than_a_text_holds_are_said_and_refused_with_the_way_out(monkeypatch, session):
    monkeypatch.setattr("deepstrf_widgets.session.serialization.MOST_NUMBERS", 1)
    assert state_text(session).startswith("deepstrf1:")
    session.set("strf.center_ms", 10.0, (0, 0, 0))
    assert state_text(session).startswith("deepstrf1:")
    session.set("strf.center_ms", 10.0, (1, 0, 0))
    text = state_text(session)
    assert BenchWidget(session).edits == ""  # no page tries to read it
    assert text.endswith("2 changed numbers are too many for a text: session.save_pretrained(folder) keeps them")
    with pytest.raises(ValueError, match=r"state holds no edits: 2 changed numbers .*save_pretrained\(folder\)"):
        restore_state(session, text)
    monkeypatch.setattr("deepstrf_widgets.session.serialization.MOST_NUMBERS", 5000)
    monkeypatch.setattr("deepstrf_widgets.session.serialization.MOST_CHARACTERS", 40)  # each with a long name
    assert state_text(session) == text


def test_a_long_text_is_packed_quickly_and_read_again(session, monkeypatch):
    monkeypatch.setattr("deepstrf_widgets.session.serialization.LONG", 10)
    session.set("strf.center_ms", 10.0, (0, 0, 0))
    text = state_text(session)
    session.revert()
    restore_state(session, text)
    assert float(session.value("strf.center_ms", (0, 0, 0))) == 10.0
