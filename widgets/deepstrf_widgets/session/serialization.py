"""All edits of a session, as Python that repeats them and as a text that restores them elsewhere."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np

from .events import Edit
from .parameters import ABLATION, LARGEST, Index, Parameter
from .session import LiveSession

__all__ = ["changed_values", "edits_of_state", "restore_state", "state_text", "to_code", "view_of_state"]

PREFIX = "deepstrf1:"
MOST_CHARACTERS = 10_000_000
MOST_NUMBERS = 400_000
"""In a text: with 24 characters each they are as long as one that is read may be."""

LONG = 100_000
TOO_LARGE = "deepstrf-too-large: "
MOST_SHOWN = 300
VIEW = ("neuron", "sound", "channel")
"""What of a view goes into a text."""

MOST_WRITTEN = 5000
"""Numbers in a text that is read."""

FEW = 8
"""Up to so many changed numbers of one neuron are listed one by one, more of them as an array where any value goes."""

# A width in octaves is read at the centre that is there then, so centres come first.
_FIRST = ("strf.center_hz",)


def changed_values(session: LiveSession) -> Iterator[Edit]:
    """Edits, in natural units, that make the trained model what it is now."""
    now = session.snapshot()
    mine = {**now.parameters, **now.other_parameters}
    trained_ones = {**now.trained_parameters, **now.trained_other_parameters}
    both = [name for name in mine if name in trained_ones]
    for name in sorted(both, key=lambda name: name not in _FIRST):
        parameter, trained = mine[name], trained_ones[name]
        unequal = parameter.raw[parameter.prefix] != trained.raw[trained.prefix]
        if not unequal.any():
            continue
        differs = unequal.reshape(parameter.shape).cpu().numpy()
        values = parameter.read()
        rows = [(int(n),) for n in range(len(differs))] if parameter.per_neuron and parameter.shape else [()]
        for row in rows:
            places = np.argwhere(differs[row])
            # An array would also set what was not changed, and training may have left that outside the limits.
            if len(places) > FEW and _takes_anything(parameter, row):
                yield Edit(name, values[row], row)
                continue
            for place in places:
                index = (*row, *(int(i) for i in place))
                yield Edit(name, float(values[index]), index)


def to_code(session: LiveSession) -> str:
    """Python that makes the same changes to a fresh ``session`` of the same model; empty when nothing was changed.

    More numbers than anybody reads, such as those of a network that was fitted, stand in the folder to which
    `LiveSession.save_pretrained` has written them. Before it has, the code refuses to run and says so.
    """
    lines, edits = [], list(changed_values(session))
    count = sum(np.asarray(edit.value).size for edit in edits)
    if count > MOST_WRITTEN:
        folder = session.saved_in(session.snapshot())
        if folder is None:
            text = f"{count} changed numbers are too many to write here: session.save_pretrained(folder) before .code"
            return f"raise ValueError({text!r})\n"
        lines.append(f"session.load_weights({str(folder)!r})\n")
        edits = [edit for edit in edits if edit.name.startswith(f"{ABLATION}.")]
    for name, value, index in edits:
        where = f", {index!r}" if index else ""
        lines.append(f"session.set({name!r}, {np.asarray(value).tolist()!r}{where})\n")
    return "".join(lines)


def state_text(session: LiveSession, view: Mapping[str, int] | None = None) -> str:
    """One line of letters that holds what was changed, for :func:`restore_state` in another notebook.

    Saved pages keep the same text behind the ``#`` of their address (``widgets/src/offline/state-text.ts``). ``view``
    is what is on screen: numbers from 0 of neuron, sound and channel, of which those that are 0 need no mention.
    Where more was changed than such a text may hold, as by a fit of a large network, it says so instead.
    """
    edits = list(changed_values(session))
    count = sum(np.asarray(edit.value).size for edit in edits)
    shown = {name: number for name, number in (view or {}).items() if number}
    if count <= MOST_NUMBERS:
        listed = [[name, list(index), np.asarray(value).tolist()] for name, value, index in edits]
        state = {"neurons": session.n_neurons, "edits": listed, **({"view": shown} if shown else {})}
        data = json.dumps(state).encode()
        if len(data) <= MOST_CHARACTERS:
            # A long text is waited for after every edit: the highest level takes three times as long, for a tenth less.
            packed = zlib.compress(data, 9 if len(data) <= LONG else 1)
            return PREFIX + base64.urlsafe_b64encode(packed).decode("ascii")
    return f"{TOO_LARGE}{count} changed numbers are too many for a text: session.save_pretrained(folder) keeps them"


def restore_state(session: LiveSession, text: str) -> None:
    """Set the parameters to what :func:`state_text` held, all others to their trained values.

    Raises
    ------
    TypeError
        ``text`` is no text.
    ValueError
        It is none of :func:`state_text`, or is of another model: it names a parameter that this one does not have, or
        more values than it has. Everything is then as before.
    """
    edits = edits_of_state(session, text)
    try:
        session.restore(edits)
    except (KeyError, IndexError, TypeError, OverflowError) as error:
        reason = str(error.args[0] if error.args else error)
        raise ValueError(f"state does not fit this model: {reason[:MOST_SHOWN]}") from error
    except ValueError as error:
        raise ValueError(f"state does not fit this model: {str(error)[:MOST_SHOWN]}") from error


def view_of_state(text: str) -> dict[str, int]:
    """What was on screen, by the names of `VIEW`: numbers from 0; ValueError where the text is none of `state_text`."""
    view = _parsed(text)["view"]
    return {name: view.get(name, 0) for name in VIEW}


def edits_of_state(session: LiveSession, text: str) -> list[Edit]:
    """Edits that :func:`state_text` held, from the trained values on; errors as of :func:`restore_state`."""
    state = _parsed(text)
    if state["neurons"] != session.n_neurons:
        raise ValueError(f"state must be of a model with {session.n_neurons} neurons, got one of {state['neurons']}")
    edits = [Edit(name, value, tuple(index)) for name, index, value in state["edits"]]
    session.prepare(edit.name for edit in edits)
    now = session.snapshot()
    every = (*now.parameters.values(), *now.other_parameters.values())
    most = sum(_most_edits(parameter) for parameter in every)
    places = {(name, index) for name, _, index in edits}
    if len(edits) > most or len(places) < len(edits):
        raise ValueError(
            f"state must set each value of this model once, {most} edits at most, got {len(edits)} of "
            f"{len(places)} places"
        )
    return edits


def _most_edits(parameter: Parameter) -> int:
    """Edits of one parameter in a text of :func:`state_text`, which has an array where any value goes."""
    rows = parameter.shape[0] if parameter.per_neuron and parameter.shape else 1
    size = math.prod(parameter.shape)
    unlimited = _takes_anything(parameter, (0,) if parameter.per_neuron and rows else ())
    return rows * min(size // max(rows, 1), FEW) if unlimited else size


def _takes_anything(parameter: Parameter, row: Index) -> bool:
    low, high = parameter.limits(row)
    return bool(np.all(low == -LARGEST) and np.all(high == LARGEST))


def _parsed(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise TypeError(f"state must be a text from explorer.state, got {type(text).__name__}")
    shown = text if len(text) <= 40 else text[:37] + "..."
    wrong = ValueError(f"state must be a text from explorer.state ({PREFIX}...), got {shown!r}")
    if len(text) > MOST_CHARACTERS:
        raise wrong
    if text.startswith(TOO_LARGE):
        raise ValueError(f"state holds no edits: {text[len(TOO_LARGE) :][:MOST_SHOWN]}")
    # Also the whole address of a saved page, or of one bench of several in a page.
    text = re.sub("^bench-[0-9]+=", "", unquote(text[text.find("#") + 1 :]))
    if not text.startswith(PREFIX):
        raise wrong
    try:
        packed = base64.b64decode(text[len(PREFIX) :].strip(), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, MOST_CHARACTERS)
        if not unpacker.eof or unpacker.unused_data:
            raise wrong
        state = json.loads(data)
    except (ValueError, RecursionError, zlib.error) as error:
        raise wrong from error
    edits = state.get("edits") if isinstance(state, dict) else None
    good = isinstance(edits, list) and all(
        isinstance(edit, list)
        and len(edit) == 3
        and isinstance(edit[0], str)
        and isinstance(edit[1], list)
        and all(type(i) is int for i in edit[1])
        for edit in edits
    )
    if not good or type(state.get("neurons")) is not int:
        raise wrong
    view = state.setdefault("view", {})
    if not isinstance(view, dict) or any(type(n) is not int or n < 0 for n in view.values()):
        raise wrong
    return state
