"""What a browser may send to a bench: requests and traits, well-formed or not, half of them while a cell edits too.

Each input is one to three messages. Right is: nothing is raised, what the bench sends is strict JSON, a good request
afterwards is answered, the numbers that the browser chose lie in their ranges, and the session gives what a fresh
forward pass of its model gives.
"""

from __future__ import annotations

import collections
import functools
import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import traitlets.log

import deepstrf
from deepstrf_widgets import BenchWidget, LiveSession
from deepstrf_widgets.bench.widget import COUNTS
from deepstrf_widgets.session.edited_model import FitUnderWayError
from deepstrf_widgets.session.serialization import state_text
from tests.adversary.doors import Attempt, Door

COMPARED = 20
"""One in so many inputs is followed by a comparison with a fresh forward pass."""

KEPT = 12
"""Messages that a fault tells: the last ones may only have shown what an earlier one has done."""

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**53, -(2**63), 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "strf.weight", "__class__", "a" * 300, "\ud800", "\x00", "neuron", "ü", "<b>", b"", b"\x00" * 8),
    *([], [0], [0, 0, 0], [[]], [None], [10**30], {}, {"name": "strf.weight"}, {"index": [0]}, [{}] * 3),
]


class Cell:
    """A thread that reads and edits the session whenever it is switched on."""

    def __init__(self, session: LiveSession) -> None:
        self.errors: list[BaseException] = []
        self._session, self._on, self._working = session, threading.Event(), threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def switch(self, on: bool) -> None:
        """Let it work, or rest: afterwards it does."""
        (self._on.set if on else self._on.clear)()
        if not on:
            with self._working:
                pass

    def _run(self) -> None:
        torch.set_num_threads(1)
        number = 0
        while True:
            self._on.wait()
            number += 1
            with self._working:
                if not self._on.is_set():
                    continue
                try:
                    self._session.set("activation.beta", 1.0 + number % 50 / 25, (number % 6,))
                    self._session.rate(number % 6)
                    self._session.undo()
                except FitUnderWayError:  # a page has started a fit
                    pass
                except BaseException as error:  # noqa: BLE001 - every error is a finding
                    self.errors.append(error)


class Raised(logging.Handler):
    """What ipywidgets notes in its log instead of raising it: errors in what answers the browser."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []
        traitlets.log.get_logger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error of a record."""
        self.errors.append(repr(record.exc_info[1]) if record.exc_info else record.getMessage())


class Bench:
    """A bench of the demo, with what it sends and the cell beside it."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        demo = deepstrf.load_demo()
        self.session = LiveSession(
            demo.model,
            demo.stimulus.values[..., :120],
            demo.responses[..., :120],
            dt_ms=demo.stimulus.dt_ms,
            cf_hz=demo.stimulus.cf_hz,
        )
        self.session.set("activation.beta", 2.0, (1,))
        self.state = state_text(self.session)
        self.session.undo()
        self.names = [p.grid.name for p in self.session.parameters.values()]
        self.shapes = {p.grid.name: p.shape for p in self.session.parameters.values()}
        self.widget, self.sent, self.seq, self.tried = BenchWidget(self.session), [], 0, 0
        self.widget.send = lambda content, buffers=None: self.sent.append(content)
        self.received: collections.deque[str] = collections.deque(maxlen=KEPT)
        self.cell, self.raised = Cell(self.session), Raised()

    def request(self, rng: np.random.Generator) -> tuple[Any, list[Any]]:
        """A request of a browser, and its buffers."""
        self.seq += 1
        kind = str(rng.choice(["edit", "edit", "edit", "undo", "redo", "revert", "explain", "restore"]))
        content: dict[str, Any] = {"type": kind, "client": f"page {rng.integers(3)}", "seq": self.seq}
        values = np.zeros(0, "<f4")
        if kind == "edit":
            count = int(rng.integers(0, 4))
            names = [str(name) for name in rng.choice(self.names, count)]
            edits = [{"name": name, "index": [int(rng.integers(n)) for n in self.shapes[name]]} for name in names]
            phase = str(rng.choice(["move", "end"]))
            content |= {"gesture": f"g{rng.integers(3)}", "phase": phase, "edits": edits}
            values = (10.0 ** rng.uniform(-8, 8, count) * rng.choice([-1, 1], count)).astype("<f4")
            near = rng.random(count) < 0.7
            values[near] = rng.uniform(0.1, 1.5, count)[near]
        elif kind == "revert":
            content |= {"names": [str(rng.choice(self.names))] if rng.random() < 0.7 else None, "index": []}
        elif kind == "explain":
            content |= {"frame": int(rng.integers(0, 140)), "trained": bool(rng.integers(2))}
        elif kind == "restore":
            content["state"] = str(rng.choice([self.state, self.state[: int(rng.integers(len(self.state)))], "{}"]))
        return content, [values.tobytes()]

    def spoiled(self, rng: np.random.Generator) -> tuple[Any, list[Any]]:
        """A request with something in it that is not as it must be."""
        content, buffers = self.request(rng)
        odd = ODD[int(rng.integers(len(ODD)))]
        match rng.integers(7):
            case 0:
                return odd, buffers
            case 1:
                content[str(rng.choice(list(content)))] = odd
            case 2:
                del content[str(rng.choice(list(content)))]
            case 3:
                content[
                    str(rng.choice(["settled", "count", "names", "index", "phase", "frame", "trained", "state"]))
                ] = odd
            case 4 if content.get("edits"):
                edit = content["edits"][int(rng.integers(len(content["edits"])))]
                edit[str(rng.choice(["name", "index", "count", "value"]))] = odd
            case 5:
                buffers = [[], [b"\x00" * int(rng.integers(20))], [rng.bytes(8)] * 2, [odd], None][rng.integers(5)]
            case _:
                buffers = [rng.bytes(4 * len(content.get("edits") or [0]))]
        return content, buffers

    def traits(self, rng: np.random.Generator) -> dict[str, Any]:
        """Traits that a browser sets: those that it may and those that it may not, to good values and bad ones."""
        names = [str(n) for n in rng.choice([*self.widget.BROWSER_SETS, *self.widget.keys], rng.integers(1, 4))]
        return {n: ODD[int(rng.integers(len(ODD)))] if rng.random() < 0.7 else int(rng.integers(-1, 9)) for n in names}

    def data(self, rng: np.random.Generator) -> tuple[Any, list[Any]]:
        """A message as the browser's half of ipywidgets sends it, and its buffers."""
        odd = ODD[int(rng.integers(len(ODD)))]
        buffers: list[Any] = []
        if rng.random() < 0.25:
            state = self.traits(rng)
            data: dict[str, Any] = {"method": "update", "state": state, "buffer_paths": []}
            if rng.random() < 0.1:
                data["buffer_paths"], buffers = [[next(iter(state))], ["x", 0], odd], [rng.bytes(4)]
        else:
            content, buffers = (self.request if rng.random() < 0.3 else self.spoiled)(rng)
            data = {"method": "custom", "content": content}
        if rng.random() < 0.03:
            data[str(rng.choice(list(data)))] = odd
        return (odd if rng.random() < 0.01 else data), buffers

    def receive(self, data: Any, buffers: list[Any]) -> None:
        """Let a message of the browser arrive."""
        self.received.append(f"{data!r} {buffers!r}"[:1000])
        self.widget._handle_msg({"content": {"data": data}, "buffers": buffers})

    def answer(self, rng: np.random.Generator) -> str:
        """What is wrong after a few messages; empty when all is well."""
        self.tried += 1
        beside = bool(rng.integers(2))
        self.cell.switch(beside)
        try:
            for _ in range(int(rng.integers(1, 4))):
                self.receive(*self.data(rng))
        except Exception as error:
            error.add_note(f"after {list(self.received)}")
            raise
        finally:
            self.cell.switch(False)
        fault = self.fault(rng)
        return fault and f"{fault}; {beside=}; after {list(self.received)}"

    def fault(self, rng: np.random.Generator) -> str:
        """What is wrong now."""
        if self.cell.errors:
            return f"the cell raised {self.cell.errors.pop()!r}"
        if self.raised.errors:
            return f"an answer raised {self.raised.errors.pop()}"
        json.dumps(self.sent, allow_nan=False)
        self.sent.clear()
        self.seq += 1
        self.receive({"method": "custom", "content": {"type": "undo", "client": "good", "seq": self.seq}}, [])
        if [message["type"] for message in self.sent if message["client"] == "good"] != ["answer"]:
            return f"a good request was answered with {self.sent!r}"
        for name, counted in COUNTS.items():
            if not -1 <= getattr(self.widget, name) < self.widget.info[counted]:
                return f"{name} is {getattr(self.widget, name)}"
        if self.widget.of_neuron != self.widget.neuron:
            return f"of_neuron is {self.widget.of_neuron}, neuron {self.widget.neuron}"
        return stale_rate(self.session) if self.tried % COMPARED == 0 else ""


def stale_rate(session: LiveSession) -> str:
    """Which neuron's rate is not what a fresh forward pass of the model gives; empty where all are."""
    with torch.no_grad():
        fresh = session.model(session.stimulus)[:, :, 0]
    for neuron in range(fresh.shape[1]):
        if not torch.allclose(session.rate(neuron), fresh[:, neuron], rtol=1e-4, atol=1e-4, equal_nan=True):
            return f"the rate of neuron {neuron} is not that of the model"
    return ""


bench_of_process = functools.cache(Bench)


def messages(rng: np.random.Generator, _folder: Path) -> Attempt:
    """A few messages of a browser."""
    return Attempt(lambda: bench_of_process().answer(rng), (), is_right=lambda fault: fault == "", may_refuse=False)


DOORS = {"page messages": Door(20_000, messages)}
