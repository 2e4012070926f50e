"""KeyboardInterrupt at every line of every operation: the state before or the one after, whole, and usable."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

import deepstrf_widgets
from deepstrf import locking, writing
from deepstrf.analysis import ablation
from deepstrf.training import under_way
from deepstrf_widgets import Edit, LiveSession
from deepstrf_widgets.session.edited_model import RunStep
from deepstrf_widgets.session.serialization import restore_state, state_text
from deepstrf_widgets.session.twin import tensors_of
from tests.adversary.scale import WHOLE
from tests.widgets.conftest import build_responses, build_session, build_stimulus

pytestmark = [pytest.mark.slow] if WHOLE else []


PACKAGES = (deepstrf_widgets.__path__[0], *(one.__file__ for one in (ablation, locking, under_way, writing)))
POINTS = 40
"""Of each operation in the share; all of them in the whole."""

OPCODE_STEP = 23
"""In the whole also every 23rd instruction, within the lines."""

HUNG_S = 5.0

DONOR, WRONG = build_session(), build_session("full", None)
DONOR.set("strf.weight", 0.3, (2, 0, 0))
DONOR.set("prefilter.w", 0.6, (1,))
WRONG.set("strf.kernel", 0.3, (0, 0, 1, 1))
STATE, FOREIGN_STATE = state_text(DONOR), state_text(WRONG)
OTHER = build_stimulus(1, frames=40), build_responses(1, frames=40)
SEVERAL = [
    Edit("strf.center_hz", 3000.0, (0, 0, 0)),
    Edit("strf.sigma_oct", 0.5, (0, 0, 0)),
    Edit("prefilter.w", 0.4, (2,)),
    Edit("activation.beta", 3.0, (2,)),
]
REFUSED = [Edit("strf.weight", 0.8, (0, 0, 0)), Edit("strf.weight", float("nan"), (1, 0, 0))]


def refused(act: Callable[[], object]) -> None:
    with pytest.raises((IndexError, KeyError, ValueError)):
        act()


def gesture(session: LiveSession) -> None:
    session.apply([Edit("strf.weight", 0.8, (0, 0, 0))], "g")
    session.apply([Edit("strf.weight", 0.7, (0, 0, 0))], "g", settled=True)


def read_everything(session: LiveSession) -> None:
    for neuron in range(3):
        session.rate(neuron), session.score(neuron), session.value("strf.weight", (neuron,))


def adopt(session: LiveSession) -> None:
    with torch.no_grad():
        session.model.readout.strf.kernel.weight.mul_(1.5)
    session.rate(0)


def exchange(session: LiveSession) -> None:
    """A step of a fit, one tensor of which is pinned."""
    tensors = {name: 1.01 * tensor for name, tensor in tensors_of(session.model).items()}
    pins = {"readout.bn.weight": torch.ones(3, dtype=torch.bool)}
    session.open_run("fit")
    session.exchange("fit", RunStep(tensors, {}, pins, settled=True, source=None))
    session.close_run("fit")


OPERATIONS: dict[str, Callable[[LiveSession], object]] = {
    "set": lambda session: session.set("strf.weight", 0.9, (0, 0, 0)),
    "apply": lambda session: session.apply(SEVERAL),
    "gesture": gesture,
    "refused apply": lambda session: refused(lambda: session.apply(REFUSED)),
    "undo": lambda session: session.undo(),
    "redo": lambda session: session.redo(),
    "revert": lambda session: session.revert(),
    "restore": lambda session: restore_state(session, STATE),
    "refused restore": lambda session: refused(lambda: restore_state(session, FOREIGN_STATE)),
    "set_stimulus": lambda session: session.set_stimulus(*OTHER),
    "read": read_everything,
    "refresh": lambda session: session.refresh(),
    "change from outside": adopt,
    "first ablation": lambda session: session.ablate("bands", [1]),
    "ablation": lambda session: session.ablate("channels", "OFF"),
    "all on": lambda session: session.revert(["ablation.bands"]),
    "refused ablation": lambda session: refused(lambda: session.ablate("bands", [0, 99])),
    "step of a fit": exchange,
}
ABLATIONS = ("ablation", "all on", "refused ablation")
"""Of a session in which something is off already."""


class Interrupt(KeyboardInterrupt):
    """Told from a real one."""


def prepared(name: str = "") -> LiveSession:
    """A session with something to undo, something to redo, and something computed."""
    session = build_session()
    if name in ABLATIONS:
        session.ablate("bands", [2])
    session.set("strf.weight", 0.5, (0, 0, 0))
    session.set("activation.beta", 2.0, (1,))
    session.set("strf.center_hz", 1500.0, (1, 0, 0))
    session.undo()
    read_everything(session)
    return session


def values(session: LiveSession) -> tuple[Any, ...]:
    """All that counts at this moment; switches that are all on change nothing."""
    found = {name: session.value(name) for name in sorted(session.parameters)}
    counted = {name: value for name, value in found.items() if not (name.startswith("ablation.") and value.all())}
    return tuple((name, value.tobytes()) for name, value in counted.items()), session.stimulus.shape


def walked(session: LiveSession) -> tuple[Any, ...]:
    """What can be seen of a session, its history to both ends included; it is left as it was."""
    seen, undone, redone = [values(session)], 0, 0
    while session.can_undo:
        session.undo()
        undone += 1
        seen.append(values(session))
    for _ in range(undone):
        session.redo()
    if values(session) != seen[0]:
        seen.append(("redo does not lead back", ()))
    while session.can_redo:
        session.redo()
        redone += 1
        seen.append(values(session))
    for _ in range(redone):
        session.undo()
    return tuple(seen), undone, redone


def interrupted(name: str, at: int, opcodes: bool) -> tuple[LiveSession, list[Any], int]:
    """A session after an operation with an interrupt at its line (or instruction) ``at``; how many there are."""
    session, notified = prepared(name), []
    session.observe(lambda _change: notified.append(unwatched(values, session)))
    return session, notified, stopped_at(lambda: OPERATIONS[name](session), at, opcodes=opcodes)


def stopped_at(act: Callable[[], object], at: int, *, opcodes: bool = False) -> int:
    """Number of the lines (or instructions) of the packages that an act runs in this thread, interrupted at ``at``."""
    count = 0

    def trace(frame: FrameType, _event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGES):
            return None
        frame.f_trace_opcodes = opcodes
        return local

    def local(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if event == ("opcode" if opcodes else "line"):
            count += 1
            if count == at:
                sys.settrace(None)
                raise Interrupt
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except Interrupt:
        pass
    finally:
        sys.settrace(before)
    return count


def unwatched(function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a call whose lines are no points to interrupt."""
    before = sys.gettrace()
    sys.settrace(None)
    try:
        return function(*arguments)
    finally:
        sys.settrace(before)


def fault(session: LiveSession, notified: list[Any], start: tuple[Any, ...], good: list[Any]) -> str:
    """What is wrong with a session after an interrupt; empty when nothing is."""
    if not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        return "gradients are left off"
    answers: list[object] = []
    other = threading.Thread(target=lambda: answers.append(session.rate(0)), daemon=True)
    other.start()
    other.join(HUNG_S)
    if not answers:
        return "another thread waits for ever, or fails"
    with torch.no_grad():
        fresh = session.model(session.stimulus)[:, :, 0]
    if not all(torch.allclose(session.rate(n), fresh[:, n], rtol=0, atol=1e-9) for n in range(3)):
        return "a rate is not the model's"
    if (notified[-1] if notified else start) != values(session):
        return "observers are behind"
    if walked(session) not in good:
        return "neither the state before nor the one after"
    if any(name.startswith("ablation.") for name in session.parameters):
        session.ablate("bands")
        if not torch.equal(session.rate(0), session.model(torch.zeros_like(session.stimulus))[:, 0, 0].detach()):
            return "a switch does nothing"
        session.revert()
        if session.edited():
            return "revert leaves something off"
    return ""


@pytest.mark.parametrize(
    "opcodes", [False, True] if WHOLE else [False], ids=lambda on: "instructions" if on else "lines"
)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_interrupt_leaves_the_state_before_or_after(name: str, opcodes: bool) -> None:
    operation, session = OPERATIONS[name], prepared(name)
    start, good = values(session), [walked(session)]
    if name == "gesture":
        session.apply([Edit("strf.weight", 0.8, (0, 0, 0))], "g")
        good.append(walked(session))
        session = prepared()
    if name == "change from outside":
        # What others have done stays, whatever happens to the read that notices it.
        session = prepared()
    operation(session)
    good.append(walked(session))
    _, _, points = interrupted(name, -1, opcodes)
    step = max(1, points // POINTS) if not WHOLE else OPCODE_STEP if opcodes else 1
    faults: Counter[str] = Counter()
    places: dict[str, int] = {}
    for at in range(1, points + 1, step):
        session, notified, _ = interrupted(name, at, opcodes)
        found = fault(session, notified, start, good)
        if found:
            faults[found] += 1
            places.setdefault(found, at)
    print(f"{name}: {len(range(1, points + 1, step))} points of {points}, {sum(faults.values())} bad")
    assert not faults, f"{dict(faults)}, first at {places}"


def test_an_interrupted_read_beside_a_fit_gives_its_turn_back() -> None:
    """The fit is another thread's; while it goes on a read waits for the end of a step."""
    session = prepared()
    with under_way.under_way(session.model) as turns:
        count = stopped_at(lambda: session.rate(0), -1)
        for at in range(1, count + 1, 1 if WHOLE else max(1, count // POINTS)):
            stopped_at(lambda: session.rate(0), at)
            taken: list[bool] = []

            def step(taken: list[bool] = taken) -> None:
                with turns.take():
                    taken.append(True)

            thread = threading.Thread(target=step, daemon=True)
            thread.start()
            thread.join(HUNG_S)
            assert taken, f"no step is taken after an interrupt at {at} of {count}"


# A file that is interrupted while it is opened is closed by Python itself.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("linked", [True, False], ids=["hard links", "none"])
def test_an_interrupt_leaves_all_of_the_new_files_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    """Files and a folder that come together, also on a file system without hard links."""
    names = ["sounds", "spikes.csv", "units.csv"]

    def refuse(*_args: Any) -> None:
        raise OSError("no links here")

    if not linked:
        monkeypatch.setattr(writing.os, "link", refuse)

    def write(folder: Path) -> None:
        with writing.new_files(folder, names) as staging:
            (staging / "sounds").mkdir()
            (staging / "sounds" / "a.wav").write_bytes(b"a")
            for name in names[1:]:
                writing.write_to_disk(staging / name, name.encode())

    count = stopped_at(lambda: write(tmp_path / "counted"), -1)
    for at in range(1, count + 1):
        folder = tmp_path / f"at {at}"
        stopped_at(lambda folder=folder: write(folder), at)
        found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        assert found in ([], names), f"interrupted at {at} of {count}"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        writing.write_or_replace(path, b"new", lambda _path: True)

    for old in (None, b"old"):
        path = tmp_path / "page.html"
        count = stopped_at(lambda path=path: write(path), -1)
        for at in range(1, count + 1):
            path.unlink(missing_ok=True)
            if old is not None:
                path.write_bytes(old)
            stopped_at(lambda path=path: write(path), at)
            assert (path.read_bytes() if path.exists() else None) in (old, b"new"), at
            assert not [one for one in tmp_path.iterdir() if one != path], at
