"""Messages from the browser, checked: whatever arrives becomes a well-formed request, or a clear error."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from .session.events import Edit

__all__ = ["MessageError", "Request", "brief", "check_protocol", "is_count", "is_finite", "is_name", "parse"]

KINDS = ("edit", "undo", "redo", "revert", "restore", "explain", "play", "pause", "pin", "painted")
MAX_EDITS = 4096
MAX_VALUES = 1_000_000
MAX_TEXT = 200
PROTOCOL = ("update", "request_state", "custom")


class MessageError(ValueError):
    """A message from the browser breaks the contract."""


@dataclass(frozen=True)
class Request:
    """A checked message; ``kind`` is one of ``KINDS``."""

    kind: str
    client: str
    seq: int = 0
    gesture: str = ""
    settled: bool = True
    edits: tuple[Edit, ...] = ()
    names: tuple[str, ...] | None = None
    index: tuple[int, ...] = ()
    state: str = ""
    frame: int = 0
    trained: bool = False


def check_protocol(data: Any, binary: Sequence[str] = ()) -> None:
    """Refuse what the browser's half of ipywidgets never sends.

    Parameters
    ----------
    data : object
        Of the message, decoded from JSON.
    binary : sequence of str
        Traits that the browser may set to bytes, which travel beside the JSON.

    Raises
    ------
    MessageError
        ``data`` is no object with a method of the protocol, or an update with anything but values of JSON and these
        traits.
    """
    method = data.get("method") if isinstance(data, dict) else None
    if not isinstance(method, str) or method not in PROTOCOL:
        raise MessageError(
            f"method must be one of {', '.join(PROTOCOL)}, got {brief(data if method is None else method)}"
        )
    if method != "update":
        return
    state, paths = data.get("state", {}), data.get("buffer_paths", [])
    if not isinstance(state, dict):
        raise MessageError(f"state must be an object, got {brief(state)}")
    if paths not in ([], *([[name]] for name in binary)):
        allowed = " or ".join(f'[["{name}"]]' for name in binary)
        rule = f"empty or {allowed}" if binary else "empty, as no trait that the browser sets is binary"
        raise MessageError(f"buffer_paths must be {rule}, got {brief(paths)}")
    try:
        json.dumps(state, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(f"state must hold JSON with finite numbers, got {brief(state)}") from error


def parse(content: Any, buffers: Sequence[Any] | None) -> Request:
    """Request that a message holds.

    Parameters
    ----------
    content : object
        The message, decoded from JSON.
    buffers : sequence of bytes-like
        Binary part: for an edit one buffer of little-endian float32.

    Raises
    ------
    MessageError
        The field that is wrong, the rule, and what arrived.
    """
    if not isinstance(content, dict):
        raise MessageError(f"a message must be an object, got {brief(content)}")
    kind, client = content.get("type"), content.get("client")
    if kind not in KINDS:
        raise MessageError(f"type must be one of {', '.join(KINDS)}, got {brief(kind)}")
    if not is_name(client):
        raise MessageError(f"client must be a text of 1 to {MAX_TEXT} letters, got {brief(client)}")
    seq = content.get("seq", -1)
    if not is_count(seq):
        raise MessageError(f"seq must be a whole number, 0 or more, got {brief(seq)}")
    if kind == "revert":
        names, index = content.get("names"), content.get("index")
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise MessageError(f"names must be a list of parameter names or null, got {brief(names)}")
        where = () if index is None else _index(index)
        return Request(kind, client, seq, names=None if names is None else tuple(names), index=where)
    if kind == "restore":
        state = content.get("state")
        if not isinstance(state, str):
            raise MessageError(f"state must be a text, got {brief(state)}")
        return Request(kind, client, seq, state=state)
    if kind == "explain":
        frame, trained = content.get("frame"), content.get("trained", False)
        if not is_count(frame):
            raise MessageError(f"frame must be a whole number, 0 or more, got {brief(frame)}")
        if not isinstance(trained, bool):
            raise MessageError(f"trained must be true or false, got {brief(trained)}")
        return Request(kind, client, seq, frame=frame, trained=trained)
    if kind == "pin":
        return Request(kind, client, seq, index=_index(content.get("index")))
    if kind != "edit":
        return Request(kind, client, seq)
    gesture, phase = content.get("gesture"), content.get("phase")
    if not is_name(gesture):
        raise MessageError(f"gesture must be a text of 1 to {MAX_TEXT} letters, got {brief(gesture)}")
    if phase not in ("move", "end"):
        raise MessageError(f"phase must be move or end, got {brief(phase)}")
    edits = _edits(content.get("edits"), buffers or [])
    return Request(kind, client, seq, gesture, phase == "end", edits)


def _edits(listed: Any, buffers: Sequence[Any]) -> tuple[Edit, ...]:
    if not isinstance(listed, list) or len(listed) > MAX_EDITS:
        raise MessageError(f"edits must be a list of at most {MAX_EDITS}, got {brief(listed)}")
    if not all(isinstance(buffer, (bytes, bytearray, memoryview)) for buffer in buffers):
        raise MessageError(f"values must come as one float32 buffer, got {brief(buffers)}")
    raw = bytes(buffers[0]) if len(buffers) == 1 else b""
    if len(buffers) > 1 or len(raw) % 4 or len(raw) > 4 * MAX_VALUES:
        raise MessageError(f"values must come as one float32 buffer, got {len(buffers)} with {len(raw)} bytes")
    with np.errstate(invalid="ignore"):  # signalling NaNs; no edit takes any
        values = np.frombuffer(raw, dtype="<f4").astype(np.float64)
    edits, used = [], 0
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise MessageError(f"an edit must be an object with a name, got {brief(item)}")
        count = item.get("count", 1)
        if not is_count(count) or count < 1:
            raise MessageError(f"count of {brief(item['name'])} must be 1 or more, got {brief(count)}")
        part = values[used : used + count]
        used += count
        edits.append(Edit(item["name"], part[0] if part.size == count == 1 else part, _index(item.get("index"))))
    if used != values.size:
        raise MessageError(f"values must be as many as the edits count, {used}, got {values.size}")
    return tuple(edits)


def _index(index: Any) -> tuple[int, ...]:
    if not isinstance(index, list) or len(index) > 4 or not all(is_count(i) for i in index):
        raise MessageError(f"index must be a list of up to 4 whole numbers, 0 or more, got {brief(index)}")
    return tuple(index)


def is_name(value: object) -> TypeGuard[str]:
    """Whether ``value`` may name a client or a gesture: a short printable text, so that it can be sent back."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()


def is_count(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number that JavaScript holds exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def is_finite(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a number that a float holds; an integer of JSON may be larger."""
    try:
        return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def brief(value: Any) -> str:
    """Text of a value for a message, at most 80 letters, whatever it is."""
    text = reprlib.repr(value)  # bounded in depth and length, whatever has arrived
    return text if len(text) <= 80 else text[:77] + "..."
