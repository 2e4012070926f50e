"""Which weights of the receptive fields on screen have met a sound in the recording that a session began with."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from deepstrf.stimuli import heard_weights

from ..threads import one_thread
from .reading import Reading
from .session import LiveSession
from .twin import Twin

__all__ = ["heard_by", "silence_text"]

_FOUND: WeakKeyDictionary[Twin, tuple[Tensor | None]] = WeakKeyDictionary()
"""By the trained model, which a session and its snapshots share."""


def heard_by(session: Reading) -> Tensor | None:
    """Weights (C, F, T), bool, that have met a sound; None where all have, or nothing was recorded.

    Without a recording a session's stimulus may be any sound, and says nothing about what the model was fitted to. A
    snapshot knows what its session has been asked before.
    """
    if session._trained not in _FOUND and isinstance(session, LiveSession):
        _FOUND[session._trained] = (_heard(session),)
    return _FOUND.get(session._trained, (None,))[0]


def silence_text(session: Reading) -> str:
    """How much of the fields has met no sound, such as "6 of 34 bands without sound"; empty where all has."""
    heard = heard_by(session)
    if heard is None:
        return ""
    C, F, T = heard.shape
    parts = []
    for axis, size, name in (((1, 2), C, "channel"), ((0, 2), F, "band"), ((0, 1), T, "lag")):
        silent = size - int(heard.any(axis[1]).any(axis[0]).sum())
        if silent:
            parts.append(f"{silent} of {size} {name}{'s' * (size != 1)}")
    if not parts:  # a band that one channel hears and the other does not
        parts.append(f"{int((~heard.any(2)).sum())} of {C * F} bands of channels")
    return f"{', '.join(parts)} without sound"


@one_thread()
@torch.no_grad()
def _heard(session: LiveSession) -> Tensor | None:
    responses, stimuli = session.first_responses, session.first_stimulus
    kernel = session.trained.kernel(0)
    if responses is None or kernel is None:
        return None
    prefiltered = getattr(session.trained.model, "prefiltered", None)
    heard = stimuli if prefiltered is None else torch.cat([prefiltered(sound[None]) for sound in stimuli])
    if heard.shape[1:3] != kernel.shape[:2]:
        return None
    recorded = (~responses.isnan()).flatten(1, 2).any(1)
    last = (recorded * torch.arange(1, recorded.shape[-1] + 1)).amax(-1).tolist()
    # A sound to which nothing was recorded says nothing about a field.
    there = [b for b, bins in enumerate(last) if bins]
    if not there:
        return None
    found = heard_weights(heard[there].cpu(), kernel.shape[-1], [last[b] for b in there])
    return None if bool(found.all()) or not bool(found.any()) else found
