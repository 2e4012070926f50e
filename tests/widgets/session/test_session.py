"""The live session against fresh forward passes and a plain list of states; its errors."""

import contextlib
import itertools
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_widgets import BenchWidget, Edit, LiveSession
from deepstrf_widgets.session import history, notifications
from deepstrf_widgets.session import session as session_module
from deepstrf_widgets.session.history import MAX_UNDO

CF_HZ = np.array([500.0, 900.0, 2000.0, 7000.0, 16000.0])
CASES = [
    *itertools.product(("gaussians", "full", "separable"), ("adaptrans", "icadaptation", None), ("softplus",)),
    *itertools.product(("gaussians",), ("adaptrans",), ("sigmoid", "double_exponential", "identity", "relu")),
]
ids = {"ids": lambda case: "-".join(map(str, case))}


def draw_edit(data, session):
    """An edit of any parameter, at an index of any depth, within its limits (a few units wide where it has none).

    Of what is painted also a run of values from an index on.
    """
    name = data.draw(st.sampled_from(sorted(session.parameters)), "name")
    row = session.parameters[name]
    depth = data.draw(st.integers(0, len(row.shape)), "depth")
    index = tuple(data.draw(st.integers(0, n - 1)) for n in row.shape[:depth])
    low, high = row.limits(index)
    low = np.where(np.isfinite(low), np.maximum(low, 0.1 if np.all(np.asarray(high) == np.inf) else low), -2.0)
    high = np.where(np.isfinite(high), high, 2.0)
    seed = data.draw(st.integers(0, 2**16), "seed")
    shape = row.shape[depth:]
    if row.by_row and not shape and data.draw(st.booleans(), "run"):
        shape = (data.draw(st.integers(1, row.shape[-1] - index[-1]), "length"),)
    part = np.random.default_rng(seed).uniform(0, 1, shape)
    return Edit(name, low + (high - low) * part, index)


class States:
    """What undo must do, in the simplest way: whole state dicts in two lists."""

    def __init__(self, session, state, same):
        self.session, self.state, self.same = session, state, same
        self.done, self.undone = [], []

    def apply(self, edits, gesture, settled):
        before = self.state(self.session.model)
        self.session.apply(edits, gesture, settled=settled)
        if self.done and gesture is not None and self.done[-1][0] == gesture:
            before = self.done[-1][1]
        elif edits:
            self.done.append((gesture, before, self.undone))
            self.undone = []
        else:
            return
        if settled:
            _, before, overtook = self.done.pop()
            if self.same(before, self.state(self.session.model)):
                self.undone = overtook
            else:
                self.done.append((None, before, []))

    def undo(self):
        self.session.undo()
        if self.done:
            self.undone.append(self.now)
            self.now = self.done.pop()[1]
            assert self.same(self.state(self.session.model), self.now)

    def redo(self):
        before = self.state(self.session.model)
        self.session.redo()
        if self.undone:
            self.done.append((None, before, []))
            self.now = self.undone.pop()
            assert self.same(self.state(self.session.model), self.now)


@pytest.mark.parametrize("case", CASES, **ids)
@settings(max_examples=6)
@given(data=st.data())
def test_rates_are_those_of_a_fresh_pass_and_undo_is_exact(make_session, assert_fresh, state, same, case, data):
    sounds = data.draw(st.integers(1, 2), "sounds")
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32]), "dtype")
    session = make_session(*case, sounds=sounds, responses=False, dtype=dtype)
    begin, states = state(session.model), States(session, state, same)
    for _ in range(data.draw(st.integers(1, 10), "steps")):
        step = data.draw(st.sampled_from(["set", "move", "move", "end", "undo", "redo", "revert", "read"]), "step")
        states.now = state(session.model)
        if step == "set":
            states.apply([draw_edit(data, session)], None, True)
        elif step in ("move", "end"):
            edits = [draw_edit(data, session) for _ in range(data.draw(st.integers(0 if step == "end" else 1, 2)))]
            states.apply(edits, data.draw(st.sampled_from("ab"), "gesture"), step == "end")
        elif step == "undo":
            states.undo()
        elif step == "redo":
            states.redo()
        elif step == "revert":
            before = states.now
            session.revert()
            assert same(state(session.model), begin)
            assert not session.edited()
            if not same(before, begin):
                states.done.append((None, before, []))
                states.undone = []
        else:
            assert_fresh(session, [data.draw(st.integers(0, 2), "neuron")])
        assert (session.can_undo, session.can_redo) == (bool(states.done), bool(states.undone))
    assert_fresh(session, range(3))
    edited, steps = state(session.model), len(states.done)
    while session.can_undo:
        session.undo()
    assert same(state(session.model), begin)
    assert_fresh(session, range(3))
    for _ in range(steps):
        session.redo()
    assert same(state(session.model), edited)
    assert_fresh(session, range(3))


@pytest.mark.parametrize(
    ("kernel", "name", "begin"), [("full", "strf.kernel", (1, 0, 2)), ("separable", "strf.factor_t", (2, 0))]
)
def test_a_run_is_its_values_one_by_one(make_session, kernel, name, begin):
    session, other = make_session(kernel, None), make_session(kernel, None)
    session.set(name, [0.25, -1.0, 3.0], (*begin, 1))
    for i, value in enumerate([0.25, -1.0, 3.0]):
        other.set(name, value, (*begin, 1 + i))
    np.testing.assert_array_equal(session.value(name), other.value(name))
    assert session.value(name, begin).tolist()[1:] == [0.25, -1.0, 3.0]
    for wrong in ([], [1.0] * 4, [[1.0]]):
        with pytest.raises(ValueError, match=rf"{name} at index .* must have shape \(\), got"):
            session.set(name, wrong, (*begin, 1))
    with pytest.raises(ValueError, match=rf"{name} must be finite, got nan"):
        session.set(name, [1.0, float("nan")], (*begin, 1))
    np.testing.assert_array_equal(session.value(name), other.value(name))


# -- gestures and undo --------------------------------------------------------------------------------------------


def test_one_gesture_is_one_undo_entry(session, state, same):
    begin = state(session.model)
    for weight in (1.0, 2.0, 3.0):
        session.apply([Edit("strf.weight", weight, (0, 0, 0)), Edit("strf.weight", weight, (0, 1, 0))], "drag")
    session.apply([], "drag", settled=True)
    session.undo()
    assert same(state(session.model), begin)
    assert not session.can_undo
    session.redo()
    assert session.value("strf.weight", (0, 0, 0)) == 3.0


def test_a_gesture_that_ends_where_it_began_leaves_nothing(session):
    session.set("strf.weight", 7.0, (1, 0, 0))
    session.set("strf.weight", 8.0, (1, 0, 0))
    session.undo()
    was = session.value("strf.weight", (0, 0, 0))
    session.apply([Edit("strf.weight", 5.0, (0, 0, 0))], "drag")
    assert not session.can_redo
    session.apply([Edit("strf.weight", was, (0, 0, 0))], "drag", settled=True)
    assert session.can_redo
    session.undo()
    assert session.value("strf.weight", (1, 0, 0)) == session.trained_value("strf.weight", (1, 0, 0))
    assert not session.can_undo


def test_a_finished_gesture_is_not_joined(session):
    for weight in (1.0, 2.0):
        session.apply([Edit("strf.weight", weight, (0, 0, 0))], "drag", settled=True)
    session.undo()
    assert session.value("strf.weight", (0, 0, 0)) == 1.0


def test_edits_of_one_gesture_may_overlap(session, state, same):
    begin = state(session.model)
    session.apply([Edit("strf.weight", 1.0, (0,))], "drag")
    session.apply([Edit("strf.weight", 2.0, (0, 1, 1))], "drag")
    session.apply([Edit("strf.weight", 3.0, ())], "drag", settled=True)
    edited = state(session.model)
    session.undo()
    assert same(state(session.model), begin)
    session.redo()
    assert same(state(session.model), edited)


def test_an_edit_ends_what_could_be_redone(session):
    session.set("strf.weight", 1.0, (0, 0, 0))
    session.undo()
    session.set("strf.weight", 2.0, (0, 0, 0))
    session.redo()
    assert session.value("strf.weight", (0, 0, 0)) == 2.0


def test_undo_without_a_past_does_nothing(session, state, same):
    begin = state(session.model)
    session.undo()
    session.redo()
    assert same(state(session.model), begin)
    assert not session.can_undo


def test_the_past_is_bounded(session):
    for step in range(MAX_UNDO + 5):
        session.set("strf.bias", step + 0.5, (0,))
    steps = 0
    while session.can_undo:
        session.undo()
        steps += 1
    assert steps == MAX_UNDO
    assert session.value("strf.bias", (0,)) == 4.5


def test_a_width_is_read_at_the_centre_set_before_it(session):
    slopes = np.gradient(np.log2(CF_HZ))
    session.apply([Edit("strf.center_hz", 900.0, (0, 0, 0)), Edit("strf.sigma_oct", 2 * slopes[1], (0, 0, 0))])
    assert session.model.readout.strf.kernel.sigma[0, 0, 0, 0].item() == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            Edit("strf.weigth", 1.0),
            KeyError,
            "name must be one of this model's .*strf.weight.*'strf.weigth'",
        ),
        (Edit("strf.weight", 1.0, (9, 0, 0)), IndexError, r"index of strf.weight .*\(9, 0, 0\)"),
        (Edit("strf.weight", "x", (0, 0, 0)), TypeError, "strf.weight must be a number .*'x'"),
        (Edit("strf.center_ms", -5.0, (0, 0, 0)), ValueError, r"strf.center_ms must lie in \[0, 15\] ms, got -5"),
        (Edit(["strf.weight"], 1.0), KeyError, "name must be one of"),
    ],
)
def test_a_failed_batch_changes_nothing(session, assert_fresh, state, same, bad, error, message):
    session.set("strf.bias", 1.0)
    begin, notified = state(session.model), []
    session.observe(notified.append)
    good = [Edit("strf.weight", 4.0, (1,)), Edit("strf.weight", 5.0, (1, 0, 0)), Edit("prefilter.w", 0.2)]
    with pytest.raises(error, match=message):
        session.apply([*good, bad], "drag", settled=True)
    assert same(state(session.model), begin)
    assert_fresh(session, range(3))
    assert notified == []
    session.undo()
    assert not session.can_undo


def test_edits_that_stop_in_the_middle_change_nothing(session, state, same):
    begin = state(session.model)

    def broken():
        yield Edit("strf.weight", 4.0, (1,))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        session.apply(broken())
    assert same(state(session.model), begin)


# -- revert, observers, values ------------------------------------------------------------------------------------


def test_revert_of_some_parts_leaves_the_others(session, assert_fresh):
    session.apply([Edit("strf.weight", 4.0), Edit("strf.bias", 4.0), Edit("prefilter.w", 0.2)])
    session.revert(["strf.weight"], (1,))
    assert (session.value("strf.weight", (0,)) == 4.0).all()
    np.testing.assert_array_equal(session.value("strf.weight", (1,)), session.trained_value("strf.weight", (1,)))
    session.revert(None, (0,))
    assert [session.edited(n) for n in range(3)] == [True] * 3  # of all of them, the prefilter is still another
    assert session.value("strf.bias").tolist() == [session.trained_value("strf.bias")[0], 4.0, 4.0]
    assert session.value("prefilter.w").tolist() == pytest.approx([0.2] * 5)
    session.undo()
    session.undo()
    assert (session.value("strf.weight") == 4.0).all()
    assert_fresh(session, range(3))
    with pytest.raises(KeyError, match="name must be one of"):
        session.revert(["strf.colour"])
    with pytest.raises(IndexError, match=r"index of strf.weight .*\(7,\)"):
        session.revert(["strf.weight"], (7,))


def test_edited_knows_which_neuron(session):
    session.set("strf.weight", 4.0, (1, 0, 0))
    assert [session.edited(n) for n in (None, 0, 1, 2)] == [True, False, True, False]
    session.revert()
    session.set("prefilter.w", 0.3, (2,))
    assert [session.edited(n) for n in (None, 0, 1, 2)] == [True] * 4


def test_observers_are_told_what_changed(session):
    notified = []
    stop = session.observe(notified.append)
    session.apply([Edit("strf.weight", 4.0, (1, 0, 0))], "drag", source="hand")
    assert notified[-1].names == {"strf.weight"}
    assert (notified[-1].neurons, notified[-1].settled, notified[-1].source) == ({1}, False, "hand")
    assert [notified[-1].touches(n) for n in range(3)] == [False, True, False]
    session.apply([Edit("strf.bias", 1.0)], "drag", settled=True)
    assert (notified[-1].neurons, notified[-1].settled) == (None, True)
    session.set("prefilter.w", 0.5, (0,))
    assert notified[-1].touches(2)
    session.undo(source=1)
    session.redo(source=2)
    session.revert(source=3)
    assert [change.source for change in notified[-3:]] == [1, 2, 3]
    stop()
    stop()
    session.undo()
    assert len(notified) == 6


def test_a_value_that_was_read_does_not_change(session):
    value = session.value("strf.weight", (0,))
    before = value.copy()
    session.set("strf.weight", 4.0)
    np.testing.assert_array_equal(value, before)


def test_trained_values_stay(session):
    before = session.trained_value("strf.weight")
    rate, score = session.trained.rate(0).clone(), session.trained_score(0)
    session.set("strf.weight", 4.0)
    np.testing.assert_array_equal(session.trained_value("strf.weight"), before)
    assert torch.equal(session.trained.rate(0), rate)
    assert session.trained_score(0) == score != session.score(0)


def test_a_kernel_handed_out_earlier_does_not_change_with_the_next_edit(session):
    kernel = session.live.kernel(0)
    before = kernel.clone()
    session.set("strf.weight", 4.0)
    session.undo()
    session.set("strf.sigma_ms", 20.0, neuron=0, channel=0, gaussian=0)
    assert torch.equal(kernel, before)
    assert not torch.equal(session.live.kernel(0), before)


def test_a_thread_that_makes_one_change_does_not_call_observers_for_one_that_makes_many(session, monkeypatch):
    seen, here, many = [], threading.get_ident(), 60
    monkeypatch.setattr(notifications, "PATIENCE_S", 0.0)
    began, all_seen = threading.Event(), threading.Event()

    def edit_often():
        for number in range(many):
            session.set("strf.bias", 0.01 * number, (2,))
        began.set()

    def observer(change):
        if not seen:
            other.start()
            assert began.wait(20)
        seen.append((change.version, threading.get_ident() == here))
        if len(seen) == many + 1:
            all_seen.set()

    other = threading.Thread(target=edit_often)
    session.observe(observer)
    session.set("strf.bias", 0.5, (1,))
    assert all_seen.wait(20)
    other.join()
    versions = [version for version, _ in seen]
    assert versions == sorted(set(versions))
    assert [mine for _, mine in seen] == [True] + [False] * many


def test_what_changes_while_a_slow_observer_works_reaches_it_as_one_change(session):
    """Or it would be ever further behind a thread that edits faster than it works."""
    every, merged, many = [], [], 40

    def slow(change):
        merged.append(change)
        if len(merged) == 1:
            other = threading.Thread(target=edit_often)
            other.start()
            other.join(20)

    def edit_often():
        for number in range(many):
            session.set("strf.bias", 0.01 * number, (1 + number % 2,))
        session.apply([Edit("activation.beta", 2.0, (0,))], "g", source=self)

    self = object()
    session.observe(slow, merged=True)
    session.observe(lambda change: every.append(change.version))
    session.set("strf.weight", 0.5, (0,))
    assert every == [1 + number for number in range(many + 2)]
    assert [change.version for change in merged] == [1, many + 2]
    assert merged[1].names == {"strf.bias", "activation.beta"}
    assert merged[1].neurons == {0, 1, 2}
    assert merged[1].settled
    assert merged[1].source is None


def test_an_observer_may_end_itself_inside_its_callback(session):
    seen = {"first": 0, "once": 0, "last": 0}

    def count(name):
        seen[name] += 1
        if name == "once":
            stops["once"]()

    stops = {name: session.observe(lambda _change, name=name: count(name)) for name in seen}
    session.set("strf.weight", 1.0)
    session.set("strf.weight", 2.0)
    assert seen == {"first": 2, "once": 1, "last": 2}


def test_revert_at_an_index_of_two_axes_takes_what_has_them(session):
    """A channel of a neuron: its Gaussians, and nothing that has one axis alone or belongs to all neurons."""
    begin = {name: session.value(name) for name in session.parameters}
    session.set("strf.weight", 4.0)
    session.set("strf.bias", 3.0)
    session.set("prefilter.w", 0.3)
    edited = {name: session.value(name) for name in session.parameters}
    session.revert(index=(0, 0))
    for name, parameter in session.parameters.items():
        expected = edited[name].copy()
        if parameter.per_neuron and len(parameter.shape) >= 2:
            expected[0, 0] = begin[name][0, 0]
        np.testing.assert_array_equal(session.value(name), expected, err_msg=name)
    assert (session.value("strf.weight")[0, 0] != 4.0).all()
    assert (session.value("strf.weight")[0, 1] == 4.0).all()
    session.undo()
    np.testing.assert_array_equal(session.value("strf.weight"), edited["strf.weight"])


def test_undo_is_bounded_by_bytes_and_always_has_the_last_step(make_session, monkeypatch):
    session = make_session()
    start = session.value("strf.weight")
    session.revert()
    session.set("strf.weight", 0.5, (0, 0, 0))
    size = session._edited.state.history.done[-1].size
    assert size == session.model.readout.strf.kernel.weight.element_size()
    session.undo()
    monkeypatch.setattr(history, "MAX_UNDO_MB", 5.5 * size / 1e6)
    for value in range(20):
        session.set("strf.weight", 1.0 + value, (0, 0, 0))
    assert len(session._edited.state.history.done) == 5
    for _ in range(5):
        session.undo()
    assert not session.can_undo
    assert session.value("strf.weight", (0, 0, 0)) == 15.0
    session.redo()
    assert session.value("strf.weight", (0, 0, 0)) == 16.0
    # A step that alone is larger than the room can still be undone.
    session.set("strf.weight", 3.0)
    assert len(session._edited.state.history.done) == 1
    session.undo()
    assert session.value("strf.weight", (0, 0, 0)) == 16.0
    assert start.shape == session.value("strf.weight").shape
    # So can a gesture that grows beyond it.
    for neuron in range(3):
        session.apply([Edit("strf.weight", 2.0, (neuron, 0, g)) for g in (0, 1)], "brush")
    session.apply([], "brush", settled=True)
    assert len(session._edited.state.history.done) == 1
    session.undo()
    assert session.value("strf.weight", (0, 0, 0)) == 16.0


# -- opening ------------------------------------------------------------------------------------------------------


class Counting(torch.nn.Module):
    """A core that notes whether it is run ``inside`` a block, each time that it meets the whole sound."""

    def __init__(self, frames, inside, seen):
        super().__init__()
        self.frames, self.inside, self.seen = frames, inside, seen

    def __deepcopy__(self, _memo):
        return Counting(self.frames, self.inside, self.seen)

    def forward(self, x):
        if x.shape[-1] == self.frames:
            self.seen.append(bool(self.inside))
        return x


@pytest.mark.parametrize(("few", "alone"), [(1000, True), (999, False)])
def test_a_bench_opens_with_one_run_of_its_model_on_one_thread(make_model, make_stimulus, monkeypatch, few, alone):
    inside, seen = [], []

    @contextlib.contextmanager
    def one_thread():
        inside.append(None)
        yield
        inside.pop()

    monkeypatch.setattr(session_module, "one_thread", one_thread)
    monkeypatch.setattr(session_module, "FEW_NUMBERS", few)
    model = make_model()
    model.core = Counting(200, inside, seen)
    session = LiveSession(model, make_stimulus(frames=200), cf_hz=CF_HZ)
    BenchWidget(session, neuron=1).close()
    assert seen == [alone]


def test_what_was_computed_at_opening_is_of_the_trained_model_until_it_has_its_own(make_session):
    session = make_session()
    expected = session.live.rate(0).clone()
    assert torch.equal(session.trained.rate(0), expected)
    session.set("strf.bias", session.value("strf.bias", (0,)) + 1, (0,))
    assert not torch.equal(session.live.rate(0), expected)
    assert torch.equal(session.trained.rate(0), expected)
