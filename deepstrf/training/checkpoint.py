"""A fit that was interrupted, on disk: one file, replaced as a whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMAT = 1


def fingerprint(*tensors: Tensor) -> str:
    """Hash of the values and shapes of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, text, lists and dicts) to a file.

    It is written beside the old one, forced to the disk and then put in its place: whatever goes wrong, the file holds
    a complete state.

    Raises
    ------
    OSError
        It could not be written; the old file is as it was.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """State in a file that `save_checkpoint` wrote for a fit with the same ``settings``.

    Raises
    ------
    ValueError
        The file is damaged or is something else, or it belongs to a fit that differs in a setting, which is named.
    """
    data = path.read_bytes()
    try:
        state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(f"checkpoint {path} is damaged, or not one that a fit wrote: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"checkpoint {path} is not one that a fit of this version wrote")
    for name, value in settings.items():
        if state["settings"].get(name) != value:
            raise ValueError(
                f"checkpoint {path} belongs to another fit: its {name} is {state['settings'].get(name)!r}, here it is "
                f"{value!r}; delete the file to begin anew, or name another"
            )
    return state
