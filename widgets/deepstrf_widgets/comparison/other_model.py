"""A second model of the neurons of a session: which of its neurons is which, and what it answers to the same sounds."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

from torch import Tensor, nn

from deepstrf.locking import locked
from deepstrf.models import NeuralModel
from deepstrf.models.audio import AudioEncodingModel
from deepstrf.models.audio.gradient_maps import run_up, spectrogram_gradients

from ..session.reading import Snapshot
from ..session.scores import Scores
from ..session.session import LiveSession
from ..session.staged_forward import StagedForward, gain_and_offset
from ..threads import one_thread

__all__ = ["TRAINED", "OtherModel"]

TRAINED = "trained"
"""Given in place of another model: the session's own as it began."""

MOST_NAMED = 4


class OtherModel:
    """The model B beside that of a session, A. Neither is changed.

    Parameters
    ----------
    session : LiveSession
        Of A.
    other : NeuralModel, LiveSession, or "trained"
        B; of a session the model as it is now. "trained" is A as its session began.

    Raises
    ------
    TypeError
        ``other`` is none of these.
    ValueError
        It does not answer the sounds of the session, or has none of its neurons.

    Attributes
    ----------
    name : str
        What it is called on screen.
    partner : list of int or None, length N
        Which neuron of B is each of A; None where it has none.
    matching : str
        How they were matched, and what was not, in one sentence.
    """

    def __init__(self, session: LiveSession, other: object) -> None:
        self._session = session
        model, names = _model_and_names(session, other)
        self.name = "as trained" if other == TRAINED else type(model).__name__
        try:
            first = session.first_stimulus
            self._own = LiveSession(
                model, first.cpu(), dt_ms=session.dt_ms, cf_hz=session.cf_hz, neuron_names=names or None
            )
        except ValueError as error:
            raise ValueError(f"other must answer the sounds of the session: {error}") from error
        self._lock = threading.RLock()
        self._played: tuple[Tensor, StagedForward, Scores | None] | None = None
        self.partner, self.matching = matched(
            session.neuron_names, self._own.neuron_names, named=_are_names(session.neuron_names) and bool(names)
        )
        if not any(number is not None for number in self.partner):
            raise ValueError(f"other must have neurons of the session, got none of its names: {self.matching}")

    def rate(self, now: Snapshot, neuron: int) -> Tensor | None:
        """Response (B, T) of the partner of a neuron to the sounds of the session; None where it has none."""
        number = self.partner[neuron]
        return None if number is None else self._stages(now)[0].rate(number).to(now.stimulus.device)

    def score(self, now: Snapshot, neuron: int) -> float | None:
        """Correlation of that response with the recorded one of the neuron."""
        rate, scores = self.rate(now, neuron), self._stages(now)[1]
        return None if rate is None or scores is None else scores.of(rate, neuron).r

    @one_thread()
    def fields(self, now: Snapshot, neuron: int) -> tuple[Tensor, Tensor, str] | None:
        """Receptive fields (C, F, T) of A and B, of one size and unit, and what they are; None without a partner.

        The weights, times the gain of the batch norm, where both models have them for the same channels; else the
        gradients of both responses with respect to the spectrogram, around the mean sound. The shorter one is filled
        with zeros at its far end.
        """
        number = self.partner[neuron]
        if number is None:
            return None
        there = self._stages(now)[0]
        one, two = now.live.kernel(neuron), there.kernel(number)
        kind = "weights × gain"
        if one is not None and two is not None and one.shape[:2] == two.shape[:2]:
            one, two = _with_gain(one, now.model, neuron), _with_gain(two, there.model, number)
        else:
            kind = "gradients around the mean sound"
            one, two = (
                _gradient(model, now.stimulus, n)
                for model, n in ((now.copied_model(), neuron), (self._own.snapshot().copied_model(), number))
            )
            if one is None or two is None:
                return None
        lags = max(one.shape[-1], two.shape[-1])
        one, two = (nn.functional.pad(field.float().cpu(), (lags - field.shape[-1], 0)) for field in (one, two))
        return one, two, kind

    @locked
    def _stages(self, now: Snapshot) -> tuple[StagedForward, Scores | None]:
        if self._played is None or self._played[0] is not now.stimulus:
            state = self._own.live
            stages = StagedForward(state.model, now.stimulus.to(state.stimulus), state.form)
            responses = now.responses
            self._played = now.stimulus, stages, None if responses is None else Scores(responses)
        return self._played[1:]


def matched(ours: Sequence[str], theirs: Sequence[str], *, named: bool) -> tuple[list[int | None], str]:
    """Partner of each of our neurons among theirs, and how that was found, in words.

    By name where both have names, each once; else by number.
    """
    doubled = [name for names in (ours, theirs) for name in dict.fromkeys(names) if list(names).count(name) > 1]
    if named and not doubled:
        places = {name: number for number, name in enumerate(theirs)}
        partner = [places.get(name) for name in ours]
        lost = [f"A alone has {_some([name for name in ours if name not in places])}"] if None in partner else []
        extra = [name for name in theirs if name not in set(ours)]
        lost += [f"B alone has {_some(extra)}"] if extra else []
        found = sum(number is not None for number in partner)
        return partner, "; ".join([f"{found} of {len(ours)} neurons matched by name", *lost])
    both = min(len(ours), len(theirs))
    why = f"{_some(doubled)} stands for several neurons" if named and doubled else "not both have names"
    lost = [] if len(ours) == len(theirs) else [f"A has {len(ours)} neurons, B {len(theirs)}"]
    return [n if n < both else None for n in range(len(ours))], "; ".join([f"matched by number, as {why}", *lost])


def _model_and_names(session: LiveSession, other: object) -> tuple[NeuralModel, list[str]]:
    if isinstance(other, str) and other == TRAINED:
        return session.trained.model, list(session.neuron_names)
    if isinstance(other, LiveSession):
        names = list(other.neuron_names)
        return other.snapshot().copied_model(), names if _are_names(names) else []
    if isinstance(other, NeuralModel):
        names = [] if other.axes is None else list(other.axes.neuron_names)
        return other, names if _are_names(names) else []
    raise TypeError(f'other must be a NeuralModel, a LiveSession or "{TRAINED}", got {type(other).__name__}')


def _are_names(names: Sequence[str]) -> bool:
    """Whether they are more than numbers, as neurons without names get them."""
    return not all(re.fullmatch(r"(neuron )?\d+", name.strip()) for name in names)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _with_gain(kernel: Tensor, model: NeuralModel, neuron: int) -> Tensor:
    found = gain_and_offset(model)
    return kernel if found is None else kernel * found[0][neuron]


def _gradient(model: NeuralModel, stimulus: Tensor, neuron: int) -> Tensor | None:
    """Gradient map (1, F, T) of a private model around the mean sound; None for one that knows no number of lags."""
    if not isinstance(model, AudioEncodingModel):
        return None
    window = model.T if model.T > 1 else max(1, model.settling_bins)
    like = next((p for p in model.parameters() if p.is_floating_point()), stimulus)
    steady = stimulus.to(like).mean((0, 3), keepdim=True).expand(-1, -1, -1, run_up(model, window))
    return spectrogram_gradients(model, steady, neurons=[neuron], window=window)[0]
