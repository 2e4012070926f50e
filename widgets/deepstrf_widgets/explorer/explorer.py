"""One model on one screen: the bench to edit it, and Plotly figures of the settled state."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.models import NeuralModel
from deepstrf.training import Interval

from ..bench.html_export import Neurons, save_html
from ..bench.still import with_still
from ..bench.widget import BenchWidget
from ..figures import style
from ..figures.confidence import Confidence
from ..figures.figure_widget import figure_widget
from ..figures.neuron_figure import figure_updates, neuron_figure, title_of
from ..lifetime import Owner, Timer
from ..neuron_gallery.widget import Gallery
from ..session.argument_validation import Sound, neuron_index, refuse_beside_session
from ..session.events import Change
from ..session.explanation import Explanation
from ..session.lock import locked
from ..session.serialization import restore_state, state_text, to_code
from ..session.session import LiveSession
from ..stimulus.panel import StimulusPanel
from ..threads import one_thread
from .diagnosis import DiagnosisView

__all__ = ["Explorer", "explore"]

MIN_FIGURE_PX = 300
"""Narrower than this a bench was measured while hidden; Plotly then chooses its width itself."""

LIVE_FIGURE_S = 5.0
"""Shortest time between two repaints of the Plotly figure while a gesture runs: each delays the answers to it."""

REST_S = 0.15
"""How long the figure waits after a gesture, so that the bench's own answer is on screen before."""


class Explorer(Owner, ipywidgets.VBox):
    """The bench over linked Plotly figures, for one session. Made by :func:`explore`.

    Attributes
    ----------
    session : LiveSession
        The model under edit; ``session.model`` is the edited model.
    bench : BenchWidget
        Editor and response.
    figures : plotly.graph_objects.FigureWidget or None
        None while no browser shows the bench: building them takes seconds.
    sounds : StimulusPanel or None
        The choice of another stimulus; None where it was switched off, or no sound can be turned into the bands of the
        session.
    gallery : Gallery or None
        All neurons as small pictures, where switched on; a click chooses the neuron of the bench.
    """

    @keywords()
    def __init__(
        self,
        session: LiveSession,
        *,
        neuron: int | str = 0,
        sound: int = 0,
        figures: bool = True,
        sounds: bool = True,
        gallery: bool = False,
        lock: Sequence[str] = (),
        confidence: Mapping[str, Interval] | None = None,
    ) -> None:
        self.session = session
        self._lock = threading.RLock()  # of the figures: Plotly's are made for one thread
        self._confidence = None if confidence is None else Confidence(confidence, session)
        self.bench = self.own(BenchWidget(session, neuron=neuron, sound=sound, lock=lock))
        self.figures: Any = None
        self.sounds: StimulusPanel | None = None
        if sounds:
            # No sound can be turned into bands that no scale of the library spaces so.
            with contextlib.suppress(ValueError):
                self.sounds = self.own(StimulusPanel(session, sound=lambda: self.bench.sound))
        self._accordion: Any = None
        if self.sounds is not None:
            self._accordion = self.own(ipywidgets.Accordion([self.sounds], titles=["Your own stimulus"]))
        self.gallery: Gallery | None = None
        if gallery:
            self.gallery = self.own(Gallery(session, selected=neuron, confidence=confidence))
            self.gallery.link(self.bench)
        self._repaint_timer = self.own(Timer(lambda: self._repaint()))
        self._new_stimulus = False
        self._behind = False
        super().__init__(self._parts())
        # The bench keeps keys pressed anywhere in an element of this class from the commands of the notebook.
        self.add_class("deepstrf-explorer")
        self.own(session.observe(self._session_changed))
        self.bench.observe(self._neuron_changed, "of_neuron")
        self._figures_due = figures
        self.bench.observe(self._width_changed, "width")

    def _parts(self) -> list[ipywidgets.DOMWidget]:
        """Widgets that exist, from the top."""
        return [part for part in (self.bench, self._accordion, self.gallery, self.figures) if part is not None]

    def __repr__(self) -> str:
        return f"Explorer({self.session!r}, neuron={self.bench.neuron})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        data = super()._repr_mimebundle_(**kwargs)
        return with_still(data, self.session, self.neuron, self.bench.sound)

    @property
    def neuron(self) -> int:
        """Number of the neuron on screen; it may be set by name."""
        return int(self.bench.neuron)

    @neuron.setter
    def neuron(self, value: int | str) -> None:
        self.bench.neuron = neuron_index(self.session.neuron_names, value)

    def figure(self, neuron: int | str | None = None) -> go.Figure:
        """A neuron, the one on screen when None, as a plain Plotly figure, for a paper or a saved notebook."""
        chosen = self.neuron if neuron is None else neuron
        return neuron_figure(self.session, chosen, sound=self.bench.sound, confidence=self._confidence)

    @property
    def confidence(self) -> Mapping[str, Interval] | None:
        """What is certain of the fields, drawn in figures and gallery: of :func:`deepstrf.training.posterior`, or None.

        Weights that may be zero are pale, and the tuning is written with its intervals; the fields are drawn at unit
        norm, because their size is known only together with the output curve. (Of `deepstrf.training.jackknife`, which
        takes any model: weights within the scatter of such fits are pale.) The bands are those of the trained field:
        while it is edited, nothing is pale.
        """
        return None if self._confidence is None else self._confidence.bands

    @confidence.setter
    def confidence(self, bands: Mapping[str, Interval] | None) -> None:
        self._confidence = None if bands is None else Confidence(bands, self.session)
        if self.figures is not None:
            self._drop_figures()
            self.show_figures()

    def undo(self) -> None:
        """Undo the last gesture."""
        self.session.undo()

    def redo(self) -> None:
        """Repeat the gesture that was undone last."""
        self.session.redo()

    def revert(self, names: Iterable[str] | None = None) -> None:
        """Set every parameter, or the named ones, back to the trained values."""
        self.session.revert(names)

    @property
    def code(self) -> str:
        """Python that makes the same changes to a fresh ``session`` of the same model."""
        return to_code(self.session)

    @property
    def state(self) -> str:
        """All edits as one line of text, for :meth:`restore` in another notebook."""
        return state_text(self.session)

    def restore(self, state: str) -> None:
        """Set the parameters to those of another explorer's :attr:`state`; see :func:`restore_state` for the errors."""
        restore_state(self.session, state)

    def why(self, neuron: int | str, time_ms: float) -> Explanation:
        """Why the response is as high as it is at a moment of the sound on screen: see :meth:`LiveSession.explain`."""
        return self.session.explain(neuron, time_ms, sound=self.bench.sound)

    def diagnose(self, *, held_out: Recording | tuple[Tensor, Tensor] | None = None) -> DiagnosisView:
        """List of what is suspicious in the model as it is edited now; each entry jumps to its neuron.

        Parameters
        ----------
        held_out : Recording, or tuple of Tensors (B, 1, F, T) and (B, N, R, T), optional
            Sounds that the model was not fitted to, with their responses: see :func:`deepstrf.analysis.diagnose`.
        """
        return DiagnosisView(self.bench, held_out=held_out, confidence=self.confidence)

    def save_pretrained(self, save_dir: str | Path) -> Path:
        """Write the edited model as a checkpoint folder."""
        return self.session.save_pretrained(save_dir)

    def save_html(self, path: str | Path, *, neurons: Neurons | None = None, title: str | None = None) -> Path:
        """Path of an HTML file with the bench, which needs no kernel: see :func:`deepstrf_widgets.bench.save_html`."""
        return save_html(self.bench, path, neurons=neurons, title=title)

    # -- figures -------------------------------------------------------------------------------------------------

    @locked
    def show_figures(self) -> None:
        """Build the linked Plotly figures now, below the bench and as wide."""
        if self.figures is None and not self.closed:
            self.figures = self.own(figure_widget(self.figure().update_layout(width=self._figure_width())))
            self.children = self._parts()

    def _figure_width(self) -> int | None:
        # Plotly measures the width before the figure has a place on the page.
        return self.bench.width if self.bench.width >= MIN_FIGURE_PX else None

    def _width_changed(self, change: dict[str, Any]) -> None:
        if change["new"] == 0:
            # No browser shows the bench. A figure would be 5 MB to a notebook that is loaded again.
            self._drop_figures()
        elif self.figures is not None:
            self.figures.layout.width = self._figure_width()
        elif self._figures_due:
            self._figures_due = False
            self._load_figures()

    @locked
    def _drop_figures(self) -> None:
        self._repaint_timer.close()
        if self.figures is not None:
            figures, self.figures = self.figures, None
            self.children = self._parts()
            self.close_owned(figures)
            self._figures_due = True

    def _load_figures(self) -> None:
        """Show the figures once a thread has loaded Plotly, so that the first drag does not wait for that."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.show_figures()
            return

        def load() -> None:
            style.load_plotly()
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.show_figures)

        threading.Thread(target=load, name="deepstrf-figures", daemon=True).start()

    def _session_changed(self, change: Change) -> None:
        self._new_stimulus |= change.stimulus
        # The end of a gesture may name nothing: what counts is whether anything has changed since the last repaint.
        self._behind |= change.stimulus or change.unnamed or change.touches(self.neuron)
        if self.figures is not None and self._behind:
            self._repaint_later(0.0 if change.settled else LIVE_FIGURE_S)

    def _neuron_changed(self, _change: Any) -> None:
        if self.figures is not None:
            self._repaint_later(0.0)

    def _repaint_later(self, delay_s: float) -> None:
        if delay_s > 0 and self._repaint_timer.handle is not None:
            return
        # The answer of the bench goes out first.
        self._repaint_timer.start(max(delay_s, REST_S))

    @one_thread()
    @locked
    def _repaint(self) -> None:
        if self.figures is None:
            return  # no browser shows them any more
        self._behind = False
        if self._new_stimulus:
            self._new_stimulus = False
            self._repaint_all()
            # The neuron may have changed meanwhile, and its receptive field with it.
        now = self.session.snapshot()
        updates = figure_updates(now, self.neuron, sound=self.bench.sound, confidence=self._confidence)
        title = title_of(now, self.neuron)
        with self.figures.batch_update():
            for part in (*self.figures.data, *self.figures.layout.annotations):
                for name, value in updates.get(part.name, {}).items():
                    # Unchanged values are not sent again: the ON and OFF spectrograms are most of the figure.
                    if not _same(part[name], value):
                        part[name] = value
            if self.figures.layout.title.text != title:
                self.figures.layout.title.text = title

    def _repaint_all(self) -> None:
        """Repaint every trace for another stimulus, whose length and responses may differ."""
        fresh = {trace.name: trace for trace in self.figure().data}
        if not fresh.keys() <= {trace.name for trace in self.figures.data}:
            # Responses where there were none: a figure with a trace more.
            self._drop_figures()
            self.show_figures()
            return
        with self.figures.batch_update():
            for trace in self.figures.data:
                # Within a batch, values that were set are not read back yet.
                trace.visible = trace.name in fresh
                if trace.name in fresh:
                    for key in ("x", "z" if trace.type == "heatmap" else "y"):
                        trace[key] = fresh[trace.name][key]


def _same(one: Any, other: Any) -> bool:
    if isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return bool(one == other)


@keywords()
def explore(
    model: NeuralModel | LiveSession,
    stimulus: Sound | None = None,
    responses: ArrayLike | Tensor | None = None,
    *,
    dt_ms: float | None = None,
    cf_hz: ArrayLike | None = None,
    neuron_names: Sequence[str] | None = None,
    neuron: int | str = 0,
    sound: int = 0,
    figures: bool = True,
    sounds: bool = True,
    gallery: bool = False,
    lock: Sequence[str] = (),
    confidence: Mapping[str, Interval] | None = None,
) -> Explorer:
    """Editor, response and figures of a model on a stimulus, to show in a notebook.

    Parameters
    ----------
    model : NeuralModel or LiveSession
        A model is copied, so it stays as it is; a session is shared.
    stimulus, responses, dt_ms, cf_hz, neuron_names
        See :class:`LiveSession`; not with a session, which has them.
    neuron : int or str
        What is on screen first, by its number or its name.
    sound : int
        Which sound of the stimulus batch is on screen first.
    figures : bool
        Whether the Plotly figures are built once the bench is on screen.
    sounds : bool
        Whether another stimulus can be chosen (tones, noise, ripples, chords, a sound file) or painted.
    gallery : bool
        Whether all neurons are shown below as small pictures, to sort, filter and choose from.
    lock : sequence of str
        Parameters, or whole stages ("prefilter", "strf", "activation"), that cannot be edited in the browser, for a
        lesson about one of them. Python may still change them.

    Returns
    -------
    Explorer
        The last expression of a cell shows it.

    Raises
    ------
    TypeError, ValueError
        An argument is missing, is given twice or is wrong; the message names it.

    Examples
    --------
    >>> from deepstrf.demo import load_demo
    >>> demo = load_demo()
    >>> explore(demo.model, demo.stimulus, demo.responses)
    Explorer(LiveSession(LinearNonlinear, 6 neurons, 34 bands x 1000 bins), neuron=0)
    """
    if isinstance(model, LiveSession):
        refuse_beside_session(
            stimulus=stimulus, responses=responses, dt_ms=dt_ms, cf_hz=cf_hz, neuron_names=neuron_names
        )
        session = model
    else:
        if stimulus is None:
            raise TypeError("stimulus must be given with a model, got None")
        session = LiveSession(model, stimulus, responses, dt_ms=dt_ms, cf_hz=cf_hz, neuron_names=neuron_names)
    return Explorer(
        session,
        neuron=neuron,
        sound=sound,
        figures=figures,
        sounds=sounds,
        gallery=gallery,
        lock=lock,
        confidence=confidence,
    )
