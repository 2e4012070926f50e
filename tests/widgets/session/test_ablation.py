"""Parts of a model switched off in a session: undone, restored and exported like edits, and no weight changes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from deepstrf.analysis import ablated
from deepstrf.demo import load_demo
from deepstrf.models.audio import StateNet, Transformer
from deepstrf.models.prediction import predict
from deepstrf.models.switches import has_switches
from deepstrf_widgets import Edit, LiveSession, explore
from deepstrf_widgets.session.serialization import restore_state, state_text, to_code

F = 16
CF_HZ = 500 * 2 ** (np.arange(F) / 4)


def sound():
    return 10 * torch.rand(1, 1, F, 200, generator=torch.Generator().manual_seed(0))


def network(kind="GRU"):
    torch.manual_seed(0)
    made = StateNet(F, 1, out_neurons=2) if kind == "GRU" else Transformer(F, out_neurons=2, n_heads=4)
    return LiveSession(made.eval(), sound(), cf_hz=CF_HZ, dt_ms=5.0)


@pytest.fixture
def session():
    demo = load_demo()
    return LiveSession(demo.model, demo.stimulus, demo.responses)


def rates(session):
    return torch.stack([session.rate(n) for n in range(session.n_neurons)], 1)[:, :, None]


def test_an_edit_of_something_else_gives_the_model_no_switches(session):
    session.set("strf.weight", 0.5, (0, 0, 0))
    session.apply([Edit("strf.weight", 0.4, (1, 0, 0))])
    assert not has_switches(session.model)
    session.ablate("channels", "OFF")
    assert has_switches(session.model)


def test_what_is_off_is_off_in_the_response_and_in_the_model_and_nothing_else_changes(session):
    weights = {name: value.clone() for name, value in session.model.state_dict().items()}
    model, identity = session.model, id(session.model)
    expected = predict(
        ablated(session.snapshot().copied_model(), {"channels": "OFF", "bands": [3, 4]}), session.stimulus
    )
    session.ablate("channels", "OFF")
    session.ablate("bands", [3, 4])
    assert torch.allclose(rates(session), expected, atol=1e-5)
    assert torch.allclose(predict(model, session.stimulus), expected, atol=1e-5)
    assert id(session.model) == identity
    now = session.model.state_dict()
    assert now.keys() == weights.keys()
    assert all(torch.equal(value, now[name]) for name, value in weights.items())
    first, last = session.cf_hz[3] / 1000, session.cf_hz[4] / 1000
    assert session.ablated == f"bands {first:.3g}-{last:.3g} kHz, OFF"
    assert session.restrictions == f"ablated: {session.ablated}"
    assert session.edited()


def test_it_is_undone_and_redone_among_other_edits_which_stay_undoable(session):
    before = rates(session)
    session.set("strf.weight", 0.3, neuron=0, channel="ON", gaussian=0)
    edited = rates(session)
    session.ablate("channels", "OFF")
    off = rates(session)
    session.set("strf.weight", 0.5, neuron=0, channel="ON", gaussian=0)
    session.undo()
    assert torch.equal(rates(session), off)
    session.undo()
    assert session.ablated == ""
    assert torch.allclose(rates(session), edited, atol=1e-6)
    session.undo()
    assert torch.allclose(rates(session), before, atol=1e-6)
    assert not session.can_undo
    assert not session.edited()
    session.redo()
    session.redo()
    assert session.ablated == "OFF"
    session.ablate("channels", on=True)
    assert torch.allclose(rates(session), edited, atol=1e-6)


@pytest.mark.parametrize(("kind", "name", "part"), [("GRU", "memory", 0), ("GRU", "units", 5), ("other", "heads", 2)])
def test_state_and_code_switch_the_same_parts_off_in_another_session(kind, name, part):
    first, second, third = (network(kind) for _ in range(3))
    first.ablate(name, part)
    assert not torch.allclose(rates(first), rates(second), atol=1e-6)
    restore_state(second, state_text(first))
    exec(to_code(first), {"session": third})
    assert torch.equal(rates(first), rates(second))
    assert torch.equal(rates(first), rates(third))
    assert second.ablated == third.ablated == first.ablated
    second.revert()
    assert second.ablated == ""
    assert not second.edited()


def test_readers_of_before_keep_their_state_and_threads_see_one_or_the_other(session):
    now = session.snapshot()
    before = now.rate(0)
    wrong, done = [], threading.Event()

    def read():
        while not done.is_set():
            one = session.snapshot()
            if torch.allclose(one.rate(0), before, atol=1e-5) == bool(one.ablated):
                wrong.append(one.ablated)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        session.ablate("channels", "ON")
        session.undo()
    done.set()
    reader.join()
    assert wrong == []
    assert torch.equal(now.rate(0), before)
    assert now.ablated == ""


def test_a_saved_model_has_its_weights_and_no_switches(session, tmp_path):
    session.ablate("bands")
    with pytest.warns(UserWarning, match=r"all parts of the model on, also what is off here: bands 0\.5-20 kHz"):
        session.save_pretrained(tmp_path / "saved")
    saved = type(session.model).from_pretrained(tmp_path / "saved")
    demo = load_demo()
    assert torch.equal(predict(saved, session.stimulus), predict(demo.model, session.stimulus))


def test_the_bench_says_what_is_off_and_the_kernel_computes(session):
    explorer = explore(session, figures=False, sounds=False)
    assert explorer.info["local"]
    session.ablate("channels", "OFF")
    assert explorer.info["restrictions"] == "ablated: OFF"
    assert not explorer.info["local"]
    assert np.allclose(np.frombuffer(explorer.rate, "<f4"), session.rate(0)[0], atol=1e-5)
    assert "session.set('ablation.channels', 0.0, (1,))" in explorer.code
    session.undo()
    assert explorer.info["restrictions"] == ""
    explorer.close()


def test_parts_that_there_are_not_are_refused(session):
    with pytest.raises(KeyError, match=r"name must be one of this model's parameters.*got 'ablation.memory'"):
        session.ablate("memory")
    with pytest.raises(IndexError, match=r"index of ablation.bands must lie within its shape \(34,\), got \(34,\)"):
        session.ablate("bands", 34)
    with pytest.raises(ValueError, match=r"ablation.bands must lie in \[0, 1\]"):
        session.set("ablation.bands", 2.0, (3,))
    assert not session.can_undo
    assert session.ablated == ""


def test_switches_are_reverted_where_nothing_was_ever_off(session):
    before = session.rate(0).clone()
    session.revert(["ablation.bands"])
    assert session.value("ablation.bands").all()
    torch.testing.assert_close(session.rate(0), before)
