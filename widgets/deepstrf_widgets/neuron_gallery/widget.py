"""The gallery of all neurons: an anywidget of their receptive fields as small pictures, to sort, filter and choose."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from deepstrf.arguments import as_tensor
from deepstrf.deprecation import keywords, renamed
from deepstrf.locking import locked, locked_by
from deepstrf.models import NeuralModel
from deepstrf.models.readouts import STRFReadout
from deepstrf.training import Interval

from ..browser_widget import BrowserWidget, NeuronNumber, TraitValueError
from ..bundle import bundle_source
from ..comparison.other_model import OtherModel
from ..figures.confidence import Confidence
from ..lifetime import Timer
from ..message_parsing import is_finite
from ..session.argument_validation import Sound, refuse_beside_session
from ..session.events import Change
from ..session.evidence import silence_text
from ..session.parameters import channel_names
from ..session.session import LiveSession
from .tuning_table import COLUMNS, FEW, MEASURES, SORTS, TuningTable

__all__ = ["Gallery", "gallery"]

MAX_COLUMNS = 100

SOON_S, LATER_S = 0.03, 0.5
"""How long after a change a few neurons, or many, are computed again: the bench's own answer goes first."""


@keywords()
class Gallery(BrowserWidget):
    """Small multiples of the receptive fields of a :class:`LiveSession`, to sort, to filter and to choose from.

    Each has its own colour scale. Best frequency, latency, bandwidth and separability (:mod:`deepstrf.analysis`) are
    those of the channel with the largest excitation. A neuron without a value stands last in every order and passes
    no range. The gallery follows the session: when an edit has settled, the neurons that it changed are sent again.

    Parameters
    ----------
    session : LiveSession
        Whose neurons are shown.
    kernels : array-like, shape (N, C, F, T), optional
        Shown instead of the model's receptive fields, for example gradient maps of a model that has none. Last index
        lag 0.
    selected : int or str
        The neuron that is outlined, by its number or its name; a click chooses another. The trait is the number.
    trained : bool
        Whether to show the receptive fields when the session began rather than the present ones.
    with_gain : bool
        Whether to multiply them by the gain of the batch norm, which may turn their sign.
    channel : int, optional
        Which channel to show; None for all, side by side.
    columns : int
        How many neurons stand in a row; 0 for as many as fit.
    sort : str
        What the neurons are sorted by, one of "index", "name", "best_frequency_hz", "latency_ms", "bandwidth_oct",
        "separability", "on_off", "score" and, beside another model, "score_gain"; ``descending`` turns it round.
    search : str
        Words that must all stand in a neuron's number or name.
    ranges : mapping, optional
        Read-out to (lowest, highest); either may be None. Only neurons within all of them are shown.
    confidence : mapping of str to Band, optional
        What :func:`deepstrf.training.posterior` returned: weights that may be zero are pale, and :meth:`readouts` has
        intervals.
    other : NeuralModel, LiveSession or "trained", optional
        A second model of these neurons, as of :func:`explore`: ``score_gain`` is the score minus its score, NaN where
        it has no such neuron.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type, shape or value; the message names it.

    Examples
    --------
    >>> from deepstrf.demo import load_demo
    >>> demo = load_demo()
    >>> best = gallery(demo.model, demo.stimulus, demo.responses, sort="score", descending=True)
    >>> best
    Gallery(LiveSession(LinearNonlinear, 6 neurons, 34 bands x 1000 bins))
    >>> best.shown.tolist()
    [0, 5, 1, 4, 2, 3]
    """

    BROWSER_SETS = ("selected", "channel", "sort", "descending", "search", "ranges", "trained", "with_gain")
    _esm = bundle_source("gallery.js")

    view = traitlets.Unicode("gallery").tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    cf_hz = traitlets.Bytes().tag(sync=True)
    # Arrays that change in place: the state holds all of them, a change sends only its rows.
    kernels = traitlets.Any().tag(sync=True, to_json=lambda array, _widget: array.tobytes())
    table = traitlets.Any().tag(sync=True, to_json=lambda array, _widget: array.tobytes())
    selected = NeuronNumber(0).tag(sync=True)
    channel = traitlets.Int(None, allow_none=True).tag(sync=True)
    columns = traitlets.Int(0).tag(sync=True)
    sort = traitlets.Unicode("index").tag(sync=True)
    descending = traitlets.Bool(False).tag(sync=True)
    search = traitlets.Unicode("").tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    trained = traitlets.Bool(False).tag(sync=True)
    with_gain = traitlets.Bool(False).tag(sync=True)
    folded = renamed("with_gain")

    @keywords(folded="with_gain")
    def __init__(
        self,
        session: LiveSession,
        *,
        kernels: ArrayLike | Tensor | None = None,
        selected: int | str = 0,
        trained: bool = False,
        with_gain: bool = False,
        channel: int | None = None,
        columns: int = 0,
        sort: str = "index",
        descending: bool = False,
        search: str = "",
        ranges: Mapping[str, Sequence[float | None]] | None = None,
        confidence: Mapping[str, Interval] | None = None,
        other: object = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(session, LiveSession):
            raise TypeError(f"session must be a LiveSession, got {type(session).__name__}")
        self.session = session
        if kernels is not None and confidence is not None:
            raise ValueError("confidence must be None where kernels are given: its bands are those of the model")
        sure = None if confidence is None else Confidence(confidence, session)
        beside = other if other is None or isinstance(other, OtherModel) else OtherModel(session, other)
        self._tuning = TuningTable(
            session, None if kernels is None else _checked_kernels(kernels, session), sure, beside
        )
        self._tuning.trained, self._tuning.with_gain = trained, with_gain
        every = range(session.n_neurons)
        self._tuning.read_fields(every)
        self._tuning.read_edited()
        # The scores of all neurons need a forward pass of the whole model: they come when the pictures are on screen.
        self._stale_fields: set[int] = set()
        self._stale_scores = set() if session.responses is None else set(every)
        self._sent_rows: set[int] = set()
        self._sent_kernels: set[int] = set()
        self._refresh_timer = self.own(Timer(self.refresh))
        self._lock, self._refreshing = threading.RLock(), threading.RLock()
        super().__init__(
            info=self._describe(),
            names=list(session.neuron_names),
            cf_hz=np.asarray(session.cf_hz, "<f4").tobytes(),
            kernels=self._tuning.kernels,
            table=self._tuning.table,
            selected=selected,
            trained=trained,
            with_gain=with_gain,
            channel=channel,
            columns=columns,
            sort=sort,
            descending=descending,
            search=search,
            ranges=dict(ranges or {}),
            **kwargs,
        )
        self.observe(self._fields_chosen, ("trained", "with_gain"))
        self.own(session.observe(self._session_changed, merged=True))
        self._refresh_timer.start(SOON_S)

    def __repr__(self) -> str:
        silent = silence_text(self.session)
        return f"{type(self).__name__}({self.session!r}{', ' + silent if silent else ''})"

    @property
    def shown(self) -> NDArray[np.int64]:
        """Numbers of the neurons that pass search and ranges, in the order in which they stand on screen."""
        self.refresh()
        return self._tuning.order(self.sort, self.descending, self.search, self.ranges)

    def readouts(self) -> dict[str, NDArray[Any]]:
        """Number, name and read-outs of every neuron, one array (N,) each: a dict made for ``pandas.DataFrame``.

        NaN where a neuron has no value; ``peak`` is the largest absolute weight, ``preferred_hz`` where the recording
        would have the peak of a field as it was fitted, if that is in another band (`deepstrf.analysis.diagnose` says
        more; of up to 100 neurons, and not with ``confidence``). With ``confidence`` also the ends of
        the 95 % intervals of the trained fields (``best_frequency_hz_low`` and so on).
        """
        self.refresh()
        columns = {name: self.table[:, i].copy() for i, name in enumerate(COLUMNS)}
        columns["edited"] = columns["edited"] == 1
        return {
            "neuron": np.arange(len(self.names)),
            "name": np.array(self.names),
            **columns,
            **self._tuning.intervals(),
        }

    def link(self, other: Any) -> SameNeuron:
        """Keep ``selected`` and the neuron of a bench or an Explorer the same, beginning with the other's.

        Parameters
        ----------
        other : BenchWidget or Explorer
            With as many neurons.

        Returns
        -------
        SameNeuron
            Its ``unlink()`` ends it, as does closing the gallery.

        Raises
        ------
        TypeError
            ``other`` has no neuron to choose.
        ValueError
            ``other`` shows another number of neurons.
        """
        bench = getattr(other, "bench", other)
        if not (isinstance(bench, traitlets.HasTraits) and bench.has_trait("neuron")):
            raise TypeError(f"other must be a BenchWidget or an Explorer, got {type(other).__name__}")
        theirs = getattr(getattr(bench, "session", None), "n_neurons", None)
        if theirs != self.session.n_neurons:
            n = self.session.n_neurons
            raise ValueError(f"other must have {n} neuron{'s' * (n != 1)} as the gallery has, got {theirs}")
        link = SameNeuron(bench, self)
        self.own(link.unlink)
        return link

    @traitlets.validate("channel")
    def _check_channel(self, proposal: Any) -> int | None:
        value = proposal["value"]
        return None if value is None else _whole("channel", value, self.info["n_channels"] - 1)

    @traitlets.validate("columns")
    def _check_columns(self, proposal: Any) -> int:
        return _whole("columns", proposal["value"], MAX_COLUMNS)

    @traitlets.validate("sort")
    def _check_sort(self, proposal: Any) -> str:
        if proposal["value"] not in SORTS:
            raise TraitValueError(f"sort must be one of {', '.join(SORTS)}, got {proposal['value']!r}")
        self._check_compared("sort", proposal["value"])
        return str(proposal["value"])

    def _check_compared(self, name: str, measure: str) -> None:
        if measure == "score_gain" and not self.info["has_other"]:
            raise TraitValueError(f"{name} must be no score_gain without a second model: give other=model_b")

    @traitlets.validate("ranges")
    def _check_ranges(self, proposal: Any) -> dict[str, list[float | None]]:
        checked: dict[str, list[float | None]] = {}
        for name, ends in proposal["value"].items():
            if name not in MEASURES:
                raise TraitValueError(f"ranges must name read-outs ({', '.join(MEASURES)}), got {name!r}")
            if not isinstance(ends, (list, tuple)) or len(ends) != 2 or not all(_is_end(end) for end in ends):
                raise TraitValueError(f"ranges[{name!r}] must be two finite numbers, or None for no end, got {ends!r}")
            if None not in ends and ends[0] > ends[1]:
                raise TraitValueError(f"ranges[{name!r}] must hold the lowest value first, got {ends!r}")
            self._check_compared("ranges", name)
            checked[name] = [None if end is None else float(end) for end in ends]
        return checked

    @traitlets.validate("trained", "with_gain")
    def _check_shown(self, proposal: Any) -> bool:
        name, value = proposal["trait"].name, proposal["value"]
        if value and self.info["kernels_given"]:
            raise TraitValueError(f"{name} must be False where kernels are given, got {value}")
        return bool(value)

    # -- from and to the browser ---------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        _, C, F, T = self._tuning.kernels.shape
        return {
            "model": type(self.session.model).__name__,
            "n_neurons": self.session.n_neurons,
            "n_channels": C,
            "n_bands": F,
            "n_lags": T,
            "dt_ms": self.session.dt_ms,
            "delay_ms": self.session.delay_ms,
            "channel_names": channel_names(C),
            "has_scores": self.session.responses is not None,
            "has_other": self._tuning.other is not None,
            "kernels_given": self._tuning.given_kernels is not None,
        }

    def _received(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "ready":
            # Changes that were sent before this browser listened.
            self._send_rows(self._sent_rows, self._sent_kernels)
        else:
            self.error = f"type of a message must be ready, got {str(kind)[:80]}"

    def _send_rows(self, rows: Iterable[int], kernels: Iterable[int]) -> None:
        rows, kernels = sorted(rows), sorted(kernels)
        if rows or kernels:
            parts = [self.table[rows].tobytes(), self.kernels[kernels].tobytes()]
            self.send({"type": "patch", "rows": rows, "kernels": kernels}, buffers=parts)

    def _send_all(self) -> None:
        self._sent_rows.clear()
        self._sent_kernels.clear()
        self.send_state(("kernels", "table"))

    # -- following the session -----------------------------------------------------------------------------------

    def _session_changed(self, change: Change) -> None:
        if self.trained and not change.stimulus:
            return
        neurons = range(self.session.n_neurons) if change.neurons is None else change.neurons
        table = self.session.parameters
        of_neurons = any(table[name].per_neuron for name in change.names if name in table)
        self._mark_stale(
            neurons if self._tuning.given_kernels is None and (of_neurons or change.unnamed) else (),
            neurons if change.names or change.unnamed or change.stimulus else (),
        )
        if change.settled and (self._stale_fields or self._stale_scores):
            self._refresh_timer.start(SOON_S if len(self._stale_scores) <= FEW else LATER_S)

    @locked
    def _mark_stale(self, fields: Iterable[int], scores: Iterable[int]) -> None:
        self._stale_fields.update(fields)
        self._stale_scores.update(scores)

    @locked
    def _unmark(self, fields: Iterable[int], scores: Iterable[int]) -> None:
        self._stale_fields.difference_update(fields)
        self._stale_scores.difference_update(scores)

    def _fields_chosen(self, _change: Any) -> None:
        if (self._tuning.trained, self._tuning.with_gain) == (self.trained, self.with_gain):
            return  # both were set at once
        every = range(self.session.n_neurons)
        self._tuning.trained, self._tuning.with_gain = self.trained, self.with_gain
        self._tuning.read_fields(every)
        self._tuning.read_edited()
        self._unmark(every, ())
        self._mark_stale((), every)
        self._send_all()
        self._refresh_timer.start(SOON_S)

    @locked_by("_refreshing")
    def refresh(self) -> None:
        """Compute and send now what edits have made stale; it happens by itself when the kernel is idle."""
        self._refresh_timer.close()
        stale, stale_scores = (sorted(one.copy()) for one in (self._stale_fields, self._stale_scores))
        try:
            # Before they are computed: what is edited meanwhile is stale again.
            self._unmark(stale, stale_scores)
            self._refresh(stale, stale_scores)
        except BaseException:
            self._mark_stale(stale, stale_scores)
            raise

    def _refresh(self, stale: list[int], stale_scores: list[int]) -> None:
        if not stale and not stale_scores:
            return
        table, pictures = self.table.copy(), self.kernels[stale]
        if stale:
            self._tuning.read_fields(stale)
        self._tuning.read_scores(stale_scores)
        self._tuning.read_edited()
        self._tuning.read_doubts()
        # Compared as bits: NaN is NaN.
        rows = np.flatnonzero((table.view("<i4") != self.table.view("<i4")).any(1)).tolist()
        redrawn = (pictures != self.kernels[stale]).any((1, 2, 3))
        kernels = [neuron for neuron, new in zip(stale, redrawn, strict=True) if new]
        if len(kernels) > max(FEW, len(table) // 4):
            self._send_all()
            return
        self._sent_rows.update(rows)
        self._sent_kernels.update(kernels)
        self._send_rows(rows, kernels)


class SameNeuron:
    """Keeps ``bench.neuron`` and ``gallery.selected`` the same, beginning with the bench's.

    Cells, pages and timers may set either side by side: `traitlets.link` then raises, and leaves the two different.
    """

    def __init__(self, bench: Any, gallery: Gallery) -> None:
        self._bench, self._gallery = bench, gallery
        gallery.selected = bench.neuron
        bench.observe(self._to_gallery, "neuron")
        gallery.observe(self._to_bench, "selected")

    # Not the value of the change: another thread may have set another one since.

    def _to_gallery(self, _change: Any) -> None:
        if self._gallery.selected != self._bench.neuron:
            self._gallery.selected = self._bench.neuron

    def _to_bench(self, _change: Any) -> None:
        if self._bench.neuron != self._gallery.selected:
            self._bench.neuron = self._gallery.selected

    def unlink(self) -> None:
        """Let each have its own again; a second call changes nothing."""
        for widget, follow, name in (
            (self._bench, self._to_gallery, "neuron"),
            (self._gallery, self._to_bench, "selected"),
        ):
            with contextlib.suppress(ValueError):  # it does not observe any more
                widget.unobserve(follow, name)


@keywords(folded="with_gain")
def gallery(
    model: NeuralModel | LiveSession,
    stimulus: Sound | None = None,
    responses: ArrayLike | Tensor | None = None,
    *,
    dt_ms: float | None = None,
    cf_hz: ArrayLike | None = None,
    neuron_names: Sequence[str] | None = None,
    **options: Any,
) -> Gallery:
    """Small multiples of all receptive fields of a model, to show in a notebook.

    Parameters
    ----------
    model : NeuralModel or LiveSession
        A model is copied, so it stays as it is; a session is shared, and the gallery follows its edits.
    stimulus, responses, dt_ms, cf_hz, neuron_names
        See :class:`LiveSession`; not with a session, which has them. Without a stimulus there
        are no scores.
    **options
        See :class:`Gallery`.

    Returns
    -------
    Gallery
        The last expression of a cell shows it.

    Raises
    ------
    TypeError, ValueError
        An argument is missing, is given twice or is wrong; the message names it.

    Examples
    --------
    >>> from deepstrf.demo import load_demo
    >>> demo = load_demo()
    >>> high = gallery(demo.model, demo.stimulus, ranges={"best_frequency_hz": (5500, None)})
    >>> high.shown.tolist()
    [1, 4, 5]
    """
    if isinstance(model, LiveSession):
        refuse_beside_session(
            stimulus=stimulus, responses=responses, dt_ms=dt_ms, cf_hz=cf_hz, neuron_names=neuron_names
        )
        return Gallery(model, **options)
    if not isinstance(model, NeuralModel):
        raise TypeError(f"model must be a deepstrf NeuralModel or a LiveSession, got {type(model).__name__}")
    if stimulus is None:
        if responses is not None:
            raise TypeError("stimulus must be given with responses, got None")
        if not isinstance(model.readout, STRFReadout):
            raise TypeError(f"stimulus must be given for a {type(model).__name__}, which has no receptive fields")
        stimulus = torch.zeros(*model.readout.STRF_weight().shape[-2:])
    session = LiveSession(model, stimulus, responses, dt_ms=dt_ms, cf_hz=cf_hz, neuron_names=neuron_names)
    return Gallery(session, **options)


def _whole(name: str, value: Any, high: int) -> int:
    if isinstance(value, bool) or not 0 <= value <= high:
        raise TraitValueError(f"{name} must be a whole number in [0, {high}], got {value!r}")
    return int(value)


def _is_end(value: Any) -> bool:
    return value is None or is_finite(value)


def _checked_kernels(kernels: ArrayLike | Tensor, session: LiveSession) -> Tensor:
    fields = as_tensor("kernels", kernels)
    N, F = session.n_neurons, session.stimulus.shape[2]
    if fields.ndim != 4 or (fields.shape[0], fields.shape[2]) != (N, F) or 0 in fields.shape:
        raise ValueError(f"kernels must have shape (N, C, F, T) = ({N}, C, {F}, T), got {tuple(fields.shape)}")
    if not fields.is_floating_point() or not bool(torch.isfinite(fields).all()):
        raise ValueError("kernels must hold finite floating-point numbers, got NaN, infinity or another type")
    return fields.detach().cpu().float().clone()
