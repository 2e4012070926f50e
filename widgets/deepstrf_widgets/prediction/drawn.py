"""A plot on which the user draws a prediction with pointer or keys, before the truth is shown beside it and scored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from deepstrf.deprecation import keywords
from deepstrf.stimuli import Spectrogram

from ..browser_widget import BrowserWidget, TraitValueError
from ..bundle import bundle_source
from ..lifetime import running_cell

__all__ = ["DrawnPrediction", "DrawnScore"]

Array = NDArray[np.float32]

_UNFINISHED: dict[tuple[str, str, int], tuple[str, bytes]] = {}
"""Drawings whose truth is not shown yet, with the run of the cell that made their plot; by the id of the cell, what the
plot asks for, and how many alike that run had made before."""


class DrawnScore(NamedTuple):
    """How near a drawing is to the truth, over the bins that were drawn.

    ``r`` is the correlation (NaN where the drawing or the truth is flat), ``explained`` the fraction of the truth's
    variance that the drawing explains (1 is all of it, below 0 is worse than a line at the mean), ``share`` that of the
    bins that were drawn.
    """

    r: float
    explained: float
    share: float


@keywords()
class DrawnPrediction(BrowserWidget):
    """A plot on which the user draws a response by hand, before :meth:`reveal` shows what it is.

    The pen follows the pointer; from the keyboard the arrows move it, and Space draws a straight line from where it was
    last set down. Ctrl+Z takes a stroke back. It draws in the browser alone, and Python has the drawing at the end of
    each stroke. A cell that is run again (Shift+Enter in the plot does that) keeps the drawing until the truth is
    shown; the button Clear begins anew. A page without a kernel (a notebook on GitHub, an export) shows no plot: the
    line of text that stands there says so.

    Parameters
    ----------
    n_bins : int, optional
        Bins of the response; those of ``sound`` without it.
    sound : Spectrogram, optional
        Shown above, on the same time axis.
    given : mapping of str to array-like, shape (n_bins,)
        Curves that are shown from the start, by their names.
    high, low : float
        Ends of the axis, in ``unit``.
    unit : str
        Of what is drawn.
    title : str
        What is to be drawn.
    dt_ms : float
        Width of a bin; that of ``sound`` where there is one.

    Attributes
    ----------
    values : ndarray, shape (n_bins,)
        The drawing, in ``unit``; float32, NaN where nothing is drawn.
    revealed : bool
        Whether the truth is shown; the drawing then stands as it is.
    error : str
        What was wrong with what the browser sent last; empty when all is well.

    Raises
    ------
    TypeError, ValueError
        The argument that is wrong, its rule and what arrived.

    Examples
    --------
    >>> plot = DrawnPrediction(100, high=10.0, unit="spikes/s", title="the rate")
    >>> plot.draw([0, 245, 250, 495], [2, 2, 8, 8])
    >>> plot
    DrawnPrediction(the rate, 100 bins, 100 % drawn; drawing needs a running kernel)
    >>> truth = [1.0] * 50 + [9.0] * 50
    >>> plot.reveal(truth)
    DrawnScore(r=1.0, explained=0.9375, share=1.0)
    """

    BROWSER_SETS: ClassVar[tuple[str, ...]] = ("drawn",)
    BROWSER_SETS_BYTES: ClassVar[tuple[str, ...]] = ("drawn",)
    _esm = bundle_source("prediction.js")

    view = traitlets.Unicode("prediction").tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    sound = traitlets.Bytes().tag(sync=True)
    given = traitlets.Bytes().tag(sync=True)
    # The browser's bytes arrive as a view of the message that brought them.
    drawn = traitlets.Bytes().tag(
        sync=True, from_json=lambda value, _widget: bytes(value) if isinstance(value, memoryview) else value
    )
    truth = traitlets.Bytes().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        n_bins: int | None = None,
        *,
        sound: Spectrogram | None = None,
        given: Mapping[str, ArrayLike | Tensor] | None = None,
        high: float,
        low: float = 0.0,
        unit: str = "",
        title: str = "",
        dt_ms: float = 5.0,
        **kwargs: Any,
    ) -> None:
        if sound is not None and not isinstance(sound, Spectrogram):
            raise TypeError(f"sound must be a Spectrogram, got {type(sound).__name__}")
        if n_bins is None:
            if sound is None:
                raise TypeError("n_bins must be given where there is no sound")
            n_bins = sound.values.shape[1]
        if isinstance(n_bins, bool) or not isinstance(n_bins, int) or n_bins < 2:
            raise ValueError(f"n_bins must be an int of at least 2, got {n_bins!r}")
        if sound is not None and sound.values.shape[1] != n_bins:
            raise ValueError(f"sound must have n_bins = {n_bins} bins, got {sound.values.shape[1]}")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"low must lie below high, both finite, got {low} and {high}")
        dt_ms = float(dt_ms if sound is None else sound.dt_ms)
        if not (math.isfinite(dt_ms) and dt_ms > 0):
            raise ValueError(f"dt_ms must be above 0 ms, got {dt_ms}")
        curves = {name: _curve(name, curve, n_bins) for name, curve in (given or {}).items()}
        # The ends that the browser holds, so that what lies on one is not refused for a rounding.
        low, high = float(np.float32(low)), float(np.float32(high))
        info = {
            "n_bins": n_bins,
            "dt_ms": dt_ms,
            "low": low,
            "high": high,
            "unit": unit,
            "title": title,
            "given": list(curves),
            "n_bands": 0 if sound is None else sound.values.shape[0],
        }
        shown = {} if sound is None else {"sound": _bytes(sound.values), "cf_hz": _bytes(sound.cf_hz)}
        drawn = np.full(n_bins, np.nan, dtype="<f4").tobytes()
        self._shown_with = drawn
        self._place: tuple[str, str, int] | None = None
        if (running := running_cell()) is not None:
            cell, self._run = running
            alike = 0
            while (kept := _UNFINISHED.get((cell, json.dumps(info), alike))) and kept[0] == self._run:
                alike += 1
            self._place = cell, json.dumps(info), alike
            drawn = kept[1] if kept else drawn
        bands = b"".join(curve.tobytes() for curve in curves.values())
        super().__init__(info=info, given=bands, drawn=drawn, **shown, **kwargs)

    def __repr__(self) -> str:
        share = math.floor(100 * float(np.isfinite(self.values).mean()))
        what = f"{self.info['title']}, " if self.info["title"] else ""
        state = "shown" if self.revealed else "drawing needs a running kernel"
        return f"{type(self).__name__}({what}{self.info['n_bins']} bins, {share} % drawn; {state})"

    @property
    def values(self) -> Array:
        """The drawing, (n_bins,), NaN where nothing is drawn."""
        return np.frombuffer(self.drawn, dtype="<f4").copy()

    @property
    def revealed(self) -> bool:
        """Whether the truth is shown."""
        return bool(self.truth)

    def draw(self, times_ms: ArrayLike, values: ArrayLike | Tensor) -> None:
        """Put a line through these points in the place of the drawing; before the first and after the last it is level.

        Parameters
        ----------
        times_ms : array-like, shape (k,)
            Beginnings of bins, rising, in ms.
        values : array-like, shape (k,)
            In the unit of the plot, within its ends.

        Raises
        ------
        ValueError
            Times do not rise, or a value lies outside; or the truth is shown already.
        """
        if self.revealed:
            raise ValueError("the truth is shown: make a new plot (run its cell again) to draw once more")
        times, points = (np.asarray(one, dtype=np.float64).reshape(-1) for one in (times_ms, _numbers(values)))
        if len(times) != len(points) or not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise ValueError(f"times_ms must rise, one for each of {len(points)} values, got {times[:5]}")
        low, high = self.info["low"], self.info["high"]
        wrong = points[~((points >= low) & (points <= high))]
        if wrong.size:
            raise ValueError(
                f"values must lie in [{low:g}, {high:g}] {self.info['unit']}".rstrip() + f", got {wrong[0]:g}"
            )
        bins = self.info["dt_ms"] * np.arange(self.info["n_bins"])
        self.drawn = np.interp(bins, times, points).astype("<f4").tobytes()

    def clear(self) -> None:
        """Take the drawing and the truth away."""
        self._put(truth=b"", said="", drawn=np.full(self.info["n_bins"], np.nan, dtype="<f4").tobytes())

    def _put(self, **traits: Any) -> None:
        """Set several traits in their order, all of them also where an interrupt comes between."""

        def put() -> None:
            for name, value in traits.items():
                setattr(self, name, value)

        try:
            with self.hold_sync():
                put()
        finally:
            put()

    def score(self, truth: ArrayLike | Tensor) -> DrawnScore:
        """How near the drawing is to the truth, which is not shown.

        Raises
        ------
        ValueError
            ``truth`` is not of ``n_bins`` finite numbers.
        """
        wanted = _curve("truth", truth, self.info["n_bins"]).astype(np.float64)
        drawn = self.values.astype(np.float64)
        there = np.isfinite(drawn)
        share = float(there.mean())
        if there.sum() < 2:
            return DrawnScore(math.nan, math.nan, share)
        drawn, wanted = drawn[there], wanted[there]
        spread, scale = wanted.std(), drawn.std()
        flat = min(spread, scale) <= 1e-6 * (self.info["high"] - self.info["low"])
        r = math.nan if flat else float(np.corrcoef(drawn, wanted)[0, 1])
        explained = math.nan if spread == 0 else float(1 - ((drawn - wanted) ** 2).mean() / spread**2)
        return DrawnScore(r, explained, share)

    def reveal(self, truth: ArrayLike | Tensor) -> DrawnScore:
        """The score of the drawing; the plot shows the truth from now on.

        Raises
        ------
        ValueError
            ``truth`` is not of ``n_bins`` finite numbers.
        """
        found = self.score(truth)
        shown = _curve("truth", truth, self.info["n_bins"]).tobytes()
        parts = [f"r = {found.r:.2f}"] if math.isfinite(found.r) else []
        parts += [f"{100 * found.explained:.0f} % of the variance explained"] if found.explained > 0 else []
        self._shown_with = self.drawn
        self._put(truth=shown, said="Shown. " + ", ".join(parts))
        if self._place is not None:
            _UNFINISHED.pop(self._place, None)
        return found

    @traitlets.validate("drawn")
    def _check_drawn(self, proposal: Any) -> bytes:
        raw, n = bytes(proposal.value), self.info["n_bins"]
        if len(raw) != 4 * n:
            raise TraitValueError(f"drawn must be {n} float32 ({4 * n} bytes), got {len(raw)} bytes")
        values = np.frombuffer(raw, dtype="<f4")
        low, high = self.info["low"], self.info["high"]
        wrong = values[~(np.isnan(values) | ((values >= low) & (values <= high)))]
        if wrong.size:
            raise TraitValueError(f"drawn must lie in [{low:g}, {high:g}] {self.info['unit']}, got {wrong[0]:g}")
        if self.truth and raw != self._shown_with:
            raise TraitValueError("drawn must stay as it was when the truth was shown, got another drawing")
        return raw

    @traitlets.observe("drawn")
    def _keep_drawn(self, change: Any) -> None:
        if self._place is not None and not self.revealed:
            _UNFINISHED[self._place] = self._run, change.new

    def _received(self, _widget: Any, content: Any, buffers: Any) -> None:
        self.error = "the browser sends no messages here, it sets the drawing"


def _numbers(values: ArrayLike | Tensor) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _bytes(values: Any) -> bytes:
    return np.ascontiguousarray(_numbers(values), dtype="<f4").tobytes()


def _curve(name: str, values: ArrayLike | Tensor, n_bins: int) -> Array:
    """Finite float32, (n_bins,)."""
    curve = np.asarray(_numbers(values), dtype="<f4")
    if curve.shape != (n_bins,) or not np.isfinite(curve).all():
        raise ValueError(f"{name} must be {n_bins} finite numbers, got shape {curve.shape}")
    return curve
