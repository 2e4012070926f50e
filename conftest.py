"""Settings which every pytest run of the project shares."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent

# Read where torch is loaded. Else a thread that waits for another computes: on two busy cores a test of seven seconds
# took two minutes, and some tests measure processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_configure(config: pytest.Config) -> None:
    """Let ``pytest --nbval notebooks`` find its rules and this interpreter from any folder."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_sanitize_with = str(ROOT / "nbval_sanitize.cfg")
        config.option.nbval_current_env = True
