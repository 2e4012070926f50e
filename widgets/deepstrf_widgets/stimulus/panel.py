"""A panel to choose the stimulus of a session: a synthetic sound with sliders, a sound file, or a painting."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import ipywidgets

from ..lifetime import Owner
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
LABEL = {"description_width": "180px"}
WIDE = {"width": "520px", "max_width": "100%"}


class StimulusPanel(Owner, ipywidgets.VBox):
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
    choice : ipywidgets.Dropdown
        "first", a name of :data:`~deepstrf_widgets.stimulus.catalogue.SOUNDS`, "file", or "paint".
    knobs : dict of str to ipywidgets slider
        Of the synthetic sound on screen.
    painter : SpectrogramPainter
        It keeps the painting while another sound is played.
    message : str
        The last error; empty when all is well.
    """

    def __init__(self, session: LiveSession, *, sound: Callable[[], int] | None = None) -> None:
        if not isinstance(session, LiveSession):
            raise TypeError(f"session must be a LiveSession, got {type(session).__name__}")
        self._bands = bands_of(session.cf_hz)
        self.session = session
        self.message = ""
        self.knobs: dict[str, Any] = {}
        made = [(sound.label, name) for name, sound in SOUNDS.items()]
        options = [("The stimulus of this session", FIRST), *made, ("A sound file", FILE), ("Paint", PAINT)]
        dropdown = ipywidgets.Dropdown(options=options, value=FIRST, description="sound", style=LABEL, layout=WIDE)
        self.choice = self.own(dropdown)
        self._sound = sound
        self._controls = self.own(ipywidgets.VBox())
        self._status = self.own(ipywidgets.HTML())
        super().__init__([self.choice, self._controls, self._status])
        self.choice.observe(self._choice_changed, "value")
        self.own(session.observe(self._session_changed))
        self._set_status("" if session.on_first_stimulus else ELSEWHERE)

    def __repr__(self) -> str:
        return f"StimulusPanel({self.session!r}, {self.choice.value!r})"

    @cached_property
    def upload(self) -> SoundFile:
        """Button for a sound file; made on first use, as its code is large for a slow line."""
        return self.own(SoundFile(self._play_file, lambda error: self._set_status(str(error), bad=True)))

    @cached_property
    def painter(self) -> SpectrogramPainter:
        """Canvas; made on first use."""
        return self.own(SpectrogramPainter(self.session, sound=self._sound))

    # -- gestures of the user ------------------------------------------------------------------------------------

    def _choice_changed(self, change: dict[str, Any]) -> None:
        self.close_owned(*self.knobs.values())
        self.knobs = {}
        chosen = change["new"]
        if chosen in SOUNDS:
            self.knobs = {name: self.own(self._slider(knob)) for name, knob in SOUNDS[chosen].knobs.items()}
            for slider in self.knobs.values():
                slider.observe(self._play_synthetic, "value")
        if chosen in (FILE, PAINT):
            self._controls.children = [self.upload if chosen == FILE else self.painter]
        else:
            self._controls.children = list(self.knobs.values())
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

    def _slider(self, knob: Knob) -> Any:
        shared = {"description": knob.label, "style": LABEL, "layout": WIDE, "continuous_update": True}
        if not knob.log:
            digits = max(0, math.ceil(-math.log10(knob.step)))
            return ipywidgets.FloatSlider(
                value=knob.value, min=knob.low, max=knob.high, step=knob.step, readout_format=f".{digits}f", **shared
            )
        # A frequency stays where the session has bands.
        low, high = max(knob.low, self._bands["min_hz"]), min(knob.high, self._bands["max_hz"])
        return ipywidgets.FloatLogSlider(
            value=min(max(knob.value, low), high),
            base=2,
            min=math.log2(low),
            max=math.log2(high),
            step=knob.step,
            readout_format=".0f",
            **shared,
        )

    @one_thread()
    def _play_synthetic(self, _change: Any = None) -> None:
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
        """Show a text, not HTML, below the sliders, and that an unrecorded sound has no score."""
        self.message = text if bad else ""
        parts = [text] if text else []
        unscored = self.session.responses is None and self.session.first_responses is not None
        if unscored and not bad:
            parts.append("nothing was recorded to this sound, so it has no score")
        role = ' role="alert"' if bad else ""
        colour = "var(--jp-error-color1, #b3261e)" if bad else "var(--jp-ui-font-color2, #7d8590)"
        self._status.value = f'<span{role} style="color:{colour}">{html.escape(" · ".join(parts))}</span>'

    def _session_changed(self, change: Change) -> None:
        """Somebody else may have chosen the first sound again, or another one."""
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
