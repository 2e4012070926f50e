"""What a page may send to the panels of an explorer, half of it while a cell reads and edits.

Each input is one to three messages to a panel, or to a panel within one: opening it, asking for its code, setting its
traits, and its own messages, well-formed or not. Right is: nothing is raised, what is sent is strict JSON, every panel
opens afterwards, and the session gives what a fresh forward pass of its model gives.
"""

from __future__ import annotations

import collections
import functools
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

import deepstrf
from deepstrf_widgets import explore
from deepstrf_widgets.browser_widget import BrowserWidget
from deepstrf_widgets.stimulus.catalogue import SOUNDS
from tests.adversary.doors import Attempt, Door
from tests.adversary.page_messages import COMPARED, KEPT, ODD, Cell, Raised, stale_rate

WITHIN = {"sounds": ("file", "paint")}
TYPES = (
    *("figure", "library", "choose", "turn", "ready", "paint", "copy", "file", "show", "again", "explain", "play"),
    *("set", "rate", "pin", "moment", "switch", "subspace", "x"),
)
FIELDS = (
    *("value", "knob", "finding", "name", "size", "at", "seq", "start", "n_frames", "settled", "frame", "trained"),
    *("neuron", "step", "what", "settings", "group", "part", "on", "gesture"),
)
JSON_ODD = [value for value in ODD if not isinstance(value, bytes)]


class Panels:
    """An explorer of the demo with all panels, what it sends, and the cell beside it."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        demo = deepstrf.load_demo()
        sound, responses = demo.stimulus.values[..., :100], demo.responses[..., :100]
        dt_ms, cf_hz = demo.stimulus.dt_ms, demo.stimulus.cf_hz
        self.explorer = explore(demo.model, sound, responses, dt_ms=dt_ms, cf_hz=cf_hz, other="trained")
        self.session, self.sent, self.tried = self.explorer.session, [], 0
        self.explorer.send = lambda content, buffers=None: self.sent.append(content)
        self.received: collections.deque[str] = collections.deque(maxlen=KEPT)
        self.cell, self.raised = Cell(self.session), Raised()
        file = io.BytesIO()
        soundfile.write(file, 0.1 * np.sin(np.arange(4000)), 16_000, format="WAV")
        self.file = file.getvalue()

    def content(self, rng: np.random.Generator, panel: str) -> tuple[Any, list[Any]]:
        """A message of the panel's own, and its buffers; most are as the panel wants them but for one thing."""
        painter = self.explorer.panel("sounds").panel("paint")
        T = painter.painting.shape[1]
        knobs = list(self.explorer.panel("sounds").knobs) or ["hz"]
        good: dict[str, list[dict[str, Any]]] = {
            "figures": [{"type": "figure"}, {"type": "library"}],
            "gallery": [{"type": "ready"}],
            "comparison": [{"type": "ready"}, {"type": "choose", "neuron": int(rng.integers(7))}],
            "findings": [{"type": "again"}, {"type": "show", "finding": int(rng.integers(-1, 4))}],
            "sounds": [
                {"type": "choose", "value": str(rng.choice(["first", "file", "paint", *SOUNDS]))},
                {"type": "turn", "knob": str(rng.choice(knobs)), "value": float(10 * rng.normal())},
            ],
            "file": [{"type": "file", "name": "a.wav", "size": len(self.file), "at": 0}],
            "play": [
                *({"type": one} for one in ("play", "pause", "step", "best", "reset", "new", "repeat")),
                {"type": "show", "step": int(rng.integers(4))},
                {"type": "pin", "what": str(rng.choice(["gaussian", "field", "curve", "prefilter"]))},
                {"type": "set", "settings": {"loss": "mse"}},
                {"type": "rate", "group": "strf", "value": float(rng.normal())},
            ],
            "inside": [
                *({"type": one} for one in ("all_on", "hear", "cancel", "rebuild", "wanted")),
                {"type": "moment", "frame": int(rng.integers(120))},
                {"type": "switch", "name": "gaussian", "part": 0, "on": True, "gesture": "g"},
            ],
            "paint": [
                {"type": "ready"},
                {"type": "copy"},
                {"type": "paint", "client": "c", "seq": self.tried, "start": 0, "n_frames": T, "settled": True},
            ],
        }
        known = good.get(panel) or [{"type": str(rng.choice(TYPES))}]
        content = dict(known[int(rng.integers(len(known)))])
        painted = rng.uniform(painter.info["low"], painter.info["high"], (painter.info["n_bands"], min(T, 10)))
        buffers: list[Any] = [self.file if panel == "file" else painted.astype("<f4").tobytes()]
        odd = JSON_ODD[int(rng.integers(len(JSON_ODD)))]
        match rng.integers(8):
            case 0:
                return odd, buffers
            case 1:
                content[str(rng.choice(list(content)))] = odd
            case 2:
                content[str(rng.choice(FIELDS))] = odd
            case 3:
                content["type"] = str(rng.choice(TYPES))
            case 4:
                buffers = [[], [b""], [rng.bytes(8)] * 2, [rng.bytes(int(rng.integers(2000)))]][rng.integers(4)]
        return content, buffers

    def data(self, rng: np.random.Generator, panel: str, widget: BrowserWidget) -> tuple[Any, list[Any]]:
        """What a page asks of a panel, and the buffers of it."""
        odd = JSON_ODD[int(rng.integers(len(JSON_ODD)))]
        method = str(rng.choice(["open", "update", "custom", "module"], p=[0.1, 0.35, 0.5, 0.05]))
        data: dict[str, Any] = {"method": method}
        buffers: list[Any] = []
        if method == "update":
            known = widget.BROWSER_SETS if widget.BROWSER_SETS and rng.random() < 0.7 else widget.keys
            names = [str(name) for name in rng.choice(known, int(rng.integers(1, 4)))]
            state = {name: JSON_ODD[int(rng.integers(len(JSON_ODD)))] for name in names}
            paths = [[names[0]]] if rng.random() < 0.3 else []
            data |= {
                "state": odd if rng.random() < 0.1 else state,
                "buffer_paths": odd if rng.random() < 0.1 else paths,
            }
            buffers = [rng.bytes(8)] * int(rng.integers(3))
        elif method == "custom":
            data["content"], buffers = self.content(rng, panel)
        if rng.random() < 0.1:
            data[str(rng.choice(list(data)))] = odd
        return data, buffers

    def message(self, rng: np.random.Generator) -> tuple[Any, list[Any]]:
        """A message to a panel, or to one within it."""
        panel = str(rng.choice(self.explorer.PANELS))
        if panel in WITHIN and rng.random() < 0.6:
            inner = str(rng.choice(WITHIN[panel]))
            data, buffers = self.data(rng, inner, self.explorer.panel(panel).panel(inner))
            data = {"method": "custom", "content": {"type": "panel", "panel": inner, "client": "c", "data": data}}
        else:
            data, buffers = self.data(rng, panel, self.explorer.panel(panel))
        message: Any = {"type": "panel", "panel": panel, "client": "c", "data": data}
        if rng.random() < 0.05:
            message[str(rng.choice(list(message)))] = JSON_ODD[int(rng.integers(len(JSON_ODD)))]
        return message, buffers

    def receive(self, content: Any, buffers: list[Any]) -> None:
        """Let a message of the browser arrive."""
        self.received.append(f"{content!r} {buffers!r}"[:1000])
        self.explorer._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": buffers})

    def answer(self, rng: np.random.Generator) -> str:
        """What is wrong after a few messages, with the last of them; empty when all is well."""
        fault = self.fault(rng)
        return fault and f"{fault}; after {list(self.received)}"

    def fault(self, rng: np.random.Generator) -> str:
        """What is wrong after a few messages."""
        self.tried += 1
        self.cell.switch(bool(rng.integers(2)))
        try:
            for _ in range(int(rng.integers(1, 4))):
                self.receive(*self.message(rng))
        except Exception as error:
            error.add_note(f"after {list(self.received)}")
            raise
        finally:
            self.cell.switch(False)
        if self.cell.errors:
            return f"the cell raised {self.cell.errors.pop()!r}"
        if self.raised.errors:
            return f"an answer raised {self.raised.errors.pop()}"
        self.explorer.panel("play").player.pause()
        json.dumps(self.sent, allow_nan=False, default=_buffer)
        panel = str(rng.choice(self.explorer.PANELS))
        self.sent.clear()
        message = {"type": "panel", "panel": panel, "client": "good", "data": {"method": "open"}}
        self.receive(message, [])
        replies = [one["data"]["method"] for one in self.sent if one["type"] == "panel" and one.get("to") == "good"]
        self.sent.clear()
        if replies != ["opened"]:
            return f"opening {panel} was answered with {replies}"
        return stale_rate(self.session) if self.tried % COMPARED == 0 else ""


def _buffer(value: Any) -> str:
    """In place of bytes, which travel beside the JSON."""
    if isinstance(value, (bytes, memoryview)):
        return ""
    raise TypeError(f"{type(value).__name__} is no JSON")


panels_of_process = functools.cache(Panels)


def messages(rng: np.random.Generator, _folder: Path) -> Attempt:
    """A few messages to panels."""
    return Attempt(lambda: panels_of_process().answer(rng), (), is_right=lambda fault: fault == "", may_refuse=False)


def end() -> None:
    """Close the explorer of this process, its fit with it."""
    if panels_of_process.cache_info().currsize:
        panels_of_process().explorer.close()
        panels_of_process.cache_clear()


DOORS = {"panel messages": Door(5_000, messages, end)}
