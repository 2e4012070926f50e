"""A fit that was interrupted, on disk: one file, replaced as a whole or not at all.

It is a file of `torch.save` with a line at its end: the format and a digest of all bytes before it. So nothing is read
from a file that was cut, changed or made otherwise.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.training.history import EpochRecord, History
from deepstrf.training.identity import Identity, difference
from deepstrf.writing import check_file_names, replace_file, write_new_file

__all__ = [
    "check_optimizer_state",
    "check_schedule_state",
    "check_weights",
    "history_in",
    "load_checkpoint",
    "save_checkpoint",
]

FORMAT = 2
MARK = b"\ndeepstrf fit checkpoint "
END = len(MARK) + len(f"{FORMAT} sha256 ") + 64
PARTS = ("identity", "model", "best", "optimizer", "schedule", "history", "answer")
UNREADABLE = (
    RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, ImportError, OSError,
    AssertionError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
"""What torch raises for a file that is none of its own."""


def save_checkpoint(path: Path, state: dict[str, Any], *, first: bool) -> None:
    """Write ``state``, with the entries `PARTS`, to a file.

    Whatever goes wrong, the file holds a complete state. The ``first`` time there must be no file yet.

    Raises
    ------
    ValueError
        No file can be called so.
    FileExistsError
        ``first``, and there is a file: it is as it was.
    OSError
        It could not be written; the old file is as it was.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    if first:
        try:
            torch.load(io.BytesIO(buffer.getbuffer()), weights_only=True)
        except UNREADABLE as error:
            raise ValueError(
                f"checkpoint {path} is not written, since it could not be read back: the state of the model, the "
                f"optimizer or the schedule holds more than tensors and numbers. {error}"
            ) from error
    made = hashlib.sha256(buffer.getbuffer()).hexdigest()
    buffer.write(MARK + f"{FORMAT} sha256 {made}".encode())
    (write_new_file if first else replace_file)(path, buffer.getbuffer())


def load_checkpoint(path: Path, identity: Identity, *, max_gb: float = LIMIT_GB) -> dict[str, Any]:
    """State in a file that `save_checkpoint` wrote for a fit of the same ``identity``.

    Raises
    ------
    ValueError
        The file is damaged or is something else, needs more than ``max_gb``, or belongs to a fit that differs, in what
        the message names.
    OSError
        It cannot be read.
    """
    state = _read(path, max_gb)
    try:
        differs = difference(state["identity"], identity)
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"checkpoint {path} is not one that a fit wrote: its identity is none") from error
    if differs:
        raise ValueError(
            f"checkpoint {path} belongs to another fit: {differs}; delete the file to begin anew, or name another"
        )
    return state


def _read(path: Path, max_gb: float) -> dict[str, Any]:
    check_file_names("the checkpoint's name", [path.name])
    if not path.is_file():
        raise ValueError(f"checkpoint {path} must be a file, got a folder or a device")
    check_memory(f"checkpoint {path}", path.stat().st_size, max_gb)
    data = memoryview(path.read_bytes())
    content, end = data[:-END], bytes(data[-END:])
    again = "delete the file to begin anew, or name another"
    if not end.startswith(MARK) and zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError(f"checkpoint {path} is not one that a fit of this version wrote; {again}")
    if not end.startswith(MARK) or end[-64:].decode("latin-1") != hashlib.sha256(content).hexdigest():
        raise ValueError(
            f"checkpoint {path} is damaged, or not one that a fit wrote: its contents do not match the digest at its "
            f"end; {again}"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_memory(f"checkpoint {path}", sum(part.file_size for part in archive.infolist()), max_gb)
        state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except UNREADABLE as error:
        raise ValueError(f"checkpoint {path} is not one that a fit wrote: {error}") from error
    missing = [part for part in PARTS if not isinstance(state, dict) or part not in state]
    if missing:
        raise ValueError(f"checkpoint {path} is not one that a fit wrote: it has no {missing[0]}")
    return state


def check_weights(current: Mapping[str, Any], found: Any, what: str) -> None:
    """ValueError unless ``found`` has the tensors of the state dict ``current``, of the same shapes and types."""
    if not isinstance(found, Mapping) or found.keys() != current.keys():
        raise ValueError(f"{what} has not the tensors of the model")
    for name, tensor in current.items():
        other = found[name]
        if isinstance(tensor, Tensor) and not (
            isinstance(other, Tensor)
            and (other.shape, other.dtype, other.layout) == (tensor.shape, tensor.dtype, tensor.layout)
        ):
            raise ValueError(f"{what} has another {name} than the model")
        if isinstance(tensor, Tensor) and bool(tensor.isfinite().all()) and not bool(other.isfinite().all()):
            raise ValueError(f"{what} has NaN or infinite values in {name}")


def check_schedule_state(schedule: torch.optim.lr_scheduler.LRScheduler | None, state: Any) -> None:
    """Load a state into a fresh schedule; ValueError where it cannot be one of it."""
    if schedule is None or state is None:
        if schedule is not None or state is not None:
            raise ValueError("its schedule's state is not one of this schedule")
        return
    current = schedule.state_dict()
    if not isinstance(state, Mapping) or state.keys() != current.keys():
        raise ValueError(f"its schedule's state is not one of a {type(schedule).__name__}")
    for name, value in current.items():
        number = isinstance(value, (int, float)) and isinstance(state[name], (int, float))
        if not number and type(state[name]) is not type(value):
            raise ValueError(f"its schedule's state has {name} {state[name]!r:.80}")
    schedule.load_state_dict(dict(state))


def check_optimizer_state(optimizer: torch.optim.Optimizer, state: Any) -> None:
    """Load a state into a fresh optimizer; ValueError unless a step can be taken with it.

    The parameters stay as they are.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        optimizer.load_state_dict(deepcopy(state))
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step(lambda: 0.0)
        optimizer.load_state_dict(state)
    except UNREADABLE as error:
        raise ValueError(f"its optimizer's state is not one of this optimizer: {error}") from error
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)
                parameter.grad = None


def history_in(state: Any, n_neurons: int) -> History:
    """The history that gave this state; ValueError where it cannot be one of a fit of so many neurons."""
    _check_fields(History, state, n_neurons)
    for number, record in enumerate(state["records"], start=1):
        _check_fields(EpochRecord, record, n_neurons)
        if record["epoch"] != number:
            raise ValueError(f"its history has epoch {record['epoch']} in place {number}")
    if not (0 if not state["records"] else 1) <= state["best_epoch"] <= len(state["records"]):
        raise ValueError(f"its history has {len(state['records'])} epochs and calls {state['best_epoch']} the best")
    return History.from_state_dict(state)


def _check_fields(cls: type, state: Any, n_neurons: int) -> None:
    hints = get_type_hints(cls)
    if not isinstance(state, Mapping) or state.keys() != {field.name for field in fields(cls)}:
        raise ValueError(f"its history has not the fields of a {cls.__name__}")
    for name, value in state.items():
        if not isinstance(value, _kinds(hints[name])) or (isinstance(value, Tensor) and value.shape != (n_neurons,)):
            raise ValueError(f"its history cannot be that of a fit: {name} of a {cls.__name__} is {value!r:.80}")


def _kinds(hint: Any) -> tuple[type, ...]:
    members = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kinds = tuple(get_origin(member) or member for member in members)
    return (*kinds, int) if float in kinds else kinds
