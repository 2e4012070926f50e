"""What can be read of a session: all of it of one moment, whatever other threads do meanwhile."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepstrf.datasets.source import Source
from deepstrf.deprecation import keywords
from deepstrf.models import NeuralModel

from .ablation import ablation_text
from .argument_validation import SessionInputs, neuron_index
from .events import Change
from .explanation import Explanation, explanation_of
from .history import History
from .opening import restrictions
from .parameters import ABLATION, Index, Parameter
from .scores import NO_SCORE, Score, Scores
from .staged_forward import StagedForward
from .twin import Lease, Twin

__all__ = ["Played", "Reading", "Snapshot", "State", "parameter_of"]

MAX_RECENT = 256
"""Changes that are remembered for those who have not looked for a while."""


@dataclass(frozen=True)
class Played:
    """A stimulus batch with its responses, and what has been computed on it of the trained model."""

    batch: Tensor
    responses: Tensor | None
    unit: str
    sounds: tuple[str, ...]
    bins: tuple[int, ...]
    trained: StagedForward
    live_scores: Scores | None
    trained_scores: Scores | None
    source: Source | None = None

    @classmethod
    def of(cls, inputs: SessionInputs, trained: StagedForward, source: Source | None = None) -> Played:
        """A stimulus; ``trained`` is the trained model on any: what it has computed of this very batch stays known."""
        batch, responses = inputs.stimulus, inputs.responses
        live_scores = None if responses is None else Scores(responses)
        trained_scores = live_scores and live_scores.of_another()
        if trained.stimulus is not batch:
            trained = StagedForward(trained.model, batch, trained.form)
        return cls(
            batch, responses, inputs.unit, inputs.sounds, inputs.bins, trained, live_scores, trained_scores, source
        )


@dataclass(frozen=True)
class State:
    """All of a session at one moment.

    With a ``lease`` it stays as it is; ``recent`` are the last changes; ``recorded`` is what is played, or where
    nothing was recorded to it what was played last of which something is: None where there was none.
    """

    twin: Twin
    live: StagedForward
    played: Played
    recorded: Played | None = None
    history: History = field(default_factory=History)
    version: int = 0
    recent: tuple[Change, ...] = ()
    lease: Lease | None = None

    def after(self, change: Change, **parts: Any) -> State:
        """The state that a change leads to."""
        return replace(self, version=change.version, recent=(*self.recent, change)[-MAX_RECENT:], **parts)


@keywords()
class Reading(ABC):
    """What a session and its snapshots have in common: each method reads one state."""

    dt_ms: float
    delay_ms: float
    response_unit: str
    """Of the recording that the session began with, or of the one that the model was fitted to."""
    cf_hz: NDArray[np.float64]
    neuron_names: list[str]
    _trained: Twin
    _opened: str

    @abstractmethod
    def _present(self) -> State:
        """The state to read."""

    def snapshot(self) -> Snapshot:
        """The session as it is now: what is read from it belongs together, and does not change."""
        return Snapshot(self, self._present())

    @property
    @abstractmethod
    def model(self) -> NeuralModel:
        """The model under edit."""

    @property
    def version(self) -> int:
        """Number of the state: each change has the next one."""
        return self._present().version

    @property
    def restrictions(self) -> str:
        """What cannot be edited or seen in this model, and why, in one sentence; empty when there is nothing."""
        off = self.ablated
        ablated = f"ablated: {off}" if off else ""
        return "; ".join(filter(None, (ablated, self._opened, restrictions(self._present().twin))))

    @property
    def ablated(self) -> str:
        """What of the model is switched off, in words; empty when all is on."""
        rows = [p for name, p in self._present().twin.parameters.items() if name.startswith(f"{ABLATION}.")]
        return ablation_text({p.name.removeprefix(f"{ABLATION}."): p.read() for p in rows}, self.cf_hz)

    def changes_since(self, version: int) -> tuple[Change, ...] | None:
        """What has happened after that version, in order; None where it is too long ago to be known."""
        state = self._present()
        missed = state.version - version
        return state.recent[len(state.recent) - missed :] if missed <= len(state.recent) else None

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return len(self.neuron_names)

    @property
    def live(self) -> StagedForward:
        """The edited model on the stimulus, stage by stage, as it is now: later edits do not reach it."""
        return self._present().live

    @property
    def trained(self) -> StagedForward:
        """The model as the session began, on the stimulus."""
        return self._present().played.trained

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What can be edited, by name."""
        return self._present().twin.parameters

    @property
    def trained_parameters(self) -> dict[str, Parameter]:
        """The same of the model as the session began."""
        return self._trained.parameters

    @property
    def other_parameters(self) -> dict[str, Parameter]:
        """Numbers of the model that no editor shows and a fit moves, by name, such as ``tensors.readout.bn.weight``."""
        return self._present().twin.others

    @property
    def trained_other_parameters(self) -> dict[str, Parameter]:
        """The same of the model as the session began."""
        return self._trained.others

    @property
    def stimulus(self) -> Tensor:
        """The stimulus batch, shape (B, 1, F, T)."""
        return self._present().live.stimulus

    @property
    def stimulus_unit(self) -> str:
        """Unit of the stimulus."""
        return self._present().played.unit

    @property
    def responses(self) -> Tensor | None:
        """What was recorded to the stimulus, (B, N, R, T)."""
        return self._present().played.responses

    @property
    def source(self) -> Source | None:
        """Recording of the catalogue that the stimulus is from; None for any other."""
        return self._present().played.source

    @property
    def sound_names(self) -> list[str]:
        """Name of each sound of the stimulus batch; where it came without names "sound 1", "sound 2"."""
        return list(self._present().played.sounds)

    @property
    def sound_bins(self) -> list[int]:
        """Length of each sound in bins: what follows in ``stimulus`` is padding."""
        return list(self._present().played.bins)

    def sound_index(self, sound: int | str) -> int:
        """Number of a sound of the stimulus batch, counted from 0, which is given by its number or its name.

        Raises
        ------
        TypeError, IndexError, ValueError
            It is neither an integer nor a text, or there is no such sound, or several of that name.
        """
        return neuron_index(self.sound_names, sound, "sound")

    def value(self, name: str, index: Index = (), *, grid: bool = False) -> NDArray[np.float64]:
        """Present value of a parameter in natural units, or on its ``grid``, at a (partial) index."""
        state = self._present()
        return parameter_of(state.twin, name, grid=grid).read(index)

    def trained_value(self, name: str, index: Index = (), *, grid: bool = False) -> NDArray[np.float64]:
        """Value of a parameter when the session began."""
        return parameter_of(self._trained, name, grid=grid).read(index)

    def rate(self, neuron: int | str) -> Tensor:
        """Predicted response of one neuron, shape (B, T)."""
        return self._present().live.rate(self._neuron(neuron))

    def psth(self, neuron: int | str) -> Tensor | None:
        """Recorded response of one neuron, mean over its repeats, shape (B, T); NaN where none was recorded."""
        responses = self.responses
        return None if responses is None else responses[:, self._neuron(neuron)].nanmean(dim=1)

    def score(self, neuron: int | str) -> float | None:
        """Correlation of predicted and recorded response of one neuron; None without responses, NaN if undefined."""
        return self.scores(neuron).r

    def normalized_score(self, neuron: int | str) -> float | None:
        """Correlation that the prediction would have with the noise-free response (CCnorm); None without repeats."""
        return self.scores(neuron).normalized

    def trained_score(self, neuron: int | str) -> float | None:
        """:meth:`score` of the trained values."""
        return self.scores(neuron, trained=True).r

    def trained_normalized_score(self, neuron: int | str) -> float | None:
        """:meth:`normalized_score` of the trained values."""
        return self.scores(neuron, trained=True).normalized

    def scores(self, neuron: int | str, *, trained: bool = False, sound: int | str | None = None) -> Score:
        """Correlation, variance explained and bias of the mean rate of one neuron, of now or of the trained values.

        Over all sounds of the stimulus batch, or over one, given by its number from 0 or its name.
        """
        row, state = self._neuron(neuron), self._present()
        scores = state.played.trained_scores if trained else state.played.live_scores
        stages = state.played.trained if trained else state.live
        if scores is None:
            return NO_SCORE
        return scores.of(stages.rate(row), row, None if sound is None else self.sound_index(sound))

    def explain(self, neuron: int | str, time_ms: float, *, sound: int | str = 0, trained: bool = False) -> Explanation:
        """Why the response of a neuron is as high as it is at a moment: sound, field, their products and the sum.

        Parameters
        ----------
        neuron : int or str
            Its number from 0, or its name.
        time_ms : float
            Moment, ms from the beginning of the sound; the bin that it falls in is explained.
        sound : int or str
            Which sound of the stimulus batch, by its number from 0 or its name.
        trained : bool
            Of the trained values in place of the edited ones.

        Raises
        ------
        ValueError
            The moment lies outside the sound; or the response is no sum over a stretch of sound, as that of a recurrent
            model. The message says why.
        IndexError
            There is no such sound or neuron.
        TypeError
            The neuron or the sound is neither a number nor a name.

        Examples
        --------
        >>> from deepstrf.demo import load_demo
        >>> from deepstrf_widgets import LiveSession
        >>> demo = load_demo()
        >>> found = LiveSession(demo.model, demo.stimulus, demo.responses).explain(0, 400.0)
        >>> round(found.gain * (sum(found.sums) + found.bias) + found.offset - found.drive, 4)
        0.0
        """
        row, state, psth, b = self._neuron(neuron), self._present(), self.psth(neuron), self.sound_index(sound)
        return explanation_of(
            state.played.trained if trained else state.live,
            None if psth is None else psth[b],
            row,
            self.neuron_names[row],
            time_ms,
            sound=b,
            bins=state.played.bins[b],
            dt_ms=self.dt_ms,
        )

    def edited(self, neuron: int | str | None = None) -> bool:
        """Whether any parameter differs from its trained value, of one neuron or of the whole model."""
        state, trained = self._present(), {**self._trained.parameters, **self._trained.others}
        own = () if neuron is None else (self._neuron(neuron),)
        for name, parameter in (*state.twin.parameters.items(), *state.twin.others.items()):
            at = parameter.prefix + (own if parameter.per_neuron else ())
            if name not in trained or not torch.equal(parameter.raw[at], trained[name].raw[at]):
                return True
        return False

    @property
    def can_undo(self) -> bool:
        """Whether there is a gesture to take back."""
        return bool(self._present().history.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a gesture to repeat."""
        return bool(self._present().history.undone)

    def _neuron(self, neuron: int | str) -> int:
        return neuron_index(self.neuron_names, neuron)


class Snapshot(Reading):
    """A session at one moment, to read. Made by :meth:`LiveSession.snapshot`.

    Attributes
    ----------
    model : NeuralModel
        The model as it was, in evaluation mode. It is shared with others: to call it, copy it.
    """

    def __init__(self, session: Reading, state: State) -> None:
        self.dt_ms, self.delay_ms, self.cf_hz = session.dt_ms, session.delay_ms, session.cf_hz
        self.response_unit = session.response_unit
        self.neuron_names = session.neuron_names
        self._trained, self._opened, self._state = session._trained, session._opened, state

    def _present(self) -> State:
        return self._state

    def snapshot(self) -> Snapshot:
        """Itself."""
        return self

    @property
    def model(self) -> NeuralModel:
        """The model as it was."""
        return self._state.twin.model

    def copied_model(self) -> NeuralModel:
        """A copy of the model as it was, for who wants to call or to change it."""
        return copy.deepcopy(self.model)


def parameter_of(twin: Twin, name: str, *, grid: bool = False) -> Parameter:
    """A parameter by name, in natural units or in those of its ``grid``.

    Raises
    ------
    KeyError
        There is none of that name.
    """
    try:
        parameter = twin.parameters.get(name) or twin.others[name]
    except (KeyError, TypeError):
        reason = twin.refused.get(name) if isinstance(name, str) else None
        if reason:
            raise KeyError(f"{name} cannot be edited: {reason}") from None
        known = ", ".join(sorted(twin.parameters)) or "none"
        raise KeyError(f"name must be one of this model's parameters ({known}), got {name!r}") from None
    return parameter.grid if grid else parameter
