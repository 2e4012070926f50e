"""A panel to choose the stimulus of a session: a synthetic sound with sliders, a sound file, or a painting."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import traitlets

from deepstrf.deprecation import keywords

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MessageError, brief, is_finite
from ..panels import PanelChannel, PanelHost
from ..session.edited_model import FitUnderWayError
from ..session.events import Change
from ..session.session import LiveSession
from ..threads import one_thread
from .catalogue import SOUNDS, Knob, Sound, bands_of, sound_from_bytes, synthetic_sound
from .file_button import SoundFile
from .spectrogram_painter import SpectrogramPainter

__all__ = ["StimulusPanel"]

FIRST, FILE, PAINT = "first", "file", "paint"
ELSEWHERE = "another sound is played, chosen elsewhere"
OPTIONS = (
    ("The stimulus of this session", FIRST),
    *((sound.label, name) for name, sound in SOUNDS.items()),
    ("A sound file", FILE),
    ("Paint", PAINT),
)


class Choice(traitlets.HasTraits):
    """Which sound is chosen: ``value``."""

    value = traitlets.Enum([name for _, name in OPTIONS], FIRST)


class Slider(traitlets.HasTraits):
    """One knob of a synthetic sound: ``value`` between its ends.

    Where ``base`` is not None the slider moves its logarithm, and ``min``, ``max`` and ``step`` are in that.
    """

    value = traitlets.Float()

    def __init__(self, knob: Knob, bands: dict[str, Any]) -> None:
        self.description, self.step = knob.label, knob.step
        low, high = knob.low, knob.high
        if knob.log:  # a frequency stays where the session has bands
            low, high = max(low, bands["min_hz"]), min(high, bands["max_hz"])
        self.base = 2 if knob.log else None
        self.min, self.max = (math.log2(low), math.log2(high)) if knob.log else (low, high)
        self._ends = low, high
        super().__init__(value=min(max(knob.value, low), high))

    @traitlets.validate("value")
    def _clipped(self, proposal: Any) -> float:
        return float(np.clip(proposal["value"], *self._ends))

    def described(self, name: str) -> dict[str, Any]:
        """What the browser draws it from."""
        digits = 0 if self.base else max(0, math.ceil(-math.log10(self.step)))
        shown = {"name": name, "label": self.description, "value": self.value, "base": self.base, "digits": digits}
        return {**shown, "min": self.min, "max": self.max, "step": self.step}


@keywords()
class StimulusPanel(PanelHost):
    """Choice of the stimulus of a session: its first one, a synthetic sound, a sound file, or a painting.

    Every sound is turned into the bands and bins of the session. Recorded responses belong to the first stimulus: with
    another one there is no score, and with the first one it comes back.

    Parameters
    ----------
    session : LiveSession
        Its bands must be those of a scale of the library.
    sound : callable, optional
        Returns which sound of the first stimulus is on screen, for a painting that begins with it.

    Raises
    ------
    TypeError, ValueError
        ``session`` is no LiveSession, or its bands cannot be made from a sound.

    Attributes
    ----------
    choice : Choice
        Its ``value``: "first", a name of :data:`~deepstrf_widgets.stimulus.catalogue.SOUNDS`, "file", or "paint".
    knobs : dict of str to Slider
        Of the synthetic sound on screen; each has a ``value``.
    painter : SpectrogramPainter
        It keeps the painting while another sound is played.
    message : str
        The last error; empty when all is well.
    status : str
        What is played, how long it is and whether it has a score, or what went wrong.
    """

    PANELS = (FILE, PAINT)
    _esm = bundle_source("sounds.js")

    view = traitlets.Unicode("sounds").tag(sync=True)
    chosen = traitlets.Unicode(FIRST).tag(sync=True)
    sliders: Any = traitlets.List().tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(self, session: LiveSession, *, sound: Callable[[], int] | None = None, **kwargs: Any) -> None:
        if not isinstance(session, LiveSession):
            raise TypeError(f"session must be a LiveSession, got {type(session).__name__}")
        self._bands = bands_of(session.cf_hz)
        self.session = session
        self.knobs: dict[str, Slider] = {}
        self.choice = Choice()
        self._sound = sound
        super().__init__(info={"options": [list(option) for option in OPTIONS]}, **kwargs)
        self.choice.observe(self._choice_changed, "value")
        self.own(session.observe(self._session_changed))
        self._set_status("" if session.on_first_stimulus else ELSEWHERE)

    def __repr__(self) -> str:
        return f"StimulusPanel({self.session!r}, {self.choice.value!r})"

    @cached_property
    def upload(self) -> SoundFile:
        """Button for a sound file; made on first use, as its code is large for a slow line."""
        channel = PanelChannel(self, FILE)
        on_error = lambda error: self._set_status(str(error), bad=True)  # noqa: E731
        return self.own(SoundFile(self._play_file, on_error, comm=channel))

    @cached_property
    def painter(self) -> SpectrogramPainter:
        """Canvas; made on first use."""
        return self.own(SpectrogramPainter(self.session, sound=self._sound, comm=PanelChannel(self, PAINT)))

    def panel(self, name: str) -> BrowserWidget:
        """The button for a file, or the canvas."""
        return self.upload if name == FILE else self.painter

    # -- gestures of the user ------------------------------------------------------------------------------------

    def _choice_changed(self, change: dict[str, Any]) -> None:
        chosen = change["new"]
        self.knobs = {}
        if chosen in SOUNDS:
            self.knobs = {name: Slider(knob, self._bands) for name, knob in SOUNDS[chosen].knobs.items()}
            for slider in self.knobs.values():
                slider.observe(self._knob_turned, "value")
        self.chosen = chosen
        self._describe_knobs()
        if chosen == FIRST:
            if not self.session.on_first_stimulus:
                self.session.set_stimulus(source=self)
            self._set_status("")
        elif chosen == FILE:
            self._set_status("")
        elif chosen == PAINT:
            self.painter.play()
        else:
            self._play_synthetic()

    def _describe_knobs(self) -> None:
        self.sliders = [slider.described(name) for name, slider in self.knobs.items()]

    def _knob_turned(self, _change: Any) -> None:
        self._describe_knobs()
        self._play_synthetic()

    def _received(self, _widget: Any, content: Any, buffers: Sequence[Any] | None) -> None:
        try:
            self._handle(content, buffers)
        except (MessageError, traitlets.TraitError) as error:
            self.error = str(error)
        else:
            self.error = ""

    def _handle(self, content: Any, buffers: Sequence[Any] | None) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "panel":
            self._panel_received(content, buffers)
        elif kind == "choose":
            self.choice.value = content.get("value")
        elif kind == "turn":
            knob, value = content.get("knob"), content.get("value")
            if not isinstance(knob, str) or knob not in self.knobs:
                raise MessageError(f"knob must be one of {', '.join(self.knobs) or 'none'}, got {brief(knob)}")
            if not is_finite(value):
                raise MessageError(f"value must be a finite number, got {brief(value)}")
            self.knobs[knob].value = float(value)
        else:
            raise MessageError(f"type must be choose, turn or panel, got {brief(kind)}")

    @one_thread()
    def _play_synthetic(self) -> None:
        sound: Sound = SOUNDS[self.choice.value]
        values = {name: float(slider.value) for name, slider in self.knobs.items()}
        try:
            stimulus = synthetic_sound(self.choice.value, values, self.session.cf_hz, self.session.dt_ms)
            self.session.set_stimulus(stimulus, source=self)
        except (ValueError, FitUnderWayError) as error:
            self._set_status(f"{sound.label}: {error}", bad=True)
        else:
            self._set_status(f"{stimulus.duration_s:.2f} s")

    @one_thread()
    def _play_file(self, name: str, content: bytes) -> None:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                stimulus = sound_from_bytes(content, name, self.session.cf_hz, self.session.dt_ms)
            self.session.set_stimulus(stimulus, source=self)
        except (ValueError, OSError, MemoryError, FitUnderWayError) as error:
            self._set_status(str(error) or f"{name} needs more memory than there is", bad=True)
        else:
            length = f"{stimulus.name}: {stimulus.duration_s:.2f} s"
            self._set_status(" · ".join([length, *(str(warning.message) for warning in caught)]))

    def _set_status(self, text: str, *, bad: bool = False) -> None:
        """Show a text below the sliders, and that an unrecorded sound has no score."""
        self.message = text if bad else ""
        parts = [text] if text else []
        unscored = self.session.responses is None and self.session.first_responses is not None
        if unscored and not bad:
            parts.append("nothing was recorded to this sound, so it has no score")
        self.status = " · ".join(parts)

    def _session_changed(self, change: Change) -> None:
        """The first sound, or another one, may have been chosen elsewhere."""
        if not change.stimulus or change.source is self:
            return
        if change.source is not None and change.source is vars(self).get("painter"):
            if change.settled:
                self._set_status(f"{self.session.stimulus.shape[3] * self.session.dt_ms / 1000:.2f} s")
        elif self.session.on_first_stimulus:
            self.choice.value = FIRST
            self._set_status("")
        else:
            self._set_status(ELSEWHERE)
