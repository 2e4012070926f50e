"""A fit that moves a session: from where it stands, beside the hand, with pins, and back in one step."""

import gc
import math
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf.models.activations import ParametricSigmoid
from deepstrf.models.audio import ConvNet2D, StateNet
from deepstrf.training import Fitter
from deepstrf.training import run as run_module
from deepstrf.training.batches import Examples
from deepstrf.training.recipes import recipe_for
from deepstrf_widgets import Edit, LiveSession, explore
from deepstrf_widgets.play import Player, PlaySettings
from deepstrf_widgets.play import player as player_module
from deepstrf_widgets.play.player import recording_of
from deepstrf_widgets.play.settings import data_of, fitter_of, step_sizes
from deepstrf_widgets.play.trail import Point, Trail
from deepstrf_widgets.session.model_copy import private_copy
from deepstrf_widgets.session.serialization import restore_state, state_text, to_code
from deepstrf_widgets.threads import TURN_S

CENTRE = ("strf.center_hz", (0, 0, 1))


@pytest.fixture
def session(make_session):
    return make_session(sounds=3, dtype=torch.float32)


@pytest.fixture
def player(session):
    made = Player(session)
    yield made
    made.close()


def values(session):
    """On the grid: a width in octaves follows the centre."""
    return {name: session.value(name, grid=True) for name in session.parameters}


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


# -- one fit ---------------------------------------------------------------------------------------------------------


def test_a_run_reaches_the_weights_of_a_fitter_with_start_model(session, player):
    """Three sounds in batches of two are two steps an epoch: six steps are three epochs."""
    alone = private_copy(session.model)
    for parameter in alone.parameters():
        parameter.requires_grad_(True)
    train, held_out = data_of(PlaySettings(), recording_of(session), None)
    seen = []
    fitter = fitter_of(PlaySettings(), alone, train.responses, lambda progress: seen.append(progress.epoch))
    assert fitter.start == "model"

    class Stop:
        def __call__(self, progress):
            self.state = {name: tensor.clone() for name, tensor in progress.model.state_dict().items()}
            if progress.epoch == 3:
                progress.stop("enough")

    stop = Stop()
    Fitter(**{**vars(fitter), "callbacks": (stop,)}).fit(alone, train, held_out)
    player.step(6)
    for name, tensor in session.model.state_dict().items():
        assert torch.equal(tensor, stop.state[name]), name


def test_steps_go_on_where_the_run_rested_to_the_same_weights(make_session):
    in_one, in_parts = (make_session(sounds=3, dtype=torch.float32) for _ in range(2))
    one, parts = Player(in_one), Player(in_parts)
    one.step(7)
    for n in (1, 3, 1, 2):
        parts.step(n)
    assert same(values(in_one), values(in_parts))
    one.close()
    parts.close()


def test_batch_norms_are_settled_wherever_a_run_rests_or_is_shown(session, player, monkeypatch):
    """Also where each step gives them its own statistics, which are those of the weights before it."""
    settled = []
    settle = run_module.settle_batch_norms
    monkeypatch.setattr(run_module, "settle_batch_norms", lambda *what: settled.append(settle(*what)))
    player.set(batch_size=3, share=1.0, rates=dict.fromkeys(player.rates(), 0.3))

    def assert_settled():
        exact = private_copy(session.model)
        settle(exact, Examples.of(recording_of(session), "train"))
        for name, tensor in exact.state_dict().items():
            torch.testing.assert_close(session.model.state_dict()[name], tensor, msg=name)

    player.step(3)
    assert_settled()
    point = player.trail.points[1]
    kept = next(values for name, values in point.values.items() if name.endswith("running_var"))
    assert (player.show(point.step), point.step) == (1, 1)
    assert_settled()
    now = next(values for name, values in session.model.state_dict().items() if name.endswith("running_var"))
    assert not torch.allclose(kept, now, rtol=1e-4)
    player.play()
    player.pause()
    assert_settled()
    assert settled == []
    player.set(batch_size=2)
    player.step(2)
    assert len(settled) == 1
    assert_settled()
    assert [module.momentum for module in session.model.modules() if hasattr(module, "momentum")] == [0.1]


def test_a_shown_epoch_of_a_fitter_has_its_statistics_over_all_that_it_was_given(session):
    fitter = Fitter(epochs=3, start="model", baseline=False, patience=10)
    player = Player(session, fitter=fitter)
    player.play()
    player.wait()
    point = next(point for point in player.trail.points if point.loss is not None)
    player.show(point.step)
    for name, tensor in session.model.state_dict().items():
        if name in point.values:
            torch.testing.assert_close(tensor, point.values[name], msg=name)
    player.close()


def test_play_starts_where_the_model_stands_and_lowers_the_loss(session, player):
    before = values(session)
    player.step(1)
    moved = max(np.abs(values(session)["activation.b"] - before["activation.b"]).max(), 0)
    assert 0 < moved < 0.1
    player.step(60)
    losses = [point.loss.mean().item() for point in player.trail.points if point.loss is not None]
    assert losses[-1] < losses[0]


def test_the_held_out_score_is_of_what_the_share_leaves(session, player):
    player.set(share=0.5)
    train, held_out = data_of(player.settings, recording_of(session), None)
    assert train.responses[..., 15:].isnan().all()
    assert not train.responses[..., :15].isnan().any()
    assert held_out[1][..., :15].isnan().all()
    assert not held_out[1][..., 15:].isnan().any()
    player.step(4)
    assert player.trail.points[-1].scores.shape == (3,)


def test_settings_change_the_fit_from_where_it_stands(session, player):
    player.step(2)
    before = values(session)
    player.set(rates=dict.fromkeys(player.rates(), 0.0))
    player.step(3)
    assert same(before, values(session))
    player.set(rates={"curve": 0.1})
    player.step(2)
    assert not np.array_equal(before["activation.b"], session.value("activation.b"))


def test_play_takes_steps_that_need_not_grow_where_those_of_the_recipe_do():
    """Full steps of a recurrent network's recipe from the first on throw its rates off for good."""
    model, responses = StateNet(10, out_neurons=2), torch.ones(1, 2, 1, 5)
    assert recipe_for(model, responses).schedule is not None
    assert step_sizes(model, responses, {})["network"] == 0.001
    assert step_sizes(model, responses, {"network": 0.02})["network"] == 0.02


def test_step_sizes_are_those_of_the_recipe(session):
    sizes = step_sizes(session.model, session.responses, {"curve": 0.5})
    assert sizes == {"prefilter": 0.01, "places": 0.05, "weights": 0.01, "gain": 0.01, "curve": 0.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rates": {"curves": 1.0}}, "curves"),
        ({"rates": {"curve": -1.0}}, "rates"),
        ({"loss": "l1"}, "l1"),
        ({"share": 0.0}, "share must be in"),
        ({"noise": float("nan")}, "noise"),
        ({"speed": 0}, "speed"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
    ],
)
def test_a_bad_setting_changes_nothing(player, given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        player.set(**given)
    assert player.settings == PlaySettings()


def test_an_unknown_setting_names_the_nearest(player):
    with pytest.raises(TypeError, match="did you mean 'smoothness'"):
        player.set(smothness=1.0)


# -- the hand ----------------------------------------------------------------------------------------------------------


def test_edits_are_not_refused_and_the_fit_goes_on_from_them(session, player):
    player.play()
    session.set(CENTRE[0], 6000.0, CENTRE[1])
    player.pause()
    player.set(rates={"places": 0.0})
    held = session.value(*CENTRE)
    player.step(2)
    assert session.value(*CENTRE) == held


def test_what_is_dragged_stays_where_the_user_moves_it_until_the_gesture_ends(session, player):
    player.step(1)
    session.apply([Edit(CENTRE[0], 6000.0, CENTRE[1])], "drag", settled=False)
    held, other = session.value(*CENTRE), session.value("strf.center_hz", (0, 0, 0))
    player.step(5)
    assert session.value(*CENTRE) == held
    assert session.value("strf.center_hz", (0, 0, 0)) != other
    session.apply([], "drag", settled=True)
    player.step(1)
    assert session.value(*CENTRE) != held


def test_a_fit_rests_after_each_step_while_a_hand_drags(session, player, monkeypatch):
    rests = []
    wait_for = player._changed.wait_for

    def waited(predicate, timeout=None):
        if timeout is not None:
            rests.append(timeout)
        return wait_for(predicate, timeout)

    monkeypatch.setattr(player._changed, "wait_for", waited)
    player.step(3)
    assert rests == []
    session.apply([Edit(CENTRE[0], 6000.0, CENTRE[1])], "drag", settled=False)
    player.step(3)
    assert len(rests) == 3
    assert all(0 < rest <= player_module.LONGEST_REST_S for rest in rests)
    session.apply([], "drag", settled=True)
    player.step(3)
    assert len(rests) == 3


def test_what_is_grabbed_without_being_moved_is_held(session, player):
    player.step(1)
    held = session.value(*CENTRE)
    session.apply([Edit(CENTRE[0], held, CENTRE[1])], "drag", settled=False)
    held = session.value(*CENTRE)
    player.step(3)
    assert session.value(*CENTRE) == held


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("strf", {"neuron": 0, "channel": "ON", "gaussian": 1}),
        ("strf.weight", {"neuron": 2}),
        ("activation", {}),
        ("prefilter", {}),
        (["strf.center_ms", "activation.b"], {"neuron": 1}),
        ("prefilter.w", {"index": (3,)}),
    ],
)
def test_pins_hold_exactly_and_nothing_else(session, player, what, where):
    player.pin(what, **where)
    pinned = {pin: session.value(*pin) for pin in player.pins}
    before = values(session)
    player.step(6)
    for pin, value in pinned.items():
        assert np.array_equal(session.value(*pin), value), pin
    assert not same(before, values(session))
    player.unpin(what, **where)
    assert player.pins == ()
    player.step(3)
    assert not all(np.array_equal(session.value(*pin), value) for pin, value in pinned.items())


def test_a_pinned_handle_can_be_dragged_and_stays_there(session, player):
    player.pin("strf", neuron=0, channel=0, gaussian=1)
    player.step(1)
    session.set(CENTRE[0], 3000.0, CENTRE[1])
    at = session.value(*CENTRE)
    player.step(4)
    assert session.value(*CENTRE) == at


def test_unpin_lets_go_of_what_lies_within(player):
    player.pin("strf", neuron=0, channel=0, gaussian=1)
    player.pin("activation")
    player.unpin("strf", neuron=0)
    assert {name for name, _ in player.pins} == {"activation.b", "activation.beta"}


def test_a_run_that_is_asked_to_rest_after_its_step_ends_with_the_point_that_the_session_has(make_session, monkeypatch):
    """Its batch norms are settled then, and whoever compares the two must not find that somebody moved the bench."""
    session = make_session(dtype=torch.float32)
    player = Player(session)
    monkeypatch.setattr(player_module, "SCORES_S", float("inf"))  # the first score alone settles them too
    monkeypatch.setattr(player, "_keep_pace", lambda: player.rest() if player.steps == 2 else None)
    rests, wait = threading.Event(), player._wait_until_wanted
    monkeypatch.setattr(player, "_wait_until_wanted", lambda: (player.steps == 2 and rests.set(), wait()))
    player.play()
    assert rests.wait(20)
    now, last = session.model.state_dict(), player.trail.points[-1]
    assert (len(player.trail.points), last.step, player.steps) == (3, 2, 2)
    assert [name for name, value in last.values.items() if name in now and not torch.equal(now[name], value)] == []
    player.close()


def test_what_is_locked_on_a_bench_is_moved_neither_by_play_nor_by_a_new_start(session):
    """The browser's pins, of a Gaussian or of what the panel shows, neither release it nor need it."""
    bench = explore(session, figures=False, lock=["strf.sigma_oct", "activation", "prefilter"])
    locked = [name for name in session.parameters if name.split(".")[0] != "strf"] + ["strf.sigma_oct"]
    before = values(session)
    pin = {"type": "pin", "client": "one", "seq": 1, "index": [0, 0, 1]}
    for _ in range(2):
        bench._received(None, pin, [])
        pin["seq"] += 1
    panel = bench.panel("play")
    assert [panel._is_pinned(what) for what in ("curve", "prefilter")] == [None, None]
    for what in ("gaussian", "field", "curve", "prefilter") * 2:
        panel.toggle_pin(what)
    bench.step(4)
    bench.player.new_start(1)
    bench.step(2)
    after = values(session)
    stayed = {name for name in before if np.array_equal(before[name], after[name])}
    assert stayed - {"strf.bias"} == set(locked)  # a bias before a batch norm has no gradient
    bench.unpin()
    bench.step(4)
    assert not np.array_equal(values(session)["activation.b"], after["activation.b"])
    bench.close()


def test_a_pin_of_nothing_is_refused(player):
    with pytest.raises(KeyError, match=r"strf\.colour"):
        player.pin("strf.colour")
    with pytest.raises(ValueError, match="activation"):
        player.pin("activation", gaussian=0)
    assert player.pins == ()


def test_undo_takes_the_whole_run_back_in_one_step(session, player):
    session.set("strf.weight", 0.7, (1, 0, 0))
    before = values(session)
    player.step(4)
    session.set(CENTRE[0], 6000.0, CENTRE[1])
    session.undo()  # made while the run rested: an entry of its own
    after = values(session)
    session.undo()
    assert same(before, values(session))
    session.redo()
    assert same(after, values(session))
    player.step(2)
    session.undo()
    session.undo()
    assert same(before, values(session))


def test_undo_while_it_plays_takes_back_the_run_with_the_edits_made_in_it(session, player):
    before = values(session)
    steps = threading.Semaphore(0)
    stop = session.observe(lambda change: steps.release() if change.fitted else None)
    player.play()
    for _ in range(3):
        steps.acquire(timeout=60)
    session.apply([Edit(CENTRE[0], 6000.0, CENTRE[1])], "drag", settled=False)
    steps.acquire(timeout=60)
    session.apply([], "drag", settled=True)
    steps.acquire(timeout=60)
    session.undo()
    player.wait(60)
    stop()
    assert same(before, values(session))
    assert not session.can_undo
    assert player.state == "paused"
    assert "Undo" in player.message
    assert player.steps == 0


@pytest.mark.parametrize("resumed", [False, True])
def test_the_scrubber_goes_through_the_run_and_undo_takes_all_of_it_back(session, player, resumed):
    before = values(session)
    states = [before]
    for _ in range(5):
        player.step(1)
        states.append(values(session))
    assert player.show(2) == 2
    assert same(states[2], values(session))
    assert player.show(0) == 0
    assert same(before, values(session))
    assert player.show(4.4) == 4
    if resumed:
        player.step(1)
    session.undo()
    assert same(before, values(session))
    assert not session.can_undo


def test_resets_go_to_the_start_and_to_random_starts_that_can_be_had_again(session, player):
    before = values(session)
    player.pin("activation")
    player.step(3)
    pinned = session.value("activation.b")
    player.reset()
    assert np.array_equal(pinned, session.value("activation.b"))
    assert same(before, values(session))
    assert player.steps == 0
    seed = player.new_start()
    one = values(session)
    assert not np.array_equal(one["strf.center_hz"], before["strf.center_hz"])
    assert np.array_equal(session.value("activation.b"), pinned)
    player.step(2)
    assert player.same_start() == seed
    assert same(one, values(session))
    player.new_start()
    assert not np.array_equal(one["strf.center_hz"], session.value("strf.center_hz"))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("step"), st.integers(1, 3)),
            st.tuples(st.sampled_from(["move", "end"]), st.integers(0, 2), st.floats(600.0, 15000.0)),
            st.tuples(st.sampled_from(["pin", "unpin"]), st.integers(0, 2)),
            st.tuples(st.sampled_from(["undo", "redo", "revert"])),
        ),
        max_size=14,
    )
)
def test_pinned_and_held_values_never_move_but_by_the_hand(make_session, moves):
    """Any order of steps, drags, pins, undo and redo; whoever listens to the changes knows all values at the end."""
    session = make_session(sounds=1, dtype=torch.float32)
    player = Player(session)
    heard = {}

    def listen(change):
        for name in change.names:
            heard[name] = session.value(name, grid=True)

    heard.update(values(session))
    session.observe(listen)
    held, pinned = {}, {}
    try:
        for kind, *arguments in moves:
            if kind == "step":
                player.step(arguments[0])
            elif kind in ("move", "end"):
                neuron, hz = arguments
                at = ("strf.center_hz", (neuron, 0, 0))
                session.apply([Edit(at[0], hz, at[1])], f"drag {neuron}", settled=kind == "end")
                held.pop(at, None)
                if kind == "move":
                    held[at] = session.value(*at)
                if at in pinned:
                    pinned[at] = session.value(*at)
            elif kind == "pin":
                at = ("strf.center_hz", (arguments[0], 0, 0))
                player.pin("strf.center_hz", at[1])
                pinned[at] = session.value(*at)
            elif kind == "unpin":
                player.unpin("strf.center_hz", (arguments[0], 0, 0))
                pinned.pop(("strf.center_hz", (arguments[0], 0, 0)), None)
            else:
                getattr(session, kind)()
                for table in (held, pinned):
                    table.update({at: session.value(*at) for at in table})
            for at, value in {**held, **pinned}.items():
                assert session.value(*at) == value, (kind, at)
        assert same(values(session), heard)
    finally:
        player.close()


# -- what can go wrong -------------------------------------------------------------------------------------------------


def test_nan_ends_the_run_and_the_model_is_as_it_was(session, player):
    player.step(2)
    good = values(session)
    broken = player._fitted.readout.activation
    hook = broken.register_forward_hook(lambda _m, _i, out: out * torch.nan)
    with pytest.raises(FloatingPointError):
        player.step(3)
    hook.remove()
    assert player.state == "failed"
    assert "NaN" in player.message
    assert same(good, values(session))
    player.set(rates={})
    player.step(1)
    assert player.state == "paused"
    assert player.message == ""


def test_without_responses_the_panel_says_what_is_missing(make_session):
    player = Player(make_session(responses=False))
    with pytest.raises(ValueError, match="responses must be there to fit to"):
        player.step()
    assert player.state == "failed"
    assert "train=" in player.message
    player.close()


def test_a_model_with_nothing_to_fit_is_said_so(session):
    for parameter in session.model.parameters():
        parameter.requires_grad_(False)
    player = Player(session)
    with pytest.raises(ValueError, match="requires a gradient"):
        player.step()
    assert "requires a gradient" in player.message
    player.close()


def test_two_plays_of_one_model_are_refused_and_play_twice_is_one(session, player):
    player.play()
    player.play()
    other = Player(session)
    with pytest.raises(RuntimeError, match="already by another bench"):
        other.play()
    player.close()
    other.step(1)
    other.close()
    with pytest.raises(RuntimeError, match="closed"):
        player.play()


def test_pause_right_after_play_returns(player):
    for _ in range(20):
        player.play()
        player.pause()
    assert player.state == "paused"


def test_closing_the_bench_ends_the_thread(session):
    explorer = explore(session, figures=False, sounds=False)
    explorer.play()
    thread = explorer.player._thread
    explorer.close()
    assert not thread.is_alive()


def test_a_fit_of_the_users_own_on_the_same_model_is_said_so(make_session):
    session = make_session(sounds=1, dtype=torch.float32)
    player = Player(session)
    player.step(1)

    def during(progress):
        player.play(1)
        player.wait(60)

    for parameter in session.model.parameters():
        parameter.requires_grad_(True)
    data = (session.first_stimulus, session.first_responses)
    Fitter(epochs=1, start="model", progress=False, callbacks=(during,)).fit(session.model, data)
    assert player.state == "failed"
    assert "is being fitted" in player.message
    player.close()


def test_a_speed_is_kept(player, monkeypatch):
    """By a clock that only waiting moves on: steps take no time of it."""
    now = [100.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0], monotonic=time.monotonic, monotonic_ns=time.monotonic_ns)
    wait_for = player._changed.wait_for

    def waited(predicate, timeout=None):
        if timeout is None:
            return wait_for(predicate)
        now[0] += timeout
        return predicate()

    monkeypatch.setattr(player_module, "time", clock)
    monkeypatch.setattr(player._changed, "wait_for", waited)
    player.step(6)
    assert math.isnan(player.steps_per_s)
    player.set(speed=50.0)
    player.step(1)  # is due at once
    player.step(6)
    assert player.steps_per_s == pytest.approx(50.0)
    player.set(speed=None)
    player.step(6)
    assert math.isnan(player.steps_per_s)


def test_a_trail_thins_itself_and_keeps_both_ends():
    trail = Trail(points=16)
    for step in range(1000):
        trail.add(Point(step, {"x": torch.tensor([float(step)])}))
    steps = [point.step for point in trail.points]
    assert len(steps) <= 16
    assert steps[0] == 0
    assert steps[-1] == 999
    assert steps == sorted(set(steps))
    assert max(np.diff(steps)) <= 130
    assert trail.nearest(500).step == min(steps, key=lambda step: abs(step - 500))


@given(st.lists(st.integers(1, 7), min_size=1, max_size=120), st.integers(4, 20))
def test_a_trail_knows_which_points_stay_until_it_is_thinned_again(steps, most):
    trail, step = Trail(points=most), 0
    for by in steps:
        stride, kept = trail._stride, trail.keeps(step)
        trail.add(Point(step, {}))
        newest, step = step, step + by
        trail.add(Point(step, {}))
        if trail._stride == stride:
            assert (newest in [point.step for point in trail.points]) == kept
        step += 1


def test_held_out_scores_are_looked_at_from_time_to_time_and_where_it_rests(player, monkeypatch):
    """Three sounds in batches of two: every second step ends an epoch."""
    scored = lambda: [point.step for point in player.trail.points if point.scores is not None]  # noqa: E731
    monkeypatch.setattr(player_module, "SCORES_S", 1e9)
    player.step(8)
    assert scored() == [2, 8]
    monkeypatch.setattr(player_module, "SCORES_S", 0.0)
    player.step(8)
    assert scored() == [2, 8, 10, 12, 14, 16]
    assert player.show_best() in scored()


def test_the_best_step_is_none_whose_score_is_unknown(session, player, monkeypatch):
    monkeypatch.setattr(player_module, "SCORES_S", 0.0)
    player.step(6)
    scored = [point for point in player.trail.points if point.scores is not None]
    scored[0].scores.fill_(torch.nan)
    best = max(scored[1:], key=lambda point: float(point.scores.nanmean()))
    assert player.show_best() == best.step


def test_twenty_runs_leave_no_tensors_behind(session, player):
    def bytes_after(runs):
        for _ in range(runs):
            player.step(2)
            player.reset()
        gc.collect()
        tensors = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
        return sum(one.numel() * one.element_size() for one in tensors)

    used = bytes_after(4)
    grown = bytes_after(16) - used
    one_model = sum(one.numel() * one.element_size() for one in session.model.state_dict().values())
    # Each run leaves two undo entries: what it has made, and the reset.
    assert grown < 16 * 2 * 2 * 1.5 * one_model


def test_a_session_of_a_network_plays_too():
    torch.manual_seed(0)
    model = ConvNet2D(8, (3, 9), out_neurons=2)
    stimulus = torch.rand(2, 1, 8, 60)
    session = LiveSession(model, stimulus, torch.rand(2, 2, 3, 60), dt_ms=5.0, cf_hz=np.linspace(500, 8000, 8))
    player = Player(session)
    before = {name: tensor.clone() for name, tensor in session.model.state_dict().items()}
    player.step(3)
    assert any(not torch.equal(before[name], tensor) for name, tensor in session.model.state_dict().items())
    session.undo()
    for name, tensor in session.model.state_dict().items():
        assert torch.equal(before[name], tensor), name
    player.step(1)
    player.close()


@pytest.mark.parametrize("kernel", ["gaussians", "full"])
def test_revert_state_and_code_hold_what_no_editor_shows(make_session, kernel):
    """The gain and the statistics of the batch norm move in a fit as well."""
    session, other = (make_session(kernel, dtype=torch.float32) for _ in range(2))
    before = {name: tensor.clone() for name, tensor in session.model.state_dict().items()}
    player = Player(session)
    player.pin("prefilter")  # of all neurons: what is edited of it counts for each
    player.step(3)
    player.close()
    after = {name: tensor.clone() for name, tensor in session.model.state_dict().items()}
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert {"readout.bn.weight", "readout.bn.running_var"} <= moved
    restore_state(other, state_text(session))
    for name, tensor in other.model.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, after[name], rtol=1e-5, atol=1e-6)
    coded = make_session(kernel, dtype=torch.float32)
    exec(to_code(session), {"session": coded})
    torch.testing.assert_close(coded.rate(1), session.rate(1), rtol=1e-4, atol=1e-5)
    assert session.edited(0)
    session.revert(index=(0,))
    assert not session.edited(0)
    assert session.edited(1)
    session.revert()
    for name, tensor in session.model.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, before[name]), name
    session.undo()
    assert session.edited(1)


# -- what changes under a fit ------------------------------------------------------------------------------------------


def play_beside(session, player, act):
    """Do something between two steps, and let it play three more or end."""
    steps = threading.Semaphore(0)
    stop = player.observe(lambda: steps.release(1 if player.state == "playing" else 9))
    player.play()
    for _ in range(3):
        assert steps.acquire(timeout=60)
    act(session)
    while steps.acquire(blocking=False):
        pass
    for _ in range(3):
        assert steps.acquire(timeout=60)
    stop()
    player.pause()


def test_random_numbers_of_a_cell_are_its_own_beside_a_fit(session, player):
    drawn = set()

    def draw(_session):
        stepped = threading.Event()
        player.observe(stepped.set)
        for _ in range(10):
            torch.manual_seed(3)
            stepped.clear()
            assert stepped.wait(60)
            drawn.add(tuple(torch.rand(2).tolist()))

    play_beside(session, player, draw)
    assert len(drawn) == 1


def play_another_recording(session):
    generator = torch.Generator().manual_seed(5)
    session.set_stimulus(
        torch.rand(2, 1, 5, 40, generator=generator) * 5, torch.rand(2, 3, 2, 40, generator=generator) * 30
    )


def play_a_tone_after_it(session):
    play_another_recording(session)
    session.set_stimulus(torch.ones(1, 1, 5, 50))


def replace_a_layer(session):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        session.model.readout.activation = ParametricSigmoid(3)


def double_the_response(session):
    session.model.readout.register_forward_hook(lambda _module, _inputs, out: 2 * out)


CHANGES = {
    "recording": play_another_recording,
    "tone": play_a_tone_after_it,
    "first recording": lambda session: (play_another_recording(session), session.set_stimulus()),
    "layer": replace_a_layer,
    "type": lambda session: session.model.double(),
    "hook": double_the_response,
    "setting of a layer": lambda session: setattr(session.model.readout.bn, "eps", 0.5),
    "bands off": lambda session: session.ablate("bands", [1, 2]),
    "values": lambda session: session.model.readout.bn.weight.data.mul_(3.0),
    "revert": lambda session: session.revert(),
}


def last_loss(player):
    return next(point.loss for point in reversed(player.trail.points) if point.loss is not None)


@pytest.mark.filterwarnings("ignore:.*its response is computed as a whole, without its drive")
@pytest.mark.parametrize("playing", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_under_a_fit_is_what_it_goes_on_with(make_session, change, playing):
    """With steps of size 0 its loss is that of a fit which has begun after the change."""
    losses = []
    for begun in (True, False):
        session = make_session(sounds=3, dtype=torch.float32)
        player = Player(session)
        player.set(batch_size=3, rates=dict.fromkeys(player.rates(), 0.0))
        if begun and playing:
            play_beside(session, player, CHANGES[change])
        elif begun:
            player.step(3)
            CHANGES[change](session)
        else:
            CHANGES[change](session)
        player.step(3)
        assert (player.state, player.message) == ("paused", "")
        losses.append(last_loss(player))
        player.close()
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("playing", [True, False])
def test_a_recording_that_nothing_can_be_fitted_to_ends_the_fit_with_a_word(session, player, playing):
    def silence(session):
        session.set_stimulus(session.first_stimulus, session.first_responses * torch.nan)

    if playing:
        play_beside(session, player, silence)
    else:
        player.step(1)
        silence(session)
        with pytest.raises(ValueError, match="NaN only"):
            player.step(1)
    assert player.state == "failed"
    assert "train must hold responses, got NaN only" in player.message
    session.set_stimulus()
    player.step(1)
    assert (player.state, player.message) == ("paused", "")


def test_another_sound_without_responses_leaves_the_fit_at_the_recording(make_session):
    """To the last bit, the momentum of the steps before it too."""
    sessions = [make_session(sounds=3, dtype=torch.float32) for _ in range(2)]
    for session in sessions:
        player = Player(session)
        player.step(3)
        if session is sessions[0]:
            session.set_stimulus(torch.ones(1, 1, 5, 50))
        player.step(3)
        assert (player.state, player.message) == ("paused", "")
        player.close()
    assert same(*map(values, sessions))


def test_what_is_given_to_fit_to_stays_whatever_is_played(make_session):
    given = (torch.rand(2, 1, 5, 40), torch.rand(2, 3, 1, 40))
    sessions = [make_session(sounds=3, dtype=torch.float32) for _ in range(2)]
    for session in sessions:
        player = Player(session, given)
        player.step(2)
        if session is sessions[0]:
            play_another_recording(session)
        player.step(2)
        player.close()
    assert same(*map(values, sessions))


@pytest.mark.parametrize("playing", [True, False])
def test_what_is_frozen_meanwhile_stays_and_what_is_freed_moves(session, player, playing):
    curve = session.model.readout.activation

    def freeze(_session):
        curve.requires_grad_(False)

    assert "curve" in player.rates()
    if playing:
        play_beside(session, player, freeze)
    else:
        player.step(1)
        freeze(session)
    player.step(1)
    assert "curve" not in player.rates()
    before = values(session)
    player.step(3)
    assert np.array_equal(session.value("activation.b"), before["activation.b"])
    assert not same(values(session), before)
    curve.requires_grad_(True)
    player.step(3)
    assert not np.array_equal(session.value("activation.b"), before["activation.b"])
    assert "curve" in player.rates()


@pytest.mark.parametrize("playing", [True, False])
def test_the_first_layer_of_a_network_is_edited_while_it_is_fitted(playing):
    """The optimizer has it in coordinates of its own, which brought the old weights back."""
    torch.manual_seed(0)
    sound, responses = torch.rand(2, 1, 8, 60) + 70, torch.rand(2, 2, 3, 60)
    model = ConvNet2D(8, (3, 9), out_neurons=2)
    session = LiveSession(model, sound, responses, dt_ms=5.0, cf_hz=np.linspace(500, 8000, 8))
    player = Player(session)
    player.set(rates=dict.fromkeys(player.rates(), 0.0))
    name = "tensors.core.1.weight"
    assert not np.isclose(session.value(name), 5.0).any()

    def edit(session):
        session.set(name, np.full_like(session.value(name), 5.0))

    if playing:
        play_beside(session, player, edit)
    else:
        player.step(3)
        edit(session)
    player.step(3)
    assert player._run.first_layer is not None
    np.testing.assert_allclose(session.value(name), 5.0, rtol=1e-5)
    player.close()


def test_steps_of_a_model_with_other_parts_are_not_gone_back_to(session, player):
    player.step(3)
    replace_a_layer(session)
    for go in (lambda: player.show(1), player.show_best, player.reset):
        with pytest.raises(RuntimeError, match=r"other parts than those steps|no steps yet"):
            go()
    player.step(2)
    assert [point.step for point in player.trail.points] == [0, 1, 2]
    assert player.show(1) == 1


def test_the_best_step_is_one_of_the_recording_that_is_fitted_now(session, player, monkeypatch):
    monkeypatch.setattr(player_module, "SCORES_S", 0.0)
    player.set(batch_size=3)
    player.step(3)
    for point in player.trail.points:
        if point.scores is not None:
            point.scores.fill_(1.0)
    play_another_recording(session)
    player.step(3)
    assert player.show_best() > 3
    player.step(2)
    player.set(share=0.5)
    player.step(2)
    assert player.show_best() > 6


@pytest.mark.parametrize("door", ["load", "new start", "restore"])
def test_values_that_come_at_once_while_it_plays_are_not_called_undo(session, player, tmp_path, door):
    """Weights of a checkpoint, a random start that another bench asks for, the state of another explorer."""
    session.set("strf.weight", 0.7, (1, 0, 0))
    saved, text, before = session.save_pretrained(tmp_path / "model"), state_text(session), values(session)
    other = Player(session)
    doors = {
        "load": lambda: session.load_weights(saved),
        "new start": lambda: other.new_start(3),
        "restore": lambda: restore_state(session, text),
    }
    play_beside(session, player, lambda _session: doors[door]())
    assert (player.state, player.message) == ("paused", "")
    assert player.steps > 3
    session.undo()
    assert same(before, values(session))
    other.close()


def test_an_interrupt_of_a_cell_that_steps_lets_the_fit_rest(player, monkeypatch):
    def interrupted(timeout=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(player, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            player.step(10**9)
    player.wait(60)
    assert player.state == "paused"
    player.step(1)


# -- what it computes with -------------------------------------------------------------------------------------------


def test_a_fit_that_a_bench_shows_stays_on_one_thread(session):
    """From its first picture on it computed with as many as the machine has: a twentieth of its steps beside others."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    shown = explore(session, figures=False, sounds=False)
    threads = []
    shown.player.observe(lambda: threads.append((threading.current_thread().name, torch.get_num_threads())))
    try:
        shown.player.step(3)
        assert {count for name, count in threads if name == "deepstrf-play"} == {1}
    finally:
        shown.close()
        torch.set_num_threads(before)


def test_threads_take_short_turns_while_it_plays_and_as_before_while_it_rests(session, player):
    before, seen = sys.getswitchinterval(), []
    player.observe(lambda: seen.append((player.state, sys.getswitchinterval())))
    player.step(2)
    deadline = time.monotonic() + 10
    while sys.getswitchinterval() != before and time.monotonic() < deadline:
        threading.Event().wait(0.01)  # it is paused a moment before
    assert sys.getswitchinterval() == before
    player.step(1)
    player.close()
    assert sys.getswitchinterval() == before
    playing = [interval for state, interval in seen if state == "playing" and interval != before]
    assert len(playing) >= 3
    assert playing == pytest.approx([TURN_S] * len(playing))
