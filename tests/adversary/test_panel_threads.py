"""Ten threads at one explorer with all of its panels: nothing raises or hangs, and all of it shows the last state."""

from __future__ import annotations

import base64
import collections
import contextlib
import faulthandler
import itertools
import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deepstrf
from deepstrf_widgets import Edit, explore
from deepstrf_widgets.neuron_gallery.tuning_table import TuningTable
from deepstrf_widgets.prediction import DrawnPrediction
from deepstrf_widgets.session.notifications import THREAD_NAME
from deepstrf_widgets.session.serialization import state_text
from tests.adversary.page_messages import Raised, stale_rate
from tests.adversary.scale import WHOLE

pytestmark = [pytest.mark.slow] if WHOLE else []

SECONDS = 10.0 if WHOLE else 0.8
THREADS, HUNG_S, BINS = 10, 60.0, 100

MIXES = {
    "two models": ("set", "gesture", "undo", "compare", "choose", "neuron", "stimulus"),
    "ablation": ("set", "ablate", "all on", "switch", "undo", "redo", "restore", "state", "why"),
    "inside": ("set", "undo", "moment", "wanted", "cancel", "subspace", "neuron", "hear"),
    "play": ("play", "step", "pause", "pin", "unpin", "set", "gesture", "undo", "why", "show"),
    "pages": ("set", "page", "stimulus", "neuron", "figure", "gallery", "draw"),
    "everything": (
        *("set", "gesture", "undo", "redo", "revert", "restore", "state", "compare", "choose", "neuron", "stimulus"),
        *("ablate", "all on", "switch", "moment", "wanted", "cancel", "play", "step", "pause", "pin", "unpin", "show"),
        *("why", "page", "figure", "gallery", "draw"),
    ),
}


class Desk:
    """An explorer of the demo with all panels, and what threads do to it."""

    def __init__(self, folder: Path) -> None:
        demo = deepstrf.load_demo()
        sound, responses = demo.stimulus.values[..., :BINS], demo.responses[..., :BINS]
        axes = {"dt_ms": demo.stimulus.dt_ms, "cf_hz": demo.stimulus.cf_hz}
        self.explorer = explore(demo.model, sound, responses, **axes, other="trained")
        self.session, self.folder = self.explorer.session, folder
        self.explorer.send = lambda content, buffers=None: None
        self.panels = {name: self.explorer.panel(name) for name in self.explorer.PANELS}
        self.player = self.explorer.player
        self.player.set(speed=200)
        self.plot = DrawnPrediction(50, high=1.0)
        self.other = sound.flip(-1)[..., : BINS - 30].clone()
        self.texts = [state_text(self.session)]
        self.session.set("strf.weight", 0.3, (2, 0, 0))
        self.texts.append(state_text(self.session))
        self.numbers = itertools.count()
        self.done: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.raised = Raised()

    def message(self, panel: str, **content: Any) -> None:
        """A message to a panel, as the browser sends it."""
        data = {"method": "custom", "content": content}
        self.explorer._panel_received({"panel": panel, "client": "c", "data": data}, [])

    def acts(self, draw: random.Random) -> dict[str, Callable[[], object]]:
        session, explorer, player, n = self.session, self.explorer, self.player, draw.randrange(6)
        return {
            "set": lambda: session.set(draw.choice(["strf.weight", "activation.beta"]), draw.uniform(1, 3), (n,)),
            "gesture": lambda: session.apply(
                [Edit("strf.weight", draw.random(), (n, 0, 0))], draw.choice("ab"), settled=draw.random() < 0.5
            ),
            "undo": session.undo,
            "redo": session.redo,
            "revert": lambda: session.revert(None, (n,)),
            "restore": lambda: explorer.restore(draw.choice(self.texts)),
            "state": lambda: json.dumps(explorer.state),
            "compare": lambda: self.message("comparison", type="ready"),
            "choose": lambda: self.message("comparison", type="choose", neuron=n),
            "neuron": lambda: explorer.set_trait("neuron", n),
            "stimulus": lambda: session.set_stimulus(draw.choice([None, self.other])),
            "ablate": lambda: session.ablate("bands", [draw.randrange(34)], on=draw.random() < 0.3),
            "all on": lambda: self.message("inside", type="all_on"),
            "switch": lambda: self.message("inside", type="switch", name="channels", part=0, on=True, gesture="g"),
            "moment": lambda: self.message("inside", type="moment", frame=draw.randrange(BINS - 30)),
            "wanted": lambda: self.message("inside", type="wanted"),
            "subspace": lambda: self.message("inside", type="subspace"),
            "hear": lambda: self.message("inside", type="hear"),
            "cancel": lambda: self.message("inside", type="cancel"),
            "play": lambda: player.play(draw.randrange(1, 5)),
            "step": lambda: self.message("play", type="step"),
            "pause": player.pause,
            "pin": lambda: player.pin("strf", neuron=n),
            "unpin": lambda: player.unpin("strf", neuron=n),
            "show": self.show,
            "why": lambda: self.why(n, draw.uniform(0, 300)),
            "page": lambda: self.page(draw),
            "figure": lambda: self.message("figures", type="figure"),
            "gallery": self.panels["gallery"].refresh,
            "draw": lambda: (self.plot.draw([0, 100], [draw.random(), 0.5]), self.plot.score(np.arange(50.0))),
        }

    def show(self) -> None:
        """A step of the run, where there is a run that nobody takes back meanwhile."""
        with contextlib.suppress(RuntimeError):
            self.player.show(1)

    def why(self, neuron: int, time_ms: float) -> None:
        found = self.session.explain(neuron, time_ms)
        total = found.gain * (sum(found.sums) + found.bias) + found.offset
        assert abs(total - found.drive) < 1e-3 * max(1.0, abs(found.drive))

    def page(self, draw: random.Random) -> None:
        """A page is of one moment: all of its arrays are as long as it says."""
        path = self.explorer.save_html(self.folder / f"{threading.get_ident()}.html", neurons=[draw.randrange(6)])
        data = json.loads(re.search(r'id="deepstrf-bench-data">(.*?)</script>', path.read_text())[1])
        length = {name: len(base64.b64decode(data["neurons"][0][name])) // 4 for name in ("rate", "trained_rate")}
        sound = len(base64.b64decode(data["stimulus"])) // 4
        assert {*length.values(), sound // 34} == {sum(data["bins"])}, (length, sound, data["bins"])

    def run(self, mix: tuple[str, ...], seconds: float) -> list[str]:
        """Threads that hang, after ten of them have done what the mix says for so long."""
        end, doing = threading.Event(), {}

        def work(seed: int) -> None:
            draw = random.Random(seed)
            torch.set_num_threads(1)
            while not end.is_set():
                kind = draw.choice(mix)
                doing[threading.current_thread()] = kind
                try:
                    self.acts(draw)[kind]()
                except Exception as error:  # noqa: BLE001 - every error is a finding
                    self.errors[f"{kind}: {type(error).__name__}: {str(error)[:200]}"] += 1
                self.done[kind] += 1

        threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        end.set()
        deadline = time.monotonic() + HUNG_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        hung = [doing[thread] for thread in threads if thread.is_alive()]
        if hung:
            faulthandler.dump_traceback(sys.__stderr__)
        return hung

    def faults(self) -> list[str]:
        """What does not show the state as it is now, when all have ended."""
        session, explorer, found = self.session, self.explorer, []
        self.player.pause()
        # As the browser ends the gesture of each hand: what follows settled changes alone is behind until then.
        for gesture in "abg":
            session.apply([], gesture, settled=True)
        # A thread of the session may still be calling observers for those that have ended.
        for thread in threading.enumerate():
            if thread.name == THREAD_NAME:
                thread.join(HUNG_S)
        inside, comparison, gallery = (self.panels[name] for name in ("inside", "comparison", "gallery"))
        inside._background.cancel()
        inside.wait()
        now = session.snapshot()
        found += filter(None, [stale_rate(session)])
        if inside.stamp != inside._stamp_of(now):
            found.append(f"inside is of {inside.stamp}, the session of {inside._stamp_of(now)}")
        on = {part["name"]: part["on"] for part in inside.parts}
        for name, parameter in now.parameters.items():
            if name.startswith("ablation."):
                letters = "".join("1" if value >= 1 else "0" for value in parameter.read())
                found += [f"switches of {name}"] * (on[name.removeprefix("ablation.")] != letters)
        wanted = explorer.other.rate(now, explorer.of_neuron)[0, : now.sound_bins[0]].numpy().astype("<f4").tobytes()
        found += ["the other model's response is of something else"] * (explorer.other_rate != wanted)
        comparison.refresh()
        rows = np.array([(row["a"], row["b"]) for row in comparison.rows], float)
        fresh = np.array([(now.score(n), explorer.other.score(now, n)) for n in range(6)], float)
        found += ["scores of the comparison"] * (not np.allclose(rows, fresh, atol=1e-4, equal_nan=True))
        found += ["another neuron is selected"] * (gallery.selected != explorer.neuron)
        gallery.refresh()
        table = TuningTable(session, other=explorer.other)
        table.read_fields(range(6)), table.read_scores(range(6)), table.read_edited()
        if not np.allclose(gallery.table, table.table, atol=1e-3, equal_nan=True):
            where = np.argwhere(~np.isclose(gallery.table, table.table, atol=1e-3, equal_nan=True))
            found.append(f"the gallery is behind at {where.tolist()}: {gallery.table}, not {table.table}")
        pins = [(session.parameters[name].grid.name, list(index)) for name, index in self.player.pins]
        found += ["pins on screen are others"] * ([(name, at) for name, at in explorer.pins] != pins)
        found += ["it is said to play"] * (explorer.playing is not False)
        return found


@pytest.mark.parametrize("name", MIXES)
def test_ten_threads_at_an_explorer_and_its_panels(tmp_path: Path, name: str) -> None:
    desk = Desk(tmp_path)
    hung = desk.run(MIXES[name], SECONDS)
    print(f"{name}: {sum(desk.done.values())} operations, {dict(desk.done)}")
    assert not hung, f"threads hang: {hung}"
    assert not desk.errors, dict(desk.errors)
    assert not desk.raised.errors, desk.raised.errors
    assert desk.faults() == []
    desk.explorer.close()


def test_pins_of_two_threads_are_all_there() -> None:
    demo = deepstrf.load_demo()
    sound, responses, cf_hz = demo.stimulus.values[..., :BINS], demo.responses[..., :BINS], demo.stimulus.cf_hz
    explorer = explore(demo.model, sound, responses, dt_ms=5.0, cf_hz=cf_hz)
    places = [(neuron, channel, gaussian) for neuron in range(6) for channel in range(2) for gaussian in range(2)]
    threads = [
        threading.Thread(target=lambda own=places[k::4]: [explorer.player.pin("strf.weight", at) for at in own])
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {at for _, at in explorer.player.pins} == set(places)
    explorer.close()
