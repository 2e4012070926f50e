"""What a worker does for `fit_many`: one fit, which no other worker is doing, and its result in a file."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deepstrf.datasets import Recording
from deepstrf.training.cross_validation import SCORES, Recipe, parted, predicted_of, score_of
from deepstrf.training.jobs import FORMAT, can_be_rebuilt
from deepstrf.writing import replace_file


@functools.lru_cache(maxsize=4)
def recording_in(path: str) -> Recording:
    """The recording of a file, which a worker reads once."""
    return Recording.load(path, max_gb=float("inf"))


TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's ``mallopt``."""
KEPT_MB = 128


@functools.cache
def keep_freed_memory() -> bool:
    """Whether this process was told to keep memory that is freed, for the next tensor to take.

    Dask tells the C library of its workers to give all of it back at once, so that every tensor of a fit meets fresh
    pages: a fit took a third longer.
    """
    if sys.platform != "linux" or "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
    if mallopt is None:
        return False
    return all([mallopt(TRIM_THRESHOLD, KEPT_MB * 2**20), mallopt(MMAP_THRESHOLD, KEPT_MB // 4 * 2**20)])


def work(recipe: Recipe, data: str, threads: int, *arguments: Any) -> tuple[bytes, nn.Module | None]:
    """One fit on a recording that this worker has read, or reads now."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    return fit_one(recipe, recording_in(data), *arguments)


def fit_one(
    recipe: Recipe,
    recording: Recording,
    left_out: tuple[str, ...],
    seed: int,
    setting: dict[str, Any],
    validation: float | None,
    file: str,
) -> tuple[bytes, nn.Module | None]:
    """Bytes of the result, which are in the file too if its folder is there, and the model if it cannot be rebuilt.

    Where another process, of a notebook that was killed, is at the same fit, its result is waited for and taken.
    """
    with claimed(Path(file)):
        if Path(file).is_file():
            return Path(file).read_bytes(), None
        began = time.perf_counter()
        try:
            model = recipe(*sounds_of(recording, left_out, seed, validation), seed=seed, **setting)
            return kept(recipe, model, recording, left_out, file, time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001 - whatever a recipe raises is its result
            return failed(error, time.perf_counter() - began), None


def sounds_of(
    recording: Recording, left_out: tuple[str, ...], seed: int, validation: float | None
) -> tuple[Recording, Recording | None]:
    """What is fitted, and what says when to stop."""
    kept_names = [name for name in recording.stimulus_names if name not in left_out]
    return parted(recording.select(stimuli=kept_names), validation, seed)


def kept(
    recipe: Recipe, model: nn.Module, recording: Recording, left_out: tuple[str, ...], file: str, seconds: float
) -> tuple[bytes, nn.Module | None]:
    """Bytes of the result of a fitted model, also in the file, and the model if it cannot be rebuilt from them."""
    tensors: dict[str, Tensor] = {f"state.{name}": value for name, value in model.state_dict().items()}
    if left_out:
        test = recording.select(stimuli=list(left_out))
        predicted = predicted_of(model, test)
        _, responses = test.padded()
        whole = responses.new_full((len(test), responses.shape[1], 1, responses.shape[-1]), torch.nan)
        for b, one in enumerate(predicted):
            whole[b, ..., : one.shape[-1]] = one
            tensors[f"prediction.{b}"] = one
        tensors |= {f"score.{name}": score_of(name, whole, responses, 0) for name in SCORES}
    data = _packed(tensors, "", seconds)
    if Path(file).parent.is_dir():
        replace_file(Path(file), data)
    return data, None if can_be_rebuilt(recipe) else model


def failed(error: BaseException, seconds: float) -> bytes:
    """Bytes of the result of a fit that raised an error: no file keeps them, since the cause may go away."""
    return _packed({}, "".join(traceback.format_exception(error)), seconds)


def _packed(tensors: dict[str, Tensor], error: str, seconds: float) -> bytes:
    from safetensors.torch import save

    about = {"format": FORMAT, "error": error, "seconds": seconds}
    plain = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    return save(plain, {"about": json.dumps(about)})


@contextmanager
def claimed(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Inside, no other process or thread has claimed the result ``file``; False if it is another's and none waits.

    The claim of a process ends with it, however it ends. Where the folder is not there, or its file system has no
    locks, everybody has it.
    """
    try:
        import fcntl

        lock = open(file.with_suffix(".claim"), "ab")  # noqa: SIM115 - closed below
    except (ImportError, OSError):
        yield True
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError:  # no locks there
            yield True
            return
        yield True
        if file.is_file():
            file.with_suffix(".claim").unlink(missing_ok=True)
