"""Small recordings on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from deepstrf.stimuli import tone_pip

RATE_HZ = 8000
SETTINGS: dict[str, Any] = {"n_bands": 5, "min_hz": 500.0, "max_hz": 3000.0}


def sound(seconds: float = 0.5, freq_hz: float = 1000.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A tone in float32."""
    return tone_pip(freq_hz, duration_s=seconds, sample_rate_hz=rate_hz).astype(np.float32)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Function that writes a folder with sounds a.wav (0.5 s) and b.wav (0.25 s) and the tables given as text."""

    def make(spikes: str | None, trials: str | None = None, **sounds: np.ndarray) -> Path:
        folder = tmp_path / "recording"
        (folder / "stimuli").mkdir(parents=True, exist_ok=True)
        for name, samples in ({"a": sound(), "b": sound(0.25, 2000.0)} | sounds).items():
            soundfile.write(folder / "stimuli" / f"{name}.wav", samples, RATE_HZ, subtype="FLOAT")
        for name, text in (("spikes.csv", spikes), ("trials.csv", trials)):
            if text is not None:
                (folder / name).write_text(text)
        return folder

    return make
