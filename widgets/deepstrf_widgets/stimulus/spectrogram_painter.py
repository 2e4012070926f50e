"""A spectrogram that the user paints in the browser, played to a session while the stroke runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import traitlets
from numpy.typing import NDArray
from torch import Tensor

from deepstrf.deprecation import keywords, renamed
from deepstrf.stimuli import Spectrogram

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MAX_VALUES, MessageError, brief, is_count, is_name
from ..session.session import LiveSession
from ..threads import one_thread
from .catalogue import MAX_FILE_S

__all__ = ["PaintedFrames", "SpectrogramPainter", "parse_paint"]

FIRST_S = 1.0
"""Length of the silence that a painting begins as."""

HEADROOM_DB = 20.0
"""How far above the loudest moment of the session's first stimulus the user may paint."""


@dataclass(frozen=True)
class PaintedFrames:
    """Checked frames from the browser: all bands of the frames from ``start`` on, of ``n_frames`` in all."""

    values: NDArray[np.float32]
    start: int
    n_frames: int
    settled: bool


def parse_paint(
    content: dict[str, Any], buffers: Sequence[Any] | None, info: dict[str, Any], n_frames: int
) -> PaintedFrames:
    """Frames that a message paints.

    Parameters
    ----------
    content : dict
        ``start`` and ``n_frames`` in frames, ``settled`` at the end of a stroke.
    buffers : sequence of bytes-like
        One buffer of little-endian float32, (F, frames).
    info : dict
        Of the painter: bands, limits and unit.
    n_frames : int
        How many frames the painting has now.

    Raises
    ------
    MessageError
        The field that is wrong, the rule, and what arrived.
    """
    total, start, settled = content.get("n_frames"), content.get("start"), content.get("settled")
    if not is_count(total) or not 1 <= total <= info["max_frames"]:
        raise MessageError(f"n_frames must be 1 to {info['max_frames']} frames, got {brief(total)}")
    if not is_count(start) or start >= total:
        raise MessageError(f"start must be a frame, 0 to {total - 1}, got {brief(start)}")
    if not isinstance(settled, bool):
        raise MessageError(f"settled must be true or false, got {brief(settled)}")
    listed = list(buffers or [])
    if len(listed) != 1 or not isinstance(listed[0], (bytes, bytearray, memoryview)):
        raise MessageError(f"values must come as one float32 buffer, got {brief(listed)}")
    raw, F = bytes(listed[0]), info["n_bands"]
    count, rest = divmod(len(raw), 4 * F)
    if rest or not 1 <= count <= total - start:
        raise MessageError(
            f"values must be 1 to {total - start} frames of {F} float32 ({4 * F} bytes each), got {len(raw)} bytes"
        )
    if total != n_frames and count != total:
        raise MessageError(f"values must be all {total} frames where n_frames was {n_frames} before, got {count}")
    values = np.frombuffer(raw, dtype="<f4").reshape(F, count)
    finite = np.isfinite(values)
    if not finite.all():
        raise MessageError(f"values must be finite, got {values[~finite][0]}")
    low, high = info["low"], info["high"]
    wrong = values[(values < low) | (values > high)]
    if wrong.size:
        raise MessageError(f"values must lie in [{low:g}, {high:g}] {info['unit']}".rstrip() + f", got {wrong[0]:g}")
    return PaintedFrames(values.astype(np.float32), start, total, settled)


@keywords()
class SpectrogramPainter(BrowserWidget):
    """A canvas on which the user paints the stimulus of a session: tones, sweeps, bursts of noise.

    The browser paints at once; the session plays the painting at most ten times a second while a stroke runs, and once
    when it ends. PaintedFrames levels lie between silence and 20 dB above the loudest moment of the session's first
    stimulus (where its unit is not dB: half of its range above).

    Parameters
    ----------
    session : LiveSession
        Whose stimulus is painted.
    sound : callable, optional
        Returns which sound of the stimulus batch is on screen; the first without it.

    Raises
    ------
    TypeError
        ``session`` is not a LiveSession.

    Attributes
    ----------
    painting : ndarray, shape (F, frames)
        What is painted, in the unit of the stimulus; float32. Silence of a second at first.
    error : str
        What was wrong with the last message of the browser; empty when all is well.

    Examples
    --------
    >>> from deepstrf.demo import load_demo
    >>> demo = load_demo()
    >>> SpectrogramPainter(LiveSession(demo.model, demo.stimulus))
    SpectrogramPainter(34 bands x 200 frames, 0 to 85.6 dB)
    """

    _esm = bundle_source("sounds.js")

    view = traitlets.Unicode("paint").tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    # A browser that requests the state gets all of the painting; a stroke is not sent back.
    cells = traitlets.Any(0).tag(sync=True, to_json=lambda _value, widget: widget.painting.tobytes())

    def __init__(self, session: LiveSession, *, sound: Callable[[], int] | None = None, **kwargs: Any) -> None:
        if not isinstance(session, LiveSession):
            raise TypeError(f"session must be a LiveSession, got {type(session).__name__}")
        self.session, self._sound = session, sound
        first = session.first_stimulus
        F, unit = first.shape[2], session.stimulus_unit
        softest, loudest = float(first.min()), float(first.max())
        low = min(0.0, softest)
        above = HEADROOM_DB if unit == "dB" else (loudest - low) / 2
        high = loudest + (above if above > 0 else 1.0)
        most = max(1, min(int(MAX_FILE_S * 1000 / session.dt_ms), MAX_VALUES // F))
        n = max(1, min(round(FIRST_S * 1000 / session.dt_ms), most))
        info = {
            "n_bands": F,
            "dt_ms": session.dt_ms,
            "unit": unit,
            "low": float(np.float32(low)),
            "high": float(np.float32(high)),
            "loud": float(np.float32(loudest if loudest > low else high)),
            "max_frames": most,
        }
        self.painting: NDArray[np.float32] = np.full((F, n), info["low"], dtype="<f4")
        self._before: Tensor = session.stimulus
        self._played: Tensor | None = None
        super().__init__(info=info, cf_hz=session.cf_hz.astype("<f4").tobytes(), **kwargs)

    def __repr__(self) -> str:
        F, n = self.painting.shape
        bands, frames = f"{F} band{'s' * (F != 1)}", f"{n} frame{'s' * (n != 1)}"
        ends = f"{self.info['low']:.3g} to {self.info['high']:.3g} {self.info['unit']}".rstrip()
        return f"{type(self).__name__}({bands} x {frames}, {ends})"

    def play(self) -> None:
        """Make the painting the stimulus of the session."""
        self._paint(self.painting, settled=True)

    def copy_stimulus(self) -> None:
        """Paint and play the stimulus before the painting, cut to the levels of the painter and to a minute."""
        sound = self._before if self.session.stimulus is self._played else self.session.stimulus
        row = 0 if self._sound is None else min(self._sound(), len(sound) - 1)
        values = sound[row, 0, :, : self.info["max_frames"]].detach().cpu().float().numpy()
        self._paint(np.clip(values, self.info["low"], self.info["high"]), settled=True)
        self._send_painting()

    hear, take = renamed("play"), renamed("copy_stimulus")

    @one_thread()
    def _paint(self, values: NDArray[np.float32], *, settled: bool) -> None:
        session = self.session
        before = self._before if session.stimulus is self._played else session.stimulus
        cf_hz = torch.from_numpy(session.cf_hz)
        painted = Spectrogram(
            torch.from_numpy(values.copy()), cf_hz, session.dt_ms, self.info["unit"], "painted", session.delay_ms
        )
        session.set_stimulus(painted, source=self, settled=settled)
        self.painting, self._played, self._before = values, session.stimulus, before

    def _send_painting(self) -> None:
        self.send({"type": "cells"}, buffers=[self.painting.tobytes()])

    def _received(self, _widget: Any, content: Any, buffers: Sequence[Any] | None) -> None:
        fields = content if isinstance(content, dict) else {}
        client, seq = fields.get("client"), fields.get("seq")
        reply = {"client": client if is_name(client) else "", "seq": seq if is_count(seq) else 0}
        try:
            self._handle(content, buffers)
        except ValueError as error:
            self.error = str(error)
            self.send({"type": "error", **reply, "text": self.error})
        else:
            self.error = ""
            if content["type"] == "paint":
                self.send({"type": "painted", **reply, "settled": content["settled"]})

    def _handle(self, content: Any, buffers: Sequence[Any] | None) -> None:
        if not isinstance(content, dict):
            raise MessageError(f"a message must be an object, got {brief(content)}")
        kind = content.get("type")
        if kind == "ready":
            self._send_painting()
        elif kind == "copy":
            self.copy_stimulus()
        elif kind == "paint":
            request = parse_paint(content, buffers, self.info, self.painting.shape[1])
            whole = request.values.shape[1] == request.n_frames
            values = request.values if whole else self.painting.copy()
            if not whole:
                values[:, request.start : request.start + request.values.shape[1]] = request.values
            self._paint(values, settled=request.settled)
        else:
            raise MessageError(f"type must be paint, copy or ready, got {brief(kind)}")
