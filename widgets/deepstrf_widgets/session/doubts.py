"""Neurons whose trained field has its peak in another band than the recording that a session began with prefers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from weakref import WeakKeyDictionary

import numpy as np
import torch

from deepstrf.analysis.diagnosis.peaks import misplaced_peaks
from deepstrf.analysis.diagnosis.sample import sample_of

from ..threads import one_thread
from .session import LiveSession
from .twin import Twin

__all__ = ["MOST_NEURONS", "doubtful_peaks", "known_doubts"]

MOST_NEURONS = 100
"""A neuron takes some 30 ms: of more, `deepstrf.analysis.diagnose` tells."""

_FOUND: WeakKeyDictionary[Twin, Mapping[int, float]] = WeakKeyDictionary()
"""By the trained model, which a session and its snapshots share."""


def known_doubts(session: LiveSession) -> Mapping[int, float]:
    """What `doubtful_peaks` has found of a session before; empty until it was asked."""
    return _FOUND.get(session._trained, {})


@one_thread()
def doubtful_peaks(session: LiveSession) -> Mapping[int, float]:
    """Frequency (Hz) about which a smooth field would have its peak, of each neuron whose trained field has another.

    As `diagnose` names them, without intervals. Empty without responses, of models without receptive fields and of more
    than ``MOST_NEURONS`` neurons. Computed once: a second or two.
    """
    trained = session._trained
    if trained not in _FOUND:
        _FOUND[trained] = _found(session)
    return _FOUND[trained]


def _found(session: LiveSession) -> Mapping[int, float]:
    responses = session.first_responses
    if responses is None or session.n_neurons > MOST_NEURONS or session.trained.kernel(0) is None:
        return {}
    model = copy.deepcopy(session.trained.model).eval()
    sample = sample_of(model, "stimulus", session.first_stimulus, responses, session.dt_ms)
    cf_hz = torch.as_tensor(np.asarray(session.cf_hz))
    findings = misplaced_peaks(model, sample, cf_hz, set())
    return {one.neuron: one.evidence["preferred_hz"] for one in findings if one.neuron is not None}
