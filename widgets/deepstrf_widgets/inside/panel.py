"""The panel that opens a network: the field at one moment, the filters behind all, and the sound wanted most."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from deepstrf.analysis import (
    CHANNELS,
    DynamicSTRF,
    Subspace,
    Switch,
    WantedSound,
    subspace,
    switches,
    wanted_sound,
)
from deepstrf.locking import locked
from deepstrf.models.audio.audio_model import AudioEncodingModel
from deepstrf.models.prediction import predict
from deepstrf.stimuli import Spectrogram

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MessageError, brief, is_count, is_name
from ..session.edited_model import FitUnderWayError
from ..session.events import Change, Edit
from ..session.newest import of_newest
from ..session.parameters import ABLATION
from ..session.reading import Snapshot
from ..session.session import LiveSession
from ..threads import one_thread
from .background import Background

__all__ = ["InsidePanel", "can_be_opened"]

FILTERS = 10
MOMENTS = 1000
BLOCK_S, ONE_IN = 0.25, 4
"""Every fourth quarter of a second the rebuilt model is tried on: no filter and no surface was made from it. Not one
stretch, as what plays there may be unlike all the rest."""

LAGS_HOLD, LAGS_OF = 0.999, 10
"""Fields of a model without lags of its own are shown as far back as so much of their power lies, in steps of bins."""

PROBED = 16
"""Moments at which that is tried."""

CELLS = 12
STEPS = 150
APART_S = 0.1
"""Shortest time between two pictures of a sound that forms."""

ERRORS = (ValueError, TypeError, RuntimeError, NotImplementedError, MemoryError)
"""What a model raises that cannot be differentiated or does not fit."""


def can_be_opened(model: nn.Module) -> bool:
    """Whether it is a model of spectrograms."""
    return isinstance(model, AudioEncodingModel) and type(model.wav2spec) is nn.Identity


class InsidePanel(BrowserWidget):
    """What one neuron of any differentiable model responds to.

    The model is copied for each state of the session and never changed. What takes long runs beside the kernel's own
    thread and can be cancelled.

    Parameters
    ----------
    session : LiveSession
        Its model takes spectrograms.
    neuron, sound : int
        What is looked at first; see `show`.

    Raises
    ------
    ValueError
        The model takes no spectrograms.

    Attributes
    ----------
    stamp : str
        State of the session, neuron and sound that an answer belongs to.
    subspace : Subspace or None
        The last one that was found.
    wanted : WantedSound or None
        Likewise.
    """

    _esm = bundle_source("inside.js")

    view = traitlets.Unicode("inside").tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    stamp = traitlets.Unicode().tag(sync=True)
    neuron = traitlets.Int(0).tag(sync=True)
    busy = traitlets.Unicode("").tag(sync=True)
    parts: Any = traitlets.List().tag(sync=True)

    def __init__(self, session: LiveSession, *, neuron: int = 0, sound: int = 0, **kwargs: Any) -> None:
        if not can_be_opened(session.snapshot().model):
            kind = type(session.model).__name__
            raise ValueError(f"session.model must be an AudioEncodingModel that takes spectrograms, got {kind}")
        self.session, self._sound = session, sound
        self.subspace: Subspace | None = None
        self.wanted: WantedSound | None = None
        self._lock, self._stamping = threading.RLock(), threading.RLock()
        self._fields: tuple[str, DynamicSTRF] | None = None
        self._of_subspace: Snapshot | None = None
        self._background = Background()
        super().__init__(cf_hz=np.asarray(session.cf_hz, "<f4").tobytes(), neuron=neuron, **kwargs)
        self._restamp()
        self.own(self._background)
        self.own(session.observe(self._session_changed))

    def __repr__(self) -> str:
        return f"InsidePanel({self.session!r}, neuron={self.neuron})"

    def show(self, neuron: int, sound: int) -> None:
        """Look at this neuron, and at this sound of the batch."""
        self.neuron, self._sound = neuron, sound
        self._restamp()

    def wait(self) -> None:
        """Return when nothing is being computed."""
        self._background.wait()

    # -- what is looked at ---------------------------------------------------------------------------------------

    def _session_changed(self, change: Change) -> None:
        if change.settled or change.stimulus:
            self._restamp()

    @of_newest("_stamping")
    def _restamp(self, now: Snapshot) -> None:
        self.info = {
            "dt_ms": now.dt_ms,
            "delay_ms": now.delay_ms,
            "stimulus_unit": now.stimulus_unit,
            "rate_unit": now.response_unit,
            "neuron_names": now.neuron_names,
        }
        self.parts = [self._part(now, switch) for switch in switches(now.model).values()]
        self.stamp = self._stamp_of(now)

    def _part(self, now: Snapshot, switch: Switch) -> dict[str, Any]:
        """What the browser draws the switches of one kind from; ``on`` has a letter for each, 1 or 0."""
        parameter = now.parameters.get(f"{ABLATION}.{switch.name}")
        on = np.ones(switch.count) if parameter is None else parameter.read()
        labels: list[str] = []
        if switch.name == "bands":
            labels = [f"{hz / 1000:.3g} kHz" for hz in now.cf_hz]
        elif switch.name == "channels" and switch.count == len(CHANNELS):
            labels = list(CHANNELS)
        name, _, layer = switch.name.partition("_")
        label = f"{name} of layer {layer}" if layer else name
        return {
            "name": switch.name,
            "label": label,
            "meaning": switch.meaning,
            "labels": labels,
            "on": "".join("1" if value >= 1 else "0" for value in on),
        }

    def _stamp_of(self, now: Snapshot) -> str:
        return f"{now.version}/{self.neuron}/{self._sound}"

    def _sounds(self, now: Snapshot) -> Tensor:
        sound = min(self._sound, len(now.stimulus) - 1)
        return now.stimulus[sound : sound + 1, ..., : now.sound_bins[sound]]

    # -- messages ------------------------------------------------------------------------------------------------

    def _received(self, _widget: Any, content: Any, _buffers: Sequence[Any] | None) -> None:
        fields = content if isinstance(content, dict) else {}
        kind = fields.get("type")
        answers = {
            "moment": self._answer_moment,
            "subspace": self._start_subspace,
            "rebuild": self._start_rebuilding,
            "wanted": self._start_wanted,
            "hear": self._hear,
            "switch": self._switch,
            "all_on": self._all_on,
            "cancel": lambda _fields: self._background.cancel(),
        }
        self.error = ""
        try:
            if kind not in answers:
                raise MessageError(f"type must be one of {', '.join(answers)}, got {brief(kind)}")
            answers[kind](fields)
        except (MessageError, FitUnderWayError, KeyError, IndexError, *ERRORS) as error:
            self.error = str(error.args[0]) if error.args else str(error)

    @one_thread()
    def _switch(self, fields: dict[str, Any]) -> None:
        """Switch a part off or on; what a drag switches is one undo entry."""
        name, part, on, gesture = (fields.get(key) for key in ("name", "part", "on", "gesture"))
        if not isinstance(name, str) or not is_name(gesture) or not isinstance(on, bool):
            raise MessageError(f"name, on and gesture must be a name, a bool and a name, got {brief(fields)}")
        edits = [] if part is None else [Edit(f"{ABLATION}.{name}", float(on), (_count(fields, "part"),))]
        self.session.apply(edits, f"inside/{gesture}", settled=part is None, source=self)

    @one_thread()
    def _all_on(self, _fields: dict[str, Any]) -> None:
        names = [name for name in self.session.parameters if name.startswith(f"{ABLATION}.")]
        if names:
            self.session.revert(names, source=self)

    def _answer_moment(self, fields: dict[str, Any]) -> None:
        """Send the dynamic STRF of a bin of the sound on screen."""
        frame = _count(fields, "frame")
        # Before the lock, under which no observer of the session may be called.
        self._send_moment(frame, self.session.snapshot())

    @one_thread()
    @locked
    def _send_moment(self, frame: int, now: Snapshot) -> None:
        began = time.perf_counter()
        stamp = self._stamp_of(now)
        message = {"type": "moment", "frame": frame, "stamp": stamp, "text": ""}
        try:
            if self._fields is None or self._fields[0] != stamp:
                self._fields = None  # the old one's memory first
                self._fields = stamp, _fields_of(_model_of(now), self._sounds(now), self.neuron)
            field = self._fields[1]([(0, frame)])[0, 0]
        except ERRORS as error:
            self.send({**message, "text": str(error)})
            return
        message |= {"shape": list(field.shape), "work_ms": 1000 * (time.perf_counter() - began)}
        self.send(message, buffers=[_bytes(field)])

    def _start_subspace(self, _fields: dict[str, Any]) -> None:
        now, neuron = self.session.snapshot(), self.neuron
        stamp = self._stamp_of(now)  # of the neuron that it is for: another may be on screen when it ends

        def job(going: Callable[[], bool]) -> None:
            model = _model_of(now)
            window = _fields_of(model, now.stimulus, neuron).window
            used, _kept = _blocks(now, window)
            found = subspace(
                model,
                now.stimulus,
                neuron,
                n_filters=FILTERS,
                n_moments=MOMENTS,
                window=window,
                moments=torch.nonzero(used),
            )
            if not going():
                return
            self.subspace, self._of_subspace = found, now
            message = {
                "type": "subspace",
                "stamp": stamp,
                "shape": list(found.filters.shape[2:]),
                "shares": found.shares.tolist(),
                "moments": len(found.moments),
            }
            buffers = [_bytes(found.filters)]
            if len(found.filters) > 1:
                surface = found.surface(CELLS)
                message |= {"edges": [[e[0].item(), e[-1].item()] for e in surface.edges], "cells": CELLS}
                buffers.append(_bytes(surface.rate))
            self.send(message, buffers=buffers)

        self._start("subspace", job)

    def _start_rebuilding(self, fields: dict[str, Any]) -> None:
        k, found, of = _count(fields, "k"), self.subspace, self._of_subspace
        if found is None or of is None:
            raise MessageError("k must come after a subspace was found, got one before")
        if not 1 <= k <= len(found.filters):
            raise MessageError(f"k must be 1 to {len(found.filters)} filters, got {k}")

        def job(going: Callable[[], bool]) -> None:
            now = of
            rebuilt = found.predict(now.stimulus, k)[:, 0, 0].cpu()
            own = predict(_model_of(now), now.stimulus)[:, found.neuron, 0].cpu()
            if not going():
                return
            used, kept = _blocks(now, found.filters.shape[-1])
            psth = now.psth(found.neuron)
            message = {
                "type": "rebuilt",
                "k": k,
                "r": _correlation(rebuilt, own, kept),
                "r_used": _correlation(rebuilt, own, used),
                "bins": int(kept.sum()),
                "r_recorded": None if psth is None else _correlation(rebuilt, psth, kept),
                "r_model": None if psth is None else _correlation(own, psth, kept),
            }
            self.send(message)

        self._start("rebuild", job)

    def _start_wanted(self, fields: dict[str, Any]) -> None:
        now, neuron = self.session.snapshot(), self.neuron
        against, level = fields.get("against"), fields.get("rms", 2.0)
        if against is not None and (not is_count(against) or against >= now.n_neurons):
            raise MessageError(f"against must be the number of a neuron or null, got {brief(against)}")
        if isinstance(level, bool) or not isinstance(level, (int, float)):
            raise MessageError(f"rms must be a number of {now.stimulus_unit}, got {brief(level)}")
        stamp, unit = self._stamp_of(now), now.stimulus_unit
        negative = bool((self._sounds(now) < 0).any())
        note = f"0 {unit} is taken for silence, though this stimulus has values below" if negative else ""

        def job(going: Callable[[], bool]) -> None:
            sent = -math.inf

            def tell(found: WantedSound, *, done: bool) -> None:
                message = {
                    "type": "wanted",
                    "stamp": stamp,
                    "shape": list(found.values.shape),
                    "step": found.step,
                    "steps": STEPS,
                    "response": found.response,
                    "silence": found.silence,
                    "rms": found.values.square().mean().sqrt().item(),
                    "against": against,
                    "done": done,
                    "note": note,
                }
                self.send(message, buffers=[_bytes(found.values)])

            def after_step(found: WantedSound) -> bool:
                nonlocal sent
                if found.step and going() and time.perf_counter() - sent >= APART_S:
                    sent = time.perf_counter()
                    tell(found, done=False)
                return going()

            model = _model_of(now)
            found = wanted_sound(
                model,
                neuron,
                against=against,
                n_bins=2 * max(LAGS_OF, _fields_of(model, self._sounds(now), neuron).window),
                rms_db=float(level),
                steps=STEPS,
                callback=after_step,
            )
            if not self.closed:
                self.wanted = found
                tell(found, done=True)

        self._start("wanted", job)

    def _hear(self, _fields: dict[str, Any]) -> None:
        """Make the sound wanted most the stimulus of the session."""
        if self.wanted is None:
            raise MessageError("type must be wanted before it is hear: no sound was found yet")
        session = self.session
        values = self.wanted.values.to(session.stimulus)
        # The response at its end stays on screen for as long again.
        padded = nn.functional.pad(values, (0, values.shape[-1]))
        session.set_stimulus(Spectrogram(padded, torch.as_tensor(session.cf_hz), session.dt_ms), source=self)

    def _start(self, name: str, job: Callable[[Callable[[], bool]], None]) -> None:
        """Run a job in the background; ``busy`` has its name until it has ended."""

        def run(going: Callable[[], bool]) -> None:
            self.busy = name
            try:
                with one_thread():
                    job(going)
            except ERRORS as error:
                self.error = str(error)
            finally:
                self.busy = ""

        self._background.start(run)


def _count(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not is_count(value):
        raise MessageError(f"{name} must be a whole number from 0, got {brief(value)}")
    return int(value)


def _model_of(now: Snapshot) -> AudioEncodingModel:
    """A copy of the session's model as it was."""
    model = now.copied_model()
    if not isinstance(model, AudioEncodingModel):
        raise TypeError(f"session.model must be an AudioEncodingModel, got {type(model).__name__}")
    return model


def _fields_of(model: AudioEncodingModel, sounds: Tensor, neuron: int) -> DynamicSTRF:
    """Fields with the lags of the model, or of one without lags of its own with those that matter."""
    fields = DynamicSTRF(model, sounds, neuron)
    if model.T > 1:
        return fields
    B, L = fields.responses.shape
    probed = torch.stack([torch.arange(PROBED) % B, torch.linspace(0, L - 1, PROBED).round().long()], 1)
    power = fields(probed).double().square().sum((0, 1, 2)).flip(0).cumsum(0)
    lags = int((power < LAGS_HOLD * power[-1]).sum()) + 1
    return DynamicSTRF(model, sounds, neuron, window=LAGS_OF * math.ceil(lags / LAGS_OF))


def _blocks(now: Snapshot, window: int) -> tuple[Tensor, Tensor]:
    """Which bins (B, L) a subspace may be made from, and which are kept to try it on: all with ``window`` bins."""
    bins = torch.arange(now.stimulus.shape[-1])
    heard = (bins >= window - 1) & (bins < torch.tensor(now.sound_bins)[:, None])
    block = torch.div(bins * now.dt_ms, 1000 * BLOCK_S, rounding_mode="floor").long()
    kept = heard & (block % ONE_IN == ONE_IN - 1)
    return (heard & ~kept, kept) if bool(kept.any()) and bool((heard & ~kept).any()) else (heard, heard)


def _bytes(values: Tensor) -> bytes:
    return values.detach().cpu().numpy().astype("<f4").tobytes()


def _correlation(one: Tensor, other: Tensor, where: Tensor) -> float | None:
    """Pearson correlation of two responses (B, L) in the bins that count; None where it is undefined."""
    pair = torch.stack([one[where].double(), other[where].double()])
    pair = pair[:, pair.isfinite().all(0)]
    if pair.shape[1] < 2 or bool((pair.std(1) == 0).any()):
        return None
    return float(torch.corrcoef(pair)[0, 1])
