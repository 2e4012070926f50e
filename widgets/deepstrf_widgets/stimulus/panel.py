"""Your own stimulus: a synthetic sound with knobs, a file, or one painted by hand; the session hears it at once."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import ipywidgets

from ..lifetime import Owner
from ..session.events import Change
from ..session.session import LiveSession
from ..threads import one_thread
from .catalogue import SOUNDS, Knob, Sound, bands_of, sound_from_bytes, synthetic_sound
from .file_button import SoundFile
from .spectrogram_painter import SpectrogramPainter

__all__ = ["StimulusPanel"]

FIRST, FILE, PAINT = "first", "file", "paint"
ELSEWHERE = "another sound is heard, chosen elsewhere"
LABEL = {"description_width": "180px"}
WIDE = {"width": "520px", "max_width": "100%"}


class StimulusPanel(Owner, ipywidgets.VBox):
    """What a session hears, to choose: its first stimulus, a synthetic sound, a sound file, or one painted by hand.

    Every sound is turned into the bands and bins of the session. Recorded responses belong to the first stimulus: with
    another one there is no score, and with the first one it comes back.

    Parameters
    ----------
    session : LiveSession
        Its bands must be those of a scale of the library.
    sound : callable, optional
        Which sound of the first stimulus is on screen, for a painting that begins with it.

    Raises
    ------
    TypeError, ValueError
        The session is none, or its bands cannot be made from a sound.

    Attributes
    ----------
    choice : ipywidgets.Dropdown
        "first", a name of :data:`~deepstrf_widgets.stimulus.catalogue.SOUNDS`, "file", or "paint".
    knobs : dict of str to ipywidgets slider
        Of the synthetic sound on screen.
    painter : SpectrogramPainter
        What is painted stays there while another sound is heard.
    message : str
        What went wrong last; empty when all is well.
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
        self._rest = self.own(ipywidgets.VBox())
        self._told = self.own(ipywidgets.HTML())
        super().__init__([self.choice, self._rest, self._told])
        self.choice.observe(self._chosen, "value")
        self.own(session.observe(self._session_changed))
        self._tell("" if session.on_first_stimulus else ELSEWHERE)

    def __repr__(self) -> str:
        return f"StimulusPanel({self.session!r}, {self.choice.value!r})"

    @cached_property
    def upload(self) -> SoundFile:
        """The choice of a file; made when it is first wanted, as its page code is large for a slow line."""
        return self.own(SoundFile(self._loaded, lambda error: self._tell(str(error), bad=True)))

    @cached_property
    def painter(self) -> SpectrogramPainter:
        """The canvas; made when it is first wanted."""
        return self.own(SpectrogramPainter(self.session, sound=self._sound))

    # -- what a hand chooses -------------------------------------------------------------------------------------

    def _chosen(self, change: dict[str, Any]) -> None:
        self.close_owned(*self.knobs.values())
        self.knobs = {}
        chosen = change["new"]
        if chosen in SOUNDS:
            self.knobs = {name: self.own(self._slider(knob)) for name, knob in SOUNDS[chosen].knobs.items()}
            for slider in self.knobs.values():
                slider.observe(self._turned, "value")
        if chosen in (FILE, PAINT):
            self._rest.children = [self.upload if chosen == FILE else self.painter]
        else:
            self._rest.children = list(self.knobs.values())
        if chosen == FIRST:
            if not self.session.on_first_stimulus:
                self.session.set_stimulus(source=self)
            self._tell("")
        elif chosen == FILE:
            self._tell("")
        elif chosen == PAINT:
            self.painter.hear()
        else:
            self._turned()

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
    def _turned(self, _change: Any = None) -> None:
        sound: Sound = SOUNDS[self.choice.value]
        values = {name: float(slider.value) for name, slider in self.knobs.items()}
        try:
            heard = synthetic_sound(self.choice.value, values, self.session.cf_hz, self.session.dt_ms)
            self.session.set_stimulus(heard, source=self)
        except ValueError as error:
            self._tell(f"{sound.label}: {error}", bad=True)
        else:
            self._tell(f"{heard.duration_s:.2f} s")

    @one_thread()
    def _loaded(self, name: str, content: bytes) -> None:
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", UserWarning)
                heard = sound_from_bytes(content, name, self.session.cf_hz, self.session.dt_ms)
            self.session.set_stimulus(heard, source=self)
        except ValueError as error:
            self._tell(str(error), bad=True)
        else:
            self._tell(" · ".join([f"{heard.name}: {heard.duration_s:.2f} s", *(str(w.message) for w in said)]))

    def _tell(self, text: str, *, bad: bool = False) -> None:
        """Say it under the knobs, whatever letters it has; the model's silence about other sounds is told, too."""
        self.message = text if bad else ""
        parts = [text] if text else []
        unscored = self.session.responses is None and self.session.first_responses is not None
        if unscored and not bad:
            parts.append("nothing was recorded to this sound, so it has no score")
        role = ' role="alert"' if bad else ""
        colour = "var(--jp-error-color1, #b3261e)" if bad else "var(--jp-ui-font-color2, #7d8590)"
        self._told.value = f'<span{role} style="color:{colour}">{html.escape(" · ".join(parts))}</span>'

    def _session_changed(self, change: Change) -> None:
        """Somebody else may have chosen the first sound again, or another one."""
        if not change.stimulus or change.source is self:
            return
        if change.source is not None and change.source is vars(self).get("painter"):
            if change.settled:
                self._tell(f"{self.session.stimulus.shape[3] * self.session.dt_ms / 1000:.2f} s")
        elif self.session.on_first_stimulus:
            self.choice.value = FIRST
            self._tell("")
        else:
            self._tell(ELSEWHERE)
