"""One model on one screen, as one widget: the bench to edit it, and panels below it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import plotly.graph_objects as go
import traitlets
from numpy.typing import ArrayLike
from torch import Tensor

from deepstrf.datasets import Recording
from deepstrf.deprecation import keywords
from deepstrf.locking import locked_by
from deepstrf.models import NeuralModel
from deepstrf.training import History, Interval
from deepstrf.training.batches import Data

from ..bench.html_export import save_html, save_module
from ..bench.page_state import as_bytes
from ..bench.widget import BenchWidget
from ..browser_widget import BrowserWidget
from ..comparison.other_model import OtherModel
from ..comparison.panel import ComparisonPanel
from ..figures.confidence import EDITED, Confidence
from ..figures.figure_widget import figure_widget
from ..figures.following import FollowingFigure
from ..figures.neuron_figure import neuron_figure
from ..figures.panel import FiguresPanel
from ..inside.background import Background
from ..inside.panel import InsidePanel, can_be_opened
from ..lifetime import Timer, running_loop
from ..message_parsing import MessageError, Request
from ..neuron_gallery.widget import Gallery
from ..panels import PanelChannel, PanelHost
from ..play.panel import PlayPanel
from ..play.player import Player
from ..session.argument_validation import Sound, neuron_index, refuse_beside_session
from ..session.doubts import doubtful_peaks, known_doubts
from ..session.events import Change
from ..session.explanation import Explanation
from ..session.newest import of_newest
from ..session.reading import Snapshot
from ..session.serialization import VIEW, restore_state, state_text, to_code, view_of_state
from ..session.session import LiveSession
from ..stimulus.catalogue import is_spaced
from ..stimulus.panel import StimulusPanel
from ..threads import one_thread
from .diagnosis import DiagnosisView

AFTER_OPENING_S = 2.0
"""When the peaks of the fields are compared with the recording: the bench has been painted by then."""

__all__ = ["Explorer", "explore"]


class _State(traitlets.Unicode):
    """All edits of the session as they are now, and what is on screen; setting it restores them."""

    def get(self, obj: Any, cls: Any = None) -> str:
        return state_text(obj.session, {name: getattr(obj, name) for name in VIEW})

    def set(self, obj: Any, value: Any) -> None:
        if value != self.get(obj):
            obj.restore(value)


@keywords()
class Explorer(BenchWidget, PanelHost):
    """The bench of one session with its panels, as one widget. Made by :func:`explore`.

    Attributes
    ----------
    session : LiveSession
        The model under edit; ``session.model`` is the edited model.
    neuron : int
        Number of the neuron on screen; it may be set by name. Like ``score``, ``edited`` and ``state`` a trait, which
        can be observed and linked.
    state : str
        All edits, with the neuron, sound and channel on screen, as one line of text, for :meth:`restore` in another
        notebook or behind the ``#`` of a saved page's address. Setting it restores them.
    panels : list of {"play", "figures", "sounds", "gallery", "inside", "findings"}
        Which panels are open.
    other : OtherModel or None
        The model that was given to compare with.
    sounds : StimulusPanel or None
        The choice of another stimulus; None where it was switched off, or no sound can be turned into the bands of the
        session.
    gallery : Gallery or None
        All neurons as small pictures, once it has been opened; a click chooses the neuron of the bench.
    """

    PANELS = ("play", "figures", "sounds", "gallery", "inside", "comparison", "findings")
    BROWSER_SETS: ClassVar[tuple[str, ...]] = (*BenchWidget.BROWSER_SETS, "panels")

    state = _State().tag(sync=True, to_json=lambda text, widget: widget.edits)
    panels = traitlets.List(traitlets.Enum(PANELS)).tag(sync=True)
    can_open = traitlets.List(traitlets.Enum(PANELS)).tag(sync=True)

    @keywords()
    def __init__(
        self,
        session: LiveSession,
        *,
        neuron: int | str = 0,
        sound: int | str = 0,
        figures: bool = True,
        sounds: bool = True,
        gallery: bool = False,
        lock: Sequence[str] = (),
        confidence: Mapping[str, Interval] | None = None,
        train: Data | None = None,
        validation: Data | None = None,
        other: object = None,
        player: Player | None = None,
    ) -> None:
        self.other = None if other is None else OtherModel(session, other)
        self._train, self._validation = train, validation
        self._player: Player | None = None
        self._making, self._showing_other = threading.RLock(), threading.RLock()
        self._confidence = None if confidence is None else Confidence(confidence, session)
        self._made: dict[str, BrowserWidget] = {}
        self._following: list[FollowingFigure] = []
        self._state_told = ""
        self._has_sounds = sounds
        super().__init__(session, neuron=neuron, sound=sound, lock=lock)
        with self.hold_sync():
            # Without a recording there is nothing to fit to.
            self.playing = None if train is None and player is None and session.first_responses is None else False
            if player is not None:
                self._take_player(player)
            self._state_told = self.state
            if gallery:
                self.panel("gallery")
            self.can_open = [name for name in self.PANELS if self._is_possible(name)]
            open_first = (("play", player is not None), ("figures", figures), ("gallery", gallery))
            self.panels = [name for name, on in open_first if on]
        self._tell_certainty()
        self._doubts = self.own(Background())
        self._doubts_timer = self.own(Timer(self._look_for_doubts))
        if self._confidence is None and running_loop() is not None:
            self._doubts_timer.start(AFTER_OPENING_S)
        self.own(session.observe(self._session_told, merged=True))
        self.observe(self._tell_state, VIEW)
        if self.other is not None:
            self.other_name = self.other.name
            self._show_other()
            self.own(session.observe(lambda change: self._show_other() if change.stimulus else None))
        self.observe(self._shown_changed, ("of_neuron", "sound"))
        self.observe(self._selection_changed, ("neuron", "channel", "selected"))
        self.observe(self._rest, ("panels", "width"))

    def __repr__(self) -> str:
        return f"Explorer({self.session!r}, neuron={self.neuron})"

    @property
    def bench(self) -> BenchWidget:
        """The bench, which is the explorer itself."""
        return self

    # -- panels --------------------------------------------------------------------------------------------------

    def panel(self, name: str) -> BrowserWidget:
        """The widget of a panel, made when it is first asked for.

        Raises
        ------
        ValueError
            There is no such panel, the model has nothing to show in it, or the explorer was closed before.
        """
        if name not in self.PANELS:
            raise ValueError(f"name must be one of {', '.join(self.PANELS)}, got {name!r}")
        return self._made[name] if name in self._made else self._made_once(name)

    @locked_by("_making")
    def _made_once(self, name: str) -> BrowserWidget:
        if name not in self._made:
            if self.comm is None:
                raise ValueError(f"the explorer is closed, so {name} cannot be opened: open another with explore(...)")
            self._made[name] = self.own(self._make(name, PanelChannel(self, name)))
        return self._made[name]

    def _make(self, name: str, channel: PanelChannel) -> BrowserWidget:
        if name == "figures":
            return FiguresPanel(
                self.session, neuron=self.neuron, sound=self.sound, confidence=self._confidence, comm=channel
            )
        if name == "play":
            return PlayPanel(self.player, lambda: (self.neuron, self.channel, self.selected), comm=channel)
        if name == "sounds":
            return StimulusPanel(self.session, sound=lambda: self.sound, comm=channel)
        if name == "inside":
            return InsidePanel(self.session, neuron=self.neuron, sound=self.sound, comm=channel)
        if name == "comparison":
            if self.other is None:
                raise ValueError('comparison needs a second model: explore(..., other=model_b), or other="trained"')
            return ComparisonPanel(
                self.session, self.other, choose=self._choose, neuron=self.neuron, sound=self.sound, comm=channel
            )
        if name == "findings":
            return DiagnosisView(self, confidence=self.confidence, comm=channel)
        gallery = Gallery(
            self.session, selected=self.neuron, confidence=self.confidence, other=self.other, comm=channel
        )
        gallery.link(self)
        return gallery

    def _is_possible(self, name: str) -> bool:
        if name == "sounds":
            return self._has_sounds and is_spaced(self.session.cf_hz)
        if name == "comparison":
            return self.other is not None
        if name == "inside":
            return can_be_opened(self.session.snapshot().model)
        if name == "play":
            return self.playing is not None
        return name != "gallery" or self.session.live.kernel(0) is not None

    @property
    def sounds(self) -> StimulusPanel | None:
        """The choice of another stimulus, or None where there is none."""
        made = self._made.get("sounds")
        if made is None and self.comm is not None and self._is_possible("sounds"):
            made = self.panel("sounds")
        return made if isinstance(made, StimulusPanel) else None

    @property
    def gallery(self) -> Gallery | None:
        """All neurons as small pictures, or None while they have not been opened."""
        made = self._made.get("gallery")
        return made if isinstance(made, Gallery) else None

    def _received(self, _widget: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict) or content.get("type") != "panel":
            super()._received(_widget, content, buffers)
            return
        try:
            self._panel_received(content, buffers)
        except MessageError as error:
            self.error = str(error)

    def _shown_changed(self, _change: Any) -> None:
        figures = self._made.get("figures")
        if isinstance(figures, FiguresPanel):
            figures.show(self.neuron, self.sound)
        inside = self._made.get("inside")
        if isinstance(inside, InsidePanel):
            inside.show(self.neuron, self.sound)
        comparison = self._made.get("comparison")
        if isinstance(comparison, ComparisonPanel):
            comparison.show(self.neuron, self.sound)
        self._show_other()
        self._tell_certainty()
        for following in self._following:
            following.repaint()

    def _selection_changed(self, _change: Any) -> None:
        panel = self._made.get("play")
        if isinstance(panel, PlayPanel):
            panel.refresh()

    def _choose(self, neuron: int) -> None:
        self.neuron = neuron

    @one_thread()
    @of_newest("_showing_other")
    def _show_other(self, now: Snapshot) -> None:
        """Put the response of the other model into its trait."""
        if self.other is None:
            return
        sound, rate = min(self.sound, len(now.stimulus) - 1), self.other.rate(now, self.neuron)
        self.other_rate = b"" if rate is None else as_bytes(rate[sound, : now.sound_bins[sound]])

    def _tell_certainty(self) -> None:
        """Put into the traits how sure a fit is of the field on screen."""
        known = self._confidence
        unsure = None if known is None else known.unsure(self.neuron)
        with self.hold_sync():
            self.unsure = b"" if unsure is None else as_bytes(unsure)
            self.certainty = (
                self._doubt()
                if known is None
                else {
                    "readouts": [known.readouts(self.neuron, c) for c in range(self.info["n_channels"])],
                    "pale": "" if unsure is None else known.meaning,
                    "edited": EDITED,
                }
            )

    def _doubt(self) -> dict[str, Any]:
        """Of a field whose peak stands in another band than the recording prefers: that, where it has been found."""
        preferred = known_doubts(self.session).get(self.neuron)
        if preferred is None:
            return {}
        # It stays true where the field has been edited since.
        text = f"the recording would rather have the trained peak about {preferred / 1000:.2g} kHz: see findings"
        return {"readouts": [[text]] * self.info["n_channels"], "pale": "", "edited": ""}

    def _look_for_doubts(self) -> None:
        """Compare the peaks of the fields with the recording, in a thread beside the kernel's."""

        def look(going: Callable[[], bool]) -> None:
            doubtful_peaks(self.session)
            if going():
                self._tell_certainty()

        self._doubts.start(look)

    def _rest(self, _change: Any) -> None:
        figures = self._made.get("figures")
        if isinstance(figures, FiguresPanel) and (self.width == 0 or "figures" not in self.panels):
            figures.rest()

    def _session_told(self, change: Change) -> None:
        if change.settled and (change.names or change.unnamed):
            self._tell_state()

    def _tell_state(self, _change: object = None) -> None:
        before, self._state_told = self._state_told, self.state
        if before != self._state_told:
            self.notify_change(
                traitlets.Bunch(name="state", old=before, new=self._state_told, owner=self, type="change")
            )

    # -- a fit that moves the bench ------------------------------------------------------------------------------

    @property
    def player(self) -> Player:
        """The fit that moves this bench, made when it is first asked for."""
        return self._made_player() if self._player is None else self._player

    @locked_by("_making")
    def _made_player(self) -> Player:
        if self._player is None:
            self._take_player(Player(self.session, self._train, self._validation))
        assert self._player is not None
        return self._player

    def _take_player(self, player: Player) -> Player:
        self._player = self.own(player)
        self.own(player.observe(self._player_changed))
        player.lock(self.locked_in(self.session.snapshot()))
        return player

    def _player_changed(self) -> None:
        # Until both hold: of two threads that tell it, the one that read first may be the last to write.
        while (playing := self.player.state == "playing") != self.playing:
            self.playing = playing
        while (pins := self._pins_on_grid()) != self.pins:
            self.pins = pins

    def _pins_on_grid(self) -> list[list[Any]]:
        table = self.session.parameters
        return [[table[name].grid.name, list(index)] for name, index in self.player.pins if name in table]

    def _control_fit(self, request: Request) -> None:
        if request.kind == "play":
            self.play()
        elif request.kind == "pause":
            self.player.rest()
        else:
            table, locked = self.session.parameters, self.player.locked_names
            names = [name for name, parameter in table.items() if "gaussian" in parameter.axes and name not in locked]
            pinned = all((name, request.index) in self.player.pins for name in names)
            for name in names:
                (self.player.unpin if pinned else self.player.pin)(name, request.index)

    def play(self, steps: int | None = None, **settings: Any) -> None:
        """Fit the model from where it stands, in the background: handles, fields, curves and response move along.

        A parameter that the user drags meanwhile stays where it is dragged. Undo takes the whole run back.

        Parameters
        ----------
        steps : int, optional
            Of the optimizer; until :meth:`pause` when None.
        **settings
            See :class:`deepstrf_widgets.play.PlaySettings`: ``rates``, ``loss``, ``smoothness``, ``sparsity``,
            ``batch_size``, ``noise``, ``share``, ``speed``, ``seed``. They stay until others are set.

        Raises
        ------
        TypeError, ValueError
            A setting does not exist or breaks its rule.
        RuntimeError
            Another bench plays this model.
        """
        if settings:
            self.player.set(**settings)
        self.player.play(steps)

    def pause(self) -> None:
        """Let the fit rest after the step under way; returns when the bench has it."""
        self.player.pause()

    def step(self, steps: int = 1) -> None:
        """Take so many steps of the optimizer, and return when they are done; raises what goes wrong.

        An interrupt of the cell lets the fit rest.
        """
        self.player.step(steps)

    def wait(self, timeout: float | None = None) -> History:
        """History of the fit, once it rests or has ended: see :meth:`Player.wait`."""
        return self.player.wait(timeout)

    @property
    def history(self) -> History:
        """Records of the epochs of the fit so far."""
        return self.player.history

    def stop(self) -> None:
        """End the fit of :func:`train` after the step under way: the model then has its best weights."""
        self.player.stop()

    def pin(self, what: str | Sequence[str], **where: Any) -> None:
        """Hold parameters where they are while the fit plays: see :meth:`Player.pin`.

        >>> from deepstrf.demo import load_demo
        >>> explorer = explore(load_demo().model, load_demo().stimulus)
        >>> explorer.pin("strf", neuron=0, channel="ON", gaussian=1)
        >>> explorer.pin("activation")
        >>> len(explorer.player.pins)
        7
        >>> explorer.unpin()
        """
        self.player.pin(what, **where)

    def unpin(self, what: str | Sequence[str] | None = None, **where: Any) -> None:
        """Let go of what :meth:`pin` holds, or ``lock`` of :func:`explore`; of all when nothing is said."""
        self.player.unpin(what, **where)

    # -- in Python -----------------------------------------------------------------------------------------------

    def figure(self, neuron: int | str | None = None) -> go.Figure:
        """A neuron, the one on screen when None, as a plain Plotly figure, for a paper or a saved notebook."""
        chosen = self.neuron if neuron is None else neuron
        return neuron_figure(self.session, chosen, sound=self.sound, confidence=self._confidence)

    def figure_widget(self, neuron: int | str | None = None) -> Any:
        """A ``plotly.graph_objects.FigureWidget`` of a neuron, to compose a page with; it follows the edits.

        Parameters
        ----------
        neuron : int or str, optional
            Which neuron it shows; when None, the one on screen, whichever that is.
        """
        made = self.own(figure_widget(self.figure(neuron)))
        fixed = None if neuron is None else neuron_index(self.session.neuron_names, neuron)
        following = FollowingFigure(
            made,
            self.session,
            neuron=lambda: self.neuron if fixed is None else fixed,
            sound=lambda: self.sound,
            confidence=self._confidence,
        )
        self._following.append(self.own(following))
        return made

    @property
    def confidence(self) -> Mapping[str, Interval] | None:
        """What is certain of the fields, drawn in bench, figures and gallery, or None.

        Of :func:`deepstrf.training.posterior`: weights that may be zero are pale, and the tuning is written with its
        intervals; figures draw the fields at unit norm, because their size is known only together with the output
        curve. (Of `deepstrf.training.jackknife`, which takes any model: weights within the scatter of such fits are
        pale.) The bands are those of the trained field: while it is edited, nothing is pale.
        """
        return None if self._confidence is None else self._confidence.bands

    @confidence.setter
    def confidence(self, bands: Mapping[str, Interval] | None) -> None:
        self._confidence = None if bands is None else Confidence(bands, self.session)
        figures = self._made.get("figures")
        if isinstance(figures, FiguresPanel):
            figures.confidence = self._confidence
            figures.show(self.neuron, self.sound)
        self._tell_certainty()

    def let_go(self) -> None:
        """Forget the values of a run: the cell that made the bench is run again."""
        if self._player is not None:
            self._player.let_go()

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
        """Python that makes the same changes to a fresh ``session`` of the same model.

        Where a fit has changed thousands of weights it names the folder of :meth:`save_pretrained`, and without one it
        is a line that says so and refuses to run.
        """
        return to_code(self.session)

    def restore(self, state: str) -> None:
        """Set the parameters to those of another explorer's :attr:`state`, or of the address of a saved page.

        Neuron, channel and sound of that bench come on screen where this one has them. See :func:`restore_state` for
        the errors.
        """
        restore_state(self.session, state)
        counts = {
            "neuron": self.session.n_neurons,
            "sound": len(self.session.stimulus),
            "channel": self.info["n_channels"],
        }
        for name, number in view_of_state(state).items():
            if number < counts[name]:
                setattr(self, name, number)

    def why(self, neuron: int | str, time_ms: float) -> Explanation:
        """Why the response is as high as it is at a moment of the sound on screen: see :meth:`LiveSession.explain`."""
        return self.session.explain(neuron, time_ms, sound=self.sound)

    def diagnose(self, *, held_out: Recording | tuple[Tensor, Tensor] | None = None) -> DiagnosisView:
        """List of what is suspicious in the model as it is edited now; each entry jumps to its neuron.

        Parameters
        ----------
        held_out : Recording, or tuple of Tensors (B, 1, F, T) and (B, N, R, T), optional
            Sounds that the model was not fitted to, with their responses: see :func:`deepstrf.analysis.diagnose`.
        """
        return DiagnosisView(self, held_out=held_out, confidence=self.confidence)

    def save_pretrained(self, save_dir: str | Path) -> Path:
        """Write the edited model as a checkpoint folder, which ``session.load_weights`` reads."""
        return self.session.save_pretrained(save_dir)

    def save_html(self, path: str | Path, **choice: Any) -> Path:
        """Path of an HTML file with the bench, which needs no kernel: see :func:`deepstrf_widgets.bench.save_html`."""
        return save_html(self, path, **choice)

    def save_module(self, path: str | Path, **choice: Any) -> Path:
        """Path of an ES module with the bench, for other pages: see :func:`deepstrf_widgets.bench.save_module`."""
        return save_module(self, path, **choice)


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
    sound: int | str = 0,
    figures: bool = True,
    sounds: bool = True,
    gallery: bool = False,
    lock: Sequence[str] = (),
    confidence: Mapping[str, Interval] | None = None,
    train: Data | None = None,
    validation: Data | None = None,
    other: object = None,
) -> Explorer:
    """Editor, response and panels of a model on a stimulus as one widget, to show in a notebook.

    Parameters
    ----------
    model : NeuralModel or LiveSession
        A model is copied, so it stays as it is; a session is shared.
    stimulus, responses, dt_ms, cf_hz, neuron_names
        See :class:`LiveSession`; not with a session, which has them.
    neuron : int or str
        What is on screen first, by its number or its name.
    sound : int or str
        Which sound of the stimulus batch is on screen first, by its number or its name.
    figures : bool
        Whether the panel with the Plotly figures is open at first.
    sounds : bool
        Whether another stimulus can be chosen (tones, noise, ripples, chords, a sound file) or painted.
    gallery : bool
        Whether the panel with all neurons as small pictures is open at first.
    lock : sequence of str
        Parameters, or whole stages ("prefilter", "strf", "activation"), that cannot be edited in the browser, for a
        lesson about one of them. Play leaves them alone too, until :meth:`Explorer.unpin`. Python may still change
        them.
    train, validation : Recording, or tuple of arrays (B, 1, F, T) and (B, N, R, T), optional
        What :meth:`Explorer.play` fits to, and what its score is held out on. When None, the sounds and responses on
        screen, of which the last fifth is held out; it goes over to others that `set_stimulus` brings, and stays with
        those that it has where nothing was recorded to what is played then.

    other : NeuralModel, LiveSession or "trained", optional
        A second model B of the same neurons, of any kind: its response is drawn over that of A, and the panel
        "Compare" has both fields, the scores of all neurons, and where in the sound the two differ most. Neurons are
        matched by name where both have names, else by number. "trained" is the model as it was before the edits.

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
        train=train,
        validation=validation,
        other=other,
    )
