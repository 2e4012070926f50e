"""How much memory a computation takes at its peak, as the operating system counts it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(function: Callable[[], Any]) -> tuple[int, Any]:
    """By how much the resident memory of this process rose, and what the function gave. Linux only: else a skip."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        RESET.write_text("5")
    except (OSError, AttributeError, TypeError):
        pytest.skip("the peak of the resident memory is measured on Linux only")
    before = _kilobytes("VmRSS")
    result = function()
    return 1024 * (_kilobytes("VmHWM") - before), result


def _kilobytes(name: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(name))
