"""The bench in the kernel: an anywidget that shows one neuron of a session and carries out the edits of the user."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import traitlets

from deepstrf.deprecation import keywords, warn_renamed
from deepstrf.locking import locked
from deepstrf.models.audio.audio_model import AudioEncodingModel

from ..browser_widget import BrowserWidget, NeuronNumber, TraitValueError
from ..bundle import bundle_source
from ..lifetime import Timer, running_loop
from ..message_parsing import MessageError, Request, is_count, is_name, parse
from ..session.argument_validation import neuron_index
from ..session.edited_model import FitUnderWayError
from ..session.events import Change
from ..session.evidence import heard_by
from ..session.parameters import ABLATION
from ..session.reading import Snapshot
from ..session.serialization import PREFIX, edits_of_state, state_text
from ..session.session import LiveSession
from ..threads import one_thread
from .page_state import (
    as_bytes,
    changed_arrays,
    explanation_message,
    fit_of,
    json_number,
    model_info,
    moved_arrays,
    neuron_traits,
    sound_score,
)
from .still import with_still

__all__ = ["ActivationEditor", "AdapTransEditor", "BenchWidget", "ResponseView", "STRFEditor"]

COUNTS = {"sound": "n_sounds", "channel": "n_channels", "selected": "n_gaussians"}
"""Traits that number something, by the field of ``info`` that counts it."""

LANES = ("drive", "trials", "residual", "why")
STAGES = ("prefilter", "strf", "activation")
QUEUED_S = 0.001
"""A request that comes this soon after an answer was waiting behind it, and others may wait with it."""

BURST_S = 0.001
"""How long the kernel then gathers what waits before it computes one answer to it all."""

MAX_CLIENTS = 64
MOST_TEXT = 1_000_000
"""Characters of edits that the browser is asked to keep."""

SHORTEST_S, SCORES_S, PATIENCE_S = 1 / 60, 0.25, 1.0
"""While a fit moves the model: between two pictures, between two scores, and until a browser counts that does not say
what it has painted (it may be gone, or its messages wait for a cell)."""

PICTURE_REST, SCORE_REST = 4, 10
"""So many times as long as a picture or a score took to compute, none is: the fit has the rest."""

GONE_S = 30.0
"""A browser that holds a handle and so long says nothing to the pictures it is sent has gone without letting go. In a
host without subshells its words wait for the cell that runs, so this is longer than most cells take."""

UNPAINTED = 4
"""Pictures on their way to a browser, which answers every second one."""

LONG_AGO = -1
"""A version before the first: whoever has that has nothing."""


class _Stage(traitlets.Enum):
    """A stage of the model, also under its old name."""

    def validate(self, obj: Any, value: Any) -> Any:
        if value == "adaptation":
            warn_renamed('stage "adaptation"', '"prefilter"')
            value = "prefilter"
        return super().validate(obj, value)


@keywords()
class BenchWidget(BrowserWidget):
    """Receptive field and response of one neuron of a :class:`LiveSession`, to edit in the browser.

    The browser computes the receptive field itself during a gesture and paints it at once; the kernel follows with
    the true response. Several widgets may show one session: they stay in step.

    Parameters
    ----------
    session : LiveSession
        The model under edit.
    neuron : int or str
        The neuron on screen first, by its number or its name. The trait of that name is the number.
    sound : int or str
        The sound on screen first, by its number in the batch or its name. The trait of that name is the number.
    lock : sequence of str
        Parameters or whole stages ("prefilter", "strf", "activation") that cannot be edited in the browser.

    Attributes
    ----------
    lanes : list of {"drive", "trials", "residual", "why"}
        What is open beside sound and response. The drive is there where the browser computes it itself; "why" shows the
        sum behind one moment of the response (:meth:`LiveSession.explain`).
    stage : {"", "prefilter", "strf", "activation"}
        The stage of the model whose editor is on screen; "" is the receptive field, where there is one.
    fit : dict
        What of the score of the neuron on screen is not blind to gain and offset: ``explained`` and
        ``normalized_explained`` (fractions of variance), ``rate_bias`` and ``mismatch``, as in
        :class:`~deepstrf_widgets.session.scores.Score`. ``trained_fit`` is that of the trained values.
    exercise : dict
        Of a lesson that this bench answers: ``name`` and ``done``, shown as a line with a tick once it is done. Empty
        where there is none.
    unsure : bytes
        Which weights (C, F, T) of the trained field on screen a fit is not sure of, as float32 that are not 0; empty
        where nothing is known. They are pale.
    certainty : dict
        ``readouts``, the tuning of each channel with its intervals; ``pale``, what it means that a weight is pale; and
        ``edited``, what is said in its place once the field was edited.
    playing : bool or None
        Whether a fit moves the model; None where nothing can be fitted from here.
    pins : list of list
        What such a fit leaves alone: names of parameters, as the browser knows them, and the beginning of an index.
    edits : str
        All edits of the session as a text (:func:`state_text`), "" where there are none. The browser keeps it when the
        kernel goes.
    """

    BROWSER_SETS: ClassVar[tuple[str, ...]] = (
        "neuron",
        "sound",
        "channel",
        "selected",
        "lanes",
        "stage",
        "width",
        "show_gradient",
    )
    _esm = bundle_source("bench.js")

    # Traits are set and messages are sent by one thread at a time. One lock for all: benches may be linked.
    _lock: ClassVar[Any] = threading.RLock()

    view = traitlets.Unicode("explorer").tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    stimulus = traitlets.Bytes().tag(sync=True)
    neuron = NeuronNumber(0).tag(sync=True)
    of_neuron = traitlets.Int(0).tag(sync=True)
    sound = traitlets.Int(0).tag(sync=True)
    channel = traitlets.Int(0).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    gaussians = traitlets.Bytes().tag(sync=True)
    trained_gaussians = traitlets.Bytes().tag(sync=True)
    kernel = traitlets.Bytes().tag(sync=True)
    trained_kernel = traitlets.Bytes().tag(sync=True)
    prefilter = traitlets.Bytes().tag(sync=True)
    trained_prefilter = traitlets.Bytes().tag(sync=True)
    activation = traitlets.Bytes().tag(sync=True)
    trained_activation = traitlets.Bytes().tag(sync=True)
    factors = traitlets.Bytes().tag(sync=True)
    trained_factors = traitlets.Bytes().tag(sync=True)
    affine = traitlets.Bytes().tag(sync=True)
    trained_affine = traitlets.Bytes().tag(sync=True)
    rate = traitlets.Bytes().tag(sync=True)
    trained_rate = traitlets.Bytes().tag(sync=True)
    other_rate = traitlets.Bytes().tag(sync=True)
    other_name = traitlets.Unicode().tag(sync=True)
    psth = traitlets.Bytes().tag(sync=True)
    spikes = traitlets.Bytes().tag(sync=True)
    trials = traitlets.Bytes().tag(sync=True)
    score = traitlets.Float(None, allow_none=True).tag(sync=True)
    trained_score = traitlets.Float(None, allow_none=True).tag(sync=True)
    normalized_score = traitlets.Float(None, allow_none=True).tag(sync=True)
    sound_score = traitlets.Float(None, allow_none=True).tag(sync=True)
    trained_sound_score = traitlets.Float(None, allow_none=True).tag(sync=True)
    trained_normalized_score = traitlets.Float(None, allow_none=True).tag(sync=True)
    fit = traitlets.Dict().tag(sync=True)
    trained_fit = traitlets.Dict().tag(sync=True)
    can_undo = traitlets.Bool(False).tag(sync=True)
    can_redo = traitlets.Bool(False).tag(sync=True)
    edited = traitlets.Bool(False).tag(sync=True)
    edits = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int(0, min=0).tag(sync=True)
    lanes = traitlets.List(traitlets.Enum(LANES)).tag(sync=True)
    stage = _Stage(("", *STAGES), "").tag(sync=True)
    gradient = traitlets.Bytes().tag(sync=True)
    show_gradient = traitlets.Bool(None, allow_none=True).tag(sync=True)
    exercise = traitlets.Dict().tag(sync=True)
    unsure = traitlets.Bytes().tag(sync=True)
    certainty = traitlets.Dict().tag(sync=True)
    revision = traitlets.Int(0).tag(sync=True)
    playing = traitlets.Bool(None, allow_none=True).tag(sync=True)
    pins: Any = traitlets.List().tag(sync=True)

    @one_thread()
    def __init__(
        self,
        session: LiveSession,
        *,
        neuron: int | str = 0,
        sound: int | str = 0,
        lock: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if not isinstance(session, LiveSession):
            raise TypeError(f"session must be a LiveSession, got {type(session).__name__}")
        sound = session.sound_index(sound)
        neuron = neuron_index(session.neuron_names, neuron)
        self._locked = frozenset(locked_names(session, lock))
        self.session = session
        self._newest: dict[str, int] = {}
        self._awaiting: dict[str, bool] = {}
        # Clients with an open gesture, and since when they have not answered pictures (inf: they have).
        self._hands: dict[str, float] = {}
        self._answer_timer = self.own(Timer(self._answer))
        self._answered_at = -math.inf
        self._hidden = False
        self._moved = False
        self._unpainted = self._painted_number = 0
        self._moved_at = self._scored_at = -math.inf
        self._rest_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        heard_by(session)  # which its snapshots then know
        now = session.snapshot()
        # Versions of the session of which the traits hold all, the browser has been sent all arrays, and the stimulus
        # and the model's form are known to be those of the traits.
        self._saved = self._sent = self._same_until = now.version
        super().__init__(
            info=model_info(now, self._locked, sound),
            cf_hz=as_bytes(session.cf_hz),
            stimulus=as_bytes(now.stimulus[sound, 0, :, : now.sound_bins[sound]]),
            neuron=neuron,
            sound=sound,
            **neuron_traits(now, sound, neuron),
            edits=self._edits_text(),
            show_gradient=False if isinstance(session.model, AudioEncodingModel) else None,
            **kwargs,
        )
        self.observe(self._neuron_chosen, "neuron")
        self.observe(self._sound_chosen, "sound")
        self.observe(self._on_width, "width")
        self.observe(self._update_gradient, "show_gradient")
        self.own(session.observe(self._session_changed, merged=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session!r}, neuron={self.neuron})"

    @one_thread()
    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle and (with_still(bundle[0], self.session, self.neuron, self.sound), *bundle[1:])

    # -- state for the browser -----------------------------------------------------------------------------------

    def info_of(self, now: Snapshot) -> dict[str, Any]:
        """Value of the trait ``info``."""
        return model_info(now, self.locked_in(now), self._sound_of(now))

    def locked_in(self, now: Snapshot) -> list[str]:
        """Parameters that cannot be edited in the browser."""
        return [name for name in self._locked if name in now.parameters]

    def stimulus_of(self, now: Snapshot) -> bytes:
        """Value of the trait ``stimulus``."""
        sound = self._sound_of(now)
        return as_bytes(now.stimulus[sound, 0, :, : now.sound_bins[sound]])

    def neuron_state(self, neuron: int, now: Snapshot | None = None) -> dict[str, Any]:
        """Values of all traits that belong to one neuron, as the session is now."""
        now = self.session.snapshot() if now is None else now
        return {**neuron_traits(now, self._sound_of(now), neuron), "trials": self._trials(neuron, now)}

    def _sound_of(self, now: Snapshot) -> int:
        return min(self.sound, len(now.stimulus) - 1)

    def _trials(self, neuron: int, now: Snapshot) -> bytes:
        """Recorded trials of the sound, the largest part of the state, while the browser shows them."""
        responses = now.responses
        wanted = responses is not None and "trials" in self.lanes
        sound = self._sound_of(now)
        bins = now.sound_bins[sound]
        return as_bytes(responses[sound, neuron, :, :bins]) if wanted and responses is not None else b""

    @traitlets.observe("lanes")
    def _lanes_opened(self, _change: Any) -> None:
        self.trials = self._trials(self.neuron, self.session.snapshot())

    @one_thread()
    def refresh(self) -> None:
        """Bring the traits up to date now; it happens by itself when a gesture ends and the bench is on screen."""
        self._save_traits(self.session.snapshot())

    @locked
    def _save_traits(self, now: Snapshot) -> None:
        with self.hold_sync():
            if self._is_renewed(now) or self.info["sound"] != self._sound_of(now):
                self.info, self.stimulus = self.info_of(now), self.stimulus_of(now)
            for name, value in self.neuron_state(self.neuron, now).items():
                setattr(self, name, value)
            self.edits = self._edits_text()
            self._saved = self._same_until = now.version
            self._update_gradient()
            # Set last: with it the browser has all of the state that an answer may name.
            self.revision += 1

    def _edits_text(self) -> str:
        """Value of the trait ``edits``."""
        text = state_text(self.session) if self.session.edited() else ""
        return text if text.startswith(PREFIX) and len(text) <= MOST_TEXT else ""

    def _is_renewed(self, now: Snapshot) -> bool:
        """Whether the traits are of another sound, or of a model that others have changed since."""
        changes = now.changes_since(self._same_until)
        renewed = changes is None or any(
            change.stimulus or change.unnamed or any(name.startswith(f"{ABLATION}.") for name in change.names)
            for change in changes
        )
        if not renewed:
            # Looked at once: the session remembers only the last changes, and a long gesture has more.
            self._same_until = now.version
        return renewed

    def _unsent(self, now: Snapshot) -> set[str]:
        """Parameters of which the browser has not been sent the arrays."""
        changes, local = now.changes_since(self._sent), self.info["local"]
        if changes is None:
            return set(now.parameters)
        # A browser that computes the model itself has its own edits already; their end brings the traits.
        if any(change.fitted for change in changes):
            return set(now.parameters)
        return {name for change in changes if not (local and change.source is self) for name in change.names}

    @one_thread()
    def _update_gradient(self, _change: object = None) -> None:
        """Compute the gradient map of the neuron on screen while the browser shows it."""
        gradient = self.session.live.gradient_map(self.of_neuron) if self.show_gradient else None
        self.gradient = b"" if gradient is None else as_bytes(gradient)

    @traitlets.validate("sound", "channel", "selected")
    def _check_number(self, proposal: Any) -> int:
        name, low = proposal.trait.name, -1 if proposal.trait.name == "selected" else 0
        # Another stimulus may not be in ``info`` yet.
        count = len(self.session.stimulus) if name == "sound" else self.info[COUNTS[name]]
        high = max(count, 1) - 1
        if not low <= proposal.value <= high:
            raise TraitValueError(f"{name} must lie in [{low}, {high}], got {proposal.value}")
        return int(proposal.value)

    # -- requests of the browser ---------------------------------------------------------------------------------

    def _received(self, _widget: Any, content: Any, buffers: list[Any]) -> None:
        arrived, self._loop = time.perf_counter(), running_loop()
        fields = content if isinstance(content, dict) else {}
        client, seq = fields.get("client"), fields.get("seq")
        client = client if is_name(client) else ""
        seq = seq if is_count(seq) else 0
        self._note_alive(client)
        try:
            request = parse(content, buffers)
            if request.kind == "explain":
                self._explain(request)
            elif request.kind == "painted":
                self._painted(request.seq)
            elif request.kind in ("play", "pause", "pin"):
                self._control_fit(request)
            else:
                self._apply(request, arrived)
        except (MessageError, KeyError, IndexError, TypeError, ValueError, FitUnderWayError) as error:
            text = str(error.args[0]) if error.args else str(error)
            self._fail(client, seq, text)

    def _apply(self, request: Request, arrived: float) -> None:
        repeated = request.seq <= self._newest.get(request.client, -1)
        if not repeated:
            # Noted before it is applied: a bad request that is sent again is not applied then either.
            self._newest.pop(request.client, None)
            self._newest[request.client] = request.seq
            while len(self._newest) > MAX_CLIENTS:
                self._newest.pop(next(iter(self._newest)))
            edits = [edit._replace(name=self._unlocked(edit.name)) for edit in request.edits]
            if request.kind == "edit":
                # Two browsers may choose the same id for a gesture; the client's name keeps them apart.
                gesture = f"{request.client}/{request.gesture}"
                self._note_alive(request.client, holding=not request.settled)
                self.session.apply(edits, gesture, settled=request.settled, source=self, grid=True)
            elif request.kind == "revert":
                names = None if request.names is None else tuple(map(self._unlocked, request.names))
                if names is None and self._locked:
                    table = self.session.parameters.values()
                    names = tuple(
                        p.name for p in table if p.name not in self._locked and (p.per_neuron or not request.index)
                    )
                self.session.revert(names, request.index, source=self)
            elif request.kind == "restore":
                restored = edits_of_state(self.session, request.state)
                for edit in restored:
                    if edit.name in self._locked:
                        raise ValueError(f"{edit.name} is locked in this bench")
                self.session.restore(restored, source=self)
            elif request.kind == "undo":
                self.session.undo(source=self)
            else:
                self.session.redo(source=self)
        else:
            # Its answer was lost, so all parts are sent again.
            self._sent = LONG_AGO
        self._answer_later(request.client, request.settled or repeated, queued=arrived - self._answered_at < QUEUED_S)

    @one_thread()
    def _explain(self, request: Request) -> None:
        """Answer why the response is as high as it is, or why that cannot be said."""
        now, neuron = self.session.snapshot(), self.neuron
        message: dict[str, Any] = {"type": "explanation", "client": request.client, "seq": request.seq, "text": ""}
        arrays: list[bytes] = []
        try:
            # In the middle of the bin: a product of its number and its width may fall short of its beginning.
            moment = (request.frame + 0.5) * now.dt_ms
            found = now.explain(neuron, moment, sound=self._sound_of(now), trained=request.trained)
        except (ValueError, MemoryError) as error:
            message["text"] = str(error)
        else:
            fields, arrays = explanation_message(found)
            message |= fields
        self.send(message, buffers=arrays)

    def _control_fit(self, request: Request) -> None:
        """Carry out what the browser asks of a fit."""
        raise MessageError(f"{request.kind} is for the bench of explore(...), got a single editor")

    def _unlocked(self, grid_name: str) -> str:
        """The session's name of a parameter that the browser may edit under its name on the grid."""
        for parameter in self.session.parameters.values():
            if parameter.grid.name == grid_name:
                if parameter.name in self._locked:
                    raise ValueError(f"{parameter.name} is locked in this bench")
                return parameter.name
        known = ", ".join(sorted(p.grid.name for p in self.session.parameters.values())) or "none"
        raise KeyError(f"name must be one of this model's parameters ({known}), got {grid_name!r}")

    def _fail(self, client: str, seq: int, text: str) -> None:
        self.error = text
        self._save_traits(self.session.snapshot())
        self.send({"type": "error", "client": client, "seq": seq, "text": text})

    @locked
    def _answer_later(self, client: str, settled: bool, *, queued: bool) -> None:
        self._awaiting[client] = settled or self._awaiting.get(client, False)
        if self._answer_timer.is_due_here():
            return
        # An answer from inside the request's handler reaches the browser before the kernel's "idle", which keeps
        # JupyterLab busy for some milliseconds.
        if queued:
            self._answer_timer.start(BURST_S)
        else:
            self._answer()

    @one_thread()
    @locked
    def _answer(self) -> None:
        awaiting, self._awaiting = self._awaiting, {}
        if not awaiting:
            return  # another thread has answered meanwhile
        now = self.session.snapshot()
        if any(awaiting.values()):
            self.error = ""
        # The browser must know how long a sound is before it gets a response to it.
        if any(awaiting.values()) or self._is_renewed(now):
            self._save_traits(now)
        begun = time.perf_counter()
        names = self._unsent(now)
        parts = changed_arrays(now, self._sound_of(now), self.neuron, names) if names else {}
        message = {
            "type": "answer",
            "version": now.version,
            "neuron": self.neuron,
            **self._scores_of(now),
            "revision": self.revision,
            "parts": list(parts),
            "work_ms": round(1e3 * (time.perf_counter() - begun), 3),
        }
        for client, settled in awaiting.items():
            seq = self._newest.get(client, 0)
            self.send({**message, "client": client, "seq": seq, "settled": settled}, buffers=list(parts.values()))
        self._sent = now.version
        self._answered_at = time.perf_counter()

    # -- changes by others ---------------------------------------------------------------------------------------

    def _session_changed(self, change: Change) -> None:
        if change.stimulus:
            # At once: figures and saved pages read it, whether or not the browser has the stimulus yet.
            with self.hold_sync():
                self.sound = min(self.sound, len(self.session.stimulus) - 1)
        # The bench of a cell that was run again is on no screen: it must cost nothing.
        if change.source is self or self._hidden:
            return
        if change.fitted and not change.settled and not change.unnamed:
            self._moved = True
            self._show_motion()
            return

        def answer() -> None:
            self._answer_later("", change.settled, queued=True)

        # The loop of this thread may wait for a cell; that of the browser's messages does not.
        loop = self._loop
        if loop is None or loop is running_loop() or not loop.is_running():
            answer()
        else:
            loop.call_soon_threadsafe(answer)

    @one_thread()
    @locked
    def _show_motion(self) -> None:
        """Send where a fit has moved the neuron on screen, as often as the browser paints."""
        since = time.perf_counter() - self._moved_at
        if (
            not self._moved
            or since < max(SHORTEST_S, self._rest_s)
            or (self._unpainted >= UNPAINTED and since < PATIENCE_S)
        ):
            return
        self._moved = False
        begun = time.perf_counter()
        self._release_silent(since=begun - GONE_S)
        now = self.session.snapshot()
        parts = moved_arrays(now, self._sound_of(now), self.neuron, local=self.info["local"])
        message = {"type": "motion", "neuron": self.neuron, "version": now.version, "parts": list(parts)}
        self._moved_at = time.perf_counter()
        if self._moved_at - self._scored_at > SCORES_S:
            message["scores"] = self._scores_of(now)
            # What a long recording takes is not taken from the fit.
            self._scored_at = time.perf_counter() + SCORE_REST * (time.perf_counter() - self._moved_at)
        self._rest_s = PICTURE_REST * (self._moved_at - begun)
        self._painted_number += 1
        self._unpainted = min(self._unpainted, UNPAINTED - 1) + 1
        self.send({**message, "number": self._painted_number}, buffers=list(parts.values()))

    @locked
    def _note_alive(self, client: str, *, holding: bool | None = None) -> None:
        """A client has spoken; ``holding`` tells whether it has a gesture open from now on, None leaves that."""
        if holding or (holding is None and client in self._hands):
            self._hands[client] = math.inf
        else:
            self._hands.pop(client, None)

    @locked
    def _release_silent(self, since: float) -> None:
        """Let a fit move what clients hold that have not answered its pictures since then; others begin to count."""
        for client, silent in list(self._hands.items()):
            if silent <= since:
                del self._hands[client]
                self.session.release(f"{client}/")
            else:
                self._hands[client] = min(silent, time.perf_counter())

    def _painted(self, number: int) -> None:
        self._note_painted(number)
        self._show_motion()

    @locked
    def _note_painted(self, number: int) -> None:
        self._unpainted = min(self._unpainted, max(self._painted_number - number, 0))

    def _scores_of(self, now: Snapshot) -> dict[str, Any]:
        scores = now.scores(self.neuron)
        return {
            "score": json_number(scores.r),
            "normalized_score": json_number(scores.normalized),
            "sound_score": sound_score(now, self.neuron, self._sound_of(now)),
            "fit": fit_of(scores),
            "can_undo": now.can_undo,
            "can_redo": now.can_redo,
        }

    @one_thread()
    def _on_width(self, change: dict[str, Any]) -> None:
        self._hidden = change["new"] == 0
        if self._hidden:
            self._release_silent(since=math.inf)
        now = self.session.snapshot()
        if change["old"] == 0 and now.version != self._saved:
            self._save_traits(now)

    @one_thread()
    def _sound_chosen(self, change: dict[str, Any]) -> None:
        now = self.session.snapshot()
        # Where another stimulus has fewer, its change brings the rest.
        if self._sound_of(now) == change["new"] and not self._is_renewed(now):
            self._save_traits(now)

    @one_thread()
    def _neuron_chosen(self, change: dict[str, Any]) -> None:
        self._save_traits(self.session.snapshot())


def locked_names(session: LiveSession, lock: Sequence[str]) -> list[str]:
    """Parameters that ``lock`` freezes: each entry is a name or a stage ("strf", "prefilter", "activation").

    Raises
    ------
    TypeError, ValueError
        ``lock`` is not a sequence of names, or an entry is neither a parameter nor a stage of this model.
    """
    if isinstance(lock, str) or not all(isinstance(entry, str) for entry in lock):
        raise TypeError(f"lock must be a sequence of parameter names or stages, got {lock!r}")
    known = list(session.parameters)
    stages = {name.split(".")[0] for name in known}
    for entry in lock:
        if entry not in known and entry not in stages:
            choice = ", ".join([*sorted(stages), *known])
            raise ValueError(f"lock must hold parameters or stages of this model ({choice}), got {entry!r}")
    return [name for name in known if name in lock or name.split(".")[0] in lock]


class AdapTransEditor(BenchWidget):
    """Time constants and weights of the prefilter over frequency. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("prefilter").tag(sync=True)


class STRFEditor(BenchWidget):
    """Heatmap of one neuron's STRF with a handle on every Gaussian. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("strf").tag(sync=True)


class ActivationEditor(BenchWidget):
    """Output curve of one neuron over its drive. See :class:`BenchWidget` for the arguments."""

    view = traitlets.Unicode("activation").tag(sync=True)


class ResponseView(BenchWidget):
    """Predicted (and recorded) response of one neuron under the spectrogram. See :class:`BenchWidget`."""

    view = traitlets.Unicode("response").tag(sync=True)
