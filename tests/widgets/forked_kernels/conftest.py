"""What is cleared away after the tests of forked kernels."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from jupyter_core.utils import ensure_event_loop


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Jupyter's blocking clients leave event loops open, which would warn in whichever test they are collected."""
    yield
    ensure_event_loop().close()
    asyncio.set_event_loop(None)
    gc.collect()
