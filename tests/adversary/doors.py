"""A door through which files come in: how hostile inputs are made for it, and what may happen to them.

An input is *right* when the answer is what it must be, *refused* when the error is a ValueError, FileNotFoundError or
MemoryError that names the file. Everything else is a fault: *wrong* (an answer that is not what it must be), *raw* (an
error of another kind, or one that names no file), *hung* (more than 20 s), *dead* (the process ended).
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TOLD = 20_000
"""Characters of a wrong answer that are told."""

REFUSALS = (ValueError, FileNotFoundError, MemoryError)


@dataclass
class Attempt:
    """One hostile input.

    Attributes
    ----------
    open : callable
        Opens the door.
    names : tuple of str
        A refusal must contain one of them.
    is_right : callable, optional
        Whether an answer is what it must be; None where any answer will do.
    may_refuse : bool
        Whether a refusal is in order.
    """

    open: Callable[[], Any]
    names: tuple[str, ...]
    is_right: Callable[[Any], bool] | None = None
    may_refuse: bool = True


@dataclass(frozen=True)
class Door:
    """How many hostile inputs the whole campaign tries, how one is made in a folder of its own, and what ends them."""

    count: int
    make: Callable[[np.random.Generator, Path], Attempt]
    end: Callable[[], object] = lambda: None


def outcome(attempt: Attempt) -> tuple[str, str]:
    """Kind of what happened, and the message that shows it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = attempt.open()
            is_right = attempt.is_right is None or attempt.is_right(answer)
    except REFUSALS as error:
        message = str(error)
        if not any(name in message for name in attempt.names):
            return "raw", f"names no file: {type(error).__name__}: {message}"
        return ("refused" if attempt.may_refuse else "wrong"), message
    except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
        place = "".join(traceback.format_exception(error, limit=-6))
        return "raw", f"{type(error).__name__}: {error}\n{place}"
    return ("right", "") if is_right else ("wrong", repr(answer)[:TOLD])


def damaged(rng: np.random.Generator, data: bytes, head: int = 256) -> bytes:
    """The bytes after one to four kinds of damage, most of it in the first ``head``."""
    for _ in range(int(rng.integers(1, 5))):
        reach = min(len(data), head if rng.random() < 0.7 else len(data))
        if not reach:
            break
        at, size = int(rng.integers(reach)), int(rng.integers(1, 9))
        match rng.integers(8):
            case 0:
                data = data[:at] + rng.bytes(size) + data[at + size :]
            case 1:
                data = data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
            case 2:
                data = data[:at] + data[at + size :]
            case 3:
                data = data[:at] + rng.bytes(size) + data[at:]
            case 4:
                data = data[: int(rng.integers(len(data) + 1))]
            case 5:
                extreme = rng.choice([0, 1, 2**7, 2**15, 2**31 - 1, 2**31, 2**32 - 1])
                order = "little" if rng.random() < 0.5 else "big"
                data = data[:at] + int(extreme).to_bytes(4, order) + data[at + 4 :]
            case 6:
                data = data + rng.bytes(int(rng.integers(1, 400)))
            case _:
                data = data[:at] + bytes(size) + data[at + size :]
    return data
