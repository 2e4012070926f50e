"""Real interrupts (SIGINT) at random moments of every operation, beside a thread that drags: the session stays whole.

The signals are sent to a process of its own, which prints what it found: ``python tests/adversary/test_signals.py 12``.
"""

from __future__ import annotations

import collections
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT), str(ROOT / "widgets")]

import pytest  # noqa: E402
import torch  # noqa: E402

from deepstrf_widgets import Edit, LiveSession  # noqa: E402
from deepstrf_widgets.session.lock import lock_of  # noqa: E402
from tests.adversary.scale import WHOLE  # noqa: E402
from tests.adversary.test_interrupts import OPERATIONS, prepared  # noqa: E402

pytestmark = [pytest.mark.slow] if WHOLE else []


SECONDS, LEAST_HITS = (12.0, 500) if WHOLE else (1.5, 20)
LATEST_MS = 4.0
CHECKED, STEPS = 10, 20
"""One in so many interrupts is followed by a comparison, while the other thread rests, with so many steps of undo: all
of them, whose number grows with every interrupt, took two thirds of the time, and are walked once at the end."""

TAKEN_S = 5.0
"""After so long an interrupt that came to where Python can raise nothing (a finaliser) is sent again."""


class Sender(threading.Thread):
    """Sends one interrupt to the main thread, a random moment after each time that it is asked to."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__(daemon=True)
        self.armed, self.caught, self.draw = threading.Event(), threading.Event(), draw

    def run(self) -> None:
        while True:
            self.armed.wait()
            self.armed.clear()
            self.caught.clear()
            time.sleep(self.draw.uniform(0, 1e-3 * LATEST_MS))
            os.kill(os.getpid(), signal.SIGINT)
            while not self.caught.wait(TAKEN_S):
                os.kill(os.getpid(), signal.SIGINT)


class Drag(threading.Thread):
    """Moves a weight of the second neuron until it is stopped; rests while somebody holds ``pause``."""

    def __init__(self, session: LiveSession) -> None:
        super().__init__(daemon=True)
        self.session, self.pause, self.stopped = session, threading.Lock(), False
        self.errors: list[str] = []
        self.moves = 0

    def run(self) -> None:
        draw = random.Random(1)
        while not self.stopped:
            with self.pause:
                try:
                    change = Edit("strf.weight", draw.random(), (1, 0, 0))
                    self.session.apply([change], "drag", settled=self.moves % 9 == 8)
                    self.session.rate(1)
                except Exception as error:  # noqa: BLE001 - every error is a finding
                    self.errors.append(repr(error))
                self.moves += 1
            time.sleep(0.0005)


def fault(session: LiveSession, notified: list[int], most: float = STEPS) -> str:
    """What is wrong with a session that nobody edits, ``most`` steps back; empty when nothing is."""
    if lock_of(session.model)._is_owned():
        return "the lock is held"
    with torch.no_grad():
        fresh = session.model(session.stimulus)[:, :, 0]
    if not all(torch.allclose(session.rate(n), fresh[:, n], rtol=0, atol=1e-9) for n in range(3)):
        return "a rate is not the model's"
    # An observer in which an interrupt came is called with the same change once more.
    if notified != sorted(notified) or (notified and set(notified) != set(range(notified[0], session.version + 1))):
        return "observers were called out of order, missed a change, or are behind"
    before = {name: session.value(name).tolist() for name in session.parameters}
    steps = 0
    while session.can_undo and steps < most:
        session.undo()
        steps += 1
    for _ in range(steps):
        session.redo()
    after = {name: session.value(name).tolist() for name in session.parameters}
    return "" if before == after else "redo does not lead back"


def interrupt_for(seconds: float) -> dict[str, object]:
    """Interrupts sent, operations done, and what was wrong after them."""
    torch.set_num_threads(1)
    draw, session = random.Random(0), prepared()
    tensors = {name: (id(one), one.shape) for name, one in session.model.named_parameters()}
    notified: list[int] = []
    session.observe(lambda change: notified.append(change.version))
    acts = [act for name, act in OPERATIONS.items() if name != "change from outside"]
    done: collections.Counter[str] = collections.Counter()
    faults: collections.Counter[str] = collections.Counter()
    sender, drag = Sender(draw), Drag(session)
    sender.start(), drag.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            sender.armed.set()
            while True:
                draw.choice(acts)(session)
                done["operations"] += 1
        except KeyboardInterrupt:
            sender.caught.set()
        done["interrupts"] += 1
        if not torch.is_grad_enabled():
            torch.set_grad_enabled(True)
            faults["gradients are left off"] += 1
        if {name: (id(one), one.shape) for name, one in session.model.named_parameters()} != tensors:
            faults["tensors are others"] += 1
        if done["interrupts"] % CHECKED == 0:
            if not drag.pause.acquire(timeout=TAKEN_S):
                faults["the other thread waits for ever"] += 1
                break
            found = fault(session, notified)
            drag.pause.release()
            notified.clear()
            if found:
                faults[found] += 1
    drag.stopped = True
    drag.join(TAKEN_S)
    faults.update(filter(None, [fault(session, notified, math.inf)]))
    for error in drag.errors:
        faults[error] += 1
    return {**done, "moves": drag.moves, "faults": dict(faults)}


def test_real_interrupts_at_random_moments_leave_the_session_whole() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, str(SECONDS)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS + 120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0
    report = json.loads(run.stdout)
    print(report)
    assert report["faults"] == {}
    assert report["interrupts"] >= LEAST_HITS
    assert report["moves"]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(json.dumps(interrupt_for(float(sys.argv[1]))), flush=True)
    os._exit(0)  # threads that are inside torch when the interpreter ends would abort the process
