"""A whole recording in one file: safetensors, which holds numbers and text and runs no code when it is read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import torch

from deepstrf.datasets.parts import Part
from deepstrf.memory import LIMIT_GB, check_memory
from deepstrf.writing import check_file_names, in_the_way, write_or_replace

__all__ = ["check_parts", "read_recording", "write_recording"]

FORMAT = "deepstrf recording 1"
LONGEST_HEADER = 100_000_000


def write_recording(path: Path, parts: tuple[Part, ...], about: dict[str, Any]) -> None:
    """Write the parts and what is said about them in plain types to a file, whole or not at all.

    Raises
    ------
    FileExistsError
        There is a file that is no recording: it is not replaced.
    ValueError
        No file can be called so.
    OSError
        It cannot be written; an older file is as it was.
    """
    from safetensors.torch import save

    check_file_names("the recording's name", [path.name])
    if in_the_way(path, _is_recording):
        raise FileExistsError(f"{path} exists and is no recording of this library: choose another name, or delete it")
    tensors = {}
    for b, part in enumerate(parts):
        for name in ("stimulus", "responses", "neurons"):
            if (values := getattr(part, name)) is not None:
                tensors[f"{name}.{b}"] = values.detach().cpu().clone(memory_format=torch.contiguous_format)
    data = save(tensors, {"format": FORMAT, "about": json.dumps({**about, "stimuli": len(parts)})})
    write_or_replace(path, data, _is_recording)


def read_recording(path: Path, *, max_gb: float = LIMIT_GB) -> tuple[list[Part], dict[str, Any]]:
    """Parts and what is said about them in a file of `write_recording`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is damaged, of something else, or needs too much memory.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    check_memory(str(path), path.stat().st_size, max_gb)
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "null"))
            if (file.metadata() or {}).get("format") != FORMAT or not isinstance(about, dict):
                raise ValueError(f"{path} is no recording that Recording.save of this version wrote")
            names = set(file.keys())
            parts = [
                Part(
                    file.get_tensor(f"stimulus.{b}"),
                    file.get_tensor(f"responses.{b}"),
                    file.get_tensor(f"neurons.{b}") if f"neurons.{b}" in names else None,
                )
                for b in range(about.pop("stimuli"))
            ]
    except (SafetensorError, json.JSONDecodeError, LookupError, TypeError, OSError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, or no recording that Recording.save wrote: {error}") from error
    return parts, about


def check_parts(parts: list[Part], neurons: int) -> None:
    """Raise ValueError unless the parts have one number of bands, and responses of so many neurons over their bins."""
    if not parts:
        raise ValueError("it holds no stimulus")
    for b, part in enumerate(parts):
        stimulus, responses, present = part.stimulus, part.responses, part.neurons
        fits = (
            stimulus.is_floating_point()
            and responses.is_floating_point()
            and stimulus.ndim == responses.ndim == 3
            and stimulus.shape == (1, parts[0].stimulus.shape[1], responses.shape[2])
            and 0 not in responses.shape
            and bool(stimulus.isfinite().all())
        )
        if not fits:
            raise ValueError(
                f"stimulus and responses {b} must be (1, F, T), finite, and (n, R, T), got "
                f"{tuple(stimulus.shape)} and {tuple(responses.shape)}"
            )
        own = range(neurons) if present is None else present.tolist() if present.dtype == torch.int64 else None
        if own is None or list(own) != sorted(set(own) & set(range(neurons))) or len(own) != len(responses):
            raise ValueError(f"neurons {b} must be {len(responses)} ascending numbers below {neurons}")


def _is_recording(path: Path) -> bool:
    """Whether a file begins as those of `write_recording` do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= LONGEST_HEADER:
            return False
        header = file.read(length)
    try:
        found = json.loads(header)
        return bool(found["__metadata__"]["format"] == FORMAT)
    except (ValueError, TypeError, LookupError, RecursionError):
        return False
