"""Settings which every pytest run of the project shares."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    """Let ``pytest --nbval notebooks`` find its rules and this interpreter from any folder."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_sanitize_with = str(ROOT / "nbval_sanitize.cfg")
        config.option.nbval_current_env = True
