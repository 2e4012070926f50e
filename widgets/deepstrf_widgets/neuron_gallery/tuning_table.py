"""Small pictures and read-outs of the receptive fields of all neurons of a session, and the order of the neurons."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepstrf.analysis import bandwidth, best_frequency, latency, on_off_index, separability_index
from deepstrf.metrics import corrcoef

from ..comparison.other_model import OtherModel
from ..figures.confidence import LEVEL, Confidence
from ..session.doubts import doubtful_peaks, known_doubts
from ..session.evidence import heard_by
from ..session.session import LiveSession
from ..session.staged_forward import gain_and_offset
from ..threads import one_thread

__all__ = ["COLUMNS", "FEW", "MEASURES", "SORTS", "TuningTable"]

MEASURES = ("best_frequency_hz", "latency_ms", "bandwidth_oct", "separability", "on_off", "score", "score_gain")
"""The read-outs by which neurons are sorted and filtered."""

COLUMNS = (*MEASURES, "edited", "peak", "preferred_hz")
"""Columns of a table: the read-outs, whether the neuron is edited, its largest absolute weight, and where the recording
would have the field's peak, if that is in another band."""

SORTS = ("index", "name", *MEASURES)
FEW = 16
"""Up to so many neurons are computed one by one, more of them by the whole model at once."""

NEURONS_AT_ONCE = 64

UNSURE = 0.3
"""Share of its colour with which a weight is drawn that is not certain."""

INTERVALS = {"best_frequency_hz": "best_frequency", "latency_ms": "latency", "bandwidth_oct": "bandwidth"}
"""Columns whose read-outs may have an interval, and its name in the bands of a fit."""


class TuningTable:
    """Pictures and read-outs of every neuron, in arrays that are changed in place.

    Best frequency, latency, bandwidth and separability (:mod:`deepstrf.analysis`) are those of the channel with the
    largest excitation (of the largest weight, where nothing excites). What does not exist is NaN.

    Parameters
    ----------
    session : LiveSession
        Whose neurons these are.
    given_kernels : Tensor, shape (N, C, F, T), optional
        Shown instead of the model's receptive fields.
    confidence : Confidence, optional
        Weights that are not certain are pale, while the field is as it was fitted.
    other : OtherModel, optional
        The model B beside it: the score gain is the score minus that of B.

    Attributes
    ----------
    trained, with_gain : bool
        Whether the receptive fields and scores are those when the session began; whether the gain of the batch norm is
        multiplied in.
    kernels : ndarray of int8, shape (N, C, F, T)
        Receptive fields over their own largest absolute value, times 127. Weights that have met no sound are 0.
    table : ndarray of float32, shape (N, 10)
        One column for each of ``COLUMNS``.
    """

    def __init__(
        self,
        session: LiveSession,
        given_kernels: Tensor | None = None,
        confidence: Confidence | None = None,
        other: OtherModel | None = None,
    ) -> None:
        self.session, self.other = session, other
        self.given_kernels = given_kernels
        self.confidence = confidence
        self.trained = self.with_gain = False
        first = session.live.kernel(0) if given_kernels is None else given_kernels[0]
        if first is None:
            raise ValueError(
                "session must be of a model with receptive fields, or kernels be given, "
                f"got {type(session.model).__name__} without"
            )
        self.kernels = np.zeros((session.n_neurons, *first.shape), np.int8)
        self.table = np.full((session.n_neurons, len(COLUMNS)), np.nan, "<f4")
        self.table[:, COLUMNS.index("edited")] = 0

    def fields(self, neurons: Sequence[int]) -> Tensor:
        """Receptive fields (n, C, F, T) of some neurons in float32; all zero where one is not finite."""
        rows = list(neurons)
        if self.given_kernels is not None:
            return self.given_kernels[rows]
        chain = self.session.trained if self.trained else self.session.live
        fields = chain.kernels(rows)
        if fields is None or fields.shape[1:] != self.kernels.shape[1:]:
            # Parts of the model have been exchanged: there is nothing of this shape to show any more.
            return torch.zeros(len(rows), *self.kernels.shape[1:])
        fields = fields.detach().cpu()
        affine = gain_and_offset(chain.model) if self.with_gain else None
        if affine is not None:
            fields = fields * affine[0].cpu()[rows, None, None, None]
        finite = torch.isfinite(fields).flatten(1).all(1)
        heard = heard_by(self.session)
        shown = finite[:, None, None, None] if heard is None else finite[:, None, None, None] & heard
        return torch.where(shown, fields, 0.0).float()

    @one_thread()
    def read_fields(self, neurons: Sequence[int]) -> None:
        """Compute the pictures of some neurons again, and what is read from them."""
        rows, fields = list(neurons), self.fields(neurons)
        peak = fields.abs().amax((1, 2, 3))
        scale = torch.where(peak > 0, 127 / torch.where(peak > 0, peak, 1.0), 0.0)
        drawn = fields * scale[:, None, None, None] * self._certainty(rows)
        self.kernels[rows] = drawn.round().to(torch.int8).numpy()
        excitation = fields.amax((2, 3))
        excited = excitation.amax(1) > 0
        channel = torch.where(excited, excitation.argmax(1), fields.abs().amax((2, 3)).argmax(1))
        main = fields[torch.arange(len(rows)), channel]
        cf_hz = torch.as_tensor(np.asarray(self.session.cf_hz))
        mask = heard_by(self.session) if self.given_kernels is None else None
        heard = None if mask is None else mask[channel]
        found = {
            "best_frequency_hz": best_frequency(main, cf_hz, heard=heard),
            "latency_ms": latency(main, self.session.dt_ms, delay_ms=self.session.delay_ms, heard=heard),
            "bandwidth_oct": bandwidth(main, cf_hz, heard=heard),
            "separability": separability_index(main),
            "peak": peak,
        }
        if fields.shape[1] == 2:
            found["on_off"] = on_off_index(fields)
        for name, values in found.items():
            self.table[rows, COLUMNS.index(name)] = values.numpy()

    def _certainty(self, rows: Sequence[int]) -> Tensor:
        """What the weights (n, C, F, T) of some neurons are drawn with: less where they are not certain."""
        shares = torch.ones(len(rows), *self.kernels.shape[1:])
        if self.confidence is None or self.given_kernels is not None:
            return shares
        for i, neuron in enumerate(rows):
            unsure = self.confidence.unsure(neuron)
            if unsure is not None and (self.trained or not self.confidence.edited(self.session, neuron)):
                shares[i][torch.from_numpy(unsure)] = UNSURE
        return shares

    def intervals(self) -> dict[str, NDArray[np.float32]]:
        """Ends of the intervals of the read-outs, by the names of their columns with ``_low`` and ``_high``, (N,) each.

        Of the channel with the largest excitation of the trained field, as the read-outs; NaN where there is none.
        """
        if self.confidence is None:
            return {}
        kernels = self.session.trained.kernels(range(len(self.table)))
        assert kernels is not None  # there is confidence of models with fields alone
        channel = kernels.detach().cpu().amax((2, 3)).argmax(1)
        rows, found = torch.arange(len(channel)), {}
        for column, name in INTERVALS.items():
            band = self.confidence.bands.get(name)
            if band is not None:
                for end, values in zip(("low", "high"), band.interval(LEVEL), strict=True):
                    found[f"{column}_{end}"] = values[rows, channel].numpy().astype("<f4")
        return found

    @one_thread()
    @torch.no_grad()
    def read_scores(self, neurons: Sequence[int]) -> None:
        """Compute the scores of some neurons again; NaN where nothing is recorded."""
        now, rows = self.session.snapshot(), list(neurons)
        responses = now.responses
        if not rows:
            return
        if responses is None:
            self.table[np.ix_(rows, [COLUMNS.index("score"), COLUMNS.index("score_gain")])] = np.nan
            return
        if len(rows) <= FEW:
            read = now.trained_score if self.trained else now.score
            scores = [read(n) for n in rows]
        else:
            chain = now.trained if self.trained else now.live
            # One sound at a time: what a whole batch of 2,000 neurons leaves on its way would need gigabytes.
            rates = torch.cat([chain.respond(sound[None])[:, rows] for sound in now.stimulus])
            parts = zip(rates.split(NEURONS_AT_ONCE, dim=1), torch.tensor(rows).split(NEURONS_AT_ONCE), strict=True)
            scores = torch.cat([corrcoef(rate, responses[:, part], reduction="none") for rate, part in parts]).tolist()
        self.table[rows, COLUMNS.index("score")] = scores
        if self.other is not None:
            theirs = [self.other.score(now, n) for n in rows]
            # None, where there is no partner, becomes NaN.
            gains = np.array(scores, dtype=float) - np.array(theirs, dtype=float)
            self.table[rows, COLUMNS.index("score_gain")] = gains

    def read_edited(self) -> None:
        """Note for every neuron whether a parameter of its own differs from the trained value."""
        now, edited = self.session.snapshot(), torch.zeros(len(self.table), dtype=torch.bool)
        for name, parameter in now.parameters.items():
            trained = now.trained_parameters.get(name)
            if parameter.per_neuron and trained is not None and not self.trained:
                differs = parameter.raw[parameter.prefix] != trained.raw[trained.prefix]
                edited |= differs.reshape(len(edited), -1).any(1).cpu()
        self.table[:, COLUMNS.index("edited")] = edited.numpy()
        self._mark_doubts(known_doubts(self.session))

    def read_doubts(self) -> None:
        """Note where the recording would have the peak of a field that stands in another band; see `doubtful_peaks`.

        Not with intervals, which say more, and not of kernels that were given.
        """
        if self.confidence is None and self.given_kernels is None:
            self._mark_doubts(doubtful_peaks(self.session))

    def _mark_doubts(self, doubts: Mapping[int, float]) -> None:
        if self.confidence is not None or self.given_kernels is not None:
            return
        preferred = self.table[:, COLUMNS.index("preferred_hz")]
        preferred[:] = np.nan
        for neuron, hz in doubts.items():
            if not self.table[neuron, COLUMNS.index("edited")]:
                preferred[neuron] = hz

    def order(
        self, sort: str, descending: bool, search: str, ranges: Mapping[str, Sequence[float | None]]
    ) -> NDArray[np.int64]:
        """Numbers of the neurons that pass ``search`` and ``ranges``, sorted, as ``orderOf`` does in the browser.

        A neuron without a value passes no range and stands last, whichever the direction. Equal ones stand by number.
        """
        names, words = self.session.neuron_names, search.lower().split()
        passes = np.array([all(word in f"{i} {name}".lower() for word in words) for i, name in enumerate(names, 1)])
        for measure, (low, high) in ranges.items():
            values = self.table[:, COLUMNS.index(measure)]
            passes &= (values >= (-math.inf if low is None else low)) & (values <= (math.inf if high is None else high))
        if sort == "index":
            keys = np.arange(len(names), dtype=float)
        elif sort == "name":
            # Numbers within names count as numbers: 2 before 10.
            spelled = [re.sub("[0-9]+", lambda found: found[0].zfill(12), name.lower()) for name in names]
            rank = {name: place for place, name in enumerate(sorted(set(spelled)))}
            keys = np.array([rank[name] for name in spelled], dtype=float)
        else:
            keys = self.table[:, COLUMNS.index(sort)].astype(float)
        chosen = np.flatnonzero(passes)
        return chosen[np.argsort(-keys[chosen] if descending else keys[chosen], kind="stable")]
